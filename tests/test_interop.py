"""Every kind of table, column and file gives the same Annotations; every bad one says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askew.annotations import Annotations
from askew.errors import InputError
from askew.interop import align_by_id, read_table

pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")
parquet = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

ATTRIBUTES = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]], bool)
TAGS = [
    ["dog", "tie"],
    ["tie"],
    ["tie", "dog", "cat", "dog"],
    [],
]  # the same as ATTRIBUTES in order dog, cat, tie
GROUPS = np.array([[0, 1], [1, 0], [0, 0], [1, 0]], bool)
COLUMNS: dict[str, Any] = {
    "name": ["a", "b", "c", "d"],
    "dog": [True, False, True, False],
    "cat": [0, 0, 1, 0],
    "tie": [1.0, 1.0, 1.0, 0.0],
    "gender": ["male", "female", None, "female"],
    "female": [0, 1, 0, 1],
    "male": [1, 0, 0, 0],
    "objects": TAGS,
    "junk": [object] * 4,
}


needs_list_views = pytest.mark.skipif(
    int(pa.__version__.split(".")[0]) < 18, reason="pyarrow cannot measure list views"
)


class Stream:
    """A table of an unknown library."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def arrow_table(**changed: Any) -> Any:
    columns = {**COLUMNS, "junk": [None] * 4, **changed}
    return pa.table(columns)


def duckdb_relation() -> Any:
    return pytest.importorskip("duckdb").from_arrow(arrow_table())


TABLES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(COLUMNS, index=[3, 1, 2, 0]),
    "pandas, nullable": lambda: pd.DataFrame(COLUMNS).astype({"dog": "boolean", "cat": "Int8", "tie": "Float32"}),
    "pandas, Arrow": lambda: arrow_table().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, categorical": lambda: pd.DataFrame(COLUMNS).astype({"gender": "category", "cat": "category"}),
    "pandas, objects": lambda: pd.DataFrame(COLUMNS).astype(object),
    "pandas, sparse": lambda: pd.DataFrame(COLUMNS).astype({"cat": pd.SparseDtype(int, 0)}),
    "polars": lambda: pl.DataFrame({**COLUMNS, "junk": [None] * 4}),
    "polars, lazy": lambda: pl.LazyFrame({**COLUMNS, "junk": [None] * 4}),
    "polars, categorical": lambda: pl.DataFrame({**COLUMNS, "junk": [None] * 4}).with_columns(
        pl.col("gender").cast(pl.Categorical), pl.col("objects").cast(pl.List(pl.Categorical))
    ),
    "pyarrow": arrow_table,
    "pyarrow, chunked": lambda: pa.concat_tables(arrow_table().slice(k, 1) for k in range(4)),
    "pyarrow, sliced": lambda: pa.concat_tables([arrow_table()] * 3).combine_chunks().slice(4, 4),
    "record batch": lambda: arrow_table().to_batches()[0],
    "stream": lambda: Stream(arrow_table()),
    "DuckDB": duckdb_relation,
}


def assert_is_the_table(made: Annotations, names: tuple[str, ...] = ("dog", "cat", "tie")) -> None:
    assert made.attribute_names == names
    assert made.group_names == ("female", "male")
    attributes, groups = made.to_numpy()
    np.testing.assert_array_equal(attributes[:, [names.index(name) for name in ("dog", "cat", "tie")]], ATTRIBUTES)
    np.testing.assert_array_equal(groups, GROUPS)


# ---- tables


@pytest.mark.parametrize("kind", TABLES)
def test_every_table(kind: str) -> None:
    table = TABLES[kind]()
    chosen = ["dog", "cat", "tie"]
    labelled = Annotations.from_dataframe(table, attributes=chosen, groups="gender", ids="name")
    assert_is_the_table(labelled)
    assert labelled.ids is not None
    assert labelled.ids.tolist() == COLUMNS["name"]
    assert_is_the_table(Annotations.from_dataframe(table, attributes=iter(chosen), groups=("female", "male")))


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind not in ("stream", "DuckDB", "polars, lazy")])
def test_every_column_of_tags(kind: str) -> None:
    table = TABLES[kind]()
    made = Annotations.from_tags(table["objects"], table["gender"], ids=table["name"])
    assert_is_the_table(made, ("cat", "dog", "tie"))


