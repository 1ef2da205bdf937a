"""Performance by group and its disparities: against definitions on rows, scikit-learn, fairlearn and ProPublica."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import fairlearn.metrics
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn_metrics

import askew
from askew.engine import Engine
from askew.engine.weights import weights
from askew.evaluation import Pass
from askew.performance import DISPARITIES, RATES, Confusion, confusion

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-13)


def rate_of_rows(metric: str, true: Bools, predicted: Bools) -> float:
    """A metric from the definition, of instances one by one."""
    chosen = {  # among which instances, and what is counted there
        "accuracy": (np.ones_like(true), true == predicted),
        "recall": (true, predicted),
        "fnr": (true, ~predicted),
        "fpr": (~true, predicted),
        "tnr": (~true, ~predicted),
        "precision": (predicted, true),
        "selection_rate": (np.ones_like(true), predicted),
        "prevalence": (np.ones_like(true), true),
    }
    if metric == "f1":  # Dice's coefficient of two sets of instances
        sizes = int(true.sum() + predicted.sum())
        return 2 * int((true & predicted).sum()) / sizes if sizes else math.nan
    among, what = chosen[metric]
    return float(what[among].mean()) if among.any() else math.nan


def disparity_of_rows(measure: str, true: Bools, predicted: Bools, groups: Bools, compared: Any = None) -> float:
    """A disparity from the definition; `compared` are the groups that are, by metric, if not those that can be."""

    def rates(metric: str) -> list[float]:
        own = [rate_of_rows(metric, true[group], predicted[group]) for group in groups.T]
        return [rate for g, rate in enumerate(own) if (g in compared[metric] if compared else not math.isnan(rate))]

    def difference(metric: str) -> float:
        own = rates(metric)
        return max(own) - min(own) if len(own) > 1 and not any(map(math.isnan, own)) else math.nan

    named = {"demographic_parity": "selection_rate", "equal_opportunity": "recall", "deo": "fnr"}
    if measure == "equalized_odds":
        values = [difference("recall"), difference("fpr")]
        return math.nan if any(map(math.isnan, values)) else max(values)
    if measure in ("worst_group_accuracy", "balanced_group_accuracy"):
        own = rates("accuracy")
        reduce = min if measure == "worst_group_accuracy" else np.mean
        return float(reduce(own)) if own and not any(map(math.isnan, own)) else math.nan
    return difference(named.get(measure, measure))


def compared_groups(true: Bools, predicted: Bools, groups: Bools) -> dict[str, set[int]]:
    """The groups whose rate is defined in the sample."""
    return {
        metric: {
            g for g, group in enumerate(groups.T) if not math.isnan(rate_of_rows(metric, true[group], predicted[group]))
        }
        for metric in RATES
    }


def contains(attributes: Bools, columns: list[int]) -> Bools:
    return attributes[:, columns].all(axis=1)


@st.composite
def studies(draw: st.DrawFn) -> tuple[askew.Annotations, askew.Annotations]:
    """A few rows: groups that overlap or miss, groups and attributes that never occur."""
    n, p, q = draw(st.integers(1, 12)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    bits = [draw(arrays(np.bool_, (n, columns))) for columns in (p, q, p, q)]
    test = askew.Annotations(bits[0], bits[1])
    return test, askew.Annotations(bits[2], bits[3], like=test)


@given(study=studies())
@settings(max_examples=40)
def test_every_rate_and_disparity(study: tuple[askew.Annotations, askew.Annotations]) -> None:
    test, pred = study
    (true, groups), (predicted, _) = test.to_numpy(), pred.to_numpy()
    sets = [[a] for a in range(true.shape[1])] + [[0, 1]] * (true.shape[1] > 1)
    names = [[str(a) for a in m] for m in sets]
    rows = [(contains(true, m), contains(predicted, m)) for m in sets]
    for metric in RATES:
        got = askew.group_metrics(test, pred, metric, sets=names)
        close(got["value"], [rate_of_rows(metric, t[g], p[g]) for t, p in rows for g in groups.T], err_msg=metric)
        assert got["group"].tolist() == list(test.group_names) * len(sets)
        assert got["set"].tolist() == [" & ".join(m) for m in names for _ in groups.T]
    for measure in DISPARITIES:
        got = askew.disparities(test, pred, measure, sets=names)
        close(got["value"], [disparity_of_rows(measure, t, p, groups) for t, p in rows], err_msg=measure)


def some_study(n: int = 120) -> tuple[askew.Annotations, askew.Annotations]:
    """A small group, in which some replicates have no positives, one of nobody, and instances in none."""
    rng = np.random.default_rng(3)
    codes = np.where(rng.random(n) < 0.05, 2, rng.integers(-1, 2, n))
    attributes = rng.random((n, 3)) < [0.5, 0.2, 0.4]
    labels = [None if code < 0 else "xyz"[code] for code in codes]
    test = askew.Annotations(attributes, labels, attribute_names=list("abc"), group_names=["x", "y", "z", "nobody"])
    wrong = rng.random((n, 3)) < 0.2 + 0.1 * codes[:, None]
    return test, askew.Annotations(attributes ^ wrong, ["x"] * n, like=test)  # groups by prediction play no part


N_RESAMPLES = 60


@pytest.mark.parametrize("method", ["percentile", "basic"])
@pytest.mark.parametrize("name", [*RATES, *(measure for measure in DISPARITIES if measure not in RATES)])
def test_intervals(name: str, method: str) -> None:
    test, pred = some_study()
    (true, groups), (predicted, _) = test.to_numpy(), pred.to_numpy()
    w = weights("poisson", 5, 1, np.arange(test.n, dtype=np.uint64), range(N_RESAMPLES))
    options = {"n_resamples": N_RESAMPLES, "rng": 5, "method": method, "confidence_level": 0.9}
    replicated = [tuple(np.repeat(array, own, axis=0) for array in (true, predicted, groups)) for own in w.T]
    if name in RATES:
        got = askew.group_metrics(test, pred, name, **options)

        def values(t: Bools, p: Bools, g: Bools) -> list[float]:
            return [rate_of_rows(name, t[member, a], p[member, a]) for a in range(3) for member in g.T]
    else:
        got = askew.disparities(test, pred, name, **options)
        compared = [compared_groups(true[:, a], predicted[:, a], groups) for a in range(3)]

        def values(t: Bools, p: Bools, g: Bools) -> list[float]:
            return [disparity_of_rows(name, t[:, a], p[:, a], g, compared[a]) for a in range(3)]

    close(got["value"], values(true, predicted, groups))
    replicates = np.array([values(*table) for table in replicated])
    assert got["n_undefined_replicates"].tolist() == np.isnan(replicates).sum(axis=0).tolist()
    for row, own in enumerate(replicates.T):
        own = own[~np.isnan(own)]
        if len(own) == 0:
            assert np.isnan([got[end][row] for end in ("low", "high", "standard_error")]).all()
            continue
        low, high = np.quantile(own, [0.05, 0.95])
        if method == "basic":
            low, high = 2 * got["value"][row] - high, 2 * got["value"][row] - low
        close([got["low"][row], got["high"][row], got["standard_error"][row]], [low, high, own.std(ddof=1)])


def test_some_replicates_of_a_small_group_are_undefined() -> None:
    """What `test_intervals` is to reach."""
    options = {"n_resamples": N_RESAMPLES, "rng": 5}
    rows = askew.group_metrics(*some_study(), "recall", **options).rows()
    assert {row["group"] for row in rows if 0 < row["n_undefined_replicates"] < N_RESAMPLES} == {"z"}
    assert all(row["value"] is None for row in rows if row["group"] == "nobody")
    assert 0 < max(askew.disparities(*some_study(), "recall", **options)["n_undefined_replicates"]) < N_RESAMPLES


@pytest.mark.parametrize("measure", ["demographic_parity", "equal_opportunity", "deo", *RATES])
def test_a_pair_of_groups(measure: str) -> None:
    test, pred = some_study()
    options = {"n_resamples": 20, "rng": 1}
    got = askew.disparities(test, pred, measure, ("y", "x"), **options)
    metric = {"demographic_parity": "selection_rate", "equal_opportunity": "recall", "deo": "fnr"}.get(measure, measure)
    rates = askew.group_metrics(test, pred, metric)["value"].reshape(3, 4)
    close(got["value"], rates[:, 1] - rates[:, 0])
    assert set(got["first"]) == {"y"}
    assert set(got["second"]) == {"x"}
    other_way = askew.disparities(test, pred, measure, ("x", "y"), **options)
    close(other_way["low"], -got["high"])
    close(other_way["standard_error"], got["standard_error"])


def test_a_group_that_nobody_is_in_and_a_single_instance() -> None:
    test = askew.Annotations([[1, 0]], ["x"], group_names=["x", "y"], attribute_names=["a", "b"])
    pred = askew.Annotations([[1, 1]], ["x"], like=test)
    assert askew.group_metrics(test, pred).rows()[:2] == [
        {"set": "a", "group": "x", "count": 1, "value": 1.0, "low": None, "high": None, "standard_error": None}
        | {"n_undefined_replicates": 0},
        {"set": "a", "group": "y", "count": 0, "value": None, "low": None, "high": None, "standard_error": None}
        | {"n_undefined_replicates": 0},
    ]
    assert np.isnan(askew.disparities(test, pred)["value"]).all()
    assert askew.disparities(test, pred, "worst_group_accuracy")["value"].tolist() == [1, 0]
    assert askew.disparities(test, pred, "balanced_group_accuracy")["value"].tolist() == [1, 0]
    nobody = askew.Annotations([[1, 0]], [None], group_names=["x", "y"], attribute_names=["a", "b"])
    assert np.isnan(askew.disparities(nobody, pred, "worst_group_accuracy")["value"]).all()


def test_rates_of_propublica() -> None:
    """The golden values of docs/definitions.md."""
    _, test, pred = askew.datasets.load_compas("race", split=None)
    for metric, values in [("fpr", (0.4485, 0.2345)), ("fnr", (0.2799, 0.4772))]:
        table = askew.group_metrics(test, pred, metric, sets=["two_year_recid"])
        rates = dict(zip(table["group"].tolist(), table["value"].round(4).tolist(), strict=True))
        assert (rates["African-American"], rates["Caucasian"]) == values


def compas(groups: str) -> tuple[askew.Annotations, askew.Annotations, list[tuple[Bools, Bools]], npt.NDArray[Any]]:
    _, test, pred = askew.datasets.load_compas(groups, split=None)
    (true, members), (predicted, _) = test.to_numpy(), pred.to_numpy()
    labels = np.array(test.group_names)[members.argmax(axis=1)]
    return test, pred, list(zip(true.T, predicted.T, strict=True)), labels


@pytest.mark.parametrize("groups", ["race", "sex"])
def test_fairlearn_has_the_same(groups: str) -> None:
    test, pred, attributes, labels = compas(groups)
    peers = {
        "demographic_parity": fairlearn.metrics.demographic_parity_difference,
        "equal_opportunity": fairlearn.metrics.equal_opportunity_difference,
        "equalized_odds": fairlearn.metrics.equalized_odds_difference,
        "deo": fairlearn.metrics.false_negative_rate_difference,
        "fpr": fairlearn.metrics.false_positive_rate_difference,
        "accuracy": fairlearn.metrics.accuracy_score_difference,
        "worst_group_accuracy": fairlearn.metrics.accuracy_score_group_min,
    }
    for measure, peer in peers.items():
        expected = [peer(true, predicted, sensitive_features=labels) for true, predicted in attributes]
        close(askew.disparities(test, pred, measure)["value"], expected, err_msg=measure)
    metrics = {
        "accuracy": sklearn_metrics.accuracy_score,
        "selection_rate": fairlearn.metrics.selection_rate,
        "recall": fairlearn.metrics.true_positive_rate,
        "fpr": fairlearn.metrics.false_positive_rate,
        "fnr": fairlearn.metrics.false_negative_rate,
        "tnr": fairlearn.metrics.true_negative_rate,
    }
    frames = [
        fairlearn.metrics.MetricFrame(metrics=metrics, y_true=true, y_pred=predicted, sensitive_features=labels)
        for true, predicted in attributes
    ]
    for metric in metrics:
        expected = [frame.by_group.loc[group, metric] for frame in frames for group in test.group_names]
        close(askew.group_metrics(test, pred, metric)["value"], expected, err_msg=metric)
    balanced = askew.disparities(test, pred, "balanced_group_accuracy")["value"]
    close(balanced, [frame.by_group["accuracy"].mean() for frame in frames])


def test_scikit_learn_has_the_same() -> None:
    test, pred, attributes, labels = compas("race")
    peers = {
        "accuracy": sklearn_metrics.accuracy_score,
        "recall": sklearn_metrics.recall_score,
        "precision": partial(sklearn_metrics.precision_score, zero_division=np.nan),
        "f1": sklearn_metrics.f1_score,
    }
    for metric, peer in peers.items():
        expected = [peer(t[labels == g], p[labels == g]) for t, p in attributes for g in test.group_names]
        close(askew.group_metrics(test, pred, metric)["value"], expected, err_msg=metric)
    columns = [
        sklearn_metrics.confusion_matrix(t[labels == g], p[labels == g]).ravel()[[3, 1, 2, 0]]  # of tn, fp, fn, tp
        for t, p in attributes
        for g in test.group_names
    ]
    found: list[Any] = []

    def keep(of: Any) -> Any:
        found.append(of)
        return of.tp + 0.0

    sets = askew.AttributeSets.singletons(test)
    askew.tabulation._of_confusions(test, pred, sets, askew.options.Options(), keep)
    assert np.stack(found[0], axis=-1)[0].reshape(-1, 4).tolist() == np.array(columns).tolist()


def test_recall_of_intersections() -> None:
    """As FACET compares them: groups that are intersections, two at a time."""
    _, by_race, pred = askew.datasets.load_compas("race", split=None)
    _, by_sex, _ = askew.datasets.load_compas("sex", split=None)
    race, sex = (np.array(table.group_names)[table.to_numpy()[1].argmax(axis=1)] for table in (by_race, by_sex))
    groups = askew.cross_groups(sex, race)
    true, predicted = by_race.to_numpy()[0], pred.to_numpy()[0]
    test = askew.Annotations(true, groups, attribute_names=by_race.attribute_names)
    crossed = askew.Annotations(predicted, test, like=test)
    pair = ("Female & Caucasian", "Male & African-American")
    got = askew.disparities(test, crossed, "recall", pair)
    for column in range(2):
        recalls = [
            sklearn_metrics.recall_score(true[groups == g, column], predicted[groups == g, column]) for g in pair
        ]
        close(got["value"][column], recalls[0] - recalls[1])
    frame = fairlearn.metrics.MetricFrame(
        metrics=fairlearn.metrics.selection_rate,
        y_true=true[:, 0],
        y_pred=predicted[:, 0],
        sensitive_features=np.column_stack([sex, race]),
    )
    close(askew.disparities(test, crossed)["value"][0], frame.difference())


@pytest.mark.parametrize("tile", [1, 3, 4, 5, 8, 100])
def test_tiles(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile never parts a set from its prediction."""
    options = {"sets": "subsets", "n_resamples": 10, "rng": 4}
    whole = [askew.group_metrics(*some_study(), "f1", **options), askew.disparities(*some_study(), "fpr", **options)]
    monkeypatch.setattr(Pass, "_tile", lambda self, n_rows: tile)
    tiled = [askew.group_metrics(*some_study(), "f1", **options), askew.disparities(*some_study(), "fpr", **options)]
    assert whole[1].n_rows == 7
    for one, other in zip(whole, tiled, strict=True):
        for name, column in one.items():
            np.testing.assert_array_equal(other[name], column)


