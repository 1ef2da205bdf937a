"""Ids of instances, and the order that aligns two tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from askew.engine.protocol import Int64
from askew.errors import InputError
from askew.interop.columns import as_column
from askew.interop.names import listed, show


def as_ids(ids: Any, what: str = "ids") -> npt.NDArray[Any]:
    """Distinct ids, all whole numbers (int64) or all text (an array of str objects).

    Raises
    ------
    InputError
        A missing id, an id of another kind, or the same id twice.
    """
    column = as_column(ids, what)
    values = list(map(_id, column.tolist() if isinstance(column, np.ndarray) else column.to_pylist()))
    kind = type(values[0]) if values else int
    for row, value in enumerate(values):
        if type(value) is not kind or kind not in (int, str):
            raise InputError(f"{what}: row {row} is {show(value)}; expected whole numbers only, or text only")
    if len(set(values)) < len(values):
        raise InputError(f"{what}: {_repeated(values)}; every instance needs an id of its own")
    if kind is int and -(2**63) <= min(values, default=0) <= max(values, default=0) < 2**63:
        return np.array(values, np.int64)
    return np.fromiter(values, object, len(values))


def align_by_id(reference_ids: Any, ids: Any, what: str) -> Int64:
    """The order of rows that brings `ids` into the order of `reference_ids`.

    Parameters
    ----------
    reference_ids, ids : array_like, Series or Arrow array, shape (n,)
        The same ids, in any two orders.
    what : str
        What `ids` belongs to, for messages.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        ``ids[order]`` equals `reference_ids`.

    Raises
    ------
    InputError
        An id stands twice, is missing, or is not in the reference.

    Examples
    --------
    >>> align_by_id(["a", "b", "c"], ["c", "a", "b"], "predictions")
    array([1, 2, 0])
    """
    reference, own = as_ids(reference_ids, "reference ids").tolist(), as_ids(ids, f"{what}: ids").tolist()
    if reference and own and type(reference[0]) is not type(own[0]):
        raise InputError(f"{what}: the ids are like {show(own[0])}, the reference's like {show(reference[0])}")
    position = {value: row for row, value in enumerate(own)}
    missing = [value for value in reference if value not in position]
    if missing and not own:
        raise InputError(f"{what}: there are no rows, where the reference has {len(reference):,}")
    if missing:
        raise InputError(f"{what}: ids of the reference are missing: {listed(missing, 3)}")
    if len(own) > len(reference):
        known = set(reference)
        extra = [value for value in own if value not in known]
        raise InputError(f"{what}: ids that are not in the reference: {listed(extra, 3)}")
    return np.array([position[value] for value in reference], np.int64)


def _id(value: object) -> Any:
    """Plain int or str where the value is one; others stay, and are refused."""
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _repeated(values: list[Any]) -> str:
    first: dict[Any, int] = {}
    for row, value in enumerate(values):
        if first.setdefault(value, row) != row:
            return f"rows {first[value]} and {row} have the same id {show(value)}"
    raise AssertionError
