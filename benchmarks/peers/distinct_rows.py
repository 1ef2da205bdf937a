"""W8: the distinct rows of 1,000,000 × 80 and how often each occurs, where they are few and where they are many.

askew's kernel begins with packed columns; no public call gives patterns alone. Polars begins with 80 Boolean columns,
which are packed as well, or, better than its users would have it, with rows already packed into two 64-bit keys. The
first contestant gives the number of the first instance of each row, Polars the rows' values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from askew.engine import choose, threads
from benchmarks.peers.contest import Askew, Contestant, Limit, Workload

P, HALF = 80, 40
Bits = npt.NDArray[np.bool_]


class Answer(NamedTuple):
    rows: npt.NDArray[np.uint64]  # (patterns, 2), sorted
    multiplicity: npt.NDArray[np.int64]


def few(scale: float) -> Bits:
    """A thousand rows, of Zipf's frequencies."""
    rng = np.random.default_rng(8)
    frequency = 1 / np.arange(1, 1_001)
    rows = rng.random((1_000, P)) < 0.05
    return rows[rng.choice(len(rows), int(1_000_000 * scale), p=frequency / frequency.sum())]


def many(scale: float) -> Bits:
    """80 independent attributes, 5 % ones: more than half of the rows differ from all others."""
    return np.random.default_rng(8).random((int(1_000_000 * scale), P), np.float32) < 0.05


def keys(values: Bits) -> npt.NDArray[np.uint64]:
    """Rows as two numbers of 40 bits."""
    powers = np.uint64(1) << np.arange(HALF, dtype=np.uint64)
    halves = [sum(values[:, h * HALF + c] * powers[c] for c in range(HALF)) for h in range(2)]
    return np.stack(halves, axis=1).astype(np.uint64)


def answer(rows: npt.NDArray[np.uint64], multiplicity: npt.NDArray[Any]) -> Answer:
    order = np.lexsort(rows.T)
    return Answer(rows[order], multiplicity[order].astype(np.int64))


def disagreement(one: Answer, other: Answer) -> str:
    same = all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    return "" if same else "other rows, or other multiplicities"


class Patterns(Askew):
    name = "askew, kernel patterns"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.values, self.engine = data, choose(self.backend)
        self.columns = askew.Annotations(data, np.ones((len(data), 1), np.uint8)).packed_attributes

    def run(self) -> Any:
        return self.engine.patterns(self.columns, len(self.values), threads())

    def answer(self, result: Any) -> Answer:
        first, multiplicity = result
        return answer(keys(self.values[first]), multiplicity)

    def limit(self) -> Limit:
        read = {"dram_bytes": self.columns.nbytes}
        if len(self.run()[0]) < 2**14:  # their hash table stays in the L2 cache
            return Limit(read, "reading the packed columns from DRAM; neither transposing nor hashing")
        return Limit(
            read | {"random_reads": len(self.values)},
            "reading the packed columns from DRAM + one random read of 32 MiB for each row",
        )


class PolarsBooleans(Contestant):
    """Two 64-bit keys made by an expression, grouped lazily: faster than grouping by 80 columns or by a struct."""

    name = "polars, from Booleans"
    packages = ("polars",)

    def prepare(self, data: Any, n_threads: int) -> None:
        import polars as pl

        self.frame = pl.DataFrame(np.asfortranarray(data), schema=[f"a{c}" for c in range(P)])
        self.keys = [
            pl.sum_horizontal(
                pl.col(f"a{c}").cast(pl.UInt64) * (1 << (c - half * HALF))
                for c in range(half * HALF, (half + 1) * HALF)
            ).alias(f"k{half}")
            for half in range(2)
        ]
        self.length = pl.len()

    def run(self) -> Any:
        return self.frame.lazy().select(self.keys).group_by("k0", "k1").agg(self.length).collect()

    def answer(self, result: Any) -> Answer:
        return answer(result.select("k0", "k1").to_numpy().astype(np.uint64), result["len"].to_numpy())


class PolarsKeys(PolarsBooleans):
    name = "polars, from two 64-bit keys"

    def prepare(self, data: Any, n_threads: int) -> None:
        super().prepare(data, n_threads)
        self.frame = self.frame.lazy().select(self.keys).collect().rechunk()

    def run(self) -> Any:
        return self.frame.lazy().group_by("k0", "k1").agg(self.length).collect()


def workload(name: str, title: str, make_data: Any) -> Workload:
    return Workload(name, title, make_data, (Patterns, PolarsKeys, PolarsBooleans), 2, disagreement)


W8 = (
    workload("W8-few", "distinct rows of 1,000,000 × 80, about a thousand", few),
    workload("W8-many", "distinct rows of 1,000,000 × 80, most of them different", many),
)
