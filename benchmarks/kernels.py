"""One benchmark per kernel and per quantity that it grows with: rows, sets, replicates, density, threads.

While one varies, the others are those of `USUAL`. Names that begin with an underscore are not collected by asv.
"""

from __future__ import annotations

from itertools import chain, combinations, islice
from typing import Any

import numpy as np

from askew.datasets import make_annotations
from askew.engine import Draws, Itemsets, MiningTable, choose, threads

P = 40
USUAL = {"rows": 100_000, "sets": 1_000, "replicates": 512, "density": 0.1, "threads": 1}
GROWTH: dict[str, list[Any]] = {
    "rows": [10_000, 100_000, 1_000_000],
    "sets": [100, 1_000, 5_000],
    "replicates": [128, 512, 2_048],
    "density": [0.02, 0.1, 0.3],
    "threads": sorted({1, threads()}),
}


class _Kernel:
    """A table of 40 attributes, from common to rare, and its commonest sets."""

    timeout = 300
    params: tuple[list[Any], ...]
    param_names: tuple[str, ...]

    def __init_subclass__(cls, by: str | None = None) -> None:
        if by is not None:
            cls.params, cls.param_names = (GROWTH[by],), (by,)

    def setup(self, value: Any) -> None:
        chosen = USUAL | {self.param_names[0]: value}
        self.engine = choose("native")
        self.n, self.n_threads = chosen["rows"], chosen["threads"]
        self.table = make_annotations(self.n, n_attributes=P, density=chosen["density"], rng=0).test
        self.columns = [self.table.packed_attributes]
        sets = chain.from_iterable(combinations(range(P), size) for size in (1, 2, 3))
        some = list(islice(sets, chosen["sets"]))
        self.itemsets = Itemsets(np.concatenate(some).astype(np.int32), np.cumsum([0, *map(len, some)], dtype=np.int64))
        self.counts = np.zeros((len(some), chosen["replicates"]), np.int64)


class _Pack(_Kernel):
    """Rows of uint8, and rows of column indices, into packed columns. At least: reading n × 40 bytes from memory."""

    def setup(self, value: Any) -> None:
        super().setup(value)
        self.values = np.ascontiguousarray(self.table.to_numpy()[0]).view(np.uint8)
        self.offsets = np.concatenate([[0], np.cumsum(self.values.sum(axis=1, dtype=np.int64))])
        self.indices = np.nonzero(self.values)[1].astype(np.int32)

    def time_rows(self, value: Any) -> None:
        self.engine.pack(self.values, self.n_threads)

    def time_sparse_rows(self, value: Any) -> None:
        self.engine.pack_sparse(self.offsets, self.indices, P, self.n_threads)


class PackByRows(_Pack, by="rows"): ...


class PackByDensity(_Pack, by="density"): ...


class PackByThreads(_Pack, by="threads"): ...


class _Patterns(_Kernel):
    """Distinct rows: the denser, the more."""

    def time_patterns(self, value: Any) -> None:
        self.engine.patterns(self.columns[0], self.n, self.n_threads)


class PatternsByRows(_Patterns, by="rows"): ...


class PatternsByDensity(_Patterns, by="density"): ...


class PatternsByThreads(_Patterns, by="threads"): ...


class _Mine(_Kernel):
    """All sets of up to three attributes that a thousandth of the instances contain: the denser, the more."""

    def time_mine(self, value: Any) -> None:
        self.engine.mine([MiningTable(self.columns[0])], self.n // 1000, 3, 10**6, self.n_threads, None)


class MineByRows(_Mine, by="rows"): ...


class MineByDensity(_Mine, by="density"): ...


class MineByThreads(_Mine, by="threads"): ...


class _Count(_Kernel):
    """Instances that contain each set, at any density. At least: an AND and a population count for each word."""

    def time_count(self, value: Any) -> None:
        self.engine.count(self.columns, self.n, self.itemsets, self.n_threads, None)


class CountByRows(_Count, by="rows"): ...


class CountBySets(_Count, by="sets"): ...


class CountByThreads(_Count, by="threads"): ...


class CountPairs:
    """All pairs of 100 attributes that are equally frequent, by themselves or within two groups: row by row where few
    of a million rows contain an attribute. At least, where they are counted by columns, as `_Count`."""

    params = ([0.01, 0.05, 0.1, 0.2], [0, 2])
    param_names = ("density", "groups")
    timeout = 300

    def setup(self, density: float, groups: int) -> None:
        self.n, p, rng = 1_000_000, 100, np.random.default_rng(0)
        values = np.empty((self.n, p + 2), np.uint8)
        for part in np.split(values, 10):
            part[:, :p] = rng.random((len(part), p), np.float32) < density
        values[:, p] = rng.random(self.n) < 0.5
        values[:, p + 1] = 1 - values[:, p]
        self.engine = choose("native")
        self.columns = [self.engine.pack(values, 1)[0]]
        pairs = list(combinations(range(p), 2))
        sets = [(*pair, p + group) for pair in pairs for group in range(groups)] or pairs
        self.itemsets = Itemsets(
            np.array(sets, np.int32).ravel(), np.arange(len(sets) + 1, dtype=np.int64) * len(sets[0])
        )

    def time_pairs(self, density: float, groups: int) -> None:
        self.engine.count(self.columns, self.n, self.itemsets, 1, None)


class _Resample(_Kernel):
    """Counts in bootstrap replicates. At least: a weight for each row and replicate, and an addition for each set of
    the row."""

    def time_resample(self, value: Any) -> None:
        draws, replicates = Draws("poisson", 0, 0, 0), range(self.counts.shape[1])
        self.engine.resample(
            self.columns, self.n, self.itemsets, draws, replicates, self.counts.T, self.n_threads, None
        )


class ResampleByRows(_Resample, by="rows"): ...


class ResampleBySets(_Resample, by="sets"): ...


class ResampleByReplicates(_Resample, by="replicates"): ...


class ResampleByDensity(_Resample, by="density"): ...


class ResampleByThreads(_Resample, by="threads"): ...
