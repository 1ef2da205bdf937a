"""A run that ends before its time goes on from what it has saved, and ends with the same integers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import askew
from askew import Annotations, AskewWarning, Counts, InputError, checkpoints, count
from scanned import ATTRIBUTES, PREDICTED, integers, small, table_of

N = 3000
TABLE = table_of(N, 1)
SETS = [["a.b"], ["a.b", "c"]]
HOW = {"n_resamples": 3, "rng": 2}


class Killed(BaseException):
    """No error that anything handles."""


@pytest.fixture(autouse=True)
def saved_after_each_chunk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(checkpoints, "INTERVAL", -1.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0.0)
    with small(piece_rows=1):
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


def write(folder: Path, table: pa.Table = TABLE) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(3):
        pq.write_table(table.slice(number * 1000, 1000), folder / f"{number}.parquet", row_group_size=250)
    return folder


def scans(data: Any, **options: Any) -> tuple[Any, Any]:
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"], **options)
    return truth, Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth, **options)


def counted(data: Any, checkpoint: Any = None, sets: Any = SETS, **options: Any) -> Counts:
    truth, pred = scans(data)
    return count(truth, sets, pred=pred, checkpoint=checkpoint, **{**HOW, **options})


def until(call: int) -> Callable[[int, int], None]:
    """Progress that ends the run when it is told for the nth time."""
    left = [call]

    def progress(done: int, total: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    return progress


def states(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.counts"))


def interrupted(data: Path, folder: Path, call: int = 9, **options: Any) -> Path:
    """The state of a run that came to an end before its time."""
    with pytest.raises(Killed):
        counted(data, folder, progress=until(call), **options)
    (state,) = states(folder)
    assert 0 < Counts.load(state).n[0] < N
    return state


def test_a_run_goes_on_where_it_ended(data: Path, tmp_path: Path) -> None:
    expected = counted(data)
    folder = tmp_path / "checkpoint"
    for call in (2, 3, 4, 5):  # in the middle of a chunk, and after it
        with pytest.raises(Killed):
            counted(data, folder, progress=until(call))
    (state,) = states(folder)
    n = int(Counts.load(state).n[0])
    assert 0 < n < N
    seen: list[tuple[int, int]] = []
    assert counted(data, folder, progress=lambda *told: seen.append(told)) == expected
    assert seen[0][0] >= n
    assert seen == sorted(seen)
    assert seen[-1] == (N, N)
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".counts"]  # and the lock


KILLED = """
import os, signal, sys
import askew
from askew import Annotations, checkpoints, files, reading
checkpoints.INTERVAL, checkpoints.SHARE, reading.CHUNK_ROWS = -1.0, 0.0, 512
data, folder, where, times = *sys.argv[1:4], int(sys.argv[4])

class System:
    def __getattr__(self, name):
        act = getattr(os, name)
        def call(*args):
            global times
            if name == where:
                times -= 1
            if times == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*args)
        return call if name in ("fsync", "replace") else act

