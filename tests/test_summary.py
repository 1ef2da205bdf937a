"""What estimates keep of the cells: every engine against the NumPy statement, which is tested against the oracle."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from askew.engine import Engine, choose
from askew.metrics import Difference, Ratio, over_groups
from askew.summary import Summary, summarize


def some_counts(rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators, a fifth of which are 0, laid out as `Counts` are: replicates side by side."""
    denominator = rng.integers(0, 1000, shape[::-1]) * (rng.random(shape[::-1]) < 0.8)
    numerator = (denominator * rng.random(shape[::-1])).astype(np.int64)
    return numerator.transpose(2, 1, 0), denominator.transpose(2, 1, 0)


def close(summary: Summary, expected: Summary) -> None:
    for name in ("baseline", "predicted", "delta", "spread", "centred"):
        np.testing.assert_allclose(getattr(summary, name), getattr(expected, name), rtol=1e-12, atol=1e-15)
    for name in ("deviation", "statistic"):
        np.testing.assert_allclose(getattr(summary, name), getattr(expected, name), rtol=1e-10, atol=1e-13)
    assert np.array_equal(summary.p, expected.p, equal_nan=True)
    assert np.array_equal(summary.indicator, expected.indicator)
    for name in ("n_contributions", "n"):
        assert np.array_equal(getattr(summary.totals, name), getattr(expected.totals, name))
        assert getattr(summary.totals, name).dtype == np.int64
    for name in ("contribution", "mean", "squares"):
        np.testing.assert_allclose(
            getattr(summary.totals, name), getattr(expected.totals, name), rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize(
    ("n_rows", "n_sets", "q"), [(1, 1, 2), (2, 1, 2), (2, 3, 2), (9, 40, 3), (101, 7, 4), (1500, 20, 2)]
)
@pytest.mark.parametrize(("above", "sign"), [*product([False, True], ["none", "ones", "one row", "rows"])])
def test_engines_agree(n_rows: int, n_sets: int, q: int, above: bool, sign: str, engine: Engine) -> None:
    rng = np.random.default_rng(n_rows)
    shape = (n_rows, n_sets, q)
    signs = {
        "none": None,
        "ones": np.ones((1, 1, 1), np.int8),
        "one row": rng.integers(-1, 2, (1, *shape[1:])).astype(np.int8),
        "rows": rng.integers(-1, 2, shape).astype(np.int8),
    }
    predicted, baseline = some_counts(rng, shape), some_counts(rng, shape)
    per_set, per_group = baseline[1].max(axis=2, keepdims=True), baseline[1].max(axis=1, keepdims=True)
    for denominator in (baseline[1], per_set, per_group):
        for rows in (slice(None), slice(1)):  # with and without replicates of the baseline's table
            terms = Ratio(*predicted), Ratio(baseline[0][rows], denominator[rows])
            lean = None if sign == "one row" or above else rng.standard_normal(shape)[rows]
            difference = Difference(*terms, only_above_uniform=above, sign=signs[sign], lean=lean)
            expected = summarize(difference, n_rows)
            first = engine.summarize(difference, n_rows, 1)
            close(first, expected)
            for n_threads in (2, 5):
                again = engine.summarize(difference, n_rows, n_threads)
                assert np.array_equal(again.delta, first.delta, equal_nan=True)
                assert np.array_equal(again.spread, first.spread, equal_nan=True)
                for one, other in zip(again.totals, first.totals, strict=True):
                    assert np.array_equal(one, other)


def test_nothing_varies(engine: Engine) -> None:
    """One row stands for all replicates of every term."""
    rng = np.random.default_rng(0)
    terms = Ratio(*some_counts(rng, (1, 5, 2))), Ratio(*some_counts(rng, (1, 5, 2)))
    difference = Difference(*terms, only_above_uniform=False, sign=None)
    summary = engine.summarize(difference, 4, 1)
    close(summary, summarize(difference, 4))
    assert summary.delta.shape == (4, 5, 2)
    assert np.nanmax(summary.spread) < 1e-15


def test_against_sums_by_hand(engine: Engine) -> None:
    rng = np.random.default_rng(1)
    predicted, baseline = some_counts(rng, (50, 30, 2)), some_counts(rng, (50, 30, 2))
    summary = engine.summarize(Difference(Ratio(*predicted), Ratio(*baseline), True, None), 50, 2)
    for r in (0, 17, 49):
        deltas = []
        for s, g in product(range(30), range(2)):
            (a, b), (c, d) = (((term[0][r, s, g]), term[1][r, s, g]) for term in (predicted, baseline))
            if b and d:
                deltas.append(a / b - c / d if 2 * c > d else 0.0)
        mean = math.fsum(deltas) / len(deltas)
        assert summary.totals.n[r] == summary.totals.n_contributions[r] == len(deltas)
        assert summary.totals.contribution[r] == pytest.approx(math.fsum(map(abs, deltas)), rel=1e-13)
        assert summary.totals.mean[r] == pytest.approx(mean, rel=1e-12)
        assert summary.totals.squares[r] == pytest.approx(math.fsum((x - mean) ** 2 for x in deltas), rel=1e-12)


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("picked", ["in the table of the baseline", "in another", "for good"])
def test_noise_of_a_signed_metric_by_plain_loops(above: bool, picked: str, engine: Engine) -> None:
    """Σ s° f (D* − D), with NumPy's regression of what decides s on D."""
    rng = np.random.default_rng(2)
    n_rows, n_sets, q = 40, 6, 3
    trials = rng.integers(20, 40, (2, n_rows, n_sets, q))
    a, c = rng.binomial(trials, 0.4)
    b, d = trials
    if picked == "for good":
        c, d = c[:1], d[:1]
    lean = rng.standard_normal((n_rows, n_sets, q)) + c / d  # of what else than the baseline may be
    sign = np.where(lean > 0, 1, -1).astype(np.int8)
    with_lean = lean if picked == "in the table of the baseline" and not above else None
    given = np.ones((1, 1, 1), np.int8) if above else sign
    difference = Difference(Ratio(a, b), Ratio(c, d), above, given, with_lean)
    expected = np.zeros(n_rows)
    for s, g in product(range(n_sets), range(q)):
        baseline = np.broadcast_to(c / d, a.shape)[:, s, g]
        deltas = a[:, s, g] / b[:, s, g] - baseline
        x, m, y, n = a[0, s, g], b[0, s, g], c[0, s, g], d[0, s, g]
        of_a, of_c = ((u + 0.5) * (v - u + 0.5) / (v + 1) ** 3 for u, v in [(x, m), (y, n)])
        factor = math.sqrt((of_a * m / (m - 1) + of_c * n / (n - 1)) / (of_a + of_c))
        decides = baseline - 1 / q if above else lean[:, s, g]
        slope = np.polyfit(deltas[1:], decides[1:], 1)[0]
        for r in range(1, n_rows):
            step = factor * (deltas[r] - deltas[0])
            if picked == "for good" or (with_lean is None and not above):
                null = decides[0]
            else:
                null = decides[0] - slope * (deltas[0] - step)
            expected[r] += step * ((null > 0) if above else np.sign(null))
    np.testing.assert_allclose(engine.summarize(difference, n_rows, 1).centred, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 2, 30, 201])
