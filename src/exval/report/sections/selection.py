"""How ``annotate`` chose its method."""

from __future__ import annotations

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import join, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """The held-out comparison on the reference that chose the method, and why."""
    found = folder.table("selection", "method", "macro_f1", "chosen")
    if found is None:
        return None
    found = found.sort_values("macro_f1", ascending=False, kind="stable")
    interval = "lo" in found and "hi" in found and found.lo.notna().any()
    head = ["method", "macro-F1", *(["from the best"] if interval else []), "CPU time", tag("th", "why")]
    rows = []
    for entry in found.to_dict("records"):
        chosen = bool(entry.get("chosen"))
        label = name(entry["method"])
        cells = [join(label, tag("span", "chosen", cls="badge") if chosen else None), numbers.score(entry["macro_f1"])]
        if interval:
            cells.append(numbers.interval(entry["lo"], entry["hi"], sign=True) or numbers.DASH)
        cells.append(numbers.seconds(entry.get("seconds")))
        line = [tag("td", cell, cls="num" if i > 0 else None) for i, cell in enumerate(cells)]
        rows.append(tag("tr", line, tag("td", entry.get("why") or "", cls="words"), cls="chosen" if chosen else None))
    text = f"Chosen on held-out {folder.thing}s of the reference; those of this file took no part. A tie goes to the "
    text += "cheaper."
    return Section.of("selection", "How the method was chosen", tag("p", text, cls="note"), table(head, rows))
