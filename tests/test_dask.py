"""Scans on Dask clusters: the integers of one machine, whatever happens to the workers."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import askew
from askew import Annotations, AskewError, AskewWarning, InputError
from askew.checkpoints import Checkpoint
from askew.interop import sources

distributed = pytest.importorskip("distributed")
import askew.dask  # noqa: E402
from askew.dask import DaskExecutor, distribute, parts_of  # noqa: E402

pytestmark = [
    # of Dask's own doing, when clusters are closed or lost
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

HOW = {"n_resamples": 10, "rng": 1}


def new_cluster(**how):
    return distributed.LocalCluster(**{"threads_per_worker": 1, "dashboard_address": ":0", **how})


@pytest.fixture(scope="module")
def client():
    """Two workers, each a process of its own."""
    with new_cluster(n_workers=2) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(params=["processes", "1 thread", "3 threads"])
def any_client(request, monkeypatch):
    """Clusters of different kinds and sizes, with different parts of the rows."""
    if request.param == "processes":
        monkeypatch.setattr(askew.dask, "TASKS", 3)
        yield request.getfixturevalue("client")
        return
    monkeypatch.setattr(askew.dask, "TASK_ROWS", 700 if request.param == "3 threads" else 1 << 20)
    with (
        new_cluster(n_workers=int(request.param[0]), threads_per_worker=2, processes=False) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training table, and a test table with its predictions, in a few files each."""
    folder = tmp_path_factory.mktemp("tables")
    made = askew.datasets.make_annotations(5000, n_attributes=4, amplification=0.2, rng=1)
    for name, prefixes in {"train": ("",), "test": ("", "pred_")}.items():
        tables = made[:1] if name == "train" else made[1:3]
        columns = {}
        for prefix, table in zip(prefixes, tables, strict=True):
            attributes, groups = table.to_numpy()
            columns |= {prefix + attribute: attributes[:, c] for c, attribute in enumerate(table.attribute_names)}
            columns[f"{prefix}group"] = [table.group_names[row.argmax()] for row in groups]
        (folder / name).mkdir()
        for part in range(4):
            slices = pa.table(columns).slice(part * 1300, 1300)
            pq.write_table(slices, folder / name / f"{part}.parquet", row_group_size=300)
    return folder


