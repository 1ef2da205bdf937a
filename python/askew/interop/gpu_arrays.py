"""Arrays on a GPU (CuPy, Torch and others that have DLPack): packed there, so that only bits come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from askew.engine import choose_for_gpu
from askew.engine.device_arrays import View, gpu_of
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.interop.names import table_names, wrong_cell

TO_HOST = ".cpu() of Torch and cupy.asnumpy() do that"


def check_one_gpu(**arrays: object) -> None:
    """Raise `InputError` if arrays lie on different GPUs. Those on the host may go with any."""
    gpus = {what: gpu for what, array in arrays.items() if (gpu := gpu_of(array)) is not None}
    if len(set(gpus.values())) > 1:
        where = ", ".join(f"{what} are on GPU {gpu}" for what, gpu in gpus.items())
        raise InputError(f"{where}: bring them to one GPU, or to the host")


def check_on_host(data: object, what: str) -> None:
    """Raise `InputError` for an array that lies on a GPU where only the host's are read."""
    gpu = gpu_of(data)
    if gpu is not None:
        raise InputError(
            f"{what}: a {type(data).__name__} on GPU {gpu}; only tables of 0 and 1 are read there. "
            f"Bring it to the host: {TO_HOST}"
        )


def pack_gpu_table(values: Any, gpu: int, names: Sequence[str] | None, what: str) -> tuple[tuple[str, ...], Words, int]:
    """Names, packed columns and number of rows of an (n, p) array of 0 and 1 on a GPU.

    Raises
    ------
    InputError
        As `pack_matrix`; a dtype other than bool, uint8 and int8.
    BackendError
        No backend runs on that GPU.
    """
    found: tuple[str, ...] = ()
    dtype = ""

    def check(view: View) -> None:
        nonlocal found, dtype
        if len(view.shape) != 2:
            labels = f"; labels are read on the host: {TO_HOST}" if what == "groups" and len(view.shape) == 1 else ""
            raise InputError(
                f"{what} on a GPU must be a two-dimensional table of 0 and 1, one row per instance; this has "
                f"{len(view.shape)} dimensions, shape {view.shape}{labels}"
            )
        found = table_names(view.shape, names, what)
        dtype = view.dtype
        if dtype not in ("bool", "uint8", "int8"):
            raise InputError(
                f"{what} on a GPU have dtype {dtype}; expected bool, uint8 or int8: convert them there, with "
                ".to(torch.uint8) or .astype(cupy.uint8), if they are 0 and 1"
            )

    engine = choose_for_gpu(gpu)
    try:
        packed = engine.pack_array(values, check)
    except BufferError as error:
        raise InputError(f"{what}: a {type(values).__name__} cannot be read by DLPack: {error}") from error
    if packed.wrong >= 0:
        value = np.array(packed.wrong_value, np.uint8).view(np.int8 if dtype == "int8" else np.uint8)[()]
        raise wrong_cell(what, found, *divmod(packed.wrong, len(found)), value)
    return found, packed.columns, packed.n
