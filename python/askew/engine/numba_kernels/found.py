"""Itemsets as mining finds them, and their order."""

from __future__ import annotations

from threading import Lock

import numpy as np

from askew.engine.protocol import Int32, Itemsets, TooManySets


class Found:
    """Itemsets in any order, of which only `max_sets` are allowed."""

    def __init__(self, max_sets: int) -> None:
        self._sizes: list[Int32] = []
        self._items: list[Int32] = []
        self._left = max_sets
        self._lock = Lock()

    def add(self, sizes: Int32, items: Int32) -> None:
        with self._lock:
            self._left -= len(sizes)
            self._sizes.append(sizes)
            self._items.append(items)
        if self._left < 0:
            raise TooManySets

    def in_order(self) -> Itemsets:
        """By size, then columns."""
        sizes, items = np.concatenate(self._sizes), np.concatenate(self._items)
        begins = np.cumsum(sizes, dtype=np.int64) - sizes
        ordered = []
        for size in np.unique(sizes):
            some = items[begins[sizes == size][:, None] + np.arange(size)]
            ordered.append(_sorted(some).ravel())
        offsets = np.concatenate([[0], np.cumsum(np.sort(sizes), dtype=np.int64)])
        return Itemsets(np.concatenate([np.zeros(0, np.int32), *ordered]), offsets)


def _sorted(itemsets: Int32) -> Int32:
    """Rows of an array in lexical order; as whole numbers, where a row fits into one."""
    size = itemsets.shape[1]
    bits = int(itemsets.max()).bit_length()
    if size * bits > 63:
        return itemsets[np.lexsort(itemsets.T[::-1])]
    keys = np.zeros(len(itemsets), np.int64)
    for column in itemsets.T:
        keys = keys << bits | column
    keys.sort()
    shifts = bits * np.arange(size - 1, -1, -1)
    return (keys[:, None] >> shifts & ((1 << bits) - 1)).astype(np.int32)
