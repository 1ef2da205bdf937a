"""Sphinx configuration: `nox -s docs` builds docs/_build/html."""

from importlib.metadata import version as installed_version

project = "askew"
author = "The askew developers"
copyright = f"2026, {author}"
release = version = installed_version("askew")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"askew {version}"

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # the class template lists them
