"""Tables and JSON of what was measured."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers.contest import Contestant, Limit, Workload
from benchmarks.peers.worker import versions_of


@dataclass
class Row:
    """One contestant in one workload."""

    workload: Workload
    contestant: type[Contestant]
    seconds: list[float] = field(default_factory=list)
    difference: str | None = None
    failure: str = ""
    limit: Limit | None = None
    #: How many times longer than the workload's first contestant this one takes.
    ratio: float | None = None

    @property
    def scaled(self) -> list[float]:
        """Seconds for the whole work."""
        done, total = self.contestant.portion
        return [seconds * total / done for seconds in self.seconds]

    @property
    def target(self) -> float:
        return self.workload.target if self.contestant.target is None else self.contestant.target

    @property
    def verdict(self) -> str:
        if not self.target or self.ratio is None:
            return ""
        return "pass" if self.ratio >= self.target else "short"

    @property
    def notes(self) -> str:
        if self.failure:
            return self.failure
        done, total = self.contestant.portion
        parts = [f"extrapolated from {done} of {total:,}"] if done < total else []
        parts += [self.contestant.note] if self.contestant.note else []
        parts += [f"ANSWERS DIFFER: {self.difference}"] if self.difference else []
        return "; ".join(parts)


def set_ratios(rows: list[Row]) -> None:
    first = rows[0]
    for row in rows:
        if first.seconds and row.seconds:
            row.ratio = median(row.scaled) / median(first.scaled)


def shown(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}" if seconds < 10 else f"{seconds * 1e3:,.0f}"


def print_table(rows: list[Row]) -> None:
    """Medians and ratios of one workload."""
    set_ratios(rows)
    print(f"\n{rows[0].workload.name}: {rows[0].workload.title}")
    print(f"{'':44}{'median ms':>13}{'min':>13}{'max':>13}{'/ askew':>10}{'at least':>10}")
    for row in rows:
        times = [shown(f(row.scaled)) if row.seconds else "–" for f in (median, min, max)]
        ratio = "–" if row.ratio is None else f"{row.ratio:,.2f}" if row.ratio < 100 else f"{row.ratio:,.0f}"
        target = f"{row.target:,g}" if row.target else ""
        cells = "".join(f"{time:>13}" for time in times)
        print(f"  {row.contestant.name:42}{cells}{ratio:>10}{target:>10} {row.verdict:6} {row.notes}".rstrip())


def print_limits(rows: list[Row], rates: dict[str, float]) -> None:
    """What the processor can do, and how much of it the kernels do."""
    if not rates:
        return
    print("\nMeasured limits of this processor, with this number of threads")
    for name, rate in rates.items():
        print(f"  {name:42}{rate / 1e9:13.2f} × 10⁹ a second")
    print(f"\n{'share of the limit that binds a kernel':44}{'limit ms':>13}{'median':>13}{'share':>10}")
    for row in rows:
        if row.limit is not None and row.seconds:
            limit, took = row.limit.seconds(rates), median(row.seconds)
            name = f"{row.workload.name} {row.contestant.name.removeprefix('askew, ')}"
            print(f"  {name:42}{shown(limit):>13}{shown(took):>13}{limit / took:>10.0%} {row.limit.what}")


def circumstances(n_threads: int, scale: float) -> dict[str, Any]:
    """Where and when, for whoever reads the numbers later."""
    from askew import _core

    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": processor(),
        "simd": _core.simd_level(),
        "threads": n_threads,
        "python": platform.python_version(),
        "scale": scale,
    }


def write_json(path: str, rows: list[Row], rates: dict[str, float], where: dict[str, Any]) -> None:
    report = where | {
        "versions": versions_of([row.contestant for row in rows]),
        "rates_per_second": rates,
        "results": [as_dict(row, rates) for row in rows],
    }
    Path(path).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def as_dict(row: Row, rates: dict[str, float]) -> dict[str, Any]:
    limit: dict[str, Any] | None = None
    if row.limit is not None and row.seconds:
        seconds = row.limit.seconds(rates)
        limit = {"seconds": seconds, "share": seconds / median(row.seconds), **row.limit._asdict()}
    return {
        "workload": row.workload.name,
        "title": row.workload.title,
        "contestant": row.contestant.name,
        "packages": row.contestant.packages,
        "seconds": row.scaled,
        "median": median(row.scaled) if row.seconds else None,
        "extrapolated_from": row.contestant.portion if row.contestant.portion[0] < row.contestant.portion[1] else None,
        "ratio": row.ratio,
        "target": row.target or None,
        "verdict": row.verdict or None,
        "answers_agree": None if row.difference is None else not row.difference,
        "limit": limit,
        "notes": row.notes,
    }


def commit() -> str | None:
    """Of the checkout, with "+" where files differ from it."""
    try:
        found = subprocess.check_output(["git", "describe", "--always", "--dirty=+", "--abbrev=12"], text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.strip()


def processor() -> str:
    """The processor's name, which Linux tells in /proc."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
