"""Intervals beyond percentiles, comparisons of models, and tables of metrics."""

from __future__ import annotations

import askew


class Statistics:
    """Other intervals, models and tables of metrics: 20,000 instances of 40 attributes."""

    def setup(self) -> None:
        self.tables = askew.datasets.make_annotations(20_000, n_attributes=40, density=0.1, amplification=0.1, rng=0)[
            :3
        ]

    def time_bca(self) -> None:
        askew.mals(*self.tables, n_resamples=1_000, rng=0, method="BCa")

    def time_delta(self) -> None:
        askew.mals(*self.tables, method="delta")

    def time_compare(self) -> None:
        train, test, pred = self.tables
        askew.compare(train, test, {"model": pred, "truth": test}, max_size=1, n_resamples=1_000, rng=0)

    def time_associations(self) -> None:
        askew.associations(self.tables[0], n_resamples=1_000, rng=0)

    def time_disparities(self) -> None:
        askew.disparities(*self.tables[1:], "recall", n_resamples=1_000, rng=0)
