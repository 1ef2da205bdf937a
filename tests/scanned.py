"""Tables to scan, and what is compared with `==`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from askew import Counts, reading, streaming, universes
from askew.interop import sources

ATTRIBUTES = ["a.b", "naïve 'x'", "c"]
PREDICTED = ["p1", "p2", "p3"]
FLAGS = ["old", "new"]


@contextmanager
def small(chunk_rows: int = 512, batch_rows: int = 1 << 17, piece_rows: int = 1 << 20) -> Iterator[None]:
    """Small parts, and no scan kept in memory."""
    with (
        mock.patch.object(reading, "CHUNK_ROWS", chunk_rows),
        mock.patch.object(reading, "BATCH_ROWS", batch_rows),
        mock.patch.object(sources, "PIECE_ROWS", piece_rows),
        mock.patch.object(streaming, "KEPT", 10**9),
        mock.patch.object(universes, "MINED", 10**9),
    ):
        yield


def table_of(n: int, seed: int, kind: str = "text") -> pa.Table:
    """Truth and predictions side by side: columns of several types, labels of which some are missing, tags."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < [0.5, 0.3, 0.7]
    pred = truth ^ (rng.random((n, 3)) < 0.2)
    codes = rng.integers(0, 4, n)
    labels: dict[str, Callable[[], pa.Array]] = {
        "text": lambda: pa.array([None if c == 3 else "xyz"[c] for c in codes], pa.string()),
        "large": lambda: pa.array([None if c == 3 else "xyz"[c] for c in codes], pa.large_string()),
        "dictionary": lambda: pa.array([None if c == 3 else "xyz"[c] for c in codes], pa.string()).dictionary_encode(),
        "numbers": lambda: pa.array([None if c == 3 else int(c) * 9 for c in codes], pa.int16()),
    }
    tags = [[t for t, bit in zip("uvw", row, strict=True) if bit] for row in truth]
    return pa.table(
        {
            "a.b": truth[:, 0].astype(np.int64),
            "naïve 'x'": truth[:, 1],
            "c": truth[:, 2].astype(np.float32),
            "p1": pred[:, 0],
            "p2": pred[:, 1].astype(np.uint8),
            "p3": pred[:, 2],
            "old": rng.random(n) < 0.4,
            "new": (rng.random(n) < 0.6).astype(np.int8),
            "g": labels[kind](),
            "h": pa.array(np.array(["x", "y", "z"])[rng.integers(0, 3, n)] if kind != "numbers" else codes % 3 * 9),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "id": np.arange(n) * 7,
        }
    )


def integers(counts: Counts) -> dict[str, Any]:
    """All that was counted."""
    return {name: array.tolist() for name, array in counts._arrays.items()}


def both(make: Callable[..., Any], data: Any, groups: Any) -> tuple[Any, Any]:
    """Truth and predictions of a table, in memory or scanned."""
    if groups is FLAGS:
        truth = make(data, attributes=ATTRIBUTES, groups=FLAGS)
        return truth, make(data, attributes=PREDICTED, groups=FLAGS, like=truth)
    truth = make(data, attributes=ATTRIBUTES, groups="g", group_names=groups)
    return truth, make(data, attributes=PREDICTED, groups="h", like=truth)
