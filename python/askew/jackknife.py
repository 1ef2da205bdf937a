"""What one unit does to a metric: values without it, and infinitesimal influences.

Units are what a bootstrap draws: instances, of which those with equal rows do the same and are evaluated once, or
clusters (`askew.units`). Counts are sums over units: without one of them, each is smaller by the unit's own. The unit
takes the place of the replicate on the first axis, and the formulas of `askew.metrics` apply as they are.

The influence of a unit is the derivative of the metric with respect to its weight. All metrics are sums over cells of
a/b − c/d with counts a, b, c, d that are linear in the weights; the derivative of a/b is (a' − (a/b) b')/b, with a' and
b' the counts of the unit by itself. The standard error of the infinitesimal jackknife is √Σ influence² over units,
Σ c influence² over distinct ones (Jaeckel 1972; Efron & Tibshirani 1993, section 21.5). For a proportion a/b that is
√(p(1 − p)/b). Within strata, each of which is a sample of its own, influences are taken less their mean in the stratum
(Davison & Hinkley 1997, section 3.2); without strata that mean is 0.

Several models that differ by the seed of their training are one more sample. The value is the mean over them, and the
influence of a model its own value less that mean, over their number; influences of units are means over models. The
influence on a difference of two models is the difference of the influences on each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.counting import KERNEL_BYTES, CountingPlan
from askew.counts import Counts
from askew.errors import InputError
from askew.intervals import Jackknife, acceleration, acceleration_of
from askew.metrics import Difference, Ratio, Totals
from askew.models import mean_over_models
from askew.options import Options
from askew.sets import AttributeSets
from askew.units import BLOCK_BYTES, DrawnUnits, within

if TYPE_CHECKING:
    from askew.evaluation import Metric, Pass, Tables

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_TILE = 1024  # sets at a time


class MetricJackknife(NamedTuple):
    """Of a metric's value, of its variance over cells, and of Δ in each cell, shape (|M|, |G|)."""

    value: Jackknife
    variance: Jackknife
    cells: Jackknife


class Without(NamedTuple):
    """Counts without one of some units, and of each of these by itself (of the other table: the sample, and none)."""

    left: Tables
    members: Tables


def units_of(passes: Sequence[Pass]) -> dict[str, DrawnUnits]:
    """The units of the tables that are resampled, the same for all models."""
    options = passes[0].options
    return {
        name: DrawnUnits.of([work.plans[name] for work in passes], options)
        for name in passes[0].plans
        if name in options.resample
    }


