"""W1 and W2: how many of 1,000,000 instances have each pair of 100 attributes, 5 % ones.

The answer is the symmetric 100 × 100 matrix of counts. W1 begins with the C-ordered uint8 array that a loader would
give; everything from there to the counts is timed. W2 begins with what each library likes best: packed `Annotations`
for askew, and for torch the transposed int8 matrix, which its int8 kernel (AMX or VNNI) takes as both operands.
Making the list of pairs, once for all tables of these attributes, is not timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import askew
from askew.engine import Itemsets, choose, threads
from askew.engine.protocol import words_for
from benchmarks.peers.contest import Askew, Contestant, Limit, Workload

P = 100
FIRST, SECOND = np.triu_indices(P)
Matrix = npt.NDArray[np.int64]


def table(scale: float) -> npt.NDArray[np.uint8]:
    values = np.random.default_rng(1).integers(0, 20, (int(1_000_000 * scale), P), dtype=np.uint8)
    return np.equal(values, 0, out=values.view(bool)).view(np.uint8)


def matrix(counts: npt.NDArray[np.int64]) -> Matrix:
    full = np.zeros((P, P), np.int64)
    full[FIRST, SECOND] = full[SECOND, FIRST] = counts
    return full


def pair_sets() -> askew.AttributeSets:
    names = [str(c) for c in range(P)]
    pairs = zip(FIRST.tolist(), SECOND.tolist(), strict=True)
    return askew.AttributeSets([{names[a], names[b]} for a, b in pairs], names)


def counting_limit(n: int, n_itemsets: int) -> Limit:
    return Limit(
        {"and_popcount_words": n_itemsets * -(-n // 64)},
        "one AND + population count + add per word and itemset, from L1 (rows may take less)",
    )


def packing_limit(n: int, p: int) -> Limit:
    packed = p * words_for(n) * 8
    return Limit({"dram_bytes": n * p + 2 * packed}, "reading the array from DRAM, and the columns to and fro")


class AskewFromArray(Askew):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.values, self.groups, self.sets = data, np.ones((len(data), 1), np.uint8), pair_sets()

    def run(self) -> Any:
        annotations = askew.Annotations(self.values, self.groups)
        return askew.count(annotations, self.sets).truth.co_set[0]

    answer = staticmethod(matrix)


class AskewFromAnnotations(AskewFromArray):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        super().prepare(data, n_threads)
        self.annotations = askew.Annotations(self.values, self.groups)

    def run(self) -> Any:
        return askew.count(self.annotations, self.sets).truth.co_set[0]


class KernelsFromArray(Askew):
    name = "askew, kernels pack and count alone"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.values, self.engine, self.itemsets = data, choose(self.backend), pair_sets().itemsets

    def run(self) -> Any:
        columns, wrong = self.engine.pack(self.values, threads())
        assert wrong < 0
        return self.engine.count([columns], len(self.values), self.itemsets, threads(), None)

    answer = staticmethod(matrix)

    def limit(self) -> Limit:
        count = counting_limit(len(self.values), len(FIRST))
        return Limit(packing_limit(*self.values.shape).needs | count.needs, "the limits of both kernels")


class Pack(KernelsFromArray):
    name = "askew, kernel pack alone"

    def run(self) -> Any:
        return self.engine.pack(self.values, threads())[0]

    def answer(self, result: Any) -> Matrix:
        return matrix(self.engine.count([result], len(self.values), self.itemsets, threads(), None))

    def limit(self) -> Limit:
        return packing_limit(*self.values.shape)


class Count(KernelsFromArray):
    name = "askew, kernel count alone"
    itemsets: Itemsets

    def prepare(self, data: Any, n_threads: int) -> None:
        super().prepare(data, n_threads)
        self.columns = self.engine.pack(data, threads())[0]

    def run(self) -> Any:
        return self.engine.count([self.columns], len(self.values), self.itemsets, threads(), None)

    def limit(self) -> Limit:
        return counting_limit(len(self.values), len(FIRST))


class TorchInt8(Contestant):
    """Both operands as they lie: `_int_mm` packs tiles itself, which is three times faster than `contiguous()`."""

    name = "torch int8 matmul"
    packages = ("torch",)

    def prepare(self, data: Any, n_threads: int) -> None:
        import torch

        torch.set_num_threads(n_threads)
        self.product = torch._int_mm
        self.rows = torch.from_numpy(data.view(np.int8))

    def run(self) -> Any:
        return self.product(self.rows.T, self.rows)

    def answer(self, result: Any) -> Matrix:
        return result.numpy().astype(np.int64)


class TorchInt8Transposed(TorchInt8):
    name = "torch int8 matmul, transposed operands"

    def prepare(self, data: Any, n_threads: int) -> None:
        super().prepare(data, n_threads)
        self.columns = self.rows.T.contiguous()
        del self.rows

    def run(self) -> Any:
        return self.product(self.columns, self.columns.T)


class NumpyFloat32(Contestant):
    """Float32 GEMM in blocks of rows that stay in the cache; a block's counts are exact below 2**24."""

    name = "NumPy float32 matmul"
    packages = ("numpy",)
    block = 16_384

    def prepare(self, data: Any, n_threads: int) -> None:
        self.values = data

    def run(self) -> Any:
        total = np.zeros((P, P))
        for begin in range(0, len(self.values), self.block):
            rows = self.values[begin : begin + self.block].astype(np.float32)
            total += rows.T @ rows
        return total

    def answer(self, result: Any) -> Matrix:
        return result.astype(np.int64)


class ScipyCsr(Contestant):
    name = "SciPy CSR product"
    packages = ("scipy",)

    def prepare(self, data: Any, n_threads: int) -> None:
        from scipy.sparse import csr_array

        self.values, self.csr_array = data, csr_array

    def run(self) -> Any:
        rows = self.csr_array(self.values, dtype=np.int32)
        return (rows.T @ rows).toarray()

    def answer(self, result: Any) -> Matrix:
        return result.astype(np.int64)


W1 = Workload(
    "W1",
    "all pair counts of 1,000,000 × 100 from uint8",
    table,
    (AskewFromArray, KernelsFromArray, Pack, TorchInt8, NumpyFloat32, ScipyCsr),
    target=2,
)
W2 = Workload(
    "W2",
    "all pair counts of 1,000,000 × 100, packed",
    table,
    (AskewFromAnnotations, Count, TorchInt8Transposed),
    target=4,
)