files.os = System()
truth = Annotations.scan(data, attributes=["a.b", "naïve 'x'", "c"], groups="g", group_names=["x", "y", "z"])
pred = Annotations.scan(data, attributes=["p1", "p2", "p3"], groups="h", like=truth)
askew.count(truth, [["a.b"], ["a.b", "c"]], pred=pred, checkpoint=folder, n_resamples=3, rng=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_run_that_is_killed_while_it_saves(data: Path, tmp_path: Path) -> None:
    """Before a state is on the disk, and when it is but not in its place: always with the file half there."""
    folder = tmp_path / "checkpoint"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for where, times in [("fsync", 1), ("replace", 2), ("fsync", 3)]:
        run = [sys.executable, "-c", KILLED, str(data), str(folder), where, str(times)]
        assert subprocess.run(run, env=environment, check=False).returncode == -signal.SIGKILL
        assert len(list(folder.glob("*.part"))) == 1
        assert len(states(folder)) == (0 if (where, times) == ("fsync", 1) else 1)
    n = int(Counts.load(states(folder)[0]).n[0])
    assert n == 3 * 512  # one state was saved by the second run, two by the third
    seen: list[tuple[int, int]] = []
    assert counted(data, folder, progress=lambda *told: seen.append(told)) == counted(data)
    assert seen[0][0] >= n
    assert not list(folder.glob("*.part"))


def flipped(path: Path) -> None:
    """One byte is another, of those whose name in the archive is told at its end."""
    content = bytearray(path.read_bytes())
    content[content.rindex(b"items.npy") + 3] ^= 255
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 5),
    "empty": lambda path: os.truncate(path, 0),
    "flipped": flipped,
    "garbage": lambda path: path.write_bytes(b"no state"),
    "another's": lambda path: count(Annotations.from_dataframe(TABLE, attributes=["c"], groups="h"), ["c"]).save(path),
    "older": lambda path: path.write_bytes((Path(__file__).parent / "data" / "version-1.counts").read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_is_damaged_is_not_used(damage: str, data: Path, tmp_path: Path) -> None:
    DAMAGES[damage](interrupted(data, tmp_path / "checkpoint"))
    with pytest.warns(AskewWarning, match=r"counts.*: what it was to save is done again"):
        assert counted(data, tmp_path / "checkpoint") == counted(data)


@pytest.mark.parametrize("kind", ["subsets", "observed"])
def test_a_universe_is_kept(kind: str, data: Path, tmp_path: Path) -> None:
    folder, options = tmp_path / "checkpoint", {"max_size": 2, "min_count": 50}
    expected = counted(data, None, kind, **options)
    with pytest.raises(Killed):
        counted(data, folder, kind, **options, progress=until(9))
    (kept,) = folder.glob(f"{kind}-*.sets.npz")
    assert counted(data, folder, kind, **options) == expected
    for damage in (flipped, lambda path: path.write_bytes(b"")):
        damage(kept)
        with pytest.warns(AskewWarning, match=r"sets.npz cannot be read.*: what it was to save is done again"):
            assert counted(data, folder, kind, **options) == expected
    assert counted(data, folder, kind, max_size=1) == counted(data, None, kind, max_size=1)
    assert counted(data, folder, kind, min_count=400) == counted(data, None, kind, min_count=400)


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning", "ignore:.*too few:askew.AskewWarning")
def test_an_audit_goes_on(data: Path, tmp_path: Path) -> None:
    train = Annotations.scan(write(tmp_path / "train", table_of(N, 9)), attributes=ATTRIBUTES, groups="h")
    test = Annotations.scan(data, attributes=ATTRIBUTES, groups="h", like=train)
    pred = Annotations.scan(data, attributes=PREDICTED, groups="h", like=train)
    how = {**HOW, "max_size": 2, "support": "every"}
    expected = askew.audit(train, test, pred, **how)
    n_killed = 0
    while True:
        assert n_killed < 30
        try:
            result = askew.audit(train, test, pred, **how, checkpoint=tmp_path / "checkpoint", progress=until(4))
        except Killed:
            n_killed += 1
        else:
            break
    assert n_killed > 5
    assert result.to_dict(cells=True) == expected.to_dict(cells=True)


def test_other_options_are_other_states(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    interrupted(data, folder)
    for options in [
        {"rng": 3},
        {"n_resamples": 4},
        {"n_resamples": 0},
        {"weights": "poisson32"},
        {"sets": [["c"]]},
        {"rows": (100, 2000)},
        {"rows": (0, N)},
        {"table": "train"},
        {},
    ]:
        expected = counted(data, **options)
        for _ in range(2):  # counted, and answered from what was kept
            assert counted(data, folder, **options) == expected
    truth, _ = scans(data)
    assert count(truth, SETS, checkpoint=folder, **HOW) == count(truth, SETS, **HOW)


def test_other_files_are_other_states(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    interrupted(data, folder)
    stamps = [path.stat() for path in sorted(data.iterdir())]
    write(data, table_of(N, 2))
    assert integers(counted(data, folder)) == integers(counted([table_of(N, 2)]))
    write(data)  # as before, at another time
    for path, stamp in zip(sorted(data.iterdir()), stamps, strict=True):
        assert path.stat().st_size == stamp.st_size
    assert counted(data, folder) == counted(data)
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="h")
    some = Annotations.scan(data, attributes=ATTRIBUTES, groups="h", filters=[("id", ">", 70)])
    other = Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth)
    for scanned in (truth, some, other):
        assert count(scanned, SETS, checkpoint=folder) == count(scanned, SETS)


def test_without_a_seed_the_first_one_stays(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    interrupted(data, folder, rng=None)
    seed = int((folder / "seed").read_text())
    first = counted(data, folder, rng=None)
    assert first == counted(data, rng=seed)
    assert counted(data, folder, rng=None) == first
    for text in ("", "-1", "x", str(2**64), "²"):
        (folder / "seed").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="seed is damaged"):
            counted(data, folder, rng=None)
    assert counted(data, folder, rng=seed) == first


def test_a_full_disk_does_not_end_a_run(data: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    folder = tmp_path / "checkpoint"
    expected = counted(data)
    state = interrupted(data, folder)
    before = state.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.warns(AskewWarning, match="could not be saved .*: the run goes on"):
            counts = counted(data, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert counts == expected
    assert state.read_bytes() == before
    assert not list(folder.glob("*.part"))
    assert counted(data, folder) == expected


def test_a_folder_belongs_to_one_run(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    told: list[str] = []

    def progress(done: int, total: int) -> None:
        if not told:
            with pytest.raises(InputError, match="is in use by another run: give each a folder of its own"):
                counted(data, folder)
            told.append("once")

    assert counted(data, folder, progress=progress) == counted(data, folder)
    assert told


HOLDS = """
import sys, time
from askew.checkpoints import Checkpoint
held = Checkpoint(sys.argv[1])
print(flush=True)
time.sleep(99)
"""


def test_a_run_that_is_killed_lets_go_of_its_folder(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], env=environment, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(InputError, match="is in use by another run"):
                counted(data, folder)
        finally:
            other.kill()
    assert counted(data, folder) == counted(data)


def test_what_cannot_be_a_checkpoint(data: Path, tmp_path: Path) -> None:
    for checkpoint, message in [(data / "0.parquet", "File exists"), (5, "must be the path of a folder, not a int")]:
        with pytest.raises(InputError, match=message):
            counted(data, checkpoint)
    for source in (TABLE, [TABLE], lambda: TABLE):
        with pytest.raises(InputError, match="checkpoint= is for files, of which can be told"):
            counted(source, tmp_path / "checkpoint")
        with pytest.raises(InputError, match="checkpoint= is for files, of which can be told"):
            counted(source, tmp_path / "checkpoint", "subsets")
    with pytest.raises(InputError, match="in memory"):
        count(Annotations([[1]], ["x"]), ["0"], checkpoint=tmp_path / "checkpoint")


def test_what_was_skipped_is_tried_again(data: Path, tmp_path: Path) -> None:
    chunk = pq.ParquetFile(data / "1.parquet").metadata.row_group(1).column(0)
    with (data / "1.parquet").open("r+b") as file:
        file.seek(chunk.dictionary_page_offset or chunk.data_page_offset)
        file.write(b"\xff" * 20)

    def counts(**options: Any) -> Counts:
        truth, pred = scans(data, on_error="skip")
        return count(truth, SETS, pred=pred, **HOW, **options)

    with pytest.warns(AskewWarning, match="250 rows in 1 piece were skipped"):
        expected = counts()
    assert expected.rows == ((0, 1250), (1500, N))
    for call in (4, 9):
        with pytest.raises(Killed):
            counts(checkpoint=tmp_path / "checkpoint", progress=until(call))
    for _ in range(2):
        with pytest.warns(AskewWarning, match="250 rows in 1 piece were skipped"):
            assert counts(checkpoint=tmp_path / "checkpoint") == expected


def test_a_join_of_files_is_known(data: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(N)
    other = write(tmp_path / "other", TABLE.take(order))
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"], ids="id")

    def counts(**options: Any) -> Counts:
        pred = Annotations.scan(other, attributes=PREDICTED, groups="h", like=truth, ids="id", order=truth)
        return count(truth, SETS, pred=pred, **HOW, **options)

    with pytest.raises(Killed):
        counts(checkpoint=tmp_path / "checkpoint", progress=until(9))
    assert counts(checkpoint=tmp_path / "checkpoint") == counts()
    assert integers(counts()) == integers(counted(data))
