"""Whatever a scan reads, in whatever parts: the integers are those of the same rows in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import askew
from askew import Annotations, InputError, Scan, count
from scanned import ATTRIBUTES, FLAGS, PREDICTED, both, integers, small, table_of


@st.composite
def cuts(draw: st.DrawFn, n: int, most: int = 4) -> list[int]:
    """Where n rows are cut."""
    return [0, *sorted(draw(st.lists(st.integers(0, n), max_size=most))), n]


@settings(max_examples=40)
@given(data=st.data())
def test_the_same_integers_however_the_rows_are_split(data: st.DataObject) -> None:
    n = data.draw(st.one_of(st.integers(1, 70), st.integers(500, 2500)), label="n")
    kind = data.draw(st.sampled_from(["text", "large", "dictionary", "numbers"]), label="labels")
    table = table_of(n, data.draw(st.integers(0, 99), label="seed"), kind)
    groups = data.draw(st.sampled_from([FLAGS, ["0", "9", "18", "27"] if kind == "numbers" else ["y", "x", "z"]]))
    ends = data.draw(cuts(n), label="files")
    chunk_rows = data.draw(st.sampled_from([512, 1024, 1 << 21]), label="chunk")
    with tempfile.TemporaryDirectory() as folder:
        for number, (begin, end) in enumerate(pairwise(ends)):
            size = data.draw(st.sampled_from([1, 64, 100, 1000]), label="row group")
            part = table.slice(begin, end - begin)
            if kind == "text" and number % 2:  # another type of the same labels in this file
                part = part.set_column(8, "g", part["g"].dictionary_encode())
            pq.write_table(part, f"{folder}/{number}.parquet", row_group_size=max(size, n // 20))
        truth, pred = both(Annotations.scan, folder, groups)
        expected_truth, expected_pred = both(Annotations.from_dataframe, table, groups)
        begin, end = sorted([data.draw(st.integers(0, n)), data.draw(st.integers(0, n))])
        how = {"n_resamples": 3, "rng": 5}
        batch_rows = data.draw(st.sampled_from([64, 1 << 17]), label="batch")
        with small(chunk_rows, batch_rows, data.draw(st.sampled_from([1, 300, 1 << 20]), label="piece")):
            counted = count(truth, "singletons", pred=pred, **how)
            assert integers(counted) == integers(count(expected_truth, "singletons", pred=expected_pred, **how))
            assert counted.rows == ((0, n),)
            if begin < end:
                part = count(truth, "singletons", pred=pred, rows=(begin, end), **how)
                in_memory = both(Annotations.from_dataframe, table.slice(begin, end - begin), groups)
                expected = count(in_memory[0], "singletons", pred=in_memory[1], first_row=begin, **how)
                assert integers(part) == integers(expected)
                assert part.predicts_groups == expected.predicts_groups
            collected = truth.collect()
        for mine, theirs in zip(collected.to_numpy(), expected_truth.to_numpy(), strict=True):
            assert np.array_equal(mine, theirs)


@settings(max_examples=15)
@given(n=st.integers(1, 2000), seed=st.integers(0, 99), chunk=st.sampled_from([512, 1 << 21]), data=st.data())
def test_truth_and_predictions_in_files_of_their_own(n: int, seed: int, chunk: int, data: st.DataObject) -> None:
    table = table_of(n, seed)
    with tempfile.TemporaryDirectory() as folder, small(chunk, 300):
        for name in ("truth", "pred"):
            ends = data.draw(cuts(n), label=name)
            for number, (begin, end) in enumerate(pairwise(ends)):
                pq.write_table(table.slice(begin, end - begin), f"{folder}/{name}-{number}.parquet", row_group_size=400)
        truth = Annotations.scan(
            f"{folder}/truth-*",
            tags="tags",
            groups="g",
            group_names=["x", "y", "z"],
            ids="id",
            attribute_names=["u", "v", "w"],
        )
        for groups in ("h", truth):
            pred = Annotations.scan(f"{folder}/pred-*", attributes=PREDICTED, groups=groups, ids="id", like=truth)
            counted = count(truth, [["u", "v"], ["w"]], pred=pred, n_resamples=2, rng=1)
            memory = Annotations.from_dataframe(table, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
            guess = Annotations.from_dataframe(table, attributes=PREDICTED, groups="h", group_names=["x", "y", "z"])
            sets = [[ATTRIBUTES[0], ATTRIBUTES[1]], [ATTRIBUTES[2]]]
            guess = Annotations(guess.to_numpy()[0], memory if groups is truth else guess, like=memory)
            expected = count(memory, sets, pred=guess, n_resamples=2, rng=1)
            assert integers(counted) == integers(expected)
            assert counted.predicts_groups == expected.predicts_groups


@settings(max_examples=15)
@given(n=st.integers(1, 1500), seed=st.integers(0, 99), data=st.data())
@pytest.mark.parametrize("groups", [FLAGS, ["x", "y", "z"]], ids=["overlapping", "labels"])
def test_universes_of_random_tables(groups: list[str], n: int, seed: int, data: st.DataObject) -> None:
    groups = FLAGS if groups == FLAGS else groups
    table, other = table_of(n, seed), table_of(n // 2 + 1, seed + 1)
    limits = {"max_size": data.draw(st.sampled_from([None, 1, 2])), "min_count": data.draw(st.integers(1, 1 + n // 4))}
    support = data.draw(st.sampled_from(["any", "every"]))
    with small(), tempfile.TemporaryDirectory() as folder:
        for name, rows in [("a", table), ("b", other)]:
            pq.write_table(rows, f"{folder}/{name}.parquet", row_group_size=200)
        scans = [both(Annotations.scan, f"{folder}/{name}.parquet", groups)[0] for name in "ab"]
        memory = [both(Annotations.from_dataframe, rows, groups)[0] for rows in (table, other)]

        def found(make: Callable[[], Any]) -> Any:
            try:
                return make()
            except InputError as error:
                return str(error)

        for tables in (1, 2):
            a, b = scans[:tables], memory[:tables]
            how = {**limits, "support": support}
            assert found(lambda: askew.AttributeSets.subsets(*a, **how)) == found(  # noqa: B023
                lambda: askew.AttributeSets.subsets(*b, **how)  # noqa: B023
            )
            assert found(lambda: askew.AttributeSets.observed(*a, **limits)) == found(  # noqa: B023
                lambda: askew.AttributeSets.observed(*b, **limits)  # noqa: B023
            )


TABLE = table_of(1700, 3)


def files(folder: Path, write: Callable[[pa.Table, str], None], ending: str) -> str:
    for number in range(3):
        write(TABLE.slice(number * 600, 600), f"{folder}/{number}{ending}")
    return str(folder)


def as_csv(table: pa.Table, path: str) -> None:
    table = table.drop(["tags"])
    for number, column in enumerate(table.columns):
        if pa.types.is_boolean(column.type):
            table = table.set_column(number, table.field(number).name, column.cast("int8"))
    pa.csv.write_csv(table, path)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "folder": lambda d: files(d, pq.write_table, ".parquet"),
    "path": lambda d: Path(files(d, pq.write_table, ".pq")),
    "glob": lambda d: files(d, pq.write_table, ".parquet") + "/*.parquet",
    "list": lambda d: sorted(Path(files(d, pq.write_table, ".parquet")).iterdir()),
    "urls": lambda d: [path.as_uri() for path in sorted(Path(files(d, pq.write_table, ".parquet")).iterdir())],
    "url": lambda d: (pq.write_table(TABLE, d / "all"), (d / "all").as_uri())[1],
    "ipc": lambda d: files(d, pa.feather.write_feather, ".arrow"),
    "csv": lambda d: files(d, as_csv, ".csv"),
    "data set": lambda d: ds.dataset(files(d, pq.write_table, ".parquet")),
    "data set in memory": lambda d: ds.dataset(TABLE),
    "union": lambda d: ds.dataset([ds.dataset(TABLE.slice(0, 40)), ds.dataset(TABLE.slice(40))]),
    "filtered data set": lambda d: ds.dataset(files(d, pq.write_table, ".parquet")).filter(ds.field("id") >= 0),
    "pyarrow": lambda d: TABLE,
    "pandas": lambda d: TABLE.to_pandas(),
    "polars": lambda d: pl.from_arrow(TABLE),
    "lazy": lambda d: pl.from_arrow(TABLE).lazy(),
    "lazy files": lambda d: pl.scan_parquet(files(d, pq.write_table, ".parquet") + "/*.parquet"),
    "batches": lambda d: TABLE.to_batches(max_chunksize=100),
    "tables": lambda d: [TABLE.slice(0, 900), TABLE.slice(900)],
    "function": lambda d: lambda: iter(TABLE.to_batches(max_chunksize=300)),
    "function of a table": lambda d: lambda: TABLE,
    "function of a query": lambda d: lambda: pl.from_arrow(TABLE).lazy(),
    "batch": lambda d: TABLE.combine_chunks().to_batches()[0],
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_integers(source: str, tmp_path: Path) -> None:
    expected = count(*_truth_and_pred(Annotations.from_dataframe, TABLE), n_resamples=2, rng=1)
    with small(batch_rows=333):
        data = SOURCES[source](tmp_path)
        counted = count(*_truth_and_pred(Annotations.scan, data), n_resamples=2, rng=1)
        assert integers(counted) == integers(expected)
        assert both(Annotations.scan, data, None)[0].n == 1700
        assert both(Annotations.scan, data, None)[0].group_names == ("x", "y", "z")


def _truth_and_pred(make: Callable[..., Any], data: Any) -> Any:
    return make(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"]), [["a.b"], ["a.b", "c"]]


def test_a_query_of_duckdb() -> None:
    with duckdb.connect() as connection:
        connection.register("t", TABLE.drop(["tags"]))
        relation = connection.sql("SELECT * FROM t ORDER BY id")
        expected = count(*_truth_and_pred(Annotations.from_dataframe, TABLE), n_resamples=2, rng=1)
        with small():
            assert integers(count(*_truth_and_pred(Annotations.scan, relation), n_resamples=2, rng=1)) == integers(
                expected
            )


def test_two_queries_need_two_connections() -> None:
    big = pa.concat_tables([TABLE.drop(["tags"])] * 100)
    with duckdb.connect() as connection:
        connection.register("big", big)
        connection.execute("CREATE TABLE t AS SELECT * FROM big")
        truth, other = (
            Annotations.scan(cursor.sql("SELECT * FROM t"), attributes=["c"], groups=FLAGS)
            for cursor in (connection.cursor(), connection.cursor())
        )
        counted = count(truth, ["c"], pred=other)
        assert counted.prediction.co_set[0, 0] == counted.truth.co_set[0, 0] == 100 * sum(TABLE["c"].to_pylist())
        same = Annotations.scan(connection.sql("SELECT * FROM t"), attributes=["c"], groups=FLAGS)
        wrong = Annotations.scan(
            connection.sql("SELECT error('no, ' || c) AS c, old FROM t"),
            attributes=["c"],
            groups="old",
            group_names=["a"],
        )
        with pytest.raises(InputError, match=r"duckdb DuckDBPyRelation cannot be read: .*no, "):
            count(wrong, ["c"])
        assert count(same, ["c"]).n[0] == len(big)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.int32(), 2),
        pa.list_view(pa.string()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=str,
)
def test_tags_of_every_type(kind: pa.DataType) -> None:
    values = np.random.default_rng(0).integers(0, 20, (1700, 2)).tolist()
    if "string" in str(kind):
        values = [[str(value) for value in row] for row in values]
    if "dictionary" in str(kind):
        flat = pa.array([tag for row in values for tag in row]).dictionary_encode()
        tags = pa.ListArray.from_arrays(np.arange(0, 3401, 2, dtype=np.int32), flat)
    else:
        tags = pa.array(values, kind)
    table = pa.table({"tags": tags, "g": TABLE["g"]})
    expected = Annotations.from_tags(table["tags"], table["g"])
    for data in (table, pa.table(table).to_batches(max_chunksize=77)):
        with small(batch_rows=100):
            scanned = Annotations.scan(data, tags="tags", groups="g")
            assert scanned.attribute_names == expected.attribute_names
            assert integers(count(scanned, "singletons")) == integers(count(expected, "singletons"))
            some = Annotations.scan(data, tags="tags", groups="g", attribute_names=["3", "1"], unknown="ignore")
            chosen = Annotations.from_tags(table["tags"], table["g"], attribute_names=["3", "1"], unknown="ignore")
            assert integers(count(some, ["1"])) == integers(count(chosen, ["1"]))


ONCE = {
    "reader": lambda: TABLE.to_reader(max_chunksize=100),
    "generator": lambda: (batch for batch in TABLE.to_batches(max_chunksize=100)),
}


@pytest.mark.parametrize("once", ONCE)
def test_what_can_be_read_once_is_counted_once(once: str) -> None:
    data = ONCE[once]()
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    pred = Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth)
    expected = [both(Annotations.from_dataframe, TABLE, ["x", "y", "z"])[i] for i in (0, 1)]
    assert integers(count(truth, ["c"], pred=pred)) == integers(count(expected[0], ["c"], pred=expected[1]))
    with pytest.raises(InputError, match="can be read only once, and was"):
        count(truth, ["c"])
    with pytest.raises(InputError, match="can be read only once: declare group_names"):
        _ = Annotations.scan(ONCE[once](), attributes=ATTRIBUTES, groups="g").group_names


@pytest.mark.filterwarnings("ignore:.*(too high|replicates lie|too few):askew.AskewWarning")
@pytest.mark.parametrize("kept", [True, False])
def test_predictions_that_take_over_the_groups(kept: bool) -> None:
    how = {"n_resamples": 20, "rng": 1, "max_size": 2}
    memory = Annotations.from_tags(TABLE["tags"], TABLE["g"])
    guess = Annotations.from_dataframe(TABLE, attributes=PREDICTED, groups=memory, like=memory)
    expected = askew.audit(memory, memory, guess, **how)
    truth = Annotations.scan(TABLE, tags="tags", groups="g")
    pred = Annotations.scan([TABLE], attributes=PREDICTED, groups=truth, like=truth)
    with nullcontext() if kept else small():
        assert askew.audit(truth, truth, pred, **how).to_dict(cells=True) == expected.to_dict(cells=True)
    with pytest.raises(InputError, match="a plan is made of tables in memory"):
        askew.plan(truth, ["u"])


def test_an_audit_reads_once_what_fits_the_memory() -> None:
    """Truth and predictions from one iterator, which is read a single time."""
    data = ONCE["generator"]()
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    pred = Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth)
    train, guess = both(Annotations.from_dataframe, TABLE, ["x", "y", "z"])
    expected = askew.audit(train, train, guess, max_size=2)
    assert askew.audit(train, truth, pred, max_size=2).to_dict(cells=True) == expected.to_dict(cells=True)


# ---- Folders with keys, and filters


def write_hive(folder: Path) -> None:
    for number, (label, year) in enumerate([("x", "2019"), ("y", "2020"), ("__HIVE_DEFAULT_PARTITION__", "2020")]):
        path = folder / f"group={label}" / f"year={year}"
        path.mkdir(parents=True)
        pq.write_table(TABLE.slice(number * 500, 500).drop(["h"]), path / "0.parquet", row_group_size=200)


def test_keys_of_folders_are_columns(tmp_path: Path) -> None:
    write_hive(tmp_path)
    scanned = Annotations.scan(tmp_path, attributes=ATTRIBUTES, groups="group")
    assert scanned.group_names == ("x", "y")
    # files come in the order of their names: "group=__HIVE…" first
    assert count(scanned, ["c"]).truth.co_group.tolist() == [[500, 500]]
    assert scanned.n == 1500
    years = Annotations.scan(tmp_path, attributes=ATTRIBUTES, groups="year")
    assert years.group_names == ("2019", "2020")
    assert count(years, ["c"]).truth.co_group.tolist() == [[500, 1000]]
    for filters, labels in [([("year", ">", 2019)], ["y"]), ([("group", "=", "x"), ("year", "=", 2019)], ["x"])]:
        some = Annotations.scan(tmp_path, attributes=ATTRIBUTES, groups="group", filters=filters)
        assert some.group_names == tuple(labels)
        counted = count(some, ["c"])
        assert counted.truth.co_group.tolist() == [[500]]
        assert some.n == counted.n[0]


def test_a_column_is_not_what_the_folders_above_are_called(tmp_path: Path) -> None:
    folder = tmp_path / "g=7" / "run=3"
    folder.mkdir(parents=True)
    pq.write_table(TABLE, folder / "0.parquet")
    for filters in (None, [("g", "=", "x")], [("g", "=", "x"), ("run", "=", 3)]):
        scanned = Annotations.scan(folder, attributes=ATTRIBUTES, groups="g", filters=filters)
        table = TABLE if filters is None else TABLE.filter(pa.compute.field("g") == "x")
        assert scanned.n == len(table)
        expected = count(Annotations.from_dataframe(table, attributes=ATTRIBUTES, groups="g"), ["c"])
        assert integers(count(scanned, ["c"])) == integers(expected)


@settings(max_examples=15)
@given(low=st.integers(0, 1700), n=st.integers(0, 1700), piece=st.sampled_from([1, 400, 1 << 20]))
def test_filtered_rows_are_those_of_a_filtered_table(low: int, n: int, piece: int) -> None:
    filters = [("id", ">=", 7 * low), ("id", "<", 7 * (low + n))]
    with tempfile.TemporaryDirectory() as folder, small(piece_rows=piece):
        pq.write_table(TABLE.slice(0, 1000), f"{folder}/0.parquet", row_group_size=150)
        pq.write_table(TABLE.slice(1000), f"{folder}/1.parquet")
        scanned = Annotations.scan(
            folder, attributes=ATTRIBUTES, groups="g", filters=filters, group_names=["x", "y", "z"]
        )
        rows = TABLE.slice(low, n)
        assert scanned.n == len(rows)
        if len(rows) == 0:
            with pytest.raises(InputError, match="no instances"):
                count(scanned, ["c"])
            return
        expected = Annotations.from_dataframe(rows, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
        counted = count(scanned, ["c"], n_resamples=2, rng=1)
        assert integers(counted) == integers(count(expected, ["c"], n_resamples=2, rng=1))


def test_long_lists_in_filters_are_told_apart(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "0.parquet")
    lists = [[*range(0, 70, 7), *range(700 + 7 * k, 3000, 14), *range(7000, 7070, 7)] for k in (0, 1)]
    one, other = (
        Annotations.scan(tmp_path, attributes=ATTRIBUTES, groups="g", filters=[("id", "in", ids)]) for ids in lists
    )
    assert one.source != other.source
    assert one.identity != other.identity
    pred = Annotations.scan(tmp_path, attributes=PREDICTED, groups="h", like=one, filters=[("id", "in", lists[0])])
    assert pred.source == one.source


def test_data_sets_in_memory_are_told_apart() -> None:
    truth = Annotations.scan(ds.dataset(TABLE), attributes=ATTRIBUTES, groups="g")
    other = ds.dataset(table_of(1700, 4))
    pred = Annotations.scan(other, attributes=ATTRIBUTES, groups="g", like=truth)
    counted = count(truth, ["c"], pred=pred)
    assert counted.prediction.co_set[0, 0] == int(pa.compute.sum(other.to_table()["c"]).as_py())
    assert counted.prediction.co_set[0, 0] != counted.truth.co_set[0, 0]
    some, rest = (Annotations.scan(other, attributes=["c"], groups="g", filters=[("id", k, 70)]) for k in "<>")
    assert (some.n, rest.n) == (10, 1689)


# ---- Small, wide, and oddly named


def test_one_row_and_none() -> None:
    one = Annotations.scan(TABLE.slice(5, 1), attributes=ATTRIBUTES, groups=FLAGS)
    expected = Annotations.from_dataframe(TABLE.slice(5, 1), attributes=ATTRIBUTES, groups=FLAGS)
    assert integers(count(one, ["c"], n_resamples=3, rng=2)) == integers(count(expected, ["c"], n_resamples=3, rng=2))
    none = Annotations.scan(TABLE.slice(0, 0), attributes=ATTRIBUTES, groups=FLAGS)
    assert none.n == 0
    for what in (lambda: count(none, ["c"]), none.collect, lambda: askew.AttributeSets.subsets(none)):
        with pytest.raises(InputError, match="no instances"):
            what()
    with pytest.raises(InputError, match="has no label: declare group_names"):
        _ = Annotations.scan(TABLE.slice(0, 0), attributes=ATTRIBUTES, groups="g").group_names


def test_three_thousand_columns(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2, (300, 3000)).astype(np.int8)
    names = [f"c{i}" for i in range(3000)]
    pq.write_table(pa.table([*values.T, pa.array(["x"] * 300)], [*names, "g"]), tmp_path / "0.parquet")
    scanned = Annotations.scan(tmp_path, attributes=names, groups="g")
    assert np.array_equal(count(scanned, "singletons").truth.co_set[0], values.sum(axis=0))


def test_names_that_look_like_something_else(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2, (50, 7))
    names = ["s.x", "s", ".x", "with \"quotes\" 'too'", "ünï ☃", "rowid", "*"]
    table = pa.table([*values.T, pa.array([{"x": 2}] * 50), pa.array(["u"] * 50)], [*names, "t", "g"])
    table = table.append_column("t.x", pa.array([1] * 50))
    pq.write_table(table, tmp_path / "0.parquet")
    for data in (tmp_path, table, tmp_path / "0.parquet", [table]):
        scanned = Annotations.scan(data, attributes=[*names, "t.x"], groups="g")
        assert count(scanned, "singletons").truth.co_set[0].tolist() == [*values.sum(axis=0), 50]


def test_a_view_of_pandas_objects() -> None:
    frame = pd.DataFrame({"a": [1, 0, 1], "g": pd.Categorical(["x", None, "y"], categories=["z", "y", "x"])})
    scanned = Annotations.scan(frame, attributes=["a"], groups="g")
    expected = Annotations.from_dataframe(frame, attributes=["a"], groups="g")
    assert scanned.group_names == expected.group_names == ("x", "y")
    assert integers(count(scanned, ["a"])) == integers(count(expected, ["a"]))
    assert isinstance(scanned, Scan)
