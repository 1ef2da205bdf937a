"""Tables that come in batches: files, data sets, streams and queries, read again for every pass.

A source is a list of *pieces*: consecutive row groups of a Parquet file, a file of another kind, or a whole stream. A
piece is what is skipped at one go when it cannot be read. Nothing is read before it is asked for, but for the footers
of Parquet files, which tell how many rows there are.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import operator
import os
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from askew.errors import InputError
from askew.interop.columns import load
from askew.interop.names import listed, nearest, show
from askew.interop.tables import check_columns

#: Rows of a Parquet file that are read, and skipped, together: row groups are joined up to about so many.
PIECE_ROWS = 1 << 20
_FORMATS = {
    "parquet": (".parquet", ".pq", ".parq"),
    "ipc": (".arrow", ".feather", ".ipc"),
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
}
#: What stands in a folder's name where its key has no value.
_NULL = "__HIVE_DEFAULT_PARTITION__"
_ENDINGS = tuple(ending for endings in _FORMATS.values() for ending in endings)


class Piece(NamedTuple):
    """A part of a source: its name for messages, how many rows it has (None: not known before it is read), and its
    batches, as a function of the columns and of the rows in a batch.
    """

    name: str
    first_row: int  # within what has this name
    n_rows: int | None
    read: Callable[[Sequence[str], int], Iterator[Any]]


class Source(Protocol):
    """A table in batches. Two sources are equal if they read the same."""

    @property
    def rereadable(self) -> bool:
        """Whether it can be read more than once."""
        ...

    @property
    def identity(self) -> str:
        """Tells this table from others, in counts and checkpoints; "" where nothing does."""
        ...

    @property
    def fingerprint(self) -> str:
        """As `identity`, with places and times: whether the same files lie there as before."""
        ...

    def pieces(self) -> Sequence[Piece]:
        """What there is to read, in order."""
        ...

    def sizes(self) -> list[int | None]:
        """Rows of each piece; reads what it must to find out. None: what cannot be read has no size."""
        ...

    def check_unchanged(self, piece: int) -> None:
        """Raise `InputError` if a file is not what it was when this source was made."""
        ...


def source_of(data: Any, filters: Any = None) -> Source:
    """The source that a path, glob, folder, data set, table, query, iterator or function stands for.

    Raises
    ------
    InputError
        Nothing is there, or `data` is nothing that gives batches.
    """
    if isinstance(data, (Files, Stream)):
        return data
    if isinstance(data, (str, os.PathLike)) or _is_list_of(data, (str, os.PathLike)):
        return Files.found(data, filters)
    dataset = load("pyarrow.dataset", "reading batches")
    if isinstance(data, dataset.Dataset):
        return Files(data, filters) if _has_files(data, dataset) else Stream.of_dataset(data, filters)
    if filters is not None:
        raise InputError("filters are for files and data sets: filter the stream or query itself")
    return Stream.of(data)


class Files:
    """Files of one format: Parquet, Arrow IPC or CSV."""

    rereadable = True

    def __init__(self, dataset: Any, filters: Any = None) -> None:
        self._dataset = dataset
        self._filter = None if filters is None else _expression(filters)
        # what is printed of an expression leaves out most of a long list
        self._filter_key = "" if filters is None else hashlib.sha256(pickle.dumps(self._filter)).hexdigest()
        self._fragments: list[Any] = list(dataset.get_fragments())
        if not self._fragments:
            raise InputError("the data set has no files")
        self._paths: list[str] = [fragment.path for fragment in self._fragments]
        self._stamps = self._stamp(self._paths)
        self._pieces: list[tuple[int, list[int] | None, int, int | None]] | None = None
        self._sizes: list[int | None] | None = None
        self._guesses: dict[str, tuple[str, str]] = {}  # of CSV: the type of a column, and the file it was seen in

    @classmethod
    def found(cls, paths: Any, filters: Any = None) -> Files:
        """The files that paths, folders and globs stand for, each in the order of their names.

        None is opened: every file is read by its own schema, and what is wrong with it is told then.
        """
        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        if not given:
            raise InputError("no file was named")
        files = [path for one in given for path in _expanded(os.fspath(one))]
        kinds = {_format_of(path) for path in files}
        if len(kinds) > 1:
            raise InputError(f"files of several formats cannot be one table: {', '.join(sorted(kinds))}")
        (kind,) = kinds
        dataset, pyarrow = load("pyarrow.dataset", "reading files"), load("pyarrow", "reading files")
        filesystem = None
        if any("://" in path for path in files):
            filesystem, files = _located(files)
        keys = _keys(files, pyarrow)
        try:
            return cls(
                dataset.dataset(
                    files,
                    schema=keys,
                    format=_reader(kind, files),
                    filesystem=filesystem,
                    partitioning=dataset.partitioning(keys, flavor="hive"),
                ),
                filters,
            )
        except FileNotFoundError as error:
            raise InputError(f"{error.filename or listed(files, 3)}: there is no such file") from error
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"{listed(files, 3)} cannot be read: {error}") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Files):
            return NotImplemented
        return (
            (self._paths, self._filter_key) == (other._paths, other._filter_key)
            and self._dataset.filesystem == other._dataset.filesystem
            and self._dataset.format == other._dataset.format
        )

    def __hash__(self) -> int:
        return hash(tuple(self._paths))

    def __repr__(self) -> str:
        return self._paths[0] if len(self._paths) == 1 else f"{len(self._paths):,} files from {self._paths[0]}"

    @property
    def identity(self) -> str:
        names = [f"{os.path.basename(path)}:{stamp[0]}" for path, stamp in zip(self._paths, self._stamps, strict=True)]
        return hashlib.sha256("\n".join([self._filter_key, *names]).encode()).hexdigest()[:32]

    @property
    def fingerprint(self) -> str:
        """As `identity`, with places and times: whether the same files lie there as before."""
        lines = [f"{path}:{stamp}" for path, stamp in zip(self._paths, self._stamps, strict=True)]
        return hashlib.sha256("\n".join([self._filter_key, *lines]).encode()).hexdigest()[:32]

    def pieces(self) -> Sequence[Piece]:
        if self._pieces is None:
            with ThreadPoolExecutor(16) as pool:  # footers: each a wait for the disk or the network
                groups = list(pool.map(_row_groups, self._fragments))
            self._pieces = [
                (number, *piece) for number, each in enumerate(groups) for piece in _joined(each, self._filter is None)
            ]
        return [
            Piece(*self._place(number, first), n_rows, partial(self._read, number, row_groups))
            for number, row_groups, first, n_rows in self._pieces
        ]

    def _place(self, number: int, first: int) -> tuple[str, int]:
        """Where a piece begins, for messages: where rows are filtered, only those that are kept can be counted."""
        path = self._paths[number]
        if self._filter is None:
            return path, first
        return f"{path}, of the rows that the filters keep" + (f" from row {first:,} on" if first else ""), 0

    def sizes(self) -> list[int | None]:
        if self._sizes is None:
            pieces = self.pieces()
            with ThreadPoolExecutor(4) as pool:
                self._sizes = list(pool.map(self._size, range(len(pieces)), pieces))
        return self._sizes

    def _size(self, number: int, piece: Piece) -> int | None:
        return self.count(number) if piece.n_rows is None else piece.n_rows

    def count(self, number: int) -> int | None:
        """Rows of a piece, which is read to find out; None if it cannot be."""
        self.pieces()
        assert self._pieces is not None
        dataset = load("pyarrow.dataset", "reading files")
        try:
            fragment, schema = self._fragment(*self._pieces[number][:2])
            return int(dataset.Scanner.from_fragment(fragment, schema=schema, filter=self._filter).count_rows())
        except Exception:  # what is wrong with it is told when it is read
            return None

    def _fragment(self, number: int, row_groups: list[int] | None) -> tuple[Any, Any]:
        """What pyarrow reads of a file, and its schema: its own columns, and the keys of its folders."""
        dataset, pyarrow = load("pyarrow.dataset", "reading files"), load("pyarrow", "reading files")
        fragment = self._fragments[number]
        schema, keys = fragment.physical_schema, dataset.get_partition_keys(fragment.partition_expression)
        if not keys.keys().isdisjoint(schema.names):  # a column is what it holds, whatever folder it lies in
            keys = {name: value for name, value in keys.items() if name not in schema.names}
            holds = [dataset.field(name) == value for name, value in keys.items()]
            fragment = fragment.format.make_fragment(
                fragment.path, fragment.filesystem, functools.reduce(operator.and_, holds, dataset.scalar(True))
            )
        for name, value in keys.items():
            schema = schema.append(pyarrow.field(name, pyarrow.scalar(value).type))
        return fragment if row_groups is None else fragment.subset(row_group_ids=row_groups), schema

    def announce(self, sizes: Sequence[int | None]) -> None:
        """Take the rows of each piece as known: they were counted elsewhere. None: they could not be."""
        pieces = self.pieces()
        assert self._pieces is not None
        self._pieces = [
            (number, row_groups, first, piece.n_rows if size is None else size)
            for (number, row_groups, first, _), piece, size in zip(self._pieces, pieces, sizes, strict=True)
        ]

    def check_unchanged(self, piece: int) -> None:
        assert self._pieces is not None
        number = self._pieces[piece][0]
        now = self._stamp([self._paths[number]])[0]
        if now != self._stamps[number]:
            what = "has disappeared" if now[0] is None else "has changed"
            raise InputError(f"{self._paths[number]} {what} since it was first looked at: start again")

    def _stamp(self, paths: list[str]) -> list[Any]:
        return [(info.size, info.mtime_ns) for info in self._dataset.filesystem.get_file_info(paths)]

    def _read(self, number: int, row_groups: list[int] | None, columns: Sequence[str], rows: int) -> Iterator[Any]:
        pyarrow, path = load("pyarrow", "reading files"), self._paths[number]
        try:
            fragment, schema = self._fragment(number, row_groups)
            check_columns(columns, schema.names, path)
            if self._dataset.format.default_extname == "csv":
                self._check_guesses(columns, schema, path)
            names = list(dict.fromkeys(columns))
            yield from fragment.to_batches(
                schema=schema, columns=names, filter=self._filter, batch_size=rows, batch_readahead=2
            )
        except InputError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file") from error
        except (pyarrow.ArrowException, OSError, ValueError, TypeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error

    def _check_guesses(self, columns: Sequence[str], schema: Any, path: str) -> None:
        """Raise `InputError` where pyarrow takes a column for text in one CSV file and for numbers in another."""
        for name in columns:
            kind = str(schema.field(name).type)
            if kind == "null":
                continue
            first, where = self._guesses.setdefault(name, (kind, path))
            if (kind == "string") != (first == "string"):
                raise InputError(
                    f"{path}: column {name!r} looks like {kind}, in {where} like {first}: 01 would be the label '1' in "
                    "one and '01' in the other. Give a pyarrow.dataset.dataset with column_types, or Parquet"
                )


class Stream:
    """Record batches from memory, from a query, or from an iterator that can be read only once."""

    identity = ""

    def __init__(
        self, make: Callable[[], Iterable[Any]], name: str, origin: object, *, rereadable: bool, own: bool = False
    ) -> None:
        self._make, self._name, self._origin, self.rereadable = make, name, origin, rereadable
        self._own = own  # the user's code gives the batches, and its errors are the user's
        self._n_rows: int | None = None
        self._spent = False

    @classmethod
    def of_dataset(cls, data: Any, filters: Any) -> Stream:
        """The stream of a data set that is not just files: one in memory, a union, or one that was filtered."""
        how = {} if filters is None else {"filter": _expression(filters)}
        origin = data if filters is None else object()
        return cls(lambda: data.scanner(**how).to_reader(), f"a pyarrow {type(data).__name__}", origin, rereadable=True)

    @classmethod
    def of(cls, data: Any) -> Stream:
        """The stream of a table, query, iterator, sequence of batches, or function that returns one of these."""
        name = f"a {type(data).__module__.partition('.')[0]} {type(data).__name__}"
        pyarrow = load("pyarrow", name)
        if isinstance(data, pyarrow.RecordBatchReader):
            return cls(lambda: data, name, data, rereadable=False)
        if callable(getattr(data, "to_arrow_reader", None)):  # DuckDB: each call runs the query
            return cls(lambda: data.to_arrow_reader(1 << 17), name, data, rereadable=True)
        if callable(getattr(data, "fetch_record_batch", None)):
            return cls(lambda: data.fetch_record_batch(1 << 17), name, data, rereadable=True)
        if type(data).__module__.startswith("polars") and type(data).__name__ == "LazyFrame":
            if hasattr(data, "collect_batches"):
                return cls(lambda: data.collect_batches(maintain_order=True), name, data, rereadable=True)
            return cls(lambda: [data.collect()], name, data, rereadable=True)
        if isinstance(data, pyarrow.RecordBatch) or hasattr(data, "__arrow_c_stream__"):
            return cls(lambda: [data], name, data, rereadable=True)
        if callable(data):
            return cls(lambda: cls.of(data())._make(), "the batches", data, rereadable=True, own=True)
        if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
            return cls(lambda: data, "the batches", data, rereadable=True, own=True)
        if isinstance(data, Iterator):
            return cls(lambda: data, "the batches", data, rereadable=False, own=True)
        raise InputError(
            f"{show(data)} cannot be scanned: expected a path, a folder, a glob, a pyarrow data set, a table or query, "
            "or an iterator of record batches"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._origin is other._origin

    def __hash__(self) -> int:
        return id(self._origin)

    def __repr__(self) -> str:
        return self._name

    @property
    def fingerprint(self) -> str:
        return ""

    def pieces(self) -> Sequence[Piece]:
        return [Piece(self._name, 0, self._n_rows, self._read)]

    def sizes(self) -> list[int | None]:
        if self._n_rows is None:
            if not self.rereadable:
                raise InputError(f"{self._name} can be read only once, and its number of rows is needed before")
            self._n_rows = sum(len(batch) for batch in self._read((), 1 << 17))
        return [self._n_rows]

    def check_unchanged(self, piece: int) -> None:
        pass

    def _read(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        if self._spent:
            raise InputError(
                f"{self._name} can be read only once, and was: give a function that returns the batches anew, "
                "or what there is in files"
            )
        self._spent = not self.rereadable
        pyarrow = load("pyarrow", self._name)
        names = list(dict.fromkeys(columns))
        try:
            given = self._make()
            for item in [given] if hasattr(given, "__arrow_c_stream__") and not _iterates(given) else given:
                for batch in _batches(item, pyarrow):
                    check_columns(names, batch.schema.names, self._name)
                    chosen = batch.select(names) if names else batch
                    for begin in range(0, len(batch), rows):
                        yield chosen.slice(begin, rows)
        except InputError:
            raise
        except Exception as error:  # of pyarrow, or of the library whose table or query this is
            if self._own and not isinstance(error, pyarrow.ArrowException):
                raise
            raise InputError(f"{self._name} cannot be read: {error}") from error


def _iterates(data: Any) -> bool:
    return hasattr(data, "read_next_batch")


def _batches(item: Any, pyarrow: Any) -> Iterable[Any]:
    """The record batches of a batch, a table, or whatever exports an Arrow stream."""
    if isinstance(item, pyarrow.RecordBatch):
        return [item]
    if isinstance(item, pyarrow.Table):
        return item.to_batches()  # type: ignore[no-any-return]
    if hasattr(item, "__arrow_c_stream__"):
        return pyarrow.RecordBatchReader.from_stream(item)  # type: ignore[no-any-return]
    raise InputError(f"expected Arrow record batches, found {show(item)}")


def _is_list_of(data: Any, kind: Any) -> bool:
    return isinstance(data, (list, tuple)) and (not data or all(isinstance(item, kind) for item in data))


def _expression(filters: Any) -> Any:
    parquet = load("pyarrow.parquet", "filters")
    try:
        return parquet.filters_to_expression(filters)
    except (TypeError, ValueError) as error:
        raise InputError(f"filters: {error}") from error


def _expanded(path: str) -> list[str]:
    """A path itself, the files of a folder and those below it, or what matches a glob."""
    if "://" in path or os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        found = [
            os.path.join(folder, name)
            for folder, folders, names in os.walk(path)
            for name in [*names]
            if not _hidden(os.path.relpath(os.path.join(folder, name), path)) and name.lower().endswith(_ENDINGS)
        ]
        if not found:
            raise InputError(f"{path}: no file below this folder ends in {', '.join(_ENDINGS)}")
        return sorted(found)
    if glob.has_magic(path):
        found = [match for match in glob.glob(path, recursive=True) if not os.path.isdir(match)]
        if not found:
            raise InputError(f"no file matches {path}")
        return sorted(found)
    folder = os.path.dirname(path) or "."
    names = os.listdir(folder) if os.path.isdir(folder) else []
    raise InputError(f"{path}: there is no such file; {nearest(os.path.basename(path), names)}")


def _hidden(path: str) -> bool:
    return any(part.startswith((".", "_")) for part in path.split(os.sep))


def _format_of(path: str) -> str:
    for kind, endings in _FORMATS.items():
        if path.lower().endswith(endings):
            return kind
    if "://" in path:
        return "parquet"
    raise InputError(f"{path}: expected a file that ends in {', '.join(_ENDINGS)}")


def _has_files(data: Any, dataset: Any) -> bool:
    """Whether a data set is the files that it names, all of their rows."""
    if not isinstance(data, dataset.FileSystemDataset):
        return False
    try:
        data.get_fragments()
    except ValueError:  # it was filtered
        return False
    return True


def _located(urls: Sequence[str]) -> tuple[Any, list[str]]:
    """The file system of URLs, and their paths in it."""
    fs, pyarrow = load("pyarrow.fs", "reading URLs"), load("pyarrow", "reading URLs")
    try:
        found = [fs.FileSystem.from_uri(url) for url in urls]
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{listed(urls, 3)} cannot be read: {error}") from error
    if any(filesystem != found[0][0] for filesystem, _ in found):
        raise InputError(f"files of several file systems cannot be one table: {listed(urls, 3)}")
    return found[0][0], [path for _, path in found]


def _keys(files: Sequence[str], pyarrow: Any) -> Any:
    """The ``key=value`` of folders as a schema: whole numbers where all values are, otherwise text."""
    values: dict[str, set[str]] = {}
    for path in files:
        for folder in os.path.dirname(path).replace(os.sep, "/").split("/"):
            key, equals, value = folder.partition("=")
            if equals:
                values.setdefault(unquote(key), set()).add(unquote(value))

    def kind(found: set[str]) -> Any:
        numbers = [re.fullmatch(r"-?\d{1,9}", value, re.ASCII) for value in found - {_NULL}]
        return pyarrow.int32() if numbers and all(numbers) else pyarrow.string()

    return pyarrow.schema([(key, kind(found)) for key, found in values.items()])


def _reader(kind: str, files: Sequence[str]) -> Any:
    dataset = load("pyarrow.dataset", "reading files")
    if kind == "parquet":  # pages may have checksums, which pyarrow compares only if told to
        checked = dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
        return dataset.ParquetFileFormat(default_fragment_scan_options=checked)
    if kind != "csv":
        return kind
    csv = load("pyarrow.csv", "reading CSV")
    layout = csv.ParseOptions(delimiter="\t" if ".tsv" in files[0].lower()[-7:] else ",")
    # an empty cell of a text column is a missing label, not a label of no letters
    return dataset.CsvFileFormat(layout, convert_options=csv.ConvertOptions(strings_can_be_null=True))


def _row_groups(fragment: Any) -> list[int] | None:
    """Rows of each row group of a Parquet file; None for what has none, or cannot be read."""
    try:
        return [group.num_rows for group in fragment.row_groups]
    except Exception:  # what is wrong with it is told when it is read
        return None


def _joined(rows: list[int] | None, known: bool) -> Iterator[tuple[list[int] | None, int, int | None]]:
    """Row groups of a file in pieces: their numbers, the first row, and how many rows there are."""
    if rows is None:
        yield None, 0, None
        return
    begin, groups, n = 0, list[int](), 0
    for group, size in enumerate(rows):
        if groups and n + size > PIECE_ROWS:
            yield groups, begin, n if known else None
            begin, groups, n = begin + n, [], 0
        groups.append(group)
        n += size
    if groups:
        yield groups, begin, n if known else None
