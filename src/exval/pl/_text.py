"""Labels are written by users: cleaned before they meet a drawing library, shortened where space ends."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]+")
_SPACES = re.compile(r" {2,}")


def clean(value: object) -> str:
    """One printable line: control characters, line ends and lone surrogates become a space.

    Examples
    --------
    >>> clean("T cell\\n(CD4)")
    'T cell (CD4)'
    """
    return _SPACES.sub(" ", _CONTROL.sub(" ", str(value))).strip(" ")


def shorten(value: object, width: int = 28) -> str:
    """At most ``width`` characters, cut in the middle: the ends of a label tell labels apart.

    Wide (East Asian) characters count twice.

    Examples
    --------
    >>> shorten("CD4-positive, alpha-beta memory T cell", 20)
    'CD4-positiv…y T cell'
    """
    text = clean(value)
    if columns(text) <= width:
        return text
    head = max(1, round((width - 1) * 0.6))
    tail = max(0, width - 1 - head)
    return _take(text, head) + "…" + _take(text[::-1], tail)[::-1]


def _take(text: str, width: int) -> str:
    taken = ""
    for letter in text:
        if columns(taken + letter) > width:
            break
        taken += letter
    return taken


def columns(text: str) -> int:
    """How many columns a text takes in a monospaced font.

    Examples
    --------
    >>> columns("abc"), columns("細胞")
    (3, 4)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def tick(value: object, width: int = 28) -> str:
    r"""A label as matplotlib should draw it: short, and with ``$`` kept from being read as mathematics.

    Examples
    --------
    >>> tick("a $x$")
    'a \\$x\\$'
    """
    return (shorten(value, width) or "(empty)").replace("$", r"\$")
