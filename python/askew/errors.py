"""Everything that askew raises or warns of."""

from __future__ import annotations

import os
import sys
import warnings


class AskewError(Exception):
    """Base class of all errors raised by askew."""


class InputError(AskewError, ValueError):
    """The data or an argument is wrong: says what, where, and what was expected."""


class BackendError(AskewError, RuntimeError):
    """The backend that was asked for cannot run: says why, and how to get it."""


class AskewWarning(UserWarning):
    """A number was computed, but is of little worth as it stands: says why."""


def warn(text: str) -> None:
    """An `AskewWarning` on the line that called this package."""
    package, level, frame = os.path.dirname(__file__) + os.sep, 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, AskewWarning, stacklevel=level)
