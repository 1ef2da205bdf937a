"""The formulas of the papers, on counts.

Every function takes counts whose first axis is the replicate (0 is the sample itself): co(m, g) of shape (R, |M|,
|G|), co(m) of shape (R, |M|), co(g) of shape (R, |G|) and n of shape (R,). An undefined value is NaN.

References
----------
.. [1] J. Zhao, T. Wang, M. Yatskar, V. Ordonez, K.-W. Chang, "Men Also Like Shopping: Reducing Gender Bias
Amplification using
   Corpus-level Constraints", EMNLP 2017.
.. [2] A. Wang, O. Russakovsky, "Directional Bias Amplification", ICML 2021.
.. [3] D. Zhao, J. T. A. Andrews, A. Xiang, "Men Also Do Laundry: Multi-Attribute Bias Amplification", ICML 2023.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Signs = npt.NDArray[np.int8]


class JointCounts(Protocol):
    """Co-occurrences of sets and groups in one table, or of one side's attributes with the other side's groups."""

    @property
    def co_set_group(self) -> Ints: ...
    @property
    def co_set(self) -> Ints: ...
    @property
    def co_group(self) -> Ints: ...
    @property
    def n(self) -> Ints: ...


class Ratio(NamedTuple):
    """A probability as two counts, of shapes that broadcast to (R, |M|, |G|). 0 / 0 is undefined."""

    numerator: Ints
    denominator: Ints

    @property
    def value(self) -> Floats:
        """The quotient, NaN where undefined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.divide(self.numerator, self.denominator)


def over_groups(counts: Ints) -> Ints:
    """Σ_g of counts (R, |M|, |G|), of shape (R, |M|): in half the time of NumPy's sum over a short axis."""
    total: Ints
    if counts.shape[2] < 2:
        total = counts.sum(axis=2)
        return total
    total = counts[:, :, 0] + counts[:, :, 1]
    for group in range(2, counts.shape[2]):
        total += counts[:, :, group]
    return total


def bias_score(counts: JointCounts) -> Ratio:
    """bias(m, g) = co(m, g) / Σ_g' co(m, g')   [1]_."""
    return Ratio(counts.co_set_group, over_groups(counts.co_set_group)[:, :, None])


def group_given_set(counts: JointCounts) -> Ratio:
    """P(g | m) = co(m, g) / co(m)."""
    return Ratio(counts.co_set_group, counts.co_set[:, :, None])


def set_given_group(counts: JointCounts) -> Ratio:
    """P(m | g) = co(m, g) / co(g)."""
    return Ratio(counts.co_set_group, counts.co_group[:, None, :])


def correlation(counts: JointCounts) -> Floats:
    """P(g, m) − P(g) P(m), NaN of a table without instances. Its sign is that of the integers."""
    with np.errstate(invalid="ignore"):
        return np.divide(_excess(counts).astype(np.float64), np.square(counts.n[:, None, None], dtype=np.float64))


def correlation_sign(counts: JointCounts) -> Signs:
    """Sign of P(g, m) − P(g) P(m), on integers. Positive is y_gm = 1 of [2]_."""
    excess = _excess(counts)
    return (excess > 0).astype(np.int8) - (excess < 0).astype(np.int8)


def _excess(counts: JointCounts) -> Ints:
    """n co(m, g) − co(m) co(g)."""
    n, co_set, co_group = counts.n[:, None, None], counts.co_set[:, :, None], counts.co_group[:, None, :]
    if int(counts.n.max()) ** 2 >= 2**63:  # the products would not fit 64 bits: Python's integers do
        n, co_set = n.astype(object), co_set.astype(object)
    excess: Ints = n * counts.co_set_group - co_set * co_group
    return excess


class Difference(NamedTuple):
    """Δ_gm = predicted − baseline, and what a cell contributes to the value of a metric."""

    predicted: Ratio
    baseline: Ratio
    only_above_uniform: bool  # Δ is 0 where the baseline is not above 1/|G|
    sign: Signs | None  # a cell contributes sign·Δ; |Δ| if None
    lean: Floats | None = None  # (R, |M|, |G|): what decides the sign, where that and Δ share a table


def mals_difference(train: JointCounts, prediction: JointCounts, *, signed: bool) -> Difference:
    """Δ_gm = 1[bias_train(m, g) > 1/|G|] (bias_pred(m, g) − bias_train(m, g))   [1]_, [3]_.

    The contribution is Δ if `signed` (BA_MALS), else |Δ| (Multi_MALS).
    """
    sign = np.ones((1, 1, 1), np.int8) if signed else None
    return Difference(bias_score(prediction), bias_score(train), only_above_uniform=True, sign=sign)


