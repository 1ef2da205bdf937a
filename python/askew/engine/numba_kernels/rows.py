"""Packed columns turned into packed rows: bit c % 64 of word c // 64 of a row is column c."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.words import transpose, words_at
from askew.engine.protocol import Int64, Words


@kernel(types.void(const(types.int64), types.int64, array(types.uint64, 2)))
def _fill_rows(addresses, first_word, rows):
    n_words = rows.shape[0] // 64
    block = np.empty(64, np.uint64)
    for w in range(n_words):
        for group in range(rows.shape[1]):
            for c in range(64):
                column = 64 * group + c
                block[c] = np.uint64(0)
                if column < addresses.size:
                    block[c] = words_at(addresses[column], first_word + w + 1)[first_word + w]
            transpose(block)
            for r in range(64):
                rows[64 * w + r, group] = block[r]


def rows_of(addresses: Int64, first_word: int, n_words: int, out: Words | None = None) -> npt.NDArray[np.uint64]:
    """The 64 * n_words rows that begin at a word of the columns, one word wide at least."""
    if out is None:
        out = np.empty((64 * n_words, max(1, -(-len(addresses) // 64))), np.uint64)
    _fill_rows(addresses, first_word, out)
    return out
