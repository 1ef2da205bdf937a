"""What a GPU can do at best at the things that the kernels are made of.

Each probe is a kernel of `csrc/cuda/probe.cuh`, launched as the backends launch theirs. Nothing is computed from the
properties of the GPU: the best of some repetitions is the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from askew.engine.device import Device, streams

THREADS = 512
L1_PAIRS = 2048  # 32 KiB
REPETITIONS = 5


class Timed:
    """A device that waits for each kernel, and adds up how long they took and the microseconds of launching them."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def launch(self, kernel: str, grid: tuple[int, int], *arguments: Any) -> None:
        stream = arguments[-1]
        self._device.synchronize(stream)
        begin = time.perf_counter()
        self._device.launch(kernel, grid, *arguments)
        self._device.synchronize(stream)
        self.seconds += time.perf_counter() - begin


def measured_rates(device: Device, scale: float = 1.0) -> dict[str, float]:
    """How much of each a second.

    ``upload_bytes`` from memory of the host that is not page-locked; ``memory_bytes`` and ``l1_bytes`` read;
    ``and_popcount_words``: 64-bit words for which a conjunction of two is made, its ones are counted and added;
    ``weights`` drawn; ``adds`` of weights, which lie as nibbles in shared memory, to sums of bytes.
    """
    blocks, repeats = max(1, int(4096 * scale)), max(1, int(4096 * scale))
    pairs = max(1, int(2**15 * scale))  # of a block: 2 GiB in all
    timed = Timed(device)
    with streams(device, 1) as (stream,):
        words = device.allocate(16 * max(blocks * pairs, L1_PAIRS))
        device.clear(words.address, 16 * max(blocks * pairs, L1_PAIRS), stream)
        sums = device.allocate(8 * blocks * THREADS)
        values = np.zeros((max(1, int(2**28 * scale)), 1), np.uint8).T
        room = device.allocate(values.nbytes)

        def best(work: float, run: Callable[[], float]) -> float:
            return work / min(run() for _ in range(1 + REPETITIONS))

        def upload() -> float:
            begin = time.perf_counter()
            device.upload(room.address, values, stream)
            device.synchronize(stream)
            return time.perf_counter() - begin

        def kernel(name: str, shared_bytes: int, *arguments: int) -> Callable[[], float]:
            def run() -> float:
                timed.seconds = 0.0
                given = [*arguments, sums.address]
                timed.launch(f"probe_{name}", (blocks, 1), THREADS, shared_bytes, given, stream)
                return timed.seconds

            return run

        n, fewer = blocks * THREADS, max(1, repeats // 16)
        return {
            "upload_bytes": best(values.nbytes, upload),
            "memory_bytes": best(16 * blocks * pairs, kernel("read", 0, words.address, pairs, pairs, 1)),
            "l1_bytes": best(16 * blocks * L1_PAIRS * fewer, kernel("read", 0, words.address, 0, L1_PAIRS, fewer)),
            "and_popcount_words": best(n * repeats, kernel("count", 0, repeats)),
            "weights": best(8 * n * fewer, kernel("weights", 4 * 32, fewer)),
            "adds": best(16 * n * repeats, kernel("add", 4 * 16384, repeats)),
        }
