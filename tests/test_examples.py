"""The examples run, and say what they should."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def output(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(str(EXAMPLES / name))
    return capsys.readouterr().out


def test_own_metric_is_the_gap_of_the_published_false_negative_rates(capsys: pytest.CaptureFixture[str]) -> None:
    """ProPublica 2016: FNR 27.99 % and 47.72 %, so recall differs by 19.73 percentage points."""
    assert re.search(r"two_year_recid: recall gap \+0\.197 \[\+0\.1\d\d, \+0\.2\d\d\]", output("own_metric.py", capsys))


def test_known_amplification_is_within_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    text = output("known_amplification.py", capsys)
    expected, value, low, high = map(float, re.findall(r"\d\.\d{4}", text))
    assert low < expected < high
    assert low < value < high
    inside, cells = map(int, re.findall(r"(\d+) of (\d+)", text)[0])
    assert inside >= 0.8 * cells == 16


@pytest.mark.skipif(find_spec("pyspark") is None or which("java") is None, reason="pyspark or Java is not here")
def test_counts_of_spark_are_those_of_one_machine() -> None:
    command = [sys.executable, str(EXAMPLES / "on_spark.py")]  # Spark's Java goes with the process
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert min(map(int, re.findall(r"(\d+) and (\d+) partitions", text)[0])) > 1
    assert "as on one machine: True" in text


def test_every_example_is_run() -> None:
    tested = set(re.findall(r"\"(\w+\.py)\"", Path(__file__).read_text(encoding="utf-8")))
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}
