"""Published numbers: the golden values of docs/definitions.md."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import askew
from askew import metrics
from askew.counts import View

ZHAO_2017 = Path(__file__).parents[2] / "shared" / "data" / "zhao2017_coco_dev.csv"


@pytest.mark.parametrize("convention", ["paper", "reference"])
@pytest.mark.parametrize("direction", ["group->attribute", "G->M", "A->T"])
def test_the_public_example_of_wang_and_russakovsky(direction: str, convention: str) -> None:
    groups = ["B"] * 3 + ["A"] * 5
    test = askew.Annotations([[label] for label in (0, 1, 1, 0, 0, 0, 0, 1)], groups)
    pred = askew.Annotations([[label] for label in (1, 1, 1, 0, 0, 0, 0, 0)], groups)
    with pytest.warns(askew.AskewWarning, match="fewer than 10"):
        estimate = askew.directional(test, test, pred, direction=direction, convention=convention)
    assert round(float(estimate), 4) == 0.2667
    assert list(estimate.cells["group"]) == ["B", "A"]
    assert np.abs(estimate.cells["delta"]).round(4).tolist() == [0.3333, 0.2]
    assert estimate.n_undefined == 0


@pytest.mark.parametrize(
    ("column", "value", "n_amplified"),
    [
        ("gender_ratio_before_RBA", 0.031742516637, 40),
        ("gender_ratio_after_RBA", 0.0216953903291, 24),
    ],
)
def test_coco_development_set_of_zhao_et_al_2017(column: str, value: float, n_amplified: int) -> None:
    """The file holds male ratios, which are those of so many men and women among as many instances."""
    if not ZHAO_2017.exists():
        pytest.skip("the ratios are not here")
    with ZHAO_2017.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 66
    denominator = 10**12  # the ratios are written with 12 decimals

    def counts(name: str) -> View:
        men = [Fraction(row[name]) * denominator for row in rows]
        assert all(number.denominator == 1 for number in men)
        co = np.array([[[int(number), denominator - int(number)] for number in men]], np.int64)
        return View(co, co.sum(axis=2), co.sum(axis=1), co.sum(axis=(1, 2)))

    cells = metrics.cells(metrics.mals_difference(counts("training_ratio"), counts(column), signed=True))
    totals = metrics.totals(cells)
    np.testing.assert_allclose(metrics.mean_over_sets(totals, len(rows)), [value], rtol=1e-11)
    assert (np.abs(cells.delta) > 0.05).sum() == n_amplified


@pytest.mark.parametrize(
    ("group", "false_positive_rate", "false_negative_rate"),
    [("African-American", 0.4485, 0.2799), ("Caucasian", 0.2345, 0.4772)],
)
def test_error_rates_of_compas(group: str, false_positive_rate: float, false_negative_rate: float) -> None:
    """Those of ProPublica, from how often "recidivist", "score above Low" and both occur in a group."""
    _, test, pred = askew.datasets.load_compas("race", split=None)
    happened, _ = test.to_numpy()
    predicted, groups = pred.to_numpy()
    both = askew.Annotations(
        np.column_stack([happened[:, 0], predicted[:, 0]]),
        groups,
        attribute_names=["recid", "high"],
        group_names=test.group_names,
    )
    view = askew.count(both, ["recid", "high", ["recid", "high"]]).truth
    recid, high, recid_and_high = view.co_set_group[0, :, test.group_names.index(group)].tolist()
    members = int(view.co_group[0, test.group_names.index(group)])
    assert round((high - recid_and_high) / (members - recid), 4) == false_positive_rate
    assert round((recid - recid_and_high) / recid, 4) == false_negative_rate
