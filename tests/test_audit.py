"""The main job: audits of known populations and real people, and what comes with the numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pytest

import askew
from askew import Annotations, AskewWarning, AttributeSets, InputError
from askew.datasets import load_compas, make_annotations

METRICS = ["BA_MALS", "BiasAmp_A->T", "BiasAmp_T->A", "Multi_MALS", "Multi_G->M", "Multi_M->G"]


@pytest.fixture(scope="module")
def known() -> askew.datasets.Synthetic:
    """Attributes 0.05 to 0.3 frequent, amplified by a tenth of their rates."""
    return make_annotations(40_000, n_attributes=6, density=0.3, amplification=0.1, group_error_rate=0.1, rng=5)


@pytest.fixture(scope="module")
def audited(known: askew.datasets.Synthetic) -> askew.Audit:
    return askew.audit(known.train, known.test, known.pred, max_size=2, n_resamples=400, rng=0)


def test_every_metric_is_there(audited: askew.Audit) -> None:
    assert list(audited) == METRICS
    for name, estimate in audited.items():
        assert estimate.name == name
        assert estimate.bootstrap_distribution.shape == (400,)
        assert estimate.n_undefined == estimate.n_undefined_replicates == 0
        assert estimate.standard_error > 0
        assert estimate.confidence_interval.low < float(estimate) < estimate.confidence_interval.high


def test_known_amplification_is_found(known: askew.datasets.Synthetic, audited: askew.Audit) -> None:
    """The population's Δ of group → attribute is known exactly, its sign follows the bias: expect the mean |Δ|."""
    expected = np.abs(known.amplification).mean()
    estimate = audited["BiasAmp_A->T"]
    assert abs(float(estimate) - expected) < 4 * estimate.standard_error
    cells = estimate.cell_values.table()
    errors = (cells["high"] - cells["low"]) / 3.92
    assert (np.abs(cells["delta"] - known.amplification.ravel()) < 4.5 * errors).all()


def test_metrics_alone_are_those_of_the_audit(known: askew.datasets.Synthetic, audited: askew.Audit) -> None:
    options = {"n_resamples": 400, "rng": 0}
    tables = known.train, known.test, known.pred
    for name, estimate in [
        ("BA_MALS", askew.mals(*tables, **options)),
        ("BiasAmp_A->T", askew.directional(*tables, direction="A->T", **options)),
        ("BiasAmp_T->A", askew.directional(*tables, direction="attribute→group", **options)),
        ("Multi_MALS", askew.multi_mals(*tables, max_size=2, **options)),
        ("Multi_G->M", askew.multi_directional(*tables, max_size=2, **options)),
        ("Multi_M->G", askew.multi_directional(*tables, direction="M->G", max_size=2, **options)),
    ]:
        assert estimate.name == name
        np.testing.assert_allclose(estimate.bootstrap_distribution, audited[name].bootstrap_distribution, rtol=1e-12)
        assert float(estimate) == pytest.approx(float(audited[name]), rel=1e-12)
        assert estimate.variance == pytest.approx(audited[name].variance, rel=1e-12)


def test_no_amplification_is_within_the_noise() -> None:
    tables = make_annotations(20_000, n_attributes=5, density=0.3, amplification=0.0, error_rate=0.5, rng=8)[:3]
    with pytest.warns(AskewWarning, match="Multi_G->M: .*too high") as warned:
        estimate = askew.multi_directional(*tables, max_size=2, n_resamples=400, rng=0)
    replicates = estimate.bootstrap_distribution
    rise = (replicates.mean() - estimate.value) / replicates.std(ddof=1)
    assert estimate.rise == pytest.approx(rise, rel=1e-9)
    assert f"replicates lie {rise:.1f} standard errors above the value, and the percentile" in str(warned[0].message)
    assert estimate.noise_floor > 0
    assert float(estimate) < 2 * estimate.noise_floor
    assert estimate.confidence_interval.low > 0  # what the docs warn of: the interval of an |Δ| metric cannot reach 0
    assert estimate.debiased < float(estimate)


