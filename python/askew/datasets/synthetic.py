"""Annotations drawn from a population whose bias amplification is known."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations
from askew.errors import InputError

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]

_CHUNK_VALUES = 1 << 20  # uniforms drawn at once


class Synthetic(NamedTuple):
    """What `make_annotations` returns. Arrays have one row per attribute, one column per group."""

    #: Ground truth of the training set.
    train: Annotations
    #: Ground truth of the test set.
    test: Annotations
    #: Predictions for the test set.
    pred: Annotations
    #: P(attribute | group) of the ground truth, of training and test set alike.
    train_probabilities: Floats
    #: P(predicted attribute | group), the group being the true one.
    predicted_probabilities: Floats
    #: The second less the first: Δ of group->attribute amplification.
    amplification: Floats


def make_annotations(
    n: int,
    *,
    n_train: int | None = None,
    n_attributes: int = 20,
    n_groups: int = 2,
    density: float = 0.1,
    bias: float = 0.25,
    amplification: float = 0.0,
    error_rate: float = 0.0,
    group_error_rate: float = 0.0,
    rng: int | np.random.Generator | None = None,
) -> Synthetic:
    """Draw annotations and predictions from a population with known bias and known amplification.

    Parameters
    ----------
    n : int
        Number of test instances.
    n_train : int, optional
        Number of training instances; as many as test instances by default.
    n_attributes : int
        Number of attributes p, from common to rare (see Notes).
    n_groups : int
        Number of groups q, at least 2. An instance is in each with the same probability.
    density : float
        Mean probability of an attribute, between 0 and 1 (exclusive).
    bias : float
        How much commoner an attribute is in the group it favours, from 0 (as common as elsewhere) to 1 (as
        far as its base rate allows). Attribute k favours group k mod q.
    amplification : float
        What predictions add to `bias`. Negative values make predictions less biased than the truth.
        ``bias + amplification`` lies between -1 and 1.
    error_rate : float
        Share of the predicted attributes that are guessed: drawn anew from P(predicted attribute | group),
        whatever the truth. Makes predictions worse and leaves their probabilities as they are.
    group_error_rate : float
        Probability that the predicted group is one of the others.
    rng : int or numpy.random.Generator, optional
        Seed or generator. One seed gives one result.

    Returns
    -------
    Synthetic
        ``train``, ``test`` and ``pred``, and the population's ``train_probabilities``,
        ``predicted_probabilities`` and ``amplification``, float64 of shape (p, q).

    Raises
    ------
    InputError
        An argument is out of its range.

    Notes
    -----
    The base rate of the attribute of rank k is :math:`r_k = c / (c + k)`, with c such that the mean is
    `density`: Zipf's law for rare attributes, and still a probability for common ones. Given the group,
    attributes are independent, with

    .. math:: P(a_k \\mid g) = r_k + \\text{bias} \\cdot \\min(r_k, 1 - r_k) \\cdot d_{kg}

    where d is 1 in the favoured group and :math:`-1/(q-1)` in the others, so that the base rate is the mean
    over groups. Predictions have ``bias + amplification`` in place of ``bias``. But for guesses, they differ
    from the truth in as few places as that allows: where an attribute gets commoner they only add it, where
    it gets rarer they only miss it.

    Temporary memory is one byte per attribute and group of an instance, and a few MB.

    Examples
    --------
    >>> from askew.datasets import make_annotations
    >>> data = make_annotations(100_000, n_attributes=3, amplification=0.5, rng=0)
    >>> data.amplification.round(3)
    array([[ 0.078, -0.078],
           [-0.042,  0.042],
           [ 0.029, -0.029]])

    What the sample shows of it:

    >>> truth, groups = data.test.to_numpy()
    >>> predicted, _ = data.pred.to_numpy()
    >>> first = groups[:, 0]
    >>> print((predicted[first].mean(axis=0) - truth[first].mean(axis=0)).round(2))
    [ 0.08 -0.04  0.03]
    """
    n = _whole("n", n, 1)
    n_train = n if n_train is None else _whole("n_train", n_train, 1)
    n_attributes = _whole("n_attributes", n_attributes, 1)
    n_groups = _whole("n_groups", n_groups, 2)
    density = _between("density", density, 0, 1)
    if density in (0, 1):
        raise InputError(f"density must lie between 0 and 1, and be neither: not {density!r}")
    bias = _between("bias", bias, 0, 1)
    amplification = _between("amplification", amplification, -2, 1)
    amplified = _between("bias + amplification", bias + amplification, -1, 1)
    error_rate = _between("error_rate", error_rate, 0, 1)
    group_error_rate = _between("group_error_rate", group_error_rate, 0, 1)
    if not isinstance(rng, np.random.Generator):
        try:
            rng = np.random.default_rng(rng)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"rng must be None, a non-negative integer or a numpy.random.Generator: {error}"
            ) from error

    rates = _base_rates(n_attributes, density)
    room = np.minimum(rates, 1 - rates)[:, None]
    favours = np.arange(n_attributes)[:, None] % n_groups == np.arange(n_groups)
    direction = np.where(favours, 1.0, -1 / (n_groups - 1))
    actual = rates[:, None] + bias * room * direction
    predicted = rates[:, None] + amplified * room * direction

    entropy = rng.integers(2**32, size=8).tolist()
    seeds = np.random.SeedSequence(entropy).spawn(6)
    train_groups, test_groups = _groups(n_train, n_groups, seeds[0]), _groups(n, n_groups, seeds[1])
    train = Annotations(
        _attributes(train_groups, actual, seeds[2]),
        _members(train_groups, n_groups),
        attribute_names=[f"attribute_{k}" for k in range(n_attributes)],
        group_names=[f"group_{g}" for g in range(n_groups)],
    )
    test = Annotations(_attributes(test_groups, actual, seeds[3]), _members(test_groups, n_groups), like=train)
    # The uniforms of the truth (seeds[3]) decide the predictions too: one that lies between the two
    # probabilities is a flip. So P(predicted attribute | group) is exact, with as few flips as can be.
    pred = Annotations(
        _attributes(test_groups, predicted, seeds[3], error_rate, seeds[4]),
        _members(_confuse(test_groups, n_groups, group_error_rate, seeds[5]), n_groups),
        like=train,
    )
    return Synthetic(train, test, pred, actual, predicted, predicted - actual)


def _base_rates(n_attributes: int, density: float) -> Floats:
    """c / (c + rank) by rank, log c found by bisection: the mean is `density`."""
    rank = np.arange(1, n_attributes + 1)
    low, high = -600.0, 600.0
    for _ in range(100):
        middle = (low + high) / 2
        rates: Floats = 1 / (1 + rank * np.exp(-middle))
        low, high = (middle, high) if rates.mean() < density else (low, middle)
    return rates


def _groups(n: int, n_groups: int, seed: np.random.SeedSequence) -> Indices:
    """The group of each instance."""
    groups = np.empty(n, np.int32)
    uniforms = np.random.default_rng(seed)
    for rows in _chunks(n, 1):
        groups[rows] = uniforms.random(groups[rows].shape) * n_groups
    return groups


def _confuse(groups: Indices, n_groups: int, error_rate: float, seed: np.random.SeedSequence) -> Indices:
    """Groups of which a share is replaced by one of the others."""
    confused: Indices = groups.copy()
    uniforms = np.random.default_rng(seed)
    for rows in _chunks(len(groups), 1):
        drawn = uniforms.random(groups[rows].shape)
        wrong = np.flatnonzero(drawn < error_rate)
        steps = 1 + (drawn[wrong] / error_rate * (n_groups - 1)).astype(np.int32)
        confused[rows][wrong] = (groups[rows][wrong] + steps) % n_groups
    return confused


def _members(groups: Indices, n_groups: int) -> Bits:
    """One column per group."""
    members: Bits = groups[:, None] == np.arange(n_groups, dtype=np.int32)
    return members


def _attributes(
    groups: Indices,
    probabilities: Floats,
    seed: np.random.SeedSequence,
    guess_rate: float = 0.0,
    guess_seed: np.random.SeedSequence | None = None,
) -> Bits:
    """Attributes of instances of the given groups: by the uniforms of `seed`, but for a share of guesses."""
    bits = np.empty((len(groups), len(probabilities)), bool)
    uniforms, guesses = np.random.default_rng(seed), np.random.default_rng(guess_seed)
    by_group = np.ascontiguousarray(probabilities.T)
    for rows in _chunks(*bits.shape):
        chance = by_group[groups[rows]]
        bits[rows] = uniforms.random(chance.shape) < chance
        if guess_rate > 0:
            drawn = guesses.random(chance.shape)
            np.copyto(bits[rows], drawn < guess_rate * chance, where=drawn < guess_rate)
    return bits


def _chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of rows. Their size changes nothing: every generator is read row by row, one double a value."""
    size = max(1, _CHUNK_VALUES // n_columns)
    return (slice(begin, min(n_rows, begin + size)) for begin in range(0, n_rows, size))


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def _between(name: str, value: object, low: float, high: float) -> float:
    number = float(value) if isinstance(value, Real) else float("nan")
    if not low <= number <= high:
        raise InputError(f"{name} must be a number from {low} to {high}, not {value!r}")
    return number
