"""Columns by name, from DataFrames, streams and files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from askew.errors import InputError
from askew.interop.columns import load
from askew.interop.names import listed, nearest, show

_PARQUET, _CSV = (".parquet", ".pq", ".parq"), (".csv", ".csv.gz", ".tsv", ".tsv.gz")


def columns_of(table: Any, wanted: Sequence[Any]) -> dict[Any, Any]:
    """The wanted columns of a DataFrame, relation or Arrow stream, by name; nothing else is read.

    Raises
    ------
    InputError
        Not a table, or it lacks a column or has it twice.
    """
    purpose = f"a {type(table).__module__.partition('.')[0]} {type(table).__name__}"
    narwhals, pyarrow = load("narwhals", purpose), load("pyarrow", purpose)
    if isinstance(table, pyarrow.RecordBatch):
        table = pyarrow.Table.from_batches([table])
    try:
        frame = narwhals.from_native(table, pass_through=True, allow_series=True)
    except narwhals.exceptions.NarwhalsError as error:
        raise InputError(f"{purpose} cannot be read: {error}") from error
    if frame is table:
        if not hasattr(table, "__arrow_c_stream__"):
            raise InputError(f"{purpose} is not a table; expected a pandas, polars, pyarrow or DuckDB one")
        return columns_of(_from_stream(table, wanted, pyarrow), wanted)
    if isinstance(frame, narwhals.LazyFrame):
        check_columns(wanted, frame.collect_schema().names(), "the table")
        frame = frame.select(*dict.fromkeys(wanted)).collect()
    elif isinstance(frame, narwhals.DataFrame):
        check_columns(wanted, frame.columns, "the table")
    else:
        raise InputError(f"{purpose} is one column; expected a table")
    return {name: frame.get_column(name).to_native() for name in wanted}


def check_columns(wanted: Iterable[object], available: Sequence[object], where: str) -> None:
    """Raise `InputError` unless each wanted column is there, once."""
    times = Counter(available)
    for name in wanted:
        if times[name] == 0:
            raise InputError(f"{where} has no column {show(name)}; {nearest(name, available)}")
        if times[name] > 1:
            raise InputError(f"{where} has {times[name]} columns called {show(name)}")


def read_table(path: str | os.PathLike[str], columns: Sequence[str], filters: Any = None) -> Any:
    """The named columns of a Parquet or CSV file, told apart by the extension, as a ``pyarrow.Table``.

    Parameters
    ----------
    path : path
        A file that ends in .parquet, .pq, .csv or .tsv (or .csv.gz, .tsv.gz).
    columns : sequence of str
        Which columns to read.
    filters : optional
        Rows to keep, as in `pyarrow.parquet.read_table`: ``[("split", "=", "test")]``.

    Raises
    ------
    InputError
        The file is missing, broken or of another kind, or lacks a column.
    """
    name = os.fspath(path).lower()
    if name.endswith(_PARQUET):
        return read_parquet(path, columns, filters)
    if name.endswith(_CSV):
        return _read_csv(path, columns, filters)
    raise InputError(f"{os.fspath(path)}: expected a file that ends in {', '.join(_PARQUET + _CSV)}")


def read_parquet(paths: Any, columns: Sequence[str], filters: Any = None) -> Any:
    """The named columns of a Parquet file or directory, or of several in a row, as a ``pyarrow.Table``."""
    several = list(paths) if isinstance(paths, (list, tuple)) else [paths]
    if not several:
        raise InputError("no Parquet file was named")
    parquet, pyarrow = load("pyarrow.parquet", "reading Parquet"), load("pyarrow", "reading Parquet")

    def read(path: str) -> Any:
        dataset = parquet.ParquetDataset(path, filters=filters)
        check_columns(columns, dataset.schema.names, path)
        return dataset.read(columns=list(dict.fromkeys(columns)))

    tables = [_read(path, read) for path in several]
    if len(tables) == 1:
        return tables[0]
    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"the files {listed(list(map(os.fspath, several)))} have columns of different types: {error}"
        ) from error


def _read_csv(path: Any, columns: Sequence[str], filters: Any) -> Any:
    csv, parquet = load("pyarrow.csv", "reading CSV"), load("pyarrow.parquet", "reading CSV")

    def read(path: str) -> Any:
        layout = csv.ParseOptions(delimiter="\t" if ".tsv" in path.lower()[-7:] else ",")
        with csv.open_csv(path, parse_options=layout) as head:
            check_columns(columns, head.schema.names, path)
        names = list(dict.fromkeys(columns))
        # an empty cell of a text column is a missing label, not a label of no letters
        conversion = csv.ConvertOptions(include_columns=None if filters else names, strings_can_be_null=True)
        table = csv.read_csv(path, parse_options=layout, convert_options=conversion)
        return table.filter(parquet.filters_to_expression(filters)).select(names) if filters else table

    return _read(path, read)


def _read(path: Any, read: Callable[[str], Any]) -> Any:
    """Read a file; whatever goes wrong names it."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"expected the path of a file, not {show(path)}")
    name = os.fspath(path)
    pyarrow = load("pyarrow", "reading files")
    try:
        return read(name)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no such file") from error
    except (pyarrow.ArrowException, OSError, TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be read: {error}") from error


def _from_stream(table: Any, wanted: Sequence[Any], pyarrow: Any) -> Any:
    """The wanted columns of an Arrow stream, batch by batch, so that the others are never held together."""
    try:
        reader = pyarrow.RecordBatchReader.from_stream(table)
        check_columns(wanted, reader.schema.names, "the table")
        names = list(dict.fromkeys(wanted))
        batches = [batch.select(names) for batch in reader]
        schema = pyarrow.schema([reader.schema.field(name) for name in names])
        return pyarrow.Table.from_batches(batches, schema)
    except pyarrow.ArrowException as error:
        raise InputError(f"the Arrow stream of a {type(table).__name__} cannot be read: {error}") from error
