"""ProPublica's COMPAS table: risk scores, and who was charged with a new crime."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations
from askew.errors import InputError

#: Each attribute and the score that predicts it.
SCORES = {"two_year_recid": "decile_score", "is_violent_recid": "v_decile_score"}
#: The highest decile of the score classes; above them comes "High".
HIGHEST_DECILE = {"Low": 4, "Medium": 7}
#: First months of the test set, and of the people who are in the table only because they reoffended.
TEST_FROM, SELECTED_FROM = "2013-07", "2014-04"


class Compas(NamedTuple):
    """What `load_compas` returns."""

    #: What happened to the people of the training set.
    train: Annotations
    #: What happened to the people of the test set.
    test: Annotations
    #: What the scores said of the people of the test set.
    pred: Annotations


def load_compas(groups: str = "race", *, threshold: str | int = "Low", split: str | None = "date") -> Compas:
    """COMPAS scores of 7,214 people and whether they reoffended.

    People arrested in Broward County, Florida, and scored in 2013 or 2014, in the order of ProPublica's
    table [1]_.

    Parameters
    ----------
    groups : {"race", "sex"}
        The six race labels of the table (African-American 3,696 people, Asian 32, Caucasian 2,454,
        Hispanic 637, Native American 18, Other 377) or its two of sex (Female 1,395, Male 5,819). All are in
        the vocabulary, in this order: with "race" the threshold of the MALS family is 1/6, and cells of the
        small groups are worth little.
    threshold : {"Low", "Medium"} or int
        The prediction is positive when the score is above this class ("Low" is deciles 1 to 4, "Medium" 5 to
        7) or above this decile (1 to 9).
    split : {"date", None}
        "date": the training set is the 2,856 people scored from January to June 2013, the test set the 3,351
        scored from July 2013 to March 2014; the 1,007 scored later are left out (see Notes).
        None: training and test set are both the whole table, as in ProPublica's analysis.

    Returns
    -------
    Compas
        ``train, test, pred`` with the attributes "two_year_recid" (charged with a new crime within two years;
        predicted by "decile_score") and "is_violent_recid" (with a violent one, however late; predicted by
        "v_decile_score"). The groups of ``pred`` are those of ``test``.

    Raises
    ------
    InputError
        An argument is none of the above.

    Notes
    -----
    From April 2014 on the table holds nearly nobody but reoffenders (1,004 of 1,007): others were dropped
    because two years had not passed, reoffenders were not [2]_. A split by date must leave these people out,
    or the two parts are samples of different populations.

    The whole table is the place for published numbers. With ``split=None`` train and test are the same
    people, not the independent samples that resampling takes them for, so intervals of what compares them are
    not valid.

    "is_violent_recid" has no two-year limit: people scored earlier were followed for longer.

    No score is missing. Names, dates of birth, case numbers and exact dates of the source are not part of the
    package.

    References
    ----------
    .. [1] J. Angwin, J. Larson, S. Mattu and L. Kirchner, "Machine Bias", ProPublica, 2016; public records,
       ``compas-scores-two-years.csv`` of https://github.com/propublica/compas-analysis.
    .. [2] M. Barenstein, "ProPublica's COMPAS Data Revisited", 2019, arXiv:1906.04711.

    Examples
    --------
    The published error rates: of those who did not reoffend, 45 % of African-Americans and 23 % of Caucasians
    had been scored above "Low".

    >>> from askew.datasets import load_compas
    >>> train, test, pred = load_compas(split=None)
    >>> truth, groups = test.to_numpy()
    >>> predicted, _ = pred.to_numpy()
    >>> for name in "African-American", "Caucasian":
    ...     spared = groups[:, list(test.group_names).index(name)] & ~truth[:, 0]
    ...     print(f"{name}: {predicted[spared, 0].mean():.2%}")
    African-American: 44.85%
    Caucasian: 23.45%
    """
    if groups not in ("race", "sex"):
        raise InputError(f"groups must be 'race' or 'sex', not {groups!r}")
    if split not in ("date", None):
        raise InputError(f"split must be 'date' or None, not {split!r}")
    highest_negative = _decile(threshold)

    table = _read()
    truth = np.stack([table[attribute] == "1" for attribute in SCORES], axis=1)
    scores = np.stack([table[score].astype(np.int64) for score in SCORES.values()], axis=1)
    predicted = scores > highest_negative
    labels = table[groups]
    month = table["compas_screening_month"]
    in_train = month < TEST_FROM if split else np.ones(len(month), bool)
    in_test = (month >= TEST_FROM) & (month < SELECTED_FROM) if split else in_train

    train = Annotations(
        truth[in_train],
        labels[in_train],
        attribute_names=list(SCORES),
        group_names=np.unique(labels).tolist(),
    )
    test = Annotations(truth[in_test], labels[in_test], like=train)
    return Compas(train, test, Annotations(predicted[in_test], labels[in_test], like=train))


def _decile(threshold: str | int) -> int:
    """The highest decile that predicts "no"."""
    if isinstance(threshold, str) and threshold in HIGHEST_DECILE:
        return HIGHEST_DECILE[threshold]
    if isinstance(threshold, (int, np.integer)) and not isinstance(threshold, bool) and 1 <= threshold <= 9:
        return int(threshold)
    raise InputError(f"threshold must be 'Low', 'Medium' or a decile from 1 to 9, not {threshold!r}")


def _read() -> dict[str, npt.NDArray[np.str_]]:
    """The columns of compas.csv, as they stand there."""
    text = (files("askew.datasets") / "compas.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return {name: np.array(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}