def test_attributes_that_lean_by_chance_come_with_a_warning() -> None:
    tables = make_annotations(200, n_attributes=10, density=0.3, bias=0.0, rng=0)[:3]
    with pytest.warns(AskewWarning, match="BA_MALS: replicates lie .* which way some cells lean") as warned:
        estimate = askew.mals(*tables, n_resamples=200, rng=0)
    replicates = estimate.bootstrap_distribution
    below = (estimate.value - replicates.mean()) / replicates.std(ddof=1)
    assert below > 0.5
    assert f"lie {below:.1f} standard errors below the value" in str(warned[0].message)
    clear = make_annotations(2_000, n_attributes=10, density=0.3, bias=0.8, rng=0)[:3]
    askew.mals(*clear, n_resamples=200, rng=0)  # warns of nothing


def test_without_replicates_there_is_no_interval(known: askew.datasets.Synthetic) -> None:
    estimate = askew.multi_mals(known.train, known.test, known.pred, max_size=2)
    assert np.isnan(
        [*estimate.confidence_interval, estimate.standard_error, estimate.noise_floor, estimate.debiased]
    ).all()
    assert np.isnan(estimate.cells["low"]).all()
    assert estimate.to_dict()["confidence_interval"] == {"low": None, "high": None}
    assert estimate.n_undefined_replicates == 0


def test_a_noise_floor_that_is_unknown_is_not_0(known: askew.datasets.Synthetic) -> None:
    with pytest.warns(AskewWarning, match="too few"):
        one = askew.multi_mals(known.train, known.test, known.pred, max_size=2, n_resamples=1, rng=0)
    assert np.isnan([one.standard_error, one.noise_floor]).all()
    nothing = np.zeros((len(known.test), len(known.train.attribute_names)))
    nobody = askew.Annotations(nothing, [None] * len(known.test), like=known.train)
    with pytest.warns(AskewWarning, match="undefined"):
        undefined = askew.multi_mals(known.train, known.test, nobody, max_size=1, n_resamples=100, rng=0)
    assert np.isnan([float(undefined), undefined.noise_floor]).all()


def test_a_run_tells_what_was_asked_for_and_who_is_in_no_group(known: askew.datasets.Synthetic) -> None:
    train, test, pred = known.train, known.test, known.pred
    plain = askew.audit(train, test, pred, max_size=1).run
    assert (plain.sets, plain.max_size, plain.min_count, plain.support, plain.signed) == (None, 1, 1, "any", None)
    assert plain.n_in_no_group == {}
    values, groups = pred.to_numpy()
    groups[:7] = False
    some = askew.Annotations(values, groups, like=train)
    made = askew.audit(train, test, some, sets="observed", max_size=2, min_count=3, support="every", signed=True)
    run = made.to_dict()["run"]
    assert [run[name] for name in ("sets", "max_size", "min_count", "support", "signed")] == [
        *("observed", 2, 3, "every", True)
    ]
    assert run["n_in_no_group"] == {"pred": 7}
    assert f"in no group: 7 of {len(pred):,} predictions" in repr(made)
    assert "signed: the Multi_… metrics are means of Δ" in repr(made)
    chosen = askew.mals(train, test, pred, sets=askew.AttributeSets.singletons(train))
    assert chosen.run.sets == f"{len(train.attribute_names)} given"


def test_json_and_tables_leave_nothing_out(audited: askew.Audit) -> None:
    loaded = json.loads(audited.to_json(cells=True))
    assert list(loaded["metrics"]) == METRICS
    assert loaded["run"]["seed"] == 0
    assert loaded["run"]["n_resamples"] == 400
    first = loaded["metrics"]["Multi_G->M"]
    assert first["value"] == float(audited["Multi_G->M"])
    assert len(first["cells"]) == 2 * first["n_sets"]
    assert first["cells"][0]["group"] == audited["Multi_G->M"].cells["group"][0]
    assert json.loads(audited["BA_MALS"].to_json())["noise_floor"] is None
    assert audited.to_csv().splitlines()[0].startswith("metric,value,low,high")
    assert len(audited.to_csv().splitlines()) == 7
    assert "BA_MALS" in repr(audited)
    assert "400 poisson replicates of train and test, seed 0" in repr(audited)
    assert "<th class=n>noise_floor</th>" in audited._repr_html_()
    assert "Multi_G-&gt;M" in audited["Multi_G->M"]._repr_html_()


