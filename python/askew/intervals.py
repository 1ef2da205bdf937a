"""From replicates of a statistic to intervals.

Replicates are on the first axis; NaN marks one in which the statistic is undefined.

References
----------
.. [1] B. Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987), 171-185.
.. [2] A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", Cambridge University Press 1997.
.. [3] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, chapters 12 to 14.
.. [4] L. A. Jaeckel, "The Infinitesimal Jackknife", Bell Laboratories 1972; [3]_, section 21.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

METHODS = ("percentile", "basic", "BCa", "studentized", "delta")
METHODS_OF_REPLICATES = ("percentile", "basic")  # that need nothing else
ALTERNATIVES = ("two-sided", "less", "greater")


class ConfidenceInterval(NamedTuple):
    """Lower and upper end: floats, or arrays of the statistic's shape."""

    low: Any
    high: Any


class Jackknife(NamedTuple):
    """What some methods need of a statistic beside its replicates. NaN, or None, where it was not computed."""

    acceleration: Any = np.nan  # of "BCa"
    standard_error: Any = np.nan  # of the infinitesimal jackknife: "delta" and "studentized"
    replicate_errors: Floats | None = None  # the same in each replicate, shape (B, …): "studentized"


def quantiles(replicates: Floats, probabilities: Sequence[npt.ArrayLike]) -> list[Floats]:
    """Quantiles along the first axis, NaN left out, by linear interpolation (Hyndman & Fan 1996, type 7).

    As ``numpy.nanquantile``, to the last bit or one beside it, whose loop over slices is too slow for thousands of
    cells. A probability is a number, or one for each cell. NaN where every replicate, or the probability, is NaN.
    """
    # numpy sorts NaN to the end, and copies to a layout in which the replicates of a cell lie side by side
    ordered = np.sort(np.moveaxis(replicates, 0, -1), axis=-1)
    n_defined = np.full(ordered.shape[:-1], replicates.shape[0])
    incomplete = np.isnan(ordered[..., -1])
    n_defined[incomplete] -= np.isnan(ordered[incomplete]).sum(axis=-1)
    results = []
    for probability in map(np.asarray, probabilities):
        position = np.nan_to_num(probability) * np.maximum(n_defined - 1, 0)
        below = np.floor(position).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(n_defined - 1, 0))
        low = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
        high = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
        results.append(np.where(np.isnan(probability), np.nan, low + (high - low) * (position - below)))
    return results


def tail_of(confidence_level: float, alternative: str) -> float:
    """Probability that is left out at each end of a two-sided interval, or at the one end that there is."""
    return (1 - confidence_level) / 2 if alternative == "two-sided" else 1 - confidence_level


def confidence_interval(
    value: npt.ArrayLike,
    replicates: Floats,
    method: str,
    confidence_level: float,
    alternative: str = "two-sided",
    jackknife: Jackknife | None = None,
) -> ConfidenceInterval:
    """Interval of a statistic from its value X, shape (…), and its replicates X*, shape (B, …).

    With q(p) the quantile p of the replicates, α half of what the confidence level leaves (all of it for a one-sided
    interval), and s the standard error by the infinitesimal jackknife:

    - "percentile": q(α), q(1 − α) ([2]_, section 5.3.1).
    - "basic": 2X − q(1 − α), 2X − q(α) ([2]_, section 5.2).
    - "BCa": q(p₋), q(p₊) with p± = Φ(z₀ + (z₀ ± z)/(1 − a(z₀ ± z))), z = Φ⁻¹(1 − α), z₀ = Φ⁻¹ of the share of
      replicates below X, where those equal to it count half, a the acceleration ([1]_; [3]_, section 14.3).
    - "studentized": X − s t(1 − α), X − s t(α), with t the quantiles of (X* − X)/s* ([2]_, section 5.2.2).
    - "delta": X ∓ s z ([4]_). Needs no replicates.

    "less" has the lower end −∞, "greater" the upper end ∞, as in ``scipy.stats.bootstrap``. A statistic
    that equals X in every replicate has the interval [X, X] (where SciPy's BCa is NaN). NaN without replicates, and for
    BCa where every replicate is on one side of X.
    """
    value = np.asarray(value, dtype=np.float64)
    of = Jackknife() if jackknife is None else jackknife
    tail = tail_of(confidence_level, alternative)
    if method == "delta":
        step = NormalDist().inv_cdf(1 - tail) * np.asarray(of.standard_error, dtype=np.float64)
        low, high = value - step, value + step
    elif len(replicates) == 0:
        low = high = np.full(value.shape, np.nan)
    elif method == "BCa":
        low, high = quantiles(replicates, bca_probabilities(value, replicates, of.acceleration, tail))
        constant = np.all((replicates == value) | np.isnan(replicates), axis=0) & ~np.isnan(replicates).all(axis=0)
        low, high = (np.where(constant, value, end) for end in (low, high))
    elif method == "studentized":
        errors = (
            np.nan if of.replicate_errors is None else np.where(of.replicate_errors > 0, of.replicate_errors, np.nan)
        )
        t_low, t_high = quantiles((replicates - value) / errors, (tail, 1 - tail))
        low, high = value - of.standard_error * t_high, value - of.standard_error * t_low
    else:
        low, high = quantiles(replicates, (tail, 1 - tail))
        if method == "basic":
            low, high = 2 * value - high, 2 * value - low
    if alternative == "less":
        low = np.full_like(low, -np.inf)
    elif alternative == "greater":
        high = np.full_like(high, np.inf)
    return ConfidenceInterval(low, high)


