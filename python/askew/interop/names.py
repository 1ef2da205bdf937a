"""What becomes a name, what counts as missing, and how messages show a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from askew.errors import InputError


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, NaT, pandas' NA or masked."""
    if value is None or value is np.ma.masked:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return type(value).__name__ in ("NAType", "NaTType")  # by name: pandas need not be there


def show(value: object) -> str:
    """A value for a message."""
    if is_missing(value):
        return f"missing ({value})"
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except ValueError:  # Python does not print integers of thousands of digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def label_name(value: object) -> str | None:
    """The name of a label: text as it is, whole numbers in decimal; None for a missing label.

    Raises
    ------
    TypeError, ValueError
        The value cannot be a label.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if is_missing(value):
        return None
    if isinstance(value, (float, np.floating, Decimal)) and np.isfinite(float(value)) and value == int(value):
        return str(int(value))
    raise TypeError


def as_names(names: object, what: str) -> tuple[str, ...]:
    """Names that a user declares: distinct, not empty.

    Raises
    ------
    InputError
        Not a list of names, an empty or missing name, or the same name twice.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable) or getattr(names, "ndim", 1) != 1:
        raise InputError(f"{what} must be a list of names, not {show(names)}")
    found: dict[str, int] = {}
    for position, value in enumerate(names):
        try:
            name = label_name(value)
        except (TypeError, ValueError):
            name = None
        if not name:
            raise InputError(f"{what}: name {position} is {show(value)}; expected text that is not empty")
        if name in found:
            raise InputError(f"{what}: {name!r} stands at positions {found[name]} and {position}; once is enough")
        found[name] = position
    return tuple(found)


def check_number(names: Sequence[str], number: int, what: str) -> None:
    """Raise `InputError` unless there is one name per column."""
    if len(names) != number:
        raise InputError(f"{what} have {number} columns, but {len(names)} names were given")


def table_names(shape: Sequence[int], names: Sequence[str] | None, what: str) -> tuple[str, ...]:
    """The names of a table's columns, "0" to "p-1" if none are given.

    Raises
    ------
    InputError
        No row, no column, or not one name per column.
    """
    n, p = shape
    if n == 0:
        raise InputError(f"{what} have no instances (shape {(n, p)})")
    if p == 0:
        raise InputError(f"{what} have no columns (shape {(n, p)})")
    if names is None:
        return tuple(map(str, range(p)))
    check_number(names, p, what)
    return tuple(names)


def wrong_cell(what: str, names: Sequence[str], row: int, column: int, value: object) -> InputError:
    """Of a table, whose columns have names, a value that is neither 0 nor 1."""
    return InputError(f"{what}: row {row}, column {column} ({names[column]!r}) is {show(value)}; expected 0 or 1")


def nearest(name: object, names: Iterable[object]) -> str:
    """The end of a message about an unknown name: those that look like it, or the first few there are."""
    known = [str(candidate) for candidate in names]
    close = difflib.get_close_matches(str(name), known, n=3)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"there are {listed(known)}"


def listed(names: Sequence[object], most: int = 6) -> str:
    """Names for a message, the first few of many."""
    text = ", ".join(repr(name) for name in names[:most])
    return f"{text}, … ({len(names):,} in all)" if len(names) > most else text or "none"
