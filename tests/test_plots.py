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
    arrows = next(line for line in ax.lines if line.get_marker() == ">")
    assert arrows.get_xdata().tolist() == ends[:, 1].tolist()
    assert ax.get_xlabel() == "value, 95 % percentile interval"
    matplotlib.pyplot.close()


def test_what_is_undefined_keeps_its_row() -> None:
    train, test, _ = askew.datasets.load_compas("sex")
    nothing = np.zeros((len(test), len(train.attribute_names)), np.uint8)
    nobody = askew.Annotations(nothing, [None] * len(test), like=train)
    with pytest.warns(askew.AskewWarning, match="undefined"):
        audited = askew.audit(train, test, nobody)
    undefined = [name for name, estimate in audited.items() if np.isnan(float(estimate))]
    assert undefined
    ax = audited.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(audited)
    assert [text.get_text() for text in ax.texts] == [" undefined"] * len(undefined)
    assert ax.get_ylim() == (len(audited) - 0.5, -0.5)
    assert ax.get_xlabel() == "value"
    matplotlib.pyplot.close()


def test_names_are_shown_as_they_are() -> None:
    """No mathematics between dollars, and long names do not leave the picture."""
    names = [r"a $\frac{1$ b", "cost $10", "a " + 40 * "very " + "long one"]
    rng = np.random.default_rng(0)
    tables = [
        askew.Annotations(rng.integers(0, 2, (300, 3)), rng.choice(["x", "y"], 300), attribute_names=names)
        for _ in range(3)
    ]
    figure = matplotlib.pyplot.figure()
    ax = askew.audit(*tables, max_size=1)["Multi_G->M"].plot()
    shown = {label.get_text() for label in ax.get_yticklabels()}
    assert {r"a $\frac{1$ b | x", "cost $10 | y"} < shown
    assert any(label.startswith("a very very") and label.endswith("long one | x") for label in shown)
    assert max(map(len, shown)) == 50
    ax.figure.canvas.draw()
    left = min(label.get_window_extent().x0 for label in ax.get_yticklabels())
    assert left >= 0
    matplotlib.pyplot.close(ax.figure)
    matplotlib.pyplot.close(figure)


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
