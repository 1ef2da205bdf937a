"""Where the counts of a table stand among the itemsets that the kernels count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations
from askew.engine import Itemsets
from askew.metrics import over_groups
from askew.sets import AttributeSets

Int64 = npt.NDArray[np.int64]

_SETS_KEPT = 1 << 12


def mined_arrays(annotations: Annotations, counts: Int64) -> dict[str, Int64]:
    """The named arrays of a table from the counts of its sets within each group and within `everybody`."""
    q = len(annotations.group_names)
    return {
        "n": np.array([annotations.n]),
        "n_annotated": _ones(annotations.packed_annotated),
        "true_groups": annotations.group_sizes[None],
        "truth": counts[None, :, :q],
        "true_sets": counts[None, :, q],
    }


class Layout:
    """Columns and itemsets of a table, and the way back from the kernels' counts to named arrays.

    For each set m the itemsets are m with each group column. Where groups do not overlap, co(m) is their sum and that
    of m with the column "in no group", which is there only if it has members; otherwise m by itself is counted.

    For one of several pieces of a table, `overlapping` says of each side whether its groups may overlap. The itemsets
    are then the same for every piece, whatever is in it.
    """

    def __init__(
        self, annotations: Annotations, pred: Annotations | None, overlapping: Sequence[bool] | None = None
    ) -> None:
        self._p = len(annotations.attribute_names)
        self._sides = [annotations] if pred is None else [annotations, pred]
        self._attributes: list[int] = []  # first attribute column of each side
        self._groups: list[list[int]] = []  # group columns of each side
        self._joint: list[list[int | None]] = []  # the same, but None for a group that everybody is in
        self._rest: list[int | None] = []  # column "in no group" of each side; None: co(m) is counted by itself
        self._partition: list[bool] = []
        self._shared_out = False  # whether everybody is in one true group: n is the sum of their sizes
        blocks, n_columns, everybody_in_some = [], 0, False
        whole = overlapping is None
        for number, side in enumerate(self._sides):
            q = len(side.group_names)
            self._attributes.append(n_columns)
            self._groups.append(list(range(n_columns + self._p, n_columns + self._p + q)))
            sizes = side.group_sizes
            columns = zip(self._groups[-1], sizes.tolist(), strict=True)
            self._joint.append([None if whole and size == side.n else column for column, size in columns])
            blocks += [side.packed_attributes, side.packed_groups]
            n_columns += self._p + q
            in_some = side.packed_groups[0] if q == 1 else np.bitwise_or.reduce(side.packed_groups, axis=0)
            n_in_some = int(sizes[0]) if q == 1 else int(_ones(in_some[None])[0])
            overlap = int(sizes.sum()) > n_in_some if overlapping is None else overlapping[number]
            self._partition.append(not overlap)
            if not overlap and (not whole or n_in_some < side.n):
                self._rest.append(n_columns)
                blocks.append((everybody(side.n) & ~in_some)[None])
                n_columns += 1
            else:
                self._rest.append(None)
            if number == 0:
                everybody_in_some = whole and n_in_some == side.n
                self._shared_out = everybody_in_some and not overlap
        self._annotated: int | None = None  # everybody is: whoever is in a group, for one
        if not (everybody_in_some or (whole and int(_ones(annotations.packed_annotated)[0]) == annotations.n)):
            self._annotated = n_columns
            blocks.append(annotations.packed_annotated)
        self.columns = blocks
        self._known: tuple[AttributeSets, tuple[Itemsets, dict[str, slice]]] | None = None  # of the last sets

    @property
    def partition(self) -> bool:
        """Whether no instance is in two groups, on any side."""
        return all(self._partition)

    def itemsets(self, sets: AttributeSets) -> tuple[Itemsets, dict[str, slice]]:
        """All itemsets, and where each array's lie among them."""
        if self._known is not None and self._known[0] is sets:
            return self._known[1]
        parts: dict[str, slice] = {}
        lots: list[Itemsets] = []

        def add(name: str, lot: Itemsets) -> None:
            begin = sum(map(len, lots))
            parts[name] = slice(begin, begin + len(lot))
            lots.append(lot)

        if not self._shared_out:
            add("n", Itemsets(np.zeros(0, np.int32), np.zeros(2, np.int64)))
        if self._annotated is not None:
            add("n_annotated", _single([self._annotated]))
        for side, name in zip(range(len(self._sides)), ("true", "predicted"), strict=False):
            add(f"{name}_groups", _single(self._groups[side]))
            own = [*self._joint[side], *([] if self._rest[side] is None else [self._rest[side]])]
            add("truth" if side == 0 else "prediction", _cross(sets.itemsets, self._attributes[side], own))
            if not self._partition[side]:
                add(f"{name}_sets", _cross(sets.itemsets, self._attributes[side], [None]))
        if len(self._sides) == 2:
            add("predicted_attributes", _cross(sets.itemsets, self._attributes[1], self._joint[0]))
            add("predicted_groups_with_true_sets", _cross(sets.itemsets, self._attributes[0], self._joint[1]))
        made = _join(lots), parts
        self._known = (sets, made) if len(sets) <= _SETS_KEPT else None  # of small tables it is a part of the time
        return made

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
        if self._shared_out:
            arrays["n"] = arrays["true_groups"].sum(axis=1)
        if self._annotated is None:
            arrays["n_annotated"] = arrays["n"]
        for side, (joint, co_set) in enumerate(
            [("truth", "true_sets"), ("prediction", "predicted_sets")][: len(self._sides)]
        ):
            if self._partition[side]:
                one = arrays[joint].shape[2] == 1  # group, that everybody is in
                arrays[co_set] = arrays[joint][:, :, 0] if one else over_groups(arrays[joint])
            arrays[joint] = arrays[joint][:, :, :q]
        return arrays


