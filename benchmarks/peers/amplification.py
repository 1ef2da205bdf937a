"""W7: Multi_MALS, Multi_{G→M} and Multi_{M→G} with 1,000 replicates, 20,000 + 20,000 rows of 80 attributes, 2 groups.

askew begins with `Annotations`, finds the sets (the distinct label sets of train that occur in test, 5,601 of them),
and computes three single-attribute metrics besides. bias-amplification gives one of the three metrics, over sets of up
to two attributes (3,240, as it cannot be given sets), at one point; larger sets would take it hours. Its direction T→A
swaps the roles of attributes and groups, which is not Multi_{M→G}, and is left out. Its P(m | g) is normalised over
the single set m, so that it is 0 or 1: its value is not compared. The contestant written for this comparison computes
all three metrics over askew's sets by the definitions, and begins with its membership matrices.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from askew.datasets import make_annotations
from benchmarks.peers.contest import Askew, Contestant, Workload
from benchmarks.peers.group_metrics import Summary, disagreement, summary

B = 1_000
METRICS = ("Multi_MALS", "Multi_G->M", "Multi_M->G")
Bits = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Data(NamedTuple):
    train: askew.Annotations
    test: askew.Annotations
    pred: askew.Annotations


def data(scale: float) -> Data:
    """About three attributes in an instance; predictions amplify, and err."""
    options: dict[str, Any] = {"n_attributes": 80, "density": 0.0375, "amplification": 0.2, "rng": 7}
    return Data(*make_annotations(int(20_000 * scale), error_rate=0.1, group_error_rate=0.1, **options)[:3])


class AskewAudit(Askew):
    name = "askew"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.tables = data
        warnings.simplefilter("ignore", askew.AskewWarning)  # of sets that are rare

    def run(self) -> Any:
        return askew.audit(*self.tables, convention="reference", n_resamples=B, rng=0)

    def answer(self, result: Any) -> Summary:
        estimates = [result[name] for name in METRICS]
        values = np.array([float(estimate) for estimate in estimates])
        return summary(values, np.stack([estimate.bootstrap_distribution for estimate in estimates]))


class ByHand(Contestant):
    """SciPy's CSC memberships times Poisson weights in blocks of replicates, then the definitions in NumPy."""

    name = "NumPy and SciPy CSC, by hand"
    packages = ("numpy", "scipy")
    portion = (100, B)
    target = 0.0
    block = 50  # replicates

    def prepare(self, data: Any, n_threads: int) -> None:
        from scipy.sparse import csr_array

        (train, train_groups), (test, groups), (pred, predicted_groups) = (table.to_numpy() for table in data)
        observed = np.unique(train[train.any(axis=1)], axis=0)
        sizes = observed.sum(axis=1)

        def members(attributes: Bits) -> Bits:
            return attributes.astype(np.float32) @ observed.T.astype(np.float32) == sizes

        in_test = members(test)
        kept = in_test.any(axis=0)
        observed, sizes = observed[kept], sizes[kept]
        self.train, self.truth, self.pred = (
            csr_array(m, dtype=np.float32) for m in (members(train), in_test[:, kept], members(pred))
        )
        self.groups = tuple(np.asarray(g, np.float32) for g in (train_groups, groups, predicted_groups))

    def run(self) -> Any:
        rng = np.random.default_rng(0)
        n_train, n_test = self.train.shape[0], self.truth.shape[0]
        blocks = [self.metrics(np.ones((n_train, 1), np.float32), np.ones((n_test, 1), np.float32))]
        for _ in range(0, self.portion[0], self.block):
            drawn = [rng.poisson(1, (n, self.block)).astype(np.float32) for n in (n_train, n_test)]
            blocks.append(self.metrics(*drawn))
        return np.concatenate(blocks, axis=1)

    def metrics(self, train_weights: Any, weights: Any) -> Floats:
        """The three metrics of each column of the weights, shape (3, replicates)."""

        def co(members: Any, groups: Any, drawn: Any) -> Floats:
            """(groups, sets, replicates)"""
            return np.stack([members.T @ (drawn * group[:, None]) for group in groups.T], dtype=np.float64)

        train_groups, groups, predicted_groups = self.groups
        with np.errstate(invalid="ignore", divide="ignore"):
            train, predicted = co(self.train, train_groups, train_weights), co(self.pred, predicted_groups, weights)
            bias, bias_predicted = train / train.sum(axis=0), predicted / predicted.sum(axis=0)
            mals = np.nan_to_num(np.abs(bias_predicted - bias)) * (bias > 1 / len(train))
            truth, sizes = co(self.truth, groups, weights), (groups.T @ weights)[:, None]
            set_given_group = np.abs(co(self.pred, groups, weights) / sizes - truth / sizes)
            among = co(self.truth, predicted_groups, weights)
            group_given_set = np.abs(among / (self.truth.T @ weights) - truth / (self.truth.T @ weights))
        return np.stack(
            [
                mals.sum(axis=(0, 1)) / train.shape[1],
                np.nanmean(set_given_group, axis=(0, 1)),
                np.nanmean(group_given_set, axis=(0, 1)),
            ]
        )

    def answer(self, result: Any) -> Summary:
        return summary(result[:, 0], result[:, 1:])


class BiasAmplification(Contestant):
    name = "bias-amplification MDBA(max_attr_size=2)"
    packages = ("bias-amplification", "torch")
    portion = (1, B + 1)
    note = "one metric of three, no sets above two attributes; value not compared"

    def prepare(self, data: Any, n_threads: int) -> None:
        import torch
        from bias_amplification import MDBA

        torch.set_num_threads(n_threads)
        test, pred = (table.to_numpy() for table in data[1:])
        # columns side by side, as in `to_numpy`: it takes attributes one by one
        self.tensors = [torch.from_numpy(table).float() for table in (test[1], test[0], pred[0])]
        self.metric = MDBA(max_attr_size=2)

    def run(self) -> Any:
        return self.metric.computeBiasAmp(*self.tensors)

    def answer(self, result: Any) -> None:
        return None


W7 = Workload(
    "W7",
    "three multi-attribute metrics, 20,000 + 20,000 × 80, 1,000 replicates",
    data,
    (AskewAudit, ByHand, BiasAmplification),
    target=10_000,
    disagreement=disagreement,
)
