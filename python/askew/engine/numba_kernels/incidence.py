"""Which itemsets each row contains, for a run of rows that fits in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.numba_kernels.words import join, trailing_zeros
from askew.engine.protocol import Int32, Int64, Itemsets, Monitor, words_for

MAX_ITEMSETS = 1 << 13  # at a time: their sums stay near the processor, and their numbers take 16 bits
_ROWS = 1 << 12  # of a piece
_CHUNK_ENTRIES = 12 << 20
_CHUNK_PIECES = 1 << 10


class Piece(NamedTuple):
    """Row first_row + i contains the itemsets entries[starts[i]:starts[i + 1]]."""

    first_row: int
    starts: Int32
    entries: npt.NDArray[np.uint16]


@kernel(
    types.void(
        const(types.int64),
        const(types.int32),
        const(types.int64),
        types.int64,
        types.int64,
        array(types.uint64, 2),
        array(types.int32),
    )
)
def _find_members(addresses, items, offsets, n, first_word, members, ends):
    """Rows that contain each itemset, as bits; and where the itemsets of each row will end, shifted by one row."""
    n_words = members.shape[1]
    for s in range(members.shape[0]):
        row = members[s]
        if offsets[s] < offsets[s + 1]:
            join(addresses, items[offsets[s] : offsets[s + 1]], first_word, row)
        else:
            for w in range(n_words):
                left = n - 64 * (first_word + w)
                row[w] = ~np.uint64(0) if left >= 64 else (np.uint64(1) << np.uint64(max(left, 0))) - np.uint64(1)
        for w in range(n_words):
            bits = row[w]
            while bits != 0:
                ends[64 * w + trailing_zeros(bits) + 1] += 1
                bits &= bits - np.uint64(1)
    for i in range(1, ends.size):
        ends[i] += ends[i - 1]


@kernel(types.void(const(types.uint64, 2), array(types.int32), array(types.uint16)))
def _list_members(members, next_entry, entries):
    """Itemsets of each row, beginning where `next_entry` says, which then tells where they end."""
    for s in range(members.shape[0]):
        for w in range(members.shape[1]):
            bits = members[s, w]
            while bits != 0:
                row = 64 * w + trailing_zeros(bits)
                entries[next_entry[row]] = s
                next_entry[row] += 1
                bits &= bits - np.uint64(1)


def chunks(
    addresses: Int64, n: int, itemsets: Itemsets, n_threads: int, monitor_at: Callable[[int], Monitor | None]
) -> Iterator[list[Piece]]:
    """Pieces of all rows in any order, as many at a time as memory allows; `monitor_at` is told of the rows done."""
    n_words = words_for(n)

    def build(pieces: list[Piece], first_row: int, task: int, check: Check) -> None:
        row = first_row + task * _ROWS
        n_here = min(n_words - row // 64, _ROWS // 64)
        members = np.empty((len(itemsets), n_here), np.uint64)
        starts = np.zeros(64 * n_here + 1, np.int32)
        _find_members(addresses, itemsets.items, itemsets.offsets, n, row // 64, members, starts)
        entries = np.empty(starts[-1], np.uint16)
        _list_members(members, starts[:-1].copy(), entries)
        pieces.append(Piece(row, starts, entries))

    first_row = 0
    while first_row < n:
        pieces: list[Piece] = []
        while first_row < n and len(pieces) < _CHUNK_PIECES and sum(p.entries.size for p in pieces) < _CHUNK_ENTRIES:
            n_pieces = min(8 * n_threads, -(-(n - first_row) // _ROWS))
            parallel_for(n_pieces, n_threads, monitor_at(first_row), partial(build, pieces, first_row))
            first_row += n_pieces * _ROWS
        yield pieces
