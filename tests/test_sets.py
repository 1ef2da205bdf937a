"""Universes of attribute sets, against brute force and on what users do with them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askew import Annotations, AttributeSets, InputError

NAMES = ["cup", "dog", "tea", "tie"]
TRAIN = Annotations(
    [[1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    ["a", "a", "b", "b", None],
    attribute_names=NAMES,
)
TEST = Annotations([[1, 0, 1, 0], [1, 1, 0, 1]], ["a", "b"], like=TRAIN)


def test_subsets_occur_together_in_train_and_in_test() -> None:
    sets = AttributeSets.subsets(TRAIN, TEST)
    assert list(sets) == [("cup",), ("dog",), ("tea",), ("cup", "dog"), ("cup", "tea")]
    assert sets.names == ["cup", "dog", "tea", "cup & dog", "cup & tea"]
    assert sets.sizes.tolist() == [1, 1, 1, 2, 2]


def test_subsets_of_one_table() -> None:
    assert len(AttributeSets.subsets(TRAIN)) == 7
    assert list(AttributeSets.subsets(TRAIN, min_count=3)) == [("cup",), ("tea",), ("cup", "tea")]
    assert list(AttributeSets.subsets(TRAIN, max_size=1)) == [("cup",), ("dog",), ("tea",)]


def test_support_in_every_group() -> None:
    assert list(AttributeSets.subsets(TRAIN, support="every")) == [("cup",), ("tea",), ("cup", "tea")]
    assert list(AttributeSets.subsets(TRAIN, TEST, support="every")) == [("cup",)]


def test_observed_are_full_label_sets() -> None:
    assert list(AttributeSets.observed(TRAIN)) == [("dog",), ("cup", "tea"), ("cup", "dog", "tea")]
    assert list(AttributeSets.observed(TRAIN, TEST)) == [("dog",), ("cup", "tea")]
    assert list(AttributeSets.observed(TRAIN, min_count=2)) == [("cup", "tea")]
    assert list(AttributeSets.observed(TRAIN, min_size=2, max_size=2)) == [("cup", "tea")]


def test_singletons_are_all_attributes() -> None:
    assert list(AttributeSets.singletons(TRAIN)) == [(name,) for name in NAMES]


def test_a_list_of_sets() -> None:
    sets = AttributeSets([["tea", "cup"], "dog"], NAMES)
    assert list(sets) == [("cup", "tea"), ("dog",)]
    assert sets == AttributeSets([["cup", "tea"], ["dog"]], NAMES)
    assert sets != AttributeSets(["dog"], NAMES)
    assert ("dog",) in sets
    assert sets[-1] == ("dog",)
    assert list(sets[1:]) == [("dog",)]
    assert list(sets.filter(lambda m: "tea" in m)) == [("cup", "tea")]
    assert list(sets.filter([False, True])) == [("dog",)]
    assert list(sets.filter(lambda m: m.count("dog"))) == [("dog",)]  # type: ignore[arg-type, return-value]
    assert len(sets[:0].filter(lambda m: True)) == 0
    assert repr(sets[:1]).startswith("AttributeSets(1 set of ")
    assert repr(sets) == "AttributeSets(2 sets of 4 attributes: 1 of size 1, 1 of size 2)"
    assert list(sets + sets[:1]) == [("cup", "tea"), ("dog",), ("cup", "tea")]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([["cup", "pot"]], "set 0 names 'pot', which is not one of the 4 attributes"),
        (["dog", []], "set 1 is empty"),
        ([["cup", "cup"]], "names an attribute twice"),
        ([["cup", "tea"], ["tea", "cup"]], "set 1 stands twice"),
    ],
)
def test_bad_lists(sets: list[str | list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AttributeSets(sets, NAMES)


@pytest.mark.parametrize("universe", [AttributeSets.subsets, AttributeSets.observed])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_count": 0}, "min_count must be"),
        ({"min_count": True}, "min_count must be"),
        ({"min_count": 2.0}, "min_count must be"),
        ({"max_size": 0}, "max_size must be"),
        ({"min_count": 6}, "no attribute set reaches min_count=6"),
    ],
)
def test_bad_limits(universe, arguments: dict[str, object], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        universe(TRAIN, **arguments)


def test_too_many_sets_names_what_to_change() -> None:
    table = Annotations(np.ones((2, 30), np.uint8), ["a", "b"])
    with pytest.raises(InputError, match=r"more than 1,000,000 attribute sets.*max_size.*min_count.*max_sets"):
        AttributeSets.subsets(table)
    assert len(AttributeSets.subsets(table, max_size=2)) == 30 + 435
    with pytest.raises(InputError, match="max_sets must be"):
        AttributeSets.subsets(table, max_sets=0)
    with pytest.raises(InputError, match="support must be one of 'any', 'every'"):
        AttributeSets.subsets(table, support="some")


def test_tables_of_other_names() -> None:
    other = Annotations([[1, 1]], ["a"])
    for universe in (AttributeSets.subsets, AttributeSets.observed):
        with pytest.raises(InputError, match="names"):
            universe(TRAIN, other)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_universes_equal_brute_force(data: st.DataObject) -> None:
    p = data.draw(st.integers(1, 6))
    rows = st.lists(st.lists(st.booleans(), min_size=p, max_size=p), min_size=1, max_size=40)
    train_rows, test_rows = (np.array(data.draw(rows), bool) for _ in range(2))
    min_count, max_size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, p))
    names = [f"a{c}" for c in range(p)]
    train, test = (Annotations(r, ["g"] * len(r), attribute_names=names) for r in (train_rows, test_rows))

    def support(rows: np.ndarray, columns: tuple[int, ...]) -> int:
        return int(rows[:, columns].all(axis=1).sum())

    subsets = [
        columns
        for size in range(1, max_size + 1)
        for columns in combinations(range(p), size)
        if min(support(train_rows, columns), support(test_rows, columns)) >= min_count
    ]
    full = Counter(tuple(np.flatnonzero(row).tolist()) for row in train_rows)
    observed = [
        columns
        for columns, times in full.items()
        if times >= min_count and 1 <= len(columns) <= max_size and support(test_rows, columns) >= min_count
    ]
    for universe, expected in [
        (AttributeSets.subsets, subsets),
        (AttributeSets.observed, sorted(observed, key=lambda columns: (len(columns), columns))),
    ]:
        if expected:
            found = universe(train, test, min_count=min_count, max_size=max_size)
            assert list(found) == [tuple(names[c] for c in columns) for columns in expected]
        else:
            with pytest.raises(InputError, match="no attribute set"):
                universe(train, test, min_count=min_count, max_size=max_size)
