"""One seed, one result: for any threads, SIMD level, backend, partition of the rows and memory."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import askew
from askew.engine import choose
from askew.engine.weights import weights
from askew.errors import BackendError
from askew.evaluation import Pass

try:
    from askew import _core
except ImportError:
    _core = None

SEEDS = [0, 1, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]
needs_native = pytest.mark.skipif(_core is None, reason="the extension was not compiled")
HAS_NUMBA = importlib.util.find_spec("numba") is not None
#: Those that run here, which "auto" is one of.
BACKENDS = ["auto", "numpy", *(["native"] if _core else []), *(["numba"] if HAS_NUMBA else [])]


def parts(n: int = 1000, p: int = 6, seed: int = 0) -> tuple[npt.NDArray[np.bool_], list[str | None]]:
    """Attributes and labels; about a tenth is in no group."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array(["x", "y", "z", None], object), n, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    return rng.random((n, p)) < np.linspace(0.05, 0.7, p), labels


ATTRIBUTES, LABELS = parts()
PREDICTED, PREDICTED_LABELS = parts(seed=1)
TRUTH = askew.Annotations(ATTRIBUTES, LABELS)
PRED = askew.Annotations(PREDICTED, PREDICTED_LABELS, like=TRUTH)
SETS = askew.AttributeSets.subsets(TRUTH, max_size=3)


def count(**options: Any) -> askew.Counts:
    return askew.count(TRUTH, SETS, **{"pred": PRED, "n_resamples": 70, "rng": 3, **options})


@pytest.fixture
def simd_level() -> Iterator[None]:
    """Gives the choice of the SIMD level back after a test that forces it."""
    yield
    _core.force_simd("")


# --- counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
def test_counts_for_threads_and_backends(distribution: str) -> None:
    first = count(weights=distribution, backend="numpy", n_threads=1)
    for backend in BACKENDS:
        for n_threads in (1, 2, 3):
            assert count(weights=distribution, backend=backend, n_threads=n_threads) == first


@needs_native
@pytest.mark.usefixtures("simd_level")
@pytest.mark.parametrize("distribution", ["poisson", "poisson32"])
def test_counts_for_simd_levels(distribution: str) -> None:
    first = count(weights=distribution, backend="numpy")
    for level in _core.simd_levels():
        _core.force_simd(level)
        assert _core.simd_level() == level
        for n_threads in (1, 2):
            assert count(weights=distribution, backend="native", n_threads=n_threads) == first


def test_counts_follow_from_the_weights() -> None:
    for table, number in [("train", 0), ("test", 1)]:
        counts = count(table=table)
        w = weights("poisson", 3, number, np.arange(TRUTH.n, dtype=np.uint64), range(70)).astype(np.int64)
        assert counts.n.tolist() == [TRUTH.n, *w.sum(axis=0)]
        for s, names in enumerate(SETS):
            members = ATTRIBUTES[:, [int(name) for name in names]].all(axis=1)
            assert counts.truth.co_set[:, s].tolist() == [members.sum(), *w[members].sum(axis=0)]


@given(cuts=st.lists(st.integers(1, TRUTH.n - 1), max_size=6, unique=True), data=st.data())
@settings(max_examples=25, deadline=None)
def test_counts_of_any_partition(cuts: list[int], data: st.DataObject) -> None:
    """Parts may be added in any order; they know their place in the table."""
    bounds = [0, *sorted(cuts), TRUTH.n]
    pieces = []
    for begin, end in pairwise(bounds):
        truth = askew.Annotations(ATTRIBUTES[begin:end], LABELS[begin:end], like=TRUTH)
        pred = askew.Annotations(PREDICTED[begin:end], PREDICTED_LABELS[begin:end], like=TRUTH)
        pieces.append(askew.count(truth, SETS, pred=pred, n_resamples=70, rng=3, first_row=begin))
    total, *others = data.draw(st.permutations(pieces))
    for piece in others:
        total = total + piece
    whole = count()
    assert total == whole
    assert total.rows == ((0, TRUTH.n),)
    assert len(total) == len(whole) == 71


