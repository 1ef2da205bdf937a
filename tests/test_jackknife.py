"""BCa, delta and studentized intervals: against SciPy, deletion one by one, and derivatives by finite differences."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import askew
from askew import jackknife, units
from askew.engine.pattern_weights import pattern_weights
from askew.engine.weights import weights
from askew.intervals import Jackknife, confidence_interval

stats = pytest.importorskip("scipy.stats")
pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

Floats = npt.NDArray[np.float64]
N_TRAIN, N_TEST, B, SEED = 90, 70, 400, 11


def table(n: int, seed: int, like: Any = None) -> tuple[Floats, Floats, askew.Annotations]:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 2, n)
    attributes = rng.random((n, 3)) < np.where(groups[:, None] == 0, [0.7, 0.4, 0.5], [0.4, 0.6, 0.45])
    annotations = askew.Annotations(attributes, groups, like=like)
    return attributes.astype(float), np.eye(2)[groups], annotations


A_TRAIN, G_TRAIN, TRAIN = table(N_TRAIN, 1)
A_TEST, G_TEST, TEST = table(N_TEST, 2, like=TRAIN)
A_PRED, G_PRED, PRED = table(N_TEST, 3, like=TRAIN)
W_TRAIN, W_TEST = np.ones(N_TRAIN), np.ones(N_TEST)
CALLS: dict[str, Any] = {
    "mals": (askew.mals, {}),
    "multi_mals": (askew.multi_mals, {"sets": "singletons"}),
    "G->M": (askew.directional, {"direction": "G->M"}),
    "M->G": (askew.directional, {"direction": "M->G"}),
    "multi G->M": (askew.multi_directional, {"direction": "G->M", "sets": "singletons"}),
    "multi M->G": (askew.multi_directional, {"direction": "M->G", "sets": "singletons"}),
}


def plain(name: str, w: Floats, v: Floats) -> tuple[float, float, Floats]:
    """Value, variance and Δ with any weights of the instances of train and of test, from the definitions."""
    train, n = A_TRAIN.T @ (w[:, None] * G_TRAIN), w.sum()
    co_set, co_group = w @ A_TRAIN, w @ G_TRAIN
    if "mals" in name:
        joint = A_PRED.T @ (v[:, None] * G_PRED)
        baseline, predicted = (c / c.sum(axis=1, keepdims=True) for c in (train, joint))
        delta = np.where(baseline > 0.5, predicted - baseline, 0.0)
        value = (delta if name == "mals" else abs(delta)).sum() / len(delta)
        return float(value), float(delta.var()), delta
    multi = name.startswith("multi")
    if "G->M" in name:
        base = train / co_group if multi else A_TEST.T @ (v[:, None] * G_TEST) / (v @ G_TEST)
        delta = A_PRED.T @ (v[:, None] * G_TEST) / (v @ G_TEST) - base
    else:
        joint = A_TEST.T @ (v[:, None] * G_TEST)
        base = train / co_set[:, None] if multi else joint / (v @ A_TEST)[:, None]
        delta = A_TEST.T @ (v[:, None] * G_PRED) / (v @ A_TEST)[:, None] - base
    sign = np.where(n * train > np.outer(co_set, co_group), 1, -1)
    return float((abs(delta) if multi else sign * delta).mean()), float(delta.var()), delta


def estimate(name: str, **options: Any) -> askew.Estimate:
    function, own = CALLS[name]
    return function(TRAIN, TEST, PRED, **{"rng": SEED, **own, **options})


@pytest.mark.parametrize("name", CALLS)
def test_the_plain_metric_is_ours(name: str) -> None:
    ours = estimate(name)
    value, variance, delta = plain(name, W_TRAIN, W_TEST)
    np.testing.assert_allclose([ours.value, ours.variance], [value, variance], rtol=1e-13)
    np.testing.assert_allclose(ours.cell_values.delta, delta, rtol=1e-12)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("method", ["percentile", "basic", "BCa"])
def test_intervals_equal_scipy_on_the_same_replicates(name: str, method: str, alternative: str) -> None:
    ours = estimate(name, n_resamples=B, method=method, alternative=alternative)

    def statistic(rows_of_train: Any, rows_of_test: Any) -> float:
        w, v = (np.bincount(rows, minlength=n) for rows, n in [(rows_of_train, N_TRAIN), (rows_of_test, N_TEST)])
        return plain(name, w.astype(float), v.astype(float))[0]

    given = stats.bootstrap((np.arange(3.0),), np.mean, n_resamples=2, method="percentile")
    given.bootstrap_distribution = ours.bootstrap_distribution
    theirs = stats.bootstrap(
        (np.arange(N_TRAIN), np.arange(N_TEST)),
        statistic,
        n_resamples=0,
        bootstrap_result=given,
        method=method,
        alternative=alternative,
        vectorized=False,
    )
    np.testing.assert_allclose(ours.confidence_interval, theirs.confidence_interval, rtol=1e-11)
    np.testing.assert_allclose(ours.standard_error, theirs.standard_error, rtol=1e-12)


def test_bca_of_a_statistic_of_your_own_equals_scipy() -> None:
    """Several values at a time, one table, and rows that repeat."""

    def statistic(counts: Any) -> Floats:
        return counts.train.truth.co_set_group[:, :, 0] / counts.train.truth.co_set

    ours = askew.bootstrap(statistic, TRAIN, n_resamples=B, method="BCa", rng=SEED)
    for a in range(3):
        given = stats.bootstrap((np.arange(3.0),), np.mean, n_resamples=2, method="percentile")
        given.bootstrap_distribution = ours.bootstrap_distribution[a]

        def share(rows: Any, axis: int, a: int = a) -> Floats:
            return (A_TRAIN[rows, a] * G_TRAIN[rows, 0]).sum(axis) / A_TRAIN[rows, a].sum(axis)

        theirs = stats.bootstrap(
            (np.arange(N_TRAIN),), share, n_resamples=0, bootstrap_result=given, method="BCa", vectorized=True
        )
        ends = [end[a] for end in ours.confidence_interval]
        np.testing.assert_allclose(ends, theirs.confidence_interval, rtol=1e-11)


@pytest.mark.parametrize("resample", ["train", "test", ("train", "test")])
@pytest.mark.parametrize("name", CALLS)
def test_acceleration_by_leaving_out_one_instance_after_the_other(name: str, resample: Any) -> None:
    if name in ("G->M", "M->G") and resample == "train":
        pytest.skip("train enters through y alone, which leaving out one instance does not turn")
    ours = estimate(name, n_resamples=1, method="BCa", resample=resample)
    top = bottom = 0.0
    for t, n in [("train", N_TRAIN), ("test", N_TEST)]:
        if t not in resample:
            continue
        left = 1 - np.eye(n)
        results = [plain(name, *((w, W_TEST) if t == "train" else (W_TRAIN, w))) for w in left]
        every = np.array([[value, variance, *delta.ravel()] for value, variance, delta in results])
        u = (n - 1) * (every.mean(axis=0) - every)
        top, bottom = top + (u**3).sum(axis=0) / n**3, bottom + (u**2).sum(axis=0) / n**2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 where a cell does not vary
        expected = top / (6 * np.asarray(bottom) ** 1.5)
    mine = [ours.jackknife.acceleration, ours.variance_jackknife.acceleration]
    np.testing.assert_allclose(mine, expected[:2], rtol=1e-9)


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("resample", ["train", "test", ("train", "test")])
@pytest.mark.parametrize("name", CALLS)
def test_cells_by_leaving_out_one_instance_after_the_other(
    name: str, resample: Any, separate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In closed form, where the terms of Δ are of two tables, and from the distinct rows."""
    known: dict[str, Any] = {}
    original = jackknife.jackknives

    def keep(*arguments: Any, **options: Any) -> Any:
        results = original(*arguments, **options)
        known.update(results[0][0])
        return results

    monkeypatch.setattr("askew.evaluation.jackknives", keep)
    if not separate:
        monkeypatch.setattr("askew.layout.Layout.partition", False)
        original_init = jackknife._Sums.__post_init__

        def never(self: Any) -> None:
            original_init(self)
            self.separate = False

        monkeypatch.setattr(jackknife._Sums, "__post_init__", never)
    estimate(name, n_resamples=1, method="BCa", resample=resample)
    cells = next(iter(known.values())).cells
    top = bottom = variance = 0.0
    for t, n in [("train", N_TRAIN), ("test", N_TEST)]:
        if t in resample:
            left = [plain(name, *((w, W_TEST) if t == "train" else (W_TRAIN, w)))[2] for w in 1 - np.eye(n)]
            u = (n - 1) * (np.mean(left, axis=0) - left)
            top, bottom = top + (u**3).sum(axis=0) / n**3, bottom + (u**2).sum(axis=0) / n**2
            parts = influences(name, W_TRAIN, W_TEST)[slice(0, N_TRAIN) if t == "train" else slice(N_TRAIN, None), 2:]
            variance = variance + (parts**2).sum(axis=0)
    np.testing.assert_allclose(cells.standard_error.ravel(), np.sqrt(variance), rtol=1e-6, atol=1e-9)
    varies = np.asarray(bottom) > 1e-20
    np.testing.assert_allclose(
        cells.acceleration[varies], (top / (6 * np.maximum(bottom, 1e-20) ** 1.5))[varies], rtol=1e-6, atol=1e-9
    )


