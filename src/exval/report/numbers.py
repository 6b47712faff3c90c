"""Numbers as a person writes them."""

from __future__ import annotations

import math

DASH = "–"


def known(value: object) -> bool:
    """Whether a value is a finite number.

    Examples
    --------
    >>> known(0.0), known(float("nan")), known(None), known("x")
    (True, False, False, False)
    """
    try:
        return value is not None and not isinstance(value, str) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def score(value: object, digits: int = 3, sign: bool = False) -> str:
    """A quality, with as many digits as it deserves.

    Examples
    --------
    >>> score(0.95612), score(float("nan")), score(-0.0031, sign=True)
    ('0.956', '–', '−0.003')
    """
    if not known(value):
        return DASH
    digits = digits if abs(float(value)) < 100 else 0
    text = f"{float(value):+,.{digits}f}" if sign else f"{float(value):,.{digits}f}"
    return text.replace("-", "−")


def interval(lo: object, hi: object, sign: bool = False) -> str:
    """Both ends in brackets; nothing where there is no interval.

    Examples
    --------
    >>> interval(0.9, 0.95), interval(None, 1)
    ('[0.900, 0.950]', '')
    """
    return f"[{score(lo, sign=sign)}, {score(hi, sign=sign)}]" if known(lo) and known(hi) else ""


def count(value: object) -> str:
    """A whole number with separators.

    Examples
    --------
    >>> count(20125), count(None)
    ('20,125', '–')
    """
    return f"{int(float(value)):,}" if known(value) else DASH


def share(value: object) -> str:
    r"""A share as per cent.

    Examples
    --------
    >>> share(0.5), share(0.004)
    ('50\xa0%', '0.4\xa0%')
    """
    if not known(value):
        return DASH
    percent = 100 * float(value)
    return f"{percent:.1f}\xa0%" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f}\xa0%"


def seconds(value: object) -> str:
    """A duration in the unit that fits.

    Examples
    --------
    >>> seconds(0.0123), seconds(8.25), seconds(90), seconds(7200)
    ('12 ms', '8.2 s', '1.5 min', '2.0 h')
    """
    if not known(value):
        return DASH
    value = float(value)
    if value < 0.95:
        return f"{1000 * value:.0f} ms"
    if value < 89.5:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 5400 else f"{value / 3600:.1f} h"


def megabytes(value: object) -> str:
    """Memory.

    Examples
    --------
    >>> megabytes(12.34), megabytes(2500)
    ('12 MB', '2.5 GB')
    """
    if not known(value):
        return DASH
    if 0 < float(value) < 0.95:
        return "< 1 MB"
    return f"{float(value):.0f} MB" if float(value) < 1000 else f"{float(value) / 1000:.1f} GB"


def parameters(value: object) -> str:
    """Size of a model.

    Examples
    --------
    >>> parameters(950), parameters(3_100_000)
    ('950', '3.1M')
    """
    if not known(value):
        return DASH
    value = float(value)
    if value < 1e4:
        return f"{value:,.0f}"
    return f"{value / 1e3:.0f}k" if value < 1e6 else f"{value / 1e6:.1f}M"
