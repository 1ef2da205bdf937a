"""Choice of backend and threads, and what show_config says."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest

import askew
from askew.engine import Engine, choice, choose, threads


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process that imports askew as this one does."""
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)


def test_named_backends_are_themselves() -> None:
    assert choose("numpy").name == "numpy"
    with pytest.raises(askew.InputError, match="no backend 'cuda9': choose 'auto', 'native', 'numba', 'numpy'"):
        choose("cuda9")


def test_environment_names_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKEW_BACKEND", "numpy")
    assert choose().name == "numpy"
    monkeypatch.setenv("ASKEW_BACKEND", "fortran")
    with pytest.raises(askew.InputError, match="no backend 'fortran'"):
        choose()


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads(3) == 3
    monkeypatch.setenv("ASKEW_NUM_THREADS", "7")
    assert threads() == 7
    for wrong in ("0", "two", "1.5", "100000"):
        monkeypatch.setenv("ASKEW_NUM_THREADS", wrong)
        with pytest.raises(askew.InputError, match="ASKEW_NUM_THREADS must be a whole number"):
            threads()
    for argument in (0, -1, True, 1.5, "many"):
        with pytest.raises(askew.InputError, match="n_threads must be a whole number"):
            threads(argument)  # type: ignore[arg-type]


def missing(backend: str) -> Callable[[], Engine]:
    def fail() -> Engine:
        raise askew.BackendError(f"backend {backend!r} cannot run: it is missing")

    return fail


@pytest.mark.parametrize(("left", "description"), [("numba", "Numba backend"), ("numpy", "slow NumPy backend")])
def test_without_the_extension_it_says_so_once_and_goes_on(
    left: str, description: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASKEW_BACKEND", raising=False)
    monkeypatch.setattr(choice, "_native", missing("native"))
    if left == "numba":
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(choice, "_numba", missing("numba"))
    choice._fallback.cache_clear()
    try:
        with pytest.warns(askew.AskewWarning, match=f"{description}.*'native' cannot run: it is missing"):
            assert choose().name == left
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert choose().name == left
        with pytest.raises(askew.BackendError, match="it is missing"):
            choose("native")
        assert "native   does not run: it is missing" in choice.config_text()
        assert f"'auto' takes: {left}" in choice.config_text()
    finally:
        choice._fallback.cache_clear()


def test_numba_is_imported_when_it_is_asked_for() -> None:
    program = (
        "import sys; {}; import askew; print('numba' in sys.modules); askew.show_config(); "
        "askew.AttributeSets.subsets(askew.Annotations([[1]], ['a']), backend='numba')"
    )
    absent = run(program.format("sys.modules['numba'] = None"), ASKEW_BACKEND="numpy")
    assert "numba    does not run: Numba cannot be imported" in absent.stdout
    assert "BackendError: backend 'numba' cannot run" in absent.stderr
    assert "pip install askew[numba]" in absent.stderr
    pytest.importorskip("numba")
    present = run(program.format("pass"), ASKEW_BACKEND="numpy")
    assert present.stdout.startswith("False\n")
    assert "numba    runs: Numba " in present.stdout
    assert present.returncode == 0, present.stderr


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    core = pytest.importorskip("askew._core")
    askew.show_config()
    text = capsys.readouterr().out
    assert f"askew {askew.__version__}" in text
    assert f"SIMD level {core.simd_level()}" in text
    assert "'auto' takes:" in text


def test_simd_level_by_environment() -> None:
    core = pytest.importorskip("askew._core")
    for level in core.simd_levels():
        done = run("from askew import _core; print(_core.simd_level())", ASKEW_SIMD=level)
        assert done.stdout == f"{level}\n"
    program = "import askew; askew.show_config(); askew.Annotations([[1]], ['a'])"
    wrong = run(program, ASKEW_SIMD="sse9", ASKEW_BACKEND="")
    known = f"no SIMD level 'sse9' on this processor; it can run: {' '.join(core.simd_levels())}"
    assert known in wrong.stdout
    assert f"InputError: ASKEW_SIMD: {known}" in wrong.stderr
    with pytest.raises(ValueError, match="no SIMD level 'sse9'"):
        core.force_simd("sse9")
