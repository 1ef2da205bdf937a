"""P-values from centred replicates, for one statistic and for many cells at a time.

Replicates minus the value of the sample have the distribution that the statistic has where nothing is amplified. P is
(1 + number of centred replicates that are at least as extreme as the value) / (1 + B): at least 1/(1 + B).

References
----------
.. [1] A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", Cambridge University Press 1997,
   section 4.4.
.. [2] P. H. Westfall, S. S. Young, "Resampling-Based Multiple Testing", Wiley 1993, algorithms 2.5 and 2.8.
.. [3] Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", JRSS B 57 (1995), 289-300.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def p_value(value: float, centred: Floats, alternative: str, middle: float = 0.0) -> float:
    """P-value of a statistic, from its centred replicates, shape (B,); NaN where there is none [1]_.

    "two-sided" counts those that are as far from `middle`, on either side.
    """
    defined = centred[~np.isnan(centred)]
    if len(defined) == 0 or np.isnan(value):
        return float("nan")
    extreme = {
        "two-sided": np.abs(defined - middle) >= abs(value - middle),
        "greater": defined >= value,
        "less": defined <= value,
    }[alternative]
    return (1 + int(extreme.sum())) / (1 + len(defined))


def p_values(statistics: Floats, deviations: Floats) -> Floats:
    """P-value of each cell from |t|, shape (…), and the |t*| of its centred replicates, shape (B, …) [1]_.

    Two-sided. NaN where |t| is, and without replicates; replicates that are NaN are left out.
    """
    if len(deviations) == 0:
        return np.full(statistics.shape, np.nan)
    exceeding = np.count_nonzero(deviations >= statistics, axis=0)
    n_defined = np.count_nonzero(deviations == deviations, axis=0)
    return np.where(np.isnan(statistics), np.nan, (1 + exceeding) / (1 + n_defined))


def q_values(p: Floats) -> Floats:
    """Benjamini and Hochberg's adjusted p-values, of any shape: the false discovery rate at which a cell is found [3]_.

    min over k ≥ rank of m p₍ₖ₎/k. NaN stays NaN and is not counted in m.
    """
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    given = p[tested]
    order = np.argsort(given, kind="stable")[::-1]
    ranks = np.arange(len(given), 0, -1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum.accumulate(np.minimum(given[order] * len(given) / ranks, 1.0))
    q[tested] = adjusted
    return q


def single_step(statistics: Floats, largest: Floats) -> Floats:
    """Adjusted p-values from the largest |t*| over all cells in each replicate, shape (B,) [2]_.

    P(max |t*| ≥ |t|): the family-wise error rate at which a cell is found.
    """
    ordered = np.sort(np.where(np.isnan(largest), -np.inf, largest))
    exceeding = len(ordered) - np.searchsorted(ordered, statistics, side="left")
    return np.where(np.isnan(statistics), np.nan, (1 + exceeding) / (1 + len(ordered)))


def step_down(statistics: Floats, deviations: list[Floats]) -> Floats:
    """The same, each cell against the largest |t*| of those with no more evidence than it [2]_ (algorithm 2.8).

    `deviations` are arrays of shape (cells, B), one after the other in the order of `statistics`.ravel(). No adjusted
    p-value is larger than that of `single_step`.
    """
    flat = statistics.ravel()
    rows: list[Any] = [row for part in deviations for row in part]
    order = np.argsort(flat, kind="stable")  # ascending, NaN last
    order = order[: np.count_nonzero(~np.isnan(flat))]
    adjusted = np.full(flat.shape, np.nan)
    largest = np.full(len(rows[0]) if rows else 0, -np.inf)
    for cell in order.tolist():
        np.fmax(largest, rows[cell], out=largest)
        adjusted[cell] = (1 + np.count_nonzero(largest >= flat[cell])) / (1 + len(largest))
    descending = order[::-1]
    adjusted[descending] = np.maximum.accumulate(adjusted[descending])
    return adjusted.reshape(statistics.shape)
