"""Scans whose rows are worked on by a Dask cluster, with the integers of one machine.

Rows are cut into parts where pieces of the files begin, each of which is one task. A worker has one of them at work and
one in wait, gives the kernels all of its threads, and adds what it has counted to what it had before: so there are few
states at a time, about two for each worker, and what is sent between workers is one state of each, in pairs, at the
end. The client holds the sum alone. Tasks depend on nothing but their arguments: where a worker is lost, Dask runs
again what only that one knew, and no row is counted twice.
"""

from __future__ import annotations

import asyncio
import copy
import ctypes
import os
import pickle
import sys
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

try:
    from dask.sizeof import sizeof
    from distributed import Client, Future, KilledWorker, as_completed, get_client, get_worker, wait
except ImportError as error:
    raise ImportError(f"askew.dask needs Dask ({error}): pip install askew[dask]") from error

import askew
from askew.annotations import Named
from askew.audit import Predictions
from askew.counts import Counts
from askew.errors import AskewError, InputError
from askew.executors import END, Ranges, Save, Told, left
from askew.interop.joining import Joined
from askew.interop.sources import Files
from askew.reading import check_same_sizes
from askew.results import Audit
from askew.scan import Scan, Skipped

__all__ = ["audit", "distribute"]

#: Tasks for each worker, so that all end at about the same time; and the most rows of one, which is what is lost
#: with a worker, and how often progress is told.
TASKS, TASK_ROWS = 8, 1 << 23
#: How often a task that failed is tried again: what is far away cannot always be read.
RETRIES = 2

T = TypeVar("T")


def audit(
    train: Named,
    test: Named,
    pred: Predictions,
    *,
    client: Client | None = None,
    retries: int = RETRIES,
    **options: Any,
) -> Audit:
    """`askew.audit` on a Dask cluster: the same numbers, for any number of workers.

    Parameters
    ----------
    train, test, pred : Scan
        As in `askew.audit`. Their files must be where each worker can read them, under the same names. One of train and
        test may be in memory.
    client : distributed.Client, optional
        Default: the one that is current, see `distribute`.
    retries : int, default 2
        How often a part of the rows that could not be read or counted is tried again.
    **options
        Those of `askew.audit`. `max_memory` is for each worker and for the client, and `n_threads` for the client:
        workers take their own number of threads.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        As `askew.audit`, wherever it was raised; there is no client; a scan cannot be sent.
    AskewError
        The scheduler, or workers one after the other, were lost. With ``checkpoint=``, the next run goes on.

    Examples
    --------
    >>> import os, tempfile
    >>> import distributed, pyarrow, pyarrow.parquet
    >>> import askew, askew.dask
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = os.path.join(folder.name, "test.parquet")
    >>> columns = {"tea": [1, 0, 1, 1], "tea, predicted": [1, 1, 1, 0], "group": ["x", "x", "y", "y"]}
    >>> table = pyarrow.table({name: 5 * values for name, values in columns.items()})
    >>> pyarrow.parquet.write_table(table, file)
    >>> test = askew.Annotations.scan(file, attributes=["tea"], groups="group")
    >>> pred = askew.Annotations.scan(file, attributes=["tea, predicted"], groups=test, like=test)
    >>> with distributed.Client(processes=False, dashboard_address=":0") as client:
    ...     result = askew.dask.audit(test, test, pred)
    >>> result["BiasAmp_A->T"].value == askew.audit(test, test, pred)["BiasAmp_A->T"].value
    True
    >>> folder.cleanup()
    """

    def there(table: Any) -> Any:
        if isinstance(table, (list, tuple)):
            return [there(each) for each in table]
        return distribute(table, client, retries=retries) if isinstance(table, Scan) else table

    if not any(isinstance(table, Scan) for table in (train, test)):
        raise InputError("a cluster works on scans, and neither train nor test is one: see askew.Annotations.scan")
    return askew.audit(there(train), there(test), there(pred), **options)


