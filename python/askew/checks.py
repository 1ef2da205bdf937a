"""Checks of arguments: each raises `InputError` that names the argument, what was given and what was expected."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from askew.errors import InputError

LARGEST = 2**63 - 1


def check_whole(name: str, value: object, least: int, most: int = LARGEST) -> int:
    """A whole number from `least` to `most`, as an int."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= value <= most:
        return int(value)
    bounds = f"of at least {least:,}" if most == LARGEST else f"from {least:,} to {most:,}"
    raise InputError(f"{name} must be a whole number {bounds}, not {value!r}")


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """One of several texts."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")


def check_share(name: str, value: object) -> float:
    """A number between 0 and 1, exclusive."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    raise InputError(f"{name} must be a number between 0 and 1, exclusive, not {value!r}")
