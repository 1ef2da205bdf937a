"""W5: counts of 200 or 5,000 sets in 1,000 bootstrap replicates of 1,000,000 instances, 10 memberships an instance.

Three tables: 200 attributes at random, each a set; the 5,000 commonest sets of up to three of 100 attributes of Zipf's
frequencies; 5,000 attributes at random, each a set. askew begins with packed `Annotations` and finds out by itself
which instance contains which set. The others are given the membership matrix, made in advance, and not timed: SciPy's
CSC, or NumPy rows of set numbers for the dense products. Drawing the weights is timed for everybody.

The laws agree, not the draws: means and variances of a set's replicates must differ by no more than noise, where
multinomial variances are divided by 1 − c/n.

NumPy's `Generator.poisson` and torch's take 20 times as long for a weight as a table of Poisson(1) for 16 random bits,
as askew has it, and a draw with replacement 8 times. Contestants with "table" in their names borrow that table from
askew, and have no target; the others use what their libraries have.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from askew.engine import Draws, choose, threads
from benchmarks.peers.contest import Askew, Contestant, Limit, Workload

B = 1_000
PER_ROW = 10
MEAN_ATTRIBUTES = 3.175  # gives the 5,000 sets 10.0 memberships an instance
WEIGHTS = "poisson"
PIECE = 2**18


class Data(NamedTuple):
    n: int
    n_sets: int
    n_attributes: int
    #: Rows of attributes, in CSR form.
    attributes: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]
    #: The sets, in terms of the attributes; None: each attribute alone.
    sets: list[tuple[int, ...]] | None

    def annotations(self) -> askew.Annotations:
        from scipy.sparse import csr_array

        indices, offsets = self.attributes
        table = csr_array((np.ones(len(indices), np.uint8), indices, offsets), shape=(self.n, self.n_attributes))
        return askew.Annotations(table, np.ones((self.n, 1), np.uint8))

    def attribute_sets(self, annotations: askew.Annotations) -> askew.AttributeSets:
        if self.sets is None:
            return askew.AttributeSets.singletons(annotations)
        return askew.AttributeSets([[str(c) for c in columns] for columns in self.sets], annotations.attribute_names)

    def members(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Rows of set numbers, in CSR form: what peers begin with."""
        if self.sets is None:
            return self.attributes
        indices, offsets = self.attributes
        has = np.zeros((self.n_attributes, self.n), bool)
        has[indices, np.repeat(np.arange(self.n), np.diff(offsets))] = True
        rows = [np.flatnonzero(np.logical_and.reduce(has[list(columns)])) for columns in self.sets]
        sizes = [len(found) for found in rows]
        order = np.argsort(np.concatenate(rows), kind="stable")
        numbers = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)[order]
        per_row = np.bincount(np.concatenate(rows), minlength=self.n)
        return numbers, np.concatenate([[0], np.cumsum(per_row)])


def columns_at_random(n_sets: int, scale: float) -> Data:
    """Each instance has ten of the attributes, one in each tenth of them."""
    n = int(1_000_000 * scale)
    width = n_sets // PER_ROW
    chosen = np.random.default_rng(5).integers(0, width, (n, PER_ROW), dtype=np.int32)
    chosen += np.arange(PER_ROW, dtype=np.int32) * width
    return Data(n, n_sets, n_sets, (chosen.ravel(), np.arange(n + 1) * PER_ROW), None)


def sets_of_attributes(scale: float) -> Data:
    """An instance has 3.2 attributes, and with them ten of the sets, on average."""
    n, p = int(1_000_000 * scale), 100
    zipf = 1 / np.arange(1, p + 1)
    probabilities = zipf * (MEAN_ATTRIBUTES / zipf.sum())
    values = np.random.default_rng(5).random((n, p), np.float32) < probabilities
    larger = [c for size in (2, 3) for c in combinations(range(p), size)]
    expected = np.array([math.prod(probabilities[list(c)]) for c in larger])
    commonest = np.argsort(-expected, kind="stable")[: 5_000 - p]
    sets = [*((c,) for c in range(p)), *(larger[s] for s in commonest)]
    offsets = np.concatenate([[0], np.cumsum(values.sum(axis=1, dtype=np.int64))])
    return Data(n, len(sets), p, (np.nonzero(values)[1].astype(np.int32), offsets), sets)


