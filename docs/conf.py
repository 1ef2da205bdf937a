"""Sphinx configuration: `nox -s docs` builds docs/_build/html."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "askew"
author = "The askew developers"
copyright = f"2026, {author}"
release = version = installed_version("askew")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"askew {version}"
html_static_path = ["_static"]
html_css_files = ["math.css", "tables.css"]
html_math_renderer = "mathml"  # as below: nothing to load, unlike MathJax
default_role = "py:obj"  # `mals` in a docstring is a link

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_mock_imports = ["dask", "distributed"]  # askew.dask is described without them
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes
numpydoc_show_class_members = False  # the class template lists them


def escape_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Let docstrings say |Δ| and |M|, which reStructuredText would take for substitutions."""
    in_example = False
    literal: int | None = None  # indentation of the line before a literal block, which stays as it is
    for number, line in enumerate(lines):
        if line.strip():
            indent = len(line) - len(line.lstrip())
            if literal is not None and indent <= literal:
                literal = None
            in_example = in_example or line.lstrip().startswith(">>>")
            if literal is None and not in_example:
                parts = line.split("``")
                parts[::2] = [re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts[::2]]
                lines[number] = "``".join(parts)
                if line.endswith("::"):
                    literal = indent
        else:
            in_example = False


def visit_math(self: Any, node: nodes.math) -> None:
    """MathML, which browsers draw by themselves."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f"<div class='math'>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", escape_bars)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