def units_at_a_time(passes: Sequence[Pass], n_sets: int) -> int:
    """Units whose counts, and what is made of them, fit a block: a multiple of 64."""
    q = max(len(plan.group_names) for plan in passes[0].plans.values())
    plans = [plan for work in passes for plan in work.plans.values()]
    per_unit = n_sets * sum(2 * plan.bytes_per_replicate + 8 * 8 * q for plan in plans)
    return max(64, BLOCK_BYTES // per_unit // 64 * 64)


def samples_of(passes: Sequence[Pass], sets: AttributeSets) -> list[Tables]:
    """Counts of the sample, with the predictions of each model."""
    first = passes[0].count(sets, range(0), None)
    others = [replace(work, train=None).count(sets, range(0), None) for work in passes[1:]]
    return [first, *(first._replace(test=other.test) for other in others)]


def without_one(
    passes: Sequence[Pass], samples: Sequence[Tables], units: dict[str, DrawnUnits], step: int
) -> Iterator[tuple[str, slice, list[Without]]]:
    """For each table, and block of its units: counts without one of them, with the predictions of each model."""
    for name, these in units.items():
        for part in these.blocks(step):
            found: list[Without] = []
            for number, (work, sample) in enumerate(zip(passes, samples, strict=True)):
                whole: Counts = getattr(sample, name)
                if number and work.plans[name] is passes[0].plans[name]:
                    members = getattr(found[0].members, name)
                else:
                    members = these.members(work.plans[name], whole, part)
                nothing = sample._replace(
                    **{t: None if counts is None else _less(counts, counts) for t, counts in sample._asdict().items()}
                )
                found.append(
                    Without(sample._replace(**{name: _less(whole, members)}), nothing._replace(**{name: members}))
                )
            yield name, part, found


def _less(a: Counts, b: Counts) -> Counts:
    """The counts of `a` less those of `b`, in the layout of `b`: units side by side."""
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
    chosen: Sequence[Metric],
    passes: Sequence[Pass],
    lots: Sequence[Sequence[int]],
    pairs: Sequence[tuple[int, int]] = (),
    *,
    with_acceleration: bool,
) -> tuple[list[dict[str, MetricJackknife]], list[dict[str, Jackknife]]]:
    """What "BCa" and "delta" need of metrics, over the tables that are resampled.

    For the mean over each lot of models, and for the difference of the values of two lots that are a pair.
    """
    units = units_of(passes)
    _check_memory(units, len(chosen) * len(passes), 3 + 5 * with_acceleration, passes[0].options)
    all_sums = [{metric.name: _Sums(metric, [passes[i] for i in lot], units) for metric in chosen} for lot in lots]
    for sets in {id(metric.sets): metric.sets for metric in chosen}.values():
        these = [metric.name for metric in chosen if metric.sets is sets]
        step = units_at_a_time(passes, min(len(sets), _TILE))
        for start in range(0, len(sets), _TILE):
            tile = slice(start, min(start + _TILE, len(sets)))
            samples = samples_of(passes, sets[tile])
            for lot, sums in zip(lots, all_sums, strict=True):
                for name in these:
                    sums[name].begin(tile, [samples[i] for i in lot])
            for table, part, found in without_one(passes, samples, units, step):
                for lot, sums in zip(lots, all_sums, strict=True):
                    for name in these:
                        sums[name].add_members(table, part, [found[i].members for i in lot])
                        if with_acceleration:
                            sums[name].add_left_out(table, part, [found[i].left for i in lot])
    results = [{name: each.result(with_acceleration) for name, each in sums.items()} for sums in all_sums]
    differences = [
        {name: _of_difference(all_sums[a][name], all_sums[b][name], with_acceleration) for name in all_sums[a]}
        for a, b in pairs
    ]
    return results, differences


def _check_memory(units: dict[str, DrawnUnits], n_kept: int, n_numbers: int, options: Options) -> None:
    n_units = sum(map(len, units.values()))
    needed = 8 * n_units * n_kept * n_numbers
    if needed > options.max_memory - KERNEL_BYTES:
        raise InputError(
            f"method={options.method!r} keeps the influences of {n_units:,} distinct rows (or clusters), about "
            f"{needed / 2**20:,.0f} MiB, more than max_memory ({options.max_memory / 2**20:,.0f} MiB) has for them: "
            'raise it, or take "percentile" or "basic"'
        )


class PowerSums:
    """Sums over units, of arrays (units, …) that come block by block, by the powers Σ c x^k within each stratum.

    What is made of these is added to `total` when a stratum ends. An array's undefined numbers are left out.
    """

    def __init__(self, units: DrawnUnits, of_stratum: Callable[[Floats], Floats], n_powers: int, total: Floats) -> None:
        self._units, self._of_stratum, self._total = units, of_stratum, total
        self._powers = np.zeros((n_powers, *total.shape[1:]))

    @classmethod
    def of_steps(cls, units: DrawnUnits, total: Floats) -> PowerSums:
        """Σ U³ and Σ U², shape (2, …), from what leaving out a unit does to a value."""
        return cls(units, cubes_and_squares, 4, total)

    @classmethod
    def of_influences(cls, units: DrawnUnits, total: Floats) -> PowerSums:
        """Σ influence², shape (1, …), less the mean in the stratum."""
        return cls(units, squares_in_stratum, 3, total)

    def add(self, part: slice, values: Floats) -> None:
        """The next of the units, which come stratum by stratum."""
        c, strata = self._units.multiplicities[part].astype(np.float64), self._units.strata
        begins = np.append(part.start, strata[(strata > part.start) & (strata < part.stop)]) - part.start
        defined = np.isfinite(values)
        values = np.where(defined, values, 0.0)
        powers = np.empty((len(self._powers), len(begins), *values.shape[1:]))
        power = defined.astype(np.float64)
        for exponent in range(len(powers)):
            if len(begins) == 1:
                powers[exponent, 0] = np.tensordot(c, power, 1)
            else:
                powers[exponent] = np.add.reduceat(power * c.reshape(-1, *(1,) * (power.ndim - 1)), begins)
            power = values.copy() if exponent == 0 else np.multiply(power, values, out=power)
        powers[:, 0] += self._powers
        ended = len(begins) - (part.stop not in strata)
        self._total += self._of_stratum(powers[:, :ended]).sum(axis=1)
        self._powers = powers[:, ended:].sum(axis=1)


