"""Progress of long calls: a user's function, or tqdm's bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from askew.engine import Monitor
from askew.errors import InputError

#: False: silent. True: a tqdm bar on stderr. A function: called with (work done, work in all).
ProgressLike: TypeAlias = "bool | Callable[[int, int], None]"


@contextmanager
def progress_monitor(progress: ProgressLike, rows: int | None = None) -> Iterator[Monitor | None]:
    """The function that is told of progress, or None; a bar tells how many of `rows` are done, and how fast."""
    if callable(progress):
        yield progress
    elif progress is False:
        yield None
    elif progress is True:
        try:
            from tqdm import tqdm
        except ImportError:
            raise InputError(
                "progress=True needs tqdm: pip install tqdm. Or pass a function of (done, total)"
            ) from None
        told = " {n_fmt} of {total_fmt} rows, {rate_fmt}," if rows else ""
        layout = "{percentage:3.0f}%|{bar}|" + told + " {elapsed}<{remaining}"
        with tqdm(total=rows or 1.0, bar_format=layout, unit=" rows", unit_scale=bool(rows), leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.n = done / max(total, 1) if rows is None else rows * done // max(total, 1)
                bar.refresh()

            yield show
    else:
        raise InputError(f"progress must be True, False or a function of (done, total), not {progress!r}")


def part_of(monitor: Monitor | None, part: int, n_parts: int) -> Monitor | None:
    """A monitor of one of `n_parts` equal parts of the work, or None."""
    if monitor is None:
        return None
    scale = 1 << 20

    def show(done: int, total: int) -> None:
        monitor(part * scale + done * scale // max(total, 1), n_parts * scale)

    return show
