"""Threefry4x32-12, which `askew.engine.weights` states, for as many counters at once as a vector has lanes.

Numba widens 32-bit sums to 64 bits, hence the casts.
"""

from __future__ import annotations

import numpy as np

from askew.engine.numba_kernels.jit import inlined
from askew.engine.protocol import UInt32
from askew.engine.weights import PARITY, ROTATIONS

u32 = np.uint32
(_A0, _B0), (_A1, _B1), (_A2, _B2), (_A3, _B3), (_A4, _B4), (_A5, _B5), (_A6, _B6), (_A7, _B7) = ROTATIONS


def key_of(seed: int, table: int, stream: int) -> UInt32:
    """The five words of the key; `stream` tells distributions apart."""
    words = np.array([seed & 0xFFFFFFFF, seed >> 32, table, stream], np.uint32)
    return np.append(words, np.bitwise_xor.reduce(words) ^ np.uint32(PARITY))


@inlined
def _rotated(x, bits):
    return u32(x << u32(bits) | x >> u32(32 - bits))


@inlined
def _two_rounds(x0, x1, x2, x3, a, b, c, d):
    """An even round, which rotates by a and b, and an odd one, by c and d."""
    x0 = u32(x0 + x1)
    x1 = _rotated(x1, a) ^ x0
    x2 = u32(x2 + x3)
    x3 = _rotated(x3, b) ^ x2
    x0 = u32(x0 + x3)
    x3 = _rotated(x3, c) ^ x0
    x2 = u32(x2 + x1)
    x1 = _rotated(x1, d) ^ x2
    return x0, x1, x2, x3


@inlined
def uniforms(key, row, draw, first_block, n_blocks, out):
    """The four words of each of `n_blocks` blocks: word i of block first_block + j goes to out[i * n_blocks + j]."""
    k0, k1, k2, k3, k4 = key[0], key[1], key[2], key[3], key[4]
    low, high = u32(row), u32(np.uint64(row) >> np.uint64(32))
    for j in range(n_blocks):
        x0, x1, x2, x3 = u32(low + k0), u32(high + k1), u32(u32(first_block + j) + k2), u32(u32(draw) + k3)
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A0, _B0, _A1, _B1)
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A2, _B2, _A3, _B3)
        x0, x1, x2, x3 = u32(x0 + k1), u32(x1 + k2), u32(x2 + k3), u32(x3 + k4 + u32(1))
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A4, _B4, _A5, _B5)
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A6, _B6, _A7, _B7)
        x0, x1, x2, x3 = u32(x0 + k2), u32(x1 + k3), u32(x2 + k4), u32(x3 + k0 + u32(2))
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A0, _B0, _A1, _B1)
        x0, x1, x2, x3 = _two_rounds(x0, x1, x2, x3, _A2, _B2, _A3, _B3)
        out[j] = u32(x0 + k3)
        out[n_blocks + j] = u32(x1 + k4)
        out[2 * n_blocks + j] = u32(x2 + k0)
        out[3 * n_blocks + j] = u32(x3 + k1 + u32(3))
