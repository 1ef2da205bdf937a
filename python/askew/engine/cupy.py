"""The GPU kernels compiled when they are first used, by CuPy, which keeps them for the next process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from askew.engine.device import Array, Device, Memory
from askew.engine.device_arrays import Exported, View
from askew.errors import BackendError

LEAST_CAPABILITY = 80  # as in cmake/cuda.cmake
SHARED_BYTES_OF_ANY_KERNEL = 48 * 1024  # more must be asked for


def device(ordinal: int | None = None) -> Device:
    """The GPU of that number, or whichever is CuPy's current one at any time; `BackendError` if it cannot be used."""
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            f"backend 'cupy' cannot run: CuPy is missing ({error}). `pip install 'askew[cuda12]'` brings it for "
            "drivers that know CUDA 12, `pip install 'askew[cuda13]'` for CUDA 13"
        ) from error
    why_not = obstacle(cupy, ordinal)
    if why_not:
        raise BackendError(f"backend 'cupy' cannot run: {why_not}")
    try:
        return CupyDevice(cupy, ordinal)
    except Exception as error:  # of NVRTC, of its absence, of headers: CuPy has no one class for them
        raise BackendError(f"backend 'cupy' cannot run: CuPy could not compile the kernels: {error}") from error


def current(cupy: Any, ordinal: int | None) -> AbstractContextManager[Any]:
    """Makes a GPU CuPy's current one; without a number, leaves that as it is."""
    return nullcontext() if ordinal is None else cupy.cuda.Device(ordinal)


def obstacle(cupy: Any, ordinal: int | None = None) -> str:
    """Why CuPy cannot use a GPU, and what would help; nothing if it can."""
    runtime = cupy.cuda.runtime
    if runtime.is_hip:
        return "this CuPy is for AMD GPUs"
    try:
        driver = runtime.driverGetVersion()
        if driver == 0:
            return "no NVIDIA driver was found: install one"
        if runtime.getDeviceCount() == 0:
            return "the NVIDIA driver finds no GPU; if there is one, look at CUDA_VISIBLE_DEVICES"
        with current(cupy, ordinal):
            capability = cupy.cuda.Device().compute_capability
    except runtime.CUDARuntimeError as error:
        return f"CuPy finds no GPU: {error}"
    if int(capability) < LEAST_CAPABILITY:
        return f"a GPU of compute capability 8.0 or higher is needed; this one has {capability[:-1]}.{capability[-1]}"
    return ""


def sources() -> Path:
    """The folder of the kernels' sources: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_cuda_src"
    return installed if installed.exists() else package.parents[1] / "csrc"


def program() -> str:
    """The kernels, in so many words that CuPy, which remembers programs by their text, sees when a header changes."""
    folder = sources()
    digest = hashlib.sha256()
    for header in sorted([*folder.glob("core/*.hpp"), *folder.glob("cuda/*.cuh")]):
        digest.update(header.read_bytes())
    return f'// {digest.hexdigest()}\n#include "cuda/kernels.cuh"\n'


def options() -> tuple[str, ...]:
    return ("-std=c++17", f"-I{sources()}")


def rows_of(values: Array) -> tuple[int, int, int]:
    """Of an array whose rows are contiguous: their number, their length, and their distance, in bytes."""
    n_bytes = values.shape[1] * values.itemsize
    return len(values), n_bytes, values.strides[0] if len(values) > 1 else n_bytes


class CupyMemory:
    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer  # gives the memory back to CuPy's pool

    @property
    def address(self) -> int:
        return int(self._pointer.ptr)


class CupyDevice:
    """A GPU by its number, or CuPy's current one."""

    def __init__(self, cupy: Any, ordinal: int | None = None) -> None:
        self._cupy = cupy
        self._ordinal = ordinal
        self._runtime = cupy.cuda.runtime
        self._module = cupy.RawModule(code=program(), options=options())
        with self.current():
            self._module.compile()

    def current(self) -> AbstractContextManager[Any]:
        return current(self._cupy, self._ordinal)

    @property
    def description(self) -> str:
        with self.current():
            device = self._cupy.cuda.Device()
            properties = self._runtime.getDeviceProperties(device.id)
            capability = device.compute_capability
        return (
            f"{properties['name'].decode()} (compute capability {capability[:-1]}.{capability[-1]}, "
            f"{properties['totalGlobalMem'] >> 20} MiB)"
        )

    def free_bytes(self) -> int:
        return int(self._runtime.memGetInfo()[0]) + int(self._cupy.get_default_memory_pool().free_bytes())

    def allocate(self, n_bytes: int) -> Memory:
        memory = CupyMemory(self._cupy.cuda.alloc(max(n_bytes, 1)))
        # CuPy's pool hands out what is free in the order of the current stream, which is not ours: work that was given
        # to it may still be using the memory.
        self._cupy.cuda.get_current_stream().synchronize()
        return memory

    def stream(self) -> Any:
        return self._cupy.cuda.Stream(non_blocking=True)

    def synchronize(self, stream: Any) -> None:
        stream.synchronize()

    def upload(self, address: int, values: Array, stream: Any) -> None:
        n_rows, n_bytes, pitch = rows_of(values)
        if values.size:
            kind = self._runtime.memcpyHostToDevice
            source = values.ctypes.data
            self._runtime.memcpy2DAsync(address, n_bytes, source, pitch, n_bytes, n_rows, kind, stream.ptr)

    def download(self, values: Array, address: int, stream: Any) -> None:
        n_rows, n_bytes, pitch = rows_of(values)
        if values.size:
            kind = self._runtime.memcpyDeviceToHost
            to = values.ctypes.data
            self._runtime.memcpy2DAsync(to, pitch, address, n_bytes, n_bytes, n_rows, kind, stream.ptr)

    def clear(self, address: int, n_bytes: int, stream: Any) -> None:
        self._runtime.memsetAsync(address, 0, n_bytes, stream.ptr)

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int],
        threads: int,
        shared_bytes: int,
        arguments: Sequence[int],
        stream: Any,
    ) -> None:
        function = self._module.get_function(f"askew_{kernel}")
        if shared_bytes > SHARED_BYTES_OF_ANY_KERNEL:
            function.max_dynamic_shared_size_bytes = shared_bytes
        with stream:
            function(grid, (threads,), tuple(map(np.uint64, arguments)), shared_mem=shared_bytes)

    def view(self, array: Any, stream: Any) -> View:
        given = self._cupy.from_dlpack(Exported(array, stream.ptr))
        strides = tuple(stride // given.itemsize for stride in given.strides)
        return View(int(given.data.ptr), given.shape, strides, str(given.dtype), given)
