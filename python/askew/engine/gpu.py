"""The engine of the GPU backends: the kernels of csrc/cuda on whatever can launch them.

Rows go to the device in chunks, with all their columns. Two chunks are in work at a time, each in a stream and a memory
of its own: one is copied while the other is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from askew.engine.device import MAX_CHUNK_ROWS, Device, DeviceItemsets, Memory, Room, allocated, chunks, filled, streams
from askew.engine.device_arrays import View
from askew.engine.gpu_pack import PackedArray, pack_device_array, pack_host_rows
from askew.engine.gpu_resample import LAWS, resample
from askew.engine.protocol import (
    Draws,
    Engine,
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
from askew.summary import Summary

# as in csrc/cuda/count.cuh: rows and itemsets of a block
COUNT_ROWS, COUNT_SETS = 128 * 64, 512


class GpuEngine:
    """Packs, counts and resamples instances on a GPU; `host` resamples within strata and in clusters, mines, and does
    what else there is.
    """

    simd = ""

    def __init__(self, name: str, device: Device, host: Engine) -> None:
        self.name = name
        self.device = device
        self._host = host

    def pack(self, values: UInt8, n_threads: int) -> tuple[Words, int]:
        return pack_host_rows(self.device, values)

    def pack_array(self, array: object, check: Callable[[View], None]) -> PackedArray:
        """Pack a table that lies on this GPU, without moving it: see `engine.gpu_pack`."""
        return pack_device_array(self.device, array, check)

    def count(
        self, columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None
    ) -> Int64:
        if n == 0 or len(itemsets) == 0:
            return np.zeros(len(itemsets), np.int64)
        device, n_columns = self.device, sum(map(len, columns))
        with streams(device, 2) as both:

            def allocate(n_bytes: int) -> tuple[int, list[Room], DeviceItemsets, Memory]:
                rows = min(n_bytes // 2 * 8 // (n_columns + 1), n + COUNT_ROWS - 1, MAX_CHUNK_ROWS)
                rows = max(1, rows // COUNT_ROWS) * COUNT_ROWS
                rooms = [Room(device, n_columns, rows) for _ in range(min(2, len(chunks(n, rows))))]
                return rows, rooms, DeviceItemsets(device, itemsets, both[0]), device.allocate(8 * len(itemsets))

            rows, rooms, given, counts = allocated(device, allocate)
            device.clear(counts.address, 8 * len(itemsets), both[0])
            device.synchronize(both[0])
            for i, chunk in enumerate(chunks(n, rows)):
                room, stream = rooms[i % 2], both[i % 2]
                device.launch(
                    "count",
                    (-(-len(itemsets) // COUNT_SETS), -(-len(chunk) // COUNT_ROWS)),
                    1024,
                    0,
                    [
                        *room.load(columns, chunk, stream),
                        *given.some(range(len(itemsets))),
                        COUNT_SETS,
                        counts.address,
                    ],
                    stream,
                )
                if monitor is not None:
                    monitor(chunk.end, n)
            device.synchronize(both[1])
            result: Int64 = filled(device, (1, len(itemsets)), np.int64, counts.address, both[0])[0]
            return result

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
        if draws.units is not None:
            self._host.resample(columns, n, itemsets, draws, replicates, out, n_threads, monitor, sample)
            return
        if sample is not None:
            sample += self.count(columns, n, itemsets, n_threads, None)
        resample(self.device, LAWS[draws.distribution], columns, n, itemsets, draws, replicates, out.T, monitor)

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
        if multiplicities.max(initial=0) >= 2**31:  # weights of 32 bits would not hold them
            self._host.resample_patterns(columns, multiplicities, itemsets, draws, replicates, out, n_threads, monitor)
            return
        resample(
            self.device,
            LAWS["poisson-patterns"],
            columns,
            len(multiplicities),
            itemsets,
            draws._replace(first_row=0),
            replicates,
            out.T,
            monitor,
            multiplicities,
        )

    def pack_sparse(self, offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
        return self._host.pack_sparse(offsets, indices, n_columns, n_threads)

    def patterns(self, columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
        return self._host.patterns(columns, n, n_threads)

    def mine(
        self,
        tables: Sequence[MiningTable],
        min_count: int,
        max_size: int,
        max_sets: int,
        n_threads: int,
        monitor: Monitor | None,
    ) -> MinedItemsets:
        return self._host.mine(tables, min_count, max_size, max_sets, n_threads, monitor)

    def summarize(self, difference: Difference, n_rows: int, n_threads: int) -> Summary:
        return self._host.summarize(difference, n_rows, n_threads)
