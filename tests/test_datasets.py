"""The embedded table gives the published numbers; synthetic samples look like the population they state."""

from __future__ import annotations

import inspect
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askew.annotations import Annotations
from askew.datasets import load_compas, make_annotations, synthetic
from askew.errors import InputError


def in_group(annotations: Annotations, name: str) -> np.ndarray:
    return annotations.to_numpy()[1][:, list(annotations.group_names).index(name)]


def same(a: Annotations, b: Annotations) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.to_numpy(), b.to_numpy(), strict=True))


# ---- COMPAS


@pytest.mark.parametrize(
    ("race", "false_positives", "negatives", "false_negatives", "positives", "published"),
    [
        ("African-American", 805, 1795, 532, 1901, (44.85, 27.99)),
        ("Caucasian", 349, 1488, 461, 966, (23.45, 47.72)),
    ],
)
def test_propublicas_error_rates(race, false_positives, negatives, false_negatives, positives, published):
    _, test, pred = load_compas(split=None)
    truth, predicted = (side.to_numpy()[0][in_group(side, race), 0] for side in (test, pred))
    assert (predicted & ~truth).sum() == false_positives
    assert (~truth).sum() == negatives
    assert (~predicted & truth).sum() == false_negatives
    assert truth.sum() == positives
    assert (
        round(100 * false_positives / negatives, 2),
        round(100 * false_negatives / positives, 2),
    ) == published


def test_everybody_is_in_the_table():
    train, test, pred = load_compas(split=None)
    assert train.n == test.n == pred.n == 7214
    assert same(train, test)
    assert list(test.attribute_names) == ["two_year_recid", "is_violent_recid"]
    assert list(test.group_names) == [
        "African-American",
        "Asian",
        "Caucasian",
        "Hispanic",
        "Native American",
        "Other",
    ]
    attributes, groups = test.to_numpy()
    assert attributes.sum(axis=0).tolist() == [3251, 819]
    assert groups.sum(axis=0).tolist() == [3696, 32, 2454, 637, 18, 377]
    assert np.array_equal(pred.to_numpy()[1], groups)


def test_groups_may_be_the_sexes():
    _, test, _ = load_compas("sex", split=None)
    assert list(test.group_names) == ["Female", "Male"]
    assert test.to_numpy()[1].sum(axis=0).tolist() == [1395, 5819]


def test_the_split_by_date_leaves_out_who_is_there_for_having_reoffended():
    train, test, pred = load_compas()
    assert (train.n, test.n, pred.n) == (2856, 3351, 3351)
    assert train.group_names == test.group_names == pred.group_names
    rates = [side.to_numpy()[0][:, 0].mean() for side in (train, test)]
    assert rates == pytest.approx([0.36, 0.36], abs=0.02)
    left_out = load_compas(split=None).test.to_numpy()[0][:, 0].sum() - sum(
        side.to_numpy()[0][:, 0].sum() for side in (train, test)
    )
    assert left_out == 1004


@pytest.mark.parametrize(
    ("threshold", "positives"), [("Low", 3317), (4, 3317), ("Medium", 1403), (7, 1403), (np.int64(9), 383)]
)
def test_threshold_is_a_class_or_a_decile(threshold, positives):
    assert load_compas(threshold=threshold, split=None).pred.to_numpy()[0][:, 0].sum() == positives


def test_violent_recidivism_is_predicted_by_the_score_of_violence():
    assert load_compas(threshold="Medium", split=None).pred.to_numpy()[0][:, 1].sum() == 714


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        ({"groups": "age"}, "'race' or 'sex'"),
        ({"split": "random"}, "'date' or None"),
        ({"threshold": "High"}, "'Low', 'Medium' or a decile from 1 to 9"),
        ({"threshold": 10}, "'Low', 'Medium' or a decile from 1 to 9"),
        ({"threshold": True}, "'Low', 'Medium' or a decile from 1 to 9"),
    ],
)
def test_a_wrong_argument_of_load_compas_names_the_choices(arguments, choices):
    with pytest.raises(InputError, match=choices):
        load_compas(**arguments)


