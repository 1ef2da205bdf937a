"""Labels of intersections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import askew

LABELS = st.sampled_from(["a", "b", "c", None])


@given(rows=st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=1, max_size=12), n_columns=st.integers(2, 3))
def test_row_by_row(rows: list[tuple[str | None, ...]], n_columns: int) -> None:
    rows = [row[:n_columns] for row in rows]
    expected = [None if None in row else " & ".join(map(str, row)) for row in rows]
    assert askew.cross_groups(*zip(*rows, strict=True)).tolist() == expected


@pytest.mark.parametrize(
    "column",
    [
        list,
        np.array,
        pandas.Series,
        lambda labels: pandas.Series(labels, dtype="category"),
        polars.Series,
        pyarrow.array,
        lambda labels: pyarrow.chunked_array([labels[:1], labels[1:]]),
    ],
)
def test_columns_of_any_library(column: Any) -> None:
    crossed = askew.cross_groups(column(["f", "m", "f"]), np.array([1, 2, 2]), separator="/")
    assert crossed.dtype == object
    assert crossed.tolist() == ["f/1", "m/2", "f/2"]


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA, pandas.NaT])
def test_missing_in_either_is_in_no_group(missing: object) -> None:
    assert askew.cross_groups(["f", missing, "m"], [missing, "x", "y"]).tolist() == [None, None, "m & y"]
    assert askew.cross_groups([missing], ["x"]).tolist() == [None]


def test_they_are_the_intersections_of_the_groups() -> None:
    rng = np.random.default_rng(0)
    gender = rng.choice(np.array(["f", "m", None], object), 200)
    skin = rng.choice(np.array(["dark", "light", "medium", None], object), 200)
    ones = np.ones((200, 1))
    crossed = askew.Annotations(ones, askew.cross_groups(gender, skin))
    assert crossed.group_names == tuple(f"{g} & {s}" for g in ("f", "m") for s in ("dark", "light", "medium"))
    first, second = (askew.Annotations(ones, labels).to_numpy()[1] for labels in (gender, skin))
    both = (first[:, :, None] & second[:, None, :]).reshape(200, 6)
    np.testing.assert_array_equal(crossed.to_numpy()[1], both)
    table = pandas.DataFrame({"a": 1, "both": askew.cross_groups(gender, skin)})
    np.testing.assert_array_equal(
        askew.Annotations.from_dataframe(table, attributes=["a"], groups="both").to_numpy()[1], both
    )


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([], {}, "two or more columns of labels, not 0"),
        ([["a"]], {}, "two or more columns of labels, not 1"),
        ([["a"], ["a", "b"]], {}, "different lengths: 1, 2"),
        ([[], []], {}, "no instances"),
        (["ab", "ab"], {}, "column 0 of labels must be one value per instance"),
        ([["a"], [[1]]], {}, "column 1 of labels: row 0 has the label"),
        ([["a"], [0.5]], {}, "column 1 of labels: row 0 has the label 0.5"),
        ([["a"], np.zeros((1, 2))], {}, "one-dimensional"),
        ([["a & b", "a"], ["c", "b & c"]], {}, "would have one name, 'a & b & c'"),
        ([["a"], ["b"]], {"separator": None}, "separator must be text"),
    ],
    ids=str,
)
def test_wrong_columns(columns: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(askew.InputError, match=message):
        askew.cross_groups(*columns, **options)
