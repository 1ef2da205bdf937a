"""Choice of the backend and of the number of threads."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from typing import TYPE_CHECKING

from askew.engine.protocol import Engine
from askew.engine.reference import ReferenceEngine
from askew.errors import AskewError, BackendError, InputError, warn

if TYPE_CHECKING:
    from askew.engine.gpu import GpuEngine

GPU_BACKENDS = ("cuda", "cupy")
BACKENDS = ("native", "numba", "numpy", *GPU_BACKENDS)


@cache
def _native() -> Engine:
    """The compiled engine, or `BackendError` with the reason."""
    try:
        from askew.engine.native import NativeEngine
    except ImportError as error:
        raise BackendError(
            f"backend 'native' cannot run: the compiled extension askew._core is missing ({error}). It is built when a "
            "C++20 compiler (GCC 11, Clang 14 or later) is found: install one, then "
            "`pip install --force-reinstall --no-cache-dir askew`. "
            "`pip install -v` shows what went wrong."
        ) from error
    return NativeEngine()


@cache
def _numba() -> Engine:
    """The engine that Numba compiles, or `BackendError` with the reason."""
    try:
        from askew.engine.numba import NumbaEngine
    except ImportError as error:
        raise BackendError(
            f"backend 'numba' cannot run: Numba cannot be imported ({error}). `pip install askew[numba]` installs it."
        ) from error
    return NumbaEngine()


@cache
def _reference() -> Engine:
    return ReferenceEngine()


@cache
def _fallback(reason: str) -> Engine:
    """The best engine but the compiled one, saying once that it is taken."""
    try:
        engine, description = _numba(), "Numba backend, whose kernels are compiled when they are first needed"
    except BackendError as error:
        engine, description, reason = _reference(), "slow NumPy backend", f"{reason} {error}"
    warn(f"askew runs on its {description}. {reason}")
    return engine


@cache
def _gpu(name: str, ordinal: int | None = None) -> GpuEngine:
    """The engine of a GPU, or `BackendError` with the reason. What no GPU does is done by the compiled engine.

    Without a number it is the backend's own choice: the first GPU of "cuda", CuPy's current one of "cupy".
    """
    from askew.engine import cuda, cupy
    from askew.engine.gpu import GpuEngine

    backend = cuda if name == "cuda" else cupy
    device = backend.device() if ordinal is None else backend.device(ordinal)
    try:
        host = _native()
    except BackendError as error:
        host = _fallback(str(error))
    return GpuEngine(name, device, host)


def choose(backend: str = "auto") -> Engine:
    """The engine of a backend's name.

    "auto" is ``ASKEW_BACKEND`` if that is set, else the compiled engine, else Numba or, without it, NumPy, with a
    warning. A named backend never falls back.

    Raises
    ------
    InputError
        No such backend.
    BackendError
        The named backend cannot run here.
    """
    if backend == "auto":
        backend = os.environ.get("ASKEW_BACKEND") or "auto"
    if backend == "native":
        return _native()
    if backend == "numba":
        return _numba()
    if backend == "numpy":
        return _reference()
    if backend in GPU_BACKENDS:
        return _gpu(backend)
    if backend == "auto":
        try:
            return _native()
        except BackendError as error:
            return _fallback(str(error))
    raise InputError(f"no backend {backend!r}: choose 'auto', {', '.join(map(repr, BACKENDS))}")


def choose_for_gpu(ordinal: int) -> GpuEngine:
    """The engine that reads arrays on the GPU of a number: that of ``ASKEW_BACKEND``, else "cuda", else "cupy".

    Raises
    ------
    BackendError
        Neither can run on that GPU, or ``ASKEW_BACKEND`` names a backend that reads nothing there.
    """
    named = os.environ.get("ASKEW_BACKEND") or "auto"
    if named != "auto" and named not in GPU_BACKENDS:
        raise BackendError(
            f"ASKEW_BACKEND={named} cannot read an array on GPU {ordinal}: unset it, name one of "
            f"{', '.join(GPU_BACKENDS)}, or bring the array to the host"
        )
    reasons = []
    for name in GPU_BACKENDS if named == "auto" else [named]:
        try:
            return _gpu(name, ordinal)
        except BackendError as error:
            reasons.append(str(error))
    raise BackendError(f"no backend can read an array on GPU {ordinal}: bring it to the host, or: {'; '.join(reasons)}")


def threads(n_threads: int | None = None) -> int:
    """Number of threads: the argument, else ``ASKEW_NUM_THREADS``, else the processors this process may run on."""
    given: object = n_threads
    if n_threads is None:
        given = os.environ.get("ASKEW_NUM_THREADS")
        if not given:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        number = int(str(given))
    except ValueError:
        number = 0
    if isinstance(n_threads, (bool, str)) or not 1 <= number <= 4096:
        source = "n_threads" if n_threads is not None else "ASKEW_NUM_THREADS"
        raise InputError(f"{source} must be a whole number from 1 to 4096, not {given!r}")
    return number


#: What the native backend does, and what changes it.
KERNELS = """\
  pack       rows of bytes, sparse rows and lists of tags, into columns of bits
  patterns   a hash table in the cache of each thread; if rows are many, one table for each part of the hashes
  mine       rare columns first, on the rows that are left; by rows where these are short
  count      itemsets that share columns together, in blocks that fit the L2 cache, in tiles of 4 by 4 columns; many
             pairs of rare columns row by row
  resample   weights="poisson", "poisson32": a weight for each row and replicate, drawn in registers, 128 replicates
             at a time, and added to the counts of the itemsets that the row contains
             weights="poisson-patterns": a draw for each bit of the number of times that a distinct row occurs
  summarize  what metrics need of the counts of all replicates, in one pass
