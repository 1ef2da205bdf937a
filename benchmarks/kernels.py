"""One benchmark per kernel, on tables of known shape; parameters show growth in rows, sets, replicates and threads."""

from __future__ import annotations

import numpy as np

from askew import AttributeSets
from askew.datasets import make_annotations
from askew.engine import Draws, MiningTable, choose, threads


class Kernel:
    """A table of n instances with 40 attributes, about four of them in an instance."""

    timeout = 300
    n_threads = threads()

    def setup(self, n: int, *parameters: object) -> None:
        self.engine = choose("native")
        self.n = n
        self.table = make_annotations(n, n_attributes=40, density=0.1, rng=0).test
        self.columns = [self.table.packed_attributes]

    def some_itemsets(self, max_size: int, n_sets: int):
        sets = AttributeSets.subsets(self.table, max_size=max_size)
        assert len(sets) >= n_sets
        return sets[:n_sets].itemsets


class Pack(Kernel):
    """Rows of uint8, and rows of column indices, into packed columns."""

    params = ([10_000, 1_000_000],)
    param_names = ("rows",)

    def setup(self, n: int) -> None:
        super().setup(n)
        self.values = self.table.to_numpy()[0].view(np.uint8)
        self.offsets = np.concatenate([[0], np.cumsum(self.values.sum(axis=1, dtype=np.int64))])
        self.indices = np.nonzero(self.values)[1].astype(np.int32)

    def time_rows(self, n: int) -> None:
        self.engine.pack(self.values, self.n_threads)

    def time_sparse_rows(self, n: int) -> None:
        self.engine.pack_sparse(self.offsets, self.indices, 40, self.n_threads)


class Patterns(Kernel):
    """Distinct rows."""

    params = ([10_000, 1_000_000],)
    param_names = ("rows",)

    def time_patterns(self, n: int) -> None:
        self.engine.patterns(self.table.packed_attributes, n, self.n_threads)


class Mine(Kernel):
    """All sets of up to three attributes that a thousandth of the instances contain."""

    params = ([10_000, 1_000_000],)
    param_names = ("rows",)

    def time_mine(self, n: int) -> None:
        tables = [MiningTable(self.table.packed_attributes, None)]
        self.engine.mine(tables, max(1, n // 1000), 3, 10**6, self.n_threads, None)


class Count(Kernel):
    """Instances that contain each set."""

    params = ([10_000, 1_000_000], [100, 5_000])
    param_names = ("rows", "sets")

    def setup(self, n: int, n_sets: int) -> None:
        super().setup(n)
        self.itemsets = self.some_itemsets(3, n_sets)

    def time_count(self, n: int, n_sets: int) -> None:
        self.engine.count(self.columns, self.n, self.itemsets, self.n_threads, None)


class Resample(Kernel):
    """Counts of sets in bootstrap replicates."""

    params = ([10_000, 200_000], [100, 5_000], [128, 1_024], [1, threads()])
    param_names = ("rows", "sets", "replicates", "threads")

    def setup(self, n: int, n_sets: int, n_replicates: int, n_threads: int) -> None:
        super().setup(n)
        self.itemsets = self.some_itemsets(3, n_sets)
        self.counts = np.zeros((n_sets, n_replicates), np.int64)

    def time_resample(self, n: int, n_sets: int, n_replicates: int, n_threads: int) -> None:
        draws = Draws("poisson", 0, 0, 0)
        replicates = range(n_replicates)
        self.engine.resample(self.columns, n, self.itemsets, draws, replicates, self.counts.T, n_threads, None)
