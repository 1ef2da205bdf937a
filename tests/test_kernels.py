"""Every kernel of every backend, SIMD level and number of threads gives the integers of the NumPy reference."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest

from askew.engine import Draws, Engine, Itemsets, MiningTable, TooManySets, Units, choose, words_for
from askew.engine.multinomial import multinomial_weights
from askew.engine.reference import ReferenceEngine, _members
from askew.engine.weights import weights

REFERENCE = ReferenceEngine()
SHAPES = [(0, 3), (1, 1), (63, 2), (64, 5), (65, 1), (511, 7), (512, 64), (513, 70), (1025, 9), (20_000, 12)]


def random_table(n: int, p: int, density: float = 0.3, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, p)) < density).astype(np.uint8)


def packed(values: np.ndarray) -> np.ndarray:
    return REFERENCE.pack(values, 1)[0]


def itemsets(sets: list[tuple[int, ...]]) -> Itemsets:
    items = np.array([column for itemset in sets for column in itemset], np.int32)
    return Itemsets(items, np.cumsum([0, *map(len, sets)], dtype=np.int64))


def resampled(
    engine: Engine,
    columns: list[np.ndarray],
    n: int,
    sets: Itemsets,
    draws: Draws,
    replicates: range,
    n_threads: int = 1,
) -> np.ndarray:
    """Counts of shape (replicates, itemsets), added to an array of sevens, of which the sevens are taken away again.

    Those of the sample itself, which come with them, are compared here.
    """
    counts = np.full((len(sets), 1 + len(replicates)), 7, np.int64)
    engine.resample(columns, n, sets, draws, replicates, counts.T[1:], n_threads, None, counts[:, 0])
    if len(replicates):
        assert np.array_equal(counts[:, 0] - 7, REFERENCE.count(columns, n, sets, 1, None))
    return counts.T[1:] - 7


def some_itemsets(p: int, seed: int = 1) -> Itemsets:
    """The empty itemset, every single column, and random ones of up to seven columns."""
    rng = np.random.default_rng(seed)
    drawn = [tuple(sorted(rng.choice(p, rng.integers(1, min(p, 7) + 1), replace=False))) for _ in range(40)]
    return itemsets([(), *((c,) for c in range(p)), *drawn])


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_pack(engine: Engine, n_threads: int, n: int, p: int, density: float) -> None:
    values = random_table(n, p, density)
    columns, wrong = engine.pack(values, n_threads)
    assert wrong == -1
    assert columns.shape == (p, words_for(n))
    assert columns.dtype == np.uint64
    bits = np.unpackbits(columns.view(np.uint8), axis=1, bitorder="little")
    assert np.array_equal(bits[:, :n], values.T)
    assert not bits[:, n:].any()


@pytest.mark.parametrize("p", [*range(1, 11), 16, 31, 33, 63, 64, 65, 100, 255, 256, 257, 600])
@pytest.mark.parametrize("n", [1, 511, 512, 1100])
def test_pack_any_width(engine: Engine, n_threads: int, n: int, p: int) -> None:
    values = random_table(n, p)
    assert np.array_equal(engine.pack(values, n_threads)[0], packed(values))


LAYOUTS = {
    "C": lambda values: values,
    "F": np.asfortranarray,
    "rows strided": lambda values: np.repeat(values, 2, axis=0)[::2],
    "columns strided": lambda values: np.repeat(values, 2, axis=1)[:, ::2],
    "rows reversed": lambda values: values[::-1].copy()[::-1],
    "columns reversed": lambda values: values[:, ::-1].copy()[:, ::-1],
    "F, rows strided": lambda values: np.asfortranarray(np.repeat(values, 3, axis=0))[::3],
    "F, rows reversed": lambda values: np.asfortranarray(values[::-1])[::-1],
    "between other values": lambda values: np.pad(values, ((0, 1), (3, 5)), constant_values=9)[:-1, 3:-5],
    "F, between other values": lambda values: np.asfortranarray(np.pad(values, 1, constant_values=9))[1:-1, 1:-1],
    "every row the same": lambda values: np.broadcast_to(values[:1], values.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("n", "p"), [(0, 3), (1, 1), (1, 300), (63, 1), (700, 1), (700, 3), (700, 20), (1100, 270)])
def test_pack_takes_any_layout(engine: Engine, n_threads: int, layout: str, n: int, p: int) -> None:
    given = LAYOUTS[layout](random_table(n, p))
    columns, wrong = engine.pack(given, n_threads)
    assert wrong == -1
    assert np.array_equal(columns, packed(np.ascontiguousarray(given)))


@pytest.mark.parametrize("layout", ["C", "F", "columns strided"])
@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 0, 2), (1299, 269, 255), (64, 3, 128), (700, 260, 4), (1290, 1, 3)]
)
def test_pack_finds_the_first_bad_value(
    engine: Engine, n_threads: int, layout: str, row: int, column: int, value: int
) -> None:
    values = random_table(1300, 270)
    values[1299, 269] = 77
    values[1291, 0] = 2
    values[row, column] = value
    expected = min(row * 270 + column, 1291 * 270)
    assert engine.pack(LAYOUTS[layout](values), n_threads)[1] == expected


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_pack_sparse(engine: Engine, n_threads: int, n: int, p: int) -> None:
    values = random_table(n, p, 0.1)
    columns = np.nonzero(values)[1]
    offsets = np.concatenate([[0], np.cumsum(values.sum(axis=1, dtype=np.int64))])
    indices = columns.astype(np.int32)
    assert np.array_equal(engine.pack_sparse(offsets, indices, p, n_threads), packed(values))
    # each entry twice, with an unknown one between them
    thrice = np.repeat(indices, 3)
    thrice[1::3] = -1
    assert np.array_equal(engine.pack_sparse(offsets * 3, thrice, p, n_threads), packed(values))


@pytest.mark.parametrize("offset_type", [np.int32, np.int64])
@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_pack_sparse_takes_a_part_of_the_rows_of_others(
    engine: Engine, n_threads: int, offset_type: type, index_type: type
) -> None:
    values = random_table(1500, 300, 0.1)
    values[700] = 1
    rows, columns = np.nonzero(values)
    offsets = np.searchsorted(rows, np.arange(1501)).astype(offset_type)
    sparse = engine.pack_sparse(offsets[200:1300], columns.astype(index_type), 300, n_threads)
    assert np.array_equal(sparse, packed(values[200:1299]))


def test_pack_sparse_without_rows_or_columns(engine: Engine, n_threads: int) -> None:
    nothing = np.zeros(0, np.int32)
    assert engine.pack_sparse(np.zeros(1, np.int64), nothing, 3, n_threads).shape == (3, 0)
    assert engine.pack_sparse(np.zeros(5, np.int64), nothing, 0, n_threads).shape == (0, 8)
    assert not engine.pack_sparse(np.array([0, 1]), np.array([-2], np.int32), 4, n_threads).any()


@pytest.mark.parametrize(
    ("offsets", "indices"),
    [([0, 2, 1], [0, 1]), ([0, 3], [0, 1]), ([-1, 1], [0]), ([0, 9, 2], [0, 1]), ([0, 1], [5]), ([0, 1], [2**31 - 1])],
)
def test_compiled_pack_sparse_does_not_trust_its_input(
    engine: Engine, n_threads: int, offsets: list[int], indices: list[int]
) -> None:
    if engine.name == "numpy":
        pytest.skip("NumPy raises errors of its own")
    with pytest.raises(ValueError, match="sparse rows"):
        engine.pack_sparse(np.array(offsets), np.array(indices, np.int32), 5, n_threads)


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.05, 0.5])
def test_patterns(engine: Engine, n_threads: int, n: int, p: int, density: float) -> None:
    values = random_table(n, p, density)
    expected: dict[bytes, list[int]] = {}
    for row in range(n):
        expected.setdefault(values[row].tobytes(), [row, 0])[1] += 1
    first, multiplicity = engine.patterns(packed(values), n, n_threads)
    assert first.tolist() == [row for row, _ in expected.values()]
    assert multiplicity.tolist() == [number for _, number in expected.values()]


def check_patterns(engine: Engine, values: np.ndarray, n_threads: int) -> None:
    """Against a dictionary, which has the rows in order of first appearance."""
    expected: dict[bytes, list[int]] = {}
    for row, key in enumerate(map(bytes, np.packbits(values, axis=1))):
        expected.setdefault(key, [row, 0])[1] += 1
    first, multiplicity = engine.patterns(packed(values), len(values), n_threads)
    assert np.column_stack([first, multiplicity]).tolist() == list(expected.values())


@pytest.mark.parametrize("p", [0, 1, 63, 64, 65, 128, 129, 700])
@pytest.mark.parametrize("n", [1, 100, 3000])
def test_patterns_of_any_width(engine: Engine, n_threads: int, n: int, p: int) -> None:
    check_patterns(engine, random_table(n, p, 2 / max(2, p)), n_threads)


@pytest.mark.parametrize("p", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("n", [16_385, 40_000])
def test_patterns_of_few_columns(engine: Engine, n_threads: int, n: int, p: int) -> None:
    """Rare patterns, some in the last rows alone; and columns of which each row has one, as of groups."""
    values = random_table(n, p, 0.01)
    values[-20:] = random_table(20, p, 0.7)
    values[:, : p // 2] = np.random.default_rng(2).integers(0, max(1, p // 2), n)[:, None] == np.arange(p // 2)
    check_patterns(engine, values, n_threads)


def test_patterns_that_differ_in_one_column(engine: Engine, n_threads: int) -> None:
    values = np.eye(600, dtype=np.uint8)[np.random.default_rng(3).integers(0, 600, 2000)]
    check_patterns(engine, values, n_threads)


@pytest.mark.parametrize(("p", "distinct"), [(18, 30_000), (80, 150_000), (150, 30_000)])
def test_more_patterns_than_a_table_in_the_cache_holds(engine: Engine, n_threads: int, p: int, distinct: int) -> None:
    n = 60_000
    numbers = np.random.default_rng(4).integers(0, distinct, n)
    numbers[: n // 2] = np.arange(n // 2)  # hardly a row is known at first
    values = np.zeros((n, p), np.uint8)
    values[:, p - 18 :] = numbers[:, None] >> np.arange(18) & 1
    check_patterns(engine, values, n_threads)


@pytest.mark.parametrize("p", [18, 80, 150])
@pytest.mark.parametrize("distinct", [1, 400, 936, 937, 938])
def test_few_patterns_of_many_rows(engine: Engine, n_threads: int, p: int, distinct: int) -> None:
    """Entries are sorted, or with one in 64 rows or more, their rows marked."""
    n = 60_000
    numbers = np.random.default_rng(5).integers(0, distinct, n)
    numbers[-distinct:] = np.arange(distinct)
    values = np.zeros((n, p), np.uint8)
    values[:, p - 18 :] = (numbers * 277)[:, None] >> np.arange(18) & 1
    check_patterns(engine, values, n_threads)


def test_patterns_made_to_share_hashes(engine: Engine, n_threads: int) -> None:
    """Products of these rows with the multiplier begin with the same 32 bits: quadratic time, were there no seed."""
    products = np.arange(40_000, dtype=np.uint64) + np.uint64(2**60)
    rows = products * np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
    values = np.unpackbits(rows.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    check_patterns(engine, np.tile(values, (2, 1)), n_threads)


@pytest.mark.parametrize("min_count", [1, 5, 60])
@pytest.mark.parametrize("max_size", [1, 2, 3, 6])
@pytest.mark.parametrize("masked", [False, True])
def test_mine_equals_brute_force(engine: Engine, n_threads: int, min_count: int, max_size: int, masked: bool) -> None:
    tables = [random_table(n, 8, 0.4, seed=n) for n in (300, 1000)]
    masks = [random_table(n, 2, 0.5, seed=n + 1) for n in (300, 1000)]
    expected = [
        columns
        for size in range(1, max_size + 1)
        for columns in combinations(range(8), size)
        if all(
            (t[:, columns].all(axis=1).sum() >= min_count)
            if not masked
            else all((t[:, columns].all(axis=1) & (m[:, g] == 1)).sum() >= min_count for g in range(2))
            for t, m in zip(tables, masks, strict=True)
        )
    ]
    given = [MiningTable(packed(t), packed(m) if masked else None) for t, m in zip(tables, masks, strict=True)]
    mined = engine.mine(given, min_count, max_size, 10_000, n_threads, None).itemsets
    found = [tuple(mined.items[b:e].tolist()) for b, e in zip(mined.offsets, mined.offsets[1:], strict=False)]
    assert found == expected


def mined_by(engine: Engine, tables: list[MiningTable], min_count: int, max_size: int, n_threads: int) -> Itemsets:
    return engine.mine(tables, min_count, max_size, 10**6, n_threads, None).itemsets


# (rows, columns, density, least support, largest size): tables of one word, wide and sparse ones, dense and deep ones,
# long ones with rare columns, and columns that every row or no row contains
MINED = [
    (0, 3, 0.5, 1, 3),
    (1, 70, 0.1, 1, 70),
    (64, 9, 0.5, 3, 9),
    (300, 400, 0.02, 2, 4),
    (700, 14, 0.85, 60, 14),
    (513, 70, 0.15, 4, 3),
    (30_000, 40, 0.02, 3, 4),
    (5000, 5, 1.0, 5000, 5),
    (5000, 5, 0.0, 1, 5),
]


@pytest.mark.parametrize(("n", "p", "density", "min_count", "max_size"), MINED)
@pytest.mark.parametrize("masked", [False, True])
def test_mine_equals_the_reference(
    engine: Engine, n_threads: int, n: int, p: int, density: float, min_count: int, max_size: int, masked: bool
) -> None:
    # columns of uneven density, in no order of it
    values = random_table(n, p, density) if density in (0.0, 1.0) else random_table(n, p, density * 2)
    if 0.0 < density < 1.0:
        values &= np.random.default_rng(8).random((n, p)) < np.random.default_rng(9).random(p)
    masks = packed(np.stack([np.arange(n) % 3 > 0, np.arange(n) % 2 == 0], axis=1).astype(np.uint8)) if masked else None
    tables = [MiningTable(packed(values), masks)]
    expected = mined_by(REFERENCE, tables, min_count, max_size, 1)
    found = mined_by(engine, tables, min_count, max_size, n_threads)
    assert np.array_equal(found.offsets, expected.offsets)
    assert np.array_equal(found.items, expected.items)


def test_mine_two_tables_of_which_one_has_groups(engine: Engine, n_threads: int) -> None:
    first, second = random_table(9000, 30, 0.06, seed=4), random_table(2000, 30, 0.1, seed=5)
    groups = packed(random_table(2000, 5, 0.5, seed=6))
    tables = [MiningTable(packed(first), None), MiningTable(packed(second), groups)]
    expected = mined_by(REFERENCE, tables, 3, 4, 1)
    assert len(expected) > 400
    found = mined_by(engine, tables, 3, 4, n_threads)
    assert np.array_equal(found.offsets, expected.offsets)
    assert np.array_equal(found.items, expected.items)


def test_mine_more_rows_than_are_copied(engine: Engine, n_threads: int) -> None:
    if engine.name != "native":
        pytest.skip("copies no rows")
    n, times = 98 * 512, 100  # 80 MB as rows of 128 bits
    values = np.random.default_rng(7).random((n, 70)) < np.geomspace(0.03, 0.5, 70)
    groups = packed(random_table(n, 2, 0.6, seed=11))
    one = MiningTable(packed(values.astype(np.uint8)), None, groups)
    many = MiningTable(*(None if columns is None else np.tile(columns, (1, times)) for columns in one))
    expected = engine.mine([one], 1000, 3, 10**6, n_threads, None)
    found = engine.mine([many], 1000 * times, 3, 10**6, n_threads, None)
    assert np.bincount(np.diff(found.itemsets.offsets))[3] > 100
    assert np.array_equal(found.itemsets.items, expected.itemsets.items)
    assert np.array_equal(found.counts, expected.counts * times)


@pytest.mark.parametrize(("masked", "n_tables"), [(False, 1), (True, 2)])
def test_mine_thousands_of_rare_columns(engine: Engine, n_threads: int, masked: bool, n_tables: int) -> None:
    if engine.name != "native":
        pytest.skip("takes minutes")
    n, p = 3000, 4000
    rows = np.sort(np.random.default_rng(12).integers(0, p, (n // 3, 6)), axis=1)
    rows[::5, 0] = 7  # a frequent column among them
    rows = np.tile(rows, (3, 1))
    values = np.zeros((n, p), np.uint8)
    np.put_along_axis(values, rows, 1, axis=1)
    groups = np.stack([np.arange(n) < 2200, np.arange(n) % 3 > 0], axis=1)
    counts: dict[tuple[int, ...], np.ndarray] = {}
    for row, member in zip(values, groups, strict=True):
        for size in (1, 2, 3):
            for columns in combinations(np.flatnonzero(row).tolist(), size):
                counts.setdefault(columns, np.zeros(3, np.int64))[:] += [1, *member]
    least = 1 if masked else 2
    frequent = [m for m, (whole, *within) in counts.items() if (min(within) if masked else whole) >= least]
    expected = sorted(frequent, key=lambda columns: (len(columns), columns))
    within = packed(groups.astype(np.uint8))
    table = MiningTable(packed(values), within if masked else None, within)
    found = engine.mine([table] * n_tables, least, 3, 10**6, n_threads, None)
    offsets = found.itemsets.offsets
    assert [tuple(found.itemsets.items[b:e].tolist()) for b, e in pairwise(offsets)] == expected
    assert np.array_equal(found.counts, np.tile([counts[columns][1:] for columns in expected], (1, n_tables)))


def groups_of(n: int, q: int) -> np.ndarray:
    """Overlapping groups of uneven size, the last of which is empty."""
    groups = np.random.default_rng(10).random((n, q)) < np.linspace(0.9, 0.1, q)
    groups[:, -1] = False
    return groups.astype(np.uint8)


def counts_within(columns: np.ndarray, itemsets: Itemsets, groups: np.ndarray) -> np.ndarray:
    bitmaps = [
        np.bitwise_and.reduce(columns[itemsets.items[b:e]], axis=0)
        for b, e in zip(itemsets.offsets, itemsets.offsets[1:], strict=False)
    ]
    counts = [np.bitwise_count(bitmap & groups).sum(axis=1, dtype=np.int64) for bitmap in bitmaps]
    return np.array(counts, np.int64).reshape(len(itemsets), len(groups))


@pytest.mark.parametrize(("n", "p", "density", "min_count", "max_size"), MINED)
@pytest.mark.parametrize("q", [2, 6])
@pytest.mark.parametrize("masked", [False, True])
def test_mine_counts_by_group_what_it_finds(
    engine: Engine, n_threads: int, n: int, p: int, density: float, min_count: int, max_size: int, q: int, masked: bool
) -> None:
    columns, groups = packed(random_table(n, p, density)), packed(groups_of(n, q))
    masks = packed(np.stack([np.arange(n) % 3 > 0, np.arange(n) % 2 == 0], axis=1).astype(np.uint8)) if masked else None
    itemsets, counts = engine.mine([MiningTable(columns, masks, groups)], min_count, max_size, 10**6, n_threads, None)
    without = mined_by(engine, [MiningTable(columns, masks)], min_count, max_size, n_threads)
    assert np.array_equal(itemsets.items, without.items)
    assert np.array_equal(itemsets.offsets, without.offsets)
    assert counts.dtype == np.int64
    assert np.array_equal(counts, counts_within(columns, itemsets, groups))


def related_groups(values: np.ndarray, kind: str) -> np.ndarray:
    """Groups whose counts may follow from each other's, or nearly."""
    n = len(values)
    label = np.arange(n) % 3
    parts = label[:, None] == np.arange(3)
    if kind == "parts":
        return parts
    if kind == "everybody and parts":
        return np.column_stack([parts[:, :2], np.full(n, True), parts[:, 2]])
    if kind == "everybody with an attribute, twice":
        return np.column_stack([values.any(axis=1)] * 2)
    if kind == "parts but for one row":
        parts[np.flatnonzero(values.any(axis=1))[-1]] = False
        return parts
    parts[0], parts[1:3] = label[0] != np.arange(3), False  # columns 0 and 1 make up for each other, but not as a pair
    return parts


