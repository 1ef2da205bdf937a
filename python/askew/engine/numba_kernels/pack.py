"""From bytes and from sparse rows to columns of bits."""

from __future__ import annotations

import numpy as np
from numba import types

from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.protocol import Int64, Offsets, UInt8, Words, words_for

_BLOCK = 512  # rows
_BYTES_PER_TASK = 1 << 21
_BLOCKS_PER_TASK = 64


@kernel(types.int64(const(types.uint8, 2), array(types.uint64, 2), types.int64))
def _pack_rows(values, out, first_word):
    """Packs rows into words first_word, … of the columns; returns the OR of all values, right if that is 0 or 1.

    First eight rows make a byte of each column, then eight of these a word.
    """
    n, p = values.shape
    folded = np.empty((8, p), np.uint8)
    seen = np.zeros(p, np.uint8)
    for begin in range(0, n, 64):
        for k in range(8):
            row = begin + 8 * k
            if row + 8 <= n:
                for c in range(p):
                    a, b, d, e = values[row, c], values[row + 1, c], values[row + 2, c], values[row + 3, c]
                    f, g, h, i = values[row + 4, c], values[row + 5, c], values[row + 6, c], values[row + 7, c]
                    folded[k, c] = a | b << 1 | d << 2 | e << 3 | f << 4 | g << 5 | h << 6 | i << 7
                    seen[c] |= a | b | d | e | f | g | h | i
            else:
                folded[k] = 0
                for i in range(row, n):
                    for c in range(p):
                        folded[k, c] |= values[i, c] << (i - row)
                        seen[c] |= values[i, c]
        w = first_word + begin // 64
        for c in range(p):
            word = np.uint64(0)
            for k in range(8):
                word |= np.uint64(folded[k, c]) << np.uint64(8 * k)
            out[c, w] = word
    any_value = np.uint8(0)
    for c in range(p):
        any_value |= seen[c]
    return np.int64(any_value)


@kernel(types.int64(const(types.uint8), array(types.uint64)))
def _pack_column(values, out):
    """As `_pack_rows`, for one column whose values lie side by side."""
    any_value = np.uint64(0)
    for w in range((values.size + 63) // 64):
        word = np.uint64(0)
        part = values[64 * w : 64 * w + 64]
        for i in range(part.size):
            word |= np.uint64(part[i]) << np.uint64(i)
            any_value |= np.uint64(part[i])
        out[w] = word
    return np.int64(any_value)


def pack(values: UInt8, n_threads: int) -> tuple[Words, int]:
    """As `Engine.pack`."""
    n, p = values.shape
    out = np.zeros((p, words_for(n)), np.uint64)
    if n == 0 or p == 0:
        return out, -1
    seen: list[int] = []
    if values.strides[0] == 1 and p > 1:
        step = -(-_BYTES_PER_TASK // _BLOCK) * _BLOCK
        parts = -(-n // step)

        def pack_part(task: int, check: Check) -> None:
            column, first = task // parts, task % parts * step
            words = out[column, first // 64 : (first + step) // 64]
            seen.append(_pack_column(values[first : first + step, column], words))

        parallel_for(p * parts, n_threads, None, pack_part)
    else:
        step = max(1, _BYTES_PER_TASK // (_BLOCK * p)) * _BLOCK

        def pack_part(task: int, check: Check) -> None:
            rows = np.ascontiguousarray(values[task * step : (task + 1) * step])
            seen.append(_pack_rows(rows, out, task * step // 64))

        parallel_for(-(-n // step), n_threads, None, pack_part)
    return out, -1 if max(seen) <= 1 else _first_wrong(values)


def _first_wrong(values: UInt8) -> int:
    """Flat index of the first value that is not 0 or 1, which there is."""
    n, p = values.shape
    step = max(1, _BYTES_PER_TASK // p)
    for begin in range(0, n, step):
        wrong = np.flatnonzero(values[begin : begin + step] > 1)
        if wrong.size:
            return begin * p + int(wrong[0])
    raise AssertionError("no value is wrong")


@kernel(
    types.boolean(const(types.int64), const(types.int32), types.int64, array(types.uint64, 2)),
    types.boolean(const(types.int64), const(types.int64), types.int64, array(types.uint64, 2)),
)
def _pack_sparse(offsets, indices, first_row, out):
    """Sets a bit for each index of some rows; False if one names a column that does not exist."""
    for r in range(offsets.size - 1):
        row = first_row + r
        bit = np.uint64(1) << np.uint64(row % 64)
        for i in range(offsets[r], offsets[r + 1]):
            column = indices[i]
            if column >= out.shape[0]:
                return False
            if column >= 0:
                out[column, row // 64] |= bit
    return True


def pack_sparse(offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
    """As `Engine.pack_sparse`.

    Raises
    ------
    ValueError
        The offsets do not rise within the indices, or an index names a column that does not exist.
    """
    n = len(offsets) - 1
    out = np.zeros((n_columns, words_for(n)), np.uint64)
    flat = np.ascontiguousarray(indices)
    step = _BLOCKS_PER_TASK * _BLOCK

    def pack_part(task: int, check: Check) -> None:
        bounds: Int64 = np.ascontiguousarray(offsets[task * step : (task + 1) * step + 1], dtype=np.int64)
        if bounds[0] < 0 or bounds[-1] > len(flat) or (np.diff(bounds) < 0).any():
            raise ValueError("offsets of sparse rows must rise within the indices")
        if not _pack_sparse(bounds, flat, task * step, out):
            raise ValueError("sparse rows name a column that does not exist")

    parallel_for(-(-n // step), n_threads, None, pack_part)
    return out