@pytest.mark.parametrize("kind", ["poisson", "poisson32", "poisson-patterns"])
def test_backends_and_threads(engine: Engine, n_threads: int, kind: str) -> None:
    test, pred = some_study()
    options = {"sets": "subsets", "n_resamples": 10, "rng": 4, "weights": kind}
    expected = askew.group_metrics(test, pred, "precision", backend="numpy", **options)
    got = askew.group_metrics(test, pred, "precision", backend=engine.name, n_threads=n_threads, **options)
    for name, column in expected.items():
        np.testing.assert_array_equal(got[name], column)


def test_replicates_are_those_of_other_calls() -> None:
    """Selection rates need no joint counts, so `bootstrap` has them too."""
    test, pred = some_study()
    options = {"n_resamples": 30, "rng": 9}

    def rate(counts: Any) -> Floats:
        view = counts.test.predicted_attributes
        return view.co_set_group[:, :, :2] / view.co_group[:, None, :2]

    estimate = askew.bootstrap(rate, test=test, pred=pred, **options)
    table = askew.group_metrics(test, pred, "selection_rate", **options)
    for end, expected in [("low", estimate.confidence_interval.low), ("high", estimate.confidence_interval.high)]:
        np.testing.assert_array_equal(table[end].reshape(3, 4)[:, :2], expected)


