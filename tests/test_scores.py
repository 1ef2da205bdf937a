"""Scores → predictions: thresholds, ties, precision, calibration, and every bad input."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import askew
import host_gpu_array
from askew import Annotations, InputError, calibrated_thresholds
from askew.interop import scores as interop_scores

GROUPS = ["x", "y", "y", None]
SCORES = np.array([[0.9, -3], [0.5, 0.2], [0.4999, 0.7], [-np.inf, np.inf]])


def predicted(scores: Any, thresholds: Any = 0.5) -> np.ndarray:
    """Which cells are predicted, by the class under test."""
    return Annotations.from_scores(scores, ["x"] * len(scores), thresholds=thresholds).to_numpy()[0]


# --- what a user does -------------------------------------------------------------------------------------------


def test_a_score_is_predicted_from_its_threshold_on() -> None:
    pred = Annotations.from_scores(SCORES, GROUPS, attribute_names=["cup", "tea"], ids=[4, 3, 2, 1])
    assert pred.attribute_names == ("cup", "tea")
    assert pred.group_names == ("x", "y")
    assert pred.ids is not None
    assert pred.ids.tolist() == [4, 3, 2, 1]
    assert pred.to_numpy()[0].tolist() == [[True, False], [True, False], [False, True], [False, True]]


def test_one_threshold_for_each_attribute() -> None:
    assert predicted(SCORES, [0.4, 0.2]).tolist() == [[True, False], [True, True], [True, True], [False, True]]


def test_infinite_thresholds() -> None:
    assert predicted(SCORES, [-np.inf, np.inf]).tolist() == [[True, False], [True, False], [True, False], [True, True]]


def test_the_vocabulary_and_groups_of_the_ground_truth() -> None:
    test = Annotations([[1, 0]] * 4, GROUPS, attribute_names=["cup", "tea"])
    pred = Annotations.from_scores(SCORES, groups=test, like=test)
    test.check_same_instances(pred)
    assert (pred.packed_groups == test.packed_groups).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.int8, np.int64, np.uint64, np.uint8])
@pytest.mark.parametrize("order", ["C", "F", "strided", "list"])
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_dtypes_and_memory_orders(dtype: Any, order: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interop_scores, "_BYTES", piece)
    table = (np.random.default_rng(0).random((1300, 5)) * 100).astype(dtype)
    expected = table.astype(np.float64) >= [50, 20, -1, 101, 99]
    given: Any = {"list": table.tolist(), "strided": np.repeat(table, 2, axis=1)[:, ::2]}.get(order)
    given = np.asarray(table, order=order) if given is None else given
    assert (predicted(given, np.array([50, 20, -1, 101, 99], np.int16)) == expected).all()


def test_booleans_are_scores_of_0_and_1() -> None:
    table = np.array([[True, False]])
    assert (predicted(table) == table).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_threshold_has_the_precision_of_the_scores(dtype: type) -> None:
    """float32(0.7) is less than 0.7, and float32(0.1) is more."""
    tenths = (np.arange(11) / 10).astype(dtype)[:, None]
    for step in range(11):
        assert (predicted(tenths, step / 10)[:, 0] == (np.arange(11) >= step)).all()
        assert (predicted(tenths, step / 10) == (tenths >= step / 10)).all()  # what NumPy does


def test_a_threshold_beyond_the_precision_of_the_scores() -> None:
    table = np.array([[np.inf, 65504, 1, 0, -65504, -np.inf]], np.float16).T
    assert predicted(table, 1e6)[:, 0].tolist() == [True, False, False, False, False, False]
    assert predicted(table, -1e6)[:, 0].tolist() == [True, True, True, True, True, False]


def test_whole_numbers_are_compared_exactly() -> None:
    for dtype in (np.int64, np.uint64):
        table = np.array([[2**53 - 1, 2**53]], dtype)
        assert predicted(table, 2**53 - 1).tolist() == [[True, True]]
        assert predicted(table, 2**53).tolist() == [[False, True]]


FLOATS = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-8, 0.5, 1.0, np.inf])


@given(st.data())
def test_ties_and_infinities(data: st.DataObject) -> None:
    n, p = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    table = data.draw(arrays.arrays(np.float64, (n, p), elements=FLOATS)).astype(dtype)
    thresholds = data.draw(arrays.arrays(np.float64, p, elements=FLOATS))
    expected = [[float(s) >= float(t) for s, t in zip(row, thresholds.astype(dtype), strict=True)] for row in table]
    assert predicted(table, thresholds).tolist() == expected


def test_no_copy_of_the_table() -> None:
    table = np.random.default_rng(0).random((400_000, 20), dtype=np.float32)
    groups = Annotations(np.ones((len(table), 1), bool), np.ones((len(table), 1), bool))
    tracemalloc.start()
    try:
        Annotations.from_scores(table, groups)
        assert tracemalloc.get_traced_memory()[1] < table.size  # bytes of a table of booleans
    finally:
        tracemalloc.stop()


# --- calibration ------------------------------------------------------------------------------------------------


def nearest_number(scores: np.ndarray, n_positive: int) -> int:
    """The number of predicted that is nearest to that of positives, the lesser of two, over all thresholds."""
    numbers = {int((scores >= t).sum()) for t in [*scores, np.inf, -np.inf]}
    return min(numbers, key=lambda number: (abs(number - n_positive), number))


def truth_of(n: int, n_positive: list[int]) -> Annotations:
    return Annotations(np.arange(n)[:, None] < n_positive, ["x"] * n)


def test_as_many_are_predicted_as_there_are() -> None:
    rng = np.random.default_rng(0)
    scores, n_positive = rng.random((1000, 6)), [0, 1, 17, 500, 999, 1000]
    truth = truth_of(1000, n_positive)
    thresholds = calibrated_thresholds(scores, truth)
    assert predicted(scores, thresholds).sum(axis=0).tolist() == n_positive
    expected = [np.inf, *(np.sort(scores[:, a])[1000 - n_positive[a]] for a in range(1, 5)), -np.inf]
    assert thresholds.tolist() == expected
    assert thresholds.dtype == np.float64


@pytest.mark.parametrize(
    ("scores", "n_positive", "threshold"),
    [
        ([3, 2, 2, 2, 1], 1, 3),
        ([3, 2, 2, 2, 1], 2, 3),  # 1 is nearer than 4
        ([3, 2, 2, 2, 1], 3, 2),  # 4 is nearer than 1
        ([3, 2, 2, 1], 2, 3),  # 1 is as near as 3: the lesser
        ([1, 1, 1], 1, np.inf),  # 0 is nearer than 3
        ([1, 1], 1, np.inf),  # 0 is as near as 2
        ([1, 1, 1], 2, 1),
        ([1, 1, 1], 3, -np.inf),
        ([7], 1, -np.inf),
        ([7], 0, np.inf),
        ([np.inf, np.inf, 0, 0], 1, np.inf),
        ([np.inf, -np.inf, -np.inf], 2, np.inf),
        ([np.inf, 5, -np.inf], 2, 5),
    ],
)
def test_ties_at_the_threshold(scores: list[float], n_positive: int, threshold: float) -> None:
    table = np.array(scores)[:, None]
    assert calibrated_thresholds(table, truth_of(len(scores), [n_positive])).tolist() == [threshold]


@given(st.data())
def test_no_threshold_comes_nearer(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    elements = st.sampled_from([-np.inf, -2, 0, 0.25, 1, 7, np.inf])
    scores = data.draw(arrays.arrays(np.float32, n, elements=elements))
    n_positive = data.draw(st.integers(0, n))
    thresholds = calibrated_thresholds(scores[:, None], truth_of(n, [n_positive]))
    assert predicted(scores[:, None], thresholds).sum() == nearest_number(scores, n_positive)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint64, bool])
def test_calibration_in_any_dtype(dtype: Any) -> None:
    scores = (np.random.default_rng(1).random((300, 2)) * 100).astype(dtype)
    truth = truth_of(300, [40, 220])
    numbers = predicted(scores, calibrated_thresholds(scores, truth)).sum(axis=0)
    assert numbers.tolist() == [nearest_number(scores[:, a], c) for a, c in [(0, 40), (1, 220)]]


def test_validation_and_test_set() -> None:
    """Thresholds of one set of instances are applied to another."""
    rng = np.random.default_rng(2)
    truth = Annotations(rng.random((5000, 3)) < [0.1, 0.5, 0.2], ["x"] * 5000)
    thresholds = calibrated_thresholds(truth.to_numpy()[0] + rng.normal(size=(5000, 3)), truth)
    test = rng.random((5000, 3)) < [0.1, 0.5, 0.2]
    rates = predicted(test + rng.normal(size=(5000, 3)), thresholds).mean(axis=0)
    np.testing.assert_allclose(rates, [0.1, 0.5, 0.2], rtol=0.15)


# --- third parties ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learn_counts_the_same_predictions(dtype: type) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    scores = rng.random(400).round(2).astype(dtype)  # with ties
    label = rng.random(400) < scores
    fpr, tpr, thresholds = metrics.roc_curve(label, scores, drop_intermediate=False)
    numbers = np.rint(fpr * (~label).sum() + tpr * label.sum())
    assert len(thresholds) > 90
    for threshold, number in zip(thresholds, numbers, strict=True):
        assert predicted(scores[:, None], threshold).sum() == number
    precision, recall, thresholds = metrics.precision_recall_curve(label, scores)
    for threshold, p, r in zip(thresholds, precision, recall, strict=False):
        pred = predicted(scores[:, None], threshold)[:, 0]
        assert (pred & label).sum() / pred.sum() == pytest.approx(p, rel=1e-12)
        assert (pred & label).sum() / label.sum() == pytest.approx(r, rel=1e-12)


def test_scikit_learn_calls_calibrated_predictions_as_precise_as_complete() -> None:
    """Precision and recall have the same numerator: they are equal where predictions are as many as positives."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(4)
    scores = rng.random((500, 3))
    truth = Annotations(rng.random((500, 3)) < scores**2, ["x"] * 500)
    pred = predicted(scores, calibrated_thresholds(scores, truth))
    label = truth.to_numpy()[0]
    precision = metrics.precision_score(label, pred, average=None)
    assert precision.tolist() == metrics.recall_score(label, pred, average=None).tolist()
    assert (precision > label.mean(axis=0)).all()


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_is_named(order: Any, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interop_scores, "_BYTES", 1)
    table = np.full((1300, 3), np.inf, dtype, order=order)
    table[1200, 1] = table[1299, 0] = np.nan
    message = r"^scores: row 1200, column 1 \('tea'\) is missing \(nan\); expected a number$"
    names = ["cup", "tea", "tie"]
    with pytest.raises(InputError, match=message):
        Annotations.from_scores(table, ["x"] * 1300, attribute_names=names)
    truth = Annotations(np.ones((1300, 3)), ["x"] * 1300, attribute_names=names)
    with pytest.raises(InputError, match=message):
        calibrated_thresholds(table, truth)


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1])
def test_whole_numbers_that_float64_does_not_hold(value: int) -> None:
    table = np.array([[0, 0], [0, value]], np.int64)
    with pytest.raises(InputError, match=rf"row 1, column 1 .* is {value}; expected a whole number of at most 2\*\*53"):
        Annotations.from_scores(table, ["x", "y"])


