"""The GPU backends where they cannot run: why, and what would help. And that their kernels compile."""

from __future__ import annotations

import ctypes
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import askew
from askew.engine import choice, choose, cupy
from askew.engine.choice import GPU_BACKENDS
from conftest import runs


@pytest.mark.parametrize("backend", [name for name in GPU_BACKENDS if not runs(name)])
def test_a_named_backend_that_cannot_run_says_why(backend: str) -> None:
    table = askew.Annotations([[1], [0]], ["a", "b"])
    with pytest.raises(askew.BackendError, match=f"^backend '{backend}' cannot run: ") as raised:
        askew.count(table, [["0"]], backend=backend)
    reason = str(raised.value).removeprefix(f"backend '{backend}' cannot run: ")
    assert f"{backend:8} does not run: {reason}\n" in choice.config_text()


def test_cuda_that_was_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "askew._cuda", None)
    monkeypatch.delattr(askew, "_cuda", raising=False)
    choice._gpu.cache_clear()
    with pytest.raises(askew.BackendError, match=r"askew\._cuda is missing.*nvcc.*ASKEW_CUDA=ON"):
        choose("cuda")


def test_cuda_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    extension = SimpleNamespace(status=lambda ordinal: (False, "no NVIDIA driver was found"))
    monkeypatch.setitem(sys.modules, "askew._cuda", extension)
    monkeypatch.setattr(askew, "_cuda", extension, raising=False)
    choice._gpu.cache_clear()
    with pytest.raises(askew.BackendError, match="backend 'cuda' cannot run: no NVIDIA driver was found"):
        choose("cuda")


def test_compiled_cuda_reports_its_state() -> None:
    extension = pytest.importorskip("askew._cuda")
    runs, what = extension.status()
    assert what
    if not runs:
        with pytest.raises(askew.BackendError) as raised:
            extension.Device()
        assert str(raised.value) == what


def test_cupy_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    choice._gpu.cache_clear()
    with pytest.raises(askew.BackendError, match=r"CuPy is missing.*pip install 'askew\[cuda12\]'"):
        choose("cupy")


class CudaError(Exception):
    pass


def some_cupy(
    *, hip: bool = False, driver: int = 13000, devices: int | Exception = 1, capability: str = "90"
) -> object:
    def device_count() -> int:
        if isinstance(devices, Exception):
            raise devices
        return devices

    runtime = SimpleNamespace(
        is_hip=hip, driverGetVersion=lambda: driver, getDeviceCount=device_count, CUDARuntimeError=CudaError
    )
    device = SimpleNamespace(compute_capability=capability)
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: device))


@pytest.mark.parametrize(
    ("found", "why_not"),
    [
        ({}, ""),
        ({"capability": "121"}, ""),
        ({"capability": "80"}, ""),
        ({"hip": True}, "this CuPy is for AMD GPUs"),
        ({"driver": 0}, "no NVIDIA driver was found: install one"),
        ({"devices": 0}, "the NVIDIA driver finds no GPU; if there is one, look at CUDA_VISIBLE_DEVICES"),
        ({"devices": CudaError("cudaErrorNoDevice")}, "CuPy finds no GPU: cudaErrorNoDevice"),
        ({"capability": "75"}, "a GPU of compute capability 8.0 or higher is needed; this one has 7.5"),
    ],
)
def test_what_keeps_cupy_from_running(found: dict[str, object], why_not: str) -> None:
    assert cupy.obstacle(some_cupy(**found)) == why_not


def test_cupy_that_cannot_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    module = some_cupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    with pytest.raises(askew.BackendError, match=r"could not compile the kernels: .*RawModule"):
        cupy.device()


def test_the_program_changes_with_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(cupy.sources() / "core", tmp_path / "core")
    shutil.copytree(cupy.sources() / "cuda", tmp_path / "cuda")
    before = cupy.program()
    monkeypatch.setattr(cupy, "sources", lambda: tmp_path)
    assert cupy.program() == before
    with (tmp_path / "core" / "bits.hpp").open("a") as header:
        header.write("// more\n")
    assert cupy.program() != before


def test_nvcc_compiles_the_kernels(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    source = tmp_path / "kernels.cu"
    source.write_text(cupy.program())
    warnings = ["-Werror=all-warnings", "-Wno-deprecated-gpu-targets"]
    command = [nvcc, *cupy.options(), *warnings, "-arch=sm_80", "-cubin", "-o", str(tmp_path / "kernels.cubin")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def nvrtc_libraries() -> Iterator[Path]:
    for folder in [Path(path) / "nvidia" for path in [*site.getsitepackages(), *sys.path]] + [Path("/usr/local/cuda")]:
        yield from sorted(folder.glob("**/libnvrtc.so.1*"))


def test_nvrtc_compiles_the_kernels_unchanged() -> None:
    library = next(nvrtc_libraries(), None)
    if library is None:
        pytest.skip("no libnvrtc.so: it comes with the CUDA toolkit and with nvidia-cuda-nvrtc")
    nvrtc = ctypes.CDLL(str(library))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), cupy.program().encode(), b"kernels.cu", 0, None, None) == 0
    given = [option.encode() for option in (*cupy.options(), "-arch=sm_80", "-ftz=true")]
    failed = nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert (failed, log.value.decode()) == (0, "")
