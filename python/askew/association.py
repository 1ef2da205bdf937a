"""The formulas of association, on counts: of two binary variables, and of two variables with any number of levels.

Counts may have any leading axes; calls put the replicate first. Logarithms are natural. An undefined value is NaN.

References
----------
.. [1] K. W. Church, P. Hanks, "Word Association Norms, Mutual Information, and Lexicography", Computational
   Linguistics 16, 1990.
.. [2] G. Bouma, "Normalized (Pointwise) Mutual Information in Collocation Extraction", GSCL 2009.
.. [3] O. Aka, K. Burke, A. Bäuerle, C. Greer, M. Mitchell, "Measuring Model Biases in the Absence of Ground Truth",
   AIES 2021.
.. [4] S. Brin, R. Motwani, J. D. Ullman, S. Tsur, "Dynamic Itemset Counting and Implication Rules for Market Basket
   Data", SIGMOD 1997.
.. [5] G. U. Yule, "On the Methods of Measuring Association Between Two Attributes", Journal of the Royal Statistical
   Society 75, 1912.
.. [6] P. Jaccard, "The Distribution of the Flora in the Alpine Zone", New Phytologist 11, 1912.
.. [7] J. B. S. Haldane, "The Estimation and Significance of the Logarithm of a Ratio of Frequencies", Annals of Human
   Genetics 20, 1956; F. J. Anscombe, "On Estimating Binomial Response Relations", Biometrika 43, 1956.
.. [8] K. Pearson, "On the Criterion that a Given System of Deviations …", Philosophical Magazine 50, 1900.
.. [9] S. S. Wilks, "The Likelihood Test of Independence in Contingency Tables", Annals of Mathematical Statistics 6,
   1935.
.. [10] H. Cramér, "Mathematical Methods of Statistics", Princeton 1946, chapter 21.
.. [11] C. E. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal 27, 1948.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Fourfold(NamedTuple):
    """How many instances have x and y, x, y, and how many there are: the 2 × 2 table by its margins.

    Of shapes that broadcast. In the cells a = `both`, b = `first` − a, c = `second` − a and d = `n` − a − b − c.
    """

    both: Ints
    first: Ints
    second: Ints
    n: Ints

    @property
    def table(self) -> Ints:
        """[[a, b], [c, d]], of shape (…, 2, 2)."""
        both, first, second, n = np.broadcast_arrays(*self)
        cells = np.stack([both, first - both, second - both, n - first - second + both], axis=-1)
        return cells.reshape(*both.shape, 2, 2)


def lift(of: Fourfold) -> Floats:
    """P(x, y) / (P(x) P(y))   [4]_, where it is called interest. Undefined where nobody has x, or nobody y."""
    return _quotient(np.multiply(of.n, of.both, dtype=float), np.multiply(of.first, of.second, dtype=float))


def pmi(of: Fourfold) -> Floats:
    """Pointwise mutual information ln(P(x, y) / (P(x) P(y)))   [1]_. −∞ where x and y never meet."""
    with np.errstate(divide="ignore"):
        return np.log(lift(of))


def npmi(of: Fourfold) -> Floats:
    """Normalised PMI: pmi / −ln P(x, y)   [2]_, the nPMI_xy of [3]_.

    −1, the limit, where x and y never meet. Undefined where nobody has x, or nobody y, or all have both.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = pmi(of) / np.log(np.divide(of.n, of.both))
    value[np.broadcast_to((of.both == 0) & (of.first > 0) & (of.second > 0), value.shape)] = -1.0
    return value


def phi(of: Fourfold) -> Floats:
    """φ = (a d − b c) / √((a + b)(c + d)(a + c)(b + d))   [5]_: Pearson's correlation of x and y.

    Undefined where x, or y, is the same for all.
    """
    variances = [np.multiply(x, of.n - x, dtype=float) for x in (of.first, of.second)]
    return _quotient(_excess(of.both, of.first, of.second, of.n), np.sqrt(variances[0] * variances[1]))


def jaccard(of: Fourfold) -> Floats:
    """a / (a + b + c)   [6]_. Undefined where nobody has x or y."""
    return _quotient(of.both, of.first + of.second - of.both)


