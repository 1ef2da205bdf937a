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

    The join is made when it is first read, in a temporary folder, which goes when the source does.
    """

    rereadable = True
    identity = ""

    def __init__(self, source: Source, columns: Sequence[str], ids: str, order: Source, order_ids: str) -> None:
        self._source, self._columns, self._ids = source, list(dict.fromkeys([*columns, ids])), ids
        self._order, self._order_ids = order, order_ids
        self._database: str | None = None
        self._n_rows: int | None = None

    def __repr__(self) -> str:
        return f"{self._source!r}, in the order of {self._order!r}"

    @property
    def fingerprint(self) -> str:
        return ""

    def pieces(self) -> Sequence[Piece]:
        return [Piece(repr(self), 0, self._n_rows, self._read)]

    def sizes(self) -> list[int]:
        self._join()
        assert self._n_rows is not None
        return [self._n_rows]

    def check_unchanged(self, piece: int) -> None:
        pass

    def _read(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        duckdb = load("duckdb", "joining by id")
        self._join()
        with duckdb.connect(self._database, read_only=True) as connection:
            names = ", ".join(map(_quoted, dict.fromkeys(columns))) or "1"
            relation = connection.sql(f"SELECT {names} FROM joined ORDER BY rowid")
            read = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
            yield from read(rows)

    def _join(self) -> None:
        if self._database is not None:
            return
        duckdb = load("duckdb", "joining by id")
        folder = tempfile.mkdtemp(prefix="askew-join-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        database = os.path.join(folder, "joined.db")
        with duckdb.connect(database, config={"temp_directory": folder}) as connection:
            _load(connection, "wanted", self._order, [self._order_ids])
            _load(connection, "own", self._source, self._columns)
            wanted, own = _quoted(self._order_ids), _quoted(self._ids)
            _check_ids(connection, "wanted", wanted, repr(self._order))
            _check_ids(connection, "own", own, repr(self._source))
            self._compare(connection, wanted, own)
            connection.execute(
                "CREATE TABLE joined AS SELECT own.* "
                f"FROM wanted JOIN own ON wanted.{wanted} = own.{own} ORDER BY wanted.rowid"
            )
            (self._n_rows,) = connection.execute("SELECT count(*) FROM joined").fetchone()
            connection.execute("DROP TABLE own; DROP TABLE wanted")
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


def _load(connection: Any, table: str, source: Source, columns: Sequence[str]) -> None:
    """The columns of a source, as a table of the database, in order."""
    pyarrow = load("pyarrow", "joining by id")
    batches = (batch for piece in source.pieces() for batch in piece.read(columns, _BATCH))
    first = next(iter(batches), None)
    if first is None:
        raise InputError(f"{source!r} has no instances")

    def all_batches() -> Iterable[Any]:
        yield first
        for batch in batches:
            yield batch if batch.schema == first.schema else _cast(batch, first.schema, source, pyarrow)

    reader = pyarrow.RecordBatchReader.from_batches(first.schema, all_batches())
    connection.register("batches", reader)
    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM batches")
    connection.unregister("batches")


def _cast(batch: Any, schema: Any, source: Source, pyarrow: Any) -> Any:
    try:
        return pyarrow.Table.from_batches([batch]).cast(schema).combine_chunks().to_batches()[0]
    except (pyarrow.ArrowException, ValueError, IndexError) as error:
        raise InputError(f"{source!r} has columns of different types: {error}") from error


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
