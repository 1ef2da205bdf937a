"""BCa, delta and studentized intervals of what is drawn in clusters and within strata, of differences and means of
models: against SciPy, finite differences and the bootstrap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import askew
from askew import jackknife, units
from askew.engine import Units
from askew.engine.multinomial import multinomial_weights
from askew.engine.weights import weights
from askew.models import shares
from askew.options import Options
from test_jackknife import A_TEST, A_TRAIN, CALLS, G_TEST, G_TRAIN, N_TEST, N_TRAIN, PRED, SEED, TEST, TRAIN, table

stats = pytest.importorskip("scipy.stats")
pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

Floats = npt.NDArray[np.float64]
A_PRED, G_PRED = (np.asarray(part, float) for part in PRED.to_numpy())
MODELS = [PRED, table(N_TEST, 4, like=TRAIN)[2], table(N_TEST, 5, like=TRAIN)[2]]
RNG = np.random.default_rng(7)
CLUSTERS = {"train": RNG.integers(0, 17, N_TRAIN) * 3, "test": RNG.integers(0, 13, N_TEST)}
STRATA = {"train": RNG.permutation(np.arange(N_TRAIN) % 4), "test": RNG.permutation(np.arange(N_TEST) % 2)}
#: Strata of which all instances of a cluster are one.
OF_CLUSTERS = {name: np.array(["b", "a", "c"])[labels % 3 % 2] for name, labels in CLUSTERS.items()}
DESIGNS: dict[str, Any] = {
    "clusters": {"clusters": CLUSTERS},
    "strata": {"strata": STRATA, "weights": "multinomial"},
    "groups": {"strata": "groups", "weights": "multinomial"},
    "clusters in strata": {"clusters": CLUSTERS, "strata": OF_CLUSTERS, "weights": "multinomial"},
    "clusters of one table": {"clusters": {"test": CLUSTERS["test"]}},
}
SIZES = {"train": N_TRAIN, "test": N_TEST}


def of_tables(name: str, w: Floats, v: Floats, pred: askew.Annotations = PRED) -> Floats:
    """Value, variance and Δ … with any weights of the instances of train and of test, from the definitions."""
    a_pred, g_pred = (np.asarray(part, float) for part in pred.to_numpy())
    train, n = A_TRAIN.T @ (w[:, None] * G_TRAIN), w.sum()
    co_set, co_group = w @ A_TRAIN, w @ G_TRAIN
    if "mals" in name:
        joint = a_pred.T @ (v[:, None] * g_pred)
        baseline, predicted = (c / c.sum(axis=1, keepdims=True) for c in (train, joint))
        delta = np.where(baseline > 0.5, predicted - baseline, 0.0)
        value = (delta if name == "mals" else abs(delta)).sum() / len(delta)
        return np.array([value, delta.var(), *delta.ravel()])
    multi = name.startswith("multi")
    if "G->M" in name:
        base = train / co_group if multi else A_TEST.T @ (v[:, None] * G_TEST) / (v @ G_TEST)
        delta = a_pred.T @ (v[:, None] * G_TEST) / (v @ G_TEST) - base
    else:
        joint = A_TEST.T @ (v[:, None] * G_TEST)
        base = train / co_set[:, None] if multi else joint / (v @ A_TEST)[:, None]
        delta = A_TEST.T @ (v[:, None] * g_pred) / (v @ A_TEST)[:, None] - base
    sign = np.where(n * train > np.outer(co_set, co_group), 1, -1)
    return np.array([(abs(delta) if multi else sign * delta).mean(), delta.var(), *delta.ravel()])


def unit_of_row(design: dict[str, Any], name: str) -> npt.NDArray[np.int64]:
    """By first appearance."""
    labels = design.get("clusters", {}).get(name, np.arange(SIZES[name])).tolist()
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels])


def stratum_of_unit(design: dict[str, Any], name: str) -> npt.NDArray[np.int64]:
    unit, n = unit_of_row(design, name), SIZES[name]
    strata = design.get("strata", {name: np.zeros(n)})
    labels = (G_TRAIN if name == "train" else G_TEST)[:, 0] if isinstance(strata, str) else strata[name]
    seen: dict[Any, int] = {}
    firsts = [int(np.argmax(unit == number)) for number in range(unit.max() + 1)]
    of_units = [labels[row] for row in firsts]
    return np.array([seen.setdefault(label, len(seen)) for label in of_units])


def derivatives(statistic: Any, of_rows: list[npt.NDArray[np.int64]], at: list[Floats]) -> list[Floats]:
    """Of a statistic of the weights of instances, with respect to the weight of each unit of each table."""
    step, found = 1e-6, []
    for t, unit in enumerate(of_rows):
        rows = []
        for number in range(unit.max() + 1):
            ends = []
            for sign in (1, -1):
                changed = [each.copy() for each in at]
                changed[t][unit == number] += sign * step
                ends.append(statistic(*changed))
            rows.append((ends[0] - ends[1]) / (2 * step))
        found.append(np.array(rows))
    return found


def spread(u: Floats, strata: npt.NDArray[np.int64], w: Floats | None = None) -> Floats:
    """Σ w (u − mean of u in its stratum)²."""
    total, w = np.zeros(u.shape[1:]), np.ones(len(u)) if w is None else w
    for h in np.unique(strata):
        if w[strata == h].any():
            mean = np.average(u[strata == h], axis=0, weights=w[strata == h])
            total = total + w[strata == h] @ (u[strata == h] - mean) ** 2
    return total


def ones() -> list[Floats]:
    return [np.ones(N_TRAIN), np.ones(N_TEST)]


def estimate(name: str, pred: Any = PRED, **options: Any) -> askew.Estimate:
    function, own = CALLS[name]
    return function(TRAIN, TEST, pred, **{"rng": SEED, **own, **options})


def errors_of_cells(of: askew.Estimate) -> Floats:
    """From the intervals, which all cells have, also those in which Δ is 0 by rule."""
    assert of.cell_values is not None
    return (of.cell_values.high - of.cell_values.low).ravel() / (2 * stats.norm.ppf(0.975))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", CALLS)
def test_delta_by_finite_differences(name: str, design: str) -> None:
    options = DESIGNS[design]
    ours = estimate(name, method="delta", **options)
    u = derivatives(lambda w, v: of_tables(name, w, v), [unit_of_row(options, t) for t in SIZES], ones())
    squares = sum(spread(each, stratum_of_unit(options, t)) for each, t in zip(u, SIZES, strict=True))
    expected = np.sqrt(squares)
    np.testing.assert_allclose(ours.standard_error, expected[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.variance_jackknife.standard_error, expected[1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(errors_of_cells(ours), expected[2:], rtol=1e-6, atol=1e-8)


def samples_of(design: dict[str, Any]) -> tuple[list[npt.NDArray[np.int64]], list[int]]:
    """For SciPy: the units of each stratum of each table, a sample each; and how many are of train."""
    strata = {t: stratum_of_unit(design, t) for t in SIZES}
    samples = [np.flatnonzero(strata[t] == h) for t in SIZES for h in range(strata[t].max() + 1)]
    return samples, [strata["train"].max() + 1]


def weights_of_rows(design: dict[str, Any], drawn: Any) -> list[Floats]:
    (n_of_train,) = samples_of(design)[1]
    result = []
    for t, lots in zip(SIZES, (drawn[:n_of_train], drawn[n_of_train:]), strict=True):
        unit = unit_of_row(design, t)
        result.append(np.bincount(np.concatenate(lots).astype(int), minlength=unit.max() + 1).astype(float)[unit])
    return result


def scipy_interval(samples: Any, statistic: Any, replicates: Floats) -> tuple[float, float]:
    """SciPy's BCa from our replicates."""
    given = stats.bootstrap((np.arange(3.0),), np.mean, n_resamples=2, method="percentile")
    given.bootstrap_distribution = replicates
    theirs = stats.bootstrap(samples, statistic, n_resamples=0, bootstrap_result=given, method="BCa", vectorized=False)
    return theirs.confidence_interval


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", CALLS)
def test_bca_equals_scipy_where_a_cluster_is_an_observation_and_a_stratum_a_sample(name: str, design: str) -> None:
    options = DESIGNS[design]
    ours = estimate(name, n_resamples=200, method="BCa", **options)
    theirs = scipy_interval(
        samples_of(options)[0],
        lambda *drawn: of_tables(name, *weights_of_rows(options, drawn))[0],
        ours.bootstrap_distribution,
    )
    np.testing.assert_allclose(ours.confidence_interval, theirs, rtol=1e-11)


