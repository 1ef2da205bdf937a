"""Arrays on a GPU enter by DLPack, are packed where they are, and are given back.

The GPU is the processor (tests/host_device.py) wherever there is a C++ compiler; a real one where CuPy or Torch
have one (ASKEW_REQUIRE_GPU=1 makes that a must).
"""

from __future__ import annotations

import gc
import os
from typing import Any

import numpy as np
import pytest

import askew
from askew.engine import choice, choose_for_gpu
from askew.engine.cupy import CupyDevice
from askew.engine.gpu import GpuEngine
from host_cupy import HostCupy
from host_device import STREAM, HostDevice
from host_gpu_array import HostGpuArray
from test_kernels import LAYOUTS, REFERENCE, SHAPES, packed, random_table

_core = pytest.importorskip("askew._core")


class Gpus:
    """Two GPUs that are none. "cuda" reads capsules itself, "cupy" leaves that to CuPy."""

    def __init__(self, backend: str, total_bytes: int = 1 << 30) -> None:
        self.devices = [HostDevice(total_bytes) for _ in range(2)]
        made = [CupyDevice(HostCupy(device)) if backend == "cupy" else device for device in self.devices]
        self._engines = [GpuEngine(backend, device, REFERENCE) for device in made]

    def __call__(self, name: str, gpu: int) -> GpuEngine:
        return self._engines[gpu]

    def launches(self, gpu: int) -> int:
        return sum(kernel == "pack" for kernel, _ in self.devices[gpu].launches)


@pytest.fixture(params=["cuda", "cupy"])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    made = Gpus(request.param)
    monkeypatch.setattr(choice, "_gpu", made)
    monkeypatch.delenv("ASKEW_BACKEND", raising=False)
    return made


def labels(n: int) -> list[str]:
    return ["a"] * n


@pytest.mark.parametrize(("n", "p"), [*SHAPES[1:], (33, 128), (31, 129), (700, 300)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_shape_and_strides(gpus: Gpus, n: int, p: int, layout: str) -> None:
    values = LAYOUTS[layout](random_table(n, p))
    array = HostGpuArray(values)
    table = askew.Annotations(array, labels(n))
    assert np.array_equal(table.packed_attributes, packed(np.ascontiguousarray(values)))
    assert (array.given, array.given_back) == (1, 1)


@pytest.mark.parametrize("options", [{}, {"version": None}, {"version": (1, 0)}, {"version": (1, 99)}, {"kind": 13}])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8])
def test_every_kind_of_capsule(gpus: Gpus, dtype: type, options: dict[str, Any]) -> None:
    values = random_table(700, 20)
    array = HostGpuArray(values.astype(dtype), **options)
    assert np.array_equal(askew.Annotations(array, labels(700)).packed_attributes, packed(values))
    assert (array.given, array.given_back) == (1, 1)


@pytest.mark.parametrize("options", [{"byte_offset": 40}, {"without_strides": True}])
def test_offsets_and_strides_that_are_left_out(gpus: Gpus, options: dict[str, Any]) -> None:
    values = random_table(700, 20)
    array = HostGpuArray(values, **options)
    assert np.array_equal(askew.Annotations(array, labels(700)).packed_attributes, packed(values))


def test_it_is_read_in_the_stream_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_gpu", Gpus("cuda"))
    array = HostGpuArray(random_table(9, 2))
    askew.Annotations(array, labels(9))
    assert array.streams == [STREAM]


def test_groups_names_and_ids(gpus: Gpus) -> None:
    attributes, groups = random_table(700, 3), random_table(700, 2, seed=1)
    expected = askew.Annotations(attributes, groups, group_names=["f", "m"], ids=range(700))
    for given in (
        (HostGpuArray(attributes), HostGpuArray(groups)),
        (HostGpuArray(attributes), groups),
        (attributes, HostGpuArray(groups)),
        (HostGpuArray(attributes), expected),
    ):
        table = askew.Annotations(*given, like=expected, ids=range(700))
        table.check_same_instances(expected)
        assert np.array_equal(table.packed_attributes, expected.packed_attributes)
        assert np.array_equal(table.packed_groups, expected.packed_groups)
    tags = askew.Annotations.from_tags([["x"]] * 700, HostGpuArray(groups))
    assert np.array_equal(tags.packed_groups, expected.packed_groups)


def test_a_table_larger_than_the_memory_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus("cuda", total_bytes=100_000)
    monkeypatch.setattr(choice, "_gpu", gpus)
    values = random_table(100_000, 40)
    array = HostGpuArray(values)
    assert np.array_equal(askew.Annotations(array, labels(100_000)).packed_attributes, packed(values))
    assert gpus.launches(0) > 1
    values[99_999, 3] = 7
    with pytest.raises(askew.InputError, match=r"row 99999, column 3 \('3'\) is 7; expected 0 or 1"):
        askew.Annotations(array, labels(100_000))


