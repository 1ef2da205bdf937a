"""Distinct rows, in a hash table for each thread."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.numba_kernels.rows import rows_of
from askew.engine.numba_kernels.words import addresses_of
from askew.engine.protocol import Int64, Words

_WORDS_PER_TASK = 1 << 8  # of a column: 16,384 rows
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth, The Art of Computer Programming, 6.4


@kernel(
    types.UniTuple(types.int64, 2)(
        const(types.uint64, 2),
        const(types.int64),
        const(types.int64),
        types.int64,
        types.int64,
        array(types.int64),
        array(types.uint64, 2),
        array(types.int64),
        array(types.int64),
    )
)
def _add_rows(rows, first, multiplicity, begin, size, slots, known, known_first, known_multiplicity):
    """Adds rows begin, … to a table of `size` rows until it is full; returns how many rows were added, and its size.

    `slots` has numbers of `known` rows plus 1; 0 where there is none.
    """
    width, last = rows.shape[1], slots.size - 1
    for i in range(begin, rows.shape[0]):
        hash_of = np.uint64(0)
        for w in range(width):
            hash_of = (hash_of ^ rows[i, w]) * _ODD
            hash_of ^= hash_of >> np.uint64(32)
        slot = np.int64(hash_of * _ODD >> np.uint64(33)) & last
        while True:
            entry = slots[slot] - 1
            unequal = np.uint64(0)
            if entry >= 0:
                for w in range(width):
                    unequal |= known[entry, w] ^ rows[i, w]
            if unequal == 0:
                break
            slot = (slot + 1) & last
        if entry >= 0:
            known_first[entry] = min(known_first[entry], first[i])
            known_multiplicity[entry] += multiplicity[i]
            continue
        if size == known.shape[0]:
            return i, size
        for w in range(width):
            known[size, w] = rows[i, w]
        known_first[size] = first[i]
        known_multiplicity[size] = multiplicity[i]
        size += 1
        slots[slot] = size
    return rows.shape[0], size


class PatternTable:
    """Distinct rows, in the order in which they were added."""

    def __init__(self, width: int) -> None:
        self._make(1 << 10, width)

    def _make(self, capacity: int, width: int) -> None:
        self.size = 0
        self._slots = np.zeros(4 * capacity, np.int64)
        self._rows = np.empty((capacity, width), np.uint64)
        self._first = np.empty(capacity, np.int64)
        self._multiplicity = np.empty(capacity, np.int64)

    def entries(self) -> tuple[npt.NDArray[np.uint64], Int64, Int64]:
        """Rows, index of the first instance of each, and multiplicity."""
        return self._rows[: self.size], self._first[: self.size], self._multiplicity[: self.size]

    def add(self, rows: npt.NDArray[np.uint64], first: Int64, multiplicity: Int64) -> None:
        done = 0
        while True:
            table = (self._slots, self._rows, self._first, self._multiplicity)
            done, self.size = _add_rows(rows, first, multiplicity, done, self.size, *table)
            if done == len(rows):
                return
            entries = self.entries()
            self._make(4 * self.size, rows.shape[1])
            self.add(*entries)


def patterns(columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
    """As `Engine.patterns`."""
    addresses = addresses_of([columns])
    width = max(1, -(-len(columns) // 64))
    tables: list[PatternTable] = []
    idle: list[PatternTable] = []
    ones = np.ones(64 * _WORDS_PER_TASK, np.int64)

    def add(task: int, check: Check) -> None:
        try:
            table = idle.pop()
        except IndexError:
            tables.append(table := PatternTable(width))
        first_word = task * _WORDS_PER_TASK
        n_rows = min(n - 64 * first_word, 64 * _WORDS_PER_TASK)
        rows = rows_of(addresses, first_word, -(-n_rows // 64))[:n_rows]
        table.add(rows, np.arange(n_rows) + 64 * first_word, ones)
        idle.append(table)

    parallel_for(-(-n // len(ones)), n_threads, None, add)
    if not tables:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    whole, *others = sorted(tables, key=lambda table: -table.size)
    for other in others:
        whole.add(*other.entries())
    _, first, multiplicity = whole.entries()
    if not others:  # which took the rows in their order
        return first.copy(), multiplicity.copy()
    order = np.argsort(first)
    return first[order], multiplicity[order]
