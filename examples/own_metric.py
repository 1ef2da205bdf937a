"""A metric of your own, with intervals: how unequally a model misses what is there.

Recall of an attribute in a group, TP / P, needs instances in which truth and prediction both have it. Put both into one
table: column "a" is the truth, column "a, predicted" the prediction, and the pair of them a true positive.
"""

import numpy as np

import askew

_, test, pred = askew.datasets.load_compas("race", split=None)
truth, groups = test.to_numpy()
predicted, _ = pred.to_numpy()
names = test.attribute_names
table = askew.Annotations(
    np.hstack([truth, predicted]),
    groups,
    attribute_names=[*names, *(f"{name}, predicted" for name in names)],
    group_names=test.group_names,
)
sets = [*names, *([name, f"{name}, predicted"] for name in names)]


def recall_gap(counts):
    """Recall of African-Americans minus recall of Caucasians, per attribute: shape (R, attributes)."""
    two = [table.group_names.index(group) for group in ("African-American", "Caucasian")]
    co = counts.test.truth.co_set_group[:, :, two]  # (R, sets, 2)
    recall = co[:, len(names) :] / co[:, : len(names)]
    return recall[:, :, 0] - recall[:, :, 1]


gap = askew.bootstrap(recall_gap, test=table, sets=sets, n_resamples=2000, rng=0)
for name, value, low, high in zip(names, gap.value, *gap.confidence_interval, strict=True):
    print(f"{name}: recall gap {value:+.3f} [{low:+.3f}, {high:+.3f}]")
