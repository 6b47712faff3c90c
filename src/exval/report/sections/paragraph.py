"""The end of the page: a paragraph for a paper, citations, versions, the command."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exval import __version__
from exval.report.folder import Folder
from exval.report.html import Html, tag
from exval.report.prose import cards, paragraph
from exval.report.section import Section
from exval.report.settings import settings

YEAR = re.compile(r"\b(1[89]|20)\d\d\b")


def section(folder: Folder) -> Section | None:
    """Prose that one can paste, and what makes the run repeatable."""
    text = paragraph(folder)
    found = cards(folder)
    cites = [
        tag("li", f"{name}: {card.get('reference')}")
        for name, card in found.items()
        if YEAR.search(str(card.get("reference")))
    ]
    command = folder.config.get("command")
    if isinstance(command, list):
        command = " ".join(map(str, command))
    versions = folder.config.get("versions")
    line = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, Mapping) else ""
    own = folder.config.get("version") or __version__
    line = line if "exval" in line else ", ".join(part for part in (f"exval {own}", line) if part)
    if folder.config.get("config_hash"):
        line += f"; configuration {folder.config['config_hash']}"
    parts: list[Html | None] = [
        tag("div", tag("p", text), cls="paper") if text else None,
        tag("ul", cites, cls="cites") if cites else None,
        tag("pre", str(command)) if command else None,
        tag("p", f"Versions: {line}.", cls="note"),
        settings(folder),
    ]
    return Section.of("paragraph", "Methods, for a paper", parts)
