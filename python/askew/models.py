"""Several trained models: which of them a replicate draws, and what becomes of their cells.

Models that differ in the seed of their training alone are a sample of what training gives. A replicate draws as many of
them, with replacement, on top of the weights of the instances, which all models share: a bootstrap of two levels
(Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.engine.weights import threefry4x32
from askew.intervals import ConfidenceInterval, standard_error
from askew.metrics import Difference
from askew.summary import NO_SPREAD, Summary, signed_noise, tested

Floats = npt.NDArray[np.float64]

#: Third word of the generator's key, which for the weights of instances is the table: 0 or 1.
STREAM = 2


@dataclass(frozen=True)
class ModelSpread:
    """How a metric differs between trained models, on the sample itself.

    Attributes
    ----------
    values : array of shape (k,)
        The metric of each model.
    confidence_level : float
    """

    values: Floats
    confidence_level: float

    @property
    def standard_deviation(self) -> float:
        """Between models, ddof 1; NaN for one model."""
        return float(standard_error(self.values))

    @property
    def confidence_interval(self) -> ConfidenceInterval:
        """Mean ± z·sd/√k, as the papers report it (z = 1.96 at 95 %).

        It knows of training only, not of the sampling of instances; and with the standard deviation of so few values it
        should have Student's t with k − 1 degrees of freedom in place of z: 2.78 at 95 % with five models.
        """
        z = NormalDist().inv_cdf((1 + self.confidence_level) / 2)
        mean, step = float(self.values.mean()), z * self.standard_deviation / math.sqrt(len(self.values))
        return ConfidenceInterval(mean - step, mean + step)


def shares(seed: int, n_models: int, n_resamples: int) -> Floats:
    """How often each model is among those of the sample and of each replicate, over their number: shape (1 + B, k).

    Draw i of replicate b is model ⌊k u/2³²⌋; u is word i % 4 of Threefry4x32-12 of the counter (b, 0, i // 4, 0) under
    the key (seed low, seed high, 2, 0).
    """
    if n_models == 1:
        return np.ones((1 + n_resamples, 1))
    drawn = np.zeros((n_resamples, n_models))
    replicates = np.arange(n_resamples, dtype=np.uint32)
    zeros = np.zeros_like(replicates)
    for block in range(-(-n_models // 4)):
        counter = (replicates, zeros, np.full_like(replicates, block), zeros)
        words = threefry4x32(counter, (seed & 0xFFFFFFFF, seed >> 32, STREAM, 0))
        for word in words[: n_models - 4 * block]:
            model = (word.astype(np.uint64) * np.uint64(n_models) >> np.uint64(32)).astype(np.intp)
            np.add.at(drawn, (np.arange(n_resamples), model), 1.0)
    return np.concatenate([np.ones((1, n_models)), drawn]) / n_models


def mean_over_models(values: list[Floats], share: Floats) -> Floats:
    """Means over the models that a row has drawn, of arrays (R, …); over those where the value is defined."""
    total, weight = np.zeros(values[0].shape), np.zeros(values[0].shape)
    for each, of_rows in zip(values, share.T, strict=True):
        w = of_rows.reshape(-1, *(1,) * (each.ndim - 1)) * ~np.isnan(each)
        total += np.where(w > 0, w * np.nan_to_num(each), 0.0)
        weight += w
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, total / np.where(np.isclose(weight, 1, rtol=1e-12), 1.0, weight), np.nan)


def mixed(summaries: list[Summary], differences: list[Difference], share: Floats) -> Summary:
    """The summary of the cells' means over models.

    `totals` are those of the first, and so is `centred` of a metric of |Δ|: they are not means. Deviations are in units
    of the spread of the means.
    """
    n_rows = len(share)
    once = np.full((1, len(summaries)), 1 / len(summaries))
    cells = [metrics.with_rows(metrics.cells(difference), n_rows) for difference in differences]
    raw = mean_over_models([each.predicted - each.baseline for each in cells], share)
    spread = standard_error(raw[1:])
    indicator = summaries[0].indicator
    steps = np.abs(np.concatenate([raw[:1], raw[1:] - raw[:1]]))
    steps[:, ~indicator | ~(spread > NO_SPREAD)] = np.nan
    deviation = steps / spread
    statistic, p = tested(deviation, differences[0])
    return summaries[0]._replace(
        baseline=mean_over_models([each.baseline[None] for each in summaries], once)[0],
        predicted=mean_over_models([each.predicted[None] for each in summaries], once)[0],
        delta=mean_over_models([each.delta for each in summaries], share),
        spread=spread,
        deviation=deviation,
        statistic=statistic,
        p=p,
        centred=summaries[0].centred
        if differences[0].sign is None
        else np.append(0.0, signed_noise(differences[0], raw)),
    )
