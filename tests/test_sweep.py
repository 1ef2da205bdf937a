"""A metric at many thresholds: at each, what the metric function and brute force give for the same predictions."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import askew
import oracle
from askew import Annotations, InputError, streaming
from askew.datasets import make_annotations
from askew.engine.weights import weights as draw

pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

RNG = np.random.default_rng(0)
TRAIN, TEST, PRED = make_annotations(1200, n_attributes=4, density=0.3, amplification=0.2, rng=1)[:3]
N = TEST.n
SCORES = (0.4 * PRED.to_numpy()[0] + 0.6 * RNG.random((N, 4))).round(2)  # with ties
THRESHOLDS = [0.5, -1, 0.07, 0.99, 0.5, 0.73, 2, np.inf, -np.inf]
OVERLAPPING = RNG.random((N, 2)) < [0.7, 0.5]  # some in both groups, some in none
METRICS = {
    "BA_MALS": askew.mals,
    "BiasAmp_A->T": askew.directional,
    "Multi_MALS": askew.multi_mals,
    "Multi_G->M": askew.multi_directional,
}
SINGLE = ("BA_MALS", "BiasAmp_A->T")
NAMES = TEST.attribute_names
module = sys.modules["askew.sweep"]


def by_hand(metric: str, groups: Any, options: dict[str, Any], test: Annotations = TEST) -> list[askew.Estimate]:
    """The metric function, called at each threshold."""
    preds = [Annotations.from_scores(SCORES, groups, like=test, thresholds=t) for t in THRESHOLDS]
    return [METRICS[metric](TRAIN, test, pred, **options) for pred in preds]


# --- equal to the metrics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_resamples": 60},
        {"n_resamples": 60, "resample": "train", "method": "basic", "confidence_level": 0.8},
        {"n_resamples": 60, "resample": "test", "weights": "poisson32"},
        {"n_resamples": 40, "signed": False, "convention": "reference"},
        {"n_resamples": 40, "signed": True, "convention": "reference"},
        {"n_resamples": 20, "convention": "reference", "alternative": "less"},
        {"n_resamples": 20, "alternative": "greater", "method": "basic"},
        {"n_resamples": 9, "sets": [NAMES[3], NAMES[0]]},
        {"n_resamples": 9, "sets": [NAMES[:3], NAMES[2], NAMES[3:0:-2], NAMES[1:3]]},
        {"n_resamples": 9, "sets": [NAMES]},
        {"n_resamples": 9, "sets": "subsets", "max_size": 3, "min_count": 30, "support": "every"},
        {"n_resamples": 9, "sets": "observed", "min_count": 40},
        {"n_resamples": 9, "weights": "multinomial", "strata": "groups"},
        {"n_resamples": 9, "convention": askew.Convention(single_baseline="train", tie="nothing")},
        {"n_resamples": 9, "convention": askew.Convention(sets="observed", multi_baseline="test"), "signed": True},
    ],
    ids=str,
)
def test_each_threshold_is_a_call_of_the_metric(metric: str, options: dict[str, Any]) -> None:
    options = {**options, "rng": 3}
    table = askew.sweep(TRAIN, TEST, SCORES, metric=metric, thresholds=THRESHOLDS, **options)
    assert list(table) == ["threshold", "value", "low", "high"]
    assert table["threshold"].tolist() == THRESHOLDS
    expected = by_hand(metric, TEST, options)
    np.testing.assert_array_equal(table["value"], [float(e) for e in expected])  # NaN equals NaN here
    np.testing.assert_array_equal(table["low"], [e.confidence_interval.low for e in expected])
    np.testing.assert_array_equal(table["high"], [e.confidence_interval.high for e in expected])
    assert np.isfinite(table["value"]).sum() >= 5
    other = table["high" if options.get("alternative") == "less" else "low"]
    assert np.isfinite(other).any() == ("n_resamples" in options)


@pytest.mark.parametrize("metric", METRICS)
def test_the_replicates_are_those_of_the_metric(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    interval = module.confidence_interval
    monkeypatch.setattr(module, "confidence_interval", lambda v, r, *a: (kept.append(r), interval(v, r, *a))[1])
    askew.sweep(TRAIN, TEST, SCORES, metric=metric, thresholds=THRESHOLDS, n_resamples=150, rng=5)
    assert kept[0].shape == (150, len(THRESHOLDS))
    for replicates, estimate in zip(kept[0].T, by_hand(metric, TEST, {"n_resamples": 150, "rng": 5}), strict=True):
        np.testing.assert_array_equal(replicates, estimate.bootstrap_distribution)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "groups", [PRED, RNG.choice([*TEST.group_names, None], N), OVERLAPPING], ids=["pred", "labels", "overlapping"]
)
def test_predicted_groups(metric: str, groups: Any) -> None:
    options = {"n_resamples": 20, "rng": 0}
    table = askew.sweep(TRAIN, TEST, SCORES, metric=metric, thresholds=THRESHOLDS, groups=groups, **options)
    expected = by_hand(metric, groups, options)
    np.testing.assert_array_equal(table["value"], [float(e) for e in expected])
    np.testing.assert_array_equal(table["low"], [e.confidence_interval.low for e in expected])


@pytest.mark.parametrize("metric", METRICS)
def test_overlapping_groups_of_test(metric: str) -> None:
    test = Annotations(TEST.to_numpy()[0], OVERLAPPING, like=TRAIN)
    options = {"n_resamples": 20, "rng": 0, "convention": "reference"}
    table = askew.sweep(TRAIN, test, SCORES, metric=metric, thresholds=THRESHOLDS, **options)
    expected = by_hand(metric, test, options, test)
    np.testing.assert_array_equal(table["value"], [float(e) for e in expected])
    np.testing.assert_array_equal(table["low"], [e.confidence_interval.low for e in expected])


def test_training_rows_without_annotations() -> None:
    """n co(a, x) is 4 or 10, co(a) co(x) is 6: whether the six empty rows count decides on the sign of group x."""
    attributes, groups = [[1], [1], [0], [0], *[[0]] * 6], ["x", "y", "x", "x", *[None] * 6]
    train = Annotations(attributes, groups)
    test = Annotations([[0], [0], [1], [1]], ["x", "x", "y", "y"], like=train)
    scores = [[0.9], [0.1], [0.2], [0.7]]
    pred = Annotations.from_scores(scores, test, like=test)
    values = []
    for convention in ("paper", "reference"):
        table = askew.sweep(train, test, scores, thresholds=[0.5], convention=convention, n_resamples=5, rng=0)
        expected = askew.directional(train, test, pred, convention=convention, n_resamples=5, rng=0)
        values += [float(expected)]
        assert table["value"].tolist() == [float(expected)]
        assert table["high"].tolist() == [expected.confidence_interval.high]
    assert values == [0, -0.5]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("backend", ["numpy", "auto"])
@pytest.mark.parametrize("tile", [(1, 1), (2, 3), (3, 2), (4, 100)])
def test_attributes_and_levels_at_a_time(
    metric: str, backend: str, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_tile", lambda *_: tile)
    monkeypatch.setattr(module, "_PIECE", 1)  # and 512 instances
    options = {"n_resamples": 10, "rng": 0, "max_size": 2}
    how = {"backend": backend, "n_threads": 2}
    table = askew.sweep(TRAIN, TEST, SCORES, metric=metric, thresholds=THRESHOLDS, **options, **how)
    expected = by_hand(metric, TEST, options)
    np.testing.assert_allclose(table["value"], [float(e) for e in expected], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(table["high"], [e.confidence_interval.high for e in expected], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("metric", ["BA_MALS", "Multi_G->M"])
def test_more_levels_than_a_byte_counts_and_more_sets_than_are_counted_together(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = []
    tile = module._tile
    monkeypatch.setattr(module, "_tile", lambda *a: tiles.append(tile(*a)) or tiles[-1])
    monkeypatch.setattr(module, "_TOGETHER", 6)
    scores = np.random.default_rng(3).random((N, 4), dtype=np.float32)
    thresholds = np.linspace(0, 1, 300)
    options = {"sets": "subsets", "n_resamples": 3, "rng": 0}
    table = askew.sweep(TRAIN, TEST, scores, metric=metric, thresholds=thresholds, **options)
    assert tiles == [(6, 300)]
    for row in (0, 1, 100, 255, 256, 298, 299):
        pred = Annotations.from_scores(scores, TEST, like=TEST, thresholds=thresholds[row])
        expected = METRICS[metric](TRAIN, TEST, pred, **options)
        found = [table[name][row] for name in ("value", "low", "high")]
        np.testing.assert_allclose(found, [float(expected), *expected.confidence_interval], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_a_scan_of_train(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow, (attributes, groups) = pytest.importorskip("pyarrow"), TRAIN.to_numpy()
    frame = pyarrow.table([*attributes.T, *groups.T], [*NAMES, *TRAIN.group_names])
    scan = Annotations.scan(frame, attributes=NAMES, groups=list(TRAIN.group_names))
    monkeypatch.setattr(streaming, "KEPT", 10**9)  # it is not read into memory
    monkeypatch.setattr(module, "_TOGETHER", 2)
    options = {"thresholds": [0.3, 0.5], "n_resamples": 20, "rng": 0}
    table = askew.sweep(scan, TEST, SCORES, metric=metric, **options)
    expected = askew.sweep(TRAIN, TEST, SCORES, metric=metric, **options)
    for name in table:
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-12)


def test_little_memory_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = []
    tile = module._tile
    monkeypatch.setattr(module, "_tile", lambda *a: tiles.append(tile(*a)) or tiles[-1])
    options = {"thresholds": np.linspace(0, 1, 100), "n_resamples": 4000, "rng": 0}
    little = askew.sweep(TRAIN, TEST, SCORES, max_memory=2**28, **options)
    much = askew.sweep(TRAIN, TEST, SCORES, max_memory=2**32, **options)
    assert tiles[0][0] * tiles[0][1] < 4 * 100
    assert tiles[1] == (4, 100)
    np.testing.assert_allclose(little["low"], much["low"], rtol=1e-12)
    with pytest.raises(InputError, match=r"one attribute set at one threshold takes .* MiB"):
        askew.sweep(TRAIN, TEST, SCORES, thresholds=[0.5], n_resamples=10**6, max_memory=2**28)


# --- brute force ------------------------------------------------------------------------------------------------


def brute_force(
    metric: str,
    pred: oracle.Table,
    train: oracle.Table,
    test: oracle.Table,
    *weights: Any,
    convention: dict[str, str] = oracle.PAPER,
) -> float:
    counts, single = (
        oracle.count_all(train, test, pred, universe(metric, train, test, convention), *weights),
        metric in SINGLE,
    )
    if metric.endswith("MALS"):
        return oracle.mals(counts, convention, signed=single).value
    return oracle.directional(counts, oracle.GROUP_TO_ATTRIBUTE, convention, signed=single, single=single).value


def universe(metric: str, train: oracle.Table, test: oracle.Table, convention: dict[str, str]) -> list[oracle.Set]:
    if metric in SINGLE:
        return oracle.singletons(train)
    return {"subsets": oracle.subsets, "observed": oracle.observed}[convention["sets"]](train, test)


@pytest.mark.parametrize("metric", METRICS)
def test_every_replicate_by_brute_force(metric: str) -> None:
    """The interval of one replicate is its value."""
    train, test = oracle.Table.of(TRAIN), oracle.Table.of(TEST)
    thresholds = [0.1, 0.5, 0.73]
    table = askew.sweep(TRAIN, TEST, SCORES, metric=metric, thresholds=thresholds, n_resamples=1, rng=11)
    drawn = [
        draw("poisson", 11, t, np.arange(side.n, dtype=np.uint64), range(1))[:, 0]
        for t, side in enumerate([train, test])
    ]
    for row, threshold in enumerate(thresholds):
        pred = oracle.Table(threshold <= SCORES, test.groups)
        assert table["value"][row] == pytest.approx(brute_force(metric, pred, train, test), rel=1e-12)
        replicate = pytest.approx(brute_force(metric, pred, train, test, *drawn), rel=1e-12)
        assert table["low"][row] == table["high"][row] == replicate


@given(st.data())
def test_ties_infinities_and_few_instances_by_brute_force(data: st.DataObject) -> None:
    n, p, metric = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3)), data.draw(st.sampled_from([*METRICS]))
    bits, elements = arrays.arrays(bool, (n, p)), st.sampled_from([-np.inf, -1, 0, 0.25, 0.5, 7, np.inf])
    train, test = (oracle.Table(data.draw(bits), data.draw(arrays.arrays(bool, (n, 2)))) for _ in range(2))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    scores = data.draw(arrays.arrays(dtype, (n, p), elements=elements))
    thresholds = data.draw(st.lists(elements, min_size=1, max_size=6))
    name = data.draw(st.sampled_from(["paper", "reference"]))
    tables = Annotations(*train), Annotations(*test)
    if not universe(metric, train, test, getattr(oracle, name.upper())):
        with pytest.raises(InputError, match="no attribute set reaches min_count=1"):
            askew.sweep(*tables, scores, metric=metric, thresholds=thresholds, convention=name)
        return
    table = askew.sweep(*tables, scores, metric=metric, thresholds=thresholds, convention=name)
    for threshold, value in zip(thresholds, table["value"], strict=True):
        pred = oracle.Table(scores >= threshold, test.groups)
        expected = brute_force(metric, pred, train, test, convention=getattr(oracle, name.upper()))
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-15, nan_ok=True)


# --- third parties and known numbers ----------------------------------------------------------------------------


def test_rates_of_scikit_learn() -> None:
    """P(â | g) of one attribute, from ROC curves of each group: BiasAmp is the mean of ±(P(â | g) − P(a | g))."""
    roc_curve = pytest.importorskip("sklearn.metrics").roc_curve
    attributes, groups = TEST.to_numpy()
    label, score = attributes[:, 0], SCORES[:, 0]
    thresholds = roc_curve(label, score, drop_intermediate=False)[2]
    total = np.zeros(len(thresholds))
    train = oracle.Table.of(TRAIN)
    for member, train_member in zip(groups.T, train.groups.T, strict=True):
        # scores of all instances are given, others without weight, so that both curves have the same thresholds
        fpr, tpr, same = roc_curve(label, score, sample_weight=member.astype(float) + 1e-300, drop_intermediate=False)
        assert (same == thresholds).all()
        rate = label[member].mean()
        above = (train.attributes[:, 0] & train_member).mean() > train.attributes[:, 0].mean() * train_member.mean()
        total += (1 if above else -1) * (tpr * rate + fpr * (1 - rate) - rate)
    sets = [[TEST.attribute_names[0]]]
    table = askew.sweep(TRAIN, TEST, SCORES, thresholds=thresholds, sets=sets)
    assert len(thresholds) > 90
    np.testing.assert_allclose(table["value"], total / 2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("baseline", ["train", "test"])
def test_a_set_is_predicted_as_often_as_its_lowest_score_reaches_the_threshold(baseline: str) -> None:
    """P(m̂ | g) from SciPy's empirical distribution of the lowest score of m within g."""
    ecdf = pytest.importorskip("scipy.stats").ecdf
    sets, thresholds = [(0, 1), (1, 2, 3), (3,)], np.linspace(0.01, 0.7, 20)
    cells = []
    for m in map(list, sets):
        for g in range(2):
            members, base = TEST.to_numpy()[1][:, g], TRAIN if baseline == "train" else TEST
            attributes, groups = base.to_numpy()
            true_share = attributes[groups[:, g]][:, m].all(axis=1).mean()
            cells.append(ecdf(-SCORES[members][:, m].min(axis=1)).cdf.evaluate(-thresholds) - true_share)
    options = {"sets": [[NAMES[a] for a in m] for m in sets], "convention": askew.Convention(multi_baseline=baseline)}
    table = askew.sweep(TRAIN, TEST, SCORES, metric="Multi_G->M", thresholds=thresholds, **options)
    np.testing.assert_allclose(table["value"], np.abs(cells).mean(axis=0), rtol=1e-12)
    assert np.ptp(table["value"]) > 0.1


