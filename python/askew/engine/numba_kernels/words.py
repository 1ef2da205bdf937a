"""Packed columns as kernels see them: addresses, for they come in several blocks, some of which are read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from askew.engine.numba_kernels.jit import inlined
from askew.engine.protocol import Int64, Words

LINE = 8  # words; columns have a whole number of such lines


def addresses_of(columns: Sequence[Words]) -> Int64:
    """Where each column's first word lies, through all blocks. The blocks must outlive the addresses."""
    addresses = [
        block.__array_interface__["data"][0] + block.strides[0] * np.arange(len(block), dtype=np.int64)
        for block in columns
    ]
    return np.concatenate(addresses) if addresses else np.zeros(0, np.int64)


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Number of ones of a uint64; loops over it become vector instructions where the processor has them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Position of the lowest one of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.uint64)(types.int64), generate


@inlined
def words_at(address, n_words):
    """The words that begin at an address, as an array."""
    return carray(_pointer(address), (n_words,))


@inlined
def join(addresses, items, first_word, out):
    """ANDs words first_word, … of one column or more into `out`."""
    n_words = out.size
    first = words_at(addresses[items[0]] + 8 * first_word, n_words)
    if items.size == 1:
        out[:] = first
        return
    second = words_at(addresses[items[1]] + 8 * first_word, n_words)
    for w in range(n_words):
        out[w] = first[w] & second[w]
    for i in range(2, items.size):
        other = words_at(addresses[items[i]] + 8 * first_word, n_words)
        for w in range(n_words):
            out[w] &= other[w]


@inlined
def count_both(words, address, n_words):
    """Ones of the words that are ones at the address as well."""
    other = words_at(address, n_words)
    ones = np.int64(0)
    for w in range(n_words):
        ones += popcount(words[w] & other[w])
    return ones


@inlined
def count_with_each(words, addresses, n, out):
    """Adds to out[i] the ones of `words` with the column at addresses[i], i < n; a word that is loaded meets four."""
    n_words = words.size
    i = 0
    while i + 4 <= n:
        a = words_at(addresses[i], n_words)
        b = words_at(addresses[i + 1], n_words)
        c = words_at(addresses[i + 2], n_words)
        d = words_at(addresses[i + 3], n_words)
        with_a = with_b = with_c = with_d = np.int64(0)
        for w in range(n_words):
            word = words[w]
            with_a += popcount(word & a[w])
            with_b += popcount(word & b[w])
            with_c += popcount(word & c[w])
            with_d += popcount(word & d[w])
        out[i] += with_a
        out[i + 1] += with_b
        out[i + 2] += with_c
        out[i + 3] += with_d
        i += 4
    while i < n:
        out[i] += count_both(words, addresses[i], n_words)
        i += 1


@inlined
def _swap(block, width, mask):
    """Swaps the two blocks off the diagonal in each square of 2 * width rows and bits."""
    shift = np.uint64(width)
    for base in range(0, 64, 2 * width):
        for i in range(base, base + width):
            swapped = ((block[i] >> shift) ^ block[i + width]) & np.uint64(mask)
            block[i] ^= swapped << shift
            block[i + width] ^= swapped


@inlined
def transpose(block):
    """Transposes 64 × 64 bits in place: bit j of word i and bit i of word j change places.

    Warren, Hacker's Delight, section 7-3; step by step, so that the compiler sees loops of known length.
    """
    _swap(block, 32, 0x00000000FFFFFFFF)
    _swap(block, 16, 0x0000FFFF0000FFFF)
    _swap(block, 8, 0x00FF00FF00FF00FF)
    _swap(block, 4, 0x0F0F0F0F0F0F0F0F)
    _swap(block, 2, 0x3333333333333333)
    _swap(block, 1, 0x5555555555555555)