def test_p_values_by_plain_loops(n_rows: int, engine: Engine) -> None:
    """The sample's |t|, on the population's scale, against those of the centred replicates."""
    rng = np.random.default_rng(n_rows)
    trials = rng.integers(0, 30, (2, n_rows, 8, 3))
    (a, c), (b, d) = rng.binomial(trials, 0.4), trials
    summary = engine.summarize(Difference(Ratio(a, b), Ratio(c, d), False, None), n_rows, 1)

    def variance(successes: int, n: int, *, unbiased: bool = False) -> float:
        return (successes + 0.5) * (n - successes + 0.5) / (n + 1) ** 3 * (n / (n - 1) if unbiased and n > 1 else 1)

    for cell in product(range(8), range(3)):
        rows = [(int(a[(r, *cell)]), int(b[(r, *cell)]), int(c[(r, *cell)]), int(d[(r, *cell)])) for r in range(n_rows)]
        delta = [x / m - y / n if m and n else math.nan for x, m, y, n in rows]
        x, m, y, n = rows[0]
        population = math.sqrt(variance(x, m, unbiased=True) + variance(y, n, unbiased=True))
        t = abs(delta[0]) / population
        replicates = [
            abs(other - delta[0]) / math.sqrt(variance(x, m) + variance(y, n))
            for other, (x, m, y, n) in zip(delta[1:], rows[1:], strict=True)
        ]
        defined = [value for value in replicates if not math.isnan(value)]
        if math.isnan(t) or len(defined) < 2:
            assert math.isnan(summary.statistic[cell])
            assert math.isnan(summary.p[cell])
            continue
        assert summary.statistic[cell] == pytest.approx(t, rel=1e-12)
        assert summary.p[cell] == (1 + sum(value >= t for value in defined)) / (1 + len(defined))


