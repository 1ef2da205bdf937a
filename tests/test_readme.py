"""README's example gives the output that stands below it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def block(mark: str, language: str) -> str:
    """The fenced block right below a comment."""
    found = re.search(rf"<!-- {mark} -->\n```{language}\n(.*?)```\n", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_example_prints_what_readme_shows() -> None:
    pytest.importorskip("askew._core")  # its name is in the output
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(block("example", "python"), {})
    assert out.getvalue() == block("output", "text")
