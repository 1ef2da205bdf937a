"""The distinct rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from askew.engine import Engine, words_for
from askew.engine.protocol import Int64, Words


class PatternTable(NamedTuple):
    """Distinct rows in order of first appearance: packed columns, and how many instances share each."""

    columns: Words
    multiplicities: Int64


def pattern_table(blocks: Sequence[Words], n: int, engine: Engine, n_threads: int) -> PatternTable:
    """The distinct rows of n instances, whose columns come in several blocks."""
    columns = np.concatenate(blocks)
    first, multiplicities = engine.patterns(columns, n, n_threads)
    return PatternTable(rows_at(columns, first), multiplicities)


def rows_at(columns: Words, instances: Int64) -> Words:
    """The rows of some instances, in packed columns."""
    packed = np.zeros((len(columns), words_for(len(instances)) * 8), np.uint8)
    words, bits = instances // 64, (instances % 64).astype(np.uint64)
    for row, column in zip(packed, columns, strict=True):
        ones = np.packbits((column[words] >> bits & np.uint64(1)).astype(bool), bitorder="little")
        row[: len(ones)] = ones
    return packed.view("<u8").astype(np.uint64, copy=False)
