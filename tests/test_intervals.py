"""Intervals and standard errors against SciPy and NumPy."""

from __future__ import annotations

import math
import warnings
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import askew
from askew.engine.weights import weights
from askew.intervals import confidence_interval, quantiles, standard_error

stats = pytest.importorskip("scipy.stats")

Floats = npt.NDArray[np.float64]


def share(counts: Any) -> Floats:
    """Proportion of instances that have the attribute, as a ratio of counts."""
    return counts.train.truth.co_set[:, 0] / counts.train.n


N, ONES, B, LEVEL = 2_000, 600, 10_000, 0.95
TABLE = askew.Annotations(np.arange(N)[:, None] < ONES, ["x"] * N)
DATA = np.repeat([1.0, 0.0], [ONES, N - ONES])
SPREAD = math.sqrt(ONES / N * (1 - ONES / N) / N)  # of the proportion


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize("method", ["percentile", "basic"])
def test_interval_of_a_proportion_as_in_scipy(method: str, distribution: str) -> None:
    """Ours draws Poisson weights and SciPy n rows; both estimate one interval, to O(1/n), from B replicates.

    A quantile of B replicates has the standard error √(α(1−α)/B) / density: 0.027 standard errors of the
    proportion at 2.5 %, so the two differ by 0.038 of them. Allowed are five times as much, and one step of a
    proportion of n.
    """
    ours = askew.bootstrap(
        share, TABLE, n_resamples=B, method=method, confidence_level=LEVEL, weights=distribution, rng=1
    )
    theirs = stats.bootstrap(
        (DATA,), np.mean, n_resamples=B, method=method, confidence_level=LEVEL, rng=np.random.default_rng(1), batch=1000
    )
    tail = (1 - LEVEL) / 2
    density = NormalDist().pdf(NormalDist().inv_cdf(tail))
    tolerance = 5 * math.sqrt(2) * math.sqrt(tail * (1 - tail) / B) / density * SPREAD + 1 / N
    assert tolerance < SPREAD / 4
    assert ours.value == ONES / N
    assert ours.bootstrap_distribution.shape == theirs.bootstrap_distribution.shape == (B,)
    for end in ("low", "high"):
        mine = getattr(ours.confidence_interval, end)
        assert abs(mine - getattr(theirs.confidence_interval, end)) < tolerance
        assert abs(mine - NormalDist(ONES / N, SPREAD).inv_cdf(tail if end == "low" else 1 - tail)) < tolerance


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
def test_standard_error_of_a_proportion_as_in_scipy(distribution: str) -> None:
    """That of B replicates has a relative error of 1/√(2B), two differ by √2 of it; allowed are five times that."""
    ours = askew.bootstrap(share, TABLE, n_resamples=B, weights=distribution, rng=2)
    theirs = stats.bootstrap(
        (DATA,), np.mean, n_resamples=B, method="percentile", rng=np.random.default_rng(2), batch=1000
    )
    tolerance = 5 * math.sqrt(2) / math.sqrt(2 * B)
    assert abs(ours.standard_error / theirs.standard_error - 1) < tolerance
    assert abs(ours.standard_error / SPREAD - 1) < tolerance


def test_basic_is_percentile_reflected_at_the_value() -> None:
    percentile = askew.bootstrap(share, TABLE, n_resamples=500, rng=3)
    basic = askew.bootstrap(share, TABLE, n_resamples=500, rng=3, method="basic")
    assert np.array_equal(basic.bootstrap_distribution, percentile.bootstrap_distribution)
    low, high = percentile.confidence_interval
    np.testing.assert_allclose(basic.confidence_interval, (2 * basic.value - high, 2 * basic.value - low), rtol=1e-14)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_confidence_level(level: float) -> None:
    estimate = askew.bootstrap(share, TABLE, n_resamples=1000, rng=4, confidence_level=level)
    expected = np.quantile(estimate.bootstrap_distribution, [(1 - level) / 2, (1 + level) / 2])
    np.testing.assert_allclose(estimate.confidence_interval, expected, rtol=1e-14)


def nanquantile(replicates: Floats, probability: float) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # every replicate is NaN
        return np.asarray(np.nanquantile(replicates, probability, axis=0))


numbers = st.floats(-1e6, 1e6) | st.just(math.nan) | st.sampled_from([0.0, 0.5, 1.0])


@given(
    replicates=arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=12), elements=numbers),
    probability=st.floats(0, 1) | st.sampled_from([0.025, 0.05, 0.5, 0.975]),
)
@settings(max_examples=300, deadline=None)
def test_quantiles_equal_numpy(replicates: Floats, probability: float) -> None:
    (ours,) = quantiles(replicates, (probability,))
    theirs = nanquantile(replicates, probability)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    scale = np.abs(replicates[~np.isnan(replicates)]).max(initial=0.0)  # the last bit of a sum of such numbers
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4e-16 * scale)


@pytest.mark.parametrize("n_resamples", [1, 2, 99, 1000])
@pytest.mark.parametrize("share_undefined", [0, 0.3, 1])
def test_quantiles_of_an_interval_equal_numpy(n_resamples: int, share_undefined: float) -> None:
    rng = np.random.default_rng(n_resamples)
    replicates = rng.random((n_resamples, 4, 3))
    replicates[rng.random(replicates.shape) < share_undefined] = np.nan
    for ours, probability in zip(quantiles(replicates, (0.025, 0.975)), (0.025, 0.975), strict=True):
        np.testing.assert_allclose(ours, nanquantile(replicates, probability), rtol=4e-16)


