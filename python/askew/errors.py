"""Everything that askew raises or warns of."""

from __future__ import annotations


class AskewError(Exception):
    """Base class of all errors raised by askew."""


class InputError(AskewError, ValueError):
    """The data or an argument is wrong: says what, where, and what was expected."""


class BackendError(AskewError, RuntimeError):
    """The backend that was asked for cannot run: says why, and how to get it."""


class AskewWarning(UserWarning):
    """A number was computed, but is of little worth as it stands: says why."""
