"""A small column table: prints itself, and hands itself to DataFrame libraries through Arrow."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.errors import InputError

Column = npt.NDArray[Any]

_STYLE = "<style>table.askew .n {text-align: right} table.askew .t {text-align: left}</style>"


class Table(Mapping[str, Column]):
    """Named columns of equal length: a read-only mapping of names to NumPy arrays.

    Any library that reads Arrow takes it as it is (``polars.DataFrame(table)``, ``pyarrow.table(table)``, DuckDB).

    Examples
    --------
    >>> table = Table({"set": ["tea", "cup"], "delta": [0.25, -0.5]})
    >>> table["delta"]
    array([ 0.25, -0.5 ])
    >>> print(table)
    set    delta
    tea  +0.2500
    cup  -0.5000
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, npt.ArrayLike]) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        assert len({len(column) for column in self._columns.values()}) <= 1

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()), ()))

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row, of plain Python values; NaN becomes None."""
        columns = [
            [None if value != value else value for value in column.tolist()] for column in self._columns.values()
        ]
        return [dict(zip(self._columns, row, strict=True)) for row in zip(*columns, strict=True)]

    def sort(self, by: str, *, descending: bool = False) -> Table:
        """The rows in the order of a column, NaN last."""
        keys = self._columns[by]
        order = np.argsort(-keys if descending else keys, kind="stable")
        return self.take(order)

    def take(self, rows: npt.NDArray[Any] | slice) -> Table:
        """The rows of the given numbers, or those that a boolean array selects."""
        return Table({name: column[rows] for name, column in self._columns.items()})

    def to_csv(self) -> str:
        """Text with a header line and comma-separated values; NaN is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self._columns)
        for row in zip(*(column.tolist() for column in self._columns.values()), strict=True):
            writer.writerow(["" if value != value else value for value in row])
        return out.getvalue()

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``; needs pyarrow."""
        try:
            import pyarrow
        except ImportError:
            raise InputError("tables reach other libraries through pyarrow: pip install pyarrow") from None
        return pyarrow.table(
            {
                name: pyarrow.array(column.tolist()) if column.dtype == object else column
                for name, column in self.items()
            }
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``."""
        import pandas

        return pandas.DataFrame(dict(self._columns))

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``."""
        import polars

        return polars.DataFrame(self.to_arrow())

    def __str__(self) -> str:
        shown, more = self._shown(20)
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        right = [column.dtype.kind in "iuf" for column in self._columns.values()]
        lines = [
            "  ".join(
                text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in shown
        ]
        return "\n".join(lines + more)

    def __repr__(self) -> str:
        return f"Table of {self.n_rows:,} rows\n{self}"

    def _repr_html_(self) -> str:
        shown, more = self._shown(60)
        kinds = ["n" if column.dtype.kind in "iuf" else "t" for column in self._columns.values()]

        def cells(tag: str, row: list[str]) -> str:
            each = (f"<{tag} class={k}>{html.escape(text)}</{tag}>" for k, text in zip(kinds, row, strict=True))
            return f"<tr>{''.join(each)}</tr>"

        head, body = cells("th", shown[0]), "".join(cells("td", row) for row in shown[1:])
        note = "".join(f"<p>{html.escape(line)}</p>" for line in more)
        return f"{_STYLE}<table class='askew'><thead>{head}</thead><tbody>{body}</tbody></table>{note}"

    def _shown(self, most: int) -> tuple[list[list[str]], list[str]]:
        """The header and the first rows as text, and a line about the rest."""
        first = [column[:most].tolist() for column in self._columns.values()]
        rows = [
            [_text(name, value) for name, value in zip(self._columns, row, strict=True)]
            for row in zip(*first, strict=True)
        ]
        more = [f"… {self.n_rows - most:,} more rows"] if self.n_rows > most else []
        return [list(self._columns), *rows], more


def _text(name: str, value: object) -> str:
    if isinstance(value, float):
        if value != value:
            return "–"
        return f"{value:+.4f}" if name in ("delta", "low", "high", "value", "difference") else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
