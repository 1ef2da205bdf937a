"""The standard error of the infinitesimal jackknife in every replicate, for studentized intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from askew import metrics
from askew.errors import InputError
from askew.jackknife import derivatives, influences, samples_of, slopes, units_at_a_time, units_of, without_one

if TYPE_CHECKING:
    from askew.evaluation import Metric, Pass

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def replicate_errors(
    chosen: Sequence[Metric],
    passes: Sequence[Pass],
    lots: Sequence[Sequence[int]],
    pairs: Sequence[tuple[int, int]],
    share: Floats,
) -> tuple[list[dict[str, Floats]], list[dict[str, Floats]]]:
    """Standard error of each metric by the infinitesimal jackknife, in the sample and all replicates: shape (1 + B,).

    In a replicate, weights take the place of instances: s*² = Σ_j w*_j influence*_j², where unit j weighs w*_j in all,
    and influences are those at the counts of the replicate, in which model i has the `share` of column i. Time and
    memory grow with the number of units times that of replicates.
    """
    options = passes[0].options
    units = units_of(passes)
    n_rows, most = 1 + options.n_resamples, max(map(len, units.values()))
    needed = 8 * n_rows * most * (2 + len(lots) + len(chosen) * len(units) * len(passes))
    if needed > options.max_memory:
        raise InputError(
            f'method="studentized" needs the influence of {most:,} distinct rows (or clusters) in '
            f"{options.n_resamples:,} replicates, about {needed / 2**20:,.0f} MiB, more than "
            f'max_memory ({options.max_memory / 2**20:,.0f} MiB): raise it, or take "BCa"'
        )
    influenced = {
        (metric.name, name): np.zeros((len(passes), len(each), n_rows))
        for metric in chosen
        for name, each in units.items()
    }
    n_defined = {metric.name: np.zeros((len(passes), n_rows)) for metric in chosen}
    sums = {metric.name: np.zeros((len(passes), n_rows)) for metric in chosen}
    for sets in {id(metric.sets): metric.sets for metric in chosen}.values():
        for tile, tables in passes[0].tiles(sets):
            step = units_at_a_time(passes, tile.stop - tile.start)
            others = [
                replace(work, train=None).count(sets[tile], range(options.n_resamples), None) for work in passes[1:]
            ]
            every = [tables, *(tables._replace(test=other.test) for other in others)]
            samples = samples_of(passes, sets[tile])
            for metric in [metric for metric in chosen if metric.sets is sets]:
                terms = []
                for number, counts in enumerate(every):
                    difference = metric.of(counts, slice(None), options.chosen_convention)
                    cells = metrics.cells(difference)
                    defined = ~np.isnan(cells.delta)
                    n_defined[metric.name][number] += defined.sum(axis=(1, 2))
                    sums[metric.name][number] += cells.contribution.sum(axis=(1, 2), where=defined)
                    gradient = np.where(cells.indicator & defined, slopes(difference, cells), 0.0)
                    terms.append(
                        (derivatives(difference.predicted, gradient), derivatives(difference.baseline, -gradient))
                    )
                for name, part, found in without_one(passes, samples, units, step):
                    for number, unit in enumerate(found):
                        own = metric.of(unit.members, slice(None), options.chosen_convention)
                        of_units = influences(own, terms[number], part.stop - part.start)
                        influenced[metric.name, name][number, part] += of_units
    weights = {
        name: np.concatenate([each.multiplicities[:, None], each.weights(passes[0], name)], axis=1)
        for name, each in units.items()
    }
    of_lots: list[dict[str, Floats]] = [{} for _ in lots]
    of_pairs: list[dict[str, Floats]] = [{} for _ in pairs]
    for metric in chosen:
        n_terms = np.maximum(n_defined[metric.name], 1)
        if metric.family == "mals":
            n_terms = np.full_like(n_terms, len(metric.sets))
        values = np.where(n_defined[metric.name] > 0, sums[metric.name] / n_terms, np.nan)
        squares = np.zeros((len(lots) + len(pairs), n_rows))
        in_lots = [_shares_in(lot, values, share) for lot in lots]
        for name, each in units.items():
            means = [
                np.einsum("kr,kjr->jr", in_lot / n_terms[list(lot)], influenced[metric.name, name][list(lot)])
                for lot, in_lot in zip(lots, in_lots, strict=True)
            ]
            for row, influence_of in enumerate([*means, *(means[a] - means[b] for a, b in pairs)]):
                squares[row] += _weighted_spread(influence_of, weights[name], each.strata)
        for row, (lot, in_lot) in enumerate(zip(lots, in_lots, strict=True)):
            steps = np.nan_to_num(values[list(lot)]) - np.sum(in_lot * np.nan_to_num(values[list(lot)]), axis=0)
            n_drawn = len(lot) * np.sum(share.T[list(lot)] * ~np.isnan(values[list(lot)]), axis=0)
            squares[row] += np.sum(in_lot * steps**2, axis=0) / np.maximum(n_drawn, 1)
            of_lots[row][metric.name] = np.where(in_lot.any(axis=0), np.sqrt(squares[row]), np.nan)
        for row, (a, b) in enumerate(pairs, len(lots)):
            both = in_lots[a].any(axis=0) & in_lots[b].any(axis=0)
            of_pairs[row - len(lots)][metric.name] = np.where(both, np.sqrt(squares[row]), np.nan)
    return of_lots, of_pairs


def _shares_in(lot: Sequence[int], values: Floats, share: Floats) -> Floats:
    """Shares of the models of a lot whose value is defined, in each row: shape (k, 1 + B)."""
    defined = share.T[list(lot)] * ~np.isnan(values[list(lot)])
    in_all: Floats = defined / np.where(defined.any(axis=0), defined.sum(axis=0), 1.0)
    return in_all


def _weighted_spread(influence: Floats, weights: Int64, strata: Int64) -> Floats:
    """Σ w influence² less the weighted means in strata, of arrays (J, R)."""
    total: Floats = np.einsum("jr,jr,jr->r", weights, influence, influence)
    for begin, end in pairwise(strata.tolist()):
        w = weights[begin:end]
        total -= np.einsum("jr,jr->r", w, influence[begin:end]) ** 2 / np.maximum(w.sum(axis=0), 1)
    return np.maximum(total, 0.0)
