"""Annotations that are read when they are counted, batch by batch: `Scan`, and the chunks that its rows come in."""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from askew import interop
from askew.annotations import Annotations, Named, Names, _columns_named, _one_or_list, _used
from askew.engine import words_for
from askew.engine.protocol import Words
from askew.errors import InputError, warn
from askew.executors import HERE, Executor, Ranges
from askew.interop import Packed
from askew.interop.columns import first_null
from askew.interop.joining import Joined
from askew.interop.labels import check_inferred, encode
from askew.interop.names import show
from askew.interop.sources import Piece, Source, source_of
from askew.interop.tags import flat_tags

#: Rows of a batch as it is decoded, and about how many bytes, at four a value.
BATCH_ROWS, BATCH_BYTES = 1 << 17, 1 << 25
#: Bytes of the bits of a chunk, and the most rows it has.
CHUNK_BYTES, CHUNK_ROWS = 1 << 25, 1 << 21

#: Of an id, which may be text.
_ID_BYTES = 64

T = TypeVar("T")


class TooLarge(Exception):
    """The bits of a table take more bytes than they may."""


class Skipped(NamedTuple):
    """Rows that could not be read, and were passed over."""

    name: str
    n_rows: int | None  # None: nobody knows
    reason: str


class Chunk(NamedTuple):
    """Consecutive rows of several tables that have the same instances."""

    first_row: int
    tables: tuple[Annotations, ...]


