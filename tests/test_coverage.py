"""benchmarks/coverage.py: its populations against a huge sample, its repeats, and the tables of the documentation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import askew

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("needs a checkout", allow_module_level=True)


pytestmark = pytest.mark.usefixtures("root_is_on_the_path")


@pytest.mark.parametrize("groups", [(0.5, 0.5), (0.6, 0.3, 0.1)])
@pytest.mark.parametrize("given_train", [False, True])
def test_the_truth_is_what_a_huge_sample_shows(groups: tuple[float, ...], given_train: bool) -> None:
    from benchmarks.populations import Population, subsets, truth

    population = Population.of(
        [0.2, 0.3, 0.4], bias=[0.5, 0.3, 0.4], amplification=0.3, amplified=0.5, groups=groups, guesses=0.5
    )
    n, sets = 200_000, subsets(3, 2)
    train, test, (pred,), _ = population.draw(n, n, 1, np.random.default_rng(1))
    known = truth(population, sets, train if given_train else None)
    names = [[f"a{k}" for k in m] for m in sets]
    found = askew.audit(train, test, pred, sets=names, n_resamples=100, rng=1, resample="test")
    for name, value in known.values.items():
        assert float(found[name]) == pytest.approx(value, abs=0.01), name
    for name, delta in known.deltas.items():
        cells = found[name].cell_values
        assert cells is not None
        assert np.abs(cells.delta - delta).max() < 0.03
    at_tie = Population.of([0.3, 0.3], amplification=0.2)
    assert truth(at_tie, [(0, 1)]).values["Multi_MALS"] == 0


def tiny(**more: Any) -> Any:
    from benchmarks.coverage import Scenario, of

    return Scenario("tiny", of(4, amplification=0.3), n=400, n_resamples=199, **more)


def test_coverage_of_a_tiny_scenario() -> None:
    from benchmarks.coverage import run

    methods = ("percentile", "basic", "BCa", "delta")
    of = run(tiny(methods=methods, cell_methods=("percentile",), cell_repeats=15), 0, 30)
    directional = {row["method"]: row for row in of["intervals"] if row["metric"] == "BiasAmp_A->T"}
    assert tuple(directional) == methods
    for row in directional.values():
        assert 0.8 <= row["coverage"] <= 1  # of 30 intervals of 95 %, fewer than 24 hold it once in 10,000 runs
        assert row["coverage"] + row["above"] + row["below"] == pytest.approx(1)
        assert 0.02 < row["length"] < 0.06
    for row in of["cells"]:
        assert 0.88 <= row["coverage"] <= 1
    assert {row["metric"]: row["rejected"] for row in of["tests"]}["BiasAmp_A->T"] == 1
    assert [row["noise_floor"] is None for row in of["noise"]] == [True] * 3 + [False] * 3


def test_a_repeat_depends_on_seed_and_number_alone() -> None:
    from benchmarks.coverage import one_repeat

    first, again, other = (one_repeat(tiny(), 3, number) for number in (7, 7, 8))
    assert first == again
    assert first.intervals != other.intervals


def test_nothing_amplified_is_told_from_something() -> None:
    from benchmarks.coverage import of, run

    null = replace(tiny(methods=("percentile",)), population=of(4, group_guesses=0.0))
    rows = run(null, 0, 4)
    assert {row["metric"]: row["none_amplified"] for row in rows["tests"]} == dict.fromkeys(
        ["BA_MALS", "BiasAmp_A->T", "Multi_MALS", "Multi_G->M", "Multi_M->G"], True
    )
    assert all(row["discovered"] is None and row["false_p"] is not None for row in rows["families"])
    half = run(replace(null, population=of(4, amplification=0.3, amplified=0.5, group_guesses=0.0)), 0, 4)
    directional = next(row for row in half["families"] if row["metric"] == "Multi_G->M")
    assert directional["discovered"] is not None
    assert directional["false_p"] is not None


def test_models_that_are_trained_anew() -> None:
    from benchmarks.coverage import of, run

    rows = run(
        replace(tiny(methods=("percentile",), n_models=3), population=of(4, amplification=0.3, training=0.2)), 0, 4
    )
    assert [row["method"] for row in rows["intervals"]] == ["percentile", "mean ± z·sd/√k"]


def test_instances_of_a_cluster_are_alike() -> None:
    from benchmarks.populations import Population

    population = Population.of([0.3, 0.2], bias=0.5, amplification=0.3, cluster_size=4, alike=0.5)
    n = 40_000
    sample = population.draw(n, 8, 1, np.random.default_rng(0))
    assert sample.clusters["train"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    for table, rates in ((sample.test, population.actual), (sample.models[0], population.predicted)):
        attributes, groups = (bits.astype(float) for bits in table.to_numpy())
        np.testing.assert_allclose(attributes.mean(axis=0), rates @ population.groups, atol=0.015)
        for column in (attributes[:, 0], groups[:, 0]):
            of_clusters = column.reshape(-1, 4)
            within = np.corrcoef(of_clusters[:, 0], of_clusters[:, 3])[0, 1]
            assert within == pytest.approx(0.5, abs=0.05)
            assert np.corrcoef(of_clusters[1:, 0], of_clusters[:-1, 3])[0, 1] == pytest.approx(0, abs=0.05)


def test_clusters_that_are_drawn_and_ignored() -> None:
    from benchmarks.coverage import of, run
    from benchmarks.coverage_tables import tables

    population = of(4, bias=0.5, amplification=0.3, cluster_size=5, alike=0.5)
    clustered = replace(tiny(methods=("percentile",)), population=population, given_clusters=True)
    drawn, ignored = (run(replace(clustered, given_clusters=given), 0, 20) for given in (True, False))
    for wide, narrow in zip(drawn["intervals"], ignored["intervals"], strict=True):
        assert 1.3 < wide["length"] / narrow["length"] < 2.2  # root of the design effect: √3
    shown = tables({"scenarios": [drawn, ignored]})
    assert shown["clusters"].count("| tiny | 20 |") == 2
    assert "tiny" not in shown["signed"] + shown["tests"]


def test_two_models_are_compared() -> None:
    from benchmarks.coverage import of, run
    from benchmarks.coverage_tables import ANY_ADJUSTED, tables
    from benchmarks.populations import truth

    scenario = replace(tiny(methods=("percentile", "basic")), rival=of(4, amplification=0.1))
    weaker = run(scenario, 0, 8)
    equal = run(replace(scenario, rival=scenario.population), 0, 8)
    tests = {row["metric"]: row for row in weaker["tests"]}
    assert tests["BiasAmp_A->T"]["rejected"] == 1
    assert not tests["BiasAmp_A->T"]["none_amplified"]
    assert all(row["none_amplified"] for row in equal["tests"])
    assert {row["metric"] for row in equal["tests"]} >= {"BA_MALS", "Multi_M->G", ANY_ADJUSTED}
    known = [
        truth(population, scenario.sets).values["BiasAmp_A->T"] for population in (scenario.rival, scenario.population)
    ]
    assert known[0] < known[1]
    assert "| tiny | 8 |" in tables({"scenarios": [weaker]})["comparisons"]


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import coverage

    monkeypatch.setattr(
        coverage,
        "scenarios",
        lambda: [tiny(), replace(tiny(n_models=2), name="tiny models", methods=("percentile", "basic"))],
    )
    stored = tmp_path / "coverage.json"
    assert coverage.main(["--repeats", "2", "--only", "tiny", "tiny models", "--json", str(stored)]) == 0
    assert "tiny: 2 samples" in capsys.readouterr().out
    assert [each["repeats"] for each in json.loads(stored.read_text())["scenarios"]] == [2, 2]
    assert coverage.main(["--markdown", str(stored)]) == 0
    assert "| tiny | 2 |" in capsys.readouterr().out


def test_the_documentation_shows_the_stored_results() -> None:
    from benchmarks.coverage_tables import tables

    (stored,) = (ROOT / "benchmarks" / "results").glob("coverage-*.json")
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for name, text in tables(json.loads(stored.read_text(encoding="utf-8"))).items():
        assert text in page, name