RELATED = ["parts", "everybody and parts", "everybody with an attribute, twice", "parts but for one row", "sums alone"]


@pytest.mark.parametrize("kind", RELATED)
@pytest.mark.parametrize("max_size", [1, 2, 5])
def test_mine_counts_by_groups_that_tell_of_each_other(
    engine: Engine, n_threads: int, kind: str, max_size: int
) -> None:
    values = random_table(1500, 9, 0.3)
    values[:3] = np.eye(9, dtype=np.uint8)[[0, 0, 1]]
    values[0, 1] = 1
    groups = packed(related_groups(values, kind).astype(np.uint8))
    columns = packed(values)
    itemsets, counts = engine.mine([MiningTable(columns, None, groups)], 5, max_size, 10**6, n_threads, None)
    assert np.diff(itemsets.offsets).max() == max_size
    assert np.array_equal(counts, counts_within(columns, itemsets, groups))


def test_mine_counts_by_the_groups_of_two_tables(engine: Engine, n_threads: int) -> None:
    columns = [packed(random_table(n, 30, density, seed=n)) for n, density in ((9000, 0.06), (2000, 0.1))]
    groups = [packed(groups_of(9000, 2)), packed(groups_of(2000, 5))]
    tables = [MiningTable(columns[0], None, groups[0]), MiningTable(columns[1], groups[1][:2], groups[1])]
    itemsets, counts = engine.mine(tables, 3, 4, 10**6, n_threads, None)
    assert len(itemsets) > 200
    expected = [counts_within(c, itemsets, g) for c, g in zip(columns, groups, strict=True)]
    assert np.array_equal(counts, np.concatenate(expected, axis=1))
    of_second = engine.mine([tables[0]._replace(groups=None), tables[1]], 3, 4, 10**6, n_threads, None)
    assert np.array_equal(of_second.counts, expected[1])
    of_none = engine.mine([table._replace(groups=None) for table in tables], 3, 4, 10**6, n_threads, None)
    assert of_none.counts.shape == (len(itemsets), 0)