def test_tables_reach_other_libraries(audited: askew.Audit) -> None:
    pyarrow, polars = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    cells = audited["Multi_G->M"].cells
    assert cells.to_pandas()["delta"].tolist() == cells["delta"].tolist()
    assert cells.to_polars()["set"].to_list() == cells["set"].tolist()
    assert polars.DataFrame(cells)["group"].to_list() == cells["group"].tolist()
    assert pyarrow.table(audited.table).num_rows == 6
    largest = cells.sort("delta", descending=True)
    assert largest["delta"][0] == cells["delta"].max()


@pytest.mark.parametrize("groups", ["race", "sex"])
def test_compas_runs_without_a_warning(groups: str) -> None:
    result = askew.audit(*load_compas(groups), n_resamples=200, rng=0)
    assert result["Multi_M->G"].n_sets == 3
    assert "say nothing about the model" in repr(result)
    with pytest.raises(KeyError, match="there are BA_MALS, BiasAmp_A->T"):
        _ = result["mals"]


def test_the_noise_floor_is_the_value_without_amplification() -> None:
    """Mean over populations of equal groups, where every Δ is noise: within a tenth of the mean of the values."""
    values, floors = [], []
    for seed in range(8):
        tables = make_annotations(4_000, n_attributes=8, density=0.3, bias=0.0, amplification=0.0, rng=seed)[:3]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AskewWarning)
            result = askew.audit(*tables, max_size=2, min_count=20, n_resamples=100, rng=0)
        values.append([float(result[name]) for name in ("Multi_MALS", "Multi_G->M")])
        floors.append([result[name].noise_floor for name in ("Multi_MALS", "Multi_G->M")])
    np.testing.assert_allclose(np.mean(floors, axis=0), np.mean(values, axis=0), rtol=0.1)


