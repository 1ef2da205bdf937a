"""A contestant in a process of its own, and the parent's handle on it."""

from __future__ import annotations

import gc
import multiprocessing
import time
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Any

import askew
from benchmarks.peers.contest import Contestant


class Failed(Exception):
    """A contestant cannot run, or broke down; the message says why."""


def _serve(pipe: Connection, workload_name: str, number: int, scale: float, n_threads: int) -> None:
    from benchmarks.peers.workloads import WORKLOADS

    try:
        workload = WORKLOADS[workload_name]
        contestant = workload.contestants[number]()
        contestant.prepare(workload.make_data(scale), n_threads)
        gc.collect()
        pipe.send(None)
        while (order := pipe.recv()) is not None:
            if order == "limit":
                pipe.send(contestant.limit())
                continue
            begin = time.perf_counter()
            result = contestant.run()
            seconds = time.perf_counter() - begin
            pipe.send((seconds, contestant.answer(result) if order == "answer" else None))
            del result
    except ImportError as error:
        pipe.send(Failed(f"not installed: {error}"))
    except Exception as error:
        pipe.send(Failed(f"{type(error).__name__}: {error}"))


class Worker:
    """Starts the process; `ready` waits until the contestant is prepared."""

    def __init__(self, workload_name: str, number: int, scale: float, n_threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # nothing is inherited but the environment
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, workload_name, number, scale, n_threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def _receive(self) -> Any:
        try:
            reply = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise Failed(f"the process ended with exit code {self._process.exitcode}") from None
        if isinstance(reply, Failed):
            raise reply
        return reply

    def ready(self) -> None:
        self._receive()

    def run(self, *, answer: bool) -> tuple[float, Any]:
        """Seconds of one run, and the answer if asked for."""
        self._pipe.send("answer" if answer else "run")
        seconds, found = self._receive()
        return seconds, found

    def limit(self) -> Any:
        self._pipe.send("limit")
        return self._receive()

    def stop(self) -> None:
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join()
        self._pipe.close()


def versions_of(contestants: list[type[Contestant]]) -> dict[str, str]:
    """Versions of all distributions that contestants are made of; askew may run from its source folder."""
    found = {}
    for package in sorted({package for contestant in contestants for package in contestant.packages}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"askew": askew.__version__}
