"""What this processor can do at best at the things that the kernels are made of.

Each probe is a loop in C++ at the SIMD level in use (`csrc/cpu/simd/probe.inl`), run by as many threads at a time as
the comparison uses. The best of many repetitions, before each workload, is the limit: what disturbs makes it slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

DRAM_WORDS = 2**27  # 1 GiB for all threads: more than the largest caches
L2_WORDS = 2**15  # 256 KiB
HASH_WORDS = 2**22  # 32 MiB: a hash table of a million rows
WIDTH = 128  # weights that the generator makes, and that are added, at a time
REPETITIONS = 5


def measured_rates(n_threads: int) -> dict[str, float]:
    """How much of each a second, of all threads together.

    ``dram_bytes`` and ``l2_bytes`` read; ``and_popcount_words``: 64-bit words for which a conjunction of two columns
    is made, its ones are counted and added, all in the L1 cache; ``weights`` generated from (row, replicate), and
    ``adds`` of such weights to 8-bit sums in the L1 cache; ``random_reads`` of words from 32 MiB, independent of each
    other.
    """
    from askew import _core

    words = np.ones(DRAM_WORDS, np.uint64)  # written, so that the pages exist
    parts = np.array_split(words, n_threads)
    near = [np.ones(L2_WORDS, np.uint64) for _ in range(n_threads)]
    table = np.ones(HASH_WORDS, np.uint64)
    n_words, n_rows, n_reads, n_passes = 2**28, 2**19, 2**22, 2**9
    with ThreadPoolExecutor(n_threads) as pool:

        def best(work: float, probe: Callable[[int], int]) -> float:
            """`work` is what one thread's probe does."""

            def seconds() -> float:
                begin = time.perf_counter()
                list(pool.map(probe, range(n_threads)))
                return time.perf_counter() - begin

            return work * n_threads / min(seconds() for _ in range(REPETITIONS))

        return {
            "dram_bytes": best(words.nbytes / n_threads, lambda thread: _core.probe_read(parts[thread], 1)),
            "l2_bytes": best(near[0].nbytes * n_passes, lambda thread: _core.probe_read(near[thread], n_passes)),
            "and_popcount_words": best(n_words, lambda thread: _core.probe_count(n_words)),
            "weights": best(n_rows * WIDTH, lambda thread: _core.probe_weights(n_rows)),
            "adds": best(8 * n_rows * WIDTH, lambda thread: _core.probe_add(8 * n_rows)),
            "random_reads": best(n_reads, lambda thread: _core.probe_random_reads(table, n_reads)),
        }
