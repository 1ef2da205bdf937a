"""The tables of docs/statistics.md, from what `python -m benchmarks.coverage --json` has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Record = dict[str, Any]

METHODS = ("percentile", "basic", "BCa", "delta")
SIGNED = ("BA_MALS", "BiasAmp_A->T", "BiasAmp_T->A")
ABSOLUTE = ("Multi_MALS", "Multi_G->M", "Multi_M->G")
OF_MODELS = "mean ± z·sd/√k"
ANY_ADJUSTED = "any difference of 0 by its adjusted p"
NOTHING = "–"


def tables(results: Record) -> dict[str, str]:
    """Markdown tables by name."""
    clusters = [each for each in results["scenarios"] if each["cluster_size"] > 1]
    comparisons = [each for each in results["scenarios"] if each["compares"]]
    scenarios = [each for each in results["scenarios"] if each not in clusters + comparisons]
    studentized = [each for each in scenarios if any(row["method"] == "studentized" for row in each["intervals"])]
    single = [each for each in scenarios if not of_models(each) and each not in studentized]
    return {
        "signed": of_intervals(single, SIGNED),
        "absolute": of_intervals(single, ABSOLUTE),
        "studentized": of_studentized(studentized),
        "cells": of_cells(single),
        "tests": of_tests(single),
        "families": of_families(single),
        "noise": of_noise(single),
        "models": of_several_models([each for each in scenarios if of_models(each)]),
        "comparisons": of_comparisons(comparisons),
        "clusters": of_clusters(clusters),
    }


def of_models(scenario: Record) -> bool:
    return any(row["method"] == OF_MODELS for row in scenario["intervals"])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"


def triple(rows: Sequence[Record], metrics: Sequence[str], show: Callable[[Record], str]) -> str:
    """What `show` makes of the row of each metric; one dash for none of them."""
    by_metric = {row["metric"]: row for row in rows}
    shown = [show(by_metric[name]) if name in by_metric else NOTHING for name in metrics]
    return NOTHING if set(shown) == {NOTHING} else " · ".join(shown)


def of_intervals(scenarios: Sequence[Record], metrics: Sequence[str]) -> str:
    """Coverage in %, of three metrics in each field, length of the first method's intervals, and rise of replicates."""
    rows = []
    for each in scenarios:
        by_method = [[row for row in each["intervals"] if row["method"] == method] for method in METHODS]
        if any(row["metric"] in metrics for of in by_method for row in of):
            coverage = [triple(of, metrics, lambda row: percent(row["coverage"])) for of in by_method]
            first = next(of for of in by_method if of)
            rows.append(
                [
                    each["scenario"],
                    str(each["repeats"]),
                    *coverage,
                    triple(first, metrics, lambda row: f"{row['length']:.3f}"),
                    triple(each["noise"], metrics, lambda row: f"{row['rise']:.1f}".replace("-0.0", "0.0")),
                ]
            )
    return table(["scenario", "samples", *METHODS, "length", "rise"], rows)


def of_studentized(scenarios: Sequence[Record]) -> str:
    """Coverage in %."""
    rows = []
    for each in scenarios:
        of = [row for row in each["intervals"] if row["method"] == "studentized"]
        fields = (triple(of, metrics, lambda row: percent(row["coverage"])) for metrics in (SIGNED, ABSOLUTE))
        rows.append([each["scenario"], str(each["n_attributes"]), str(each["repeats"]), *fields])
    return table(["scenario", "attributes", "samples", "signed", "|Δ|"], rows)


def of_cells(scenarios: Sequence[Record]) -> str:
    """Coverage of Δ in %, with its standard error: cells of a sample are not independent."""
    rows = []
    for each in [each for each in scenarios if each["cells"]]:
        for metric in ABSOLUTE:
            by_method = {row["method"]: row for row in each["cells"] if row["metric"] == metric}
            rows.append(
                [
                    each["scenario"],
                    metric,
                    *(
                        f"{percent(row['coverage'])} ± {percent(row['coverage_error'])}"
                        for row in (by_method[m] for m in METHODS if m in by_method)
                    ),
                ]
            )
    return table(["scenario", "metric", *METHODS], rows)


def rejected(row: Record) -> str:
    """In bold where nothing is amplified, or nothing differs: the error of the first kind."""
    return f"**{percent(row['rejected'])}**" if row["none_amplified"] else percent(row["rejected"])


