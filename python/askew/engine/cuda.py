"""The GPU kernels as they were compiled with the package (csrc/cuda), for any GPU that this process sees."""

from __future__ import annotations

from typing import Any

from askew.engine.device import Device, Stream
from askew.engine.device_arrays import Exported, View, view_of
from askew.errors import BackendError


def device(ordinal: int = 0) -> Device:
    """The GPU of that number, or `BackendError` with the reason why there is none."""
    try:
        from askew import _cuda
    except ImportError as error:
        raise BackendError(
            f"backend 'cuda' cannot run: the compiled extension askew._cuda is missing ({error}). It is built where "
            "nvcc of CUDA 12 or later is found: `ASKEW_REQUIRE_EXTENSION=1 pip install -Ccmake.define.ASKEW_CUDA=ON "
            "--no-binary askew --force-reinstall --no-cache-dir askew` builds it, or says why not. backend='cupy' "
            "compiles the same kernels where there is no nvcc: `pip install 'askew[cuda12]'`"
        ) from error
    runs, reason = _cuda.status(ordinal)
    if not runs:
        raise BackendError(f"backend 'cuda' cannot run: {reason}")

    class CudaDevice(_cuda.Device):
        def view(self, array: Any, stream: Stream) -> View:
            return view_of(Exported(array, stream.handle))

    return CudaDevice(ordinal)
