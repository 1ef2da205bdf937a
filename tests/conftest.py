"""Fixtures that run a test once for every backend, SIMD level and number of threads of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from askew import BackendError
from askew.engine import Engine, choose
from askew.engine.choice import GPU_BACKENDS

try:
    from askew import _core
except ImportError:
    _core = None

# No test asserts a time; and what CI says of a change must not depend on luck.
settings.register_profile("askew", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("askew")


def runs(backend: str) -> bool:
    try:
        choose(backend)
    except BackendError:
        return False
    return True


ENGINES = ["numpy"] + ([f"native-{level}" for level in _core.simd_levels()] if _core else [])
ENGINES += filter(runs, ("numba", *GPU_BACKENDS))  # test_engine.py and test_gpu.py say why where they do not


@pytest.fixture
def root_is_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is in no package: benchmarks."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Every engine that this machine can run; native once per SIMD level, forced."""
    backend, _, level = request.param.partition("-")
    if not level:
        yield choose(backend)
        return
    _core.force_simd(level)
    assert _core.simd_level() == level
    try:
        yield choose(backend)
    finally:
        _core.force_simd("")


#: Sessions that repeat tests on another build, or without one, take one number of threads.
THREADS = [int(number) for number in os.environ.get("ASKEW_TEST_THREADS", "1 2 5").split()]


@pytest.fixture(params=THREADS)
def n_threads(request: pytest.FixtureRequest) -> int:
    return request.param
