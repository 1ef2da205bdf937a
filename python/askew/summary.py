"""What an estimate keeps of a metric's cells: Δ, its spread over replicates, and sums over cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew import metrics, multiplicity
from askew.intervals import standard_error
from askew.metrics import Difference, Floats, Ratio, Totals

NO_SPREAD = 1e-12  # what rounding makes of differences of probabilities that do not vary


class Summary(NamedTuple):
    """Cells of the sample, of shape (|M|, |G|), and what becomes of them in the replicates."""

    baseline: Floats
    predicted: Floats
    indicator: npt.NDArray[np.bool_]
    delta: Floats  # (R, |M|, |G|), the sample first; NaN where undefined
    spread: Floats  # standard error of predicted − baseline; NaN with fewer than two replicates
    deviation: Floats  # (R, |M|, |G|): |t*|, with |t| of the sample first. NaN where undefined, where nothing varies,
    # and where the sample's Δ is 0 for its baseline
    statistic: Floats  # (|M|, |G|): |t| of the sample on the scale of the population, whose deviations are larger
    p: Floats  # (|M|, |G|): p-value of |t|; NaN without replicates
    centred: Floats  # (R,): what the sum of the contributions is from sampling noise alone; 0 for the sample
    totals: Totals


def summarize(difference: Difference, n_rows: int) -> Summary:
    """The summary, in NumPy. What depends on no resampled table has one row, which stands for all `n_rows`."""
    cells = metrics.cells(difference)
    sample = metrics.cells(of_sample(difference))
    whole = metrics.with_rows(cells, n_rows)
    differences = whole.predicted - whole.baseline
    spread = standard_error(differences[1:])
    steps = np.abs(np.concatenate([differences[:1], differences[1:] - differences[:1]]))
    steps[:, ~sample.indicator[0] | np.isnan(differences[0])] = np.nan
    errors = np.sqrt(smoothed_variance(difference.predicted) + smoothed_variance(difference.baseline))
    if difference.sign is None:
        noise = np.nansum(steps[1:] * noise_factor(of_sample(difference)), axis=(1, 2))
    else:
        noise = signed_noise(difference, differences)
    deviation = np.where(spread > NO_SPREAD, steps / errors, np.nan)
    statistic, p = tested(deviation, difference)
    return Summary(
        sample.baseline[0],
        sample.predicted[0],
        sample.indicator[0],
        whole.delta,
        spread,
        deviation,
        statistic,
        p,
        np.append(0.0, noise),
        metrics.totals(whole),
    )


def tested(deviation: Floats, difference: Difference) -> tuple[Floats, Floats]:
    """|t| of the sample on the scale of the population, and its p-value, both of shape (|M|, |G|)."""
    statistic = deviation[0] / noise_factor(of_sample(difference))[0]
    return statistic, multiplicity.p_values(statistic, deviation[1:])


def signed_noise(difference: Difference, differences: Floats) -> Floats:
    """The sum of s° (D* − D) over cells, of shape (B,): what noise alone makes of a signed metric.

    D is predicted − baseline, of shape (R, |M|, |G|), the sample first; s° the sign, or whether the cell enters. Where
    both come from one table, a cell is picked for the noise that D has in it: it regresses to the mean. Of c, of which
    s is the sign, c + β D is uncorrelated with D and tells nothing of amplification, for β = −cov(c*, D*)/var(D*). It
    stays as it is in the sample where D becomes D* − D: s° is the sign of c + β (D − (D* − D)).
    """
    steps = (differences[1:] - differences[0]) * noise_factor(of_sample(difference))
    sample = metrics.cells(of_sample(difference))
    assert difference.sign is not None
    chosen = difference.sign[:1] * sample.indicator
    lean = difference.baseline.value - 1 / steps.shape[2] if difference.only_above_uniform else difference.lean
    if lean is not None and len(lean) > 1:
        beta = -slope(lean[1:], differences[1:])
        null = lean[0] + beta * (differences[0] - steps)
        flipped = np.where(null > 0, 1, 0 if difference.only_above_uniform else -1)
        chosen = np.where(standard_error(differences[1:]) > NO_SPREAD, flipped, chosen)
    noise: Floats = np.nansum(chosen * steps, axis=(1, 2))
    return noise


def slope(y: Floats, x: Floats) -> Floats:
    """Of the regression of y on x along the first axis, NaN left out; 0 where x does not vary."""
    x, y = (np.where(np.isnan(x) | np.isnan(y), np.nan, values) for values in (x, y))
    n = np.maximum(np.sum(~np.isnan(x), axis=0), 1)
    dx = x - np.nansum(x, axis=0) / n
    dy = y - np.nansum(y, axis=0) / n
    squares = np.nansum(np.square(dx), axis=0)
    slopes: Floats = np.nansum(dx * dy, axis=0) / np.where(squares > 0, squares, 1.0)
    return slopes


def smoothed_variance(ratio: Ratio) -> Floats:
    """Variance of a proportion a/b, with half a success and half a failure more, as by Jeffreys' prior: never 0.

    It puts deviations on one scale. Divided by the standard error that stands in the sample, the largest of many cells
    of few instances would be too small too rarely: what a cell happens to be, 0 of 12, say, its standard error is too.
    Replicates know of no more successes than there are: with a whole one (Agresti & Caffo 2000) their deviations are
    too small for that scale where a cell has ten instances.
    """
    successes, trials = ratio.numerator + 0.5, ratio.denominator + 1.0
    variance: Floats = successes * (trials - successes) / trials**3
    return variance


def noise_factor(sample: Difference) -> Floats:
    """By how much deviations from the sample are less than those from the population, shape (1, |M|, |G|).

    The variance of a proportion of b instances is p(1 − p)/b, of which the sample has (b − 1)/b on average.
    """
    variances = [smoothed_variance(ratio) for ratio in (sample.predicted, sample.baseline)]
    unbiased = [
        variance * np.where(ratio.denominator > 1, ratio.denominator / np.maximum(ratio.denominator - 1, 1), 1.0)
        for variance, ratio in zip(variances, (sample.predicted, sample.baseline), strict=True)
    ]
    return np.sqrt(sum(unbiased) / sum(variances))


def of_sample(difference: Difference) -> Difference:
    """The first row of the replicate axis."""
    predicted, baseline, only_above_uniform, sign, lean = difference
    return Difference(
        Ratio(*(counts[:1] for counts in predicted)),
        Ratio(*(counts[:1] for counts in baseline)),
        only_above_uniform,
        None if sign is None else sign[:1],
        None if lean is None else lean[:1],
    )
