"""Discrimination and error along the follow-up, and calibration."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import details, name, table, tag
from exval.report.section import Section
from exval.report.survival import shown_methods, time_unit

NULL = "null-survival"


def section(folder: Folder) -> Section | None:
    """AUC and Brier score over time of the methods that matter most; D-calibration folded away."""
    found = folder.table("over_time", "method", "time", "auc", "brier")
    if found is None:
        return None
    methods = [*shown_methods(folder), NULL]
    parts = [
        figure(
            lambda: pl.over_time(
                found, what="auc", methods=methods, unit=time_unit(folder), palette=folder.method_colours
            ),
            f"AUC over time of {len(methods) - 1} methods.",
            "How well risks tell those with the event by that time from those still without it; 0.5 is chance.",
        ),
        figure(
            lambda: pl.over_time(
                found, what="brier", methods=methods, unit=time_unit(folder), palette=folder.method_colours
            ),
            f"Brier score over time of {len(methods)} methods.",
            "Squared error of the probabilities; lower is better. Dashed: one curve for everybody.",
        ),
    ]
    return Section.of("time", "Over time", tag("div", parts, cls="grid"), _calibration(folder))


def _calibration(folder: Folder):
    found = folder.table("calibration", "method", "bin_lo", "bin_hi", "share")
    if found is None:
        return None
    edges = list(dict.fromkeys(found.bin_lo))
    rows = [
        [name(method), *(numbers.share(share) for share in part.sort_values("bin_lo").share)]
        for method, part in found.groupby("method", sort=False)
    ]
    head = ["predicted survival at the own time", *(f"{lo:.1f}–{lo + 1 / len(edges):.1f}" for lo in edges)]
    note = (
        "Share of patients in each tenth; all tenths are equal where probabilities are right. Too many in the low "
        "tenths: patients live longer than promised."
    )
    return details("D-calibration in numbers", table(head, rows, cls="full"), tag("p", note, cls="note"))