@pytest.fixture
def scans(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Training table, test table and predictions, whose groups are declared to be those of the test table."""
    monkeypatch.setattr(sources, "PIECE_ROWS", 600)  # small pieces, so that there is something to share
    names = [name for name in pq.read_schema(folder / "train" / "0.parquet").names if name != "group"]
    train = Annotations.scan(folder / "train", attributes=names, groups="group")
    test = Annotations.scan(folder / "test", attributes=names, groups="group", like=train)
    pred = Annotations.scan(folder / "test", attributes=[f"pred_{name}" for name in names], groups=test, like=test)
    return train, test, pred


def sent(scans, client):
    return [distribute(scan, client) for scan in scans]


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")
def test_an_audit_is_that_of_one_machine(scans, any_client):
    how = {"n_resamples": 100, "rng": 3, "max_size": 2, "min_count": 20}
    mine = askew.dask.audit(*scans, client=any_client, **how)
    assert mine.to_dict(cells=True) == askew.audit(*scans, **how).to_dict(cells=True)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_counts_of_some_rows(scans, any_client, n_threads):
    _, test, pred = scans
    for rows in (None, (0, 5000), (299, 3333), (4999, 5000)):
        how = {**HOW, "rows": rows, "n_threads": n_threads}
        mine = askew.count(distribute(test, any_client), "singletons", pred=distribute(pred, any_client), **how)
        assert mine == askew.count(test, "singletons", pred=pred, **how)
        assert mine.predicts_groups is False


def test_universes(scans, any_client):
    mine, theirs = sent(scans[:2], any_client), scans[:2]
    for limits in ({"min_count": 200}, {"min_count": 300, "support": "every"}):
        assert askew.AttributeSets.subsets(*mine, **limits) == askew.AttributeSets.subsets(*theirs, **limits)
    assert askew.AttributeSets.observed(*mine, min_count=5) == askew.AttributeSets.observed(*theirs, min_count=5)


def test_other_calls(scans, client):
    train, test, pred = scans
    mine = sent(scans, client)
    assert str(askew.bias_scores(mine[0], **HOW)) == str(askew.bias_scores(train, **HOW))
    models = askew.dask.audit(train, test, [pred, test], client=client, sets="singletons")
    assert models.to_dict() == askew.audit(train, test, [pred, test], sets="singletons").to_dict()

    def shares(counts):
        return counts.test.predicted_attributes.co_set / counts.test.n[:, None]

    one, other = (askew.bootstrap(shares, test=t, pred=p, **HOW) for t, p in [mine[1:], (test, pred)])
    assert (one.bootstrap_distribution == other.bootstrap_distribution).all()


def test_the_current_client_is_taken(scans, client):
    assert askew.count(distribute(scans[0]), "singletons") == askew.count(scans[0], "singletons")


def test_rows_that_only_reading_can_count(scans, folder, client, tmp_path):
    train = scans[0]
    for part, file in enumerate(sorted((folder / "train").iterdir())):
        pyarrow.csv.write_csv(pq.read_table(file), tmp_path / f"{part}.csv")
    names = list(train.attribute_names)
    for data, filters in [(tmp_path, None), (folder / "train", [(names[0], "==", True)])]:
        scanned, again = (Annotations.scan(data, attributes=names, groups="group", filters=filters) for _ in range(2))
        mine = distribute(scanned, client)
        assert None not in [piece.n_rows for piece in mine.source.pieces()]
        assert askew.count(mine, "singletons", **HOW) == askew.count(again, "singletons", **HOW)


def test_progress_is_told_as_parts_are_done(scans, client):
    told: list[tuple[int, int]] = []
    askew.count(distribute(scans[0], client), "singletons", progress=lambda *now: told.append(now), **HOW)
    assert len(told) > 4
    assert told == sorted(told)
    assert told[-1] == (5000, 5000)


# ---- What goes wrong


def killed_once(client):
    """Progress that kills a worker when a few parts are done, and what these counted with it."""
    pids = list(client.run(os.getpid).values())

    def told(done, total):
        if done > total // 3 and pids:
            os.kill(pids[0], signal.SIGKILL)
            pids.clear()

    return told, pids


def test_a_worker_that_dies_changes_nothing(scans, client):
    _, test, pred = scans
    told, pids = killed_once(client)
    mine = askew.count(distribute(test, client), "singletons", pred=distribute(pred, client), progress=told, **HOW)
    assert not pids
    assert mine == askew.count(test, "singletons", pred=pred, **HOW)
    client.wait_for_workers(2)


def dies(ranges, told, save, *, n_threads):
    os._exit(1)


def test_work_that_kills_its_workers(scans, client, monkeypatch):
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    with pytest.raises(AskewError, match="worker after worker died"):
        DaskExecutor(client).reduce(dies, max, scans[:1], (), None, None)
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 3))
    client.wait_for_workers(2)


def test_a_scheduler_that_is_lost(scans, monkeypatch, tmp_path):
    train = scans[0]
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    whole = askew.count(train, "singletons", **HOW)
    with new_cluster(n_workers=1, processes=False) as cluster, distributed.Client(cluster) as client:

        def lose(done, total):
            if done > total // 2:
                cluster.close()

        how = {**HOW, "checkpoint": tmp_path}
        with pytest.raises(AskewError, match="the Dask scheduler was lost"):
            askew.count(distribute(train, client), "singletons", progress=lose, **how)
    told: list[tuple[int, int]] = []
    with new_cluster(n_workers=2, processes=False) as cluster, distributed.Client(cluster) as client:
        mine = distribute(train, client)
        assert askew.count(mine, "singletons", progress=lambda *now: told.append(now), **how) == whole
        assert told[0][0] > 1500  # what was done then is not done again
        assert askew.count(mine, "singletons", **how) == whole
    assert askew.count(train, "singletons", **how) == whole


def test_what_is_wrong_with_a_file_is_told_as_it_is(scans, client, tmp_path):
    good = pa.table({"tea": [0, 1], "group": ["x", "y"]})
    for part in range(4):
        pq.write_table(good, tmp_path / f"{part}.parquet")

    def scanned():
        names = {"attribute_names": ["tea"], "group_names": ["x", "y"]}
        return distribute(Annotations.scan(tmp_path, attributes=["tea"], groups="group", **names), client)

    pq.write_table(good.set_column(0, "tea", [pa.array([0, 7])]), tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"2\.parquet: .*row 1.*7"):
        askew.count(scanned(), "singletons")
    pq.write_table(good, tmp_path / "2.parquet")
    before = scanned()
    (tmp_path / "3.parquet").unlink()
    with pytest.raises(InputError, match=r"3\.parquet has disappeared"):
        askew.count(before, "singletons")
    (tmp_path / "3.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"3\.parquet has changed"):
        askew.count(before, "singletons")
    with pytest.raises(InputError, match=r"3\.parquet cannot be read"):
        askew.count(scanned(), "singletons")


def test_what_is_skipped_is_told_here(client, tmp_path):
    table = pa.table({"tea": [0, 1] * 300, "group": ["x", "y", "y"] * 200})
    wrong = pa.table({"tea": [7] * 600, "group": ["x", "y", "y"] * 200})
    for part in range(6):
        pq.write_table(wrong if part in (1, 4) else table, tmp_path / f"{part}.parquet")
    scanned = Annotations.scan(tmp_path, attributes=["tea"], groups="group", on_error="skip")
    results = []
    for mine in (distribute(scanned, client), scanned):
        with pytest.warns(AskewWarning) as caught:
            counts = askew.count(mine, "singletons", **HOW)
        results.append((counts, mine.skipped, [str(warning.message) for warning in caught]))
    assert results[0] == results[1]
    assert sum(skipped.n_rows for skipped in results[0][1]) == 1200


def test_tables_of_different_length(scans, folder, client):
    train, test, _ = scans
    part = Annotations.scan(folder / "test" / "0.parquet", attributes=train.attribute_names, groups="group", like=test)
    for one, other in [(test, part), (part, test)]:
        with pytest.raises(InputError, match=r"1,300 instances, .* more"):
            askew.count(distribute(one, client), "singletons", pred=distribute(other, client))


def test_what_cannot_be_sent(scans, client):
    train = scans[0]
    table = pa.table({"id": [1, 2], "tea": [1, 0], "group": ["x", "y"]})
    columns = {"attributes": ["tea"], "groups": "group"}
    for data in (table, iter(table.to_batches()), pa.dataset.dataset(table)):
        with pytest.raises(InputError, match="cannot be sent to a cluster"):
            distribute(Annotations.scan(data, **columns), client)
    one = Annotations.scan(table, ids="id", **columns)
    with pytest.raises(InputError, match="write them to files in that order"):
        distribute(Annotations.scan(table, ids="id", order=one, **columns), client)
    with pytest.raises(InputError, match="works on scans, not on Annotations"):
        distribute(train.collect(), client)
    with pytest.raises(InputError, match="neither train nor test is one"):
        askew.dask.audit(*[train.collect()] * 3, client=client)
    with pytest.raises(InputError, match=r"must be a distributed\.Client, not str"):
        distribute(train, "tcp://127.0.0.1:8786")


def test_without_a_client(scans, monkeypatch):
    def none():
        raise ValueError("No global client found and no address provided")

    monkeypatch.setattr(askew.dask, "get_client", none)
    with pytest.raises(InputError, match=r"there is no Dask client: make one"):
        distribute(scans[0])


def test_askew_itself_needs_no_dask():
    code = "import sys, askew; assert not {'dask', 'distributed'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- Its parts


def test_pickled_scans_are_those_that_they_were(scans, client):
    _, test, pred = pickle.loads(pickle.dumps(tuple(sent(scans, client))))
    assert (test, pred) == scans[1:]
    assert test.identity == scans[1].identity
    assert pred.has_groups_of(test)
    assert not test.has_groups_of(pred)


@pytest.mark.parametrize("wanted", [((0, 2**63 - 1),), ((0, 0),), ((3, 4),), ((0, 17), (25, 26), (60, 2**63 - 1)), ()])
@pytest.mark.parametrize("most", [1, 20, 1000])
def test_parts_are_the_rows_that_are_wanted(wanted, most):
    sizes = [10, 0, 5, 30, 1, 1, 1, 2]
    parts = parts_of(sizes, wanted, most)
    rows = [row for ranges, _ in parts for begin, end in ranges for row in range(begin, min(end, 60))]
    assert rows == [row for begin, end in wanted for row in range(begin, min(end, 60))]
    known = [sum(max(0, min(end, 50) - begin) for begin, end in ranges) for ranges, _ in parts]
    assert [n for _, n in parts] == known
    assert all(n <= max(most, 30) for n in known)
