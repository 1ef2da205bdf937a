"""The terms: a workload has data and contestants, and the first contestant is askew by its public API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """What a run cannot do without: how much of each of the rates that `limits` measures, and what that is."""

    needs: dict[str, float]
    what: str

    def seconds(self, rates: dict[str, float]) -> float:
        return sum(amount / rates[name] for name, amount in self.needs.items())


class Contestant:
    """Somebody who does the work of a workload, in a process of its own.

    `prepare` is not timed, nor is `answer`, which brings a result into the form that all contestants' answers share.
    """

    name: str
    #: Distributions that the contestant is made of: their versions are reported.
    packages: tuple[str, ...] = ()
    #: `run` does the first number of steps out of the second; its time is multiplied to stand for all of them.
    portion: tuple[int, int] = (1, 1)
    #: How many times longer than askew it must take, if that differs from the workload's target; 0: no target.
    target: float | None = None
    #: What a reader of its line must know.
    note = ""

    def prepare(self, data: Any, n_threads: int) -> None:
        raise NotImplementedError

    def run(self) -> Any:
        raise NotImplementedError

    def answer(self, result: Any) -> Any:
        return result

    def limit(self) -> Limit | None:
        """What bounds the run, however good the kernel."""
        return None


class Askew(Contestant):
    """askew itself; no target. `ASKEW_NUM_THREADS` is set."""

    #: Of those who call a kernel; the public API takes `ASKEW_BACKEND`.
    backend = "native"
    packages = ("askew", "numpy")
    target = 0.0


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    #: From the scale (1: the full size) to what every contestant's `prepare` is given. The same in every process.
    make_data: Callable[[float], Any]
    #: The first is the one that the others are compared with.
    contestants: tuple[type[Contestant], ...]
    #: How many times longer than the first contestant each of the others must take.
    target: float
    #: Says in what two answers differ, or nothing; by default answers must be equal.
    disagreement: Callable[[Any, Any], str] | None = None
