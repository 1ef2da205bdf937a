"""Wrong data and wrong arguments: an InputError that says what is wrong, never a guess and never another exception."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_dtypes, array_shapes, arrays, scalar_dtypes

import askew
from askew import Annotations, AttributeSets, InputError, audit, count

pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

RNG = np.random.default_rng(0)
TRAIN = Annotations(RNG.random((60, 3)) < 0.5, RNG.choice(["x", "y"], 60), attribute_names=["cup", "dog", "tea"])
TEST = Annotations(RNG.random((40, 3)) < 0.5, RNG.choice(["x", "y"], 40), like=TRAIN)
PRED = Annotations(RNG.random((40, 3)) < 0.5, RNG.choice(["x", "y"], 40), like=TRAIN)
METRICS = [askew.mals, askew.directional, askew.multi_mals, askew.multi_directional, askew.audit]


def n_train(counts: Any) -> Any:
    return counts.train.n


# --- annotations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, -1, 0.5, math.nan, math.inf, "yes", None, 1j, [1]], ids=repr)
@pytest.mark.parametrize("where", ["attributes", "groups"])
def test_a_value_other_than_0_and_1(where: str, value: object) -> None:
    table = np.array([[0, 1], [1, 0], [0, 0]], object)
    table[1, 1] = value
    fine = [[1, 0]] * 3
    with pytest.raises(InputError, match=rf"^{where}: row 1, column 1 .* expected 0 or 1"):
        Annotations(*((table, fine) if where == "attributes" else (fine, table)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_number_other_than_0_and_1_in_any_array(dtype: type, order: Any) -> None:
    table = np.zeros((1500, 7), dtype, order=order)
    table[1234, 5] = 2
    with pytest.raises(InputError, match=r"row 1234, column 5 \('5'\) is 2"):
        Annotations(table, ["x"] * 1500)


@pytest.mark.parametrize(
    ("attributes", "groups"),
    [
        ([1, 0], ["x", "y"]),  # one dimension
        (np.zeros((2, 2, 2)), ["x", "y"]),
        (np.zeros((0, 2)), []),  # no instances
        (np.zeros((2, 0)), ["x", "y"]),  # no attributes
        ([[1], [0]], ["x"]),  # lengths
        ([[1], [0]], [[1], [0], [0]]),
        ([[1], [0, 1]], ["x", "y"]),  # ragged
        ([[1], [0]], [None, math.nan]),  # no group
        ([[1], [0]], ["x", ""]),
        ([[1], [0]], ["x", 0.5]),
        ([[1], [0]], np.zeros((2, 0))),
        ("text", ["x", "y"]),
        (None, ["x", "y"]),
        ([[1], [0]], None),
        ([[1], [0]], 5),
    ],
    ids=repr,
)
def test_shapes_and_labels(attributes: Any, groups: Any) -> None:
    with pytest.raises(InputError):
        Annotations(attributes, groups)


@pytest.mark.parametrize(
    "names",
    [
        {"attribute_names": ["a"]},
        {"attribute_names": ["a", "a"]},
        {"attribute_names": ["a", ""]},
        {"attribute_names": ["a", None]},
        {"attribute_names": "ab"},
        {"attribute_names": 5},
        {"group_names": ["x"]},
        {"group_names": ["x", "x", "y"]},
        {"group_names": []},
        {"like": "x"},
        {"like": TRAIN, "group_names": ["x", "y"]},
        {"ids": [1]},
        {"ids": [1, 1]},
        {"ids": [1, None]},
        {"ids": [1, "b"]},
    ],
    ids=repr,
)
def test_names_and_ids(names: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Annotations([[1, 0], [0, 1]], ["x", "y"], **names)


def test_a_predicted_group_that_was_not_declared() -> None:
    with pytest.raises(InputError, match=r"row 1 has the label 'z'.*'x', 'y'"):
        Annotations([[1, 0, 0]] * 2, ["x", "z"], like=TRAIN)


def test_a_predicted_tag_that_was_not_declared() -> None:
    with pytest.raises(InputError, match=r"row 0 has the tag 'cat'"):
        Annotations.from_tags([["cat"], []], ["x", "y"], like=TRAIN)


# --- tables that do not belong together -------------------------------------------------------------------------


def test_test_and_pred_of_different_instances() -> None:
    other = Annotations([[1, 0, 1]] * 39, ["x"] * 39, like=TRAIN)
    for metric in METRICS:
        with pytest.raises(InputError, match="40 and 39 instances"):
            metric(TRAIN, TEST, other)
    with pytest.raises(InputError, match="40 and 39 instances"):
        count(TEST, ["cup"], pred=other)
    test = Annotations([[1]] * 3, ["x", "y", "y"], ids=["a", "b", "c"])
    pred = Annotations([[1]] * 3, ["x", "y", "y"], like=test, ids=["a", "c", "b"])
    with pytest.raises(InputError, match="row 1 has the id 'b'"):
        askew.mals(test, test, pred)


@pytest.mark.parametrize(
    "names",
    [
        {"attribute_names": ["cup", "tea", "dog"], "group_names": ["x", "y"]},
        {"attribute_names": ["cup", "dog", "mug"], "group_names": ["x", "y"]},
        {"attribute_names": ["cup", "dog", "tea"], "group_names": ["y", "x"]},
        {"attribute_names": ["cup", "dog", "tea"], "group_names": ["x", "y", "z"]},
    ],
    ids=repr,
)
def test_different_names(names: dict[str, Any]) -> None:
    other = Annotations([[1, 0, 1]] * 40, ["x", "y"] * 20, **names)
    for metric in METRICS:
        for tables in [(other, TEST, PRED), (TRAIN, other, PRED), (TRAIN, TEST, other)]:
            with pytest.raises(InputError, match=r"different (attribute|group) names"):
                metric(*tables)
    for universe in (AttributeSets.subsets, AttributeSets.observed):
        with pytest.raises(InputError, match=r"different (attribute|group) names"):
            universe(TRAIN, other)


def test_one_group_only() -> None:
    table = Annotations([[1], [0]], ["x", "x"])
    for metric in METRICS:
        with pytest.raises(InputError, match="group"):
            metric(table, table, table)


BAD_TABLES = [None, 5, "x", np.zeros((3, 3)), [[1, 0, 1]]]


@pytest.mark.parametrize("bad", BAD_TABLES, ids=lambda bad: type(bad).__name__)
def test_something_else_than_annotations(bad: Any) -> None:
    for metric in METRICS:
        for tables in [(bad, TEST, PRED), (TRAIN, bad, PRED), (TRAIN, TEST, bad)]:
            with pytest.raises(InputError):
                metric(*tables)
    for call in (AttributeSets.subsets, AttributeSets.observed, AttributeSets.singletons, askew.bias_scores):
        with pytest.raises(InputError):
            call(bad)
    with pytest.raises(InputError):
        count(bad, ["cup"])
    with pytest.raises(InputError):
        askew.bootstrap(n_train, bad)
    if bad is not None:
        with pytest.raises(InputError):
            count(TEST, ["cup"], pred=bad)
        with pytest.raises(InputError):
            AttributeSets.subsets(TRAIN, bad)


def test_a_statistic_of_no_table_or_of_predictions_alone() -> None:
    with pytest.raises(InputError, match="needs a table"):
        askew.bootstrap(n_train)
    with pytest.raises(InputError, match="pass test"):
        askew.bootstrap(n_train, TRAIN, None, PRED)


@pytest.mark.parametrize(
    "statistic",
    [
        lambda counts: 1.0,
        lambda counts: None,
        lambda counts: counts.train.n[:1].repeat(9),
        lambda counts: np.zeros((7, 7)),
    ],
)
def test_a_statistic_of_another_shape(statistic: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match="replicates first"):
        askew.bootstrap(statistic, TRAIN, n_resamples=5)


def test_a_statistic_whose_shape_changes() -> None:
    with pytest.raises(InputError, match="returned shapes"):
        askew.bootstrap(lambda counts: np.zeros((len(counts.train), len(counts.train))), TRAIN, n_resamples=5)


# --- keywords ---------------------------------------------------------------------------------------------------

BAD_RESAMPLING: dict[str, list[Any]] = {
    "n_resamples": [-1, 1.0, 2.5, True, "5", None, 2**31, [5], math.nan],
    "weights": ["normal", "", None, 5, [], {}],
    "rng": [-1, 2**64, 1.5, True, "0", [1], math.nan, np.random.RandomState(0)],
    "backend": ["gpu", "", None, 5, [], b"numpy"],
    "n_threads": [0, -1, 1.5, True, "two", 5000, [], math.nan],
    "max_memory": [0, -1, 2**30 + 0.5, True, "1GB", None, 2**28 - 1, []],
    "progress": ["yes", 1, None, []],
}
BAD_OPTIONS: dict[str, list[Any]] = {
    **BAD_RESAMPLING,
    "confidence_level": [0, 1, -0.1, 2, 95, "0.95", None, True, math.nan, math.inf, [0.9]],
    "method": ["median", "Percentile", "", None, 5, [], {}],
    "convention": ["papers", "", None, 5, [], {}, ("paper",)],
    "resample": ["pred", "", None, 5, [], (), ("train", "train"), ("train", "pred"), [1], [["train"]], ("train", None)],
    "sets": [
        *("all", 5, 1.5, b"cup", [[]], [None], [5], [[0]], [[["cup"]]], ["mug"], [["cup", "mug"]]),
        *(["cup", "cup"], [["cup", "cup"]], [["cup", "tea"], ["tea", "cup"]], np.array([0, 1])),
    ],
    "max_size": [0, -1, 1.5, True, "2", [], math.nan],
    "min_count": [0, -1, 1.5, True, "2", None, [], 61, 10**6, 2**70],
    "max_sets": [0, -1, 1.5, True, "2", None, []],
    "support": ["all", "", None, 5, []],
    "signed": ["yes", 2, [], 0.5],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:50]) for name, values in table.items() for value in values
    ]


@pytest.mark.parametrize(("name", "value"), cases(BAD_OPTIONS))
def test_a_bad_keyword_of_an_audit(name: str, value: object) -> None:
    with pytest.raises(InputError):
        audit(TRAIN, TEST, PRED, **{"n_resamples": 2, name: value})


@pytest.mark.parametrize(("name", "value"), cases(BAD_OPTIONS))
def test_a_bad_keyword_of_a_metric(name: str, value: object) -> None:
    with pytest.raises(InputError):
        askew.multi_directional(TRAIN, TEST, PRED, **{"n_resamples": 2, name: value})


@pytest.mark.parametrize(("name", "value"), cases({name: BAD_OPTIONS[name] for name in (*BAD_RESAMPLING, "sets")}))
def test_a_bad_keyword_of_a_statistic_or_of_bias_scores(name: str, value: object) -> None:
    with pytest.raises(InputError):
        askew.bootstrap(n_train, TRAIN, **{"n_resamples": 2, name: value})
    with pytest.raises(InputError):
        askew.bias_scores(TRAIN, **{"n_resamples": 2, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            **BAD_RESAMPLING,
            "first_row": [-1, 1.5, True, "0", None, 2**63, math.nan],
            "table": ["pred", "", 5, [], ("train",)],
        }
    ),
)
def test_a_bad_keyword_of_count(name: str, value: object) -> None:
    with pytest.raises(InputError):
        count(TRAIN, ["cup"], **{"n_resamples": 2, name: value})


@pytest.mark.parametrize("sets", BAD_OPTIONS["sets"], ids=repr)
def test_bad_sets_of_count(sets: Any) -> None:
    with pytest.raises(InputError):
        count(TRAIN, sets)


@pytest.mark.parametrize("sets", [[], (), "", AttributeSets([], TRAIN.attribute_names)], ids=repr)
def test_no_sets(sets: Any) -> None:
    for metric in METRICS:
        with pytest.raises(InputError, match="sets"):
            metric(TRAIN, TEST, PRED, sets=sets)
    with pytest.raises(InputError, match="sets"):
        askew.bias_scores(TRAIN, sets=sets)
    with pytest.raises(InputError, match="sets"):
        askew.bootstrap(n_train, TRAIN, sets=sets)
    with pytest.raises(InputError, match="sets"):
        count(TRAIN, sets)


@pytest.mark.parametrize("direction", ["sideways", "", "G->A", None, 5, [], {}], ids=repr)
def test_a_bad_direction(direction: Any) -> None:
    for metric in (askew.directional, askew.multi_directional):
        with pytest.raises(InputError, match="direction"):
            metric(TRAIN, TEST, PRED, direction=direction)


@pytest.mark.parametrize("function", [*METRICS, askew.bias_scores, askew.bootstrap])
def test_an_unknown_keyword(function: Callable[..., Any]) -> None:
    tables = {askew.bias_scores: (TRAIN,), askew.bootstrap: (n_train, TRAIN)}.get(function, (TRAIN, TEST, PRED))
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an unexpected keyword argument 'min_counts'"):
        function(*tables, min_counts=1)


@pytest.mark.parametrize(
    "choice",
    [{"sets": "singletons"}, {"tie": None}, {"multi_baseline": []}, {"undefined_mals": "nan"}, {"empty_rows": True}],
    ids=repr,
)
def test_a_bad_convention(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(choice))} must be one of"):
        askew.Convention(**choice)


@pytest.mark.parametrize(("name", "value"), [("ASKEW_BACKEND", "gpu"), ("ASKEW_NUM_THREADS", "many")])
def test_a_bad_environment_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=value):
        audit(TRAIN, TEST, PRED)


# --- attribute sets ---------------------------------------------------------------------------------------------


def test_no_set_is_frequent_enough() -> None:
    for convention in ("paper", "reference"):
        with pytest.raises(InputError, match="min_count=41"):
            audit(TRAIN, TEST, PRED, min_count=41, convention=convention)
    with pytest.raises(InputError, match="min_count"):
        AttributeSets.subsets(TRAIN, TEST, support="every", min_count=40)


@pytest.mark.parametrize("backend", ["auto", "numba", "numpy"])
def test_a_universe_too_large_names_the_arguments(backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    wide = Annotations(np.ones((20, 40)), ["x", "y"] * 10)
    for call in (
        lambda: audit(wide, wide, wide, backend=backend, max_sets=5000),
        lambda: AttributeSets.subsets(wide, wide, backend=backend, max_sets=5000),
        lambda: AttributeSets.subsets(wide, max_size=3, backend=backend, max_sets=5000),
    ):
        with pytest.raises(InputError, match=r"5,000.*max_size.*min_count.*max_sets"):
            call()


@pytest.mark.parametrize("sets", [["cup", "dog", "tea"], "singletons", "observed"])
def test_a_list_longer_than_max_sets(sets: Any) -> None:
    with pytest.raises(InputError, match="max_sets"):
        audit(TRAIN, TEST, PRED, sets=sets, max_sets=2)


def test_sets_over_other_attributes() -> None:
    other = AttributeSets([["cup"]], ["cup", "mug"])
    for call in (lambda: audit(TRAIN, TEST, PRED, sets=other), lambda: count(TRAIN, other)):
        with pytest.raises(InputError, match="other attributes"):
            call()


def test_a_bad_filter() -> None:
    sets = AttributeSets.singletons(TRAIN)
    for bad in ([True], [1, 0, 1], "cup"):
        with pytest.raises(InputError, match="boolean array"):
            sets.filter(bad)


def test_counts_that_would_not_fit() -> None:
    with pytest.raises(InputError, match="max_memory"):
        count(TRAIN, ["cup"], n_resamples=2**31 - 1)
    with pytest.raises(InputError, match="max_memory"):
        audit(TRAIN, TEST, PRED, n_resamples=2**31 - 1)


# --- counts and their files -------------------------------------------------------------------------------------


def counted(first_row: int = 0, **options: Any) -> askew.Counts:
    defaults = {"pred": PRED, "n_resamples": 2, "rng": 1}
    return count(TEST, **{"sets": ["cup", "tea"], **defaults, **options}, first_row=first_row)


@pytest.mark.parametrize("first_row", [0, 1, 39])
def test_the_same_rows_twice(first_row: int) -> None:
    with pytest.raises(InputError, match=r"both contain rows .*first_row"):
        counted() + counted(first_row)
    with pytest.raises(InputError, match="both contain rows"):
        counted(first_row) + counted()


def test_rows_between_others() -> None:
    with pytest.raises(InputError, match="both contain rows 40 to 79"):
        counted() + counted(40) + counted(80) + counted(40)


@pytest.mark.parametrize(
    "other",
    [
        *({"sets": ["cup"]}, {"sets": ["tea", "cup"]}, {"pred": None, "table": "test"}, {"table": "train"}),
        *({"n_resamples": 3}, {"rng": 2}, {"weights": "poisson32"}),
    ],
    ids=repr,
)
def test_counts_made_otherwise(other: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="differ"):
        counted() + counted(40, **other)


def test_counts_of_other_groups() -> None:
    groups = Annotations([[1, 0, 1]] * 9, ["x"] * 9, attribute_names=TEST.attribute_names, group_names=["x", "z"])
    with pytest.raises(InputError, match="groups differ"):
        counted(pred=None) + count(groups, ["cup", "tea"], n_resamples=2, rng=1, table="test", first_row=40)


def test_counts_and_something_else() -> None:
    for other in (0, None, "counts"):
        with pytest.raises(TypeError):
            counted() + other  # type: ignore[operator]
        assert counted() != other


def test_views_that_need_predictions() -> None:
    for view in ("prediction", "predicted_attributes", "predicted_groups"):
        with pytest.raises(InputError, match="without predictions"):
            getattr(counted(pred=None), view)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "counts"
    counted().save(path)
    return path.read_bytes()


def test_a_file_cut_anywhere(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "counts"
    for length in range(0, len(saved), 7):
        path.write_bytes(saved[:length])
        with pytest.raises(InputError, match="counts"):
            askew.Counts.load(path)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_file_with_a_flipped_byte(mask: int, saved: bytes, tmp_path: Path) -> None:
    """Found out, or in a place that means nothing; never taken for other counts."""
    path, whole, found = tmp_path / "counts", counted(), 0
    for position in range(len(saved)):
        damaged = bytearray(saved)
        damaged[position] ^= mask
        path.write_bytes(damaged)
        try:
            loaded = askew.Counts.load(path)
        except InputError:
            found += 1
        else:
            assert loaded == whole, f"byte {position}"
    assert found > len(saved) / 2


@pytest.mark.parametrize("header", ["[]", "1", "{}", "not JSON", '{"format": "askew counts"}', '{"format": "other"}'])
def test_an_archive_of_another_kind(header: str, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", header)
    with pytest.raises(InputError, match=r"other\.zip"):
        askew.Counts.load(path)


def test_a_file_of_a_newer_version(saved: bytes, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(saved)
    with zipfile.ZipFile(old) as archive, zipfile.ZipFile(new, "w") as copy:
        for name in archive.namelist():
            part = archive.read(name)
            if name == "header.json":
                part = json.dumps({**json.loads(part), "version": 1000}).encode()
            copy.writestr(name, part)
    with pytest.raises(InputError, match="newer askew"):
        askew.Counts.load(new)


def test_no_such_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    for path in ("missing", ".", "arrays.npz", "missing/file"):
        with pytest.raises(InputError):
            askew.Counts.load(tmp_path / path)


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for path in ("missing/counts", "file/counts", "folder"):
        with pytest.raises((OSError, InputError)):
            counted().save(tmp_path / path)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_saving_on_a_full_disk(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "counts"
    counted().save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises((OSError, InputError)):
        counted(40).save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["counts"]
    assert path.read_bytes() == before


# --- anything at all --------------------------------------------------------------------------------------------

many = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats() | st.complex_numbers()
    | st.text(max_size=3) | st.binary(max_size=3)
    | st.sampled_from(["x", "y", "cup", "tea", 0, 1, 1.0, math.nan, np.int8(1), np.datetime64("NaT"), object()])
)  # fmt: skip
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple), max_leaves=12
)
any_array = st.one_of(
    arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    arrays(array_dtypes(), array_shapes(min_dims=1, max_dims=2, max_side=2)),
    arrays(object, array_shapes(min_dims=1, max_dims=2, max_side=3), elements=scalars),
)
almost_fine = st.lists(
    st.lists(st.sampled_from([0, 1, 1, True, 2, None, math.nan]), min_size=1, max_size=3), max_size=4
)
labels = st.lists(st.sampled_from(["x", "y", None, "", 3, 2.5, True]), max_size=4)
anything = scalars | nested | any_array | almost_fine | labels


def valid(annotations: Annotations) -> None:
    attributes, groups = annotations.to_numpy()
    assert attributes.shape == (annotations.n, len(annotations.attribute_names))
    assert groups.shape == (annotations.n, len(annotations.group_names))
    assert min(attributes.shape) >= 1
    assert groups.shape[1] >= 1
    assert repr(annotations)


@given(attributes=anything, groups=anything)
@many
def test_any_attributes_and_groups(attributes: Any, groups: Any) -> None:
    with suppress(askew.AskewError):
        valid(Annotations(attributes, groups))


@given(
    keywords=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("attribute_names", "group_names", "like", "ids"), anything)
    )
)
@many
def test_any_names_and_ids(keywords: dict[str, Any]) -> None:
    with suppress(askew.AskewError):
        valid(Annotations([[0, 1], [1, 1]], ["x", "y"], **keywords))


@given(tags=anything, groups=labels)
@many
def test_any_tags(tags: Any, groups: Any) -> None:
    with suppress(askew.AskewError):
        valid(Annotations.from_tags(tags, groups))


names_and_not = st.sampled_from(["cup", "dog", "tea", "mug", "", 0, None, 1.5])
any_sets = st.lists(names_and_not | st.lists(names_and_not, max_size=3), max_size=4) | nested
plausible: dict[str, st.SearchStrategy[Any]] = {
    "n_resamples": st.integers(-2, 40),
    "weights": st.sampled_from(["poisson", "poisson32", "multinomial"]),
    "rng": st.integers(0, 2**64) | st.builds(np.random.default_rng, st.integers(0, 9)),
    "n_threads": st.integers(-1, 3),
    "max_memory": st.sampled_from([2**28, 2**30, 2**28 - 1]),
}
of_a_metric: dict[str, st.SearchStrategy[Any]] = {
    **plausible,
    "sets": any_sets | st.sampled_from(["subsets", "observed", "singletons"]),
    "max_size": st.integers(-1, 2**70) | st.none(),
    "min_count": st.integers(-1, 30),
    "max_sets": st.integers(-1, 2**70),
    "support": st.sampled_from(["any", "every"]),
    "convention": st.sampled_from(["paper", "reference"]),
    "signed": st.sampled_from([None, True, False]),
    "confidence_level": st.floats(-0.1, 1.1),
    "method": st.sampled_from(["percentile", "basic", "bca"]),
    "resample": st.lists(st.sampled_from(["train", "test"]), max_size=3) | st.sampled_from(["train", "test"]),
}
any_option = scalars | nested  # arrays are no value of an option


def keywords_of(fine: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to three keywords, of plausible values or others, of which none asks for much work."""
    of_any = {name: values | any_option.filter(lambda value: not _is_large(value)) for name, values in fine.items()}
    names = st.lists(st.sampled_from(sorted(fine)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: of_any[name] for name in chosen}))


