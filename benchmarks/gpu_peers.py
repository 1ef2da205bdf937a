"""The same work by plain CuPy and Torch on the GPU, written as somebody would who knows them.

For W1 the array comes from the host. Else peers begin with what they like best, on the GPU already and not timed: for
W2 the matrix of 0 and 1, for W5 the memberships. Their Poisson weights come from uniforms by a table, as askew's do.
Pair counts must be equal to askew's; replicates must have the same means and variances up to noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from askew.engine.protocol import Int64
from benchmarks.peers import pairs, replicates
from benchmarks.peers.contest import Contestant

EIGHTH = 8  # torch._int_mm takes sizes that are multiples of eight


class TorchPairs(Contestant):
    name = "torch int8 matmul"
    from_host = True

    def prepare(self, data: Any, n_threads: int) -> None:
        import torch

        if not torch.cuda.is_available():
            raise ImportError("this torch finds no GPU")
        self.torch, self.host = torch, torch.from_numpy(data.view(np.int8))
        if not self.from_host:
            self.rows = self.on_gpu()

    def on_gpu(self) -> Any:
        rows = self.host.cuda()
        return self.torch.nn.functional.pad(rows, (0, -rows.shape[1] % EIGHTH, 0, -rows.shape[0] % EIGHTH))

    def run(self) -> Any:
        rows = self.on_gpu() if self.from_host else self.rows
        counts = self.torch._int_mm(rows.T, rows)
        self.torch.cuda.synchronize()
        return counts

    def answer(self, result: Any) -> Int64:
        return upper_triangle(result.cpu().numpy())


class TorchPairsOnGpu(TorchPairs):
    from_host = False


class CupyPairs(Contestant):
    """In blocks of rows: float32 sums are exact below 2**24."""

    name = "cupy float32 matmul"
    from_host = True
    block = 1 << 20

    def prepare(self, data: Any, n_threads: int) -> None:
        import cupy

        self.cupy, self.host = cupy, data
        if not self.from_host:
            self.rows = cupy.asarray(data)

    def run(self) -> Any:
        rows = self.cupy.asarray(self.host) if self.from_host else self.rows
        total = self.cupy.zeros((rows.shape[1], rows.shape[1]))
        for begin in range(0, len(rows), self.block):
            part = rows[begin : begin + self.block].astype(self.cupy.float32)
            total += part.T @ part
        self.cupy.cuda.Device().synchronize()
        return total

    def answer(self, result: Any) -> Int64:
        return upper_triangle(self.cupy.asnumpy(result))


class CupyPairsOnGpu(CupyPairs):
    from_host = False


def upper_triangle(counts: Any) -> Int64:
    return counts[pairs.FIRST, pairs.SECOND].astype(np.int64)


class TorchReplicates(Contestant):
    """Weights @ members in blocks of rows that are made dense; int32 sums are exact."""

    name = "torch int8 matmul, dense"
    block = 1 << 15

    def prepare(self, data: Any, n_threads: int) -> None:
        import torch

        if not torch.cuda.is_available():
            raise ImportError("this torch finds no GPU")
        numbers, offsets = data.members()
        self.torch, self.n, self.n_sets = torch, data.n, data.n_sets
        self.offsets = offsets
        self.sets = torch.from_numpy(numbers.astype(np.int64)).cuda()
        self.rows = torch.from_numpy(np.repeat(np.arange(data.n) % self.block, np.diff(offsets))).cuda()
        self.table = torch.from_numpy(replicates.poisson_table().view(np.int8)).cuda()

    def run(self) -> Any:
        torch, b = self.torch, replicates.B
        total = torch.zeros((b, self.n_sets), dtype=torch.int32, device="cuda")
        for begin in range(0, self.n, self.block):
            part = slice(int(self.offsets[begin]), int(self.offsets[min(begin + self.block, self.n)]))
            members = torch.zeros((self.block, self.n_sets), dtype=torch.int8, device="cuda")
            members[self.rows[part], self.sets[part]] = 1
            weights = self.table[torch.randint(0, 1 << 16, (b, self.block), device="cuda")]
            total += torch._int_mm(weights, members)
        torch.cuda.synchronize()
        return total

    def answer(self, result: Any) -> replicates.Summary:
        return replicates.summary(result.cpu().numpy())


class CupyReplicates(Contestant):
    """CSR memberships (sets × rows) times float32 weights, in blocks of rows; sums are exact below 2**24."""

    name = "cupy sparse @ weights"
    block = 1 << 15

    def prepare(self, data: Any, n_threads: int) -> None:
        import cupy
        from cupyx.scipy.sparse import csr_matrix
        from scipy.sparse import csr_array

        numbers, offsets = data.members()
        rows = csr_array((np.ones(len(numbers), np.float32), numbers, offsets), shape=(data.n, data.n_sets))
        blocks = (rows[begin : begin + self.block].T.tocsr() for begin in range(0, data.n, self.block))
        self.cupy, self.n_sets = cupy, data.n_sets
        self.blocks = [csr_matrix(block) for block in blocks]
        self.table = cupy.asarray(replicates.poisson_table().astype(np.float32))

    def run(self) -> Any:
        cupy, b = self.cupy, replicates.B
        total = cupy.zeros((self.n_sets, b))
        for members in self.blocks:
            uniforms = cupy.random.randint(0, 1 << 16, (members.shape[1], b), dtype=cupy.uint32)
            total += members @ self.table[uniforms]
        cupy.cuda.Device().synchronize()
        return total

    def answer(self, result: Any) -> replicates.Summary:
        return replicates.summary(self.cupy.asnumpy(result).T)


def peers_of(name: str) -> tuple[type[Contestant], ...]:
    if name == "W1":
        return TorchPairs, CupyPairs
    if name == "W2":
        return TorchPairsOnGpu, CupyPairsOnGpu
    return (TorchReplicates, CupyReplicates) if name.startswith("W5") else ()


def difference(name: str, ours: Int64, answer: Any) -> str:
    """In what a peer's answer differs from askew's integers; nothing if it agrees."""
    if name.startswith("W5"):
        return replicates.disagreement(replicates.summary(ours.T), answer)
    return "" if np.array_equal(ours, answer) else "other counts"
