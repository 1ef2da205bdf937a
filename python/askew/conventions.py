"""Choices in which the papers and the code released with them differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TypeAlias

from askew.checks import check_choice
from askew.errors import InputError

_CHOICES = {
    "sets": ("subsets", "observed"),
    "single_baseline": ("test", "train"),
    "multi_baseline": ("train", "test"),
    "tie": ("uncorrelated", "nothing"),
    "undefined_mals": ("zero", "dropped"),
    "empty_rows": ("kept", "dropped"),
}


@dataclass(frozen=True)
class Convention:
    """Every choice that the papers leave open, or that their code makes otherwise.

    Parameters
    ----------
    sets : {"subsets", "observed"}
        Universe M of the multi-attribute metrics when `sets` is not given.
    single_baseline, multi_baseline : {"test", "train"}
        Where the second term of a directional Δ is counted, for single attributes and for attribute sets.
    tie : {"uncorrelated", "nothing"}
        A cell with P(g, m) = P(g) P(m) exactly counts as y = 0, or contributes 0.
    undefined_mals : {"zero", "dropped"}
        A cell of the MALS family with an empty denominator enters the variance as 0, or not at all. It contributes 0
        to the value, and is counted in the number of sets, in both.
    empty_rows : {"kept", "dropped"}
        Whether training instances with neither attribute nor group count.

    See Also
    --------
    PAPER, REFERENCE : the two that have names, ``convention="paper"`` (default) and ``convention="reference"``.

    Examples
    --------
    The paper's text, but for the baseline of its code:

    >>> import dataclasses, askew
    >>> dataclasses.replace(askew.PAPER, multi_baseline="test").multi_baseline
    'test'
    """

    sets: str = "subsets"
    single_baseline: str = "test"
    multi_baseline: str = "train"
    tie: str = "uncorrelated"
    undefined_mals: str = "zero"
    empty_rows: str = "kept"

    def __post_init__(self) -> None:
        for field in fields(self):
            check_choice(f"Convention: {field.name}", getattr(self, field.name), _CHOICES[field.name])

    def __str__(self) -> str:
        for name, known in NAMED.items():
            if self == known:
                return name
        return "custom: " + ", ".join(f"{name}={value}" for name, value in asdict(self).items())


PAPER = Convention()
REFERENCE = Convention(
    sets="observed", multi_baseline="test", tie="nothing", undefined_mals="dropped", empty_rows="dropped"
)
NAMED = {"paper": PAPER, "reference": REFERENCE}

ConventionLike: TypeAlias = "str | Convention"


def convention_of(given: ConventionLike) -> Convention:
    """A convention by its name, or as it is."""
    if isinstance(given, Convention):
        return given
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    raise InputError(f'convention must be "paper", "reference" or a Convention, not {given!r}')
