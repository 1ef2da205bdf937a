"""One pass from tables to estimates: count a tile of attribute sets in all replicates, apply the formulas, keep
sums, go on.

Tiles are as large as the memory allows. Replicates are shared by all metrics, and row weights depend on neither tile
nor block, so that the integers are the same for any budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew import metrics, multiplicity
from askew.annotations import Annotations, Named
from askew.checkpoints import Checkpoint
from askew.conventions import Convention
from askew.counting import KERNEL_BYTES, CountingPlan, TablePlan, stream_bytes
from askew.counts import Counts, View
from askew.design import labels_for
from askew.errors import InputError, warn
from askew.intervals import (
    ConfidenceInterval,
    Jackknife,
    bca_probabilities,
    confidence_interval,
    tail_of,
)
from askew.jackknife import MetricJackknife, acceleration_of_statistic, jackknives
from askew.metrics import Difference, Totals
from askew.models import ModelSpread, mean_over_models, mixed, shares
from askew.options import Options
from askew.progress import part_of, progress_monitor
from askew.randomness import seed_of
from askew.results import CellValues, Estimate, Run
from askew.sets import AttributeSets
from askew.studentized import replicate_errors

Floats = npt.NDArray[np.float64]

_TEMPORARIES = 11  # arrays of the size of a metric's cells that are alive at once
KERNEL_BLOCK = 128  # replicates that the resampling kernel makes at a time
_TILE_BYTES = 2**27  # larger tiles gain nothing, and NumPy's temporaries then cost page faults
FEW_SUPPORT = 10
# Standard errors between replicates and value beyond which intervals fail (docs/statistics.md, "Warnings"):
LARGE_RISE = 1.0  # of metrics of |Δ|: most percentile intervals miss
LARGE_SHIFT = 0.5  # of signed metrics: one in ten, or more
ONE_MODEL_WEIGHTS = ("poisson-patterns",)
KEPT_SHARE = 0.25  # of the memory, for what step-down adjustment needs of all cells


@dataclass(frozen=True)
class Metric:
    """A metric of docs/definitions.md: a family of Δ, a universe, and how cells contribute."""

    name: str
    family: str  # "mals", "group->attribute" or "attribute->group"
    sets: AttributeSets
    signed: bool
    baseline: str = "train"  # of the directional families

    def of(self, tables: Tables, part: slice, convention: Convention) -> Difference:
        """The metric's formula on the counts of some of the sets that were counted."""
        assert tables.train is not None
        assert tables.test is not None
        train = tables.train.truth
        if convention.empty_rows == "dropped":
            train = train._replace(n=tables.train.n_annotated)
        return self.difference(_part(train, part), tables.test, part, convention)

    def keeps_undefined(self, convention: Convention) -> bool:
        """Whether an undefined cell enters the variance, as 0."""
        return self.family == "mals" and convention.undefined_mals == "zero"

    def complete(self, totals: Totals, n_cells: int, convention: Convention) -> Totals:
        """Totals over `n_cells` cells, with what the convention makes of undefined ones."""
        return metrics.undefined_as_zero(totals, n_cells) if self.keeps_undefined(convention) else totals

    def values(self, totals: Totals) -> Floats:
        """The metric from sums over its cells."""
        if self.family == "mals":
            return metrics.mean_over_sets(totals, len(self.sets))
        return metrics.mean_over_cells(totals)

    def difference(self, train: View, test: Counts, part: slice, convention: Convention) -> Difference:
        """The metric's formula on the counts of some sets."""
        if self.family == "mals":
            return metrics.mals_difference(train, _part(test.prediction, part), signed=self.signed)
        baseline = train if self.baseline == "train" else _part(test.truth, part)
        if self.family == "group->attribute":
            terms = metrics.set_given_group(_part(test.predicted_attributes, part)), metrics.set_given_group(baseline)
        else:
            terms = metrics.group_given_set(_part(test.predicted_groups, part)), metrics.group_given_set(baseline)
        if not self.signed:
            return metrics.directional_difference(*terms, None)
        sign = metrics.correlation_sign(train)
        if convention.tie == "uncorrelated":
            sign = np.where(sign > 0, 1, -1).astype(np.int8)
        return metrics.directional_difference(
            *terms, sign, metrics.correlation(train) if self.baseline == "train" else None
        )