def test_the_cells_of_a_confusion() -> None:
    ones = np.ones((1, 1, 1), np.int64)
    got = confusion(2 * ones, 5 * ones, 3 * ones, 10 * ones[0])
    assert Confusion(*(int(cell[0, 0, 0]) for cell in got)) == Confusion(tp=2, fp=1, fn=3, tn=4)
    rates = {name: rate(got).value.item() for name, rate in RATES.items()}
    assert rates == {
        "accuracy": 6 / 10,
        "recall": 2 / 5,
        "fnr": 3 / 5,
        "fpr": 1 / 5,
        "tnr": 4 / 5,
        "precision": 2 / 3,
        "f1": 4 / 8,
        "selection_rate": 3 / 10,
        "prevalence": 5 / 10,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "parity"}, "measure must be one of 'demographic_parity'"),
        ({"measure": []}, "measure must be one of"),
        ({"measure": "equalized_odds", "groups": ("x", "y")}, "no difference of one rate: leave groups out"),
        ({"measure": "worst_group_accuracy", "groups": ("x", "y")}, "leave groups out"),
        ({"groups": "xy"}, "two names of groups"),
        ({"groups": ("x", "y", "z")}, "two names of groups"),
        ({"groups": ("x", "w")}, "must be one of 'x', 'y', 'z', 'nobody', not 'w'"),
        ({"signed": False}, "signed does not concern disparities"),
        ({"resample": "train", "n_resamples": 10}, "names none of the tables"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(askew.InputError, match=message):
        askew.disparities(*some_study(), **arguments)


def test_wrong_tables_and_metrics() -> None:
    test, pred = some_study()
    shorter = askew.Annotations(np.zeros((3, 3)), ["x"] * 3, like=test)
    renamed = askew.Annotations(pred.to_numpy()[0], test, attribute_names=["a", "b", "d"])
    for call in (askew.group_metrics, askew.disparities):
        with pytest.raises(askew.InputError, match="test and pred have 120 and 3 instances"):
            call(test, shorter)
        with pytest.raises(askew.InputError, match="test and pred have different attribute names"):
            call(test, renamed)
        with pytest.raises(askew.InputError, match="pred must be Annotations"):
            call(test, None)
        with pytest.raises(TypeError, match=rf"{call.__name__}\(\) got an unexpected keyword argument 'min_counts'"):
            call(test, pred, min_counts=1)
    with pytest.raises(askew.InputError, match="metric must be one of 'accuracy'"):
        askew.group_metrics(test, pred, "auc")
