"""The generator and the weight tables against published vectors, against each other, and against Poisson(1)."""

from __future__ import annotations

from itertools import product
from math import comb, exp, factorial, prod

import numpy as np
import pytest

from askew.engine import Units
from askew.engine.multinomial import multinomial_weights
from askew.engine.weights import OUTCOMES, UNIFORM_BITS, alias_table, threefry4x32, weights

ZERO, ONES = (0,) * 4, (0xFFFFFFFF,) * 4
PI_COUNTER = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
PI_KEY = (0xA4093822, 0x299F31D0, 0x082EFA98, 0xEC4E6C89)
# threefry4x32 of the kat_vectors file of Random123 1.14 (rounds, counter, key, output)
PUBLISHED = [
    (13, ZERO, ZERO, (0x531C7E4F, 0x39491EE5, 0x2C855A92, 0x3D6ABF9A)),
    (13, ONES, ONES, (0xC4189358, 0x1C9CC83A, 0xD5881C67, 0x6A0A89E0)),
    (13, PI_COUNTER, PI_KEY, (0x4AA71D8F, 0x734738C2, 0x431FC6A8, 0xAE6DEBF1)),
    (20, ZERO, ZERO, (0x9C6CA96A, 0xE17EAE66, 0xFC10ECD4, 0x5256A7D8)),
    (20, ONES, ONES, (0x2A881696, 0x57012287, 0xF6C7446E, 0xA16A6732)),
    (20, PI_COUNTER, PI_KEY, (0x59CD1DBB, 0xB8879579, 0x86B5D00C, 0xAC8B6D84)),
]
# ours, frozen: 12 rounds are what the weights are made of
FROZEN = [
    (12, ZERO, ZERO, (0xA97328CD, 0xA9A95582, 0x2E34D974, 0xFE50811E)),
    (12, ONES, ONES, (0x38B681EB, 0x8B62116D, 0xAC2FA06F, 0x29587BF8)),
    (12, PI_COUNTER, PI_KEY, (0x15BF9CFA, 0x34E78095, 0x204A27D1, 0x22D59ED7)),
]
FROZEN_WEIGHTS = {
    ("poisson", 0, 0): ["0101140100", "1120130100", "1112211120", "3112000020"],
    ("poisson", 2**64 - 1, 1): ["3122013204", "0102011200", "1021101210", "0202020112"],
    ("poisson32", 0, 0): ["2100020012", "0112101011", "3100110131", "1023020010"],
}


