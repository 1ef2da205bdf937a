"""Counts under bootstrap weights: the weights of a row for a block of replicates are drawn, and added to the sums of
the itemsets that the row contains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from askew.engine.numba_kernels.balance import (
    BLOCK,
    CHANGES,
    NO_UNITS,
    NONE,
    Changes,
    apply_changes,
    at_a_time,
    balance,
)
from askew.engine.numba_kernels.incidence import MAX_ITEMSETS, Piece, chunks
from askew.engine.numba_kernels.jit import array, const, inlined, kernel
from askew.engine.numba_kernels.parallel import Check, parallel_for
from askew.engine.numba_kernels.threefry import key_of, uniforms
from askew.engine.numba_kernels.words import addresses_of
from askew.engine.pattern_weights import DISTRIBUTION, TOP, poisson_tables
from askew.engine.protocol import Draws, Int64, Itemsets, Monitor, UInt8, UInt32, Words
from askew.engine.weights import DISTRIBUTIONS, OUTCOMES, UNIFORM_BITS, alias_table

_GUIDE_BITS = 10


@intrinsic
def _add_block(typing_context: Any, sums: Any, itemset: Any, weights: Any) -> Any:
    """sums[itemset] += weights, 128 bytes: written out, since the compiler would first ask whether they overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), BLOCK)
        all_sums, added = (
            builder.bitcast(context.make_array(kind)(context, builder, value).data, block.as_pointer())
            for kind, value in ((sums, arguments[0]), (weights, arguments[2]))
        )
        place = builder.gep(all_sums, [arguments[1]])
        total = builder.add(builder.load(place, align=1), builder.load(added, align=1))
        builder.store(total, place, align=1)
        return context.get_dummy_value()

    return types.void(sums, types.int64, weights), generate


class AliasTable(NamedTuple):
    """Walker's table as arrays; for 16 bits also the weight of every uniform."""

    cut: UInt32
    first: UInt8
    second: UInt8
    weights: UInt8


@cache
def _alias_arrays(distribution: str) -> AliasTable:
    cut, first, second = alias_table(distribution)
    table = AliasTable(np.array(cut, np.uint32), np.array(first, np.uint8), np.array(second, np.uint8), _NO_BYTES)
    if UNIFORM_BITS[distribution] > 16:
        return table
    u = np.arange(1 << 16, dtype=np.uint32)
    below = u // 16 < table.cut[u % 16]
    return table._replace(weights=np.where(below, table.first[u % 16], table.second[u % 16]))


_NO_BYTES = np.zeros(0, np.uint8)