def test_the_public_example_of_wang_and_russakovsky() -> None:
    """Their predictions are the scores of at least 0.5."""
    groups = ["B"] * 3 + ["A"] * 5
    test = Annotations([[label] for label in (0, 1, 1, 0, 0, 0, 0, 1)], groups)
    scores = np.array([[0.9, 0.8, 0.7, 0.3, 0.2, 0.1, 0.1, 0.0]]).T
    table = askew.sweep(test, test, scores, thresholds=[np.inf, 0.5, 0])
    # true rates are 1/5 in A, where y = 0, and 2/3 in B, where y = 1; none or all are predicted beside their example
    expected = [(1 / 5 - 2 / 3) / 2, 0.26666666666666666, (-4 / 5 + 1 / 3) / 2]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-12)


# --- thresholds and dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtypes_and_memory_orders(dtype: Any, order: Any) -> None:
    scores = np.asarray((SCORES * 10).astype(dtype), order=order)
    thresholds = [3, 5.7, 5.7001, 2]  # the second and third are one number in float16
    table = askew.sweep(TRAIN, TEST, scores, thresholds=thresholds)
    values = [
        float(askew.directional(TRAIN, TEST, Annotations.from_scores(scores, TEST, like=TEST, thresholds=t)))
        for t in thresholds
    ]
    assert table["value"].tolist() == values
    assert len(set(values)) == 3 if dtype == np.float16 else len(set(values)) >= 3
    assert askew.sweep(TRAIN, TEST, scores.tolist(), thresholds=[3])["value"][0] == values[0]


