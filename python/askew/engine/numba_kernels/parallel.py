"""A parallel loop over short tasks, watched from the calling thread: that is how Ctrl-C and progress get through."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from time import monotonic
from typing import TypeAlias

from askew.engine.protocol import Monitor

_BETWEEN_LOOKS = 0.05  # seconds


#: A task that takes more than milliseconds calls it now and then; it raises an exception when the loop is to stop.
Check: TypeAlias = Callable[[], None]


class _Stopped(Exception):
    """Another thread stopped the loop."""


def parallel_for(n_tasks: int, n_threads: int, monitor: Monitor | None, body: Callable[[int, Check], None]) -> None:
    """Run body(task, check) for task = 0 … n_tasks - 1 on up to `n_threads` threads, of which the caller is one.

    `monitor` is called from the calling thread about every 50 ms, with (tasks taken, tasks in all). The first exception
    is raised here, after every thread has ended.
    """
    tasks = deque(range(n_tasks))
    stopped = Event()
    last_look = monotonic()

    def look() -> None:
        nonlocal last_look
        if monitor is not None and monotonic() - last_look >= _BETWEEN_LOOKS:
            last_look = monotonic()
            monitor(n_tasks - len(tasks), n_tasks)

    def look_and_go_on() -> None:
        go_on()
        look()

    def go_on() -> None:
        if stopped.is_set():
            raise _Stopped

    def work(check: Check) -> None:
        try:
            while True:
                check()
                try:
                    task = tasks.popleft()
                except IndexError:
                    return
                body(task, check)
        except _Stopped:
            pass
        except BaseException:
            stopped.set()
            raise

    n_helpers = min(n_threads, n_tasks) - 1
    if n_helpers <= 0:
        work(look)
        return
    with ThreadPoolExecutor(n_helpers) as pool:
        helpers: list[Future[None]] = []
        try:
            for _ in range(n_helpers):
                try:
                    helpers.append(pool.submit(work, go_on))
                except RuntimeError:  # no more threads to be had: go on with those there are
                    break
            work(look_and_go_on)
            while wait(helpers, _BETWEEN_LOOKS).not_done:
                look()
        except BaseException:
            stopped.set()
            raise
    for helper in helpers:
        helper.result()
