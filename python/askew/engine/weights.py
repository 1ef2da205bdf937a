"""The bootstrap weights, stated in NumPy: what csrc/core/threefry.hpp and csrc/core/weights.hpp must agree with.

The weight of row ``i`` in replicate ``r`` is a pure function of (seed, table, i, r), in three steps.

1. Threefry4x32 with 12 rounds (Salmon, Moraes, Dror & Shaw, SC'11) under the key ``(seed low, seed high, table,
distribution)``
   turns the counter ``(i low, i high, block, 0)`` into four 32-bit words. "low" and "high" are the halves of a
   64-bit number.
2. "poisson" (distribution 0) cuts them into eight 16-bit numbers, the low half of each word first: replicate ``r``
takes number ``r % 8`` of
   ``block = r // 8``. "poisson32" (distribution 1) takes word ``r % 4`` of ``block = r // 4``.
3. The uniform ``u`` becomes a weight through Walker's alias table (Walker 1977) of 16 columns: column ``u % 16``
gives ``first`` if
   ``u // 16 < cut``, else ``second``.

`OUTCOMES` holds how many of the 2**16 or 2**32 uniforms give weight 0, 1, 2, …: integers whose mean and variance are
exactly 1, like Poisson(1). With 16 bits no such table has every outcome within one count of Poisson(1); this one is
the nearest (at most 1.23 counts off), and its third central moment is off by 3e-5. With 32 bits every outcome is
within one count.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U32 = npt.NDArray[np.uint32]

DISTRIBUTIONS = {"poisson": 0, "poisson32": 1}
UNIFORM_BITS = {"poisson": 16, "poisson32": 32}
OUTCOMES = {
    "poisson": (24109, 24110, 12055, 4017, 1005, 201, 34, 4, 1),
    "poisson32": (
        1580030168,
        1580030169,
        790015085,
        263338362,
        65834590,
        13166918,
        2194486,
        313498,
        39187,
        4354,
        436,
        39,
        4,
    ),
}
COLUMNS = 16
ROTATIONS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))
PARITY = 0x1BD11BDA


class AliasTable(NamedTuple):
    """For each of the 16 columns: the two weights it may give, and how many of its uniforms give the first."""

    cut: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]


@cache
def alias_table(distribution: str) -> AliasTable:
    """Walker's table: column by column the rarest weight left, topped up by the commonest (ties: the lesser weight)."""
    room = 2 ** UNIFORM_BITS[distribution] // COLUMNS
    left = {weight: count for weight, count in enumerate(OUTCOMES[distribution]) if count}
    columns: list[tuple[int, int, int]] = []
    for _ in range(COLUMNS):
        rare = min(left, key=lambda weight: (left[weight], weight))
        common = min(left, key=lambda weight: (-left[weight], weight))
        cut = min(left[rare], room)
        left[rare] -= cut
        left[common] -= room - cut
        left = {weight: count for weight, count in left.items() if count}
        columns.append((cut, rare, common))
    cuts, firsts, seconds = zip(*columns, strict=True)
    return AliasTable(cuts, firsts, seconds)


def threefry4x32(counter: tuple[U32, ...], key: tuple[int, ...], rounds: int = 12) -> tuple[U32, ...]:
    """Threefry4x32 (Salmon et al., SC'11) on arrays of counters.

    Parameters
    ----------
    counter : tuple of four uint32 arrays of one shape
    key : tuple of four int
    rounds : int, default 12
    """
    schedule = [np.uint32(k) for k in key]
    schedule.append(np.bitwise_xor.reduce(np.array([PARITY, *key], np.uint32)))
    x = [c + k for c, k in zip(counter, schedule, strict=False)]
    with np.errstate(over="ignore"):
        for done in range(rounds):
            partners = (1, 3) if done % 2 == 0 else (3, 1)
            for base, partner, bits in zip((0, 2), partners, ROTATIONS[done % 8], strict=True):
                x[base] = x[base] + x[partner]
                x[partner] = (x[partner] << np.uint32(bits) | x[partner] >> np.uint32(32 - bits)) ^ x[base]
            if done % 4 == 3:
                injection = done // 4 + 1
                x = [word + schedule[(injection + i) % 5] for i, word in enumerate(x)]
                x[3] = x[3] + np.uint32(injection)
    return tuple(x)


def weights(
    distribution: str, seed: int, table: int, rows: npt.NDArray[np.uint64], replicates: range
) -> npt.NDArray[np.uint8]:
    """Weights of rows in consecutive replicates, shape (len(rows), len(replicates)), uint8."""
    per_block = 8 if distribution == "poisson" else 4
    first, last = replicates.start // per_block, -(-replicates.stop // per_block)
    blocks = np.arange(first, last, dtype=np.uint32)
    shape = (len(rows), len(blocks))
    counter = (
        np.broadcast_to((rows & np.uint64(0xFFFFFFFF)).astype(np.uint32)[:, None], shape),
        np.broadcast_to((rows >> np.uint64(32)).astype(np.uint32)[:, None], shape),
        np.broadcast_to(blocks, shape),
        np.zeros(shape, np.uint32),
    )
    key = (seed & 0xFFFFFFFF, seed >> 32, table, DISTRIBUTIONS[distribution])
    words = np.stack(threefry4x32(counter, key), axis=-1)
    uniforms = words.astype("<u4").view("<u2") if distribution == "poisson" else words
    cut, weight_first, weight_second = (np.array(column) for column in alias_table(distribution))
    column = (uniforms % COLUMNS).astype(np.intp)
    drawn = np.where(uniforms // COLUMNS < cut[column], weight_first[column], weight_second[column])
    begin = replicates.start - first * per_block
    return drawn.reshape(len(rows), -1)[:, begin : begin + len(replicates)].astype(np.uint8)
