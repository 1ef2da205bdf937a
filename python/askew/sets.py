"""Attribute sets m ⊆ A, and the universes M of them that the papers use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations, Named, check_annotations
from askew.checks import check_choice, check_whole
from askew.engine import Engine, Itemsets, MiningTable, Monitor, TooManySets, choose, threads
from askew.engine.protocol import Int64, Words
from askew.errors import InputError
from askew.interop.names import nearest

SEPARATOR = " & "
SUPPORTS = ("any", "every")


class AttributeSets(Sequence[tuple[str, ...]]):
    """A list of distinct, non-empty sets of attributes.

    Parameters
    ----------
    sets : iterable of str or of iterables of str
        The sets; a text alone is a set of one attribute.
    attribute_names : sequence of str
        The vocabulary.

    Raises
    ------
    InputError
        A set is empty, names an unknown attribute, names one twice, or stands twice in the list.

    See Also
    --------
    AttributeSets.subsets, AttributeSets.observed, AttributeSets.singletons : the universes of the papers.

    Examples
    --------
    >>> sets = AttributeSets([["computer", "keyboard"], "dog"], ["computer", "dog", "keyboard"])
    >>> len(sets), sets[0]
    (2, ('computer', 'keyboard'))
    >>> sets.filter(lambda m: "dog" in m).names
    ['dog']
    """

    __slots__ = ("attribute_names", "itemsets")

    attribute_names: tuple[str, ...]
    itemsets: Itemsets

    def __init__(self, sets: Iterable[str | Iterable[str]], attribute_names: Sequence[str]) -> None:
        column = {name: c for c, name in enumerate(attribute_names)}
        found: dict[tuple[int, ...], None] = {}
        if isinstance(sets, (str, bytes)) or not isinstance(sets, Iterable):
            raise InputError(f"sets must be a list of sets of attribute names, not {sets!r}")
        for number, given in enumerate(sets):
            if isinstance(given, bytes) or not isinstance(given, (str, Iterable)):
                raise InputError(f"set {number} must be a list of attribute names, not {given!r}")
            names = [given] if isinstance(given, str) else list(given)
            unknown = [name for name in names if not isinstance(name, str) or name not in column]
            if unknown:
                raise InputError(
                    f"set {number} names {unknown[0]!r}, which is not one of the {len(column)} attributes; "
                    f"{nearest(str(unknown[0]), list(column))}"
                )
            columns = tuple(sorted({column[name] for name in names}))
            if not columns:
                raise InputError(f"set {number} is empty")
            if len(columns) < len(names):
                raise InputError(f"set {number} names an attribute twice: {names}")
            if columns in found:
                raise InputError(f"set {number} stands twice in the list: {names}")
            found[columns] = None
        sizes = [len(columns) for columns in found]
        items = np.array([c for columns in found for c in columns], np.int32)
        self._set(Itemsets(items, np.cumsum([0, *sizes], dtype=np.int64)), attribute_names)

    @classmethod
    def _of(cls, itemsets: Itemsets, attribute_names: Sequence[str]) -> AttributeSets:
        sets = cls.__new__(cls)
        sets._set(itemsets, attribute_names)
        return sets

    def _set(self, itemsets: Itemsets, attribute_names: Sequence[str]) -> None:
        self.attribute_names = tuple(attribute_names)
        self.itemsets = itemsets

    @classmethod
    def subsets(
        cls,
        train: Named,
        test: Named | None = None,
        *,
        max_size: int | None = None,
        min_count: int = 1,
        support: str = "any",
        max_sets: int = 1_000_000,
        backend: str = "auto",
        n_threads: int | None = None,
    ) -> AttributeSets:
        """Every set of attributes that occurs together in train and in test.

        Parameters
        ----------
        train, test : Annotations
            Ground truth. Without `test`, train alone decides.
        max_size : int, optional
            Largest number of attributes of a set. Default: no limit.
        min_count : int, default 1
            How many instances of each table must contain a set.
        support : {"any", "every"}, default "any"
            Count over all instances, or demand `min_count` within each group.
        max_sets : int, default 1,000,000
            More sets than this are an error.
        backend, n_threads
            As in `audit`.

        Returns
        -------
        AttributeSets
            By size, then in the order of the attributes.

        Raises
        ------
        InputError
            No set meets `min_count`; there are more than `max_sets`; an argument out of range; train and test of
            different names.

        References
        ----------
        Zhao D., Andrews J. T. A., Xiang A., "Men Also Do Laundry: Multi-Attribute Bias Amplification", ICML 2023.

        Examples
        --------
        >>> from askew import Annotations
        >>> train = Annotations([[1, 1], [1, 0]], ["a", "b"], attribute_names=["cup", "tea"])
        >>> list(AttributeSets.subsets(train))
        [('cup',), ('tea',), ('cup', 'tea')]
        """
        limits = Limits(max_size, min_count, support, max_sets)
        check_annotations(train=train, **({} if test is None else {"test": test}))
        if test is not None:
            train.check_same_names(test, "train and test")
        return universe("subsets", train, test, limits, backend, n_threads)

    @classmethod
    def observed(
        cls,
        train: Named,
        test: Named | None = None,
        *,
        min_size: int = 1,
        max_size: int | None = None,
        min_count: int = 1,
        backend: str = "auto",
        n_threads: int | None = None,
    ) -> AttributeSets:
        """The distinct full label sets of training instances that test instances contain, as in the code released
        with the 2023 paper.

        Parameters
        ----------
        train, test : Annotations
            Ground truth. Without `test`, train alone decides.
        min_size, max_size : int, optional
            Smallest and largest number of attributes of a set. Default: 1, no limit.
        min_count : int, default 1
            How many train instances must have exactly this set, and how many test instances must contain it.
        backend, n_threads
            As in `audit`.

        Returns
        -------
        AttributeSets
            By size, then in the order of the attributes.

        Raises
        ------
        InputError
            As `subsets`.

        Examples
        --------
        >>> from askew import Annotations
        >>> train = Annotations([[1, 1], [0, 1], [0, 0]], ["a", "b", "b"], attribute_names=["cup", "tea"])
        >>> list(AttributeSets.observed(train))
        [('tea',), ('cup', 'tea')]
        """
        check_limits(min_size=min_size, max_size=max_size, min_count=min_count)
        check_annotations(train=train, **({} if test is None else {"test": test}))
        engine, n_threads = choose(backend), threads(n_threads)
        if test is not None:
            train.check_same_names(test, "train and test")
        if not isinstance(train, Annotations) or not isinstance(test, (Annotations, type(None))):
            from askew import universes

            setting = universes.Setting(backend, n_threads)
            return universes.observed(
                train, test, min_size=min_size, max_size=max_size, min_count=min_count, setting=setting
            )
        first, multiplicity = engine.patterns(train.packed_attributes, train.n, n_threads)
        bits = rows_of(train.packed_attributes, first[multiplicity >= min_count])
        sets = observed_of(bits, train.attribute_names, min_size, max_size, min_count)
        if test is not None:
            counts = engine.count([test.packed_attributes], test.n, sets.itemsets, n_threads, None)
            sets = cls._of(select(sets.itemsets, np.flatnonzero(counts >= min_count)), train.attribute_names)
        nonempty(sets.itemsets, min_count)
        return sets

    @classmethod
    def singletons(cls, annotations: Named) -> AttributeSets:
        """Each attribute alone.

        Examples
        --------
        >>> from askew import Annotations
        >>> list(AttributeSets.singletons(Annotations([[1, 1]], ["a"], attribute_names=["cup", "tea"])))
        [('cup',), ('tea',)]
        """
        check_annotations(annotations=annotations)
        p = len(annotations.attribute_names)
        return cls._of(
            Itemsets(np.arange(p, dtype=np.int32), np.arange(p + 1, dtype=np.int64)), annotations.attribute_names
        )

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of attributes of each set, shape (len(self),)."""
        return np.diff(self.itemsets.offsets)

    @property
    def names(self) -> list[str]:
        """Each set as one text: its attributes, joined by " & "."""
        return [SEPARATOR.join(names) for names in self]

    def filter(self, keep: Callable[[tuple[str, ...]], bool] | npt.ArrayLike) -> AttributeSets:
        """The sets for which a function of the tuple of names is true, or that a boolean array selects."""
        mask = np.array([bool(keep(names)) for names in self], bool) if callable(keep) else np.asarray(keep)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise InputError(
                f"expected a function or a boolean array of shape ({len(self)},), not {mask.dtype} "
                f"of shape {mask.shape}"
            )
        return self._of(select(self.itemsets, np.flatnonzero(mask)), self.attribute_names)

    def __len__(self) -> int:
        return len(self.itemsets)

    @overload
    def __getitem__(self, index: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> AttributeSets: ...
    def __getitem__(self, index: int | slice) -> tuple[str, ...] | AttributeSets:
        if isinstance(index, slice):
            return self._of(select(self.itemsets, np.arange(len(self))[index]), self.attribute_names)
        s = range(len(self))[index]
        return tuple(
            self.attribute_names[c]
            for c in self.itemsets.items[self.itemsets.offsets[s] : self.itemsets.offsets[s + 1]]
        )

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        for columns in self.columns():
            yield tuple(self.attribute_names[c] for c in columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AttributeSets):
            return NotImplemented
        return (
            self.attribute_names == other.attribute_names
            and np.array_equal(self.itemsets.items, other.itemsets.items)
            and np.array_equal(self.itemsets.offsets, other.itemsets.offsets)
        )

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: AttributeSets) -> AttributeSets:
        """The sets of both lists, one after the other; a set may then stand twice."""
        if self.attribute_names != other.attribute_names:
            raise InputError("attribute sets over different attributes cannot be joined")
        a, b = self.itemsets, other.itemsets
        joined = Itemsets(
            np.concatenate([a.items, b.items]), np.concatenate([a.offsets, b.offsets[1:] + a.offsets[-1]])
        )
        return self._of(joined, self.attribute_names)

    def __or__(self, other: AttributeSets) -> AttributeSets:
        """The sets of either list, each once, in the order of their first appearance.

        Examples
        --------
        >>> names = ["cup", "tea"]
        >>> list(AttributeSets(["cup", "tea"], names) | AttributeSets(["tea", ["cup", "tea"]], names))
        [('cup',), ('tea',), ('cup', 'tea')]
        """
        both = self + other
        first: dict[tuple[int, ...], int] = {}
        for number, columns in enumerate(both.columns()):
            first.setdefault(columns, number)
        return self._of(select(both.itemsets, np.array([*first.values()], np.intp)), self.attribute_names)

    def columns(self) -> Iterator[tuple[int, ...]]:
        """The numbers of each set's attributes, ascending."""
        items, offsets = self.itemsets.items.tolist(), self.itemsets.offsets.tolist()
        for begin, end in pairwise(offsets):
            yield tuple(items[begin:end])

    def __repr__(self) -> str:
        by_size = ", ".join(
            f"{number:,} of size {size}" for size, number in enumerate(np.bincount(self.sizes)) if number
        )
        p = len(self.attribute_names)
        sets, attributes = (f"{n:,} {what}{'s' * (n != 1)}" for n, what in ((len(self), "set"), (p, "attribute")))
        return f"AttributeSets({sets} of {attributes}: {by_size or 'none'})"


