"""How kernels are compiled: once, for one signature, without the GIL, and cached on disk where a folder can be written.

A signature at the definition keeps Numba from compiling another version for arrays that are read-only or of another
layout.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba import types

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def array(dtype: Any, ndim: int = 1) -> Any:
    """The type of C-contiguous arrays that a kernel writes to."""
    return types.Array(dtype, ndim, "C")


def const(dtype: Any, ndim: int = 1) -> Any:
    """The type of C-contiguous arrays that a kernel only reads."""
    return types.Array(dtype, ndim, "C", readonly=True)


def inlined(function: Callable[..., Any]) -> Any:
    """A function that kernels call."""
    return numba.njit(**_OPTIONS)(function)


def kernel(*signatures: Any) -> Callable[[Callable[..., Any]], Any]:
    """A function that Python calls, compiled now."""

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**_OPTIONS)(function)
        with suppress(RuntimeError):  # no folder can be written to
            dispatcher.enable_caching()
        for signature in signatures:
            dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return compiled
