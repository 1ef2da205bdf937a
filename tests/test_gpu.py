"""The GPU kernels give the integers of the reference: run on the processor, thread by thread, wherever there is a C++
compiler, and on a GPU where there is one (ASKEW_REQUIRE_GPU=1 makes that a must).
"""

from __future__ import annotations

import os
from itertools import combinations

import numpy as np
import pytest

import askew
from askew.engine import Draws, Engine, Itemsets, Units, choose, cupy
from askew.engine.choice import GPU_BACKENDS
from askew.engine.gpu import GpuEngine
from askew.engine.pattern_weights import TOP
from conftest import runs
from host_cupy import HostCupy
from host_device import HostDevice
from test_kernels import (
    LAYOUTS,
    REFERENCE,
    SHAPES,
    every_kind_of_list,
    itemsets,
    packed,
    random_table,
    resampled,
    some_itemsets,
)


def on_host(total_bytes: int = 1 << 30) -> GpuEngine:
    return GpuEngine("on-host", HostDevice(total_bytes), REFERENCE)


REQUIRED = os.environ.get("ASKEW_REQUIRE_GPU") == "1"


@pytest.mark.parametrize("backend", GPU_BACKENDS)
def test_there_is_a_gpu(backend: str) -> None:
    """Skipped with the reason, for all tests of this file that it would be needed for."""
    try:
        choose(backend)
    except askew.BackendError as error:
        if REQUIRED:
            raise
        pytest.skip(str(error))


@pytest.fixture(params=["on-host", *(GPU_BACKENDS if REQUIRED else filter(runs, GPU_BACKENDS))])
def gpu(request: pytest.FixtureRequest) -> Engine:
    """The GPU engine on every device: the processor, and what GPU there is."""
    return on_host() if request.param == "on-host" else choose(request.param)


