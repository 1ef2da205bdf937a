"""Co-occurrence counts of attribute sets and groups, with a leading replicate axis."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations, check_annotations
from askew.checks import check_choice, check_whole
from askew.engine import Draws, Engine, Itemsets, Monitor, choose, threads
from askew.engine.weights import DISTRIBUTIONS
from askew.errors import InputError
from askew.progress import ProgressLike, progress_monitor
from askew.randomness import RNG, seed_of
from askew.sets import AttributeSets

Int64 = npt.NDArray[np.int64]

TABLES = {"train": 0, "test": 1}
MAX_REPLICATES = 2**31 - 1
FILE_VERSION = 1
DEFAULT_MEMORY = 2**30


class View(NamedTuple):
    """Counts of attribute sets with groups; axis 0 is the replicate, and the first row is the sample itself."""

    co_set_group: Int64  # (R, |M|, |G|) instances that contain m and belong to g
    co_set: Int64  # (R, |M|) instances that contain m
    co_group: Int64  # (R, |G|) instances that belong to g
    n: Int64  # (R,) instances


@dataclass(frozen=True)
class Resampling:
    """Which bootstrap weights the replicates of a Counts were made with."""

    weights: str
    seed: int
    table: str
    n_resamples: int


class Counts:
    """Co-occurrence counts of one table (and of predictions for it), for the sample and each bootstrap replicate.

    Made by `count`. All arrays are int64, with the replicate on axis 0: row 0 is the sample itself, row 1 + b
    replicate b.

    Attributes
    ----------
    sets : AttributeSets
    group_names : tuple of str
    resampling : Resampling
        Weights, seed, table and number of replicates.
    rows : tuple of (int, int)
        Which instances of the table were counted, as half-open ranges.

    See Also
    --------
    count

    Examples
    --------
    Two parts of a table, counted apart, make the counts of the whole:

    >>> import askew
    >>> a = askew.Annotations([[1], [1]], ["x", "y"])
    >>> b = askew.Annotations([[0]], ["y"], like=a)
    >>> both = askew.count(a, [["0"]]) + askew.count(b, [["0"]], first_row=2)
    >>> both.truth.co_group
    array([[1, 2]])
    """

    __slots__ = ("_arrays", "group_names", "resampling", "rows", "sets")

    sets: AttributeSets
    group_names: tuple[str, ...]
    resampling: Resampling
    rows: tuple[tuple[int, int], ...]
    _arrays: dict[str, Int64]

    def __init__(
        self,
        sets: AttributeSets,
        group_names: tuple[str, ...],
        resampling: Resampling,
        rows: tuple[tuple[int, int], ...],
        arrays: dict[str, Int64],
    ) -> None:
        self.sets, self.group_names, self.resampling, self.rows, self._arrays = (
            sets,
            group_names,
            resampling,
            rows,
            arrays,
        )

    @property
    def n(self) -> Int64:
        """Number of instances, shape (R,)."""
        return self._arrays["n"]

    @property
    def n_annotated(self) -> Int64:
        """Number of instances with an attribute or a group (of the ground truth), shape (R,)."""
        return self._arrays["n_annotated"]

    @property
    def truth(self) -> View:
        """Ground-truth attributes with ground-truth groups: co(m, g)."""
        return self._view("truth", "true_sets", "true_groups")

    @property
    def prediction(self) -> View:
        """Predicted attributes with predicted groups: co(m̂, ĝ)."""
        return self._view("prediction", "predicted_sets", "predicted_groups")

    @property
    def predicted_attributes(self) -> View:
        """Predicted attributes with ground-truth groups: co(m̂, g)."""
        return self._view("predicted_attributes", "predicted_sets", "true_groups")

    @property
    def predicted_groups(self) -> View:
        """Ground-truth attributes with predicted groups: co(m, ĝ)."""
        return self._view("predicted_groups_with_true_sets", "true_sets", "predicted_groups")

    @property
    def has_predictions(self) -> bool:
        """Whether predictions were counted."""
        return "prediction" in self._arrays

    def _view(self, joint: str, co_set: str, co_group: str) -> View:
        if joint not in self._arrays:
            raise InputError("these counts were made without predictions: pass pred= to count()")
        return View(self._arrays[joint], self._arrays[co_set], self._arrays[co_group], self.n)

    def __len__(self) -> int:
        """Number of rows of the replicate axis."""
        return len(self.n)

    def __repr__(self) -> str:
        kind = " with predictions" if self.has_predictions else ""
        return (
            f"Counts({int(self.n[0]):,} instances{kind}, {len(self.sets):,} sets, {len(self.group_names)} groups, "
            f"{self.resampling.n_resamples:,} replicates)"
        )

    def __add__(self, other: Counts) -> Counts:
        """Counts of the rows of both, which must be disjoint rows of one table, counted alike.

        Raises
        ------
        InputError
            The rows overlap; sets, groups, weights, seed, table or replicates differ.
        """
        if not isinstance(other, Counts):
            return NotImplemented
        for what, mine, theirs in [
            ("attribute sets", self.sets, other.sets),
            ("groups", self.group_names, other.group_names),
            ("kinds of counts", sorted(self._arrays), sorted(other._arrays)),
            ("resampling", self.resampling, other.resampling),
        ]:
            if mine != theirs:
                raise InputError(f"these counts cannot be added: their {what} differ ({mine} and {theirs})")
        rows: list[tuple[int, int]] = []
        for begin, end in sorted(self.rows + other.rows):
            if rows and begin < rows[-1][1]:
                raise InputError(
                    f"these counts cannot be added: both contain rows {begin} to {min(end, rows[-1][1]) - 1} "
                    f"of {self.resampling.table}. "
                    "Give each part its place in the table: count(…, first_row=…)"
                )
            if rows and begin == rows[-1][1]:
                rows[-1] = (rows[-1][0], end)
            else:
                rows.append((begin, end))
        arrays = {name: array + other._arrays[name] for name, array in self._arrays.items()}
        return Counts(self.sets, self.group_names, self.resampling, tuple(rows), arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return (
            (self.sets, self.group_names, self.resampling, self.rows)
            == (other.sets, other.group_names, other.resampling, other.rows)
            and self._arrays.keys() == other._arrays.keys()
            and all(np.array_equal(array, other._arrays[name]) for name, array in self._arrays.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the counts to a file, which appears whole or not at all.

        The file is a ZIP archive of NumPy arrays and a JSON header; every part has a checksum.
        """
        path = Path(path)
        header = {
            "format": "askew counts",
            "version": FILE_VERSION,
            "attribute_names": self.sets.attribute_names,
            "group_names": self.group_names,
            "resampling": self.resampling.__dict__,
            "rows": self.rows,
            "arrays": sorted(self._arrays),
        }
        parts: dict[str, npt.NDArray[Any]] = {
            "items": self.sets.itemsets.items,
            "offsets": self.sets.itemsets.offsets,
            **self._arrays,
        }
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    archive.writestr("header.json", json.dumps(header))
                    for name, array in parts.items():
                        with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                            np.lib.format.write_array(part, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Counts:
        """Read counts that `save` wrote.

        Raises
        ------
        InputError
            The file is missing, cut, damaged or of another kind.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                header = json.loads(archive.read("header.json"))
                if header.get("format") != "askew counts":
                    raise InputError(f"{os.fspath(path)} is not a file of counts")
                if header["version"] > FILE_VERSION:
                    raise InputError(
                        f"{os.fspath(path)} was written by a newer askew (file version {header['version']})"
                    )

                def part(name: str) -> Int64:
                    with archive.open(f"{name}.npy") as file:
                        array: Int64 = np.lib.format.read_array(file, allow_pickle=False)
                        file.read()  # to the end, where the checksum is compared
                        return array

                itemsets = Itemsets(part("items").astype(np.int32), part("offsets"))
                return cls(
                    AttributeSets._of(itemsets, header["attribute_names"]),
                    tuple(header["group_names"]),
                    Resampling(**header["resampling"]),
                    tuple((begin, end) for begin, end in header["rows"]),
                    {name: part(name) for name in header["arrays"]},
                )
        except FileNotFoundError:
            raise InputError(f"there is no file {os.fspath(path)}") from None
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RuntimeError,
        ) as error:  # whatever a damaged archive, header or array makes of itself
            if isinstance(error, InputError):
                raise
            raise InputError(f"{os.fspath(path)} is not a whole file of counts: {error}") from error


def count(
    annotations: Annotations,
    sets: AttributeSets | Iterable[str | Iterable[str]],
    *,
    pred: Annotations | None = None,
    n_resamples: int = 0,
    weights: str = "poisson",
    rng: RNG = None,
    table: str | None = None,
    first_row: int = 0,
    backend: str = "auto",
    n_threads: int | None = None,
    max_memory: int = DEFAULT_MEMORY,
    progress: ProgressLike = False,
) -> Counts:
    """Count how often each attribute set occurs with each group, in the sample and in bootstrap replicates.

    Parameters
    ----------
    annotations : Annotations
        Ground truth of n instances.
    sets : AttributeSets or list of sets
    pred : Annotations, optional
        Predictions for the same instances: adds the three views that need them.
    n_resamples : int, default 0
        Number of bootstrap replicates B.
    weights : {"poisson", "poisson32"}
        Poisson(1) weights, from 16-bit or 32-bit uniforms.
    rng : int, numpy Generator, SeedSequence or None
        Seed of the weights: a whole number in [0, 2**64) is taken as it is. None: a fresh one, kept in
        ``resampling.seed``.
    table : {"train", "test"}, optional
        Which of the independent streams of weights to draw from. Default: "test" with `pred`, else "train".
    first_row : int, default 0
        Place of the first instance within its table, when a table is counted in parts.
    backend, n_threads, progress
        As in `audit`.
    max_memory : int, default 1 GiB
        Bytes that the counts and the work on them may take.

    Returns
    -------
    Counts
        For one `rng`: the same integers for every backend, number of threads and partition of the rows.

    Raises
    ------
    InputError
        An argument out of range; the counts would take more than `max_memory`; `pred` of other instances.

    Examples
    --------
    >>> import askew
    >>> table = askew.Annotations([[1, 1], [1, 0], [0, 1]], ["x", "x", "y"], attribute_names=["cup", "tea"])
    >>> counts = askew.count(table, ["tea", ["cup", "tea"]], n_resamples=2, rng=0)
    >>> counts.truth.co_set_group[0]
    array([[1, 1],
           [1, 0]])
    >>> counts.truth.co_set_group.shape
    (3, 2, 2)
    """
    check_annotations(annotations=annotations, **({} if pred is None else {"pred": pred}))
    if not isinstance(sets, AttributeSets):
        sets = AttributeSets(sets, annotations.attribute_names)
    if len(sets) == 0:
        raise InputError("the list of attribute sets is empty")
    check_resampling(n_resamples, weights)
    check_memory(max_memory)
    n_resamples, max_memory = int(n_resamples), int(max_memory)
    first_row = check_whole("first_row", first_row, 0)
    plan = CountingPlan.of(annotations, pred, table)
    needed = (plan.bytes_per_replicate * (1 + n_resamples) + plan.bytes_per_set) * len(sets) + KERNEL_BYTES
    if needed > max_memory:
        raise InputError(
            f"the counts of {len(sets):,} sets, {len(plan.group_names)} groups and {n_resamples:,} replicates "
            f"take {needed / 2**20:,.0f} MiB, "
            f"more than max_memory ({max_memory / 2**20:,.0f} MiB): raise it, or take fewer sets or replicates. "
            "audit() and the metrics need not keep them all"
        )
    seed = seed_of(rng) if n_resamples else 0  # the sample itself draws nothing
    resampling = Resampling(weights, seed, plan.table, n_resamples)
    with progress_monitor(progress) as monitor:
        return plan.run(
            sets, resampling, range(n_resamples), choose(backend), threads(n_threads), monitor, first_row=first_row
        )


def check_resampling(n_resamples: int, weights: str) -> None:
    """Raise `InputError` for a number of replicates or a kind of weights that cannot be."""
    check_whole("n_resamples", n_resamples, 0, MAX_REPLICATES)
    check_choice("weights", weights, DISTRIBUTIONS)


MIN_MEMORY = 2**28


def check_memory(max_memory: int) -> None:
    """Raise `InputError` for a budget in which no kernel can work."""
    check_whole("max_memory", max_memory, MIN_MEMORY)


#: What the resampling kernel takes for itself: membership lists of a piece of the table, and sums.
KERNEL_BYTES = 200 * 2**20


@dataclass(frozen=True)
class CountingPlan:
    """How the counts of a table (and of predictions for it) are laid out for the kernels.

    For each set m the itemsets are m with each group column; where groups do not overlap, co(m) is their sum and
    that of m with the column "in no group", which is there only if it has members. Otherwise m by itself is counted.
    """

    annotations: Annotations
    pred: Annotations | None
    table: str

    @classmethod
    def of(cls, annotations: Annotations, pred: Annotations | None, table: str | None) -> CountingPlan:
        """The plan, or `InputError` if the tables do not belong together."""
        if table is None:
            table = "train" if pred is None else "test"
        check_choice("table", table, TABLES)
        if pred is not None:
            annotations.check_same_instances(pred, "test and pred")
        return cls(annotations, pred, table)

    @property
    def group_names(self) -> tuple[str, ...]:
        return self.annotations.group_names

    @property
    def predicts_groups(self) -> bool | None:
        """Whether a predicted group differs from the true one; None without predictions."""
        if self.pred is None:
            return None
        return not np.array_equal(self.annotations.packed_groups, self.pred.packed_groups)

    @property
    def bytes_per_replicate(self) -> int:
        """Bytes of counts per set and row of the replicate axis, at most."""
        q = len(self.group_names)
        return 8 * (q + 2 if self.pred is None else 4 * q + 4)

    @property
    def bytes_per_set(self) -> int:
        """Bytes of itemsets per set, of a few attributes each, while they are put together."""
        return 5 * self.bytes_per_replicate

    def run(
        self,
        sets: AttributeSets,
        resampling: Resampling,
        replicates: range,
        engine: Engine,
        n_threads: int,
        monitor: Monitor | None,
        *,
        first_row: int = 0,
        sample: bool = True,
    ) -> Counts:
        """Count; the replicate axis holds the sample (if asked for) and the given replicates."""
        if sets.attribute_names != self.annotations.attribute_names:
            raise InputError("the attribute sets are over other attributes than the annotations")
        layout = _Layout(self.annotations, self.pred)
        itemsets, parts = layout.itemsets(sets)
        buffer = np.zeros((len(itemsets), sample + len(replicates)), np.int64)
        if sample:
            counting = None if len(replicates) else monitor  # of two steps, the long one is told of
            buffer[:, 0] = engine.count(layout.columns, self.annotations.n, itemsets, n_threads, counting)
        if len(replicates):
            draws = Draws(resampling.weights, resampling.seed, TABLES[self.table], first_row)
            out = buffer.T[int(sample) :]
            engine.resample(layout.columns, self.annotations.n, itemsets, draws, replicates, out, n_threads, monitor)
        if monitor is not None:
            monitor(1, 1)
        rows = ((first_row, first_row + self.annotations.n),)
        return Counts(sets, self.group_names, resampling, rows, layout.arrays(buffer, parts, len(sets)))


class _Layout:
    """Columns and itemsets of a plan, and the way back from the kernels' table of counts to named arrays."""

    def __init__(self, annotations: Annotations, pred: Annotations | None) -> None:
        self._p = len(annotations.attribute_names)
        self._sides = [annotations] if pred is None else [annotations, pred]
        self._attributes: list[int] = []  # first attribute column of each side
        self._groups: list[list[int]] = []  # group columns of each side
        self._rest: list[int | None] = []  # column "in no group" of each side; None: co(m) is counted by itself
        self._partition: list[bool] = []
        blocks, n_columns = [], 0
        for side in self._sides:
            q = len(side.group_names)
            self._attributes.append(n_columns)
            self._groups.append(list(range(n_columns + self._p, n_columns + self._p + q)))
            blocks += [side.packed_attributes, side.packed_groups]
            n_columns += self._p + q
            in_some = np.bitwise_or.reduce(side.packed_groups, axis=0)
            overlap = int(np.bitwise_count(side.packed_groups).sum()) > int(np.bitwise_count(in_some).sum())
            in_none = _instances(side.n) & ~in_some
            self._partition.append(not overlap)
            if not overlap and in_none.any():
                self._rest.append(n_columns)
                blocks.append(in_none[None])
                n_columns += 1
            else:
                self._rest.append(None)
        annotated = np.bitwise_or.reduce(
            np.concatenate([annotations.packed_attributes, annotations.packed_groups]), axis=0
        )
        self._annotated = n_columns
        blocks.append(annotated[None])
        self.columns = blocks

    def itemsets(self, sets: AttributeSets) -> tuple[Itemsets, dict[str, slice]]:
        """All itemsets, and where each array's lie among them."""
        parts: dict[str, slice] = {}
        lots: list[Itemsets] = []

        def add(name: str, lot: Itemsets) -> None:
            begin = sum(map(len, lots))
            parts[name] = slice(begin, begin + len(lot))
            lots.append(lot)

        add("n", Itemsets(np.zeros(0, np.int32), np.zeros(2, np.int64)))
        add("n_annotated", _single([self._annotated]))
        for side, name in zip(range(len(self._sides)), ("true", "predicted"), strict=False):
            add(f"{name}_groups", _single(self._groups[side]))
            own = [*self._groups[side], *([] if self._rest[side] is None else [self._rest[side]])]
            add("truth" if side == 0 else "prediction", _cross(sets.itemsets, self._attributes[side], own))
            if not self._partition[side]:
                add(f"{name}_sets", _cross(sets.itemsets, self._attributes[side], [None]))
        if len(self._sides) == 2:
            add("predicted_attributes", _cross(sets.itemsets, self._attributes[1], list(self._groups[0])))
            add("predicted_groups_with_true_sets", _cross(sets.itemsets, self._attributes[0], list(self._groups[1])))
        return _join(lots), parts

    def arrays(self, buffer: Int64, parts: dict[str, slice], n_sets: int) -> dict[str, Int64]:
        """The named arrays: views of the kernels' counts (S, R) with the replicate axis first."""
        q = len(self._groups[0])
        arrays = {}
        for name, part in parts.items():
            counts = buffer[part]
            if name in ("n", "n_annotated"):
                arrays[name] = counts[0]
            elif name in ("true_groups", "predicted_groups", "true_sets", "predicted_sets"):
                arrays[name] = counts.T
            else:
                arrays[name] = counts.reshape(n_sets, len(counts) // n_sets if n_sets else q, -1).transpose(2, 0, 1)
        for side, (joint, co_set) in enumerate(
            [("truth", "true_sets"), ("prediction", "predicted_sets")][: len(self._sides)]
        ):
            if self._partition[side]:
                arrays[co_set] = arrays[joint].sum(axis=2)
            arrays[joint] = arrays[joint][:, :, :q]
        return arrays


def _instances(n: int) -> npt.NDArray[np.uint64]:
    """The packed column of which every instance is a member."""
    column = np.zeros(-(-n // 512) * 8, np.uint64)
    column[: n // 64] = ~np.uint64(0)
    if n % 64:
        column[n // 64] = (1 << (n % 64)) - 1
    return column


def _single(columns: list[int]) -> Itemsets:
    return Itemsets(np.array(columns, np.int32), np.arange(len(columns) + 1, dtype=np.int64))


def _cross(sets: Itemsets, first_column: int, others: list[int | None]) -> Itemsets:
    """Every set with every one of the other columns (None: by itself); the sets' columns begin at `first_column`."""
    extra = np.array([other is not None for other in others], np.int64)
    sizes = (np.diff(sets.offsets)[:, None] + extra).ravel()
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    items = np.empty(offsets[-1], np.int32)
    begins = offsets[:-1].reshape(len(sets), len(others))
    within = np.arange(len(sets.items)) - np.repeat(sets.offsets[:-1], np.diff(sets.offsets))
    for position, other in enumerate(others):
        items[np.repeat(begins[:, position], np.diff(sets.offsets)) + within] = sets.items + first_column
        if other is not None:
            items[offsets[1:].reshape(len(sets), len(others))[:, position] - 1] = other
    return Itemsets(items, offsets)


def _join(lots: list[Itemsets]) -> Itemsets:
    starts = np.cumsum([0, *(len(lot.items) for lot in lots[:-1])])
    offsets = [lot.offsets[1:] + start for lot, start in zip(lots, starts, strict=True)]
    return Itemsets(np.concatenate([lot.items for lot in lots]), np.concatenate([np.zeros(1, np.int64), *offsets]))