def cubes_and_squares(powers: Floats) -> Floats:
    """Σ U³ and Σ U² over a stratum from Σ c step^k: U = (n − 1)(mean − step)/n, with steps of the order 1/n."""
    n, s1, s2, s3 = powers
    n = np.maximum(n, 1)
    mean, share = s1 / n, (n - 1) / n
    cubes = share**3 * (n * mean**3 - 3 * mean**2 * s1 + 3 * mean * s2 - s3)
    return np.stack([cubes, share**2 * np.maximum(s2 - s1 * mean, 0)])


def squares_in_stratum(powers: Floats) -> Floats:
    """Σ (influence − mean)² over a stratum from Σ c influence^k."""
    n, s1, s2 = powers
    squares: Floats = np.maximum(s2 - s1 * s1 / np.maximum(n, 1), 0)[None]
    return squares


@dataclass
class _Sample:
    """A model's cells in the sample, and derivatives of sums over them."""

    difference: Difference
    cells: metrics.Cells
    derivatives: tuple[Derivatives, Derivatives]

    @classmethod
    def of(cls, difference: Difference) -> _Sample:
        cells = metrics.cells(difference)
        columns = [slopes(difference, cells), np.nan_to_num(cells.delta), np.ones_like(cells.delta)]
        gradients = np.where(cells.indicator & ~np.isnan(cells.delta), np.concatenate(columns), 0.0)
        terms = derivatives(difference.predicted, gradients), derivatives(difference.baseline, -gradients)
        return cls(difference, cells, terms)


