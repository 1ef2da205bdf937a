"""The calls: one per metric, one for all of them, and one for a metric of your own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.annotations import Named, check_annotations
from askew.checks import check_choice
from askew.errors import InputError
from askew.evaluation import Metric, Pass, Tables, bootstrap_values, evaluate, warn_of_intervals
from askew.intervals import confidence_interval
from askew.jackknife import check_method, jackknife_of, units_of
from askew.options import Options, options_of, takes_options
from askew.results import Audit, Estimate
from askew.tables import Table

GROUP_TO_ATTRIBUTE, ATTRIBUTE_TO_GROUP = "group->attribute", "attribute->group"
#: The papers' names: A is the protected attribute and T the task in [Wang & Russakovsky 2021]; G the group and M the
#: attribute set in [Zhao et al. 2023].
DIRECTIONS = {
    GROUP_TO_ATTRIBUTE: GROUP_TO_ATTRIBUTE,
    "G->M": GROUP_TO_ATTRIBUTE,
    "A->T": GROUP_TO_ATTRIBUTE,
    ATTRIBUTE_TO_GROUP: ATTRIBUTE_TO_GROUP,
    "M->G": ATTRIBUTE_TO_GROUP,
    "T->A": ATTRIBUTE_TO_GROUP,
}
#: The family of each metric, and whether it is one of single attributes.
METRICS = {
    "BA_MALS": ("mals", True),
    "BiasAmp_A->T": (GROUP_TO_ATTRIBUTE, True),
    "BiasAmp_T->A": (ATTRIBUTE_TO_GROUP, True),
    "Multi_MALS": ("mals", False),
    "Multi_G->M": (GROUP_TO_ATTRIBUTE, False),
    "Multi_M->G": (ATTRIBUTE_TO_GROUP, False),
}

#: Of one model, or of several that differ in nothing but the seed of their training.
Predictions: TypeAlias = "Named | Sequence[Named] | None"


@takes_options
def mals(train: Named, test: Named, pred: Predictions = None, **options: Any) -> Estimate:
    """BA_MALS of Zhao et al. 2017: do predictions favour the group that training data favour, and by how much more?

    ::

        (1/|A|) Σ_g Σ_{a : bias_train(a, g) > 1/|G|} [bias_pred(a, g) − bias_train(a, g)]
        bias(a, g) = co(a, g) / Σ_g' co(a, g')

    Parameters
    ----------
    train, test, pred : Annotations, Scan or Counts
        Ground truth of the training and the test instances, and predictions of attributes and groups for the same
        test instances. A list of predictions is of several models, as in `audit`.
        Counts of test have those of the predictions in them: leave `pred` out.
    **options
        Shared keywords.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        An argument is wrong, or the tables do not belong together.

    Warns
    -----
    AskewWarning
        Most cells are undefined; most sets have a support below 10; too few replicates for the confidence level.
        Replicates lie far from the value, so that its interval holds less than it says (docs/statistics.md).

    References
    ----------
    Zhao J., Wang T., Yatskar M., Ordonez V., Chang K.-W., "Men Also Like Shopping: Reducing Gender Bias
    Amplification using Corpus-level Constraints", EMNLP 2017.

    Examples
    --------
    >>> import askew
    >>> train, test, pred = askew.datasets.make_annotations(5000, amplification=0.2, rng=1)[:3]
    >>> estimate = askew.mals(train, test, pred, n_resamples=500, rng=0)
    >>> estimate.confidence_interval.low < float(estimate) < estimate.confidence_interval.high
    True
    """
    chosen = options_of("mals", options)
    _check_tables(train, test, pred)
    return _estimate("BA_MALS", train, test, pred, chosen)


@takes_options
def directional(
    train: Named, test: Named, pred: Predictions = None, *, direction: str = GROUP_TO_ATTRIBUTE, **options: Any
) -> Estimate:
    """BiasAmp→ of Wang & Russakovsky 2021: are correlations of groups and attributes amplified, and in which direction?

    ::

        (1/|G||A|) Σ_g Σ_a [y Δ + (1 − y)(−Δ)],  y = 1[P_train(g, a) > P_train(g) P_train(a)]
        Δ = P(â | g) − P(a | g)  or  Δ = P(ĝ | a) − P(g | a)

    Parameters
    ----------
    train, test, pred : Annotations, Scan or Counts
        As in `mals`.
    direction : {"group->attribute", "attribute->group"}
        Whether errors in attributes depend on the group, or errors in groups on the attributes. The papers' "G->M"
        and "A->T" mean the first, "M->G" and "T->A" the second.
    **options
        Shared keywords.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        An argument is wrong, or the tables do not belong together.

    References
    ----------
    Wang A., Russakovsky O., "Directional Bias Amplification", ICML 2021.

    Examples
    --------
    The example that comes with the paper's code, each instance ten times:

    >>> import askew
    >>> group = ["B"] * 30 + ["A"] * 50
    >>> test = askew.Annotations([[y] for y in (0, 1, 1, 0, 0, 0, 0, 1) for _ in range(10)], group)
    >>> pred = askew.Annotations([[y] for y in (1, 1, 1, 0, 0, 0, 0, 0) for _ in range(10)], group)
    >>> round(float(askew.directional(test, test, pred, direction="A->T")), 4)
    0.2667
    """
    chosen = options_of("directional", options)
    _check_tables(train, test, pred)
    to_attribute = _direction(direction) == GROUP_TO_ATTRIBUTE
    return _estimate("BiasAmp_A->T" if to_attribute else "BiasAmp_T->A", train, test, pred, chosen)


@takes_options
def multi_mals(train: Named, test: Named, pred: Predictions = None, **options: Any) -> Estimate:
    """Multi_MALS of Zhao, Andrews & Xiang 2023: MALS over attribute sets, by size.

    ::

        X = (1/|M|) Σ_g Σ_m |Δ_gm|  and  variance(Δ_gm)
        Δ_gm = 1[bias_train(m, g) > 1/|G|] (bias_pred(m, g) − bias_train(m, g))

    Parameters
    ----------
    train, test, pred : Annotations, Scan or Counts
        As in `mals`.
    **options
        Shared keywords.

    Returns
    -------
    Estimate
        Sampling noise raises absolute values: see ``noise_floor`` and ``debiased``.

    Raises
    ------
    InputError
        An argument is wrong, the tables do not belong together, or no set meets `min_count`.

    References
    ----------
    Zhao D., Andrews J. T. A., Xiang A., "Men Also Do Laundry: Multi-Attribute Bias Amplification", ICML 2023.

    Examples
    --------
    >>> import askew
    >>> train, test, pred = askew.datasets.make_annotations(5000, amplification=0.2, rng=1)[:3]
    >>> askew.multi_mals(train, test, pred, max_size=2, min_count=100).n_sets > 20
    True
    """
    chosen = options_of("multi_mals", options)
    _check_tables(train, test, pred)
    return _estimate("Multi_MALS", train, test, pred, chosen)


@takes_options
def multi_directional(
    train: Named, test: Named, pred: Predictions = None, *, direction: str = GROUP_TO_ATTRIBUTE, **options: Any
) -> Estimate:
    """Multi_{G→M} and Multi_{M→G} of Zhao, Andrews & Xiang 2023: directional amplification over attribute sets.

    ::

        X = (1/|G||M|) Σ_g Σ_m |Δ_gm|  and  variance(Δ_gm)
        Δ = P(m̂ | g) − P(m | g)  or  Δ = P(ĝ | m) − P(g | m)

    Parameters
    ----------
    train, test, pred : Annotations, Scan or Counts
        As in `mals`.
    direction : {"group->attribute", "attribute->group"}
        As in `directional`.
    **options
        Shared keywords.

    Returns
    -------
    Estimate
        Sampling noise raises absolute values: see ``noise_floor`` and ``debiased``.

    Raises
    ------
    InputError
        An argument is wrong, the tables do not belong together, or no set meets `min_count`.

    References
    ----------
    Zhao D., Andrews J. T. A., Xiang A., "Men Also Do Laundry: Multi-Attribute Bias Amplification", ICML 2023.

    Examples
    --------
    >>> import askew
    >>> train, test, pred = askew.datasets.make_annotations(5000, amplification=0.2, rng=1)[:3]
    >>> estimate = askew.multi_directional(train, test, pred, direction="G->M", max_size=2, min_count=100)
    >>> estimate.name
    'Multi_G->M'
    """
    chosen = options_of("multi_directional", options)
    _check_tables(train, test, pred)
    to_attribute = _direction(direction) == GROUP_TO_ATTRIBUTE
    return _estimate("Multi_G->M" if to_attribute else "Multi_M->G", train, test, pred, chosen)


@takes_options
def audit(train: Named, test: Named, pred: Predictions = None, **options: Any) -> Audit:
    """Every bias-amplification metric in one pass, on the same replicates.

    `BA_MALS`, `BiasAmp_A->T` and `BiasAmp_T->A` over single attributes, `Multi_MALS`, `Multi_G->M` and `Multi_M->G`
    over the attribute sets.

    Parameters
    ----------
    train, test, pred : Annotations, Scan or Counts
        Ground truth of the training and the test instances, and predictions of attributes and groups for the same
        test instances, in the same order. Where a model predicts no groups: ``Annotations(…, groups=test, like=test)``.
        A list of predictions is of models that differ in nothing but the seed of their training. Values are then means
        over models, and intervals tell of training too: a replicate draws as many models, with replacement, on the
        weights of instances that they share (with k models this spread is √((k − 1)/k) of the true one); to "delta" and
        "BCa" they are one more sample, with the same spread. What each model has, and the papers' interval, is in
        ``estimate.models``.
        Counts of test have those of the predictions in them: leave `pred` out. They bring their replicates along.
    **options
        Shared keywords.

    Returns
    -------
    Audit
        A mapping of names to `Estimate` objects. `sets` and `signed` concern the multi-attribute metrics only.

    Raises
    ------
    InputError
        An argument is wrong, the tables do not belong together, no set meets `min_count`, or `method` needs influences
        and a table is not in memory, or they do not fit `max_memory`.

    Warns
    -----
    AskewWarning
        Most cells are undefined; most sets have a support below 10; too few replicates for the confidence level.
        Replicates lie far from the value, so that its interval holds less than it says (docs/statistics.md).

    Examples
    --------
    >>> import askew
    >>> train, test, pred = askew.datasets.load_compas("sex")
    >>> result = askew.audit(train, test, pred, n_resamples=1000, rng=0)
    >>> result["BA_MALS"].confidence_interval.high < 0.2
    True
    """
    chosen = options_of("audit", options)
    _check_tables(train, test, pred)
    estimates = evaluate(every_metric(chosen, train, test), train, test, _models(pred), chosen).estimates[0]
    return Audit(estimates, next(iter(estimates.values())).run)


@takes_options
def bias_scores(annotations: Named, **options: Any) -> Table:
    """Bias scores of attribute sets in one table, with intervals: bias(m, g) = co(m, g) / Σ_g' co(m, g').

    Parameters
    ----------
    annotations : Annotations, Scan or Counts
    **options
        Shared keywords.

    Returns
    -------
    Table
        One row per set and group: ``set``, ``group``, ``count`` (co(m, g)), ``bias`` (NaN where no member of any
        group contains m), ``low`` and ``high`` (NaN without replicates).

    Raises
    ------
    InputError
        An argument is wrong, no set meets `min_count`, or ``method="studentized"``.

    References
    ----------
    Zhao J. et al., "Men Also Like Shopping", EMNLP 2017.

    Examples
    --------
    >>> import askew
    >>> table = askew.Annotations([[1], [1], [1], [0]], ["x", "y", "y", "y"], attribute_names=["tea"])
    >>> print(askew.bias_scores(table))
    set  group  count    bias  low  high
    tea  x          1  0.3333    –     –
    tea  y          2  0.6667    –     –
    """
    chosen = options_of("bias_scores", options)
    if chosen.signed is not None:
        raise InputError("signed does not concern bias scores")
    check_method("bias_scores", chosen)
    check_annotations(annotations=annotations)
    sets = chosen.universe("singletons" if chosen.sets is None else chosen.sets, annotations, None)
    work = Pass.of(annotations, None, None, chosen)
    columns: dict[str, list[npt.NDArray[Any]]] = {"count": [], "bias": [], "low": [], "high": []}

    def bias_of(tables: Tables) -> npt.NDArray[np.float64]:
        assert tables.train is not None
        return metrics.bias_score(tables.train.truth).value

    units = units_of([work]) if chosen.method in ("BCa", "delta") else None
    for tile, tables in work.tiles(sets):
        assert tables.train is not None
        truth, bias = tables.train.truth, bias_of(tables)
        known = None if units is None else jackknife_of(bias_of, work, sets[tile], units)
        how = chosen.method, chosen.confidence_level, chosen.alternative, known
        low, high = confidence_interval(bias[0], bias[1:], *how)
        for name, values in [("count", truth.co_set_group[0]), ("bias", bias[0]), ("low", low), ("high", high)]:
            columns[name].append(values.ravel())
    q = len(annotations.group_names)
    return Table(
        {
            "set": np.repeat(np.array(sets.names, object), q),
            "group": np.tile(np.array(annotations.group_names, object), len(sets)),
            **{name: np.concatenate(parts) for name, parts in columns.items()},
        }
    )


@takes_options
def bootstrap(
    statistic: Callable[[Tables], npt.ArrayLike],
    train: Named | None = None,
    test: Named | None = None,
    pred: Named | None = None,
    **options: Any,
) -> Estimate:
    """Bootstrap a metric of your own.

    Parameters
    ----------
    statistic : callable
        Called with an object whose ``train`` and ``test`` are `Counts` (None for a table that is not given), for the
        sample and then for blocks of replicates. Returns an array whose first axis is the replicate, like that of
        every array of counts: shape (R, …). It should be a NumPy expression without a loop over replicates.
    train, test, pred : Annotations, Scan or Counts, optional
        At least one of `train` and `test`; `pred` needs `test`.
    **options
        Shared keywords.

    Returns
    -------
    Estimate
        ``value`` of shape (…), ``bootstrap_distribution`` of shape (…, B). `sets` are single attributes by default.

    Raises
    ------
    InputError
        An argument is wrong; the statistic returns another shape.

    Examples
    --------
    How much more often is recidivism predicted than it happens?

    >>> import askew
    >>> train, test, pred = askew.datasets.load_compas("sex")
    >>> def surplus(counts):
    ...     return counts.test.predicted_attributes.co_set[:, 0] / counts.test.truth.co_set[:, 0]
    >>> estimate = askew.bootstrap(surplus, test=test, pred=pred, n_resamples=200, rng=0)
    >>> estimate.bootstrap_distribution.shape
    (200,)
    """
    chosen = options_of("bootstrap", options)
    if train is None and test is None:
        raise InputError("bootstrap() needs a table: train, test or both")
    given = {"train": train, "test": test, "pred": pred}
    check_annotations(**{name: table for name, table in given.items() if table is not None})
    if pred is not None and test is None:
        raise InputError("pred are predictions for the instances of test: pass test as well")
    if chosen.signed is not None:
        raise InputError("signed does not concern a statistic of your own")
    if chosen.method in ("studentized", "delta"):
        raise InputError(
            f"method={chosen.method!r} needs derivatives, which a statistic of your own does not give: "
            'take "percentile", "basic" or "BCa"'
        )
    tables = [table for table in (train, test) if table is not None]
    sets = chosen.universe(
        "singletons" if chosen.sets is None else chosen.sets, tables[0], tables[-1] if len(tables) > 1 else None
    )
    work = Pass.of(train, test, pred, chosen)
    value, replicates, jackknife = bootstrap_values(statistic, work, sets)
    name = getattr(statistic, "__name__", "statistic")
    estimate = Estimate(name, value[()], work.run(), replicates, jackknife=jackknife)
    warn_of_intervals({name: estimate})
    return estimate


def every_metric(chosen: Options, train: Named, test: Named) -> list[Metric]:
    """The metrics of an audit."""
    together = chosen.chosen_convention.sets if chosen.sets is None else chosen.sets
    single = replace(chosen, sets=chosen.universe("singletons", train, test), signed=None)
    several = replace(chosen, sets=chosen.universe(together, train, test))
    return [metric_of(name, single if alone else several, train, test) for name, (_, alone) in METRICS.items()]


def metric_of(name: str, options: Options, train: Named, test: Named) -> Metric:
    """The metric of this name, as these options have it on these tables."""
    family, single = METRICS[name]
    convention = options.chosen_convention
    default = "singletons" if single else convention.sets
    sets = options.universe(default if options.sets is None else options.sets, train, test)
    baseline = convention.single_baseline if single else convention.multi_baseline
    return Metric(name, family, sets, single if options.signed is None else options.signed, baseline)


def _estimate(name: str, train: Named, test: Named, pred: Predictions, options: Options) -> Estimate:
    return evaluate([metric_of(name, options, train, test)], train, test, _models(pred), options).estimates[0][name]


def _direction(given: str) -> str:
    direction = given.replace("→", "->") if isinstance(given, str) else given
    return DIRECTIONS[check_choice("direction", direction, DIRECTIONS)]


def _models(pred: Predictions) -> dict[str, Named | None]:
    """Predictions by the name that errors give them."""
    if pred is None or isinstance(pred, Named):
        return {"pred": pred}
    return {f"pred[{number}]": each for number, each in enumerate(pred)}


def _check_tables(train: Named, test: Named, pred: Predictions) -> None:
    several = isinstance(pred, (list, tuple))
    check_annotations(train=train, test=test, **(_models(pred) if several else {"pred": pred}))
    if several and not pred:
        raise InputError("the list of predictions is empty: expected Annotations, or those of one or more models")
