"""askew against what people use instead, on eight kinds of work. From the root of the repository:

    python -m benchmarks.compare_peers --json peers.json

Each contestant runs in a process of its own; the parent asks them in turn, so that repetitions alternate, and compares
their answers. The modules in `peers` say for each workload what is timed. Exit code 1: answers differ, a contestant
broke down, or, without --skip-missing, one is not installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

from benchmarks.peers.contest import Workload
from benchmarks.peers.limits import measured_rates
from benchmarks.peers.report import Row, circumstances, print_limits, print_table, write_json
from benchmarks.peers.worker import Failed, Worker
from benchmarks.peers.workloads import WORKLOADS

SLOW = 5.0  # seconds; a first run that takes longer is a repetition, otherwise it warms up
PATIENCE = 30.0  # seconds that a contestant may take for all repetitions of a workload
THREAD_VARIABLES = ("ASKEW_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def compete(workload: Workload, arguments: argparse.Namespace) -> list[Row]:
    """Run all contestants of a workload in turn."""
    rows = [Row(workload, contestant) for contestant in workload.contestants]
    workers = [Worker(workload.name, i, arguments.scale, arguments.threads) for i in range(len(rows))]
    racing: dict[int, Worker] = {}
    for number, (row, worker) in enumerate(zip(rows, workers, strict=True)):
        try:
            worker.ready()
            racing[number] = worker
        except Failed as failure:
            row.failure = str(failure)

    reference: Any = None
    for round_number in range(1 + arguments.repeats):
        for number in list(racing):
            row = rows[number]
            if row.seconds and sum(row.seconds) + max(row.seconds) > PATIENCE:
                continue
            try:
                seconds, answer = racing[number].run(answer=round_number == 0)
                if round_number > 0 or seconds > SLOW:
                    row.seconds.append(seconds)
                if round_number == 0:
                    if number == 0:
                        reference = answer
                    elif 0 in racing:
                        row.difference = difference(workload, reference, answer)
            except Failed as failure:
                row.failure = str(failure)
                del racing[number]
    if not arguments.no_limits:
        for number, worker in racing.items():
            rows[number].limit = worker.limit()
    for worker in workers:
        worker.stop()
    return rows


def difference(workload: Workload, reference: Any, answer: Any) -> str | None:
    """In what an answer differs from askew's; "" where it agrees, None where it cannot be compared."""
    if answer is None:
        return None
    if workload.disagreement is not None:
        return workload.disagreement(reference, answer)
    same = np.array_equal(reference, answer) if isinstance(reference, np.ndarray) else reference == answer
    return "" if same else "other counts"


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare_peers", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--workloads", nargs="+", default=list(WORKLOADS), metavar="W", help="W1, W5 (all of its kinds), …"
    )
    parser.add_argument("--threads", type=int, default=1, help="of askew and of the peers")
    parser.add_argument(
        "--repeats", type=int, default=5, help=f"at most; fewer for contestants that take {PATIENCE:.0f} s"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of rows")
    parser.add_argument("--skip-missing", action="store_true", help="go on without peers that are not installed")
    parser.add_argument("--no-limits", action="store_true", help="do not measure what the processor could do")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args(argv)
    chosen = [n for n in WORKLOADS if any(n == w or n.startswith(f"{w}-") for w in arguments.workloads)]
    if not chosen or arguments.threads < 1 or arguments.repeats < 1 or not 0 < arguments.scale <= 1:
        parser.error(f"choose among {', '.join(WORKLOADS)}, threads and repeats from 1, a scale within (0, 1]")
    arguments.workloads = chosen
    return arguments


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(arguments.threads)))
    where = circumstances(arguments.threads, arguments.scale)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    rates: dict[str, float] = {}
    rows: list[Row] = []
    for name in arguments.workloads:
        print(f"{name}: {WORKLOADS[name].title}", file=sys.stderr, flush=True)
        if not arguments.no_limits:
            rates = {what: max(rate, rates.get(what, 0)) for what, rate in measured_rates(arguments.threads).items()}
        rows += (new := compete(WORKLOADS[name], arguments))
        print_table(new)
    print_limits(rows, rates)
    if arguments.json:
        write_json(arguments.json, rows, rates, where)
    missing = [row for row in rows if row.failure.startswith("not installed")]
    broken = [row for row in rows if row.difference or (row.failure and row not in missing)]
    return int(bool(broken or (missing and not arguments.skip_missing)))


if __name__ == "__main__":
    sys.exit(main())