@pytest.mark.parametrize(("n", "p"), [*SHAPES, (31, 129), (33, 128), (700, 300)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pack(gpu: Engine, n: int, p: int, layout: str) -> None:
    values = LAYOUTS[layout](random_table(n, p)) if n else random_table(n, p)
    columns, wrong = gpu.pack(values, 1)
    assert wrong == -1
    assert np.array_equal(columns, packed(np.ascontiguousarray(values)))


@pytest.mark.parametrize("layout", ["C", "F", "columns strided"])
@pytest.mark.parametrize(("row", "column", "value"), [(0, 0, 2), (1299, 269, 255), (64, 3, 128), (1290, 1, 3)])
def test_pack_finds_the_first_bad_value(gpu: Engine, layout: str, row: int, column: int, value: int) -> None:
    values = random_table(1300, 270)
    values[1299, 269] = 77
    values[1291, 0] = 2
    values[row, column] = value
    assert gpu.pack(LAYOUTS[layout](values), 1)[1] == min(row * 270 + column, 1291 * 270)


@pytest.mark.parametrize(
    ("n", "p", "density"),
    [
        *[(0, 4, 0.5), (1, 1, 1.0), (31, 2, 0.5), (32, 2, 0.5), (33, 2, 0.5), (63, 3, 0.5), (512, 64, 1.0)],
        *[(513, 70, 0.0), (4096, 70, 0.9), (8191, 9, 0.4), (8193, 9, 0.4), (20_000, 24, 0.05)],
    ],
)
def test_count(gpu: Engine, n: int, p: int, density: float) -> None:
    columns = [packed(random_table(n, p, density))]
    for name, sets in every_kind_of_list(p, seed=n).items():
        expected = REFERENCE.count(columns, n, sets, 1, None)
        assert np.array_equal(gpu.count(columns, n, sets, 1, None), expected), name


def check_resample(
    gpu: Engine, columns: list[np.ndarray], n: int, sets: Itemsets, draws: Draws, replicates: range
) -> None:
    expected = resampled(REFERENCE, columns, n, sets, draws, replicates)
    assert np.array_equal(resampled(gpu, columns, n, sets, draws, replicates), expected)


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize(("n", "p"), [*SHAPES, (31, 2), (32, 2), (33, 2), (16_383, 3), (16_384, 3), (16_385, 3)])
@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
def test_resample(gpu: Engine, n: int, p: int, density: float, distribution: str) -> None:
    draws = Draws(distribution, 2**63 + 12345, 1, 2**32 - 300)
    check_resample(gpu, [packed(random_table(n, p, density))], n, some_itemsets(p), draws, range(3, 20))


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize(
    "replicates",
    [range(0), range(1), range(7, 8), range(8, 16), range(129), range(64, 192), range(2**31 - 3, 2**31)],
)
def test_resample_any_replicates(gpu: Engine, replicates: range, distribution: str) -> None:
    draws = Draws(distribution, 2**64 - 1, 0, 2**40 + 1)
    check_resample(gpu, [packed(random_table(3000, 6))], 3000, some_itemsets(6), draws, replicates)


def test_resample_lists_of_every_kind(gpu: Engine) -> None:
    columns = [packed(random_table(2000, 12)[:, :5]), packed(random_table(2000, 12)[:, 5:])]
    for sets in every_kind_of_list(12, seed=3).values():
        check_resample(gpu, columns, 2000, sets, Draws("poisson", 5, 1, 0), range(10))


def test_sums_of_a_lane_do_not_overflow(gpu: Engine) -> None:
    """Every row in every itemset."""
    n = 70_000
    columns = [packed(np.ones((n, 1), np.uint8))]
    for distribution in ("poisson", "poisson32"):
        check_resample(gpu, columns, n, itemsets([(), (0,)]), Draws(distribution, 5, 0, 0), range(9))


@pytest.mark.parametrize("n_patterns", [0, 1, 63, 64, 65, 4095, 4096, 4097])
@pytest.mark.parametrize("replicates", [range(3), range(126, 137)])
def test_resample_patterns(gpu: Engine, n_patterns: int, replicates: range) -> None:
    rng = np.random.default_rng(n_patterns)
    multiplicities = rng.integers(0, 9, n_patterns)
    multiplicities[:3] = [2**TOP * 2 + 3, 0, 1000][:n_patterns]
    columns = [packed(random_table(n_patterns, 7))]
    sets = some_itemsets(7)
    draws = Draws("poisson-patterns", 2**63 + 7, 1, 0)
    counts = []
    for engine in (REFERENCE, gpu):
        out = np.full((len(sets), len(replicates)), 2**53 + 1, np.int64)  # which no float64 holds
        engine.resample_patterns(columns, multiplicities, sets, draws, replicates, out.T, 1, None)
        counts.append(out)
    assert np.array_equal(counts[0], counts[1])


@pytest.mark.parametrize("distribution", ["multinomial", "poisson"])
def test_units_are_left_to_the_host(distribution: str) -> None:
    columns, units = [packed(random_table(9, 2))], Units(np.arange(9, dtype=np.uint32) // 2, None, np.array([0, 5]))
    out = np.zeros((2, 2, 4), np.int64)
    for engine, counts in zip((REFERENCE, GpuEngine("on-host", HostDevice(), REFERENCE)), out, strict=True):
        draws = Draws(distribution, 1, 0, 0, units)
        engine.resample(columns, 9, itemsets([(0,), (1,)]), draws, range(4), counts.T, 1, None)
    assert out.any()
    assert np.array_equal(out[0], out[1])


def test_multiplicities_beyond_the_kernel_are_left_to_the_host() -> None:
    columns, multiplicities = [packed(np.ones((1, 1), np.uint8))], np.array([2**31])
    given = Draws("poisson-patterns", 1, 0, 0)

    class Host:
        def resample_patterns(self, *arguments: object) -> None:
            arguments[5][:] = 1

    out = np.zeros((1, 1), np.int64)
    engine = GpuEngine("on-host", HostDevice(), Host())
    engine.resample_patterns(columns, multiplicities, itemsets([(0,)]), given, range(1), out.T, 1, None)
    assert out == 1


def launches(engine: GpuEngine, kernel: str) -> int:
    return sum(name == kernel for name, _ in engine.device.launches)


def test_tables_larger_than_the_memory_go_in_chunks() -> None:
    n, p = 100_000, 40
    values = random_table(n, p, 0.05)
    columns = [packed(values[:, :7]), packed(values[:, 7:])]
    sets = itemsets([(), *((c,) for c in range(p)), *combinations(range(p), 2)])
    engine = on_host(total_bytes=800_000)
    heard: list[tuple[int, int]] = []
    counts = engine.count(columns, n, sets, 1, lambda *done: heard.append(done))
    assert np.array_equal(counts, REFERENCE.count(columns, n, sets, 1, None))
    assert launches(engine, "count") > 1
    assert heard[-1] == (n, n)
    repacked, wrong = engine.pack(values, 1)
    assert wrong == -1
    assert np.array_equal(repacked, np.concatenate(columns))
    assert launches(engine, "pack") > 1
    values[n - 1, p - 1] = 2
    assert engine.pack(values, 1)[1] == n * p - 1
    engine = on_host(total_bytes=4_000_000)
    check_resample(engine, columns, n, sets, Draws("poisson", 3, 0, 11), range(5, 60))
    assert launches(engine, "resample_poisson") > 3
    assert engine.device.used_bytes == 0


def test_lists_that_are_too_long_are_made_in_parts() -> None:
    """Of tiles, and where one is still too many, of itemsets."""
    n, p = 40_000, 16
    columns = [packed(np.ones((n, p), np.uint8))]
    sets = itemsets(list(combinations(range(p), 2)))
    engine = on_host(total_bytes=6_000_000)
    check_resample(engine, columns, n, sets, Draws("poisson", 3, 0, 11), range(9))
    assert launches(engine, "members") > launches(engine, "resample_poisson") > 3
    assert any(grid[0] < -(-len(sets) // 8) for name, grid in engine.device.launches if name == "members")


def test_too_little_memory_is_an_error() -> None:
    engine = on_host(total_bytes=100_000)
    columns = [packed(np.ones((3000, 300), np.uint8))]
    with pytest.raises(askew.BackendError, match="not enough memory on the processor, as if it were a GPU"):
        engine.resample(columns, 3000, itemsets([()]), Draws("poisson", 0, 0, 0), range(9), np.zeros((9, 1)), 1, None)
    assert engine.device.used_bytes == 0


def test_the_monitor_can_stop(gpu: Engine) -> None:
    columns, sets = [packed(random_table(1000, 3))], some_itemsets(3)

    class StopNow(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert 0 <= done <= total
        raise StopNow

    out = np.zeros((len(sets), 9), np.int64)
    with pytest.raises(StopNow):
        gpu.resample(columns, 1000, sets, Draws("poisson", 5, 0, 0), range(9), out.T, 1, stop)
    with pytest.raises(StopNow):
        gpu.count(columns, 1000, sets, 1, stop)


def test_cupy_does_as_it_is_told() -> None:
    """The device of the backend "cupy", with the processor in the place of CuPy's GPU."""
    engine = GpuEngine("cupy", cupy.CupyDevice(HostCupy(HostDevice(total_bytes=4_000_000))), REFERENCE)
    n = 40_000
    for layout in LAYOUTS.values():
        values = layout(random_table(n, 12))
        columns, wrong = engine.pack(values, 1)
        assert wrong == -1
        assert np.array_equal(columns, packed(np.ascontiguousarray(values)))
    blocks, sets = [columns[:5], columns[5:]], some_itemsets(12)
    assert np.array_equal(engine.count(blocks, n, sets, 1, None), REFERENCE.count(blocks, n, sets, 1, None))
    check_resample(engine, blocks, n, sets, Draws("poisson", 2**64 - 1, 1, 2**40), range(60))