def everybody(n: int) -> npt.NDArray[np.uint64]:
    """The packed column of which every instance is a member."""
    column = np.zeros(-(-n // 512) * 8, np.uint64)
    column[: n // 64] = ~np.uint64(0)
    if n % 64:
        column[n // 64] = (1 << (n % 64)) - 1
    return column


def _ones(columns: npt.NDArray[np.uint64]) -> Int64:
    """How many instances are members of each packed column."""
    ones: Int64 = np.bitwise_count(columns).sum(axis=1, dtype=np.int64)
    return ones


def _single(columns: list[int]) -> Itemsets:
    return Itemsets(np.array(columns, np.int32), np.arange(len(columns) + 1, dtype=np.int64))


def _cross(sets: Itemsets, first_column: int, others: list[int | None]) -> Itemsets:
    """Every set with every one of the other columns (None: by itself); the sets' columns begin at `first_column`."""
    if others == [None]:
        return Itemsets(sets.items + np.int32(first_column), sets.offsets)
    lengths = np.diff(sets.offsets)
    extra = np.array([other is not None for other in others], np.int64)
    offsets = np.zeros(len(sets) * len(others) + 1, np.int64)
    np.cumsum((lengths[:, None] + extra).ravel(), out=offsets[1:])
    begins, ends = (edge.reshape(len(sets), len(others)) for edge in (offsets[:-1], offsets[1:]))
    items = np.empty(offsets[-1], np.int32)
    shifted = sets.items + np.int32(first_column)
    for position, other in enumerate(others):
        shift = np.repeat(begins[:, position] - sets.offsets[:-1], lengths)
        shift += np.arange(len(shift))
        items[shift] = shifted
        if other is not None:
            items[ends[:, position] - 1] = other
    return Itemsets(items, offsets)


def _join(lots: list[Itemsets]) -> Itemsets:
    offsets = np.zeros(sum(map(len, lots)) + 1, np.int64)
    place, n_items = 1, 0
    for lot in lots:
        np.add(lot.offsets[1:], n_items, out=offsets[place : place + len(lot)])
        place += len(lot)
        n_items += len(lot.items)
    return Itemsets(np.concatenate([lot.items for lot in lots]), offsets)
