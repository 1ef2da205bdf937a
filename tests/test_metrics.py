"""Every metric, under every convention, against the brute-force numbers of oracle.py."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import askew
import oracle
from askew import metrics
from askew.counts import View
from askew.engine.weights import weights

pytestmark = pytest.mark.filterwarnings("ignore::askew.AskewWarning")

DATA = Path(__file__).parents[2] / "shared" / "data"
A_TO_T, T_TO_A = oracle.GROUP_TO_ATTRIBUTE, oracle.ATTRIBUTE_TO_GROUP
CONVENTIONS = {
    "paper": oracle.PAPER,
    "reference": oracle.REFERENCE,
    "mixed": {**oracle.PAPER, "single_baseline": "train", "undefined_mals": "dropped", "empty_rows": "dropped"},
    "other": {**oracle.REFERENCE, "sets": "subsets", "tie": "uncorrelated", "multi_baseline": "train"},
}
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


class Kind(NamedTuple):
    """A metric: how to ask the package for it, and the oracle."""

    call: Callable[..., askew.Estimate]
    expected: Callable[..., oracle.Result]
    single: bool


def _directional(direction: str, *, single: bool) -> Kind:
    call = partial(askew.directional if single else askew.multi_directional, direction=direction)

    def expected(counts: oracle.AllCounts, convention: dict[str, str], *, signed: bool) -> oracle.Result:
        return oracle.directional(counts, direction, convention, signed=signed, single=single)

    return Kind(call, expected, single)


KINDS = {
    "BA_MALS": Kind(askew.mals, oracle.mals, single=True),
    "BiasAmp_A->T": _directional(A_TO_T, single=True),
    "BiasAmp_T->A": _directional(T_TO_A, single=True),
    "Multi_MALS": Kind(askew.multi_mals, oracle.mals, single=False),
    "Multi_G->M": _directional(A_TO_T, single=False),
    "Multi_M->G": _directional(T_TO_A, single=False),
}


class Study(NamedTuple):
    train: askew.Annotations
    test: askew.Annotations
    pred: askew.Annotations

    @property
    def tables(self) -> tuple[oracle.Table, oracle.Table, oracle.Table]:
        return oracle.Table.of(self.train), oracle.Table.of(self.test), oracle.Table.of(self.pred)


def convention_of(choices: dict[str, str]) -> askew.Convention:
    return askew.Convention(**choices)


def names_of(sets: list[oracle.Set], annotations: askew.Annotations) -> list[str]:
    return [" & ".join(annotations.attribute_names[a] for a in m) for m in sets]


def check(estimate: askew.Estimate, expected: oracle.Result, sets: list[oracle.Set], study: Study) -> None:
    """Value, variance, number of undefined cells, and the cells."""
    close(estimate.value, expected.value)
    close(float(estimate), expected.value)
    close(estimate.variance, expected.variance)
    assert estimate.n_undefined == expected.n_undefined
    assert estimate.n_sets == len(sets)
    groups = study.train.group_names
    cells = estimate.cell_values.table()
    assert list(cells["set"]) == [name for name in names_of(sets, study.train) for _ in groups]
    assert list(cells["group"]) == [group for _ in sets for group in groups]
    for column in ("baseline", "predicted", "delta"):
        close(cells[column], getattr(expected, column).ravel(), err_msg=column)


def universe(kind: str, study: Study, **limits: Any) -> list[oracle.Set]:
    train, test, _ = study.tables
    return oracle.subsets(train, test, **limits) if kind == "subsets" else oracle.observed(train, test, **limits)


def check_audit(study: Study, choices: dict[str, str], convention: Any = None, **limits: Any) -> None:
    """An audit, which is every metric with its defaults."""
    several = universe(choices["sets"], study, **limits)
    options = {"convention": convention_of(choices) if convention is None else convention, **limits}
    if not several:
        with pytest.raises(askew.InputError, match="min_count"):
            askew.audit(*study, **options)
        return
    singles = oracle.singletons(study.tables[0])
    counts = {True: oracle.count_all(*study.tables, singles), False: oracle.count_all(*study.tables, several)}
    audit = askew.audit(*study, **options)
    assert list(audit) == list(KINDS)
    for name, kind in KINDS.items():
        expected = kind.expected(counts[kind.single], choices, signed=kind.single)
        check(audit[name], expected, singles if kind.single else several, study)


# --- tables made by hand and by chance --------------------------------------------------------------------------


def random_study(seed: int, n_train: int = 300, n_test: int = 200, p: int = 5, q: int = 3) -> Study:
    """Groups in which some instances are in none; attributes that depend on them."""
    rng = np.random.default_rng(seed)

    def table(n: int, like: askew.Annotations | None = None) -> askew.Annotations:
        codes = rng.integers(-1, q, n)
        attributes = rng.random((n, p)) < 0.15 + 0.4 * rng.random(p) + 0.1 * codes[:, None]
        labels = [None if code < 0 else f"g{code}" for code in codes]
        return askew.Annotations(attributes, labels, like=like)

    train = table(n_train)
    return Study(train, table(n_test, train), table(n_test, train))


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """A few rows: groups that overlap or miss, rows with nothing, groups and attributes that never occur."""
    p, q = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    n_train, n_test = draw(st.integers(1, 14)), draw(st.integers(1, 10))
    overlapping = draw(st.booleans())
    names = {"attribute_names": [f"a{a}" for a in range(p)], "group_names": [f"g{g}" for g in range(q)]}

    def table(n: int) -> askew.Annotations:
        attributes = draw(arrays(bool, (n, p)))
        if overlapping:
            return askew.Annotations(attributes, draw(arrays(bool, (n, q))), **names)
        codes = draw(arrays(np.int8, n, elements=st.integers(-1, q - 1)))
        return askew.Annotations(attributes, [None if code < 0 else f"g{code}" for code in codes], **names)

    return Study(table(n_train), table(n_test), table(n_test))


choices_of_conventions = st.fixed_dictionaries(
    {
        "sets": st.sampled_from(["subsets", "observed"]),
        "single_baseline": st.sampled_from(["test", "train"]),
        "multi_baseline": st.sampled_from(["test", "train"]),
        "tie": st.sampled_from(["uncorrelated", "nothing"]),
        "undefined_mals": st.sampled_from(["zero", "dropped"]),
        "empty_rows": st.sampled_from(["kept", "dropped"]),
    }
)
few = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", ["paper", "reference"])
def test_the_named_conventions_make_the_choices_of_the_specification(name: str) -> None:
    assert str(convention_of(CONVENTIONS[name])) == name
    assert askew.audit(*random_study(0), convention=name).run.convention == name


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("choices", CONVENTIONS.values(), ids=CONVENTIONS)
@pytest.mark.parametrize("name", KINDS)
def test_a_metric(name: str, choices: dict[str, str], signed: bool) -> None:
    study, kind = random_study(1), KINDS[name]
    sets = oracle.singletons(study.tables[0]) if kind.single else universe(choices["sets"], study)
    expected = kind.expected(oracle.count_all(*study.tables, sets), choices, signed=signed)
    estimate = kind.call(*study, convention=convention_of(choices), signed=signed)
    assert estimate.name == name
    check(estimate, expected, sets, study)


@pytest.mark.parametrize("name", KINDS)
def test_single_metrics_are_signed_and_the_others_are_not(name: str) -> None:
    study, kind = random_study(2), KINDS[name]
    assert kind.call(*study).value == kind.call(*study, signed=kind.single).value


@pytest.mark.parametrize(
    ("alias", "direction"),
    [("G->M", A_TO_T), ("A->T", A_TO_T), ("G→M", A_TO_T), ("M->G", T_TO_A), ("T->A", T_TO_A)],
)
def test_directions_by_the_names_of_the_papers(alias: str, direction: str) -> None:
    study = random_study(3)
    for function in (askew.directional, askew.multi_directional):
        assert function(*study, direction=alias).value == function(*study, direction=direction).value


@given(study=studies(), choices=choices_of_conventions, min_count=st.integers(1, 2))
@few
def test_an_audit_of_any_tables(study: Study, choices: dict[str, str], min_count: int) -> None:
    check_audit(study, choices, min_count=min_count)


@given(study=studies(), choices=choices_of_conventions, signed=st.booleans(), data=st.data())
@few
def test_metrics_of_any_list_of_sets(study: Study, choices: dict[str, str], signed: bool, data: st.DataObject) -> None:
    p = len(study.train.attribute_names)
    one = st.sets(st.integers(0, p - 1), min_size=1).map(lambda m: tuple(sorted(m)))
    sets = data.draw(st.lists(one, min_size=1, max_size=6, unique=True))
    named = [[study.train.attribute_names[a] for a in m] for m in sets]
    counts = oracle.count_all(*study.tables, sets)
    for kind in KINDS.values():
        expected = kind.expected(counts, choices, signed=signed)
        check(kind.call(*study, sets=named, convention=convention_of(choices), signed=signed), expected, sets, study)


@given(
    study=studies(),
    min_count=st.integers(1, 3),
    max_size=st.none() | st.integers(1, 5),
    min_size=st.integers(1, 3),
    support=st.sampled_from(["any", "every"]),
    with_test=st.booleans(),
)
@few
def test_universes(
    study: Study, min_count: int, max_size: int | None, min_size: int, support: str, with_test: bool
) -> None:
    train, test, _ = study.tables
    limits = {"min_count": min_count, "max_size": max_size}
    expected_subsets = oracle.subsets(train, test if with_test else None, support=support, **limits)
    expected_observed = oracle.observed(train, test if with_test else None, min_size=min_size, **limits)
    tables = (study.train, study.test) if with_test else (study.train,)
    cases: list[tuple[Callable[..., askew.AttributeSets], dict[str, Any], list[oracle.Set]]] = [
        (askew.AttributeSets.subsets, {"support": support}, expected_subsets),
        (askew.AttributeSets.observed, {"min_size": min_size}, expected_observed),
    ]
    for make, options, expected in cases:
        if expected:
            assert make(*tables, **limits, **options).names == names_of(expected, study.train)
        else:
            with pytest.raises(askew.InputError, match="min_count"):
                make(*tables, **limits, **options)


@given(study=studies())
@few
def test_counts_and_bias_scores(study: Study) -> None:
    train, test, pred = study.tables
    sets = oracle.singletons(train)
    expected = oracle.count_all(train, test, pred, sets)
    counts = askew.count(study.test, study.test.attribute_names, pred=study.pred)
    for name in ("truth", "prediction", "predicted_attributes", "predicted_groups"):
        view, own = getattr(counts, name), getattr(expected, name)
        assert view.co_set_group[0].tolist() == own.co
        assert view.co_set[0].tolist() == own.co_m
        assert view.co_group[0].tolist() == own.co_g
        assert view.n[0] == own.n
    assert askew.count(study.train, study.train.attribute_names).n_annotated[0] == expected.n_train_annotated
    table = askew.bias_scores(study.train)
    scores = [oracle.bias(expected.train, m, g) for m in range(len(sets)) for g in range(expected.q)]
    close(table["bias"], scores)
    assert table["count"].tolist() == np.ravel(expected.train.co).tolist()


def test_a_correlation_that_is_a_tie_is_told_on_integers() -> None:
    """49 · 6 = 7 · 42 and 49 · 1 = 7 · 7, but 6/49 > 7/49 · 42/49 in floating point."""
    attributes = np.zeros((49, 1), bool)
    attributes[:7] = True
    groups = ["x"] + ["y"] * 6 + ["x"] * 6 + ["y"] * 36
    train = askew.Annotations(attributes, groups)
    pred = askew.Annotations(np.ones((49, 1)), groups)
    assert askew.directional(train, train, pred, convention="reference").value == 0
    close(askew.directional(train, train, pred).value, -6 / 7)


def test_products_beyond_64_bits() -> None:
    """n co(m, g) against co(m) co(g) where neither fits: one below a tie, a tie, one above it."""
    half = 2**40
    co = np.array([[[half // 2 - 1], [half // 2], [half // 2 + 1]]])
    counts = View(co, np.full((1, 3), half), np.array([[half]]), np.array([2 * half]))
    assert metrics.correlation_sign(counts).ravel().tolist() == [-1, 0, 1]
    np.testing.assert_allclose(metrics.correlation(counts).ravel() * 2.0**41, [-1, 0, 1])


def test_a_bias_of_exactly_one_in_q_is_not_above_it() -> None:
    """Of the three groups each has a third of a; in b, only x has more."""
    train = askew.Annotations([[1, 1]] * 3 + [[0, 1]], ["x", "y", "z", "x"], attribute_names=["a", "b"])
    pred = askew.Annotations([[1, 1], [1, 0], [0, 0], [0, 1]], ["x"] * 4, like=train)
    cells = askew.mals(train, train, pred).cell_values
    assert cells.delta.tolist() == [[0, 0, 0], [0.5, 0, 0]]


@pytest.mark.parametrize(("undefined", "deltas"), [("zero", [1 / 3, 0, 0, 0]), ("dropped", [1 / 3, 0])])
def test_an_undefined_cell_of_mals_counts_as_0_in_the_value(undefined: str, deltas: list[float]) -> None:
    """Nothing has b in training: two cells of four are undefined."""
    train = askew.Annotations([[1, 0]] * 3, ["x", "x", "y"])
    pred = askew.Annotations([[1, 1]] * 3, ["x"] * 3, like=train)
    estimate = askew.mals(train, train, pred, convention=askew.Convention(undefined_mals=undefined))
    close(estimate.value, (1 / 3) / 2)
    close(estimate.variance, np.var(deltas))
    assert estimate.n_undefined == 2


def test_observed_sets_of_a_small_table() -> None:
    """ab and b are full sets of two training instances each; two test instances contain b, one contains ab."""
    names = {"attribute_names": ["a", "b", "c"], "group_names": ["x"]}
    train = askew.Annotations.from_tags([["a", "b"], ["b", "a"], ["a"], ["b"], ["b"], []], ["x"] * 6, **names)
    test = askew.Annotations.from_tags([["a", "b", "c"], ["b"]], ["x"] * 2, **names)
    assert askew.AttributeSets.observed(train).names == ["a", "b", "a & b"]
    assert askew.AttributeSets.observed(train, test).names == ["a", "b", "a & b"]
    assert askew.AttributeSets.observed(train, min_count=2).names == ["b", "a & b"]
    assert askew.AttributeSets.observed(train, test, min_count=2).names == ["b"]
    assert askew.AttributeSets.observed(train, test, min_size=2).names == ["a & b"]
    assert askew.AttributeSets.observed(train, test, max_size=1).names == ["a", "b"]


def test_subsets_of_a_small_table() -> None:
    """Three instances contain a, two of them b as well; of the latter one is in each group."""
    names = {"attribute_names": ["a", "b"], "group_names": ["x", "y"]}
    table = askew.Annotations.from_tags([["a", "b"], ["a", "b"], ["a"]], ["x", "y", "y"], **names)
    assert askew.AttributeSets.subsets(table).names == ["a", "b", "a & b"]
    assert askew.AttributeSets.subsets(table, max_size=1).names == ["a", "b"]
    assert askew.AttributeSets.subsets(table, min_count=3).names == ["a"]
    assert askew.AttributeSets.subsets(table, support="every").names == ["a", "b", "a & b"]
    less = askew.Annotations.from_tags([["a", "b"], ["a"], ["a"]], ["x", "y", "y"], **names)
    assert askew.AttributeSets.subsets(table, less, min_count=2).names == ["a"]
    assert askew.AttributeSets.subsets(table, less, support="every").names == ["a"]


def test_no_cell_is_defined() -> None:
    """An attribute that never occurs has no bias score: the value is undefined, not 0."""
    table = askew.Annotations([[0], [0]], ["x", "y"])
    for convention in ("paper", "reference"):
        estimate = askew.mals(table, table, table, convention=convention)
        assert math.isnan(estimate.value)
        assert math.isnan(estimate.variance)
        assert estimate.n_undefined == 2


# --- replicates -------------------------------------------------------------------------------------------------


def quantiles(replicates: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nanquantile, when every replicate is NaN
        return np.nanquantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
@pytest.mark.parametrize("resample", ["train", "test", ("train",), ("test", "train")], ids=str)
@pytest.mark.parametrize("choices", CONVENTIONS.values(), ids=CONVENTIONS)
def test_replicates_are_the_metric_of_reweighted_rows(
    choices: dict[str, str], resample: str | tuple[str, ...], distribution: str
) -> None:
    study, n_resamples, seed, level = random_study(4, 60, 50, 3, 3), 21, 2**40 + 3, 0.9
    options = {
        "n_resamples": n_resamples,
        "rng": seed,
        "resample": resample,
        "weights": distribution,
        "convention": convention_of(choices),
        "confidence_level": level,
    }
    audit, basic = askew.audit(*study, **options), askew.audit(*study, **options, method="basic")
    assert (audit.run.seed, audit.run.n_resamples, audit.run.weights) == (seed, n_resamples, distribution)
    varies = (resample,) if isinstance(resample, str) else resample

    def drawn(table: str, number: int, n: int) -> npt.NDArray[Any]:
        if table not in varies:
            return np.ones((n, n_resamples), np.int64)
        return weights(distribution, seed, number, np.arange(n, dtype=np.uint64), range(n_resamples))

    w_train, w_test = drawn("train", 0, study.train.n), drawn("test", 1, study.test.n)
    singles, several = oracle.singletons(study.tables[0]), universe(choices["sets"], study)
    for single, sets in [(True, singles), (False, several)]:
        sample = oracle.count_all(*study.tables, sets)
        replicates = [oracle.count_all(*study.tables, sets, w_train[:, r], w_test[:, r]) for r in range(n_resamples)]
        for name in (name for name, kind in KINDS.items() if kind.single is single):
            of_sample = KINDS[name].expected(sample, choices, signed=single)
            results = [KINDS[name].expected(counts, choices, signed=single) for counts in replicates]
            values = np.array([result.value for result in results])
            deltas = np.array([result.delta for result in results])
            estimate = audit[name]
            check(estimate, of_sample, sets, study)
            close(estimate.bootstrap_distribution, values)
            close(estimate.variance_distribution, [result.variance for result in results])
            assert estimate.n_undefined_replicates == np.isnan(values).sum()
            close(estimate.standard_error, np.nanstd(values, ddof=1))

            low, high = quantiles(values, level)
            close(estimate.confidence_interval, (low, high))
            reflected = (2 * of_sample.value - high, 2 * of_sample.value - low)
            close(basic[name].confidence_interval, reflected)
            low, high = quantiles(deltas.reshape(n_resamples, -1), level)
            close(estimate.cell_values.low.ravel(), low)
            close(estimate.cell_values.high.ravel(), high)
            delta = of_sample.delta.ravel()
            close(basic[name].cell_values.low.ravel(), 2 * delta - high)
            close(basic[name].cell_values.high.ravel(), 2 * delta - low)

            if single:
                assert math.isnan(estimate.noise_floor)
                assert math.isnan(estimate.debiased)
            else:
                # of the difference of both terms; in Multi_MALS of the cells that lean in the sample
                differences = np.array([result.predicted - result.baseline for result in results])
                leans = (
                    of_sample.baseline.ravel() > 1 / len(study.train.group_names)
                    if name == "Multi_MALS"
                    else np.ones(delta.size, bool)
                )
                spread = [
                    np.nanstd(d, ddof=1)
                    for d, own, enters in zip(differences.reshape(n_resamples, -1).T, delta, leans, strict=True)
                    if own == own and np.sum(d == d) > 1 and enters
                ]
                n_terms = len(sets) if name == "Multi_MALS" else delta.size - of_sample.n_undefined
                close(estimate.noise_floor, np.sum(spread) * math.sqrt(2 / math.pi) / n_terms)
                close(estimate.debiased, max(0.0, 2 * of_sample.value - float(np.nanmean(values))))


def test_one_metric_and_an_audit_share_their_replicates() -> None:
    study = random_study(5)
    options = {"n_resamples": 30, "rng": 8}
    audit = askew.audit(*study, **options)
    for name, kind in KINDS.items():
        alone = kind.call(*study, **options)
        assert np.array_equal(alone.bootstrap_distribution, audit[name].bootstrap_distribution)
        assert alone.confidence_interval == audit[name].confidence_interval


# --- real data --------------------------------------------------------------------------------------------------

MODELS = ["lic_sat", "lic_transformer", "eccv18_balanced"]


def coco(model: str) -> Study:
    """Captions of a model against annotated objects and gender."""
    parquet = pytest.importorskip("pyarrow.parquet")
    if not (DATA / "coco_captions.parquet").exists():
        pytest.skip("the COCO table is not here")
    table = parquet.read_table(DATA / "coco_captions.parquet")
    rows = {name: table.column(name).to_pylist() for name in ("split", f"has__{model}")}
    in_train = [split == "train" for split in rows["split"]]
    in_test = [split == "test" and has for split, has in zip(rows["split"], rows[f"has__{model}"], strict=True)]
    people = {"person"}

    def annotations(keep: list[bool], objects: str, gender: str, **names: Any) -> askew.Annotations:
        part = table.filter(keep)
        tags = [[tag for tag in row if tag not in people] for row in part.column(objects).to_pylist()]
        return askew.Annotations.from_tags(tags, part.column(gender), **names)

    train = annotations(in_train, "objects", "gender", group_names=["female", "male"])
    test = annotations(in_test, "objects", "gender", like=train)
    return Study(train, test, annotations(in_test, f"objects__{model}", f"gender__{model}", like=train))


@pytest.mark.parametrize(("max_size", "min_count"), [(2, 5), (3, 1)])
@pytest.mark.parametrize("convention", ["paper", "reference"])
@pytest.mark.parametrize("model", MODELS)
def test_coco_captions(model: str, convention: str, max_size: int, min_count: int) -> None:
    study = coco(model)
    assert (study.train.n, study.test.n) == (13_781, 1_981)
    check_audit(study, CONVENTIONS[convention], convention, max_size=max_size, min_count=min_count)


@pytest.fixture(scope="module")
def celeba() -> Study:
    """Faces; the predictions are the truth of the test split with bits flipped at random."""
    parquet = pytest.importorskip("pyarrow.parquet")
    if not (DATA / "celeba.parquet").exists():
        pytest.skip("the CelebA table is not here")
    table = parquet.read_table(DATA / "celeba.parquet")
    split = np.array(table.column("split").to_pylist())
    names = [name for name in table.column_names if name not in ("split", "Male")]
    attributes = np.column_stack([table.column(name).to_numpy() for name in names])
    male = table.column("Male").to_numpy()
    train_rows, test_rows = split == "train", split == "test"
    rng = np.random.default_rng(0)
    predicted = attributes[test_rows] ^ (rng.random((int(test_rows.sum()), len(names))) < 0.1)
    predicted_male = male[test_rows] ^ (rng.random(int(test_rows.sum())) < 0.05)
    train = askew.Annotations(
        attributes[train_rows], male[train_rows], attribute_names=names, group_names=["False", "True"]
    )
    test = askew.Annotations(attributes[test_rows], male[test_rows], like=train)
    return Study(train, test, askew.Annotations(predicted, predicted_male, like=train))


@pytest.mark.parametrize("convention", ["paper", "reference"])
def test_celeba(celeba: Study, convention: str) -> None:
    assert (celeba.train.n, len(celeba.train.attribute_names)) == (162_770, 39)
    max_size = 2 if convention == "paper" else None
    check_audit(celeba, CONVENTIONS[convention], convention, max_size=max_size, min_count=100)


def test_celeba_replicates(celeba: Study) -> None:
    """A few of many replicates of some sets of a large table."""
    names = celeba.train.attribute_names
    sets = [(0,), (3, 30), (4, 19, 38)]
    chosen = [[names[a] for a in m] for m in sets]
    audit = askew.audit(*celeba, sets=chosen, n_resamples=200, rng=2**64 - 1)
    for r in (0, 127, 128, 199):
        w_train, w_test = (
            weights("poisson", 2**64 - 1, number, np.arange(table.n, dtype=np.uint64), range(r, r + 1))[:, 0]
            for number, table in [(0, celeba.train), (1, celeba.test)]
        )
        counts = oracle.count_all(*celeba.tables, sets, w_train, w_test)
        for name in ("Multi_MALS", "Multi_G->M", "Multi_M->G"):
            expected = KINDS[name].expected(counts, oracle.PAPER, signed=False)
            close(audit[name].bootstrap_distribution[r], expected.value)
            close(audit[name].variance_distribution[r], expected.variance)
