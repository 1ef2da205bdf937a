"""Tables larger than memory: how fast they are counted, beside decoding them at all, and beside query engines.

    python -m benchmarks.scale FOLDER --rows 100_000_000 --json benchmarks/results/scale.json

The table has 40 boolean attributes and a group of two, in Parquet files of a million rows; it is made once, in FOLDER.
Every measurement is a process of its own, whose peak of memory is told too; rounds are interleaved, and medians are
taken. What is counted: each attribute and each pair of attributes, within each group (1,640 counts).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.report import commit, processor

P = 40
ATTRIBUTES = [f"a{j}" for j in range(P)]
FILE_ROWS = 1_000_000


def generate(folder: Path, n_rows: int) -> None:
    """The files that are not there yet: rows of file f depend on f alone."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rates = np.random.default_rng(0).uniform(0.02, 0.5, P)
    for number in range(n_rows // FILE_ROWS):
        path = folder / f"part-{number:05}.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng([1, number])
        group = rng.integers(0, 2, FILE_ROWS)
        columns: dict[str, Any] = {}
        for j, rate in enumerate(rates):
            chance = (rate * np.array([1 - 0.2 * (j % 2), 1 + 0.2 * (j % 2)]))[group]
            columns[ATTRIBUTES[j]] = rng.random(FILE_ROWS, dtype=np.float32) < chance
        columns["gender"] = pa.DictionaryArray.from_arrays(pa.array(group.astype(np.int32)), ["female", "male"])
        pq.write_table(pa.table(columns), path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)


def files_of(folder: Path, n_rows: int) -> list[str]:
    return [str(folder / f"part-{number:05}.parquet") for number in range(n_rows // FILE_ROWS)]


# ---- Measurements: each returns something that tells it did the work


def decode(files: list[str]) -> int:
    """What pyarrow needs to decode the same columns, and throw them away."""
    import pyarrow.dataset as ds

    return sum(len(batch) for batch in ds.dataset(files).to_batches(columns=[*ATTRIBUTES, "gender"]))


def _scan(files: list[str]) -> Any:
    import askew

    return askew.Annotations.scan(files, attributes=ATTRIBUTES, groups="gender", group_names=["female", "male"])


def _pairs() -> list[tuple[str, ...]]:
    return [(a,) for a in ATTRIBUTES] + list(combinations(ATTRIBUTES, 2))


def askew_counts(files: list[str]) -> int:
    """Point counts of all attributes and pairs, with each group."""
    import askew

    return int(askew.count(_scan(files), _pairs()).truth.co_set_group.sum())


def askew_replicates(files: list[str]) -> int:
    """The same with a hundred bootstrap replicates."""
    import askew

    counts = askew.count(_scan(files), _pairs(), n_resamples=100, rng=0)
    return int(counts.truth.co_set_group[0].sum())


class Timed(NamedTuple):
    """A result that told itself how long it took."""

    result: int
    seconds: float


def askew_dask(files: list[str], n_resamples: int = 0) -> Timed:
    """The point counts on a Dask cluster of two processes on this machine, whose start is not timed."""
    from distributed import LocalCluster

    import askew
    import askew.dask

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        cluster.get_client() as client,
    ):
        client.run(_import_askew)
        begin = time.perf_counter()
        scan = askew.dask.distribute(_scan(files), client)
        counts = askew.count(scan, _pairs(), n_resamples=n_resamples, rng=0)
        return Timed(int(counts.truth.co_set_group[0].sum()), time.perf_counter() - begin)


def askew_dask_replicates(files: list[str]) -> Timed:
    """A hundred replicates on that cluster."""
    return askew_dask(files, 100)


def _import_askew() -> None:
    import askew.dask  # noqa: F401


def duckdb_counts(files: list[str]) -> int:
    """The point counts as one query."""
    import duckdb

    # count(*) FILTER takes a hundred times as long
    counts = ", ".join(f"count_if({' AND '.join(members)}) AS c{number}" for number, members in enumerate(_pairs()))
    rows = duckdb.sql(f"SELECT gender, {counts} FROM read_parquet({files!r}) GROUP BY gender").fetchall()
    return sum(sum(row[1:]) for row in rows)


def polars_counts(files: list[str]) -> int:
    """The point counts as one lazy query, on the streaming engine."""
    import polars as pl

    counts = [pl.all_horizontal(*members).sum().alias("&".join(members)) for members in _pairs()]
    frame = pl.scan_parquet(files).group_by("gender").agg(counts).collect(engine="streaming")
    return int(frame.drop("gender").sum_horizontal().sum())


MEASUREMENTS = {
    f.__name__: f
    for f in (decode, askew_counts, askew_replicates, askew_dask, askew_dask_replicates, duckdb_counts, polars_counts)
}


def measure(name: str, files: list[str]) -> dict[str, Any]:
    """Time, peak of memory and result of one measurement, in this process."""
    import resource

    begin = time.perf_counter()
    result = MEASUREMENTS[name](files)
    if not isinstance(result, Timed):
        result = Timed(result, time.perf_counter() - begin)
    return {
        "seconds": result.seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "result": result.result,
    }


def in_a_process(name: str, folder: Path, n_rows: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "benchmarks.scale", str(folder), "--rows", str(n_rows), "--measure", name]
    out = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])  # type: ignore[no-any-return]


