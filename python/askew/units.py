"""What a bootstrap draws, taken one by one: instances, or clusters of them, in the table or in each of its strata.

Instances of a stratum that have equal rows (attributes and groups, true and predicted) do the same to every count, and
are taken together. A cluster is taken by itself; its counts are the sums over its instances, and equal rows of a
cluster are counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from askew.counting import TABLES, CountingPlan, TablePlan
from askew.counts import Counts
from askew.engine import Draws, Itemsets, words_for
from askew.errors import InputError
from askew.layout import everybody
from askew.options import Options
from askew.patterns import rows_at

if TYPE_CHECKING:
    from askew.evaluation import Pass

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

BLOCK_BYTES = 2**25
_UNITS = 2048  # whose weights are drawn at a time


@dataclass(frozen=True)
class DrawnUnits:
    """The units of a table, stratum by stratum, those that are alike once; the same for several models' predictions."""

    plans: Sequence[CountingPlan]  # with the predictions of each model
    labels: Words  # of each instance: number of its cluster or stratum, in packed columns beside those of the plans
    columns: Words  # of distinct rows, in the order of the units that they are in
    repeats: Int64  # how many instances share each row, within a unit or, if units are instances, as units
    unit: Int64 | None  # that each row is in; None: rows are units
    first: Int64  # an instance of each row; none where the weights are of distinct rows
    strata: Int64  # where the units of each stratum begin, and where the last end

    @classmethod
    def of(cls, plans: Sequence[TablePlan], options: Options) -> DrawnUnits:
        """They are looked for, unless the weights were of distinct rows and these are known.

        Raises
        ------
        InputError
            The table is not in memory.
        """
        own: list[CountingPlan] = []
        for plan in plans:
            if not isinstance(plan, CountingPlan):
                raise InputError(
                    f"method={options.method!r} needs the distinct rows of {plan.table}, which is not in memory: take "
                    '"percentile" or "basic", or Annotations in place of counts; of a scan, scan.collect()'
                )
            if not any(plan is other for other in own):
                own.append(plan)
        if own[0].patterns is not None:
            columns, repeats = own[0].patterns
            ends = np.array([0, len(repeats)])
            return cls(own, columns[:0], columns, repeats, None, np.zeros(0, np.int64), ends)
        n, units = own[0].n, own[0].design.units
        clusters = None if units is None else units.of_row
        stratum = np.zeros(n if units is None else units.bounds[-1], np.int64)  # of each unit
        order = stratum  # of units, in which strata follow each other
        if units is not None and units.members is not None and own[0].design.n_strata is not None:
            stratum[units.members] = np.repeat(np.arange(len(units.bounds) - 1), np.diff(units.bounds))
        if clusters is not None:
            order = np.empty_like(stratum)
            order[np.argsort(stratum, kind="stable")] = np.arange(len(stratum))
        place = order if clusters is None else order[clusters]
        labels = _packed_numbers(place)
        blocks = np.concatenate([*(block for plan in own for block in plan.layout.columns), labels])
        first, repeats = options.engine.patterns(blocks, n, options.chosen_threads)
        sorting = np.argsort(place[first], kind="stable")
        first, repeats, place = first[sorting], repeats[sorting], place[first[sorting]]
        of_each = place if clusters is None else np.sort(stratum)
        strata = np.append(np.flatnonzero(np.diff(of_each, prepend=-1)), len(of_each))
        return cls(own, labels, rows_at(blocks, first), repeats, None if clusters is None else place, first, strata)

    @property
    def multiplicities(self) -> Int64:
        """How many units are alike."""
        return self.repeats if self.unit is None else np.ones(self.strata[-1], np.int64)

    def __len__(self) -> int:
        return int(self.strata[-1])

    @property
    def plain(self) -> bool:
        """Whether units are instances, of one stratum."""
        return self.unit is None and len(self.strata) == 2

    def blocks(self, step: int) -> Iterator[slice]:
        """The units, `step` (a multiple of 64) at a time."""
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def members(self, plan: TablePlan, sample: Counts, units: slice) -> Counts:
        """Counts of each of some units by itself, for the sets of `sample`; `plan` is one of ours."""
        begin = 0
        for own in self.plans:
            if own is plan:
                break
            begin += sum(map(len, own.layout.columns))
        itemsets, parts = own.layout.itemsets(sample.sets)
        buffer = self._counts(self.columns[begin:], itemsets, units)
        arrays = own.layout.arrays(buffer, parts, len(sample.sets))
        return Counts(sample.sets, sample.group_names, sample.resampling, sample.rows, arrays)

    def _counts(self, columns: Words, itemsets: Itemsets, units: slice) -> Int64:
        """How many instances of each unit contain each itemset, shape (S, number of units)."""
        if self.unit is None:
            return contained(columns, itemsets, units).astype(np.int64)
        out = np.zeros((len(itemsets), units.stop - units.start), np.int64)
        begin, end = np.searchsorted(self.unit, [units.start, units.stop]).tolist()
        step = max(64, BLOCK_BYTES // (8 * len(itemsets)))
        for start in range(begin, end, step):
            rows = slice(start, min(start + step, end))
            counts = contained(columns, itemsets, rows) * self.repeats[rows]
            begins = np.flatnonzero(np.diff(self.unit[rows], prepend=-1))
            out[:, self.unit[rows][begins] - units.start] += np.add.reduceat(counts, begins, axis=1)
        return out

    def weights(self, work: Pass, table: str) -> Int64:
        """Weight of each unit, of all that are alike together, in every replicate: shape (J, B)."""
        n_resamples, options = work.options.n_resamples, work.options
        out = np.zeros((len(self), n_resamples), np.int64)
        plan = self.plans[0]
        draws = Draws(options.weights, work.seed, TABLES[table], 0, plan.design.units)
        for part in self.blocks(_UNITS):
            n_units = part.stop - part.start
            single = Itemsets(np.arange(n_units, dtype=np.int32), np.arange(n_units + 1, dtype=np.int64))
            rest = draws, range(n_resamples), out[part].T, options.chosen_threads, None
            if plan.patterns is None:
                options.engine.resample([self._instances(part)], plan.n, single, *rest)
            else:
                ones = np.arange(len(out)) == np.arange(part.start, part.stop)[:, None]
                options.engine.resample_patterns([packed(ones)], self.repeats, single, *rest)
        return out

    def _instances(self, part: slice) -> Words:
        """For each of some units, the packed column of the instances whose weights are its own: one of a cluster."""
        n = self.plans[0].n
        if self.unit is not None:
            of_units = self.first[np.searchsorted(self.unit, np.arange(part.start, part.stop))]
            found = np.zeros((len(of_units), words_for(n)), np.uint64)
            found[np.arange(len(of_units)), of_units // 64] = np.uint64(1) << (of_units % 64).astype(np.uint64)
            return found
        columns = np.concatenate([*(block for plan in self.plans for block in plan.layout.columns), self.labels])
        found = np.empty((part.stop - part.start, columns.shape[1]), np.uint64)
        everyone = everybody(n)
        for position, row in enumerate(range(part.start, part.stop)):
            bits = self.columns[:, row // 64] >> np.uint64(row % 64) & np.uint64(1)
            found[position] = everyone & ~np.bitwise_or.reduce(columns ^ -bits[:, None], axis=0)
        return found


def contained(columns: Words, itemsets: Itemsets, rows: slice) -> npt.NDArray[np.uint8]:
    """Whether each of some rows contains each itemset, shape (S, number of rows)."""
    first = rows.start // 64
    columns = columns[:, first : -(-rows.stop // 64)]
    sizes = np.diff(itemsets.offsets)
    inside = np.empty((len(itemsets), columns.shape[1]), np.uint64)
    for size in np.unique(sizes).tolist():
        those = np.flatnonzero(sizes == size)
        items = itemsets.items[itemsets.offsets[those][:, None] + np.arange(size)]
        inside[those] = ~np.uint64(0)
        for position in range(size):
            inside[those] &= columns[items[:, position]]
    octets = inside.astype("<u8", copy=False).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=rows.stop - 64 * first, bitorder="little")
    return bits[:, rows.start - 64 * first :]


def packed(ones: npt.NDArray[np.bool_]) -> Words:
    """Columns of bits, each in words."""
    octets = np.zeros((len(ones), 8 * words_for(ones.shape[1])), np.uint8)
    octets[:, : -(-ones.shape[1] // 8)] = np.packbits(ones, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)


def _packed_numbers(numbers: Int64) -> Words:
    """A packed column for each binary digit; none where all are 0."""
    n_digits = int(numbers.max(initial=0)).bit_length()
    columns = [packed((numbers >> digit & 1).astype(bool)[None]) for digit in range(n_digits)]
    return np.concatenate([np.zeros((0, words_for(len(numbers))), np.uint64), *columns])


def within(values: Floats, multiplicities: Int64, strata: Int64) -> Floats:
    """Values of units, shape (J, …), less their mean in their stratum."""
    c = multiplicities.reshape(-1, *(1,) * (values.ndim - 1))
    begins = strata[:-1]
    means = np.add.reduceat(c * values, begins) / np.add.reduceat(c, begins)
    centred: Floats = values - np.repeat(means, np.diff(strata), axis=0)
    return centred
