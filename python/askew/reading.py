"""What is read of scans: the names in a column; and rows, in chunks of packed bits, those of one source once, those of
several side by side.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from askew import interop
from askew.annotations import Annotations, Names
from askew.engine import words_for
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.executors import Ranges
from askew.interop import Packed
from askew.interop.labels import check_inferred, encode
from askew.interop.names import show
from askew.interop.sources import Piece, Source
from askew.interop.tags import flat_tags
from askew.scan import Scan, Skipped

#: Rows of a batch as it is decoded, and about how many bytes, at four a value.
BATCH_ROWS, BATCH_BYTES = 1 << 17, 1 << 25
#: Bytes of the bits of a chunk, and the most rows it has.
CHUNK_BYTES, CHUNK_ROWS = 1 << 25, 1 << 21

#: Of an id, which may be text.
_ID_BYTES = 64

T = TypeVar("T")


class TooLarge(Exception):
    """The bits of a table take more bytes than they may."""


class Chunk(NamedTuple):
    """Consecutive rows of several tables that have the same instances."""

    first_row: int
    tables: tuple[Annotations, ...]


def found_names(scan: Scan, column: str, *, lists: bool) -> Names:
    """The distinct labels of a column, or tags of its lists, in order; those of pieces that can be read."""
    names: dict[str, None] = {}
    numeric = True
    what = f"column {column!r}"
    for piece in scan.source.pieces():
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
            if not scan.skips:
                raise
            continue
        names |= found
    return tuple(sorted(names, key=int if numeric else None))


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
