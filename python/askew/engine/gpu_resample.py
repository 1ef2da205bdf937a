"""Resampling on a GPU: first the rows that contain each itemset are listed, then their weights are added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from askew.engine.device import (
    MAX_CHUNK_ROWS,
    Chunk,
    Device,
    DeviceItemsets,
    Memory,
    Room,
    Stream,
    allocated,
    chunks,
    copied,
    filled,
    streams,
)
from askew.engine.pattern_weights import poisson_tables
from askew.engine.protocol import Draws, Int64, Itemsets, Monitor, Words


class Law(NamedTuple):
    """How a law of weights is resampled, as in csrc/cuda/resample.cuh and resample_patterns.cuh."""

    kernel: str
    tile_rows: int
    group: int  # replicates of a block
    counts: type[np.uint32] | type[np.int64]  # with int64, uint64 would be added up as float64
    shared_bytes: int


LAWS = {
    "poisson": Law("resample_poisson", 16384, 8, np.uint32, 4 * (16384 + 1 + 32)),
    "poisson32": Law("resample_poisson32", 16384, 8, np.uint32, 4 * (16384 + 1 + 32)),
    "poisson-patterns": Law("resample_patterns", 4096, 4, np.int64, 16 * (4096 + 1)),
}
WARPS = 8  # of a block that lists rows
MAX_LIST_WORDS = 1 << 26
MAX_RUNS = 1 << 26

POISSON_TABLE = np.dtype(
    [("first", np.int64), ("thresholds", np.uint64), ("size", np.int64), ("guide", np.uint16, 1 << 10)]
)


class Job(NamedTuple):
    """What is the same for all parts of a table."""

    device: Device
    law: Law
    itemsets: DeviceItemsets
    draws: Draws
    replicates: range
    extra: list[Memory]  # what the kernel takes besides

    @property
    def groups(self) -> range:
        return groups_of(self.replicates, self.law)

    @property
    def row_bytes(self) -> int:
        """Of the counts of an itemset."""
        return row_bytes(self.replicates, self.law)


def groups_of(replicates: range, law: Law) -> range:
    """Groups of replicates, of which the first and the last may be asked for in part."""
    return range(replicates.start // law.group, -(-replicates.stop // law.group))


def row_bytes(replicates: range, law: Law) -> int:
    return len(groups_of(replicates, law)) * law.group * np.dtype(law.counts).itemsize


class Sizes(NamedTuple):
    """How much is done at a time."""

    rows: int
    sets: int
    list_words: int

    @classmethod
    def within(cls, n_bytes: int, n: int, n_columns: int, n_sets: int, replicates: range, law: Law) -> Sizes:
        """A quarter of the memory each for columns, counts, and lists of rows. At least a tile and an itemset."""
        quarter = n_bytes // 4
        sets = max(1, min(n_sets, quarter // row_bytes(replicates, law)))
        tiles = min(
            -(-n // law.tile_rows),
            MAX_CHUNK_ROWS // law.tile_rows,
            MAX_RUNS // sets,
            quarter // (n_columns * law.tile_rows // 8 + 8 * sets),
        )
        rows = law.tile_rows * max(1, tiles)
        everything = rows // 2 * sets
        return cls(rows, sets, max(law.tile_rows // 2, min(everything, quarter // 4, MAX_LIST_WORDS)))


class Slot:
    """Room for a chunk of rows, for who is in which itemset, and for counts."""

    def __init__(self, device: Device, sizes: Sizes, n_columns: int, counts_bytes: int, law: Law) -> None:
        self.room = Room(device, n_columns, sizes.rows)
        self.runs = device.allocate(8 * sizes.sets * (sizes.rows // law.tile_rows))
        self.lists = device.allocate(4 * sizes.list_words)
        self.capacity = sizes.list_words
        self.used = device.allocate(8)
        self.counts = device.allocate(counts_bytes)


class Part(NamedTuple):
    """A chunk that is being counted."""

    job: Job
    slot: Slot
    stream: Stream
    sets: range
    table: tuple[int, int, int]
    first_row: int

    def add(self, tiles: range, sets: range) -> None:
        """Add the weights of tiles to counts of itemsets: where the lists are too long, of one half after another."""
        if self.list_rows(tiles, sets) <= self.slot.capacity:
            self.add_listed(tiles, sets)
        elif len(tiles) > 1:
            for half in (tiles[: len(tiles) // 2], tiles[len(tiles) // 2 :]):
                self.add(half, sets)
        else:
            for half in (sets[: len(sets) // 2], sets[len(sets) // 2 :]):
                self.add(tiles, half)

    def list_rows(self, tiles: range, sets: range) -> int:
        """List the rows of each itemset in each tile. Returns how many words that takes, be they there or not."""
        job, slot = self.job, self.slot
        job.device.clear(slot.used.address, 8, self.stream)
        job.device.launch(
            "members",
            (-(-len(sets) // WARPS), len(tiles)),
            32 * WARPS,
            0,
            [
                *self.table,
                job.law.tile_rows // 64,
                tiles.start,
                *job.itemsets.some(sets),
                slot.runs.address,
                slot.lists.address,
                slot.capacity,
                slot.used.address,
            ],
            self.stream,
        )
        return int(filled(job.device, (1, 1), np.uint64, slot.used.address, self.stream)[0, 0])

    def add_listed(self, tiles: range, sets: range) -> None:
        job, slot, (_, _, n) = self.job, self.slot, self.table
        skipped = tiles.start * job.law.tile_rows
        job.device.launch(
            job.law.kernel,
            (len(job.groups), len(tiles)),
            512,
            job.law.shared_bytes,
            [
                slot.runs.address,
                slot.lists.address,
                len(sets),
                n - skipped,
                self.first_row + skipped,
                job.draws.seed,
                job.draws.table,
                job.groups.start,
                slot.counts.address + (sets.start - self.sets.start) * job.row_bytes,
                len(job.groups) * job.law.group,
                *(memory.address for memory in job.extra),
            ],
            self.stream,
        )

    def finish(self, out: Int64) -> None:
        """Wait, and add the counts to `out`, of shape (S, len(replicates))."""
        job = self.job
        shape = (len(self.sets), len(job.groups) * job.law.group)
        counts = filled(job.device, shape, job.law.counts, self.slot.counts.address, self.stream)
        begin = job.replicates.start - job.groups.start * job.law.group
        part = out[self.sets.start : self.sets.stop]
        part += counts[:, begin : begin + len(job.replicates)]


def start(job: Job, slot: Slot, stream: Stream, blocks: Sequence[Words], chunk: Chunk, sets: range) -> Part:
    table = slot.room.load(blocks, chunk, stream)
    job.device.clear(slot.counts.address, len(sets) * job.row_bytes, stream)
    part = Part(job, slot, stream, sets, table, job.draws.first_row + chunk.begin)
    part.add(range(-(-len(chunk) // job.law.tile_rows)), sets)
    return part


def resample(
    device: Device,
    law: Law,
    blocks: Sequence[Words],
    n: int,
    itemsets: Itemsets,
    draws: Draws,
    replicates: range,
    out: Int64,
    monitor: Monitor | None,
    multiplicities: Int64 | None = None,
) -> None:
    """Add counts to `out`, of shape (S, len(replicates))."""
    if n == 0 or len(itemsets) == 0 or len(replicates) == 0:
        return
    n_columns = sum(map(len, blocks))
    with streams(device, 2) as both:

        def allocate(n_bytes: int) -> tuple[Sizes, Job, list[Slot]]:
            sizes = Sizes.within(n_bytes, n, n_columns, len(itemsets), replicates, law)
            given = DeviceItemsets(device, itemsets, both[0])
            extra = [] if multiplicities is None else pattern_arguments(device, multiplicities, both[0])
            job = Job(device, law, given, draws, replicates, extra)
            n_slots = 1 if sizes.rows >= n and sizes.sets >= len(itemsets) else 2
            counts_bytes = sizes.sets * job.row_bytes
            return sizes, job, [Slot(device, sizes, n_columns, counts_bytes, law) for _ in range(n_slots)]

        sizes, job, slots = allocated(device, allocate)
        device.synchronize(both[0])
        in_work: list[Part] = []
        slices = [range(begin, min(len(itemsets), begin + sizes.sets)) for begin in range(0, len(itemsets), sizes.sets)]
        work = [(chunk, sets) for sets in slices for chunk in chunks(n, sizes.rows)]
        for i, (chunk, sets) in enumerate(work):
            if monitor is not None:
                monitor(i * n // len(work), n)
            if len(in_work) == 2:
                in_work.pop(0).finish(out)
            in_work.append(start(job, slots[i % 2], both[i % 2], blocks, chunk, sets))
        for part in in_work:
            part.finish(out)


def pattern_arguments(device: Device, multiplicities: Int64, stream: Stream) -> list[Memory]:
    """Multiplicities, and Poisson tables with the thresholds that they point to, on the device."""
    given = poisson_tables(max(1, int(multiplicities.max())))
    thresholds = np.concatenate([table.thresholds for table in given])
    tables = np.zeros(len(given), POISSON_TABLE)
    memory = device.allocate(tables.nbytes + thresholds.nbytes)
    begin = memory.address + tables.nbytes
    least = np.arange(1 << 10, dtype=np.uint32) << np.uint32(
        22
    )  # uniform with the leading bits that the guide looks at
    for bit, table in enumerate(given):
        guide = np.searchsorted(table.thresholds, least, side="right")
        tables[bit] = (table.first, begin, len(table.thresholds), guide)
        begin += table.thresholds.nbytes
    device.upload(memory.address, tables.view(np.uint8)[None], stream)
    device.upload(memory.address + tables.nbytes, thresholds[None], stream)
    return [copied(device, multiplicities, stream), memory]