def test_quantiles_leave_the_replicates_as_they_are() -> None:
    replicates = np.array([3.0, math.nan, 1.0, 2.0])
    quantiles(replicates, (0.5,))
    np.testing.assert_array_equal(replicates, [3.0, math.nan, 1.0, 2.0])


def test_standard_error_leaves_nan_out() -> None:
    replicates = np.array([[1.0, math.nan], [2.0, 5.0], [math.nan, math.nan], [4.0, math.nan]])
    np.testing.assert_allclose(standard_error(replicates), [np.std([1, 2, 4], ddof=1), math.nan])


def test_no_replicates_no_interval() -> None:
    low, high = confidence_interval(np.zeros(3), np.empty((0, 3)), "percentile", 0.95)
    assert np.isnan([low, high]).all()
    estimate = askew.bootstrap(share, TABLE)
    assert np.isnan(estimate.confidence_interval).all()
    assert math.isnan(estimate.standard_error)
    assert estimate.bootstrap_distribution.shape == (0,)
    assert estimate.n_undefined_replicates == 0


@pytest.mark.parametrize("method", ["percentile", "basic"])
def test_replicates_without_a_group_are_dropped_and_counted(method: str) -> None:
    """Group y is one instance, which Poisson(1) leaves out of e⁻¹ of the replicates."""
    table = askew.Annotations([[1], [1], [0], [1]], ["x", "x", "x", "y"])

    def share_of_y(counts: Any) -> Floats:
        co, members = counts.train.truth.co_set_group[:, 0, 1], counts.train.truth.co_set[:, 0]
        absent = counts.train.truth.co_group[:, 1] == 0
        return np.where(absent, np.nan, co / np.maximum(members, 1))

    estimate = askew.bootstrap(share_of_y, table, n_resamples=400, rng=5, method=method)
    w = weights("poisson", 5, 0, np.arange(4, dtype=np.uint64), range(400)).astype(np.int64)
    defined = w[3] > 0
    expected = w[3][defined] / (w[0] + w[1] + w[3])[defined]
    assert 0 < estimate.n_undefined_replicates == int((~defined).sum())
    np.testing.assert_array_equal(np.isnan(estimate.bootstrap_distribution), ~defined)
    np.testing.assert_allclose(estimate.bootstrap_distribution[defined], expected, rtol=1e-15)
    low, high = np.quantile(expected, [0.025, 0.975])
    ends = (low, high) if method == "percentile" else (2 / 3 - high, 2 / 3 - low)
    np.testing.assert_allclose(estimate.confidence_interval, ends, rtol=1e-14)
    np.testing.assert_allclose(estimate.standard_error, np.std(expected, ddof=1), rtol=1e-14)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_a_metric_that_is_undefined_in_some_replicates() -> None:
    """One training instance has the attribute: without it no cell of BA_MALS is defined."""
    train = askew.Annotations([[1], [0], [0]], ["x", "x", "y"])
    test = askew.Annotations(np.ones((200, 1)), ["x", "y"] * 100, like=train)
    estimate = askew.mals(train, test, test, n_resamples=300, rng=6)
    w = weights("poisson", 6, 0, np.arange(3, dtype=np.uint64), range(300))
    np.testing.assert_array_equal(np.isnan(estimate.bootstrap_distribution), w[0] == 0)
    assert estimate.n_undefined_replicates == int((w[0] == 0).sum()) > 50
    expected = np.quantile(estimate.bootstrap_distribution[w[0] > 0], [0.025, 0.975])
    np.testing.assert_allclose(estimate.confidence_interval, expected, rtol=1e-14)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_no_replicate_is_defined() -> None:
    table = askew.Annotations([[0], [0]], ["x", "y"])
    estimate = askew.mals(table, table, table, n_resamples=20, rng=7)
    assert estimate.n_undefined_replicates == 20
    assert np.isnan([*estimate.confidence_interval, estimate.standard_error, estimate.noise_floor]).all()


def test_a_statistic_of_several_values() -> None:
    """Replicates are on the last axis, as in SciPy."""
    table = askew.Annotations([[1, 0], [1, 1], [0, 1]], ["x", "y", "y"])
    estimate = askew.bootstrap(lambda counts: counts.train.truth.co_set_group, table, n_resamples=50, rng=8)
    assert estimate.value.tolist() == [[1, 1], [0, 2]]
    assert estimate.bootstrap_distribution.shape == (2, 2, 50)
    assert estimate.standard_error.shape == (2, 2)
    expected = np.quantile(estimate.bootstrap_distribution, 0.975, axis=-1)
    np.testing.assert_allclose(estimate.confidence_interval.high, expected, rtol=1e-14)


def test_too_few_replicates_for_the_level() -> None:
    train, test, pred = askew.datasets.load_compas("sex")
    for n_resamples in (1, 99):
        with pytest.warns(askew.AskewWarning, match="too few"):
            askew.mals(train, test, pred, n_resamples=n_resamples, rng=0)
    askew.mals(train, test, pred, n_resamples=100, rng=0)
