"""Bias-amplification metrics with confidence intervals, on millions of instances."""

from __future__ import annotations

__version__ = "0.1.0"

from askew import datasets
from askew.annotations import Annotations
from askew.audit import audit, bias_scores, bootstrap, directional, mals, multi_directional, multi_mals
from askew.compare import Comparison, compare
from askew.conventions import PAPER, REFERENCE, Convention
from askew.counting import count
from askew.counts import Counts
from askew.engine import show_config
from askew.errors import AskewError, AskewWarning, BackendError, InputError
from askew.interop import cross_groups
from askew.planning import Plan, plan
from askew.results import Audit, Estimate
from askew.scan import Scan
from askew.sets import AttributeSets
from askew.sweep import sweep
from askew.tabulation import association_gaps, associations, disparities, group_metrics
from askew.thresholds import calibrated_thresholds

__all__ = [
    "PAPER",
    "REFERENCE",
    "Annotations",
    "AskewError",
    "AskewWarning",
    "AttributeSets",
    "Audit",
    "BackendError",
    "Comparison",
    "Convention",
    "Counts",
    "Estimate",
    "InputError",
    "Plan",
    "Scan",
    "association_gaps",
    "associations",
    "audit",
    "bias_scores",
    "bootstrap",
    "calibrated_thresholds",
    "compare",
    "count",
    "cross_groups",
    "datasets",
    "directional",
    "disparities",
    "group_metrics",
    "mals",
    "multi_directional",
    "multi_mals",
    "plan",
    "show_config",
    "sweep",
]
