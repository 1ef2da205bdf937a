"""Multinomial weights, Efron's bootstrap, stated in NumPy: what csrc/core/multinomial.hpp must agree with.

Independent Poisson(1) weights of the units of a stratum, of which there are n, become multinomial weights once as many
units as there are too few are drawn and added, or as many as there are too many are drawn without replacement and taken
away: given their sum, Poisson weights are multinomial. That takes about 0.8 √n draws, not n.

The weights of stratum ``h`` (they are numbered by first appearance) in replicate ``r`` are made in three steps.

1. Its units have the weights of "poisson" (`askew.engine.weights`), the unit's number in place of the row's. Let N be
   their sum.
2. Threefry4x32 with 12 rounds under the key ``(seed low, seed high, table, 3)`` turns the counter ``(k, h, r, 0)`` into
   words x0, x1, x2, x3: proposal ``k`` of ``copy = x2 % 8`` of the unit in ``place = (x0 + 2**32 x1) n // 2**64``.
3. If N < n, the units of the first n - N proposals each gain 1. If N > n, a proposal is good if the unit's weight in
   step 1 is greater than the copy, and the first N - n good ones that differ in place or copy each take 1 from theirs.

Units are rows, or clusters of rows, numbered by first appearance; places in a stratum follow these numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from askew.engine.protocol import Units
from askew.engine.weights import threefry4x32, weights

#: Fourth word of the generator's key: keeps this stream apart from those of the weights.
STREAM = 3
#: The largest weight of step 1.
COPIES = 8

Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]


def proposals(
    seed: int, table: int, stratum: int, size: int, replicate: int, numbers: range
) -> tuple[Int64, npt.NDArray[np.uint32]]:
    """Places and copies of the numbered proposals for a stratum of `size` units."""
    k = np.arange(numbers.start, numbers.stop, dtype=np.uint32)
    counter = (k, *(np.full_like(k, word) for word in (stratum, replicate, 0)))
    x0, x1, x2, _ = threefry4x32(counter, (seed & 0xFFFFFFFF, seed >> 32, table, STREAM))
    low, high, n, half = x0.astype(np.uint64), x1.astype(np.uint64), np.uint64(size), np.uint64(32)
    return (high * n + (low * n >> half) >> half).astype(np.int64), x2 % np.uint32(COPIES)


def multinomial_weights(seed: int, table: int, units: Units, replicates: range) -> Int16:
    """Weights of all units of a table in consecutive replicates, shape (number of units, len(replicates)), int16.

    Examples
    --------
    Five units of which the last two are a stratum:

    >>> units = Units(None, None, np.array([0, 3, 5]))
    >>> drawn = multinomial_weights(0, 0, units, range(6))
    >>> drawn.sum(axis=0).tolist()
    [5, 5, 5, 5, 5, 5]
    >>> drawn[3:].sum(axis=0).tolist()
    [2, 2, 2, 2, 2, 2]
    """
    rows = np.arange(units.bounds[-1], dtype=np.uint64)
    drawn = weights("poisson", seed, table, rows, replicates).astype(np.int16)
    for stratum, (begin, end) in enumerate(zip(units.bounds[:-1].tolist(), units.bounds[1:].tolist(), strict=True)):
        members = np.arange(begin, end) if units.members is None else units.members[begin:end]
        size = end - begin
        surplus = drawn[members].sum(axis=0, dtype=np.int64) - size
        for r in np.flatnonzero(surplus).tolist():
            proposed = seed, table, stratum, size, replicates[r]
            if surplus[r] < 0:
                places, _ = proposals(*proposed, range(-int(surplus[r])))
            else:
                places = _taken(drawn[members, r], int(surplus[r]), proposed)
            np.add.at(drawn[:, r], members[places], -np.sign(surplus[r]).astype(np.int16))
    return drawn


def _taken(drawn: Int16, surplus: int, proposed: tuple[int, int, int, int, int]) -> Int64:
    """Places of as many units as are too many."""
    n_proposals = 0
    while True:
        n_proposals = 2 * n_proposals + COPIES * surplus + 8
        places, copies = proposals(*proposed, range(n_proposals))
        places = places[good := copies < drawn[places]]
        _, first = np.unique(COPIES * places + copies[good], return_index=True)
        if len(first) >= surplus:
            taken: Int64 = places[np.sort(first)[:surplus]]
            return taken