@pytest.mark.parametrize(
    "tag_type",
    [
        lambda: pa.list_(pa.string()),
        lambda: pa.large_list(pa.large_string()),
        lambda: pa.list_(pa.dictionary(pa.int8(), pa.string())),
        lambda: pa.list_(pa.string_view()),
        pytest.param(lambda: pa.list_view(pa.string()), marks=needs_list_views),
        pytest.param(lambda: pa.large_list_view(pa.string()), marks=needs_list_views),
    ],
)
def test_every_arrow_list(tag_type: Callable[[], Any]) -> None:
    array = pa.array([["other"], *TAGS, ["other"]], pa.list_(pa.string()))
    for_type = array if array.type == tag_type() else pa.array(array.to_pylist(), tag_type())
    for chunked in (for_type, pa.chunked_array([for_type.slice(0, 2), for_type.slice(2)])):
        made = Annotations.from_tags(chunked.slice(1, 4), COLUMNS["gender"])
        assert_is_the_table(made, ("cat", "dog", "tie"))


def test_arrow_list_of_fixed_size() -> None:
    pairs = pa.array([[9, 9], [1, 2], [2, 2], [10, 1]], pa.list_(pa.int16(), 2)).slice(1)
    made = Annotations.from_tags(pairs, ["a", "b", "a"])
    assert made.attribute_names == ("1", "2", "10")
    assert made.to_numpy()[0].tolist() == [[True, True, False], [False, True, False], [True, False, True]]


def test_arrow_labels_with_odd_dictionaries() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 2, 3, None, 1]), ["b", None, "b", "a", "unused"])
    other = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 0, 1], pa.int64()), ["a", "b"])
    labels = pa.chunked_array([twice.slice(1), other])
    groups = Annotations(np.ones((9, 1)), labels)
    assert groups.group_names == ("a", "b")
    assert groups.to_numpy()[1].argmax(1).tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 1]
    assert groups.to_numpy()[1].sum(1).tolist() == [1, 1, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array([10, None, 2]), ("2", "10")),
        (pa.array([10.0, float("nan"), 2]), ("2", "10")),
        (pa.array([Decimal(10), None, Decimal(2)]), ("2", "10")),
        (pa.array([True, None, False]), ("False", "True")),
        (pl.Series(["b", None, "a"], dtype=pl.Enum(["b", "a", "c"])), ("a", "b")),
        (pd.Series([2, pd.NA, 1], dtype="Int64"), ("1", "2")),
        (pd.Series([2.0, np.nan, 1]), ("1", "2")),
        (pd.Series(["b", pd.NA, "a"], dtype=object), ("a", "b")),
        (pd.Series(["b", pd.NaT, 1], dtype=object), ("1", "b")),
        (pd.Categorical(["b", None, "a"], categories=["c", "b", "a"]), ("a", "b")),
        (pd.Categorical([1, None, "a"]), ("1", "a")),
        (pd.Index(["b", None, "a"]), ("a", "b")),
    ],
)
def test_every_column_of_labels(labels: Any, names: tuple[str, ...]) -> None:
    made = Annotations([[1], [0], [1]], labels)
    assert made.group_names == names
    assert made.to_numpy()[1].sum(1).tolist() == [1, 0, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=90),
    st.integers(0, 90),
    st.lists(st.integers(0, 90), max_size=3),
)
def test_arrow_bits_at_any_offset(bits: list[bool], begin: int, cuts: list[int]) -> None:
    begin = min(begin, len(bits) - 1)
    edges = sorted({begin, len(bits), *(cut for cut in cuts if begin < cut < len(bits))})
    column = pa.array(bits)
    chunks = [column.slice(a, b - a) for a, b in pairwise(edges)]
    made = Annotations.from_dataframe(
        pa.table({"x": pa.chunked_array(chunks), "g": ["a"] * (len(bits) - begin)}),
        attributes=["x"],
        groups="g",
    )
    assert made.to_numpy()[0][:, 0].tolist() == bits[begin:]
    assert np.bitwise_count(made.packed_attributes).sum() == sum(bits[begin:])


def test_only_needed_columns_are_read() -> None:
    def fail(series: Any) -> Any:
        raise AssertionError("the junk column was computed")

    junk = pl.col("dog").map_batches(fail, return_dtype=pl.Int64).alias("expensive")
    lazy = TABLES["polars, lazy"]().with_columns(junk)
    assert_is_the_table(Annotations.from_dataframe(lazy, attributes=["dog", "cat", "tie"], groups="gender"))