@dataclass
class _Sums:
    """What is kept, from block to block, of the mean of a metric over models."""

    metric: Metric
    passes: list[Pass]
    units: dict[str, DrawnUnits]
    totals: dict[tuple[int, str, int], Totals] = field(default_factory=dict)  # of a model, without one unit

    def __post_init__(self) -> None:
        work, k = self.passes[0], len(self.passes)
        q = len(next(iter(work.plans.values())).group_names)
        shape = (len(self.metric.sets), q)
        self.skew = np.zeros((2, *shape))  # Σ U³ and Σ U² of cells, U by leaving out
        self.variances = np.zeros((1, *shape))  # Σ influence² of cells
        self.delta = np.full((k, *shape), np.nan)
        self.influences = {name: np.zeros((k, len(units), 3)) for name, units in self.units.items()}
        self.of_sample: list[Totals] = []
        # whether the two terms of Δ are proportions in two tables: then little happens to a cell
        plans = work.plans.values()
        overlap = not all(isinstance(plan, CountingPlan) and plan.layout.partition for plan in plans)
        self.separate = not overlap if self.metric.family == "mals" else self.metric.baseline == "train"
        self.separate &= k == 1 and all(units.plain for units in self.units.values())

    def begin(self, tile: slice, samples: list[Tables]) -> None:
        """Go on to other sets, with their counts in the sample and the predictions of each model."""
        self.tile, self.samples = tile, [_Sample.of(self._difference(sample)) for sample in samples]
        deltas = [sample.cells.delta for sample in self.samples]
        self.delta[:, tile] = np.concatenate(deltas)
        self.mean = _mean(deltas)
        self.share = ~np.isnan(deltas) / np.maximum(np.sum(~np.isnan(deltas), axis=0), 1)  # of each model in a cell
        self.steps = {name: PowerSums.of_steps(units, self.skew[:, tile]) for name, units in self.units.items()}
        of_units = self.variances[:, tile]
        self.moves = {name: PowerSums.of_influences(units, of_units) for name, units in self.units.items()}
        new = [self._complete(metrics.totals(sample.cells), sample.cells.delta.size) for sample in self.samples]
        self.of_sample = list(map(metrics.merge, self.of_sample, new)) if self.of_sample else new
        if self.separate:
            for name in self.units:
                self._add_separate(name)

    def _difference(self, tables: Tables) -> Difference:
        return self.metric.of(tables, slice(None), self.passes[0].options.chosen_convention)

    def _complete(self, totals: Totals, n_cells: int) -> Totals:
        return self.metric.complete(totals, n_cells, self.passes[0].options.chosen_convention)

    def _add_separate(self, name: str) -> None:
        """What leaving out an instance does to cells of two proportions a/b, that of this table among them: it is one
        of the a, of the b − a or of the rest, and all of each do the same.
        """
        sample = self.samples[0]
        of = sample.difference
        ratio = of.predicted if name == "test" else of.baseline
        a, b = np.broadcast_arrays(ratio.numerator[0], ratio.denominator[0])
        changed = Ratio(np.stack([a - 1, a, a]), np.stack([b - 1, b - 1, b]))
        instances = np.stack([a, b - a, self.passes[0].plans[name].n - b])
        left = of._replace(predicted=changed) if name == "test" else of._replace(baseline=changed)
        step = metrics.cells(left._replace(sign=None)).delta - sample.cells.delta
        defined = np.isfinite(step)
        step[~defined] = 0.0
        powers = np.stack([(instances * defined * step**exponent).sum(axis=0) for exponent in range(4)])
        self.skew[:, self.tile] += cubes_and_squares(powers)
        p = np.nan_to_num(ratio.value[0])
        enters = (sample.cells.indicator & ~np.isnan(sample.cells.delta))[0]
        self.variances[0, self.tile] += np.where(enters, p * (1 - p) / np.maximum(b, 1), 0.0)

    def add_left_out(self, name: str, part: slice, lefts: list[Tables]) -> None:
        n, options = part.stop - part.start, self.passes[0].options
        deltas = []
        for number, left in enumerate(lefts):
            summary = options.engine.summarize(self._difference(left), n, options.chosen_threads)
            new = self._complete(summary.totals, summary.spread.size)
            known = self.totals.get((number, name, part.start))
            self.totals[number, name, part.start] = new if known is None else metrics.merge(known, new)
            deltas.append(summary.delta)
        if not self.separate:
            self.steps[name].add(part, _mean(deltas) - self.mean)

    def add_members(self, name: str, part: slice, members: list[Tables]) -> None:
        n, of_delta = part.stop - part.start, np.zeros(())
        for number, (sample, tables) in enumerate(zip(self.samples, members, strict=True)):
            own = self._difference(tables)
            self.influences[name][number, part] += influences(own, sample.derivatives, n)
            if not self.separate:
                of_delta = of_delta + self.share[number] * influence(sample.difference, own)
        if not self.separate:
            whole = np.broadcast_to(of_delta, (n, *self.mean.shape[1:]))
            self.moves[name].add(part, whole)

    def result(self, with_acceleration: bool) -> MetricJackknife:
        values, variances = self.of_models()
        defined = ~np.isnan(self.delta).all(axis=0)
        none = np.full(defined.shape, np.nan)
        if not defined.any():
            return MetricJackknife(Jackknife(), Jackknife(), Jackknife(none, none))
        errors = [
            float(np.sqrt(self._squares(column) + _sums_over_models(of_each)[1]))
            for column, of_each in enumerate((values, variances))
        ]
        of_cells = np.where(defined, np.sqrt(self.variances[0] + _sums_over_models(self.delta)[1]), np.nan)
        accelerations: list[Any] = [np.nan, np.nan, none]
        if with_acceleration:
            for which, of_each in enumerate((values, variances)):
                parts = [
                    acceleration_of(self.left_out(name)[which], units.multiplicities, units.strata)
                    for name, units in self.units.items()
                ]
                accelerations[which] = float(acceleration([*parts, _sums_over_models(of_each)]))
            accelerations[2] = acceleration([tuple(self.skew), _sums_over_models(self.delta)])
        return MetricJackknife(
            Jackknife(accelerations[0], errors[0]),
            Jackknife(accelerations[1], errors[1]),
            Jackknife(accelerations[2], of_cells),
        )

    def of_models(self) -> tuple[Floats, Floats]:
        """Value and variance of each model, shape (k,)."""
        values = np.concatenate([self.metric.values(totals) for totals in self.of_sample])
        return values, np.concatenate([metrics.variance(totals) for totals in self.of_sample])

    def left_out(self, name: str) -> tuple[Floats, Floats]:
        """Value and variance without one of each of a table's units, shape (J,)."""
        values, variances = [], []
        for number in range(len(self.passes)):
            pieces = [totals for (i, table, _), totals in sorted(self.totals.items()) if (i, table) == (number, name)]
            totals = Totals(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))
            values.append(self.metric.values(totals))
            variances.append(metrics.variance(totals))
        return _mean(values), _mean(variances)

    def influence(self, name: str) -> Floats:
        """Influence of each of a table's units on value and variance, shape (J, 2)."""
        parts = []
        for of_units, totals, delta in zip(self.influences[name], self.of_sample, self.delta, strict=True):
            n_defined = int(totals.n_contributions[0])
            if n_defined == 0:
                continue
            contribution, product, steps = of_units.T
            n_terms = len(self.metric.sets) if self.metric.family == "mals" else n_defined
            n_cells = int(totals.n[0])
            mean = np.nansum(delta) / n_cells
            parts.append(np.column_stack([contribution / n_terms, 2 * (product - mean * steps) / n_cells]))
        whole: Floats = np.mean(parts, axis=0)
        return whole

    def _squares(self, column: int) -> float:
        """Σ influence² over the units of all tables, less the means in strata."""
        return sum(_spread(self.influence(name)[:, column], units) for name, units in self.units.items())


