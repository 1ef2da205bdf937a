"""From annotations to counts: `count`, and the plan that every other call counts by."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from askew.annotations import Annotations, Named, check_annotations
from askew.checkpoints import Checkpoint
from askew.checks import check_choice, check_whole
from askew.counts import Counts, Resampling
from askew.design import Design
from askew.engine import Draws, Engine, Monitor, choose, threads
from askew.engine.weights import DISTRIBUTIONS
from askew.errors import InputError
from askew.layout import Layout, everybody, mined_arrays
from askew.patterns import PatternTable, pattern_table
from askew.progress import ProgressLike, progress_monitor
from askew.randomness import RNG, seed_of
from askew.sets import AttributeSets, Limits, mine, universe

TABLES = {"train": 0, "test": 1}
#: Of instances, and of distinct rows.
WEIGHTS = (*DISTRIBUTIONS, "multinomial", "poisson-patterns")
MAX_REPLICATES = 2**31 - 1
DEFAULT_MEMORY = 2**30
MIN_MEMORY = 2**28
#: What a kernel takes for itself: resampling membership lists of a piece of the table, and sums; mining copies of rows.
KERNEL_BYTES = 200 * 2**20


def count(
    annotations: Named,
    sets: str | AttributeSets | Iterable[str | Iterable[str]],
    *,
    max_size: int | None = None,
    min_count: int = 1,
    support: str = "any",
    max_sets: int = 1_000_000,
    pred: Named | None = None,
    n_resamples: int = 0,
    weights: str = "poisson",
    strata: Any = None,
    clusters: Any = None,
    rng: RNG = None,
    table: str | None = None,
    first_row: int = 0,
    rows: tuple[int, int] | None = None,
    backend: str = "auto",
    n_threads: int | None = None,
    max_memory: int = DEFAULT_MEMORY,
    progress: ProgressLike = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Counts:
    """Count how often each attribute set occurs with each group, in the sample and in bootstrap replicates.

    Parameters
    ----------
    annotations : Annotations or Scan
        Ground truth of n instances.
    sets : {"subsets", "observed", "singletons"}, AttributeSets, or list of sets
        A universe is that of this table alone. The sample's counts of "subsets" are found by mining them.
    max_size, min_count, support, max_sets
        As in `audit`.
    pred : Annotations or Scan, optional
        Predictions for the same instances: adds the three views that need them.
    n_resamples : int, default 0
        Number of bootstrap replicates B.
    weights : {"poisson", "poisson32", "multinomial", "poisson-patterns"}
        Poisson(1) weights of instances, from 16-bit or 32-bit uniforms; multinomial weights, that is n draws with
        replacement; or Poisson(c) weights of the distinct rows that c instances share: other replicates of the same
        distribution, and faster where rows repeat often. The last two need the whole table at once.
    strata, clusters : array_like of n labels, optional
        As in `audit`, of this table; strata may be "groups". Clusters need the whole table at once.
    rng : int, numpy Generator, SeedSequence or None
        Seed of the weights: a whole number in [0, 2**64) is taken as it is. None: a fresh one, kept in
        ``resampling.seed``.
    table : {"train", "test"}, optional
        Which of the independent streams of weights to draw from. Default: "test" with `pred`, else "train".
    first_row : int, default 0
        Place of the first instance within its table, when a table is counted in parts.
    rows : (int, int), optional
        The part of a scan to count, as a half-open range of rows. Default: all.
    backend, n_threads, progress, checkpoint
        As in `audit`.
    max_memory : int, default 1 GiB
        Bytes that the counts and the work on them may take.

    Returns
    -------
    Counts
        For one `rng`: the same integers for every backend, number of threads and partition of the rows.

    Raises
    ------
    InputError
        An argument out of range; no set meets `min_count`; the counts would take more than `max_memory`; `pred` of
        other instances; a part of a table (`first_row`) with weights of a whole table; labels of strata or clusters
        that are missing, are not n, or do not nest.

    Examples
    --------
    >>> import askew
    >>> table = askew.Annotations([[1, 1], [1, 0], [0, 1]], ["x", "x", "y"], attribute_names=["cup", "tea"])
    >>> counts = askew.count(table, ["tea", ["cup", "tea"]], n_resamples=2, rng=0)
    >>> counts.truth.co_set_group[0]
    array([[1, 1],
           [1, 0]])
    >>> counts.truth.co_set_group.shape
    (3, 2, 2)
    """
    check_annotations(annotations=annotations, **({} if pred is None else {"pred": pred}))
    limits = Limits(max_size, min_count, support, max_sets)
    check_resampling(n_resamples, weights)
    check_memory(max_memory)
    n_resamples, max_memory = int(n_resamples), int(max_memory)
    first_row = check_whole("first_row", first_row, 0)
    if not isinstance(annotations, Annotations) or not isinstance(pred, (Annotations, type(None))):
        if strata is not None or clusters is not None:
            raise InputError("strata and clusters need the table in memory: scan.collect() brings it there")
        if first_row:
            raise InputError("a scan knows the place of its rows: leave first_row out (rows= counts a part of it)")
        from askew.streaming import count_scan

        with ExitStack() as stack:
            held = None if checkpoint is None else stack.enter_context(Checkpoint(checkpoint))
            if isinstance(sets, str):
                sets = universe(sets, annotations, None, limits, backend, n_threads, max_memory, held)
            elif not isinstance(sets, AttributeSets):
                sets = AttributeSets(sets, annotations.attribute_names)
            how = (n_resamples, weights, rng, choose(backend), threads(n_threads), progress)
            return count_scan(annotations, pred, table, sets, rows, max_memory, held, *how)
    if rows is not None or checkpoint is not None:
        raise InputError("rows= and checkpoint= are for scans: this table is in memory")
    plan = CountingPlan.of(annotations, pred, table).drawn_in(weights, strata, clusters)
    if first_row and plan.resampling(weights, 0, 0).of_whole_table:
        kind = "clusters" if clusters is not None else f"weights={weights!r}"
        raise InputError(f"{kind} needs the whole table at once: first_row must be 0")
    engine, n_used = choose(backend), threads(n_threads)
    if isinstance(sets, str) and sets == "subsets" and pred is None and n_resamples == 0:
        with progress_monitor(progress) as monitor:
            resampling = plan.resampling(weights, 0, 0)
            counts = plan.mine(limits, resampling, engine, n_used, monitor, first_row=first_row)
        plan.check_fits(len(counts.sets), 0, max_memory)
        return counts
    if isinstance(sets, str):
        sets = universe(sets, annotations, None, limits, backend, n_threads)
    elif not isinstance(sets, AttributeSets):
        sets = AttributeSets(sets, annotations.attribute_names)
    if len(sets) == 0:
        raise InputError("the list of attribute sets is empty")
    plan.check_fits(len(sets), n_resamples, max_memory)
    seed = seed_of(rng) if n_resamples else 0  # the sample itself draws nothing
    resampling = plan.resampling(weights, seed, n_resamples)
    if n_resamples:
        plan = plan.prepared_for(weights, engine, n_used)
    with progress_monitor(progress) as monitor:
        return plan.run(sets, resampling, range(n_resamples), engine, n_used, monitor, first_row=first_row)


def check_resampling(n_resamples: int, weights: str) -> None:
    """Raise `InputError` for a number of replicates or a kind of weights that cannot be."""
    check_whole("n_resamples", n_resamples, 0, MAX_REPLICATES)
    check_choice("weights", weights, WEIGHTS)


def check_memory(max_memory: int) -> None:
    """Raise `InputError` for a budget in which no kernel can work."""
    check_whole("max_memory", max_memory, MIN_MEMORY)


class TablePlan(ABC):
    """How a table is counted, with the predictions for it if there are any, and how much memory its counts take."""

    table: str
    has_predictions: bool
    group_names: tuple[str, ...]
    #: Whether the table is read again for every run, so that few runs are better than small ones.
    streamed = False
    design = Design()

    def drawn_in(self, weights: str, strata: Any, clusters: Any) -> TablePlan:
        """The plan whose replicates are drawn within strata and in clusters: a label per instance, or None."""
        if strata is not None or clusters is not None:
            raise InputError("strata and clusters need the table in memory: scan.collect() brings it there")
        return self

    def resampling(self, weights: str, seed: int, n_resamples: int) -> Resampling:
        """The record of the weights, for counts."""
        return Resampling(weights, seed, self.table, n_resamples, self.design.n_strata, self.design.n_clusters)

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of instances."""

    @property
    @abstractmethod
    def predicts_groups(self) -> bool | None:
        """Whether a predicted group differs from the true one; None without predictions."""

    @property
    def n_skipped(self) -> int:
        """Rows that could not be read."""
        return 0

    def warn_of_skipped(self) -> None:  # noqa: B027 - most plans skip nothing
        """Say which, if there are any."""

    @abstractmethod
    def prepared_for(self, weights: str, engine: Engine, n_threads: int) -> TablePlan:
        """The plan with what these weights need to know of the table."""

    @abstractmethod
    def run(
        self,
        sets: AttributeSets,
        resampling: Resampling,
        replicates: range,
        engine: Engine,
        n_threads: int,
        monitor: Monitor | None,
        *,
        sample: bool = True,
    ) -> Counts:
        """Count; the replicate axis holds the sample (if asked for) and the given replicates."""

    @property
    def bytes_per_replicate(self) -> int:
        """Bytes of counts per set and row of the replicate axis, at most."""
        q = len(self.group_names)
        return 8 * (4 * q + 4 if self.has_predictions else q + 2)

    @property
    def bytes_per_set(self) -> int:
        """Bytes of itemsets per set, of a few attributes each, while they are put together."""
        return 5 * self.bytes_per_replicate

    def check_fits(self, n_sets: int, n_resamples: int, max_memory: int) -> None:
        """Raise `InputError` if all counts, and making them, take more than `max_memory` bytes."""
        needed = (self.bytes_per_replicate * (1 + n_resamples) + self.bytes_per_set) * n_sets + KERNEL_BYTES
        if self.streamed:
            needed += stream_bytes(max_memory)
        if needed > max_memory:
            raise InputError(
                f"the counts of {n_sets:,} sets, {len(self.group_names)} groups and {n_resamples:,} replicates "
                f"take {needed / 2**20:,.0f} MiB, "
                f"more than max_memory ({max_memory / 2**20:,.0f} MiB): raise it, or take fewer sets or replicates. "
                "audit() and the metrics need not keep them all"
            )