def test_like_takes_columns_by_name_or_renames_them() -> None:
    table = arrow_table()
    first = Annotations.from_dataframe(table, attributes=["dog", "cat", "tie"], groups=["female", "male"])
    assert_is_the_table(Annotations.from_dataframe(table, groups="gender", like=first))
    assert_is_the_table(
        Annotations.from_dataframe(table, attributes=["tie", "dog", "cat"], groups=["male", "female"], like=first)
    )
    renamed = table.rename_columns([f"{name} predicted" for name in table.column_names])
    predicted = Annotations.from_dataframe(
        renamed,
        attributes=[f"{name} predicted" for name in ("dog", "cat", "tie")],
        groups=["female predicted", "male predicted"],
        like=first,
    )
    assert_is_the_table(predicted)
    with pytest.raises(InputError, match="not given: 'tie'; not declared: 'female'"):
        Annotations.from_dataframe(table, attributes=["dog", "cat", "female"], groups="gender", like=first)
    with pytest.raises(InputError, match="attributes have 1 columns, but 3 names"):
        Annotations.from_dataframe(table, attributes=["male"], groups="gender", like=first)


def test_columns_with_numbers_for_names() -> None:
    made = Annotations.from_dataframe(pd.DataFrame({0: [0, 1], 1: [1, 1], 2: ["a", "b"]}), attributes=[0, 1], groups=2)
    assert made.attribute_names == ("0", "1")
    assert made.to_numpy()[0].tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, 2, 0, 0], "column 'x', row 1 is 2; expected 0 or 1"),
        (pa.array([1, 0, -1, 0], pa.int8()), "column 'x', row 2 is -1"),
        (pa.array([1, 0, 2**63, 0], pa.uint64()), f"row 2 is {2**63}"),
        ([0.0, 1.0, 0.25, 0.0], "column 'x', row 2 is 0.25"),
        ([0.0, 1.0, float("nan"), 0.0], r"column 'x', row 2 is missing \(nan\)"),
        ([True, False, None, True], r"column 'x', row 2 is missing \(null\)"),
        ([1, 0, 0, None], r"column 'x', row 3 is missing \(null\)"),
        ([None] * 4, "row 0 is missing"),
        (["0", "1", "0", "0"], "column 'x' has type string; expected booleans or numbers 0 and 1"),
        ([[0], [1], [0], [0]], "has type list"),
        (pa.chunked_array([[0, 1], [0, 7]]), "row 3 is 7"),
        (pa.array([0, 1, 0, 5]).dictionary_encode(), "row 3 is 5"),
        (pd.Series([0, 1, 3, 0]), "row 2 is 3"),
        (pd.Series([0, 1, None, 0]), "row 2 is missing"),
        (pd.Series([0, 1, pd.NA, 0], dtype="Int8"), "row 2 is missing"),
        (pd.Series([0, 1, pd.NA, 0], dtype=object), "row 2 is missing"),
        (pd.Series([True, "yes", True, True], dtype=object), "row 1 is 'yes'"),
        (pd.Series(["0", "1", "1", "1"]), "column 'x'(, row 0 is '0'| has type large_string)"),
        (pd.Series([1j, 0, 0, 0]), "has dtype complex128"),
        (pd.date_range("2020", periods=4), "has dtype datetime64"),
    ],
)
def test_bad_binary_columns(column: Any, message: str) -> None:
    from_pandas = isinstance(column, (pd.Series, pd.Index))
    table = (pd.DataFrame if from_pandas else pa.table)({"x": column, "g": ["a"] * 4})
    with pytest.raises(InputError, match=message):
        Annotations.from_dataframe(table, attributes=["x"], groups="g")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["dgo", "cat"]}, "the table has no column 'dgo'; did you mean 'dog'"),
        ({"groups": "sex"}, "the table has no column 'sex'; there are 'name', 'dog'"),
        ({"groups": ["female", "mal"]}, "no column 'mal'; did you mean 'male' or 'female'"),
        ({"ids": "image"}, "no column 'image'"),
        (
            {"attributes": ["dog", "cat", "dog"]},
            "column 'dog' is used twice: in attributes and in attributes",
        ),
        ({"groups": ["female", "dog"]}, "column 'dog' is used twice: in attributes and in groups"),
        ({"ids": "dog"}, "column 'dog' is used twice: in attributes and in ids"),
        ({"attributes": []}, "attributes: no column was named"),
        ({"attributes": "dog"}, "attributes must be a list of column names, not 'dog'"),
        ({"attributes": None}, "say which columns are attributes"),
        ({"attributes": [["dog"]]}, "attributes must be named by column"),
        ({"groups": None}, "groups must be named by column, not given as a NoneType"),
        ({"groups": []}, "groups: no column was named"),
        ({"groups": pa.array(["a"] * 4)}, "column|named"),
        ({"groups": "gender", "group_names": ["male"]}, "column 'gender': row 1 has the label 'female'"),
        (
            {"groups": "objects"},
            "column 'objects': (type .*list|row 0 has the label)",
        ),
        ({"ids": "gender"}, "column 'gender' is used twice: in groups and in ids"),
        ({"ids": "tie"}, "ids: rows 0 and 1 have the same id"),
    ],
)
def test_bad_choice_of_columns(options: dict[str, Any], message: str) -> None:
    for table in (arrow_table(), TABLES["pandas"](), TABLES["polars, lazy"](), Stream(arrow_table())):
        with pytest.raises(InputError, match=message):
            Annotations.from_dataframe(table, **{"attributes": ["dog", "cat"], "groups": "gender", **options})


