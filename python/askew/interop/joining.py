"""Rows in the order of another table, matched by their ids, on disk where they do not fit the memory: DuckDB joins."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from askew.errors import InputError
from askew.interop.columns import load
from askew.interop.names import listed
from askew.interop.sources import Piece, Source

_BATCH = 1 << 17


class Joined:
    """The rows of a source in the order of another one's ids.

    The join is made when it is first read, in a temporary folder, which goes when the source does. In the database,
    column number i is called ``ci``: DuckDB's names do not tell "A" from "a".
    """

    rereadable = True

    def __init__(self, source: Source, columns: Sequence[str], ids: str, order: Source, order_ids: str) -> None:
        self._source, self._columns, self._ids = source, list(dict.fromkeys([*columns, ids])), ids
        self._order, self._order_ids = order, order_ids
        self._database: str | None = None
        self._n_rows: int | None = None

    def __repr__(self) -> str:
        return f"{self._source!r}, in the order of {self._order!r}"

    @property
    def identity(self) -> str:
        return self._joint(self._source.identity, self._order.identity)

    @property
    def fingerprint(self) -> str:
        return self._joint(self._source.fingerprint, self._order.fingerprint)

    def _joint(self, own: str, wanted: str) -> str:
        return repr((own, self._ids, wanted, self._order_ids)) if own and wanted else ""

    def pieces(self) -> Sequence[Piece]:
        return [Piece(repr(self), 0, self._n_rows, self._read)]

    def sizes(self) -> list[int | None]:
        self._join()
        return [self._n_rows]

    def check_unchanged(self, piece: int) -> None:
        pass

    def _read(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        duckdb, pyarrow = load("duckdb", "joining by id"), load("pyarrow", "joining by id")
        self._join()
        with duckdb.connect(self._database, read_only=True) as connection:
            wanted = list(dict.fromkeys(columns))
            names = ", ".join(f"c{self._columns.index(name)}" for name in wanted) or "1"
            relation = connection.sql(f"SELECT {names} FROM joined ORDER BY rowid")
            read = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
            for batch in read(rows):
                yield pyarrow.record_batch(batch.columns, wanted) if wanted else batch

    def _join(self) -> None:
        if self._database is not None:
            return
        duckdb = load("duckdb", "joining by id")
        folder = tempfile.mkdtemp(prefix="askew-join-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        database = os.path.join(folder, "joined.db")
        own = f"c{self._columns.index(self._ids)}"
        try:
            with duckdb.connect(database, config={"temp_directory": folder}) as connection:
                _load(connection, "wanted", self._order, [self._order_ids], self._order_ids)
                _load(connection, "own", self._source, self._columns, self._ids)
                _check_ids(connection, "wanted", "c0", repr(self._order))
                _check_ids(connection, "own", own, repr(self._source))
                self._compare(connection, "c0", own)
                connection.execute(
                    "CREATE TABLE joined AS SELECT own.* "
                    f"FROM wanted JOIN own ON wanted.c0 = own.{own} ORDER BY wanted.rowid"
                )
                (self._n_rows,) = connection.execute("SELECT count(*) FROM joined").fetchone()
                connection.execute("DROP TABLE own; DROP TABLE wanted")
        except duckdb.Error as error:
            raise InputError(f"{self!r} cannot be joined: {error}") from error
        self._database = database

    def _compare(self, connection: Any, wanted: str, own: str) -> None:
        """Every id of one table must be in the other."""
        kinds = [
            connection.execute(f"SELECT typeof({column}) FROM {table} LIMIT 1").fetchone()
            for table, column in (("wanted", wanted), ("own", own))
        ]
        if None not in kinds and ("VARCHAR" in kinds[0]) != ("VARCHAR" in kinds[1]):
            raise InputError(
                f"the ids of {self._source!r} have type {kinds[1][0]}, those of {self._order!r} {kinds[0][0]}"
            )
        for table, column, other, other_column, text in [
            ("wanted", wanted, "own", own, f"{self._source!r} lacks ids of {self._order!r}"),
            ("own", own, "wanted", wanted, f"{self._source!r} has ids that are not in {self._order!r}"),
        ]:
            query = f"FROM {table} ANTI JOIN {other} ON {table}.{column} = {other}.{other_column}"
            (n,) = connection.execute(f"SELECT count(*) {query}").fetchone()
            if n:
                first = connection.execute(f"SELECT {column} {query} ORDER BY ALL LIMIT 3").fetchall()
                raise InputError(f"{text}: {n:,}, such as {listed([value for (value,) in first])}")


def _load(connection: Any, table: str, source: Source, columns: Sequence[str], ids: str) -> None:
    """The columns of a source, as a table of the database, in order."""
    pyarrow = load("pyarrow", "joining by id")
    batches = _batches(source, columns, pyarrow)
    first = next(batches, None)
    if first is None:
        raise InputError(f"{source!r} has no instances")
    kind = first.schema.types[columns.index(ids)]
    if not (pyarrow.types.is_integer(kind) or str(kind) in ("string", "large_string", "string_view")):
        raise InputError(f"{source!r}: the ids in column {ids!r} have type {kind}; expected whole numbers or text")

    wrong: list[InputError] = []

    def all_batches() -> Iterable[Any]:
        try:
            yield first
            for batch in batches:
                yield from [batch] if batch.schema == first.schema else _cast(batch, first.schema, source, pyarrow)
        except InputError as error:  # DuckDB makes an error of its own of it, traceback and all
            wrong.append(error)
            raise

    reader = pyarrow.RecordBatchReader.from_batches(first.schema, all_batches())
    connection.register("batches", reader)
    try:
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM batches")
    except Exception:
        if wrong:
            raise wrong[0] from None
        raise
    connection.unregister("batches")


def _batches(source: Source, columns: Sequence[str], pyarrow: Any) -> Iterator[Any]:
    """The batches of a source, their columns called by number, without dictionaries."""
    for number, piece in enumerate(source.pieces()):
        source.check_unchanged(number)
        for batch in piece.read(columns, _BATCH):
            decoded = [_decoded(batch.column(name), pyarrow) for name in columns]
            if len(batch):
                yield pyarrow.record_batch(decoded, [f"c{i}" for i in range(len(decoded))])
        source.check_unchanged(number)


def _decoded(column: Any, pyarrow: Any) -> Any:
    if pyarrow.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    # a file without labels does not say what type they would have
    return column.cast(pyarrow.string()) if pyarrow.types.is_null(column.type) else column


def _cast(batch: Any, schema: Any, source: Source, pyarrow: Any) -> Iterable[Any]:
    """A batch as if it had the types of another, if it then holds the same."""
    table = pyarrow.Table.from_batches([batch])
    try:
        cast = table.cast(schema)
        same = cast.cast(batch.schema).equals(table)  # 2 is True as a boolean
    except (pyarrow.ArrowException, ValueError) as error:
        raise InputError(f"{source!r} has columns of different types: {error}") from error
    if not same:
        raise InputError(f"{source!r} has columns of different types, {batch.schema.types} and {schema.types}")
    return cast.to_batches()  # type: ignore[no-any-return]


def _check_ids(connection: Any, table: str, column: str, name: str) -> None:
    """Ids must be there, and distinct."""
    (missing,) = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} IS NULL").fetchone()
    if missing:
        raise InputError(f"{name}: {missing:,} ids are missing; every instance needs an id of its own")
    twice = connection.execute(
        f"SELECT {column}, count(*) FROM {table} GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3"
    ).fetchall()
    if twice:
        told = ", ".join(f"{value!r} {times} times" for value, times in twice)
        raise InputError(f"{name}: ids stand more than once: {told}; every instance needs an id of its own")
