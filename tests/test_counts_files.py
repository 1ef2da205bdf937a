"""Counts on their way: parts of a table that are merged, files of older versions, and damage."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import askew
from askew import Annotations, Counts, InputError, count
from scanned import integers

DATA = Path(__file__).parent / "data"


def test_a_file_of_the_first_version_is_read() -> None:
    compas = askew.datasets.load_compas("sex")
    (a, g), (a_hat, g_hat) = (table.to_numpy() for table in (compas.test, compas.pred))
    test = Annotations(a[:500], g[:500], like=compas.test)
    pred = Annotations(a_hat[:500], g_hat[:500], like=compas.test)
    expected = count(test, "singletons", pred=pred, n_resamples=20, rng=7, first_row=100)
    loaded = Counts.load(DATA / "version-1.counts")
    assert integers(loaded) == integers(expected)
    assert (loaded.sets, loaded.group_names) == (expected.sets, expected.group_names)
    assert (loaded.resampling, loaded.rows) == (expected.resampling, expected.rows)
    assert (loaded.source, loaded.predicts_groups) == ("", None)  # which it did not tell
    rest = count(test, "singletons", pred=pred, n_resamples=20, rng=7, first_row=600)
    assert (loaded + rest).rows == ((100, 1100),)
    assert Counts.from_bytes(loaded.to_bytes()) == loaded


def some_table() -> pa.Table:
    rows = np.arange(900)
    return pa.table(
        {
            "tea": rows % 3 == 0,
            "cup": rows % 5 < 2,
            "pred_tea": rows % 7 < 3,
            "pred_cup": rows % 5 == 0,
            "group": np.array(["x", "ÿ"])[rows % 2],
            "pred_group": np.array(["x", "ÿ"])[(rows % 11 < 5).astype(int)],
        }
    )


def scan_counts(data: Any) -> Counts:
    """What tests/data/version-2.counts was made of, from ``some_table()`` in a file "part.parquet"."""
    test = Annotations.scan(data, attributes=["tea", "cup"], groups="group")
    pred = Annotations.scan(data, attributes=["pred_tea", "pred_cup"], groups="pred_group", like=test)
    return count(test, "subsets", pred=pred, n_resamples=20, rng=7, weights="poisson32", rows=(100, 600))


def test_a_file_of_the_second_version_is_read(tmp_path: Path) -> None:
    pq.write_table(some_table(), tmp_path / "part.parquet")
    expected = scan_counts(tmp_path / "part.parquet")
    loaded = Counts.load(DATA / "version-2.counts")
    assert integers(loaded) == integers(expected)
    assert (loaded.sets, loaded.group_names) == (expected.sets, expected.group_names)
    assert (loaded.resampling, loaded.rows) == (expected.resampling, expected.rows)
    assert loaded.predicts_groups is expected.predicts_groups is True
    # of a digest of the file's size, which is pyarrow's choice
    assert len(loaded.source) == len(expected.source) == 24


def test_counts_of_other_files_do_not_add(tmp_path: Path) -> None:
    table = some_table()
    for name in ("a", "b"):
        pq.write_table(table, tmp_path / f"{name}.parquet")

    def part(name: str, rows: tuple[int, int], **options: Any) -> Counts:
        return count(Annotations.scan(tmp_path / name, **{**how, **options}), ["tea"], rows=rows)

    how = {"attributes": ["tea", "cup"], "groups": "group"}
    first = part("a.parquet", (0, 400))
    assert first + part("a.parquet", (400, 900)) == part("a.parquet", (0, 900))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.parquet").rename(tmp_path / "elsewhere" / "a.parquet")  # as on another machine
    assert (first + part("elsewhere/a.parquet", (400, 900))).rows == ((0, 900),)
    filtered = {"filters": [("cup", "==", True)]}
    for name, options in [("b.parquet", {}), ("elsewhere/a.parquet", filtered)]:
        with pytest.raises(InputError, match=r"cannot be added: their source differ"):
            _ = first + part(name, (400, 500) if not options else (300, 350), **options)
    with pytest.raises(InputError, match="their attribute sets differ"):
        _ = first + part("elsewhere/a.parquet", (400, 900), attributes=["cup", "tea"])
    with pytest.raises(InputError, match="their groups differ"):
        _ = first + part("elsewhere/a.parquet", (400, 900), group_names=["ÿ", "x"])
    with pytest.raises(InputError, match="both contain rows 300 to 399"):
        _ = first + part("elsewhere/a.parquet", (300, 900))


@settings(max_examples=30)
@given(data=st.data(), n=st.integers(1, 300))
def test_parts_add_up_in_any_order(data: st.DataObject, n: int) -> None:
    rng = np.random.default_rng(n)
    attributes, groups = rng.random((n, 3)) < 0.5, rng.random((n, 2)) < 0.6
    whole = Annotations(attributes, groups)
    pred = Annotations(~attributes, groups if n % 2 else ~groups, like=whole)
    how = {"n_resamples": 4, "rng": 1}
    sets = [["0"], ["1", "2"]]
    ends = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=5))})
    parts = [
        count(
            Annotations(attributes[begin:end], groups[begin:end], like=whole),
            sets,
            pred=Annotations(~attributes[begin:end], pred.to_numpy()[1][begin:end], like=whole),
            first_row=begin,
            **how,
        )
        for begin, end in pairwise(ends)
    ]
    expected = count(whole, sets, pred=pred, **how)
    order = data.draw(st.permutations(parts))
    assert reduce(add, order) == expected
    cut = data.draw(st.integers(0, len(order)))
    left, right = order[:cut], order[cut:]
    if left and right:
        a, b = reduce(add, left), reduce(add, right)
        assert a + b == b + a == expected
        assert Counts.from_bytes(a.to_bytes()) + Counts.from_bytes(b.to_bytes()) == expected
        for overlapping in (left[0], right[-1], expected):
            with pytest.raises(InputError, match="both contain rows"):
                _ = expected + overlapping


@settings(max_examples=30)
@given(values=st.lists(st.integers(0, 2**62), min_size=1, max_size=5))
def test_integers_of_any_size_are_kept(values: list[int]) -> None:
    counts = count(Annotations([[1]], ["x"]), ["0"], n_resamples=len(values), rng=0)
    counts._arrays["n"][1:] = values
    assert Counts.from_bytes(counts.to_bytes()) == counts


BYTES = count(Annotations([[1, 0], [1, 1], [0, 1]], ["x", "y", None]), "subsets", n_resamples=3, rng=1).to_bytes()


def test_every_truncation_is_told() -> None:
    assert len(Counts.from_bytes(BYTES)) == 4
    for size in range(len(BYTES)):
        with pytest.raises(InputError, match="this is not a whole file of counts"):
            Counts.from_bytes(BYTES[:size])


@pytest.mark.parametrize("bits", [1, 8])
def test_a_byte_that_changed_is_told_or_means_nothing(bits: int) -> None:
    expected = Counts.from_bytes(BYTES)
    told = 0
    for position in range(len(BYTES)):
        damaged = bytearray(BYTES)
        damaged[position] ^= 255 if bits == 8 else 1 << position % 8
        try:
            assert Counts.from_bytes(bytes(damaged)) == expected
        except InputError:
            told += 1
    assert told > len(BYTES) // 3


def test_what_is_no_file_of_counts() -> None:
    for data in (b"", b"PK", b"x" * 1000, BYTES[::-1]):
        with pytest.raises(InputError, match="this is not a whole file of counts"):
            Counts.from_bytes(data)
