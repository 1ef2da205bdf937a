"""An array that is on a GPU, or says so: its DLPack capsules point to the processor's memory."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


class DLManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("manager", ctypes.c_void_p), ("deleter", Deleter)]


class DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_uint32 * 2),
        ("manager", ctypes.c_void_p),
        ("deleter", Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class HostGpuArray:
    """`given` and `given_back` count capsules; `streams` are those that they were asked for.

    `version` is that of the library's DLPack; None: from before 1.0, when nobody asked for one.
    """

    def __init__(
        self,
        values: np.ndarray,
        gpu: int = 0,
        kind: int = 2,
        version: tuple[int, int] | None = (1, 1),
        byte_offset: int = 0,
        without_strides: bool = False,
        refuses: str = "",
    ) -> None:
        self._values, self._device, self._version = values, (kind, gpu), version
        self._byte_offset, self._without_strides, self._refuses = byte_offset, without_strides, refuses
        self.ndim, self.shape = values.ndim, values.shape
        self.given = self.given_back = 0
        self.streams: list[int] = []
        self._kept: list[Any] = []

    def __array__(self, *arguments: object, **options: object) -> np.ndarray:
        raise TypeError("its bytes would have to be copied to the host")

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, *, stream: int, **options: Any) -> Any:
        if self._version is None and options:
            raise TypeError("unexpected keyword argument")
        if self._refuses:
            raise BufferError(self._refuses)
        assert stream > 0
        self.streams.append(stream)
        values = self._values
        integers = ctypes.c_int64 * values.ndim
        shape, strides = integers(*values.shape), integers(*(s // values.itemsize for s in values.strides))
        tensor = DLTensor(
            values.ctypes.data - self._byte_offset,
            self._device,
            values.ndim,
            CODES[values.dtype.kind],
            8 * values.itemsize,
            1,
            shape,
            None if self._without_strides else strides,
            self._byte_offset,
        )
        deleter = Deleter(self._give_back)
        managed: Any = DLManagedTensor(tensor, None, deleter)
        if self._version is not None:
            managed = DLManagedTensorVersioned(self._version, None, deleter, 0, tensor)
        self._kept += [managed, shape, strides, deleter]
        self._address = ctypes.addressof(managed)
        self.given += 1
        return new_capsule(self._address, b"dltensor" if self._version is None else b"dltensor_versioned", None)

    def _give_back(self, address: int) -> None:
        assert address == self._address
        self.given_back += 1
