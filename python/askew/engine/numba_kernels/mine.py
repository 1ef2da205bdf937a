"""Depth-first mining on bitmaps (Eclat; Zaki 2000): an itemset is extended by those columns only that extended its
prefix, rare columns first.

Columns, and pairs of frequent ones, are counted as itemsets in a list are; pairs with a rare one by going through its
rows. For each column, the rows that contain it are then copied to a table of their own, where all that extends it is
found: these tables are the shorter the rarer the column is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from numba import types

from askew.engine.numba_kernels.count import count
from askew.engine.numba_kernels.found import Found
from askew.engine.numba_kernels.jit import array, const, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.numba_kernels.rows import rows_of
from askew.engine.numba_kernels.words import addresses_of, count_with_each, trailing_zeros, transpose, words_at
from askew.engine.protocol import Int32, Int64, Itemsets, MinedItemsets, MiningTable, Monitor, Words

_PAIRS_AT_A_TIME = 1 << 18
_WORDS_PER_TASK = 1 << 10
_WORDS_PER_CALL = 1 << 28  # that are combined: some ten milliseconds
_ITEMS_PER_CALL = 1 << 20


def mine(
    tables: Sequence[MiningTable],
    min_count: int,
    max_size: int,
    max_sets: int,
    n_threads: int,
    monitor: Monitor | None,
) -> MinedItemsets:
    """As `Engine.mine`."""
    found = Found(max_sets)
    columns = np.arange(len(tables[0].columns) if max_size > 0 else 0, dtype=np.int32)[:, None]
    supports = _supports(tables, columns, n_threads, monitor)
    singles = columns[supports.min(axis=0, initial=2**62) >= min_count].ravel()
    found.add(np.ones(len(singles), np.int32), singles)
    if max_size >= 2 and len(singles) >= 2:
        # rare ones first, so that few columns extend itemsets of many rows
        order = singles[np.argsort(supports.sum(axis=0)[singles], kind="stable")]
        by_rows = [_by_rows(table.columns, order, n_threads, monitor) for table in tables]
        rare = _rare(supports[:, order].sum(axis=0), sum(rows.shape[0] for rows in by_rows) * len(supports))
        frequent = _extensions(tables, order, rare, min_count, found, n_threads, monitor)
        branches = _Branches(tables, by_rows, order, min_count, max_size, found)

        def mine_branch(place: int, check: Check) -> None:
            branches.mine(place, frequent.get(place), check)

        parallel_for(len(order) - 1, n_threads, monitor, mine_branch)
    itemsets = found.in_order()
    return MinedItemsets(itemsets, _in_groups(tables, itemsets, n_threads, monitor))


def _in_groups(tables: Sequence[MiningTable], itemsets: Itemsets, n_threads: int, monitor: Monitor | None) -> Int64:
    """Counts of itemsets in all groups of all tables: shape (S, groups)."""
    counts = []
    offsets = itemsets.offsets + np.arange(len(itemsets) + 1)  # with one column more
    for columns, _, groups in tables:
        if groups is None:
            continue
        for group in range(len(groups)):
            items = np.insert(itemsets.items, itemsets.offsets[:-1], len(columns) + group)
            counts.append(count([columns, groups], 64 * columns.shape[1], Itemsets(items, offsets), n_threads, monitor))
    return np.array(counts, np.int64).reshape(len(counts), len(itemsets)).T


def _rare(sizes: Int64, n_rows: int) -> int:
    """How many columns, which ascend in size, are combined with the later ones in fewer cycles by going through their
    rows than by ANDs of columns of `n_rows`: rough estimates."""
    n_later = np.arange(len(sizes) - 1, -1, -1)
    by_rows = sizes * (n_later // 16 + 20 + 4 * sizes.sum() // n_rows)
    by_columns = n_later * (n_rows // 256 + 10)
    return int(np.append(by_rows >= by_columns, True).argmax())


def _extensions(
    tables: Sequence[MiningTable],
    order: Int32,
    begin: int,
    min_count: int,
    found: Found,
    n_threads: int,
    monitor: Monitor | None,
) -> dict[int, Int64]:
    """Finds the pairs of columns at places begin, … of the order: which later places extend each."""
    extensions = {place: np.zeros(0, np.int64) for place in range(begin, len(order) - 1)}
    for first, second in _pairs(begin, len(order)):
        pairs = np.stack([order[first], order[second]], axis=1)
        frequent = _supports(tables, pairs, n_threads, monitor).min(axis=0, initial=2**62) >= min_count
        found.add(np.full(frequent.sum(), 2, np.int32), np.sort(pairs[frequent], axis=1).ravel())
        first, second = first[frequent], second[frequent]
        begins = np.flatnonzero(np.diff(first, prepend=-1))
        extensions |= zip(first[begins].tolist(), np.split(second, begins[1:]), strict=False)
    return extensions


def _pairs(first: int, n: int) -> Iterator[tuple[Int64, Int64]]:
    """All pairs of places first, …, n - 1, some of their first places at a time."""
    per_batch = max(1, _PAIRS_AT_A_TIME // max(1, n))
    for begin in range(first, n - 1, per_batch):
        places = range(begin, min(n - 1, begin + per_batch))
        yield (
            np.repeat(places, [n - 1 - place for place in places]),
            np.concatenate([np.arange(place + 1, n) for place in places]),
        )


def _supports(tables: Sequence[MiningTable], sets: Int32, n_threads: int, monitor: Monitor | None) -> Int64:
    """Counts of sets of one size in each table, or in each of its masks: shape (supports, sets)."""
    supports = []
    for columns, masks, _ in tables:
        blocks, p, n = [columns], len(columns), 64 * columns.shape[1]
        if masks is not None:
            blocks.append(masks)
        for mask in [None] if masks is None else range(len(masks)):
            within = sets if mask is None else np.insert(sets, 0, p + mask, axis=1)
            itemsets = Itemsets(within.ravel(), np.arange(len(within) + 1, dtype=np.int64) * within.shape[1])
            supports.append(count(blocks, n, itemsets, n_threads, monitor))
    return np.array(supports, np.int64).reshape(len(supports), len(sets))


@kernel(types.int64(types.int64, types.int64, types.int64, array(types.int64)))
def _list_rows(column, mask, n_words, out):
    """Rows of a column, within a mask if that is not 0; returns how many."""
    words = words_at(column, n_words)
    within = words_at(mask if mask != 0 else column, n_words)
    n = 0
    for w in range(n_words):
        bits = words[w] & within[w]
        while bits != 0:
            out[n] = 64 * w + trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            n += 1
    return n


@kernel(types.void(const(types.uint64, 2), const(types.int64), const(types.int64), types.int64, array(types.uint64, 2)))
def _project(rows, chosen, places, first_word, out):
    """Packs the columns at the given (ascending) places of chosen rows, from a word of the output on."""
    block = np.empty(64, np.uint64)
    for begin in range(0, chosen.size, 64):
        n = min(64, chosen.size - begin)
        c = 0
        while c < places.size:
            group = places[c] // 64
            for r in range(n):
                block[r] = rows[chosen[begin + r], group]
            block[n:] = 0
            transpose(block)
            while c < places.size and places[c] // 64 == group:
                out[c, first_word + begin // 64] = block[places[c] % 64]
                c += 1


@kernel(types.void(const(types.uint64, 2), const(types.int64), types.int64, array(types.int64)))
def _count_later(rows, chosen, place, counts):
    """How many of the chosen rows have each column after a place."""
    first = place // 64
    for r in chosen:
        for w in range(first, rows.shape[1]):
            bits = rows[r, w]
            if w == first:
                bits &= ~np.uint64(0) << np.uint64(place % 64) << np.uint64(1)
            while bits != 0:
                counts[64 * w + trailing_zeros(bits)] += 1
                bits &= bits - np.uint64(1)


@kernel(
    types.boolean(
        const(types.uint64, 2),
        const(types.int64),
        const(types.int64),
        const(types.int32),
        types.int64,
        types.int64,
        array(types.int64, 2),
        array(types.int32),
        array(types.uint64, 2),
        array(types.int64),
        array(types.int32),
        array(types.int32),
    )
)
def _extend(bits, addresses, bounds, names, min_count, max_size, extensions, path, joined, state, sizes, items):
    """Finds itemsets that extend a column by two or more of the `names`, until all are found (then True), or there is
    no more room for them, or time is up; what `state` and the arrays before it then hold is where to go on.

    The itemset at depth d is path[:d + 1], its rows are joined[d], if d > 0, and it is extended by the columns
    extensions[d, 2:], of which extensions[d, 0] there are; extensions[d, 1] of them are done. Support is counted
    between each two of the `bounds`.
    """
    depth, n_sets, n_items, work = state[0], 0, 0, 0
    n_words = bits.shape[1]
    tails = np.empty(names.size, np.int64)
    counts = np.empty(names.size, np.int64)
    least = np.empty(names.size, np.int64)
    while depth >= 0:
        n, done = extensions[depth, 0], extensions[depth, 1]
        if done + 1 >= n:
            depth -= 1
            continue
        size = depth + 3
        if work > _WORDS_PER_CALL or n_sets + n > sizes.size or n_items + n * size > items.size:
            break
        extensions[depth, 1] += 1
        added = extensions[depth, 2 + done]
        later = extensions[depth, 3 + done : 2 + n]
        path[depth + 1] = names[added]
        words = joined[depth + 1]
        for w in range(n_words):
            words[w] = bits[added, w] & joined[depth, w] if depth > 0 else bits[added, w]
        least[: later.size] = np.iinfo(np.int64).max
        for j in range(bounds.size - 1):
            for i in range(later.size):
                tails[i] = addresses[later[i]] + 8 * bounds[j]
                counts[i] = 0
            count_with_each(words[bounds[j] : bounds[j + 1]], tails, later.size, counts)
            for i in range(later.size):
                least[i] = min(least[i], counts[i])
        work += n_words * (later.size + 1) + 100
        prefix = np.sort(path[: depth + 2])
        n_next = 0
        goes_on = size < max_size
        for i in range(later.size):
            if least[i] < min_count:
                continue
            if goes_on:
                extensions[depth + 1, 2 + n_next] = later[i]
            n_next += 1
            name = names[later[i]]
            place = 0
            while place < prefix.size and prefix[place] < name:
                items[n_items + place] = prefix[place]
                place += 1
            items[n_items + place] = name
            for k in range(place, prefix.size):
                items[n_items + k + 1] = prefix[k]
            sizes[n_sets] = size
            n_sets += 1
            n_items += size
        if goes_on and n_next > 1:
            depth += 1
            extensions[depth, 0] = n_next
            extensions[depth, 1] = 0
    state[0], state[1], state[2] = depth, n_sets, n_items
    return depth < 0


class _Branches:
    """Finds all that extends a column by columns that come later in the order."""

    def __init__(
        self,
        tables: Sequence[MiningTable],
        by_rows: Sequence[Words],
        order: Int32,
        min_count: int,
        max_size: int,
        found: Found,
    ) -> None:
        self._tables, self._by_rows, self._order = tables, by_rows, order
        self._min_count, self._max_size, self._found = min_count, max_size, found

    def mine(self, place: int, extensions: Int64 | None, check: Check) -> None:
        """All itemsets that begin with the column at a place; pairs only if its extensions are not known."""
        column = self._order[place]
        chosen = [
            (rows, some)
            for rows, table in zip(self._by_rows, self._tables, strict=True)
            for some in _rows_within(table, column)
        ]
        if extensions is None:
            extensions = self._pairs(place, chosen)
        if self._max_size >= 3 and extensions.size >= 2:
            bounds = np.cumsum([0, *(-(-some.size // 64) for _, some in chosen)], dtype=np.int64)
            bits = np.empty((extensions.size, bounds[-1]), np.uint64)
            for (rows, some), begin in zip(chosen, bounds, strict=False):
                _project(rows, some, extensions, begin, bits)
            self._extend(column, bits, bounds, self._order[extensions], check)

    def _pairs(self, place: int, chosen: list[tuple[Words, Int64]]) -> Int64:
        """Places of the columns that extend the one whose rows are chosen."""
        least = np.full(len(self._order), 2**62)
        for rows, some in chosen:
            counts = np.zeros(64 * rows.shape[1], np.int64)
            _count_later(rows, some, place, counts)
            np.minimum(least, counts[: least.size], out=least)
        least[: place + 1] = -1
        later = np.flatnonzero(least >= self._min_count)
        columns = self._order[later]
        pairs = np.stack([np.minimum(columns, self._order[place]), np.maximum(columns, self._order[place])], axis=1)
        self._found.add(np.full(len(pairs), 2, np.int32), pairs.ravel())
        return later

    def _extend(self, column: int, bits: Words, bounds: Int64, names: Int32, check: Check) -> None:
        n_levels = min(self._max_size - 2, names.size - 1)
        extensions = np.empty((n_levels + 1, 2 + names.size), np.int64)
        extensions[0] = [names.size, 0, *range(names.size)]
        path = np.empty(n_levels + 2, np.int32)
        path[0] = column
        joined = np.empty((n_levels + 1, bits.shape[1]), np.uint64)
        room = max(_ITEMS_PER_CALL, names.size * self._max_size)
        sizes, items = np.empty(room // 3, np.int32), np.empty(room, np.int32)
        state, addresses = np.zeros(3, np.int64), addresses_of([bits])
        limits = self._min_count, self._max_size
        finished = False
        while not finished:
            check()
            finished = _extend(bits, addresses, bounds, names, *limits, extensions, path, joined, state, sizes, items)
            self._found.add(sizes[: state[1]].copy(), items[: state[2]].copy())


def _by_rows(columns: Words, order: Int32, n_threads: int, monitor: Monitor | None) -> npt.NDArray[np.uint64]:
    addresses, n_words = addresses_of([columns])[order], columns.shape[1]
    rows = np.empty((64 * n_words, max(1, -(-len(order) // 64))), np.uint64)

    def fill(task: int, check: Check) -> None:
        begin, end = task * _WORDS_PER_TASK, min(n_words, (task + 1) * _WORDS_PER_TASK)
        rows_of(addresses, begin, end - begin, rows[64 * begin : 64 * end])

    parallel_for(-(-n_words // _WORDS_PER_TASK), n_threads, monitor, fill)
    return rows


def _rows_within(table: MiningTable, column: int) -> Iterator[Int64]:
    """Rows of a column, or those in each of the masks."""
    address, n_words = addresses_of([table.columns])[column], table.columns.shape[1]
    room = np.empty(int(np.bitwise_count(table.columns[column]).sum()), np.int64)
    for mask in [0] if table.masks is None else addresses_of([table.masks]):
        yield room[: _list_rows(address, mask, n_words, room)].copy()
