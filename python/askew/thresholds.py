"""Thresholds of scores at which as many instances are predicted as there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from askew.annotations import Annotations, check_annotations
from askew.errors import InputError
from askew.interop import as_scores, check_scores


def calibrated_thresholds(scores: Any, truth: Annotations) -> npt.NDArray[np.float64]:
    """The threshold of each attribute at which as many instances are predicted as truly have it.

    Parameters
    ----------
    scores : array_like, shape (n, p)
        Scores of a validation set (or of the test set itself), as in `Annotations.from_scores`.
    truth : Annotations
        Ground truth of the same n instances; scores are in the order of its p attributes.

    Returns
    -------
    numpy.ndarray of float64, shape (p,)
        For ``Annotations.from_scores(…, thresholds=…)``. inf for an attribute that no instance has, -inf for one that
        all have.

    Raises
    ------
    InputError
        Scores that are NaN or no numbers; scores and truth of different shapes.

    Notes
    -----
    A threshold is the least score that is predicted. Where scores tie, no threshold may give the number exactly: then
    the one that gives the nearest number is taken, and of two numbers as near the lesser one; inf if that is 0. Only
    the number of true instances is needed, so truth and scores need not be aligned.

    References
    ----------
    Wang A., Russakovsky O., "Directional Bias Amplification", ICML 2021, and Zhao D., Andrews J. T. A., Xiang A., "Men
    Also Do Laundry: Multi-Attribute Bias Amplification", ICML 2023, choose thresholds in this way.

    Examples
    --------
    >>> import askew
    >>> truth = askew.Annotations([[1, 0], [1, 0], [0, 1], [0, 0]], ["x", "x", "y", "y"])
    >>> scores = [[0.9, 0.1], [0.3, 0.2], [0.8, 0.6], [0.2, 0.4]]
    >>> thresholds = askew.calibrated_thresholds(scores, truth)
    >>> thresholds
    array([0.8, 0.6])
    >>> pred = askew.Annotations.from_scores(scores, groups=truth, like=truth, thresholds=thresholds)
    >>> pred.to_numpy()[0].sum(axis=0), truth.to_numpy()[0].sum(axis=0)
    (array([2, 1]), array([2, 1]))
    """
    check_annotations(truth=truth)
    table = scores_for(scores, truth, "truth")
    n_positive = np.bitwise_count(truth.packed_attributes).sum(axis=1, dtype=np.int64).tolist()
    return np.array([_threshold(column, count) for column, count in zip(table.T, n_positive, strict=True)], np.float64)


def scores_for(scores: Any, annotations: Annotations, what: str) -> npt.NDArray[Any]:
    """Scores of the attributes of these instances, or `InputError`."""
    table, expected = as_scores(scores), (annotations.n, len(annotations.attribute_names))
    if table.shape != expected:
        raise InputError(
            f"scores have shape {table.shape}, {what} has {expected[0]:,} instances and {expected[1]:,} attributes; "
            "expected a score for each"
        )
    check_scores(table, annotations.attribute_names)
    return table


def _threshold(column: npt.NDArray[Any], n_positive: int) -> float:
    """The least score that is predicted when `n_positive` shall be."""
    n = len(column)
    if n_positive == 0:
        return np.inf
    if n_positive == n:
        return -np.inf
    last = np.partition(column, n - n_positive)[n - n_positive]  # of so many highest scores, the least
    above = column > last
    surplus, lack = np.count_nonzero(column >= last) - n_positive, n_positive - np.count_nonzero(above)
    if surplus < lack:
        return float(last)
    return float(column[above].min()) if lack < n_positive else np.inf
