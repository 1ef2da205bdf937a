"""One column of whatever library, as a NumPy array or as an Arrow array.

NumPy arrays, lists and pandas columns with a NumPy dtype stay NumPy; everything else goes through Arrow,
without a Python loop over its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from askew.errors import InputError
from askew.interop.gpu_arrays import check_on_host
from askew.interop.names import show

#: A 1-dimensional NumPy array (of objects where the dtypes are mixed), or a ``pyarrow.ChunkedArray``.
Column: TypeAlias = Any


def load(module: str, purpose: str) -> Any:
    """An optional dependency, imported when it is first needed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"{purpose} needs pyarrow and narwhals: pip install pyarrow narwhals ({error})") from error


def as_column(data: Any, what: str) -> Column:
    """One value per instance, from any array, list, Series or Arrow array.

    Raises
    ------
    InputError
        Not one-dimensional, or of a type that is not understood.
    """
    if isinstance(data, (str, bytes)) or np.isscalar(data) or data is None:
        raise InputError(f"{what} must be one value per instance, not {show(data)}")
    check_on_host(data, what)
    library = type(data).__module__.partition(".")[0]
    if isinstance(data, np.ma.MaskedArray):
        column = as_array(data.tolist(), what) if np.ma.is_masked(data) else data.data  # None where masked
    elif library == "pandas" and hasattr(data, "dtype"):
        column = _from_pandas(data, what)
    elif library != "numpy" and any(
        hasattr(data, attribute) for attribute in ("to_arrow", "__arrow_c_array__", "__arrow_c_stream__")
    ):
        column = _from_arrow(data, what)
    elif isinstance(data, Sequence):
        column = np.fromiter(data, object, len(data))
    else:
        column = as_array(data, what)
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise InputError(f"{what} must be one-dimensional, this has the shape {column.shape}")
    return column


def as_array(data: object, what: str) -> npt.NDArray[Any]:
    """`numpy.asarray` that tells what is wrong in our words."""
    try:
        return np.asarray(data)
    except Exception as error:  # whatever the __array__ of another library raises
        if isinstance(data, Sequence):
            lengths = [len(row) if hasattr(row, "__len__") else None for row in data]
            for row, length in enumerate(lengths):
                if length != lengths[0]:
                    raise InputError(
                        f"{what}: row {row} has {'no' if length is None else length} values, row 0 has "
                        f"{'no' if lengths[0] is None else lengths[0]}; every row needs the same number "
                        "(lists of tags go to Annotations.from_tags)"
                    ) from error
        raise InputError(f"{what}: a {type(data).__name__} cannot be read as an array: {error}") from error


def chunks(column: Column) -> list[Any]:
    """The contiguous pieces of a column: itself, or Arrow's chunks."""
    return [column] if isinstance(column, np.ndarray) else [chunk for chunk in column.chunks if len(chunk)]


def first_null(column: Column) -> int:
    """The row of an Arrow column's first null, which has one."""
    return int(column.is_null().index(True).as_py())


def _from_pandas(data: Any, what: str) -> Column:
    if isinstance(data.dtype, np.dtype):
        return np.asarray(data)
    pyarrow = load("pyarrow", f"{what}: a pandas column of dtype {data.dtype}")
    try:
        return _chunked(pyarrow.array(data, from_pandas=True))
    except (pyarrow.ArrowException, TypeError, ValueError):  # mixed or foreign values: looked at one by one
        return np.asarray(data, dtype=object)


def _from_arrow(data: Any, what: str) -> Column:
    pyarrow = load("pyarrow", f"{what}: a {type(data).__name__}")
    try:
        if isinstance(data, (pyarrow.Array, pyarrow.ChunkedArray)):
            return _chunked(data)
        if hasattr(data, "to_arrow"):
            return _chunked(data.to_arrow())
        importer = pyarrow.array if hasattr(data, "__arrow_c_array__") else pyarrow.chunked_array
        return _chunked(importer(data))
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{what}: a {type(data).__name__} is no Arrow array: {error}") from error


def _chunked(array: Any) -> Column:
    pyarrow = import_module("pyarrow")
    if isinstance(array, pyarrow.ChunkedArray):
        return array
    if not isinstance(array, pyarrow.Array):
        raise TypeError(f"it holds {type(array).__name__}, not one column")
    return pyarrow.chunked_array([array])
