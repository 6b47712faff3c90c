"""A part of the page."""

from __future__ import annotations

from dataclasses import dataclass

from exval.report.html import Html, join


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Parameters
    ----------
    name
        Anchor, unique within a folder.
    title
        The heading.
    body
        Markup.
    """

    name: str
    title: str
    body: Html

    @classmethod
    def of(cls, name: str, title: str, *parts: object) -> Section:
        """Put the parts together."""
        return cls(name, title, join(*parts))
