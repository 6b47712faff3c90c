"""The map: a picture, not evidence."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import join, name, table, tag
from exval.report.section import Section

LISTED = 18


def section(folder: Folder) -> Section | None:
    """Coloured by label; beside it, where the unsure cells lie."""
    found = folder.table("map2d", "x", "y", "label")
    if found is None:
        return None
    found = found.assign(label=found.label.astype(str))
    n_labels = found.label.nunique()
    things = f"{folder.thing}s"
    more = f" Names are written on the 24 largest of {n_labels:,} classes." if n_labels > 24 else ""
    parts = [
        figure(
            lambda: pl.map2d(found, palette=folder.label_colours),
            f"Map of {len(found)} {things} in two dimensions, coloured by {n_labels} labels.",
            f"A picture, not evidence: {numbers.count(len(found))} {things}; distances between groups mean little."
            + more,
        )
    ]
    if "unsure" in found and found.unsure.fillna(False).astype(bool).any():
        share = float(found.unsure.fillna(False).astype(bool).mean())
        parts.append(
            figure(
                lambda: pl.map2d(found, color="unsure"),
                f"The same map; {numbers.share(share)} of the {things} are marked unsure.",
                f"The same {things}: {numbers.share(share)} are unsure. Unsure ones that lie together may be a type "
                "that the reference lacks.",
            )
        )
    if len(parts) == 1:
        parts.append(_sizes(found, folder))
    return Section.of("map", f"A map of the {things}", tag("div", parts, cls="grid"))


def _sizes(found, folder: Folder):
    """How many cells of each class are on the map, with its colour."""
    sizes = found.label.value_counts()
    rows = [
        [
            join(tag("span", cls="dot", style=f"background:{folder.label_colours.get(label)}"), name(label)),
            numbers.count(n),
        ]
        for label, n in sizes.head(LISTED).items()
    ]
    caption = f"The {LISTED} largest of {len(sizes):,} classes" if len(sizes) > LISTED else ""
    return table(["class", f"{folder.thing}s on the map"], rows, cls="full", caption=caption)
