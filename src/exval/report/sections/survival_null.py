"""The panel beside random panels of its size."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Histogram of the random panels with the panel marked, and what it means."""
    found = folder.table("null_panels", "kind", "c")
    if found is None or not (found.kind == "panel").any() or not (found.kind == "random").any():
        return None
    own, drawn = float(found.c[found.kind == "panel"].iloc[0]), found.c[found.kind == "random"]
    beaten = float(((drawn < own) + 0.5 * (drawn == own)).mean())
    panel = folder.config.get("genes")
    size = f" of {numbers.count(panel.get('n'))} genes" if isinstance(panel, dict) else ""
    text = (
        f"The panel{size} reaches C {own:.3f} by a ridge Cox regression on its genes alone. Of "
        f"{numbers.count(len(drawn))} panels of equal size drawn at random from the other genes, fitted and scored in "
        f"the same way, it beats {numbers.share(beaten)}; half of them lie above {drawn.median():.3f}. Where random "
        "genes foretell survival, a panel has to beat them before its genes may be said to matter."
    )
    drawing = figure(
        lambda: pl.null_panels(found),
        f"Histogram of C of {len(drawn)} random panels; this panel has {own:.3f}.",
        "Dashed: 95 % of the random panels lie to its left.",
    )
    return Section.of(
        "panel", "Is the panel better than chance picks?", tag("p", text), tag("div", drawing, cls="grid")
    )
