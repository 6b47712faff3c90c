"""What the methods rest on: hazard ratios."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section
from exval.report.survival import shown_methods

DRAWN, LISTED = 20, 40


def section(folder: Folder) -> Section | None:
    """Figures of the methods that matter most; a table of every method folded away."""
    found = folder.table("features", "method", "name", "kind", "hazard_ratio", "lo", "hi", "unit")
    if found is None:
        return None
    there = list(dict.fromkeys(found.method.astype(str)))
    first = [one for one in shown_methods(folder) if one in there] or there[:1]
    drawings = [_drawing(found, method) for method in first]
    note = (
        "Genes are weighed together and shrunk: a small ratio in a dense model does not mean that a gene does not "
        "matter, and no interval can be given. Same sign: folds in which the gene has a weight of that sign."
    )
    tables = [
        details(f"{method}: the {len(part)} largest", _table(part))
        for method, part in found.groupby("method", sort=False)
    ]
    return Section.of("features", "What the methods rest on", tag("div", drawings, cls="grid"),
                      tag("p", note, cls="note"), tables)  # fmt: skip


def _drawing(found: pd.DataFrame, method: str) -> Html:
    """Genes where the method has some, else its clinical columns: on one axis with these, genes would not be seen."""
    kind = "gene" if ((found.method == method) & (found.kind == "gene")).any() else "clinical"
    what = "for one SD of each gene" if kind == "gene" else "with 95 % intervals"
    return figure(
        lambda: pl.hazard_ratios(found, method=method, kind=kind, n=DRAWN),
        f"Hazard ratios of {method}.",
        f"{method}, fitted on all patients: {what}.",
    )


def _table(part: pd.DataFrame) -> Html:
    rows = []
    for e in part.head(LISTED).to_dict("records"):
        same = e.get("same_sign")
        p = f"{e['p']:.2g}" if numbers.known(e.get("p")) else numbers.DASH
        rows.append([name(e["name"]), e["kind"], e["unit"], numbers.score(e["hazard_ratio"]),
                     numbers.interval(e["lo"], e["hi"]) or numbers.DASH, p,
                     numbers.share(same) if numbers.known(same) else numbers.DASH])  # fmt: skip
    return table(
        ["name", "kind", "for a change of", "hazard ratio", "95 %", "p", "same sign"], rows, text=3, cls="full"
    )
