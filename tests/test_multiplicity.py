"""P-values from centred replicates: against plain loops, SciPy, and their promise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import askew
from askew import multiplicity
from askew.engine.weights import weights

stats = pytest.importorskip("scipy.stats")

Floats = npt.NDArray[np.float64]
some = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, math.nan])


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(0.001, 1)))
def test_q_values_equal_scipy(p: Floats) -> None:
    expected = stats.false_discovery_control(p) if len(p) else p
    np.testing.assert_allclose(multiplicity.q_values(p), expected, rtol=1e-14)
    with_gaps = np.full(2 * len(p), np.nan)
    with_gaps[::2] = p
    np.testing.assert_allclose(multiplicity.q_values(with_gaps)[::2], expected, rtol=1e-14)
    assert np.isnan(multiplicity.q_values(with_gaps)[1::2]).all()


def largest_of(values: list[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=-math.inf)


@given(
    st.integers(0, 6).flatmap(
        lambda k: st.tuples(arrays(float, k, elements=some), arrays(float, (9, k), elements=some))
    )
)
def test_adjusted_p_values_by_plain_loops(drawn: tuple[Floats, Floats]) -> None:
    t, deviations = drawn
    n = len(deviations)
    one, down = (
        multiplicity.single_step(t, np.fmax.reduce(deviations, axis=1, initial=-np.inf)),
        multiplicity.step_down(t, [deviations.T[:2], deviations.T[2:]] if len(t) else []),
    )
    ranked = sorted((k for k in range(len(t)) if not math.isnan(t[k])), key=lambda k: -t[k])
    floor = 0.0
    for place, k in enumerate(ranked):
        among_all = sum(largest_of(list(row)) >= t[k] for row in deviations)
        assert one[k] == (1 + among_all) / (1 + n)
        # of equal t, whichever comes first: the rest still holds its equals, or its own deviations
        below = [row[[j for j in range(len(t)) if t[j] < t[k] or j in ranked[place:]]] for row in deviations]
        floor = max(floor, (1 + sum(largest_of(list(row)) >= t[k] for row in below)) / (1 + n))
        assert down[k] <= one[k]
        if len(set(t[ranked].tolist())) == len(ranked):
            assert down[k] == floor
    assert np.array_equal(np.isnan(one), np.isnan(t))
    assert np.array_equal(np.isnan(down), np.isnan(t))
    single = multiplicity.p_values(t, deviations)
    for k in ranked:
        those = [d for d in deviations[:, k] if not math.isnan(d)]
        assert single[k] == (1 + sum(d >= t[k] for d in those)) / (1 + len(those))


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("value", [-1.0, 0.0, 0.3, 2.0])
def test_p_value_by_hand(value: float, alternative: str) -> None:
    centred = np.array([-1.5, -1.0, math.nan, -0.3, 0.0, 0.3, 1.0])
    extreme = {"two-sided": abs(centred) >= abs(value), "less": centred <= value, "greater": centred >= value}
    assert multiplicity.p_value(value, centred, alternative) == (1 + extreme[alternative].sum()) / 7
    assert math.isnan(multiplicity.p_value(math.nan, centred, alternative))
    assert math.isnan(multiplicity.p_value(value, np.empty(0), alternative))


N, B, SEED = 300, 120, 4
TRAIN, TEST, PRED = askew.datasets.make_annotations(
    N, n_attributes=3, density=0.4, amplification=0.3, error_rate=0.4, rng=1
)[:3]


def replicates(weighted: Any) -> Floats:
    """`weighted(w, v)` for the weights of train and test, in the sample and in each replicate."""
    drawn = [weights("poisson", SEED, t, np.arange(N, dtype=np.uint64), range(B)).astype(float) for t in (0, 1)]
    ones = [np.concatenate([np.ones((N, 1)), w], axis=1) for w in drawn]
    return np.array([weighted(w, v) for w, v in zip(ones[0].T, ones[1].T, strict=True)])


@pytest.mark.parametrize("mals", [True, False])
def test_p_values_of_a_metric_by_plain_loops(mals: bool) -> None:
    """From weights to p-values, as the docstrings state them."""
    (a, g), (_, h), (b, k) = (table.to_numpy() for table in (TRAIN, TEST, PRED))

    def terms(w: Floats, v: Floats) -> list[Any]:
        """x1, n1, x2, n2 of each cell."""
        x1 = b.T @ (v[:, None] * (k if mals else h))
        x2 = a.T @ (w[:, None] * g)
        n1, n2 = (x1.sum(1)[:, None], x2.sum(1)[:, None]) if mals else (v @ h, w @ g)
        return [x1, n1 + 0 * x1, x2, n2 + 0 * x2]

    x1, n1, x2, n2 = np.moveaxis(replicates(terms), 1, 0)
    delta = x1 / n1 - x2 / n2
    variances = [(x + 0.5) / (n + 1) * (n - x + 0.5) / (n + 1) / (n + 1) for x, n in [(x1, n1), (x2, n2)]]
    factor = np.sqrt(
        sum(s[0] * n[0] / (n[0] - 1) for s, n in zip(variances, (n1, n2), strict=True)) / sum(variances)[0]
    )
    t = abs(delta[0]) / np.sqrt(sum(variances)[0]) / factor
    deviations = abs(delta[1:] - delta[0]) / np.sqrt(sum(variances)[1:])
    tested = (2 * x2[0] > n2[0]) if mals else np.ones(t.shape, bool)

    call = askew.multi_mals if mals else askew.multi_directional
    ours = call(TRAIN, TEST, PRED, sets="singletons", n_resamples=B, rng=SEED)
    assert ours.cell_values is not None
    assert ours.cell_values.adjustment == "step-down"
    expected = np.where(tested, (1 + (deviations >= t).sum(0)) / (1 + B), np.nan)
    np.testing.assert_array_equal(ours.cell_values.p_value, expected)
    error = np.where(tested, delta[1:].std(axis=0, ddof=1), np.nan)
    np.testing.assert_allclose(ours.cell_values.standard_error, error, rtol=1e-10)
    order = np.argsort(t[tested])[::-1]
    of, t_of = deviations[:, tested], t[tested]
    adjusted, floor = np.empty(len(order)), 0.0
    for rank, cell in enumerate(order):
        floor = max(floor, (1 + (of[:, order[rank:]].max(axis=1) >= t_of[cell]).sum()) / (1 + B))
        adjusted[cell] = floor
    np.testing.assert_array_equal(ours.cell_values.p_adjusted[tested], adjusted)
    np.testing.assert_allclose(
        ours.cell_values.table()["q_value"][tested.ravel()], stats.false_discovery_control(expected[tested])
    )

    factor = np.sqrt(
        sum(s[0] * n[0] / (n[0] - 1) for s, n in zip(variances, (n1, n2), strict=True)) / sum(variances)[0]
    )
    cells = 3 if mals else 6
    null = (abs(delta[1:] - delta[0]) * factor * tested).sum(axis=(1, 2)) / cells
    value = (abs(delta[0]) * tested).sum() / cells
    assert ours.value == pytest.approx(value, rel=1e-12)
    assert ours.p_value == (1 + (null >= value).sum()) / (1 + B)
    assert ours.with_interval(alternative="less").p_value == ours.p_value


@pytest.mark.parametrize("family", ["mals", "set given group", "group given set"])
@pytest.mark.parametrize("baseline", ["train", "test"])
def test_p_value_of_a_signed_metric_by_plain_loops(family: str, baseline: str) -> None:
    """The sign of a cell is that of c + βD − βD°, with c + βD of the sample and D° from a replicate."""
    (a, g), (t, h), (b, k) = (table.to_numpy() for table in (TRAIN, TEST, PRED))

    def terms(w: Floats, v: Floats) -> list[Any]:
        """x1, n1, x2, n2 of each cell, and n P(m, g) − n P(m) P(g) of train."""
        count = {"mals": (b, k), "set given group": (b, h), "group given set": (t, k)}[family]
        x1, x2, together = count[0].T @ (v[:, None] * count[1]), t.T @ (v[:, None] * h), a.T @ (w[:, None] * g)
        x2 = together if family == "mals" or baseline == "train" else x2
        if family == "mals":
            n1, n2 = x1.sum(1)[:, None], x2.sum(1)[:, None]
        elif family == "set given group":
            n1, n2 = v @ h, (w @ g if baseline == "train" else v @ h)
        else:
            n1, n2 = (v @ t)[:, None], ((w @ a)[:, None] if baseline == "train" else (v @ t)[:, None])
        apart = np.outer(w @ a, w @ g) / w.sum()
        return [x1, n1 + 0 * x1, x2, n2 + 0 * x1, (together - apart) / w.sum()]

    x1, n1, x2, n2, c = np.moveaxis(replicates(terms), 1, 0)
    delta = x1 / n1 - x2 / n2
    if family == "mals":
        c = x2 / n2 - 0.5
    variances = [(x + 0.5) * (n - x + 0.5) / (n + 1) ** 3 for x, n in [(x1[0], n1[0]), (x2[0], n2[0])]]
    factor = np.sqrt(sum(s * n / (n - 1) for s, n in zip(variances, (n1[0], n2[0]), strict=True)) / sum(variances))
    null, value = np.zeros(B), 0.0
    for m in range(3):
        for group in range(2):
            d, of = delta[:, m, group], c[:, m, group]
            step = (d[1:] - d[0]) * factor[m, group]
            shared = family == "mals" or baseline == "train"  # by what decides the sign and the difference: a table
            beta = -np.cov(of[1:], d[1:])[0, 1] / np.var(d[1:], ddof=1) if shared else 0.0
            below = 0 if family == "mals" else -1
            null += np.where(of[0] + beta * (d[0] - step) > 0, 1, below) * step
            value += d[0] if of[0] > 0 else below * d[0]
    convention = dataclasses.replace(askew.PAPER, single_baseline=baseline, multi_baseline=baseline)
    options: dict[str, Any] = {"n_resamples": B, "rng": SEED, "convention": convention}
    if family == "mals":
        ours, cells = askew.mals(TRAIN, TEST, PRED, **options), 3
    else:
        direction = "group->attribute" if family == "set given group" else "attribute->group"
        ours, cells = askew.directional(TRAIN, TEST, PRED, direction=direction, **options), 6
    assert ours.value == pytest.approx(value / cells, rel=1e-12)
    np.testing.assert_allclose(ours.null_distribution, null / cells, rtol=1e-9, atol=1e-12)
    null = ours.null_distribution
    middle = null.mean()
    assert ours.p_value == (1 + (abs(null - middle) >= abs(ours.value - middle)).sum()) / (1 + B)
    assert ours.with_interval(alternative="greater").p_value == (1 + (null >= ours.value).sum()) / (1 + B)
    assert ours.with_interval(alternative="less").p_value == (1 + (null <= ours.value).sum()) / (1 + B)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_p_value_of_a_signed_metric_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"n_resamples": B, "rng": SEED, "min_count": 20, "signed": True}
    whole = askew.multi_directional(TRAIN, TEST, PRED, **options)
    monkeypatch.setattr("askew.evaluation.Pass._tile", lambda self, n_rows: 2)
    tiled = askew.multi_directional(TRAIN, TEST, PRED, **options)
    np.testing.assert_allclose(tiled.null_distribution, whole.null_distribution, rtol=1e-12, atol=1e-15)


def test_signed_metrics_without_p_value() -> None:
    assert math.isnan(askew.mals(TRAIN, TEST, PRED).p_value)
    assert math.isnan(askew.bootstrap(lambda counts: counts.train.n, TRAIN, n_resamples=5, rng=0).p_value)


def test_single_step_where_the_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"n_resamples": 500, "rng": 1, "min_count": 20}
    down = askew.multi_mals(TRAIN, TEST, PRED, **options)
    monkeypatch.setattr("askew.evaluation.KEPT_SHARE", 0)
    monkeypatch.setattr("askew.evaluation.Pass._tile", lambda self, n_rows: 2)
    single = askew.multi_mals(TRAIN, TEST, PRED, **options)
    assert down.cell_values is not None
    assert single.cell_values is not None
    assert (down.cell_values.adjustment, single.cell_values.adjustment) == ("step-down", "single-step")
    np.testing.assert_array_equal(down.cell_values.p_value, single.cell_values.p_value)
    a, b = down.cell_values.p_adjusted, single.cell_values.p_adjusted
    tested = ~np.isnan(a)
    assert (a[tested] <= b[tested]).all()
    assert a[tested].min() == b[tested].min()
    assert down.p_value == single.p_value


@pytest.mark.parametrize("metric", [askew.multi_directional, askew.multi_mals])
def test_cells_with_most_evidence_are_first(metric: Callable[..., askew.Estimate]) -> None:
    def evidence(row: dict[str, Any]) -> tuple[Any, ...]:
        """Undefined numbers, which are None, are last; rounding is no evidence."""
        size = abs(row["delta"]) if row["delta"] is not None else -1
        t = size / row["standard_error"] if row["standard_error"] is not None else -1
        return row["p_adjusted"] if row["p_adjusted"] is not None else 2, -round(t, 9), -round(size, 9)

    ours = metric(TRAIN, TEST, PRED, n_resamples=B, rng=SEED, min_count=20)
    assert ours.cell_values is not None
    in_set_order = ours.cell_values.table().rows()
    assert ours.cells.rows() == sorted(in_set_order, key=evidence)  # both are stable
    assert ours.cells.rows() != in_set_order
    assert ours.top(4).rows() == ours.cells.rows()[:4]
    assert ours.top(1000).n_rows == ours.cells.n_rows
    without = metric(TRAIN, TEST, PRED, min_count=20)
    assert without.cells["delta"].tolist() == sorted(without.cells["delta"].tolist(), key=lambda d: -round(abs(d), 9))
    with pytest.raises(askew.InputError, match="k must be"):
        ours.top(0)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_a_cell_that_does_not_vary_has_no_p_value() -> None:
    table = askew.Annotations([[1]] * 12, [0, 1] * 6)
    cells = askew.directional(table, table, table, n_resamples=20, rng=0).cells
    assert np.isnan(cells["p_value"]).all()
    assert np.isnan(cells["p_adjusted"]).all()


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_level_of_the_tests() -> None:
    """Without amplification at most 6 % are found at 5 %: of 120 tables no more than 6 % and three standard errors."""
    found = dict.fromkeys(["BA_MALS", "Multi_MALS", "Multi_G->M", "Multi_M->G"], 0)
    family = dict(found)
    n_tables = 120
    for seed in range(n_tables):
        tables = askew.datasets.make_annotations(1000, n_attributes=8, density=0.2, error_rate=0.5, rng=seed)[:3]
        result = askew.audit(*tables, n_resamples=99, rng=seed, min_count=10, max_size=2)
        for name in found:
            found[name] += result[name].p_value <= 0.05
            family[name] += np.nanmin(result[name].cells["p_adjusted"]) <= 0.05
    most = n_tables * (0.06 + 3 * math.sqrt(0.06 * 0.94 / n_tables))
    assert max(found.values()) <= most, found
    assert max(family.values()) <= most, family
    assert min(found.values()) > 0  # nor is it a test that finds nothing


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_level_where_chance_picks_the_cells() -> None:
    """Groups and attributes have nothing to do with each other: tests from X* − X would err in 22 and in 0 %."""
    found, n_tables, n = np.zeros(2), 300, 300
    for seed in range(n_tables):
        rng = np.random.default_rng(seed)
        train, test, pred = (askew.Annotations(rng.random((n, 10)) < 0.3, rng.integers(0, 2, n)) for _ in range(3))
        for k, call in enumerate((askew.mals, askew.directional)):
            found[k] += call(train, test, pred, n_resamples=99, rng=seed).p_value <= 0.05
    error = 3 * math.sqrt(0.05 * 0.95 / n_tables)
    assert found.max() / n_tables <= 0.06 + error
    assert found.min() / n_tables >= 0.05 - error
