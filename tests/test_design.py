"""Multinomial weights, strata and clusters in the public calls: what is drawn, what comes out, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import askew
import oracle
from askew import Annotations, AskewWarning, InputError
from askew.engine import Units
from askew.engine.multinomial import multinomial_weights
from askew.engine.weights import weights

N = 400
RNG = np.random.default_rng(0)
GROUPS = np.where(RNG.random(N) < 0.4, "x", "y")
TRAIN = Annotations(RNG.random((N, 3)) < 0.4, GROUPS, attribute_names=["cup", "hat", "tea"])
TEST = Annotations(RNG.random((N, 3)) < 0.4, GROUPS[::-1], like=TRAIN)
PRED = Annotations(RNG.random((N, 3)) < 0.4, GROUPS[::-1], like=TRAIN)
STRATA = RNG.permutation(np.repeat(["c", "a", "b"], [200, 150, 50]))
CLUSTERS = RNG.integers(0, 40, N) * 7 - 100


def numbered(labels: Any) -> np.ndarray:
    """Labels as numbers in order of first appearance, one by one."""
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels])


def strata_of(labels: np.ndarray) -> Units:
    numbers = numbered(labels)
    members = np.concatenate([np.flatnonzero(numbers == h) for h in range(numbers.max() + 1)])
    return Units(None, members.astype(np.uint32), np.append(0, np.cumsum(np.bincount(numbers))))


def count(table: Annotations = TRAIN, **options: Any) -> askew.Counts:
    return askew.count(table, ["cup", ["cup", "tea"]], **{"n_resamples": 30, "rng": 5, **options})


def counts_under(weight: np.ndarray, table: Annotations = TRAIN) -> np.ndarray:
    """Of the two sets of `count` in each group, by brute force: shape (R, 2, 2)."""
    attributes, groups = table.to_numpy()
    members = [attributes[:, 0], attributes[:, 0] & attributes[:, 2]]
    return np.array([[[w[m & g].sum() for g in groups.T] for m in members] for w in weight.T])


def test_multinomial_counts_by_brute_force() -> None:
    drawn = multinomial_weights(5, 0, Units(None, None, np.array([0, N])), range(30))
    counts = count(weights="multinomial")
    assert np.array_equal(counts.truth.co_set_group[1:], counts_under(drawn))
    assert (counts.n == N).all()


def test_counts_within_strata_by_brute_force() -> None:
    counts = count(weights="multinomial", strata=STRATA)
    drawn = multinomial_weights(5, 0, strata_of(STRATA), range(30))
    assert np.array_equal(counts.truth.co_set_group[1:], counts_under(drawn))
    assert (counts.resampling.n_strata, counts.resampling.n_clusters) == (3, None)


def test_strata_that_are_the_groups() -> None:
    counts = count(weights="multinomial", strata="groups")
    assert np.array_equal(counts.truth.co_group, np.tile(counts.truth.co_group[0], (31, 1)))
    assert counts == count(weights="multinomial", strata=GROUPS)
    overlapping = Annotations(np.ones((6, 1)), np.array([[1, 1], [0, 0], [1, 0], [1, 1], [0, 0], [1, 0]]))
    drawn = askew.count(overlapping, ["0"], n_resamples=20, rng=1, weights="multinomial", strata="groups")
    assert drawn == askew.count(overlapping, ["0"], n_resamples=20, rng=1, weights="multinomial", strata=[3, 1, 2] * 2)
    assert (drawn.truth.co_group == [4, 2]).all()


@pytest.mark.parametrize("kind", ["poisson", "poisson32"])
def test_counts_in_clusters_by_brute_force(kind: str) -> None:
    drawn = weights(kind, 5, 0, numbered(CLUSTERS).astype(np.uint64), range(30)).astype(int)
    counts = count(weights=kind, clusters=CLUSTERS)
    assert np.array_equal(counts.truth.co_set_group[1:], counts_under(drawn))
    assert counts.resampling.n_clusters == len(set(CLUSTERS.tolist()))


def test_multinomial_clusters_in_strata_by_brute_force() -> None:
    strata = np.where(CLUSTERS % 3 == 0, "odd", "even")
    clusters = numbered(CLUSTERS)
    first_rows = [int(np.argmax(clusters == c)) for c in range(clusters.max() + 1)]
    # strata are numbered by the first of their clusters
    drawn = multinomial_weights(5, 0, strata_of(strata[first_rows]), range(30))
    counts = count(weights="multinomial", strata=strata, clusters=CLUSTERS)
    assert np.array_equal(counts.truth.co_set_group[1:], counts_under(drawn[clusters]))


def test_labels_of_any_kind_and_name() -> None:
    pandas, pyarrow, polars = (pytest.importorskip(name) for name in ("pandas", "pyarrow", "polars"))
    expected = count(weights="multinomial", strata=STRATA)
    names = {"a": 7, "b": -2, "c": 0}
    for labels in (
        STRATA.tolist(),
        pandas.Series(STRATA, dtype="category"),
        pyarrow.array(STRATA.tolist()),
        polars.Series(STRATA.tolist()),
        [names[label] for label in STRATA],
        np.array([names[label] for label in STRATA], np.int8),
        [float(names[label]) for label in STRATA],
    ):
        assert count(weights="multinomial", strata=labels) == expected


@pytest.mark.filterwarnings("ignore:.*(outside its percentile interval|replicates lie):askew.AskewWarning")
@pytest.mark.parametrize("options", [{}, {"strata": "groups"}, {"clusters": {"train": CLUSTERS}}])
def test_an_audit_by_brute_force(options: dict[str, Any]) -> None:
    """Every metric in some replicates, from weights stated in NumPy."""
    result = askew.audit(TRAIN, TEST, PRED, n_resamples=200, rng=9, weights="multinomial", max_size=2, **options)
    drawn = []
    for number, (table, groups) in enumerate([("train", GROUPS), ("test", GROUPS[::-1])]):
        units, of_row = Units(None, None, np.array([0, N])), np.arange(N)
        if options.get("strata") == "groups":
            units = strata_of(groups)
        if table in options.get("clusters", {}):
            of_row = numbered(CLUSTERS)
            units = Units(None, None, np.array([0, of_row.max() + 1]))
        drawn.append(multinomial_weights(9, number, units, range(200))[of_row])
    tables = [oracle.Table.of(table) for table in (TRAIN, TEST, PRED)]
    sets = oracle.subsets(*tables[:2], max_size=2)
    for r in (0, 7, 199):
        counts = oracle.count_all(*tables, sets, drawn[0][:, r], drawn[1][:, r])
        assert result["Multi_MALS"].bootstrap_distribution[r] == pytest.approx(
            oracle.mals(counts, oracle.PAPER, signed=False).value
        )
        there = oracle.directional(counts, oracle.GROUP_TO_ATTRIBUTE, oracle.PAPER, signed=False, single=False)
        assert result["Multi_G->M"].bootstrap_distribution[r] == pytest.approx(there.value)


def share(counts: Any) -> np.ndarray:
    return counts.train.truth.co_set[:, 0] / counts.train.n


def standard_error(x: np.ndarray, n_resamples: int = 3000, **options: Any) -> float:
    """Of the share of ones."""
    table = Annotations(x[:, None], np.where(np.arange(len(x)) % 2, "x", "y"))
    return askew.bootstrap(share, table, n_resamples=n_resamples, rng=1, **options).standard_error


#: A standard deviation of 3,000 replicates that are nearly normal has a relative error of 1 / √6000 = 1.3 %.
FIVE_SIGMA = 5 / np.sqrt(2 * 3000)


def test_standard_error_is_that_of_scipy() -> None:
    x = (np.random.default_rng(3).random(300) < 0.3).astype(np.uint8)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=3000, rng=np.random.default_rng(0), method="percentile")
    ours = standard_error(x, weights="multinomial")
    assert ours == pytest.approx(theirs.standard_error, rel=FIVE_SIGMA * np.sqrt(2))
    assert ours == pytest.approx(np.sqrt(x.mean() * (1 - x.mean()) / 300), rel=FIVE_SIGMA)


def test_standard_error_within_strata() -> None:
    """That of the stratified mean: √(Σ n_h p_h (1 − p_h)) / n."""
    rng = np.random.default_rng(4)
    strata = np.repeat([0, 1, 2], [100, 250, 50])
    x = (rng.random(400) < np.array([0.05, 0.5, 0.95])[strata]).astype(np.uint8)
    expected = np.sqrt(sum(part.size * part.mean() * (1 - part.mean()) for part in (x[strata == h] for h in range(3))))
    ours = standard_error(x, weights="multinomial", strata=strata)
    assert ours == pytest.approx(expected / 400, rel=FIVE_SIGMA)
    assert ours < 0.85 * standard_error(x, weights="multinomial")


@pytest.mark.parametrize("kind", ["poisson", "multinomial"])
def test_standard_error_in_clusters_has_the_design_effect(kind: str) -> None:
    """Clusters of m equal instances: deff = 1 + (m − 1) ρ with ρ = 1 (Kish, Survey Sampling, 1965, 5.4)."""
    m, n_clusters = 8, 200
    of_cluster = (np.random.default_rng(5).random(n_clusters) < 0.4).astype(np.uint8)
    order = np.random.default_rng(6).permutation(m * n_clusters)
    x, clusters = np.repeat(of_cluster, m)[order], np.repeat(np.arange(n_clusters), m)[order]
    simple = np.sqrt(x.mean() * (1 - x.mean()) / x.size)
    ours = standard_error(x, weights=kind, clusters=clusters)
    # with Poisson weights the share is a ratio of sums, whose variance is larger by a part of about 1 / n_clusters
    assert ours == pytest.approx(simple * np.sqrt(m), rel=FIVE_SIGMA + 1 / n_clusters)
    assert standard_error(x, weights=kind) == pytest.approx(simple, rel=FIVE_SIGMA + 1 / n_clusters)


@pytest.mark.filterwarnings("ignore:.*(outside its percentile interval|replicates lie):askew.AskewWarning")
def test_results_say_what_was_drawn() -> None:
    options = {"n_resamples": 200, "rng": 1, "weights": "multinomial"}
    result = askew.audit(TRAIN, TEST, PRED, **options, strata="groups", clusters=None)
    assert "within strata (2 of train, 2 of test)" in repr(result)
    clustered = askew.mals(TRAIN, TEST, PRED, **options, clusters={"test": CLUSTERS}, resample="test")
    n_clusters = len(set(CLUSTERS.tolist()))
    assert f"in clusters ({n_clusters} of test)" in repr(clustered)
    assert json.loads(clustered.to_json())["run"]["n_clusters"] == {"test": n_clusters}
    assert "drawn in" not in repr(askew.audit(TRAIN, TEST, PRED, **options))


def test_one_array_is_enough_where_one_table_varies() -> None:
    options = {"n_resamples": 200, "rng": 1, "weights": "multinomial", "resample": "test"}
    one, mapped = (
        askew.mals(TRAIN, TEST, PRED, strata=strata, **options).bootstrap_distribution
        for strata in (STRATA, {"test": STRATA})
    )
    assert np.array_equal(one, mapped)
    scores = askew.bias_scores(TRAIN, n_resamples=200, rng=1, weights="multinomial", clusters=CLUSTERS)
    assert scores.n_rows == 6


def test_a_replicate_without_a_group_is_undefined() -> None:
    table = Annotations([[1]] * 6, ["x"] * 5 + ["y"])

    def share_of_y(counts: Any) -> np.ndarray:
        view = counts.train.truth
        with np.errstate(invalid="ignore"):
            return view.co_set_group[:, 0, 1] / view.co_group[:, 1]

    estimate = askew.bootstrap(share_of_y, table, n_resamples=200, rng=1, weights="multinomial")
    without = (multinomial_weights(1, 0, Units(None, None, np.array([0, 6])), range(200))[5] == 0).sum()
    assert estimate.n_undefined_replicates == without > 0


@pytest.mark.parametrize("options", [{"weights": "multinomial"}, {"clusters": CLUSTERS}])
def test_parts_of_a_table_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"whole table at once: first_row must be 0"):
        count(**options, first_row=512)
    counts = count(**options)
    with pytest.raises(InputError, match="drawn for a whole table"):
        counts + counts


def test_counts_are_saved_and_loaded(tmp_path: Path) -> None:
    counts = count(weights="multinomial", strata=np.where(CLUSTERS < 30, "low", "high"), clusters=CLUSTERS)
    counts.save(tmp_path / "a.counts")
    loaded = askew.Counts.load(tmp_path / "a.counts")
    assert loaded == counts
    assert loaded.resampling.n_strata == 2
    assert loaded != count(weights="multinomial", strata=np.where(CLUSTERS < 30, "low", "high"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strata": STRATA[1:]}, "strata of train: 399 labels for 400 instances"),
        ({"clusters": np.append(CLUSTERS, 3)}, "clusters of train: 401 labels for 400 instances"),
        ({"strata": [*STRATA[:9], None, *STRATA[10:]]}, "strata of train: row 9 has no label"),
        ({"clusters": np.where(CLUSTERS[3] == CLUSTERS, np.nan, CLUSTERS)}, "clusters of train: row 3 has no label"),
        ({"clusters": CLUSTERS + 0.5}, r"clusters of train: row \d+ has the label .*\.5; expected text"),
        ({"clusters": np.zeros((N, 2))}, "one-dimensional"),
        ({"clusters": "person"}, "must be one label per instance, not 'person'"),
        ({"clusters": "groups"}, "must be one label per instance, not 'groups'"),
        ({"clusters": np.zeros(N, int)}, "train has a single cluster"),
        ({"clusters": CLUSTERS, "strata": np.where(CLUSTERS[0] == CLUSTERS, 1, 2)}, "stratum 0 .* single cluster"),
        ({"clusters": CLUSTERS, "strata": np.arange(N) % 2}, r"rows \d+ and \d+ are in two strata, but in one cluster"),
        ({"clusters": CLUSTERS, "weights": "poisson-patterns"}, "distinct rows, not clusters"),
        ({"weights": "binomial"}, "'multinomial'"),
    ],
)
@pytest.mark.parametrize("n_resamples", [0, 10])
def test_bad_labels(options: dict[str, Any], message: str, n_resamples: int) -> None:
    with pytest.raises(InputError, match=message):
        count(**{"weights": "multinomial", "n_resamples": n_resamples, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strata": STRATA}, 'strata must say which table they are of: strata={"train": …, "test": …}'),
        ({"clusters": CLUSTERS}, "clusters must say which table"),
        ({"clusters": {"pred": CLUSTERS}}, "clusters are given for 'pred'; the tables that are resampled: train, test"),
        (
            {"clusters": {"train": CLUSTERS}, "resample": "test"},
            "given for 'train'; the tables that are resampled: test",
        ),
        ({"strata": "gender"}, "strata must be one label per instance, not 'gender'"),
        ({"strata": {"test": STRATA[:7]}}, "strata of test: 7 labels for 400 instances"),
    ],
)
def test_labels_of_the_wrong_table(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        askew.mals(TRAIN, TEST, PRED, n_resamples=10, rng=0, weights="multinomial", **options)


def test_strata_of_one_instance_add_no_variance() -> None:
    strata = ["alone", *["crowd"] * (N - 1)]
    with pytest.warns(AskewWarning, match="1 have a single instance"):
        counts = count(weights="multinomial", strata=strata)
    assert (counts.n == N).all()


@pytest.mark.parametrize("kind", ["poisson", "poisson32", "poisson-patterns"])
def test_strata_change_nothing_of_poisson_weights(kind: str) -> None:
    with pytest.warns(AskewWarning, match="strata of train change nothing"):
        counts = count(weights=kind, strata=STRATA)
    assert counts == count(weights=kind)


def test_a_table_of_one_instance() -> None:
    table = Annotations([[1, 1, 1]], ["x"], attribute_names=["cup", "hat", "tea"])
    assert (count(table, weights="multinomial").n == 1).all()
