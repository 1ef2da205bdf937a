"""What a bootstrap draws: instances or whole clusters of them, from the table or from each of its strata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations
from askew.engine import Units
from askew.errors import InputError, warn
from askew.interop.columns import as_column
from askew.interop.labels import MISSING, encode

Int64 = npt.NDArray[np.int64]
#: As strata: what groups an instance belongs to.
GROUPS = "groups"
MOST_UNITS = 2**32 - 1


@dataclass(frozen=True)
class Design:
    """The units that have weights, if they are not the instances, independently; and how many strata that matter, and
    clusters, were given (None: no labels).
    """

    units: Units | None = None
    n_strata: int | None = None
    n_clusters: int | None = None

    @classmethod
    def of(cls, annotations: Annotations, table: str, weights: str, strata: Any, clusters: Any) -> Design:
        """The design, or `InputError` for labels that cannot be, or that these weights have no use for.

        Labels are one per instance; `strata` may be "groups".
        """
        n = annotations.n
        if clusters is not None and weights == "poisson-patterns":
            raise InputError("weights='poisson-patterns' draws distinct rows, not clusters: take 'poisson'")
        if strata is None and clusters is None and weights != "multinomial":
            return cls()
        if n > MOST_UNITS:
            raise InputError(f"{table}: {n:,} instances; strata, clusters and multinomial weights need less than 2**32")
        of_row, n_clusters = _clusters(clusters, n, f"clusters of {table}")
        n_units = n if n_clusters is None else n_clusters
        what = f"strata of {table}"
        if isinstance(strata, str) and strata == GROUPS:
            strata = _group_combinations(annotations)
        stratum = None if strata is None else _numbered(strata, n, what)
        if stratum is not None and of_row is not None:
            stratum = _of_clusters(stratum, of_row, n_units, what)
        sizes = np.array([n_units]) if stratum is None else np.bincount(stratum)
        if of_row is not None and sizes.min() < 2:
            where = table if stratum is None else f"stratum {sizes.argmin()} (counted from 0) of {table}"
            raise InputError(f"{where} has a single cluster: nothing would vary. At least two are needed")
        members = None if stratum is None or len(sizes) == 1 else np.argsort(stratum, kind="stable").astype(np.uint32)
        units = Units(of_row, members, np.append(0, np.cumsum(sizes)).astype(np.int64))
        if stratum is not None:
            _warn(what, weights, int((sizes == 1).sum()))
        if weights != "multinomial":  # independent
            return cls(None if of_row is None else units, None, n_clusters)
        return cls(units, None if stratum is None else len(sizes), n_clusters)


def labels_for(table: str, tables: list[str], labels: Any, name: str) -> Any:
    """The strata or clusters of one of the tables that are resampled.

    Raises
    ------
    InputError
        It is not said which table the labels are of, or they are of one that is not resampled.
    """
    if labels is None or (isinstance(labels, str) and labels == GROUPS):
        return labels
    if isinstance(labels, str):
        raise InputError(f"{name} must be one label per instance, not {labels!r}")
    if isinstance(labels, Mapping):
        unknown = [key for key in labels if key not in tables]
        if unknown:
            raise InputError(f"{name} are given for {unknown[0]!r}; the tables that are resampled: {', '.join(tables)}")
        return labels.get(table)
    if len(tables) > 1:
        raise InputError(f'{name} must say which table they are of: {name}={{"train": …, "test": …}}')
    return labels


def _clusters(clusters: Any, n: int, what: str) -> tuple[npt.NDArray[np.uint32] | None, int | None]:
    if clusters is None:
        return None, None
    if isinstance(clusters, str):
        raise InputError(f"{what} must be one label per instance, not {clusters!r}")
    numbers = _numbered(clusters, n, what)
    return numbers.astype(np.uint32), int(numbers.max(initial=-1)) + 1


def _numbered(data: Any, n: int, what: str) -> Int64:
    """Labels as numbers in order of first appearance."""
    column = as_column(data, what)
    if len(column) != n:
        raise InputError(f"{what}: {len(column):,} labels for {n:,} instances")
    labels = encode(column, what)
    codes = labels.codes_in(labels.names)
    missing = np.flatnonzero(codes == MISSING)
    if len(missing):
        raise InputError(f"{what}: row {missing[0]} has no label; every instance needs one")
    return _by_first_appearance(codes, len(labels.names))


def _by_first_appearance(codes: npt.NDArray[np.integer[Any]], n_codes: int) -> Int64:
    first = np.full(n_codes, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several assignments, the last one holds
    rank = np.empty(n_codes, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(n_codes)
    numbers: Int64 = rank[codes]
    return numbers


def _group_combinations(annotations: Annotations) -> Int64:
    """A number for each combination of groups."""
    codes = np.zeros(annotations.n, np.int64)
    for column in annotations.packed_groups:
        bits = np.unpackbits(column.astype("<u8").view(np.uint8), count=annotations.n, bitorder="little")
        codes = np.unique(2 * codes + bits, return_inverse=True)[1]
    return codes


def _of_clusters(stratum: Int64, of_row: npt.NDArray[np.uint32], n_clusters: int, what: str) -> Int64:
    """The stratum of each cluster, all of whose instances must agree on it."""
    of_cluster = np.empty(n_clusters, np.int64)
    of_cluster[of_row[::-1]] = stratum[::-1]
    other = np.flatnonzero(of_cluster[of_row] != stratum)
    if len(other):
        row = int(other[0])
        first = int(np.argmax(of_row == of_row[row]))
        raise InputError(f"{what}: rows {first} and {row} are in two strata, but in one cluster, which is drawn whole")
    return of_cluster


def _warn(what: str, weights: str, n_single: int) -> None:
    if weights != "multinomial":
        warn(
            f"{what} change nothing: {weights!r} weights are independent of each other, within strata as across them. "
            "weights='multinomial' keeps the size of each stratum"
        )
    elif n_single:
        warn(f"{what}: {n_single:,} have a single instance, whose weight is 1 in every replicate: they add no variance")
