"""The bootstrap weights of distinct rows, stated in NumPy.

Instances with equal rows weigh in together: the weights of c of them add up to one Poisson(c) variable. Drawing that
variable, rather than c weights, gives replicates of the same distribution (though other ones for the same seed), in
time that grows with the number of distinct rows, the *patterns*, and not with the number of instances.

The weight of pattern ``j`` (they are numbered by first appearance) of multiplicity ``c`` in replicate ``r`` is the sum
of independent draws, one of Poisson(2**b) for each bit ``b`` of ``c`` below `TOP`, numbered ``b``, and one of
Poisson(2**TOP) for each whole 2**TOP in ``c``, numbered ``TOP``, ``TOP + 1`` and so on. Draw ``k`` is made in two
steps.

1. Threefry4x32 with 12 rounds under the key ``(seed low, seed high, table, 2)`` turns the counter ``(j low, j high,
   r // 4, k)`` into four 32-bit words, of which number ``r % 4`` is the uniform ``u``.
2. The draw is ``first`` plus the number of ``thresholds`` that are not above ``u``. `poisson_table` makes both of
   whole numbers alone, so that they are the same everywhere.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew.engine.weights import threefry4x32

Int64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]

#: Fourth word of the generator's key: keeps this stream apart from those of the rows' weights.
DISTRIBUTION = 2
#: Poisson(2**TOP) is the largest that has a table: about 3,500 outcomes.
TOP = 16
UNIFORMS = 2**32
_UNIT = 2**128


class PoissonTable(NamedTuple):
    """Inverse distribution function: outcomes ``first``, ``first + 1`` …; thresholds, one fewer, ascending."""

    first: int
    thresholds: U32


def poisson_outcomes(mean: int) -> tuple[int, list[int]]:
    """The smallest outcome of Poisson(mean), and how many of 2**32 uniforms give it and each that follows.

    `mean` is a power of two. Probabilities are rounded to the nearest number of uniforms; a few outcomes near the mean
    then take or give some, until their total is 2**32 and mean and variance are exactly `mean`.
    """
    spread = 1 << (mean.bit_length() - 1) // 2  # at most the standard deviation
    low, high = max(0, mean - 24 * spread), mean + 24 * spread + 32
    ratios = {mean: _UNIT}  # of the probabilities to that of the mean, times _UNIT
    for k in range(mean, high):
        ratios[k + 1] = ratios[k] * mean // (k + 1)
    for k in range(mean, low, -1):
        ratios[k - 1] = ratios[k] * k // mean
    total = sum(ratios.values())
    counts = {k: (2 * UNIFORMS * ratio + total) // (2 * total) for k, ratio in ratios.items()}

    counts[mean] += UNIFORMS - sum(counts.values())
    excess = sum((k - mean) * count for k, count in counts.items())
    for step in _powers_of_two(spread):
        moved = excess // step
        counts[mean] += moved
        counts[mean + step] -= moved
        excess -= moved * step
    lack = mean * UNIFORMS - sum((k - mean) ** 2 * count for k, count in counts.items())
    for step in _powers_of_two(spread):
        moved = lack // (2 * step**2)
        counts[mean - step] += moved
        counts[mean] -= 2 * moved
        counts[mean + step] += moved
        lack -= 2 * step**2 * moved
    outcomes = [k for k in sorted(counts) if counts[k]]
    return outcomes[0], [counts[k] for k in range(outcomes[0], outcomes[-1] + 1)]


def _powers_of_two(largest: int) -> list[int]:
    return [1 << bit for bit in reversed(range(largest.bit_length()))]


@cache
def poisson_table(bit: int) -> PoissonTable:
    """The table of Poisson(2**bit)."""
    first, counts = poisson_outcomes(1 << bit)
    return PoissonTable(first, np.cumsum(counts[:-1], dtype=np.int64).astype(np.uint32))


def poisson_tables(largest: int) -> list[PoissonTable]:
    """The tables that multiplicities of up to `largest` need."""
    return [poisson_table(bit) for bit in range(min(largest.bit_length(), TOP + 1))]


def draws_of(multiplicity: int) -> list[tuple[int, int]]:
    """The draws that make up the weight of a pattern: number, and bit of the table."""
    bits = [(bit, bit) for bit in range(TOP) if multiplicity >> bit & 1]
    return bits + [(TOP + copy, TOP) for copy in range(multiplicity >> TOP)]


def pattern_weights(seed: int, table: int, multiplicities: Int64, replicates: range) -> Int64:
    """Weights of patterns in consecutive replicates, shape (len(multiplicities), len(replicates)), int64."""
    key = (seed & 0xFFFFFFFF, seed >> 32, table, DISTRIBUTION)
    weights = np.zeros((len(multiplicities), len(replicates)), np.int64)
    first, last = replicates.start // 4, -(-replicates.stop // 4)
    blocks = np.arange(first, last, dtype=np.uint32)
    begin = replicates.start - 4 * first
    for pattern, multiplicity in enumerate(multiplicities.tolist()):
        for number, bit in draws_of(multiplicity):
            pieces = (pattern & 0xFFFFFFFF, pattern >> 32, blocks, number)
            counter = tuple(np.broadcast_to(np.asarray(piece, np.uint32), blocks.shape) for piece in pieces)
            uniforms = np.stack(threefry4x32(counter, key), axis=-1).ravel()[begin : begin + len(replicates)]
            drawn = poisson_table(bit)
            weights[pattern] += drawn.first + np.searchsorted(drawn.thresholds, uniforms, side="right")
    return weights
