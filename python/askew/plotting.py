"""Pictures of results, by matplotlib: intervals as horizontal bars, one row per metric or cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from askew.checks import check_whole
from askew.errors import InputError

if TYPE_CHECKING:
    from askew.results import Audit, Estimate, Run

Floats = npt.NDArray[np.float64]
_LONGEST = 50  # characters of a label


def plot_audit(audit: Audit, ax: Any = None) -> Any:
    """Each metric's value and interval, and for metrics of |Δ| what noise alone would give."""
    estimates = list(audit.values())
    ax = _intervals(
        ax,
        list(audit),
        np.array([float(e) for e in estimates]),
        np.array([e.confidence_interval.low for e in estimates]),
        np.array([e.confidence_interval.high for e in estimates]),
    )
    floors = np.array([e.noise_floor for e in estimates])
    if not np.isnan(floors).all():
        ax.plot(floors, np.arange(len(floors)), "|", color="C1", markersize=14, label="noise floor")
        ax.legend(loc="best", frameon=False)
    ax.set_xlabel(f"value{_described(audit.run)}")
    return ax


def plot_cells(estimate: Estimate, ax: Any = None, top: int = 20) -> Any:
    """Δ and interval of the cells with the largest |Δ|, whatever their evidence."""
    if estimate.cell_values is None:
        raise InputError(f"{estimate.name} has no cells to plot")
    check_whole("top", top, 1)
    cells = estimate.cells
    size = np.nan_to_num(np.abs(cells["delta"]), nan=-1.0)
    cells = cells.take(np.argsort(-size, kind="stable")[:top])
    labels = [f"{m} | {g}" for m, g in zip(cells["set"], cells["group"], strict=True)]
    ax = _intervals(ax, labels, cells["delta"], cells["low"], cells["high"])
    ax.set_xlabel(f"Δ{_described(estimate.run)}")
    ax.set_title(estimate.name, parse_math=False)
    return ax


def _described(run: Run) -> str:
    """What the bars are, as part of a label."""
    return f", {100 * run.confidence_level:g} % {run.method} interval" if run.has_intervals else ""


def _shortened(name: str) -> str:
    """A name of at most _LONGEST characters, what is missing from its middle shown as "…"."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[len(name) - half + 1 :]}"


def _intervals(ax: Any, labels: list[str], values: Floats, low: Floats, high: Floats) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise InputError("plots need matplotlib: pip install matplotlib") from None
    rows = np.arange(len(labels), dtype=float)
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 1 + 0.32 * len(labels)), layout="constrained")
    finite = np.concatenate([ends[np.isfinite(ends)] for ends in (values, low, high, np.zeros(1))])
    margin = 0.1 * float(np.ptp(finite))  # to which the bar of a one-sided interval reaches
    begin, end = finite.min() - margin, finite.max() + margin
    ax.hlines(rows, np.maximum(low, begin), np.minimum(high, end), color="C0", linewidth=2)
    ax.plot(values, rows, "o", color="C0")
    for infinite, at, arrow in ((np.isneginf(low), begin, "<"), (np.isposinf(high), end, ">")):
        ax.plot(np.full(infinite.sum(), at), rows[infinite], arrow, color="C0")
    for row in rows[np.isnan(values)]:
        ax.text(0, row, " undefined", color="0.5", va="center")
    ax.axvline(0, color="0.6", linewidth=1, zorder=0)
    ax.set_yticks(rows, [_shortened(label) for label in labels], parse_math=False)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
