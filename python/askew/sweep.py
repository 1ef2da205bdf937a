"""A metric as a function of the threshold of scores, from one counting of the scores.

Thresholds cut the line into bins, and a score lies in one of them. An attribute is predicted at a threshold where the
score lies in the bin that begins there or in a higher one: co(â, g) at a threshold is the sum of the counts of those
bins. So bins are counted, as attributes that each instance has one of, and summed up from the highest one down.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from askew import interop, metrics
from askew.annotations import Annotations, _packed_groups, check_annotations
from askew.checks import check_choice, check_whole
from askew.counting import KERNEL_BYTES, CountingPlan
from askew.counts import Counts, View
from askew.engine import Monitor, words_for
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.evaluation import Metric, Pass
from askew.interop.binary import Packed, pack_rows
from askew.intervals import confidence_interval
from askew.metrics import Totals
from askew.options import options_of, takes_options
from askew.progress import part_of, progress_monitor
from askew.sets import AttributeSets
from askew.tables import Table
from askew.thresholds import scores_for

Floats = npt.NDArray[np.float64]

FAMILIES = {"BA_MALS": "mals", "BiasAmp_A->T": "group->attribute"}
_SEVERAL = "counts attributes together, and such counts at a threshold are no sums over bins"
NOT_SWEPT = {
    "BiasAmp_T->A": "depends on predicted groups alone, and so on no threshold",
    **dict.fromkeys(["Multi_MALS", "Multi_G->M", "Multi_M->G"], _SEVERAL),
}
_TEMPORARIES = 10  # arrays of the size of a metric's cells that are alive at once
_PIECE = 1 << 20  # scores that are looked at in one go


@takes_options
def sweep(
    train: Annotations,
    test: Annotations,
    scores: Any,
    *,
    metric: str = "BiasAmp_A->T",
    thresholds: Any = 100,
    groups: Any = None,
    **options: Any,
) -> Table:
    """A metric over single attributes at many thresholds of a model's scores.

    At each threshold, the value and the interval are those of the metric with
    ``pred=Annotations.from_scores(scores, groups, thresholds=threshold, like=test)`` and the same `rng`; but the scores
    are counted once for all thresholds.

    Parameters
    ----------
    train, test : Annotations
        Ground truth of the training and the test instances.
    scores : array_like, shape (n, p)
        Scores of the test instances in the order of the p attributes, as in `Annotations.from_scores`.
    metric : {"BiasAmp_A->T", "BA_MALS"}
        That of `directional` with ``direction="group->attribute"``, or that of `mals`. (BiasAmp_T->A depends on
        predicted groups alone, and so on no threshold.)
    thresholds : int or array_like of shape (k,), default 100
        Thresholds, which all attributes share; or their number k: then they are quantiles (i + ½)/k of the scores of
        all attributes, and where scores tie fewer than k.
    groups : as in `Annotations`, optional
        Predicted groups, which matter to BA_MALS. Default: the groups of test.
    **options
        Shared keywords.

    Returns
    -------
    Table
        One row per threshold, in the given order (quantiles ascend): ``threshold``, ``value`` (NaN where the metric is
        undefined), ``low`` and ``high`` (NaN without replicates).

    Raises
    ------
    InputError
        An argument is wrong, or the tables do not belong together; a set in `sets` of more than one attribute: sets are
        counted together, and their counts at a threshold are no sums over bins; ``weights="poisson-patterns"``, which
        draws other weights at each threshold.

    Examples
    --------
    >>> import numpy as np
    >>> import askew
    >>> train, test, pred = askew.datasets.make_annotations(5000, amplification=0.2, rng=1)[:3]
    >>> noise = np.random.default_rng(0).random((test.n, len(test.attribute_names)))
    >>> scores = 0.6 * pred.to_numpy()[0] + 0.4 * noise
    >>> table = askew.sweep(train, test, scores, thresholds=[0.1, 0.5, 0.9], n_resamples=200, rng=0)
    >>> pred = askew.Annotations.from_scores(scores, groups=test, like=test, thresholds=0.5)
    >>> bool(abs(table["value"][1] - float(askew.directional(train, test, pred))) < 1e-12)
    True
    """
    chosen = options_of("sweep", options)
    check_annotations(train=train, test=test)
    if not isinstance(test, Annotations):
        raise InputError("sweep() needs test in memory, as the scores are: test.collect() brings a scan there")
    train.check_same_names(test, "train and test")
    if isinstance(metric, str) and metric in NOT_SWEPT:
        raise InputError(f"{metric} {NOT_SWEPT[metric]}: metric must be one of {', '.join(map(repr, FAMILIES))}")
    check_choice("metric", metric, FAMILIES)
    if len(train.group_names) < 2:
        raise InputError(f"bias amplification compares groups, and there is only one: {train.group_names}")
    if chosen.weights == "poisson-patterns":
        raise InputError("weights='poisson-patterns' draws other weights at each threshold: take 'poisson'")
    table = scores_for(scores, test, "test")
    predicted_groups = _packed_groups(test if groups is None else groups, test.group_names)
    if predicted_groups.n != test.n:
        raise InputError(f"groups have {predicted_groups.n:,} instances, test has {test.n:,}")
    limits = _quantiles(table, thresholds) if isinstance(thresholds, (int, np.integer)) else _listed(thresholds)
    sets = chosen.universe("singletons" if chosen.sets is None else chosen.sets, train, test)
    if len(sets.itemsets.items) > len(sets):
        raise InputError(f"sets must be of one attribute each: a larger set {_SEVERAL}")
    levels, level_of = np.unique(limits, return_inverse=True)
    family, signed = FAMILIES[metric], chosen.signed is None or bool(chosen.signed)
    bins = _Bins(table, interop.comparable(levels, table), predicted_groups if family == "mals" else test._groups)
    of_metric = Metric(metric, family, sets, signed, chosen.chosen_convention.single_baseline)
    values = _swept(of_metric, bins, Pass.of(train, test, None, chosen))[:, level_of]
    low, high = confidence_interval(values[0], values[1:], chosen.method, chosen.confidence_level)
    return Table({"threshold": limits, "value": values[0], "low": low, "high": high})


def _listed(given: Any) -> Floats:
    limits = interop.as_thresholds(given, "thresholds")
    if limits.ndim != 1 or len(limits) == 0:
        raise InputError(
            f"thresholds must be a number of quantiles or a list of thresholds; the shape is {limits.shape}"
        )
    return limits


def _quantiles(scores: npt.NDArray[Any], number: Any) -> Floats:
    """Distinct quantiles (i + ½)/k of all scores, each a score (Hyndman & Fan 1996, type 1)."""
    n = scores.size
    k = min(check_whole("thresholds", number, 1), n)  # n quantiles are all scores
    ranks = np.unique([((2 * i + 1) * n - 1) // (2 * k) for i in range(k)])
    return np.unique(np.partition(scores, ranks, axis=None)[ranks]).astype(np.float64)


@dataclass(frozen=True)
class _Bins:
    """Scores of the test instances and distinct levels from the lowest up: bin j is from level j to the next one."""

    scores: npt.NDArray[Any]
    levels: npt.NDArray[Any]  # comparable with the scores
    groups: Packed  # those that predicted attributes are counted with

    def n_reached(self, columns: npt.NDArray[np.int32], n_threads: int) -> npt.NDArray[Any]:
        """How many levels each score reaches, of these columns: shape (n, len(columns))."""
        n = len(self.scores)
        reached = np.empty((n, len(columns)), np.min_scalar_type(len(self.levels)))
        step = max(1, _PIECE // len(columns))

        def search(begin: int) -> None:
            piece = self.scores[begin : begin + step, columns]
            reached[begin : begin + step] = np.searchsorted(self.levels, piece, side="right")

        with ThreadPoolExecutor(n_threads) as pool:  # NumPy lets other threads run while it searches
            for _ in pool.map(search, range(0, n, step)):
                pass
        return reached

    def counts(self, reached: npt.NDArray[Any], begin: int, end: int, work: Pass, monitor: Monitor | None) -> Counts:
        """Counts of bins `begin` to `end` of each column, the bins of a column side by side."""
        options = work.options
        n, n_columns = reached.shape
        n_bins = end - begin
        words: Words = np.empty((n_columns * n_bins, words_for(n)), np.uint64)
        step = max(1, _PIECE // (n_columns * 512)) * 512  # whole words
        for first in range(0, n, step):
            bins = reached[first : first + step].astype(np.int32)
            bins -= 1 + begin
            elsewhere = bins.view(np.uint32) >= n_bins  # in lower bins, which are negative, or in higher ones
            bins += n_bins * np.arange(n_columns, dtype=np.int32)
            np.putmask(bins, elsewhere, -1)  # passed over
            packed = pack_rows(np.arange(0, bins.size + 1, n_columns), bins.ravel(), len(words))
            words[:, first // 64 : first // 64 + packed.shape[1]] = packed
        table = Annotations._assembled(Packed(tuple(map(str, range(len(words)))), words, n), self.groups, None)
        assert work.test is not None
        plan = replace(CountingPlan.of(table, None, "test"), design=work.test.design)
        return plan.run(
            AttributeSets.singletons(table),
            plan.resampling(options.weights, work.seed, options.n_resamples),
            range(options.n_resamples if "test" in options.resample else 0),
            options.engine,
            options.chosen_threads,
            monitor,
        )

    def predicted(
        self, columns: npt.NDArray[np.int32], n_together: int, work: Pass, monitor: Monitor | None
    ) -> Iterator[tuple[int, View]]:
        """From the highest level down, counts of what is predicted there."""
        reached = self.n_reached(columns, work.options.chosen_threads)
        ends = range(len(self.levels), 0, -n_together)
        co, co_set = np.zeros((1, len(columns), 1), np.int64), np.zeros((1, len(columns)), np.int64)
        for number, end in enumerate(ends):
            begin = max(0, end - n_together)
            view = self.counts(reached, begin, end, work, part_of(monitor, number, len(ends))).truth
            shape = (len(view.n), len(columns), end - begin)
            with_group, in_all = view.co_set_group.reshape(*shape, -1), view.co_set.reshape(shape)
            for level in range(end - 1, begin - 1, -1):
                co, co_set = co + with_group[:, :, level - begin], co_set + in_all[:, :, level - begin]
                yield level, View(co, co_set, view.co_group, view.n)


def _swept(metric: Metric, bins: _Bins, work: Pass) -> Floats:
    """The metric in the sample and in each replicate, at each level: shape (1 + B, k)."""
    options, convention, n_sets = work.options, work.options.chosen_convention, len(metric.sets)
    joint = "prediction" if metric.family == "mals" else "predicted_attributes"
    sums: list[Totals | None] = [None] * len(bins.levels)
    step, n_levels = _tile(bins, work, n_sets)
    starts = range(0, n_sets, step)
    with progress_monitor(options.progress) as monitor:
        for number, start in enumerate(starts):
            sets, share = metric.sets[start : start + step], part_of(monitor, number, len(starts))
            train, test = work.count(sets, range(options.n_resamples), part_of(share, 0, 2))
            assert train is not None
            assert test is not None
            view = train.truth
            if convention.empty_rows == "dropped":
                view = view._replace(n=train.n_annotated)
            columns = sets.itemsets.items
            for level, counts in bins.predicted(columns, n_levels, work, part_of(share, 1, 2)):
                arrays = {
                    **test._arrays,
                    joint: counts.co_set_group,
                    "predicted_sets": counts.co_set,
                    "predicted_groups": counts.co_group,
                }
                tables = Counts(sets, test.group_names, test.resampling, test.rows, arrays)
                difference = metric.difference(view, tables, slice(None), convention)
                new = options.engine.summarize(difference, 1 + options.n_resamples, options.chosen_threads).totals
                old = sums[level]
                sums[level] = new if old is None else metrics.merge(old, new)
    totals = [total for total in sums if total is not None]
    if metric.family == "mals":
        return np.stack([metrics.mean_over_sets(total, n_sets) for total in totals], axis=1)
    return np.stack([metrics.mean_over_cells(total) for total in totals], axis=1)


def _tile(bins: _Bins, work: Pass, n_sets: int) -> tuple[int, int]:
    """How many attributes, and how many levels of each, are counted at a time: what fits the memory."""
    options, plans = work.options, list(work.plans.values())
    n, n_rows = len(bins.scores), 1 + options.n_resamples
    per_replicate = sum(plan.bytes_per_replicate for plan in plans) + 8 * len(bins.groups.names) * _TEMPORARIES
    per_attribute = n_rows * per_replicate + sum(plan.bytes_per_set for plan in plans)
    per_attribute += n * np.min_scalar_type(len(bins.levels)).itemsize
    like_train = plans[0]  # bins are counted without predictions, as train is
    per_bin = n_rows * like_train.bytes_per_replicate + like_train.bytes_per_set + 8 * words_for(n)
    room = options.max_memory - KERNEL_BYTES
    if per_attribute + per_bin > room:
        raise InputError(
            f"one attribute at one threshold takes {(per_attribute + per_bin) / 2**20:,.0f} MiB beside the kernels', "
            f"more than max_memory={options.max_memory:,}: raise it, or take fewer replicates"
        )
    n_attributes = min(n_sets, max(1, room // 2 // max(per_attribute, per_bin)))
    return n_attributes, min(len(bins.levels), max(1, room // 2 // (n_attributes * per_bin)))
