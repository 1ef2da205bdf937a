"""Annotations that are read when they are counted, batch by batch: `Scan`, what it reads and how."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from askew import interop
from askew.annotations import Annotations, Named, Names, _columns_named, _one_or_list, _used
from askew.errors import InputError, warn
from askew.executors import HERE, Executor
from askew.interop import Packed
from askew.interop.columns import first_null
from askew.interop.joining import Joined
from askew.interop.sources import Source, source_of


class Skipped(NamedTuple):
    """Rows that could not be read, and were passed over."""

    name: str
    n_rows: int | None  # None: nobody knows
    reason: str


class Scan(Named):
    """Annotations in files or in a stream, of which only a few batches are in memory at a time.

    Made by `Annotations.scan`. Whatever takes `Annotations` takes a scan, and gives the same integers as for the same
    rows in memory.

    Attributes
    ----------
    attribute_names, group_names : tuple of str
        The vocabularies. Where they were not declared, asking for them reads the columns they are in.
    n : int
        Number of instances. For Parquet files without filters their footers tell it, otherwise asking reads.
    skipped : list of Skipped
        What was passed over in the last pass, with ``on_error="skip"``: name, number of rows and reason.

    See Also
    --------
    Annotations.scan
    """

    def __init__(
        self,
        source: Source,
        *,
        columns: Sequence[str] | None,
        tags: str | None,
        groups: Any,
        attribute_names: Names | None,
        group_names: Names | None,
        unknown: str,
        ids: str | None,
        on_error: str,
    ) -> None:
        self.source, self._columns, self._tags, self._groups = source, columns, tags, groups
        self._attribute_names, self._group_names = attribute_names, group_names
        self._unknown, self._ids, self._on_error = unknown, ids, on_error
        self.skipped: list[Skipped] = []
        self.executor: Executor = HERE

    # ---- What is known before anything is counted

    @property
    def attribute_names(self) -> Names:
        """The p attributes, in the order of their columns."""
        if self._attribute_names is None:
            assert self._tags is not None
            self._attribute_names = self._found(self._tags, "attribute_names", lists=True)
        return self._attribute_names

    @property
    def group_names(self) -> Names:
        """The q groups, in the order of their columns."""
        if self._group_names is None:
            self._group_names = self._found(self._groups, "group_names", lists=False)
        return self._group_names

    @property
    def n(self) -> int:
        """Number of instances, those that cannot be read included where it is known how many they are."""
        sizes = [piece.n_rows for piece in self.source.pieces()]
        return sum(filter(None, self.source.sizes() if None in sizes else sizes))

    @property
    def known_n(self) -> int | None:
        """Number of instances, if it costs nothing to know."""
        sizes = [piece.n_rows for piece in self.source.pieces()]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def overlapping(self) -> bool:
        """Whether an instance may be in several groups."""
        return self._groups.overlapping if isinstance(self._groups, Scan) else isinstance(self._groups, list)

    @property
    def skips(self) -> bool:
        """Whether what cannot be read is passed over."""
        return self._on_error == "skip"

    @property
    def identity(self) -> str:
        """Tells what is read, and from which files, from other tables; "" where nothing does."""
        groups = self._groups.identity if isinstance(self._groups, Scan) else self._groups
        return digest(self.source.identity, groups, self._roles) if self.source.identity and groups else ""

    @property
    def fingerprint(self) -> str:
        """The same, with the places and times of the files."""
        groups = self._groups.fingerprint if isinstance(self._groups, Scan) else self._groups
        return digest(self.source.fingerprint, groups, self._roles) if self.source.fingerprint and groups else ""

    @property
    def _roles(self) -> tuple[object, ...]:
        return self._columns, self._tags, self._unknown, self.attribute_names, self.group_names

    def has_groups_of(self, other: Scan) -> bool:
        """Whether the groups are those of another scan, by declaration."""
        return self._groups == other or (self.source == other.source and self._groups == other._groups)

    def __eq__(self, other: object) -> bool:
        """Whether another scan reads the same in the same way, wherever the work on it is done."""
        if not isinstance(other, Scan):
            return NotImplemented
        return self.source == other.source and self._declared == other._declared

    def __hash__(self) -> int:
        return hash(self.source)

    @property
    def _declared(self) -> tuple[object, ...]:
        how = self._columns, self._tags, self._groups, self._unknown, self._ids, self._on_error
        return *how, self._attribute_names, self._group_names

    def __getstate__(self) -> dict[str, Any]:
        """What is read, and how; not who works on it."""
        return {name: value for name, value in vars(self).items() if name != "executor"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.executor = HERE

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        known = [
            "attributes to be found" if self._attribute_names is None else f"{len(self._attribute_names):,} attributes",
            "groups to be found" if self._group_names is None else f"groups: {', '.join(self._group_names[:6])}",
        ]
        return f"Scan({self.source!r}, {', '.join(known)})"

    def collect(self) -> Annotations:
        """All instances, as annotations in memory: a bit for each value.

        Examples
        --------
        >>> import pyarrow
        >>> batches = [pyarrow.record_batch({"dog": [1, 0], "gender": ["female", "male"]})] * 3
        >>> Annotations.scan(batches, attributes=["dog"], groups="gender").collect()
        Annotations(n=6, 1 attribute, groups: female, male)
        """
        from askew.reading import collected

        (read,) = collected((self,))
        return Annotations._assembled(read._attributes, read._groups, read._ids)  # with a look at the ids

    # ---- Reading

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        columns = [self._tags] if self._columns is None else self._columns
        groups = [] if isinstance(self._groups, Scan) else self._groups
        return _used(columns, groups if isinstance(groups, list) else [groups], self._ids)

    def _found(self, column: str, keyword: str, *, lists: bool) -> Names:
        from askew.reading import found_names

        if not self.source.rereadable:
            raise InputError(f"{self.source!r} can be read only once: declare {keyword}")
        names = found_names(self, column, lists=lists)
        if not names:
            what = f"column {column!r} of {self.source!r}"
            raise InputError(f"{what} has no {'tag' if lists else 'label'}: declare {keyword}")
        return names

    def _packed(self, batch: Any) -> tuple[Packed, Packed | None, npt.NDArray[Any] | None]:
        """Attributes, groups (None: those of another scan) and ids of a batch."""
        if self._tags is not None:
            what = f"column {self._tags!r}"
            attributes = interop.pack_tags(batch.column(self._tags), self.attribute_names, self._unknown, what)
        else:
            assert self._columns is not None
            columns = {name: batch.column(name) for name in self._columns}
            attributes = interop.pack_columns(columns, self.attribute_names, "attributes")
        if isinstance(self._groups, Scan):
            groups = None
        elif isinstance(self._groups, list):
            columns = {name: batch.column(name) for name in self._groups}
            groups = interop.pack_columns(columns, self.group_names, "groups")
        else:
            groups = interop.pack_labels(batch.column(self._groups), self.group_names, f"column {self._groups!r}")
        return attributes, groups, None if self._ids is None else self._ids_of(batch.column(self._ids))

    def _ids_of(self, column: Any) -> npt.NDArray[Any]:
        if column.null_count:
            raise InputError(f"column {self._ids!r}: row {first_null(column)} has no id")
        return np.asarray(column.to_numpy(zero_copy_only=False))


class SideBySide(Named):
    """Truth and predictions of the same instances as one table: the columns [A | Â], with the groups of the truth."""

    def __init__(self, truth: Scan, pred: Scan) -> None:
        self.truth, self.pred = truth, pred

    @property
    def attribute_names(self) -> Names:
        return joint_names(self.truth, self.pred)

    @property
    def group_names(self) -> Names:
        return self.truth.group_names


def side_by_side(truth: Named, pred: Named) -> Named:
    """Truth and predictions as one table, or `InputError` if they are not of the same instances."""
    if isinstance(truth, Scan) and isinstance(pred, Scan):
        truth.check_same_names(pred, "test and pred")
        return SideBySide(truth, pred)
    if not isinstance(truth, Annotations) or not isinstance(pred, Annotations):
        raise InputError("test and pred must both be scans, or both in memory: scan.collect() brings one there")
    truth.check_same_instances(pred, "test and pred")
    return joint(truth, pred)


def joint(truth: Annotations, pred: Annotations) -> Annotations:
    """The columns of both, with the groups of the truth."""
    words = np.concatenate([truth.packed_attributes, pred.packed_attributes])
    groups = Packed(truth.group_names, truth.packed_groups, truth.n)
    return Annotations._trusted(Packed(joint_names(truth, pred), words, truth.n), groups, None)


def joint_names(truth: Named, pred: Named) -> Names:
    """Names of the attributes of both."""
    true = (f"true {name}" for name in truth.attribute_names)
    return (*true, *(f"predicted {name}" for name in pred.attribute_names))


def scan(
    data: Any,
    *,
    attributes: Sequence[str] | None = None,
    tags: str | None = None,
    groups: Any,
    filters: Any = None,
    attribute_names: Sequence[str] | None = None,
    group_names: Sequence[str] | None = None,
    like: Any = None,
    unknown: str = "error",
    ids: str | None = None,
    order: Scan | None = None,
    on_error: str = "raise",
) -> Scan:
    """What `Annotations.scan` does."""
    if like is not None and not isinstance(like, Named):
        raise InputError(f"like must be Annotations or a scan of them, not {type(like).__name__}")
    if like is not None and (attribute_names is not None or group_names is not None):
        raise InputError("like= brings both vocabularies: leave attribute_names and group_names out")
    if attributes is not None and tags is not None:
        raise InputError("give attributes (columns of 0 and 1) or tags (one column of lists), not both")
    for name, value, choices in [("unknown", unknown, ("error", "ignore")), ("on_error", on_error, ("raise", "skip"))]:
        if value not in choices:
            raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if isinstance(groups, Annotations):
        raise InputError("the groups of a scan are in its columns, or those of another scan")
    declared = None if attribute_names is None else interop.as_names(attribute_names, "attribute_names")
    declared_groups = None if group_names is None else interop.as_names(group_names, "group_names")
    if like is not None:
        declared, declared_groups = like.attribute_names, like.group_names
    groups = groups if isinstance(groups, Scan) else _one_or_list(groups)
    if declared_groups is None and not isinstance(groups, str):
        declared_groups = groups.group_names if isinstance(groups, Scan) else interop.as_names(groups, "groups")
    columns = None if tags is not None else list(_columns_named(attributes, declared))
    if columns == []:
        raise InputError("attributes: no column was named")
    if declared is None and columns is not None:
        declared = interop.as_names(columns, "attributes")
    made = Scan(
        source_of(data, filters),
        columns=columns,
        tags=tags,
        groups=groups,
        attribute_names=declared,
        group_names=declared_groups,
        unknown=unknown,
        ids=ids,
        on_error=on_error,
    )
    if order is not None:
        if not isinstance(order, Scan) or order._ids is None or ids is None:
            raise InputError("order= is another scan, and both need ids=: the column by which rows are matched")
        made.source = Joined(made.source, made.needed, ids, order.source, order._ids)
    return made


def warn_of_skipped(scans: Sequence[Scan]) -> None:
    """Say what was passed over."""
    seen: list[Skipped] = []
    for one in scans:
        seen += [each for each in one.skipped if each not in seen]
    if seen:
        rows = sum(each.n_rows or 0 for each in seen)
        least = "at least " if any(each.n_rows is None for each in seen) else ""
        shown = "; ".join(each.reason for each in seen[:3])  # which names the file
        more = f"; and {len(seen) - 3:,} more" if len(seen) > 3 else ""
        text = f"{least}{rows:,} rows in {len(seen):,} piece{'s' * (len(seen) > 1)} were skipped: {shown}{more}"
        warn(text)


def digest(*parts: object) -> str:
    """A name for what depends on these parts; arrays by their bytes."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()[:24]
