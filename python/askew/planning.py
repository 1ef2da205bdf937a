"""What counting would do, before it does it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from askew.annotations import Annotations, check_annotations
from askew.counting import CountingPlan, check_resampling
from askew.engine import choose, threads
from askew.engine.pattern_weights import TOP
from askew.errors import InputError
from askew.patterns import pattern_table
from askew.sets import AttributeSets

#: Replicates are drawn and added up in blocks of this many.
BLOCK = 128
#: Nanoseconds of one thread, with AVX-512: to draw the weight of an instance, to add it to one count, and to make one
#: of the draws that a distinct row's weight consists of. Their ratios decide; other machines change all three.
DRAW, ADD, PATTERN_DRAW = 0.13, 0.014, 3.4


@dataclass(frozen=True)
class Plan:
    """How a table would be counted. Printed, it says so in words.

    Attributes
    ----------
    backend, simd : str
        What counts, at which SIMD level ("" where there is none).
    n_threads : int
    n : int
        Instances.
    n_patterns : int
        Distinct rows of all columns: attributes and groups, true and predicted.
    n_itemsets : int
        Conjunctions to count: sets by themselves or with each group, in each view.
    memberships : float
        How many of them an instance is a member of, on average.
    n_resamples : int
    seconds : dict of str to float
        Estimates for the replicates under each kind of weights, "poisson" and "poisson-patterns", on one thread of a
        processor with AVX-512. They are for comparing the two.
    """

    backend: str
    simd: str
    n_threads: int
    n: int
    n_patterns: int
    n_itemsets: int
    memberships: float
    n_resamples: int
    seconds: dict[str, float]

    @property
    def fastest(self) -> str:
        """The kind of weights with the smaller estimate."""
        return min(self.seconds, key=lambda weights: self.seconds[weights])

    def __str__(self) -> str:
        level = f", {self.simd}" if self.simd else ""
        lines = [
            f"backend {self.backend}{level}, {self.n_threads} threads",
            f"{self.n:,} instances, {self.n_patterns:,} distinct rows; {self.n_itemsets:,} itemsets, "
            f"{self.memberships:.3g} of them in an instance",
        ]
        if self.n_resamples:
            slowest = max(self.seconds, key=lambda weights: self.seconds[weights])
            blocks = -(-self.n_resamples // BLOCK)
            ratio = self.seconds[slowest] / max(self.seconds[self.fastest], 1e-9)
            lines += [
                f"{self.n_resamples:,} replicates in {blocks} blocks of {BLOCK}: "
                "the weights of a row are drawn, and added to the counts of its itemsets",
                f"weights={self.fastest!r} would take about 1/{ratio:.1f} of the time of {slowest!r}",
            ]
        return "\n".join(lines)


def plan(
    annotations: Annotations,
    sets: AttributeSets | Iterable[str | Iterable[str]],
    *,
    pred: Annotations | None = None,
    n_resamples: int = 0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> Plan:
    """How `count` would count a table, and which weights would be faster.

    Takes one count of the sets and one search for distinct rows; draws nothing.

    Parameters
    ----------
    annotations : Annotations
        A table in memory.
    sets : AttributeSets or list of sets of attribute names
    pred, n_resamples, backend, n_threads
        As in `count`.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        As `count`.

    Examples
    --------
    >>> import askew
    >>> table = askew.Annotations([[1, 1], [1, 0]] * 5000, ["x", "y"] * 5000, attribute_names=["cup", "tea"])
    >>> chosen = askew.plan(table, ["tea"], n_resamples=1000)
    >>> chosen.n_patterns, chosen.fastest
    (2, 'poisson-patterns')
    """
    check_annotations(annotations=annotations, **({} if pred is None else {"pred": pred}))
    if not isinstance(annotations, Annotations) or not isinstance(pred, (Annotations, type(None))):
        raise InputError("a plan is made of tables in memory: scan.collect() brings one there")
    if not isinstance(sets, AttributeSets):
        sets = AttributeSets(sets, annotations.attribute_names)
    check_resampling(n_resamples, "poisson")
    engine, used_threads = choose(backend), threads(n_threads)
    layout = CountingPlan.of(annotations, pred, None).layout
    itemsets, _ = layout.itemsets(sets)
    members = int(engine.count(layout.columns, annotations.n, itemsets, used_threads, None).sum())
    multiplicities = pattern_table(layout.columns, annotations.n, engine, used_threads).multiplicities
    bits = int(np.bitwise_count(multiplicities & (2**TOP - 1)).sum() + (multiplicities >> TOP).sum())
    per_row = members / max(annotations.n, 1)
    columns = -(-n_resamples // BLOCK) * BLOCK
    return Plan(
        backend=engine.name,
        simd=engine.simd,
        n_threads=used_threads,
        n=annotations.n,
        n_patterns=len(multiplicities),
        n_itemsets=len(itemsets),
        memberships=per_row,
        n_resamples=int(n_resamples),
        seconds={
            "poisson": 1e-9 * columns * (annotations.n * DRAW + members * ADD),
            "poisson-patterns": 1e-9 * columns * (bits * PATTERN_DRAW + len(multiplicities) * per_row * 8 * ADD),
        },
    )
