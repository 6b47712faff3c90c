"""Who and what was left out."""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Samples without an outcome, repeated patients, genes of the panel that are not there."""
    found, far = folder.table("left_out", "what", "n", "note"), folder.table("external_left_out", "what", "n", "note")
    if found is None and far is None:
        return None
    parts = [] if found is None else [_table(found)]
    if far is not None:
        parts += [tag("h3", f"Of {folder.config.get('external') or 'the other cohort'}"), _table(far)]
    return Section.of("left-out", "Who and what was left out", parts)


def _table(found: pd.DataFrame) -> Html:
    rows = [
        [tag("span", e["what"], cls="name"), numbers.count(e["n"]), tag("td", e["note"] or "", cls="words")]
        for e in found.to_dict("records")
    ]
    return table(["what", "n", tag("th", "note")], rows)