def influences(name: str, w: Floats, v: Floats) -> Floats:
    """Derivatives of (value, variance, Δ …) with respect to the weights of all instances, by central differences."""
    step, found = 1e-6, []
    for which, n in [(0, len(w)), (1, len(v))]:
        for i in range(n):
            both = []
            for sign in (1, -1):
                changed = [w.copy(), v.copy()]
                changed[which][i] += sign * step
                value, variance, delta = plain(name, changed[0], changed[1])
                both.append(np.array([value, variance, *delta.ravel()]))
            found.append((both[0] - both[1]) / (2 * step))
    return np.array(found)


@pytest.mark.parametrize("name", CALLS)
def test_delta_standard_errors_by_finite_differences(name: str) -> None:
    ours = estimate(name, method="delta")
    expected = np.sqrt((influences(name, W_TRAIN, W_TEST) ** 2).sum(axis=0))
    np.testing.assert_allclose(ours.standard_error, expected[0], rtol=1e-6)
    np.testing.assert_allclose(ours.variance_jackknife.standard_error, expected[1], rtol=1e-6)
    z = stats.norm.ppf(0.975)
    assert ours.cell_values is not None
    cells = ours.cell_values.table()
    np.testing.assert_allclose((cells["high"] - cells["low"]) / (2 * z), expected[2:], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.confidence_interval, (ours.value - z * expected[0], ours.value + z * expected[0]), rtol=1e-5
    )
    low, high = ours.with_interval(confidence_level=0.9, alternative="less").confidence_interval
    assert low == -math.inf
    assert high == pytest.approx(ours.value + stats.norm.ppf(0.9) * expected[0], rel=1e-6)


