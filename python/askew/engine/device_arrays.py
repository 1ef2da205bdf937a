"""Arrays of other libraries on a GPU, as DLPack hands them over: where they lie, and how.

The Python side of DLPack is https://dmlc.github.io/dlpack/latest/python_spec.html.
"""

from __future__ import annotations

from typing import Any, NamedTuple

GPU_MEMORY = (2, 13)  # kDLCUDA, kDLCUDAManaged
NEWEST_DLPACK = (1, 1)
KINDS = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}


def gpu_of(array: object) -> int | None:
    """The number of the GPU on which an array lies; None if it lies elsewhere, or is no array."""
    try:
        kind, ordinal = array.__dlpack_device__()  # type: ignore[attr-defined]
    except Exception:  # no such method, or one that has no answer: whoever reads the array says what is wrong with it
        return None
    return int(ordinal) if int(kind) in GPU_MEMORY else None


class View(NamedTuple):
    """An array, which stays where it is as long as there is a reference to `owner`."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements
    dtype: str
    owner: object


class Exported:
    """An array whose values are to be read in one stream, whichever the reader would name.

    The array's library knows in which stream it is being written: the current one. A reader that made its own stream
    current before it asks would have the library wait for that.
    """

    def __init__(self, array: Any, stream: int) -> None:
        self._array = array
        self._stream = stream

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __dlpack__(self, **asked: Any) -> Any:
        return self._array.__dlpack__(**{**asked, "stream": self._stream})


def view_of(array: Exported) -> View:
    """What is in the capsule of an array, which the compiled extension reads."""
    from askew import _core

    try:
        capsule = array.__dlpack__(max_version=NEWEST_DLPACK)
    except TypeError:  # from before DLPack 1.0
        capsule = array.__dlpack__()
    tensor = _core.DLPack(capsule)
    code, bits, lanes = tensor.dtype
    name = KINDS.get(code, f"DLPack's {code} of ") + ("" if code == 6 and bits == 8 else str(bits))
    dtype = name if lanes == 1 else f"{name} × {lanes}"
    return View(tensor.address, tuple(tensor.shape), tuple(tensor.strides), dtype, tensor)
