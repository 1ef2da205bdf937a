"""BCa and delta intervals of the tables of values: against SciPy, and against standard errors in closed form."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import askew
from askew import jackknife
from test_jackknife import A_TEST, A_TRAIN, G_TEST, G_TRAIN, N_TEST, N_TRAIN, PRED, TEST, TRAIN

stats = pytest.importorskip("scipy.stats")
pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

Floats = npt.NDArray[np.float64]
A_PRED = np.asarray(PRED.to_numpy()[0], float)
X, Y, G = A_TRAIN[:, 0], A_TRAIN[:, 1], G_TRAIN[:, 0]
CLUSTERS = np.random.default_rng(2).integers(0, 20, max(N_TRAIN, N_TEST))


def phi(x: Floats, y: Floats, w: Floats) -> float:
    """Pearson's correlation, weighted."""
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    return float((w @ (x * y)) / np.sqrt((w @ x**2) * (w @ y**2)))


def recall(of_group: int, w: Floats) -> float:
    hit = w * A_TEST[:, 0] * G_TEST[:, of_group]
    return float(hit @ A_PRED[:, 0] / hit.sum())


def npmi(of_group: int, w: Floats) -> float:
    p = w / w.sum()
    both, x, y = p @ (X * G_TRAIN[:, of_group]), p @ X, p @ G_TRAIN[:, of_group]
    return float(np.log(both / (x * y)) / -np.log(both))


def cramers_v(w: Floats) -> float:
    return abs(phi(X, G, w))


#: Call, instances, row of the table, and the value with any weights.
CALLS: dict[str, Any] = {
    "bias scores": (askew.bias_scores, (TRAIN,), N_TRAIN, lambda w: (w * X) @ G / (w @ X)),
    "phi": (askew.associations, (TRAIN, "phi"), N_TRAIN, lambda w: phi(X, G, w)),
    "cramers_v": (askew.associations, (TRAIN, "cramers_v", "grouping"), N_TRAIN, cramers_v),
    "chi2": (askew.associations, (TRAIN, "chi2", "grouping"), N_TRAIN, lambda w: w.sum() * phi(X, G, w) ** 2),
    "attributes": (askew.associations, (TRAIN, "phi", "attributes"), N_TRAIN, lambda w: phi(X, Y, w)),
    "gap": (askew.association_gaps, (TRAIN,), N_TRAIN, lambda w: npmi(0, w) - npmi(1, w)),
    "recall": (askew.group_metrics, (TEST, PRED, "recall"), N_TEST, lambda w: recall(0, w)),
    "opportunity": (
        askew.disparities,
        (TEST, PRED, "equal_opportunity"),
        N_TEST,
        lambda w: abs(recall(0, w) - recall(1, w)),
    ),
    "pair": (askew.disparities, (TEST, PRED, "recall", ("0", "1")), N_TEST, lambda w: recall(0, w) - recall(1, w)),
}


