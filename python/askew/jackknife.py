"""What one instance does to a metric: values without it, and infinitesimal influences.

Instances with equal rows (attributes and groups, true and predicted) do the same, so that the work is one evaluation
for each distinct row, weighted by how many instances share it. Counts are sums over instances: without an instance of
a row, each is smaller by 1 if the row contains its itemset. The distinct row takes the place of the replicate on the
first axis, and the formulas of `askew.metrics` apply as they are.

The influence of an instance is the derivative of the metric with respect to its weight. All metrics are sums over cells
of a/b − c/d with counts a, b, c, d that are linear in the weights; the derivative of a/b is (a' − (a/b) b')/b, with
a' and b' the counts of the row by itself. The standard error of the infinitesimal jackknife is √Σ influence² over
instances, Σ c influence² over distinct rows (Jaeckel 1972; Efron & Tibshirani 1993, section 21.5). For a proportion a/b
that is √(p(1 − p)/b).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.counting import TABLES, CountingPlan, TablePlan
from askew.counts import Counts
from askew.engine import Draws, Itemsets, words_for
from askew.errors import InputError
from askew.intervals import Jackknife, acceleration, acceleration_of
from askew.layout import everybody
from askew.metrics import Difference, Ratio, Totals
from askew.options import Options
from askew.patterns import PatternTable, pattern_table
from askew.sets import AttributeSets

if TYPE_CHECKING:
    from askew.evaluation import Metric, Pass, Tables

Floats = npt.NDArray[np.float64]

_BLOCK_BYTES = 2**25
_TILE = 1024  # sets at a time
_PATTERNS = 2048  # rows whose weights are drawn at a time


class MetricJackknife(NamedTuple):
    """Of a metric's value, of its variance over cells, and of Δ in each cell, shape (|M|, |G|)."""

    value: Jackknife
    variance: Jackknife
    cells: Jackknife


