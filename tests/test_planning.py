"""`plan`: what it says agrees with what is counted."""

from __future__ import annotations

import numpy as np
import pytest

import askew
from askew import Annotations, InputError
from askew.layout import Layout


def table(n: int, p: int, *, seed: int = 0) -> Annotations:
    rng = np.random.default_rng(seed)
    return Annotations((rng.random((n, p)) < 0.3).astype(np.uint8), rng.integers(0, 2, n), group_names=[0, 1])


def test_numbers_of_a_plan() -> None:
    test, pred = table(3000, 3), table(3000, 3, seed=1)
    sets = [["0"], ["0", "2"]]
    made = askew.plan(test, sets, pred=pred, n_resamples=300)
    layout = Layout(test, pred)
    chosen = askew.AttributeSets(sets, test.attribute_names)
    assert (made.n, made.n_itemsets) == (3000, len(layout.itemsets(chosen)[0]))
    rows = np.concatenate([bits for side in (test, pred) for bits in side.to_numpy()], axis=1)
    assert made.n_patterns == len(np.unique(rows, axis=0))
    assert made.memberships > 3  # every instance is one, is annotated, and is in a group of each side
    assert "300 replicates in 3 blocks of 128" in str(made)
    assert f"{made.n_patterns:,} distinct rows" in str(made)


def test_repeated_rows_are_better_drawn_once() -> None:
    few, many = table(20_000, 2), table(2_000, 40)
    assert askew.plan(few, ["0"], n_resamples=1000).fastest == "poisson-patterns"
    assert askew.plan(many, ["0"], n_resamples=1000).fastest == "poisson"
    assert "weights='poisson' would take" in str(askew.plan(many, ["0"], n_resamples=1000))


def test_a_plan_without_replicates() -> None:
    made = askew.plan(table(100, 2), ["0"], backend="numpy", n_threads=3)
    assert (made.backend, made.simd, made.n_threads) == ("numpy", "", 3)
    assert "replicates" not in str(made)


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="n_resamples"):
        askew.plan(table(100, 2), ["0"], n_resamples=-1)
    with pytest.raises(InputError, match="instances"):
        askew.plan(table(100, 2), ["0"], pred=table(99, 2))


def test_verbose_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    askew.show_config()
    short = capsys.readouterr().out
    askew.show_config(verbose=True)
    long = capsys.readouterr().out
    assert long.startswith(short)
    for word in ("pack", "patterns", "mine", "count", "resample", "summarize", "ASKEW_SIMD", "askew.plan()"):
        assert word in long[len(short) :]
