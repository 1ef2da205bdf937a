"""A device that is none: the kernels of csrc/cuda, compiled for the processor, in the processor's memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from askew.engine.device_arrays import Exported, View, view_of

HERE = Path(__file__).parent
SOURCES = HERE.parent / "csrc"
STREAM = 1  # the number of the only one
FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE"]


@cache
def kernels() -> ctypes.PyDLL:
    """The kernels as a library; skips the test that asks for it where no compiler can make it."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler: the GPU kernels are not run on the processor")
    with TemporaryDirectory() as folder:
        library = f"{folder}/cuda_on_host.so"
        source = HERE / "cuda_on_host" / "launcher.cpp"
        command = [compiler, *FLAGS, "-shared", "-fPIC", f"-I{SOURCES}", f"-I{source.parent}", str(source)]
        done = subprocess.run([*command, "-o", library], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if "ucontext.h" in done.stderr or subprocess.run([compiler, "--version"], check=False).returncode != 0:
                pytest.skip(f"{compiler} cannot build the GPU kernels for the processor: {done.stderr}")
            raise AssertionError(done.stderr)
        loaded = ctypes.PyDLL(library)  # keeps the GIL: there is one processor of this kind
    loaded.askew_launch.restype = ctypes.c_char_p
    return loaded


class HostMemory:
    """What is behind it must stay as it is."""

    GUARD = 64

    def __init__(self, device: HostDevice, n_bytes: int) -> None:
        self._device = device
        self._n_bytes = n_bytes
        self._bytes = np.full(n_bytes + 16 + self.GUARD, 0xA5, np.uint8)  # memory of a device begins as rubbish
        self._first = -self._bytes.ctypes.data % 16
        self.address = self._bytes.ctypes.data + self._first
        device.used_bytes += n_bytes

    def __del__(self) -> None:
        self._device.used_bytes -= self._n_bytes
        assert (self._bytes[self._first + self._n_bytes :] == 0xA5).all()


class HostDevice:
    """`total_bytes` is how much memory it says it has; `launches` are the kernels that ran, with their grids."""

    description = "the processor, as if it were a GPU"

    def __init__(self, total_bytes: int = 1 << 30) -> None:
        self._library = kernels()
        self.total_bytes = total_bytes
        self.used_bytes = 0
        self.launches: list[tuple[str, tuple[int, int]]] = []

    def current(self) -> nullcontext[None]:
        return nullcontext()

    def free_bytes(self) -> int:
        return self.total_bytes - self.used_bytes

    def allocate(self, n_bytes: int) -> HostMemory:
        if n_bytes > self.free_bytes():
            raise MemoryError
        return HostMemory(self, n_bytes)

    def stream(self) -> None:
        return None

    def synchronize(self, stream: Any) -> None:
        pass

    def upload(self, address: int, values: np.ndarray, stream: Any) -> None:
        assert values.ndim == 2
        assert values[0].flags.c_contiguous
        assert len(values) == 1 or values.strides[0] >= values[0].nbytes
        _at(address, values)[:] = values

    def download(self, values: np.ndarray, address: int, stream: Any) -> None:
        assert values.ndim == 2
        assert values[0].flags.c_contiguous
        values[:] = _at(address, values)

    def clear(self, address: int, n_bytes: int, stream: Any) -> None:
        ctypes.memset(address, 0, n_bytes)

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int],
        threads: int,
        shared_bytes: int,
        arguments: Sequence[int],
        stream: Any,
    ) -> None:
        self.launches.append((kernel, grid))
        values = (ctypes.c_uint64 * len(arguments))(*(argument % 2**64 for argument in arguments))
        shared = ctypes.c_size_t(shared_bytes)
        wrong = self._library.askew_launch(kernel.encode(), *grid, threads, shared, values, len(arguments))
        assert wrong is None, (kernel, wrong)

    def view(self, array: Any, stream: Any) -> View:
        return view_of(Exported(array, STREAM))


def _at(address: int, like: np.ndarray) -> np.ndarray:
    memory = (ctypes.c_uint8 * like.nbytes).from_address(address)
    return np.frombuffer(memory, like.dtype).reshape(like.shape)
