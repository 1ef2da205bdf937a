"""Mining and counting on the public benchmarks of itemset mining, against PyFIM (Borgelt), an independent program."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from askew.engine import MiningTable, choose

FIMI = Path(__file__).parents[2] / "shared" / "data" / "fimi"

pytestmark = pytest.mark.skipif(not FIMI.is_dir(), reason="no ../shared/data/fimi")

# What PyFIM 6.28 finds in (file, least support, largest size): how many itemsets of each size, and a checksum of them
# and their supports. To its itemsets {85} of mushroom was added, which it leaves out because every row contains it.
FROZEN = {
    ("retail", 100, None): ([1857, 2785, 1475, 306, 28], "8b0d96c25d17cae0"),
    ("retail", 9, 3): ([8919, 67992, 83417], "2884310ac208a1f7"),
    ("mushroom", 1625, None): (
        [43, 376, 1472, 3559, 6267, 8802, 10151, 9488, 7010, 4004, 1729, 546, 119, 16, 1],
        "a8e4b2dd083fdfd6",
    ),
    ("chess", 2400, None): ([23, 192, 846, 2305, 4180, 5210, 4410, 2430, 815, 156, 15], "46d4722f24e421dd"),
    ("chess", 1000, 4): ([47, 839, 8507, 55386], "7589f2162f80cc21"),
}


def transactions(name: str) -> list[list[int]]:
    return [[int(item) for item in line.split()] for line in (FIMI / f"{name}.dat").read_text().splitlines()]


def mined(
    rows: list[list[int]], min_count: int, max_size: int | None, backend: str, n_threads: int = 2
) -> list[tuple[tuple[int, ...], int]]:
    """Itemsets by size, then by items, with their supports."""
    items = sorted({item for row in rows for item in row})
    column = {item: c for c, item in enumerate(items)}
    engine = choose(backend)
    columns = engine.pack_sparse(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([column[item] for row in rows for item in row], np.int32),
        len(items),
        n_threads,
    )
    found = engine.mine([MiningTable(columns)], min_count, max_size or len(items), 10**7, n_threads, None).itemsets
    supports = engine.count([columns], len(rows), found, n_threads, None)
    names = np.array(items)[found.items].tolist()
    return [
        (tuple(names[begin:end]), support)
        for begin, end, support in zip(found.offsets, found.offsets[1:], supports.tolist(), strict=False)
    ]


def checksum(found: Iterable[tuple[tuple[int, ...], int]]) -> str:
    text = "\n".join(f"{' '.join(map(str, items))}: {support}" for items, support in found)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.fixture(params=["native", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    """Those that mine such tables in seconds."""
    pytest.importorskip("askew._core" if request.param == "native" else "numba")
    return request.param


@pytest.mark.parametrize(("name", "min_count", "max_size"), FROZEN)
def test_itemsets_and_supports_are_those_that_pyfim_found(
    name: str, min_count: int, max_size: int | None, backend: str
) -> None:
    found = mined(transactions(name), min_count, max_size, backend)
    sizes = Counter(len(items) for items, _ in found)
    assert ([sizes[size] for size in range(1, max(sizes) + 1)], checksum(found)) == FROZEN[name, min_count, max_size]


@pytest.mark.parametrize(
    ("name", "min_count", "max_size"), [("retail", 30, 4), ("mushroom", 1200, 7), ("chess", 2100, 6)]
)
def test_pyfim_finds_the_same_now(name: str, min_count: int, max_size: int, backend: str) -> None:
    fim = pytest.importorskip("fim")
    rows = transactions(name)
    # a negative support is a number of rows
    reported = fim.eclat(rows, target="s", supp=-min_count, zmin=1, zmax=max_size, report="a")
    expected = {tuple(sorted(items)): support for items, support in reported}
    in_every_row = set(rows[0]).intersection(*rows)
    expected |= {(item,): len(rows) for item in in_every_row}
    found = mined(rows, min_count, max_size, backend)
    assert len(found) == len(expected)
    assert dict(found) == expected