def test_parts_far_into_a_table() -> None:
    """Row numbers beyond 32 bits have weights of their own."""
    begin = 2**32 + 7
    counts = count(first_row=begin)
    w = weights("poisson", 3, 1, np.arange(begin, begin + TRUTH.n, dtype=np.uint64), range(70)).astype(np.int64)
    assert counts.n[1:].tolist() == w.sum(axis=0).tolist()
    assert counts == count(first_row=begin, backend="numpy")
    assert counts.n[1:].tolist() != count(first_row=7).n[1:].tolist()


def test_replicates_do_not_depend_on_their_number() -> None:
    few, many = count(n_resamples=13), count(n_resamples=200)
    assert np.array_equal(few.truth.co_set_group, many.truth.co_set_group[:14])


def test_counts_do_not_depend_on_the_other_sets() -> None:
    some = askew.count(TRUTH, SETS[5:9], pred=PRED, n_resamples=70, rng=3)
    assert np.array_equal(some.prediction.co_set_group, count().prediction.co_set_group[:, 5:9])


def test_a_saved_file_holds_the_same_counts(tmp_path: Path) -> None:
    counts = count()
    counts.save(tmp_path / "counts.zip")
    loaded = askew.Counts.load(tmp_path / "counts.zip")
    assert loaded == counts
    assert [path.name for path in tmp_path.iterdir()] == ["counts.zip"]


def test_a_loaded_part_can_be_added(tmp_path: Path) -> None:
    half = askew.Annotations(ATTRIBUTES[:500], LABELS[:500], like=TRUTH)
    rest = askew.Annotations(ATTRIBUTES[500:], LABELS[500:], like=TRUTH)
    askew.count(half, SETS, n_resamples=5, rng=3).save(tmp_path / "half")
    whole = askew.Counts.load(tmp_path / "half") + askew.count(rest, SETS, n_resamples=5, rng=3, first_row=500)
    assert whole == askew.count(TRUTH, SETS, n_resamples=5, rng=3)


# --- seeds ------------------------------------------------------------------------------------------------------


def test_every_bit_of_a_seed_matters() -> None:
    seen = {tuple(count(rng=seed).n.tolist()) for seed in SEEDS}
    assert len(seen) == len(SEEDS)
    for seed in SEEDS:
        w = weights("poisson", seed, 1, np.arange(TRUTH.n, dtype=np.uint64), range(70)).astype(np.int64)
        assert count(rng=seed).n[1:].tolist() == w.sum(axis=0).tolist()
        assert count(rng=seed) == count(rng=seed, backend="numpy") == count(rng=np.uint64(seed))


def test_train_and_test_have_streams_of_their_own() -> None:
    train, test = count(table="train"), count(table="test")
    assert np.array_equal(train.truth.co_set_group[0], test.truth.co_set_group[0])
    assert not np.array_equal(train.n, test.n)
    assert abs(np.corrcoef(train.n[1:], test.n[1:])[0, 1]) < 5 / math.sqrt(70)
    assert not np.array_equal(count(weights="poisson").n, count(weights="poisson32").n)


def test_predictions_and_truth_share_one_resample() -> None:
    counts = askew.count(TRUTH, SETS, pred=TRUTH, n_resamples=40, rng=1)
    assert np.array_equal(counts.truth.co_set_group, counts.prediction.co_set_group)
    assert np.array_equal(counts.truth.co_group, counts.prediction.co_group)


@pytest.mark.filterwarnings("ignore:.*replicates lie:askew.AskewWarning")  # or not: as the seed will have it
def test_a_fresh_seed_is_recorded() -> None:
    first, second = count(rng=None), count(rng=None)
    assert first.resampling.seed != second.resampling.seed
    assert count(rng=first.resampling.seed) == first
    estimates = [askew.mals(TRUTH, TRUTH, PRED, n_resamples=100) for _ in range(2)]
    assert estimates[0].run.seed != estimates[1].run.seed
    again = askew.mals(TRUTH, TRUTH, PRED, n_resamples=100, rng=estimates[0].run.seed)
    assert np.array_equal(again.bootstrap_distribution, estimates[0].bootstrap_distribution)
    assert again.run == estimates[0].run


@pytest.mark.parametrize("source", [np.random.default_rng, np.random.SeedSequence])
def test_generators_and_seed_sequences(source: Any) -> None:
    assert count(rng=source(5)) == count(rng=source(5)) != count(rng=source(6))
    recorded = count(rng=source(5)).resampling.seed
    assert count(rng=recorded) == count(rng=source(5))


