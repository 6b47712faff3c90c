"""Everything that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exval.pl._text import shorten
from exval.report.folder import Folder
from exval.report.html import Html, details, table, tag

SKIPPED = ("verdict", "warnings", "chapters", "colors", "colours", "cards", "versions", "command")
MOST = 150


def settings(folder: Folder) -> Html | None:
    """The resolved configuration, folded away."""
    rows = list(_flat({k: v for k, v in folder.config.items() if k not in SKIPPED}))
    if not rows:
        return None
    lines = [[tag("code", name), shorten(value, 160)] for name, value in rows[:MOST]]
    more = f", the first {MOST} here" if len(rows) > MOST else ""
    return details(f"All {len(rows)} settings{more}", table(["setting", "value"], lines, text=2, cls="full"))


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", ", ".join(map(str, value[:30])) + (f", … ({len(value)})" if len(value) > 30 else "")
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)
