"""What an estimate keeps of a metric's cells: Δ, its spread over replicates, and sums over cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.intervals import standard_error
from askew.metrics import Difference, Floats, Ratio, Totals


class Summary(NamedTuple):
    """Cells of the sample, of shape (|M|, |G|), and what becomes of them in the replicates."""

    baseline: Floats
    predicted: Floats
    indicator: npt.NDArray[np.bool_]
    delta: Floats  # (R, |M|, |G|), the sample first; NaN where undefined
    spread: Floats  # standard error of predicted − baseline; NaN with fewer than two replicates
    totals: Totals


def summarize(difference: Difference, n_rows: int) -> Summary:
    """The summary, in NumPy. What depends on no resampled table has one row, which stands for all `n_rows`."""
    cells = metrics.cells(difference)
    sample = metrics.cells(of_sample(difference))
    whole = metrics.with_rows(cells, n_rows)
    spread = standard_error(whole.predicted[1:] - whole.baseline[1:])
    return Summary(
        sample.baseline[0], sample.predicted[0], sample.indicator[0], whole.delta, spread, metrics.totals(whole)
    )


def of_sample(difference: Difference) -> Difference:
    """The first row of the replicate axis."""
    predicted, baseline, only_above_uniform, sign = difference
    return Difference(
        Ratio(*(counts[:1] for counts in predicted)),
        Ratio(*(counts[:1] for counts in baseline)),
        only_above_uniform,
        None if sign is None else sign[:1],
    )
