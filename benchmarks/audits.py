"""The main job: every metric with intervals."""

from __future__ import annotations

import numpy as np

import askew
from askew.datasets import load_compas, make_annotations


class Audit:
    """Time and peak memory of `askew.audit` on synthetic tables of 40 attributes."""

    params = ([20_000, 200_000], [1, 2], [0, 1_000])
    param_names = ("rows", "max_size", "replicates")
    timeout = 600

    def setup(self, n: int, max_size: int, n_resamples: int) -> None:
        self.tables = make_annotations(n, n_attributes=40, density=0.1, amplification=0.1, rng=0)[:3]

    def time_audit(self, n: int, max_size: int, n_resamples: int) -> None:
        askew.audit(*self.tables, max_size=max_size, min_count=20, n_resamples=n_resamples, rng=0)

    def peakmem_audit(self, n: int, max_size: int, n_resamples: int) -> None:
        askew.audit(*self.tables, max_size=max_size, min_count=20, n_resamples=n_resamples, rng=0)


class Scores:
    """A model's scores of 40 attributes: predictions at a threshold, calibration, and a metric at many thresholds."""

    params = ([20_000, 200_000],)
    param_names = ("rows",)
    timeout = 600

    def setup(self, n: int) -> None:
        self.train, self.test, pred = make_annotations(n, n_attributes=40, density=0.1, amplification=0.1, rng=0)[:3]
        noise = np.random.default_rng(0).random((pred.n, 40), dtype=np.float32)
        self.scores = np.where(np.ascontiguousarray(pred.to_numpy()[0]), 0.4 + 0.6 * noise, 0.6 * noise)

    def time_from_scores(self, n: int) -> None:
        askew.Annotations.from_scores(self.scores, self.test, like=self.test)

    def time_calibrated_thresholds(self, n: int) -> None:
        askew.calibrated_thresholds(self.scores, self.test)

    def time_sweep(self, n: int) -> None:
        askew.sweep(self.train, self.test, self.scores, thresholds=100)

    def time_sweep_with_intervals(self, n: int) -> None:
        askew.sweep(self.train, self.test, self.scores, thresholds=100, n_resamples=1_000, rng=0)

    def time_one_threshold_with_intervals(self, n: int) -> None:
        pred = askew.Annotations.from_scores(self.scores, self.test, like=self.test)
        askew.directional(self.train, self.test, pred, n_resamples=1_000, rng=0)


class Compas:
    """The embedded data, 1,000 replicates: what `askew demo` runs."""

    def setup(self) -> None:
        self.tables = load_compas("race")

    def time_compas(self) -> None:
        askew.audit(*self.tables, n_resamples=1_000, rng=0)
