"""Tables of 0 and 1 → packed columns: arrays, sparse matrices, and columns of a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew.engine import choose, threads, words_for
from askew.engine.device_arrays import gpu_of
from askew.engine.protocol import Int32, Offsets, UInt8, Words
from askew.errors import InputError
from askew.interop.columns import Column, as_array, as_column, chunks, first_null
from askew.interop.gpu_arrays import pack_gpu_table
from askew.interop.names import as_names, check_number, listed, show, table_names, wrong_cell

_BYTES = 1 << 24  # values looked at in one go: three temporaries of this size at most
_FEW_COLUMNS = 8  # up to which a comparison of all codes with each takes less time than setting a bit for each row


class Packed(NamedTuple):
    """Named, packed columns of n instances."""

    names: tuple[str, ...]
    words: Words
    n: int


def pack_matrix(values: object, names: Sequence[str] | None, what: str) -> Packed:
    """An (n, p) array or sparse matrix of 0 and 1, or an array on a GPU; the names are "0" to "p-1" if none are given.

    Raises
    ------
    InputError
        Wrong shape, wrong number of names, or a value other than 0 and 1.
    """
    gpu = gpu_of(values)
    if gpu is not None:
        return Packed(*pack_gpu_table(values, gpu, names, what))
    matrix = _as_matrix(values, what)
    names = table_names(matrix.shape, names, what)
    wrong = partial(wrong_cell, what, names)
    words = _pack_array(matrix, wrong) if isinstance(matrix, np.ndarray) else _pack_sparse(matrix, wrong)
    return Packed(names, words, matrix.shape[0])


def pack_columns(columns: Mapping[str, Any], names: Sequence[str] | None, what: str) -> Packed:
    """One column of 0 and 1 per name.

    Columns that are called as the declared `names` are taken by name, in whatever order they come; columns
    that share no name with them are taken in order and renamed.

    Raises
    ------
    InputError
        No column, columns that are neither the declared ones nor one for each, or a value other than 0 and 1.
    """
    own = as_names(columns, what)
    if not own:
        raise InputError(f"{what}: no column was named")
    ordered = dict(zip(own, columns.values(), strict=True))
    if names is None:
        names = own
    elif set(names) == set(own):
        ordered = {name: ordered[name] for name in names}
    elif common := set(names) & set(own):
        missing, extra = [x for x in names if x not in ordered], [x for x in own if x not in common]
        raise InputError(
            f"{what}: some columns are declared names, some are not (not given: {listed(missing)}; "
            f"not declared: {listed(extra)}); give the declared ones, or as many others in their order"
        )
    check_number(names, len(own), what)
    bits = [_column_bits(as_column(data, what), f"{what}: column {name!r}") for name, data in ordered.items()]
    n = bits[0][1]
    if n == 0:
        raise InputError(f"{what} have no instances")
    return Packed(tuple(names), _stacked([column for column, _ in bits], n), n)


def pack_rows(offsets: Offsets, indices: Offsets, n_columns: int) -> Words:
    """Packed columns of rows of column indices; negative ones are passed over."""
    return choose().pack_sparse(offsets, indices, n_columns, threads())


def pack_codes(codes: Int32, n_columns: int) -> Words:
    """Packed columns of rows with one column index each; negative ones are passed over."""
    if n_columns > _FEW_COLUMNS:
        return pack_rows(np.arange(len(codes) + 1), codes, n_columns)
    return _stacked([np.packbits(codes == column, bitorder="little") for column in range(n_columns)], len(codes))


def is_table(values: Any) -> bool:
    """Whether groups are given as a binary table and not as one label per instance."""
    if is_sparse(values) or gpu_of(values) is not None:  # there are no labels on a GPU
        return True
    if isinstance(values, (list, tuple)):
        return bool(values) and isinstance(values[0], (list, tuple, np.ndarray))
    return getattr(values, "ndim", 1) > 1 or is_frame(values)


def is_sparse(values: object) -> bool:
    """Whether values are a SciPy sparse matrix."""
    return type(values).__module__.startswith("scipy.sparse")


def is_frame(values: object) -> bool:
    """Whether values are a DataFrame of some library."""
    # asked of the type: a lazy frame computes its columns when asked for them
    return hasattr(type(values), "columns") or hasattr(values, "__narwhals_dataframe__")


def _as_matrix(values: Any, what: str) -> Any:
    """A two-dimensional array of a dtype that can hold 0 and 1, or a canonical CSR matrix."""
    if is_sparse(values):
        return _as_csr(values, what)
    if is_frame(values):
        raise InputError(f"{what} are a {type(values).__name__}: use Annotations.from_dataframe")
    array = as_array(values, what)
    if array.ndim != 2:
        raise InputError(
            f"{what} must be a two-dimensional table, one row per instance; "
            f"this has {array.ndim} dimensions, shape {array.shape}"
        )
    if np.ma.is_masked(values):
        row, column = (int(index[0]) for index in np.nonzero(np.ma.getmaskarray(values)))
        raise InputError(f"{what}: row {row}, column {column} is masked; expected 0 or 1")
    if not isinstance(values, np.ndarray) and array.dtype.kind not in "biuf":
        array = np.asarray(values, dtype=object)  # so that a single wrong value in a list can be named
    _check_dtype(array.dtype, what)
    return array


def _as_csr(values: Any, what: str) -> Any:
    if values.ndim != 2:
        raise InputError(f"{what} must be two-dimensional, one row per instance; the shape is {values.shape}")
    _check_dtype(values.dtype, what)
    try:
        if hasattr(values, "check_format"):
            values.check_format(full_check=True)
        csr = values.tocsr()
    except ValueError as error:
        raise InputError(f"{what}: the sparse matrix is not valid: {error}") from error
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    return csr


def _check_dtype(dtype: np.dtype[Any], what: str) -> None:
    if dtype.kind not in "biufO":
        raise InputError(f"{what} have dtype {dtype}; expected booleans or numbers 0 and 1")


def _pack_array(matrix: npt.NDArray[Any], wrong: Callable[[int, int, object], InputError]) -> Words:
    n, p = matrix.shape
    engine, n_threads = choose(), threads()
    octets = matrix.view(np.uint8) if matrix.dtype in (np.bool_, np.uint8, np.int8) else None
    if octets is not None:
        words, bad = engine.pack(octets, n_threads)
        if bad >= 0:
            raise wrong(bad // p, bad % p, matrix[bad // p, bad % p])
        return words
    words = np.empty((p, words_for(n)), np.uint64)
    step = max(1, _BYTES // (p * 512)) * 512  # whole words, so that pieces are written in place
    for begin in range(0, n, step):
        rows = slice(begin, begin + step)
        ones, bad = _ones(matrix[rows])
        if bad < 0:
            piece, bad = engine.pack(ones.view(np.uint8), n_threads)
        if bad >= 0:
            raise wrong(begin + bad // p, bad % p, matrix[begin + bad // p, bad % p])
        words[:, begin // 64 : begin // 64 + piece.shape[1]] = piece
    return words


def _pack_sparse(csr: Any, wrong: Callable[[int, int, object], InputError]) -> Words:
    ones, bad = _ones(csr.data)
    if bad >= 0:
        row = int(np.searchsorted(csr.indptr, bad, side="right")) - 1
        raise wrong(row, int(csr.indices[bad]), csr.data[bad])
    indices = csr.indices if ones.all() else np.where(ones, csr.indices, -1)  # explicit zeros are passed over
    return pack_rows(np.ascontiguousarray(csr.indptr), np.ascontiguousarray(indices), csr.shape[1])


def _ones(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], int]:
    """Where values are 1, and the flat index of the first that is neither 0 nor 1, or -1."""
    if values.dtype.kind == "O":
        bits = np.fromiter(map(_bit, values.flat), np.int8, values.size).reshape(values.shape)
        ones, fine = bits == 1, bits >= 0
    else:
        ones = values == 1
        fine = values == 0
        fine |= ones
    return ones, -1 if fine.all() else int(np.argmin(fine))


def _bit(value: object) -> int:
    number = isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))
    return int(value == 1) if number and (value == 0 or value == 1) else -1


def _stacked(bits: Sequence[UInt8], n: int) -> Words:
    """Packed columns of the bits of each, beginning with a cache line: kernels copy those that do not."""
    n_bytes = words_for(n) * 8
    memory = np.zeros(len(bits) * n_bytes + 64, np.uint8)
    packed = memory[-memory.ctypes.data % 64 :][: len(bits) * n_bytes].reshape(len(bits), n_bytes)
    for row, column in zip(packed, bits, strict=True):
        row[: len(column)] = column
    return packed.view("<u8").astype(np.uint64, copy=False)


def _column_bits(column: Column, where: str) -> tuple[UInt8, int]:
    """The bits of one column, and its length."""
    n = len(column)
    if not isinstance(column, np.ndarray):
        kind = str(column.type)
        if kind.startswith("dictionary"):
            column = column.cast(column.type.value_type)
            kind = str(column.type)
        if column.null_count:
            raise InputError(f"{where}, row {first_null(column)} is missing (null); expected 0 or 1")
        if kind == "bool":
            return _arrow_bits(column), n
        if not kind.startswith(("int", "uint", "float", "double", "halffloat")):
            raise InputError(f"{where} has type {kind}; expected booleans or numbers 0 and 1")
    ones = np.empty(n, bool)
    begin = 0
    for chunk in chunks(column):
        values = chunk if isinstance(chunk, np.ndarray) else chunk.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "biufO":
            raise InputError(f"{where} has dtype {values.dtype}; expected booleans or numbers 0 and 1")
        ones[begin : begin + len(values)], bad = _ones(values)
        if bad >= 0:
            raise InputError(f"{where}, row {begin + bad} is {show(values[bad])}; expected 0 or 1")
        begin += len(values)
    return np.packbits(ones, bitorder="little"), n


def _arrow_bits(column: Column) -> UInt8:
    """The bits of an Arrow boolean column: in our order already, but they may begin within a byte."""
    array = column.combine_chunks()
    n, skipped = len(array), array.offset % 8
    if n == 0:
        return np.zeros(0, np.uint8)
    first = array.offset // 8
    raw = np.frombuffer(array.buffers()[1], np.uint8)[first : first + (skipped + n + 7) // 8]
    bits: UInt8 = raw >> skipped
    if skipped:
        bits[:-1] |= raw[1:] << (8 - skipped)
    bits = bits[: (n + 7) // 8]
    if n % 8:
        bits[-1] &= (1 << n % 8) - 1
    return bits
