"""Whether the error bars of the methods that give them hold."""

from __future__ import annotations

from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Shares inside 80 and 95 % intervals: the middle case, the lowest and the highest."""
    found = folder.table("coverage", "method", "slice", "coverage_80", "coverage_95")
    if found is None:
        return None
    rows = []
    for (method, truth), part in found.groupby(["method", "slice"], sort=False):
        cells = [name(method, 26), "expected values" if truth == "expected" else "held-out molecules", len(part)]
        for level in ("coverage_80", "coverage_95"):
            values = 100 * part[level].dropna()
            cells += [f"{values.median():.0f} %", f"{values.min():.0f} to {values.max():.0f} %"]
        rows.append(cells)
    text = (
        "Share of the truth inside the intervals of a method, the median and the range over cases: right at 80 and 95 "
        "%, neither above nor below. Held-out molecules are mostly zeros, which any method covers. An sd that is not "
        "of the expected value (bayNorm: of the transcripts in the cell) covers more of it than it says."
    )
    head = ["method", "truth", tag("th", "cases", cls="num"), "80 %", "range", "95 %", "range"]
    return Section.of("coverage", "Do the error bars hold?", table(head, rows, text=2), tag("p", text, cls="note"))
