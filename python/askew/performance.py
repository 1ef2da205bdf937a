"""The formulas of performance by group, on counts, and of how it differs between groups.

Counts have shape (R, |M|, |G|); axis 0 is the replicate, and its first row the sample itself. An undefined value is
NaN.

References
----------
.. [1] M. Hardt, E. Price, N. Srebro, "Equality of Opportunity in Supervised Learning", NIPS 2016.
.. [2] S. Sagawa, P. W. Koh, T. B. Hashimoto, P. Liang, "Distributionally Robust Neural Networks for Group Shifts",
   ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew.metrics import Floats, Ints, Ratio


class Confusion(NamedTuple):
    """Members of each group by whether they contain m in truth and by prediction, of shape (R, |M|, |G|) each."""

    tp: Ints  # contain m and m̂
    fp: Ints  # m̂ only
    fn: Ints  # m only
    tn: Ints  # neither


def confusion(co_both: Ints, co_true: Ints, co_predicted: Ints, co_group: Ints) -> Confusion:
    """The four cells from co(m ∧ m̂, g), co(m, g) and co(m̂, g) of shape (R, |M|, |G|), and co(g) of shape (R, |G|)."""
    neither = co_group[:, None, :] - co_true - co_predicted + co_both
    return Confusion(co_both, co_predicted - co_both, co_true - co_both, neither)


def accuracy(of: Confusion) -> Ratio:
    """P(m̂ = m | g) = (tp + tn) / co(g)."""
    return Ratio(of.tp + of.tn, of.tp + of.fp + of.fn + of.tn)


def recall(of: Confusion) -> Ratio:
    """P(m̂ | m, g) = tp / (tp + fn), the true positive rate."""
    return Ratio(of.tp, of.tp + of.fn)


def fnr(of: Confusion) -> Ratio:
    """P(not m̂ | m, g) = fn / (tp + fn), the false negative rate."""
    return Ratio(of.fn, of.tp + of.fn)


def fpr(of: Confusion) -> Ratio:
    """P(m̂ | not m, g) = fp / (fp + tn), the false positive rate."""
    return Ratio(of.fp, of.fp + of.tn)


def tnr(of: Confusion) -> Ratio:
    """P(not m̂ | not m, g) = tn / (fp + tn), the true negative rate or specificity."""
    return Ratio(of.tn, of.fp + of.tn)


def precision(of: Confusion) -> Ratio:
    """P(m | m̂, g) = tp / (tp + fp)."""
    return Ratio(of.tp, of.tp + of.fp)


def f1(of: Confusion) -> Ratio:
    """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall."""
    return Ratio(2 * of.tp, 2 * of.tp + of.fp + of.fn)


def selection_rate(of: Confusion) -> Ratio:
    """P(m̂ | g) = (tp + fp) / co(g)."""
    return Ratio(of.tp + of.fp, of.tp + of.fp + of.fn + of.tn)


def prevalence(of: Confusion) -> Ratio:
    """P(m | g) = (tp + fn) / co(g), the base rate."""
    return Ratio(of.tp + of.fn, of.tp + of.fp + of.fn + of.tn)


RATES: dict[str, Callable[[Confusion], Ratio]] = {
    "accuracy": accuracy,
    "recall": recall,
    "fnr": fnr,
    "fpr": fpr,
    "tnr": tnr,
    "precision": precision,
    "f1": f1,
    "selection_rate": selection_rate,
    "prevalence": prevalence,
}


def largest_difference(values: Floats) -> Floats:
    """max_g − min_g of shape (R, |M|), over the groups whose value is defined in the sample.

    NaN where these are fewer than two, and in a replicate in which the value of one of them is undefined.
    """
    compared = _defined_in_sample(values)
    difference = np.where(compared, values, -np.inf).max(axis=2) - np.where(compared, values, np.inf).min(axis=2)
    return np.where(compared.sum(axis=1) > 1, difference, np.nan)


def smallest(values: Floats) -> Floats:
    """min_g, over groups as in `largest_difference`; one is enough."""
    compared = _defined_in_sample(values)
    return np.where(compared.any(axis=1), np.where(compared, values, np.inf).min(axis=2), np.nan)


def mean(values: Floats) -> Floats:
    """The mean over groups, each counting the same; groups as in `smallest`."""
    compared = _defined_in_sample(values)
    n_groups = compared.sum(axis=1)
    return np.where(n_groups > 0, np.where(compared, values, 0.0).sum(axis=2) / np.maximum(n_groups, 1), np.nan)


def equalized_odds(of: Confusion) -> Floats:
    """The larger of the largest differences of recall and of fpr   [1]_."""
    return np.maximum(largest_difference(recall(of).value), largest_difference(fpr(of).value))


def _largest_difference_of(rate: Callable[[Confusion], Ratio]) -> Callable[[Confusion], Floats]:
    return lambda of: largest_difference(rate(of).value)


#: Disparities that are the difference of a rate, by the rate's name or their own   [1]_.
DIFFERENCES: dict[str, Callable[[Confusion], Ratio]] = {
    "demographic_parity": selection_rate,
    "equal_opportunity": recall,
    "deo": fnr,
    **RATES,
}
DISPARITIES: dict[str, Callable[[Confusion], Floats]] = {
    **{name: _largest_difference_of(rate) for name, rate in DIFFERENCES.items()},
    "equalized_odds": equalized_odds,
    "worst_group_accuracy": lambda of: smallest(accuracy(of).value),  # [2]_
    "balanced_group_accuracy": lambda of: mean(accuracy(of).value),
}


def _defined_in_sample(values: Floats) -> npt.NDArray[np.bool_]:
    """Which groups are compared, of shape (|M|, |G|): chosen once, as the attribute sets are."""
    defined: npt.NDArray[np.bool_] = ~np.isnan(values[0])
    return defined
