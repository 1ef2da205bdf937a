"""What the GPU engine asks of a GPU, and how it shares out the memory.

`engine.cuda` has the kernels compiled, `engine.cupy` compiles them when they are first used; the tests run them on the
processor. All else about a GPU is in `engine.gpu` and `engine.gpu_resample`, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from askew.engine.device_arrays import View
from askew.engine.protocol import Itemsets, Words, words_for
from askew.errors import BackendError

Array = npt.NDArray[Any]
Stream = Any  # the device's own kind of object
T = TypeVar("T")

#: Rows of a chunk at most: under weights of at most 12 its counts fit 32 bits.
MAX_CHUNK_ROWS = 1 << 24


class Memory(Protocol):
    """Memory of a device, freed when nothing refers to it any more."""

    @property
    def address(self) -> int: ...


class Device(Protocol):
    """A GPU. What a stream is given happens in order."""

    @property
    def description(self) -> str:
        """Its name, compute capability and memory."""
        ...

    def current(self) -> AbstractContextManager[Any]:
        """Makes it the GPU that calls of this thread go to. All but `description` asks for that."""
        ...

    def free_bytes(self) -> int: ...

    def allocate(self, n_bytes: int) -> Memory:
        """At least as much. Raises `MemoryError` where it is not there."""
        ...

    def stream(self) -> Stream: ...

    def synchronize(self, stream: Stream) -> None:
        """Wait for all that the stream was given."""
        ...

    def upload(self, address: int, values: Array, stream: Stream) -> None:
        """Copy a two-dimensional array with contiguous rows, row after row. It may be changed when this returns."""
        ...

    def download(self, values: Array, address: int, stream: Stream) -> None:
        """The way back. The array is filled when the stream is synchronized."""
        ...

    def clear(self, address: int, n_bytes: int, stream: Stream) -> None: ...

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int],
        threads: int,
        shared_bytes: int,
        arguments: Sequence[int],
        stream: Stream,
    ) -> None:
        """Launch a kernel of csrc/cuda/kernels.cuh."""
        ...

    def view(self, array: Any, stream: Stream) -> View:
        """An array of another library on this device, as it is when the stream comes to what it is given next."""
        ...


@contextmanager
def streams(device: Device, number: int) -> Iterator[list[Stream]]:
    """Streams that have come to their end when the block is left, be it by an exception: then memory may be freed.

    Within the block the device is the current one.
    """
    with device.current():
        made = [device.stream() for _ in range(number)]
        try:
            yield made
        finally:
            for stream in made:
                device.synchronize(stream)


def allocated(device: Device, allocate: Callable[[int], T]) -> T:
    """``allocate(n_bytes)``, with half as much whenever that is more than there is."""
    n_bytes = device.free_bytes() // 3  # for each of two chunks
    while True:
        try:
            return allocate(n_bytes)
        except MemoryError:
            if n_bytes < 1 << 20:
                raise BackendError(
                    f"not enough memory on {device.description}, even for a small part of the table at a time: "
                    "free some, or choose backend='native'"
                ) from None
            n_bytes //= 2


class Chunk(NamedTuple):
    """Rows begin to end of a table; begin is a multiple of 512."""

    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def words(self) -> slice:
        return slice(self.begin // 64, self.begin // 64 + words_for(self.end - self.begin))


def chunks(n: int, rows: int) -> list[Chunk]:
    return [Chunk(begin, min(n, begin + rows)) for begin in range(0, n, rows)]


class Room:
    """Room on a device for the packed columns of some rows."""

    def __init__(self, device: Device, n_columns: int, rows: int) -> None:
        self._device = device
        self._memory = device.allocate(8 * n_columns * words_for(rows))

    def load(self, blocks: Sequence[Words], chunk: Chunk, stream: Stream) -> tuple[int, int, int]:
        """Copy a chunk. What kernels are told of it: address, words of a column, rows."""
        address = self._memory.address
        for block in blocks:
            part = block[:, chunk.words]
            if part.size:
                self._device.upload(address, part, stream)
            address += part.nbytes
        n = chunk.end - chunk.begin
        return self._memory.address, words_for(n), n


class DeviceItemsets:
    """Itemsets on a device."""

    def __init__(self, device: Device, itemsets: Itemsets, stream: Stream) -> None:
        self._items = copied(device, itemsets.items, stream)
        self._offsets = copied(device, itemsets.offsets, stream)

    def some(self, sets: range) -> tuple[int, int, int]:
        """What kernels are told of some of them: items, offsets, how many."""
        return self._items.address, self._offsets.address + 8 * sets.start, len(sets)


def copied(device: Device, values: Array, stream: Stream) -> Memory:
    """A copy of a one-dimensional array on a device."""
    memory = device.allocate(values.nbytes)
    if values.size:
        device.upload(memory.address, values[None], stream)
    return memory


def filled(device: Device, shape: tuple[int, int], dtype: npt.DTypeLike, address: int, stream: Stream) -> Array:
    """An array as it is on the device, when the stream has come to its end."""
    values = np.empty(shape, dtype)
    device.download(values, address, stream)
    device.synchronize(stream)
    return values