def test_simd_levels_agree_to_the_last_bit() -> None:
    core = pytest.importorskip("askew._core")
    rng = np.random.default_rng(3)
    shape = (203, 30, 3)
    terms = Ratio(*some_counts(rng, shape)), Ratio(*some_counts(rng, shape))
    signs = rng.integers(-1, 2, shape).astype(np.int8)
    leans = rng.standard_normal(shape)
    native = choose("native")
    results = []
    for level in core.simd_levels():
        core.force_simd(level)
        try:
            for above, sign in product([False, True], [None, signs]):
                lean = None if above or sign is None else leans
                results.append(native.summarize(Difference(*terms, above, sign, lean), shape[0], 1))
        finally:
            core.force_simd("")
    for k, result in enumerate(results):
        first = results[k % 4]
        assert np.array_equal(
            np.concatenate([x.ravel() for x in (*result[:-1], *result.totals)]),
            np.concatenate([x.ravel() for x in (*first[:-1], *first.totals)]),
            equal_nan=True,
        )


@pytest.mark.parametrize("q", [0, 1, 2, 5])
def test_sums_over_groups(q: int) -> None:
    counts = np.random.default_rng(q).integers(0, 2**60, (4, 3, q))
    assert np.array_equal(over_groups(counts), counts.sum(axis=2))


def test_every_cell_undefined(engine: Engine) -> None:
    zeros = np.zeros((3, 4, 2), np.int64)
    summary = engine.summarize(Difference(Ratio(zeros, zeros), Ratio(zeros, zeros), False, None), 3, 1)
    assert np.isnan(summary.delta).all()
    assert np.isnan(summary.spread).all()
    assert not summary.totals.n.any()
    assert not summary.totals.contribution.any()
    assert not summary.totals.squares.any()


def test_equal_cells_have_no_variance(engine: Engine) -> None:
    ones = np.ones((3, 7, 2), np.int64)
    summary = engine.summarize(Difference(Ratio(ones, 3 * ones), Ratio(ones, 7 * ones), False, None), 3, 1)
    np.testing.assert_allclose(summary.totals.squares, 0, atol=1e-30)


def test_the_compiled_kernel_checks_shapes() -> None:
    core = pytest.importorskip("askew._core")
    ones = np.ones((3, 4, 2), np.int64)
    with pytest.raises(ValueError, match="different shapes"):
        core.summarize((ones, ones), (ones, ones[:, :3]), False, None, None, 3, 0.0, 1)
    with pytest.raises(ValueError, match="different shapes"):
        core.summarize((ones, ones), (ones, ones), False, None, None, 4, 0.0, 1)
    with pytest.raises(ValueError, match="three dimensions"):
        core.summarize((ones, ones[0]), (ones, ones), False, None, None, 3, 0.0, 1)