def design_of(kind: str, n: int) -> tuple[dict[str, Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Options, the unit of each instance and the stratum of each unit."""
    if kind == "clusters":
        unit = np.unique(CLUSTERS[:n], return_inverse=True)[1]
        return {"clusters": CLUSTERS[:n]}, unit, np.zeros(unit.max() + 1, int)
    strata = np.arange(n) % 3 if kind == "strata" else np.zeros(n, int)
    return {"weights": "multinomial", "strata": strata} if kind == "strata" else {}, np.arange(n), strata


@pytest.mark.parametrize("kind", ["instances", "clusters", "strata"])
@pytest.mark.parametrize("name", CALLS)
def test_delta_by_finite_differences_and_bca_as_scipy(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, given, n, formula = CALLS[name]
    options, unit, strata = design_of(kind, n)
    options["resample"] = "test" if n == N_TEST else "train"
    key = "bias" if name == "bias scores" else "value"
    delta = function(*given, method="delta", **options).rows()[0]
    squares, step = 0.0, 1e-6
    u = np.array(
        [(formula(1 + step * (unit == i)) - formula(1 - step * (unit == i))) / (2 * step) for i in range(len(strata))]
    )
    for h in np.unique(strata):
        squares += np.square(u[strata == h] - u[strata == h].mean()).sum()
    half = stats.norm.ppf(0.975) * np.sqrt(squares)
    value = formula(np.ones(n))
    assert delta[key] == pytest.approx(value, rel=1e-12)
    assert [delta["low"], delta["high"]] == pytest.approx([value - half, value + half], rel=1e-5)
    if key == "value":
        assert delta["standard_error"] == pytest.approx(np.sqrt(squares), rel=1e-5)

    given_to_scipy = stats.bootstrap((np.arange(3.0),), np.mean, n_resamples=2, method="percentile")
    captured: list[Any] = []
    original = askew.tabulation.confidence_interval

    def keep(value: Any, replicates: Any, *rest: Any) -> Any:
        captured.append(replicates.reshape(len(replicates), -1)[:, 0])
        return original(value, replicates, *rest)

    for module in ("askew.tabulation", "askew.audit"):
        monkeypatch.setattr(sys.modules[module], "confidence_interval", keep)
    bca = function(*given, method="BCa", n_resamples=150, rng=1, **options).rows()[0]
    given_to_scipy.bootstrap_distribution = captured[0][~np.isnan(captured[0])]

    def statistic(*drawn: Any) -> float:
        w = np.bincount(np.concatenate(drawn), minlength=len(strata))[unit]
        return bca[key] if (w == 1).all() else formula(w)  # to the last bit: replicates that equal it are counted

    theirs = stats.bootstrap(
        [np.flatnonzero(strata == h) for h in np.unique(strata)],
        statistic,
        n_resamples=0,
        bootstrap_result=given_to_scipy,
        method="BCa",
        vectorized=False,
    ).confidence_interval
    assert [bca["low"], bca["high"]] == pytest.approx([*theirs], rel=1e-9, abs=1e-12)


def test_closed_forms() -> None:
    """Of a share, √(p (1 − p)/n); of an odds ratio, Woolf's (1955) √(Σ 1/cell) on the logarithm; of MI, Roulston's
    (1999): √((Σ p ln² − MI²)/n).
    """
    scores = askew.bias_scores(TRAIN, method="delta")
    n = np.repeat(scores["count"].reshape(-1, 2).sum(axis=1), 2)
    half = stats.norm.ppf(0.975) * np.sqrt(scores["bias"] * (1 - scores["bias"]) / n)
    np.testing.assert_allclose(scores["high"], scores["bias"] + half, rtol=1e-6)
    rates = askew.group_metrics(TEST, PRED, "fpr", method="delta")
    np.testing.assert_allclose(
        rates["standard_error"], np.sqrt(rates["value"] * (1 - rates["value"]) / rates["count"]), rtol=1e-6
    )
    odds = askew.associations(TRAIN, "odds_ratio", method="delta").rows()[0]
    cells = np.array([(x * y).sum() for x in (X, 1 - X) for y in (G, 1 - G)])
    of_logarithm = np.sqrt((cells / (cells + 0.5) ** 2).sum())  # with ½ added to each cell
    assert odds["standard_error"] == pytest.approx(odds["value"] * of_logarithm, rel=1e-6)
    information = askew.associations(TRAIN, "mutual_information", method="delta").rows()[0]
    p = cells.reshape(2, 2) / N_TRAIN
    logarithm = np.log(p / np.outer(p.sum(axis=1), p.sum(axis=0)))
    error = np.sqrt(((p * logarithm**2).sum() - (p * logarithm).sum() ** 2) / N_TRAIN)
    assert information["standard_error"] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("method", ["BCa", "delta"])
def test_tiles_and_blocks_change_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"method": method, "n_resamples": 20, "rng": 0}

    def tables() -> list[Any]:
        return [
            askew.bias_scores(TRAIN, **options),
            askew.associations(TRAIN, "phi", "attributes", **options),
            askew.group_metrics(TEST, PRED, "f1", **options),
            askew.disparities(TEST, PRED, **options),
        ]

    whole = tables()
    monkeypatch.setattr(jackknife, "_TILE", 5)
    monkeypatch.setattr(jackknife, "BLOCK_BYTES", 1)
    monkeypatch.setattr("askew.evaluation._TILE_BYTES", 1)
    for a, b in zip(whole, tables(), strict=True):
        for end in ("low", "high"):
            np.testing.assert_allclose(a[end], b[end], rtol=1e-9)


def test_undefined_and_infinite_values() -> None:
    table = askew.Annotations([[1, 0], [1, 0], [0, 0], [1, 0]], ["x", "x", "y", "x"], attribute_names=["cup", "tea"])
    for method in ("BCa", "delta"):
        scores = askew.bias_scores(table, method=method, n_resamples=50, rng=0)
        assert np.isnan(scores["low"]).tolist() == [False, False, True, True]
        pmi = askew.associations(table, "pmi", method=method, n_resamples=50, rng=0)
        assert pmi["value"][1] == -np.inf
        assert pmi["low"][1] == -np.inf if method == "BCa" else np.isnan(pmi["low"][1])


def test_one_sided_intervals() -> None:
    for function, given in [(askew.associations, (TRAIN,)), (askew.disparities, (TEST, PRED))]:
        two, less, greater = (
            function(*given, n_resamples=99, rng=0, confidence_level=level, alternative=alternative)
            for level, alternative in [(0.9, "two-sided"), (0.95, "less"), (0.95, "greater")]
        )
        np.testing.assert_allclose(two["high"], less["high"], rtol=1e-12)
        np.testing.assert_allclose(two["low"], greater["low"], rtol=1e-12)
        assert (less["low"] == -np.inf).all()
        assert (greater["high"] == np.inf).all()


def test_methods_that_tables_do_not_have() -> None:
    for function, given in [
        (askew.bias_scores, (TRAIN,)),
        (askew.associations, (TRAIN,)),
        (askew.association_gaps, (TRAIN,)),
        (askew.group_metrics, (TEST, PRED)),
        (askew.disparities, (TEST, PRED)),
    ]:
        with pytest.raises(askew.InputError, match=rf'{function.__name__}\(\) has the methods .* not "studentized"'):
            function(*given, method="studentized")