def bca_probabilities(value: Floats, replicates: Floats, acceleration: Any, tail: float) -> tuple[Floats, Floats]:
    """The probabilities whose quantiles are the ends of BCa, one for each cell; NaN where there are none."""
    n_defined = np.sum(~np.isnan(replicates), axis=0)
    below = (np.sum(replicates < value, axis=0) + np.sum(replicates <= value, axis=0)) / (2 * np.maximum(n_defined, 1))
    inside = (below > 0) & (below < 1) & ~np.isnan(value)
    z0 = np.where(inside, normal_quantile(np.where(inside, below, 0.5)), np.nan)
    step = -NormalDist().inv_cdf(tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (z0 + (z0 + z) / (1 - acceleration * (z0 + z)) for z in (-step, step))
    return normal_distribution(low), normal_distribution(high)


def acceleration_of(
    theta: Floats, multiplicities: npt.NDArray[np.int64], strata: npt.NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Numerator and denominator of the acceleration that one table gives, from the values without one unit of it.

    `theta`, of shape (J, …), is the value after one unit (instance or cluster) has been left out, of c that are alike.
    With U_i = (n − 1)(mean of θ − θ_i) over the n units: Σ c U³/n³ and Σ c U²/n². The acceleration of several
    independent samples is Σ numerators / (6 (Σ denominators)^{3/2}), as ``scipy.stats.bootstrap`` has it ([3]_,
    equation 14.15). Strata, which begin at `strata`, the last of which is their end, are such samples. Values that are
    undefined are left out.
    """
    begins = np.zeros(1, np.intp) if strata is None else strata[:-1]
    sizes = [len(theta)] if strata is None else np.diff(strata)
    c = multiplicities.reshape(-1, *(1,) * (theta.ndim - 1))
    defined = ~np.isnan(theta)
    n = np.maximum(np.add.reduceat(c * defined, begins), 1)
    mean = np.add.reduceat(c * np.where(defined, theta, 0.0), begins) / n
    n, mean = (np.repeat(each, sizes, axis=0) for each in (n, mean))
    u = np.where(defined, (n - 1) / n * (mean - theta), 0.0)
    return np.sum(c * u**3, axis=0), np.sum(c * u**2, axis=0)


def acceleration(parts: Sequence[Sequence[Any]]) -> Any:
    """The acceleration of independent tables; NaN where the statistic does not vary."""
    numerator, denominator = (sum(terms) for terms in zip(*parts, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(numerator, 6 * np.power(denominator, 1.5))


def _each(function: Callable[[float], float], values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.array([function(x) if x == x else x for x in array.ravel().tolist()]).reshape(array.shape)


def normal_distribution(values: npt.ArrayLike) -> Floats:
    """Φ, element by element."""
    return _each(NormalDist().cdf, values)


def normal_quantile(probabilities: npt.ArrayLike) -> Floats:
    """Φ⁻¹, element by element, between 0 and 1."""
    return _each(NormalDist().inv_cdf, probabilities)


def standard_error(replicates: Floats) -> Floats:
    """Standard deviation (ddof 1) along the first axis, NaN left out; NaN with fewer than two replicates."""
    defined = ~np.isnan(replicates)
    n = defined.sum(axis=0)
    filled = np.where(defined, replicates, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    squares = np.where(defined, np.square(filled - mean), 0.0).sum(axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
