"""What failed, what was not tried, and why."""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, name, table, tag
from exval.report.section import Section

LISTED, PLACES = 80, 4


def section(folder: Folder) -> Section | None:
    """One line for each method and reason."""
    failed, skipped = folder.table("failures", "method", "status", "note"), folder.table("skipped", "what", "why")
    parts = [*_failed(failed), *_skipped(skipped)]
    return Section.of("failures", "What failed, and what was left out", parts) if parts else None


def _failed(found: pd.DataFrame | None) -> list[Html]:
    if found is None:
        return []
    rows = []
    for (method, status, note), part in found.groupby(["method", "status", "note"], sort=False):
        places = list(dict.fromkeys(_place(entry) for entry in part.to_dict("records")))
        where = ", ".join(places[:PLACES]) + (f" and {len(places) - PLACES} more" if len(places) > PLACES else "")
        rows.append([tag("td", name(method, 26), cls="method"), tag("td", status, cls="lost"), numbers.count(len(part)),
                     tag("td", note, cls="words"), tag("td", where, cls="words")])  # fmt: skip
    more = f" The first {LISTED} of {len(rows)} kinds." if len(rows) > LISTED else ""
    text = "A failure is a result: it ranks last in its case." + more
    head = ["method", "what", tag("th", "jobs", cls="num"), "why", "where"]
    return [tag("p", text, cls="note"), table(head, rows[:LISTED], text=5, cls="full")]


def _place(entry: dict) -> str:
    return ": ".join(str(entry[key]) for key in ("data", "task") if entry.get(key)) or "everywhere"


def _skipped(found: pd.DataFrame | None) -> list[Html]:
    if found is None:
        return []
    rows = []
    for why, part in found.groupby("why", sort=False):
        whats = list(part.what.astype(str))
        said = ", ".join(whats[:12]) + (f" and {len(whats) - 12} more" if len(whats) > 12 else "")
        rows.append([tag("td", said, cls="words"), tag("td", why, cls="words")])
    return [table(["left out beforehand", "why"], rows, text=2, cls="full")]