def test_a_metric_of_ones_own(known: askew.datasets.Synthetic) -> None:
    """Recall per attribute cannot be had from sets of one side, but the surplus of predictions can."""

    def surplus(counts: askew.evaluation.Tables) -> np.ndarray:
        return counts.test.predicted_attributes.co_set / counts.test.truth.co_set - 1

    estimate = askew.bootstrap(surplus, test=known.test, pred=known.pred, n_resamples=300, rng=1)
    assert estimate.value.shape == (6,)
    assert estimate.bootstrap_distribution.shape == (6, 300)
    assert estimate.confidence_interval.low.shape == (6,)
    assert estimate.to_dict()["value"] == estimate.value.tolist()
    assert repr(estimate) == "Estimate(surplus: array of shape (6,), 300 replicates)"
    both = askew.bootstrap(
        lambda counts: counts.train.n - counts.test.n, known.train, known.test, resample="test", n_resamples=100, rng=1
    )
    assert both.bootstrap_distribution.std() == pytest.approx(np.sqrt(40_000), rel=0.3)


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (lambda counts: 1.0, r"expected shape \(1, …\), got \(\)"),
        (lambda counts: counts.train.n[:0], r"expected shape \(1, …\), got \(0,\)"),
    ],
)
def test_a_statistic_of_another_shape(known: askew.datasets.Synthetic, statistic, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        askew.bootstrap(statistic, known.train, n_resamples=10)


def test_numbers_of_little_worth_come_with_a_warning() -> None:
    rng = np.random.default_rng(0)
    train = Annotations(rng.random((60, 3)) < 0.1, np.array(["x", "y"])[rng.integers(0, 2, 60)])
    with pytest.warns(AskewWarning, match=r"fewer than 10 test instances.*noise_floor"):
        askew.multi_mals(train, train, train)
    tables = load_compas("sex")
    with pytest.warns(AskewWarning, match=r"99 replicates are too few for a 95 % interval: take at least 100"):
        askew.mals(*tables, n_resamples=99)
    with pytest.warns(AskewWarning, match=r"take at least 500"):
        askew.mals(*tables, n_resamples=499, confidence_level=0.99)
    whole = load_compas("sex", split=None)  # nothing but noise in M->G: train is test, and no group is predicted
    with pytest.warns(AskewWarning, match=r"Multi_M->G: .* the percentile interval too high"):
        assert askew.multi_directional(*whole, direction="M->G", n_resamples=200, rng=0).debiased == 0
    with pytest.raises(InputError, match="names none of the tables"):
        askew.bias_scores(tables[0], resample="test", n_resamples=100)
    with pytest.raises(InputError, match="signed does not concern"):
        askew.bias_scores(tables[0], signed=True)
    nowhere = Annotations(
        np.ones((20, 1), bool), ["Female"] * 20, attribute_names=["a"], group_names=["Female", "Male"]
    )
    predicted = Annotations(np.zeros((20, 1), bool), ["Female"] * 20, like=nowhere)
    with pytest.warns(AskewWarning, match=r"BA_MALS: 2 of 2 cells are undefined"):
        assert np.isnan(askew.mals(nowhere, nowhere, predicted).value)


@pytest.mark.filterwarnings("ignore:.*interval too high:askew.AskewWarning")
def test_progress_is_told_and_ends_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = make_annotations(2_000, n_attributes=6, density=0.3, rng=5)[:3]
    heard: list[float] = []

    def hear(done: int, total: int) -> None:
        heard.append(done / total)

    monkeypatch.setattr(askew.evaluation.Pass, "_tile", lambda self, n_rows: 5)
    askew.audit(*tables, max_size=2, min_count=20, n_resamples=200, rng=0, progress=hear)
    assert heard == sorted(heard)
    assert len(heard) >= 4
    assert heard[-1] == 1
    askew.count(tables[0], ["attribute_0"], n_resamples=200, progress=hear)
    assert heard[-1] == 1
    askew.mals(*tables, n_resamples=200, progress=True)
    with pytest.raises(InputError, match="progress must be"):
        askew.mals(*tables, progress="yes")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    "call",
    [
        "askew.count(t, s, n_resamples=10_000, rng=0, max_memory=2**33, n_threads={n})",
        "askew.AttributeSets.subsets(t, max_sets=10**9, n_threads={n})",
    ],
)
def test_ctrl_c_stops_a_kernel_within_a_second(call: str, n_threads: int) -> None:
    pytest.importorskip("askew._core")
    program = (
        "import askew\n"
        "t = askew.datasets.make_annotations(300_000, n_attributes=30, density=0.5, rng=0).test\n"
        "s = askew.AttributeSets.subsets(t, max_size=2)\n"
        "print('ready', flush=True)\n"
        f"{call.format(n=n_threads)}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.7)
    assert process.poll() is None, "the call ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert time.monotonic() - begin < 10  # a hang, not a speed: the promise of a second is measured in benchmarks


def test_universes_can_be_given(known: askew.datasets.Synthetic) -> None:
    tables = known[:3]
    sets = AttributeSets.subsets(known.train, known.test, max_size=2)
    names = [list(m) for m in sets]
    assert float(askew.multi_mals(*tables, sets=sets)) == float(askew.multi_mals(*tables, sets=names))
    assert float(askew.multi_mals(*tables, sets="subsets", max_size=2)) == float(askew.multi_mals(*tables, sets=sets))
    assert askew.multi_mals(*tables, sets=[["attribute_0", "attribute_1"]]).n_sets == 1
    assert askew.mals(*tables, sets="singletons").n_sets == 6
    assert askew.multi_mals(*tables, convention="reference").n_sets == len(
        AttributeSets.observed(known.train, known.test)
    )


def test_rise_of_statistics_of_any_shape() -> None:
    table = make_annotations(200, n_attributes=2, density=0.3, rng=8).train

    def shares(counts: Any) -> Any:
        """Two that vary, and one that does not."""
        co, n = counts.train.truth.co_set[:, :2], counts.train.truth.n
        return np.concatenate([co / n[:, None], np.ones((len(co), 1))], axis=1)

    estimate = askew.bootstrap(shares, table, sets="singletons", n_resamples=50, rng=0)
    replicates = estimate.bootstrap_distribution[:2]
    expected = (replicates.mean(axis=1) - estimate.value[:2]) / replicates.std(axis=1, ddof=1)
    np.testing.assert_allclose(estimate.rise, [*expected, 0], rtol=1e-9)
    assert np.isnan(askew.bootstrap(shares, table, sets="singletons", n_resamples=0).rise).all()
