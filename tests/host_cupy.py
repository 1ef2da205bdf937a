"""What askew.engine.cupy uses of CuPy, with the processor as its GPU."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from askew.engine.device_arrays import view_of
from host_device import STREAM, HostDevice


class HostCupy:
    def __init__(self, device: HostDevice) -> None:
        self._device = device
        self.cuda = SimpleNamespace(
            runtime=HostRuntime(device), alloc=self._alloc, Stream=HostStream, get_current_stream=self._current_stream
        )

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_bytes=lambda: 0)

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        assert '#include "cuda/kernels.cuh"' in code
        return SimpleNamespace(compile=lambda: None, get_function=lambda name: HostFunction(self._device, name))

    def from_dlpack(self, array: Any) -> Any:
        view = view_of(array)
        dtype = np.dtype(view.dtype)
        strides = tuple(stride * dtype.itemsize for stride in view.strides)
        pointer = SimpleNamespace(ptr=view.address)
        given = {"data": pointer, "shape": view.shape, "strides": strides, "dtype": dtype, "owner": view.owner}
        return SimpleNamespace(**given, itemsize=dtype.itemsize)

    def _current_stream(self) -> HostStream:
        return HostStream.current or HostStream(non_blocking=True)

    def _alloc(self, n_bytes: int) -> Any:
        memory = self._device.allocate(n_bytes)
        return SimpleNamespace(ptr=memory.address, memory=memory)


class HostStream:
    ptr = STREAM
    current: HostStream | None = None

    def __init__(self, non_blocking: bool) -> None:
        assert non_blocking

    def __enter__(self) -> None:
        HostStream.current = self

    def __exit__(self, *error: object) -> None:
        HostStream.current = None

    def synchronize(self) -> None:
        pass


class HostRuntime:
    memcpyHostToDevice, memcpyDeviceToHost = 1, 2

    def __init__(self, device: HostDevice) -> None:
        self._device = device

    def memGetInfo(self) -> tuple[int, int]:
        return self._device.free_bytes(), self._device.total_bytes

    def memsetAsync(self, address: int, value: int, n_bytes: int, stream: int) -> None:
        ctypes.memset(address, value, n_bytes)

    def memcpy2DAsync(
        self, to: int, to_pitch: int, source: int, pitch: int, width: int, height: int, kind: int, stream: int
    ) -> None:
        assert width <= min(to_pitch, pitch)
        for row in range(height):
            ctypes.memmove(to + row * to_pitch, source + row * pitch, width)


class HostFunction:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, device: HostDevice, name: str) -> None:
        self._device = device
        self._name = name

    def __call__(self, grid: tuple[int, int], block: tuple[int], arguments: tuple[Any, ...], shared_mem: int) -> None:
        assert HostStream.current is not None
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert all(isinstance(argument, np.uint64) for argument in arguments)
        kernel = self._name.removeprefix("askew_")
        self._device.launch(kernel, grid, block[0], shared_mem, [int(a) for a in arguments], None)
