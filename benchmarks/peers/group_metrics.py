"""W6: accuracy, selection rate and true positive rate in 4 groups, 100,000 instances, 1,000 or 10,000 replicates.

Where replicates are few, calls take what begins them; of many, what a replicate takes.

Everybody begins with three arrays of labels, predictions and groups; making askew's `Annotations` of them is timed,
and so is the multinomial's cross table. A second askew contestant begins with `Annotations`.

The metrics are functions of counts: of instances with y, with ŷ, and with both, in each group. What `rng.multinomial`
resamples is the table of 4 × 2 × 2 counts, which has the same law as resampling rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import askew
from benchmarks.peers.contest import Askew, Contestant, Workload

GROUPS = 4
#: How askew draws: a weight for each of the 16 distinct rows.
WEIGHTS = "poisson-patterns"


class Data(NamedTuple):
    truth: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.uint8]
    groups: npt.NDArray[np.int64]


def data(scale: float) -> Data:
    rng = np.random.default_rng(6)
    n = int(100_000 * scale)
    groups = rng.integers(0, GROUPS, n)
    truth = rng.random(n) < 0.3 + 0.1 * groups
    return Data(truth.view(np.uint8), (truth ^ (rng.random(n) < 0.15)).view(np.uint8), groups)


class Summary(NamedTuple):
    """Of the three metrics by group, shape (3, 4)."""

    value: npt.NDArray[np.float64]
    n_replicates: int
    centre: npt.NDArray[np.float64]
    standard_error: npt.NDArray[np.float64] | None


def summary(value: Any, replicates: npt.NDArray[np.float64]) -> Summary:
    """Of replicates (3, 4, B)."""
    return Summary(value, replicates.shape[-1], replicates.mean(axis=-1), replicates.std(axis=-1, ddof=1))


def disagreement(one: Summary, other: Summary) -> str:
    if not np.allclose(one.value, other.value, rtol=1e-9):
        return "the metrics themselves differ"
    assert one.standard_error is not None
    z = np.abs(one.centre - other.centre) / one.standard_error / np.sqrt(1 / one.n_replicates + 1 / other.n_replicates)
    if z.max() > 6:
        return f"the middle of the replicates differs by up to {z.max():.1f} standard errors"
    if other.standard_error is not None:
        ratio = np.abs(np.log(other.standard_error / one.standard_error)).max()
        if ratio > 6 / np.sqrt(min(one.n_replicates, other.n_replicates)):
            return f"standard errors differ up to {np.exp(ratio):.2f}-fold"
    return ""


def statistic(counts: Any) -> Any:
    """Metrics (R, 3, 4) from counts of {y}, {ŷ} and {y, ŷ}."""
    view = counts.test.truth
    truth, predicted, both = np.moveaxis(view.co_set_group, 1, 0)
    right = view.co_group - truth - predicted + 2 * both
    return np.stack([right / view.co_group, predicted / view.co_group, both / truth], axis=1)


class Resamples:
    n_resamples = 1_000


class AskewBootstrap(Resamples, Askew):
    name = "askew, from annotations"

    def prepare(self, data: Any, n_threads: int) -> None:
        self.data = data
        self.table = self.annotations()

    def annotations(self) -> askew.Annotations:
        labels = np.stack([self.data.truth, self.data.predicted], axis=1)
        return askew.Annotations(labels, self.data.groups, attribute_names=["y", "ŷ"])

    def bootstrap(self, table: askew.Annotations) -> askew.Estimate:
        sets = ["y", "ŷ", ["y", "ŷ"]]
        return askew.bootstrap(statistic, test=table, sets=sets, n_resamples=self.n_resamples, weights=WEIGHTS, rng=0)

    def run(self) -> Any:
        return self.bootstrap(self.table)

    def answer(self, result: Any) -> Summary:
        return summary(result.value, result.bootstrap_distribution)


class AskewFromArrays(AskewBootstrap):
    name = "askew"

    def run(self) -> Any:
        return self.bootstrap(self.annotations())


class Multinomial(Resamples, Contestant):
    name = "NumPy multinomial on the 16 cells"
    packages = ("numpy",)
    target = 1.0

    def prepare(self, data: Any, n_threads: int) -> None:
        self.data = data

    def run(self) -> Any:
        truth, predicted, groups = self.data
        table = np.bincount((groups * 2 + truth) * 2 + predicted, minlength=4 * GROUPS)
        drawn = np.random.default_rng(0).multinomial(len(truth), table / len(truth), size=self.n_resamples)
        counts = np.concatenate([table[None], drawn]).reshape(-1, GROUPS, 2, 2)
        n, both = counts.sum(axis=(2, 3)), counts[:, :, 1, 1]
        right, selected = both + counts[:, :, 0, 0], counts[:, :, :, 1].sum(axis=2)
        return np.stack([right / n, selected / n, both / counts[:, :, 1].sum(axis=2)], axis=1)

    def answer(self, result: Any) -> Summary:
        return summary(result[0], np.moveaxis(result[1:], 0, -1))


class Fairlearn(Resamples, Contestant):
    """MetricFrame with the metrics that fairlearn and scikit-learn ship; plain NumPy functions instead are no faster.

    The frame itself counts as one more replicate.
    """

    name = "fairlearn MetricFrame(n_boot)"
    packages = ("fairlearn", "scikit-learn", "pandas")
    portion = (11, Resamples.n_resamples + 1)

    def prepare(self, data: Any, n_threads: int) -> None:
        from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate
        from sklearn.metrics import accuracy_score

        self.data, self.frame = data, MetricFrame
        self.metrics = {"accuracy": accuracy_score, "selected": selection_rate, "tpr": true_positive_rate}

    def run(self) -> Any:
        return self.frame(
            metrics=self.metrics,
            y_true=self.data.truth,
            y_pred=self.data.predicted,
            sensitive_features=self.data.groups,
            n_boot=self.portion[0] - 1,
            ci_quantiles=[0.5],
            random_state=0,
        )

    def answer(self, result: Any) -> Summary:
        median = result.by_group_ci[0].to_numpy(float).T
        return Summary(result.by_group.to_numpy(float).T, self.portion[0] - 1, median, None)


def workload(name: str, n_resamples: int, contestants: tuple[type[Contestant], ...]) -> Workload:
    title = f"3 metrics by 4 groups, 100,000 rows, {n_resamples:,} replicates"
    own = tuple(type(each.__name__, (each,), {"n_resamples": n_resamples}) for each in contestants)
    return Workload(name, title, data, own, target=1000, disagreement=disagreement)


W6 = (
    workload("W6", Resamples.n_resamples, (AskewFromArrays, AskewBootstrap, Multinomial, Fairlearn)),
    workload("W6-10000", 10_000, (AskewFromArrays, AskewBootstrap, Multinomial)),
)
