"""The membership lists that resampling adds up by, replayed: weights so large that 8-bit sums overflow are too rare to
draw, so the schedule that prevents it is checked itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from askew.engine import Draws, Itemsets, choose
from askew.engine.weights import weights

core = pytest.importorskip("askew._core")
ROWS_PER_BATCH, ROWS_PER_TILE, BLOCK = 16, 256, 128


def replay(pieces: list, n: int, n_sets: int, rows_per_flush: int) -> np.ndarray:
    """Which rows contain which itemsets, shape (n, n_sets); no sum is ever of more rows than it can take."""
    members = np.zeros((n, n_sets), np.int64)
    unflushed = np.zeros(n_sets, np.int64)  # rows whose weights are in the 8-bit sums
    for first_row, rows, tiles, batches, entries, flushes, frequent, quads, runs in pieces:
        assert rows == sorted(set(rows))
        for (first_batch, run), (last_batch, end_of_runs) in pairwise(tiles):
            for batch in range(first_batch, last_batch):
                (place, begin, flush), (next_place, end, next_flush) = batches[batch : batch + 2]
                assert place % ROWS_PER_BATCH == 0
                assert 0 < next_place - place <= ROWS_PER_BATCH
                unflushed[flushes[flush:next_flush]] = 0
                for entry in entries[begin:end]:
                    place += entry % BLOCK
                    assert place < next_place
                    members[first_row + rows[place], entry // BLOCK] += 1
                    unflushed[entry // BLOCK] += 1
                assert unflushed.max() <= rows_per_flush
            place = batches[first_batch][0]
            assert place % ROWS_PER_TILE == 0
            tile = rows[place : batches[last_batch][0]]
            number = tiles.index((first_batch, run)) * len(frequent)
            for itemset, n_quads in zip(frequent, quads[number : number + len(frequent)], strict=True):
                for offset in runs[run : run + 4 * n_quads]:
                    assert offset % BLOCK == 0
                    if offset < len(tile) * BLOCK:
                        members[first_row + tile[offset // BLOCK], itemset] += 1
                    else:  # the row of zeros behind the last
                        assert offset == len(tile) * BLOCK
                run += 4 * n_quads
            assert run == end_of_runs
    return members


@pytest.mark.parametrize(("n", "n_threads"), [(1, 1), (257, 1), (60_000, 1), (60_000, 2)])
@pytest.mark.parametrize("frequent_from", [0, 3, 16, 10**9])
@pytest.mark.parametrize("rows_per_flush", [21, 31])
def test_every_member_once_and_no_sum_too_long(n: int, n_threads: int, frequent_from: int, rows_per_flush: int) -> None:
    densities = np.array([0, 3e-4, 0.02, 0.07, 0.4, 1])
    values = (np.random.default_rng(n).random((n, len(densities))) < densities).astype(np.uint8)
    values[n // 2 :, 4] = 0
    columns, _ = choose("native").pack(values, 1)
    items, offsets = np.array([*range(6), 2, 5, 3, 4], np.int32), np.array([*range(7), 8, 10], np.int64)
    pieces = core.incidence(columns, n, items, offsets, rows_per_flush, frequent_from, n_threads)
    expected = np.column_stack([values, values[:, 2], values[:, 3] & values[:, 4]])
    assert np.array_equal(replay(pieces, n, 8, rows_per_flush), expected)
    listed = sum(len(piece[1]) for piece in pieces)
    assert listed == expected.any(axis=1).sum()


def test_sixteen_bits_overflow_row_by_row() -> None:
    """An itemset that is too rare for runs, in a table so long that its sums leave 16 bits."""
    n = 1_300_000
    column = (np.random.default_rng(2).random((n, 1)) < 1 / 17).astype(np.uint8)
    columns, _ = choose("native").pack(column, 1)
    itemsets = Itemsets(np.zeros(1, np.int32), np.array([0, 1], np.int64))
    out = np.zeros((1, 3), np.int64)
    choose("native").resample([columns], n, itemsets, Draws("poisson", 4, 0, 0), range(3), out.T, 1, None)
    members = np.flatnonzero(column).astype(np.uint64)
    assert len(members) > 2**16
    assert np.array_equal(out[0], weights("poisson", 4, 0, members, range(3)).sum(axis=0, dtype=np.int64))
