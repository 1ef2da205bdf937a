"""What intervals are worth where more than instances are drawn: clusters, strata, several models, and differences.

From the root of the repository:

    python -m benchmarks.designs --repeats 1000        # the table of docs/statistics.md, ten minutes of one processor

Four attributes, two groups. Each repeat draws tables of known amplification; coverage is the share of 95 % intervals
that hold it. A repeat depends on its number alone.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import askew

Floats = npt.NDArray[np.float64]
#: Scenario, method, interval, true value.
Result = tuple[str, str, tuple[float, float], float]

P = np.array([[0.5, 0.5, 0.6, 0.4], [0.3, 0.3, 0.4, 0.2]])  # P(a | g): shape (|G|, |A|)
AMPLIFIED = np.array([[0.1, -0.05, 0.05, 0.1], [-0.1, 0.05, -0.05, -0.1]])  # P(â | g) − P(a | g)
SIGNED = float((np.sign(P - P.mean(axis=0)) * AMPLIFIED).mean())  # BiasAmp_A->T
CONVENTION = askew.Convention(single_baseline="train")
PERSON = np.repeat(np.arange(125), 8)
CORRELATION = 0.3
N = len(PERSON)
N_MODELS = 5
BETWEEN_MODELS = 0.04  # standard deviation of P(â | g)
METHODS: dict[str, dict[str, Any]] = {
    "percentile": {"n_resamples": 500},
    "BCa": {"n_resamples": 500, "method": "BCa"},
    "delta": {"method": "delta"},
}


def bias_scores(p: Floats) -> Floats:
    """bias(a, g) of groups of one size."""
    return p / p.sum(axis=0)


FAVOURED = bias_scores(P) > 0.5
MALS = float((bias_scores(P + AMPLIFIED) - bias_scores(P))[FAVOURED].sum() / P.shape[1])  # BA_MALS


def tables(
    of_train: Any, of_test: Any, draw: Callable[[Floats], npt.NDArray[np.bool_]]
) -> tuple[askew.Annotations, askew.Annotations, askew.Annotations]:
    """Train, test and predictions of instances in these groups."""
    train = askew.Annotations(draw(P[of_train]), of_train)
    test = askew.Annotations(draw(P[of_test]), of_test, like=train)
    return train, test, askew.Annotations(draw((P + AMPLIFIED)[of_test]), test, like=train)


def clusters(rng: np.random.Generator) -> Iterator[Result]:
    """People with eight pictures each, who differ."""
    size = 1 / CORRELATION - 1

    def draw(p: Floats) -> npt.NDArray[np.bool_]:
        of_person = p[:: len(PERSON) // (PERSON[-1] + 1)]
        return rng.random((N, P.shape[1])) < rng.beta(size * of_person, size * (1 - of_person))[PERSON]

    of_train, of_test = rng.integers(0, 2, (2, PERSON[-1] + 1))[:, PERSON]
    given = tables(of_train, of_test, draw)
    labels = {"clusters": {"train": PERSON, "test": PERSON}}
    for method, options in [*METHODS.items(), ("delta, without clusters=", METHODS["delta"])]:
        more = {} if "without" in method else labels
        estimate = askew.directional(*given, convention=CONVENTION, rng=0, **options, **more)
        yield "eight pictures of each person", method, estimate.confidence_interval, SIGNED


def strata(rng: np.random.Generator) -> Iterator[Result]:
    """Samples with as many instances of one group as of the other."""
    half = np.arange(N) % 2
    given = tables(half, half, lambda p: rng.random(p.shape) < p)
    labels = {"strata": "groups", "weights": "multinomial"}
    for method, options in [*METHODS.items(), ("delta, without strata=", METHODS["delta"])]:
        more = {} if "without" in method else labels
        estimate = askew.mals(*given, rng=0, **options, **more)
        yield "groups of fixed size", method, estimate.confidence_interval, MALS


def models(rng: np.random.Generator) -> Iterator[Result]:
    """Models that differ by the seed of their training."""
    of_test = rng.integers(0, 2, N)
    train, test, _ = tables(rng.integers(0, 2, N), of_test, lambda p: rng.random(p.shape) < p)
    preds = []
    for _ in range(N_MODELS):
        p = P + AMPLIFIED + rng.normal(0, BETWEEN_MODELS, P.shape)
        preds.append(askew.Annotations(rng.random((N, P.shape[1])) < p[of_test], test, like=train))
    for method, options in METHODS.items():
        estimate = askew.directional(train, test, preds, convention=CONVENTION, rng=0, **options)
        yield f"{N_MODELS} models", method, estimate.confidence_interval, SIGNED


def differences(rng: np.random.Generator) -> Iterator[Result]:
    """A model that amplifies, and one that does not and errs on the same instances."""
    of_test = rng.integers(0, 2, N)
    train, test, _ = tables(rng.integers(0, 2, N), of_test, lambda p: rng.random(p.shape) < p)
    shared = rng.random((N, P.shape[1]))
    preds = {
        name: askew.Annotations(shared < p[of_test], test, like=train)
        for name, p in [("faithful", P), ("amplifying", P + AMPLIFIED)]
    }
    for method, options in METHODS.items():
        comparison = askew.compare(train, test, preds, convention=CONVENTION, rng=0, sets="singletons", **options)
        row = next(row for row in comparison.table.rows() if row["metric"] == "BiasAmp_A->T")
        yield "difference of two models", method, (row["low"], row["high"]), SIGNED


SCENARIOS = (clusters, strata, models, differences)


def coverage(n_repeats: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each scenario and method: the share of intervals that hold the truth, and their mean length."""
    found: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", askew.AskewWarning)
        for number in range(n_repeats):
            for place, scenario in enumerate(SCENARIOS):
                for name, method, (low, high), truth in scenario(np.random.default_rng([place, number])):
                    found.setdefault((name, method), []).append((low <= truth <= high, high - low))
    return {key: tuple(np.mean(values, axis=0).tolist()) for key, values in found.items()}  # type: ignore[misc]


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    n_repeats = parser.parse_args(given).repeats
    print("| scenario | method | coverage | length |\n| --- | --- | --: | --: |")
    for (name, method), (share, length) in coverage(n_repeats).items():
        error = 100 * np.sqrt(share * (1 - share) / n_repeats)
        print(f"| {name} | {method} | {100 * share:.1f} ± {error:.1f} | {length:.4f} |")


if __name__ == "__main__":
    main()
