"""Tables of scores → packed columns: an attribute is predicted where its score reaches the attribute's threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.engine import choose, threads, words_for
from askew.engine.device_arrays import gpu_of
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.interop.binary import Packed, is_frame, is_sparse
from askew.interop.columns import as_array
from askew.interop.names import show, table_names

Scores = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_BYTES = 1 << 20  # comparisons made in one go: they stay in the cache until they are packed
_LARGEST_WHOLE = 2**53  # beyond it float64, in which thresholds are kept, does not tell whole numbers apart


def as_scores(values: Any, what: str = "scores") -> Scores:
    """A two-dimensional array of float16, float32, float64, integers or booleans, as it lies in memory.

    Raises
    ------
    InputError
        No such table, or no instance or attribute in it.
    """
    if gpu_of(values) is not None:
        raise InputError(f"{what} are on a GPU: pass Annotations(scores >= thresholds, …), or bring them to the host")
    if is_frame(values) or is_sparse(values):
        raise InputError(
            f"{what} are a {type(values).__name__}; expected a dense array: take .to_numpy() or .toarray()"
        )
    array = as_array(values, what)
    if array.ndim != 2:
        raise InputError(
            f"{what} must be a two-dimensional table, one row per instance and one column per attribute; "
            f"this has {array.ndim} dimensions, shape {array.shape}"
        )
    if np.ma.is_masked(values):
        row, column = (int(index[0]) for index in np.nonzero(np.ma.getmaskarray(values)))
        raise InputError(f"{what}: row {row}, column {column} is masked; expected a number")
    table_names(array.shape, None, what)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InputError(f"{what} have dtype {array.dtype}; expected float16, float32, float64 or integers")
    return array


def check_scores(scores: Scores, names: Sequence[str], first_row: int = 0) -> None:
    """Raise `InputError` for a score that is NaN, or a whole number that float64 cannot hold.

    Least and greatest are found without a temporary; the least of numbers and NaN is NaN.
    """
    if scores.dtype.kind == "f":
        if not np.isnan(scores.min()):
            return
        wrong, expected = np.isnan(scores), "a number"
    else:
        if int(scores.min()) >= -_LARGEST_WHOLE and int(scores.max()) <= _LARGEST_WHOLE:
            return
        wrong, expected = (scores > _LARGEST_WHOLE) | (scores < -_LARGEST_WHOLE), "a whole number of at most 2**53"
    row, column = divmod(int(np.argmax(wrong)), scores.shape[1])
    value = show(scores[row, column])
    raise InputError(
        f"scores: row {first_row + row}, column {column} ({names[column]!r}) is {value}; expected {expected}"
    )


def as_thresholds(values: Any, what: str) -> Floats:
    """One threshold or several, as float64; infinities are allowed.

    Raises
    ------
    InputError
        Not numbers, or NaN.
    """
    array = as_array(values, what)
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{what} must be numbers, not {show(values)}; askew.calibrated_thresholds() finds those of a validation set"
        )
    numbers: Floats = array.astype(np.float64)
    if np.isnan(numbers).any():
        raise InputError(f"{what} contain NaN; expected numbers (inf predicts nothing, -inf everything)")
    return numbers


def comparable(thresholds: Floats, scores: Scores) -> npt.NDArray[Any]:
    """Thresholds as scores are compared with them: rounded to the scores' own dtype if that is one of floats, so that
    0.7 reaches 0.7 in any precision, as it does in ``scores >= 0.7``.
    """
    if scores.dtype.kind != "f":
        return thresholds
    reached = np.where(np.isneginf(thresholds), thresholds, np.maximum(thresholds, np.finfo(scores.dtype).min))
    with np.errstate(over="ignore", under="ignore"):  # what only inf can reach becomes inf
        return reached.astype(scores.dtype)


def pack_scores(scores: Any, thresholds: Any, names: Sequence[str] | None) -> Packed:
    """Packed columns of score ≥ threshold, piece by piece: beside the bits nothing of the table's size is made.

    Raises
    ------
    InputError
        What `as_scores` and `check_scores` raise; not one threshold, or one per column.
    """
    table = as_scores(scores)
    n, p = table.shape
    names = table_names(table.shape, names, "scores")
    limits = as_thresholds(thresholds, "thresholds")
    if limits.shape not in ((), (p,)):
        raise InputError(
            f"thresholds must be one number, or one for each of the {p} attributes; the shape is {limits.shape}"
        )
    limits = np.broadcast_to(comparable(limits, table), (p,))
    engine, n_threads = choose(), threads()
    words: Words = np.empty((p, words_for(n)), np.uint64)
    step = max(1, _BYTES // (p * 512)) * 512  # whole words, so that pieces are written in place
    for begin in range(0, n, step):
        piece = table[begin : begin + step]
        check_scores(piece, names, begin)
        packed, _ = engine.pack((piece >= limits).view(np.uint8), n_threads)
        words[:, begin // 64 : begin // 64 + packed.shape[1]] = packed
    return Packed(names, words, n)