def _is_large(value: object) -> bool:
    return isinstance(value, int) and value > 1000


@given(sets=any_sets, keywords=keywords_of({**plausible, "first_row": st.integers(), "table": st.just("test")}))
@many
def test_any_count(sets: Any, keywords: dict[str, Any]) -> None:
    with suppress(askew.AskewError):
        counts = count(TRAIN, sets, **keywords)
        assert counts.truth.co_set_group.shape == (len(counts), len(counts.sets), 2)
        assert counts.truth.co_set_group.min() >= 0
        assert counts.n[0] == TRAIN.n


@given(keywords=keywords_of(of_a_metric))
@many
def test_any_audit(keywords: dict[str, Any]) -> None:
    with suppress(askew.AskewError):
        result = audit(TRAIN, TEST, PRED, **keywords)
        assert len(result) == 6
        for estimate in result.values():
            assert estimate.bootstrap_distribution.shape == (result.run.n_resamples,)
            assert -1 <= estimate.value <= 2 or math.isnan(estimate.value)
        assert json.loads(result.to_json(cells=True))
        assert repr(result)
        assert result._repr_html_()


row = st.tuples(st.lists(st.booleans(), min_size=2, max_size=2), st.sampled_from(["x", "y", None]))


@given(rows=st.lists(st.tuples(row, row), min_size=1), convention=st.sampled_from(["paper", "reference"]))
@many
def test_any_tables(rows: list[Any], convention: str) -> None:
    """With anything missing: undefined cells are counted, and a value is undefined only if all of them are."""
    names = {"attribute_names": ["a", "b"], "group_names": ["x", "y"]}
    test, pred = (Annotations(*map(list, zip(*part, strict=True)), **names) for part in zip(*rows, strict=True))
    with suppress(InputError):  # no set in both tables
        for estimate in audit(test, test, pred, convention=convention, n_resamples=3, rng=0).values():
            undefined = np.isnan(estimate.cells["delta"])
            assert estimate.n_undefined == undefined.sum()
            assert math.isnan(estimate.value) == undefined.all()
