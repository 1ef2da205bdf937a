"""The kernels that every backend provides, on packed columns of bits.

A *packed column* is a row of a C-contiguous ``uint64`` array of shape ``(n_columns, n_words)``: bit ``i % 64`` of word
``i // 64`` is instance ``i`` (little-endian bit order), ``n_words`` is a multiple of 8 (512 bits, see `words_for`), and
bits at and beyond the number of instances are 0.

An *itemset* is a conjunction of columns. A list of S itemsets is a pair ``(items, offsets)``: the column indices of
itemset ``s`` are ``items[offsets[s]:offsets[s + 1]]`` (int32 and int64). The empty itemset is contained in every
instance. Where a kernel takes several blocks of columns, indices run through them in order, as if they were stacked.

These kernels see integers only: no names, no options of metrics. They validate nothing that Python code above has
validated. What metrics need of the counts is one more, `Engine.summarize`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from askew.metrics import Difference
from askew.summary import Summary

Words = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]
UInt32 = npt.NDArray[np.uint32]
Offsets = Int32 | Int64  # as CSR matrices and Arrow's lists have them, taken without a copy
#: Called now and then from the calling thread with (work done, work in all); an exception it raises stops the kernel.
Monitor = Callable[[int, int], None]


def words_for(n: int) -> int:
    """Number of 64-bit words of a packed column of `n` instances, a multiple of 8."""
    return -(-n // 512) * 8


class Itemsets(NamedTuple):
    """S itemsets in compressed rows: see the module's text."""

    items: Int32
    offsets: Int64

    def __len__(self) -> int:
        return len(self.offsets) - 1


class MiningTable(NamedTuple):
    """A table to mine: its columns, the columns of `masks` within each of which the support must be reached, and those
    of `groups`, within each of which the itemsets that are found are counted.

    Without masks the support is that over all instances.
    """

    columns: Words
    masks: Words | None = None
    groups: Words | None = None


class MinedItemsets(NamedTuple):
    """Itemsets that are frequent, and their counts in the groups of all tables, one table after the other: shape
    (S, number of groups).
    """

    itemsets: Itemsets
    counts: Int64


class TooManySets(Exception):
    """Mining found more itemsets than it was allowed to return."""


class Units(NamedTuple):
    """What has a weight: the rows of a whole table, or clusters of them; in strata.

    Row ``i`` has the weight of unit ``of_row[i]``; without `of_row`, of unit ``i``. Stratum ``h`` has the units
    ``members[bounds[h]:bounds[h + 1]]``, at least one and less than 2**32; without `members`, these numbers themselves.
    """

    of_row: UInt32 | None
    members: UInt32 | None
    bounds: Int64


class Draws(NamedTuple):
    """Which bootstrap weights: a pure function of these, of the row and of the replicate.

    ``distribution`` is "poisson" (16-bit table), "poisson32" or "multinomial" (see `engine.multinomial`); ``seed`` is
    an integer in [0, 2**64); ``table`` tells independent tables apart (0 train, 1 test); ``first_row`` is the index of
    the first instance of this piece within its table, and 0 with units; ``units``, which "multinomial" needs, are
    those of which the weights are. Independent weights take no notice of strata.
    """

    distribution: str
    seed: int
    table: int
    first_row: int
    units: Units | None = None


class Engine(Protocol):
    """A backend: pack, patterns, mine, count and resample."""

    name: str

    @property
    def simd(self) -> str:
        """The SIMD level in use; "" where there is none."""
        ...

    def pack(self, values: UInt8, n_threads: int) -> tuple[Words, int]:
        """Pack an (n, p) uint8 array: p columns and -1, or the flat index of the first value that is not 0 or 1."""
        ...

    def pack_sparse(self, offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words:
        """Pack n rows of column indices, row ``i`` being ``indices[offsets[i]:offsets[i + 1]]``.

        Negative indices are passed over; repeated ones count once.
        """
        ...

    def patterns(self, columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]:
        """Distinct rows, in order of first appearance: index of the first instance of each, and multiplicity."""
        ...

    def mine(
        self,
        tables: Sequence[MiningTable],
        min_count: int,
        max_size: int,
        max_sets: int,
        n_threads: int,
        monitor: Monitor | None,
    ) -> MinedItemsets:
        """Every itemset of 1 to `max_size` columns that reaches `min_count` in every table, ordered by size, then
        columns; with its counts in the tables' groups.

        Raises `TooManySets` when there are more than `max_sets`.
        """
        ...

    def count(
        self, columns: Sequence[Words], n: int, itemsets: Itemsets, n_threads: int, monitor: Monitor | None
    ) -> Int64:
        """Number of instances that contain each itemset, shape (S,)."""
        ...

    def resample(
        self,
        columns: Sequence[Words],
        n: int,
        itemsets: Itemsets,
        draws: Draws,
        replicates: range,
        out: Int64,
        n_threads: int,
        monitor: Monitor | None,
        sample: Int64 | None = None,
    ) -> None:
        """Add the counts under the weights of the given replicates to `out`.

        `out` has shape (len(replicates), S); the replicates of an itemset lie side by side: ``out.strides[0] == 8``.
        Where there are any, the counts of the sample itself are added to `sample`, of shape (S,): who has found the
        instances that contain an itemset knows how many they are.
        """
        ...

    def resample_patterns(
        self,
        columns: Sequence[Words],
        multiplicities: Int64,
        itemsets: Itemsets,
        draws: Draws,
        replicates: range,
        out: Int64,
        n_threads: int,
        monitor: Monitor | None,
    ) -> None:
        """As `resample`, for a table of distinct rows of the given multiplicities: see `engine.pattern_weights`.

        ``draws.distribution`` and ``draws.first_row`` have no meaning here: the rows are a whole table.
        """
        ...

    def summarize(self, difference: Difference, n_rows: int, n_threads: int) -> Summary:
        """As `askew.summary.summarize`, to rounding."""
        ...