class Summary(NamedTuple):
    n_replicates: int
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]  # what it would be under Poisson weights


def summary(counts: npt.NDArray[Any], n: int | None = None) -> Summary:
    """Of counts (replicates, sets); n where they were drawn with replacement."""
    mean, variance = counts.mean(axis=0, dtype=np.float64), counts.var(axis=0, ddof=1, dtype=np.float64)
    return Summary(len(counts), mean, variance if n is None else variance / (1 - mean / n))


def disagreement(one: Summary, other: Summary) -> str:
    replicates = 1 / one.n_replicates + 1 / other.n_replicates
    z = np.abs(one.mean - other.mean) / np.sqrt(np.maximum(one.mean, 1) * replicates)
    if z.max() > 6:
        return f"mean counts differ by up to {z.max():.1f} standard errors"
    ratio = other.variance.sum() / one.variance.sum()  # sets that overlap vary together: as if there were only one
    if abs(math.log(ratio)) > 6 * math.sqrt(2 * replicates):
        return f"variances of counts differ {ratio:.2f}-fold"
    return ""


class AskewCount(Askew):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.annotations = data.annotations()
        self.sets = data.attribute_sets(self.annotations)

    def run(self) -> Any:
        return askew.count(self.annotations, self.sets, n_resamples=B, weights=WEIGHTS, rng=0).truth.co_set

    def answer(self, result: Any) -> Summary:
        return summary(result[1:])


