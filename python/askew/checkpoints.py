"""What a long run has counted so far, in a folder: a run that is killed goes on from there.

Every state is kept under a name that is a digest of all that its numbers depend on: files, columns, sets, seed,
replicates. A run takes up what has its name, and nothing else.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from askew.counts import Counts, Resampling
from askew.engine import Itemsets
from askew.errors import InputError, warn
from askew.files import whole_file
from askew.randomness import RNG, seed_of
from askew.sets import AttributeSets

#: Seconds between two states, at least; and how much more time is to be spent counting than saving.
INTERVAL, SHARE = 30.0, 20.0
_UNFINISHED = re.compile(r".+\.[0-9a-f]{8}\.part")


class Checkpoint:
    """A folder that belongs to one run at a time.

    Raises
    ------
    InputError
        The folder cannot be made, or another run holds it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            raise InputError(f"checkpoint must be the path of a folder, not a {type(folder).__name__}")
        self.folder = os.fspath(folder)
        self._last = time.monotonic()
        self._took = 0.0
        self._lock: IO[bytes] | None = None
        try:
            os.makedirs(self.folder, exist_ok=True)
            self._lock = open(os.path.join(self.folder, "lock"), "a+b")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"checkpoint={self.folder}: {error.strerror}") from error
        if not _locked(self._lock):
            self.close()
            raise InputError(f"checkpoint={self.folder} is in use by another run: give each a folder of its own")
        for name in os.listdir(self.folder):
            if _UNFINISHED.fullmatch(name):  # by a run that was killed meanwhile
                os.unlink(os.path.join(self.folder, name))

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def seed(self, rng: RNG) -> int:
        """The seed of `rng`; where that is None, the one that was drawn when the run began."""
        if rng is not None:
            return seed_of(rng)
        path = os.path.join(self.folder, "seed")
        if os.path.exists(path):
            with open(path, "rb") as file:
                text = file.read(21)
            if not (text.isdigit() and int(text) < 2**64):
                raise InputError(f"{path} is damaged: expected a whole number below 2**64. Remove it, or give rng")
            return int(text)
        seed = seed_of(None)
        self._save(path, lambda file: file.write(str(seed).encode()))
        return seed

    def check_known(self, fingerprint: str, name: str) -> str:
        """The fingerprint of a table; `InputError` if it has none, so that its counts could be taken for others'."""
        if not fingerprint:
            raise InputError(f"checkpoint= is for files, of which can be told that they are the same: {name} is none")
        return fingerprint

    def counts(self, name: str, sets: AttributeSets, resampling: Resampling) -> Counts | None:
        """The counts of that name, if there are any."""
        path = self._path(name, "counts")
        if not os.path.exists(path):
            return None
        try:
            counts = Counts.load(path)
            if (counts.sets, counts.resampling) != (sets, resampling):
                raise InputError(f"{path} holds counts of something else")
        except InputError as error:
            _warn_of_damage(error)
            return None
        return counts

    def sets(self, name: str, attribute_names: tuple[str, ...]) -> AttributeSets | None:
        """The attribute sets of that name, if there are any."""
        path = self._path(name, "sets.npz")
        if not os.path.exists(path):
            return None
        try:
            with np.load(path) as arrays:
                return AttributeSets._of(Itemsets(arrays["items"], arrays["offsets"]), attribute_names)
        except Exception as error:  # whatever a damaged archive makes of itself
            _warn_of_damage(f"{path} cannot be read: {error}")
            return None

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._last > max(INTERVAL, SHARE * self._took)

    def save_counts(self, name: str, counts: Counts) -> None:
        """Keep counts in place of those of that name."""
        self._save(self._path(name, "counts"), counts._write)

    def save_sets(self, name: str, sets: AttributeSets) -> None:
        """Keep attribute sets."""
        self._save(
            self._path(name, "sets.npz"),
            lambda file: np.savez_compressed(file, items=sets.itemsets.items, offsets=sets.itemsets.offsets),
        )

    def _save(self, path: str, write: Callable[[IO[bytes]], Any]) -> None:
        begin = time.monotonic()
        try:
            with whole_file(path) as file:
                write(file)
        except OSError as error:  # a full disk is no reason to lose what is in memory: the state before stays
            why = error.strerror or error
            text = f"{path} could not be saved ({why}): the run goes on, from the state before if it is killed"
            warn(text)
        self._last = time.monotonic()
        self._took = self._last - begin

    def _path(self, name: str, ending: str) -> str:
        return os.path.join(self.folder, f"{name}.{ending}")


def _warn_of_damage(why: object) -> None:
    warn(f"{why}: what it was to save is done again")


def _locked(file: IO[bytes]) -> bool:
    """Take the lock of a file, which goes with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
