"""All workloads by name."""

from __future__ import annotations

from benchmarks.peers import amplification, distinct_rows, group_metrics, itemsets, mining, pairs, replicates

WORKLOADS = {
    workload.name: workload
    for workload in (
        pairs.W1,
        pairs.W2,
        itemsets.W3,
        mining.W4,
        *replicates.W5,
        *group_metrics.W6,
        amplification.W7,
        *distinct_rows.W8,
    )
}