def test_the_file_holds_no_personal_identifier_and_no_missing_value():
    lines = (files("askew.datasets") / "compas.csv").read_text(encoding="utf-8").splitlines()
    header, *rows = (line.split(",") for line in lines)
    values = {name: set(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}
    zero_or_one = {"0", "1"}
    decile = {str(number) for number in range(1, 11)}
    assert len(rows) == 7214
    assert len(values.pop("race")) == 6
    assert values == {
        "sex": {"Female", "Male"},
        "compas_screening_month": {f"{year}-{month:02}" for year in (2013, 2014) for month in range(1, 13)},
        "two_year_recid": zero_or_one,
        "is_violent_recid": zero_or_one,
        "decile_score": decile,
        "v_decile_score": decile,
    }


# ---- synthetic annotations


def near(sample: np.ndarray, probability: np.ndarray | float, n: np.ndarray | int) -> bool:
    """Within five standard errors."""
    return bool(
        np.all(np.abs(sample - probability) <= 5 * np.sqrt(probability * (1 - np.asarray(probability)) / n) + 1e-12)
    )


def given_group(attributes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """P(attribute | group) in the sample, shape (p, q)."""
    return np.stack([attributes[group].mean(axis=0) for group in groups.T], axis=1)


POPULATIONS = [
    {},
    {"bias": 0.0, "amplification": 0.4},
    {"bias": 0.3, "amplification": 0.2, "error_rate": 0.3},
    {"bias": 0.6, "amplification": -0.8, "n_groups": 3, "group_error_rate": 0.2},
    {"bias": 1.0, "density": 0.5, "error_rate": 1.0, "n_groups": 4},
    {"density": 0.01, "n_attributes": 5, "amplification": 0.75, "group_error_rate": 1.0},
]


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_samples_have_the_probabilities_of_the_population(population):
    n = 200_000
    data = make_annotations(n, n_train=n // 2, rng=7, **population)
    train, train_groups = data.train.to_numpy()
    truth, groups = data.test.to_numpy()
    predicted, predicted_groups = data.pred.to_numpy()

    assert (len(train), len(truth), len(predicted)) == (n // 2, n, n)
    for one_hot in train_groups, groups, predicted_groups:
        assert (one_hot.sum(axis=1) == 1).all()
        assert near(one_hot.mean(axis=0), 1 / one_hot.shape[1], len(one_hot))
    assert near(given_group(train, train_groups), data.train_probabilities, train_groups.sum(axis=0))
    assert near(given_group(truth, groups), data.train_probabilities, groups.sum(axis=0))
    assert near(given_group(predicted, groups), data.predicted_probabilities, groups.sum(axis=0))
    wrong_groups = (groups != predicted_groups).any(axis=1).mean()
    assert near(wrong_groups, population.get("group_error_rate", 0.0), n)


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_the_population_is_what_the_arguments_say(population):
    data = make_annotations(1, **population)
    bias, amplification = population.get("bias", 0.25), population.get("amplification", 0.0)
    rates = data.train_probabilities.mean(axis=1)
    room = np.minimum(rates, 1 - rates)
    favoured = np.arange(len(rates)), np.arange(len(rates)) % data.train_probabilities.shape[1]
    assert rates.mean() == pytest.approx(population.get("density", 0.1))
    assert (np.diff(rates) < 0).all()
    assert data.predicted_probabilities.mean(axis=1) == pytest.approx(rates)
    assert data.train_probabilities[favoured] - rates == pytest.approx(bias * room)
    assert data.amplification[favoured] == pytest.approx(amplification * room)
    assert np.array_equal(data.amplification, data.predicted_probabilities - data.train_probabilities)


def test_predictions_are_the_truth_unless_told_otherwise():
    data = make_annotations(10_000, rng=0)
    assert same(data.test, data.pred)
    assert not data.amplification.any()


def test_amplification_flips_one_way_in_each_cell():
    data = make_annotations(50_000, amplification=0.5, rng=0)
    truth, groups = data.test.to_numpy()
    predicted, _ = data.pred.to_numpy()
    for g, group in enumerate(groups.T):
        commoner = data.amplification[:, g] > 0
        assert (predicted >= truth)[np.ix_(group, commoner)].all()
        assert (predicted <= truth)[np.ix_(group, ~commoner)].all()


def test_errors_make_predictions_depend_less_on_the_truth():
    agreement = []
    for error_rate in (0.0, 0.5, 1.0):
        data = make_annotations(50_000, n_attributes=1, density=0.5, bias=0.0, error_rate=error_rate, rng=0)
        agreement.append((data.test.to_numpy()[0] == data.pred.to_numpy()[0]).mean())
    assert agreement == pytest.approx([1.0, 0.75, 0.5], abs=0.02)


def test_attributes_are_independent_given_the_group():
    data = make_annotations(200_000, n_attributes=4, density=0.4, bias=0.5, rng=3)
    attributes, groups = data.test.to_numpy()
    for group in groups.T:
        correlation = np.corrcoef(attributes[group].T.astype(float))
        assert np.abs(correlation[np.triu_indices(4, 1)]).max() < 5 / np.sqrt(group.sum())


def draws(**changes: object) -> synthetic.Synthetic:
    return make_annotations(
        **{"n": 3000, "amplification": 0.3, "error_rate": 0.2, "group_error_rate": 0.1, "rng": 5, **changes}  # type: ignore[arg-type]
    )


def test_one_seed_gives_one_result():
    for a, b in zip(draws()[:3], draws()[:3], strict=True):
        assert same(a, b)
    for a, b in zip(draws()[:3], draws(rng=6)[:3], strict=True):
        assert not same(a, b)
    assert not same(draws().train, draws().test)


def test_a_generator_is_a_seed_too_and_moves_on():
    rng = np.random.default_rng(5)
    first, second = draws(rng=rng), draws(rng=rng)
    assert same(first.pred, draws().pred)
    assert not same(first.pred, second.pred)


def test_chunks_do_not_show(monkeypatch):
    whole = draws()
    monkeypatch.setattr(synthetic, "_CHUNK_VALUES", 777)
    for a, b in zip(whole[:3], draws()[:3], strict=True):
        assert same(a, b)


def test_the_training_set_does_not_change_the_test_set():
    assert same(draws().pred, draws(n_train=10).pred)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 600),
    n_train=st.none() | st.integers(1, 600),
    n_attributes=st.integers(1, 70),
    n_groups=st.integers(2, 9),
    density=st.floats(0, 1, exclude_min=True, exclude_max=True),
    bias=st.floats(0, 1),
    amplified=st.floats(-1, 1),
    error_rate=st.floats(0, 1),
    group_error_rate=st.floats(0, 1),
    rng=st.integers(0, 2**128),
)
def test_every_legal_argument_gives_legal_probabilities(
    n, n_train, n_attributes, n_groups, density, bias, amplified, error_rate, group_error_rate, rng
):
    amplification = amplified - bias
    if not -1 <= bias + amplification <= 1:  # by rounding
        amplification = 0.0
    data = make_annotations(
        n,
        n_train=n_train,
        n_attributes=n_attributes,
        n_groups=n_groups,
        density=density,
        bias=bias,
        amplification=amplification,
        error_rate=error_rate,
        group_error_rate=group_error_rate,
        rng=rng,
    )
    assert (data.train.n, data.test.n, data.pred.n) == (n if n_train is None else n_train, n, n)
    for probabilities in data.train_probabilities, data.predicted_probabilities:
        assert probabilities.shape == (n_attributes, n_groups)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
    for side in data[:3]:
        attributes, groups = side.to_numpy()
        assert attributes.shape[1] == n_attributes
        assert groups.shape[1] == n_groups
        assert (groups.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0),
        ("n", -5),
        ("n", 2.0),
        ("n", True),
        ("n_train", 0),
        ("n_attributes", 0),
        ("n_groups", 1),
        ("density", 0.0),
        ("density", 1),
        ("density", float("nan")),
        ("bias", -0.1),
        ("bias", 1.1),
        ("bias", "much"),
        ("amplification", 0.9),
        ("amplification", -1.5),
        ("amplification", float("inf")),
        ("error_rate", 1.5),
        ("group_error_rate", -0.01),
        ("rng", -1),
        ("rng", "seed"),
    ],
)
def test_a_wrong_argument_of_make_annotations_is_named(name, value):
    with pytest.raises(InputError, match=name):
        make_annotations(**{"n": 10, name: value})


def test_every_argument_is_documented():
    for function in load_compas, make_annotations:
        for parameter in inspect.signature(function).parameters:
            assert f"\n    {parameter} : " in (function.__doc__ or "")
