"""benchmarks/gpu.py where there is no GPU: it says so; and what it would do on one, on the processor."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from askew.engine import choice
from askew.engine.gpu import GpuEngine
from conftest import runs
from host_device import HostDevice
from test_kernels import REFERENCE

pytest.importorskip("scipy")
if not (Path(__file__).parents[1] / "benchmarks").exists() or not runs("native"):
    pytest.skip("needs a checkout, and the compiled extension", allow_module_level=True)


pytestmark = pytest.mark.usefixtures("root_is_on_the_path")


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import gpu

    monkeypatch.setattr(gpu, "gpu_engines", lambda names: ([], ["so it is"]))
    assert gpu.main([]) == 2
    assert capsys.readouterr().err == "no GPU: so it is\n"


@pytest.mark.parametrize("backend", [name for name in choice.GPU_BACKENDS if not runs(name)])
def test_the_reasons(backend: str) -> None:
    from benchmarks import gpu

    engines, (reason,) = gpu.gpu_engines([backend])
    assert not engines
    assert reason.startswith(f"backend '{backend}' cannot run")


def test_on_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import gpu, gpu_work
    from benchmarks.peers import itemsets, replicates

    engine = GpuEngine("on-host", HostDevice(), REFERENCE)
    monkeypatch.setattr(gpu, "gpu_engines", lambda names: ([engine], ["'cupy' cannot run"]))
    monkeypatch.setattr(gpu, "measured_rates", partial(gpu.measured_rates, scale=1 / 4096))
    monkeypatch.setattr(replicates, "B", 9)
    monkeypatch.setattr(itemsets, "N_SETS", 200)
    chosen = ["W1", "W2", "W3", "W4", "W5-200"]
    assert set(chosen) <= set(gpu_work.WORK)
    file = tmp_path / "gpu.json"
    options = ["--scales", "0.0005", "--repeats", "1", "--json", str(file)]
    assert gpu.main(["--workloads", *chosen, *options]) == 0
    text = capsys.readouterr().out
    assert "ANSWERS DIFFER" not in text
    report = json.loads(file.read_text())
    assert [result["workload"] for result in report["results"]] == chosen
    assert all(rate > 0 for rate in report["rates_per_second"]["on-host"].values())
    for result in report["results"]:
        native, on_host, *peers = result["lines"]
        assert native["who"].startswith("askew, native")
        assert on_host["difference"] == ""
        assert on_host["kernel_seconds"] > 0
        assert all("skipped" in peer or not peer["difference"] for peer in peers)


def test_other_counts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import gpu, gpu_work
    from benchmarks.peers import pairs

    work = gpu_work.pairs_packed(0.0005)
    engine = GpuEngine("on-host", HostDevice(), REFERENCE)
    rates = dict.fromkeys(["upload_bytes", "l1_bytes", "memory_bytes", "and_popcount_words"], 1e9)
    wrong = gpu.gpu_line(work, engine, rates, np.zeros(len(pairs.FIRST), np.int64), 1)
    assert wrong["difference"] == "other counts"
    gpu.print_lines("W2", work, [{"who": "native", "seconds": [1.0]}, wrong])
    assert "ANSWERS DIFFER: other counts" in capsys.readouterr().out


def test_probes_do_what_they_count() -> None:
    device = HostDevice()
    words = np.arange(1, 2 * 4 * 33 + 1, dtype=np.uint64)
    sums = np.zeros((1, 4 * 64), np.uint64)
    address = sums.ctypes.data
    device.launch("probe_read", (4, 1), 64, 0, [words.ctypes.data, 33, 33, 3, address], None)
    assert sums.sum() == 3 * (words[::2] ^ words[1::2]).sum()
    device.launch("probe_read", (4, 1), 64, 0, [words.ctypes.data, 0, 33, 2, address], None)
    assert sums.sum() == 4 * 2 * (words[:66:2] ^ words[1:66:2]).sum()
    device.launch("probe_count", (4, 1), 64, 0, [5, address], None)
    assert (sums <= 64 * 5).all()
    assert sums.any()
    device.launch("probe_weights", (4, 1), 64, 4 * 32, [2, address], None)
    assert len(np.unique(sums)) > 200
    device.launch("probe_add", (4, 1), 64, 4 * 16384, [1, address], None)
    assert sums.any()