class Scan(Named):
    """Annotations in files or in a stream, of which only a few batches are in memory at a time.

    Made by `Annotations.scan`. Whatever takes `Annotations` takes a scan, and gives the same integers as for the same
    rows in memory.

    Attributes
    ----------
    attribute_names, group_names : tuple of str
        The vocabularies. Where they were not declared, asking for them reads the columns they are in.
    n : int
        Number of instances. For Parquet files without filters their footers tell it, otherwise asking reads.
    skipped : list of Skipped
        What was passed over in the last pass, with ``on_error="skip"``: name, number of rows and reason.

    See Also
    --------
    Annotations.scan
    """

    def __init__(
        self,
        source: Source,
        *,
        columns: Sequence[str] | None,
        tags: str | None,
        groups: Any,
        attribute_names: Names | None,
        group_names: Names | None,
        unknown: str,
        ids: str | None,
        on_error: str,
    ) -> None:
        self.source, self._columns, self._tags, self._groups = source, columns, tags, groups
        self._attribute_names, self._group_names = attribute_names, group_names
        self._unknown, self._ids, self._on_error = unknown, ids, on_error
        self.skipped: list[Skipped] = []
        self.executor: Executor = HERE

    # ---- What is known before anything is counted

    @property
    def attribute_names(self) -> Names:
        """The p attributes, in the order of their columns."""
        if self._attribute_names is None:
            assert self._tags is not None
            self._attribute_names = self._found(self._tags, "attribute_names", lists=True)
        return self._attribute_names

    @property
    def group_names(self) -> Names:
        """The q groups, in the order of their columns."""
        if self._group_names is None:
            self._group_names = self._found(self._groups, "group_names", lists=False)
        return self._group_names

    @property
    def n(self) -> int:
        """Number of instances, those that cannot be read included where it is known how many they are."""
        sizes = [piece.n_rows for piece in self.source.pieces()]
        return sum(filter(None, self.source.sizes() if None in sizes else sizes))

    @property
    def known_n(self) -> int | None:
        """Number of instances, if it costs nothing to know."""
        sizes = [piece.n_rows for piece in self.source.pieces()]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def overlapping(self) -> bool:
        """Whether an instance may be in several groups."""
        return self._groups.overlapping if isinstance(self._groups, Scan) else isinstance(self._groups, list)

    @property
    def skips(self) -> bool:
        """Whether what cannot be read is passed over."""
        return self._on_error == "skip"

    @property
    def identity(self) -> str:
        """Tells what is read, and from which files, from other tables; "" where nothing does."""
        groups = self._groups.identity if isinstance(self._groups, Scan) else self._groups
        return digest(self.source.identity, groups, self._roles) if self.source.identity and groups else ""

    @property
    def fingerprint(self) -> str:
        """The same, with the places and times of the files."""
        groups = self._groups.fingerprint if isinstance(self._groups, Scan) else self._groups
        return digest(self.source.fingerprint, groups, self._roles) if self.source.fingerprint and groups else ""

    @property
    def _roles(self) -> tuple[object, ...]:
        return self._columns, self._tags, self._unknown, self.attribute_names, self.group_names

    def has_groups_of(self, other: Scan) -> bool:
        """Whether the groups are those of another scan, by declaration."""
        return self._groups == other or (self.source == other.source and self._groups == other._groups)

    def __eq__(self, other: object) -> bool:
        """Whether another scan reads the same in the same way, wherever the work on it is done."""
        if not isinstance(other, Scan):
            return NotImplemented
        return self.source == other.source and self._declared == other._declared

    def __hash__(self) -> int:
        return hash(self.source)

    @property
    def _declared(self) -> tuple[object, ...]:
        how = self._columns, self._tags, self._groups, self._unknown, self._ids, self._on_error
        return *how, self._attribute_names, self._group_names

    def __getstate__(self) -> dict[str, Any]:
        """What is read, and how; not who works on it."""
        return {name: value for name, value in vars(self).items() if name != "executor"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.executor = HERE

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        known = [
            "attributes to be found" if self._attribute_names is None else f"{len(self._attribute_names):,} attributes",
            "groups to be found" if self._group_names is None else f"groups: {', '.join(self._group_names[:6])}",
        ]
        return f"Scan({self.source!r}, {', '.join(known)})"

    def collect(self) -> Annotations:
        """All instances, as annotations in memory: a bit for each value.

        Examples
        --------
        >>> import pyarrow
        >>> batches = [pyarrow.record_batch({"dog": [1, 0], "gender": ["female", "male"]})] * 3
        >>> Annotations.scan(batches, attributes=["dog"], groups="gender").collect()
        Annotations(n=6, 1 attribute, groups: female, male)
        """
        (read,) = collected((self,))
        return Annotations._assembled(read._attributes, read._groups, read._ids)  # with a look at the ids

    # ---- Reading

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        columns = [self._tags] if self._columns is None else self._columns
        groups = [] if isinstance(self._groups, Scan) else self._groups
        return _used(columns, groups if isinstance(groups, list) else [groups], self._ids)

    def _found(self, column: str, keyword: str, *, lists: bool) -> Names:
        """The sorted distinct labels or tags of a column."""
        if not self.source.rereadable:
            raise InputError(f"{self.source!r} can be read only once: declare {keyword}")
        names: dict[str, None] = {}
        numeric = True
        what = f"column {column!r}"
        for piece in self.source.pieces():
            row, found = 0, dict[str, None]()
            try:
                for batch in piece.read([column], BATCH_ROWS):
                    with _located(piece, row):
                        values = interop.as_column(batch.column(column), what)
                        labels = encode(flat_tags(values, what) if lists else values, what)
                    found |= dict.fromkeys(labels.names)
                    if not lists:
                        check_inferred(found, what)
                    numeric = numeric and labels.numeric
                    row += len(batch)
            except InputError:
                if not self.skips:
                    raise
                continue
            names |= found
        if not names:
            raise InputError(f"{what} of {self.source!r} has no {'tag' if lists else 'label'}: declare {keyword}")
        return tuple(sorted(names, key=int if numeric else None))

    def _packed(self, batch: Any) -> tuple[Packed, Packed | None, npt.NDArray[Any] | None]:
        """Attributes, groups (None: those of another scan) and ids of a batch."""
        if self._tags is not None:
            what = f"column {self._tags!r}"
            attributes = interop.pack_tags(batch.column(self._tags), self.attribute_names, self._unknown, what)
        else:
            assert self._columns is not None
            columns = {name: batch.column(name) for name in self._columns}
            attributes = interop.pack_columns(columns, self.attribute_names, "attributes")
        if isinstance(self._groups, Scan):
            groups = None
        elif isinstance(self._groups, list):
            columns = {name: batch.column(name) for name in self._groups}
            groups = interop.pack_columns(columns, self.group_names, "groups")
        else:
            groups = interop.pack_labels(batch.column(self._groups), self.group_names, f"column {self._groups!r}")
        return attributes, groups, None if self._ids is None else self._ids_of(batch.column(self._ids))

    def _ids_of(self, column: Any) -> npt.NDArray[Any]:
        if column.null_count:
            raise InputError(f"column {self._ids!r}: row {first_null(column)} has no id")
        return np.asarray(column.to_numpy(zero_copy_only=False))


class SideBySide(Named):
    """Truth and predictions of the same instances as one table: the columns [A | Â], with the groups of the truth."""

    def __init__(self, truth: Scan, pred: Scan) -> None:
        self.truth, self.pred = truth, pred

    @property
    def attribute_names(self) -> Names:
        return joint_names(self.truth, self.pred)

    @property
    def group_names(self) -> Names:
        return self.truth.group_names


def side_by_side(truth: Named, pred: Named) -> Named:
    """Truth and predictions as one table, or `InputError` if they are not of the same instances."""
    if isinstance(truth, Scan) and isinstance(pred, Scan):
        truth.check_same_names(pred, "test and pred")
        return SideBySide(truth, pred)
    if not isinstance(truth, Annotations) or not isinstance(pred, Annotations):
        raise InputError("test and pred must both be scans, or both in memory: scan.collect() brings one there")
    truth.check_same_instances(pred, "test and pred")
    return joint(truth, pred)


def joint(truth: Annotations, pred: Annotations) -> Annotations:
    """The columns of both, with the groups of the truth."""
    words = np.concatenate([truth.packed_attributes, pred.packed_attributes])
    groups = Packed(truth.group_names, truth.packed_groups, truth.n)
    return Annotations._trusted(Packed(joint_names(truth, pred), words, truth.n), groups, None)


def joint_names(truth: Named, pred: Named) -> Names:
    """Names of the attributes of both."""
    true = (f"true {name}" for name in truth.attribute_names)
    return (*true, *(f"predicted {name}" for name in pred.attribute_names))


def scan(
    data: Any,
    *,
    attributes: Sequence[str] | None = None,
    tags: str | None = None,
    groups: Any,
    filters: Any = None,
    attribute_names: Sequence[str] | None = None,
    group_names: Sequence[str] | None = None,
    like: Any = None,
    unknown: str = "error",
    ids: str | None = None,
    order: Scan | None = None,
    on_error: str = "raise",
) -> Scan:
    """What `Annotations.scan` does."""
    if like is not None and not isinstance(like, Named):
        raise InputError(f"like must be Annotations or a scan of them, not {type(like).__name__}")
    if like is not None and (attribute_names is not None or group_names is not None):
        raise InputError("like= brings both vocabularies: leave attribute_names and group_names out")
    if attributes is not None and tags is not None:
        raise InputError("give attributes (columns of 0 and 1) or tags (one column of lists), not both")
    for name, value, choices in [("unknown", unknown, ("error", "ignore")), ("on_error", on_error, ("raise", "skip"))]:
        if value not in choices:
            raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if isinstance(groups, Annotations):
        raise InputError("the groups of a scan are in its columns, or those of another scan")
    declared = None if attribute_names is None else interop.as_names(attribute_names, "attribute_names")
    declared_groups = None if group_names is None else interop.as_names(group_names, "group_names")
    if like is not None:
        declared, declared_groups = like.attribute_names, like.group_names
    groups = groups if isinstance(groups, Scan) else _one_or_list(groups)
    if declared_groups is None and not isinstance(groups, str):
        declared_groups = groups.group_names if isinstance(groups, Scan) else interop.as_names(groups, "groups")
    columns = None if tags is not None else list(_columns_named(attributes, declared))
    if columns == []:
        raise InputError("attributes: no column was named")
    if declared is None and columns is not None:
        declared = interop.as_names(columns, "attributes")
    made = Scan(
        source_of(data, filters),
        columns=columns,
        tags=tags,
        groups=groups,
        attribute_names=declared,
        group_names=declared_groups,
        unknown=unknown,
        ids=ids,
        on_error=on_error,
    )
    if order is not None:
        if not isinstance(order, Scan) or order._ids is None or ids is None:
            raise InputError("order= is another scan, and both need ids=: the column by which rows are matched")
        made.source = Joined(made.source, made.needed, ids, order.source, order._ids)
    return made


# ---- Chunks


def chunks(
    scans: Sequence[Scan],
    ranges: Ranges | None = None,
    *,
    rows: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    ahead: int = 1,
) -> Generator[Chunk]:
    """The rows of several scans of the same instances, in chunks; the next is read while one is worked on.

    To be closed (``contextlib.closing``), which ends the thread that reads.

    Parameters
    ----------
    scans : sequence of Scan
        What lies in the same files is read once.
    ranges : tuple of (int, int), optional
        Which rows, as ascending half-open ranges. Default: all.
    rows : int, optional
        Rows of a chunk, a multiple of 512. A chunk is shorter where the next rows are not wanted, or cannot be read.
        Default: as many as have `chunk_bytes` bytes of bits.
    ahead : int
        Chunks that are read in advance; 0: none, in the caller's thread.

    Raises
    ------
    InputError
        Something cannot be read or is no annotation, unless the scan skips it; numbers or ids of instances differ.
    """
    every = list(scans)
    for one in scans:
        if isinstance(one._groups, Scan) and one._groups not in every:
            every.append(one._groups)
    if len(by_source(every)) > 1 and any(one.skips for one in every):
        raise InputError(
            'on_error="skip" needs tables that lie in the same files: rows skipped in one are those of another'
        )
    if rows is None:
        rows = chunk_rows(sum(len(one.attribute_names) + len(one.group_names) for one in every), chunk_bytes)
    stop = threading.Event()
    together = _together(every, len(scans), ranges, rows, stop)
    return _ahead(together, ahead, stop) if ahead else together


def chunk_rows(n_columns: int, chunk_bytes: int) -> int:
    """Rows whose bits take so many bytes at most: a multiple of 512, and no less."""
    return max(512, min(CHUNK_ROWS, chunk_bytes * 8 // n_columns) // 512 * 512)


def collected(scans: Sequence[Scan], most: int | None = None) -> tuple[Annotations, ...]:
    """All rows of scans of the same instances, in memory; `TooLarge` if their bits take more than `most` bytes."""
    parts, size = [], 0
    with closing(chunks(scans)) as stream:
        for part in stream:
            parts.append(part)
            size += sum(table.packed_attributes.nbytes + table.packed_groups.nbytes for table in part.tables)
            size += sum(_ID_BYTES * table.n for table in part.tables if table.ids is not None)
            if most is not None and size > most:
                raise TooLarge
    if not parts:
        raise InputError(f"{scans[0].source!r} has no instances")
    if len(parts) == 1:
        return parts[0].tables
    tables = []
    for number, one in enumerate(scans):
        pieces = [part.tables[number] for part in parts]
        n = sum(piece.n for piece in pieces)
        attributes = Packed(one.attribute_names, _concatenated([p.packed_attributes for p in pieces], pieces, n), n)
        groups = Packed(one.group_names, _concatenated([p.packed_groups for p in pieces], pieces, n), n)
        ids = None if pieces[0].ids is None else np.concatenate([piece.ids for piece in pieces])
        tables.append(Annotations._trusted(attributes, groups, ids))
    return tuple(tables)


def _concatenated(blocks: list[Words], pieces: list[Annotations], n: int) -> Words:
    bits = _Bits(len(blocks[0]), n)
    for block, piece in zip(blocks, pieces, strict=True):
        bits.append(block, piece.n)
    return bits.words


def by_source(scans: Sequence[Scan]) -> list[list[int]]:
    """Numbers of the scans, those of one source together."""
    lots: list[list[int]] = []
    for number, one in enumerate(scans):
        lot = next((lot for lot in lots if scans[lot[0]].source == one.source), None)
        if lot is None:
            lots.append([number])
        else:
            lot.append(number)
    return lots


def _together(
    every: Sequence[Scan], n_wanted: int, ranges: Ranges | None, rows: int, stop: threading.Event
) -> Generator[Chunk]:
    """Chunks of scans of several sources, side by side."""
    lots = by_source(every)
    streams = [_chunks_of([every[number] for number in lot], ranges, rows, stop) for lot in lots]
    ends = 0
    while True:
        pieces = [next(stream, None) for stream in streams]
        if all(piece is None for piece in pieces):
            return
        found = [None if piece is None else (piece.first_row, piece.n) for piece in pieces]
        if len(set(found)) > 1:
            sizes = [ends if piece is None else piece.first_row + piece.n for piece in pieces]
            raise _sizes_differ([every[lot[0]].source for lot in lots], sizes)
        packed: dict[int, _Part] = {}
        for lot, piece in zip(lots, pieces, strict=True):
            assert piece is not None
            packed |= dict(zip(lot, piece.parts, strict=True))
        _check_order(every, packed, pieces[0].first_row)  # type: ignore[union-attr]
        first, n = found[0]  # type: ignore[misc]
        ends = first + n
        tables = []
        for number, one in enumerate(every[:n_wanted]):
            base = next((i for i, other in enumerate(every) if one._groups == other), number)
            attributes, (groups, ids) = packed[number].attributes, (packed[base].groups, packed[number].ids)
            assert groups is not None
            tables.append(Annotations._trusted(attributes, groups, ids))
        yield Chunk(first, tuple(tables))


def check_same_sizes(scans: Sequence[Scan]) -> None:
    """Raise `InputError` where it is known that scans have different numbers of instances."""
    sources = [one.source for scan in scans for one in (scan, scan._groups) if isinstance(one, Scan)]
    sizes = [[piece.n_rows for piece in source.pieces()] for source in sources]
    known = [(source, sum(filter(None, n))) for source, n in zip(sources, sizes, strict=True) if None not in n]
    if len({n for _, n in known}) > 1:
        raise _sizes_differ([source for source, _ in known], [n for _, n in known])


def _sizes_differ(sources: Sequence[Source], sizes: Sequence[int]) -> InputError:
    shorter, longer = int(np.argmin(sizes)), int(np.argmax(sizes))
    return InputError(
        f"{sources[shorter]!r} has {sizes[shorter]:,} instances, {sources[longer]!r} more; "
        "expected the same ones in both"
    )


def _check_order(scans: Sequence[Scan], packed: dict[int, _Part], first_row: int) -> None:
    """Raise `InputError` where scans that have ids have different ones in a row."""
    known = [(number, packed[number].ids) for number in range(len(scans)) if packed[number].ids is not None]
    for number, ids in known[1:]:
        reference = known[0][1]
        assert ids is not None
        assert reference is not None
        differ = ids != reference
        if differ.any():
            row = int(np.argmax(differ))
            raise InputError(
                f"row {first_row + row:,} has the id {show(reference[row])} in {scans[known[0][0]].source!r} "
                f"and {show(ids[row])} in {scans[number].source!r}; bring both into one order: scan(…, order=…)"
            )


class _Part(NamedTuple):
    """Rows of one scan."""

    attributes: Packed
    groups: Packed | None
    ids: npt.NDArray[Any] | None


class _Parts(NamedTuple):
    """The same rows of several scans."""

    first_row: int
    n: int
    parts: list[_Part]


def _chunks_of(scans: Sequence[Scan], ranges: Ranges | None, rows: int, stop: threading.Event) -> Iterator[_Parts]:
    """Chunks of the scans of one source."""
    gathered: list[_Parts] = []
    n, end = 0, 0
    for parts in _batches_of(scans, ranges, rows, stop):
        if gathered and (parts.first_row != end or n == rows):
            yield _joined(scans, gathered, n)
            gathered, n = [], 0
        gathered.append(parts)
        n, end = n + parts.n, parts.first_row + parts.n
    if gathered:
        yield _joined(scans, gathered, n)


def _batches_of(scans: Sequence[Scan], ranges: Ranges | None, rows: int, stop: threading.Event) -> Iterator[_Parts]:
    """The wanted rows of the scans of one source, batch by batch; none crosses the end of a chunk of `rows` rows."""
    source, skips = scans[0].source, any(one.skips for one in scans)
    pieces = source.pieces()
    sizes: Sequence[int | None] = source.sizes() if skips else [piece.n_rows for piece in pieces]
    columns = list(dict.fromkeys(column for one in scans for column in one.needed))
    batch_rows = max(1024, min(BATCH_ROWS, BATCH_BYTES // (4 * len(columns))))
    skipped: list[Skipped] = []
    chunk_end, expected = 0, -1  # where the chunk at hand is full, and the row that would follow

    def packed(number: int, piece: Piece, first_row: int) -> Iterator[_Parts]:
        nonlocal chunk_end, expected
        row = first_row
        # whether a piece can be read does not depend on which of its rows are wanted
        look = skips and ranges is not None and _n_wanted(ranges, row, sizes[number]) != sizes[number]
        source.check_unchanged(number)
        for batch in piece.read(columns, batch_rows):
            if stop.is_set():
                return
            begin, row = row, row + len(batch)
            if look and len(batch):
                with _located(piece, begin - first_row):
                    for one in scans:
                        one._packed(batch)
            for low, high in _overlaps(ranges, begin, row):
                while low < high:
                    if low != expected or low == chunk_end:
                        chunk_end = low + rows
                    expected = min(high, chunk_end)
                    part = batch.slice(low - begin, expected - low)
                    with _located(piece, low - first_row):
                        parts = [_Part(*one._packed(part)) for one in scans]
                    yield _Parts(low, expected - low, parts)
                    low = expected
        source.check_unchanged(number)
        if sizes[number] is None:
            actual.append(row - first_row)
        elif row - first_row != sizes[number]:
            raise InputError(f"{piece.name} has {row - first_row:,} rows, where {sizes[number]:,} were announced")

    first_row = 0
    for number, piece in enumerate(pieces):
        actual: list[int] = []
        size = sizes[number]
        unknown = size is None or (size == 0 and piece.n_rows is None)  # to be read, if only to find it broken
        if unknown or any(True for _ in _overlaps(ranges, first_row, first_row + (size or 0))):
            before = chunk_end, expected
            try:
                yield from list(packed(number, piece, first_row)) if skips else packed(number, piece, first_row)
            except InputError as error:
                source.check_unchanged(number)  # a file that changes is an error all the same
                if not skips:
                    raise
                chunk_end, expected = before
                skipped.append(Skipped(piece.name, piece.n_rows, str(error)))
        first_row += actual[0] if size is None and actual else size or 0
    for one in scans:
        one.skipped = skipped


def _overlaps(ranges: Ranges | None, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """What of the rows from begin to end is wanted."""
    if ranges is None:
        if begin < end:
            yield begin, end
        return
    for low, high in ranges:
        if max(low, begin) < min(high, end):
            yield max(low, begin), min(high, end)


def _n_wanted(ranges: Ranges, first_row: int, n: int | None) -> int:
    """How many of n rows are wanted."""
    return sum(high - low for low, high in _overlaps(ranges, first_row, first_row + (n or 0)))


def _joined(scans: Sequence[Scan], gathered: list[_Parts], n: int) -> _Parts:
    """Consecutive rows as one."""
    if len(gathered) == 1:
        return gathered[0]
    parts = []
    for number, one in enumerate(scans):
        each = [g.parts[number] for g in gathered]
        groups = None
        if each[0].groups is not None:
            groups = _appended([e.groups for e in each if e.groups is not None], one.group_names, n)
        ids = None if each[0].ids is None else np.concatenate([e.ids for e in each if e.ids is not None])
        parts.append(_Part(_appended([e.attributes for e in each], one.attribute_names, n), groups, ids))
    return _Parts(gathered[0].first_row, n, parts)


def _appended(each: list[Packed], names: Names, n: int) -> Packed:
    bits = _Bits(len(names), n)
    for packed in each:
        bits.append(packed.words, packed.n)
    return Packed(names, bits.words, n)


class _Bits:
    """Packed columns of n instances, filled from the first to the last."""

    def __init__(self, n_columns: int, n: int) -> None:
        self.words: Words = np.zeros((n_columns, words_for(n)), np.uint64)
        self._filled = 0

    def append(self, words: Words, n: int) -> None:
        """The next n instances."""
        word, shift = divmod(self._filled, 64)
        used = words[:, : -(-n // 64)]
        if shift == 0:
            self.words[:, word : word + used.shape[1]] = used
        else:
            self.words[:, word : word + used.shape[1]] |= used << np.uint64(shift)
            after = self.words[:, word + 1 : word + 1 + used.shape[1]]
            after |= (used >> np.uint64(64 - shift))[:, : after.shape[1]]
        self._filled += n


def digest(*parts: object) -> str:
    """A name for what depends on these parts; arrays by their bytes."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()[:24]


class _located:
    """What is wrong with a batch is told with the file and the row in it."""

    def __init__(self, piece: Piece, row: int) -> None:
        self._piece, self._row = piece, piece.first_row + row

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            text, told = str(error), False

            def moved(found: re.Match[str]) -> str:
                nonlocal told
                if told or found[1] is None:
                    return found[0]
                told = True
                return f"row {int(found[1]) + self._row}"

            # the first row that does not stand in a name in quotes
            text = re.sub(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\brow (\d+)""", moved, text)
            raise InputError(f"{self._piece.name}: {text}") from error


def _ahead(items: Iterator[T], n: int, stop: threading.Event) -> Generator[T]:
    """The items of an iterator, which runs in a thread of its own, up to n items ahead, until it is told to stop."""
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(n)

    def put(item: tuple[bool, Any]) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=work, name="askew-reader", daemon=True)
    thread.start()
    try:
        while True:
            there, item = ready.get()
            if there:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        stop.set()
        thread.join()


def warn_of_skipped(scans: Sequence[Scan]) -> None:
    """Say what was passed over."""
    seen: list[Skipped] = []
    for one in scans:
        seen += [each for each in one.skipped if each not in seen]
    if seen:
        rows = sum(each.n_rows or 0 for each in seen)
        least = "at least " if any(each.n_rows is None for each in seen) else ""
        shown = "; ".join(each.reason for each in seen[:3])  # which names the file
        more = f"; and {len(seen) - 3:,} more" if len(seen) > 3 else ""
        text = f"{least}{rows:,} rows in {len(seen):,} piece{'s' * (len(seen) > 1)} were skipped: {shown}{more}"
        warn(text)
