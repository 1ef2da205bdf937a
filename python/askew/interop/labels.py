"""One label per instance → packed columns of groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew.engine.protocol import Int32
from askew.errors import InputError
from askew.interop.binary import Packed, is_table, pack_codes, pack_matrix
from askew.interop.columns import Column, as_column, chunks
from askew.interop.names import label_name, listed, nearest, show

MISSING, UNKNOWN = -1, -2

# More distinct labels are ids or measurements taken for groups, and n bits for each would fill the memory.
_MOST_INFERRED_GROUPS = 4096


class Labels(NamedTuple):
    """Labels of the rows, piece by piece: the distinct ones as codes into `names`, and the index of each row's.

    The code is `MISSING` where there is no label, which is also the last code of every piece, for the index -1.
    """

    names: tuple[str, ...]
    pieces: list[tuple[Int32, npt.NDArray[Any]]]
    numeric: bool  # all labels are numbers: 2 sorts before 10

    def vocabulary(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(self.names, key=int if self.numeric else None))

    def codes_in(self, vocabulary: Sequence[str]) -> Int32:
        """Each row's label as a code into a vocabulary, `UNKNOWN` where it lacks the label."""
        code = {name: c for c, name in enumerate(vocabulary)}
        lookup = np.array([*(code.get(name, UNKNOWN) for name in self.names), MISSING], np.int32)
        codes = [lookup[distinct][indices] for distinct, indices in self.pieces]
        return codes[0] if len(codes) == 1 else np.concatenate([np.zeros(0, np.int32), *codes])

    def name_at(self, row: int) -> str:
        """The label of a row that has one."""
        return self.names[int(self.codes_in(self.names)[row])]


def pack_groups(groups: Any, names: Sequence[str] | None) -> Packed:
    """Groups as one label per instance or as an (n, q) table of 0 and 1."""
    if is_table(groups):
        return pack_matrix(groups, names, "groups")
    return pack_labels(groups, names, "groups")


def pack_labels(data: Any, names: Sequence[str] | None, what: str) -> Packed:
    """One packed column per label; the names are the sorted distinct labels if none are declared.

    Raises
    ------
    InputError
        A value that is no label, a label that was not declared, or no label at all.
    """
    column = as_column(data, what)
    n = len(column)
    if n == 0:
        raise InputError(f"{what} have no instances")
    labels = encode(column, what)
    if names is None:
        names = labels.vocabulary()
        if not names:
            raise InputError(f"{what}: no group, all {n:,} labels are missing; declare group_names")
        check_inferred(names, what)
    codes = labels.codes_in(names)
    if codes.min() == UNKNOWN:
        row = int(np.argmax(codes == UNKNOWN))
        label = labels.name_at(row)
        hint = nearest(label, names)
        raise InputError(f"{what}: row {row} has the label {label!r}, which was not declared; {hint}")
    return Packed(tuple(names), pack_codes(codes, len(names)), n)


def check_inferred(names: Collection[str], what: str) -> None:
    """Raise `InputError` for more labels than a column of groups has."""
    if len(names) > _MOST_INFERRED_GROUPS:
        raise InputError(
            f"{what}: {len(names):,} distinct labels ({listed(list(names), 3)}); is this a column of groups? "
            "If it is, declare group_names"
        )


def encode(column: Column, what: str, row_of: Callable[[int], int] = int) -> Labels:
    """Codes of a column of labels.

    A Python loop runs over the distinct labels only, and over all where they are Python objects.
    `row_of` gives the row to name in a message for a position in the column.
    """
    known: dict[str, int] = {}
    pieces, numeric, begin = [], True, 0
    for chunk in chunks(column):
        distinct, indices = _distinct(chunk, what, row_of)
        seen = np.ones(len(distinct) + 1, bool)
        if hasattr(chunk, "dictionary"):  # which may hold values that do not occur
            seen[:] = False
            seen[indices] = True
        lookup = np.full(len(distinct) + 1, MISSING, np.int32)
        for position in np.flatnonzero(seen[:-1]).tolist():
            value = distinct[position]
            try:
                name = label_name(value)
            except (TypeError, ValueError):
                name = ""
            if name == "":
                row = row_of(begin + int(np.argmax(indices == position)))
                expected = "text that is not empty, or a whole number"
                raise InputError(f"{what}: row {row} has the label {show(value)}; expected {expected}")
            if name is not None:
                lookup[position] = known.setdefault(name, len(known))
                numeric = numeric and not isinstance(value, (str, bool, np.bool_))
        pieces.append((lookup, indices))
        begin += len(indices)
    return Labels(tuple(known), pieces, numeric)


def _distinct(chunk: Any, what: str, row_of: Callable[[int], int]) -> tuple[Sequence[object], npt.NDArray[Any]]:
    """Distinct values of one piece of a column, and the index of each row's; -1 where Arrow has a null."""
    if not isinstance(chunk, np.ndarray):
        if not hasattr(chunk, "dictionary"):
            try:
                chunk = chunk.dictionary_encode()
            except (TypeError, ValueError, NotImplementedError) as error:  # bases of what pyarrow raises
                raise InputError(f"{what}: type {chunk.type}; expected text or whole numbers") from error
        indices = chunk.indices.cast("int32").fill_null(-1).to_numpy(zero_copy_only=False)
        try:
            return chunk.dictionary.to_pylist(), indices
        except UnicodeDecodeError as error:
            raise InputError(f"{what}: a label is no text in UTF-8: {error.object[:30]!r}") from error
    if chunk.dtype.kind in "biu" and len(chunk) and int(chunk.max()) - int(chunk.min()) <= len(chunk):
        return _distinct_in_range(chunk)
    if chunk.dtype.kind in "biuf":
        distinct, indices = np.unique(chunk, return_inverse=True)
        return list(distinct), indices
    if chunk.dtype.kind not in "UTO":
        raise InputError(f"{what}: dtype {chunk.dtype}; expected text or whole numbers")
    values = chunk.tolist()
    mixed = len(set(map(type, values)) - {type(None)}) > 1
    keys = list(zip(map(type, values), values, strict=True)) if mixed else values  # 1 == 1.0 == True
    try:
        position = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    except TypeError:
        row, value = next((row, value) for row, value in enumerate(values) if not _hashable(value))
        where = f"{what}: row {row_of(row)}"
        raise InputError(f"{where} has the label {show(value)}; expected text or a whole number") from None
    indices = np.fromiter(map(position.__getitem__, keys), np.int64, len(keys))
    return [key[1] for key in position] if mixed else list(position), indices


def _distinct_in_range(chunk: npt.NDArray[Any]) -> tuple[list[object], npt.NDArray[Any]]:
    """As ``numpy.unique``, without sorting, for whole numbers that lie close together."""
    low = chunk.min()
    wide = chunk if chunk.dtype.itemsize == 8 else chunk.astype(np.int64)
    offsets = (wide - wide.dtype.type(low) if low else wide).astype(np.int64, copy=False)
    present = np.bincount(offsets) > 0
    distinct = np.array([int(low) + int(offset) for offset in np.flatnonzero(present)], chunk.dtype)
    return list(distinct), offsets if present.all() else (np.cumsum(present) - 1)[offsets]


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