@pytest.mark.parametrize("design", ["clusters", "strata", "clusters in strata"])
def test_accelerations_of_cells_by_leaving_out(design: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[Any] = []
    original = jackknife.jackknives

    def keep(*arguments: Any, **options: Any) -> Any:
        known.append(original(*arguments, **options))
        return known[-1]

    monkeypatch.setattr("askew.evaluation.jackknives", keep)
    options = DESIGNS[design]
    for name in ("mals", "multi M->G", "G->M"):
        estimate(name, n_resamples=1, method="BCa", **options)
        ours = next(iter(known[-1][0][0].values()))
        samples, _ = samples_of(options)
        top = bottom = 0.0
        for number, sample in enumerate(samples):
            left = [[*samples[:number], np.delete(sample, i), *samples[number + 1 :]] for i in range(len(sample))]
            theta = np.array([of_tables(name, *weights_of_rows(options, lots)) for lots in left])
            n = len(sample)
            u = (n - 1) * (theta.mean(axis=0) - theta)
            top, bottom = top + (u**3).sum(axis=0) / n**3, bottom + (u**2).sum(axis=0) / n**2
        varies = np.asarray(bottom) > 1e-18
        expected = np.where(varies, top / (6 * np.where(varies, bottom, 1) ** 1.5), np.nan)
        found = np.array([ours.value.acceleration, ours.variance.acceleration, *ours.cells.acceleration.ravel()])
        np.testing.assert_allclose(found[varies], expected[varies], rtol=1e-8, atol=1e-10)


def test_bca_of_a_statistic_of_your_own_in_clusters() -> None:
    """The ratio of sums, of clusters as paired observations."""

    def share(counts: Any) -> Floats:
        return counts.train.truth.co_set_group[:, 0, 0] / counts.train.truth.co_set[:, 0]

    ours = askew.bootstrap(share, TRAIN, n_resamples=300, method="BCa", rng=1, clusters=CLUSTERS["train"])
    unit = unit_of_row({"clusters": CLUSTERS}, "train")
    above, below = (np.bincount(unit, each) for each in (A_TRAIN[:, 0] * G_TRAIN[:, 0], A_TRAIN[:, 0]))
    given = stats.bootstrap((np.arange(3.0),), np.mean, n_resamples=2, method="percentile")
    given.bootstrap_distribution = ours.bootstrap_distribution
    theirs = stats.bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=0,
        bootstrap_result=given,
        method="BCa",
    )
    np.testing.assert_allclose(ours.confidence_interval, theirs.confidence_interval, rtol=1e-11)