askew.plan() says what this means for a table. ASKEW_SIMD forces a SIMD level, ASKEW_BACKEND a backend,
ASKEW_NUM_THREADS the number of threads; backend=, weights= and n_threads= of every call go before them."""


def show_config(*, verbose: bool = False) -> None:
    """Print version, SIMD level and number of threads, and which backends run here, which do not, and why.

    Parameters
    ----------
    verbose : bool, default False
        Also say how the compiled kernels work, and what changes their ways.
    """
    print(config_text())
    if verbose:
        print(f"kernels of the native backend:\n{KERNELS}")


def config_text() -> str:
    """What `show_config` prints."""
    import numpy

    from askew import __version__

    lines = [
        f"askew {__version__}  (Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"{sys.platform} {platform.machine()})",
        f"threads: {threads()}",
        "backends:",
    ]
    try:
        _native()
        from askew import _core

        levels = ", ".join(_core.simd_levels())
        lines.append(
            f"  native   runs: C++, SIMD level {_core.simd_level()} (can run: {levels}; force one with ASKEW_SIMD)"
        )
    except (AskewError, ImportError) as error:
        lines.append(f"  native   does not run: {_why(error)}")
    try:
        _numba()
        import numba

        lines.append(f"  numba    runs: Numba {numba.__version__}, compiles its kernels when they are first needed")
    except BackendError as error:
        lines.append(f"  numba    does not run: {_why(error)}")
    lines.append("  numpy    runs: the slow reference, for checking and where nothing can be compiled")
    lines += [f"  {name:8} {_gpu_state(name)}" for name in GPU_BACKENDS]
    lines.append(f"'auto' takes: {_auto_name()}")
    return "\n".join(lines)


def _gpu_state(name: str) -> str:
    from askew.engine import cuda, cupy

    try:
        return f"runs: {(cuda if name == 'cuda' else cupy).device().description}"
    except BackendError as error:
        return f"does not run: {_why(error)}"


def _why(error: Exception) -> str:
    """What an error says after "backend 'name' cannot run: "."""
    message = str(error)
    return message.partition(" cannot run: ")[2] or message


def _auto_name() -> str:
    named = os.environ.get("ASKEW_BACKEND") or "auto"
    for backend in BACKENDS if named == "auto" else (named,):
        try:
            return choose(backend).name
        except InputError as error:
            return f"nothing ({error})"
        except BackendError:
            continue
    return f"nothing (ASKEW_BACKEND={named} cannot run)"
