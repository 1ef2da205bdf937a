"""W3: how many of 1,000,000 instances contain each of 10,000 itemsets of 1 to 4 attributes, in each of 2 groups.

The table of W1, with two groups at random. There are only 100 sets of one attribute; the sizes 2 to 4 are equally
common. Everything begins with bits: packed `Annotations`, packed NumPy words, Roaring bitmaps; packing is not timed,
nor is making the list of sets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from askew.engine import Itemsets, choose, threads
from benchmarks.peers import pairs
from benchmarks.peers.contest import Askew, Contestant, Limit, Workload

N_SETS = 10_000


class Data(NamedTuple):
    values: npt.NDArray[np.uint8]
    groups: npt.NDArray[np.uint8]  # (n, 2)
    sets: list[tuple[int, ...]]


def data(scale: float) -> Data:
    values = pairs.table(scale)
    rng = np.random.default_rng(3)
    first = rng.integers(0, 2, len(values), dtype=np.uint8)
    sets: dict[tuple[int, ...], None] = {(c,): None for c in range(pairs.P)}
    while len(sets) < N_SETS:
        size = rng.integers(2, 5)
        sets[tuple(sorted(rng.choice(pairs.P, size, replace=False).tolist()))] = None
    return Data(values, np.stack([first, 1 - first], axis=1), list(sets))


class AskewCount(Askew):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.annotations = askew.Annotations(data.values, data.groups)
        names = self.annotations.attribute_names
        self.sets = askew.AttributeSets([[names[c] for c in columns] for columns in data.sets], names)

    def run(self) -> Any:
        return askew.count(self.annotations, self.sets).truth.co_set_group[0]


class Count(Askew):
    name = "askew, kernel count alone"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.engine, self.n = choose(self.backend), len(data.values)
        annotations = askew.Annotations(data.values, data.groups)
        self.columns = [annotations.packed_attributes, annotations.packed_groups]
        itemsets = [(*columns, pairs.P + group) for columns in data.sets for group in range(2)]
        self.itemsets = Itemsets(
            np.concatenate(itemsets).astype(np.int32), np.cumsum([0, *map(len, itemsets)], dtype=np.int64)
        )

    def run(self) -> Any:
        return self.engine.count(self.columns, self.n, self.itemsets, threads(), None)

    def answer(self, result: Any) -> Any:
        return result.reshape(-1, 2)

    def limit(self) -> Limit:
        return pairs.counting_limit(self.n, len(self.itemsets))


class NumpyBits(Contestant):
    """In-place AND of whole columns, which fit the L2 cache, and `bitwise_count` for both groups of a set at once.

    Smaller blocks, and batches of sets gathered by fancy indexing, are slower.
    """

    name = "NumPy, packed, bitwise_count"
    packages = ("numpy",)
    block = 16_384  # words

    def prepare(self, data: Any, n_threads: int) -> None:
        self.sets = data.sets
        self.attributes, self.groups = pack(data.values), pack(data.groups)

    def run(self) -> Any:
        counts = np.zeros((len(self.sets), 2), np.int64)
        n_words = self.attributes.shape[1]
        for begin in range(0, n_words, self.block):
            columns = list(self.attributes[:, begin : begin + self.block])
            groups = np.ascontiguousarray(self.groups[:, begin : begin + self.block])
            both, within, ones = np.empty_like(columns[0]), np.empty_like(groups), np.empty(groups.shape, np.uint8)
            for number, (first, *others) in enumerate(self.sets):
                contained = columns[first]
                for column in others:
                    contained = np.bitwise_and(contained, columns[column], out=both)
                np.bitwise_count(np.bitwise_and(contained, groups, out=within), out=ones)
                counts[number] += ones.sum(axis=1, dtype=np.int64)
        return counts


class Roaring(Contestant):
    """`&` of bitmaps, then the cardinality with each group without making it; `BitMap.intersection` is slower."""

    name = "pyroaring"
    packages = ("pyroaring",)

    def prepare(self, data: Any, n_threads: int) -> None:
        from pyroaring import BitMap

        def bitmaps(values: npt.NDArray[np.uint8]) -> list[Any]:
            found = [BitMap(np.flatnonzero(column).astype(np.uint32)) for column in values.T]
            for bitmap in found:
                bitmap.run_optimize()
            return found

        self.sets, self.attributes, self.groups = data.sets, bitmaps(data.values), bitmaps(data.groups)

    def run(self) -> Any:
        counts = np.zeros((len(self.sets), 2), np.int64)
        zero, one = self.groups
        for number, (first, *others) in enumerate(self.sets):
            contained = self.attributes[first]
            for column in others:
                contained = contained & self.attributes[column]
            counts[number] = contained.intersection_cardinality(zero), contained.intersection_cardinality(one)
        return counts


def pack(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Columns as packed 64-bit words."""
    bits = np.packbits(np.ascontiguousarray(values.T), axis=1, bitorder="little")
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


W3 = Workload(
    "W3", "10,000 itemsets × 2 groups on 1,000,000 × 100", data, (AskewCount, Count, NumpyBits, Roaring), target=12
)
