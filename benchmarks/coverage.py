"""What intervals and tests are worth: populations of known amplification are sampled again and again.

From the root of the repository:

    python -m benchmarks.coverage --json coverage.json                      # all, 25 minutes of one processor
    python -m benchmarks.coverage --only "n=1,000" --repeats 100            # some, fewer samples
    python -m benchmarks.coverage --markdown coverage.json                  # the tables of docs/statistics.md

Each repeat draws a training table, a test table and predictions from a population of `populations.py`, and audits them
with attribute sets that are fixed beforehand. Coverage is the share of the intervals that hold the population's value,
which is exact. A repeat depends on the seed, its scenario and its number alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import askew
from askew.intervals import confidence_interval
from benchmarks.coverage_tables import ABSOLUTE, ANY_ADJUSTED, OF_MODELS, SIGNED, tables
from benchmarks.populations import Population, Truth, joint, subsets, truth

Floats = npt.NDArray[np.float64]
Record = dict[str, Any]

LEVEL = 0.95
NOTHING = 1e-9  # what rounding leaves of a difference that is 0


@dataclass(frozen=True)
class Scenario:
    """A population, the size of its samples, and what is done with them."""

    name: str
    population: Population
    n: int = 1000
    max_size: int = 1
    methods: tuple[str, ...] = ("percentile", "basic", "BCa", "delta")
    cell_methods: tuple[str, ...] = ()
    repeats: int = 500
    cell_repeats: int = 60
    n_resamples: int = 500
    n_models: int = 1
    resample: tuple[str, ...] = ("train", "test")
    given_clusters: bool = False  # whether whole clusters are drawn, if there are any
    rival: Population | None = None  # the model that is compared with the population's

    @property
    def sets(self) -> list[tuple[int, ...]]:
        return subsets(len(self.population.actual), self.max_size)


def of(p: int, **more: Any) -> Population:
    """p attributes of rates from 0.15 to 0.45, and of biases from 0.15 to 0.5 in an order without pattern.

    Were the biases equal, two attributes of opposite bias would make a set at an exact tie.
    """
    spread = np.arange(p) * 0.6180339887498949 % 1
    return Population.of(**{"rates": np.linspace(0.15, 0.45, p), "bias": 0.15 + 0.35 * spread, **more})


def rare(support: int, **more: Any) -> Population:
    """The same with attributes that 1,000 instances hold `support` of, on average."""
    return of(10, rates=np.full(10, support / 1000), **more)


def scenarios() -> list[Scenario]:
    """From the smooth cases to those where something must give way."""
    each, fast = ("percentile", "basic", "BCa", "delta"), ("percentile", "basic")
    amplified, null, small = of(10, amplification=0.3), of(10, group_guesses=0.0), of(10, amplification=0.05)
    half = {"amplification": 0.3, "amplified": 0.5, "group_guesses": 0.0}
    clusters = {"bias": 0.5, "cluster_size": 5, "alike": 0.5}
    rivals = {
        "alike": (amplified, amplified),
        "one guesses more": (of(10, amplification=0.3, guesses=0.1), of(10, amplification=0.3, guesses=0.6)),
        "alike, Δ=0": (null, null),
        "one guesses more, Δ=0": (of(10, guesses=0.1, group_guesses=0.0), of(10, guesses=0.6, group_guesses=0.0)),
        "one amplifies more": (amplified, of(10, amplification=0.15)),
    }
    large: dict[str, Any] = {"n": 10_000, "max_size": 2, "methods": fast}
    return [
        Scenario("n=200", amplified, n=200),
        Scenario("n=1,000", amplified, cell_methods=each, repeats=2000),
        Scenario("n=1,000, clear bias", of(10, bias=0.5, amplification=0.3), repeats=1000),
        Scenario("n=10,000", amplified, n=10_000, repeats=200),
        Scenario("n=100,000", amplified, n=100_000, methods=fast, repeats=100),
        Scenario("Δ=0, n=200", null, n=200, repeats=2000),
        Scenario("Δ=0, n=1,000", null, repeats=3000),
        Scenario("Δ=0, n=10,000", null, n=10_000, methods=fast, repeats=3000),
        Scenario("small Δ, n=1,000", small),
        Scenario("small Δ, n=10,000", small, n=10_000, repeats=200),
        Scenario("|M|=105", of(14, **half), max_size=2, repeats=200),
        Scenario("|M|=105, Δ=0", of(14, group_guesses=0.0), max_size=2, methods=fast, repeats=1000),
        Scenario("|M|=1,035, n=10,000", of(45, **half), repeats=60, **large),
        Scenario("|M|=10,011, n=10,000", of(141, **half), repeats=40, n_resamples=400, **large),
        Scenario("support 30", rare(30, amplification=0.3), cell_methods=each),
        Scenario("support 10", rare(10, amplification=0.3), cell_methods=each),
        Scenario("support 10, Δ=0", rare(10, group_guesses=0.0), methods=fast, repeats=3000),
        Scenario("support 3", rare(3, amplification=0.3), cell_methods=each),
        Scenario("groups 9 : 1", of(10, amplification=0.3, groups=(0.9, 0.1), group_guesses=0.1)),
        Scenario("three groups", of(10, amplification=0.3, groups=(0.5, 0.3, 0.2))),
        Scenario(
            "three groups, n=10,000, clear bias",
            of(10, bias=0.7, amplification=0.3, groups=(0.4, 0.35, 0.25)),
            n=10_000,
            methods=("percentile", "basic", "delta"),
            repeats=200,
        ),
        Scenario("pred near test", of(10, amplification=0.3, guesses=0.02, group_guesses=0.02)),
        Scenario("pred apart from test", of(10, amplification=0.3, guesses=1.0, group_guesses=1.0)),
        Scenario("no bias, Δ=0", of(10, bias=0.0), repeats=2000),
        Scenario("train fixed", amplified, resample=("test",)),
        Scenario("studentized, n=200", of(6, amplification=0.3), n=200, methods=("studentized",), repeats=200),
        Scenario("studentized, n=1,000", of(6, amplification=0.3), methods=("studentized",), repeats=200),
        *(
            Scenario(f"{k} models", of(10, amplification=0.3, training=0.1), methods=fast, n_models=k, repeats=400)
            for k in (3, 5, 10)
        ),
        *(
            Scenario(
                f"{name}, {'drawn' if given else 'ignored'}",
                of(10, **clusters, **more),
                methods=("percentile",),
                repeats=1000,
                given_clusters=given,
            )
            for name, more in (("amplified", {"amplification": 0.3}), ("Δ=0", {"group_guesses": 0.0}))
            for given in (True, False)
        ),
        *(Scenario(name, one, methods=fast, repeats=1000, rival=other) for name, (one, other) in rivals.items()),
    ]


# ---- One sample


@dataclass
class Repeat:
    """What one sample gives. Keys are a metric and a method, or a metric."""

    intervals: dict[tuple[str, str], tuple[float, float, float]] = field(default_factory=dict)  # truth, low, high
    cells: dict[tuple[str, str], tuple[float, float, float, float]] = field(default_factory=dict)  # shares, length
    tests: dict[str, tuple[float, float]] = field(default_factory=dict)  # whether all Δ are 0, p
    families: dict[str, tuple[float, ...]] = field(default_factory=dict)  # see `of_family`
    noise: dict[str, tuple[float, ...]] = field(default_factory=dict)  # see `of_noise`


def one_repeat(scenario: Scenario, seed: int, number: int) -> Repeat:
    """Draw, audit, and compare with the truth."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.name.encode()), number])
    sample = scenario.population.draw(scenario.n, scenario.n, scenario.n_models, rng, scenario.rival)
    known = known_truth(scenario, sample.train)
    options: dict[str, Any] = {
        "sets": [[f"a{k}" for k in m] for m in scenario.sets],
        "n_resamples": scenario.n_resamples,
        "confidence_level": LEVEL,
        "rng": int(rng.integers(2**63)),
        "resample": scenario.resample,
        "n_threads": 1,
        "clusters": sample.clusters if scenario.given_clusters else None,
    }
    result = Repeat()
    if scenario.rival is not None:
        models = dict(zip(("rival", "own"), sample.models[::-1], strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", askew.AskewWarning)
            comparison = askew.compare(sample.train, sample.test, models, reference="own", **options)
        add_comparison(result, scenario, truth(scenario.rival, scenario.sets), known, comparison)
        return result
    predictions = sample.models if scenario.n_models > 1 else sample.models[0]
    audit = partial(askew.audit, sample.train, sample.test, predictions, **options)
    needs = next((m for m in ("studentized", "BCa", "delta") if m in scenario.methods), "percentile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", askew.AskewWarning)
        estimates = audit(method=needs)
        for name, estimate in estimates.items():
            add_metric(result, scenario, known, name, estimate)
        if number < scenario.cell_repeats:
            for method in scenario.cell_methods:
                for name, estimate in audit(method=method).items():
                    if name in ABSOLUTE:
                        result.cells[name, method] = of_cells(estimate.cell_values, known.deltas[name])
    return result


def known_truth(scenario: Scenario, train: askew.Annotations) -> Truth:
    """Of the population; for a training table that is not resampled, given that table; for models, of their mean."""
    population, sets = scenario.population, scenario.sets
    return truth(population, sets, None if "train" in scenario.resample else train)


def add_metric(result: Repeat, scenario: Scenario, known: Truth, name: str, estimate: askew.Estimate) -> None:
    if np.ptp(estimate.bootstrap_distribution) < NOTHING:
        return
    value = known.values[name]
    if scenario.n_models > 1 and name != "BiasAmp_A->T":
        return  # of the others the mean over models is not the metric of the mean model
    for method in scenario.methods:
        result.intervals[name, method] = (value, *estimate.with_interval(method).confidence_interval)
    if estimate.models is not None:
        result.intervals[name, OF_MODELS] = (value, *estimate.models.confidence_interval)
        return
    none_amplified = abs(value) < NOTHING and (name in SIGNED or np.abs(known.deltas[name]).max() < NOTHING)
    result.tests[name] = (float(none_amplified), estimate.p_value)
    result.noise[name] = of_noise(estimate, value)
    if name in ABSOLUTE:
        result.families[name] = of_family(estimate, known.differences[name])


def add_comparison(result: Repeat, scenario: Scenario, rival: Truth, own: Truth, comparison: askew.Comparison) -> None:
    """Intervals and tests of the differences; and the least adjusted p-value of those that are 0 in the population."""
    least = []
    for row, values in zip(comparison.table.rows(), comparison.differences.values(), strict=True):
        if np.ptp(values) < NOTHING:
            continue
        name = row["metric"]
        difference = rival.values[name] - own.values[name]
        for method in scenario.methods:
            result.intervals[name, method] = (difference, *confidence_interval(values[0], values[1:], method, LEVEL))
        equal = abs(difference) < NOTHING
        result.tests[name] = (float(equal), row["p_value"])
        least += [row["p_adjusted"]] if equal else []
    if least:
        result.tests[ANY_ADJUSTED] = (1.0, min(least))


def of_cells(cells: Any, delta: Floats) -> tuple[float, float, float, float]:
    """Of the cells with an interval: the share that hold Δ, that lie above and below it, and the mean length."""
    there = ~np.isnan(cells.low) & ~np.isnan(cells.high)
    if not there.any():
        return np.nan, np.nan, np.nan, np.nan
    above, below = (cells.low > delta + NOTHING)[there].mean(), (cells.high < delta - NOTHING)[there].mean()
    return 1 - above - below, float(above), float(below), float((cells.high - cells.low)[there].mean())


def of_noise(estimate: askew.Estimate, value: float) -> tuple[float, ...]:
    """The truth, what estimates it, and by how many standard errors replicates lie above the value, on average."""
    return value, float(estimate), estimate.noise_floor, estimate.debiased, estimate.rise


def of_family(estimate: askew.Estimate, difference: Floats) -> tuple[float, ...]:
    """Of the cells with a p-value, those whose difference is 0 in the population are false, the others true.

    Share of the false with p ≤ 5 %; of false ones among those with q ≤ 5 %, and of the true that are there; whether
    a false one has an adjusted p ≤ 5 %, and the share of the true that have. NaN where there are none.
    """
    assert estimate.cell_values is not None
    cells = estimate.cell_values.table()
    tested = ~np.isnan(cells["p_value"])
    false = (np.abs(difference.ravel()) < NOTHING) & tested
    true = ~false & tested
    found, adjusted = cells["q_value"] <= 0.05, cells["p_adjusted"] <= 0.05

    def share(of: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
        return float(of[among].mean()) if among.any() else np.nan

    return (
        share(cells["p_value"] <= 0.05, false),
        float((found & false).sum() / max(found.sum(), 1)) if false.any() else np.nan,
        share(found, true),
        float((adjusted & false).any()) if false.any() else np.nan,
        share(adjusted, true),
    )


# ---- All samples of a scenario


def mean_and_error(values: npt.ArrayLike) -> tuple[float | None, float | None]:
    """Mean over repeats and its standard error, NaN left out; of a share as the binomial law has it."""
    array = np.asarray(values, dtype=np.float64)
    array = array[~np.isnan(array)]
    if not len(array):
        return None, None
    mean = float(array.mean())
    if np.isin(array, (0, 1)).all():
        wilson = (array.sum() + 2) / (len(array) + 4)  # a share of 0 or 1 has an error too (Agresti & Coull 1998)
        return mean, float(np.sqrt(wilson * (1 - wilson) / len(array)))
    return mean, float(array.std(ddof=1) / np.sqrt(len(array))) if len(array) > 1 else None


def of_intervals(ends: Floats) -> Record:
    """Coverage, where the rest lies, and length, from rows of truth, low, high."""
    known, low, high = ends.T
    there = ~np.isnan(low) & ~np.isnan(high)
    known, low, high = known[there], low[there], high[there]
    above, below = low > known + 1e-12, high < known - 1e-12
    coverage, error = mean_and_error(~above & ~below)
    return {
        "coverage": coverage,
        "standard_error": error,
        "above": mean_and_error(above)[0],
        "below": mean_and_error(below)[0],
        "length": mean_and_error(high - low)[0],
        "without_interval": int((~there).sum()),
    }


def gathered(repeats: Sequence[Repeat], name: str) -> dict[Any, Floats]:
    """Rows of a field of all repeats, by key."""
    rows: dict[Any, list[tuple[float, ...]]] = {}
    for repeat in repeats:
        for key, values in getattr(repeat, name).items():
            rows.setdefault(key, []).append(values)
    return {key: np.array(values, dtype=np.float64) for key, values in rows.items()}


def summary(scenario: Scenario, repeats: Sequence[Repeat]) -> Record:
    """What the repeats of a scenario say, as plain values."""

    def columns(values: Floats, names: Sequence[str]) -> Record:
        record: Record = {}
        for name, column in zip(names, values.T, strict=True):
            record[name], record[f"{name}_error"] = mean_and_error(column)
        return record

    intervals = [
        {"metric": metric, "method": method, **of_intervals(ends)}
        for (metric, method), ends in gathered(repeats, "intervals").items()
    ]
    cells = [
        {"metric": metric, "method": method, **columns(values, ["coverage", "above", "below", "length"])}
        for (metric, method), values in gathered(repeats, "cells").items()
    ]
    tests = [
        {"metric": metric, "none_amplified": bool(values[0, 0]), **columns(values[:, 1:] <= 0.05, ["rejected"])}
        for metric, values in gathered(repeats, "tests").items()
    ]
    names = ["false_p", "false_discoveries", "discovered", "any_false", "adjusted_discovered"]
    families = [
        {"metric": metric, **columns(values, names)} for metric, values in gathered(repeats, "families").items()
    ]
    noise = [
        {"metric": metric, **columns(values, ["truth", "value", "noise_floor", "debiased", "rise"])}
        for metric, values in gathered(repeats, "noise").items()
    ]
    return {
        "scenario": scenario.name,
        "n": scenario.n,
        "n_attributes": len(scenario.population.actual),
        "n_sets": len(scenario.sets),
        "least_support": float(scenario.n * support_of(scenario).min()),
        "repeats": len(repeats),
        "n_resamples": scenario.n_resamples,
        "compares": scenario.rival is not None,
        "cluster_size": scenario.population.cluster_size,
        "intervals": intervals,
        "cells": cells,
        "tests": tests,
        "families": families,
        "noise": noise,
    }


def support_of(scenario: Scenario) -> Floats:
    """P(m) of each set."""
    return joint(scenario.population.actual, scenario.population.groups, scenario.sets).sum(axis=1)


def run(scenario: Scenario, seed: int, n_repeats: int, pool: ProcessPoolExecutor | None = None) -> Record:
    """All repeats of a scenario."""
    work = partial(one_repeat, scenario, seed)
    numbers = range(n_repeats)
    return summary(scenario, list(map(work, numbers) if pool is None else pool.map(work, numbers, chunksize=10)))


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="coverage", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these scenarios, whose results replace theirs in FILE"
    )
    parser.add_argument("--repeats", type=int, help="samples of each scenario, in place of its own number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", type=Path, help="where the results go")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="print stored results as tables; runs nothing")
    arguments = parser.parse_args(given)
    if arguments.markdown:
        for name, text in tables(json.loads(arguments.markdown.read_text())).items():
            print(f"{name}\n\n{text}\n")
        return 0
    chosen = [s for s in scenarios() if s.name in (arguments.only or [s.name])]
    results: dict[str, Record] = {s.name: {} for s in scenarios()}
    if arguments.only and arguments.json and arguments.json.exists():
        results |= {each["scenario"]: each for each in json.loads(arguments.json.read_text())["scenarios"]}
    with ProcessPoolExecutor(arguments.processes) as pool:
        for scenario in chosen:
            begin = time.perf_counter()
            of = run(scenario, arguments.seed, arguments.repeats or scenario.repeats, pool)
            results[scenario.name] = of
            print(f"{scenario.name}: {of['repeats']} samples in {time.perf_counter() - begin:.0f} s", flush=True)
            if arguments.json:
                arguments.json.write_text(as_json(arguments.seed, [each for each in results.values() if each]))
    return 0


def as_json(seed: int, results: list[Record]) -> str:
    """One line per scenario, floats to five digits."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(of) for key, of in value.items()}
        if isinstance(value, list):
            return [short(of) for of in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    lines = ",\n".join(json.dumps(short(each), ensure_ascii=False) for each in results)
    return f'{{"askew": "{askew.__version__}", "seed": {seed}, "level": {LEVEL}, "scenarios": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    sys.exit(main())
