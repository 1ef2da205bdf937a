"""Data to try askew on: one real table, and synthetic ones whose population is known."""

from __future__ import annotations

from askew.datasets.compas import Compas, load_compas
from askew.datasets.synthetic import Synthetic, make_annotations

__all__ = ["Compas", "Synthetic", "load_compas", "make_annotations"]
