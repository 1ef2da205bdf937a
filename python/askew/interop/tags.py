"""One list of tags per instance → packed columns of attributes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from askew.engine.protocol import Int64, Offsets
from askew.errors import InputError
from askew.interop.binary import Packed, pack_rows
from askew.interop.columns import Column, as_column, first_null, load
from askew.interop.labels import MISSING, UNKNOWN, encode
from askew.interop.names import is_missing, nearest, show

_NO_LIST = "a missing annotation is not an empty one: leave the instance out, or give an empty list"


def pack_tags(tags: Any, names: Sequence[str] | None, unknown: str, what: str = "tags") -> Packed:
    """One packed column per tag; the names are the sorted distinct tags if none are declared.

    Raises
    ------
    InputError
        A missing list or tag, a tag that was not declared (unless `unknown` is "ignore"), or no tag at all.
    """
    if unknown not in ("error", "ignore"):
        raise InputError(f"unknown must be 'error' or 'ignore', not {show(unknown)}")
    column = as_column(tags, what)
    if len(column) == 0:
        raise InputError(f"{what} have no instances")
    lists = _object_lists if isinstance(column, np.ndarray) else _arrow_lists
    offsets, flat = lists(column, what)

    def row_of(position: int) -> int:
        return int(np.searchsorted(offsets, position, side="right")) - 1

    labels = encode(flat, what, row_of)
    if names is None:
        names = labels.vocabulary()
        if not names and len(flat) == 0:
            raise InputError(f"{what}: no instance has a tag; declare attribute_names")
    codes = labels.codes_in(names)
    lowest = codes.min(initial=0)
    if lowest < 0 and (codes == MISSING).any():
        row = row_of(int(np.argmax(codes == MISSING)))
        raise InputError(f"{what}: row {row} holds a missing tag; expected text or a whole number")
    if lowest == UNKNOWN and unknown == "error":
        position = int(np.argmax(codes == UNKNOWN))
        tag = labels.name_at(position)
        ignoring = "unknown='ignore', or --unknown-tags ignore, passes over such tags"
        hint = f"{nearest(tag, names)} ({ignoring})"
        raise InputError(f"{what}: row {row_of(position)} has the tag {tag!r}, which was not declared; {hint}")
    return Packed(tuple(names), pack_rows(offsets, codes, len(names)), len(column))


def flat_tags(column: Column, what: str) -> Column:
    """The tags of all rows in one column."""
    return (_object_lists if isinstance(column, np.ndarray) else _arrow_lists)(column, what)[1]


def _arrow_lists(column: Column, what: str) -> tuple[Offsets, Column]:
    """Offsets of the rows, and all tags in one column."""
    if "list" not in str(column.type).partition("<")[0]:
        raise InputError(f"{what}: type {column.type}; expected a list of tags per instance")
    if column.null_count:
        raise InputError(f"{what}: row {first_null(column)} is missing (null); {_NO_LIST}")
    pyarrow, compute = load("pyarrow", what), load("pyarrow.compute", what)
    if column.num_chunks == 1 and str(column.type).startswith(("list<", "large_list<")):  # offsets as they lie
        (chunk,) = column.chunks
        offsets = chunk.offsets.to_numpy()
        flat = pyarrow.chunked_array([chunk.flatten()])
        return offsets if offsets[0] == 0 else offsets - offsets[0], flat
    try:
        lengths = [compute.list_value_length(chunk).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    except pyarrow.ArrowNotImplementedError as error:  # list views, in older versions
        raise InputError(f"{what}: this version of pyarrow cannot read type {column.type}: {error}") from error
    flat = pyarrow.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    return _cumulated(np.concatenate(lengths)), flat


def _object_lists(column: Column, what: str) -> tuple[Offsets, Column]:
    rows = column.tolist()
    for kind in set(map(type, rows)):
        if not issubclass(kind, Collection) or issubclass(kind, (str, bytes, Mapping)):
            row, value = next((row, value) for row, value in enumerate(rows) if type(value) is kind)
            hint = _NO_LIST if is_missing(value) else "expected a list or set of tags"
            raise InputError(f"{what}: row {row} is {show(value)}; {hint}")
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    offsets = _cumulated(lengths)
    return offsets, np.fromiter(chain.from_iterable(rows), object, int(offsets[-1]))


def _cumulated(lengths: Any) -> Int64:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
