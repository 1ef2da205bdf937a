"""From replicates of a statistic to intervals.

Replicates are on the first axis; NaN marks one in which the statistic is undefined.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

METHODS = ("percentile", "basic")


class ConfidenceInterval(NamedTuple):
    """Lower and upper end: floats, or arrays of the statistic's shape."""

    low: Any
    high: Any


def quantiles(replicates: Floats, probabilities: tuple[float, ...]) -> list[Floats]:
    """Quantiles along the first axis, NaN left out, by linear interpolation (Hyndman & Fan 1996, type 7).

    As ``numpy.nanquantile``, to the last bit or one beside it, whose loop over slices is too slow for thousands of
    cells. NaN where every replicate is NaN.
    """
    # numpy sorts NaN to the end, and copies to a layout in which the replicates of a cell lie side by side
    ordered = np.sort(np.moveaxis(replicates, 0, -1), axis=-1)
    n_defined = np.full(ordered.shape[:-1], replicates.shape[0])
    incomplete = np.isnan(ordered[..., -1])
    n_defined[incomplete] -= np.isnan(ordered[incomplete]).sum(axis=-1)
    results = []
    for probability in probabilities:
        position = probability * np.maximum(n_defined - 1, 0)
        below = np.floor(position).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(n_defined - 1, 0))
        low = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
        high = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
        results.append(low + (high - low) * (position - below))
    return results


def confidence_interval(
    value: npt.ArrayLike, replicates: Floats, method: str, confidence_level: float
) -> ConfidenceInterval:
    """Interval of a statistic from its value, shape (…), and its replicates, shape (B, …).

    "percentile": quantiles α/2 and 1 − α/2 of the replicates. "basic": the same, reflected at the value:
    2·value − quantile (Davison & Hinkley 1997, sections 5.2 and 5.3). NaN without replicates.
    """
    if len(replicates) == 0:
        nan = np.full(np.shape(value), np.nan)
        return ConfidenceInterval(nan, nan)
    tail = (1 - confidence_level) / 2
    low, high = quantiles(replicates, (tail, 1 - tail))
    if method == "basic":
        return ConfidenceInterval(2 * np.asarray(value) - high, 2 * np.asarray(value) - low)
    return ConfidenceInterval(low, high)


def standard_error(replicates: Floats) -> Floats:
    """Standard deviation (ddof 1) along the first axis, NaN left out; NaN with fewer than two replicates."""
    defined = ~np.isnan(replicates)
    n = defined.sum(axis=0)
    filled = np.where(defined, replicates, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    squares = np.where(defined, np.square(filled - mean), 0.0).sum(axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
