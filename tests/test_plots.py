"""Plots show the numbers of the result."""

from __future__ import annotations

import numpy as np
import pytest

import askew

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def audited() -> askew.Audit:
    return askew.audit(*askew.datasets.load_compas("sex"), n_resamples=200, rng=0)


def test_audit(audited: askew.Audit) -> None:
    ax = audited.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(audited)
    assert ax.lines[0].get_xdata().tolist() == [float(estimate) for estimate in audited.values()]
    segments = ax.collections[0].get_segments()
    assert [tuple(s[:, 0]) for s in segments] == [tuple(e.confidence_interval) for e in audited.values()]
    matplotlib.pyplot.close()


def test_a_one_sided_interval_runs_out_of_the_picture() -> None:
    audited = askew.audit(*askew.datasets.load_compas("sex"), n_resamples=200, rng=0, alternative="greater")
    ax = audited.plot()
    ends = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])
    assert np.isfinite(ends).all()
    assert (ends[:, 1] > max(estimate.value for estimate in audited.values())).all()
    assert ends[0, 0] == audited["BA_MALS"].confidence_interval.low
    matplotlib.pyplot.close()


def test_cells_with_the_largest_delta_come_first(audited: askew.Audit) -> None:
    figure, ax = matplotlib.pyplot.subplots()
    assert audited["Multi_G->M"].plot(ax, top=3) is ax
    shown = ax.lines[0].get_xdata()
    expected = np.sort(np.abs(audited["Multi_G->M"].cells["delta"]))[::-1][:3]
    assert np.array_equal(np.abs(shown), expected)
    assert ax.get_yticklabels()[0].get_text() == "is_violent_recid | Male"
    matplotlib.pyplot.close(figure)


def test_nothing_to_plot(audited: askew.Audit) -> None:
    with pytest.raises(askew.InputError, match="top must be"):
        audited["BA_MALS"].plot(top=0)
    own = askew.bootstrap(lambda counts: counts.train.n, askew.datasets.load_compas("sex").train)
    with pytest.raises(askew.InputError, match="no cells"):
        own.plot()