def _of_difference(a: _Sums, b: _Sums, with_acceleration: bool) -> Jackknife:
    """Of the difference of the values of two lots, of models on the same units."""
    if np.isnan(a.of_models()[0]).all() or np.isnan(b.of_models()[0]).all():
        return Jackknife()
    error = sum(_spread(a.influence(name)[:, 0] - b.influence(name)[:, 0], units) for name, units in a.units.items())
    if not with_acceleration:
        return Jackknife(standard_error=error**0.5)
    parts = [
        acceleration_of(a.left_out(name)[0] - b.left_out(name)[0], units.multiplicities, units.strata)
        for name, units in a.units.items()
    ]
    return Jackknife(float(acceleration(parts)), error**0.5)


def _spread(influence: Floats, units: DrawnUnits) -> float:
    centred = within(influence, units.multiplicities, units.strata)
    return float(units.multiplicities @ np.square(centred))


def _mean(of_models: Sequence[Floats]) -> Floats:
    """Mean over models, of those where it is defined, of arrays (n, …)."""
    if len(of_models) == 1:
        return of_models[0]
    return mean_over_models(list(of_models), np.full((len(of_models[0]), len(of_models)), 1 / len(of_models)))


def _sums_over_models(values: Floats) -> tuple[Floats, Floats]:
    """Σ U³ and Σ U² over models, on the first axis, of their influences on the mean over them.

    For a mean, leaving out one gives the same as the derivative: (n − 1)(mean of θ − θ_i)/n = (x_i − mean of x)/n.
    """
    defined = ~np.isnan(values)
    n = np.maximum(defined.sum(axis=0), 1)
    mean = np.where(defined, values, 0.0).sum(axis=0) / n
    u = np.where(defined, (values - mean) / n, 0.0)
    return np.sum(u**3, axis=0, keepdims=True)[0], np.sum(u**2, axis=0, keepdims=True)[0]


