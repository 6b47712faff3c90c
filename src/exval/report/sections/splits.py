"""What the split did to the data."""

from __future__ import annotations

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import table, tag
from exval.report.section import Section

LISTED = 60


def section(folder: Folder) -> Section | None:
    """Classes that were dropped, classes of one donor only, and the like."""
    found = folder.table("splits", "what", "n")
    if found is None:
        return None
    rows = [
        [
            tag("span", entry["what"], cls="name"),
            numbers.count(entry["n"]),
            tag("td", entry.get("note") or "", cls="words"),
        ]
        for entry in found.head(LISTED).to_dict("records")
    ]
    return Section.of("splits", "How the data were split", table(["what", "n", tag("th", "note")], rows))
