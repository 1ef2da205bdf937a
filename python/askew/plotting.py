"""Pictures of results, by matplotlib: intervals as horizontal bars, one row per metric or cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from askew.checks import check_whole
from askew.errors import InputError

if TYPE_CHECKING:
    from askew.results import Audit, Estimate

Floats = npt.NDArray[np.float64]


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
    ax.set_xlabel("value")
    return ax


def plot_cells(estimate: Estimate, ax: Any = None, top: int = 20) -> Any:
    """Δ and interval of the cells with the largest |Δ|."""
    if estimate.cell_values is None:
        raise InputError(f"{estimate.name} has no cells to plot")
    check_whole("top", top, 1)
    cells = estimate.cells
    size = np.nan_to_num(np.abs(cells["delta"]), nan=-1.0)
    cells = cells.take(np.argsort(-size, kind="stable")[:top])
    labels = [f"{m} | {g}" for m, g in zip(cells["set"], cells["group"], strict=True)]
    ax = _intervals(ax, labels, cells["delta"], cells["low"], cells["high"])
    ax.set_xlabel("Δ")
    ax.set_title(estimate.name)
    return ax


def _intervals(ax: Any, labels: list[str], values: Floats, low: Floats, high: Floats) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise InputError("plots need matplotlib: pip install matplotlib") from None
    rows = np.arange(len(labels))
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 1 + 0.32 * len(labels)), layout="constrained")
    finite = np.concatenate([ends[np.isfinite(ends)] for ends in (values, low, high, np.zeros(1))])
    margin = 0.1 * float(np.ptp(finite))  # to which the bar of a one-sided interval reaches
    low, high = np.maximum(low, finite.min() - margin), np.minimum(high, finite.max() + margin)
    ax.hlines(rows, low, high, color="C0", linewidth=2)
    ax.plot(values, rows, "o", color="C0")
    ax.axvline(0, color="0.6", linewidth=1, zorder=0)
    ax.set_yticks(rows, labels)
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