def drawn_weights(design: dict[str, Any], n_resamples: int) -> list[npt.NDArray[np.int64]]:
    """Weights of units: shape (units, B) for each table."""
    found = []
    for number, t in enumerate(SIZES):
        strata = stratum_of_unit(design, t)
        if design.get("weights") != "multinomial":
            found.append(weights("poisson", SEED, number, np.arange(len(strata), dtype=np.uint64), range(n_resamples)))
            continue
        members = np.argsort(strata, kind="stable").astype(np.uint32)
        of = Units(None, members, np.append(0, np.cumsum(np.bincount(strata))))
        found.append(multinomial_weights(SEED, number, of, range(n_resamples)))
    return [each.astype(np.int64) for each in found]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", ["mals", "multi G->M"])
def test_studentized(name: str, design: str) -> None:
    options, n_resamples = DESIGNS[design], 4
    ours = estimate(name, n_resamples=n_resamples, method="studentized", **options)
    of_rows, of_units = [unit_of_row(options, t) for t in SIZES], drawn_weights(options, n_resamples)
    strata = [stratum_of_unit(options, t) for t in SIZES]
    for b in range(n_resamples):
        drawn = [w[:, b].astype(float) for w in of_units]
        at = [w[unit] for w, unit in zip(drawn, of_rows, strict=True)]
        assert of_tables(name, *at)[0] == pytest.approx(ours.bootstrap_distribution[b], rel=1e-12)
        u = derivatives(lambda w, v: of_tables(name, w, v)[:1], of_rows, at)
        error = math.sqrt(sum(spread(each, h, w)[0] for each, h, w in zip(u, strata, drawn, strict=True)))
        assert ours.jackknife.replicate_errors is not None
        assert ours.jackknife.replicate_errors[b] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("design", ["clusters", "strata", "clusters in strata"])