def distribute(scan: Scan, client: Client | None = None, *, retries: int = RETRIES) -> Scan:
    """The same scan, whose rows are worked on by a Dask cluster in whatever it is given to.

    Parameters
    ----------
    scan : Scan
        Of files or of a data set, which each worker can read under the same names. Where vocabularies are not declared,
        this process reads the columns they are in.
    client : distributed.Client, optional
        Default: that of the task this is called in, or the last that was made.
    retries : int, default 2
        How often a part of the rows that could not be read or counted is tried again.

    Returns
    -------
    Scan
        Of predictions and their ground truth, give both to the cluster.

    Raises
    ------
    InputError
        There is no client; the scan is of a stream or a table in memory, or has been joined with another.

    Notes
    -----
    Rows that only the workers can count, of CSV files and with filters, are counted first.

    Examples
    --------
    >>> import os, tempfile
    >>> import distributed, pyarrow, pyarrow.parquet
    >>> import askew, askew.dask
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = os.path.join(folder.name, "table.parquet")
    >>> pyarrow.parquet.write_table(pyarrow.table({"tea": [1, 0, 1], "group": ["x", "x", "y"]}), file)
    >>> table = askew.Annotations.scan(file, attributes=["tea"], groups="group")
    >>> with distributed.Client(processes=False, dashboard_address=":0") as client:
    ...     counts = askew.count(askew.dask.distribute(table), "singletons")
    >>> counts == askew.count(table, "singletons")
    True
    >>> folder.cleanup()
    """
    if not isinstance(scan, Scan):
        raise InputError(f"a cluster works on scans, not on {type(scan).__name__}: see askew.Annotations.scan")
    executor = DaskExecutor(_current() if client is None else client, retries)
    executor.learn_sizes(scan)
    scan.attribute_names, scan.group_names  # noqa: B018  # found here, once
    sent = copy.copy(scan)
    sent.executor = executor
    return sent


def _current() -> Client:
    try:
        return get_client()
    except ValueError as error:
        raise InputError(
            "there is no Dask client: make one, such as distributed.Client() for the processors of this machine, or "
            "distributed.Client(address) for a cluster; or pass client="
        ) from error


def _sendable(source: object) -> Files:
    if isinstance(source, Files):
        return source
    if isinstance(source, Joined):
        raise InputError(
            f"{source!r}: rows that were brought into the order of another table lie on this machine alone, where a "
            "cluster cannot read them: write them to files in that order, and scan these"
        )
    raise InputError(
        f"{source!r} cannot be sent to a cluster, for it lies in the memory of this process or can be read only once: "
        "scan files"
    )


class Sent(NamedTuple):
    """What all tasks of a run need."""

    version: str
    work: bytes  # the work and its scans, pickled together, for the scans in both are the same


class Partial(NamedTuple):
    """The result on some of the rows, and what was passed over there, with the first row of the task."""

    value: Any
    skipped: tuple[tuple[int, tuple[Skipped, ...]], ...]


