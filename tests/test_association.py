"""Associations: the formulas against definitions on rows and against SciPy and scikit-learn, the calls against both."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as sklearn_metrics

import askew
from askew.association import CONTINGENCY, FOURFOLD, Fourfold, association
from askew.engine import Engine
from askew.engine.weights import weights
from askew.evaluation import Pass

Ints = npt.NDArray[np.int64]
MEASURES = [*FOURFOLD, *CONTINGENCY]
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-13)


def entropy(*variables: Ints) -> float:
    rows = list(zip(*(v.tolist() for v in variables), strict=True))
    return -sum(times / len(rows) * math.log(times / len(rows)) for times in Counter(rows).values())


def chi2_of_rows(x: Ints, y: Ints) -> float:
    total = 0.0
    for i in set(x.tolist()):
        for j in set(y.tolist()):
            expected = (x == i).sum() * (y == j).sum() / len(x)
            total += float(((x == i) & (y == j)).sum() - expected) ** 2 / expected
    return total


def of_rows(measure: str, x: Ints, y: Ints) -> float:
    """The measure from the definition, of two variables with one value per instance."""
    n, levels = len(x), (len(set(x.tolist())), len(set(y.tolist())))
    if n == 0:
        return 1.0 if measure == "odds_ratio" else math.nan
    if measure in CONTINGENCY:
        information = max(0.0, entropy(x) + entropy(y) - entropy(x, y))
        if measure == "mutual_information":
            return information
        if min(levels) < 2:
            return math.nan
        if measure == "g":
            return 2 * n * information
        return chi2_of_rows(x, y) if measure == "chi2" else math.sqrt(chi2_of_rows(x, y) / n / (min(levels) - 1))
    a, b, c, d = (int(((x == i) & (y == j)).sum()) for i, j in [(1, 1), (1, 0), (0, 1), (0, 0)])
    if measure == "odds_ratio":
        return (a + 0.5) * (d + 0.5) / (b + 0.5) / (c + 0.5)
    if measure == "jaccard":
        return a / (a + b + c) if a + b + c else math.nan
    if measure == "phi":
        return float(np.corrcoef(x, y)[0, 1]) if min(levels) > 1 else math.nan
    if a + b == 0 or a + c == 0:
        return math.nan
    together, apart = a / n, (a + b) / n * ((a + c) / n)
    if measure == "lift":
        return together / apart
    if a == 0:
        return -1.0 if measure == "npmi" else -math.inf
    if measure == "pmi":
        return math.log(together / apart)
    return math.log(together / apart) / -math.log(together) if a < n else math.nan


def fourfold(x: Ints, y: Ints) -> Fourfold:
    return Fourfold(*(np.array([count]) for count in ((x & y).sum(), x.sum(), y.sum(), len(x))))


def compare(measure: str, value: npt.ArrayLike, expected: npt.ArrayLike) -> None:
    """χ² and what follows from it has lost digits in the oracle, where O − E is of two close numbers."""
    close(value, expected, atol=1e-7 if measure == "cramers_v" else 1e-12, err_msg=measure)


@given(rows=arrays(np.int64, st.tuples(st.integers(0, 12), st.just(2)), elements=st.integers(0, 1)))
@settings(max_examples=200)
def test_two_binary_variables(rows: Ints) -> None:
    for measure in MEASURES:
        compare(measure, association(measure, fourfold(*rows.T)), [of_rows(measure, *rows.T)])


@given(
    rows=arrays(np.int64, st.tuples(st.integers(0, 15), st.just(2)), elements=st.integers(0, 3)),
    columns=st.integers(2, 4),
)
@settings(max_examples=100)
def test_two_variables_with_levels_of_which_some_are_empty(rows: Ints, columns: int) -> None:
    x, y = rows[:, 0], rows[:, 1] % columns
    table = np.zeros((1, 4, columns), np.int64)
    np.add.at(table[0], (x, y), 1)
    for measure, formula in CONTINGENCY.items():
        compare(measure, formula(table), [of_rows(measure, x, y)])


def test_coffee_and_tea() -> None:
    """20 of 100 baskets have both, 5 tea, 70 coffee (Brin, Motwani & Silverstein 1997, "Beyond Market Baskets")."""
    of = Fourfold(*np.array([[20], [25], [90], [100]]))
    assert association("lift", of).round(2).tolist() == [0.89]
    close(association("pmi", of), [math.log(8 / 9)])
    close(association("npmi", of), [math.log(8 / 9) / math.log(5)])
    assert of.table[0].tolist() == [[20, 5], [70, 5]]


@pytest.mark.parametrize(
    ("table", "values"),
    [  # pmi, npmi, lift, phi, jaccard, odds_ratio, chi2, g, cramers_v, mutual_information
        ([[1, 0], [0, 0]], [0, math.nan, 1, math.nan, 1, 3, math.nan, math.nan, math.nan, 0]),  # one instance
        ([[0, 0], [0, 1]], [math.nan, math.nan, math.nan, math.nan, math.nan, 3, math.nan, math.nan, math.nan, 0]),
        ([[0, 0], [3, 2]], [math.nan, math.nan, math.nan, math.nan, 0, 5 / 7, math.nan, math.nan, math.nan, 0]),
        ([[0, 2], [2, 0]], [-math.inf, -1, 0, -1, 0, 1 / 25, 4, 8 * math.log(2), 1, math.log(2)]),
        ([[2, 0], [0, 2]], [math.log(2), 1, 2, 1, 1, 25, 4, 8 * math.log(2), 1, math.log(2)]),
        ([[3, 0], [2, 0]], [0, 0, 1, math.nan, 0.6, 7 / 5, math.nan, math.nan, math.nan, 0]),  # all have y
        ([[4, 4], [4, 4]], [0, 0, 1, 0, 1 / 3, 1, 0, 0, 0, 0]),  # independent
        ([[0, 0], [0, 0]], [math.nan] * 5 + [1] + [math.nan] * 4),  # nobody
    ],
    ids=str,
)
def test_empty_and_full_cells(table: list[list[int]], values: list[float]) -> None:
    (a, b), (c, d) = table
    of = Fourfold(*np.array([[a], [a + b], [a + c], [a + b + c + d]]))
    names = ["pmi", "npmi", "lift", "phi", "jaccard", "odds_ratio", "chi2", "g", "cramers_v", "mutual_information"]
    for name, value in zip(names, values, strict=True):
        close(association(name, of), [value], err_msg=name)


def test_counts_beyond_what_a_float_holds() -> None:
    """n · O and row · column are products of more than 64 bits, and differ by 1 in 2**68."""
    n, row = 2**34, 2**33
    of = Fourfold(*np.array([[row // 2 + 1], [row], [row], [n]]))
    close(association("phi", of), [2**34 / 2**66])
    close(association("chi2", of), [2.0**34 * 2.0**-64])
    close(association("lift", of), [1 + 2.0**-32])
    alike = Fourfold(*np.array([[row], [row], [row], [n]]))  # where they differ by 2**66
    assert association("phi", alike).tolist() == association("cramers_v", alike).tolist() == [1]


def tables_by_chance() -> list[Ints]:
    rng = np.random.default_rng(4)
    return [rng.integers(1, size, shape) for size in (6, 50, 10**6) for shape in [(2, 2), (3, 2), (6, 2), (4, 5)]]


@pytest.mark.parametrize("table", tables_by_chance(), ids=lambda table: f"{table.shape}-{table.sum()}")
def test_scipy_has_the_same(table: Ints) -> None:
    own = {name: formula(table[None])[0] for name, formula in CONTINGENCY.items()}
    same = partial(np.testing.assert_allclose, rtol=1e-10)
    same(own["chi2"], stats.chi2_contingency(table, correction=False).statistic)
    same(own["g"], stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic)
    same(own["cramers_v"], stats.contingency.association(table, "cramer"))
    if table.shape == (2, 2):
        margins = np.array([[table[0, 0]], [table[0].sum()], [table[:, 0].sum()], [table.sum()]])
        of = Fourfold(*margins)
        # half an instance more in each cell, twice
        close(association("odds_ratio", of), [stats.contingency.odds_ratio(2 * table + 1, kind="sample").statistic])
        assert (of.table[0] == table).all()
        for name in CONTINGENCY:
            close(association(name, of), [own[name]])
        close(association("phi", of) ** 2, [own["chi2"] / table.sum()], rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_has_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.random(500) < 0.4).astype(np.int64)
    y = (rng.random(500) < 0.2 + 0.3 * x).astype(np.int64)
    of = fourfold(x, y)
    close(association("phi", of), [sklearn_metrics.matthews_corrcoef(x, y)])
    close(association("jaccard", of), [sklearn_metrics.jaccard_score(x, y)])
    close(association("mutual_information", of), [sklearn_metrics.mutual_info_score(x, y)])


# --- the calls ----------------------------------------------------------------------------------------------------


def some_table(*, overlapping: bool = False, n: int = 150) -> askew.Annotations:
    """Attributes that depend on three groups, and instances in no group; a group and an attribute of nobody."""
    rng = np.random.default_rng(8)
    codes = rng.integers(-1, 3, n)
    attributes = rng.random((n, 5)) < np.array([0.2, 0.5, 0.1, 0.3, 0.0]) + 0.1 * codes[:, None] * [1, 1, 0, 1, 0]
    names = list("abcde")
    if overlapping:
        return askew.Annotations(attributes, rng.random((n, 3)) < 0.5, attribute_names=names)
    labels = [None if code < 0 else "xyz"[code] for code in codes]
    return askew.Annotations(attributes, labels, attribute_names=names, group_names=["x", "y", "z", "nobody"])


def variables(table: askew.Annotations, between: str) -> list[tuple[tuple[str, ...], Ints, Ints]]:
    """The names and the two variables of every row of `associations`."""
    attributes, groups = (array.astype(np.int64) for array in table.to_numpy())
    named = dict(zip(table.attribute_names, attributes.T, strict=True))
    if between == "attributes":
        return [((i, j), named[i], named[j]) for i, j in combinations(named, 2)]
    if between == "groups":
        columns = list(zip(table.group_names, groups.T, strict=True))
        return [((name, group), x, y) for name, x in named.items() for group, y in columns]
    return [((name,), x, np.where(groups.any(axis=1), groups.argmax(axis=1), -1)) for name, x in named.items()]


KEYS = {"groups": ("set", "group"), "grouping": ("set",), "attributes": ("first", "second")}


@pytest.mark.parametrize("method", ["percentile", "basic"])
@pytest.mark.parametrize(
    ("between", "measure"), [(b, m) for b in KEYS for m in MEASURES if b != "grouping" or m in CONTINGENCY]
)
def test_values_and_intervals(between: str, measure: str, method: str) -> None:
    table, n_resamples = some_table(), 40
    got = askew.associations(
        table, measure, between, n_resamples=n_resamples, rng=7, method=method, confidence_level=0.8
    )
    w = weights("poisson", 7, 0, np.arange(table.n, dtype=np.uint64), range(n_resamples))
    expected = variables(table, between)
    assert list(zip(*(got[key] for key in KEYS[between]), strict=True)) == [names for names, _, _ in expected]
    for row, (_, x, y) in enumerate(expected):
        kept = y >= 0  # in a group
        assert got["count"][row] == (x[kept] if between == "grouping" else x & y).sum()
        compare(measure, got["value"][row], of_rows(measure, x[kept], y[kept]))
        replicates = np.array([of_rows(measure, np.repeat(x[kept], own), np.repeat(y[kept], own)) for own in w[kept].T])
        defined = replicates[~np.isnan(replicates)]
        assert got["n_undefined_replicates"][row] == n_resamples - len(defined)
        if len(defined) == 0:
            assert np.isnan([got[end][row] for end in ("low", "high", "standard_error")]).all()
            continue
        if np.isinf(defined).any():
            assert np.isnan(got["standard_error"][row])
        else:
            compare(measure, got["standard_error"][row], defined.std(ddof=1))
        low, high = (quantile(defined, p) for p in (0.1, 0.9))
        if method == "basic":
            with np.errstate(invalid="ignore"):
                low, high = 2 * got["value"][row] - high, 2 * got["value"][row] - low
            low, high = (got["value"][row] if np.isnan(end) else end for end in (low, high))  # −∞ on both sides
        compare(measure, got["low"][row], low)
        compare(measure, got["high"][row], high)


def quantile(values: npt.NDArray[np.float64], p: float) -> float:
    """By linear interpolation; between −∞ and a number lies −∞."""
    ordered, position = sorted(values.tolist()), p * (len(values) - 1)
    below, above = ordered[math.floor(position)], ordered[math.ceil(position)]
    return below if below == above or math.isinf(below) else below + (above - below) * (position - math.floor(position))


def test_an_interval_that_begins_at_minus_infinity() -> None:
    """One instance of 20 has both: it is missing from e⁻¹ of the replicates."""
    attributes = [[1]] * 5 + [[0]] * 15
    table = askew.Annotations(attributes, ["x"] + ["y"] * 9 + ["x"] * 10)
    options = {"n_resamples": 300, "rng": 0}
    (low,), (high,) = (askew.associations(table, "pmi", **options).take(slice(1))[end] for end in ("low", "high"))
    assert low == -np.inf
    assert np.isfinite(high)
    (npmi,) = askew.associations(table, **options).take(slice(1))["low"]
    assert npmi == -1
    basic = askew.associations(table, "pmi", method="basic", **options).take(slice(1))
    assert np.isfinite(basic["low"][0])
    assert basic["high"][0] == np.inf


def test_groups_that_overlap() -> None:
    table = some_table(overlapping=True)
    got = askew.associations(table, "phi")
    close(got["value"], [of_rows("phi", x, y) for _, x, y in variables(table, "groups")])
    got = askew.associations(table, "phi", "attributes")
    close(got["value"], [of_rows("phi", x, y) for _, x, y in variables(table, "attributes")])
    with pytest.raises(askew.InputError, match="several groups"):
        askew.associations(table, "chi2", "grouping")


def test_sets_of_several_attributes() -> None:
    table = some_table()
    attributes, groups = (array.astype(np.int64) for array in table.to_numpy())
    got = askew.associations(table, "npmi", sets=[["a", "b"], ["d"]])
    members = attributes[:, 0] & attributes[:, 1]
    close(got["value"][:4], [of_rows("npmi", members, group) for group in groups.T])
    assert got["set"].tolist() == ["a & b"] * 4 + ["d"] * 4


def test_pairs_that_are_chosen() -> None:
    table = some_table()
    every = {(r["first"], r["second"]): r for r in askew.associations(table, "lift", "attributes").rows()}
    assert len(every) == 10
    pairs = {
        "subsets": {pair for pair, row in every.items() if row["count"] >= 20},
        "observed": {
            tuple(np.array(table.attribute_names)[row].tolist())
            for row, times in zip(*np.unique(table.to_numpy()[0], axis=0, return_counts=True), strict=True)
            if row.sum() == 2 and times >= 10
        },
    }
    assert 0 < len(pairs["subsets"]) < 10
    for sets, limits in (("subsets", {"min_count": 20}), ("observed", {"min_count": 10})):
        rows = askew.associations(table, "lift", "attributes", sets=sets, **limits).rows()
        assert {(row["first"], row["second"]) for row in rows} == pairs[sets]
        assert all(row == every[row["first"], row["second"]] for row in rows)
    (row,) = askew.associations(table, "lift", "attributes", sets=[["d", "b"]]).rows()
    assert row == every["b", "d"]
    with pytest.raises(askew.InputError, match=r"sets of two, not of \('a',\)"):
        askew.associations(table, "lift", "attributes", sets=[["a", "b"], ["a"]])
    with pytest.raises(askew.InputError, match="no sets of two"):
        askew.associations(table, "lift", "attributes", sets="singletons")
    with pytest.raises(askew.InputError, match="max_sets=9"):
        askew.associations(table, "lift", "attributes", max_sets=9)
    with pytest.raises(askew.InputError, match="only one"):
        askew.associations(askew.Annotations([[1]], ["x"]), "lift", "attributes")


@pytest.mark.parametrize("measure", MEASURES)
def test_gaps_are_differences(measure: str) -> None:
    table, options = some_table(), {"n_resamples": 30, "rng": 2}
    got = askew.association_gaps(table, measure, groups=("z", "x"), **options)
    expected = askew.associations(table, measure)["value"].reshape(5, 4)
    with np.errstate(invalid="ignore"):
        close(got["value"], expected[:, 2] - expected[:, 0])
    assert set(got["first"]) == {"z"}
    assert set(got["second"]) == {"x"}
    attributes, groups = (array.astype(np.int64) for array in table.to_numpy())
    w = weights("poisson", 2, 0, np.arange(table.n, dtype=np.uint64), range(30))

    def gap(own: npt.NDArray[Any]) -> float:
        x, z, y = (np.repeat(v, own) for v in (groups[:, 0], groups[:, 2], attributes[:, 1]))
        return of_rows(measure, y, z) - of_rows(measure, y, x)

    compare(measure, got["low"][1], np.quantile([gap(own) for own in w.T], 0.025))
    other_way = askew.association_gaps(table, measure, groups=("x", "z"), **options)
    np.testing.assert_array_equal(other_way["value"], -got["value"])


def test_a_gap_of_minus_infinity() -> None:
    """Nobody of x has b, and of either group a."""
    table = askew.Annotations([[0, 0], [0, 1], [0, 0], [1, 1]], ["x", "y", "y", None], attribute_names=["a", "b"])
    assert np.isnan(askew.association_gaps(table, "pmi")["value"][0])
    assert askew.association_gaps(table, "pmi")["value"][1] == -np.inf
    assert askew.association_gaps(table)["value"].tolist() == [0, -1 - math.log(4 / 4) / math.log(4)]


@pytest.mark.parametrize("between", KEYS)
def test_tiles_threads_and_backends(between: str, engine: Engine, n_threads: int, monkeypatch: Any) -> None:
    table = some_table()
    options = {"measure": "chi2", "between": between, "n_resamples": 10, "rng": 1}
    whole = askew.associations(table, backend="numpy", **options)
    monkeypatch.setattr(Pass, "_tile", lambda self, n_rows: 2)
    tiled = askew.associations(table, backend=engine.name, n_threads=n_threads, **options)
    for name, column in whole.items():
        np.testing.assert_array_equal(tiled[name], column)


def test_scipy_on_compas() -> None:
    train = askew.datasets.load_compas("race", split=None).train
    attributes, groups = train.to_numpy()
    chi2, g, v, information = (askew.associations(train, m, "grouping")["value"] for m in CONTINGENCY)
    for column, attribute in enumerate(attributes.T):
        table = np.array([[(attribute & group).sum(), (~attribute & group).sum()] for group in groups.T])
        close(chi2[column], stats.chi2_contingency(table).statistic)
        close(g[column], stats.chi2_contingency(table, lambda_="log-likelihood").statistic)
        close(v[column], stats.contingency.association(table, "cramer"))
        close(information[column], sklearn_metrics.mutual_info_score(attribute, groups.argmax(axis=1)))
    phi = askew.associations(train, "phi")["value"].reshape(2, 6)
    close(phi[0], [sklearn_metrics.matthews_corrcoef(attributes[:, 0], group) for group in groups.T])
    close(askew.associations(train, "jaccard", "attributes")["value"], sklearn_metrics.jaccard_score(*attributes.T))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "cosine"}, "measure must be one of 'npmi'"),
        ({"measure": None}, "measure must be one of"),
        ({"between": "sets"}, "between must be one of 'groups', 'grouping', 'attributes'"),
        ({"between": "grouping"}, "measure='npmi' is of two binary variables"),
        ({"signed": True}, "signed does not concern associations"),
        ({"resample": "test", "n_resamples": 10}, "names none of the tables"),
        ({"sets": "all"}, "sets must be"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(askew.InputError, match=message):
        askew.associations(some_table(), **arguments)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "there are 4 groups"),
        ("x", "two names"),
        (("x",), "two names"),
        (("x", "x"), "two names"),
        (("x", "w"), "must be one of 'x', 'y', 'z', 'nobody', not 'w'"),
        (("x", 3), "must be one of"),
    ],
    ids=str,
)
def test_wrong_pairs_of_groups(groups: Any, message: str) -> None:
    with pytest.raises(askew.InputError, match=message):
        askew.association_gaps(some_table(), groups=groups)


def test_what_is_no_annotations_and_an_unknown_keyword() -> None:
    for call in (askew.associations, askew.association_gaps):
        with pytest.raises(askew.InputError, match="annotations must be Annotations"):
            call([[1]])
        with pytest.raises(TypeError, match=rf"{call.__name__}\(\) got an unexpected keyword argument 'min_counts'"):
            call(some_table(), min_counts=1)
