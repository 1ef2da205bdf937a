"""Kernels compiled by Numba when they are first needed, behind the engine protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numba as _numba  # noqa: F401  # says at once whether there is one

from askew.engine.protocol import (
    Draws,
    Int64,
    Itemsets,
    MinedItemsets,
    MiningTable,
    Monitor,
    Offsets,
    UInt8,
    Words,
)
from askew.metrics import Difference
from askew.summary import Summary, summarize


class NumbaEngine:
    """Python kernels, compiled for this processor and cached; with threads, the GIL released."""

    name = "numba"
    simd = ""

    def pack(self, values: UInt8, n_threads: int) -> tuple[Words, int]:
        from askew.engine.numba_kernels.pack import pack

        return pack(values, n_threads)

    def pack_sparse(self, offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
        from askew.engine.numba_kernels.pack import pack_sparse

        return pack_sparse(offsets, indices, n_columns, n_threads)

    def patterns(self, columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
        from askew.engine.numba_kernels.patterns import patterns

        return patterns(columns, n, n_threads)

    def mine(
        self,
        tables: Sequence[MiningTable],
        min_count: int,
        max_size: int,
        max_sets: int,
        n_threads: int,
        monitor: Monitor | None,
    ) -> MinedItemsets:
        from askew.engine.numba_kernels.mine import mine

        return mine(tables, min_count, max_size, max_sets, n_threads, monitor)

    def count(
        self, columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None
    ) -> Int64:
        from askew.engine.numba_kernels.count import count

        return count(columns, n, itemsets, n_threads, monitor)

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
        from askew.engine.numba_kernels.resample import resample

        if sample is not None:
            sample += self.count(columns, n, itemsets, n_threads, None)
        resample(columns, n, itemsets, draws, replicates, out, n_threads, monitor)

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
        from askew.engine.numba_kernels.resample import resample_patterns

        resample_patterns(columns, multiplicities, itemsets, draws, replicates, out, n_threads, monitor)

    def summarize(self, difference: Difference, n_rows: int, n_threads: int) -> Summary:
        return summarize(difference, n_rows)