def test_mine_stops_at_max_sets(engine: Engine, n_threads: int) -> None:
    table = [MiningTable(packed(np.ones((10, 12), np.uint8)), None)]
    assert len(engine.mine(table, 1, 12, 4095, n_threads, None).itemsets) == 4095
    for groups in (None, table[0].columns[:2]):
        with pytest.raises(TooManySets):
            engine.mine([table[0]._replace(groups=groups)], 1, 12, 4094, n_threads, None)
    assert len(engine.mine(table, 11, 12, 4095, n_threads, None).itemsets) == 0
    assert len(engine.mine(table, 1, 0, 4095, n_threads, None).itemsets) == 0


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_count(engine: Engine, n_threads: int, n: int, p: int, density: float) -> None:
    values = random_table(n, p, density)
    sets = some_itemsets(p)
    expected = [
        int(values[:, sets.items[b:e]].all(axis=1).sum()) for b, e in zip(sets.offsets, sets.offsets[1:], strict=False)
    ]
    counts = engine.count([packed(values)], n, sets, n_threads, None)
    assert counts.dtype == np.int64
    assert counts.tolist() == expected


def every_kind_of_list(p: int, seed: int) -> dict[str, Itemsets]:
    """Lists of itemsets in columns 0 … p - 1 that are counted in different ways."""
    rng = np.random.default_rng(seed)
    singles = [(c,) for c in range(p)]
    pairs = list(combinations(range(p), 2))
    drawn = [tuple(rng.choice(p, rng.integers(1, min(p, 5) + 1), replace=False)) for _ in range(700)]
    with_groups = [(*itemset, group) for itemset in drawn for group in (p - 1, 0, p // 2)]
    return {
        "none": itemsets([]),
        "one": itemsets([(p - 1,)]),
        "empty ones": itemsets([(), (0,), (), ()]),
        "all pairs": itemsets([*singles, *pairs]),
        "all pairs, shuffled": itemsets([(*singles, *pairs)[i] for i in rng.permutation(p + len(pairs))]),
        "some pairs": itemsets([pair for pair in pairs if rng.random() < 0.8]),
        "unsorted items": itemsets(drawn),
        "with groups": itemsets(with_groups),
        "repeated itemsets": itemsets([*drawn[:9], *drawn[:9], *pairs, *pairs]),
        "repeated items": itemsets([(0, 0), (0, p - 1, 0), (p - 1,) * 9, *((c, c) for c in range(p))]),
        "long ones": itemsets([tuple(range(k)) for k in range(p + 1)] + [(*range(p), c) for c in range(p)]),
    }


@pytest.mark.parametrize(
    ("n", "p", "density"),
    [(0, 4, 0.5), (1, 1, 1.0), (63, 3, 0.5), (4095, 70, 0.9), (4097, 70, 0.02), (9000, 33, 0.02), (70_000, 24, 0.05)],
)
def test_count_any_list(engine: Engine, n_threads: int, n: int, p: int, density: float) -> None:
    values = random_table(n, p, density)
    values[:, p // 2] = 1  # as a group that everybody is in
    columns = [packed(values)]
    for name, sets in every_kind_of_list(p, seed=n).items():
        expected = REFERENCE.count(columns, n, sets, 1, None)
        assert np.array_equal(engine.count(columns, n, sets, n_threads, None), expected), name


def test_count_few_itemsets_in_many_rows(engine: Engine, n_threads: int) -> None:
    """Beyond the size of a block, and fewer itemsets than threads."""
    n = 300_001
    columns = [packed(random_table(n, 5, 0.4))]
    few = itemsets([(3,), (0, 1, 4), ()])
    assert np.array_equal(engine.count(columns, n, few, n_threads, None), REFERENCE.count(columns, n, few, 1, None))


@pytest.mark.parametrize(("n", "density"), [(200, 0.3), (5000, 0.2), (70_000, 0.03)])
def test_count_many_itemsets(engine: Engine, n_threads: int, n: int, density: float) -> None:
    """More than a plan has room for; in the longest table, columns so rare that their rows are looked at alone."""
    if engine.name == "numpy":
        pytest.skip("is what others are compared with")
    p, rng = 24, np.random.default_rng(3)
    values = random_table(n, p, density)
    triples = rng.integers(0, p, (90_000, 3)).astype(np.int32)
    many = Itemsets(triples.ravel(), np.arange(0, triples.size + 1, 3, dtype=np.int64))
    of_three = np.einsum("ia,ib,ic->abc", *[values.astype(np.float32)] * 3, optimize=True)
    expected = of_three[tuple(triples.T)].astype(np.int64)
    assert np.array_equal(engine.count([packed(values)], n, many, n_threads, None), expected)


def test_count_among_the_rows_of_rare_columns_part_by_part(engine: Engine) -> None:
    """In a table whose second copy, by rows, is made in several parts."""
    if engine.name == "numpy":
        pytest.skip("is what others are compared with")
    n, p = 300_000, 70
    values = random_table(n, p, 0.01)
    values[:, -2:] = np.arange(n)[:, None] % [3, 5] > 0
    pairs = np.repeat(list(combinations(range(p - 2), 2)), 8, axis=0).astype(np.int32)
    both = np.insert(pairs, 1, [[p - 1], [p - 2]], axis=1)  # of four: pairs and triples have a way of their own
    sets = Itemsets(both.ravel(), np.arange(0, 4 * len(pairs) + 1, 4, dtype=np.int64))
    within = values[values[:, -2:].all(axis=1)].astype(np.float32)
    expected = (within.T @ within)[tuple(pairs.T)].astype(np.int64)
    assert np.array_equal(engine.count([packed(values)], n, sets, 2, None), expected)


@pytest.mark.parametrize(
    ("n", "p", "density"),
    [
        (64 * 512, 70, 0.05),
        (300_001, 70, 0.1),  # more rows than the counters have room for
        (70_001, 150, 0.03),  # more columns than are added up at a time
        (70_001, 300, 0.002),
        (8191, 100, 0.02),
        (20_000, 90, 0.0),
    ],
)
def test_count_pairs_of_rare_columns(engine: Engine, n_threads: int, n: int, p: int, density: float) -> None:
    """All of them, in any order, by themselves and within groups, among single columns: row by row where that pays."""
    if engine.name == "numpy":
        pytest.skip("is what others are compared with")
    rng = np.random.default_rng(n)
    values = (rng.random((n, p)) < density * rng.uniform(0.5, 2, p)).astype(np.uint8)
    values[:, p - 2] = rng.random(n) < 0.6
    values[:, p - 1] = 1 - values[:, p - 2]
    pairs = rng.permuted(np.array(list(combinations(range(p - 2), 2)), np.int32), axis=1)
    lots: list[np.ndarray] = [np.arange(p, dtype=np.int32)[:, None], pairs[:50], rng.permutation(pairs)]
    lots += [np.insert(pairs, position, group, axis=1) for position, group in ((2, p - 1), (0, p - 2))]
    sizes = np.concatenate([np.full(len(lot), lot.shape[1]) for lot in lots])
    sets = Itemsets(np.concatenate([lot.ravel() for lot in lots]), np.concatenate([[0], np.cumsum(sizes)]))
    exact = values.astype(np.float32)
    groups = [None, None, None, p - 1, p - 2]
    expected = []
    for lot, group in zip(lots, groups, strict=True):
        within = exact if group is None else exact * exact[:, [group]]
        members = lot[lot != group].reshape(len(lot), -1)
        expected.append((within.T @ exact)[members[:, 0], members[:, -1]].astype(np.int64))
    assert np.array_equal(engine.count([packed(values)], n, sets, n_threads, None), np.concatenate(expected))


def test_columns_may_come_in_several_blocks(engine: Engine) -> None:
    values = random_table(1000, 10)
    sets = some_itemsets(10)
    blocks = [packed(values[:, :3]), packed(values[:, 3:4]), packed(values[:, 4:])]
    assert np.array_equal(
        engine.count(blocks, 1000, sets, 1, None), engine.count([packed(values)], 1000, sets, 1, None)
    )
    draws = Draws("poisson", 1, 0, 0)
    assert np.array_equal(
        resampled(engine, blocks, 1000, sets, draws, range(5)),
        resampled(engine, [packed(values)], 1000, sets, draws, range(5)),
    )


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_resample_equals_the_reference(
    engine: Engine, n_threads: int, n: int, p: int, density: float, distribution: str
) -> None:
    columns = [packed(random_table(n, p, density))]
    sets = some_itemsets(p)
    draws = Draws(distribution, 2**63 + 12345, 1, 2**32 - 300)
    replicates = range(3, 70)
    expected = resampled(REFERENCE, columns, n, sets, draws, replicates)
    counts = resampled(engine, columns, n, sets, draws, replicates, n_threads)
    assert np.array_equal(counts, expected)


@pytest.mark.parametrize(
    "replicates", [range(0), range(1), range(7, 8), range(128), range(129), range(64, 192), range(300)]
)
def test_any_range_of_replicates_is_a_part_of_the_whole(engine: Engine, n_threads: int, replicates: range) -> None:
    columns = [packed(random_table(3000, 6))]
    sets = some_itemsets(6)
    draws = Draws("poisson", 7, 0, 0)
    whole = resampled(REFERENCE, columns, 3000, sets, draws, range(300))
    part = resampled(engine, columns, 3000, sets, draws, replicates, n_threads)
    assert np.array_equal(part, whole[replicates.start : replicates.stop])


def test_pieces_of_a_table_add_up(engine: Engine, n_threads: int) -> None:
    values = random_table(5000, 6)
    sets = some_itemsets(6)
    whole = resampled(engine, [packed(values)], 5000, sets, Draws("poisson", 9, 0, 0), range(40), n_threads)
    pieces = [
        resampled(engine, [packed(values[b:e])], e - b, sets, Draws("poisson", 9, 0, b), range(40), n_threads)
        for b, e in [(0, 1), (1, 700), (700, 4096), (4096, 5000)]
    ]
    assert np.array_equal(np.sum(pieces, axis=0), whole)


def test_many_itemsets(engine: Engine, n_threads: int) -> None:
    values = random_table(600, 30)
    sets = itemsets([*combinations(range(30), 3), *combinations(range(30), 4)][:9000])
    draws = Draws("poisson", 3, 0, 0)
    expected = resampled(REFERENCE, [packed(values)], 600, sets, draws, range(130))
    assert np.array_equal(resampled(engine, [packed(values)], 600, sets, draws, range(130), n_threads), expected)


def test_dense_tables_do_not_overflow_the_accumulators(engine: Engine, n_threads: int) -> None:
    """Every row in every itemset, and more rows than 8 and 16 bits of weight can hold."""
    n = 100_000
    columns = [packed(np.ones((n, 2), np.uint8))]
    sets = itemsets([(), (0,), (0, 1)])
    counts = resampled(engine, columns, n, sets, Draws("poisson", 5, 0, 0), range(12), n_threads)
    assert np.array_equal(counts, resampled(REFERENCE, columns, n, sets, Draws("poisson", 5, 0, 0), range(12)))
    assert np.abs(counts - n).max() < 6 * np.sqrt(n)


def test_monitor_hears_of_progress_and_can_stop(engine: Engine, n_threads: int) -> None:
    columns = [packed(random_table(200_000, 20, 0.5))]
    sets = some_itemsets(20)

    class StopNow(Exception):
        pass

    heard: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        raise StopNow

    counts = np.zeros((len(sets), 20_000), np.int64)
    with pytest.raises(StopNow):
        engine.resample(columns, 200_000, sets, Draws("poisson", 5, 0, 0), range(20_000), counts.T, n_threads, stop)
    assert len(heard) == 1
    assert 0 <= heard[0][0] <= heard[0][1]


def test_probes(engine: Engine) -> None:
    """What benchmarks measure as the processor's limits is work that was done."""
    if engine.name != "native":
        pytest.skip("only the compiled engine has probes")
    from askew import _core

    words = np.random.default_rng(0).integers(0, 2**64, 1000, dtype=np.uint64)
    assert _core.probe_read(words, 2) == np.bitwise_xor.reduce(words)
    assert _core.probe_count(2**14) == 2**14 // 8
    drawn = weights("poisson", 0, 0, np.arange(10, dtype=np.uint64), range(128))
    assert _core.probe_weights(10) == np.bitwise_or.reduce(drawn, axis=None)
    assert _core.probe_add(128 * 3) == 3
    assert _core.probe_random_reads(np.full(512, 7, np.uint64), 11) == 7


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize("n", [255, 256, 257, 4097, 40_000])
def test_rare_and_frequent_itemsets_side_by_side(engine: Engine, n_threads: int, n: int, distribution: str) -> None:
    """Rows, runs and both at once; columns that are frequent in one part of the table and rare or absent in another."""
    rng = np.random.default_rng(n)
    densities = np.array([0, 1e-3, 0.02, 0.06, 0.07, 0.3, 0.97, 1, 0.5, 0.5])
    values = (rng.random((n, len(densities))) < densities).astype(np.uint8)
    values[n // 2 :, 8] = 0
    values[: n // 3, 9] &= (rng.random(n // 3) < 0.01).astype(np.uint8)
    values[n // 3 : n // 2] *= rng.random((n // 2 - n // 3, 1)) < 0.2  # rows of nothing
    columns = [packed(values)]
    sets = some_itemsets(len(densities))
    draws = Draws(distribution, 11, 0, 77)
    replicates = range(120, 140)
    expected = resampled(REFERENCE, columns, n, sets, draws, replicates)
    assert np.array_equal(resampled(engine, columns, n, sets, draws, replicates, n_threads), expected)


def test_sums_beyond_sixteen_bits(engine: Engine, n_threads: int) -> None:
    """Every row is a member, by row and by run: 8-bit sums overflow into 16-bit sums, and these into the counts."""
    n = 100_000
    columns = [packed(np.ones((n, 1), np.uint8))]
    sets = Itemsets(np.zeros(2, np.int32), np.array([0, 1, 1, 2], np.int64))
    counts = resampled(engine, columns, n, sets, Draws("poisson", 1, 0, 0), range(130), n_threads)
    expected = weights("poisson", 1, 0, np.arange(n, dtype=np.uint64), range(130)).sum(axis=0, dtype=np.int64)
    assert np.array_equal(counts, np.repeat(expected[:, None], 3, axis=1))


def some_units(kind: str, n: int, seed: int = 0) -> Units:
    """Units of n rows: themselves, in no strata, a few or many; or clusters."""
    rng = np.random.default_rng(seed)
    if kind in ("rows", "clusters"):
        n_units = n if kind == "rows" else n // 9 + 2
        of_row = None if kind == "rows" else rng.integers(0, n_units, n).astype(np.uint32)
        return Units(of_row, None, np.array([0, n_units]))
    n_units = n if kind != "clusters in strata" else n // 9 + 2
    cuts = np.arange(2, n_units, 2) if kind == "pairs" else np.array([1, n_units // 3 + 1])
    bounds = np.unique([0, *cuts, n_units])
    of_row = rng.integers(0, n_units, n).astype(np.uint32) if kind == "clusters in strata" else None
    return Units(of_row, rng.permutation(n_units).astype(np.uint32), bounds)


def multinomial_counts(engine: Engine, kind: str, n: int, n_threads: int) -> np.ndarray:
    draws = Draws("multinomial", 2**40 + 3, 1, 0, some_units(kind, n))
    return resampled(engine, [packed(random_table(n, 9))], n, some_itemsets(9), draws, range(122, 132), n_threads)


@cache
def reference_of_units(kind: str, n: int) -> np.ndarray:
    return multinomial_counts(REFERENCE, kind, n, 1)


UNITS = ["rows", "strata", "pairs", "clusters", "clusters in strata"]


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("n", [1, 2, 64, 1025])
def test_multinomial_weights_of_any_units(engine: Engine, n_threads: int, kind: str, n: int) -> None:
    counts = multinomial_counts(engine, kind, n, n_threads)
    assert np.array_equal(counts, reference_of_units(kind, n))
    if "clusters" not in kind:
        assert (counts[:, 0] == n).all()


def test_multinomial_counts_are_sums_of_the_stated_weights(engine: Engine, n_threads: int) -> None:
    """By brute force, without an engine."""
    n, replicates = 1500, range(5, 140)
    values, units = random_table(n, 4), some_units("clusters in strata", n)
    weight_of = multinomial_weights(7, 0, units, replicates)[units.of_row]
    sets: list[tuple[int, ...]] = [(), (0,), (1, 3), (0, 1, 2)]
    counts = resampled(
        engine, [packed(values)], n, itemsets(sets), Draws("multinomial", 7, 0, 0, units), replicates, n_threads
    )
    for number, itemset in enumerate(sets):
        assert np.array_equal(counts[:, number], weight_of[values[:, itemset].all(axis=1)].sum(axis=0))


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
def test_clusters_have_the_weights_of_rows_of_their_number(engine: Engine, n_threads: int, distribution: str) -> None:
    n, replicates = 1500, range(5, 140)
    values, units = random_table(n, 4), some_units("clusters", n)
    weight_of = weights(distribution, 7, 1, units.of_row.astype(np.uint64), replicates).astype(np.int64)
    sets: list[tuple[int, ...]] = [(), (0,), (1, 3)]
    draws = Draws(distribution, 7, 1, 0, units)
    counts = resampled(engine, [packed(values)], n, itemsets(sets), draws, replicates, n_threads)
    for number, itemset in enumerate(sets):
        assert np.array_equal(counts[:, number], weight_of[values[:, itemset].all(axis=1)].sum(axis=0))


@pytest.mark.parametrize("replicates", [range(0), range(1), range(127, 129), range(130, 256), range(3, 290)])
def test_any_range_of_multinomial_replicates_is_a_part_of_the_whole(
    engine: Engine, n_threads: int, replicates: range
) -> None:
    columns, sets = [packed(random_table(300, 5))], some_itemsets(5)
    members = _members(random_table(300, 5).T, sets)
    draws = Draws("multinomial", 11, 0, 0, some_units("strata", 300))
    whole = multinomial_weights(11, 0, draws.units, range(290)).T.astype(np.int64) @ members.T
    part = resampled(engine, columns, 300, sets, draws, replicates, n_threads)
    assert np.array_equal(part, whole[replicates.start : replicates.stop])


def test_strata_of_one_row_change_nothing(engine: Engine, n_threads: int) -> None:
    """Every replicate is the sample; the compiled kernel balances them in several goes."""
    n, n_replicates = (12_000, 290) if engine.name == "native" else (300, 30)
    columns, sets = [packed(random_table(n, 5))], some_itemsets(5)
    draws = Draws("multinomial", 11, 0, 0, Units(None, None, np.arange(n + 1)))
    counts = resampled(engine, columns, n, sets, draws, range(n_replicates), n_threads)
    assert (counts == engine.count(columns, n, sets, 1, None)).all()


def test_a_weight_that_8_bits_have_no_room_for_is_counted_in_two_goes(n_threads: int) -> None:
    core = pytest.importorskip("askew._core")
    n, sets = 400, some_itemsets(5)
    columns, units = [packed(random_table(n, 5))], some_units("pairs", 400)
    draws = Draws("multinomial", 11, 0, 0, units)
    out = np.zeros((len(sets), 40), np.int64)
    given = (sets.items, sets.offsets, "multinomial", 11, 0, 0, None, units.members, units.bounds)
    core.resample(columns, n, *given, 110, 150, out.T, n_threads, None, most_added=1)
    assert np.array_equal(out.T, resampled(REFERENCE, columns, n, sets, draws, range(110, 150)))


@pytest.mark.parametrize(
    ("of_row", "members", "bounds", "message"),
    [
        ([0, 1], None, [0, 2], "one unit for each row"),
        ([0, 1, 2], None, [0, 2], "a unit that no stratum has"),
        (None, [0, 1], [0, 3], "units of all strata"),
        (None, [0, 1, 1], [0, 3], "member of one stratum"),
        (None, [0, 1, 3], [0, 3], "member of one stratum"),
        (None, None, [0, 2], "as many units as there are rows"),
        (None, None, [0, 3, 3], "must rise"),
        (None, None, [1, 3], "begin with 0"),
        (None, None, [0], "and no others, are of strata"),
        ([0, 0, 0], None, [0, 2**32], "less than 2"),
    ],
)
def test_compiled_resample_does_not_trust_its_units(of_row, members, bounds, message: str) -> None:
    core = pytest.importorskip("askew._core")
    sets = itemsets([(0,)])
    units = [None if numbers is None else np.array(numbers, np.uint32) for numbers in (of_row, members)]
    given = (sets.items, sets.offsets, "multinomial", 1, 0, 0, *units, np.array(bounds, np.int64))
    with pytest.raises(ValueError, match=message):
        core.resample([packed(random_table(3, 1))], 3, *given, 0, 4, np.zeros((1, 4), np.int64).T, 1, None)


def test_a_monitor_can_stop_the_balancing_of_strata(engine: Engine, n_threads: int) -> None:
    class StopNow(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StopNow

    n, n_replicates = 150_000, 8 if engine.name == "numpy" else 20_000
    draws = Draws("multinomial", 0, 0, 0, Units(None, None, np.array([0, n])))
    columns, out = [packed(np.zeros((n, 1), np.uint8))], np.zeros((1, n_replicates), np.int64)
    with pytest.raises(StopNow):
        engine.resample(columns, n, itemsets([(0,)]), draws, range(n_replicates), out.T, n_threads, stop)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_balancing_a_few_replicates_at_a_time(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = reference_of_units("strata", 1025)
    monkeypatch.setattr("askew.engine.reference._BALANCED_VALUES", 2000)
    if engine == "numba":
        pytest.importorskip("numba")
        monkeypatch.setattr("askew.engine.numba_kernels.balance._MAX_CHANGES", 200)
    assert np.array_equal(multinomial_counts(choose(engine), "strata", 1025, 1), expected)