def test_standard_errors_are_those_of_the_bootstrap(design: str) -> None:
    """A standard deviation of B replicates that are nearly normal has a relative error of 1 / √(2 B)."""
    rng, n, n_resamples = np.random.default_rng(1), 4000, 4000
    person = np.repeat(np.arange(n // 8), 8)
    taste = rng.random((n // 8, 2)) * 0.8 + 0.1
    rows = rng.random((n, 2)) < taste[person]
    groups = np.where(rng.random(n // 8) < 0.5, "x", "y")[person]
    options: dict[str, Any] = {}
    if "clusters" in design:
        options["clusters"] = {"train": person, "test": person}
    if "strata" in design:
        options |= {"strata": dict.fromkeys(SIZES, groups), "weights": "multinomial"}
    train = askew.Annotations(rows, groups)
    test = askew.Annotations(rng.random((n, 2)) < taste[person], groups, like=train)
    pred = askew.Annotations(rng.random((n, 2)) < 0.7 * taste[person], groups, like=train)
    ours = askew.multi_directional(train, test, pred, direction="G->M", sets="singletons", method="delta", **options)
    replicates = askew.multi_directional(
        train, test, pred, direction="G->M", sets="singletons", n_resamples=n_resamples, rng=1, **options
    )
    assert ours.standard_error == pytest.approx(replicates.standard_error, rel=0.05)
    independent = askew.multi_directional(train, test, pred, direction="G->M", sets="singletons", method="delta")
    ratio = ours.standard_error / independent.standard_error
    assert ratio > 1.3 if "clusters" in design else ratio == pytest.approx(1, rel=0.05)


def test_results_say_what_is_drawn_without_replicates_too() -> None:
    options = {"method": "delta", "sets": "singletons", **DESIGNS["clusters of one table"]}
    assert "instances are drawn in clusters (13 of test)" in repr(askew.audit(TRAIN, TEST, PRED, **options))
    notes = repr(askew.compare(TRAIN, TEST, {"A": PRED, "B": MODELS[1]}, **options)).splitlines()[-2:]
    assert notes == [
        "95 % normal intervals by the infinitesimal jackknife over train and test",
        "instances are drawn in clusters (13 of test)",
    ]


def test_coverage_of_a_known_value_in_clusters() -> None:
    """95 % intervals of the signed mean of Δ, where people differ and have eight instances each: held by all but a few
    intervals of clusters, and by many fewer that take instances for independent.
    """
    base = np.array([[0.5, 0.3, 0.6, 0.4], [0.3, 0.5, 0.4, 0.6]])
    amplified = np.array([[0.1, -0.05, 0.05, -0.1], [-0.1, 0.05, -0.05, 0.1]])
    value = (np.sign(base - base.mean(axis=0)) * amplified).mean()
    n_people, n_tables, held = 100, 60, np.zeros(2)
    person, convention = np.repeat(np.arange(n_people), 8), askew.Convention(single_baseline="train")
    for seed in range(n_tables):
        rng = np.random.default_rng(seed)

        def draw(p: Floats, rng: Any = rng) -> Any:
            """Rows of people whose tastes have the mean p and the correlation 0.3."""
            size = 1 / 0.3 - 1
            return rng.random((len(person), 4)) < rng.beta(size * p, size * (1 - p))[person]

        of_train, of_test = rng.integers(0, 2, (2, n_people))
        train = askew.Annotations(draw(base[of_train]), of_train[person])
        test = askew.Annotations(draw(base[of_test]), of_test[person], like=train)
        pred = askew.Annotations(draw((base + amplified)[of_test]), test, like=train)
        for number, options in enumerate([{"clusters": {"train": person, "test": person}}, {}]):
            low, high = askew.directional(
                train, test, pred, convention=convention, method="delta", **options
            ).confidence_interval
            held[number] += low <= value <= high
    assert held[0] / n_tables >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / n_tables)
    assert held[1] / n_tables < 0.9


def test_strata_change_nothing_for_independent_weights() -> None:
    plain = estimate("mals", method="delta")
    assert estimate("mals", method="delta", strata=STRATA).standard_error == plain.standard_error


def test_clusters_of_one_instance_are_instances() -> None:
    singles = {name: np.arange(n)[::-1] for name, n in SIZES.items()}
    for method in ("delta", "BCa"):
        for name in CALLS:
            plain, clustered = (
                estimate(name, method=method, n_resamples=30, **options)
                for options in ({"weights": "multinomial"}, {"weights": "multinomial", "clusters": singles})
            )
            assert clustered.jackknife.standard_error == pytest.approx(plain.jackknife.standard_error, rel=1e-12)
            assert clustered.jackknife.acceleration == pytest.approx(
                plain.jackknife.acceleration, rel=1e-9, nan_ok=True
            )
            np.testing.assert_allclose(
                clustered.cell_values.standard_error, plain.cell_values.standard_error, rtol=1e-9
            )


@pytest.mark.parametrize("method", ["BCa", "studentized"])
@pytest.mark.parametrize("design", ["clusters", "strata", "clusters in strata"])
def test_tiles_and_blocks_change_nothing(method: str, design: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    n = 150  # more than a word of distinct rows and of clusters
    train, test, pred = (askew.Annotations(rng.random((n, 6)) < 0.5, rng.integers(0, 2, n)) for _ in range(3))
    labels = {"train": rng.integers(0, 120, n), "test": rng.integers(0, 60, n)}
    labels = {name: np.append(each[:-2], [1000, 1001]) for name, each in labels.items()}
    options: dict[str, Any] = {"n_resamples": 5, "method": method, "rng": 0, "max_size": 2, **DESIGNS[design]}
    if "clusters" in options:
        options["clusters"] = {name: labels[name] for name in options["clusters"]}
    if isinstance(options.get("strata"), dict):
        options["strata"] = {name: each % 2 for name, each in labels.items()}
    calls = [
        lambda: list(askew.audit(train, test, pred, **options).values()),
        lambda: list(askew.audit(train, test, [pred, train], **options).values()),
    ]
    whole = [call() for call in calls]
    monkeypatch.setattr(jackknife, "_TILE", 3)
    monkeypatch.setattr(jackknife, "BLOCK_BYTES", 1)
    monkeypatch.setattr(units, "BLOCK_BYTES", 1)
    monkeypatch.setattr(units, "_UNITS", 64)
    for before, call in zip(whole, calls, strict=True):
        for one, other in zip(before, call(), strict=True):
            for jack in ("jackknife", "variance_jackknife"):
                for a, b in zip(getattr(one, jack), getattr(other, jack), strict=True):
                    if a is not None:
                        np.testing.assert_allclose(a, b, rtol=1e-9)
            np.testing.assert_allclose(one.cell_values.low, other.cell_values.low, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["BCa", "studentized"])
def test_backends_agree(method: str) -> None:
    options = {"n_resamples": 5, "method": method, **DESIGNS["clusters in strata"]}
    ours, other = (estimate("multi G->M", MODELS, backend=backend, **options) for backend in ("auto", "numpy"))
    np.testing.assert_allclose(other.confidence_interval, ours.confidence_interval, rtol=1e-10)


@pytest.mark.parametrize("design", DESIGNS)
def test_counts_of_units_make_the_counts(design: str) -> None:
    """Σ over units of weight times counts is what the resampling kernel counts."""
    from askew.evaluation import Pass

    work = Pass.of(TRAIN, TEST, PRED, Options(n_resamples=9, rng=3, **DESIGNS[design]))
    sets = askew.AttributeSets([["0"], ["0", "2"]], TRAIN.attribute_names)
    counted = work.count(sets, range(9), None)
    for name, plan in work.plans.items():
        drawn_units = units.DrawnUnits.of([plan], work.options)
        drawn, own = drawn_units.weights(work, name), getattr(counted, name)
        members = drawn_units.members(plan, own, slice(0, len(drawn_units)))
        for array, replicates in own._arrays.items():
            assert np.array_equal(np.tensordot(drawn.T, members._arrays[array], 1), replicates[1:])
            whole = np.tensordot(drawn_units.multiplicities, members._arrays[array], 1)
            assert np.array_equal(whole, replicates[0])


# ---- Several models


def of_audit(audit: Any, name: str) -> askew.Estimate:
    title = {"mals": "BA_MALS", "multi_mals": "Multi_MALS", "G->M": "BiasAmp_A->T", "M->G": "BiasAmp_T->A"}
    return audit[title.get(name, name.replace("multi ", "Multi_"))]


@pytest.mark.parametrize("design", ["instances", "clusters", "strata"])
def test_a_difference_of_two_models(design: str) -> None:
    """By finite differences, and as SciPy has it."""
    options = {"sets": "singletons", "rng": SEED, **DESIGNS.get(design, {})}
    named = dict(zip("ABC", MODELS, strict=True))
    delta = askew.compare(TRAIN, TEST, named, reference="B", method="delta", **options)
    bca = askew.compare(TRAIN, TEST, named, reference="B", method="BCa", n_resamples=100, **options)
    z = stats.norm.ppf(0.975)
    for name in ("mals", "multi G->M", "M->G"):
        for row, other in zip(delta.table.rows(), bca.table.rows(), strict=True):
            if row["metric"] != of_audit(delta["A"], name).name:
                continue

            def difference(w: Floats, v: Floats, name: str = name, row: Any = row) -> Floats:
                one, two = (of_tables(name, w, v, named[row[of]])[:1] for of in ("model", "reference"))
                return one - two

            assert row["difference"] == pytest.approx(difference(*ones())[0], rel=1e-9)
            u = derivatives(difference, [unit_of_row(options, t) for t in SIZES], ones())
            error = math.sqrt(
                sum(spread(each, stratum_of_unit(options, t))[0] for each, t in zip(u, SIZES, strict=True))
            )
            assert row["standard_error"] == pytest.approx(error, rel=1e-6)
            ends = row["difference"] - z * error, row["difference"] + z * error
            assert [row["low"], row["high"]] == pytest.approx(ends, rel=1e-6)
            steps = (
                of_audit(bca[row["model"]], name).bootstrap_distribution
                - of_audit(bca[row["reference"]], name).bootstrap_distribution
            )
            theirs = scipy_interval(
                samples_of(options)[0], lambda *drawn: difference(*weights_of_rows(options, drawn))[0], steps
            )
            assert [other["low"], other["high"]] == pytest.approx(theirs, rel=1e-9)
    for one, pred in named.items():  # each model by itself, in the company of the others
        alone = askew.audit(TRAIN, TEST, pred, method="BCa", n_resamples=100, **options)
        for metric, theirs in alone.items():
            assert bca[one][metric].confidence_interval == pytest.approx(theirs.confidence_interval, rel=1e-9)
            np.testing.assert_allclose(bca[one][metric].cell_values.low, theirs.cell_values.low, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("design", ["instances", "clusters in strata"])
def test_studentized_differences(design: str) -> None:
    options, n_resamples = DESIGNS.get(design, {}), 3
    named = {"A": MODELS[0], "B": MODELS[1]}
    ours = askew.compare(
        TRAIN, TEST, named, sets="singletons", rng=SEED, n_resamples=n_resamples, method="studentized", **options
    )
    of_rows, of_units = [unit_of_row(options, t) for t in SIZES], drawn_weights(options, n_resamples)
    strata = [stratum_of_unit(options, t) for t in SIZES]
    errors = ours.jackknives[0]["Multi_M->G"].replicate_errors
    assert errors is not None
    for b in range(n_resamples):
        drawn = [w[:, b].astype(float) for w in of_units]
        at = [w[unit] for w, unit in zip(drawn, of_rows, strict=True)]
        u = derivatives(
            lambda w, v: of_tables("multi M->G", w, v, MODELS[1])[:1] - of_tables("multi M->G", w, v, MODELS[0])[:1],
            of_rows,
            at,
        )
        error = math.sqrt(sum(spread(each, h, w)[0] for each, h, w in zip(u, strata, drawn, strict=True)))
        assert errors[b] == pytest.approx(error, rel=1e-5)
    assert np.isfinite(ours.table["low"]).all()


@pytest.mark.parametrize("design", ["instances", "clusters"])
@pytest.mark.parametrize("name", CALLS)
def test_the_mean_of_several_models(name: str, design: str) -> None:
    """Models are one more sample: by finite differences of their weights too, and as SciPy has three samples."""
    options = DESIGNS.get(design, {})

    def mean(w: Floats, v: Floats, of_models: Floats) -> Floats:
        each = [of_tables(name, w, v, pred) for pred in MODELS]
        return np.average(each, axis=0, weights=of_models)

    delta = estimate(name, MODELS, method="delta", **options)
    of_rows = [*(unit_of_row(options, t) for t in SIZES), np.arange(3)]
    u = derivatives(mean, of_rows, [*ones(), np.ones(3)])
    expected = np.sqrt(sum((each**2).sum(axis=0) for each in u))
    np.testing.assert_allclose(delta.standard_error, expected[0], rtol=1e-6)
    np.testing.assert_allclose(delta.variance_jackknife.standard_error, expected[1], rtol=1e-6)
    np.testing.assert_allclose(errors_of_cells(delta), expected[2:], rtol=1e-6, atol=1e-9)
    bca = estimate(name, MODELS, method="BCa", n_resamples=100, **options)
    theirs = scipy_interval(
        [*samples_of(options)[0], np.arange(3)],
        lambda *drawn: mean(*weights_of_rows(options, drawn[:-1]), np.bincount(drawn[-1], minlength=3).astype(float))[
            0
        ],
        bca.bootstrap_distribution,
    )
    np.testing.assert_allclose(bca.confidence_interval, theirs, rtol=1e-9)


def test_the_mean_of_several_models_studentized() -> None:
    n_resamples, of_rows = 6, [*(unit_of_row({}, t) for t in SIZES), np.arange(3)]
    ours = estimate("multi M->G", MODELS, method="studentized", n_resamples=n_resamples)
    of_units, drawn_models = drawn_weights({}, n_resamples), 3 * shares(SEED, 3, n_resamples)[1:]

    def mean(w: Floats, v: Floats, of_models: Floats) -> Floats:
        each = [of_tables("multi M->G", w, v, pred)[:1] for pred in MODELS]
        return np.average(each, axis=0, weights=of_models)

    for b in range(n_resamples):
        drawn = [*(w[:, b].astype(float) for w in of_units), drawn_models[b]]
        assert mean(*drawn)[0] == pytest.approx(ours.bootstrap_distribution[b], rel=1e-12)
        u = derivatives(mean, of_rows, drawn)
        error = math.sqrt(sum(w @ each[:, 0] ** 2 for each, w in zip(u, drawn, strict=True)))
        assert ours.jackknife.replicate_errors is not None
        assert ours.jackknife.replicate_errors[b] == pytest.approx(error, rel=1e-5)


def test_the_influences_must_fit_the_memory() -> None:
    options = Options(max_memory=2**28, method="delta")
    of_one = units.DrawnUnits.of([askew.counting.CountingPlan.of(TRAIN, None, None)], options)
    jackknife._check_memory({"train": of_one}, 6, 3, options)
    with pytest.raises(askew.InputError, match=r"keeps the influences of \d+ distinct rows .* more than max_memory"):
        jackknife._check_memory({"train": of_one}, 6, 3_000_000, options)
