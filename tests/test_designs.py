"""benchmarks/designs.py: its populations against a huge sample, and its table in the documentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import askew

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("needs a checkout", allow_module_level=True)


pytestmark = pytest.mark.usefixtures("root_is_on_the_path")


def test_the_truth_is_what_a_huge_sample_shows() -> None:
    from benchmarks import designs

    rng = np.random.default_rng(0)
    groups = np.arange(400_000) % 2
    given = designs.tables(groups, groups, lambda p: rng.random(p.shape) < p)
    assert float(askew.mals(*given)) == pytest.approx(designs.MALS, abs=0.004)
    assert float(askew.directional(*given, convention=designs.CONVENTION)) == pytest.approx(designs.SIGNED, abs=0.004)


def test_the_table_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import designs

    designs.main(["--repeats", "1"])
    rows = [line.rsplit("|", 3)[0] for line in capsys.readouterr().out.splitlines()[2:]]
    shown = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 14
    assert [row for row in rows if not any(line.startswith(row) for line in shown)] == []