def millions(text: str) -> int:
    n_rows = int(text)
    if n_rows < FILE_ROWS or n_rows % FILE_ROWS:
        raise argparse.ArgumentTypeError(f"expected a multiple of {FILE_ROWS:,}, not {text}")
    return n_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=millions, default=100_000_000, help="a multiple of a million")
    parser.add_argument("--peer-rows", type=millions, default=10_000_000, help="rows for query engines, which are slow")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=tuple(MEASUREMENTS), default=list(MEASUREMENTS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", choices=tuple(MEASUREMENTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, files_of(args.folder, args.rows))))
        return
    generate(args.folder, max(args.rows, args.peer_rows))
    runs: dict[str, list[dict[str, Any]]] = {}
    cases = [(name, args.peer_rows if name.split("_")[0] in ("duckdb", "polars") else args.rows) for name in args.only]
    # at a tenth of the rows, too: memory that grows would show, and query engines have something to compare with
    cases += [(name, args.peer_rows) for name in args.only if (name, args.peer_rows) not in cases]
    for _ in range(args.repeats):
        for name, n_rows in cases:
            run = in_a_process(name, args.folder, n_rows)
            runs.setdefault(f"{name} {n_rows}", []).append(run)
            print(f"{name} {n_rows:,}: {run['seconds']:.1f} s, {run['peak_mib']:.0f} MiB", file=sys.stderr)
    table = {}
    for case, each in runs.items():
        name, n_rows = case.split()
        assert len({run["result"] for run in each}) == 1
        seconds = statistics.median(run["seconds"] for run in each)
        table[case] = {
            "measurement": name,
            "rows": int(n_rows),
            "seconds": [run["seconds"] for run in each],
            "median": seconds,
            "rows_per_second": int(n_rows) / seconds,
            "peak_mib": max(run["peak_mib"] for run in each),
            "result": each[0]["result"],
        }
        print(f"{name:24} {int(n_rows):>12,} rows  {seconds:8.2f} s  {int(n_rows) / seconds / 1e6:7.2f} M rows/s")
    for n_rows in {args.rows, args.peer_rows}:
        counted = [r["result"] for c, r in table.items() if c.endswith(f" {n_rows}") and r["measurement"] != "decode"]
        assert len(set(counted)) <= 1, "the counts differ"
    if args.json:
        args.json.write_text(
            json.dumps({"processor": processor(), "commit": commit(), "table": table}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