def odds_ratio(of: Fourfold) -> Floats:
    """(a + ½)(d + ½) / ((b + ½)(c + ½))   [7]_. Never undefined, nor infinite."""
    a, b, c, d = np.moveaxis(of.table.reshape(*of.table.shape[:-2], 4) + 0.5, -1, 0)
    ratio: Floats = a * d / (b * c)
    return ratio


def chi2(table: Ints) -> Floats:
    """Pearson's χ² = Σ (O − E)² / E, E = row · column / n, without a correction for continuity   [8]_.

    The table has shape (…, k, l). Levels that nobody has are left out; undefined where one variable has then fewer
    than two.
    """
    rows, columns, n = _margins(table)
    terms = _quotient(np.square(_excess(table, rows, columns, n)), np.multiply(rows, columns, dtype=float) * n)
    return _where_both_vary(table, np.nansum(terms, axis=(-2, -1)))


def g(table: Ints) -> Floats:
    """G = 2 Σ O ln(O / E)   [9]_. Levels as in `chi2`."""
    return _where_both_vary(table, 2 * table.sum(axis=(-2, -1)) * mutual_information(table))


def cramers_v(table: Ints) -> Floats:
    """√(χ² / (n · (min(k, l) − 1)))   [10]_, with k and l the numbers of levels that occur. Undefined as `chi2`."""
    fewest = np.minimum(*_n_levels(table))
    return np.sqrt(_quotient(chi2(table), table.sum(axis=(-2, -1)) * (fewest - 1)))


def mutual_information(table: Ints) -> Floats:
    """Σ P(x, y) ln(P(x, y) / (P(x) P(y)))   [11]_, in nats; 0 where a variable is the same for all.

    Undefined where there is nobody.
    """
    rows, columns, n = _margins(table)
    with np.errstate(divide="ignore", invalid="ignore"):
        # ln(1 + x) keeps what ln(O / E) loses near independence
        logarithm = np.log1p(_excess(table, rows, columns, n) / np.multiply(rows, columns, dtype=float))
    terms = np.where(table > 0, table * np.where(table > 0, logarithm, 0.0), 0.0)
    return np.maximum(_quotient(terms.sum(axis=(-2, -1)), n[..., 0, 0]), 0.0)  # rounding can leave less than 0


#: Measures of two binary variables.
FOURFOLD: dict[str, Callable[[Fourfold], Floats]] = {
    "npmi": npmi,
    "pmi": pmi,
    "lift": lift,
    "phi": phi,
    "jaccard": jaccard,
    "odds_ratio": odds_ratio,
}
#: Measures of two variables with any number of levels.
CONTINGENCY: dict[str, Callable[[Ints], Floats]] = {
    "chi2": chi2,
    "g": g,
    "cramers_v": cramers_v,
    "mutual_information": mutual_information,
}


def association(measure: str, of: Fourfold) -> Floats:
    """Any of the measures, of two binary variables."""
    return FOURFOLD[measure](of) if measure in FOURFOLD else CONTINGENCY[measure](of.table)


def _quotient(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """NaN where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = np.divide(numerator, np.where(np.equal(denominator, 0), np.nan, denominator))
    return quotient


def _excess(both: Ints, first: Ints, second: Ints, n: Ints) -> Floats:
    """n · O − row · column = n (O − E), on integers: no digits are lost where the two are close."""
    if int(n.max(initial=0)) ** 2 >= 2**63:  # the products would not fit 64 bits: Python's integers do
        n, first = n.astype(object), first.astype(object)
    return (n * both - first * second).astype(np.float64)


def _margins(table: Ints) -> tuple[Ints, Ints, Ints]:
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    return rows, columns, rows.sum(axis=-2, keepdims=True)


def _n_levels(table: Ints) -> tuple[Ints, Ints]:
    """How many levels of each variable occur."""
    rows, columns, _ = _margins(table)
    return (rows > 0).sum(axis=(-2, -1)), (columns > 0).sum(axis=(-2, -1))


def _where_both_vary(table: Ints, value: Floats) -> Floats:
    return np.where(np.minimum(*_n_levels(table)) > 1, value, np.nan)