def test_the_gpu_of_the_array_does_it(gpus: Gpus) -> None:
    values = random_table(100, 3)
    askew.Annotations(HostGpuArray(values, gpu=1), HostGpuArray(values, gpu=1))
    assert (gpus.launches(0), gpus.launches(1)) == (0, 2)


def wrong(row: int, column: int, value: int, dtype: type = np.uint8) -> np.ndarray:
    values = random_table(1300, 270).astype(dtype)
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (HostGpuArray(wrong(64, 3, 2)), r"^attributes: row 64, column 3 \('3'\) is 2; expected 0 or 1$"),
        (HostGpuArray(wrong(1299, 269, 255)[::-1]), r"row 0, column 269 \('269'\) is 255; expected 0 or 1"),
        (HostGpuArray(wrong(5, 6, -1, np.int8)), r"row 5, column 6 \('6'\) is -1; expected 0 or 1"),
        (HostGpuArray(np.ones((4, 2), np.float32)), r"dtype float32; expected bool, uint8 or int8.*torch\.uint8"),
        (HostGpuArray(np.full((4, 2), np.nan, np.float16)), "dtype float16; expected bool, uint8 or int8"),
        (HostGpuArray(np.ones((4, 2), np.int64)), "dtype int64; expected bool, uint8 or int8"),
        (HostGpuArray(np.ones((4, 2), np.complex64)), "dtype complex64; expected bool, uint8 or int8"),
        (HostGpuArray(np.ones(4, np.uint8)), r"two-dimensional table.*this has 1 dimensions, shape \(4,\)$"),
        (HostGpuArray(np.ones((4, 2, 1), np.uint8)), r"this has 3 dimensions, shape \(4, 2, 1\)"),
        (HostGpuArray(np.ones((0, 2), np.uint8)), r"attributes have no instances \(shape \(0, 2\)\)"),
        (HostGpuArray(np.ones((4, 0), np.uint8)), r"attributes have no columns \(shape \(4, 0\)\)"),
        (HostGpuArray(np.ones((4, 2), np.uint8), version=(2, 0)), "HostGpuArray cannot be read by DLPack.*version 1"),
    ],
)
def test_bad_arrays_are_errors_and_are_given_back(gpus: Gpus, array: HostGpuArray, message: str) -> None:
    given = array.given
    with pytest.raises(askew.InputError, match=message) as raised:
        askew.Annotations(array, labels(array.shape[0]))
    del raised
    gc.collect()
    assert array.given == given + 1
    assert array.given_back == array.given


def test_other_errors(gpus: Gpus) -> None:
    values = random_table(10, 3)
    array = HostGpuArray(values)
    with pytest.raises(askew.InputError, match="attributes are on GPU 0, groups are on GPU 1: bring them to one GPU"):
        askew.Annotations(array, HostGpuArray(values, gpu=1))
    with pytest.raises(askew.InputError, match=r"shape \(10,\); labels are read on the host: \.cpu\(\)"):
        askew.Annotations(array, HostGpuArray(values[:, 0]))
    with pytest.raises(askew.InputError, match=r"ids: a HostGpuArray on GPU 0; only tables of 0 and 1"):
        askew.Annotations(array, labels(10), ids=HostGpuArray(np.arange(10)))
    with pytest.raises(askew.InputError, match="attributes have 3 columns, but 2 names were given"):
        askew.Annotations(array, labels(10), attribute_names=["x", "y"])
    with pytest.raises(askew.InputError, match="cannot be read by DLPack: it requires a gradient"):
        askew.Annotations(HostGpuArray(values, refuses="it requires a gradient"), labels(10))
    with pytest.raises(askew.InputError, match="attributes have 10 instances, groups have 9"):
        askew.Annotations(array, labels(9))
    assert array.given == array.given_back


def test_an_exhausted_gpu_gives_the_array_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_gpu", Gpus("cuda", total_bytes=1000))
    array = HostGpuArray(random_table(1000, 300))
    with pytest.raises(askew.BackendError, match="not enough memory") as raised:
        askew.Annotations(array, labels(1000))
    del raised
    gc.collect()
    assert array.given_back == 1


def test_a_capsule_is_used_once() -> None:
    array = HostGpuArray(random_table(3, 2))
    capsule = array.__dlpack__(stream=1)
    taken = _core.DLPack(capsule)
    with pytest.raises(BufferError, match="no DLPack capsule that is still unused"):
        _core.DLPack(capsule)
    with pytest.raises(BufferError, match="no DLPack capsule"):
        _core.DLPack(None)
    assert array.given_back == 0
    del taken, capsule
    assert array.given_back == 1


