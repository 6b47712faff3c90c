"""Against the known types of the file that was named."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section
from exval.report.sections.confusion import worst

TOP, LISTED = 40, 200
LACKING = (
    "Some types are not in the reference and cannot be named: their F1 is 0, and their cells count as wrongly "
    "named with the others. The macro-F1 of the verdict is of the cells whose type the reference has."
)


def section(folder: Folder) -> Section | None:
    """What is taken for what on the file itself, and its types in numbers."""
    found = folder.table("truth_confusion", "method", "truth", "prediction", "n")
    classes = folder.table("truth_per_class", "label", "precision", "recall", "f1", "support")
    if found is None or classes is None:
        return None
    found = found.astype({"method": str, "truth": str, "prediction": str})
    method, n_classes = found.method.iloc[0], found.truth.nunique()
    classes = classes[classes.support > 0].sort_values("support", ascending=False, kind="stable")
    caption = f"{method} on the cells of the file whose type is known and that are not in the reference too. "
    caption += "Per cent of each row."
    if n_classes > TOP:
        caption = f"The {TOP} most frequent of {n_classes:,} classes. {caption}"
    draw = figure(
        lambda: pl.confusion(found, method=method, top=TOP),
        f"Confusion matrix of {method} on the file itself: {min(n_classes, TOP)} types, truth in rows.",
        caption,
        cls="wide" if n_classes > 20 else "",
    )
    rows = [
        [name(entry["label"]), *(numbers.score(entry[key], 2) for key in ("precision", "recall", "f1")),
         numbers.count(entry["support"])]
        for entry in classes.head(LISTED).to_dict("records")
    ]  # fmt: skip
    tall = 200 + 21 * min(len(rows), TOP) if len(rows) > 18 else None
    lacking = not set(found.truth) <= set(folder.dataset.get("classes") or found.truth)
    caption = LACKING if lacking else ""
    listed = table(["type", "precision", "recall", "F1", "cells"], rows, cls="full", tall=tall, caption=caption)
    body = tag("div", draw, tag("div", worst(found), listed), cls="grid" if n_classes <= 20 else None)
    return Section.of("truth", "On this file: against its known types", body)
