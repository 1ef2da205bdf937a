"""What a call gives back: an Estimate for a metric, an Audit for all of them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.checks import check_choice, check_share, check_whole
from askew.errors import InputError
from askew.intervals import ALTERNATIVES, METHODS, ConfidenceInterval, Jackknife
from askew.intervals import confidence_interval as interval_of
from askew.intervals import standard_error as standard_error_of
from askew.models import ModelSpread
from askew.multiplicity import p_value as p_value_of
from askew.multiplicity import q_values
from askew.sets import AttributeSets
from askew.tables import Table

Floats = npt.NDArray[np.float64]
_NO_JACKKNIFE = Jackknife()


@dataclass(frozen=True)
class Run:
    """How the numbers of a call were made.

    Attributes
    ----------
    version, backend : str
        Of askew; what counted.
    convention : str
        Its name, or what it consists of.
    sets : str or None
        The universe of attribute sets by name, or how many sets were given; None: what the metric's definition says,
        or the sets of counts.
    max_size, min_count, support : int or None, int, str
        Limits of the universe.
    signed : bool or None
        Whether Δ is averaged instead of |Δ|; None: as the metric's definition says.
    n_train, n_test : int or None
        Instances.
    n_in_no_group : dict
        n − Σ co(g) of "train", "test" and "pred", where that is positive: how many are in no group, or, where groups
        overlap, how many at least; "pred" is the first of several models.
    n_skipped : int
        Rows of scans that could not be read, as far as their number is known.
    n_resamples, weights, seed, resample : int, str, int, tuple of str
        The replicates: how many, their weights, and which tables vary.
    method, confidence_level, alternative : str, float, str
        The intervals.
    predicts_groups : bool or None
        False: the groups of pred are those of test. None: there is no pred.
    n_models : int
        Whose metrics are averaged.
    n_strata, n_clusters : dict
        Of the tables of which strata or clusters were given.
    """

    version: str
    backend: str
    convention: str
    n_train: int | None
    n_test: int | None
    n_resamples: int
    weights: str
    seed: int
    resample: tuple[str, ...]
    method: str
    confidence_level: float
    n_skipped: int
    alternative: str
    predicts_groups: bool | None
    n_models: int = 1
    n_strata: dict[str, int] = field(default_factory=dict)
    n_clusters: dict[str, int] = field(default_factory=dict)
    n_in_no_group: dict[str, int] = field(default_factory=dict)
    sets: str | None = None
    max_size: int | None = None
    min_count: int = 1
    support: str = "any"
    signed: bool | None = None

    @property
    def has_intervals(self) -> bool:
        """Whether there are replicates, or a method that needs none."""
        return self.n_resamples > 0 or self.method == "delta"

    @property
    def design(self) -> str:
        """What is drawn, where that is not one instance after the other; else nothing."""
        parts = [
            f"{text} ({', '.join(f'{n:,} of {table}' for table, n in numbers.items())})"
            for text, numbers in (("in clusters", self.n_clusters), ("within strata", self.n_strata))
            if numbers and self.has_intervals
        ]
        return f"instances are drawn {' '.join(parts)}" if parts else ""


@dataclass(frozen=True)
class CellValues:
    """Per set and group: the two terms of Δ, Δ itself, its interval, and whether it is 0.

    Attributes
    ----------
    sets : AttributeSets
        What axis 0 of the arrays numbers.
    group_names : tuple of str
        What axis 1 numbers.
    baseline, predicted, delta : array of shape (|M|, |G|)
        Both terms of Δ, and Δ; NaN where undefined.
    low, high : array of shape (|M|, |G|)
        Confidence interval of each Δ by itself.
    standard_error, p_value, p_adjusted : array of shape (|M|, |G|)
        As the columns of these names in `Estimate.cells`.
    adjustment : str
        How `p_adjusted` was made: "step-down", "single-step", or "" without replicates.
    """

    sets: AttributeSets
    group_names: tuple[str, ...]
    baseline: Floats
    predicted: Floats
    delta: Floats
    low: Floats
    high: Floats
    standard_error: Floats
    p_value: Floats
    p_adjusted: Floats
    adjustment: str

    def by_evidence(self) -> npt.NDArray[np.intp]:
        """Numbers of the cells, row by row: by adjusted p-value, then by |Δ| in standard errors, then by |Δ|; NaN last.

        Differences below 1e-9, such as rounding leaves between groups that mirror each other, are none.
        """
        size = np.abs(self.delta)
        with np.errstate(invalid="ignore", divide="ignore"):
            evidence = size / self.standard_error
        return np.lexsort((-np.round(size, 9).ravel(), -np.round(evidence, 9).ravel(), self.p_adjusted.ravel()))

    def table(self) -> Table:
        """One row per set and group, in the order of the sets."""
        q = len(self.group_names)
        return Table(
            {
                "set": np.repeat(np.array(self.sets.names, object), q),
                "group": np.tile(np.array(self.group_names, object), len(self.sets)),
                "baseline": self.baseline.ravel(),
                "predicted": self.predicted.ravel(),
                "delta": self.delta.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
                "standard_error": self.standard_error.ravel(),
                "p_value": self.p_value.ravel(),
                "q_value": q_values(self.p_value).ravel(),
                "p_adjusted": self.p_adjusted.ravel(),
            }
        )


@dataclass(frozen=True, repr=False, eq=False)
class Estimate:
    """The value of a metric, with its bootstrap distribution and everything that follows from it.

    ``float(estimate)`` is the value.

    Attributes
    ----------
    name : str
        The metric, as the papers write it.
    value : float, or array of shape (…) from `bootstrap`
    variance : float
        Variance over cells of the signed Δ, ddof 0; NaN where the metric has none.
    bootstrap_distribution : array of shape (…, B)
        The value in each replicate; NaN where it is undefined.
    variance_distribution : array of shape (B,)
        The same of `variance`.
    n_sets : int
        |M|.
    n_undefined : int
        Cells of the |M||G| that have an empty denominator.
    absolute : bool
        Whether this is a metric of |Δ|.
    cell_values : CellValues or None
        Δ and more of each cell, as arrays by set and group; `cells` has the same as a table, by evidence.
    noise_floor : float
        Metrics of |Δ|: the value to be expected from sampling noise alone, were no cell amplified: the mean of s
        √(2/π) in place of |Δ|, with s the standard error of each cell. NaN with fewer than two replicates, where no
        cell is defined, and for signed metrics.
    null_distribution : array of shape (B,)
        What the replicates make of the metric were nothing amplified: what `p_value` compares `value` with.
    jackknife, variance_jackknife : Jackknife
        What "BCa", "delta" and "studentized" need beside replicates: ``acceleration``, ``standard_error`` of the
        infinitesimal jackknife, and ``replicate_errors``, the same in each replicate. NaN or None where not computed.
    models : ModelSpread
        Of several models: ``values`` of each, their ``standard_deviation``, and ``confidence_interval``, the papers'
        mean ± 1.96·sd/√k. None for one model.
    run : Run
        How it was computed.
    """

    name: str
    value: Any
    run: Run
    bootstrap_distribution: Floats
    variance: float = math.nan
    variance_distribution: Floats = field(default_factory=lambda: np.empty(0))
    n_sets: int = 0
    n_undefined: int = 0
    noise_floor: float = math.nan
    absolute: bool = False
    cell_values: CellValues | None = None
    jackknife: Jackknife = _NO_JACKKNIFE
    variance_jackknife: Jackknife = _NO_JACKKNIFE
    null_distribution: Floats | None = None
    models: ModelSpread | None = None

    def __float__(self) -> float:
        return float(self.value)

    @property
    def convention(self) -> str:
        """Name or description of the convention."""
        return self.run.convention

    @property
    def backend(self) -> str:
        """Name of the backend that counted."""
        return self.run.backend

    @cached_property
    def confidence_interval(self) -> ConfidenceInterval:
        """``.low`` and ``.high`` of `value`; NaN without replicates, and where `method` cannot give them."""
        return self._interval(self.value, self.bootstrap_distribution, self.jackknife)

    @cached_property
    def variance_confidence_interval(self) -> ConfidenceInterval:
        """The same of `variance`; percentile where `method` is "studentized"."""
        method = "percentile" if self.run.method == "studentized" else self.run.method
        return self._interval(self.variance, self.variance_distribution, self.variance_jackknife, method)

    @cached_property
    def standard_error(self) -> Any:
        """Standard deviation of the replicates, ddof 1; with ``method="delta"``, of the infinitesimal jackknife."""
        if self.run.method == "delta":
            return self.jackknife.standard_error
        error = standard_error_of(np.moveaxis(self.bootstrap_distribution, -1, 0))
        return float(error) if error.ndim == 0 else error

    @cached_property
    def p_value(self) -> float:
        """Of no amplification: (1 + number of X° as extreme as X) / (1 + B), with X° the metric where there is none.

        Were Δ = 0 in every cell, the metric would be the mean of sampling noise alone: X° has Δ* − Δ in place of Δ
        (Davison & Hinkley 1997, section 4.4; Westfall & Young 1993). Metrics of |Δ|: X° ≥ X. Signed metrics: as
        `alternative` says, two-sided by the distance from the mean of X°, which is not 0 where noise in train decides
        which way a cell leans. NaN without replicates, and for statistics of your own.
        """
        if self.null_distribution is None:
            return math.nan
        value, null = float(self.value), self.null_distribution
        if self.absolute:
            return p_value_of(value, null, "greater")
        defined = null[~np.isnan(null)]
        return p_value_of(value, null, self.run.alternative, float(defined.mean()) if defined.size else 0.0)

    @cached_property
    def rise(self) -> Any:
        """How far replicates lie above the value on average, in standard errors; NaN without replicates.

        Sampling noise raises metrics of |Δ|, and replicates have it twice: beyond 1, most percentile intervals miss
        what they estimate. Of signed metrics one in ten does, or more, where `rise` is beyond ½ on either side
        (docs/statistics.md; Efron & Tibshirani 1993, section 10.3, have ¼ for a bias that can be ignored).
        """
        replicates = np.moveaxis(self.bootstrap_distribution, -1, 0)
        n_defined = np.count_nonzero(replicates == replicates, axis=0)
        error = standard_error_of(replicates)
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.nansum(replicates, axis=0) / n_defined - self.value
            rise = np.where(error == 0, 0.0, shift / error)
        return float(rise) if rise.ndim == 0 else rise

    @property
    def n_undefined_replicates(self) -> int:
        """Replicates in which the value (any of the values) is undefined; they are left out of the interval."""
        undefined = np.isnan(self.bootstrap_distribution)
        return int(undefined.any(axis=tuple(range(undefined.ndim - 1))).sum())

    @cached_property
    def debiased(self) -> float:
        """Metrics of |Δ|: 2·value − mean of the replicates, floored at 0. NaN for signed metrics."""
        if not self.absolute or np.isnan(self.bootstrap_distribution).all():
            return math.nan
        return max(0.0, 2 * float(self.value) - float(np.nanmean(self.bootstrap_distribution)))

    @cached_property
    def cells(self) -> Table:
        """One row per set and group, most evidence first: both terms of Δ, Δ with its interval, and p-values.

        Rows are in the order of ``p_adjusted``, then of |Δ| in standard errors, then of |Δ|, as far as these are known.
        Undefined ones are last. ``cell_values`` has the same as arrays of shape (|M|, |G|), in the order of the sets.

        Columns: ``set``, ``group``, ``baseline``, ``predicted``, ``delta``, ``low``, ``high``; and of replicates
        ``standard_error`` (of the difference of the two terms; with
        ``method="delta"``, of the infinitesimal jackknife), ``p_value`` (two-sided, of Δ = 0, from |Δ* − Δ|),
        ``q_value`` (Benjamini & Hochberg 1995: take those below 0.05, and about 5 % of them are false) and
        ``p_adjusted`` (max-|t|, Westfall & Young 1993: take those below 0.05, and none is false with a probability of
        95 %). The last is made step-down, or single-step where cells × replicates do not fit `max_memory`, which
        ``cell_values.adjustment`` tells. No p-value is below 1/(1 + B): with many cells take many replicates. NaN for
        a cell without a spread, and where a metric of the MALS family has Δ = 0 for its baseline.
        """
        if self.cell_values is None:
            return Table({})
        return self.cell_values.table().take(self.cell_values.by_evidence())

    def top(self, k: int = 10) -> Table:
        """The k cells with most evidence of amplification: the first of `cells`."""
        return self.cells.take(slice(check_whole("k", k, 1)))

    def plot(self, ax: Any = None, *, top: int = 20) -> Any:
        """Δ and interval of the `top` cells with the largest |Δ|; draws on `ax` or a new figure, and returns the axes.

        These need not be the cells that the method `top` gives, which has those with most evidence. Needs matplotlib.
        """
        from askew.plotting import plot_cells

        return plot_cells(self, ax, top)

    def _interval(
        self, value: Any, replicates: Floats, jackknife: Jackknife, method: str | None = None
    ) -> ConfidenceInterval:
        run = self.run
        interval = interval_of(
            value,
            np.moveaxis(replicates, -1, 0),
            method or run.method,
            run.confidence_level,
            run.alternative,
            jackknife,
        )
        return ConfidenceInterval(*(float(end) if end.ndim == 0 else end for end in interval))

    def with_interval(
        self, method: str | None = None, *, confidence_level: float | None = None, alternative: str | None = None
    ) -> Estimate:
        """Another interval from the same replicates.

        Parameters
        ----------
        method : {"percentile", "basic", "BCa", "studentized", "delta"}, optional
            Default: as it is. "percentile" and "basic" need nothing but replicates. "BCa" and "studentized" need an
            estimate that was computed with that method, "delta" one computed with "delta", "BCa" or "studentized".
        confidence_level : float, optional
        alternative : {"two-sided", "less", "greater"}, optional

        Returns
        -------
        Estimate
            The same values and replicates. The intervals of `cells` stay as they were computed.

        Raises
        ------
        InputError
            What the method needs was not computed.

        Examples
        --------
        >>> import askew
        >>> train, test, pred = askew.datasets.load_compas("sex")
        >>> estimate = askew.mals(train, test, pred, n_resamples=500, rng=0)
        >>> wider = estimate.with_interval("basic", confidence_level=0.99, alternative="greater")
        >>> wider.confidence_interval.high
        inf
        """
        chosen = replace(
            self.run,
            method=self.run.method if method is None else check_choice("method", method, METHODS),
            confidence_level=(
                self.run.confidence_level
                if confidence_level is None
                else check_share("confidence_level", confidence_level)
            ),
            alternative=(
                self.run.alternative if alternative is None else check_choice("alternative", alternative, ALTERNATIVES)
            ),
        )
        known = {
            "BCa": self.run.method == "BCa",
            "studentized": self.run.method == "studentized",
            "delta": self.run.method in ("delta", "BCa", "studentized")
            and not np.isnan(self.jackknife.standard_error).all(),
        }
        if not known.get(chosen.method, True):
            raise InputError(
                f"{self.name} was computed with method={self.run.method!r}, which has not what an interval of "
                f"{chosen.method!r} needs beside replicates: pass method={chosen.method!r} to the call that computes it"
            )
        return replace(self, run=chosen)

    def to_dict(self, *, cells: bool = False) -> dict[str, Any]:
        """Plain Python values, NaN and infinite ends as None; with one dictionary per cell if asked for."""
        low, high = self.confidence_interval
        variance_low, variance_high = self.variance_confidence_interval
        values = {
            "name": self.name,
            "value": self.value,
            "confidence_interval": {"low": low, "high": high},
            "standard_error": self.standard_error,
            "variance": self.variance,
            "variance_confidence_interval": {"low": variance_low, "high": variance_high},
            "noise_floor": self.noise_floor,
            "debiased": self.debiased,
            "rise": self.rise,
            "p_value": self.p_value,
            "n_sets": self.n_sets,
            "n_undefined": self.n_undefined,
            "n_undefined_replicates": self.n_undefined_replicates,
            "run": vars(self.run),
        }
        if self.models is not None:
            values["models"] = {
                "values": self.models.values,
                "standard_deviation": self.models.standard_deviation,
                "confidence_interval": self.models.confidence_interval._asdict(),
            }
        if cells:
            values["cells"] = self.cells.rows()
        return {key: plain(value) for key, value in values.items()}

    def to_json(self, *, cells: bool = False, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(cells=cells), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        if np.ndim(self.value):
            return f"Estimate({self.name}: array of shape {np.shape(self.value)}, {self.run.n_resamples:,} replicates)"
        lines = [f"{self.name} = {_number(self.value)}"]
        if self.run.has_intervals:
            low, high = self.confidence_interval
            lines[0] += f"  [{_number(low)}, {_number(high)}]"
            source = f" of {self.run.n_resamples:,} replicates, seed {self.run.seed}" if self.run.n_resamples else ""
            lines.append(f"  {100 * self.run.confidence_level:.6g} % {self.run.method} interval{source}")
        if not math.isnan(self.p_value):
            lines.append(f"  no amplification: p = {self.p_value:.4g}")
        lines += [f"  {self.run.design}"] if self.run.design else []
        if self.absolute and self.run.n_resamples:
            lines.append(
                f"  from sampling noise alone: {_number(self.noise_floor)}; debiased value: {_number(self.debiased)}"
            )
        if self.n_sets:
            lines.append(
                f"  variance {_number(self.variance)} over {self.n_sets:,} sets; {self.n_undefined:,} cells undefined; "
                f"convention {self.convention}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>" + (
            self.cells._repr_html_() if self.cell_values is not None else ""
        )


@dataclass(frozen=True, repr=False, eq=False)
class Audit(Mapping[str, Estimate]):
    """Every metric of one audit: a mapping of names to `Estimate` objects that share their replicates."""

    estimates: dict[str, Estimate]
    run: Run

    def __getitem__(self, name: str) -> Estimate:
        if name not in self.estimates:
            raise KeyError(f"no metric {name!r}; there are {', '.join(self.estimates)}")
        return self.estimates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    @cached_property
    def table(self) -> Table:
        """One row per metric."""
        rows = self.estimates.values()
        return Table(
            {
                "metric": np.array(list(self.estimates), object),
                "value": [float(e) for e in rows],
                "low": [float(e.confidence_interval.low) for e in rows],
                "high": [float(e.confidence_interval.high) for e in rows],
                "standard_error": [float(e.standard_error) for e in rows],
                "variance": [e.variance for e in rows],
                "noise_floor": [e.noise_floor for e in rows],
                "debiased": [e.debiased for e in rows],
                "rise": [float(e.rise) for e in rows],
                "p_value": [e.p_value for e in rows],
                "n_sets": [e.n_sets for e in rows],
                "n_undefined": [e.n_undefined for e in rows],
                "n_undefined_replicates": [e.n_undefined_replicates for e in rows],
            }
        )

    def to_dict(self, *, cells: bool = False) -> dict[str, Any]:
        """Plain Python values, NaN as None."""
        estimates = {name: estimate.to_dict(cells=cells) for name, estimate in self.estimates.items()}
        for values in estimates.values():
            del values["run"]
        return {"run": plain(vars(self.run)), "metrics": estimates}

    def to_json(self, *, cells: bool = False, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(cells=cells), indent=indent, allow_nan=False)

    def to_csv(self) -> str:
        """The table as comma-separated text."""
        return self.table.to_csv()

    def plot(self, ax: Any = None) -> Any:
        """Value and interval of each metric; draws on `ax` or a new figure, and returns the axes. Needs matplotlib."""
        from askew.plotting import plot_audit

        return plot_audit(self, ax)

    def _notes(self) -> list[str]:
        run = self.run
        lines = [
            f"{run.n_train:,} training and {run.n_test:,} test instances; convention {run.convention}; "
            f"backend {run.backend}, askew {run.version}"
        ]
        if run.n_skipped:
            lines.append(f"{run.n_skipped:,} rows could not be read, and were skipped")
        outside = [
            f"{n:,} of {of:,} {what}"
            for name, of, what in (
                ("train", run.n_train, "training instances"),
                ("test", run.n_test, "test instances"),
                ("pred", run.n_test, "predictions"),
            )
            if (n := run.n_in_no_group.get(name))
        ]
        if outside:
            lines.append(f"in no group: {', '.join(outside)}; metrics count them among all who have the attributes")
        if run.signed:
            lines.append("signed: the Multi_… metrics are means of Δ, not of |Δ|")
        if run.predicts_groups is False:
            lines.append(
                "the groups of pred are those of test: BiasAmp_T->A and Multi_M->G say nothing about the model"
            )
        if run.n_models > 1:
            lines.append(f"means over {run.n_models} models; replicates draw as many of them, with replacement")
        level, tables = f"{100 * run.confidence_level:.6g} %", " and ".join(run.resample)
        if run.method == "delta":
            lines.append(f"{level} normal intervals by the infinitesimal jackknife over {tables}")
        if run.n_resamples:
            intervals = "" if run.method == "delta" else f"{level} {run.method} intervals from "
            lines.append(f"{intervals}{run.n_resamples:,} {run.weights} replicates of {tables}, seed {run.seed}")
        lines += [run.design] if run.design else []
        if run.n_resamples and any(e.absolute for e in self.estimates.values()):
            lines.append(
                "sampling noise raises the |Δ| metrics (Multi_…): compare them with noise_floor, and see debiased"
            )
        return lines

    def __repr__(self) -> str:
        shown = [
            "metric",
            "value",
            "low",
            "high",
            "variance",
            "noise_floor",
            "debiased",
            "p_value",
            "n_sets",
            "n_undefined",
        ]
        return "\n".join([str(Table({name: self.table[name] for name in shown})), "", *self._notes()])

    def _repr_html_(self) -> str:
        return self.table._repr_html_() + "".join(f"<p>{html.escape(line)}</p>" for line in self._notes())


def _number(value: Any) -> str:
    return "undefined" if value != value else f"{float(value):.6g}"


def plain(value: Any) -> Any:
    """Python's own types, NaN as None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
