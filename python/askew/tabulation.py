"""The calls that give a table of values with intervals: associations of attributes, performance by group, disparities.

Each applies a formula to the counts of a tile of attribute sets in all replicates, and keeps a few numbers per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations, Named, check_annotations
from askew.association import CONTINGENCY, FOURFOLD, Fourfold, association
from askew.checks import check_choice
from askew.counts import View
from askew.engine import Itemsets
from askew.errors import InputError
from askew.evaluation import Pass, Tables
from askew.intervals import Jackknife, confidence_interval, standard_error
from askew.jackknife import check_method, jackknife_of, units_of
from askew.options import Options, options_of, takes_options
from askew.performance import DIFFERENCES, DISPARITIES, RATES, Confusion, confusion
from askew.scan import Scan, side_by_side
from askew.sets import AttributeSets
from askew.tables import Table

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]

MEASURES = (*FOURFOLD, *CONTINGENCY)
BETWEEN = ("groups", "grouping", "attributes")


@takes_options
def associations(annotations: Named, measure: str = "npmi", between: str = "groups", **options: Any) -> Table:
    """How strongly attributes go together with groups, or with each other.

    Parameters
    ----------
    annotations : Annotations
        Ground truth, or predictions: n instances.
    measure : str, default "npmi"
        Of the 2 × 2 table of x and y, with a instances that have both, b only x, c only y and d neither:

        ==================== ==================================================================
        "npmi"               normalised PMI: PMI / −ln P(x, y), from −1 to 1 (−1 where a = 0)
        "pmi"                pointwise mutual information ln(P(x, y) / (P(x) P(y))), −∞ where a = 0
        "lift"               P(x, y) / (P(x) P(y))
        "phi"                (a d − b c) / √((a + b)(c + d)(a + c)(b + d)), from −1 to 1
        "jaccard"            a / (a + b + c)
        "odds_ratio"         (a + ½)(d + ½) / ((b + ½)(c + ½)): Haldane and Anscombe's correction
        "chi2"               Pearson's Σ (O − E)² / E, without a correction for continuity
        "g"                  the likelihood ratio's 2 Σ O ln(O / E)
        "cramers_v"          √(χ² / (n (min(k, l) − 1))) of a k × l table, from 0 to 1
        "mutual_information" Σ P(x, y) ln(P(x, y) / (P(x) P(y))), in nats
        ==================== ==================================================================
    between : {"groups", "grouping", "attributes"}
        "groups": each attribute set with each group, against all other instances. "grouping": each attribute set with
        the groups as one variable of q levels, for the last four measures; groups must not overlap, and instances in
        no group are left out. "attributes": each two attributes, or those that `sets` has: a list of sets of two,
        or a universe, of which the sets of two are taken.
    **options
        Shared keywords.

    Returns
    -------
    Table
        ``set`` and ``group``, ``set`` alone, or the attributes ``first`` and ``second``; ``count`` (instances that
        have both; with "grouping", that contain the set), ``value``, ``low`` and ``high``, ``standard_error``,
        ``n_undefined_replicates``, which the interval leaves out.

    Raises
    ------
    InputError
        An argument is wrong, groups overlap, there is no set, or ``method="studentized"``.

    Notes
    -----
    A value is NaN where its formula is 0 / 0: npmi, pmi, lift where nobody has x or nobody y, and npmi where all have
    both; phi, chi2, g, cramers_v where x or y is the same for all; jaccard where nobody has either. Levels of a
    "grouping" that nobody has are left out.

    Replicates of −∞ count in the interval of "pmi", which may begin there; the standard error is then NaN.

    "chi2", "g", "cramers_v" and "mutual_information" cannot be negative, so that sampling noise adds to them, and a
    replicate adds it again: without any association χ² and G are (k − 1)(l − 1) on average, and mutual information
    that over 2 n. Their percentile intervals lie too high where the association is weak, and never reach 0.

    References
    ----------
    Aka O., Burke K., Bäuerle A., Greer C., Mitchell M., "Measuring Model Biases in the Absence of Ground Truth",
    AIES 2021 (npmi). For the other measures see "What every number means" in the documentation.

    Examples
    --------
    >>> import askew
    >>> table = askew.Annotations(
    ...     [[1, 1], [1, 0], [0, 0], [0, 1]], ["x", "x", "y", "y"], attribute_names=["cup", "tea"]
    ... )
    >>> print(askew.associations(table).take(slice(2)))
    set  group  count    value  low  high  standard_error  n_undefined_replicates
    cup  x          2  +1.0000    –     –               –                       0
    cup  y          0  -1.0000    –     –               –                       0
    >>> askew.associations(table, "cramers_v", "grouping")["value"]
    array([1., 0.])
    >>> askew.associations(table, "phi", "attributes")["second"]
    array(['tea'], dtype=object)
    """
    chosen = _options("associations", options)
    check_annotations(annotations=annotations)
    check_choice("measure", measure, MEASURES)
    check_choice("between", between, BETWEEN)
    if between == "attributes":
        return _between_attributes(annotations, measure, chosen)
    sets = _sets(chosen, annotations)
    work = Pass.of(annotations, None, None, chosen)
    if between == "groups":
        values = _values(
            work,
            sets,
            lambda tables: association(measure, _fourfold(_truth(tables))),
            lambda tables: _truth(tables).co_set_group,
        )
        return Table({**_set_and_group(sets, annotations), **values})
    if measure not in CONTINGENCY:
        raise InputError(
            f"measure={measure!r} is of two binary variables; with 'grouping' take one of {[*CONTINGENCY]}"
        )
    _check_disjoint(annotations)

    def contingency(tables: Tables) -> npt.NDArray[np.int64]:
        truth = _truth(tables)
        return np.stack([truth.co_set_group, truth.co_group[:, None, :] - truth.co_set_group], axis=-1)

    values = _values(
        work,
        sets,
        lambda tables: CONTINGENCY[measure](contingency(tables)),
        lambda tables: contingency(tables)[..., 0].sum(axis=-1),
    )
    return Table({"set": np.array(sets.names, object), **values})


@takes_options
def association_gaps(
    annotations: Named, measure: str = "npmi", groups: tuple[str, str] | None = None, **options: Any
) -> Table:
    """How much more strongly an attribute set goes together with one group than with another.

    ::

        G(m | g1, g2) = A(m, g1) − A(m, g2)

    where A is a measure of association: the nPMI gap of Aka et al. 2021 by default.

    Parameters
    ----------
    annotations : Annotations
        Ground truth, or predictions: n instances.
    measure : str, default "npmi"
        As in `associations`.
    groups : pair of group names, optional
        g1 and g2. Default: the two groups, where there are two.
    **options
        Shared keywords.

    Returns
    -------
    Table
        One row per set: ``set``, ``first`` and ``second`` (the groups), ``value`` (the gap), ``low`` and ``high``,
        ``standard_error``, ``n_undefined_replicates``.

    Raises
    ------
    InputError
        An argument is wrong, no set meets `min_count`, or ``method="studentized"``.

    Notes
    -----
    NaN where one of the two associations is, and where both are −∞.

    References
    ----------
    Aka O., Burke K., Bäuerle A., Greer C., Mitchell M., "Measuring Model Biases in the Absence of Ground Truth",
    AIES 2021.

    Examples
    --------
    >>> import askew
    >>> train = askew.datasets.load_compas("sex").train
    >>> gaps = askew.association_gaps(train, groups=("Male", "Female"), n_resamples=200, rng=0)
    >>> print(gaps.take(slice(1)))
    set             first  second    value      low     high  standard_error  n_undefined_replicates
    two_year_recid  Male   Female  +0.1668  +0.1107  +0.2205          0.0293                       0
    """
    chosen = _options("association_gaps", options)
    check_annotations(annotations=annotations)
    check_choice("measure", measure, MEASURES)
    pair = _pair(groups, annotations.group_names)
    sets = _sets(chosen, annotations)

    def gap(tables: Tables) -> Floats:
        of = association(measure, _fourfold(_of_groups(_truth(tables), pair)))
        with np.errstate(invalid="ignore"):  # −∞ − (−∞)
            difference: Floats = of[:, :, 0] - of[:, :, 1]
        return difference

    values = _values(Pass.of(annotations, None, None, chosen), sets, gap)
    return Table({**_set_and_pair(sets, pair, annotations), **values})


@takes_options
def group_metrics(test: Named, pred: Named, metric: str = "accuracy", **options: Any) -> Table:
    """How well each attribute set is predicted within each group.

    Parameters
    ----------
    test, pred : Annotations
        Ground truth, and predicted attributes of the same instances. The groups are those of `test`.
    metric : str, default "accuracy"
        Of the members of a group, with tp that contain the set in truth and by prediction, fp by prediction only, fn
        in truth only, and tn neither:

        ================ ========================================
        "accuracy"       (tp + tn) / (tp + fp + fn + tn)
        "recall"         tp / (tp + fn)
        "fnr"            false negative rate fn / (tp + fn)
        "fpr"            false positive rate fp / (fp + tn)
        "tnr"            true negative rate tn / (fp + tn)
        "precision"      tp / (tp + fp)
        "f1"             2 tp / (2 tp + fp + fn)
        "selection_rate" (tp + fp) / (tp + fp + fn + tn)
        "prevalence"     (tp + fn) / (tp + fp + fn + tn)
        ================ ========================================
    **options
        Shared keywords.

    Returns
    -------
    Table
        One row per set and group: ``set``, ``group``, ``count`` (the denominator), ``value`` (NaN where that is 0),
        ``low`` and ``high``, ``standard_error``, ``n_undefined_replicates``, which the interval leaves out.

    Raises
    ------
    InputError
        An argument is wrong, test and pred are not of the same instances, or ``method="studentized"``.

    See Also
    --------
    disparities : how the values differ between groups.
    cross_groups : groups that are intersections.

    Examples
    --------
    ProPublica's false positive rates:

    >>> import askew
    >>> _, test, pred = askew.datasets.load_compas("race", split=None)
    >>> rates = askew.group_metrics(test, pred, "fpr", sets=["two_year_recid"])
    >>> print(rates.take(slice(3)))
    set             group             count    value  low  high  standard_error  n_undefined_replicates
    two_year_recid  African-American  1,795  +0.4485    –     –               –                       0
    two_year_recid  Asian                23  +0.0870    –     –               –                       0
    two_year_recid  Caucasian         1,488  +0.2345    –     –               –                       0
    """
    chosen = _options("group_metrics", options)
    check_annotations(test=test, pred=pred)
    check_choice("metric", metric, RATES)
    sets = _sets(chosen, test)
    values = _of_confusions(
        test, pred, sets, chosen, lambda of: RATES[metric](of).value, lambda of: RATES[metric](of).denominator
    )
    return Table({**_set_and_group(sets, test), **values})


@takes_options
def disparities(
    test: Named,
    pred: Named,
    measure: str = "demographic_parity",
    groups: tuple[str, str] | None = None,
    **options: Any,
) -> Table:
    """How differently attribute sets are predicted in different groups.

    Parameters
    ----------
    test, pred : Annotations
        As in `group_metrics`.
    measure : str, default "demographic_parity"
        ========================= ===============================================================================
        "demographic_parity"      max − min over groups of the selection rate
        "equal_opportunity"       max − min of recall
        "equalized_odds"          the larger of max − min of recall and max − min of fpr
        "deo"                     max − min of fnr: for two groups, the absolute FNR gap
        a metric of group_metrics max − min of that: "accuracy", "fpr" …
        "worst_group_accuracy"    min of accuracy
        "balanced_group_accuracy" mean of accuracy over groups, each of which counts the same
        ========================= ===============================================================================
    groups : pair of group names, optional
        In place of max − min over groups, the first group's rate less the second's, which may be negative:
        ``measure="recall"`` is then the disparity of FACET. Not for the measures that are no difference of one rate.
    **options
        Shared keywords.

    Returns
    -------
    Table
        One row per set: ``set``, ``first`` and ``second`` (with `groups`), ``value``, ``low`` and ``high``,
        ``standard_error``, ``n_undefined_replicates``, which the interval leaves out.

    Raises
    ------
    InputError
        An argument is wrong, test and pred are not of the same instances, or ``method="studentized"``.

    See Also
    --------
    group_metrics : the values of each group.
    cross_groups : groups that are intersections.

    Notes
    -----
    Groups whose rate is undefined in the sample (recall, where no member contains the set) are left out, also of the
    replicates. A replicate in which that of another is undefined is undefined. A difference needs two groups.

    max − min cannot be negative: sampling noise adds to it, the more the smaller and the more numerous the groups,
    and a replicate adds it again. Its percentile intervals lie too high where groups differ little, and hardly reach
    0; the minimum of "worst_group_accuracy" lies too low in the same way. A difference of a given pair is free of
    this.

    References
    ----------
    - Hardt M., Price E., Srebro N., "Equality of Opportunity in Supervised Learning", NIPS 2016.
    - Gustafson L. et al., "FACET: Fairness in Computer Vision Evaluation Benchmark", ICCV 2023.
    - Sagawa S., Koh P. W., Hashimoto T. B., Liang P., "Distributionally Robust Neural Networks for Group Shifts",
      ICLR 2020 (worst-group accuracy).
    - Lokhande V. S., Akash A. K., Ravi S. N., Singh V., "FairALM", ECCV 2020 (DEO).

    Examples
    --------
    >>> import askew
    >>> _, test, pred = askew.datasets.load_compas("race")
    >>> pair = ("African-American", "Caucasian")
    >>> table = askew.disparities(test, pred, "fpr", pair, sets=["two_year_recid"], n_resamples=1000, rng=0)
    >>> table["low"] > 0.1
    array([ True])
    """
    chosen = _options("disparities", options)
    check_annotations(test=test, pred=pred)
    check_choice("measure", measure, DISPARITIES)
    if groups is not None and measure not in DIFFERENCES:
        raise InputError(f"measure={measure!r} is no difference of one rate: leave groups out")
    pair = None if groups is None else _pair(groups, test.group_names)
    sets = _sets(chosen, test)
    if pair is None:
        values = _of_confusions(test, pred, sets, chosen, DISPARITIES[measure])
        return Table({"set": np.array(sets.names, object), **values})

    def difference(of: Confusion) -> Floats:
        rate = DIFFERENCES[measure](Confusion(*(cell[:, :, pair] for cell in of))).value
        return rate[:, :, 0] - rate[:, :, 1]

    values = _of_confusions(test, pred, sets, chosen, difference)
    return Table({**_set_and_pair(sets, pair, test), **values})


def _options(function_name: str, given: dict[str, Any]) -> Options:
    chosen = options_of(function_name, given)
    if chosen.signed is not None:
        raise InputError(f"signed does not concern {function_name}()")
    check_method(function_name, chosen)
    return chosen


def _sets(options: Options, annotations: Named) -> AttributeSets:
    return options.universe("singletons" if options.sets is None else options.sets, annotations, None)


def _values(
    work: Pass,
    sets: AttributeSets,
    formula: Callable[[Tables], Floats],
    count: Callable[[Tables], npt.NDArray[np.int64]] | None = None,
    *,
    multiple_of: int = 1,
) -> Columns:
    """What the table tells of a formula's values, tile by tile of the sets."""
    units = units_of([work]) if work.options.method in ("BCa", "delta") else None
    parts = []
    for tile, tables in work.tiles(sets, multiple_of=multiple_of):
        known = None if units is None else jackknife_of(formula, work, sets[tile], units, multiple_of)
        parts.append(_summary(formula(tables), work.options, None if count is None else count(tables), known))
    return _joined(parts)