@pytest.mark.parametrize("k", [1, 2, 7, 100, 10**12])
def test_quantiles(k: int) -> None:
    table = askew.sweep(TRAIN, TEST, SCORES, thresholds=k)
    if k == 10**12:
        expected = np.unique(SCORES)
    else:
        expected = np.unique(np.quantile(SCORES, (np.arange(k) + 0.5) / k, method="inverted_cdf"))
    assert table["threshold"].tolist() == expected.tolist()
    assert table["value"].tolist() == askew.sweep(TRAIN, TEST, SCORES, thresholds=expected)["value"].tolist()


def test_scores_that_are_all_equal_have_one_quantile() -> None:
    table = askew.sweep(TRAIN, TEST, np.full((N, 4), -np.inf), thresholds=10)
    assert table["threshold"].tolist() == [-np.inf]
    everything = Annotations(np.ones((N, 4)), TEST, like=TEST)
    assert table["value"].tolist() == [float(askew.directional(TRAIN, TEST, everything))]


def test_one_instance() -> None:
    one = Annotations([[1]], ["x"], group_names=["x", "y"])
    table = askew.sweep(one, one, [[0.5]], metric="BA_MALS", thresholds=[0.5, 0.6])
    np.testing.assert_array_equal(table["value"], [0, np.nan])


