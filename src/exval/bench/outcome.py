"""What became of a cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STATUSES = ("ok", "failed", "timeout", "out of memory", "crashed")
LONGEST_NOTE = 300
_FULL = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory", "cannot allocate memory")


@dataclass
class Outcome:
    """What became of a cell: its rows and units, or why it has none, and what it cost.

    Parameters
    ----------
    status
        ``"ok"``; ``"failed"``: it raised, or returned something else than rows; ``"timeout"``, ``"out of memory"``: it
        went beyond a limit; ``"crashed"``: its process ended without an answer.
    note
        One line on why.
    rows
        Dictionaries of result columns, JSON-able.
    units
        A parquet file as bytes, or None.
    seconds, peak_mb, wall
        CPU-seconds of all its threads and processes, growth of memory, seconds of the clock.
    log
        The end of what it printed, with the traceback; empty for a cell that is ok.
    """

    status: str
    note: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    units: bytes | None = None
    seconds: float = float("nan")
    peak_mb: float = float("nan")
    wall: float = float("nan")
    log: str = ""


def one_line(text: object, limit: int = LONGEST_NOTE) -> str:
    r"""A text as one line of at most ``limit`` characters.

    Examples
    --------
    >>> one_line("a\n  b"), one_line("x" * 9, 5)
    ('a b', 'xxxx…')
    """
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def of_exception(error: BaseException) -> tuple[str, str]:
    """Status and note for what a cell raised.

    Examples
    --------
    >>> of_exception(ValueError("no\\n cells")), of_exception(MemoryError())
    (('failed', 'ValueError: no cells'), ('out of memory', 'MemoryError: the memory asked for was refused'))
    """
    from exval.errors import ExvalError

    kind = type(error).__name__
    if isinstance(error, MemoryError) or any(words in str(error) for words in _FULL):
        return "out of memory", one_line(f"{kind}: {str(error) or 'the memory asked for was refused'}")
    if isinstance(error, ExvalError):
        return "failed", one_line(error)
    if isinstance(error, SystemExit):
        return "failed", f"it called sys.exit({error.code!r})"
    return "failed", one_line(f"{kind}: {error}" if str(error) else kind)


def checked(answer: Any) -> tuple[list[dict[str, Any]], Any]:
    """Rows, ready for JSON, and units of what a cell's function returned.

    A figure that is NaN or infinite is no result: its row becomes one that failed, and ranks as such.

    Raises
    ------
    TypeError, ValueError
        If it is anything else than rows and units.

    Examples
    --------
    >>> checked({"rows": [{"metric": "ari", "value": float("nan")}]})[0]
    [{'metric': 'ari', 'value': None, 'status': 'failed', 'note': 'not a number'}]
    """
    import pandas as pd

    from exval.bench.results import COLUMNS, plain

    if not isinstance(answer, Mapping) or not isinstance(answer.get("rows"), list | tuple):
        said = type(answer).__name__ if not isinstance(answer, Mapping) else f"keys {', '.join(map(str, answer))}"
        raise TypeError(f"a cell returns {{'rows': [...], 'units': table or None}}; this one returned {said or 'none'}")
    if unknown := sorted(set(answer) - {"rows", "units"}):
        raise ValueError(f"a cell returns rows and units, and not {', '.join(map(str, unknown))}")
    units = answer.get("units")
    if units is not None and not isinstance(units, pd.DataFrame):
        raise TypeError(f"the units of a cell are a DataFrame, not {type(units).__name__}")
    rows = []
    for row in answer["rows"]:
        if not isinstance(row, Mapping):
            raise TypeError(f"a row is a dictionary of result columns, not {type(row).__name__}")
        if unknown := sorted(set(row) - set(COLUMNS)):
            raise ValueError(f"not columns of the results table: {', '.join(unknown)}")
        made = plain(row)
        for name, kind in COLUMNS.items():
            if name in made and kind != "str" and not isinstance(made[name], int | float | None):
                raise TypeError(f"{name} of a row is a number, not {made[name]!r}")
        if made.get("status", "ok") == "ok":
            value = made.get("value")
            if not made.get("metric"):
                raise ValueError("a row that is ok has a metric and a value")
            if value is None or not math.isfinite(value):
                made |= {"value": None, "status": "failed", "note": made.get("note") or "not a number"}
        elif made["status"] not in STATUSES:
            raise ValueError(f"the status of a row is one of {', '.join(STATUSES)}, not {made['status']!r}")
        rows.append(made)
    if not rows:
        raise ValueError("a cell has to return at least one row")
    return rows, units
