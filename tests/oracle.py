"""The numbers of docs/definitions.md by brute force: NumPy on boolean tables, one set and one group at a time.

Written from the definitions alone, to be read side by side with it. Sets are sorted tuples of column numbers; `weights`
are how often each row counts (a bootstrap replicate), and 1 for every row where they are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Set = tuple[int, ...]

# "Two conventions, one argument"
PAPER = {
    "sets": "subsets",
    "single_baseline": "test",
    "multi_baseline": "train",
    "tie": "uncorrelated",
    "undefined_mals": "zero",
    "empty_rows": "kept",
}
REFERENCE = {
    "sets": "observed",
    "single_baseline": "test",
    "multi_baseline": "test",
    "tie": "nothing",
    "undefined_mals": "dropped",
    "empty_rows": "dropped",
}
GROUP_TO_ATTRIBUTE, ATTRIBUTE_TO_GROUP = "group->attribute", "attribute->group"


class Table(NamedTuple):
    attributes: Bools  # (n, p)
    groups: Bools  # (n, q)

    @classmethod
    def of(cls, annotations: Any) -> Table:
        return cls(*annotations.to_numpy())

    @property
    def n(self) -> int:
        return len(self.attributes)


def contains(attributes: Bools, m: Set) -> Bools:
    """Which instances contain m: all attributes of m are 1, others may be 1 too."""
    return np.logical_and.reduce([attributes[:, a] for a in m])


# --- the attribute sets M ---------------------------------------------------------------------------------------


def subsets(
    train: Table, test: Table | None = None, *, max_size: int | None = None, min_count: int = 1, support: str = "any"
) -> list[Set]:
    def enough(m: Set) -> bool:
        for table in [train] if test is None else [train, test]:
            members = contains(table.attributes, m)
            within = [members] if support == "any" else [members & g for g in table.groups.T]
            if any(int(part.sum()) < min_count for part in within):
                return False
        return True

    p = train.attributes.shape[1]
    found: list[Set] = []
    longest: list[Set] = [()]
    for _ in range(p if max_size is None else min(max_size, p)):
        longer = [(*m, a) for m in longest for a in range(m[-1] + 1 if m else 0, p)]
        longest = [m for m in longer if enough(m)]  # what is left out has no larger set that is enough
        found += longest
    return found


def observed(
    train: Table,
    test: Table | None = None,
    *,
    min_size: int = 1,
    max_size: int | None = None,
    min_count: int = 1,
) -> list[Set]:
    full_sets = Counter(tuple(np.flatnonzero(row).tolist()) for row in train.attributes)
    return sorted(
        (
            m
            for m, times in full_sets.items()
            if times >= min_count
            and min_size <= len(m) <= (len(m) if max_size is None else max_size)
            and (test is None or int(contains(test.attributes, m).sum()) >= min_count)
        ),
        key=lambda m: (len(m), m),
    )


def singletons(train: Table) -> list[Set]:
    return [(a,) for a in range(train.attributes.shape[1])]


# --- counts -----------------------------------------------------------------------------------------------------


class Counts(NamedTuple):
    """Counts of one side's attributes with one side's groups, as Python integers in lists."""

    co: list[list[int]]  # co(m, g)
    co_m: list[int]
    co_g: list[int]
    n: int


def count(attributes: Bools, groups: Bools, sets: list[Set], weights: Ints) -> Counts:
    members = (contains(attributes, m) for m in sets)
    co, co_m = [], []
    for member in members:
        co.append([int(weights[member & g].sum()) for g in groups.T])
        co_m.append(int(weights[member].sum()))
    return Counts(co, co_m, [int(weights[g].sum()) for g in groups.T], int(weights.sum()))


class AllCounts(NamedTuple):
    """Everything that the metrics are functions of."""

    train: Counts
    n_train_annotated: int  # training rows with an attribute or a group
    truth: Counts  # test attributes, test groups
    prediction: Counts  # predicted attributes, predicted groups
    predicted_attributes: Counts  # predicted attributes, test groups
    predicted_groups: Counts  # test attributes, predicted groups
    q: int


def count_all(
    train: Table,
    test: Table,
    pred: Table,
    sets: list[Set],
    train_weights: Ints | None = None,
    test_weights: Ints | None = None,
) -> AllCounts:
    w_train = np.ones(train.n, np.int64) if train_weights is None else train_weights.astype(np.int64)
    w_test = np.ones(test.n, np.int64) if test_weights is None else test_weights.astype(np.int64)
    annotated = train.attributes.any(axis=1) | train.groups.any(axis=1)
    return AllCounts(
        train=count(train.attributes, train.groups, sets, w_train),
        n_train_annotated=int(w_train[annotated].sum()),
        truth=count(test.attributes, test.groups, sets, w_test),
        prediction=count(pred.attributes, pred.groups, sets, w_test),
        predicted_attributes=count(pred.attributes, test.groups, sets, w_test),
        predicted_groups=count(test.attributes, pred.groups, sets, w_test),
        q=train.groups.shape[1],
    )


def ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan


def bias(counts: Counts, m: int, g: int) -> float:
    return ratio(counts.co[m][g], sum(counts.co[m]))


# --- metrics ----------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """A metric on the counts of one sample or replicate; cells are (|M|, |G|), NaN where undefined."""

    value: float
    variance: float
    n_undefined: int
    baseline: Floats
    predicted: Floats
    delta: Floats


def variance(deltas: list[float]) -> float:
    return float(np.var(deltas)) if deltas else math.nan


def mals(counts: AllCounts, convention: dict[str, str], *, signed: bool) -> Result:
    """BA_MALS (signed) and Multi_MALS (|Δ|)."""
    n_sets, q = len(counts.train.co), counts.q
    baseline, predicted, delta = (np.full((n_sets, q), math.nan) for _ in range(3))
    total, in_variance, n_undefined = 0.0, [], 0
    for m in range(n_sets):
        for g in range(q):
            baseline[m, g] = bias(counts.train, m, g)
            predicted[m, g] = bias(counts.prediction, m, g)
            if math.isnan(baseline[m, g]) or math.isnan(predicted[m, g]):
                n_undefined += 1
                if convention["undefined_mals"] == "zero":
                    in_variance.append(0.0)
                continue
            above = q * counts.train.co[m][g] > sum(counts.train.co[m])  # bias_train > 1/|G|, without rounding
            delta[m, g] = predicted[m, g] - baseline[m, g] if above else 0.0
            total += delta[m, g] if signed else abs(delta[m, g])
            in_variance.append(delta[m, g])
    if n_undefined == n_sets * q:
        return Result(math.nan, math.nan, n_undefined, baseline, predicted, delta)
    return Result(total / n_sets, variance(in_variance), n_undefined, baseline, predicted, delta)


def directional(counts: AllCounts, direction: str, convention: dict[str, str], *, signed: bool, single: bool) -> Result:
    """BiasAmp→ (signed) and Multi_{G→M}, Multi_{M→G} (|Δ|)."""
    n_sets, q, train = len(counts.train.co), counts.q, counts.train
    where = convention["single_baseline" if single else "multi_baseline"]
    base = {"train": counts.train, "test": counts.truth}[where]
    n = counts.n_train_annotated if convention["empty_rows"] == "dropped" else train.n
    baseline, predicted, delta = (np.full((n_sets, q), math.nan) for _ in range(3))
    contributions, deltas = [], []
    for m in range(n_sets):
        for g in range(q):
            if direction == GROUP_TO_ATTRIBUTE:  # P(m̂ | g) − P(m | g)
                hat = counts.predicted_attributes
                baseline[m, g] = ratio(base.co[m][g], base.co_g[g])
                predicted[m, g] = ratio(hat.co[m][g], hat.co_g[g])
            else:  # P(ĝ | m) − P(g | m)
                hat = counts.predicted_groups
                baseline[m, g] = ratio(base.co[m][g], base.co_m[m])
                predicted[m, g] = ratio(hat.co[m][g], hat.co_m[m])
            delta[m, g] = predicted[m, g] - baseline[m, g]
            if math.isnan(delta[m, g]):
                continue
            deltas.append(delta[m, g])
            together, apart = n * train.co[m][g], train.co_m[m] * train.co_g[g]
            if not signed:
                contributions.append(abs(delta[m, g]))
            elif together == apart and convention["tie"] == "nothing":
                contributions.append(0.0)
            else:
                contributions.append(delta[m, g] if together > apart else -delta[m, g])
    value = sum(contributions) / len(contributions) if contributions else math.nan
    return Result(value, variance(deltas), n_sets * q - len(deltas), baseline, predicted, delta)
