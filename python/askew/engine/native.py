"""The compiled kernels (csrc), behind the engine protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askew import _core, metrics
from askew.engine.pattern_weights import poisson_tables
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
    Units,
    Words,
)
from askew.errors import InputError
from askew.metrics import Difference, Totals
from askew.summary import Summary, of_sample

_ROWS = Units(None, None, np.zeros(1, np.int64))  # independent


class NativeEngine:
    """C++ kernels for the SIMD level of this processor, with threads, the GIL released."""

    name = "native"

    def __init__(self) -> None:
        try:
            _core.simd_level()
        except ValueError as error:
            raise InputError(f"ASKEW_SIMD: {error}") from error

    @property
    def simd(self) -> str:
        return _core.simd_level()

    def pack(self, values: UInt8, n_threads: int) -> tuple[Words, int]:
        return _core.pack(values, n_threads)

    def pack_sparse(self, offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
        return _core.pack_sparse(offsets, indices, n_columns, n_threads)

    def patterns(self, columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
        return _core.patterns(columns, n, n_threads)

    def mine(
        self,
        tables: Sequence[MiningTable],
        min_count: int,
        max_size: int,
        max_sets: int,
        n_threads: int,
        monitor: Monitor | None,
    ) -> MinedItemsets:
        found = _core.mine(list(tables), min_count, max_size, max_sets, n_threads, monitor)
        if found is None:
            raise TooManySets
        items, offsets, counts = found
        return MinedItemsets(Itemsets(items, offsets), counts)

    def count(
        self, columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None
    ) -> Int64:
        return _core.count(list(columns), n, itemsets.items, itemsets.offsets, n_threads, monitor)

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
        units = draws.units or _ROWS
        balanced = draws.distribution == "multinomial"
        _core.resample(
            list(columns),
            n,
            itemsets.items,
            itemsets.offsets,
            draws.distribution,
            draws.seed,
            draws.table,
            draws.first_row,
            units.of_row,
            units.members if balanced else None,
            units.bounds if balanced else _ROWS.bounds,
            replicates.start,
            replicates.stop,
            out,
            n_threads,
            monitor,
            sample,
        )

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
        _core.resample_patterns(
            list(columns),
            len(multiplicities),
            multiplicities,
            itemsets.items,
            itemsets.offsets,
            poisson_tables(int(multiplicities.max(initial=0))),
            draws.seed,
            draws.table,
            replicates.start,
            replicates.stop,
            out,
            n_threads,
            monitor,
        )

    def summarize(self, difference: Difference, n_rows: int, n_threads: int) -> Summary:
        sample = metrics.cells(of_sample(difference))
        defined = sample.delta[~np.isnan(sample.delta)]
        shift = float(defined.mean()) if defined.size else 0.0  # keeps the sum of squares from cancelling
        predicted, baseline, only_above_uniform, sign, lean = difference
        delta, spread, deviation, statistic, p, sums = _core.summarize(
            predicted, baseline, only_above_uniform, sign, lean, n_rows, shift, n_threads
        )
        defined_cells, contribution, shifted, squares, centred = sums
        n = defined_cells.astype(np.int64)
        step = shifted / np.maximum(n, 1)
        deviations = np.maximum(squares - shifted * step, 0.0)
        totals = Totals(n, contribution, n, np.where(n > 0, shift + step, 0.0), deviations)
        return Summary(
            sample.baseline[0],
            sample.predicted[0],
            sample.indicator[0],
            np.moveaxis(delta, -1, 0),
            spread,
            np.moveaxis(deviation, -1, 0),
            statistic,
            p,
            centred,
            totals,
        )