@dataclass(frozen=True)
class Limits:
    """What the sets of a universe must keep to, as `AttributeSets.subsets` takes it; `InputError` if nothing could."""

    max_size: int | None = None
    min_count: int = 1
    support: str = "any"
    max_sets: int = 1_000_000

    def __post_init__(self) -> None:
        check_limits(max_size=self.max_size, min_count=self.min_count, max_sets=self.max_sets)
        check_choice("support", self.support, SUPPORTS)


def universe(
    kind: str | AttributeSets | Iterable[str | Iterable[str]],
    train: Named,
    test: Named | None,
    limits: Limits,
    backend: str,
    n_threads: int | None,
    max_memory: int | None = None,
    checkpoint: Any = None,
) -> AttributeSets:
    """The attribute sets that `kind` stands for, on these tables."""
    tables = [train] if test is None else [train, test]
    if isinstance(kind, AttributeSets):
        if kind.attribute_names != train.attribute_names:
            raise InputError("the attribute sets are over other attributes than the annotations")
        sets = kind
    elif not isinstance(kind, str):
        sets = AttributeSets(kind, train.attribute_names)
    elif kind == "singletons":
        sets = AttributeSets.singletons(train)
    elif kind not in ("subsets", "observed"):
        raise InputError(
            f'sets must be "subsets", "observed", "singletons", AttributeSets or a list of sets, not {kind!r}'
        )
    elif not all(isinstance(table, Annotations) for table in tables):
        from askew import universes

        sets = universes.find(kind, tables, limits, backend, threads(n_threads), max_memory, checkpoint)
    elif kind == "subsets":
        sets, _ = mine([t for t in tables if isinstance(t, Annotations)], limits, choose(backend), threads(n_threads))
    else:
        sets = AttributeSets.observed(
            train, test, max_size=limits.max_size, min_count=limits.min_count, backend=backend, n_threads=n_threads
        )
    if len(sets) == 0:
        raise InputError("the list of attribute sets is empty")
    if len(sets) > limits.max_sets:
        raise InputError(
            f"{len(sets):,} attribute sets are more than max_sets={limits.max_sets:,}: "
            "lower max_size, raise min_count or max_sets"
        )
    return sets


