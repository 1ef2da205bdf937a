"""Which backend runs: choice, and a report of what can run and why."""

from __future__ import annotations

from askew.engine.choice import choose, choose_for_gpu, show_config, threads
from askew.engine.protocol import (
    Draws,
    Engine,
    Itemsets,
    MinedItemsets,
    MiningTable,
    Monitor,
    TooManySets,
    Units,
    words_for,
)

__all__ = [
    "Draws",
    "Engine",
    "Itemsets",
    "MinedItemsets",
    "MiningTable",
    "Monitor",
    "TooManySets",
    "Units",
    "choose",
    "choose_for_gpu",
    "show_config",
    "threads",
    "words_for",
]