@pytest.mark.parametrize("table", [None, 3, {"dog": [1]}, [1, 2], np.ones((2, 2)), pd.Series([1]), pa.array([1])])
def test_not_a_table(table: Any) -> None:
    with pytest.raises(InputError, match=r"is not a table|is one column"):
        Annotations.from_dataframe(table, attributes=["dog"], groups="gender")


def test_twice_the_same_column() -> None:
    table = arrow_table().select(["dog", "gender"]).append_column("dog", pa.array([1, 1, 1, 1]))
    with pytest.raises(InputError, match="'dog' 2 times"):
        Annotations.from_dataframe(table, attributes=["dog"], groups="gender")


def test_tables_without_rows() -> None:
    for table in (arrow_table().slice(0, 0), TABLES["pandas"]().head(0), TABLES["polars"]().head(0)):
        with pytest.raises(InputError, match="no instances"):
            Annotations.from_dataframe(table, attributes=["dog"], groups="gender")
        with pytest.raises(InputError, match="no instances"):
            Annotations.from_tags(table["objects"], table["gender"])


@pytest.mark.parametrize("table", [pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]})])
def test_the_constructor_takes_no_table(table: Any) -> None:
    with pytest.raises(InputError, match=r"use Annotations.from_dataframe"):
        Annotations(table, ["x"])
    with pytest.raises(InputError, match=r"use Annotations.from_dataframe"):
        Annotations([[1]], table)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            pa.array([["a"], None]),
            r"tags: row 1 is missing \(null\); a missing annotation is not an empty one",
        ),
        (pa.array([["a"], ["b", None]]), "row 1 holds a missing tag"),
        (pa.array([["a", "b"], ["c", "", "d"]]), "row 1 has the label ''"),
        (pa.chunked_array([[["a"]], [None]], pa.list_(pa.string())), "row 1 is missing"),
        (pa.array([[["a"]], [["b"]]]), "tags: type list<"),
        (pa.array([[0.5], [1.0]]), "row 0 has the label 0.5"),
        (pa.array(["a", "b"]), "tags: type string; expected a list of tags per instance"),
        (pa.array([None, None]), "tags: type null"),
        (pl.Series([["a"], None]), "row 1 is missing"),
        (pd.Series([["a"], None]), "row 1 is missing"),
        (pd.Series(["a", "b"]), "tags: type|row 0 is 'a'"),
        (pa.array([[], []], pa.list_(pa.string())), "no instance has a tag"),
        (pa.table({"tags": [["a"], ["b"]]}), "tags: type struct"),
    ],
)
def test_bad_columns_of_tags(tags: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_tags(tags, ["x", "y"])


def test_unknown_tags_are_named() -> None:
    tags = pa.chunked_array([[["dog"], []], [["dog"], ["dog", "cta"]]])
    with pytest.raises(InputError, match="row 3 has the tag 'cta', which was not declared; did you mean 'cat'"):
        Annotations.from_tags(tags, ["a"] * 4, attribute_names=["dog", "cat"])
    made = Annotations.from_tags(tags, ["a"] * 4, attribute_names=["dog", "cat"], unknown="ignore")
    assert made.to_numpy()[0].tolist() == [[True, False], [False, False], [True, False], [True, False]]


# ---- files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    parquet.write_table(arrow_table(), tmp_path / "train.parquet", row_group_size=3)
    return tmp_path / "train.parquet"


def test_parquet(path: Path) -> None:
    chosen = ["dog", "cat", "tie"]
    made = Annotations.from_parquet(path, attributes=chosen, groups="gender", ids="name")
    assert_is_the_table(made)
    assert_is_the_table(Annotations.from_parquet(str(path), groups=["female", "male"], like=made))
    assert_is_the_table(Annotations.from_parquet(path, tags="objects", groups="gender"), ("cat", "dog", "tie"))
    assert_is_the_table(Annotations.from_parquet(path, tags="objects", groups=["male", "female"], like=made))
    assert_is_the_table(Annotations.from_parquet(path.parent, attributes=chosen, groups="gender"))

    twice = Annotations.from_parquet([path, path], tags="objects", groups="gender", attribute_names=chosen)
    np.testing.assert_array_equal(twice.to_numpy()[0], np.tile(ATTRIBUTES, (2, 1)))
    some = Annotations.from_parquet(path, tags="objects", groups="gender", filters=[("cat", "=", 0)], like=made)
    np.testing.assert_array_equal(some.to_numpy()[0], ATTRIBUTES[[0, 1, 3]])


def test_column_names_with_dots(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a.b": [1, 0], "g": ["x", "y"]}), tmp_path / "dots.parquet")
    made = Annotations.from_parquet(tmp_path / "dots.parquet", attributes=["a.b"], groups="g")
    assert made.attribute_names == ("a.b",)


def test_parquet_files_of_different_types(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    parquet.write_table(arrow_table(tie=[0, 0, 0, 1]), other)
    made = Annotations.from_parquet([path, other], attributes=["tie"], groups="gender")
    assert made.to_numpy()[0][:, 0].tolist() == [True, True, True, False, False, False, False, True]
    parquet.write_table(arrow_table(gender=[["male"]] * 4), other)
    with pytest.raises(InputError, match="columns of different types"):
        Annotations.from_parquet([path, other], tags="objects", groups="gender")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["dog"], "tags": "objects"}, "not both"),
        ({}, "say which columns are attributes"),
        ({"tags": "objcts"}, r"train.parquet has no column 'objcts'; did you mean 'objects'"),
        ({"tags": "dog"}, "column 'dog': type bool; expected a list of tags"),
        ({"tags": "gender"}, "column 'gender' is used twice"),
        ({"attributes": ["objects"]}, "column 'objects' has type list"),
        ({"attributes": ["dog"], "filters": [("nothing", "=", 1)]}, "train.parquet"),
        ({"attributes": ["dog"], "filters": [("dog", "like", 1)]}, "train.parquet"),
        ({"attributes": ["dog"], "filters": [("gender", "=", "x")]}, "no instances"),
    ],
)
def test_bad_parquet_options(path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_parquet(path, groups="gender", **options)


def test_broken_files(path: Path, tmp_path: Path) -> None:
    def read(file: Any) -> None:
        Annotations.from_parquet(file, tags="objects", groups="gender")

    with pytest.raises(InputError, match=r"missing.parquet: there is no such file"):
        read(tmp_path / "missing.parquet")
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    for name, broken in {
        "empty": b"",
        "text": b"dog,cat\n1,0\n" * 10,
        "truncated": content[: len(content) // 2],
        "torn": content[:4] + b"\xff" * (len(content) - 4 - footer) + content[-footer:],
    }.items():
        file = tmp_path / f"{name}.parquet"
        file.write_bytes(broken)
        with pytest.raises(InputError, match=f"{name}.parquet cannot be read"):
            read(file)
    for nothing in ([], None, 3):
        with pytest.raises(InputError, match=r"no Parquet file was named|expected the path of a file"):
            read(nothing)


def test_read_table(path: Path, tmp_path: Path) -> None:
    csv = tmp_path / "train.csv"
    csv.write_text("dog,gender,age\n1,male,7\n0,,8\n1,female,9\n")
    tsv = tmp_path / "train.TSV"
    tsv.write_text(csv.read_text().replace(",", "\t"))
    for file in (csv, tsv):
        table = read_table(file, ["gender", "dog"])
        assert table.column_names == ["gender", "dog"]
        assert table.to_pydict() == {"gender": ["male", None, "female"], "dog": [1, 0, 1]}
        assert read_table(file, ["dog"], filters=[("age", ">", 7)]).to_pydict() == {"dog": [0, 1]}
    assert read_table(path, ["cat"]).to_pydict() == {"cat": [0, 0, 1, 0]}

    with pytest.raises(InputError, match=r"train.csv has no column 'gendre'; did you mean 'gender'"):
        read_table(csv, ["gendre"])
    with pytest.raises(InputError, match=r"train.json: expected a file that ends in .parquet"):
        read_table(tmp_path / "train.json", ["gender"])
    with pytest.raises(InputError, match=r"none.csv: there is no such file"):
        read_table(tmp_path / "none.csv", ["gender"])
    csv.write_text("dog,gender\n1,male\n0\n")
    with pytest.raises(InputError, match=r"train.csv cannot be read: .*Expected 2 columns"):
        read_table(csv, ["gender"])
    csv.write_text("")
    with pytest.raises(InputError, match=r"train.csv cannot be read"):
        read_table(csv, ["gender"])


# ---- ids


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(), unique=True, max_size=40) | st.lists(st.text(), unique=True, max_size=40),
    st.randoms(),
)
def test_alignment(ids: list[Any], random: Any) -> None:
    shuffled = random.sample(ids, len(ids))
    order = align_by_id(ids, shuffled, "predictions")
    assert order.dtype == np.int64
    assert [shuffled[row] for row in order] == ids


