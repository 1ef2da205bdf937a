"""Annotations from arrays and tags: what a user does, round trips through the bits, and every bad input."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from askew.annotations import Annotations
from askew.engine import words_for
from askew.errors import InputError
from askew.interop import binary

DATA = Path(__file__).parents[2] / "shared" / "data"

TABLE = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]], np.uint8)
GENDER = ["male", "female", None, "female"]
MEMBERS = [[0, 1], [1, 0], [0, 0], [1, 0]]  # GENDER as columns female, male


def assert_holds(annotations: Annotations, attributes: Any, groups: Any) -> None:
    """The bits are those of the two tables, in the layout that the kernels rely on."""
    for packed, unpacked, expected in zip(
        (annotations.packed_attributes, annotations.packed_groups),
        annotations.to_numpy(),
        (np.asarray(attributes, bool), np.asarray(groups, bool)),
        strict=True,
    ):
        np.testing.assert_array_equal(unpacked, expected)
        assert unpacked.dtype == bool
        assert packed.dtype == np.uint64
        assert packed.shape == (expected.shape[1], words_for(len(annotations)))
        assert packed.flags.c_contiguous
        assert not packed.flags.writeable
        assert np.bitwise_count(packed).sum() == expected.sum()  # and nothing beyond the last instance
    assert annotations.group_sizes.tolist() == np.asarray(groups, bool).sum(axis=0).tolist()
    assert not annotations.group_sizes.flags.writeable


# ---- what a user does


def test_array_and_labels() -> None:
    train = Annotations(TABLE, GENDER, attribute_names=["cat", "dog", "tie"], ids=[7, 3, 9, 1])
    assert len(train) == train.n == 4
    assert train.attribute_names == ("cat", "dog", "tie")
    assert train.group_names == ("female", "male")
    assert train.ids is not None
    assert train.ids.tolist() == [7, 3, 9, 1]
    assert_holds(train, TABLE, MEMBERS)
    assert repr(train) == "Annotations(n=4, 3 attributes, groups: female, male; 1 in no group)"


def test_default_names_are_positions() -> None:
    plain = Annotations(TABLE, [[1, 1], [0, 0], [0, 1], [1, 0]])
    assert plain.attribute_names == ("0", "1", "2")
    assert plain.group_names == ("0", "1")
    assert plain.ids is None
    assert_holds(plain, TABLE, [[1, 1], [0, 0], [0, 1], [1, 0]])


def test_like_takes_both_vocabularies() -> None:
    train = Annotations(TABLE, GENDER, attribute_names=["cat", "dog", "tie"])
    test = Annotations(TABLE[:2], ["male", "male"], like=train)
    assert test.attribute_names == train.attribute_names
    assert test.group_names == ("female", "male")
    assert_holds(test, TABLE[:2], [[0, 1], [0, 1]])
    train.check_same_names(test)


def test_declared_groups_need_not_occur() -> None:
    train = Annotations(TABLE, GENDER, group_names=["male", "female", "other"])
    assert_holds(train, TABLE, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]])
    assert_holds(Annotations(TABLE, [None] * 4, group_names=["male"]), TABLE, np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 2, None, 2], ("2", "10")),  # numbers sort as numbers
        (["10", "2", None, "2"], ("10", "2")),  # texts as texts
        ([1.0, 0.0, float("nan"), 0], ("0", "1")),
        (np.array([1.0, 0.0, np.nan, 0.0], np.float32), ("0", "1")),
        ([True, False, None, False], ("False", "True")),
        (np.array(["b", "a", "c", "a"]), ("a", "b", "c")),
        (np.array(["b", "a", np.datetime64("NaT"), "a"], object), ("a", "b")),
        (np.ma.masked_array([5, 3, 4, 3], [0, 0, 1, 0]), ("3", "5")),
        (np.ma.masked_array([5, 3, 4, 3]), ("3", "4", "5")),
        (np.array([5, 3, 4, 3], ">i2"), ("3", "4", "5")),
        (np.array(["b", "a", "c", "a"], np.dtypes.StringDType()), ("a", "b", "c")),
        ([1, "a", None, "a"], ("1", "a")),
    ],
)
def test_labels_become_text(labels: Any, names: tuple[str, ...]) -> None:
    annotations = Annotations(TABLE, labels)
    assert annotations.group_names == names
    groups = annotations.to_numpy()[1]
    present = [names[row.argmax()] if row.any() else None for row in groups]
    assert present[1] == present[3]
    assert present[2] == (names[names.index("c")] if "c" in names else "4" if "4" in names else None)


def test_equal_labels_of_different_types_stay_apart() -> None:
    assert Annotations(TABLE, [1, True, 1.0, "1"]).group_names == ("1", "True")


@pytest.mark.parametrize("dtype", [bool, "i1", "u1", ">i2", "u8", "i4", "f2", "f4", ">f8", "longdouble", object])
@pytest.mark.parametrize("layout", ["C", "F", "rows reversed", "every second", "broadcast"])
def test_any_layout_and_dtype(dtype: Any, layout: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, (1500, 5))
    if layout == "broadcast":
        values = np.broadcast_to(values[:, :1], (1500, 5))
    given_array = {
        "C": lambda v: np.ascontiguousarray(v.astype(dtype)),
        "F": lambda v: np.asfortranarray(v.astype(dtype)),
        "rows reversed": lambda v: v[::-1].astype(dtype)[::-1],
        "every second": lambda v: np.repeat(np.repeat(v, 2, 0), 2, 1).astype(dtype)[::2, ::2],
        "broadcast": lambda v: np.broadcast_to(v[:, :1].astype(dtype), v.shape),
    }[layout](values)
    assert_holds(Annotations(given_array, values[:, :2]), values, values[:, :2])


def test_pieces_are_written_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_BYTES", 512 * 3)  # pieces of 512 rows
    values = np.random.default_rng(2).integers(0, 2, (1300, 3))
    for array in (values, values.astype(object), np.asfortranarray(values, np.uint8), values.astype("f4")):
        assert_holds(Annotations(array, values), values, values)
    for array in (values.astype(float), np.asfortranarray(values, np.uint8)):
        array[1111, 2] = 3
        with pytest.raises(InputError, match=r"row 1111, column 2 \('2'\) is 3"):
            Annotations(array, values)


def test_input_is_not_shared() -> None:
    values = TABLE.copy()
    values.setflags(write=False)
    annotations = Annotations(values, GENDER)
    values.setflags(write=True)
    values[:] = 0
    assert_holds(annotations, TABLE, MEMBERS)
    with pytest.raises(ValueError, match="read-only"):
        annotations.packed_attributes[0, 0] = 1


@pytest.mark.parametrize("container", ["matrix", "array"])
@pytest.mark.parametrize("format", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("dtype", [bool, "i1", "f8"])
def test_sparse(container: str, format: str, dtype: Any) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    values = (np.random.default_rng(3).random((80, 9)) < 0.2).astype(dtype)
    made = getattr(sparse, f"{format}_{container}")(values)
    assert_holds(Annotations(made, made), values, values)


def test_sparse_zeros_and_duplicates() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    zeros = sparse.csr_array(([1, 0, 1], ([0, 1, 1], [0, 1, 0])), shape=(2, 3))
    assert zeros.nnz == 3
    assert_holds(Annotations(zeros, ["a", "b"]), [[1, 0, 0], [1, 0, 0]], np.eye(2))

    cancelled = sparse.coo_array(([1, 1, -1], ([0, 1, 1], [0, 2, 2])), shape=(2, 3))
    assert_holds(Annotations(cancelled, ["a", "b"]), [[1, 0, 0], [0, 0, 0]], np.eye(2))

    twice = sparse.csr_array((np.ones(3), np.array([0, 1, 1]), np.array([0, 1, 3])), shape=(2, 3))
    with pytest.raises(InputError, match=r"row 1, column 1 \('1'\) is 2.0"):
        Annotations(twice, ["a", "b"])
    assert twice.nnz == 3, "the user's matrix was changed"


def test_sparse_that_points_outside() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    outside = sparse.csr_array(np.eye(3))
    outside.indices[2] = 7
    with pytest.raises(InputError, match="attributes: the sparse matrix is not valid"):
        Annotations(outside, ["a", "b", "c"])


def test_wide_sparse_stays_sparse() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    wide = sparse.coo_array((np.ones(3), ([0, 40, 99], [5, 19_999, 0])), shape=(100, 20_000))
    unpacked = Annotations(wide, ["a", "b"] * 50).to_numpy()[0]
    assert list(zip(*(index.tolist() for index in np.nonzero(unpacked)), strict=True)) == [
        (0, 5),
        (40, 19_999),
        (99, 0),
    ]


def test_tags() -> None:
    train = Annotations.from_tags([["tie", "dog"], [], {"dog"}, ("dog", "dog")], GENDER)
    assert train.attribute_names == ("dog", "tie")
    assert_holds(train, [[1, 1], [0, 0], [1, 0], [1, 0]], MEMBERS)

    test = Annotations.from_tags([["tie"], ["cat", "dog"]], ["male", "male"], like=train, unknown="ignore")
    assert_holds(test, [[0, 1], [1, 0]], [[0, 1], [0, 1]])

    numbers = Annotations.from_tags([[10, 2], np.array([2])], MEMBERS[:2], attribute_names=[2, 10, 77])
    assert numbers.attribute_names == ("2", "10", "77")
    assert_holds(numbers, [[1, 1, 0], [1, 0, 0]], MEMBERS[:2])


def test_repr_is_short() -> None:
    assert repr(Annotations([[1]], ["a"])) == "Annotations(n=1, 1 attribute, groups: a)"
    many = Annotations(np.ones((1981, 79)), np.zeros((1981, 9)))
    assert repr(many) == (
        "Annotations(n=1,981, 79 attributes, groups: 0, 1, 2, 3, 4, 5, … (9 in all); 1,981 in no group)"
    )


def test_pickle() -> None:
    copy = pickle.loads(pickle.dumps(Annotations(TABLE, GENDER, ids=["a", "b", "c", "d"])))
    np.testing.assert_array_equal(copy.to_numpy()[0], TABLE)
    assert copy.ids.tolist() == ["a", "b", "c", "d"]


def test_same_instances() -> None:
    test = Annotations(TABLE, GENDER, ids=list("abcd"))
    test.check_same_instances(Annotations(1 - TABLE, GENDER, like=test, ids=np.array(list("abcd"))))
    test.check_same_instances(Annotations(TABLE, GENDER, like=test))  # without ids only n can be compared
    with pytest.raises(InputError, match="row 1 has the id 'b' in the first and 'c' in the second"):
        test.check_same_instances(Annotations(TABLE, GENDER, like=test, ids=list("acbd")))
    with pytest.raises(InputError, match="4 and 3 instances"):
        test.check_same_instances(Annotations(TABLE[:3], GENDER[:3], like=test))
    with pytest.raises(InputError, match=r"group names: only in the first: none; only in the second: 'x'.*like="):
        test.check_same_instances(Annotations(TABLE, ["male", "female", "x", None]))
    with pytest.raises(InputError, match=r"attribute names: .*another order, '0' and '2' at position 0"):
        test.check_same_names(Annotations(TABLE, GENDER, attribute_names=["2", "1", "0"]))


# ---- round trips


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 1100), st.integers(1, 5))),
    st.sampled_from(["u1", "f8", object]),
    st.sampled_from("CF"),
)
def test_round_trip_of_arrays(values: Any, dtype: Any, order: Any) -> None:
    made = Annotations(values.astype(dtype, order=order), values)
    assert_holds(made, values, values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["dog", "cat", "tie", "é"]), max_size=5), min_size=1, max_size=80))
def test_round_trip_of_tags(rows: list[list[str]]) -> None:
    names = ("tie", "dog", "é", "cat")
    made = Annotations.from_tags(rows, [len(row) for row in rows], attribute_names=names)
    sizes = sorted({len(row) for row in rows})
    assert made.group_names == tuple(map(str, sizes))
    assert_holds(
        made,
        [[name in row for name in names] for row in rows],
        [[len(row) == size for size in sizes] for row in rows],
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.text(min_size=1) | st.integers() | st.booleans(), min_size=1, max_size=30))
def test_round_trip_of_labels(labels: list[Any]) -> None:
    names = sorted({str(label) for label in labels if label is not None})
    if not names:
        return
    made = Annotations(np.zeros((len(labels), 1)), labels, group_names=names)
    expected = [[label is not None and str(label) == name for name in names] for label in labels]
    assert_holds(made, np.zeros((len(labels), 1)), expected)


@pytest.mark.parametrize("n_groups", [1, 8, 9, 40])
def test_few_groups_and_many(n_groups: int) -> None:
    codes = np.random.default_rng(n_groups).integers(-1, n_groups, 1300)
    labels = [None if code < 0 else f"g{code:02}" for code in codes]
    made = Annotations(np.zeros((1300, 1)), labels, group_names=[f"g{code:02}" for code in range(n_groups)])
    assert_holds(made, np.zeros((1300, 1)), codes[:, None] == np.arange(n_groups))


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2) | st.complex_numbers(),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=9,
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2) | st.binary(max_size=2),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=9,
    ),
)
def test_anything_else_is_an_input_error(attributes: Any, groups: Any) -> None:
    for make in (Annotations, Annotations.from_tags):
        try:
            made = make(attributes, groups, ids=groups)
        except InputError:
            continue
        assert len(made) == len(attributes) == len(groups)


# ---- bad input: what, where, and what was expected


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([[0, 1], [2, 0]], r"attributes: row 1, column 0 \('0'\) is 2; expected 0 or 1"),
        ([[0, 1], [0, -1]], r"row 1, column 1 \('1'\) is -1"),
        (np.array([[0, 1], [0, -1]], np.int8), r"row 1, column 1 \('1'\) is -1"),
        ([[0, 0.5]], r"row 0, column 1 \('1'\) is 0.5"),
        ([[0, np.nan]], r"row 0, column 1 .* is missing \(nan\)"),
        (np.array([[0, np.nan]], np.float16), r"row 0, column 1 .* is missing"),
        ([[0, np.inf]], "is inf"),
        ([[0, None], [1, 1]], r"row 0, column 1 .* is missing \(None\)"),
        ([[0, 2**63]], r"is 9\.22"),
        ([[0, 2**64]], f"is {2**64}"),
        ([[0, 10**5000]], "is a huge int"),
        ([[0, "x"]], "column 1 .* is 'x'"),
        ([["0", "1"]], "column 0 .* is '0'"),
        (np.array([["0", "1"]]), "attributes have dtype <U1; expected booleans or numbers 0 and 1"),
        ([[1 + 0j]], r"is \(1\+0j\)"),
        (np.array([[1 + 0j]]), "dtype complex128"),
        (np.array([["2020-01-01"]], "M8[D]"), r"dtype datetime64\[D\]"),
        (np.zeros((1, 1), [("a", "u1")]), "dtype"),
        (np.ma.masked_array([[0, 1], [1, 0]], [[0, 0], [1, 0]]), "row 1, column 0 is masked"),
        ([0, 1], r"two-dimensional .* this has 1 dimensions, shape \(2,\)"),
        (np.zeros((2, 2, 2)), r"3 dimensions, shape \(2, 2, 2\)"),
        (np.array(1), "0 dimensions"),
        (None, "0 dimensions"),
        ("dog", "0 dimensions"),
        ([[0, 1], [1]], "row 1 has 1 values, row 0 has 2"),
        ([[0, 1], 1], "row 1 has no values, row 0 has 2"),
        ([["dog"], ["cat", "tie"]], "lists of tags go to Annotations.from_tags"),
        (np.zeros((0, 3)), "no instances"),
        ([], "1 dimensions"),
        (np.zeros((3, 0)), "no columns"),
        ([[0], [1], [1]], "attributes have 3 instances, groups have 1"),
    ],
)
def test_bad_attributes(attributes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations(attributes, ["a"])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", "b"], "attributes have 4 instances, groups have 2"),
        ([None] * 4, "no group, all 4 labels are missing; declare group_names"),
        (np.full(4, np.nan), "no group"),
        (["a", "", "b", "b"], "groups: row 1 has the label ''; expected text that is not empty"),
        ([0.0, 1.0, 0.5, 0.0], "row 2 has the label 0.5"),
        (np.array([0, 1, np.inf, 0]), "row 2 has the label inf"),
        (["a", b"b", "a", "a"], "row 1 has the label b'b'"),
        (["a", ["b"], "a", "a"], r"row 1 has the label \['b'\]"),
        (["a", {}, "a", "a"], r"row 1 has the label \{\}"),
        (["a", 10**5000, "a", "a"], "row 1 has the label a huge int"),
        (["a", 1j, "a", "a"], "row 1 has the label 1j"),
        (np.array([1j] * 4), "dtype complex128"),
        (np.array([b"a"] * 4), "dtype .S1"),
        ("male", "one value per instance, not 'male'"),
        (None, "one value per instance"),
        (3, "one value per instance"),
        (np.array(3), r"one-dimensional, this has the shape \(\)"),
        ({"a": 1}, "one-dimensional"),
        ([[1, 0], [0, 1], [0, 2], [0, 0]], r"groups: row 2, column 1 \('1'\) is 2"),
        (np.array([["a"]] * 4), "groups have dtype <U1"),
        ([[1], [0]], "attributes have 4 instances, groups have 2"),
        (np.zeros((4, 2, 2)), "two-dimensional"),
        (np.zeros((4, 0)), "groups have no columns"),
        ([], "no instances"),
    ],
)
def test_bad_groups(groups: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations(TABLE, groups)


def test_a_column_of_ids_is_not_groups() -> None:
    n = 5000
    with pytest.raises(InputError, match=r"5,000 distinct labels .* is this a column of groups"):
        Annotations(np.ones((n, 1)), np.arange(n))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attribute_names": ["a", "b"]}, "attributes have 3 columns, but 2 names were given"),
        ({"attribute_names": ["a", "b", "a"]}, "'a' stands at positions 0 and 2"),
        ({"attribute_names": ["1", 1, "2"]}, "'1' stands at positions 0 and 1"),
        ({"attribute_names": ["a", "", "c"]}, "attribute_names: name 1 is ''"),
        ({"attribute_names": ["a", None, "c"]}, "name 1 is missing"),
        ({"attribute_names": ["a", 1.5, "c"]}, "name 1 is 1.5"),
        ({"attribute_names": "abc"}, "attribute_names must be a list of names, not 'abc'"),
        ({"attribute_names": 3}, "must be a list of names"),
        ({"attribute_names": []}, "attributes have 3 columns, but 0 names"),
        ({"group_names": ["male", "femal"]}, "row 1 has the label 'female'.* did you mean 'femal'"),
        ({"group_names": ["x", "y"]}, "row 0 has the label 'male', .* there are 'x', 'y'"),
        ({"group_names": ["x", "x"]}, "'x' stands at positions 0 and 1"),
        ({"group_names": []}, "row 0 has the label 'male'"),
        ({"ids": [1, 2, 3]}, "attributes have 4 instances, ids have 3"),
        ({"ids": [1, 2, 1, 3]}, "ids: rows 0 and 2 have the same id 1"),
        ({"ids": [1, 2, None, 3]}, "ids: row 2 is missing"),
        ({"ids": [1, "2", 3, 4]}, "ids: row 1 is '2'; expected whole numbers only, or text only"),
        ({"ids": [True, False, 3, 4]}, "row 0 is True"),
        ({"ids": [1.5, 2, 3, 4]}, "row 0 is 1.5"),
        ({"ids": "abcd"}, "one value per instance"),
        ({"like": "train"}, "like must be Annotations, not str"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations(TABLE, GENDER, **options)


def test_like_and_names_exclude_each_other() -> None:
    train = Annotations(TABLE, GENDER)
    for names in ({"attribute_names": ["a"]}, {"group_names": ["a"]}):
        with pytest.raises(InputError, match="like= brings both vocabularies"):
            Annotations(TABLE, GENDER, like=train, **names)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([["a"], None], "tags: row 1 is missing .*a missing annotation is not an empty one"),
        ([["a"], float("nan")], "tags: row 1 is missing"),
        ([["a"], ["b", None]], "tags: row 1 holds a missing tag"),
        ([["a"], ["b", ""]], "tags: row 1 has the label ''"),
        ([["a"], [["b"]]], r"tags: row 1 has the label \['b'\]"),
        ([["a"], "b"], "tags: row 1 is 'b'; expected a list or set of tags"),
        ([["a"], {"b": 1}], "row 1 is {'b': 1}"),
        ([["a"], 3], "row 1 is 3"),
        ([[], []], "no instance has a tag; declare attribute_names"),
        ([], "tags have no instances"),
        ("ab", "one value per instance"),
        ([["a"]], "attributes have 1 instances, groups have 2"),
        (np.array([["a"], ["b"]]), "one-dimensional"),
        (np.array([1, 0]), "row 0 is 1"),
    ],
)
def test_bad_tags(tags: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_tags(tags, ["a", "b"])


def test_unknown_tags() -> None:
    with pytest.raises(InputError, match=r"row 1 has the tag 'dgo', .* did you mean 'dog'\? .*unknown='ignore'"):
        Annotations.from_tags([["dog"], ["dog", "dgo"]], ["a", "b"], attribute_names=["dog", "cat"])
    with pytest.raises(InputError, match="unknown must be 'error' or 'ignore', not 'drop'"):
        Annotations.from_tags([["dog"]], ["a"], unknown="drop")


def test_messages_are_short() -> None:
    with pytest.raises(InputError) as caught:
        Annotations(TABLE, ["a"] * 4, group_names=[f"group {i}" for i in range(1000)])
    assert len(str(caught.value)) < 250
    with pytest.raises(InputError, match=re.escape("...")):
        Annotations([["x" * 1000]], ["a"])


# ---- a real table


@pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not here")
def test_real_captions_against_a_loop() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = DATA / "coco_captions.parquet"
    filters = [("split", "=", "test")]
    made = Annotations.from_parquet(path, tags="objects", groups="gender", filters=filters, ids="image_id")
    rows = parquet.read_table(path, filters=filters).to_pylist()
    names = sorted({tag for row in rows for tag in row["objects"]})
    genders = sorted({row["gender"] for row in rows if row["gender"]})
    assert made.attribute_names == tuple(names)
    assert made.group_names == tuple(genders)
    assert made.ids is not None
    assert made.ids.tolist() == [row["image_id"] for row in rows]
    assert_holds(
        made,
        [[name in row["objects"] for name in names] for row in rows],
        [[row["gender"] == gender for gender in genders] for row in rows],
    )

    predicted = Annotations.from_parquet(
        path, tags="objects__lic_sat", groups="gender__lic_sat", filters=filters, like=made, ids="image_id"
    )
    made.check_same_instances(predicted)
    assert_holds(
        predicted,
        [[name in row["objects__lic_sat"] for name in names] for row in rows],
        [[row["gender__lic_sat"] == gender for gender in genders] for row in rows],
    )
    with pytest.raises(InputError, match="column 'objects__lic_sat': row 0 is missing"):
        Annotations.from_parquet(path, tags="objects__lic_sat", groups="gender")


@pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not here")
def test_real_faces_against_numpy() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = DATA / "celeba.parquet"
    table = parquet.read_table(path)
    names = [name for name in table.column_names if name not in ("split", "Male")]
    made = Annotations.from_parquet(path, attributes=names, groups="Male")
    assert made.group_names == ("False", "True")
    male = table["Male"].to_numpy()
    expected = np.column_stack([table[name].to_numpy() for name in names])
    assert_holds(made, expected, np.column_stack([~male, male]))


def test_groups_of_other_annotations_are_taken_over() -> None:
    """A model that predicts no groups is audited with those of the test table."""
    test = Annotations([[1, 0], [0, 1]], ["x", None], attribute_names=["dog", "tie"])
    pred = Annotations([[1, 1], [0, 1]], test, like=test)
    assert pred.packed_groups is test.packed_groups
    assert np.array_equal(Annotations.from_tags([["dog"], []], test, like=test).to_numpy()[1], test.to_numpy()[1])
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"dog": [0, 1], "tie": [1, 1]})
    assert repr(Annotations.from_dataframe(table, groups=test, like=test)) == repr(pred)
    with pytest.raises(InputError, match="1 instances, groups have 2"):
        Annotations([[1, 1]], test, like=test)
    with pytest.raises(InputError, match="declared groups"):
        Annotations([[1, 1], [0, 1]], test, group_names=["y"])
