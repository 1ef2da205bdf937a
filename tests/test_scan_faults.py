"""What is wrong is told with file and row; nothing is counted twice, and nothing is lost in silence."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import askew
from askew import Annotations, AskewWarning, Counts, InputError, count
from scanned import ATTRIBUTES, FLAGS, PREDICTED, integers, small, table_of

N, PER_FILE, PER_GROUP = 3000, 1000, 250
TABLE = table_of(N, 1)
HOW = {"n_resamples": 3, "rng": 2}


def write(folder: Path, table: pa.Table = TABLE) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.parquet" for number in range(3)]
    for number, path in enumerate(paths):
        pq.write_table(table.slice(number * PER_FILE, PER_FILE), path, row_group_size=PER_GROUP)
    return paths


def scans(data: Any, **options: Any) -> tuple[Any, Any]:
    truth = Annotations.scan(data, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"], **options)
    return truth, Annotations.scan(data, attributes=PREDICTED, groups="h", like=truth, **options)


def counted(data: Any, rows: tuple[int, int] | None = None, **options: Any) -> Counts:
    truth, pred = scans(data, **options)
    return count(truth, [["a.b"], ["a.b", "c"]], pred=pred, rows=rows, **HOW)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def spoil_page(path: Path, row_group: int, column: int = 0) -> None:
    """Break the header of a page, not the footer."""
    chunk = pq.ParquetFile(path).metadata.row_group(row_group).column(column)
    overwrite(path, chunk.dictionary_page_offset or chunk.data_page_offset, b"\xff" * 20)


WHOLE_FILES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda path: path.write_bytes(b"no parquet " * 50),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 9),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("fault", WHOLE_FILES)
def test_a_file_that_is_none(fault: str, number: int, tmp_path: Path) -> None:
    paths = write(tmp_path / "data")
    WHOLE_FILES[fault](paths[number])
    with small():
        with pytest.raises(InputError, match=re.escape(f"{paths[number]} cannot be read")):
            counted(tmp_path / "data")
        truth, pred = scans(tmp_path / "data", on_error="skip")
        with pytest.warns(AskewWarning, match=f"at least 0 rows in 1 piece were skipped: .*{number}.parquet cannot be"):
            counts = count(truth, [["a.b"], ["a.b", "c"]], pred=pred, **HOW)
        ((name, n_rows, reason),) = truth.skipped
        assert (name, n_rows) == (str(paths[number]), None)
        assert "cannot be read" in reason
        # how many rows it had, nobody knows: those that follow come next
        rest = [TABLE.slice(begin * PER_FILE, PER_FILE) for begin in range(3) if begin != number]
        assert counts.rows == ((0, 2000),)
        assert integers(counts) == integers(counted(rest))
        assert truth.n == 2000
        vocabulary = Annotations.scan(tmp_path / "data", attributes=ATTRIBUTES, groups="g", on_error="skip")
        assert vocabulary.group_names == ("x", "y", "z")


def test_a_bit_that_flipped_in_a_page_with_a_checksum(tmp_path: Path) -> None:
    how = {"compression": "none", "use_dictionary": False, "write_page_checksum": True, "row_group_size": 1500}
    pq.write_table(TABLE, tmp_path / "0.parquet", **how)
    assert integers(counted(tmp_path)) == integers(counted(TABLE))
    column = pq.ParquetFile(tmp_path / "0.parquet").metadata.row_group(1).column(0)
    end = column.data_page_offset + column.total_compressed_size
    with (tmp_path / "0.parquet").open("rb") as file:
        file.seek(end - 8)
        value = file.read(8)
    assert value in (bytes(8), b"\x01" + bytes(7))
    overwrite(tmp_path / "0.parquet", end - 8, bytes([value[0] ^ 1]))  # a 0 that is a 1, or the other way
    with pytest.raises(InputError, match=r"0.parquet cannot be read: .*(CRC|checksum)"):
        counted(tmp_path)
    with small(piece_rows=1), pytest.warns(AskewWarning, match="1,500 rows in 1 piece were skipped"):
        assert counted(tmp_path, on_error="skip").rows == ((0, 1500),)


def undamaged(folder: Path, *ranges: tuple[int, int]) -> Counts:
    """Counts of some rows of the same files as they were."""
    write(folder)
    parts = [counted(folder, rows) for rows in ranges]
    return sum(parts[1:], parts[0])


@pytest.mark.parametrize("piece_rows", [1, 500, 1 << 20])
@pytest.mark.parametrize(("column", "by"), [(0, "page"), (3, "page"), (0, "value"), (8, "label")])
def test_rows_after_a_gap_keep_their_numbers(column: int, by: str, piece_rows: int, tmp_path: Path) -> None:
    """Row groups 1 of the second file and 3 of the last are damaged; what is skipped with them depends on pieces."""
    table = TABLE
    bad = [1300, 2999]
    if by != "page":
        name = TABLE.column_names[column]
        values = TABLE[name].to_pylist()
        for row in bad:
            values[row] = 2 if by == "value" else "nobody"
        table = TABLE.set_column(column, name, [values])
    paths = write(tmp_path / "data", table)
    if by == "page":
        spoil_page(paths[1], 1, column)
        spoil_page(paths[2], 3, column)
    size = max(PER_GROUP, min(piece_rows, PER_FILE))
    gaps = [(row // size * size, row // size * size + size) for row in bad]
    kept = ((0, gaps[0][0]), (gaps[0][1], gaps[1][0]), (gaps[1][1], N))
    kept = tuple((begin, end) for begin, end in kept if begin < end)
    expected = undamaged(tmp_path / "whole", *kept)
    for chunk_rows in (512, 1 << 21):
        with small(chunk_rows, batch_rows=1 << 17, piece_rows=piece_rows):
            with pytest.raises(InputError, match=r"1\.parquet"):
                counted(tmp_path / "data")
            with pytest.warns(AskewWarning, match=f"^{2 * size:,} rows in 2 pieces were skipped"):
                counts = counted(tmp_path / "data", on_error="skip")
            assert counts.rows == expected.rows == kept
            assert integers(counts) == integers(expected)
            # however the rows are cut, the same ones are skipped
            parts = []
            for rows in [(0, 1290), (1290, 1310), (1310, 2700), (2700, N)]:
                if any(max(rows[0], begin) < min(rows[1], end) for begin, end in kept):
                    parts.append(quietly_counted(tmp_path / "data", rows))
            assert integers(sum(parts[1:], parts[0])) == integers(expected)
            assert sum(parts[1:], parts[0]).rows == kept


def quietly_counted(data: Path, rows: tuple[int, int]) -> Counts:
    with warnings.catch_warnings():  # not every part has something to skip
        warnings.simplefilter("ignore", AskewWarning)
        return counted(data, rows, on_error="skip")


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")
def test_an_audit_tells_what_was_skipped(tmp_path: Path) -> None:
    paths = write(tmp_path / "data")
    spoil_page(paths[2], 0, 3)
    train = Annotations.from_dataframe(TABLE, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    truth, pred = scans(tmp_path / "data", on_error="skip")
    seen: list[tuple[int, int]] = []
    with small(piece_rows=1), pytest.warns(AskewWarning, match="250 rows in 1 piece were skipped"):
        result = askew.audit(train, truth, pred, max_size=2, progress=lambda done, total: seen.append((done, total)))
    assert result.run.n_skipped == 250
    assert result.run.n_test == 2750
    assert seen[-1][0] == seen[-1][1]
    rest = pa.concat_tables([TABLE.slice(0, 2000), TABLE.slice(2250)])
    test = Annotations.from_dataframe(rest, attributes=ATTRIBUTES, groups="g", like=train)
    expected = askew.audit(
        train,
        test,
        Annotations.from_dataframe(rest, attributes=PREDICTED, groups="h", like=train),
        max_size=2,
        sets=askew.AttributeSets.subsets(train, truth, max_size=2),
    )
    for name, estimate in expected.items():
        assert float(result[name]) == float(estimate)


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    for path in write(tmp_path / "data"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no instances that can be read"):
        counted(tmp_path / "data", on_error="skip")
    with pytest.raises(InputError, match="declare group_names"):
        _ = Annotations.scan(tmp_path / "data", attributes=["c"], groups="g", on_error="skip").group_names


def test_skipping_needs_rows_that_belong_together(tmp_path: Path) -> None:
    paths = write(tmp_path / "data")
    truth = scans(paths[0], on_error="skip")[0]
    with pytest.raises(InputError, match="needs tables that lie in the same files"):
        count(truth, ["c"], pred=scans(paths[1], on_error="skip")[1])


@pytest.mark.parametrize("piece_rows", [1, 1 << 20])
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("row 1", {2345: None}, r"2.parquet: attributes: column 'row 1', row 345 is missing \(null\); expected 0 or 1"),
        ("row 1", {1999: 2}, "1.parquet: attributes: column 'row 1', row 999 is 2; expected 0 or 1"),
        ("c", {1000: float("nan")}, r"1.parquet: attributes: column 'c', row 0 is missing \(nan\)"),
        ("g", {1251: "row 9"}, "1.parquet: column 'g': row 251 has the label 'row 9', which was not declared"),
        ("tags", {777: ["u", "row 3"]}, "0.parquet: column 'tags': row 777 has the tag 'row 3', which was not"),
        ("tags", {2001: None}, r"2.parquet: column 'tags': row 1 is missing \(null\)"),
        ("tags", {2001: [None]}, "2.parquet: column 'tags': row 1 holds a missing tag"),
        ("id", {1700: None}, "1.parquet: column 'id': row 700 has no id"),
    ],
)
def test_the_file_and_its_row(
    column: str, values: dict[int, Any], message: str, piece_rows: int, tmp_path: Path
) -> None:
    table = TABLE.rename_columns([{"a.b": "row 1"}.get(name, name) for name in TABLE.column_names])
    data = table[column].to_pylist()
    for row, value in values.items():
        data[row] = value
    number = table.column_names.index(column)
    write(tmp_path, table.set_column(number, column, pa.array(data, table[column].type)))
    how = {"tags": "tags", "attribute_names": list("uvw")} if column == "tags" else {"attributes": ["c", "row 1"]}
    scan = Annotations.scan(tmp_path, **how, groups="g", group_names=["x", "y", "z"], ids="id")
    with small(batch_rows=64, piece_rows=piece_rows), pytest.raises(InputError, match=message):
        count(scan, "singletons")


def test_the_row_where_rows_are_filtered(tmp_path: Path) -> None:
    data = TABLE["c"].to_pylist()
    data[1100] = None
    write(tmp_path, TABLE.set_column(2, "c", [data]))
    scan = Annotations.scan(tmp_path, attributes=["c"], groups=FLAGS, filters=[("id", ">=", 7 * 1040)])
    with pytest.raises(InputError, match=r"1.parquet, of the rows that the filters keep: .*, row 60 is missing"):
        count(scan, "singletons")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(["c"]), r"1.parquet has no column 'c'; there are"),
        (lambda t: t.append_column("c", t["c"]), "1.parquet has 2 columns called 'c'"),
        (lambda t: t.set_column(2, "c", [["0"] * len(t)]), "1.parquet: attributes: column 'c' has type string"),
        (lambda t: t.set_column(8, "g", [[1.5] * len(t)]), "1.parquet: column 'g': row 0 has the label 1.5"),
        (lambda t: t.set_column(8, "g", [[{"a": 1}] * len(t)]), "1.parquet: column 'g'"),
    ],
)
def test_files_of_other_columns(change: Callable[[pa.Table], pa.Table], message: str, tmp_path: Path) -> None:
    paths = write(tmp_path)
    pq.write_table(change(TABLE.slice(1000, 1000)), paths[1])
    with pytest.raises(InputError, match=message):
        counted(tmp_path)


def test_files_of_other_types_that_mean_the_same(tmp_path: Path) -> None:
    paths = write(tmp_path)
    part = TABLE.slice(1000, 1000)
    part = part.set_column(0, "a.b", part["a.b"].cast(pa.bool_())).set_column(2, "c", part["c"].cast(pa.uint64()))
    pq.write_table(
        part.set_column(8, "g", part["g"].dictionary_encode().cast(pa.dictionary(pa.int8(), "string"))), paths[1]
    )
    assert integers(counted(tmp_path)) == integers(counted(TABLE))


def test_files_without_rows(tmp_path: Path) -> None:
    paths = write(tmp_path / "data")
    folder = tmp_path / "data"
    pq.write_table(TABLE.slice(0, 0), folder / "0a.parquet")
    pq.ParquetWriter(folder / "1a.parquet", TABLE.schema).close()
    assert len(list(folder.iterdir())) == len(paths) + 2
    with small():
        assert integers(counted(folder)) == integers(counted(TABLE))
    assert scans(folder)[0].group_names == ("x", "y", "z")


def test_types_that_are_guessed_of_csv(tmp_path: Path) -> None:
    """No label becomes two groups because one file has numbers only."""
    (tmp_path / "0.csv").write_text("a,g\n1,01\n0,02\n")
    (tmp_path / "1.csv").write_text("a,g\n1,\n0,\n")
    (tmp_path / "2.csv").write_text("a,g\n1,01\n0,x\n")
    scan = Annotations.scan(tmp_path, attributes=["a"], groups="g")
    with pytest.raises(InputError, match=r"2.csv: column 'g' looks like string, in .*0.csv like int64"):
        _ = scan.group_names
    text = pa.csv.ConvertOptions(column_types={"g": pa.string()}, strings_can_be_null=True)
    told = ds.dataset(tmp_path, format=ds.CsvFileFormat(convert_options=text))
    scan = Annotations.scan(told, attributes=["a"], groups="g")
    assert scan.group_names == ("01", "02", "x")
    assert count(scan, ["a"]).truth.co_group.tolist() == [[2, 1, 1]]


def test_text_that_is_none(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(np.array([0, 1, 2, 3], np.int32)), pa.py_buffer(b"x\xffy")
    labels = pa.Array.from_buffers(pa.string(), 3, [None, offsets, data])
    pq.write_table(pa.table({"a": [0, 1, 1], "g": labels}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0.parquet: column 'g': a label is no text in UTF-8"):
        _ = Annotations.scan(tmp_path, attributes=["a"], groups="g").group_names


def test_a_column_of_ids_is_no_column_of_groups(tmp_path: Path) -> None:
    write(tmp_path, TABLE.append_column("i", pa.array(np.arange(N))))
    pq.write_table(pa.table({"i": np.arange(5000), "a.b": [0] * 5000}), tmp_path / "3.parquet")
    with pytest.raises(InputError, match="5,000 distinct labels"):
        _ = Annotations.scan(tmp_path, attributes=["a.b"], groups="i").group_names


# ---- Files that change


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "touched": (lambda path: os.utime(path, ns=(1, 1)), "has changed"),
    "rewritten": (lambda path: pq.write_table(TABLE, path), "has changed"),
    "removed": (lambda path: path.unlink(), "has disappeared"),
}


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read(change: str, number: int, on_error: str, tmp_path: Path) -> None:
    paths = write(tmp_path)
    act, message = CHANGES[change]
    truth, pred = scans(tmp_path, on_error=on_error)

    def progress(done: int, total: int) -> None:
        if done and paths[2].exists() and not acted:
            act(paths[number])
            acted.append(done)

    acted: list[int] = []

    def two_passes() -> None:  # if the file was done with, the next finds out
        for _ in range(2):
            count(truth, ["c"], pred=pred, progress=progress, n_resamples=130, rng=0)

    with small(batch_rows=64), pytest.raises(InputError, match=rf"{number}.parquet {message} since it was first"):
        two_passes()


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_between_passes(change: str, tmp_path: Path) -> None:
    paths = write(tmp_path)
    act, message = CHANGES[change]
    truth = Annotations.scan(tmp_path, attributes=ATTRIBUTES, groups="g")
    assert truth.group_names == ("x", "y", "z")
    count(truth, ["c"])
    act(paths[1])
    with pytest.raises(InputError, match=rf"1.parquet {message} since it was first looked at: start again"):
        count(truth, ["c"])


# ---- Tables that do not belong together


def test_predictions_of_other_instances(tmp_path: Path) -> None:
    write(tmp_path / "data")
    shorter = [TABLE.slice(0, 2000)]
    with small():
        for truth, pred in [(tmp_path / "data", shorter), (shorter, tmp_path / "data")]:
            with pytest.raises(InputError, match=r"has 2,000 instances, .* more; expected the same ones in both"):
                count(scans(truth)[0], ["c"], pred=scans(pred)[1])
        order = [*range(700), 701, 700, *range(702, N)]
        with pytest.raises(InputError, match=r"row 700 has the id 4900 in .* and 4907 in .*order="):
            count(scans(tmp_path / "data", ids="id")[0], ["c"], pred=scans(TABLE.take(order), ids="id")[1])
    with pytest.raises(InputError, match="rows must be a range"):
        counted(tmp_path / "data", rows=(0, N + 1))


def test_ids_of_what_is_collected() -> None:
    twice = TABLE.set_column(11, "id", [[0] * N])
    with pytest.raises(InputError, match="have the same id 0"):
        Annotations.scan(twice, attributes=["c"], groups="g", ids="id").collect()
    ids = Annotations.scan(TABLE, attributes=["c"], groups="g", ids="id").collect().ids
    assert ids is not None
    assert ids.tolist() == TABLE["id"].to_pylist()


# ---- Joining by id


def joined(test: Any, pred: Any, **columns: Any) -> Counts:
    truth = Annotations.scan(test, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"], ids="id")
    how = {"attributes": PREDICTED, "groups": "h", "ids": "id", **columns}
    return count(truth, ["c"], pred=Annotations.scan(pred, like=truth, order=truth, **how), **HOW)


@pytest.mark.parametrize("names", [PREDICTED, ["P1", "p1", "rowid"], ['"', "c0", "joined"]])
@pytest.mark.parametrize("ids", ["numbers", "text", "dictionary"])
def test_rows_are_brought_into_order(ids: str, names: list[str], tmp_path: Path) -> None:
    table = TABLE
    if ids != "numbers":
        texts = pa.array([f"id {value}" for value in table["id"].to_pylist()])
        table = table.set_column(11, "id", texts if ids == "text" else texts.dictionary_encode())
    order = np.random.default_rng(0).permutation(N)
    pred = table.take(order).rename_columns(
        [dict(zip(PREDICTED, names, strict=True)).get(c, c) for c in table.column_names]
    )
    pred = pred.set_column(9, "h", pred["h"].dictionary_encode())
    write(tmp_path / "pred", pred)
    truth = Annotations.scan(table, attributes=ATTRIBUTES, groups="g", group_names=["x", "y", "z"])
    expected = count(truth, ["c"], pred=Annotations.scan(table, attributes=PREDICTED, groups="h", like=truth), **HOW)
    with small():
        assert integers(joined(table, tmp_path / "pred", attributes=names)) == integers(expected)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (lambda ids: [ids[0], *ids[:-1]], "ids stand more than once: 0 2 times"),
        (lambda ids: [None, *ids[1:]], "1 ids are missing"),
        (lambda ids: [5, *ids[1:]], r"lacks ids of .*: 1, such as 0"),
        (lambda ids: [str(i) for i in ids], "have type VARCHAR, those of .* BIGINT"),
        (lambda ids: [i / 2 for i in ids], "the ids in column 'id' have type double; expected whole numbers or text"),
    ],
)
def test_ids_that_do_not_match(ids: Callable[[list[int]], list[Any]], message: str) -> None:
    pred = TABLE.set_column(11, "id", [ids(TABLE["id"].to_pylist())])
    with pytest.raises(InputError, match=message):
        joined(TABLE, pred)


def test_rows_that_are_not_wanted_and_no_rows() -> None:
    with pytest.raises(InputError, match=r"has ids that are not in .*: 1,000, such as 14000, 14007, 14014"):
        joined(TABLE.slice(0, 2000), TABLE)
    with pytest.raises(InputError, match="has no instances"):
        joined(TABLE, TABLE.slice(0, 0))


def test_a_file_without_labels_and_one_that_is_broken_in_a_join(tmp_path: Path) -> None:
    paths = write(tmp_path)
    part = TABLE.slice(0, 1000)
    pq.write_table(part.set_column(9, "h", pa.nulls(1000)), paths[0])
    missing = [None] * 1000 + TABLE["h"].to_pylist()[1000:]
    assert integers(joined(TABLE, tmp_path)) == integers(joined(TABLE, TABLE.set_column(9, "h", [missing])))
    spoil_page(paths[1], 2)
    spoil_page(paths[1], 2, 3)
    with pytest.raises(InputError, match=rf"^{paths[1]} cannot be read"):
        joined(TABLE, tmp_path)


def test_a_two_is_no_boolean_on_the_way_through_a_join(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for bad in (False, True):
        values = TABLE["p1"].slice(1000, 1000).cast(pa.int8()).to_pylist()
        values[7] = 2 if bad else values[7]
        pq.write_table(TABLE.slice(1000, 1000).set_column(3, "p1", [values]), paths[1])
        if bad:
            with pytest.raises(InputError, match=r"columns of different types, .*int8.* and .*bool[^\n]*$"):
                joined(TABLE, tmp_path)
        else:
            assert integers(joined(TABLE, tmp_path)) == integers(joined(TABLE, TABLE))


# ---- Paths


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "_SUCCESS").write_text("")
    write(tmp_path / "data")
    pa.feather.write_feather(TABLE, tmp_path / "data" / "x.arrow")
    for data, message in [
        (tmp_path / "empty", "no file below this folder ends in"),
        (f"{tmp_path}/data/*.pq", "no file matches"),
        (tmp_path / "data" / "9.parquet", "there is no such file; did you mean '2.parquet'"),
        (tmp_path / "data", "files of several formats"),
        ([], "no file was named"),
        (tmp_path / "data" / "x.txt", "no such file"),
        (["s3x://nowhere/a.parquet"], "cannot be read"),
        (5, "cannot be scanned"),
        ("", "no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            Annotations.scan(data, attributes=["c"], groups="g")


def test_batches_that_are_none() -> None:
    for data in ([1, 2], lambda: 3, lambda: [TABLE, None], iter(["a"])):
        with pytest.raises(InputError, match=r"expected Arrow record batches|3 cannot be scanned"):
            count(Annotations.scan(data, attributes=["c"], groups=FLAGS), ["c"])
