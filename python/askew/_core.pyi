from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.engine.protocol import Int32, Int64, Monitor, Offsets, UInt8, UInt32, Words

Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]

def simd_level() -> str: ...
def simd_levels() -> list[str]: ...
def force_simd(level: str) -> None: ...
def pack(values: UInt8, n_threads: int) -> tuple[Words, int]: ...
def pack_sparse(offsets: Offsets, indices: Offsets, n_columns: int, n_threads: int) -> Words: ...
def patterns(columns: Words, n: int, n_threads: int) -> tuple[Int64, Int64]: ...
def mine(
    tables: Sequence[tuple[Words, Words | None, Words | None]],
    min_count: int,
    max_size: int,
    max_sets: int,
    n_threads: int,
    monitor: Monitor | None,
) -> tuple[Int32, Int64, Int64] | None: ...
def count(
    blocks: list[Words], n: int, items: Int32, offsets: Int64, n_threads: int, monitor: Monitor | None
) -> Int64: ...
def resample(
    blocks: list[Words],
    n: int,
    items: Int32,
    offsets: Int64,
    distribution: str,
    seed: int,
    table: int,
    first_row: int,
    unit_of_row: UInt32 | None,
    members: UInt32 | None,
    strata: Int64,
    begin: int,
    end: int,
    out: Int64,
    n_threads: int,
    monitor: Monitor | None,
    sample: Int64 | None = None,
    most_added: int = 7,
) -> None: ...
def incidence(
    columns: Words, n: int, items: Int32, offsets: Int64, rows_per_flush: int, frequent_from: int, n_threads: int
) -> list[tuple[Any, ...]]: ...
def resample_patterns(
    blocks: list[Words],
    n: int,
    multiplicities: Int64,
    items: Int32,
    offsets: Int64,
    tables: Sequence[tuple[int, UInt32]],
    seed: int,
    table: int,
    begin: int,
    end: int,
    out: Int64,
    n_threads: int,
    monitor: Monitor | None,
) -> None: ...
def summarize(
    predicted: tuple[Int64, Int64],
    baseline: tuple[Int64, Int64],
    only_above_uniform: bool,
    sign: Int8 | None,
    lean: Float64 | None,
    n_rows: int,
    shift: float,
    n_threads: int,
) -> tuple[Float64, Float64, Float64, Float64, Float64, Float64]: ...
def threefry4x32(counter: Sequence[int], key: Sequence[int], rounds: int) -> list[int]: ...
def outcomes(distribution: str) -> list[int]: ...
def row_weight(distribution: str, seed: int, table: int, row: int, replicate: int) -> int: ...

class DLPack:
    def __init__(self, capsule: object) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def strides(self) -> list[int]: ...
    @property
    def dtype(self) -> tuple[int, int, int]: ...

def probe_read(data: Words, n_repeats: int) -> int: ...
def probe_count(n_words: int) -> int: ...
def probe_weights(n_rows: int) -> int: ...
def probe_add(n_rows: int) -> int: ...
def probe_random_reads(data: Words, n_reads: int) -> int: ...
