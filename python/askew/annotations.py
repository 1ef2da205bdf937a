"""Annotations: names and packed columns of n instances, the one representation inside."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from askew import interop
from askew.engine.protocol import Words
from askew.errors import InputError
from askew.interop import Packed
from askew.interop.names import listed, show

if TYPE_CHECKING:
    from askew.scan import Scan

Names = tuple[str, ...]


class Named(ABC):
    """What has attributes and groups by name: annotations in memory, or a scan of them."""

    __slots__ = ()

    @property
    @abstractmethod
    def attribute_names(self) -> Names:
        """The p attributes, in the order of their columns."""

    @property
    @abstractmethod
    def group_names(self) -> Names:
        """The q groups, in the order of their columns."""

    def check_same_names(self, other: Named, what: str = "the two tables") -> None:
        """Raise `InputError` unless `other` has the same attributes and groups, in the same order.

        `what` is what both are called in the message.

        Examples
        --------
        >>> train = Annotations([[1, 0]], ["male"], attribute_names=["dog", "tie"])
        >>> train.check_same_names(Annotations([[1, 1]], ["male"], attribute_names=["dog", "tie"]))
        """
        for kind, mine, theirs in (
            ("attribute", self.attribute_names, other.attribute_names),
            ("group", self.group_names, other.group_names),
        ):
            if mine != theirs:
                raise InputError(
                    f"{what} have different {kind} names: {_difference(mine, theirs)}; "
                    "build the second with like= the first, so that both share one vocabulary"
                )


class Annotations(Named):
    """Binary attributes and groups of n instances.

    Attribute and group vocabularies are declared once, with the first table; further tables of the same
    study take them over by ``like=``. The bits are packed when the object is made; what they were made from
    is not kept.

    Parameters
    ----------
    attributes : array_like or SciPy sparse, shape (n, p)
        1 where an instance has an attribute, else 0: booleans, integers or floats in any memory order. A
        sparse matrix is never made dense; entries that stand twice are summed. Arrays on a GPU (CuPy, Torch, and
        others that have DLPack) are booleans, uint8 or int8; they are packed there, and only the bits come back.
    groups : array_like or Series, shape (n,); array_like or SciPy sparse, shape (n, q); or Annotations
        One label per instance, where None, NaN, NaT and pandas' NA mean *in no group*; or a table of 0 and 1,
        in which an instance may be in several groups or in none. Such a table may be on a GPU, the same as the
        attributes if these are on one; labels are read on the host. Labels are text or whole numbers, and become
        text. Other annotations of the same instances give theirs: for a model that predicts no groups.
    attribute_names : sequence of str, optional
        Default: "0" to "p-1".
    group_names : sequence of str, optional
        The vocabulary of the labels, which may hold groups that do not occur, or the names of the table's
        columns. Default: the sorted distinct labels; "0" to "q-1" for a table.
    like : Annotations or Scan, optional
        Take both vocabularies from here instead.
    ids : array_like or Series, shape (n,), optional
        Distinct whole numbers or texts, which tell whether two tables have the same order of instances.

    Raises
    ------
    InputError
        No instance, attribute or group; a value other than 0 and 1; a label that was not declared; lengths or
        numbers of names that differ; a name or id that stands twice; attributes and groups on different GPUs.
    BackendError
        An array lies on a GPU where neither backend "cuda" nor "cupy" can run.

    See Also
    --------
    Annotations.from_dataframe : from columns of a table.
    Annotations.from_tags : from one list of tags per instance.
    Annotations.from_scores : from a model's scores and thresholds.
    Annotations.from_parquet : from a file.

    Examples
    --------
    >>> train = Annotations(
    ...     [[1, 0], [1, 1], [0, 0]], ["female", "male", None], attribute_names=["dog", "tie"]
    ... )
    >>> train
    Annotations(n=3, 2 attributes, groups: female, male; 1 in no group)
    >>> Annotations([[0, 1]], ["male"], like=train).group_names
    ('female', 'male')
    """

    __slots__ = ("_annotated", "_attributes", "_group_sizes", "_groups", "_ids")

    _attributes: Packed
    _groups: Packed
    _ids: npt.NDArray[Any] | None
    _annotated: Words | None
    _group_sizes: npt.NDArray[np.int64] | None

    def __init__(
        self,
        attributes: Any,
        groups: Any,
        *,
        attribute_names: Sequence[str] | None = None,
        group_names: Sequence[str] | None = None,
        like: Named | None = None,
        ids: Any = None,
    ) -> None:
        declared, declared_groups = _declared(attribute_names, group_names, like)
        interop.check_one_gpu(attributes=attributes, groups=groups)
        packed = interop.pack_matrix(attributes, declared, "attributes")
        self._set(packed, _packed_groups(groups, declared_groups), ids)

    @classmethod
    def from_dataframe(
        cls,
        df: Any,
        *,
        attributes: Sequence[Any] | None = None,
        groups: Any,
        group_names: Sequence[str] | None = None,
        like: Named | None = None,
        ids: Any = None,
    ) -> Annotations:
        """Annotations from columns of a table.

        Parameters
        ----------
        df : DataFrame
            A pandas, polars (eager or lazy) or pyarrow table, a DuckDB relation, or anything that narwhals
            knows or that exports an Arrow stream. Only the columns named here are read.
        attributes : list of column names
            Columns of 0 and 1. Default: `like`'s attributes.
        groups : column name, list of column names, or Annotations
            A column of labels; columns of 0 and 1, each a group of its column's name; or other annotations of the
            same instances, whose groups are taken over.
        group_names, like : optional
            As in `Annotations`. Columns that are called as the declared names are taken by name; columns
            that are called otherwise (predictions next to the ground truth in one table) are taken in order
            and renamed.
        ids : column name, optional
            Column of distinct ids.

        Returns
        -------
        Annotations

        Raises
        ------
        InputError
            As in `Annotations`; a column that is missing or used twice.

        Examples
        --------
        >>> import pyarrow
        >>> table = pyarrow.table({"dog": [True, False], "tie": [0, 1], "gender": ["female", None]})
        >>> Annotations.from_dataframe(table, attributes=["dog", "tie"], groups="gender")
        Annotations(n=2, 2 attributes, groups: female; 1 in no group)
        """
        declared, declared_groups = _declared(None, group_names, like)
        columns, groups = _columns_named(attributes, declared), _one_or_list(groups)
        read = interop.columns_of(df, _used(columns, groups, ids))
        packed = interop.pack_columns({name: read[name] for name in columns}, declared, "attributes")
        return cls._assembled(packed, _group_columns(read, groups, declared_groups), _id_column(read, ids))

    @classmethod
    def from_tags(
        cls,
        tags: Any,
        groups: Any,
        *,
        attribute_names: Sequence[str] | None = None,
        group_names: Sequence[str] | None = None,
        like: Named | None = None,
        unknown: str = "error",
        ids: Any = None,
    ) -> Annotations:
        """Annotations from one list of tags per instance, each tag an attribute.

        Parameters
        ----------
        tags : sequence of lists or sets, Series or Arrow array, shape (n,)
            Texts or whole numbers; a tag that stands twice in a row counts once. Arrow, polars and
            Arrow-backed pandas columns are read without a loop over their rows.
        groups, group_names, like, ids
            As in `Annotations`.
        attribute_names : sequence of str, optional
            The vocabulary of the tags. Default: the sorted distinct tags.
        unknown : {"error", "ignore"}
            What to do with a tag that was not declared.

        Returns
        -------
        Annotations

        Raises
        ------
        InputError
            As in `Annotations`; a tag that was not declared; a list or tag that is missing, which is not
            the same as an empty list.

        Examples
        --------
        >>> Annotations.from_tags([["dog"], ["tie", "dog"], []], ["female", "male", "male"])
        Annotations(n=3, 2 attributes, groups: female, male)
        """
        declared, declared_groups = _declared(attribute_names, group_names, like)
        packed = interop.pack_tags(tags, declared, unknown)
        return cls._assembled(packed, _packed_groups(groups, declared_groups), ids)

    @classmethod
    def from_scores(
        cls,
        scores: Any,
        groups: Any,
        *,
        thresholds: Any = 0.5,
        validation: tuple[Any, Annotations] | None = None,
        attribute_names: Sequence[str] | None = None,
        group_names: Sequence[str] | None = None,
        like: Annotations | None = None,
        ids: Any = None,
    ) -> Annotations:
        """Annotations that a model predicts: each attribute where its score is at least a threshold.

        Parameters
        ----------
        scores : array_like, shape (n, p)
            float16, float32, float64 or integers, on any scale and in any memory order. They are compared and packed
            a piece at a time. Infinities are allowed.
        groups, attribute_names, group_names, like, ids
            As in `Annotations`; scores without predicted groups take those of the ground truth: ``groups=test``.
        thresholds : float, array_like of shape (p,), or "calibrated", default 0.5
            A score that equals its threshold predicts the attribute. inf predicts none (but of scores inf), -inf all.
            A threshold is rounded to the precision of the scores, as NumPy does it in ``scores >= 0.7``. "calibrated":
            as many instances of the validation set are predicted to have an attribute as have it.
        validation : (array_like, Annotations), optional
            For "calibrated": the scores of a validation set, and its ground truth, as in `calibrated_thresholds`.

        Returns
        -------
        Annotations

        Raises
        ------
        InputError
            As in `Annotations`; a score or threshold that is NaN or no number; neither one threshold nor p; whole
            numbers beyond 2**53; scores on a GPU, where ``Annotations(scores >= thresholds, …)`` does the same.

        See Also
        --------
        calibrated_thresholds : as many predicted as there are.

        Examples
        --------
        >>> scores = [[0.9, 0.2], [0.5, 0.7], [0.1, 0.4]]
        >>> pred = Annotations.from_scores(scores, ["female", "male", "male"], thresholds=[0.5, 0.4])
        >>> pred.to_numpy()[0].astype(int)
        array([[1, 0],
               [1, 1],
               [0, 1]])
        """
        declared, declared_groups = _declared(attribute_names, group_names, like)
        calibrated = isinstance(thresholds, str) and thresholds == "calibrated"
        if calibrated != (validation is not None):
            raise InputError(
                'thresholds="calibrated" and validation=(scores, truth) of a validation set go together: give both, '
                "or none of them"
            )
        if validation is not None:
            from askew.thresholds import calibrated_thresholds

            if not isinstance(validation, tuple) or len(validation) != 2:
                raise InputError(f"validation must be a pair (scores, truth), not {show(validation)}")
            if declared is not None and isinstance(validation[1], Annotations):
                _check_declared(declared, validation[1].attribute_names)
            thresholds = calibrated_thresholds(*validation)
        packed = interop.pack_scores(scores, thresholds, declared)
        return cls._assembled(packed, _packed_groups(groups, declared_groups), ids)

    @classmethod
    def from_parquet(
        cls,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        attributes: Sequence[str] | None = None,
        tags: str | None = None,
        groups: str | Sequence[str],
        filters: Any = None,
        attribute_names: Sequence[str] | None = None,
        group_names: Sequence[str] | None = None,
        like: Named | None = None,
        unknown: str = "error",
        ids: str | None = None,
    ) -> Annotations:
        """Annotations from a Parquet file, of which only the columns named here are read.

        Parameters
        ----------
        path : path or list of paths
            One file or directory, or several whose rows follow one another.
        attributes : list of column names
            Columns of 0 and 1. Default, where there are no `tags`: `like`'s attributes.
        tags : column name
            A column of lists of tags, instead of `attributes`.
        groups : column name, list of column names, or Annotations
            A column of labels; columns of 0 and 1, each a group of its column's name; or other annotations of the
            same instances, whose groups are taken over.
        filters : optional
            Rows to keep, as in `pyarrow.parquet.read_table`: ``[("split", "=", "train")]``.
        attribute_names, group_names, like, unknown
            As in `from_tags` and `from_dataframe`.
        ids : column name, optional
            Column of distinct ids.

        Returns
        -------
        Annotations

        Raises
        ------
        InputError
            As in `from_tags` and `from_dataframe`; a file that is missing or broken.

        Examples
        --------
        >>> import os, tempfile
        >>> import pyarrow.parquet
        >>> table = pyarrow.table({"objects": [["dog"], []], "gender": ["female", "male"]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "train.parquet")
        ...     pyarrow.parquet.write_table(table, path)
        ...     Annotations.from_parquet(path, tags="objects", groups="gender")
        Annotations(n=2, 1 attribute, groups: female, male)
        """
        declared, declared_groups = _declared(attribute_names, group_names, like)
        if attributes is not None and tags is not None:
            raise InputError("give attributes (columns of 0 and 1) or tags (one column of lists), not both")
        columns = _columns_named(attributes, declared) if tags is None else [tags]
        groups = _one_or_list(groups)
        used = _used(columns, groups, ids)
        read = interop.columns_of(interop.read_parquet(path, used, filters), used)
        if tags is None:
            packed = interop.pack_columns({name: read[name] for name in columns}, declared, "attributes")
        else:
            packed = interop.pack_tags(read[tags], declared, unknown, f"column {tags!r}")
        return cls._assembled(packed, _group_columns(read, groups, declared_groups), _id_column(read, ids))

    @staticmethod
    def scan(
        data: Any,
        *,
        attributes: Sequence[str] | None = None,
        tags: str | None = None,
        groups: Any,
        filters: Any = None,
        attribute_names: Sequence[str] | None = None,
        group_names: Sequence[str] | None = None,
        like: Named | None = None,
        unknown: str = "error",
        ids: str | None = None,
        order: Scan | None = None,
        on_error: str = "raise",
    ) -> Scan:
        """Annotations that stay where they are, and are read batch by batch whenever they are counted.

        For tables larger than the memory. Whatever takes `Annotations` takes a scan: the counts are the same integers
        as for the same rows in memory.

        Parameters
        ----------
        data : path, list of paths, or whatever gives Arrow batches
            Files, folders (with those below them; ``key=value`` in a path is a column) and globs: Parquet, Arrow IPC or
            CSV, told apart by the extension; a ``pyarrow.dataset.Dataset``; a pyarrow, polars or pandas table; a DuckDB
            relation or polars LazyFrame, which must give its rows in the same order each time (relations that are
            counted together need a connection each, as from ``cursor()``); a list of record batches; a function without
            arguments that returns such batches, table or query; or an iterator or ``RecordBatchReader``, which can be
            read only once: enough for counting given sets, not for finding them.
        attributes : list of column names
            Columns of 0 and 1. Default, where there are no `tags`: `like`'s attributes.
        tags : column name
            A column of lists of tags, instead of `attributes`.
        groups : column name, list of column names, or Scan
            A column of labels; columns of 0 and 1, each a group of its column's name; or another scan of the same
            instances, whose groups are taken over.
        filters : optional
            Rows to keep, as in `pyarrow.parquet.read_table`: ``[("split", "=", "train")]``.
        attribute_names, group_names, like, unknown
            As in `from_parquet`. What is not declared is looked for, in a pass over its column.
        ids : column name, optional
            Column of ids. Scans that have them are compared row by row.
        order : Scan, optional
            Bring the rows into the order of this scan, by the ids of both. Needs DuckDB, and room for this table in the
            temporary folder.
        on_error : {"raise", "skip"}
            What to do with what cannot be read: row groups of a Parquet file (about a million rows together), or a
            whole file of another kind. What was skipped is told in a warning, and in ``skipped``. The rows after it
            keep their places, and so their weights, if a footer tells how many rows are lost.

        Returns
        -------
        Scan

        Raises
        ------
        InputError
            No such file, and the like; what is wrong with the rows is told, with file and row, when they are read.

        Examples
        --------
        >>> import os, tempfile
        >>> import askew, pyarrow
        >>> import pyarrow.parquet
        >>> table = pyarrow.table({"dog": [1, 0, 1], "pred_dog": [1, 1, 1], "gender": ["female", "male", "male"]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in range(3):
        ...         pyarrow.parquet.write_table(table, os.path.join(folder, f"{part}.parquet"))
        ...     files = f"{folder}/*.parquet"
        ...     test = askew.Annotations.scan(files, attributes=["dog"], groups="gender")
        ...     pred = askew.Annotations.scan(files, attributes=["pred_dog"], groups="gender", like=test)
        ...     askew.count(test, "singletons", pred=pred).predicted_attributes.co_set_group[0]
        array([[3, 6]])
        """
        from askew.scan import scan

        return scan(
            data,
            attributes=attributes,
            tags=tags,
            groups=groups,
            filters=filters,
            attribute_names=attribute_names,
            group_names=group_names,
            like=like,
            unknown=unknown,
            ids=ids,
            order=order,
            on_error=on_error,
        )

    @classmethod
    def _assembled(cls, attributes: Packed, groups: Packed, ids: Any) -> Annotations:
        annotations = cls.__new__(cls)
        annotations._set(attributes, groups, ids)
        return annotations

    @classmethod
    def _trusted(cls, attributes: Packed, groups: Packed, ids: npt.NDArray[Any] | None) -> Annotations:
        """As `_assembled`, without a look at the ids."""
        annotations = cls.__new__(cls)
        annotations._set(attributes, groups, None)
        annotations._ids = ids
        return annotations

    def _set(self, attributes: Packed, groups: Packed, ids: Any) -> None:
        if attributes.n != groups.n:
            raise InputError(f"attributes have {attributes.n:,} instances, groups have {groups.n:,}")
        self._attributes, self._groups, self._annotated, self._group_sizes = attributes, groups, None, None
        self._ids = None if ids is None else interop.as_ids(ids)
        if self._ids is not None:
            if len(self._ids) != self.n:
                raise InputError(f"attributes have {self.n:,} instances, ids have {len(self._ids):,}")
            self._ids.setflags(write=False)
        attributes.words.setflags(write=False)
        groups.words.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of instances."""
        return self._attributes.n

    @property
    def attribute_names(self) -> Names:
        """The p attributes, in the order of their columns."""
        return self._attributes.names

    @property
    def group_names(self) -> Names:
        """The q groups, in the order of their columns."""
        return self._groups.names

    @property
    def packed_attributes(self) -> Words:
        """Bits of the attributes, uint64 of shape (p, n_words), read-only: see `askew.engine.protocol`."""
        return self._attributes.words

    @property
    def packed_groups(self) -> Words:
        """Bits of the groups, uint64 of shape (q, n_words), read-only."""
        return self._groups.words

    @property
    def packed_annotated(self) -> Words:
        """Bits of the instances that have any attribute or group, uint64 of shape (1, n_words), read-only."""
        if self._annotated is None:
            annotated = np.bitwise_or.reduce(self.packed_groups, axis=0, keepdims=True)
            if int(np.bitwise_count(annotated).sum()) < self.n:  # mostly everybody is in a group
                annotated |= np.bitwise_or.reduce(self.packed_attributes, axis=0)
            annotated.setflags(write=False)
            self._annotated = annotated
        return self._annotated

    @property
    def group_sizes(self) -> npt.NDArray[np.int64]:
        """Number of instances in each group, int64 of shape (q,), read-only.

        Examples
        --------
        >>> Annotations([[1], [0], [1]], ["female", "male", "male"]).group_sizes
        array([1, 2])
        """
        if self._group_sizes is None:
            self._group_sizes = np.bitwise_count(self.packed_groups).sum(axis=1, dtype=np.int64)
            self._group_sizes.setflags(write=False)
        return self._group_sizes

    @property
    def ids(self) -> npt.NDArray[Any] | None:
        """Ids of the instances, shape (n,), int64 or str objects, read-only; None if none were given."""
        return self._ids

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        p, names = len(self.attribute_names), self.group_names
        groups = ", ".join(names[:6]) + (f", … ({len(names):,} in all)" if len(names) > 6 else "")
        outside = self.n - int(np.bitwise_count(np.bitwise_or.reduce(self.packed_groups, axis=0)).sum())
        rest = f"; {outside:,} in no group" if outside else ""
        return f"Annotations(n={self.n:,}, {p:,} attribute{'s' * (p != 1)}, groups: {groups}{rest})"

    def to_numpy(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """The two tables, unpacked.

        Returns
        -------
        attributes : numpy.ndarray of bool, shape (n, p)
        groups : numpy.ndarray of bool, shape (n, q)
            Both in Fortran order.

        Examples
        --------
        >>> attributes, groups = Annotations([[1, 0], [1, 1]], ["female", "male"]).to_numpy()
        >>> attributes
        array([[ True, False],
               [ True,  True]])
        """
        return _unpacked(self._attributes), _unpacked(self._groups)

    def check_same_instances(self, other: Annotations, what: str = "the two tables") -> None:
        """Raise `InputError` unless `other` has the same names and, in the same order, the same instances.

        The order can be checked where both have ids; without, the number of instances is.

        Examples
        --------
        >>> test = Annotations([[1], [0]], ["male", "female"], ids=[7, 8])
        >>> test.check_same_instances(Annotations([[1], [1]], ["male", "male"], like=test, ids=[7, 8]))
        """
        self.check_same_names(other, what)
        if self.n != other.n:
            raise InputError(f"{what} have {self.n:,} and {other.n:,} instances; expected the same ones in both")
        if self.ids is not None and other.ids is not None and not np.array_equal(self.ids, other.ids):
            row = int(np.argmax(self.ids != other.ids))
            raise InputError(
                f"{what} differ in their order: row {row} has the id {show(self.ids[row])} in the "
                f"first and {show(other.ids[row])} in the second; bring both into one order"
            )


def check_annotations(**tables: object) -> None:
    """Raise `InputError` for an argument that is something else than Annotations."""
    for name, table in tables.items():
        if not isinstance(table, Named):
            raise InputError(f"{name} must be Annotations, not {type(table).__name__}: see askew.Annotations")


def _check_declared(declared: Names, names: Names) -> None:
    if declared != names:
        raise InputError(f"the validation set has other attributes than are declared: {_difference(declared, names)}")


def _declared(attribute_names: Any, group_names: Any, like: Named | None) -> tuple[Names | None, Names | None]:
    """The two vocabularies, where they were declared."""
    if like is not None:
        if not isinstance(like, Named):
            raise InputError(f"like must be Annotations, not {type(like).__name__}")
        if attribute_names is not None or group_names is not None:
            raise InputError("like= brings both vocabularies: leave attribute_names and group_names out")
        return like.attribute_names, like.group_names
    return (
        None if attribute_names is None else interop.as_names(attribute_names, "attribute_names"),
        None if group_names is None else interop.as_names(group_names, "group_names"),
    )


def _columns_named(attributes: Any, declared: Names | None) -> Sequence[Any]:
    """The attributes' columns: as given, or called as the declared names."""
    if attributes is None and declared is not None:
        return declared
    if attributes is None:
        raise InputError(
            "say which columns are attributes: attributes=[names of columns of 0 and 1], or like=, or tags"
        )
    if isinstance(attributes, (str, bytes)) or not isinstance(attributes, Iterable):
        raise InputError(f"attributes must be a list of column names, not {show(attributes)}")
    return list(attributes)


def _one_or_list(groups: Any) -> Any:
    """A column's name, or a list of them; annotations stay what they are."""
    if isinstance(groups, Annotations):
        return groups
    return list(groups) if isinstance(groups, Iterable) and not isinstance(groups, (str, bytes)) else groups


def _used(columns: Sequence[Any], groups: Any, ids: Any) -> list[Any]:
    """Every column that is read, each in one role."""
    roles: dict[Any, str] = {}
    named = [("attributes", name) for name in columns]
    if not isinstance(groups, Annotations):
        named += [("groups", name) for name in (groups if isinstance(groups, list) else [groups])]
    named += [] if ids is None else [("ids", ids)]
    for role, name in named:
        if not isinstance(name, Hashable) or name is None:
            raise InputError(f"{role} must be named by column, not given as a {type(name).__name__}")
        if name in roles:
            raise InputError(f"column {name!r} is used twice: in {roles[name]} and in {role}")
        roles[name] = role
    return list(roles)


def _packed_groups(groups: Any, declared: Names | None) -> Packed:
    """Groups of whatever kind; those of other annotations are taken as they are."""
    if not isinstance(groups, Annotations):
        if isinstance(groups, Named):
            raise InputError(
                f"groups are a {type(groups).__name__}, whose rows are not in memory: take those of its collect(), or "
                "declare these annotations with Annotations.scan as well"
            )
        return interop.pack_groups(groups, declared)
    if declared is not None and declared != groups.group_names:
        raise InputError(f"the declared groups are {declared}, those of the given annotations {groups.group_names}")
    return groups._groups


def _group_columns(read: Mapping[Any, Any], groups: Any, declared: Names | None) -> Packed:
    if isinstance(groups, Annotations):
        return _packed_groups(groups, declared)
    if isinstance(groups, list):
        return interop.pack_columns({name: read[name] for name in groups}, declared, "groups")
    return interop.pack_labels(read[groups], declared, f"column {groups!r}")


def _id_column(read: Mapping[Any, Any], ids: Any) -> Any:
    return None if ids is None else read[ids]


def _difference(mine: Names, theirs: Names) -> str:
    """Where two lists of names differ."""
    if set(mine) == set(theirs) and len(mine) == len(theirs):
        at = next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
        return f"the same in another order, {mine[at]!r} and {theirs[at]!r} at position {at}"
    only_mine, only_theirs = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
    return f"only in the first: {listed(only_mine)}; only in the second: {listed(only_theirs)}"


def _unpacked(packed: Packed) -> npt.NDArray[np.bool_]:
    octets = packed.words.astype("<u8", copy=False).view(np.uint8)
    bits: npt.NDArray[np.bool_] = np.unpackbits(octets, axis=1, count=packed.n, bitorder="little").view(bool).T
    return bits