def test_progress_ends_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_tile", lambda *_: (3, 2))
    seen = []
    askew.sweep(TRAIN, TEST, SCORES, thresholds=5, n_resamples=20, progress=lambda *a: seen.append(a[0] / a[1]))
    assert seen == sorted(seen)
    assert seen[-1] == 1


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"metric": "Multi_M->G"},
            "depends on predicted groups alone, .* one of 'BA_MALS', 'BiasAmp_A->T', 'Multi_MALS', 'Multi_G->M'$",
        ),
        ({"metric": "BiasAmp_T->A"}, "BiasAmp_T->A depends on predicted groups alone, and so on no threshold"),
        ({"metric": "mals"}, "metric must be one of 'BA_MALS', 'BiasAmp_A->T', 'Multi_MALS', 'Multi_G->M', not 'mals'"),
        ({"metric": None}, "metric must be one of"),
        ({"metric": "Multi_MALS", "min_count": N}, f"no attribute set reaches min_count={N}"),
        ({"metric": "Multi_MALS", "max_sets": 3}, "more than 3 attribute sets"),
        ({"sets": []}, "the list of attribute sets is empty"),
        ({"method": "BCa"}, r"sweep\(\) has the methods \"percentile\" and \"basic\", not 'BCa'"),
        ({"method": "delta"}, "not 'delta'"),
        ({"method": "studentized"}, "not 'studentized'"),
        ({"alternative": "lower"}, "alternative must be one of"),
        ({"weights": "poisson-patterns"}, "poisson-patterns"),
        ({"thresholds": 0}, "thresholds must be a whole number of at least 1, not 0"),
        ({"thresholds": True}, "thresholds must be a whole number"),
        ({"thresholds": 0.5}, r"a number of quantiles or a list of thresholds; the shape is \(\)"),
        ({"thresholds": []}, r"a list of thresholds; the shape is \(0,\)"),
        ({"thresholds": [[0.5]]}, r"a list of thresholds; the shape is \(1, 1\)"),
        ({"thresholds": [0.5, np.nan]}, "thresholds contain NaN"),
        ({"thresholds": "calibrated"}, "thresholds must be numbers, not 'calibrated'"),
        ({"groups": ["x"] * N}, "'x'"),
        ({"groups": [TEST.group_names[0]] * 3}, "groups have 3 instances, test has"),
        ({"resample": "pred"}, "resample must be"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        askew.sweep(TRAIN, TEST, SCORES, **options)


def test_tables_that_do_not_belong_together() -> None:
    with pytest.raises(InputError, match=rf"scores have shape \({N}, 3\), test has {N:,} instances and 4 attributes"):
        askew.sweep(TRAIN, TEST, SCORES[:, :3])
    wrong = SCORES.copy()
    wrong[7, 2] = np.nan
    with pytest.raises(InputError, match=r"scores: row 7, column 2 .* is missing"):
        askew.sweep(TRAIN, TEST, wrong)
    with pytest.raises(InputError, match="train and test have different attribute names"):
        askew.sweep(Annotations([[1]], ["x"]), TEST, SCORES)
    with pytest.raises(InputError, match="test must be Annotations"):
        askew.sweep(TRAIN, SCORES, SCORES)  # type: ignore[arg-type]
    one = Annotations([[1]], ["x"])
    with pytest.raises(InputError, match="compares groups, and there is only one"):
        askew.sweep(one, one, [[0.5]])
    with pytest.raises(TypeError, match="unexpected keyword argument 'backends'"):
        askew.sweep(TRAIN, TEST, SCORES, backends="numpy")


def test_designs_reach_every_threshold():
    train, test, pred = askew.datasets.make_annotations(600, n_attributes=4, amplification=0.2, rng=1)[:3]
    scores = 0.6 * pred.to_numpy()[0] + 0.4 * np.random.default_rng(0).random((test.n, 4))
    clusters = {name: np.arange(table.n) // 3 for name, table in [("train", train), ("test", test)]}
    how = {"n_resamples": 50, "rng": 3, "weights": "multinomial", "clusters": clusters}
    swept = askew.sweep(train, test, scores, thresholds=[0.3, 0.5], **how)
    for row, threshold in enumerate([0.3, 0.5]):
        there = Annotations.from_scores(scores, test, thresholds=threshold, like=test)
        interval = askew.directional(train, test, there, **how).confidence_interval
        assert (swept["low"][row], swept["high"][row]) == interval
