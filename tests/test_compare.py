"""Several models: their differences on shared replicates, and their mean when they are runs of one training."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import askew
from askew.engine import choose
from askew.engine.protocol import Draws
from askew.models import mean_over_models, shares

stats = pytest.importorskip("scipy.stats")
pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

B, SEED = 120, 5
OPTIONS: dict[str, Any] = {"n_resamples": B, "rng": SEED, "min_count": 10, "max_size": 2}


def tables(seed: int, amplification: float, like: Any = None) -> Any:
    return askew.datasets.make_annotations(
        400, n_attributes=4, density=0.4, amplification=amplification, error_rate=0.3, group_error_rate=0.1, rng=seed
    )


TRAIN, TEST, A = tables(1, 0.3)[:3]


def noisy(seed: int) -> askew.Annotations:
    """Predictions that flip a tenth of the attributes of A."""
    attributes, _ = A.to_numpy()
    flips = np.random.default_rng(seed).random(attributes.shape) < 0.1
    return askew.Annotations(attributes ^ flips, A, like=A)


MODELS = {"A": A, "B": noisy(1), "C": noisy(2)}


def test_a_comparison_is_the_difference_of_audits_on_equal_seeds() -> None:
    comparison = askew.compare(TRAIN, TEST, MODELS, **OPTIONS)
    alone = {name: askew.audit(TRAIN, TEST, pred, **OPTIONS) for name, pred in MODELS.items()}
    assert list(comparison) == ["A", "B", "C"]
    for name, audit in alone.items():
        for metric, estimate in audit.items():
            ours = comparison[name][metric]
            assert ours.value == estimate.value
            assert np.array_equal(ours.bootstrap_distribution, estimate.bootstrap_distribution)
            assert np.array_equal(ours.cells["p_value"], estimate.cells["p_value"], equal_nan=True)
    rows = comparison.table.rows()
    assert [(row["model"], row["reference"]) for row in rows[:3]] == [("B", "A"), ("C", "A"), ("C", "B")]
    t, deviations, varying = [], [], []
    for row in rows:
        one, other = (alone[row[of]][row["metric"]] for of in ("model", "reference"))
        steps = one.bootstrap_distribution - other.bootstrap_distribution
        value = one.value - other.value
        assert row["difference"] == value
        assert [row["low"], row["high"]] == pytest.approx(np.quantile(steps, [0.025, 0.975]), rel=1e-12)
        assert row["standard_error"] == pytest.approx(np.std(steps, ddof=1), rel=1e-9)
        assert row["p_value"] == (1 + (abs(steps - value) >= abs(value)).sum()) / (1 + B)
        if not steps.any():  # the groups of these models are those of A
            assert row["p_adjusted"] is None
            continue
        varying.append(row)
        t.append(abs(value) / np.std(steps, ddof=1))
        deviations.append(abs(steps - value) / np.std(steps, ddof=1))
    assert len(varying) == 12
    order, floor = np.argsort(t)[::-1], 0.0
    for rank, row in enumerate(order):
        largest = np.max(np.array(deviations)[order[rank:]], axis=0)
        floor = max(floor, (1 + (largest >= t[row]).sum()) / (1 + B))
        assert varying[row]["p_adjusted"] == floor


def test_against_a_reference() -> None:
    pairs = askew.compare(TRAIN, TEST, MODELS, reference="B", method="basic", **OPTIONS).pairs
    assert pairs == [("A", "B"), ("C", "B")]


def test_a_model_and_itself() -> None:
    comparison = askew.compare(TRAIN, TEST, {"A": A, "again": A}, alternative="less", **OPTIONS)
    table = comparison.table
    assert not table["difference"].any()
    assert (table["p_value"] == 1).all()
    assert np.isnan(table["p_adjusted"]).all()
    assert comparison.to_dict()["differences"][0]["low"] is None


def test_what_a_comparison_prints_and_writes() -> None:
    comparison = askew.compare(TRAIN, TEST, MODELS, **OPTIONS)
    assert "that the models share" in repr(comparison)
    assert "<table" in comparison._repr_html_()
    written = json.loads(comparison.to_json())
    assert len(written["differences"]) == 18
    assert set(written["models"]) == set(MODELS)
    assert comparison.to_csv().count("\n") == 19
    with pytest.raises(KeyError, match="no model 'D'"):
        comparison["D"]
    without = askew.compare(TRAIN, TEST, MODELS, **{**OPTIONS, "n_resamples": 0})
    assert np.isnan(without.table["p_adjusted"]).all()
    assert "replicates" not in repr(without)


def test_train_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    engine = choose("auto")
    original = type(engine).resample

    def resample(self: Any, columns: Any, n: int, itemsets: Any, draws: Draws, *rest: Any) -> None:
        counted.append(draws.table)
        original(self, columns, n, itemsets, draws, *rest)

    monkeypatch.setattr(type(engine), "resample", resample)
    askew.compare(TRAIN, TEST, MODELS, **OPTIONS)
    assert sorted(counted) == [0, 1, 1, 1]


def test_wrong_models() -> None:
    short = askew.Annotations(A.to_numpy()[0][:-1], [0] * (A.n - 1), attribute_names=A.attribute_names)
    other = askew.Annotations(*(x[:-1] for x in A.to_numpy()), like=A)
    assert short.n == other.n
    for call in (
        lambda pred: askew.compare(TRAIN, TEST, {"good": A, "bad": pred}),
        lambda pred: askew.audit(TRAIN, TEST, [A, pred]),
    ):
        with pytest.raises(askew.InputError, match=r"^(models\['bad'\]|pred\[1\]): .*400 and 399 instances"):
            call(other)
        with pytest.raises(askew.InputError, match=r"^(models\['bad'\]|pred\[1\]) must be Annotations, not int"):
            call(3)
    for models, message in [({"A": A}, "two models or more"), ([A, A], "mapping of names"), ({1: A, 2: A}, "mapping")]:
        with pytest.raises(askew.InputError, match=message):
            askew.compare(TRAIN, TEST, models)
    with pytest.raises(askew.InputError, match="reference must be one of 'A', 'B', 'C'"):
        askew.compare(TRAIN, TEST, MODELS, reference="D")
    with pytest.raises(askew.InputError, match="would not share them"):
        askew.compare(TRAIN, TEST, MODELS, weights="poisson-patterns", n_resamples=10)
    with pytest.raises(askew.InputError, match="list of predictions is empty"):
        askew.mals(TRAIN, TEST, [])


# ---- Runs of one training


@pytest.mark.parametrize("options", [OPTIONS, {**OPTIONS, "n_resamples": 0}, {**OPTIONS, "resample": "train"}])
def test_one_model_in_a_list_is_that_model(options: dict[str, Any]) -> None:
    alone, listed = askew.audit(TRAIN, TEST, A, **options), askew.audit(TRAIN, TEST, [A], **options)
    assert json.loads(alone.to_json(cells=True)) == json.loads(listed.to_json(cells=True))
    for name, estimate in alone.items():
        assert np.array_equal(estimate.bootstrap_distribution, listed[name].bootstrap_distribution)
        assert listed[name].models is None


def test_several_models_are_their_mean() -> None:
    preds = list(MODELS.values())
    ours = askew.audit(TRAIN, TEST, preds, **OPTIONS)
    each = [askew.audit(TRAIN, TEST, pred, **OPTIONS) for pred in preds]
    share = shares(SEED, 3, B)[1:]
    assert ours.run.n_models == 3
    assert "means over 3 models" in repr(ours)
    for name, estimate in ours.items():
        values = [audit[name].value for audit in each]
        assert estimate.value == pytest.approx(np.mean(values), rel=1e-12)
        replicates = np.array([audit[name].bootstrap_distribution for audit in each])
        np.testing.assert_allclose(estimate.bootstrap_distribution, (share.T * replicates).sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            estimate.cell_values.delta, np.mean([a[name].cell_values.delta for a in each], axis=0)
        )
        null = np.array([audit[name].null_distribution for audit in each])
        if estimate.absolute:
            p = (1 + ((share.T * null).sum(axis=0) >= estimate.value).sum()) / (1 + B)
            assert estimate.p_value == p
            assert estimate.noise_floor == pytest.approx(np.mean([a[name].noise_floor for a in each]))
        assert estimate.models is not None
        assert estimate.models.values.tolist() == values
        assert estimate.models.standard_deviation == pytest.approx(np.std(values, ddof=1))
        half = stats.norm.ppf(0.975) * np.std(values, ddof=1) / math.sqrt(3)
        assert estimate.models.confidence_interval == pytest.approx((np.mean(values) - half, np.mean(values) + half))
        assert json.loads(estimate.to_json())["models"]["values"] == values


def test_cells_of_several_models() -> None:
    """Equal models: their mean is each of them, whichever a replicate draws."""
    ours = askew.multi_mals(TRAIN, TEST, [A, A], **OPTIONS)
    alone = askew.multi_mals(TRAIN, TEST, A, **OPTIONS)
    for column in ("baseline", "predicted", "delta", "low", "high", "standard_error"):
        one, other = getattr(ours.cell_values, column), getattr(alone.cell_values, column)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert np.array_equal(np.isnan(ours.cell_values.p_value), np.isnan(alone.cell_values.p_value))
    assert ours.p_value == alone.p_value
    ours, alone = (askew.mals(TRAIN, TEST, preds, **OPTIONS) for preds in ([A, A], A))
    np.testing.assert_allclose(ours.null_distribution, alone.null_distribution, rtol=1e-9, atol=1e-12)
    different = askew.multi_mals(TRAIN, TEST, list(MODELS.values()), **OPTIONS)
    assert different.standard_error > 0
    assert not np.isnan(different.cells["p_adjusted"]).all()


def test_draws_of_models() -> None:
    drawn = shares(7, 5, 4000)
    assert (drawn[0] == 0.2).all()
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    counts = np.rint(drawn[1:] * 5).astype(int)
    np.testing.assert_allclose(counts, drawn[1:] * 5)
    assert np.array_equal(shares(7, 5, 100), drawn[:101])  # whatever the number of replicates
    assert not np.array_equal(shares(8, 5, 4000), drawn)
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 1e-3
    outcomes = np.bincount(counts[:, 0], minlength=6)  # Binomial(5, 1/5)
    assert (
        stats.chisquare(
            outcomes[:5],
            4000 * stats.binom.pmf(range(5), 5, 0.2) * outcomes[:5].sum() / (4000 * stats.binom.cdf(4, 5, 0.2)),
        ).pvalue
        > 1e-3
    )
    assert np.array_equal(shares(7, 1, 9), np.ones((10, 1)))


def test_means_leave_undefined_models_out() -> None:
    values = [np.array([1.0, math.nan, math.nan]), np.array([3.0, 5.0, math.nan])]
    share = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_array_equal(mean_over_models(values, share), [2.0, 5.0, math.nan])