def stream_bytes(max_memory: int) -> int:
    """What batches of a scan may take: those being decoded, and the bits of a few chunks."""
    return max_memory // 8


@dataclass(frozen=True)
class CountingPlan(TablePlan):
    """A table in memory."""

    annotations: Annotations
    pred: Annotations | None
    table: str
    patterns: PatternTable | None = None
    design: Design = field(default_factory=Design)

    @classmethod
    def of(cls, annotations: Annotations, pred: Annotations | None, table: str | None) -> CountingPlan:
        """The plan, or `InputError` if the tables do not belong together."""
        table = table_name(table, pred is not None)
        if pred is not None:
            annotations.check_same_instances(pred, "test and pred")
        return cls(annotations, pred, table)

    def prepared_for(self, weights: str, engine: Engine, n_threads: int) -> CountingPlan:
        if weights != "poisson-patterns":
            return self
        prepared = replace(self, patterns=pattern_table(self.layout.columns, self.annotations.n, engine, n_threads))
        vars(prepared)["layout"] = self.layout  # known already: that of the same tables
        return prepared

    def drawn_in(self, weights: str, strata: Any, clusters: Any) -> CountingPlan:
        return replace(self, design=Design.of(self.annotations, self.table, weights, strata, clusters))

    @cached_property
    def layout(self) -> Layout:
        """Which itemsets are counted, and where their counts stand."""
        return Layout(self.annotations, self.pred)

    @property
    def n(self) -> int:
        return self.annotations.n

    @property
    def has_predictions(self) -> bool:  # type: ignore[override]
        return self.pred is not None

    @property
    def group_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.annotations.group_names

    @property
    def predicts_groups(self) -> bool | None:
        if self.pred is None:
            return None
        return not np.array_equal(self.annotations.packed_groups, self.pred.packed_groups)

    def mine(
        self,
        limits: Limits,
        resampling: Resampling,
        engine: Engine,
        n_threads: int,
        monitor: Monitor | None,
        *,
        first_row: int = 0,
    ) -> Counts:
        """Counts of every set that is frequent enough, in the sample: mining makes them on its way."""
        table = self.annotations
        groups = np.concatenate([table.packed_groups, everybody(table.n)[None]])
        sets, counts = mine([table], limits, engine, n_threads, monitor, groups=groups)
        rows = ((first_row, first_row + table.n),)
        return Counts(sets, self.group_names, resampling, rows, mined_arrays(table, counts))

    def run(
        self,
        sets: AttributeSets,
        resampling: Resampling,
        replicates: range,
        engine: Engine,
        n_threads: int,
        monitor: Monitor | None,
        *,
        first_row: int = 0,
        sample: bool = True,
    ) -> Counts:
        if sets.attribute_names != self.annotations.attribute_names:
            raise InputError("the attribute sets are over other attributes than the annotations")
        layout = self.layout
        itemsets, parts = layout.itemsets(sets)
        buffer = np.zeros((len(itemsets), sample + len(replicates)), np.int64)
        n, own = self.annotations.n, buffer[:, 0] if sample else None
        if own is not None and (len(replicates) == 0 or self.patterns is not None):
            counting = None if len(replicates) else monitor  # of two steps, the long one is told of
            own += engine.count(layout.columns, n, itemsets, n_threads, counting)
        if len(replicates):
            draws = Draws(resampling.weights, resampling.seed, TABLES[self.table], first_row, self.design.units)
            out = buffer.T[int(sample) :]
            if self.patterns is None:
                engine.resample(layout.columns, n, itemsets, draws, replicates, out, n_threads, monitor, own)
            else:
                columns, multiplicities = self.patterns
                engine.resample_patterns(
                    [columns], multiplicities, itemsets, draws, replicates, out, n_threads, monitor
                )
        if monitor is not None:
            monitor(1, 1)
        rows = ((first_row, first_row + self.annotations.n),)
        arrays = layout.arrays(buffer, parts, len(sets))
        return Counts(sets, self.group_names, resampling, rows, arrays, predicts_groups=self.predicts_groups)


def table_name(given: str | None, has_predictions: bool) -> str:
    """Which of the independent streams of weights a table draws from."""
    return check_choice("table", ("test" if has_predictions else "train") if given is None else given, TABLES)