def test_arrays_of_other_devices_are_what_numpy_makes_of_them() -> None:
    """DLPack's kDLCPU (1) and pinned memory (3) are the host; of others their library says what to do."""

    class OnHost(HostGpuArray):
        def __array__(self, *arguments: object, **options: object) -> np.ndarray:
            return self._values

    values = random_table(10, 3)
    for kind in (1, 3):
        table = askew.Annotations(OnHost(values, kind=kind), labels(10))
        assert np.array_equal(table.packed_attributes, packed(values))
    with pytest.raises(askew.InputError, match="cannot be read as an array: its bytes would have to be copied"):
        askew.Annotations(HostGpuArray(values, kind=8), labels(10))


def test_which_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that ASKEW_BACKEND names, else the first that runs; else the reasons of both."""
    runs: set[str] = set()

    def some(name: str, gpu: int) -> str:
        if name not in runs:
            raise askew.BackendError(f"backend {name!r} cannot run: so it is")
        return name

    monkeypatch.setattr(choice, "_gpu", some)
    monkeypatch.delenv("ASKEW_BACKEND", raising=False)
    with pytest.raises(
        askew.BackendError,
        match=r"no backend can read an array on GPU 3.*'cuda' cannot run: so it is; backend 'cupy' cannot run: so",
    ):
        askew.Annotations(HostGpuArray(random_table(3, 2), gpu=3), labels(3))
    runs.add("cupy")
    assert choose_for_gpu(0) == "cupy"
    runs.add("cuda")
    assert choose_for_gpu(0) == "cuda"
    monkeypatch.setenv("ASKEW_BACKEND", "cupy")
    assert choose_for_gpu(0) == "cupy"
    runs.discard("cupy")
    with pytest.raises(askew.BackendError, match=r"no backend can read an array on GPU 0.*'cupy' cannot run") as raised:
        choose_for_gpu(0)
    assert "'cuda' cannot run" not in str(raised.value)
    monkeypatch.setenv("ASKEW_BACKEND", "native")
    with pytest.raises(askew.BackendError, match="ASKEW_BACKEND=native cannot read an array on GPU 0: unset it"):
        choose_for_gpu(0)


class Library:
    """CuPy or Torch with a GPU, or the reason to skip."""

    def __init__(self, name: str) -> None:
        try:
            self.module = __import__(name)
            self.n_gpus = self.module.cuda.device_count() if name == "torch" else self._cupy_gpus()
            why_not = "" if self.n_gpus else f"{name} finds no GPU"
        except ImportError as error:
            why_not = str(error)
        if why_not and os.environ.get("ASKEW_REQUIRE_GPU") == "1":
            pytest.fail(why_not)
        if why_not:
            pytest.skip(why_not)
        self.name = name

    def _cupy_gpus(self) -> int:
        runtime = self.module.cuda.runtime
        try:
            return int(runtime.getDeviceCount())
        except runtime.CUDARuntimeError:
            return 0

    def array(self, values: np.ndarray, gpu: int = 0) -> Any:
        if self.name == "torch":
            return self.module.from_numpy(values.copy()).to(f"cuda:{gpu}")
        with self.module.cuda.Device(gpu):
            return self.module.asarray(values)


@pytest.mark.parametrize("backend", ["cuda", "cupy"])
@pytest.mark.parametrize("library", ["cupy", "torch"])
def test_arrays_on_a_real_gpu(library: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Library(library)
    monkeypatch.setenv("ASKEW_BACKEND", backend)
    values = random_table(20_000, 130)
    for gpu in range(found.n_gpus):
        array = found.array(values, gpu)
        for view, expected in (
            (array, values),
            (array.T[:100].T, values[:, :100]),
            (array[::3, 1::2], values[::3, 1::2]),
            (array == 1, values),
        ):
            table = askew.Annotations(view, found.array(values[: len(expected), :2], gpu))
            assert np.array_equal(table.packed_attributes, packed(np.ascontiguousarray(expected)))
        array[77, 5] = 3  # in the stream in which the library writes
        with pytest.raises(askew.InputError, match=r"row 77, column 5 \('5'\) is 3; expected 0 or 1"):
            askew.Annotations(array, labels(20_000))
        with pytest.raises(askew.InputError, match="dtype float32"):
            askew.Annotations(found.array(values.astype(np.float32), gpu), labels(20_000))
    if found.n_gpus > 1:
        with pytest.raises(askew.InputError, match="bring them to one GPU"):
            askew.Annotations(found.array(values, 0), found.array(values, 1))
