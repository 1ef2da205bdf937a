"""Counts: the four views against NumPy, merging, and files."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import askew
from askew import Annotations, AttributeSets, Counts, InputError, count
from askew.engine import Engine
from askew.engine.weights import weights

RNG = np.random.default_rng(5)
GROUPINGS = {
    "partition": np.eye(3, dtype=bool)[RNG.integers(0, 3, 700)],
    "some in no group": np.eye(4, dtype=bool)[RNG.integers(0, 4, 700)][:, :3],
    "overlapping": RNG.random((700, 3)) < 0.4,
    "one empty group": np.eye(3, dtype=bool)[RNG.integers(0, 2, 700)],
}


def tables(grouping: str) -> tuple[Annotations, Annotations]:
    rng = np.random.default_rng(1)
    truth = Annotations(rng.random((700, 5)) < 0.4, GROUPINGS[grouping])
    pred = Annotations(rng.random((700, 5)) < 0.3, GROUPINGS[grouping][rng.permutation(700)], like=truth)
    return truth, pred


def brute_force(
    attributes: np.ndarray, groups: np.ndarray, sets: AttributeSets, row_weights: np.ndarray
) -> list[np.ndarray]:
    """co(m, g), co(m), co(g), n for one replicate."""
    contains = np.stack([attributes[:, [int(name) for name in names]].all(axis=1) for names in sets], axis=1)
    return [
        np.einsum("i,im,ig->mg", row_weights, contains, groups),
        row_weights @ contains,
        row_weights @ groups,
        row_weights.sum(),
    ]


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("support", ["any", "every"])
def test_a_universe_is_counted_as_its_sets_are(engine: Engine, grouping: str, support: str) -> None:
    truth, pred = tables(grouping)
    limits = {"max_size": 3, "min_count": 6, "support": support}
    if grouping == "one empty group" and support == "every":
        with pytest.raises(InputError, match="no attribute set reaches"):
            count(truth, "subsets", **limits, backend=engine.name)
        return
    sets = AttributeSets.subsets(truth, **limits)
    for options in [{}, {"first_row": 3, "table": "test"}, {"n_resamples": 2, "rng": 3}, {"pred": pred}]:
        counted = count(truth, "subsets", **limits, **options, backend=engine.name)
        assert counted == count(truth, sets, **options, backend=engine.name)
    counted = count(truth, "subsets", **limits, backend=engine.name)
    assert counted + count(truth, sets, first_row=700) == count(truth, sets, first_row=700) + counted
    for kind, listed in [("singletons", AttributeSets.singletons(truth)), ("observed", AttributeSets.observed(truth))]:
        assert count(truth, kind, backend=engine.name) == count(truth, listed, backend=engine.name)


def test_a_universe_keeps_to_its_limits() -> None:
    truth, _ = tables("partition")
    with pytest.raises(InputError, match="more than 5 attribute sets"):
        count(truth, "subsets", max_sets=5)
    with pytest.raises(InputError, match="min_count must be"):
        count(truth, "subsets", min_count=0)
    with pytest.raises(InputError, match="sets must be"):
        count(truth, "tuples")
    wide = Annotations(np.ones((2, 19), np.uint8), ["a", "b"])
    with pytest.raises(InputError, match=r"524,287 sets, 2 groups .*more than max_memory"):
        count(wide, "subsets", max_memory=2**28)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("weighting", ["poisson", "poisson32"])
def test_views_equal_brute_force(engine: Engine, grouping: str, weighting: str) -> None:
    truth, pred = tables(grouping)
    sets = AttributeSets.subsets(truth, pred, max_size=3)
    counts = count(truth, sets, pred=pred, n_resamples=9, weights=weighting, rng=77, backend=engine.name)
    (a, g), (a_hat, g_hat) = (table.to_numpy() for table in (truth, pred))
    drawn = weights(weighting, 77, 1, np.arange(700, dtype=np.uint64), range(9)).astype(np.int64)
    all_weights = np.concatenate([np.ones((700, 1), np.int64), drawn], axis=1)
    assert len(counts) == 10
    for r in range(10):
        for view, attributes, groups in [
            (counts.truth, a, g),
            (counts.prediction, a_hat, g_hat),
            (counts.predicted_attributes, a_hat, g),
            (counts.predicted_groups, a, g_hat),
        ]:
            for counted, expected in zip(view, brute_force(attributes, groups, sets, all_weights[:, r]), strict=True):
                assert np.array_equal(counted[r], expected)
                assert counted.dtype == np.int64
        annotated = a.any(axis=1) | g.any(axis=1)
        assert counts.n_annotated[r] == all_weights[annotated, r].sum()


def test_counts_of_one_table_have_no_predictions() -> None:
    truth, _ = tables("partition")
    counts = count(truth, ["0", ["1", "2"]])
    assert not counts.has_predictions
    assert repr(counts) == "Counts(700 instances, 2 sets, 3 groups, 0 replicates)"
    with pytest.raises(InputError, match="made without predictions"):
        _ = counts.prediction


def test_parts_add_up_to_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    attributes, groups = rng.random((1000, 4)) < 0.5, np.array(["x", "y"])[rng.integers(0, 2, 1000)]
    whole = Annotations(attributes, groups)
    sets = AttributeSets.subsets(whole)
    expected = count(whole, sets, n_resamples=50, rng=11)
    parts = [
        count(Annotations(attributes[b:e], groups[b:e], like=whole), sets, n_resamples=50, rng=11, first_row=b)
        for b, e in [(600, 1000), (0, 1), (1, 600)]
    ]
    assert parts[0] + parts[1] + parts[2] == expected
    assert (parts[0] + (parts[1] + parts[2])).rows == ((0, 1000),)
    assert (parts[0] + parts[1]).rows == ((0, 1), (600, 1000))
    with pytest.raises(InputError, match=r"both contain rows 600 to 999"):
        _ = expected + parts[0]
    with pytest.raises(InputError, match="first_row"):
        _ = parts[1] + parts[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rng": 12}, "resampling"),
        ({"n_resamples": 4}, "resampling"),
        ({"table": "test"}, "resampling"),
        ({"weights": "poisson32"}, "resampling"),
        ({"sets": ["1"]}, "attribute sets"),
        ({"pred": True}, "kinds of counts|resampling"),
    ],
)
def test_unlike_counts_do_not_add(change: dict[str, object], message: str) -> None:
    truth, pred = tables("partition")
    given = {"sets": ["0"], "n_resamples": 5, "rng": 11, **change}
    if "pred" in given:
        given["pred"] = pred
    a, b = count(truth, ["0"], n_resamples=5, rng=11), count(truth, first_row=700, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"cannot be added: their ({message}) differ"):
        _ = a + b


def test_saved_and_loaded(tmp_path: Path) -> None:
    truth, pred = tables("some in no group")
    counts = count(truth, AttributeSets.subsets(truth), pred=pred, n_resamples=20, rng=1, first_row=5)
    counts.save(tmp_path / "a.counts")
    loaded = Counts.load(tmp_path / "a.counts")
    assert loaded == counts
    assert loaded.resampling == counts.resampling
    assert [file.name for file in tmp_path.iterdir()] == ["a.counts"]


def test_saving_to_nowhere_leaves_nothing(tmp_path: Path) -> None:
    counts = count(tables("partition")[0], ["0"])
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(OSError, match="No such file"):
        counts.save(tmp_path / "nowhere" / "a.counts")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        counts.save(tmp_path / "folder")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "kept"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.counts"
    count(tables("partition")[0], ["0"], n_resamples=30, rng=0).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a\.counts is not a whole file of counts"):
        Counts.load(path)


def test_a_file_of_another_kind_or_version(tmp_path: Path) -> None:
    import json
    import zipfile

    with pytest.raises(InputError, match="no file"):
        Counts.load(tmp_path / "missing")
    for header, message in [
        ({"format": "other"}, "not a file of counts"),
        ({"format": "askew counts", "version": 99}, "newer askew"),
    ]:
        with zipfile.ZipFile(tmp_path / "b", "w") as archive:
            archive.writestr("header.json", json.dumps(header))
        with pytest.raises(InputError, match=message):
            Counts.load(tmp_path / "b")


def test_memory_is_refused_before_it_is_taken() -> None:
    truth, _ = tables("partition")
    with pytest.raises(InputError, match=r"more than max_memory \(1,024 MiB\)"):
        count(truth, ["0"], n_resamples=2**31 - 1)
    with pytest.raises(InputError, match="at least 268,435,456"):
        count(truth, ["0"], max_memory=1000)


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_two_threads_at_once_and_the_gil_is_free(backend: str) -> None:
    """Two calls in threads give what one call gives, and Python runs on meanwhile."""
    pytest.importorskip("askew._core" if backend == "native" else "numba")
    truth = askew.datasets.make_annotations(200_000, rng=0).train
    sets = AttributeSets.subsets(truth, max_size=2, min_count=100)
    expected = count(truth, sets, n_resamples=200, rng=3, backend=backend)
    results: list[Counts] = []

    def work() -> None:
        results.append(count(truth, sets, n_resamples=200, rng=3, backend=backend))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    ticks = 0
    while any(worker.is_alive() for worker in workers):
        time.sleep(0.001)
        ticks += 1
    assert ticks > 3
    assert results == [expected, expected]


def test_a_group_that_everybody_is_in() -> None:
    """Its counts are those of the sets alone, whether or not there is another group beside it."""
    rng = np.random.default_rng(3)
    values = (rng.random((700, 4)) < 0.4).astype(np.uint8)
    some = (rng.random(700) < 0.3).astype(np.uint8)
    sets = [["0"], ["1", "3"]]
    contains = np.stack([values[:, 0], values[:, 1] & values[:, 3]], axis=1).astype(np.int64)
    for groups in (np.ones((700, 1), np.uint8), np.stack([np.ones(700, np.uint8), some], axis=1)):
        table = Annotations(values, groups)
        counts = askew.count(table, sets, pred=Annotations(1 - values, groups, like=table), n_resamples=3, rng=0)
        assert np.array_equal(counts.truth.co_set_group[0], contains.T @ groups)
        assert np.array_equal(counts.truth.co_set[0], contains.sum(axis=0))
        assert np.array_equal(counts.truth.co_set_group[:, :, 0], counts.truth.co_set)
        missing = np.stack([1 - values[:, 0], (1 - values[:, 1]) & (1 - values[:, 3])], axis=1).astype(np.int64)
        assert np.array_equal(counts.predicted_attributes.co_set_group[0], missing.T @ groups)
        assert np.array_equal(counts.predicted_groups.co_set_group[0], contains.T @ groups)
