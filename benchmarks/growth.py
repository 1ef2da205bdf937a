"""How time and memory grow with the number of rows. From the root of the repository, on Linux:

    python -m benchmarks.growth --max-rows 100000000

Tables of 32 attributes, a tenth of them ones, are drawn and packed a block at a time: the uint8 table is never whole.
Timed are packing, counting all 528 sets of one or two attributes, and 128 bootstrap replicates of those counts; drawing
the values is not. Each size has a process of its own. Memory is what is resident at the peak of a step, less what was
before the table was made, in units of the packed table: 1.00 means that nothing but the table is there. While packing
there is a block of rows as well, 32 MiB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from askew.engine import Draws, Itemsets, choose, words_for

P, BLOCK = 32, 2**20  # rows, a multiple of the 512 that packed columns are padded to
REPLICATES = 128
STEPS = ("pack", "count", "resample")


def status(name: str) -> int:
    """Bytes of a line of this process' memory statistics."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@dataclass
class Measured:
    """Seconds and, in bytes, the highest resident memory of each step."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
        self.peak[name] = max(self.peak.get(name, 0), status("VmHWM"))


def block_of(n: int, seed: int) -> npt.NDArray[np.uint8]:
    """Rows of independent attributes, 10 % ones."""
    values = np.random.default_rng(seed).integers(0, 10, (n, P), dtype=np.uint8)
    return np.equal(values, 0, out=values.view(bool)).view(np.uint8)


def measure(n: int, n_threads: int) -> tuple[int, Measured]:
    """Bytes of the packed table of n rows, and what the steps took."""
    engine, measured = choose("native"), Measured()
    sets = [c for size in (1, 2) for c in combinations(range(P), size)]
    itemsets = Itemsets(np.concatenate(sets).astype(np.int32), np.cumsum([0, *map(len, sets)], dtype=np.int64))
    base = status("VmRSS")

    columns = np.zeros((P, words_for(n)), np.uint64)
    for number, begin in enumerate(range(0, n, BLOCK)):
        values = block_of(min(BLOCK, n - begin), number)
        with measured.step("pack"):
            packed, _ = engine.pack(values, n_threads)
            columns[:, begin // 64 : begin // 64 + packed.shape[1]] = packed
    del values, packed

    with measured.step("count"):
        counts = engine.count([columns], n, itemsets, n_threads, None)
    with measured.step("resample"):
        replicates = np.zeros((len(itemsets), REPLICATES), np.int64)
        draws = Draws("poisson", 0, 0, 0)
        engine.resample([columns], n, itemsets, draws, range(REPLICATES), replicates.T, n_threads, None)
    off = np.abs(replicates.mean(axis=1) - counts) / np.sqrt(counts / REPLICATES)
    assert off.max() < 6, "replicates do not scatter around the counts"
    measured.peak = {name: peak - base for name, peak in measured.peak.items()}
    return columns.nbytes, measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="growth", description=__doc__.split("\n")[0])
    parser.add_argument("--max-rows", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    sizes = [n for n in (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000) if n < arguments.max_rows]
    print(f"{P} attributes, 528 sets, {REPLICATES} replicates, {arguments.threads} thread(s)")
    print(f"{'':13}{'packed':>10}   {'ns a row':^30}   {'peak memory / packed table':^30}")
    print(f"{'rows':>13}{'MB':>10}   " + "   ".join(["".join(f"{name:>10}" for name in STEPS)] * 2))
    context = multiprocessing.get_context("spawn")
    for n in [*sizes, arguments.max_rows]:
        with context.Pool(1) as pool:
            size, measured = pool.apply(measure, (n, arguments.threads))
        times = "".join(f"{measured.seconds[name] / n * 1e9:>10.2f}" for name in STEPS)
        peaks = "".join(f"{measured.peak[name] / size:>10.2f}" for name in STEPS)
        print(f"{n:>13,}{size / 1e6:>10.1f}   {times}   {peaks}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
