"""What the extension refuses before a kernel runs, and that its kernels can be stopped however short their loops."""

from __future__ import annotations

import numpy as np
import pytest

core = pytest.importorskip("askew._core")

NONE = np.zeros(0, np.int32), np.zeros(1, np.int64)  # no itemsets
ONE = np.zeros(1, np.int32), np.arange(2)


@pytest.mark.parametrize("n_threads", [0, -1])
def test_threads_are_positive(n_threads: int) -> None:
    columns = np.zeros((3, 64), np.uint64)
    with pytest.raises(ValueError, match="n_threads must be positive"):
        core.count([columns], 4096, *ONE, n_threads, None)
    with pytest.raises(ValueError, match="n_threads must be positive"):
        core.mine([(columns, None, None)], 1, 2, 10, n_threads, None)
    with pytest.raises(ValueError, match="itemsets and threads"):
        core.incidence(columns, 4096, *ONE, 17, 1, n_threads)
    with pytest.raises(ValueError, match="itemsets and threads"):
        core.incidence(columns, 4096, *NONE, 17, 1, 1)


def test_tables_to_mine_have_at_most_two_to_the_32_instances() -> None:
    columns = np.zeros((1, 2**26 + 8), np.uint64)  # never touched, so that it takes no memory
    with pytest.raises(ValueError, match=r"more than 2\*\*32 instances must be mined in parts"):
        core.mine([(columns, None, None)], 1, 2, 10, 1, None)


@pytest.mark.parametrize("offsets", [[-(2**63), 5], [0, -(2**63), 5], [5, -(2**63), 5], [0, 2**63 - 1], [0, 1, 0]])
def test_offsets_of_sparse_rows_may_be_anything(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets"):
        core.pack_sparse(np.array(offsets), np.zeros(5, np.int32), 3, 1)


@pytest.mark.parametrize("n_columns", [-1, 2**31, 2**61])
def test_sparse_rows_have_a_sensible_number_of_columns(n_columns: int) -> None:
    with pytest.raises(ValueError, match="number of columns is out of range"):
        core.pack_sparse(np.array([0, 1]), np.zeros(1, np.int32), n_columns, 1)


def test_a_kernel_of_many_short_loops_can_be_stopped() -> None:
    """Millions of itemsets in a few rows are counted in thousands of loops, none of which takes 50 ms."""

    class StopNow(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StopNow

    pairs = np.random.default_rng(0).integers(0, 300, (5_000_000, 2), dtype=np.int32)
    columns = np.full((300, 128), 2**63 - 1, np.uint64)
    with pytest.raises(StopNow):
        core.count([columns], 128 * 64, pairs.ravel(), np.arange(0, pairs.size + 1, 2), 1, stop)
