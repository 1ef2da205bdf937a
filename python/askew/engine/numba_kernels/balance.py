"""The changes that make Poisson weights multinomial: see `engine.multinomial`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from askew.engine.multinomial import COPIES, STREAM
from askew.engine.numba_kernels.jit import array, const, inlined, kernel
from askew.engine.numba_kernels.parallel import parallel_for
from askew.engine.numba_kernels.threefry import key_of, uniforms
from askew.engine.protocol import Draws, Int64, Monitor, UInt8, UInt32, Units
from askew.engine.weights import DISTRIBUTIONS

BLOCK = 128  # replicates
_MAX_CHANGES = 1 << 22  # at a time, as many as are to be expected
_MAX_UNITS = 1 << 27  # in all blocks of a time
_TAKEN = 128


class Changes(NamedTuple):
    """What is added to the weights of units in a block. 64 units at a time: which of them change, and how many before
    them do. Change i of those that do consists of codes[starts[i]:starts[i + 1]], each of which adds 1 in a place of
    the block; or, with 128, takes 1.
    """

    units: npt.NDArray[np.uint64]
    before: UInt32
    starts: UInt32
    codes: UInt8


CHANGES = types.Tuple((const(types.uint64), const(types.uint32), const(types.uint32), const(types.uint8)))
NO_UNITS = np.zeros(0, np.uint32)
NONE = Changes(np.zeros(0, np.uint64), NO_UNITS, NO_UNITS, np.zeros(0, np.uint8))


@inlined
def apply_changes(changes, unit, weights):
    """Changes the weights of a unit in a block."""
    units, before, starts, codes = changes
    group, place = unit >> np.uint64(6), np.uint64(1) << (unit & np.uint64(63))
    if units[group] & place == 0:
        return
    i, below = np.int64(before[group]), units[group] & (place - np.uint64(1))
    while below != 0:
        below &= below - np.uint64(1)
        i += 1
    for c in range(starts[i], starts[i + 1]):
        if codes[c] < _TAKEN:
            weights[codes[c]] += np.uint8(1)
        else:
            weights[codes[c] - _TAKEN] -= np.uint8(1)


@kernel(
    types.void(
        const(types.uint32),
        const(types.uint8),
        const(types.uint32),
        types.int64,
        types.int64,
        types.int64,
        array(types.int64),
    )
)
def _add_up(key, weights16, members, first, last, block, totals):
    """Adds up the weights of members[first:last], or of units first to last, in a block, in the generator's order."""
    words = np.empty(BLOCK // 2, np.uint32)
    halves = words.view(np.uint16)
    for i in range(first, last):
        unit = np.uint64(members[i]) if members.size > 0 else np.uint64(i)
        uniforms(key, unit, 0, BLOCK // 8 * block, BLOCK // 8, words)
        for r in range(BLOCK):
            totals[r] += weights16[halves[r]]


@inlined
def _propose(key, number, stratum, size, replicate, words):
    """Place and copy of a proposal."""
    counter = np.uint64(number) | np.uint64(stratum) << np.uint64(32)
    uniforms(key, counter, 0, replicate, 1, words)
    low, high, n, half = np.uint64(words[0]), np.uint64(words[1]), np.uint64(size), np.uint64(32)
    return np.int64((high * n + (low * n >> half)) >> half), np.int64(words[2] % np.uint32(COPIES))


@inlined
def _is_new(table, token):
    """Puts a token into a hash table with open addressing; whether it was not there."""
    i = (np.uint64(token) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) & np.uint64(table.size - 1)
    while table[i] != 0:
        if table[i] == token:
            return False
        i = (i + np.uint64(1)) & np.uint64(table.size - 1)
    table[i] = token
    return True


@kernel(
    types.void(
        types.UniTuple(const(types.uint32), 2),
        const(types.uint8),
        const(types.uint32),
        const(types.int64),
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        array(types.uint64),
    )
)
def _balance(keys, weights16, members, bounds, stratum, replicate, surplus, code, changes):
    """Units and codes of the changes of a stratum in a replicate: as many as its surplus or lack."""
    weights_key, key = keys
    words, four = np.empty(4, np.uint32), np.empty(4, np.uint32)
    begin, size = bounds[stratum], bounds[stratum + 1] - bounds[stratum]
    length = 1
    while length < 2 * surplus + 1:
        length *= 2
    table = np.zeros(length, np.int64)
    n_found, number = 0, 0
    while n_found < changes.size:
        place, copy = _propose(key, number, stratum, size, replicate, words)
        number += 1
        unit = np.uint64(members[begin + place]) if members.size > 0 else np.uint64(begin + place)
        if surplus > 0:
            uniforms(weights_key, unit, 0, replicate // 8, 1, four)
            uniform = four[replicate % 8 // 2] >> np.uint32(replicate % 2 * 16) & np.uint32(0xFFFF)
            if copy >= weights16[uniform] or not _is_new(table, COPIES * place + copy + 1):
                continue
        changes[n_found] = unit << np.uint64(8) | np.uint64(code)
        n_found += 1


@kernel(types.int64(const(types.uint64), array(types.uint64), array(types.uint32)))
def _mark(changes, units, before):
    """Marks the units of sorted changes; how often a weight is added to, at most."""
    times, most = 0, 0
    for i in range(changes.size):
        times = times + 1 if i > 0 and changes[i] == changes[i - 1] else 1
        if changes[i] & np.uint64(_TAKEN) == 0:
            most = max(most, times)
        unit = changes[i] >> np.uint64(8)
        units[unit >> np.uint64(6)] |= np.uint64(1) << (unit & np.uint64(63))
    total = 0
    for group in range(units.size):
        before[group] = total
        bits = units[group]
        while bits != 0:
            bits &= bits - np.uint64(1)
            total += 1
    return most


def _indexed(changes: npt.NDArray[np.uint64], n_units: int) -> tuple[Changes, int]:
    changes = np.sort(changes)
    units, before = np.zeros(-(-n_units // 64), np.uint64), np.zeros(-(-n_units // 64), np.uint32)
    most_added = int(_mark(changes, units, before))
    first = np.flatnonzero(np.diff(changes >> np.uint64(8), prepend=np.uint64(2**56 - 1)))
    return Changes(
        units, before, np.append(first, len(changes)).astype(np.uint32), changes.astype(np.uint8)
    ), most_added


def at_a_time(units: Units) -> int:
    """How many replicates to balance at a time, so that their changes fit the memory."""
    expected = float(np.sqrt(np.diff(units.bounds)).sum())  # √n is the standard deviation of the sum of n weights
    blocks = max(1, _MAX_UNITS // int(units.bounds[-1]))
    return max(1, min(int(_MAX_CHANGES / expected), blocks * BLOCK))


def balance(
    draws: Draws, weights16: UInt8, places: Int64, replicates: range, n_threads: int, monitor: Monitor | None
) -> tuple[dict[int, Changes], int]:
    """Changes of each block, and how much they add to a weight at most; places[r] is where a replicate stands in it."""
    units = draws.units
    assert units is not None
    keys = tuple(key_of(draws.seed, draws.table, stream) for stream in (DISTRIBUTIONS["poisson"], STREAM))
    members = NO_UNITS if units.members is None else units.members
    blocks = range(replicates.start // BLOCK, (replicates.stop - 1) // BLOCK + 1)
    found: dict[int, tuple[Changes, int]] = {}

    def body(task: int, check) -> None:  # type: ignore[no-untyped-def]
        block = blocks[task]
        here = range(max(replicates.start, BLOCK * block), min(replicates.stop, BLOCK * (block + 1)))
        parts: list[npt.NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
        for stratum, (begin, end) in enumerate(zip(units.bounds[:-1].tolist(), units.bounds[1:].tolist(), strict=True)):
            totals = np.zeros(BLOCK, np.int64)
            for first in range(begin, end, 1 << 16):
                check()
                _add_up(keys[0], weights16, members, first, min(end, first + (1 << 16)), block, totals)
            for r in here:
                place = int(places[r - BLOCK * block])
                surplus = int(totals[place]) - (end - begin)
                if surplus == 0:
                    continue
                changes = np.empty(abs(surplus), np.uint64)
                code = place + (_TAKEN if surplus > 0 else 0)
                _balance(keys, weights16, members, units.bounds, stratum, r, surplus, code, changes)
                parts.append(changes)
        found[block] = _indexed(np.concatenate(parts), int(units.bounds[-1]))

    parallel_for(len(blocks), n_threads, monitor, body)
    return {block: changes for block, (changes, _) in found.items()}, max(most for _, most in found.values())
