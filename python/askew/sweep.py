"""A metric as a function of the threshold of scores, from one counting of the scores.

Thresholds cut the line into bins, and a score lies in one of them. A set is predicted at a threshold where the scores
of all its attributes lie in the bin that begins there or in higher ones, and so where the lowest of them does: that is
the bin of an instance for this set. co(m̂, g) at a threshold is the sum of the counts of the bins from there up. So bins
are counted, as attributes that each instance has one of, and summed up from the highest one down.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from askew import interop, metrics
from askew.annotations import Annotations, Named, _packed_groups, check_annotations
from askew.audit import ATTRIBUTE_TO_GROUP, METRICS, metric_of
from askew.checks import check_choice, check_whole
from askew.counting import CountingPlan
from askew.counts import Counts, View
from askew.engine import Itemsets, Monitor, words_for
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.evaluation import Metric, Pass
from askew.interop.binary import Packed, pack_rows
from askew.intervals import METHODS_OF_REPLICATES, confidence_interval
from askew.metrics import Totals
from askew.options import options_of, takes_options
from askew.progress import part_of, progress_monitor
from askew.sets import AttributeSets
from askew.tables import Table
from askew.thresholds import scores_for

Floats = npt.NDArray[np.float64]

SWEPT = [name for name, (family, _) in METRICS.items() if family != ATTRIBUTE_TO_GROUP]
_TEMPORARIES = 10  # arrays of the size of a metric's cells that are alive at once
_TOGETHER = 128  # sets that are counted together: of more, the counts leave the caches, and nothing is gained
_PIECE = 1 << 20  # scores that are looked at in one go


@takes_options
def sweep(
    train: Named,
    test: Annotations,
    scores: Any,
    *,
    metric: str = "BiasAmp_A->T",
    thresholds: Any = 100,
    groups: Any = None,
    **options: Any,
) -> Table:
    """A metric at many thresholds of a model's scores.

    At each threshold, the value and the interval are those of the metric with
    ``pred=Annotations.from_scores(scores, groups, thresholds=threshold, like=test)`` and the same `rng`; but the scores
    are counted once for all thresholds.

    Parameters
    ----------
    train : Annotations or Scan
    test : Annotations
        Ground truth of the training and the test instances.
    scores : array_like, shape (n, p)
        Scores of the test instances in the order of the p attributes, as in `Annotations.from_scores`.
    metric : {"BiasAmp_A->T", "BA_MALS", "Multi_G->M", "Multi_MALS"}
        That of `directional` or `multi_directional` with ``direction="group->attribute"``, of `mals` or `multi_mals`.
        (The other direction depends on predicted groups alone, and so on no threshold.)
    thresholds : int or array_like of shape (k,), default 100
        Thresholds, which all attributes share; or their number k: then they are quantiles (i + ½)/k of the scores of
        all attributes, and where scores tie fewer than k.
    groups : as in `Annotations`, optional
        Predicted groups, which matter to BA_MALS and Multi_MALS. Default: the groups of test.
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
        An argument is wrong, or the tables do not belong together; ``weights="poisson-patterns"``, which draws other
        weights at each threshold; a `method` other than "percentile" and "basic"; no set meets `min_count`.

    Notes
    -----
    Sampling noise raises absolute values, as in the metrics: `multi_mals` and `multi_directional` at a threshold of
    interest give ``noise_floor`` and ``debiased`` beside the value.

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
    if isinstance(metric, str) and metric in METRICS and metric not in SWEPT:
        raise InputError(
            f"{metric} depends on predicted groups alone, and so on no threshold: "
            f"metric must be one of {', '.join(map(repr, SWEPT))}"
        )
    check_choice("metric", metric, SWEPT)
    if chosen.method not in METHODS_OF_REPLICATES:
        raise InputError(f'sweep() has the methods "percentile" and "basic", not {chosen.method!r}')
    if len(train.group_names) < 2:
        raise InputError(f"bias amplification compares groups, and there is only one: {train.group_names}")
    if chosen.weights == "poisson-patterns":
        raise InputError("weights='poisson-patterns' draws other weights at each threshold: take 'poisson'")
    table = scores_for(scores, test, "test")
    predicted_groups = _packed_groups(test if groups is None else groups, test.group_names)
    if predicted_groups.n != test.n:
        raise InputError(f"groups have {predicted_groups.n:,} instances, test has {test.n:,}")
    limits = _quantiles(table, thresholds) if isinstance(thresholds, (int, np.integer)) else _listed(thresholds)
    of_metric = metric_of(metric, chosen, train, test)
    levels, level_of = np.unique(limits, return_inverse=True)
    counted_with = predicted_groups if of_metric.family == "mals" else test._groups
    bins = _Bins(table, interop.comparable(levels, table), counted_with)
    work = Pass.of(train, test, None, chosen)
    values = _swept(of_metric, bins, work)[:, level_of]
    work.warn_of_skipped()
    low, high = confidence_interval(values[0], values[1:], chosen.method, chosen.confidence_level, chosen.alternative)
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

    def n_reached(self, sets: Itemsets, n_threads: int) -> npt.NDArray[Any]:
        """How many levels all scores of a set reach: shape (n, number of sets)."""
        n = len(self.scores)
        reached = np.empty((n, len(sets)), np.min_scalar_type(len(self.levels)))
        used, items = np.unique(sets.items, return_inverse=True)
        sizes = np.diff(sets.offsets)
        step = max(1, _PIECE // max(len(used), len(sets)))

        def search(begin: int) -> None:
            piece = self.scores[begin : begin + step, used]
            of_attributes = np.searchsorted(self.levels, piece, side="right").astype(reached.dtype)
            lowest = of_attributes[:, items[sets.offsets[:-1]]]
            for place in range(1, int(sizes.max())):  # in sets that are smaller, the last one again
                others = items[sets.offsets[:-1] + np.minimum(place, sizes - 1)]
                np.minimum(lowest, of_attributes[:, others], out=lowest)
            reached[begin : begin + step] = lowest

        with ThreadPoolExecutor(n_threads) as pool:  # NumPy lets other threads run while it searches
            for _ in pool.map(search, range(0, n, step)):
                pass
        return reached

    def counts(self, reached: npt.NDArray[Any], begin: int, end: int, work: Pass, monitor: Monitor | None) -> Counts:
        """Counts of bins `begin` to `end` of each set, the bins of a set side by side."""
        options = work.options
        n, n_sets = reached.shape
        n_bins = end - begin
        words: Words = np.empty((n_sets * n_bins, words_for(n)), np.uint64)
        step = max(1, _PIECE // (n_sets * 512)) * 512  # whole words
        for first in range(0, n, step):
            bins = reached[first : first + step].astype(np.int32)
            bins -= 1 + begin
            elsewhere = bins.view(np.uint32) >= n_bins  # in lower bins, which are negative, or in higher ones
            bins += n_bins * np.arange(n_sets, dtype=np.int32)
            np.putmask(bins, elsewhere, -1)  # passed over
            packed = pack_rows(np.arange(0, bins.size + 1, n_sets), bins.ravel(), len(words))
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
        self, sets: Itemsets, n_levels: int, work: Pass, monitor: Monitor | None
    ) -> Iterator[tuple[int, View]]:
        """From the highest level down, counts of what is predicted there."""
        reached = self.n_reached(sets, work.options.chosen_threads)
        ends = range(len(self.levels), 0, -n_levels)
        co, co_set = np.zeros((1, len(sets), 1), np.int64), np.zeros((1, len(sets)), np.int64)
        for number, end in enumerate(ends):
            begin = max(0, end - n_levels)
            view = self.counts(reached, begin, end, work, part_of(monitor, number, len(ends))).truth
            shape = (len(view.n), len(sets), end - begin)
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
            for level, counts in bins.predicted(sets.itemsets, n_levels, work, part_of(share, 1, 2)):
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
    return np.stack([metric.values(total) for total in sums if total is not None], axis=1)


def _tile(bins: _Bins, work: Pass, n_sets: int) -> tuple[int, int]:
    """How many sets, and how many levels of each, are counted at a time: what fits the memory, and the caches."""
    options, plans = work.options, list(work.plans.values())
    n, n_rows = len(bins.scores), 1 + options.n_resamples
    per_replicate = sum(plan.bytes_per_replicate for plan in plans) + 8 * len(bins.groups.names) * _TEMPORARIES
    per_set = n_rows * per_replicate + sum(plan.bytes_per_set for plan in plans)
    per_set += n * np.min_scalar_type(len(bins.levels)).itemsize
    like_train = plans[0]  # bins are counted without predictions, as train is
    per_bin = n_rows * like_train.bytes_per_replicate + like_train.bytes_per_set + 8 * words_for(n)
    room = work._bytes()
    if per_set + per_bin > room:
        raise InputError(
            f"one attribute set at one threshold takes {(per_set + per_bin) / 2**20:,.0f} MiB beside the kernels', "
            f"more than max_memory={options.max_memory:,}: raise it, or take fewer replicates"
        )
    most = n_sets if work._streamed else min(n_sets, _TOGETHER)  # a tile reads a scan again
    n_together = min(most, max(1, room // 2 // max(per_set, per_bin)))
    return n_together, min(len(bins.levels), max(1, room // 2 // (n_together * per_bin)))