class DaskExecutor:
    """A Dask cluster."""

    def __init__(self, client: Client, retries: int = RETRIES) -> None:
        if not isinstance(client, Client):
            raise InputError(f"client must be a distributed.Client, not {type(client).__name__}")
        if client.asynchronous:
            raise InputError("client must be synchronous: distributed.Client(…) without asynchronous=True")
        self._client, self._retries = client, retries

    def reduce(
        self,
        work: Callable[..., T | None],
        combine: Callable[[T, T], T],
        scans: Sequence[Any],
        done: Ranges,
        told: Told | None,
        save: Save[T] | None,
    ) -> T | None:
        for scan in scans:
            self.learn_sizes(scan)
        check_same_sizes(scans)
        sizes = [piece.n_rows or 0 for piece in scans[0].source.pieces()]
        wanted = left(done)
        most = -(-_n_rows(_within(wanted, 0, sum(sizes))) // (TASKS * self._n_workers()))
        parts = parts_of(sizes, wanted, min(TASK_ROWS, most))
        if not parts:
            return None
        run = _Run(self._client, self._retries, combine)
        try:
            partial = run.through(Sent(askew.__version__, pickle.dumps((work, tuple(scans)))), parts, told, save)
        except BaseException:
            run.cancel()
            raise
        skipped: list[Skipped] = []
        for _, each in sorted(partial.skipped):
            skipped += [one for one in each if one.n_rows or one not in skipped]
        for scan in scans:
            scan.skipped = skipped
        value: T | None = partial.value
        return value

    def _n_workers(self) -> int:
        with _lost_is_told():
            return max(1, len(self._client.nthreads()))

    def learn_sizes(self, scan: Scan) -> None:
        """Have the cluster count the rows of pieces of which nobody knows the number."""
        if isinstance(scan._groups, Scan):
            self.learn_sizes(scan._groups)
        source = _sendable(scan.source)
        unknown = [number for number, piece in enumerate(source.pieces()) if piece.n_rows is None]
        if not unknown:
            return
        n_tasks = min(len(unknown), TASKS * self._n_workers())
        lots = [unknown[begin::n_tasks] for begin in range(n_tasks)]
        with _lost_is_told():
            shared = self._client.submit(as_it_is, source, pure=False)
            futures = [self._client.submit(sizes_of, shared, lot, pure=False, retries=self._retries) for lot in lots]
            counted = self._client.gather(futures)
        sizes: list[int | None] = [None] * len(source.pieces())
        for lot, found in zip(lots, counted, strict=True):
            for number, size in zip(lot, found, strict=True):
                sizes[number] = size
        source.announce(sizes)


class _Run:
    """One pass of a cluster over the rows."""

    def __init__(self, client: Client, retries: int, combine: Callable[..., Any]) -> None:
        self._client, self._retries, self._combine = client, retries, combine
        self._running: dict[Future, tuple[str | None, int]] = {}  # worker, and number of rows
        self._held: dict[str | None, Future] = {}  # the sum of all that is done, by worker

    def through(self, sent: Sent, parts: Sequence[tuple[Ranges, int]], told: Told | None, save: Any) -> Partial:
        """Start with one task for each worker, give a worker the next when it is done with one, and add up."""
        waiting, n = deque(parts), 0
        with _lost_is_told(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # it is sent once
            shared = self._client.submit(as_it_is, sent, pure=False)
        finished = as_completed([], loop=self._client.loop)
        self._feed(shared, waiting, finished)
        for future in finished:
            worker, n_rows = self._running.pop(future)
            self._check(future)
            with _lost_is_told():
                before = self._held.get(worker)
                self._held[worker] = future if before is None else self._sum(before, future, worker)
            self._check(self._held[worker])
            self._feed(shared, waiting, finished)
            n += n_rows
            if told is not None:
                told(n)
            if save is not None and waiting:
                save(lambda: self._total().value)
        return self._total()

    def _feed(self, shared: Future, waiting: deque[tuple[Ranges, int]], finished: Any) -> None:
        with _lost_is_told():
            workers: list[str | None] = list(self._client.nthreads())
            busy = [worker for worker, _ in self._running.values()]
            each = 2 if len(waiting) > len(workers) else 1  # one in wait, until the last
            free = [worker for count in range(each) for worker in workers if busy.count(worker) <= count]
            if not workers and not busy:
                free = [None]  # whoever comes
            for worker, _ in zip(free, tuple(waiting), strict=False):
                ranges, n_rows = waiting.popleft()
                future = self._submit(worker, 0, work_on_rows, shared, ranges)
                self._running[future] = worker, n_rows
                finished.add(future)

    def _sum(self, a: Future, b: Future, worker: str | None = None) -> Future:
        return self._submit(worker, 1, added, self._combine, a, b)

    def _submit(self, worker: str | None, priority: int, function: Callable[..., Any], *args: Any) -> Future:
        where = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        return self._client.submit(function, *args, pure=False, retries=self._retries, priority=priority, **where)

    def _total(self) -> Partial:
        """The sum of what all workers have, added up there."""
        states = list(self._held.values())
        with _lost_is_told():
            while len(states) > 1:
                pairs = zip(states[::2], states[1::2], strict=False)
                states = [self._sum(a, b) for a, b in pairs] + (states[-1:] if len(states) % 2 else [])
        return self._result(states[0])

    def _result(self, future: Future) -> Partial:
        with _lost_is_told():
            wait([future])
        self._check(future)
        with _lost_is_told():
            result: Partial = future.result()
            return result

    def _check(self, future: Future) -> None:
        """Raise what a task has raised."""
        if future.status == "cancelled":
            with _lost_is_told():
                future.result()
        if future.status == "error":
            try:
                future.result()
            except KilledWorker as error:
                raise AskewError(
                    f"worker after worker died at one part of the rows, most often of want of memory ({error}): give "
                    "each more, or lower max_memory, about three times of which a worker needs"
                ) from error

    def cancel(self) -> None:
        """Let the cluster forget all of it."""
        if self._client.status == "running":
            with suppress(Exception):  # what led here is to be told
                self._client.cancel([*self._running, *self._held.values()])


@contextmanager
def _lost_is_told() -> Iterator[None]:
    """What Dask raises when the cluster is gone, in words."""
    try:
        yield
    except (OSError, RuntimeError, TimeoutError, CancelledError, asyncio.CancelledError) as error:
        raise AskewError(
            f"the Dask scheduler was lost, or the client closed, before the end ({type(error).__name__}: {error}). "
            "A run with checkpoint= goes on where it stood, with a new client"
        ) from error


def parts_of(sizes: Sequence[int], wanted: Ranges, most: int) -> list[tuple[Ranges, int]]:
    """The wanted rows of pieces of these sizes, in parts of at most so many rows, or of one piece; and their numbers.

    The last part has no end, for what comes after the rows that are known of is to be found out.
    """
    parts: list[tuple[Ranges, int]] = []
    begin = end = n = 0
    for number, size in enumerate([*sizes, 0]):
        of_piece = _n_rows(_within(wanted, end, end + size))
        last = number == len(sizes)
        if last or (n and n + of_piece > most):
            ranges = _within(wanted, begin, END if last else end)
            if ranges:
                parts.append((ranges, n))
            begin, n = end, 0
        end, n = end + size, n + of_piece
    return parts


def _within(ranges: Ranges, begin: int, end: int) -> Ranges:
    cut = ((max(low, begin), min(high, end)) for low, high in ranges)
    return tuple((low, high) for low, high in cut if low < high)


def _n_rows(ranges: Ranges) -> int:
    return sum(end - begin for begin, end in ranges)


# ---- What runs on workers


def as_it_is(sent: T) -> T:
    """What all tasks need, as a task of its own: where it is lost with a worker, the scheduler has it still."""
    return sent


def sizes_of(source: Files, pieces: Sequence[int]) -> list[int | None]:
    """Rows of some pieces."""
    return [source.count(number) for number in pieces]


def work_on_rows(sent: Sent, ranges: Ranges) -> Partial:
    """The result on some of the rows."""
    if sent.version != askew.__version__:
        raise InputError(
            f"a worker has askew {askew.__version__}, the client {sent.version}: install the same one on both"
        )
    worker = get_worker()
    work, scans = pickle.loads(sent.work)
    for scan in scans:
        scan.skipped = []
    with _turn_of(worker), _memory_at_hand():
        value = work(ranges, None, None, n_threads=worker.state.nthreads)
    skipped = tuple(scans[0].skipped)
    return Partial(value, ((ranges[0][0], skipped),) if skipped else ())


def added(combine: Callable[[Any, Any], Any], a: Partial, b: Partial) -> Partial:
    """The result on the rows of both."""
    values = [value for value in (a.value, b.value) if value is not None]
    return Partial(combine(*values) if len(values) == 2 else values[0] if values else None, a.skipped + b.skipped)


_turns: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
_turns_lock = threading.Lock()


def _turn_of(worker: Any) -> threading.Lock:
    """Held by the task that has the threads and the memory of a worker: one at a time, however many it was given."""
    with _turns_lock:
        return _turns.setdefault(worker, threading.Lock())


#: Parameters of mallopt() in malloc.h of the GNU C library, and what is set: what is freed is kept, up to these bytes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = {M_TRIM_THRESHOLD: 1 << 28, M_MMAP_THRESHOLD: 1 << 25}


@contextmanager
def _memory_at_hand() -> Iterator[None]:
    """Let a task use again the memory that it has freed, and hand it back at the end.

    Dask's nannies set MALLOC_TRIM_THRESHOLD_, so that what kernels take and free many times, some megabytes each, is
    handed back at once, and is cleared when it is taken again: that took half as long as resampling itself.
    """
    before = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" and before.isdigit() else None
    if not hasattr(library, "mallopt"):
        yield
        return
    for parameter, value in KEPT.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        library.mallopt(M_TRIM_THRESHOLD, int(before))
        library.mallopt(M_MMAP_THRESHOLD, 1 << 17)  # the default
        library.malloc_trim(0)


def _bytes_of(counts: Counts) -> int:
    return sum(array.nbytes for array in counts._arrays.values())


sizeof.register(Counts, _bytes_of)  # Dask would take them for a few bytes, and send them about
