"""The kernels of one backend beside those of another, on the workloads of compare_peers. From the repository's root:

    python -m benchmarks.backends --backends native numba --json backends.json

All run in this process, in turn; their answers are compared. Times are the processor's for one thread (what else the
machine does matters less), the wall clock's for several.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import askew
from benchmarks.compare_peers import difference
from benchmarks.peers.contest import Askew, Workload
from benchmarks.peers.report import circumstances
from benchmarks.peers.workloads import WORKLOADS


def kernels(workload: Workload, backend: str) -> list[Askew]:
    """The contestants that call a kernel and nothing else, with another backend's."""
    found = [c for c in workload.contestants if issubclass(c, Askew) and "kernel" in c.name]
    return [type(c.__name__, (c,), {"backend": backend})() for c in found]


def compare(workload: Workload, arguments: argparse.Namespace, clock: Callable[[], float]) -> list[dict[str, Any]]:
    """Times of each kernel of a workload with each backend; the first backend's answers are what others must give."""
    data = workload.make_data(arguments.scale)
    rows = []
    for contestants in zip(*(kernels(workload, backend) for backend in arguments.backends), strict=True):
        seconds: list[list[float]] = [[] for _ in contestants]
        answers = []
        for contestant in contestants:
            contestant.prepare(data, arguments.threads)
            answers.append(contestant.answer(contestant.run()))
        for _ in range(arguments.repeats):
            for contestant, times in zip(contestants, seconds, strict=True):
                begin = clock()
                contestant.run()
                times.append(clock() - begin)
        for backend, times, answer in zip(arguments.backends, seconds, answers, strict=True):
            differs = difference(workload, answers[0], answer)
            ratio = median(times) / median(seconds[0])
            rows.append(
                {"workload": workload.name, "kernel": contestants[0].name, "backend": backend, "seconds": times}
                | {"ratio": ratio, "difference": differs}
            )
            print(
                f"{workload.name:16} {contestants[0].name:36} {backend:8} {1e3 * median(times):10.1f} ms"
                f"{ratio:8.2f} ×{'   ANSWERS DIFFER: ' + differs if differs else ''}",
                flush=True,
            )
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="backends", description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=["native", "numba"], metavar="B")
    parser.add_argument("--workloads", nargs="+", default=["W1", "W2", "W3", "W4", "W5", "W8"], metavar="W")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of rows")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args(argv)
    os.environ["ASKEW_NUM_THREADS"] = str(arguments.threads)
    try:
        for backend in arguments.backends:
            askew.engine.choose(backend)
    except askew.AskewError as error:
        parser.error(str(error))
    where = circumstances(arguments.threads, arguments.scale)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    chosen = [n for n in WORKLOADS if any(n == w or n.startswith(f"{w}-") for w in arguments.workloads)]
    rows = [row for name in chosen for row in compare(WORKLOADS[name], arguments, clock)]
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(where | {"rows": rows}, file, indent=1)
    return int(any(row["difference"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