def mine(
    tables: Sequence[Annotations],
    limits: Limits,
    engine: Engine,
    n_threads: int,
    monitor: Monitor | None = None,
    *,
    groups: Words | None = None,
) -> tuple[AttributeSets, Int64]:
    """The universe "subsets", and how often each set occurs within each of the `groups` of the first table."""
    names = tables[0].attribute_names
    mining = [MiningTable(t.packed_attributes, t.packed_groups if limits.support == "every" else None) for t in tables]
    mining[0] = mining[0]._replace(groups=groups)
    max_size = len(names) if limits.max_size is None else min(limits.max_size, len(names))
    try:
        itemsets, counts = engine.mine(mining, limits.min_count, max_size, limits.max_sets, n_threads, monitor)
    except TooManySets:
        raise InputError(
            f"there are more than {limits.max_sets:,} attribute sets "
            f"of {'any size' if limits.max_size is None else f'up to {limits.max_size} attributes'} "
            f"that at least {limits.min_count} instances contain: lower max_size, raise min_count, or raise max_sets"
        ) from None
    return AttributeSets._of(nonempty(itemsets, limits.min_count), names), counts


def nonempty(itemsets: Itemsets, min_count: int) -> Itemsets:
    """The itemsets, or `InputError` if there are none."""
    if len(itemsets) == 0:
        raise InputError(f"no attribute set reaches min_count={min_count} in every table: lower min_count")
    return itemsets


