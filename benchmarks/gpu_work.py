"""The workloads of `benchmarks.peers` that have kernels on a GPU, as calls of an engine.

W4's sets are mined by the processor in every backend; counting them in two groups is what is timed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import askew
from askew.engine import Draws, Engine, Itemsets, threads
from askew.engine.protocol import Int64, Words
from benchmarks.peers import itemsets, mining, pairs, replicates

Needs = dict[str, float]  # how much of the rates that gpu_limits measures


@dataclass
class Work:
    title: str
    data: Any
    run: Callable[[Engine], Int64]
    #: What each kernel cannot do without, of several things at a time; kernels follow one another.
    kernels: list[Needs]
    #: Bytes that go to the GPU.
    uploaded: float

    def limit(self, rates: dict[str, float]) -> tuple[float, str]:
        """Seconds of the kernels at least, and what binds the longest of them."""
        bound = [max((amount / rates[name], name) for name, amount in needs.items()) for needs in self.kernels]
        return sum(seconds for seconds, _ in bound), max(bound)[1]


def counting(n: int, sets: Itemsets) -> Needs:
    """Every column of an itemset is read, and the ones of its conjunction are counted."""
    n_words = -(-n // 64)
    return {"l1_bytes": 8.0 * n_words * len(sets.items), "and_popcount_words": float(n_words * len(sets))}


def count_work(title: str, data: Any, columns: list[Words], n: int, sets: Itemsets) -> Work:
    def run(engine: Engine) -> Int64:
        return engine.count(columns, n, sets, threads(), None)

    return Work(title, data, run, [counting(n, sets)], sum(block.nbytes for block in columns))


def in_groups(sets: list[tuple[int, ...]], n_attributes: int, n_groups: int) -> Itemsets:
    rows = [(*columns, n_attributes + group) for columns, group in product(sets, range(n_groups))]
    return Itemsets(np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)], dtype=np.int64))


def pairs_from_array(scale: float) -> Work:
    values, sets = pairs.table(scale), pairs.pair_sets().itemsets
    n, p = values.shape

    def run(engine: Engine) -> Int64:
        columns, wrong = engine.pack(values, threads())
        assert wrong < 0
        return engine.count([columns], n, sets, threads(), None)

    packing = {"memory_bytes": n * p * 9 / 8}
    return Work(f"all pair counts of {n:,} × {p} from uint8", values, run, [packing, counting(n, sets)], n * p * 9 / 8)


def pairs_packed(scale: float) -> Work:
    values = pairs.table(scale)
    columns = askew.Annotations(values, np.ones((len(values), 1), np.uint8)).packed_attributes
    title = f"all pair counts of {len(values):,} × {pairs.P}, packed"
    return count_work(title, values, [columns], len(values), pairs.pair_sets().itemsets)


def some_itemsets(scale: float) -> Work:
    data = itemsets.data(scale)
    table = askew.Annotations(data.values, data.groups)
    sets = in_groups(data.sets, pairs.P, 2)
    title = f"{itemsets.N_SETS:,} itemsets × 2 groups, {table.n:,} rows"
    return count_work(title, data, [table.packed_attributes, table.packed_groups], table.n, sets)


def mined_itemsets(scale: float) -> Work:
    data = mining.data(scale)
    table = askew.Annotations(data.values, data.groups)
    found = askew.AttributeSets.subsets(table, max_size=mining.MAX_SIZE, min_count=data.min_count)
    columns = [tuple(map(int, names)) for names in found]
    sets = in_groups(columns, len(table.attribute_names), 2)
    title = f"counts of {len(columns):,} mined sets × 2 groups, {table.n:,} rows"
    return count_work(title, data, [table.packed_attributes, table.packed_groups], table.n, sets)


def resampled(name: str, data: replicates.Data) -> Work:
    table = data.annotations()
    sets, columns, b = data.attribute_sets(table).itemsets, [table.packed_attributes], replicates.B

    def run(engine: Engine) -> Int64:
        counts = np.zeros((len(sets), b), np.int64)
        draws = Draws(replicates.WEIGHTS, 0, 0, 0)
        engine.resample(columns, data.n, sets, draws, range(b), counts.T, threads(), None)
        return counts

    members = float(askew.engine.choose().count(columns, data.n, sets, threads(), None).sum())
    listing = {"l1_bytes": counting(data.n, sets)["l1_bytes"], "memory_bytes": 2 * members}
    adding = {"weights": float(data.n * -(-b // 8) * 8), "adds": members * (-(-b // 8) * 8)}
    title = f"{b:,} replicates of {data.n:,} rows, {members / data.n:.0f} memberships a row, {name}"
    return Work(title, data, run, [listing, adding], float(columns[0].nbytes))


WORK: dict[str, Callable[[float], Work]] = {
    "W1": pairs_from_array,
    "W2": pairs_packed,
    "W3": some_itemsets,
    "W4": mined_itemsets,
    "W5-200": lambda scale: resampled("200 attributes", replicates.columns_at_random(200, scale)),
    "W5-5000": lambda scale: resampled("5,000 sets of 100 attributes", replicates.sets_of_attributes(scale)),
    "W5-5000-columns": lambda scale: resampled("5,000 attributes", replicates.columns_at_random(5_000, scale)),
}