def sparse() -> Any:
    return pytest.importorskip("scipy.sparse").csr_matrix([[0.5, 1.0]])


def frame() -> Any:
    return pytest.importorskip("pandas").DataFrame({"cup": [0.5], "tea": [0.5]})


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda: [0.5, 0.7], "must be a two-dimensional table"),
        (lambda: 0.5, "must be a two-dimensional table"),
        (lambda: np.zeros((1, 2, 3)), "must be a two-dimensional table"),
        (lambda: np.zeros((0, 2)), "scores have no instances"),
        (lambda: np.zeros((1, 0)), "scores have no columns"),
        (lambda: [["0.5", "0.7"]], "scores have dtype <U3"),
        (lambda: [[0.5, None]], "scores have dtype object"),
        (lambda: np.array([[1j, 2]]), "scores have dtype complex128"),
        (lambda: np.zeros((1, 2), np.longdouble), "scores have dtype"),
        (lambda: [[0.5, 0.7], [0.5]], "row 1 has 1 values, row 0 has 2"),
        (lambda: np.ma.masked_greater([[0.1, 0.7]], 0.5), "row 0, column 1 is masked"),
        (lambda: np.zeros((1, 3)), "3 columns, but 2 names"),
        (lambda: host_gpu_array.HostGpuArray(np.zeros((1, 2), np.float32)), "scores are on a GPU"),
        (sparse, r"csr_matrix; expected a dense array: take .*toarray"),
        (frame, r"DataFrame; expected a dense array: take .*to_numpy"),
    ],
)
def test_what_is_no_table_of_scores(scores: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_scores(scores(), ["x"], attribute_names=["cup", "tea"])


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        (np.nan, "thresholds contain NaN"),
        ([0.5, np.nan], "thresholds contain NaN"),
        ([0.5], r"one for each of the 2 attributes; the shape is \(1,\)"),
        ([0.5] * 3, r"the shape is \(3,\)"),
        ([[0.5, 0.5]], r"the shape is \(1, 2\)"),
        ("calibrated", "go together"),
        ("best", r"must be numbers, not 'best'; .*calibrated_thresholds"),
        (None, "must be numbers, not missing"),
        (True, "must be numbers, not True"),
        ([1j, 0], "must be numbers"),
    ],
)
def test_thresholds_that_cannot_be(thresholds: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_scores(SCORES, GROUPS, thresholds=thresholds)


def test_lengths_and_names_that_differ() -> None:
    test = Annotations([[1, 0]] * 4, GROUPS, attribute_names=["cup", "tea"])
    with pytest.raises(InputError, match="attributes have 4 instances, groups have 3"):
        Annotations.from_scores(SCORES, GROUPS[:3])
    with pytest.raises(InputError, match="like= brings both vocabularies"):
        Annotations.from_scores(SCORES, GROUPS, like=test, attribute_names=["a", "b"])
    message = "scores have shape (3, 2), truth has 4 instances and 2 attributes; expected a score for each"
    with pytest.raises(InputError, match=re.escape(message)):
        calibrated_thresholds(SCORES[:3], test)
    with pytest.raises(InputError, match=r"shape \(4, 1\), truth has 4 instances and 2 attributes"):
        calibrated_thresholds(SCORES[:, :1], test)
    with pytest.raises(InputError, match="truth must be Annotations, not list"):
        calibrated_thresholds(SCORES, [[1, 0]])  # type: ignore[arg-type]
    assert askew.calibrated_thresholds is calibrated_thresholds


def test_thresholds_are_calibrated_on_a_validation_set():
    rng = np.random.default_rng(0)
    truth = Annotations(rng.random((50, 3)) < 0.4, ["x", "y"] * 25, attribute_names=["cup", "hat", "tea"])
    of_validation, of_test = rng.random((50, 3)), rng.random((20, 3))
    how = {"groups": ["x", "y"] * 10, "like": truth}
    pred = Annotations.from_scores(of_test, thresholds="calibrated", validation=(of_validation, truth), **how)
    by_hand = np.sort(of_validation, axis=0)[::-1][truth.to_numpy()[0].sum(axis=0) - 1, range(3)]
    assert np.array_equal(pred.to_numpy()[0], of_test >= by_hand)
    with pytest.raises(InputError, match="go together"):
        Annotations.from_scores(of_test, thresholds="calibrated", **how)
    with pytest.raises(InputError, match="go together"):
        Annotations.from_scores(of_test, validation=(of_validation, truth), **how)
    with pytest.raises(InputError, match="must be a pair"):
        Annotations.from_scores(of_test, thresholds="calibrated", validation=[of_validation, truth], **how)
    other = Annotations(truth.to_numpy()[0], ["x", "y"] * 25)
    with pytest.raises(InputError, match="other attributes than are declared"):
        Annotations.from_scores(of_test, thresholds="calibrated", validation=(of_validation, other), **how)
