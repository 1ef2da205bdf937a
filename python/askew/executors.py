"""Who works on the rows of scans: this process, or others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: Ascending half-open ranges of rows.
Ranges = tuple[tuple[int, int], ...]
#: Told how many rows are done.
Told = Callable[[int], None]
#: Given, now and then, a function that makes the result so far.
Save = Callable[[Callable[[], T]], None]
END = 2**63 - 1


class Executor(Protocol):
    """Who works on the rows of scans."""

    def reduce(
        self,
        work: Callable[..., T | None],
        combine: Callable[[T, T], T],
        scans: Sequence[Any],
        done: Ranges,
        told: Told | None,
        save: Save[T] | None,
    ) -> T | None:
        """What ``work(ranges, told, save)`` gives on all rows but those that are done, in one go or in parts that are
        combined, which `combine` must do in any order. None if no row was left.

        Some send both elsewhere: so they can be pickled, and depend on nothing but their arguments. There, `work`
        is told by ``n_threads=`` how many threads it may take.
        """
        ...


class Here:
    """This process."""

    def reduce(
        self,
        work: Callable[..., T | None],
        combine: Callable[[T, T], T],
        scans: Sequence[Any],
        done: Ranges,
        told: Told | None,
        save: Save[T] | None,
    ) -> T | None:
        return work(left(done), told, save)


HERE = Here()


def left(done: Ranges) -> Ranges:
    """The rows that are not done."""
    begins, ends = [0, *(end for _, end in done)], [*(begin for begin, _ in done), END]
    return tuple((begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end)
