"""Counts in place of tables: metrics of what was counted before, elsewhere, or in parts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from askew.annotations import Named
from askew.counting import TablePlan
from askew.counts import PER_SET, Counts, Resampling
from askew.design import Design
from askew.engine import Engine, Monitor
from askew.errors import InputError
from askew.interop.names import listed
from askew.sets import AttributeSets


class Counted(Named):
    """A table of which there are only counts."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    @property
    def attribute_names(self) -> tuple[str, ...]:
        return self.counts.sets.attribute_names

    @property
    def group_names(self) -> tuple[str, ...]:
        return self.counts.group_names

    @property
    def sets(self) -> AttributeSets:
        """The sets that were counted, each once."""
        sets = self.counts.sets
        return sets[:0] | sets


class CountedPlan(TablePlan):
    """Counts that are there already."""

    def __init__(self, counts: Counts) -> None:
        self._counts, self.table = counts, counts.resampling.table
        self.design = Design(None, counts.resampling.n_strata, counts.resampling.n_clusters)
        self.has_predictions, self.group_names = counts.has_predictions, counts.group_names
        self._place = {tuple(columns): number for number, columns in enumerate(counts.sets.columns())}

    @property
    def n(self) -> int:
        return int(self._counts.n[0])

    @property
    def predicts_groups(self) -> bool | None:
        return self._counts.predicts_groups

    def prepared_for(self, weights: str, engine: Engine, n_threads: int) -> CountedPlan:
        return self

    def run(
        self,
        sets: AttributeSets,
        resampling: Resampling,
        replicates: range,
        engine: Engine,
        n_threads: int,
        monitor: Monitor | None,
        *,
        sample: bool = True,
    ) -> Counts:
        columns = [tuple(each) for each in sets.columns()]
        missing = [m for m, each in zip(sets, columns, strict=True) if each not in self._place]
        if missing:
            named = listed([" & ".join(m) for m in missing], 3)
            raise InputError(
                f"{len(missing):,} attribute sets were not counted: {named}; audit() needs each attribute "
                "alone, beside the sets: AttributeSets.singletons(…) | sets"
            )
        places = np.array([self._place[each] for each in columns], np.intp)
        rows = np.array([*([0] if sample else []), *(1 + r for r in replicates)], np.intp)
        arrays = {
            name: array[np.ix_(rows, places)] if name in PER_SET else array[rows]
            for name, array in self._counts._arrays.items()
        }
        return self._counts._with(arrays, sets=sets)


def in_place_of_tables(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with counts as tables, and with the replicates that these have.

    Raises
    ------
    InputError
        Counts beside tables; counts that do not belong together; other replicates are asked for.
    """
    given = {**signature.bind_partial(*args).arguments, **kwargs}
    tables = {name: value for name, value in given.items() if isinstance(value, Counts)}
    others = [name for name in ("train", "test", "pred") if given.get(name) is not None and name not in tables]
    if others:
        raise InputError(
            f"{' and '.join(tables)} are counts and {' and '.join(others)} is not: give counts of all tables"
        )
    if "pred" in tables:
        raise InputError("counts of predictions are part of those of test: count(test, sets, pred=pred)")
    for name, counts in tables.items():
        if name in ("train", "test") and counts.resampling.n_resamples and counts.resampling.table != name:
            raise InputError(
                f"{name} are counts with the weights of {counts.resampling.table}: count(…, table={name!r})"
            )
        if name == "test" and "pred" in signature.parameters and not counts.has_predictions:
            raise InputError("the counts of test were made without predictions: count(test, sets, pred=pred)")
    drawn = {name: counts.resampling for name, counts in tables.items() if counts.resampling.n_resamples}
    if len({(r.weights, r.seed, r.n_resamples) for r in drawn.values()}) > 1:
        raise InputError(f"train and test were counted with different weights, seeds or numbers of replicates: {drawn}")
    own: dict[str, Any] = {"n_resamples": 0}
    if drawn:
        first = next(iter(drawn.values()))
        own = {"n_resamples": first.n_resamples, "weights": first.weights, "rng": first.seed}
        if all(name in ("train", "test") for name in tables):
            own["resample"] = tuple(drawn)
    for name, value in own.items():
        if name in given and given[name] != value:
            raise InputError(f"the counts were made with {name}={value!r}, not {given[name]!r}: leave {name} out")
    counted = {name: Counted(counts) for name, counts in tables.items()}
    if "test" in counted and "pred" in signature.parameters:
        counted["pred"] = counted["test"]
    return (), {**given, **counted, **own}