def test_a_generator_moves_on() -> None:
    rng = np.random.default_rng(0)
    assert count(rng=rng) != count(rng=rng)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int64])
def test_whole_numbers_of_numpy(kind: Any) -> None:
    """Those of small types must not overflow in what is computed from them."""
    options = {"n_resamples": 120, "min_count": 2, "max_size": 2, "n_threads": 2, "rng": 7}
    first = askew.audit(TRUTH, TRUTH, PRED, **options)
    again = askew.audit(TRUTH, TRUTH, PRED, **{name: kind(value) for name, value in options.items()})
    assert again.to_json() == first.to_json()
    assert count(n_resamples=kind(120), rng=kind(7), first_row=kind(9)) == count(n_resamples=120, rng=7, first_row=9)


# --- metrics ----------------------------------------------------------------------------------------------------

MANY = 700


def many_sets() -> tuple[askew.Annotations, askew.Annotations, askew.AttributeSets]:
    """Tables of few rows and many sets."""
    rng = np.random.default_rng(9)
    truth = askew.Annotations(rng.random((150, 14)) < 0.5, rng.choice(["x", "y"], 150))
    pred = askew.Annotations(rng.random((150, 14)) < 0.5, rng.choice(["x", "y"], 150), like=truth)
    return truth, pred, askew.AttributeSets.subsets(truth, max_size=4, min_count=5)[:MANY]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(sets, replicates) of every count that a call makes."""
    made: list[tuple[int, int]] = []
    plain = Pass.count

    def spy(self: Pass, sets: askew.AttributeSets, replicates: range, *args: Any, **options: Any) -> Any:
        made.append((len(sets), len(replicates)))
        return plain(self, sets, replicates, *args, **options)

    monkeypatch.setattr(Pass, "count", spy)
    return made


def assert_same(first: askew.Estimate, second: askew.Estimate, *, rtol: float = 0) -> None:
    """Equal numbers; sums over cells may be in another order where `rtol` is not 0."""
    assert first.run == second.run
    assert (first.n_sets, first.n_undefined) == (second.n_sets, second.n_undefined)
    for name in ("value", "variance", "bootstrap_distribution", "variance_distribution", "noise_floor"):
        one, other = getattr(first, name), getattr(second, name)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=0, err_msg=name)
    for name in ("baseline", "predicted", "delta", "low", "high"):
        one, other = getattr(first.cell_values, name), getattr(second.cell_values, name)
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_an_audit_in_less_memory(passes: list[tuple[int, int]]) -> None:
    truth, pred, sets = many_sets()
    options = {"sets": sets, "n_resamples": 1000, "rng": 1}
    whole = askew.audit(truth, truth, pred, **options)
    tiles = passes.copy()
    passes.clear()
    tiled = askew.audit(truth, truth, pred, **options, max_memory=2**28)
    assert len(passes) > len(tiles)
    assert sum(n_sets for n_sets, _ in passes) == sum(n_sets for n_sets, _ in tiles) == 14 + MANY
    for name, estimate in whole.items():
        assert_same(estimate, tiled[name], rtol=1e-12)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
@pytest.mark.parametrize("tile", [1, 5, 6, 7, 40])
def test_an_audit_in_tiles(tile: int, passes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles' borders fall within universes, between them, and beyond them."""
    options = {"max_size": 2, "n_resamples": 20, "rng": 1, "convention": "reference"}
    whole = askew.audit(TRUTH, TRUTH, PRED, **options)
    ((n_sets, _),) = passes
    monkeypatch.setattr(Pass, "_tile", lambda self, n_rows: tile)
    tiled = askew.audit(TRUTH, TRUTH, PRED, **options)
    assert len(passes) == 1 + -(-n_sets // tile)
    for name, estimate in whole.items():
        assert_same(estimate, tiled[name], rtol=1e-12)
    scores = askew.bias_scores(TRUTH, n_resamples=20, rng=1)
    monkeypatch.undo()
    for name, column in askew.bias_scores(TRUTH, n_resamples=20, rng=1).items():
        np.testing.assert_array_equal(scores[name], column)


def surplus(counts: Any) -> npt.NDArray[np.float64]:
    """A statistic of both tables, with an array per replicate."""
    return counts.test.prediction.co_set_group / counts.train.n[:, None, None]


@pytest.mark.parametrize("resample", ["train", "test", ("train", "test")], ids=str)
def test_a_statistic_in_less_memory(resample: Any, passes: list[tuple[int, int]]) -> None:
    truth, pred, sets = many_sets()
    options = {"sets": sets, "n_resamples": 1000, "rng": 1, "resample": resample}
    whole = askew.bootstrap(surplus, truth, truth, pred, **options)
    large = passes.copy()
    passes.clear()
    blocks = askew.bootstrap(surplus, truth, truth, pred, **options, max_memory=2**28)
    assert len(passes) > len(large)
    assert sum(n_replicates for _, n_replicates in passes) == sum(n_replicates for _, n_replicates in large) == 1000
    assert blocks.run == whole.run
    assert np.array_equal(blocks.value, whole.value)
    assert np.array_equal(blocks.bootstrap_distribution, whole.bootstrap_distribution)


@pytest.mark.parametrize("size", [1, 7, 8, 64])
def test_a_statistic_in_blocks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks need not begin where the generator's do."""
    whole = askew.bootstrap(surplus, TRUTH, TRUTH, PRED, n_resamples=30, rng=4)
    monkeypatch.setattr(Pass, "_block", lambda self, n_sets: size)
    blocks = askew.bootstrap(surplus, TRUTH, TRUTH, PRED, n_resamples=30, rng=4)
    assert np.array_equal(blocks.bootstrap_distribution, whole.bootstrap_distribution)


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
@pytest.mark.parametrize("convention", ["paper", "reference"])
def test_an_audit_for_threads_and_backends(convention: str) -> None:
    options = {"n_resamples": 20, "rng": 1, "convention": convention, "max_size": 3}
    reference = askew.audit(TRUTH, TRUTH, PRED, **options, backend="numpy", n_threads=1)
    for backend in BACKENDS:
        first = askew.audit(TRUTH, TRUTH, PRED, **options, backend=backend, n_threads=1)
        again = askew.audit(TRUTH, TRUTH, PRED, **options, backend=backend, n_threads=2)
        for name, estimate in first.items():
            assert np.array_equal(estimate.bootstrap_distribution, again[name].bootstrap_distribution, equal_nan=True)
            assert estimate.value == again[name].value
            for field in ("value", "bootstrap_distribution", "variance", "noise_floor"):  # the same to rounding
                np.testing.assert_allclose(
                    getattr(estimate, field), getattr(reference[name], field), rtol=1e-12, atol=1e-15
                )


def test_universes_for_backends() -> None:
    for make in (askew.AttributeSets.subsets, askew.AttributeSets.observed):
        first = make(TRUTH, PRED, min_count=3, backend="numpy")
        for backend in BACKENDS:
            for n_threads in (1, 2):
                assert make(TRUTH, PRED, min_count=3, backend=backend, n_threads=n_threads) == first


@needs_native
@pytest.mark.usefixtures("simd_level")
def test_universes_for_simd_levels() -> None:
    for make in (askew.AttributeSets.subsets, askew.AttributeSets.observed):
        first = make(TRUTH, PRED, min_count=3, backend="numpy")
        for level in _core.simd_levels():
            _core.force_simd(level)
            for n_threads in (1, 2):
                assert make(TRUTH, PRED, min_count=3, backend="native", n_threads=n_threads) == first


def test_environment_variables_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    first = count()
    monkeypatch.setenv("ASKEW_BACKEND", "numpy")
    monkeypatch.setenv("ASKEW_NUM_THREADS", "1")
    assert choose().name == "numpy"
    assert count() == first


@pytest.mark.skipif(_core is not None, reason="the extension was compiled")
def test_a_named_backend_never_falls_back() -> None:
    with pytest.raises(BackendError, match="native"):
        count(backend="native")


@pytest.mark.skipif(HAS_NUMBA, reason="Numba is installed")
def test_without_numba_its_backend_does_not_run() -> None:
    with pytest.raises(BackendError, match=r"pip install askew\[numba\]"):
        count(backend="numba")