def test_delta_of_a_proportion_is_the_binomial_standard_error() -> None:
    """P(g | m) predicted with certainty: only that of train varies."""
    whole = askew.Annotations(np.ones((50, 1)), [0] * 25 + [1] * 25)
    part = askew.Annotations(np.ones((200, 1)), [0] * 120 + [1] * 80, like=whole)
    ours = askew.mals(part, whole, whole, method="delta", resample="train")
    assert ours.standard_error == pytest.approx(math.sqrt(0.6 * 0.4 / 200), rel=1e-12)


@pytest.mark.parametrize("name", ["mals", "multi G->M", "M->G"])
@pytest.mark.parametrize("distribution", ["poisson", "poisson-patterns"])
def test_studentized(name: str, distribution: str) -> None:
    n_resamples = 5
    ours = estimate(name, n_resamples=n_resamples, method="studentized", weights=distribution)
    own = []
    for t, (n, parts) in enumerate([(N_TRAIN, [A_TRAIN, G_TRAIN]), (N_TEST, [A_TEST, G_TEST, A_PRED, G_PRED])]):
        if distribution == "poisson":
            own.append(weights("poisson", SEED, t, np.arange(n, dtype=np.uint64), range(n_resamples)).astype(float))
        else:  # any instance of a row may carry the weight of all that share it
            rows = np.concatenate(parts, axis=1)
            _, first, counts = np.unique(rows, axis=0, return_index=True, return_counts=True)
            order = np.argsort(first)
            drawn = pattern_weights(SEED, t, counts[order], range(n_resamples))
            of_rows = np.zeros((n, n_resamples))
            of_rows[first[order]] = drawn
            own.append(of_rows)
    t_values = []
    for b in range(n_resamples):
        w, v = own[0][:, b], own[1][:, b]
        value = plain(name, w, v)[0]
        assert value == pytest.approx(ours.bootstrap_distribution[b], rel=1e-12)
        each = influences(name, w, v)[:, 0]
        error = math.sqrt((np.concatenate([w, v]) * each**2).sum())
        assert ours.jackknife.replicate_errors is not None
        assert ours.jackknife.replicate_errors[b] == pytest.approx(error, rel=1e-5)
        t_values.append((value - ours.value) / error)
    s = ours.jackknife.standard_error
    assert s == pytest.approx(math.sqrt((influences(name, W_TRAIN, W_TEST)[:, 0] ** 2).sum()), rel=1e-6)
    expected = ours.value - s * np.quantile(t_values, [0.975, 0.025])
    np.testing.assert_allclose(ours.confidence_interval, expected, rtol=1e-4)


