"""The GPU backends: against the native one, against CuPy and Torch, and against what the GPU can do. From the root:

    python -m benchmarks.gpu --json gpu.json

Timed is a call of the engine, from packed columns on the host to counts on the host (W1: from uint8), as `backend=`
makes it: copies to and from the GPU are part of it. "kernels" is the same call with a wait around every kernel, and
only the kernels added up. "share" is how much of that time the limit takes that binds them (`gpu_limits`, measured in
the same run). Counts are compared with those of the native backend, which has all processors, by ==. Exit code 1:
counts differ; 2: no backend runs on a GPU here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from askew.engine import Engine, choose, threads
from askew.engine.choice import GPU_BACKENDS
from askew.engine.gpu import GpuEngine
from askew.engine.protocol import Int64
from askew.errors import BackendError
from benchmarks.gpu_limits import Timed, measured_rates
from benchmarks.gpu_peers import difference, peers_of
from benchmarks.gpu_work import WORK, Work
from benchmarks.peers.report import circumstances, shown

Line = dict[str, Any]


def timed(run: Callable[[], Any], repeats: int) -> tuple[list[float], Any]:
    """Seconds of some runs, after one that warms up, and what the last gave."""
    result = run()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
    return seconds, result


def gpu_line(work: Work, engine: GpuEngine, rates: dict[str, float], expected: Int64, repeats: int) -> Line:
    seconds, counts = timed(lambda: work.run(engine), repeats)
    device = Timed(engine.device)
    work.run(GpuEngine(engine.name, device, engine))
    limit, binds = work.limit(rates)
    return {
        "who": f"askew, {engine.name}",
        "seconds": seconds,
        "kernel_seconds": device.seconds,
        "limit_seconds": limit,
        "limit": binds,
        "upload_limit_seconds": work.uploaded / rates["upload_bytes"],
        "difference": "" if np.array_equal(counts, expected) else "other counts",
    }


def peer_lines(name: str, work: Work, expected: Int64, repeats: int) -> list[Line]:
    lines: list[Line] = []
    for peer in peers_of(name):
        line: Line = {"who": peer.name}
        try:
            contestant = peer()
            contestant.prepare(work.data, threads())
            line["seconds"], result = timed(contestant.run, repeats)
            line["difference"] = difference(name, expected, contestant.answer(result))
        except ImportError as error:
            line["skipped"] = f"not installed: {error}"
        except Exception as error:  # out of memory, or something that this version does not do
            line["skipped"] = f"{type(error).__name__}: {error}"
        lines.append(line)
    return lines


def compare(
    name: str, work: Work, engines: list[GpuEngine], rates: dict[str, dict[str, float]], native: Engine, repeats: int
) -> list[Line]:
    """A line for each backend and each peer; the first is the native backend's."""
    seconds, expected = timed(lambda: work.run(native), repeats)
    lines: list[Line] = [{"who": f"askew, {native.name}, {threads()} threads", "seconds": seconds}]
    lines += [gpu_line(work, engine, rates[engine.name], expected, repeats) for engine in engines]
    return lines + peer_lines(name, work, expected, repeats)


def print_lines(name: str, work: Work, lines: list[Line]) -> None:
    print(f"\n{name}: {work.title}")
    print(f"{'':36}{'median ms':>12}{'min':>12}{'native /':>12}{'kernels':>12}{'share':>8}  binds; copying at least")
    native = median(lines[0]["seconds"])
    for line in lines:
        if "skipped" in line:
            print(f"  {line['who']:34}{'–':>12}  {line['skipped']}")
            continue
        text = f"  {line['who']:34}{shown(median(line['seconds'])):>12}{shown(min(line['seconds'])):>12}"
        text += f"{native / median(line['seconds']):>12.2f}"
        if "kernel_seconds" in line:
            share = line["limit_seconds"] / max(line["kernel_seconds"], 1e-9)
            text += f"{shown(line['kernel_seconds']):>12}{share:>8.0%}  {line['limit']}; "
            text += f"{shown(line['upload_limit_seconds'])} ms"
        print(text + (f"  ANSWERS DIFFER: {line['difference']}" if line.get("difference") else ""))


def gpu_engines(names: list[str]) -> tuple[list[GpuEngine], list[str]]:
    """The engines that run, and of the others why not."""
    found, reasons = [], []
    for name in names:
        try:
            engine = choose(name)
            assert isinstance(engine, GpuEngine)
            found.append(engine)
        except BackendError as error:
            reasons.append(str(error))
    return found, reasons


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--workloads", nargs="+", default=list(WORK), choices=list(WORK), metavar="W")
    parser.add_argument("--backends", nargs="+", default=list(GPU_BACKENDS), choices=GPU_BACKENDS)
    parser.add_argument("--scales", nargs="+", type=float, default=[1.0, 10.0], help="of the number of rows")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or min(arguments.scales) <= 0:
        parser.error("repeats from 1, scales above 0")
    return arguments


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    engines, reasons = gpu_engines(arguments.backends)
    if not engines:
        print(f"no GPU: {'; '.join(reasons)}", file=sys.stderr)
        return 2
    print(*reasons, sep="\n", end="\n" if reasons else "")
    rates = {}
    for engine in engines:
        print(f"{engine.name}: {engine.device.description}; measured limits, 10⁹ a second:")
        rates[engine.name] = measured_rates(engine.device)
        print(*(f"  {what:36}{rate / 1e9:12.1f}" for what, rate in rates[engine.name].items()), sep="\n")
    results = []
    for scale in arguments.scales:
        for name in arguments.workloads:
            work = WORK[name](scale)
            lines = compare(name, work, engines, rates, choose("native"), arguments.repeats)
            print_lines(name, work, lines)
            results.append({"workload": name, "scale": scale, "title": work.title, "lines": lines})
    if arguments.json:
        where = circumstances(threads(), 1.0)
        gpus = {engine.name: engine.device.description for engine in engines}
        report = {**where, "gpus": gpus, "not_run": reasons, "rates_per_second": rates, "results": results}
        Path(arguments.json).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(any(line.get("difference") for result in results for line in result["lines"]))


if __name__ == "__main__":
    sys.exit(main())