@pytest.mark.parametrize(("rounds", "counter", "key", "expected"), PUBLISHED + FROZEN)
def test_threefry_known_answers(
    rounds: int, counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    words = threefry4x32(tuple(np.array([c], np.uint32) for c in counter), key, rounds)
    assert tuple(int(word[0]) for word in words) == expected


@pytest.mark.parametrize(("rounds", "counter", "key", "expected"), PUBLISHED + FROZEN)
def test_compiled_threefry_known_answers(
    rounds: int, counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    core = pytest.importorskip("askew._core")
    assert tuple(core.threefry4x32(counter, key, rounds)) == expected


@pytest.mark.parametrize("distribution", OUTCOMES)
def test_table_has_mean_and_variance_exactly_one(distribution: str) -> None:
    total = 2 ** UNIFORM_BITS[distribution]
    moments = [sum(weight**k * count for weight, count in enumerate(OUTCOMES[distribution])) for k in range(4)]
    assert moments[0] == total
    assert moments[1] == total
    assert moments[2] == 2 * total
    assert abs(moments[3] - 5 * total) / total < 1e-4
    furthest = max(abs(count - total * exp(-1) / factorial(w)) for w, count in enumerate(OUTCOMES[distribution]))
    assert furthest < (1.23 if distribution == "poisson" else 1)


def test_no_table_of_16_bits_is_nearer_to_poisson() -> None:
    """Every table of weights up to 10 with mean and variance exactly 1 whose outcomes are all within 1.2246 counts."""
    total, nearest = 2**16, 1.2246
    expected = [total * exp(-1) / factorial(weight) for weight in range(11)]
    near = [[c for c in range(int(e) - 1, int(e) + 3) if c >= 0 and abs(c - e) < nearest] for e in expected]
    found = []
    for tail in product(*near[2:]):
        if sum(weight * (weight - 1) * count for weight, count in enumerate(tail, 2)) == total:
            ones = total - sum(weight * count for weight, count in enumerate(tail, 2))
            zeros = total - ones - sum(tail)
            if zeros in near[0] and ones in near[1]:
                found.append((zeros, ones, *tail))
    assert found == [(*OUTCOMES["poisson"], 0, 0)]


@pytest.mark.parametrize("distribution", OUTCOMES)
def test_alias_table_holds_exactly_the_outcomes(distribution: str) -> None:
    table = alias_table(distribution)
    room = 2 ** UNIFORM_BITS[distribution] // 16
    counts = [0] * len(OUTCOMES[distribution])
    for cut, first, second in zip(*table, strict=True):
        assert 0 < cut <= room  # the SIMD kernels compare with cut - 1
        counts[first] += cut
        counts[second] += room - cut
    assert tuple(counts) == OUTCOMES[distribution]


@pytest.mark.parametrize("distribution", OUTCOMES)
def test_compiled_weights_are_the_stated_ones(distribution: str) -> None:
    core = pytest.importorskip("askew._core")
    assert tuple(core.outcomes(distribution)) == OUTCOMES[distribution]
    rows = np.array([0, 1, 2, 1000, 2**32 - 1, 2**32, 2**63], np.uint64)
    for seed, table in [(0, 0), (1, 1), (2**64 - 1, 5)]:
        stated = weights(distribution, seed, table, rows, range(50))
        compiled = [[core.row_weight(distribution, seed, table, int(row), r) for r in range(50)] for row in rows]
        assert stated.tolist() == compiled


@pytest.mark.parametrize(("distribution", "seed", "table"), FROZEN_WEIGHTS)
def test_weights_never_change(distribution: str, seed: int, table: int) -> None:
    """Results must be reproducible across versions: rows 0 to 3, replicates 0 to 9."""
    drawn = weights(distribution, seed, table, np.arange(4, dtype=np.uint64), range(10))
    assert ["".join(map(str, row)) for row in drawn] == FROZEN_WEIGHTS[distribution, seed, table]


@pytest.mark.parametrize("distribution", OUTCOMES)
def test_weights_are_poisson_and_independent(distribution: str) -> None:
    drawn = weights(distribution, 42, 0, np.arange(4000, dtype=np.uint64), range(500)).astype(float)
    n = drawn.size
    assert abs(drawn.mean() - 1) < 5 / np.sqrt(n)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(3 / n)
    observed = np.bincount(drawn.astype(int).ravel(), minlength=9)[:9]
    expected = n * np.array([exp(-1) / factorial(w) for w in range(9)])
    assert ((observed - expected) ** 2 / np.maximum(expected, 1)).sum() < 40  # χ² with 8 degrees of freedom
    for shifted in (drawn[1:] * drawn[:-1], drawn[:, 1:] * drawn[:, :-1], drawn[:, 8:] * drawn[:, :-8]):
        assert abs(shifted.mean() - 1) < 5 * np.sqrt(3 / shifted.size)


def test_tables_and_distributions_have_streams_of_their_own() -> None:
    rows = np.arange(1000, dtype=np.uint64)
    drawn = [weights(d, 1, t, rows, range(40)).astype(float) for d in OUTCOMES for t in (0, 1)]
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert abs((a * b).mean() - 1) < 5 * np.sqrt(3 / a.size)


# ---- Multinomial weights

PLAIN = Units(None, None, np.array([0, 6]))
STRATA = Units(None, np.array([1, 4, 0, 2, 3, 5], np.uint32), np.array([0, 2, 5, 6]))
FROZEN_MULTINOMIAL = {
    "plain": ["0210240100", "1120100100", "1112212112", "3112000020", "1101001312", "0011113022"],
    "strata": ["0100131202", "1120220110", "0111202111", "3122000020", "1102002112", "1111111111"],
}


@pytest.mark.parametrize(("name", "units"), [("plain", PLAIN), ("strata", STRATA)])
def test_multinomial_weights_never_change(name: str, units: Units) -> None:
    drawn = multinomial_weights(0, 0, units, range(10))
    assert ["".join(map(str, row)) for row in drawn] == FROZEN_MULTINOMIAL[name]


def one_by_one(seed: int, table: int, strata: list[list[int]], replicate: int) -> list[int]:
    """The weights of units, as docs/reproducibility.md says, proposal by proposal."""
    n = sum(map(len, strata))
    drawn = weights("poisson", seed, table, np.arange(n, dtype=np.uint64), range(replicate, replicate + 1))[:, 0]
    given, taken = [int(w) for w in drawn], set()
    result = list(given)
    for h, members in enumerate(strata):
        k, difference = 0, sum(given[unit] for unit in members) - len(members)
        while difference != 0:
            counter = tuple(np.array([word], np.uint32) for word in (k, h, replicate, 0))
            words = [int(w[0]) for w in threefry4x32(counter, (seed % 2**32, seed >> 32, table, 3))]
            unit, copy = members[(words[0] + 2**32 * words[1]) * len(members) // 2**64], words[2] % 8
            k += 1
            if difference < 0:
                result[unit] += 1
                difference += 1
            elif copy < given[unit] and (unit, copy) not in taken:
                taken.add((unit, copy))
                result[unit] -= 1
                difference -= 1
    return result


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_multinomial_weights_one_by_one(seed: int) -> None:
    strata = [list(range(0, 40, 2)), [1], [3, 5], list(range(7, 40, 2))]
    members = np.array([unit for stratum in strata for unit in stratum], np.uint32)
    units = Units(None, members, np.cumsum([0, *map(len, strata)]))
    drawn = multinomial_weights(seed, 1, units, range(120, 150))
    assert drawn.T.tolist() == [one_by_one(seed, 1, strata, r) for r in range(120, 150)]
    whole = Units(None, None, np.array([0, 300]))
    assert multinomial_weights(seed, 0, whole, range(9)).T.tolist() == [
        one_by_one(seed, 0, [list(range(300))], r) for r in range(9)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_balanced_weights_are_multinomial_to_a_hundred_thousandth(size: int) -> None:
    """Their law from the table of the Poisson weights, by enumeration."""
    shares = np.array(OUTCOMES["poisson"]) / 2**16
    law: dict[tuple[int, ...], float] = {}
    for drawn in product(range(len(shares)), repeat=size):
        chance, total = prod(shares[w] for w in drawn), sum(drawn)
        for kept in product(*(range(w + 1) for w in drawn)) if total > size else [drawn]:
            if total > size and sum(kept) == size:  # taken without replacement
                ways = prod(comb(w, k) for w, k in zip(drawn, kept, strict=True)) / comb(total, size)
                law[kept] = law.get(kept, 0) + chance * ways
        if total <= size:
            for added in product(range(size - total + 1), repeat=size):
                if sum(added) == size - total:
                    ways = factorial(size - total) / prod(map(factorial, added)) / size ** (size - total)
                    result = tuple(a + b for a, b in zip(drawn, added, strict=True))
                    law[result] = law.get(result, 0) + chance * ways
    assert sum(law.values()) == pytest.approx(1)
    for result, chance in law.items():
        assert abs(chance - factorial(size) / prod(map(factorial, result)) / size**size) < 1e-5


def test_multinomial_weights_have_its_moments_and_frequencies() -> None:
    n, n_replicates = 40, 4000
    drawn = multinomial_weights(3, 0, Units(None, None, np.array([0, n])), range(n_replicates)).astype(float)
    assert (drawn.sum(axis=0) == n).all()
    assert np.abs(drawn.mean(axis=1) - 1).max() < 5 * np.sqrt((1 - 1 / n) / n_replicates)
    moments = np.cov(drawn)
    # of R weights with a fourth moment of 4, as Poisson(1): the variance varies by √(3 / R), a covariance by √(1 / R)
    assert np.abs(np.diag(moments) - (1 - 1 / n)).max() < 5 * np.sqrt(3 / n_replicates)
    apart = moments[~np.eye(n, dtype=bool)]
    assert np.abs(apart + 1 / n).max() < 5 / np.sqrt(n_replicates)
    assert abs(apart.mean() + np.diag(moments).mean() / (n - 1)) < 1e-12  # for the sum is fixed
    three = multinomial_weights(4, 1, Units(None, None, np.array([0, 3])), range(20_000))
    results, observed = np.unique(three, axis=1, return_counts=True)
    ideal = [20_000 * 6 / prod(map(factorial, result)) / 27 for result in results.T.tolist()]
    assert len(ideal) == 10
    assert ((observed - ideal) ** 2 / ideal).sum() < 40  # χ² with 9 degrees of freedom


def test_strata_of_multinomial_weights_keep_their_size() -> None:
    bounds = np.array([0, 1, 3, 60, 500])
    members = np.random.default_rng(0).permutation(500).astype(np.uint32)
    drawn = multinomial_weights(9, 0, Units(None, members, bounds), range(300))
    assert (np.add.reduceat(drawn[members], bounds[:-1], axis=0) == np.diff(bounds)[:, None]).all()
    assert (drawn >= 0).all()
