"""W4: every set of up to 4 attributes that 0.01 % of 200,000 instances contain, with its count in 2 groups.

80 attributes of Zipf's frequencies, about 4 in an instance. askew begins with packed `Annotations`; mining and
counting with groups are timed. PyFIM begins with its list of transactions; building that list is not timed, building
its list of results is, and it gives supports without groups, which is less than askew does. Only supports are compared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from askew.engine import MiningTable, choose, threads
from benchmarks.peers.contest import Askew, Contestant, Limit, Workload

MAX_SIZE = 4
Supports = dict[tuple[int, ...], int]


class Data(NamedTuple):
    values: npt.NDArray[np.uint8]
    groups: npt.NDArray[np.uint8]
    min_count: int


def data(scale: float) -> Data:
    rng = np.random.default_rng(4)
    n = int(200_000 * scale)
    probabilities = 1 / np.arange(1, 81)
    values = rng.random((n, 80)) < probabilities * (4 / probabilities.sum())
    first = rng.integers(0, 2, n, dtype=np.uint8)
    return Data(values.view(np.uint8), np.stack([first, 1 - first], axis=1), max(1, n // 10_000))


def supports(sets: askew.AttributeSets, counts: Any) -> Supports:
    return dict(zip((tuple(map(int, names)) for names in sets), counts.tolist(), strict=True))


class AskewMine(Askew):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.annotations, self.min_count = askew.Annotations(data.values, data.groups), data.min_count

    def run(self) -> Any:
        return askew.count(self.annotations, "subsets", max_size=MAX_SIZE, min_count=self.min_count)

    def answer(self, result: Any) -> Supports:
        return supports(result.sets, result.truth.co_set_group[0].sum(axis=1))


class Mine(AskewMine):
    name = "askew, kernel mine alone"

    def prepare(self, data: Any, n_threads: int) -> None:
        super().prepare(data, n_threads)
        self.engine, self.n_sets = choose(self.backend), 0

    def run(self) -> Any:
        tables = [MiningTable(self.annotations.packed_attributes)]
        return self.engine.mine(tables, self.min_count, MAX_SIZE, 10**6, threads(), None).itemsets

    def answer(self, result: Any) -> Supports:
        self.n_sets = len(result)
        sets = askew.AttributeSets._of(result, self.annotations.attribute_names)
        return supports(sets, askew.count(self.annotations, sets).truth.co_set[0])

    def limit(self) -> Limit:
        words = self.n_sets * -(-self.annotations.n // 64)
        return Limit(
            {"and_popcount_words": words},
            "one AND + population count + add per word for each set found, from L1; no candidates",
        )


class PyFim(Contestant):
    """FP-growth with its top-down "d" variant, the fastest here of PyFIM's miners and their variants."""

    name = "PyFIM fpgrowth, no groups"
    packages = ("pyfim",)
    miner, variant = "fpgrowth", "d"

    def prepare(self, data: Any, n_threads: int) -> None:
        import fim

        ends = np.cumsum(data.values.sum(axis=1, dtype=np.int64))
        items = np.nonzero(data.values)[1].tolist()
        begins = np.concatenate([[0], ends[:-1]])
        self.transactions = [tuple(items[begin:end]) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        self.mine, self.min_count = getattr(fim, self.miner), data.min_count

    def run(self) -> Any:
        return self.mine(
            self.transactions, target="s", supp=-self.min_count, zmin=1, zmax=MAX_SIZE, report="a", algo=self.variant
        )

    def answer(self, result: Any) -> Supports:
        return {tuple(sorted(items)): support for items, support in result}


class PyFimEclat(PyFim):
    name = "PyFIM eclat, no groups"
    variant = "i"
    miner = "eclat"


W4 = Workload(
    "W4", "all sets up to 4 of 200,000 × 80, with groups", data, (AskewMine, Mine, PyFim, PyFimEclat), target=8
)
