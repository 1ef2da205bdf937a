"""Co-occurrence counts of attribute sets and groups, with a leading replicate axis."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew.engine import Itemsets
from askew.errors import InputError
from askew.files import whole_file
from askew.sets import AttributeSets

Int64 = npt.NDArray[np.int64]

#: 1: every array as int64. 2: replicates as differences from the sample, in as few bytes as hold them; `source` and
#: `predicts_groups`; strata and clusters.
FILE_VERSION = 2


#: Arrays with one entry per attribute set, on their second axis.
PER_SET = (
    "truth",
    "prediction",
    "predicted_attributes",
    "predicted_groups_with_true_sets",
    "true_sets",
    "predicted_sets",
)


class View(NamedTuple):
    """Counts of attribute sets with groups; axis 0 is the replicate, and the first row is the sample itself."""

    co_set_group: Int64
    """co(m, g): instances that contain m and belong to g; shape (R, |M|, |G|)."""

    co_set: Int64
    """co(m): instances that contain m, in a group or not; shape (R, |M|)."""

    co_group: Int64
    """co(g): instances that belong to g; shape (R, |G|)."""

    n: Int64
    """Instances; shape (R,)."""


@dataclass(frozen=True)
class Resampling:
    """Which bootstrap weights the replicates of a Counts were made with."""

    weights: str
    seed: int
    table: str
    n_resamples: int
    n_strata: int | None = None
    n_clusters: int | None = None

    @property
    def of_whole_table(self) -> bool:
        """Whether the weights of an instance depend on what other instances there are."""
        return self.weights in ("multinomial", "poisson-patterns") or self.n_clusters is not None


class Counts:
    """Co-occurrence counts of one table (and of predictions for it), for the sample and each bootstrap replicate.

    Made by `count`. All arrays are int64, with the replicate on axis 0: row 0 is the sample itself, row 1 + b
    replicate b.

    Attributes
    ----------
    sets : AttributeSets
    group_names : tuple of str
    resampling : Resampling
        Weights, seed, table, numbers of replicates, of strata and of clusters.
    rows : tuple of (int, int)
        Which instances of the table were counted, as half-open ranges.
    source : str
        Tells the files of a scan from others; "" where the table was in memory.
    predicts_groups : bool or None
        Whether a predicted group differs from the true one; None without predictions.

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

    __slots__ = ("_arrays", "group_names", "predicts_groups", "resampling", "rows", "sets", "source")

    sets: AttributeSets
    group_names: tuple[str, ...]
    resampling: Resampling
    rows: tuple[tuple[int, int], ...]
    source: str
    predicts_groups: bool | None
    _arrays: dict[str, Int64]

    def __init__(
        self,
        sets: AttributeSets,
        group_names: tuple[str, ...],
        resampling: Resampling,
        rows: tuple[tuple[int, int], ...],
        arrays: dict[str, Int64],
        *,
        source: str = "",
        predicts_groups: bool | None = None,
    ) -> None:
        self.sets, self.group_names, self.resampling, self.rows = sets, group_names, resampling, rows
        self.source, self.predicts_groups, self._arrays = source, predicts_groups, arrays

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
            The rows overlap; sets, groups, weights, seed, table or replicates differ; weights of a whole table.
        """
        if not isinstance(other, Counts):
            return NotImplemented
        for what, mine, theirs in [
            ("attribute sets", self.sets, other.sets),
            ("groups", self.group_names, other.group_names),
            ("kinds of counts", sorted(self._arrays), sorted(other._arrays)),
            ("resampling", self.resampling, other.resampling),
            ("source", self.source, other.source),
        ]:
            if mine != theirs:
                raise InputError(f"these counts cannot be added: their {what} differ ({mine} and {theirs})")
        if self.resampling.n_resamples and self.resampling.of_whole_table:
            of = {"poisson-patterns": "of distinct rows", "multinomial": "of Efron's bootstrap"}
            kind = "of clusters" if self.resampling.n_clusters is not None else of[self.resampling.weights]
            raise InputError(
                f"these counts cannot be added: weights {kind} are drawn for a whole table. Take weights='poisson'"
                + (" without clusters" if self.resampling.n_clusters is not None else "")
            )
        rows = joined_rows(self.rows + other.rows, self.resampling.table)
        arrays = {name: array + other._arrays[name] for name, array in self._arrays.items()}
        return self._with(arrays, rows=rows, predicts_groups=either(self.predicts_groups, other.predicts_groups))

    def _with(self, arrays: dict[str, Int64], **changed: Any) -> Counts:
        """Counts of the same kind."""
        same = {name: getattr(self, name) for name in ("sets", "group_names", "resampling", "rows")}
        more = {"source": self.source, "predicts_groups": self.predicts_groups}
        return Counts(**{**same, **more, **changed}, arrays=arrays)

    def _part(self, part: slice) -> Counts:
        """The counts of a slice of the sets, without a copy."""
        arrays = {name: array[:, part] if name in PER_SET else array for name, array in self._arrays.items()}
        return self._with(arrays, sets=self.sets[part])

    def _replicates(self, rows: slice) -> Counts:
        """Some rows of the replicate axis, without a copy."""
        return self._with({name: array[rows] for name, array in self._arrays.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return (
            (self.sets, self.group_names, self.resampling, self.rows, self.source, self.predicts_groups)
            == (other.sets, other.group_names, other.resampling, other.rows, other.source, other.predicts_groups)
            and self._arrays.keys() == other._arrays.keys()
            and all(np.array_equal(array, other._arrays[name]) for name, array in self._arrays.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the counts to a file, which appears whole or not at all.

        The file is a ZIP archive of NumPy arrays and a JSON header; every part has a checksum.
        """
        with whole_file(path) as file:
            self._write(file)

    def to_bytes(self) -> bytes:
        """What `save` writes, for a message or a cell of a table.

        Examples
        --------
        >>> import askew
        >>> counts = askew.count(askew.Annotations([[1], [1]], ["x", "y"]), "singletons")
        >>> askew.Counts.from_bytes(counts.to_bytes()) == counts
        True
        """
        buffer = io.BytesIO()
        self._write(buffer)
        return buffer.getvalue()

    def _write(self, file: Any) -> None:
        header = {
            "format": "askew counts",
            "version": FILE_VERSION,
            "attribute_names": self.sets.attribute_names,
            "group_names": self.group_names,
            "resampling": self.resampling.__dict__,
            "rows": self.rows,
            "source": self.source,
            "predicts_groups": self.predicts_groups,
            "arrays": sorted(self._arrays),
        }
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

            def write(name: str, array: npt.NDArray[Any]) -> None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                    np.lib.format.write_array(part, array, allow_pickle=False)

            archive.writestr("header.json", json.dumps(header))
            write("items", self.sets.itemsets.items)
            write("offsets", self.sets.itemsets.offsets)
            for name, array in self._arrays.items():
                write(name, array[:1])
                write(f"{name}.replicates", _narrowed(array[1:] - array[:1]))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Counts:
        """Read counts that `save` wrote.

        Raises
        ------
        InputError
            The file is missing, cut, damaged or of another kind.
        """
        try:
            with open(path, "rb") as file:
                return cls._read(file, os.fspath(path))
        except FileNotFoundError:
            raise InputError(f"there is no file {os.fspath(path)}") from None
        except OSError as error:
            raise InputError(f"{os.fspath(path)} cannot be read: {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        """Counts from what `to_bytes` gave.

        Raises
        ------
        InputError
            The bytes are cut, damaged or of another kind.
        """
        return cls._read(io.BytesIO(data), "this")

    @classmethod
    def _read(cls, file: Any, what: str) -> Counts:
        try:
            with zipfile.ZipFile(file) as archive:
                header = json.loads(archive.read("header.json"))
                if header.get("format") != "askew counts":
                    raise InputError(f"{what} is not a file of counts")
                if header["version"] > FILE_VERSION:
                    raise InputError(f"{what} was written by a newer askew (file version {header['version']})")

                def part(name: str) -> Int64:
                    with archive.open(f"{name}.npy") as file:
                        array: Int64 = np.lib.format.read_array(file, allow_pickle=False)
                        file.read()  # to the end, where the checksum is compared
                        return array

                def whole(name: str) -> Int64:
                    if header["version"] == 1:
                        return part(name)
                    sample, replicates = part(name), part(f"{name}.replicates")
                    return np.concatenate([sample, sample + replicates])

                itemsets = Itemsets(part("items").astype(np.int32), part("offsets"))
                return cls(
                    AttributeSets._of(itemsets, header["attribute_names"]),
                    tuple(header["group_names"]),
                    Resampling(**header["resampling"]),
                    tuple((begin, end) for begin, end in header["rows"]),
                    {name: whole(name) for name in header["arrays"]},
                    source=header.get("source", ""),
                    predicts_groups=header.get("predicts_groups"),
                )
        except InputError:
            raise
        except Exception as error:  # whatever a damaged archive, header or array makes of itself
            raise InputError(f"{what} is not a whole file of counts: {error}") from error


def joined_rows(ranges: Iterable[tuple[int, int]], table: str = "the table") -> tuple[tuple[int, int], ...]:
    """Ranges in order, those that meet as one; `InputError` if two overlap."""
    rows: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if rows and begin < rows[-1][1]:
            raise InputError(
                f"these counts cannot be added: both contain rows {begin} to {min(end, rows[-1][1]) - 1} of {table}. "
                "Give each part its place in the table: count(…, first_row=…)"
            )
        if rows and begin == rows[-1][1]:
            rows[-1] = (rows[-1][0], end)
        else:
            rows.append((begin, end))
    return tuple(rows)


def either(mine: bool | None, theirs: bool | None) -> bool | None:
    """Whether one or the other is true; what is not known stays so, unless the other is true."""
    if mine is None or theirs is None:
        return (mine or theirs) or None
    return mine or theirs


def _narrowed(array: Int64) -> npt.NDArray[Any]:
    """The same integers in as few bytes as hold them all."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    kind = next(
        kind
        for kind in (np.int8, np.int16, np.int32, np.int64)
        if np.iinfo(kind).min <= low <= high <= np.iinfo(kind).max
    )
    return array.astype(kind)