@dataclass(frozen=True)
class DistinctRows:
    """The distinct rows of a table, and how many instances share each."""

    plan: CountingPlan
    table: PatternTable

    @classmethod
    def of(cls, plan: TablePlan, options: Options) -> DistinctRows:
        """They are looked for, unless the weights were of distinct rows and they are known.

        Raises
        ------
        InputError
            The table is not in memory, or is not drawn instance by instance.
        """
        if not isinstance(plan, CountingPlan):
            raise InputError(
                f"method={options.method!r} needs the distinct rows of {plan.table}, which is not in memory: take "
                '"percentile" or "basic", or scan.collect()'
            )
        if plan.design.n_strata is not None or plan.design.n_clusters is not None:
            raise InputError(
                f"method={options.method!r} is for instances that are drawn one by one, not within strata or in "
                'clusters: take "percentile" or "basic"'
            )
        if plan.patterns is not None:
            return cls(plan, plan.patterns)
        columns, n = plan.layout.columns, plan.annotations.n
        return cls(plan, pattern_table(columns, n, options.engine, options.chosen_threads))

    @property
    def multiplicities(self) -> npt.NDArray[np.int64]:
        return self.table.multiplicities

    def weights(self, work: Pass, table: str) -> npt.NDArray[np.int64]:
        """Weight of each row, of all instances that share it together, in every replicate: shape (J, B)."""
        n_resamples, options = work.options.n_resamples, work.options
        out = np.zeros((len(self.multiplicities), n_resamples), np.int64)
        draws = Draws(options.weights, work.seed, TABLES[table], 0, self.plan.design.units)
        for start in range(0, len(out), _PATTERNS):
            part = slice(start, min(start + _PATTERNS, len(out)))
            single = Itemsets(
                np.arange(part.stop - start, dtype=np.int32), np.arange(part.stop - start + 1, dtype=np.int64)
            )
            rest = draws, range(n_resamples), out[part].T, options.chosen_threads, None
            if self.plan.patterns is None:
                options.engine.resample([self._instances(part)], self.plan.annotations.n, single, *rest)
            else:
                ones = np.arange(len(out)) == np.arange(part.start, part.stop)[:, None]
                columns = _packed(ones)
                options.engine.resample_patterns([columns], self.multiplicities, single, *rest)
        return out

    def _instances(self, part: slice) -> npt.NDArray[np.uint64]:
        """For each of some rows, the packed column of the instances that have it."""
        columns = np.concatenate(self.plan.layout.columns)
        found = np.empty((part.stop - part.start, columns.shape[1]), np.uint64)
        everyone = everybody(self.plan.annotations.n)
        for position, row in enumerate(range(part.start, part.stop)):
            bits = self.table.columns[:, row // 64] >> np.uint64(row % 64) & np.uint64(1)
            found[position] = everyone & ~np.bitwise_or.reduce(columns ^ -bits[:, None], axis=0)
        return found

    def members(self, sample: Counts, step: int) -> Iterator[tuple[slice, Counts]]:
        """Counts of each row by itself, 0 or 1, for the sets of `sample`: `step` (a multiple of 64) rows at a time."""
        itemsets, parts = self.plan.layout.itemsets(sample.sets)
        for start in range(0, len(self.multiplicities), step):
            rows = slice(start, min(start + step, len(self.multiplicities)))
            buffer = _contained(self.table.columns[:, start // 64 : -(-rows.stop // 64)], itemsets, rows.stop - start)
            arrays = self.plan.layout.arrays(buffer, parts, len(sample.sets))
            yield rows, Counts(sample.sets, sample.group_names, sample.resampling, sample.rows, arrays)


def _contained(columns: npt.NDArray[np.uint64], itemsets: Itemsets, n: int) -> npt.NDArray[np.int64]:
    """Whether each of n rows contains each itemset, shape (S, n)."""
    sizes = np.diff(itemsets.offsets)
    inside = np.empty((len(itemsets), columns.shape[1]), np.uint64)
    for size in np.unique(sizes).tolist():
        those = np.flatnonzero(sizes == size)
        items = itemsets.items[itemsets.offsets[those][:, None] + np.arange(size)]
        inside[those] = ~np.uint64(0)
        for position in range(size):
            inside[those] &= columns[items[:, position]]
    octets = inside.astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=n, bitorder="little").astype(np.int64)


def _packed(ones: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    octets = np.zeros((len(ones), 8 * words_for(ones.shape[1])), np.uint8)
    octets[:, : -(-ones.shape[1] // 8)] = np.packbits(ones, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)


def rows_at_a_time(work: Pass, n_sets: int) -> int:
    """Distinct rows whose counts, and what is made of them, fit a block: a multiple of 64."""
    q = max(len(plan.group_names) for plan in work.plans.values())
    per_row = n_sets * sum(2 * plan.bytes_per_replicate + 8 * 8 * q for plan in work.plans.values())
    return max(64, _BLOCK_BYTES // per_row // 64 * 64)


def without_one(
    work: Pass, sets: AttributeSets, rows: dict[str, DistinctRows], step: int
) -> Iterator[tuple[str, slice, Tables, Tables, Tables]]:
    """For each table, and block of its distinct rows: the counts of the sample, those without one instance of each row,
    and those of each row by itself (of the other table: none).
    """
    sample = work.count(sets, range(0), None)
    for name in rows:
        whole: Counts = getattr(sample, name)
        nothing = sample._replace(
            **{t: None if counts is None else _less(counts, counts) for t, counts in sample._asdict().items()}
        )
        for part, members in rows[name].members(whole, step):
            yield (
                name,
                part,
                sample,
                sample._replace(**{name: _less(whole, members)}),
                nothing._replace(**{name: members}),
            )


def _less(a: Counts, b: Counts) -> Counts:
    """The counts of `a` less those of `b`, in the layout of `b`: rows side by side."""
    arrays = {
        name: np.subtract(array, b._arrays[name], out=np.empty_like(b._arrays[name]))
        for name, array in a._arrays.items()
    }
    return Counts(a.sets, a.group_names, a.resampling, a.rows, arrays)


def influence(sample: Difference, members: Difference) -> Floats:
    """Influence on Δ of an instance of each distinct row, shape (J, |M|, |G|); 0 where Δ is undefined or 0 by rule."""
    terms = [
        (of.numerator - ratio.value * of.denominator) / np.where(ratio.denominator > 0, ratio.denominator, 1)
        for ratio, of in [(sample.predicted, members.predicted), (sample.baseline, members.baseline)]
    ]
    cells = metrics.cells(sample)
    enters = cells.indicator & ~np.isnan(cells.delta)
    return np.where(enters, terms[0] - terms[1], 0.0)


Derivatives: TypeAlias = "tuple[Floats, Floats]"


def derivatives(ratio: Ratio, gradients: Floats) -> Derivatives:
    """Derivatives of Σ gradient a/b over cells with respect to the counts a and b, in the shapes of these.

    `gradients` have one row for each sum, shape (R, |M|, |G|).
    """
    of_a = gradients / np.where(ratio.denominator > 0, ratio.denominator, 1)
    of_b = -of_a * np.nan_to_num(ratio.value)
    axes = tuple(axis for axis in (1, 2) if ratio.denominator.shape[axis] == 1)
    return of_a, of_b.sum(axis=axes, keepdims=True)


def influences(members: Difference, terms: tuple[Derivatives, Derivatives], n: int) -> Floats:
    """Influence on R sums over cells of an instance of each of n distinct rows, shape (n, R)."""
    total = np.zeros((n, len(terms[0][0])))
    for ratio, of_counts in zip((members.predicted, members.baseline), terms, strict=True):
        for counts, derivative in zip(ratio, of_counts, strict=True):
            if counts.any():  # else it is of the other table
                flat = counts.reshape(len(counts), -1).astype(np.float64)
                total += flat @ derivative.reshape(len(derivative), -1).T
    return total


def slopes(difference: Difference, cells: metrics.Cells) -> Floats:
    """Derivative of what each cell contributes with respect to its Δ: its sign, or that of Δ in metrics of |Δ|."""
    if difference.sign is not None:
        return np.broadcast_to(difference.sign, cells.delta.shape).astype(np.float64)
    return np.sign(np.nan_to_num(cells.delta))


def jackknives(
    chosen: Sequence[Metric], work: Pass, *, with_acceleration: bool, with_errors: bool
) -> dict[str, MetricJackknife]:
    """What "BCa" and "delta" need of metrics, over the tables that are resampled."""
    rows = {
        name: DistinctRows.of(plan, work.options) for name, plan in work.plans.items() if name in work.options.resample
    }
    sums = {metric.name: _Sums(metric, work, rows) for metric in chosen}
    for sets in {id(metric.sets): metric.sets for metric in chosen}.values():
        these = [metric for metric in chosen if metric.sets is sets]
        step = rows_at_a_time(work, min(len(sets), _TILE))
        for start in range(0, len(sets), _TILE):
            tile = slice(start, min(start + _TILE, len(sets)))
            for metric in these:
                sums[metric.name].begin(tile, work.count(sets[tile], range(0), None))
            for name, part, _, left, members in without_one(work, sets[tile], rows, step):
                for metric in these:
                    if with_acceleration:
                        sums[metric.name].add_left_out(name, part, left)
                    if with_errors:
                        sums[metric.name].add_members(name, part, members)
    return {name: total.result(with_acceleration, with_errors) for name, total in sums.items()}


@dataclass
class _Sums:
    """What is kept of a metric from block to block."""

    metric: Metric
    work: Pass
    rows: dict[str, DistinctRows]
    totals: dict[tuple[str, int], Totals] = field(default_factory=dict)
    influences: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        q = len(next(iter(self.work.plans.values())).group_names)
        shape = (len(self.metric.sets), q)
        self.powers = {name: np.zeros((4, *shape)) for name in self.rows}  # Σ c (θ_i − θ)^k in each cell, k = 0 … 3
        self.squares = np.zeros(shape)
        self.delta = np.full(shape, np.nan)
        self.influences = {name: np.zeros((len(rows.multiplicities), 3)) for name, rows in self.rows.items()}
        # whether the two terms of Δ are proportions in two tables: then little happens to a cell
        plans = self.work.plans.values()
        overlap = not all(isinstance(plan, CountingPlan) and plan.layout.partition for plan in plans)
        self.separate = not overlap if self.metric.family == "mals" else self.metric.baseline == "train"

    def begin(self, tile: slice, sample: Tables) -> None:
        """Go on to other sets, with their counts in the sample."""
        self.tile, self.sample = tile, self._difference(sample)
        self.cells = metrics.cells(self.sample)
        self.delta[tile] = self.cells.delta[0]
        enters = self.cells.indicator & ~np.isnan(self.cells.delta)
        columns = [slopes(self.sample, self.cells), np.nan_to_num(self.cells.delta), np.ones_like(self.cells.delta)]
        gradients = np.where(enters, np.concatenate(columns), 0.0)
        self.derivatives = derivatives(self.sample.predicted, gradients), derivatives(self.sample.baseline, -gradients)
        if self.separate:
            for name in self.rows:
                self._add_separate(name, enters[0])

    def _add_separate(self, name: str, enters: npt.NDArray[np.bool_]) -> None:
        """What leaving out an instance does to cells of two proportions a/b, that of this table among them: it is one
        of the a, of the b − a or of the rest, and all of each do the same.
        """
        ratio = self.sample.predicted if name == "test" else self.sample.baseline
        a, b = np.broadcast_arrays(ratio.numerator[0], ratio.denominator[0])
        changed = Ratio(np.stack([a - 1, a, a]), np.stack([b - 1, b - 1, b]))
        instances = np.stack([a, b - a, self.work.plans[name].n - b])
        left = self.sample._replace(predicted=changed) if name == "test" else self.sample._replace(baseline=changed)
        step = metrics.cells(left._replace(sign=None)).delta - self.cells.delta
        defined = np.isfinite(step)
        step[~defined] = 0.0
        for exponent in range(4):
            self.powers[name][exponent, self.tile] += (instances * defined * step**exponent).sum(axis=0)
        p = np.nan_to_num(ratio.value[0])
        self.squares[self.tile] += np.where(enters, p * (1 - p) / np.maximum(b, 1), 0.0)

    def _difference(self, tables: Tables) -> Difference:
        return self.metric.of(tables, slice(None), self.work.options.chosen_convention)

    def add_left_out(self, name: str, part: slice, left: Tables) -> None:
        n, options = part.stop - part.start, self.work.options
        summary = options.engine.summarize(self._difference(left), n, options.chosen_threads)
        new = self.metric.complete(summary.totals, summary.spread.size, options.chosen_convention)
        known = self.totals.get((name, part.start))
        self.totals[name, part.start] = new if known is None else metrics.merge(known, new)
        if self.separate:
            return
        step = summary.delta - self.cells.delta
        defined = ~np.isnan(step)
        step[~defined] = 0.0
        c = self.rows[name].multiplicities[part].astype(np.float64)
        power = defined.astype(np.float64)
        for exponent in range(4):
            self.powers[name][exponent, self.tile] += np.tensordot(c, power, 1)
            power = step.copy() if exponent == 0 else np.multiply(power, step, out=power)

    def add_members(self, name: str, part: slice, members: Tables) -> None:
        own = self._difference(members)
        self.influences[name][part] += influences(own, self.derivatives, part.stop - part.start)
        if not self.separate:
            c = self.rows[name].multiplicities[part].astype(np.float64)
            of_delta = influence(self.sample, own)
            self.squares[self.tile] += np.tensordot(c, np.broadcast_to(of_delta**2, (len(c), *of_delta.shape[1:])), 1)

    def result(self, with_acceleration: bool, with_errors: bool) -> MetricJackknife:
        none = np.full_like(self.delta, np.nan)
        accelerations = self._accelerations() if with_acceleration else (np.nan, np.nan, none)
        errors = self._errors() if with_errors else (np.nan, np.nan, none)
        return MetricJackknife(
            Jackknife(accelerations[0], errors[0]),
            Jackknife(accelerations[1], errors[1]),
            Jackknife(accelerations[2], errors[2]),
        )

    def _accelerations(self) -> tuple[float, float, Floats]:
        parts: list[list[tuple[Floats, Floats]]] = [[], [], []]
        for name, rows in self.rows.items():
            pieces = [totals for (table, _), totals in sorted(self.totals.items()) if table == name]
            totals = Totals(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))
            parts[0].append(acceleration_of(self.metric.values(totals), rows.multiplicities))
            parts[1].append(acceleration_of(metrics.variance(totals), rows.multiplicities))
            # of the cells from power sums: U = (n − 1)(mean − step), with steps of the order 1/n
            n, s1, s2, s3 = self.powers[name]
            n = np.maximum(n, 1)
            mean = s1 / n
            cubes = (n - 1) ** 3 * (n * mean**3 - 3 * mean**2 * s1 + 3 * mean * s2 - s3)
            squares = (n - 1) ** 2 * np.maximum(s2 - s1 * mean, 0)
            parts[2].append((cubes / n**3, squares / n**2))
        value, variance, cells = (acceleration(each) for each in parts)
        return float(value), float(variance), cells

    def _errors(self) -> tuple[float, float, Floats]:
        defined = ~np.isnan(self.delta)
        n_defined = int(defined.sum())
        n_cells = self.delta.size if self.metric.keeps_undefined(self.work.options.chosen_convention) else n_defined
        n_terms = len(self.metric.sets) if self.metric.family == "mals" else n_defined
        if n_defined == 0:
            return np.nan, np.nan, np.full(self.delta.shape, np.nan)
        mean = float(np.sum(self.delta, where=defined)) / n_cells
        value = variance = 0.0
        for name, rows in self.rows.items():
            contribution, product, delta = self.influences[name].T
            value += float(rows.multiplicities @ np.square(contribution / n_terms))
            variance += float(rows.multiplicities @ np.square(2 * (product - mean * delta) / n_cells))
        return value**0.5, variance**0.5, np.where(defined, np.sqrt(self.squares), np.nan)


def acceleration_of_statistic(statistic: Callable[[Tables], Floats], work: Pass, sets: AttributeSets) -> Jackknife:
    """The acceleration of a user's statistic, from one evaluation per distinct row."""
    rows = {
        name: DistinctRows.of(plan, work.options) for name, plan in work.plans.items() if name in work.options.resample
    }
    values: dict[str, list[Floats]] = {name: [] for name in rows}
    for name, _, _, left, _ in without_one(work, sets, rows, rows_at_a_time(work, len(sets))):
        values[name].append(statistic(left))
    return Jackknife(
        acceleration([acceleration_of(np.concatenate(values[name]), rows[name].multiplicities) for name in rows])
    )


# ---- The standard error in every replicate


def replicate_errors(chosen: Sequence[Metric], work: Pass) -> dict[str, Floats]:
    """Standard error of each metric by the infinitesimal jackknife, in the sample and all replicates: shape (1 + B,).

    In a replicate, weights take the place of instances: s*² = Σ_j w*_j influence*_j², where row j weighs w*_j in all,
    and influences are those at the counts of the replicate. Time and memory grow with the number of distinct rows times
    that of replicates.
    """
    options = work.options
    rows = {name: DistinctRows.of(plan, options) for name, plan in work.plans.items() if name in options.resample}
    n_rows = 1 + options.n_resamples
    needed = 8 * n_rows * max(len(each.multiplicities) for each in rows.values()) * (2 + len(chosen) * len(rows))
    if needed > options.max_memory:
        raise InputError(
            f'method="studentized" needs the influence of {max(len(each.multiplicities) for each in rows.values()):,} '
            f"distinct rows in {options.n_resamples:,} replicates, about {needed / 2**20:,.0f} MiB, more than "
            f'max_memory ({options.max_memory / 2**20:,.0f} MiB): raise it, or take "BCa"'
        )
    influenced = {
        (metric.name, name): np.zeros((len(each.multiplicities), n_rows))
        for metric in chosen
        for name, each in rows.items()
    }
    n_defined = {metric.name: np.zeros(n_rows) for metric in chosen}
    for sets in {id(metric.sets): metric.sets for metric in chosen}.values():
        for tile, tables in work.tiles(sets):
            for metric in [metric for metric in chosen if metric.sets is sets]:
                difference = metric.of(tables, slice(None), options.chosen_convention)
                cells = metrics.cells(difference)
                enters = cells.indicator & ~np.isnan(cells.delta)
                n_defined[metric.name] += (~np.isnan(cells.delta)).sum(axis=(1, 2))
                gradient = np.where(enters, slopes(difference, cells), 0.0)
                terms = derivatives(difference.predicted, gradient), derivatives(difference.baseline, -gradient)
                step = rows_at_a_time(work, tile.stop - tile.start)
                for name, part, _, _, members in without_one(work, sets[tile], rows, step):
                    own = metric.of(members, slice(None), options.chosen_convention)
                    influenced[metric.name, name][part] += influences(own, terms, part.stop - part.start)
    errors = {}
    squares = {metric.name: np.zeros(n_rows) for metric in chosen}
    for name, each in rows.items():
        weights = np.concatenate([each.multiplicities[:, None], each.weights(work, name)], axis=1)
        for metric in chosen:
            squares[metric.name] += np.einsum("jr,jr,jr->r", weights, *[influenced[metric.name, name]] * 2)
    for metric in chosen:
        n_terms = len(metric.sets) if metric.family == "mals" else n_defined[metric.name]
        with np.errstate(invalid="ignore", divide="ignore"):
            errors[metric.name] = np.where(n_defined[metric.name] > 0, np.sqrt(squares[metric.name]) / n_terms, np.nan)
    return errors