@pytest.mark.parametrize("method", ["BCa", "delta", "studentized"])
@pytest.mark.parametrize("convention", ["paper", "reference"])
def test_tiles_and_blocks_change_nothing(method: str, convention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"n_resamples": 20, "method": method, "rng": 0, "convention": convention}
    whole = askew.audit(TRAIN, TEST, PRED, **options)
    monkeypatch.setattr(jackknife, "_TILE", 2)
    monkeypatch.setattr(jackknife, "BLOCK_BYTES", 1)
    monkeypatch.setattr(units, "BLOCK_BYTES", 1)
    monkeypatch.setattr(units, "_UNITS", 3)
    pieces = askew.audit(TRAIN, TEST, PRED, **options)
    for name, one in whole.items():
        for jack in ("jackknife", "variance_jackknife"):
            for a, b in zip(getattr(one, jack), getattr(pieces[name], jack), strict=True):
                if a is not None:
                    np.testing.assert_allclose(a, b, rtol=1e-9)
        np.testing.assert_allclose(one.cell_values.low, pieces[name].cell_values.low, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weights_of", ["poisson", "poisson32", "poisson-patterns"])
def test_weights_of_distinct_rows_make_the_counts(weights_of: str) -> None:
    """Σ over rows of weight times membership is what the resampling kernel counts."""
    from askew.evaluation import Pass
    from askew.options import Options

    work = Pass.of(TRAIN, TEST, PRED, Options(n_resamples=9, weights=weights_of, rng=3))
    sets = askew.AttributeSets([["0"], ["0", "2"]], TRAIN.attribute_names)
    counted = work.count(sets, range(9), None)
    for name, plan in work.plans.items():
        drawn_units = units.DrawnUnits.of([plan], work.options)
        drawn = drawn_units.weights(work, name)
        assert drawn.shape == (len(drawn_units), 9)
        own = getattr(counted, name)
        members = drawn_units.members(plan, own, slice(0, len(drawn_units)))
        for array, replicates in own._arrays.items():
            assert np.array_equal(np.tensordot(drawn.T, members._arrays[array], 1), replicates[1:])


def test_undefined_without_one_instance() -> None:
    """Leaving out the one instance with the attribute leaves no cell: that value is left out of the jackknife."""
    train = askew.Annotations([[1], [0], [0], [1]] + [[1]] * 20, [0, 0, 1, 1] + [0, 0, 1] * 6 + [0, 1])
    test = askew.Annotations([[0]] * 9 + [[1]], [0, 1] * 5, like=train)
    ours = askew.mals(train, test, test, n_resamples=30, rng=0, method="BCa")
    assert math.isfinite(ours.jackknife.acceleration)


def test_nothing_varies() -> None:
    ours = askew.directional(TRAIN, TEST, TEST, n_resamples=50, rng=0, method="BCa")
    assert ours.confidence_interval == (0, 0)
    for method in ("percentile", "basic", "studentized", "delta"):
        assert askew.directional(
            TRAIN, TEST, TEST, n_resamples=50, rng=0, method=method
        ).confidence_interval == pytest.approx((0, 0), abs=1e-15, nan_ok=method == "studentized")


def test_every_replicate_on_one_side() -> None:
    low, high = confidence_interval(1.0, np.array([2.0, 3.0, 4.0]), "BCa", 0.95, jackknife=Jackknife(0.1))
    assert np.isnan([low, high]).all()


@pytest.mark.filterwarnings("default::askew.AskewWarning")
def test_a_bca_interval_that_is_not_there_is_told_of() -> None:
    """True Δ of 0 in many cells of few instances: every replicate of a metric of |Δ| is above the value."""
    n = 40
    rows = np.random.default_rng(0).random((n, 6)) < 0.5
    annotations = askew.Annotations(np.repeat(rows, 2, axis=0), [0, 1] * n)
    with pytest.warns(askew.AskewWarning, match="there is no BCa interval"):
        ours = askew.multi_directional(
            annotations, annotations, annotations, sets="singletons", n_resamples=100, rng=0, method="BCa"
        )
    assert np.isnan(ours.confidence_interval).all()


@pytest.mark.filterwarnings("default::askew.AskewWarning")
def test_a_bca_end_among_the_outermost_replicates_is_told_of() -> None:
    """Nearly all replicates of a metric of |Δ| are above the value: the lower end is far out, the upper is not used."""
    tables = askew.datasets.make_annotations(300, n_attributes=8, amplification=0.1, error_rate=0.5, rng=3)[:3]
    call = {"sets": "singletons", "n_resamples": 400, "rng": 1, "method": "BCa"}
    with pytest.warns(askew.AskewWarning, match="an end of the BCa interval"):
        askew.multi_directional(*tables, **call)


@pytest.mark.filterwarnings("default::askew.AskewWarning")
def test_a_statistic_of_your_own_without_a_bca_interval() -> None:
    share = A_TRAIN[:, 0].mean()

    def distance(counts: Any) -> Floats:
        return np.abs(counts.train.truth.co_set[:, 0] / counts.train.n - share)

    with pytest.warns(askew.AskewWarning, match="distance: there is no BCa interval") as caught:
        askew.bootstrap(distance, TRAIN, n_resamples=20, rng=0, method="BCa")
    assert caught[0].filename == __file__


def test_with_interval() -> None:
    ours = estimate("mals", n_resamples=B)
    basic = ours.with_interval("basic", confidence_level=0.8)
    assert basic.confidence_interval == (
        estimate("mals", n_resamples=B, method="basic", confidence_level=0.8).confidence_interval
    )
    assert basic.run.method == "basic"
    assert ours.run.method == "percentile"
    with pytest.raises(askew.InputError, match="pass method='BCa' to the call"):
        ours.with_interval("BCa")
    with pytest.raises(askew.InputError, match="method must be one of"):
        ours.with_interval("bca")
    with pytest.raises(askew.InputError, match="confidence_level"):
        ours.with_interval(confidence_level=2)
    with pytest.raises(askew.InputError, match="alternative"):
        ours.with_interval(alternative="two sided")
    corrected = estimate("mals", n_resamples=B, method="BCa")
    assert corrected.with_interval("percentile").confidence_interval == ours.confidence_interval
    assert corrected.with_interval("delta").confidence_interval == estimate("mals", method="delta").confidence_interval
    assert corrected.with_interval(alternative="greater").to_dict()["confidence_interval"]["high"] is None


def test_methods_that_do_not_go_together() -> None:
    for method in ("delta", "studentized"):
        with pytest.raises(askew.InputError, match="derivatives"):
            askew.bootstrap(lambda counts: counts.train.n, TRAIN, method=method)
    with pytest.raises(askew.InputError, match=r"bias_scores\(\) has the methods"):
        askew.bias_scores(TRAIN, method="studentized")
    with pytest.raises(askew.InputError, match="alternative must be one of"):
        askew.bias_scores(TRAIN, alternative="more")
    rng = np.random.default_rng(0)
    large = askew.Annotations(rng.random((20_000, 20)) < 0.5, rng.integers(0, 2, 20_000))
    with pytest.raises(askew.InputError, match=r"needs the influence of .* distinct rows"):
        askew.mals(large, large, large, method="studentized", n_resamples=2000, rng=0, max_memory=2**28)


@pytest.mark.parametrize("method", ["BCa", "delta", "studentized"])
def test_backends_agree(method: str) -> None:
    ours = estimate("multi G->M", n_resamples=10, method=method)
    other = estimate("multi G->M", n_resamples=10, method=method, backend="numpy")
    np.testing.assert_allclose(other.confidence_interval, ours.confidence_interval, rtol=1e-10)


@pytest.mark.parametrize(("method", "n_resamples"), [("delta", 0), ("BCa", 200), ("studentized", 200)])
def test_coverage_of_a_known_value(method: str, n_resamples: int) -> None:
    """95 % intervals of the signed mean of Δ hold its population value in at least 95 % less three standard errors."""
    held, n_tables = 0, 60
    convention = askew.Convention(single_baseline="train")
    for seed in range(n_tables):
        data = askew.datasets.make_annotations(
            600, n_attributes=3, density=0.4, bias=0.5, amplification=0.2, error_rate=0.3, rng=seed
        )
        favoured = np.sign(data.train_probabilities - data.train_probabilities.mean(axis=1, keepdims=True))
        value = (favoured * data.amplification).mean()
        low, high = askew.directional(
            *data[:3], convention=convention, method=method, n_resamples=n_resamples, rng=seed
        ).confidence_interval
        held += low <= value <= high
    assert held / n_tables >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / n_tables)