class Resample(Askew):
    name = "askew, kernel resample alone"

    def prepare(self, data: Any, n_threads: int) -> None:
        annotations = data.annotations()
        self.engine, self.n, self.columns = choose(self.backend), data.n, [annotations.packed_attributes]
        self.itemsets = data.attribute_sets(annotations).itemsets
        self.counts = np.zeros((len(self.itemsets), B), np.int64)

    def run(self) -> Any:
        self.counts[:] = 0
        draws = Draws(WEIGHTS, 0, 0, 0)
        self.engine.resample(self.columns, self.n, self.itemsets, draws, range(B), self.counts.T, threads(), None)
        return self.counts

    def answer(self, result: Any) -> Summary:
        return summary(result.T)

    def limit(self) -> Limit:
        members = self.engine.count(self.columns, self.n, self.itemsets, threads(), None).sum()
        in_some = np.bitwise_or.reduce(self.columns[0], axis=0)  # rows in no set draw nothing
        weights = -(-B // 128) * 128 * float(np.bitwise_count(in_some).sum())
        adds = -(-B // 128) * 128 * float(members)
        return Limit(
            {"weights": weights, "adds": adds},
            "generating the weights of each row + adding them for each membership, in L1",
        )


def poisson_table() -> npt.NDArray[np.uint8]:
    """Poisson(1) for each of 65,536 uniforms."""
    at_most = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    return np.searchsorted(at_most, (np.arange(65_536) + 0.5) / 65_536).astype(np.uint8)


class Members(Contestant):
    """SciPy's CSC of shape (sets, rows), whose product with columns of weights runs along the rows of the table."""

    packages: tuple[str, ...] = ("numpy", "scipy")

    def prepare(self, data: Any, n_threads: int) -> None:
        from scipy.sparse import csr_array

        numbers, offsets = data.members()
        ones = np.ones(len(numbers), np.float32)
        self.n, self.rows = data.n, csr_array((ones, numbers, offsets), shape=(data.n, data.n_sets))
        self.bits = np.random.SFC64(1)  # the fastest of NumPy's generators
        self.generator, self.table = np.random.Generator(self.bits), poisson_table()
        self.room = np.empty(0, np.uint8)

    def weights(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Poisson weights, valid until the next call: memory is used again, and filled in pieces that stay in L2."""
        size = math.prod(shape)
        if self.room.size < size:
            self.room = np.empty(size, np.uint8)
        for begin in range(0, size, PIECE):
            out = self.room[begin : min(begin + PIECE, size)]
            uniforms = self.bits.random_raw(-(-out.size // 4)).view(np.uint16)[: out.size]
            self.table.take(uniforms, out=out, mode="wrap")  # "wrap" writes to `out` directly
        return self.room[:size].reshape(shape)


class NumpyScipy(Members):
    name = "NumPy table, SciPy CSC, in blocks"
    portion = (250, B)
    target = 0.0
    block = 4_096  # rows, whose weights then stay in the cache

    def run(self) -> Any:
        k = self.portion[0]
        total = np.zeros((self.rows.shape[1], k), np.float32)
        for begin in range(0, self.n, self.block):
            rows = self.rows[begin : begin + self.block]
            total += rows.T @ self.weights((rows.shape[0], k)).astype(np.float32)
        return total

    def answer(self, result: Any) -> Summary:
        return summary(result.T)


class NumpyBincount(Members):
    name = "NumPy bincount, SciPy CSC"
    portion = (20, B)

    def run(self) -> Any:
        counts = []
        for _ in range(self.portion[0]):
            drawn = self.generator.integers(0, self.n, self.n, dtype=np.uint32)
            counts.append(self.rows.T @ np.bincount(drawn, minlength=self.n).astype(np.float32))
        return np.array(counts)

    def answer(self, result: Any) -> Summary:
        return summary(result, self.n)


class ScipyBootstrap(Members):
    name = "scipy.stats.bootstrap"
    portion = (11, B + 1)
    note = "statistic: bincount, SciPy CSC"

    def run(self) -> Any:
        from scipy.stats import bootstrap

        def statistic(drawn: Any, axis: int = -1) -> Any:
            weights = [np.bincount(rows, minlength=self.n).astype(np.float32) for rows in np.atleast_2d(drawn)]
            counts = np.stack([self.rows.T @ row for row in weights], axis=-1)
            return counts if drawn.ndim == 2 else counts[:, 0]

        numbers = (np.arange(self.n),)
        options: dict[str, Any] = {"method": "percentile", "batch": 1, "vectorized": True}
        return bootstrap(numbers, statistic, n_resamples=self.portion[0] - 1, **options).bootstrap_distribution

    def answer(self, result: Any) -> Summary:
        return summary(result.T, self.n)


class TorchPoisson(Members):
    """Weights @ members in blocks of rows made dense; int32 sums are exact. bfloat16 takes twice as long, float32 ten
    times; larger blocks gain nothing."""

    name = "torch.poisson, dense int8 matmul"
    packages = ("numpy", "torch")
    block = 16_384

    def prepare(self, data: Any, n_threads: int) -> None:
        import torch

        torch.set_num_threads(n_threads)
        torch.manual_seed(1)
        super().prepare(data, n_threads)
        self.torch = torch

    def drawn(self, shape: tuple[int, int]) -> Any:
        return self.torch.poisson(self.torch.ones(shape)).to(self.torch.int8)

    def run(self) -> Any:
        torch = self.torch
        n_sets = self.rows.shape[1]
        total = torch.zeros((B, n_sets), dtype=torch.int32)
        for begin in range(0, self.n, self.block):
            end = min(begin + self.block, self.n)
            offsets = self.rows.indptr[begin : end + 1]
            numbers = self.rows.indices[offsets[0] : offsets[-1]]
            dense = np.zeros((end - begin, n_sets), np.int8)
            dense[np.repeat(np.arange(end - begin), np.diff(offsets)), numbers] = 1
            total += torch._int_mm(self.drawn((B, end - begin)), torch.from_numpy(dense))
        return total

    def answer(self, result: Any) -> Summary:
        return summary(result.numpy())


class TorchTable(TorchPoisson):
    name = "NumPy table, torch dense int8 matmul"
    target = 0.0

    def drawn(self, shape: tuple[int, int]) -> Any:
        return self.torch.from_numpy(self.weights(shape).view(np.int8))


CONTESTANTS = (AskewCount, Resample, NumpyScipy, NumpyBincount, ScipyBootstrap, TorchPoisson, TorchTable)
TITLE = "1,000 replicates of 1,000,000 rows, 10 memberships a row, "


def workload(name: str, title: str, make_data: Any) -> Workload:
    return Workload(name, TITLE + title, make_data, CONTESTANTS, target=50, disagreement=disagreement)


W5 = (
    workload("W5-200", "200 attributes", lambda scale: columns_at_random(200, scale)),
    workload("W5-5000", "5,000 sets of 100 attributes", sets_of_attributes),
    workload("W5-5000-columns", "5,000 attributes", lambda scale: columns_at_random(5_000, scale)),
)
