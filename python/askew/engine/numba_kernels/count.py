"""Counts of itemsets: neighbours in the list that differ in their last column are counted together, block by block of
rows that fit the cache."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numba import types

from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.numba_kernels.words import LINE, addresses_of, count_both, count_with_each, join, words_at
from askew.engine.protocol import Int64, Itemsets, Monitor, Words, words_for

_BLOCK_BYTES = 1 << 20  # of all columns, in the L2 cache
_SETS_PER_TASK = 1 << 12
_WORDS_PER_TASK = 1 << 28  # that are combined: some ten milliseconds


@kernel(types.int64(const(types.int32), const(types.int64), types.int64, types.int64, array(types.int64)))
def _group(items, offsets, begin, end, starts):
    """Cuts itemsets begin … end - 1 where the stem, all columns but the last, changes; returns how many groups."""
    n_groups = 0
    for s in range(begin, end):
        size = offsets[s + 1] - offsets[s]
        same = s > begin and size > 1 and size == offsets[s] - offsets[s - 1]
        i = 0
        while same and i < size - 1:
            same = items[offsets[s] + i] == items[offsets[s - 1] + i]
            i += 1
        if not same:
            starts[n_groups] = s
            n_groups += 1
    starts[n_groups] = end
    return n_groups


@kernel(
    types.void(
        const(types.int64),
        const(types.int32),
        const(types.int64),
        const(types.int64),
        types.int64,
        types.int64,
        types.int64,
        array(types.int64),
    )
)
def _count_groups(addresses, items, offsets, starts, first_word, end_word, block, sums):
    """Adds to the sums of all groups' itemsets what they have in a range of words."""
    buffer = np.empty(block, np.uint64)
    tails = np.empty(max(1, np.max(starts[1:] - starts[:-1])), np.int64)
    for begin in range(first_word, end_word, block):
        n_words = min(block, end_word - begin)
        for g in range(starts.size - 1):
            s = starts[g]
            n = starts[g + 1] - s
            size = offsets[s + 1] - offsets[s]
            sum_of = sums[s - starts[0] :]
            for t in range(n):
                tails[t] = addresses[items[offsets[s + t + 1] - 1]] + 8 * begin if size > 0 else 0
            if size == 1:
                sum_of[0] += count_both(words_at(tails[0], n_words), tails[0], n_words)
            elif size == 2:
                stem = words_at(addresses[items[offsets[s]]] + 8 * begin, n_words)
                count_with_each(stem, tails, n, sum_of)
            elif size > 2:
                stem = buffer[:n_words]
                join(addresses, items[offsets[s] : offsets[s + 1] - 1], begin, stem)
                count_with_each(stem, tails, n, sum_of)


def count(columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None) -> Int64:
    """As `Engine.count`."""
    items, offsets = itemsets
    counts = np.where(np.diff(offsets) == 0, np.int64(n), np.int64(0))
    n_words = words_for(n)
    if not (n_words and len(itemsets)):
        return counts
    addresses = addresses_of(columns)
    block = min(1024, max(64, _BLOCK_BYTES // (8 * max(1, len(addresses))) // LINE * LINE))

    bounds = range(0, len(itemsets), _SETS_PER_TASK)
    starts: list[Int64] = []
    for begin in bounds:
        end = min(len(itemsets), begin + _SETS_PER_TASK)
        found = np.empty(end - begin + 1, np.int64)
        starts.append(found[: _group(items, offsets, begin, end, found) + 1])
    # parts short enough for Ctrl-C, and enough of them to keep every thread busy to the end
    n_parts = max(_SETS_PER_TASK * n_words // _WORDS_PER_TASK, 4 * n_threads // len(bounds) if n_threads > 1 else 0)
    part = -(-n_words // (n_parts + 1) // block) * block
    n_parts = -(-n_words // part)
    lock = Lock()

    def count_part(task: int, check: Check) -> None:
        groups, first_word = starts[task // n_parts], task % n_parts * part
        begin, end = groups[0], groups[-1]
        sums = np.zeros(end - begin, np.int64)
        last_word = min(n_words, first_word + part)
        _count_groups(addresses, items, offsets, groups, first_word, last_word, block, sums)
        with lock:
            counts[begin:end] += sums

    parallel_for(len(starts) * n_parts, n_threads, monitor, count_part)
    return counts