def check_limits(*, max_size: int | None, **limits: int) -> None:
    """Raise `InputError` for a limit that is not a whole number of at least 1; max_size may be None."""
    if max_size is not None:
        limits["max_size"] = max_size
    for name, value in limits.items():
        check_whole(name, value, 1)


def rows_of(columns: Words, instances: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Some instances' rows of packed columns."""
    octets = columns.astype("<u8", copy=False).view(np.uint8)
    octet, bit = instances // 8, (1 << instances % 8).astype(np.uint8)
    rows = np.empty((len(instances), len(columns)), bool)
    for c, column in enumerate(octets):
        rows[:, c] = column[octet] & bit
    return rows


def observed_of(
    bits: npt.NDArray[np.bool_], names: Sequence[str], min_size: int, max_size: int | None, min_count: int
) -> AttributeSets:
    """Rows of attributes as sets of allowed sizes, by size, then columns."""
    sizes = bits.sum(axis=1, dtype=np.int64)
    kept = (sizes >= min_size) & (sizes <= (bits.shape[1] if max_size is None else max_size))
    bits, sizes = bits[kept], sizes[kept]
    order = _by_size_and_columns(bits, sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes[order], dtype=np.int64)])
    itemsets = Itemsets(np.nonzero(bits[order])[1].astype(np.int32), offsets)
    return AttributeSets._of(nonempty(itemsets, min_count), names)


def _by_size_and_columns(rows: npt.NDArray[np.bool_], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """The order by size and then by columns, which is descending where rows are read as binary numbers."""
    octets = np.packbits(rows, axis=1)
    octets = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
    words = octets.view(">u8").astype(np.uint64)
    return np.lexsort([*~words.T[::-1], sizes])


def select(itemsets: Itemsets, chosen: npt.NDArray[np.intp]) -> Itemsets:
    """The itemsets of the given numbers."""
    sizes = np.diff(itemsets.offsets)[chosen]
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    return Itemsets(itemsets.items[np.repeat(itemsets.offsets[chosen], sizes) + within], offsets)