def test_alignment_of_columns() -> None:
    order = align_by_id(pd.Series(["a", "b", "c"]), pl.Series(["c", "a", "b"]), "predictions")
    assert order.tolist() == [1, 2, 0]
    assert align_by_id(np.array([5, 6], np.int32), pa.array([6.0, 5.0]), "predictions").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("reference", "own", "message"),
    [
        ([1, 2, 3], [1, 3, 2, 2], "predictions: ids: rows 2 and 3 have the same id 2"),
        ([1, 1], [1, 2], "reference ids: rows 0 and 1 have the same id 1"),
        ([1, 2, 3, 4], [1, 9, 8, 4], "predictions: ids of the reference are missing: 2, 3"),
        ([1, 2], [2, 7, 1], "predictions: ids that are not in the reference: 7"),
        ([1, 2], ["1", "2"], "predictions: the ids are like '1', the reference's like 1"),
        ([1, None], [1, 2], "reference ids: row 1 is missing"),
        (list(range(100)), [200], r"ids of the reference are missing: 0, 1, 2, … \(100 in all\)"),
        (list(range(100)), [], "predictions: there are no rows, where the reference has 100"),
    ],
)
def test_bad_alignment(reference: Any, own: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        align_by_id(reference, own, "predictions")


# ---- without the optional libraries


@pytest.mark.parametrize("missing", ["pyarrow", "narwhals"])
def test_missing_libraries_are_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES["polars"]()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"needs pyarrow and narwhals: pip install pyarrow narwhals"):
        Annotations.from_dataframe(table, attributes=["dog"], groups="gender")
    assert Annotations([[1, 0]], ["a"]).n == 1
    assert Annotations.from_tags([["dog"]], ["a"]).n == 1


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(-128, 128, dtype=np.int8),
        np.array([2**64 - 1, 2**64 - 40, 2**64 - 40], np.uint64),
        np.array([-(2**63), -(2**63) + 3, -(2**63) + 1], np.int64),
        np.array([10**6, 10**6 + 2, 10**6], np.int32),
        np.array([5, 2**40, 5], np.int64),
    ],
)
def test_whole_numbers_near_and_far_are_labels(labels: np.ndarray) -> None:
    """Numbers that lie close together take a way without sorting: the same names and members."""
    table = Annotations(np.ones((len(labels), 1)), labels)
    expected, codes = np.unique(labels, return_inverse=True)
    assert table.group_names == tuple(str(int(label)) for label in expected)
    assert np.array_equal(table.to_numpy()[1], codes[:, None] == np.arange(len(expected)))
