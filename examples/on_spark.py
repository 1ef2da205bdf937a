"""Counts are made where the rows are: Spark counts the partitions of a table, and what they add up to is audited.

Needs pyspark 3.4 or later, and Java.
"""

import os
import sys
import tempfile
from itertools import accumulate, combinations

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import SparkSession

import askew

# What all partitions must agree on is declared once: columns, groups, sets, seed.
ATTRIBUTES, GROUPS = [f"attribute_{k}" for k in range(6)], ["group_0", "group_1"]
SETS = askew.AttributeSets([*ATTRIBUTES, *combinations(ATTRIBUTES, 2)], ATTRIBUTES)
HOW = {"n_resamples": 200, "rng": 0, "n_threads": 1}  # Spark runs a Python worker on each core
FAN_IN = 4


def count_train(rows, first_row):
    truth = askew.Annotations.from_dataframe(rows, attributes=ATTRIBUTES, groups="group", group_names=GROUPS)
    return askew.count(truth, SETS, first_row=first_row, **HOW)


def count_test(rows, first_row):
    truth = askew.Annotations.from_dataframe(rows, attributes=ATTRIBUTES, groups="group", group_names=GROUPS)
    predicted = [f"pred_{name}" for name in ATTRIBUTES]
    pred = askew.Annotations.from_dataframe(rows, attributes=predicted, groups="pred_group", like=truth)
    return askew.count(truth, SETS, pred=pred, first_row=first_row, **HOW)


def number_of_rows(batches):
    n = sum(len(batch) for batch in batches)
    yield pa.RecordBatch.from_pydict({"partition": [TaskContext.get().partitionId()], "n": [n]})


def add(batches):
    total = None
    for batch in batches:
        for cell in batch.column("counts"):
            counts = askew.Counts.from_bytes(cell.as_py())
            total = counts if total is None else total + counts
    if total is not None:
        yield pa.RecordBatch.from_pydict({"counts": [total.to_bytes()]})


def counts_of(table, count):
    """Counts of a Spark table, made by ``count(rows, first_row)`` for each of its partitions."""
    n_rows = dict(table.select(table.columns[0]).mapInArrow(number_of_rows, "partition long, n long").collect())
    numbers = sorted(n_rows)
    ends = dict(zip(numbers, accumulate(n_rows[number] for number in numbers), strict=True))

    def count_partition(batches):
        batches = list(batches)
        if batches:
            number, rows = TaskContext.get().partitionId(), pa.Table.from_batches(batches)
            if len(rows) != n_rows[number]:
                raise RuntimeError(
                    f"partition {number} had {n_rows[number]} rows, and now {len(rows)}: persist the table"
                )
            yield pa.RecordBatch.from_pydict({"counts": [count(rows, ends[number] - len(rows)).to_bytes()]})

    parts, n = table.mapInArrow(count_partition, "counts binary"), len(numbers)
    while n > FAN_IN:  # a tree, so that nobody has all of them
        n = -(-n // FAN_IN)
        parts = parts.repartition(n).mapInArrow(add, "counts binary")
    first, *others = (askew.Counts.from_bytes(row.counts) for row in parts.collect())
    return sum(others, first)


def write_tables(folder):
    """A small table, so that there is one; returns it."""
    made = askew.datasets.make_annotations(40_000, n_attributes=6, density=0.2, amplification=0.1, rng=0)[:3]
    columns = []
    for table in made:
        attributes, groups = table.to_numpy()
        columns.append({name: attributes[:, k] for k, name in enumerate(ATTRIBUTES)})
        columns[-1]["group"] = [GROUPS[g] for g in groups.argmax(axis=1)]
    train, test, pred = columns
    pq.write_table(pa.table(train), os.path.join(folder, "train.parquet"), row_group_size=2000)
    both = {**test, **{f"pred_{name}": values for name, values in pred.items()}}
    pq.write_table(pa.table(both), os.path.join(folder, "test.parquet"), row_group_size=2000)
    return made


def main():
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.files.maxPartitionBytes", "16k")  # of a small table, several partitions all the same
        .getOrCreate()
    )
    with tempfile.TemporaryDirectory() as folder:
        made = write_tables(folder)
        train, test = (spark.read.parquet(f"{folder}/{name}.parquet") for name in ("train", "test"))
        print(f"{train.rdd.getNumPartitions()} and {test.rdd.getNumPartitions()} partitions")
        train_counts, test_counts = counts_of(train, count_train), counts_of(test, count_test)
    spark.stop()

    frequent = [
        len(m) == 1 or min(n) >= 500
        for m, *n in zip(SETS, train_counts.truth.co_set[0], test_counts.truth.co_set[0], strict=True)
    ]
    result = askew.audit(train_counts, test_counts, sets=SETS.filter(frequent))
    print(result)
    here = askew.audit(*made, sets=SETS.filter(frequent), n_resamples=200, rng=0)
    print("as on one machine:", result.to_dict(cells=True) == here.to_dict(cells=True))


if __name__ == "__main__":
    main()