def of_tests(scenarios: Sequence[Record]) -> str:
    """Share in % of the samples with p ≤ 5 %."""
    rows = [
        [
            each["scenario"],
            str(each["repeats"]),
            *(triple(each["tests"], [metric], rejected) for metric in (*SIGNED, *ABSOLUTE)),
        ]
        for each in scenarios
    ]
    return table(["scenario", "samples", *SIGNED, *ABSOLUTE], rows)


def of_families(scenarios: Sequence[Record]) -> str:
    """Errors in %, where there are false cells."""
    names = ["false_p", "false_discoveries", "any_false", "discovered", "adjusted_discovered"]
    rows = []
    for each in scenarios:
        of = [row for row in each["families"] if row["false_p"] is not None]
        if of:
            fields = (triple(of, ABSOLUTE, lambda row, name=name: percent(row[name])) for name in names)
            rows.append([each["scenario"], str(each["repeats"]), *fields])
    header = ["p ≤ 5 % of the unamplified", "false among q ≤ 5 %", "any false with adjusted p ≤ 5 %"]
    return table(["scenario", "samples", *header, "found by q", "found by adjusted p"], rows)


def of_noise(scenarios: Sequence[Record]) -> str:
    """What estimates of |Δ| metrics are on average."""
    rows = []
    for each in scenarios:
        for row in [row for row in each["noise"] if row["metric"] in ABSOLUTE]:
            bias, left = row["value"] - row["truth"], row["debiased"] - row["truth"]
            taken = f"{100 * (1 - left / bias):.0f} %" if bias > 5 * row["value_error"] else NOTHING
            means = (f"{row[name]:.4f}" for name in ("truth", "value", "noise_floor", "debiased"))
            rows.append([each["scenario"], row["metric"], *means, taken])
    return table(
        ["scenario", "metric", "truth", "value", "noise floor", "debiased", "bias taken back"],
        rows,
    )


def of_several_models(scenarios: Sequence[Record]) -> str:
    """Coverage in % of the metric's mean over all models that training may give."""
    methods = ("percentile", "basic", OF_MODELS)
    rows = []
    for each in scenarios:
        by_method = {row["method"]: row for row in each["intervals"]}
        fields = [f"{percent(by_method[m]['coverage'])} ± {percent(by_method[m]['standard_error'])}" for m in methods]
        rows.append([each["scenario"], str(each["repeats"]), *fields])
    return table(["", "samples", *methods], rows)


def of_comparisons(scenarios: Sequence[Record]) -> str:
    """Coverage of the difference between two models in %, and share of the samples with p ≤ 5 %."""
    rows = []
    for each in scenarios:
        by_method = [[row for row in each["intervals"] if row["method"] == method] for method in METHODS[:2]]
        rows.append(
            [
                each["scenario"],
                str(each["repeats"]),
                *(triple(of, of_kind, coverage) for of_kind in (SIGNED, ABSOLUTE) for of in by_method),
                *(triple(each["tests"], of_kind, rejected) for of_kind in (SIGNED, ABSOLUTE)),
                triple(each["tests"], [ANY_ADJUSTED], rejected),
            ]
        )
    header = [f"{name}, {method}" for name in ("signed", "|Δ|") for method in METHODS[:2]]
    return table(["models", "samples", *header, "signed, p", "|Δ|, p", "any false, adjusted p"], rows)


def of_clusters(scenarios: Sequence[Record]) -> str:
    """Coverage of percentile intervals in %, and share of the samples, and of cells without amplification, with
    p ≤ 5 %.
    """
    rows = [
        [
            each["scenario"],
            str(each["repeats"]),
            *(triple(each["intervals"], of_kind, coverage) for of_kind in (SIGNED, ABSOLUTE)),
            *(triple(each["tests"], of_kind, rejected) for of_kind in (SIGNED, ABSOLUTE)),
            triple(each["families"], ABSOLUTE, lambda row: percent(row["false_p"])),
        ]
        for each in scenarios
    ]
    header = ["signed, percentile", "|Δ|, percentile", "signed, p", "|Δ|, p", "cells, p"]
    return table(["clusters", "samples", *header], rows)


def coverage(row: Record) -> str:
    return percent(row["coverage"])