def acceleration_of_statistic(statistic: Callable[[Tables], Floats], work: Pass, sets: AttributeSets) -> Jackknife:
    """The acceleration of a user's statistic, from one evaluation per unit."""
    units = units_of([work])
    values: dict[str, list[Floats]] = {name: [] for name in units}
    step = units_at_a_time([work], len(sets))
    for name, _, found in without_one([work], samples_of([work], sets), units, step):
        values[name].append(statistic(found[0].left))
    return Jackknife(
        acceleration(
            [
                acceleration_of(np.concatenate(values[name]), each.multiplicities, each.strata)
                for name, each in units.items()
            ]
        )
    )


# ---- Any function of counts

_STEP = 2.0**-10  # of a weight: small, and c ± step is exact


def check_method(function_name: str, options: Options) -> None:
    """Raise `InputError` for a method that tables of values do not have."""
    if options.method == "studentized":
        raise InputError(
            f'{function_name}() has the methods "percentile", "basic", "BCa" and "delta", not "studentized"'
        )


def jackknife_of(
    formula: Callable[[Tables], Floats],
    work: Pass,
    sets: AttributeSets,
    units: dict[str, DrawnUnits],
    multiple_of: int = 1,
) -> Jackknife:
    """What "BCa", or "delta", needs of values (R, …) that a formula has of counts (R, …), one along axis 1 for each set
    or for so many in a row.

    Derivatives are central differences of the formula at the counts of the sample and a little more, or less, of a
    unit. The formula sees the sample in the first row, as always.
    """
    parts = []
    leaving_out, tile = work.options.method == "BCa", _TILE // multiple_of * multiple_of
    for start in range(0, len(sets), tile):
        of_tile = sets[start : start + tile]
        (sample,) = samples_of([work], of_tile)
        values = formula(sample)[0]
        total = np.zeros((2 if leaving_out else 1, *values.shape))
        make = PowerSums.of_steps if leaving_out else PowerSums.of_influences
        sums = {name: make(each, total) for name, each in units.items()}
        for name, part, found in without_one([work], [sample], units, units_at_a_time([work], len(of_tile))):
            with np.errstate(invalid="ignore"):  # −∞ − (−∞)
                if leaving_out:
                    sums[name].add(part, formula(_moved(sample, found[0].members, -1))[1:] - values)
                else:
                    more, less = (formula(_moved(sample, found[0].members, step))[1:] for step in (_STEP, -_STEP))
                    sums[name].add(part, (more - less) / (2 * _STEP))
        if leaving_out:
            parts.append(Jackknife(acceleration([tuple(total)]), np.full(values.shape, np.nan)))
        else:
            error = np.where(np.isfinite(values), np.sqrt(total[0]), np.nan)
            parts.append(Jackknife(np.full(values.shape, np.nan), error))
    return Jackknife(*(np.concatenate([part[which] for part in parts]) for which in (0, 1)))


def _moved(sample: Tables, members: Tables, step: float) -> Tables:
    """The sample, and after it the sample with each of some units `step` times more."""

    def moved(counts: Counts | None, own: Counts | None) -> Counts | None:
        if counts is None or own is None:
            return None
        arrays = {
            name: np.concatenate([array, array + step * own._arrays[name]]) for name, array in counts._arrays.items()
        }
        return counts._with(arrays)

    return sample._replace(**{name: moved(getattr(sample, name), getattr(members, name)) for name in sample._fields})
