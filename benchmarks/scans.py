"""Tables that are read while they are counted, beside the same tables in memory."""

from __future__ import annotations

import shutil
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

import askew


class Scan:
    """A million rows of 40 attributes in Parquet: time and peak memory of counting all pairs, and of reading them."""

    params = ([0, 100],)
    param_names = ("replicates",)
    timeout = 600

    def setup(self, n_resamples: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.folder = tempfile.mkdtemp()
        rng = np.random.default_rng(0)
        self.names = [f"a{j}" for j in range(40)]
        for part in range(4):
            columns = {name: rng.random(250_000, dtype=np.float32) < 0.1 for name in self.names}
            columns["group"] = rng.integers(0, 2, 250_000)
            pq.write_table(pa.table(columns), Path(self.folder) / f"{part}.parquet")
        self.sets = askew.AttributeSets([*self.names, *combinations(self.names, 2)], self.names)
        self.scan = askew.Annotations.scan(self.folder, attributes=self.names, groups="group", group_names=["0", "1"])
        self.table = self.scan.collect()

    def teardown(self, n_resamples: int) -> None:
        shutil.rmtree(self.folder)

    def time_count_scan(self, n_resamples: int) -> None:
        askew.count(self.scan, self.sets, n_resamples=n_resamples, rng=0)

    def time_count_in_memory(self, n_resamples: int) -> None:
        askew.count(self.table, self.sets, n_resamples=n_resamples, rng=0)

    def peakmem_count_scan(self, n_resamples: int) -> None:
        askew.count(self.scan, self.sets, n_resamples=n_resamples, rng=0)