class Tables(NamedTuple):
    """Counts of the training table and of the test table with its predictions; None where there is no such table."""

    train: Counts | None
    test: Counts | None

    def sets(self, part: slice) -> Tables:
        """The counts of some of the sets."""
        return Tables(*(None if counts is None else counts._part(part) for counts in self))

    @property
    def n_in_no_group(self) -> dict[str, int]:
        """n − Σ co(g) of "train", "test" and "pred", where that is positive."""
        sides = {
            "train": None if self.train is None else self.train.truth,
            "test": None if self.test is None else self.test.truth,
            "pred": None if self.test is None or not self.test.has_predictions else self.test.prediction,
        }
        outside = {name: int(side.n[0] - side.co_group[0].sum()) for name, side in sides.items() if side is not None}
        return {name: n for name, n in outside.items() if n > 0}

    def rows(self, rows: slice) -> Tables:
        """Some rows of the replicate axis; a table that is not resampled keeps its one."""
        return Tables(*(counts if counts is None or len(counts) == 1 else counts._replicates(rows) for counts in self))


@dataclass(frozen=True)
class Pass:
    """The tables of a call, and how they are counted under its options."""

    train: TablePlan | None
    test: TablePlan | None
    options: Options
    seed: int
    n_models: int = 1  # whose counts are there at one time

    @classmethod
    def of(cls, train: Named | None, test: Named | None, pred: Named | None, options: Options) -> Pass:
        """The pass, or `InputError` if the tables do not belong together."""
        if train is not None and test is not None:
            train.check_same_names(test, "train and test")

        def plan(name: str, annotations: Named | None, predictions: Named | None) -> TablePlan | None:
            if annotations is None:
                return None
            made = plan_of(annotations, predictions, name, options.max_memory, options.checkpoint)
            if name not in options.resample:
                return made
            labels = (labels_for(name, resampled, getattr(options, of), of) for of in ("strata", "clusters"))
            made = made.drawn_in(options.weights, *labels)
            if not options.n_resamples:
                return made
            return made.prepared_for(options.weights, options.engine, options.chosen_threads)

        given = {"train": train, "test": test}
        resampled = [name for name in options.resample if given[name] is not None]
        seed = 0
        if options.n_resamples:
            seed = seed_of(options.rng) if options.checkpoint is None else options.checkpoint.seed(options.rng)
        return cls(plan("train", train, None), plan("test", test, pred), options, seed)._checked()

    def _checked(self) -> Pass:
        if self.options.n_resamples and not set(self.options.resample) & set(self.plans):
            raise InputError(
                f"resample={self.options.resample!r} names none of the tables that are given: {tuple(self.plans)}"
            )
        if self.options.checkpoint is not None and not self._streamed:
            raise InputError("checkpoint= is for scans: these tables are in memory (see Annotations.scan)")
        return self

    def with_predictions(self, test: Named, pred: Named | None) -> Pass:
        """The same tables and seed, with the predictions of another model."""
        options = self.options
        plan = plan_of(test, pred, "test", options.max_memory, options.checkpoint)
        if isinstance(plan, CountingPlan) and self.test is not None:
            plan = replace(plan, design=self.test.design)
        if options.n_resamples and "test" in options.resample:
            plan = plan.prepared_for(options.weights, options.engine, options.chosen_threads)
        return replace(self, test=plan)

    @property
    def plans(self) -> dict[str, TablePlan]:
        return {name: plan for name, plan in [("train", self.train), ("test", self.test)] if plan is not None}

    def run(self) -> Run:
        """The record of this pass."""
        from askew import __version__

        options = self.options
        return Run(
            version=__version__,
            backend=options.engine.name,
            convention=str(options.chosen_convention),
            n_train=None if self.train is None else self.train.n,
            n_test=None if self.test is None else self.test.n,
            n_skipped=sum(plan.n_skipped for plan in self.plans.values()),
            n_resamples=int(options.n_resamples),
            weights=options.weights,
            seed=self.seed,
            resample=tuple(options.resample),
            method=options.method,
            confidence_level=float(options.confidence_level),
            alternative=options.alternative,
            n_strata={name: k for name, plan in self.plans.items() if (k := plan.design.n_strata) is not None},
            n_clusters={name: k for name, plan in self.plans.items() if (k := plan.design.n_clusters) is not None},
            predicts_groups=None if self.test is None else self.test.predicts_groups,
            sets=options.sets
            if options.sets is None or isinstance(options.sets, str)
            else f"{len(options.sets)} given",
            max_size=options.max_size,
            min_count=options.min_count,
            support=options.support,
            signed=None if options.signed is None else bool(options.signed),
        )

    def warn_of_skipped(self) -> None:
        """Say which rows could not be read."""
        for plan in self.plans.values():
            plan.warn_of_skipped()

    def count(self, sets: AttributeSets, replicates: range, monitor: Any, *, sample: bool = True) -> Tables:
        """Counts of both tables; a table that is not resampled has the sample only."""
        counts: dict[str, Counts | None] = {"train": None, "test": None}
        for number, (name, plan) in enumerate(self.plans.items()):
            varies = name in self.options.resample
            counts[name] = plan.run(
                sets,
                plan.resampling(self.options.weights, self.seed, self.options.n_resamples),
                replicates if varies else range(0),
                self.options.engine,
                self.options.chosen_threads,
                part_of(monitor, number, len(self.plans)),
                sample=sample or not varies,
            )
        return Tables(**counts)

    @property
    def _streamed(self) -> bool:
        return any(plan.streamed for plan in self.plans.values())

    def _monitor(self) -> Any:
        """What shows progress: in rows, where these are what a pass goes through."""
        rows = sum(plan.n for plan in self.plans.values()) if self._streamed and self.options.progress else None
        return progress_monitor(self.options.progress, rows)

    def tiles(self, sets: AttributeSets, *, multiple_of: int = 1) -> Iterator[tuple[slice, Tables]]:
        """All replicates of a slice of the sets at a time; so many sets in a row are never parted."""
        step = max(1, self._tile(1 + self.options.n_resamples) // multiple_of) * multiple_of
        passes = self._per_pass(len(sets), step)
        starts = range(0, len(sets), passes)
        with self._monitor() as monitor:
            for number, start in enumerate(starts):
                whole = slice(start, min(start + passes, len(sets)))
                tables = self.count(sets[whole], range(self.options.n_resamples), part_of(monitor, number, len(starts)))
                for begin in range(whole.start, whole.stop, step):
                    part = slice(begin, min(begin + step, whole.stop))
                    yield part, tables.sets(slice(part.start - start, part.stop - start))
                del tables  # before the next are counted

    def blocks(self, sets: AttributeSets) -> Iterator[Tables]:
        """All sets at a time: first the sample, then blocks of replicates."""
        block = self._block(len(sets))
        starts = range(0, self.options.n_resamples, block)
        with self._monitor() as monitor:
            if self._streamed and len(starts):  # the sample and the first block in one pass
                first = range(min(block, self.options.n_resamples))
                tables = self.count(sets, first, part_of(monitor, 0, len(starts)))
                yield tables.rows(slice(1))
                yield tables.rows(slice(1, None))
                del tables
            else:
                yield self.count(sets, range(0), None)
            for number, start in enumerate(starts):
                if number or not self._streamed:
                    replicates = range(start, min(start + block, self.options.n_resamples))
                    yield self.count(sets, replicates, part_of(monitor, number, len(starts)), sample=False)

    def _per_pass(self, n_sets: int, step: int) -> int:
        """Sets to count at a time: a tile, or all that fit the memory where each pass reads the tables again."""
        if not self._streamed or self.n_models > 1:
            return step
        plans = self.plans.values()
        per_set = sum(p.bytes_per_replicate * (1 + self.options.n_resamples) + p.bytes_per_set for p in plans)
        if self.options.checkpoint is not None:
            per_set *= 2  # what was counted before, and what is added to it
        fits = (self._bytes() - min(self._bytes() // 2, _TILE_BYTES)) // per_set
        return max(step, fits // step * step)

    def _block(self, n_sets: int) -> int:
        """Replicates of `n_sets` sets that fit the memory."""
        fixed = sum(plan.bytes_per_set for plan in self.plans.values()) * n_sets
        per_replicate = sum(plan.bytes_per_replicate for plan in self.plans.values()) * n_sets
        block = (self._bytes() - fixed) // (2 * per_replicate)  # the counts, and what the statistic makes of them
        if block < 1:
            raise InputError(
                f"the counts of {n_sets:,} sets in one replicate take more than "
                f"max_memory={self.options.max_memory:,} bytes: raise it, or take fewer sets"
            )
        return block // KERNEL_BLOCK * KERNEL_BLOCK or block  # parts of the kernel's blocks cost as much as whole ones

    def _bytes(self) -> int:
        streams = stream_bytes(self.options.max_memory) if self._streamed else 0
        return self.options.max_memory - KERNEL_BYTES - streams

    def _tile(self, n_rows: int) -> int:
        """Sets whose counts and cells in `n_rows` rows of the replicate axis fit the memory."""
        plans = self.plans.values()
        q = max(len(plan.group_names) for plan in plans)
        per_row = self.n_models * (sum(plan.bytes_per_replicate for plan in plans) + 8 * q * _TEMPORARIES)
        per_set = per_row * n_rows + sum(plan.bytes_per_set for plan in plans)
        if per_set > self._bytes():
            raise InputError(
                f"{n_rows - 1:,} replicates of one attribute set take {per_set / 2**20:,.0f} MiB beside the kernels', "
                f"more than max_memory={self.options.max_memory:,}: raise it, or take fewer replicates"
            )
        # each tile is a pass over the files, and one more for each further model: few large ones are better
        most = self._bytes() if self._streamed and self.n_models > 1 else min(self._bytes(), _TILE_BYTES)
        return max(1, most // per_set)


def plan_of(
    annotations: Named, pred: Named | None, table: str, max_memory: int, checkpoint: Checkpoint | None = None
) -> TablePlan:
    """How a table in memory, or a scan of one, is counted."""
    if isinstance(annotations, Annotations) and (pred is None or isinstance(pred, Annotations)):
        return CountingPlan.of(annotations, pred, table)
    from askew.counted import Counted, CountedPlan
    from askew.scan import Scan, SideBySide
    from askew.streaming import ScanPlan

    if isinstance(annotations, Counted):
        return CountedPlan(annotations.counts)
    if isinstance(annotations, SideBySide):
        return ScanPlan.of_joint(annotations, table, max_memory, checkpoint)

    if not isinstance(annotations, Scan) or not (pred is None or isinstance(pred, Scan)):
        raise InputError("test and pred must both be scans, or both in memory: scan.collect() brings one there")
    return ScanPlan(annotations, pred, table, max_memory, checkpoint)


class Evaluation(NamedTuple):
    """Estimates by name: of all models together, or of each; and for each pair of models, of their differences."""

    estimates: list[dict[str, Estimate]]
    differences: list[dict[str, Jackknife]]


def evaluate(
    chosen: list[Metric],
    train: Named,
    test: Named,
    models: Mapping[str, Named | None],
    options: Options,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> Evaluation:
    """Estimates of the metrics, from one pass over the tables: of all models together; or of each, with what intervals
    of the differences of pairs of models need.
    """
    if len(train.group_names) < 2:
        raise InputError(f"bias amplification compares groups, and there is only one: {train.group_names}")
    passes = _passes(train, test, models, options)
    convention = options.chosen_convention
    universes: list[AttributeSets] = []
    for metric in chosen:
        if not any(metric.sets is sets for sets in universes):
            universes.append(metric.sets)
    joined = universes[0] if len(universes) == 1 else universes[0] + universes[1]
    begins = {id(sets): sum(map(len, universes[:i])) for i, sets in enumerate(universes)}
    lots = [[*range(len(passes))]] if pairs is None else [[number] for number in range(len(passes))]
    n_cells = len(lots) * sum(len(metric.sets) for metric in chosen) * len(train.group_names)
    keeps = 8 * n_cells * options.n_resamples <= KEPT_SHARE * (options.max_memory - KERNEL_BYTES)
    known, differing = _jackknives(chosen, passes, lots, pairs or ())
    all_sums: list[dict[str, _Sums]] = []
    for lot, of_lot in zip(lots, known, strict=True):
        drawing = passes[0].seed, len(lot)
        all_sums.append({m.name: _Sums(m, convention, options, of_lot.get(m.name), keeps, drawing) for m in chosen})
    outside: list[dict[str, int]] = [{} for _ in passes]
    for tile, tables in passes[0].tiles(joined):
        others = [
            Tables(tables.train, replace(work, train=None).count(joined[tile], range(options.n_resamples), None).test)
            for work in passes[1:]
        ]
        every = [tables, *others]
        outside = [each.n_in_no_group for each in every]
        for lot, sums in zip(lots, all_sums, strict=True):
            lot_tables = [every[number] for number in lot]
            for metric in chosen:
                begin = begins[id(metric.sets)]
                low, high = max(tile.start, begin), min(tile.stop, begin + len(metric.sets))
                if low < high:
                    part = slice(low - tile.start, high - tile.start)
                    differences = [metric.of(each, part, convention) for each in lot_tables]
                    sums[metric.name].add(differences, slice(low - begin, high - begin))
                    assert tables.test is not None
                    sums[metric.name].supports.append(tables.test.truth.co_set[0, part].copy())
        del tables, others, every, lot_tables, differences  # before the next tile is counted
    estimates = [
        {
            name: total.estimate(
                replace(passes[lot[0]].run(), n_models=len(lot), n_in_no_group=outside[lot[0]]), train.group_names
            )
            for name, total in sums.items()
        }
        for lot, sums in zip(lots, all_sums, strict=True)
    ]
    for work in passes:
        work.warn_of_skipped()
    if pairs is None:
        warn_of_intervals(estimates[0])
    _warn(options, list(all_sums[0].values()))
    return Evaluation(estimates, differing)


def _passes(train: Named, test: Named, models: Mapping[str, Named | None], options: Options) -> list[Pass]:
    """A pass for the predictions of each model, with one seed; errors name the model where there are several."""
    if len(models) > 1 and options.weights in ONE_MODEL_WEIGHTS and options.n_resamples and "test" in options.resample:
        raise InputError(
            f"weights={options.weights!r} are drawn for distinct rows, predictions included, and models would not "
            "share them: take weights='poisson'"
        )
    passes: list[Pass] = []
    for name, pred in models.items():
        try:
            passes.append(passes[0].with_predictions(test, pred) if passes else Pass.of(train, test, pred, options))
        except InputError as error:
            if len(models) == 1:
                raise
            raise InputError(f"{name}: {error}") from error
    return [replace(work, n_models=len(passes)) for work in passes]


def _jackknives(
    chosen: list[Metric], passes: list[Pass], lots: list[list[int]], pairs: Sequence[tuple[int, int]]
) -> tuple[list[dict[str, MetricJackknife]], list[dict[str, Jackknife]]]:
    """What the method of the intervals needs beside replicates: of the means over lots of models, and of the
    differences of pairs of lots.
    """
    options = passes[0].options
    if options.method in ("percentile", "basic"):
        return [{} for _ in lots], [{} for _ in pairs]
    known, of_pairs = jackknives(chosen, passes, lots, pairs, with_acceleration=options.method == "BCa")
    if options.method == "studentized" and options.n_resamples:
        share = np.ones((1 + options.n_resamples, len(passes)))
        if len(lots) == 1:
            share = shares(passes[0].seed, len(passes), options.n_resamples)
        errors, of_differences = replicate_errors(chosen, passes, lots, pairs, share)
        for metric in chosen:
            for lot, of_lot in zip(known, errors, strict=True):
                value = lot[metric.name].value._replace(replicate_errors=of_lot[metric.name][1:])
                lot[metric.name] = lot[metric.name]._replace(value=value)
            for pair, of_pair in zip(of_pairs, of_differences, strict=True):
                pair[metric.name] = pair[metric.name]._replace(replicate_errors=of_pair[metric.name][1:])
    return known, of_pairs


@dataclass
class _Sums:
    """What is kept of a metric from tile to tile."""

    metric: Metric
    convention: Convention
    options: Options
    jackknife: MetricJackknife | None = None
    keeps: bool = True  # |t*| of all cells
    drawing: tuple[int, int] = (0, 1)  # seed, and number of models
    totals: list[Totals] = field(default_factory=list)  # of each model
    centred: list[Floats] = field(default_factory=list)  # of each model: sums over cells were nothing amplified
    noise: float = math.nan  # no cell so far of which it is known
    largest: Floats | None = None  # |t*| over cells, in each replicate
    kept: list[Floats] | None = field(default_factory=list)  # |t*| of all cells, where they fit the memory
    per_cell: list[tuple[Floats, ...]] = field(default_factory=list)
    supports: list[npt.NDArray[np.int64]] = field(default_factory=list)

    @cached_property
    def share(self) -> Floats:
        """Of each model in each row, shape (1 + B, k)."""
        return shares(*self.drawing, self.options.n_resamples)

    def add(self, differences: list[Difference], tile: slice) -> None:
        """The cells of some sets, by each of the models."""
        n_rows, n_threads = 1 + self.options.n_resamples, self.options.chosen_threads
        summaries = [self.options.engine.summarize(each, n_rows, n_threads) for each in differences]
        new = [self.metric.complete(each.totals, each.spread.size, self.convention) for each in summaries]
        summary = summaries[0] if len(summaries) == 1 else mixed(summaries, differences, self.share)
        # what models have in common cancels in no mean of |Δ*|; a signed metric is that of their mean
        centred = [summary.centred if self.metric.signed else each.centred for each in summaries]
        if self.totals:
            new = [metrics.merge(before, totals) for before, totals in zip(self.totals, new, strict=True)]
            centred = [before + each for before, each in zip(self.centred, centred, strict=True)]
        self.totals, self.centred = new, centred
        for each in summaries:
            if not self.metric.signed and self.options.n_resamples:
                # of the difference itself: where an indicator flips between replicates, Δ varies with it as well
                known = ~np.isnan(each.spread) & ~np.isnan(each.delta[0])
                noise = np.sum(each.spread, where=each.indicator & known) * math.sqrt(2 / math.pi) / len(summaries)
                if known.any():
                    self.noise = float(np.nansum([self.noise, noise]))
        delta = summary.delta[0].copy()  # a view would keep the replicates alive
        interval = self._interval_of_cells(delta, summary.delta[1:], tile)
        of_difference = summary.spread
        if self.options.method == "delta" and self.jackknife is not None:
            of_difference = self.jackknife.cells.standard_error[tile]
        error = np.where(summary.indicator & ~np.isnan(delta), of_difference, np.nan)
        evidence = summary.p, summary.statistic
        self.per_cell.append((summary.baseline, summary.predicted, delta, *interval, error, *evidence))
        self._add_deviations(summary.deviation[1:])

    def _add_deviations(self, deviations: Floats) -> None:
        shape = math.prod(deviations.shape[1:]), len(deviations)
        rows = np.moveaxis(deviations, 0, -1).reshape(shape)  # a view: replicates lie side by side
        largest = np.fmax.reduce(rows, axis=0, initial=-np.inf)
        self.largest = largest if self.largest is None else np.fmax(self.largest, largest)
        if self.kept is not None and self.keeps:
            self.kept.append(rows)
        else:
            self.kept = None

    def _over_models(self, of_each: Callable[[Totals], Floats]) -> Floats:
        """A function of sums over cells, in the sample and in each replicate: its mean over models."""
        return mean_over_models([of_each(totals) for totals in self.totals], self.share)

    def _interval_of_cells(self, delta: Floats, replicates: Floats, tile: slice) -> ConfidenceInterval:
        options = self.options
        method = "percentile" if options.method == "studentized" else options.method
        known = None
        if self.jackknife is not None:
            cells = self.jackknife.cells
            known = Jackknife(cells.acceleration[tile], cells.standard_error[tile])
        return confidence_interval(delta, replicates, method, options.confidence_level, options.alternative, known)

    @property
    def n_undefined(self) -> int:
        return int(sum(np.isnan(delta).sum() for _, _, delta, *_ in self.per_cell))

    def _null_distribution(self) -> Floats:
        """The metric in each replicate if the Δ of the sample were those of no amplification: see `Summary.centred`."""
        sums = zip(self.totals, self.centred, strict=True)
        return mean_over_models(
            [self.metric.values(totals._replace(contribution=centred)) for totals, centred in sums], self.share
        )[1:]

    def _adjusted(self, statistics: Floats) -> tuple[Floats, str]:
        """P-values of the cells, adjusted for how many they are; and how."""
        if self.options.n_resamples < 2 or self.largest is None:
            return np.full(statistics.shape, np.nan), ""
        if self.kept is None:
            return multiplicity.single_step(statistics, self.largest), "single-step"
        return multiplicity.step_down(statistics, self.kept), "step-down"

    def estimate(self, run: Run, group_names: tuple[str, ...]) -> Estimate:
        n_sets, absolute = len(self.metric.sets), not self.metric.signed
        n_terms = n_sets if self.metric.family == "mals" else int(self.totals[0].n_contributions[0])
        values = self._over_models(self.metric.values)
        variances = self._over_models(metrics.variance)
        of_models = np.array([self.metric.values(totals)[0] for totals in self.totals])
        baseline, predicted, delta, low, high, error, p, statistics = (
            np.concatenate(arrays) for arrays in zip(*self.per_cell, strict=True)
        )
        cells = (baseline, predicted, delta, low, high, error, p, *self._adjusted(statistics))
        return Estimate(
            name=self.metric.name,
            value=float(values[0]),
            run=run,
            bootstrap_distribution=values[1:],
            variance=float(variances[0]),
            variance_distribution=variances[1:],
            n_sets=n_sets,
            n_undefined=self.n_undefined,
            noise_floor=self.noise / n_terms if absolute and run.n_resamples and n_terms else math.nan,
            absolute=absolute,
            cell_values=CellValues(self.metric.sets, group_names, *cells),
            null_distribution=self._null_distribution(),
            models=ModelSpread(of_models, run.confidence_level) if len(of_models) > 1 else None,
            jackknife=Jackknife() if self.jackknife is None else self.jackknife.value,
            variance_jackknife=Jackknife() if self.jackknife is None else self.jackknife.variance,
        )


def bootstrap_values(
    statistic: Callable[[Tables], npt.ArrayLike], work: Pass, sets: AttributeSets
) -> tuple[Floats, Floats, Jackknife]:
    """Value of a user's statistic, shape (…), its replicates, shape (…, B), and what its interval needs beside them."""
    shape: list[tuple[int, ...]] = []

    def evaluated(tables: Tables) -> Floats:
        n_rows = max(len(counts) for counts in tables if counts is not None)
        whole = Tables(*(None if counts is None else _repeated(counts, n_rows) for counts in tables))
        values = np.asarray(statistic(whole), dtype=np.float64)
        if values.ndim == 0 or values.shape[0] != n_rows:
            raise InputError(
                "the statistic must return an array with the replicates first: "
                f"expected shape ({n_rows}, …), got {values.shape}"
            )
        shape.append(values.shape)
        if values.shape[1:] != shape[0][1:]:
            raise InputError(f"the statistic returned shapes {shape[0]} and {values.shape}")
        return values

    blocks: list[Floats] = []
    for tables in work.blocks(sets):
        blocks.append(evaluated(tables))
        del tables  # before the next block is counted
    jackknife = Jackknife()
    if work.options.method == "BCa" and work.options.n_resamples:
        jackknife = acceleration_of_statistic(evaluated, work, sets)
    replicates = np.concatenate([np.empty((0, *blocks[0].shape[1:])), *blocks[1:]])
    return blocks[0][0], np.moveaxis(replicates, 0, -1), jackknife


def _part(view: View, part: slice) -> View:
    """The counts of a slice of the sets."""
    return View(view.co_set_group[:, part], view.co_set[:, part], view.co_group, view.n)


def _repeated(counts: Counts, n_rows: int) -> Counts:
    """A table that is not resampled, seen as if each replicate held it again."""
    if len(counts) == n_rows:
        return counts
    arrays = {name: np.broadcast_to(array, (n_rows, *array.shape[1:])) for name, array in counts._arrays.items()}
    return Counts(counts.sets, counts.group_names, counts.resampling, counts.rows, arrays)


def warn_of_intervals(estimates: Mapping[str, Estimate]) -> None:
    """Say when an interval says little of its value."""
    for name, estimate in estimates.items():
        run, (low, high) = estimate.run, estimate.confidence_interval
        rise = 0.0 if estimate.cell_values is None else estimate.rise  # a user's statistic may be of any kind
        if estimate.absolute and rise > LARGE_RISE:
            warn(
                f"{name}: sampling noise adds to |Δ|, and the bootstrap adds it again: replicates lie {rise:.1f} "
                f"standard errors above the value, and the {run.method} interval too high. "
                "Compare noise_floor, debiased and p_value"
            )
        elif not estimate.absolute and abs(rise) > LARGE_SHIFT:
            warn(
                f"{name}: replicates lie {abs(rise):.1f} standard errors {'above' if rise > 0 else 'below'} the value, "
                "for sampling noise decides which way some cells lean: the interval may miss what it estimates. "
                "It takes more instances, or attributes that are less rare"
            )
        if run.method != "BCa" or not run.n_resamples:
            continue
        if np.isnan(np.add(low, high) * ~np.isnan(estimate.value)).any():
            warn(
                f"{name}: there is no BCa interval, for every replicate is on one side of the value. "
                'Take method="basic", or "percentile"'
            )
            continue
        replicates = np.moveaxis(estimate.bootstrap_distribution, -1, 0)
        tail = tail_of(run.confidence_level, run.alternative)
        value = np.asarray(estimate.value, dtype=np.float64)
        first, last = bca_probabilities(value, replicates, estimate.jackknife.acceleration, tail)
        left = {"two-sided": np.fmin(first, 1 - last), "less": 1 - last, "greater": first}[run.alternative]
        outermost = float(np.fmin.reduce(np.ravel(left), initial=1.0))
        if outermost * run.n_resamples < 1 and tail * run.n_resamples >= 1:
            warn(
                f"{name}: an end of the BCa interval is the quantile at {outermost:.2g} from the outermost of "
                f'{run.n_resamples:,} replicates, which is one of them: take more replicates, or method="basic"'
            )


def _warn(options: Options, sums: list[_Sums]) -> None:
    """Say when a number is of little worth."""
    tail = tail_of(options.confidence_level, options.alternative)
    if options.method != "delta" and 0 < options.n_resamples < 2.5 / tail * (1 - 1e-9):
        warn(
            f"{options.n_resamples} replicates are too few for a {100 * options.confidence_level:.6g} % interval: "
            f"take at least {math.ceil(2.5 / tail - 1e-6)}"
        )
    for total in sums:
        n_cells = sum(delta.size for _, _, delta, *_ in total.per_cell)
        if total.n_undefined * 2 > n_cells:
            warn(
                f"{total.metric.name}: {total.n_undefined:,} of {n_cells:,} cells are undefined: their denominator is 0"
            )
    seen: list[AttributeSets] = []
    for total in sums:
        if any(total.metric.sets is sets for sets in seen):
            continue
        seen.append(total.metric.sets)
        supports = np.concatenate(total.supports)
        n_rare = int((supports < FEW_SUPPORT).sum())
        if n_rare * 2 > len(supports):
            warn(
                f"{n_rare:,} of {len(supports):,} attribute sets are contained in fewer than {FEW_SUPPORT} test "
                "instances: what they seem to amplify is mostly sampling noise. "
                "Raise min_count, or read value beside noise_floor"
            )