def _truth(tables: Tables) -> View:
    assert tables.train is not None
    return tables.train.truth


def _fourfold(truth: View) -> Fourfold:
    """Of each set with each group, against all other instances."""
    return Fourfold(truth.co_set_group, truth.co_set[:, :, None], truth.co_group[:, None, :], truth.n[:, None, None])


def _of_groups(truth: View, groups: list[int]) -> View:
    return truth._replace(co_set_group=truth.co_set_group[:, :, groups], co_group=truth.co_group[:, groups])


def _between_attributes(annotations: Named, measure: str, options: Options) -> Table:
    pairs = _attribute_pairs(annotations, options)
    items = pairs.itemsets.items.reshape(-1, 2)
    work = Pass.of(annotations, None, None, options)
    if options.method in ("BCa", "delta"):  # units are taken from the counts of both attributes and of the pair
        threes = np.column_stack([items, items]).ravel()
        sizes = np.tile([1, 1, 2], len(items))
        each = Itemsets(threes, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

        def of_three(tables: Tables) -> Floats:
            co_set, n = _truth(tables).co_set, _truth(tables).n[:, None]
            return association(measure, Fourfold(co_set[:, 2::3], co_set[:, ::3], co_set[:, 1::3], n))

        columns = _values(
            work,
            AttributeSets._of(each, annotations.attribute_names),
            of_three,
            lambda tables: _truth(tables).co_set[:, 2::3],
            multiple_of=3,
        )
    else:
        columns = _joined(list(_of_pairs(annotations, measure, work, pairs)))
    names = np.array(annotations.attribute_names, object)
    return Table({"first": names[items[:, 0]], "second": names[items[:, 1]], **columns})


def _of_pairs(annotations: Named, measure: str, work: Pass, pairs: AttributeSets) -> Iterator[Columns]:
    items = pairs.itemsets.items.reshape(-1, 2)
    singles = []
    for _, tables in replace(work, options=replace(work.options, progress=False)).tiles(
        AttributeSets.singletons(annotations)
    ):
        singles.append(_truth(tables).co_set.copy())  # a view would keep the counts with groups alive
    single = np.concatenate(singles, axis=1)
    for part, tables in work.tiles(pairs):
        both, n = _truth(tables).co_set, _truth(tables).n[:, None]
        of = Fourfold(both, single[:, items[part, 0]], single[:, items[part, 1]], n)
        yield _summary(association(measure, of), work.options, both)


def _attribute_pairs(annotations: Named, options: Options) -> AttributeSets:
    """The sets of two attributes that are asked for; all, if none are."""
    if options.sets is None:
        first, second = np.triu_indices(len(annotations.attribute_names), 1)
        items = np.column_stack([first, second]).astype(np.int32).ravel()
        every = Itemsets(items, np.arange(0, len(items) + 1, 2, dtype=np.int64))
        if len(every) == 0:
            raise InputError("associations between attributes need two attributes, and there is only one")
        return options.universe(AttributeSets._of(every, annotations.attribute_names), annotations, None)
    two_at_most = replace(options, max_size=2) if options.sets == "subsets" else options
    sets = two_at_most.universe(options.sets, annotations, None)
    of_two = sets.sizes == 2
    if not isinstance(options.sets, str) and not of_two.all():
        raise InputError(f"associations between attributes are of sets of two, not of {sets[int(np.argmin(of_two))]}")
    if not of_two.any():
        raise InputError(f"sets={options.sets!r} has no sets of two attributes")
    return sets.filter(of_two)


def _of_confusions(
    test: Named,
    pred: Named,
    sets: AttributeSets,
    options: Options,
    formula: Callable[[Confusion], Floats],
    count: Callable[[Confusion], npt.NDArray[np.int64]] | None = None,
) -> Columns:
    """A formula of the counts of sets in truth, by prediction and in both, with the groups of `test`.

    The columns [A | Â | G] are one table, in which m, m̂ and m ∧ m̂ are sets like any other; they stand side by side.
    """
    both_sides = side_by_side(test, pred)
    items = _true_predicted_both(sets.itemsets, len(test.attribute_names))
    threes = AttributeSets._of(items, both_sides.attribute_names)

    def of(tables: Tables) -> Confusion:
        assert tables.test is not None
        truth = tables.test.truth
        co_true, co_predicted, co_both = (truth.co_set_group[:, which::3] for which in range(3))
        return confusion(co_both, co_true, co_predicted, truth.co_group)

    return _values(
        Pass.of(None, both_sides, None, options),
        threes,
        lambda tables: formula(of(tables)),
        None if count is None else lambda tables: count(of(tables)),
        multiple_of=3,
    )


def _true_predicted_both(sets: Itemsets, n_attributes: int) -> Itemsets:
    """m, m̂ and m ∧ m̂ for each set m, over the columns [A | Â]."""
    sizes = np.diff(sets.offsets)
    within = np.arange(len(sets.items)) - np.repeat(sets.offsets[:-1], sizes)
    items = np.empty(4 * len(sets.items), np.int32)
    for copy in range(4):  # m; m̂; m and m̂
        begins = 4 * sets.offsets[:-1] + copy * sizes
        items[np.repeat(begins, sizes) + within] = sets.items + copy % 2 * n_attributes
    ends = np.cumsum(np.column_stack([sizes, sizes, 2 * sizes]).ravel(), dtype=np.int64)
    return Itemsets(items, np.concatenate([[0], ends]))


def _pair(groups: Any, names: tuple[str, ...]) -> list[int]:
    """The columns of two groups."""
    if groups is None and len(names) == 2:
        return [0, 1]
    if groups is None:
        raise InputError(f"there are {len(names)} groups: say which two to compare, groups=(first, second)")
    if isinstance(groups, str) or not isinstance(groups, (tuple, list)) or len(groups) != 2 or groups[0] == groups[1]:
        raise InputError(f"groups must be two names of groups, not {groups!r}")
    return [names.index(check_choice("each of groups", name, names)) for name in groups]


def _check_disjoint(annotations: Named) -> None:
    if isinstance(annotations, Annotations):
        memberships = int(annotations.group_sizes.sum())
        overlap = memberships > int(np.bitwise_count(np.bitwise_or.reduce(annotations.packed_groups, axis=0)).sum())
    else:
        overlap = isinstance(annotations, Scan) and annotations.overlapping
    if overlap:
        raise InputError(
            "between='grouping' takes the groups as one variable, but some instances are, or may be, in several groups"
        )


def _summary(
    values: Floats,
    options: Options,
    count: npt.NDArray[np.int64] | None = None,
    known: Jackknife | None = None,
) -> Columns:
    """What the table tells of values (1 + B, …) of the sample and its replicates, and of counts of the same shape."""
    low, high = _interval(values, options, known)
    replicates = values[1:]
    infinite = np.isinf(replicates)
    error = standard_error(np.where(infinite, np.nan, replicates))
    error = np.where(infinite.any(axis=0), np.nan, error)
    if options.method == "delta" and known is not None:
        error = known.standard_error
    columns = {} if count is None else {"count": np.broadcast_to(count[0], values.shape[1:])}
    columns |= {"value": values[0], "low": low, "high": high, "standard_error": error}
    columns["n_undefined_replicates"] = np.isnan(replicates).sum(axis=0)
    return {name: column.flatten() for name, column in columns.items()}  # copies: a view would keep replicates alive


def _interval(values: Floats, options: Options, known: Jackknife | None) -> tuple[Floats, Floats]:
    """As `confidence_interval`, for values that may be infinite: between −∞ and a number lies −∞."""
    far = 1e300
    infinite = np.isinf(values).any()
    bounded = np.clip(values, -far, far) if infinite else values
    how = options.method, options.confidence_level, options.alternative, known
    ends = confidence_interval(bounded[0], bounded[1:], *how)
    if not infinite:
        return ends.low, ends.high
    low, high = (np.where(np.abs(end) > far / 1e100, np.copysign(np.inf, end), end) for end in ends)
    return low, high


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _set_and_group(sets: AttributeSets, annotations: Named) -> Columns:
    names = annotations.group_names
    return {
        "set": np.repeat(np.array(sets.names, object), len(names)),
        "group": np.tile(np.array(names, object), len(sets)),
    }


def _set_and_pair(sets: AttributeSets, pair: list[int], annotations: Named) -> Columns:
    names = np.array(sets.names, object)
    first, second = (np.full(len(sets), annotations.group_names[group], object) for group in pair)
    return {"set": names, "first": first, "second": second}
