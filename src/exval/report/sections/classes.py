"""Per-class F1 with support."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section

TOP, LISTED = 40, 200


def section(folder: Folder) -> Section | None:
    """A dot for each method and class; beside it the numbers of the method that leads."""
    found = folder.table("per_class", "method", "label", "f1", "support")
    if found is None:
        return None
    found = found.assign(label=found.label.astype(str), method=found.method.astype(str))
    n_classes, n_methods = found.label.nunique(), found.method.nunique()
    draw = figure(
        lambda: pl.per_class_f1(found, palette=folder.method_colours, top=TOP),
        f"F1 of {min(n_classes, TOP)} classes for {n_methods} methods, the most frequent class on top.",
        _caption(n_classes, folder.thing),
    )
    chosen = folder.chosen if folder.chosen in set(found.method) else found.method.iloc[0]
    rest = [other for other in dict.fromkeys(found.method) if other != chosen][:5]
    others = f"The same for {len(rest)} more {'method' if len(rest) == 1 else 'methods'}"
    more = details(others, [_numbers(found, other, folder.thing) for other in rest]) if rest else None
    body = tag("div", draw, tag("div", _numbers(found, chosen, folder.thing), more), cls="grid")
    return Section.of("classes", "Class by class" + folder.where, body)


def _caption(n_classes: int, thing: str) -> str:
    text = f"Right: {thing}s of the class. Rare classes are where methods differ and where a single {thing} moves the "
    text += "figure."
    return text if n_classes <= TOP else f"The {TOP} most frequent of {n_classes:,} classes. {text}"


def _numbers(found: pd.DataFrame, method: str, thing: str) -> Html:
    part = found[found.method == method]
    more = f" (first {LISTED} of {len(part):,} classes)" if len(part) > LISTED else ""
    return listed(part, f"{method}, in numbers{more}", thing)


def listed(part: pd.DataFrame, caption: str, thing: str) -> Html:
    """The classes of one method in numbers, the most frequent first."""
    rows = [
        [
            name(entry["label"]),
            *(numbers.score(entry.get(key), 2) for key in ("precision", "recall", "f1")),
            numbers.count(entry["support"]),
        ]
        for entry in part.sort_values("support", ascending=False, kind="stable").head(LISTED).to_dict("records")
    ]
    tall = 200 + 21 * min(len(rows), TOP) if len(rows) > 18 else None
    return table(["class", "precision", "recall", "F1", f"{thing}s"], rows, caption=caption, cls="full", tall=tall)
