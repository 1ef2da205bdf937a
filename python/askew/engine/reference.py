"""The kernels in plain NumPy: what every other backend must equal, and what runs where nothing was compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.engine.multinomial import multinomial_weights
from askew.engine.pattern_weights import pattern_weights
from askew.engine.protocol import (
    Draws,
    Int64,
    Itemsets,
    MinedItemsets,
    MiningTable,
    Monitor,
    Offsets,
    TooManySets,
    UInt8,
    Words,
    words_for,
)
from askew.engine.weights import weights
from askew.metrics import Difference
from askew.summary import Summary, summarize

_CHUNK_VALUES = 1 << 22  # temporaries of about this many elements
_BALANCED_VALUES = 1 << 24


class ReferenceEngine:
    """NumPy only. Exact, slow, and single-threaded but for the BLAS."""

    name = "numpy"
    simd = ""

    def pack(self, values: UInt8, n_threads: int) -> tuple[Words, int]:
        n, p = values.shape
        packed = np.zeros((p, words_for(n) * 8), np.uint8)
        wrong = values > 1
        if wrong.any():
            return packed.view(np.uint64), int(np.flatnonzero(wrong)[0])
        bits = np.packbits(values.T, axis=1, bitorder="little")
        packed[:, : bits.shape[1]] = bits
        return _as_words(packed), -1

    def pack_sparse(self, offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
        n = len(offsets) - 1
        packed = np.zeros((n_columns, words_for(n) * 8), np.uint8)
        rows = np.repeat(np.arange(n), np.diff(offsets))
        indices = indices[offsets[0] : offsets[-1]]
        known = indices >= 0
        rows, columns = rows[known], indices[known]
        np.bitwise_or.at(packed, (columns, rows // 8), (1 << (rows % 8)).astype(np.uint8))
        return _as_words(packed)

    def patterns(self, columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
        rows = np.packbits(_unpack(columns, 0, n).T, axis=1) if len(columns) else np.zeros((n, 1), np.uint8)
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        _, first, multiplicity = np.unique(rows, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        return first[order].astype(np.int64), multiplicity[order].astype(np.int64)

    def mine(
        self,
        tables: Sequence[MiningTable],
        min_count: int,
        max_size: int,
        max_sets: int,
        n_threads: int,
        monitor: Monitor | None,
    ) -> MinedItemsets:
        def frequent(bitmaps: list[npt.NDArray[np.uint64]]) -> bool:
            for bitmap, table in zip(bitmaps, tables, strict=True):
                masked = bitmap[None] if table.masks is None else bitmap & table.masks
                if (np.bitwise_count(masked).sum(axis=1, dtype=np.int64) < min_count).any():
                    return False
            return True

        def counts(bitmaps: list[npt.NDArray[np.uint64]]) -> list[int]:
            groups = [
                (b, group) for b, t in zip(bitmaps, tables, strict=True) if t.groups is not None for group in t.groups
            ]
            return [int(np.bitwise_count(bitmap & group).sum()) for bitmap, group in groups]

        columns = range(len(tables[0].columns)) if max_size > 0 else range(0)
        singles = [(c,) for c in columns if frequent([t.columns[c] for t in tables])]
        level: dict[tuple[int, ...], list[Words]] = {
            single: [t.columns[single[0]] for t in tables] for single in singles
        }
        found = {itemset: counts(bitmaps) for itemset, bitmaps in level.items()}
        while level and len(next(iter(level))) < max_size and len(found) <= max_sets:
            longer: dict[tuple[int, ...], list[Words]] = {}
            for prefix, bitmaps in level.items():
                for (extra,) in singles:
                    if extra > prefix[-1]:
                        both = [b & t.columns[extra] for b, t in zip(bitmaps, tables, strict=True)]
                        if frequent(both):
                            extended = (*prefix, extra)
                            longer[extended] = both
                if len(found) + len(longer) > max_sets:
                    raise TooManySets
                if monitor is not None:
                    monitor(0, 1)
            found |= {itemset: counts(bitmaps) for itemset, bitmaps in longer.items()}
            level = longer
        if len(found) > max_sets:
            raise TooManySets
        sizes = [len(itemset) for itemset in found]
        items = np.array([column for itemset in found for column in itemset], np.int32)
        itemsets = Itemsets(items, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))
        n_groups = sum(0 if table.groups is None else len(table.groups) for table in tables)
        return MinedItemsets(itemsets, np.array([*found.values()], np.int64).reshape(len(found), n_groups))

    def count(
        self, columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None
    ) -> Int64:
        stacked = _stack(columns)
        counts = np.empty(len(itemsets), np.int64)
        for s in range(len(itemsets)):
            chosen = itemsets.items[itemsets.offsets[s] : itemsets.offsets[s + 1]]
            counts[s] = np.bitwise_count(np.bitwise_and.reduce(stacked[chosen], axis=0)).sum() if len(chosen) else n
            if monitor is not None and s % 1024 == 0:
                monitor(s, len(itemsets))
        return counts

    def resample(
        self,
        columns: Sequence[Words],
        n: int,
        itemsets: Itemsets,
        draws: Draws,
        replicates: range,
        out: Int64,
        n_threads: int,
        monitor: Monitor | None,
        sample: Int64 | None = None,
    ) -> None:
        if sample is not None:
            sample += self.count(columns, n, itemsets, n_threads, None)
        stacked = _stack(columns)
        balanced = draws.units if draws.distribution == "multinomial" else None
        if balanced is not None:  # the weights of all units at a time: of as many replicates as fit
            at_a_time = max(8, _BALANCED_VALUES // max(1, int(balanced.bounds[-1])) // 8 * 8)
            if len(replicates) > at_a_time:
                for first in range(0, len(replicates), at_a_time):
                    some = slice(first, first + at_a_time)
                    self.resample(columns, n, itemsets, draws, replicates[some], out[some], n_threads, monitor)
                return
            of_units = multinomial_weights(draws.seed, draws.table, balanced, replicates)
        of_row = None if draws.units is None else draws.units.of_row
        step = max(64, _CHUNK_VALUES // max(1, len(itemsets) + 4 * len(replicates)) // 64 * 64)
        for begin in range(0, n, step):
            end = min(n, begin + step)
            members = _members(_unpack(stacked, begin, end), itemsets)
            rows = np.arange(begin, end, dtype=np.uint64) + np.uint64(draws.first_row)
            units = rows if of_row is None else of_row[begin:end].astype(np.uint64)
            if balanced is None:
                drawn: npt.NDArray[Any] = weights(draws.distribution, draws.seed, draws.table, units, replicates)
            else:
                drawn = of_units[units]
            # float64 sums of integers are exact below 2**53, and go through the BLAS
            out += (drawn.astype(np.float64).T @ members.astype(np.float64).T).astype(np.int64)
            if monitor is not None:
                monitor(end, n)

    def resample_patterns(
        self,
        columns: Sequence[Words],
        multiplicities: Int64,
        itemsets: Itemsets,
        draws: Draws,
        replicates: range,
        out: Int64,
        n_threads: int,
        monitor: Monitor | None,
    ) -> None:
        members = _members(_unpack(_stack(columns), 0, len(multiplicities)), itemsets)
        out += pattern_weights(draws.seed, draws.table, multiplicities, replicates).T @ members.T.astype(np.int64)

    def summarize(self, difference: Difference, n_rows: int, n_threads: int) -> Summary:
        return summarize(difference, n_rows)


def _as_words(packed: UInt8) -> Words:
    return packed.view("<u8").astype(np.uint64, copy=False)


def _stack(columns: Sequence[Words]) -> Words:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _unpack(columns: Words, begin: int, end: int) -> UInt8:
    """Rows begin to end (begin a multiple of 64) of packed columns, shape (n_columns, end - begin)."""
    words = np.ascontiguousarray(columns[:, begin // 64 : -(-end // 64)]).astype("<u8", copy=False)
    return np.unpackbits(words.view(np.uint8), axis=1, count=end - begin, bitorder="little")


def _members(bits: UInt8, itemsets: Itemsets) -> npt.NDArray[np.bool_]:
    """Which of the rows contain each itemset, shape (S, rows)."""
    members = np.ones((len(itemsets), bits.shape[1]), bool)
    sizes = np.diff(itemsets.offsets)
    for position in range(int(sizes.max(initial=0))):
        longer = np.flatnonzero(sizes > position)
        members[longer] &= bits[itemsets.items[itemsets.offsets[longer] + position]].astype(bool)
    return members
