"""HTML that is escaped unless it says that it is HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from exval.pl._text import clean, shorten

VOID = frozenset({"br", "img", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def esc(value: object) -> Html:
    """Markup as it is; anything else as one escaped line of text.

    Examples
    --------
    >>> esc('a < "b"'), esc(Html("<b>"))
    ('a &lt; &quot;b&quot;', '<b>')
    """
    return value if isinstance(value, Html) else Html(escape(clean(value), quote=True))


def tag(name: str, *children: object, **attributes: Any) -> Html:
    """An element; children and attributes are escaped, ``None`` and ``False`` are left out.

    ``cls`` becomes ``class``, an underscore in an attribute a hyphen.

    Examples
    --------
    >>> tag("p", "1 < 2", cls="note")
    '<p class="note">1 &lt; 2</p>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            key = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
            parts.append(key if value is True else f'{key}="{esc(value)}"')
    opening = f"<{' '.join(parts)}>"
    if name in VOID:
        return Html(opening)
    return Html(opening + join(*children) + f"</{name}>")


def join(*children: object) -> Html:
    """Children one after the other; lists are opened, ``None`` is left out.

    Examples
    --------
    >>> join("a<", [Html("<br>"), None, 3])
    'a&lt;<br>3'
    """
    parts = []
    for child in children:
        if child is None:
            continue
        parts.append(join(*child) if isinstance(child, list | tuple) else esc(child))
    return Html("".join(parts))


def table(head: list[object], rows: list[list[object]], *, text: int = 1, cls: str = "", caption: str = "",
          tall: int | None = None) -> Html:  # fmt: skip
    """A table that scrolls sideways where the page is narrow.

    Parameters
    ----------
    head, rows
        Cells; a row may be a :class:`Html` (a ready ``<tr>``), and so may a cell (``<td>``, ``<th>``).
    text
        How many of the first columns hold text; the others are set as numbers, to the right.
    cls
        Class of the table.
    caption
        Said above the table.
    tall
        Height in pixels beyond which the table scrolls.
    """

    def line(cells: list[object], name: str) -> Html:
        ready = (f"<{name} ", f"<{name}>")
        return tag("tr", [
            c if isinstance(c, Html) and c.startswith(ready) else tag(name, c, cls=None if i < text else "num")
            for i, c in enumerate(cells)
        ])  # fmt: skip

    body = [row if isinstance(row, Html) else line(row, "td") for row in rows]
    inner = tag(
        "table", tag("caption", caption) if caption else None, tag("thead", line(head, "th")), tag("tbody", body),
        cls=cls or None,
    )  # fmt: skip
    return tag(
        "div",
        inner,
        cls="scroll",
        style=f"max-height:{tall}px" if tall else None,
        tabindex="0",
        role="region",
        aria_label=caption or "table",
    )


def name(value: object, width: int = 60) -> Html:
    """A user's label in a table: short, whole when pointed at, visible where it is empty.

    Examples
    --------
    >>> name("T cell"), name("")
    ('<span class="name">T cell</span>', '<span class="name">(empty)</span>')
    """
    whole = clean(value)
    short = shorten(whole, width) or "(empty)"
    return tag("span", short, cls="name", title=whole if short not in (whole, "(empty)") else None)


def details(summary: str, *children: object) -> Html:
    """What most readers skip: folded away, printed open."""
    return tag("details", tag("summary", summary), join(*children))