def directional_difference(
    predicted: Ratio, baseline: Ratio, sign: Signs | None, lean: Floats | None = None
) -> Difference:
    """Δ_gm = P(m̂ | g) − P(m | g) or P(ĝ | m) − P(g | m)   [2]_, [3]_.

    The contribution is y Δ + (1 − y)(−Δ) with signs (BiasAmp→), else |Δ| (Multi→). `sign` is +1 for y = 1, −1 for y =
    0, and 0 for a cell that contributes nothing; `lean` is P(g, m) − P(g) P(m), of which it is the sign, where it is
    taken from the table of the baseline.
    """
    return Difference(predicted, baseline, only_above_uniform=False, sign=sign, lean=lean)


class Cells(NamedTuple):
    """One row per replicate, set and group: what is amplified, from where to where. All of shape (R, |M|, |G|)."""

    baseline: Floats
    predicted: Floats
    delta: Floats  # NaN where undefined
    contribution: Floats  # what the cell adds to the value: ±Δ or |Δ|, NaN where undefined
    indicator: npt.NDArray[np.bool_]  # whether the difference of the two terms enters Δ, or 0 does


def cells(difference: Difference) -> Cells:
    """The terms of a metric, cell by cell."""
    numerator, denominator = difference.baseline
    # bias > 1/|G|, compared on integers
    above = numerator * numerator.shape[2] > denominator
    predicted, baseline = difference.predicted.value, difference.baseline.value
    delta = predicted - baseline  # NaN where either is undefined
    indicator = np.broadcast_to(above if difference.only_above_uniform else np.True_, delta.shape)
    delta[~indicator & ~np.isnan(delta)] = 0.0
    contribution = np.abs(delta) if difference.sign is None else difference.sign * delta
    return Cells(*np.broadcast_arrays(baseline, predicted), *np.broadcast_arrays(delta, contribution, indicator))


def with_rows(of: Cells, n_rows: int) -> Cells:
    """The cells with each array seen as `n_rows` long: one row stands for all."""

    def view(array: Floats) -> Floats:
        return np.broadcast_to(array, (n_rows, *array.shape[1:]))

    indicator = np.broadcast_to(of.indicator, (n_rows, *of.indicator.shape[1:]))
    return Cells(view(of.baseline), view(of.predicted), view(of.delta), view(of.contribution), indicator)


class Totals(NamedTuple):
    """Sums over cells, each of shape (R,). Totals of disjoint cells merge with `merge`."""

    n_contributions: Ints
    contribution: Floats  # Σ of the contributions
    n: Ints
    mean: Floats  # of the Δ that enter the variance
    squares: Floats  # Σ (Δ − mean)²


def totals(of: Cells) -> Totals:
    """Sums over the cells of each replicate. An undefined cell contributes nothing, and is not counted."""
    defined = ~np.isnan(of.delta)
    n = defined.sum(axis=(1, 2), dtype=np.int64)
    contribution = np.where(defined, of.contribution, 0.0).sum(axis=(1, 2))
    delta = np.where(defined, of.delta, 0.0)
    mean = delta.sum(axis=(1, 2)) / np.maximum(n, 1)
    deviation = np.where(defined, delta - mean[:, None, None], 0.0)
    return Totals(n, contribution, n, mean, np.square(deviation).sum(axis=(1, 2)))


def undefined_as_zero(sums: Totals, n_cells: int) -> Totals:
    """The totals if each undefined cell of `n_cells` enters the variance as Δ = 0."""
    n_undefined = n_cells - sums.n
    zeros = np.zeros_like(sums.mean)
    return merge(sums, Totals(0 * sums.n, zeros, n_undefined, zeros, zeros))


def merge(a: Totals, b: Totals) -> Totals:
    """Totals of two disjoint lots of cells (Chan, Golub & LeVeque 1979 for the squares)."""
    n = a.n + b.n
    share = b.n / np.maximum(n, 1)
    step = b.mean - a.mean
    return Totals(
        a.n_contributions + b.n_contributions,
        a.contribution + b.contribution,
        n,
        a.mean + step * share,
        a.squares + b.squares + np.square(step) * a.n * share,
    )


def mean_over_sets(sums: Totals, n_sets: int) -> Floats:
    """(1/|M|) Σ_g Σ_m contribution: the MALS family. Undefined cells count as 0; NaN if none is defined."""
    return np.where(sums.n_contributions > 0, sums.contribution / n_sets, np.nan)


def mean_over_cells(sums: Totals) -> Floats:
    """(1/|G||M|) Σ_g Σ_m contribution over the defined cells: the directional family. NaN if there is none."""
    return np.where(sums.n_contributions > 0, sums.contribution / np.maximum(sums.n_contributions, 1), np.nan)


def variance(sums: Totals) -> Floats:
    """variance(Δ_gm) over cells, ddof 0   [3]_. NaN if no cell is defined."""
    return np.where(sums.n_contributions > 0, sums.squares / np.maximum(sums.n, 1), np.nan)
