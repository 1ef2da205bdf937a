"""Metrics of counts that were made before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import askew
from askew import AttributeSets, InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*(too high|replicates lie):askew.AskewWarning")
OPTIONS = {"n_resamples": 100, "rng": 3}
LIMITS = {"max_size": 2, "min_count": 100}


@pytest.fixture
def tables():
    return askew.datasets.make_annotations(2000, amplification=0.2, rng=1)[:3]


@pytest.fixture
def sets(tables):
    return AttributeSets.singletons(tables[0]) | AttributeSets.subsets(*tables[:2], **LIMITS)


@pytest.fixture
def counts(tables, sets):
    train, test, pred = tables
    return askew.count(train, sets, **OPTIONS), askew.count(test, sets, pred=pred, **OPTIONS)


def assert_same(mine, theirs):
    """Estimates are equal, but for the order in which floating-point numbers are added up; counts bring their sets."""
    assert replace(mine.run, sets=theirs.run.sets) == theirs.run
    for name in ("value", "variance", "bootstrap_distribution", "noise_floor", "debiased", "p_value"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-12, atol=1e-15)
    for column in theirs.cells:
        if theirs.cells[column].dtype == object:
            assert list(mine.cells[column]) == list(theirs.cells[column])
        else:
            np.testing.assert_allclose(mine.cells[column], theirs.cells[column], rtol=1e-9, atol=1e-15)


def test_an_audit_of_counts_is_that_of_the_tables(tables, counts, sets):
    expected = askew.audit(*tables, sets=sets, **OPTIONS)
    found = askew.audit(*counts)
    assert found.keys() == expected.keys()
    for name, estimate in expected.items():
        assert_same(found[name], estimate)


def test_the_other_calls_take_counts_too(tables, counts):
    train, test, pred = tables
    assert_same(askew.mals(*counts), askew.mals(train, test, pred, **OPTIONS))
    mine = askew.bias_scores(counts[0], sets="singletons")
    theirs = askew.bias_scores(train, **OPTIONS)
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)

    def share(tables):
        return tables.test.truth.co_set / tables.test.n[:, None]

    value = askew.bootstrap(share, test=counts[1], sets="singletons")
    expected = askew.bootstrap(share, test=test, pred=pred, **OPTIONS)
    assert np.array_equal(value.bootstrap_distribution, expected.bootstrap_distribution)


def test_what_was_not_counted_is_named(tables, counts):
    train, test, pred = tables
    few = askew.count(train, [train.attribute_names[0]], **OPTIONS)
    with pytest.raises(InputError, match="19 attribute sets were not counted: 'attribute_1'"):
        askew.mals(few, counts[1])
    with pytest.raises(InputError, match="made without predictions"):
        askew.mals(counts[0], askew.count(test, "singletons", table="test", **OPTIONS))
    with pytest.raises(InputError, match="train are counts and test and pred is not"):
        askew.mals(counts[0], test, pred)
    with pytest.raises(InputError, match="n_resamples=100, not 50: leave n_resamples out"):
        askew.mals(*counts, n_resamples=50)
    other = askew.count(test, "singletons", pred=pred, n_resamples=100, rng=4)
    with pytest.raises(InputError, match="different weights, seeds or numbers"):
        askew.mals(counts[0], other)
    with pytest.raises(InputError, match="weights of train"):
        askew.mals(counts[0], askew.count(test, "singletons", pred=pred, table="train", **OPTIONS))
