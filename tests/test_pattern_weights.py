"""Weights of distinct rows: tables with exact moments, a frozen stream, the same integers everywhere, Poisson(c)."""

from __future__ import annotations

import hashlib
from math import exp, lgamma, log

import numpy as np
import pytest
from scipy import stats

import askew
from askew import Annotations, InputError
from askew.engine import Draws, Engine, Itemsets, choose, words_for
from askew.engine.pattern_weights import (
    TOP,
    draws_of,
    pattern_weights,
    poisson_outcomes,
    poisson_table,
    poisson_tables,
)
from askew.patterns import pattern_table

# ours, frozen: replicates 126 to 137 of patterns with these multiplicities
FROZEN = {
    1: [0, 0, 4, 0, 0, 3, 1, 4, 3, 2, 1, 0],
    2: [2, 1, 2, 3, 5, 2, 0, 0, 0, 2, 2, 0],
    5: [7, 7, 5, 4, 4, 6, 4, 6, 7, 9, 4, 6],
    1000: [1006, 987, 929, 977, 984, 1010, 1028, 1007, 999, 990, 981, 983],
    131075: [131416, 130876, 131126, 131406, 130861, 131272, 130532, 131395, 130954, 131529, 130529, 131265],
}
TABLES_SHA256 = "ad4dbc31d77240c2008e183086d5af21a5519838e95edf4aef553f39c960d8dd"


@pytest.mark.parametrize("bit", range(TOP + 1))
def test_tables_have_exact_moments_and_are_near_poisson(bit: int) -> None:
    mean = 1 << bit
    first, counts = poisson_outcomes(mean)
    outcomes = range(first, first + len(counts))
    assert min(counts) >= 0
    assert sum(counts) == 2**32
    assert sum(k * count for k, count in zip(outcomes, counts, strict=True)) == mean * 2**32
    assert sum((k - mean) ** 2 * count for k, count in zip(outcomes, counts, strict=True)) == mean * 2**32
    ideal = [2**32 * exp(-mean + k * log(mean) - lgamma(k + 1)) for k in outcomes]
    off = [abs(a - b) for a, b in zip(counts, ideal, strict=True)]
    assert sum(o > 1.01 for o in off) <= 15  # but for a few near the mean, the nearest whole number
    assert max(off) < 2**32 * 4e-7


def test_tables_are_frozen() -> None:
    digest = hashlib.sha256()
    for table in poisson_tables(1 << TOP):
        digest.update(table.first.to_bytes(8, "little") + table.thresholds.astype("<u4").tobytes())
    assert digest.hexdigest() == TABLES_SHA256


def test_weights_are_frozen() -> None:
    drawn = pattern_weights(5, 1, np.array(list(FROZEN)), range(126, 138))
    assert dict(zip(FROZEN, drawn.tolist(), strict=True)) == FROZEN


def test_multiplicities_are_cut_into_bits() -> None:
    assert draws_of(0) == []
    assert draws_of(13) == [(0, 0), (2, 2), (3, 3)]
    assert draws_of(3 * 2**TOP + 1) == [(0, 0), (TOP, TOP), (TOP + 1, TOP), (TOP + 2, TOP)]


@pytest.mark.parametrize("multiplicity", [1, 2, 7, 100, 6250, 2**17 + 5])
def test_weights_are_poisson(multiplicity: int) -> None:
    drawn = pattern_weights(0, 0, np.array([multiplicity]), range(20_000))[0]
    quantiles = np.linspace(0.05, 0.95, 10)
    edges = np.unique(stats.poisson.ppf(quantiles, multiplicity))
    bins = np.searchsorted(edges, drawn, side="left")
    share = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, multiplicity), [1]]))
    assert stats.chisquare(np.bincount(bins, minlength=len(share)), share * len(drawn)).pvalue > 1e-3


