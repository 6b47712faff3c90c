"""Discoveries where there is nothing to discover."""

from __future__ import annotations

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import table, tag
from exval.report.section import Section

TITLES = {
    ("null: halves", "false_discoveries"): "equal genes called different between random halves",
    ("null: halves", "power"): "planted differences found between these halves",
    ("null: permuted", "false_discoveries"): "permuted genes called different between the two largest groups",
    ("null: permuted", "mean_abs_correlation"): "mean |r| between permuted genes",
}


def section(folder: Folder) -> Section | None:
    """The null arm of one imputation: imputed values beside the values as read."""
    rows = folder.rows
    if folder.kind != "impute" or not len(rows) or not rows["slice"].str.startswith("null: ").any():
        return None
    lines = []
    for (arm, metric), title in TITLES.items():
        pair = {
            what: rows[(rows["slice"] == f"{arm}, {what}") & (rows.metric == metric)] for what in ("imputed", "as read")
        }
        if any(not len(part) for part in pair.values()):
            continue
        form = numbers.score if metric == "mean_abs_correlation" else numbers.share
        one = pair["imputed"].iloc[0]
        lines.append([title, form(one.value), form(pair["as read"].value.iloc[0]), numbers.count(one.n), one.note])
    if not lines:
        return None
    text = (
        "Wilcoxon rank-sum tests at a false discovery rate of 5 %. Every discovery is false, but those of planted "
        "differences."
    )
    return Section.of("null", "Does it invent differences?", tag("p", text, cls="note"),
                      table(["check", "imputed", "as read", "genes", "among"], lines))  # fmt: skip
