"""From what a user gives as `rng` to the 64-bit seed of the weights."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from askew.errors import InputError

RNG: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | None"


def seed_of(rng: RNG) -> int:
    """A seed in [0, 2**64): the integer itself, a draw from a generator or seed sequence, or fresh entropy for None.

    Examples
    --------
    >>> seed_of(42)
    42
    """
    check_rng(rng)
    if rng is None:
        rng = np.random.SeedSequence()
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**64, dtype=np.uint64))
    return int(rng)


def check_rng(rng: RNG) -> None:
    """Raise `InputError` for what is no source of a seed."""
    if rng is None or isinstance(rng, (np.random.SeedSequence, np.random.Generator)):
        return
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and 0 <= rng < 2**64:
        return
    raise InputError(
        f"rng must be a whole number in [0, 2**64), a numpy Generator or SeedSequence, or None, not {rng!r}"
    )