def some_table(rng: np.random.Generator, n_patterns: int, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    values = (rng.random((n_patterns, n_columns)) < 0.3).astype(np.uint8)
    return values, rng.integers(0, 300, n_patterns) * rng.integers(0, 2, n_patterns) + 1


@pytest.mark.parametrize("n_patterns", [0, 1, 63, 64, 65, 513])
@pytest.mark.parametrize("replicates", [range(3), range(126, 300)])
def test_engines_agree(n_patterns: int, replicates: range, engine: Engine, n_threads: int) -> None:
    reference = choose("numpy")
    rng = np.random.default_rng(n_patterns)
    values, multiplicities = some_table(rng, n_patterns, 9)
    if n_patterns:
        multiplicities[0] = 2**TOP * 2 + 3
    columns, _ = reference.pack(values, 1)
    itemsets = Itemsets(np.array([0, 0, 3, 1, 2, 8], np.int32), np.array([0, 0, 1, 3, 6], np.int64))
    draws = Draws("poisson-patterns", 2**63 + 7, 1, 0)
    expected = np.zeros((len(itemsets), len(replicates)), np.int64)
    reference.resample_patterns([columns], multiplicities, itemsets, draws, replicates, expected.T, 1, None)
    out = np.ones((len(itemsets), len(replicates)), np.int64)
    engine.resample_patterns([columns], multiplicities, itemsets, draws, replicates, out.T, n_threads, None)
    assert np.array_equal(out - 1, expected)
    assert expected[0].any() == (n_patterns > 0)


def test_against_weights_added_up_by_hand() -> None:
    rng = np.random.default_rng(1)
    values, multiplicities = some_table(rng, 40, 4)
    engine = choose("auto")
    columns, _ = engine.pack(values, 1)
    itemsets = Itemsets(np.array([2, 1, 3], np.int32), np.array([0, 1, 3], np.int64))
    out = np.zeros((2, 20), np.int64)
    engine.resample_patterns(
        [columns], multiplicities, itemsets, Draws("poisson-patterns", 3, 0, 0), range(20), out.T, 1, None
    )
    weights = pattern_weights(3, 0, multiplicities, range(20))
    for replicate in range(20):
        assert out[0, replicate] == sum(weights[j, replicate] for j in range(40) if values[j, 2])
        assert out[1, replicate] == sum(weights[j, replicate] for j in range(40) if values[j, 1] and values[j, 3])


def test_pattern_table_holds_the_distinct_rows() -> None:
    rng = np.random.default_rng(0)
    values = (rng.random((1000, 5)) < 0.5).astype(np.uint8)
    engine = choose("auto")
    packed, _ = engine.pack(values, 1)
    columns, multiplicities = pattern_table([packed[:2], packed[2:]], 1000, engine, 2)
    assert columns.shape == (5, words_for(len(multiplicities)))
    bits = np.unpackbits(columns.view(np.uint8), axis=1, bitorder="little").T[: len(multiplicities)]
    expected, first, counts = np.unique(values, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    assert np.array_equal(bits, expected[order])
    assert np.array_equal(multiplicities, counts[order])
    assert not np.unpackbits(columns.view(np.uint8), axis=1, bitorder="little")[:, len(multiplicities) :].any()


def tables(n: int) -> tuple[Annotations, Annotations]:
    rng = np.random.default_rng(7)
    names = ["cup", "tea"]
    groups = np.where(rng.random(n) < 0.4, "x", "y")
    test = Annotations((rng.random((n, 2)) < 0.4).astype(np.uint8), groups, attribute_names=names)
    pred = Annotations((rng.random((n, 2)) < 0.4).astype(np.uint8), groups, like=test)
    return test, pred


def test_counts_follow_the_weights_of_rows_in_distribution() -> None:
    test, pred = tables(4000)
    by_row, by_pattern = (
        askew.count(test, ["cup", ["cup", "tea"]], pred=pred, n_resamples=2000, rng=1, weights=weights)
        for weights in ("poisson", "poisson-patterns")
    )
    assert np.array_equal(by_row.truth.co_set_group[0], by_pattern.truth.co_set_group[0])
    for view in ("truth", "prediction"):
        a, b = (getattr(counts, view).co_set_group[1:].reshape(2000, -1) for counts in (by_row, by_pattern))
        sample = getattr(by_row, view).co_set_group[0].ravel()
        for drawn in (a, b):  # of a Poisson(c) count: mean c, variance c
            assert np.all(np.abs(drawn.mean(axis=0) - sample) < 5 * np.sqrt(sample / 2000))
            assert np.all(np.abs(drawn.var(axis=0) / sample - 1) < 5 * np.sqrt(2 / 2000))
        assert np.allclose(np.corrcoef(a.T), np.corrcoef(b.T), atol=0.12)
    assert by_row.n[1] != by_pattern.n[1]


def test_an_audit_takes_them() -> None:
    train, _ = tables(3000)
    test, pred = tables(2000)
    results = [
        askew.audit(train, test, pred, n_resamples=500, rng=0, weights=weights, n_threads=n_threads, max_memory=memory)
        for weights, n_threads, memory in [
            ("poisson", 1, 2**30),
            ("poisson-patterns", 1, 2**30),
            ("poisson-patterns", 2, 2**28),
        ]
    ]
    for by_row, by_pattern, again in zip(*(result.estimates.values() for result in results), strict=True):
        assert by_pattern.run.weights == "poisson-patterns"
        assert float(by_row) == float(by_pattern)
        assert by_pattern.standard_error == pytest.approx(by_row.standard_error, rel=0.2, abs=1e-12)
        assert np.array_equal(by_pattern.bootstrap_distribution, again.bootstrap_distribution)


def test_the_stream_needs_the_whole_table() -> None:
    test, _ = tables(600)
    with pytest.raises(InputError, match="whole table at once"):
        askew.count(test, ["cup"], n_resamples=5, rng=0, weights="poisson-patterns", first_row=600)
    counts = askew.count(test, ["cup"], n_resamples=5, rng=0, weights="poisson-patterns")
    with pytest.raises(InputError, match="drawn for a whole table"):
        counts + counts


def test_counts_of_patterns_are_saved_and_loaded(tmp_path) -> None:
    test, pred = tables(600)
    counts = askew.count(test, ["cup"], pred=pred, n_resamples=5, rng=0, weights="poisson-patterns")
    counts.save(tmp_path / "a.counts")
    assert askew.Counts.load(tmp_path / "a.counts") == counts


def test_compiled_kernel_checks_multiplicities_and_tables() -> None:
    core = pytest.importorskip("askew._core")
    columns, _ = choose("native").pack(np.ones((2, 1), np.uint8), 1)
    items, offsets = np.zeros(1, np.int32), np.array([0, 1], np.int64)

    def call(multiplicities: list[int], given: list[tuple[int, np.ndarray]]) -> None:
        out = np.zeros((1, 4), np.int64)
        counted = np.array(multiplicities, np.int64)
        core.resample_patterns([columns], 2, counted, items, offsets, given, 0, 0, 0, 4, out.T, 1, None)

    good = [tuple(table) for table in poisson_tables(3)]
    call([3, 0], good)
    with pytest.raises(ValueError, match="one multiplicity for each row"):
        call([1, 1, 1], good)
    with pytest.raises(ValueError, match="no table"):
        call([4, 1], good)
    with pytest.raises(ValueError, match="negative"):
        call([-1, 1], good)
    with pytest.raises(ValueError, match="must rise"):
        call([1, 1], [(0, poisson_table(0).thresholds[::-1].copy())])
