"""Universes of attribute sets of tables that are read chunk by chunk, exactly as of tables in memory.

What is frequent in a table is frequent, in proportion, in one of its chunks at least [1]_. So a first pass mines each
chunk for candidates, and a second counts these in the whole table. Where a table is one chunk, the first is enough.

References
----------
.. [1] A. Savasere, E. Omiecinski, S. Navathe, "An Efficient Algorithm for Mining Association Rules in Large Databases",
VLDB 1995.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations, Named
from askew.checkpoints import Checkpoint
from askew.counted import Counted
from askew.counting import DEFAULT_MEMORY, CountingPlan, TablePlan
from askew.counts import View
from askew.engine import Itemsets, MiningTable, TooManySets, choose
from askew.engine.protocol import Int64, UInt8
from askew.errors import InputError
from askew.executors import Ranges, Save, Told
from askew.reading import chunks
from askew.scan import Scan, digest
from askew.sets import AttributeSets, Limits, mine, nonempty, observed_of, rows_of, select
from askew.streaming import ScanPlan

#: Bits of a chunk that is mined, as a share of `max_memory`.
MINED = 4


class Setting(NamedTuple):
    """What all steps need to know."""

    backend: str
    n_threads: int
    max_memory: int = DEFAULT_MEMORY
    checkpoint: Checkpoint | None = None


def find(
    kind: str,
    tables: Sequence[Named],
    limits: Limits,
    backend: str,
    n_threads: int,
    max_memory: int | None,
    checkpoint: Checkpoint | None,
) -> AttributeSets:
    """The universe "subsets" or "observed" of tables, some of which are scans."""
    if isinstance(tables[0], Counted):
        return tables[0].sets
    setting = Setting(backend, n_threads, DEFAULT_MEMORY if max_memory is None else max_memory, checkpoint)
    if kind == "subsets":
        return subsets(tables, limits, setting)
    test = tables[1] if len(tables) == 2 else None
    return observed(tables[0], test, min_size=1, max_size=limits.max_size, min_count=limits.min_count, setting=setting)


def subsets(tables: Sequence[Named], limits: Limits, setting: Setting) -> AttributeSets:
    """The universe "subsets" of tables, some of which are scans."""
    name = _name("subsets", tables, limits, setting)
    kept = _kept(name, tables[0], setting)
    if kept is None:
        kept = _subsets(tables, limits, setting)
        if setting.checkpoint is not None:
            setting.checkpoint.save_sets(name, kept)
    return kept


def _subsets(tables: Sequence[Named], limits: Limits, setting: Setting) -> AttributeSets:
    names = tables[0].attribute_names
    # support="every" counts within groups: what reaches min_count there does so over all instances as well
    relaxed = Limits(limits.max_size, limits.min_count, "any", limits.max_sets)
    found = [_candidates(table, relaxed, setting) for table in tables]
    candidates = found[0].sets
    for other in found[1:]:
        candidates = _in_both(candidates, other.sets)
    for table, (_, n_chunks) in zip(tables, found, strict=True):
        if len(candidates) == 0 or (n_chunks == 1 and limits.support == "any"):
            continue
        truth = _counted(table, AttributeSets._of(_itemsets(candidates), names), setting)
        support = truth.co_set_group[0].min(axis=1) if limits.support == "every" else truth.co_set[0]
        candidates = candidates[support >= limits.min_count]
    return AttributeSets._of(nonempty(_itemsets(candidates), limits.min_count), names)


class Candidates(NamedTuple):
    """Sets that may be frequent, as a table (see below), and in how many chunks they were looked for."""

    sets: Int64
    n_chunks: int


def _joined_candidates(a: Candidates, b: Candidates) -> Candidates:
    return Candidates(_joined(a.sets, b.sets), a.n_chunks + b.n_chunks)


def _candidates(table: Named, limits: Limits, setting: Setting) -> Candidates:
    if not isinstance(table, Scan):
        assert isinstance(table, Annotations)
        sets, _ = mine([table], limits, choose(setting.backend), setting.n_threads)
        return Candidates(_table_of(sets.itemsets), 1)
    setting = setting._replace(checkpoint=None)
    work = partial(mine_rows, table, table.n, limits, setting, n_threads=setting.n_threads)
    found = table.executor.reduce(work, _joined_candidates, (table,), (), None, None)
    if found is None:
        raise InputError(f"{table.source!r} has no instances")
    return found


def mine_rows(
    scan: Scan,
    n: int,
    limits: Limits,
    setting: Setting,
    ranges: Ranges | None = None,
    told: Told | None = None,
    save: Save[Candidates] | None = None,
    *,
    n_threads: int,
) -> Candidates | None:
    """Sets that are frequent, in proportion, in some chunk of these rows; None if there is no row."""
    engine = choose(setting.backend)
    p, q = len(scan.attribute_names), len(scan.group_names)
    rows = max(512, setting.max_memory // MINED * 8 // (p + q) // 512 * 512)
    max_size = p if limits.max_size is None else min(limits.max_size, p)
    found: Candidates | None = None
    with closing(chunks((scan,), ranges, rows=rows, ahead=0)) as stream:
        for _, (part,) in stream:
            least = max(1, -(-limits.min_count * part.n // n))
            mining = [MiningTable(part.packed_attributes)]
            try:
                itemsets, _ = engine.mine(mining, least, max_size, limits.max_sets, n_threads, None)
            except TooManySets:
                raise InputError(
                    f"more than {limits.max_sets:,} attribute sets may be frequent: each is in {least} of {part.n:,} "
                    "instances of a chunk. Lower max_size, raise min_count or max_sets, or raise max_memory, for "
                    "larger chunks"
                ) from None
            here = Candidates(_table_of(itemsets), 1)
            found = here if found is None else _joined_candidates(found, here)
    return found


def observed(
    train: Named, test: Named | None, *, min_size: int, max_size: int | None, min_count: int, setting: Setting
) -> AttributeSets:
    """The universe "observed" of tables, some of which are scans."""
    name = _name("observed", [train] if test is None else [train, test], (min_size, max_size, min_count), setting)
    kept = _kept(name, train, setting)
    if kept is not None:
        return kept
    if isinstance(train, Scan):
        work = partial(patterns_of_rows, train, setting._replace(checkpoint=None), n_threads=setting.n_threads)
        found = train.executor.reduce(work, partial(_merged, max_memory=setting.max_memory), (train,), (), None, None)
        if found is None:
            raise InputError(f"{train.source!r} has no instances")
    else:
        assert isinstance(train, Annotations)
        found = _patterns_of(train, setting.backend, setting.n_threads)
    bits = np.unpackbits(found.rows, axis=1, count=len(train.attribute_names)).view(bool)
    sets = observed_of(bits[found.multiplicities >= min_count], train.attribute_names, min_size, max_size, min_count)
    if test is not None:
        kept_sets = np.flatnonzero(_counted(test, sets, setting).co_set[0] >= min_count)
        sets = AttributeSets._of(nonempty(select(sets.itemsets, kept_sets), min_count), sets.attribute_names)
    if setting.checkpoint is not None:
        setting.checkpoint.save_sets(name, sets)
    return sets


class Patterns(NamedTuple):
    """Distinct rows: bits in bytes, ascending, and how many instances have them."""

    rows: UInt8
    multiplicities: Int64


def patterns_of_rows(
    scan: Scan,
    setting: Setting,
    ranges: Ranges | None = None,
    told: Told | None = None,
    save: Save[Patterns] | None = None,
    *,
    n_threads: int,
) -> Patterns | None:
    """Distinct rows of attributes; None if there is no row."""
    found: Patterns | None = None
    with closing(chunks((scan,), ranges)) as stream:
        for _, (part,) in stream:
            here = _patterns_of(part, setting.backend, n_threads)
            found = here if found is None else _merged(found, here, setting.max_memory)
    return found


def _patterns_of(annotations: Annotations, backend: str, n_threads: int) -> Patterns:
    first, multiplicities = choose(backend).patterns(annotations.packed_attributes, annotations.n, n_threads)
    rows = np.packbits(rows_of(annotations.packed_attributes, first), axis=1)
    order = np.argsort(_as_keys(rows))
    return Patterns(rows[order], multiplicities[order])


def _merged(a: Patterns, b: Patterns, max_memory: int) -> Patterns:
    rows = np.concatenate([a.rows, b.rows])
    if rows.nbytes + 40 * len(rows) > max_memory // 2:
        raise InputError(
            f"the table has more than {len(a.rows):,} distinct label sets, and more than fit "
            f'max_memory={max_memory:,}: raise it, or take sets="subsets"'
        )
    multiplicities = np.concatenate([a.multiplicities, b.multiplicities])
    _, first, which = np.unique(_as_keys(rows), return_index=True, return_inverse=True)
    total = np.zeros(len(first), np.int64)
    np.add.at(total, which, multiplicities)
    return Patterns(rows[first], total)


def _as_keys(rows: UInt8) -> npt.NDArray[Any]:
    """Rows of bytes as one value each, which can be sorted."""
    return np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()


def _counted(table: Named, sets: AttributeSets, setting: Setting) -> View:
    """How often the sets occur."""
    plan: TablePlan
    if isinstance(table, Scan):
        plan = ScanPlan(table, None, None, setting.max_memory, setting.checkpoint)
    else:
        assert isinstance(table, Annotations)
        plan = CountingPlan.of(table, None, None)
    no_weights = plan.resampling("poisson", 0, 0)
    return plan.run(sets, no_weights, range(0), choose(setting.backend), setting.n_threads, None).truth


def _kept(name: str, table: Named, setting: Setting) -> AttributeSets | None:
    return None if setting.checkpoint is None else setting.checkpoint.sets(name, table.attribute_names)


def _name(kind: str, tables: Sequence[Named], limits: object, setting: Setting) -> str:
    """What a universe of these tables is kept under."""
    if setting.checkpoint is None:
        return ""
    parts: list[object] = [limits]
    for table in tables:
        if isinstance(table, Scan):
            parts.append(setting.checkpoint.check_known(table.fingerprint, repr(table.source)))
        else:
            assert isinstance(table, Annotations)
            parts += [table.attribute_names, table.packed_attributes, table.packed_groups]
    return f"{kind}-{digest(*parts)}"


# ---- Sets as a table: one row per set, its columns ascending and then -1, rows by size and then by columns


def _table_of(itemsets: Itemsets) -> Int64:
    items, offsets = itemsets
    sizes = np.diff(offsets)
    table = np.full((len(sizes), int(sizes.max(initial=1))), -1, np.int64)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    table[rows, np.arange(len(items)) - np.repeat(offsets[:-1], sizes)] = items
    return table


def _itemsets(table: Int64) -> Itemsets:
    there = table >= 0
    sizes = there.sum(axis=1, dtype=np.int64)
    return Itemsets(table[there].astype(np.int32), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def _stacked(a: Int64, b: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """The rows of both in order, and which of them equal the one before."""
    width = max(a.shape[1], b.shape[1])
    rows = np.concatenate([np.pad(t, ((0, 0), (0, width - t.shape[1])), constant_values=-1) for t in (a, b)])
    order = np.lexsort([*rows.T[::-1], (rows >= 0).sum(axis=1)])
    rows = rows[order]
    return rows, np.concatenate([[False], (rows[1:] == rows[:-1]).all(axis=1)]) if len(rows) else np.zeros(0, bool)


def _joined(a: Int64, b: Int64) -> Int64:
    """The sets of either."""
    rows, repeated = _stacked(a, b)
    return rows[~repeated]


def _in_both(a: Int64, b: Int64) -> Int64:
    """The sets of both."""
    rows, repeated = _stacked(a, b)
    return rows[repeated]
