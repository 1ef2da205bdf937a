"""Several models on one test set: is one more biased than another?"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from askew import multiplicity
from askew.annotations import Named, check_annotations
from askew.audit import every_metric
from askew.checks import check_choice
from askew.errors import InputError
from askew.evaluation import evaluate
from askew.intervals import Jackknife, confidence_interval, standard_error
from askew.options import options_of, takes_options
from askew.results import Audit, Run, plain
from askew.summary import NO_SPREAD
from askew.tables import Table

Floats = npt.NDArray[np.float64]


@takes_options
def compare(
    train: Named,
    test: Named,
    models: Mapping[str, Named],
    *,
    reference: str | None = None,
    **options: Any,
) -> Comparison:
    """Differences of every bias-amplification metric between models, on the same replicates.

    The models are tested on the same instances, and share their weights in each replicate: what sampling does to all of
    them alike cancels, and the interval of a difference is narrower than those of the two values suggest.

    Parameters
    ----------
    train, test : Annotations or Scan
        Ground truth of the training and the test instances, as in `audit`.
    models : mapping of str to Annotations
        Predictions of two or more models for the test instances, by name.
    reference : str, optional
        Compare every other model with this one. Default: every pair, the later with the earlier.
    **options
        Shared keywords.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        An argument is wrong; the predictions of a model, which is named, are for other instances; a `method` that needs
        influences ("BCa", "delta", "studentized") for tables that are not in memory.

    Notes
    -----
    The difference of a metric between two models is D, in a replicate D*. The interval is of D. P-values are of D = 0,
    (1 + #{|D* − D| ≥ |D|})/(1 + B), or one-sided as `alternative` says; adjusted ones are over all pairs and metrics,
    two-sided, step-down by the largest |D* − D|/s, with s the standard error of D (Davison & Hinkley 1997, section 4.4;
    Westfall & Young 1993, algorithm 2.8). The metrics of |Δ| have more from sampling noise where a model's predictions
    have less to do with the truth: see `noise_floor` of the two. Of them take ``method="basic"``: "percentile" holds
    their differences in as little as two of three samples (docs/statistics.md).

    "BCa", "delta" and "studentized" take D without one instance, or cluster, after the other, and its influence on D:
    that on one model's value less that on the other's, so that what is common to them cancels here as well.

    Examples
    --------
    >>> import askew
    >>> train, test, pred = askew.datasets.load_compas("sex")
    >>> all_alike = askew.Annotations(test.to_numpy()[0], test, like=test)
    >>> comparison = askew.compare(train, test, {"truth": all_alike, "score": pred}, n_resamples=200, rng=0)
    >>> print(comparison.table["metric"][4], comparison.table["p_value"][4] < 0.05)
    Multi_G->M True
    """
    chosen = options_of("compare", options)
    if not isinstance(models, Mapping) or not all(isinstance(name, str) for name in models):
        raise InputError(f"models must be a mapping of names to Annotations, not {type(models).__name__}")
    if len(models) < 2:
        raise InputError(f"compare() needs two models or more, not {len(models)}")
    if reference is not None:
        check_choice("reference", reference, models)
    check_annotations(train=train, test=test, **{f"models[{name!r}]": pred for name, pred in models.items()})
    named: dict[str, Named | None] = {f"models[{name!r}]": pred for name, pred in models.items()}
    if reference is None:
        pairs = [(later, earlier) for earlier, later in combinations(models, 2)]
    else:
        pairs = [(name, reference) for name in models if name != reference]
    place = {name: number for number, name in enumerate(models)}
    numbers = [(place[one], place[other]) for one, other in pairs]
    each = evaluate(every_metric(chosen, train, test), train, test, named, chosen, pairs=numbers)
    audits = {
        name: Audit(estimates, next(iter(estimates.values())).run)
        for name, estimates in zip(models, each.estimates, strict=True)
    }
    return Comparison(audits, pairs, each.differences)


@dataclass(frozen=True, repr=False, eq=False)
class Comparison(Mapping[str, Audit]):
    """What `compare` returns: the differences between models; and a mapping of each model's name to its `Audit`.

    Attributes
    ----------
    audits : dict of str to Audit
    pairs : list of (str, str)
        The models that are compared: the first less the second.
    jackknives : list of dict of str to Jackknife
        For each pair, by metric, what "BCa", "delta" and "studentized" need beside replicates; empty for other methods.
    """

    audits: dict[str, Audit]
    pairs: list[tuple[str, str]]
    jackknives: list[dict[str, Jackknife]]

    def __getitem__(self, name: str) -> Audit:
        if name not in self.audits:
            raise KeyError(f"no model {name!r}; there are {', '.join(self.audits)}")
        return self.audits[name]

    def __iter__(self) -> Any:
        return iter(self.audits)

    def __len__(self) -> int:
        return len(self.audits)

    @property
    def run(self) -> Run:
        """How it was computed."""
        return next(iter(self.audits.values())).run

    @cached_property
    def differences(self) -> dict[tuple[str, str, str], Floats]:
        """By metric, model and reference: the difference in the sample and in each replicate, shape (1 + B,)."""

        def values(model: str, metric: str) -> Floats:
            estimate = self.audits[model][metric]
            return np.append(estimate.value, estimate.bootstrap_distribution)

        metrics = next(iter(self.audits.values()))
        return {
            (metric, model, other): values(model, metric) - values(other, metric)
            for metric in metrics
            for model, other in self.pairs
        }

    @property
    def _known(self) -> Jackknife:
        """What intervals of all rows need beside replicates."""
        of_rows = [
            of_pair.get(metric, Jackknife())
            for metric in next(iter(self.audits.values()))
            for of_pair in self.jackknives
        ]
        accelerations, errors = (np.array([row[which] for row in of_rows], np.float64) for which in (0, 1))
        in_replicates = [row.replicate_errors for row in of_rows if row.replicate_errors is not None]
        return Jackknife(accelerations, errors, np.column_stack(in_replicates) if in_replicates else None)

    @cached_property
    def table(self) -> Table:
        """One row per metric and pair: both values, their difference with its interval, and p-values."""
        run, keys = self.run, list(self.differences)
        both = np.array([(float(self.audits[a][m].value), float(self.audits[b][m].value)) for m, a, b in keys])
        rows = np.array(list(self.differences.values()))
        value, replicates = rows[:, 0], rows[:, 1:].T
        known = self._known
        low, high = confidence_interval(value, replicates, run.method, run.confidence_level, run.alternative, known)
        error = standard_error(replicates)
        unit = np.where(error > NO_SPREAD, error, np.nan)
        centred = replicates - value
        adjusted = np.full(len(keys), np.nan)
        if run.n_resamples > 1:
            adjusted = multiplicity.step_down(np.abs(value) / unit, [(np.abs(centred) / unit).T])
        return Table(
            {
                "metric": np.array([metric for metric, _, _ in keys], object),
                "model": np.array([model for _, model, _ in keys], object),
                "reference": np.array([other for _, _, other in keys], object),
                "model_value": both[:, 0],
                "reference_value": both[:, 1],
                "difference": value,
                "low": low,
                "high": high,
                "standard_error": known.standard_error if run.method == "delta" else error,
                "p_value": [
                    multiplicity.p_value(float(d), c, run.alternative) for d, c in zip(value, centred.T, strict=True)
                ],
                "p_adjusted": adjusted,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, NaN and infinite ends as None: how it was made, the rows, and each model's metrics."""
        rows = plain(self.table.rows())
        metrics = {name: audit.to_dict()["metrics"] for name, audit in self.audits.items()}
        return {"run": plain(vars(self.run)), "differences": rows, "models": metrics}

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_csv(self) -> str:
        """The table as comma-separated text."""
        return self.table.to_csv()

    def _notes(self) -> list[str]:
        run, lines = self.run, []
        level, tables = f"{100 * run.confidence_level:.6g} %", " and ".join(run.resample)
        if run.method == "delta":
            lines.append(f"{level} normal intervals by the infinitesimal jackknife over {tables}")
        if run.n_resamples:
            intervals = "" if run.method == "delta" else f"{level} {run.method} intervals from "
            lines.append(
                f"{intervals}{run.n_resamples:,} {run.weights} replicates of {tables} that the models share, "
                f"seed {run.seed}"
            )
        lines += [run.design] if run.design else []
        if run.n_resamples:
            lines.append(f"p_adjusted is over all {self.table.n_rows} rows (step-down max-|t|)")
        return lines

    def __repr__(self) -> str:
        return "\n".join([str(self.table), "", *self._notes()]).rstrip()

    def _repr_html_(self) -> str:
        return self.table._repr_html_() + "".join(f"<p>{html.escape(line)}</p>" for line in self._notes())
