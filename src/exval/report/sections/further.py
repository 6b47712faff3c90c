"""Tables that a benchmark adds and no other section draws."""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import details, name, table
from exval.report.section import Section

KNOWN = frozenset({
    "cases", "leaderboard", "ranks", "rank_tests", "rank_cases", "rank_pairs", "rank_against", "not_ranked", "cost",
    "failures", "skipped", "goals", "answers", "standings", "coverage",
})  # fmt: skip
LISTED, COLUMNS = 80, 12


def section(folder: Folder) -> Section | None:
    """Each folded away under its name."""
    further = {key: found for key, found in folder.tables.items() if key not in KNOWN}
    if not further:
        return None
    return Section.of("further", "Further tables", [_one(key, found) for key, found in further.items()])


def _one(key: str, found: pd.DataFrame):
    shown = found.iloc[:LISTED, :COLUMNS]
    text = [column for column in shown if not pd.api.types.is_numeric_dtype(shown[column])]
    columns = [*text, *(column for column in shown if column not in text)]
    rows = [[name(entry[c]) if c in text else _number(entry[c]) for c in columns] for entry in shown.to_dict("records")]
    more = f", the first {LISTED} of {len(found):,} rows" if len(found) > LISTED else ""
    head = [column.replace("_", " ") for column in map(str, columns)]
    return details(f"{key.replace('_', ' ')}{more}", table(head, rows, text=len(text), cls="full"))


def _number(value: object) -> str:
    whole = numbers.known(value) and float(value) == int(float(value)) and not isinstance(value, float)
    return numbers.count(value) if whole else numbers.score(value)
