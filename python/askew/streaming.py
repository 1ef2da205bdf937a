"""Counting what does not fit the memory: scans, chunk by chunk, here or wherever an executor sends the work."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from askew.annotations import Annotations, Named
from askew.checkpoints import Checkpoint
from askew.checks import check_whole
from askew.counting import TABLES, TablePlan, stream_bytes, table_name
from askew.counts import Counts, Resampling, joined_rows
from askew.engine import Draws, Engine, Itemsets, Monitor, choose
from askew.errors import InputError
from askew.executors import HERE, Ranges, Save, Told, left
from askew.layout import Layout
from askew.progress import ProgressLike, progress_monitor
from askew.randomness import RNG, seed_of
from askew.reading import TooLarge, by_source, chunks, collected
from askew.scan import Scan, SideBySide, digest, joint, joint_names, warn_of_skipped
from askew.sets import AttributeSets

#: The share of `max_memory` in which bits of scans are kept, to be read once and not again for every pass.
KEPT = 4


class ScanPlan(TablePlan):
    """A table that is read while it is counted."""

    streamed = True

    def __init__(
        self, scan: Scan, pred: Scan | None, table: str | None, max_memory: int, checkpoint: Checkpoint | None = None
    ) -> None:
        self.scan, self.pred, self.table = scan, pred, table_name(table, pred is not None)
        self.has_predictions, self.group_names = pred is not None, scan.group_names
        if pred is not None:
            scan.check_same_names(pred, "test and pred")
        self._max_memory, self._checkpoint = max_memory, checkpoint
        self._joint = False
        if checkpoint is not None:
            for each in self.scans:
                checkpoint.check_known(each.fingerprint, repr(each.source))
        self.ranges: Ranges | None = None  # of rows to count; None: all
        self._counted: Counts | None = None  # what is known of the rows once they have been read

    @classmethod
    def of_joint(cls, both: SideBySide, table: str | None, max_memory: int, checkpoint: Checkpoint | None) -> ScanPlan:
        """The plan of truth and predictions as one table."""
        plan = cls(both.truth, both.pred, table, max_memory, checkpoint)
        plan._joint, plan.has_predictions = True, False
        return plan

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Those of the sets that can be counted."""
        return self.scan.attribute_names if not self._joint else joint_names(*self.scans)

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The ground truth, and the predictions if there are any."""
        return (self.scan,) if self.pred is None else (self.scan, self.pred)

    @property
    def n(self) -> int:
        return self.scan.n if self._counted is None else sum(end - begin for begin, end in self._counted.rows)

    @property
    def n_skipped(self) -> int:
        """Rows that could not be read, as far as their number is known."""
        return sum(each.n_rows or 0 for each in self.scan.skipped)

    @property
    def predicts_groups(self) -> bool | None:
        if self._counted is not None or self.pred is None:
            return None if self._counted is None else self._counted.predicts_groups
        return not self.pred.has_groups_of(self.scan)

    def prepared_for(self, weights: str, engine: Engine, n_threads: int) -> ScanPlan:
        if weights in ("poisson", "poisson32"):
            return self
        raise InputError(f"weights={weights!r} need the whole table at once: take scan.collect(), or weights='poisson'")

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
        if sets.attribute_names != self.attribute_names:
            raise InputError("the attribute sets are over other attributes than the annotations")
        work = partial(
            count_rows,
            self.scans,
            self._joint,
            sets,
            resampling,
            (replicates.start, replicates.stop),
            sample,
            engine.name,
            stream_bytes(self._max_memory) // 4,
            n_threads=n_threads,
        )
        name = f"{self.table}-{self._digest(sets, resampling, replicates, sample)}"
        before = None if self._checkpoint is None else self._checkpoint.counts(name, sets, resampling)
        done = () if before is None else before.rows
        skip = done if self.ranges is None else joined_rows([*done, *left(self.ranges)])
        n_before = sum(end - begin for begin, end in done)
        total = None if monitor is None else self._n_wanted

        def told(rows: int) -> None:
            assert monitor is not None
            assert total is not None
            monitor(min(n_before + rows, total), total)

        def save(so_far: Callable[[], Counts]) -> None:
            assert self._checkpoint is not None
            if self._checkpoint.due():
                self._checkpoint.save_counts(name, so_far() if before is None else before + so_far())

        counts = self.scan.executor.reduce(
            work,
            operator.add,
            self.scans,
            skip,
            None if monitor is None else told,
            None if self._checkpoint is None else save,
        )
        if counts is None and before is None:
            raise InputError(f"{self.scan.source!r} has no instances that can be read")
        if monitor is not None and total is not None:
            monitor(total, total)  # what was skipped is done with as well
        whole = before if counts is None else counts if before is None else before + counts
        assert whole is not None
        if self._checkpoint is not None and counts is not None:
            self._checkpoint.save_counts(name, whole)
        if self._counted is not None and self._counted.rows != whole.rows:
            raise InputError(f"{self.scan.source!r}: other rows could be read than in the pass before: start again")
        self._counted = Counts(
            sets[:0], self.group_names, resampling, whole.rows, {}, predicts_groups=whole.predicts_groups
        )
        return whole

    @property
    def _n_wanted(self) -> int:
        return self.scan.n if self.ranges is None else sum(end - begin for begin, end in self.ranges)

    def warn_of_skipped(self) -> None:
        warn_of_skipped(self.scans)

    def _digest(self, sets: AttributeSets, resampling: Resampling, replicates: range, sample: bool) -> str:
        sources = [scan.fingerprint for scan in self.scans]
        return digest(sources, self._joint, self.ranges, *sets.itemsets, resampling, replicates, sample)


def count_scan(
    scan: Named,
    pred: Named | None,
    table: str | None,
    sets: AttributeSets,
    rows: tuple[int, int] | None,
    max_memory: int,
    checkpoint: Checkpoint | None,
    n_resamples: int,
    weights: str,
    rng: RNG,
    engine: Engine,
    n_threads: int,
    progress: ProgressLike,
) -> Counts:
    """What `count` does with a scan."""
    if not isinstance(scan, Scan) or not isinstance(pred, (Scan, type(None))):
        raise InputError("the table and pred must both be scans, or both in memory: scan.collect() brings one there")
    if len(sets) == 0:
        raise InputError("the list of attribute sets is empty")
    plan = ScanPlan(scan, pred, table, max_memory, checkpoint)
    if n_resamples:
        plan.prepared_for(weights, engine, n_threads)
    if rows is not None:
        begin, end = (check_whole(f"rows[{i}]", row, 0) for i, row in enumerate(_pair(rows)))
        if not begin < end <= scan.n:
            raise InputError(f"rows must be a range (begin, end) within the {scan.n:,} rows of the scan, not {rows!r}")
        plan.ranges = ((begin, end),)
    plan.check_fits(len(sets), n_resamples, max_memory)
    seed = 0 if not n_resamples else seed_of(rng) if checkpoint is None else checkpoint.seed(rng)
    resampling = Resampling(weights, seed, plan.table, n_resamples)
    with progress_monitor(progress, plan._n_wanted if progress else None) as monitor:
        counts = plan.run(sets, resampling, range(n_resamples), engine, n_threads, monitor)
    plan.warn_of_skipped()
    return counts


def _pair(rows: object) -> Sequence[Any]:
    if isinstance(rows, (tuple, list)) and len(rows) == 2:
        return rows
    raise InputError(f"rows must be a range (begin, end), not {rows!r}")


def count_rows(
    scans: Sequence[Scan],
    side_by_side: bool,
    sets: AttributeSets,
    resampling: Resampling,
    replicates: tuple[int, int],
    sample: bool,
    backend: str,
    chunk_bytes: int,
    ranges: Ranges | None = None,
    told: Told | None = None,
    save: Save[Counts] | None = None,
    *,
    n_threads: int,
) -> Counts | None:
    """Counts of some rows of scans of the same instances, which may be seen as one table; None if there is no row."""
    engine = choose(backend)
    n_replicates = replicates[1] - replicates[0]
    itemsets: Itemsets | None = None
    rows: Ranges = ()
    overlapping = [scan.overlapping for scan in (scans[:1] if side_by_side else scans)]
    differ = None if len(overlapping) == 1 else False
    n = 0

    def counts() -> Counts:
        arrays = layout.arrays(buffer, parts, len(sets))
        identities = [scan.identity for scan in scans]
        source = digest(*identities) if all(identities) else ""
        return Counts(sets, scans[0].group_names, resampling, rows, arrays, source=source, predicts_groups=differ)

    with closing(chunks(scans, ranges, chunk_bytes=chunk_bytes)) as stream:
        for first_row, tables in stream:
            annotations = joint(*tables) if side_by_side else tables[0]
            pred = tables[1] if len(overlapping) == 2 else None
            layout = Layout(annotations, pred, overlapping)
            if itemsets is None:
                itemsets, parts = layout.itemsets(sets)
                buffer = np.zeros((len(itemsets), sample + n_replicates), np.int64)
            own = buffer[:, 0] if sample else None
            if n_replicates:
                draws = Draws(resampling.weights, resampling.seed, TABLES[resampling.table], first_row)
                out = buffer.T[int(sample) :]
                monitor = None if told is None else partial(_within, told, n, annotations.n)
                how = (draws, range(*replicates), out, n_threads, monitor, own)
                engine.resample(layout.columns, annotations.n, itemsets, *how)
            elif own is not None:
                own += engine.count(layout.columns, annotations.n, itemsets, n_threads, None)
            if pred is not None:
                differ = differ or not np.array_equal(annotations.packed_groups, pred.packed_groups)
            rows = joined_rows([*rows, (first_row, first_row + annotations.n)])
            n += annotations.n
            if told is not None:
                told(n)
            if save is not None:
                save(counts)
    return None if itemsets is None else counts()


def _within(told: Told, before: int, n: int, done: int, total: int) -> None:
    told(before + done * n // max(total, 1))


def kept(tables: Sequence[Any], max_memory: int) -> list[Any]:
    """The tables; scans whose bits fit a share of the memory are read, once for all that follows.

    An iterator must fit, for it cannot be read again.
    """
    scans: list[Scan] = []
    for table in tables:
        if isinstance(table, Scan) and not any(table is other for other in scans):
            scans.append(table)
    budget = max_memory // KEPT
    known = [scan.known_n for scan in scans]
    columns = [len(scan.attribute_names) + len(scan.group_names) for scan in scans]
    least = sum((n or 0) * each // 8 for n, each in zip(known, columns, strict=True))
    if least > budget or any(scan.executor is not HERE or scan.skips for scan in scans):
        return list(tables)
    read: dict[int, Annotations] = {}
    for lot in by_source(scans):
        same = [scans[number] for number in lot]
        try:
            read |= dict(zip(map(id, same), collected(same, budget), strict=True))
        except TooLarge:
            if same[0].source.rereadable:
                return list(tables)
            raise InputError(
                f"{same[0].source!r} can be read only once, and its bits take more than a quarter of "
                f"max_memory={max_memory:,}: raise it, or give files, or a function that returns the batches anew"
            ) from None
    return [read.get(id(table), table) for table in tables]