@kernel(
    types.void(
        const(types.uint32),
        types.UniTuple(const(types.uint8), 3),
        const(types.uint32),
        types.uint64,
        const(types.uint32),
        CHANGES,
        types.int64,
        const(types.int32),
        const(types.uint16),
        types.int64,
        array(types.uint8, 2),
        array(types.uint8),
        array(types.uint32, 2),
    )
)
def _add_rows(key, weights_of, cut, first_row, units, changes, block, starts, entries, max_added, sums8, n_added, sums):
    """Adds the weights of a piece's rows in a block of replicates to 8-bit sums, and these to others in time."""
    first, second, weights16 = weights_of
    words = np.empty(BLOCK, np.uint32)
    halves = words.view(np.uint16)
    weights = np.empty(BLOCK, np.uint8)
    for row in range(starts.size - 1):
        if starts[row] == starts[row + 1]:
            continue
        unit = np.uint64(units[row]) if units.size > 0 else first_row + np.uint64(row)
        if weights16.size > 0:
            uniforms(key, unit, 0, BLOCK // 8 * block, BLOCK // 8, words)
            for r in range(BLOCK):
                weights[r] = weights16[halves[r]]
        else:
            uniforms(key, unit, 0, BLOCK // 4 * block, BLOCK // 4, words)
            for r in range(BLOCK):
                column = words[r] & np.uint32(15)
                weights[r] = first[column] if words[r] >> np.uint32(4) < cut[column] else second[column]
        if changes[0].size > 0:
            apply_changes(changes, unit, weights)
        for i in range(starts[row], starts[row + 1]):
            s = np.int64(entries[i])
            if n_added[s] == max_added:
                for r in range(BLOCK):
                    sums[s, r] += sums8[s, r]
                    sums8[s, r] = 0
                n_added[s] = 0
            _add_block(sums8, s, weights)
            n_added[s] += 1


def _places(uniform_bits: int) -> Int64:
    """Where the generator leaves the uniforms of a block's replicates."""
    per_word = 32 // uniform_bits
    replicates = np.arange(BLOCK).reshape(-1, 4, per_word).transpose(1, 0, 2).reshape(-1, per_word)
    if per_word == 2:  # halves of a word, in the order of this machine's bytes
        replicates = (replicates[:, 0] | replicates[:, 1] << 16).astype(np.uint32)[:, None].view(np.uint16)
    return np.argsort(replicates.ravel())


def resample(
    columns: Sequence[Words],
    n: int,
    itemsets: Itemsets,
    draws: Draws,
    replicates: range,
    out: Int64,
    n_threads: int,
    monitor: Monitor | None,
) -> None:
    """As `Engine.resample`."""
    balanced = draws.distribution == "multinomial"
    distribution = "poisson" if balanced else draws.distribution
    key = key_of(draws.seed, draws.table, DISTRIBUTIONS[distribution])
    cut, *weights_of = _alias_arrays(distribution)
    places, largest = _places(UNIFORM_BITS[distribution]), len(OUTCOMES[distribution]) - 1
    changes_of: dict[int, Changes] = {}
    if balanced and len(replicates) > 0:
        assert draws.units is not None
        step = at_a_time(draws.units)
        if len(replicates) > step:
            for first in range(0, len(replicates), step):
                some = slice(first, first + step)
                resample(columns, n, itemsets, draws, replicates[some], out[some], n_threads, monitor)
            return
        changes_of, most_added = balance(draws, weights_of[-1], places, replicates, n_threads, monitor)
        largest += most_added
    max_added = 255 // largest
    of_row = None if draws.units is None else draws.units.of_row

    def sums_of(pieces: list[Piece], block: int, size: int, check: Check) -> npt.NDArray[np.uint32]:
        sums = np.zeros((size, BLOCK), np.uint32)
        sums8, n_added = np.zeros((size, BLOCK), np.uint8), np.zeros(size, np.uint8)
        for first_row, starts, entries in pieces:
            check()
            row = np.uint64(draws.first_row + first_row)
            units = NO_UNITS if of_row is None else of_row[first_row : first_row + starts.size - 1]
            changes = tuple(changes_of.get(block, NONE))
            _add_rows(
                *(key, tuple(weights_of), cut, row, units, changes, block),
                *(starts, entries, max_added, sums8, n_added, sums),
            )
        sums += sums8
        return sums

    _resample(columns, n, itemsets, replicates, out, n_threads, monitor, places, sums_of)


class PoissonArrays(NamedTuple):
    """Inverse distribution functions of Poisson(1), Poisson(2), Poisson(4), …: see `PoissonTable`.

    Thresholds of table b are thresholds[bounds[b]:bounds[b + 1]]; guide[b, i]: how many of them are not above the least
    uniform that begins with the bits of i.
    """

    first: Int64
    bounds: Int64
    thresholds: UInt32
    guide: Int64


@cache
def _poisson_arrays(n_bits: int) -> PoissonArrays:
    tables = poisson_tables((1 << n_bits) - 1)
    least = np.arange(1 << _GUIDE_BITS, dtype=np.uint32) << np.uint32(32 - _GUIDE_BITS)
    return PoissonArrays(
        np.array([table.first for table in tables], np.int64),
        np.cumsum([0, *(len(table.thresholds) for table in tables)], dtype=np.int64),
        np.concatenate([np.zeros(0, np.uint32), *(table.thresholds for table in tables)]),
        np.array([np.searchsorted(table.thresholds, least, side="right") for table in tables], np.int64).reshape(
            -1, len(least)
        ),
    )


@inlined
def _add_draw(uniforms_of, tables, bit, weights):
    firsts, bounds, thresholds, guide = tables
    for r in range(BLOCK):
        i = bounds[bit] + guide[bit, uniforms_of[r] >> np.uint32(32 - _GUIDE_BITS)]
        while i < bounds[bit + 1] and thresholds[i] <= uniforms_of[r]:
            i += 1
        weights[r] += firsts[bit] + i - bounds[bit]


@kernel(
    types.void(
        const(types.uint32),
        types.Tuple((const(types.int64), const(types.int64), const(types.uint32), const(types.int64, 2))),
        const(types.int64),
        types.int64,
        types.int64,
        const(types.int32),
        const(types.uint16),
        array(types.int64, 2),
    )
)
def _add_patterns(key, tables, multiplicities, first_pattern, block, starts, entries, sums):
    """Adds the weights of a piece's patterns in a block of replicates to the sums of the itemsets they contain."""
    words = np.empty(BLOCK, np.uint32)
    weights = np.empty(BLOCK, np.int64)
    for row in range(starts.size - 1):
        if starts[row] == starts[row + 1]:
            continue
        weights[:] = 0
        pattern = first_pattern + row
        for bit in range(TOP):
            if multiplicities[pattern] >> bit & 1:
                uniforms(key, pattern, bit, BLOCK // 4 * block, BLOCK // 4, words)
                _add_draw(words, tables, bit, weights)
        for copy in range(multiplicities[pattern] >> TOP):
            uniforms(key, pattern, TOP + copy, BLOCK // 4 * block, BLOCK // 4, words)
            _add_draw(words, tables, TOP, weights)
        for i in range(starts[row], starts[row + 1]):
            for r in range(BLOCK):
                sums[entries[i], r] += weights[r]


def resample_patterns(
    columns: Sequence[Words],
    multiplicities: Int64,
    itemsets: Itemsets,
    draws: Draws,
    replicates: range,
    out: Int64,
    n_threads: int,
    monitor: Monitor | None,
) -> None:
    """As `Engine.resample_patterns`."""
    key = key_of(draws.seed, draws.table, DISTRIBUTION)
    tables = _poisson_arrays(min(int(multiplicities.max(initial=0)).bit_length(), TOP + 1))
    multiplicities = np.ascontiguousarray(multiplicities, np.int64)

    def sums_of(pieces: list[Piece], block: int, size: int, check: Check) -> Int64:
        sums = np.zeros((size, BLOCK), np.int64)
        for first_row, starts, entries in pieces:
            check()
            _add_patterns(key, tuple(tables), multiplicities, first_row, block, starts, entries, sums)
        return sums

    _resample(columns, len(multiplicities), itemsets, replicates, out, n_threads, monitor, _places(32), sums_of)


def _resample(
    columns: Sequence[Words],
    n: int,
    itemsets: Itemsets,
    replicates: range,
    out: Int64,
    n_threads: int,
    monitor: Monitor | None,
    places: Int64,
    sums_of: Callable[[list[Piece], int, int, Check], npt.NDArray[Any]],
) -> None:
    """Adds sums_of(pieces, block, number of itemsets, check) of all pieces and blocks of replicates to `out`.

    `places` says where a block's replicates stand in these sums.
    """
    if len(replicates) == 0:
        return
    addresses, lock = addresses_of(columns), Lock()
    blocks = range(replicates.start // BLOCK, (replicates.stop - 1) // BLOCK + 1)

    def add(pieces: list[Piece], counts: Int64, n_parts: int, task: int, check: Check) -> None:
        block, part = blocks[task // n_parts], task % n_parts
        some = pieces[len(pieces) * part // n_parts : len(pieces) * (part + 1) // n_parts]
        sums = sums_of(some, block, len(counts), check)
        begin, end = max(replicates.start, BLOCK * block), min(replicates.stop, BLOCK * (block + 1))
        chosen = sums[:, places[begin - BLOCK * block : end - BLOCK * block]]
        with lock:
            counts[:, begin - replicates.start : end - replicates.start] += chosen

    for first in range(0, len(itemsets), MAX_ITEMSETS):
        offsets = itemsets.offsets[first : first + MAX_ITEMSETS + 1]
        some = Itemsets(itemsets.items[offsets[0] : offsets[-1]], offsets - offsets[0])
        counts = out.T[first : first + len(some)]
        at_row = partial(_at, monitor, first * n, len(some), len(itemsets) * n)
        for pieces in chunks(addresses, n, some, n_threads, at_row):
            # a part for each block, unless there are more threads
            n_parts = min(len(pieces), -(-4 * n_threads // len(blocks)) if n_threads > 1 else 1)
            body = partial(add, pieces, counts, n_parts)
            parallel_for(len(blocks) * n_parts, n_threads, at_row(pieces[0].first_row), body)


def _at(monitor: Monitor | None, before: int, per_row: int, total: int, row: int) -> Monitor | None:
    """Tells the monitor, now and when it is looked at, that work has got to a row."""
    if monitor is None:
        return None
    monitor(before + per_row * row, total)
    return lambda *_: monitor(before + per_row * row, total)
