"""Populations whose bias amplification is known without error, and samples of them.

Given its group, the attributes of an instance are independent, so that the probability of every attribute set is a
product, and a metric of the population is its formula with probabilities in place of counts: no simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import askew

Floats = npt.NDArray[np.float64]
Sets = list[tuple[int, ...]]

TIE = 1e-12  # what rounding makes of equal probabilities


class Sample(NamedTuple):
    """What `Population.draw` gives: two tables, the predictions of each model, and the cluster of each instance."""

    train: askew.Annotations
    test: askew.Annotations
    models: list[askew.Annotations]
    clusters: dict[str, npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Population:
    """Instances of groups g with probabilities π, attributes of probabilities P(a | g), and a model's guesses.

    The predicted attribute is decided by the uniform that decided the true one, so that the two depend on each other;
    but a share `guesses` of them is drawn anew from `predicted`. A share `group_guesses` of the predicted groups is
    drawn anew from π.

    Instances come in clusters of `cluster_size`. With the probability √`alike` an instance is what its cluster is, in
    all it has and all that is predicted for it: two of a cluster are alike with the probability `alike`, which is then
    the correlation of anything that they have. One instance for itself is drawn as in a population without clusters.
    """

    groups: Floats  # π, of shape (|G|,)
    actual: Floats  # P(a | g), of shape (|A|, |G|)
    predicted: Floats  # P(â | g)
    guesses: float = 0.3
    group_guesses: float = 0.2
    training: float = 0.0  # standard deviation between trained models of P(â | g), in units of min(P, 1 − P)
    cluster_size: int = 1
    alike: float = 0.0

    @classmethod
    def of(
        cls,
        rates: npt.ArrayLike,
        *,
        bias: npt.ArrayLike = 0.3,
        amplification: float = 0.0,
        amplified: float = 1.0,
        groups: tuple[float, ...] = (0.5, 0.5),
        **others: float,
    ) -> Population:
        """Attribute k favours group k mod |G|. Of the attributes the last share `amplified` is."""
        rates = np.asarray(rates, dtype=np.float64)
        p, q = len(rates), len(groups)
        room = np.minimum(rates, 1 - rates)[:, None]
        direction = np.where(np.arange(p)[:, None] % q == np.arange(q), 1.0, -1 / (q - 1))
        more = np.where(np.arange(p) < round(p * (1 - amplified)), 0.0, amplification)[:, None]
        actual = rates[:, None] + np.broadcast_to(bias, p)[:, None] * room * direction
        return cls(np.array(groups), actual, actual + more * room * direction, **others)

    def models(self, k: int, rng: np.random.Generator) -> list[Floats]:
        """P(â | g) of k trained models: normal around `predicted`, cut at three standard deviations."""
        room = self.training * np.minimum(self.predicted, 1 - self.predicted)
        steps = np.clip(rng.standard_normal((k, *room.shape)), -3, 3) if self.training else np.zeros((k, 1, 1))
        return list(self.predicted + room * steps)

    def draw(
        self, n: int, n_train: int, n_models: int, rng: np.random.Generator, rival: Population | None = None
    ) -> Sample:
        """A training table, a test table and the predictions of models that were trained anew, and of a rival: what
        predicts in another population of the same groups and attributes.
        """
        p, q = self.actual.shape
        names = {"attribute_names": [f"a{k}" for k in range(p)], "group_names": [f"g{g}" for g in range(q)]}
        clusters = {name: np.arange(size) // self.cluster_size for name, size in (("train", n_train), ("test", n))}

        def table(name: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
            """Which of the drawn are the instances of a table: themselves, or what their cluster is."""
            of = clusters[name]
            drawn = size = len(of)
            these = np.arange(size)
            if self.cluster_size > 1:
                these = np.where(rng.random(size) < self.alike**0.5, size + of, these)
                drawn += int(of.max()) + 1
            return these, rng.choice(q, drawn, p=self.groups), rng.random((drawn, p))

        these, group, u = table("train")
        train = askew.Annotations((u < self.actual.T[group])[these], np.eye(q, dtype=bool)[group[these]], **names)
        these, group, u = table("test")
        test = askew.Annotations((u < self.actual.T[group])[these], np.eye(q, dtype=bool)[group[these]], like=train)
        models = []
        trained = [(self, predicted) for predicted in self.models(n_models, rng)]
        for of, predicted in trained if rival is None else [*trained, (rival, rival.predicted)]:
            anew = rng.random(u.shape) < of.guesses
            bits = np.where(anew, rng.random(u.shape), u) < predicted.T[group]
            other = rng.random(len(group)) < of.group_guesses
            guessed = np.where(other, rng.choice(q, len(group), p=self.groups), group)
            models.append(askew.Annotations(bits[these], np.eye(q, dtype=bool)[guessed[these]], like=train))
        return Sample(train, test, models, clusters)


def subsets(p: int, max_size: int) -> Sets:
    """Every set of 1 to `max_size` attributes."""
    return [m for size in range(1, max_size + 1) for m in combinations(range(p), size)]


def joint(given_group: Floats, groups: Floats, sets: Sets) -> Floats:
    """P(m, g) from P(a | g) and P(g); or P(m, ĝ), where `groups` is P(g, ĝ)."""
    with_one = np.vstack([given_group, np.ones(given_group.shape[1])])  # what shorter sets are filled up with
    size = max(map(len, sets))
    members = np.array([[*m, *[len(given_group)] * (size - len(m))] for m in sets])
    of_sets: Floats = with_one[members].prod(axis=1)
    return of_sets @ groups if groups.ndim == 2 else of_sets * groups


def observed(train: askew.Annotations, sets: Sets) -> tuple[Floats, Floats]:
    """P(m, g) and P(g) of a table."""
    attributes, groups = train.to_numpy()
    contains = np.stack([attributes[:, list(m)].all(axis=1) for m in sets]).astype(np.float64)
    return contains @ groups / train.n, groups.mean(axis=0)


class Truth(NamedTuple):
    """Metrics of a population: values; and of the multi-attribute metrics Δ of each cell, shape (|M|, |G|), and the
    difference of its two terms, which is Δ but where an indicator makes that 0.
    """

    values: dict[str, float]
    deltas: dict[str, Floats]
    differences: dict[str, Floats]


def truth(population: Population, sets: Sets, train: askew.Annotations | None = None) -> Truth:
    """The metrics of docs/definitions.md of a population; with `train`, given that training table.

    The population is so to say a test table of infinite size; conventions are those of "paper".
    """
    pi, predicted = population.groups, population.predicted
    confused = (1 - population.group_guesses) * np.diag(pi) + population.group_guesses * np.outer(pi, pi)  # P(g, ĝ)
    values: dict[str, float] = {}
    single = [(a,) for a in range(len(predicted))]
    for name, of, multi in [("", single, False), ("Multi_", sets, True)]:
        test = joint(population.actual, pi, of)
        known, known_groups = (test, pi) if train is None else observed(train, of)
        baseline = known if multi else test, known_groups if multi else pi
        share = known / known.sum(axis=1, keepdims=True)
        both = joint(predicted, confused, of)
        difference = both / both.sum(axis=1, keepdims=True) - share
        mals = np.where(share > 1 / len(pi) + TIE, difference, 0.0)
        to_attribute = joint(predicted, pi, of) / pi - baseline[0] / baseline[1]
        mixed = joint(population.actual, confused, of)
        to_group = mixed / test.sum(axis=1, keepdims=True) - baseline[0] / baseline[0].sum(axis=1, keepdims=True)
        sign = np.where(known - known.sum(axis=1, keepdims=True) * known_groups > TIE, 1.0, -1.0)
        if multi:
            deltas = {"Multi_MALS": mals, "Multi_G->M": to_attribute, "Multi_M->G": to_group}
            differences = deltas | {"Multi_MALS": difference}
            values["Multi_MALS"] = float(np.abs(mals).sum() / len(of))
            values |= {name: float(np.abs(deltas[name]).mean()) for name in ("Multi_G->M", "Multi_M->G")}
        else:
            values["BA_MALS"] = float(mals.sum() / len(of))
            values["BiasAmp_A->T"] = float((sign * to_attribute).mean())
            values["BiasAmp_T->A"] = float((sign * to_group).mean())
    return Truth(values, deltas, differences)
