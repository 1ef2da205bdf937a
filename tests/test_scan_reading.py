"""How scans are read: by a thread that ends with its consumer, in bounded memory, telling how far it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import askew
from askew import Annotations, InputError, Scan, count, reading
from scanned import ATTRIBUTES, PREDICTED, integers, small, table_of

N = 3000
TABLE = table_of(N, 1)
SETS = [["a.b"], ["a.b", "c"]]


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "askew-reader"]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    assert not readers()
    yield
    assert not readers()


def scans(data: Any) -> tuple[Scan, Scan]:
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    return truth, Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth)


def endless() -> Iterator[pa.RecordBatch]:
    while True:
        yield from TABLE.to_batches()


# ---- The thread that reads


def test_a_consumer_that_stops_early_ends_the_reader() -> None:
    truth, _ = scans(endless)
    with small(), closing(reading.chunks([truth])) as stream:
        assert next(stream).tables[0].n == 512
        assert len(readers()) == 1
    assert not readers()


@pytest.mark.parametrize("what", ["count", "observed"])
def test_an_error_ends_the_reader_while_it_is_looked_at(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback of an error keeps alive what it went through; the thread ends all the same."""
    truth, _ = scans(lambda: TABLE)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    calls = {
        "count": lambda: count(truth, SETS, n_resamples=2, progress=fail),
        "observed": lambda: askew.AttributeSets.observed(truth),
    }
    monkeypatch.setattr("askew.universes._patterns_of", fail)
    with small():
        with pytest.raises(ZeroDivisionError) as raised:
            calls[what]()
        assert not readers()
    assert raised.tb is not None


def test_an_error_of_the_users_own_batches_is_theirs() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from TABLE.to_batches(max_chunksize=1000)[:2]
        raise LookupError("no more")

    truth, _ = scans(batches)
    with pytest.raises(LookupError, match="no more"):
        count(truth, SETS)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer")
def test_an_interrupt_ends_a_run_that_would_never_end() -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    def rare() -> Iterator[pa.RecordBatch]:  # the next chunk never comes
        while True:
            time.sleep(0.001)
            yield TABLE.to_batches()[0].slice(0, 1)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for batches in (endless, rare):
            truth, pred = scans(batches)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                count(truth, SETS, pred=pred, n_resamples=50, rng=0)
            assert not readers()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_two_threads_read_one_scan(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "0.parquet", row_group_size=200)
    truth, pred = scans(tmp_path)
    with small():
        expected = count(truth, SETS, pred=pred, n_resamples=5, rng=0)
        found = []
        workers = [
            threading.Thread(target=lambda: found.append(count(truth, SETS, pred=pred, n_resamples=5, rng=0)))
            for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert found == [expected] * 3


# ---- Progress


@pytest.mark.filterwarnings("ignore::askew.AskewWarning")
def test_progress_never_goes_back_and_ends_complete(tmp_path: Path) -> None:
    for number in range(3):
        pq.write_table(TABLE.slice(number * 1000, 1000), tmp_path / f"{number}.parquet", row_group_size=200)
    truth, pred = scans(tmp_path)
    train = Annotations.from_dataframe(TABLE, attributes=ATTRIBUTES, groups="h", group_names=["x", "y", "z"])
    calls = [
        lambda told: count(truth, SETS, progress=told),
        lambda told: count(truth, SETS, pred=pred, n_resamples=200, rng=0, progress=told),
        lambda told: count(truth, SETS, rows=(700, 2100), progress=told),
        lambda told: askew.audit(truth, truth, pred, n_resamples=200, rng=0, max_size=2, progress=told),
        lambda told: askew.audit(train, truth, pred, max_size=2, progress=told),
        lambda told: askew.bootstrap(
            lambda tables: tables.test.truth.n, test=truth, sets=SETS, n_resamples=200, rng=0, progress=told
        ),
    ]
    with small():
        for call in calls:
            seen: list[tuple[int, int]] = []
            call(lambda *told: seen.append(told))  # noqa: B023
            assert len({total for _, total in seen}) == 1
            assert seen == sorted(seen)
            assert seen[-1][0] == seen[-1][1]
            assert len(seen) > 3


# ---- Memory


@given(
    columns=st.integers(1, 10**6),
    chunk_bytes=st.integers(2**20, 2**28),
)
def test_a_chunk_has_the_bytes_it_may_have(columns: int, chunk_bytes: int) -> None:
    rows = reading.chunk_rows(columns, chunk_bytes)
    assert rows % 512 == 0
    assert 512 <= rows <= reading.CHUNK_ROWS
    if rows > 512:
        assert rows * columns <= chunk_bytes * 8
    if rows < reading.CHUNK_ROWS:
        assert (rows + 512) * columns > chunk_bytes * 8


PEAK = """
import resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
import askew
from askew import Annotations

n_files, folder = int(sys.argv[1]), sys.argv[2]
names = [f"c{i}" for i in range(40)]
files = [f"{folder}/0.parquet"] * n_files
truth = Annotations.scan(files, attributes=names, groups="g", group_names=["x", "y"])
counts = askew.count(truth, [["c0"], ["c1", "c2"]], max_memory=2**28)
print(int(counts.n[0]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Of int64 columns, four times as much is read, and 240 MB more: the peak grows by little of that."""
    pytest.importorskip("resource")
    values = np.random.default_rng(0).integers(0, 2, (40, 125_000))
    table = pa.table([*values, pa.array(["x"] * 125_000)], [*(f"c{i}" for i in range(40)), "g"])
    pq.write_table(table, tmp_path / "0.parquet", row_group_size=25_000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    peaks = []
    for n_files in (2, 8):
        run = [sys.executable, "-c", PEAK, str(n_files), str(tmp_path)]
        out = subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout.split()
        assert int(out[0]) == n_files * 125_000
        peaks.append(int(out[1]) * 1024)
    read = 6 * values.nbytes
    assert peaks[1] - peaks[0] < read // 4


def test_an_iterator_must_fit_the_memory_where_it_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askew.streaming.KEPT", 2**20)
    train = Annotations.from_dataframe(TABLE, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    truth, pred = scans(TABLE.to_reader())
    with pytest.raises(InputError, match=r"can be read only once, and its bits take more than a quarter of max_memory"):
        askew.audit(train, truth, pred, max_size=1)
    truth, pred = scans(lambda: TABLE)
    expected = Annotations.from_dataframe(TABLE, attributes=PREDICTED, groups="h", like=train)
    result = askew.audit(train, truth, pred, max_size=1)
    assert result.to_dict() == askew.audit(train, train, expected, max_size=1).to_dict()
    assert integers(count(truth, SETS)) == integers(count(train, SETS))
