"""Packing on a GPU: rows of bytes that come from the host in chunks, or that are on the GPU already."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from askew.engine.device import Chunk, Device, Memory, Stream, allocated, chunks, filled, streams
from askew.engine.device_arrays import View
from askew.engine.protocol import UInt8, Words, words_for

# as in csrc/cuda/pack.cuh: columns of a block
PACK_COLUMNS, SHARED_BYTES = 128, 64 * 132
CHUNK_BYTES = 1 << 28
NONE_WRONG = 2**64 - 1


class Packer:
    """Room on a device for the packed columns of some rows, and for the place of what cannot be packed."""

    def __init__(self, device: Device, rows: int, stream: Stream, columns: Words) -> None:
        self._device, self._stream, self._columns = device, stream, columns
        self._packed = device.allocate(8 * len(columns) * words_for(rows))
        self._wrong = device.allocate(8)
        device.upload(self._wrong.address, np.full((1, 1), NONE_WRONG, np.uint64), stream)

    def pack(self, chunk: Chunk, address: int, row_stride: int, column_stride: int) -> int:
        """Pack rows of the device. Returns -1, or the row-major index of the first that is not 0 or 1 among them."""
        p, n_words = len(self._columns), words_for(len(chunk))
        self._device.launch(
            "pack",
            (n_words, -(-p // PACK_COLUMNS)),
            256,
            SHARED_BYTES,
            [
                address,
                row_stride % 2**64,  # as an integer without a sign
                column_stride % 2**64,
                len(chunk),
                p,
                self._packed.address,
                n_words,
                self._wrong.address,
            ],
            self._stream,
        )
        self._device.download(self._columns[:, chunk.words], self._packed.address, self._stream)
        wrong = int(filled(self._device, (1, 1), np.uint64, self._wrong.address, self._stream)[0, 0])
        return -1 if wrong == NONE_WRONG else wrong


def can_be_copied(values: UInt8) -> bool:
    """Whether rows are contiguous, and follow one another."""
    return values.strides[1] == 1 and values.strides[0] >= values.shape[1]


def pack_host_rows(device: Device, values: UInt8) -> tuple[Words, int]:
    """As `Engine.pack`."""
    n, p = values.shape
    columns = np.zeros((p, words_for(n)), np.uint64)
    if columns.size == 0:
        return columns, -1
    with streams(device, 1) as (stream,):

        def allocate(n_bytes: int) -> tuple[int, Memory, Packer]:
            rows = rows_within(min(n_bytes // 2, CHUNK_BYTES) // p, n)
            return rows, device.allocate(rows * p), Packer(device, rows, stream, columns)

        rows, given, packer = allocated(device, allocate)
        for chunk in chunks(n, rows):
            part = values[chunk.begin : chunk.end]
            by_column = can_be_copied(part.T)
            part = part.T if by_column else part if can_be_copied(part) else np.ascontiguousarray(part)
            device.upload(given.address, part, stream)
            strides = (1, len(chunk)) if by_column else (p, 1)
            wrong = packer.pack(chunk, given.address, *strides)
            if wrong >= 0:
                return columns, chunk.begin * p + wrong
    return columns, -1


class PackedArray(NamedTuple):
    """Packed columns of an array; where and what its first value is that is not 0 or 1, or -1 and 0."""

    columns: Words
    n: int
    wrong: int
    wrong_value: int


def pack_device_array(device: Device, array: object, check: Callable[[View], None]) -> PackedArray:
    """Pack a table where it lies; `check` raises if its shape or dtype are none that can be packed.

    Raises `BufferError` if the library of the array does not hand it over.
    """
    with streams(device, 1) as (stream,):
        try:
            view = device.view(array, stream)
        except Exception as error:  # whatever the __dlpack__ of another library raises
            raise BufferError(str(error)) from error
        check(view)
        (n, p), (row_stride, column_stride) = view.shape, view.strides
        columns = np.zeros((p, words_for(n)), np.uint64)

        def allocate(n_bytes: int) -> tuple[int, Packer]:
            rows = rows_within(8 * min(n_bytes, CHUNK_BYTES) // p, n)
            return rows, Packer(device, rows, stream, columns)

        rows, packer = allocated(device, allocate)
        for chunk in chunks(n, rows):
            wrong = packer.pack(chunk, view.address + chunk.begin * row_stride, row_stride, column_stride)
            if wrong >= 0:
                row, column = chunk.begin + wrong // p, wrong % p
                address = view.address + row * row_stride + column * column_stride
                value = int(filled(device, (1, 1), np.uint8, address, stream)[0, 0])
                return PackedArray(columns, n, row * p + column, value)
    return PackedArray(columns, n, -1, 0)


def rows_within(rows: int, n: int) -> int:
    """Rows of a chunk: at most so many if that is not less than whole cache lines of columns, and no more than all."""
    return max(512, min(rows, n + 511) // 512 * 512)
