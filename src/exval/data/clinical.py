"""Survival outcomes of a file: two columns of obs, read strictly, since an inverted one looks like any other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MIN_EVENTS = 10
SEEN = frozenset(
    ["1", "true", "yes", "y", "event", "observed", "uncensored", "dead", "deceased", "died", "death", "progressed",
     "progression", "recurred", "recurrence", "recurred/progressed", "relapse", "relapsed", "metastasis"]
)  # fmt: skip
FREE = frozenset(
    ["0", "false", "no", "n", "censored", "alive", "living", "diseasefree", "disease free", "disease-free", "none",
     "no event", "event-free", "progression-free", "relapse-free"]
)  # fmt: skip
_VITAL = frozenset(["dead", "deceased", "died", "death", "alive", "living"])
_CODED = re.compile(r"^([01])(?:\.0)?\s*[:=]\s*\S")  # "1:DECEASED"
_CENSOR = re.compile(r"censor", re.I)
_STATUS = re.compile(r"event|status|death|dead|deceased|vital", re.I)
_ENDPOINT = re.compile(r"^(os|dss|pfi|dfi|dfs|rfs|pfs|efs|mfs|ttp)(?=[._\s-]|$)", re.I)


@dataclass(frozen=True)
class Outcome:
    """Times and events of the patients of a file.

    Parameters
    ----------
    time_n
        (n,) float64, above 0; NaN where the patient has no outcome.
    event_n
        (n,) bool, True where the event was seen.
    known_n
        (n,) bool, False for patients without a time or an event: they are to be left out.
    warnings
        Sentences for the user.
    """

    time_n: np.ndarray
    event_n: np.ndarray
    known_n: np.ndarray
    warnings: list[str] = field(default_factory=list)

    @property
    def n_events(self) -> int:
        """Events among the patients with an outcome."""
        return int(self.event_n[self.known_n].sum())


def known_column(obs: pd.DataFrame, name: str, option: str) -> pd.Series:
    """A column of obs, or an ``InputError`` that names the nearest ones.

    Examples
    --------
    >>> import pandas as pd
    >>> known_column(pd.DataFrame({"os_months": [1.0]}), "OS_month", "--time")
    Traceback (most recent call last):
    exval.errors.InputError: --time: obs has no column 'OS_month'; did you mean 'os_months'? There are: os_months
    """
    if name in obs.columns:
        return obs[name]
    there = [str(one) for one in obs.columns if not str(one).startswith("exval_")]
    lower = {one.lower(): one for one in there}
    close = [lower[one] for one in get_close_matches(name.lower(), lower, n=2, cutoff=0.5)]
    close = close or [one for low, one in lower.items() if name.lower() in low or low in name.lower()][:2]
    hint = f" did you mean {' or '.join(map(repr, close))}?" if close else ""
    listed = ", ".join(there[:12]) + (" ..." if len(there) > 12 else "")
    raise InputError(f"{option}: obs has no column {name!r};{hint} There are: {listed or 'none'}")


def read_outcome(obs: pd.DataFrame, time: str | None, event: str | None = None, censored: str | None = None) -> Outcome:
    """Times and events, or one line that says what is wrong.

    Parameters
    ----------
    obs
        One row a patient.
    time
        Column of times, above 0, any unit of time.
    event, censored
        Exactly one: the column in which 1 (true, dead, ``1:DECEASED`` ...) is an event, or in which 1 is *censored*.

    Returns
    -------
    Outcome
        Patients without a value in either column are marked, not refused.

    Raises
    ------
    InputError
        No such column; words or dates among times; a time that is negative, 0 or infinite; a column that is not
        two-valued; a column whose name or words say the opposite of the option; no event, fewer than ten events.

    Examples
    --------
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"months": range(1, 21), "status": ["1:DECEASED", "0:LIVING"] * 10})
    >>> read_outcome(obs, "months", event="status").n_events
    10
    """
    if not time:
        raise InputError("name the column of obs that holds the times: --time COLUMN (time=...)")
    if (event is None) == (censored is None):
        raise InputError("name the column of events with --event, or that of censoring with --censored, one of the two")
    option, flag = ("--event", event) if event is not None else ("--censored", censored)
    if flag == time:
        raise InputError(f"--time and {option} name the same column {time!r}")
    _refuse_inverted_name(option, flag)
    time_n = _times(obs, time)
    flag_n = _flags(known_column(obs, flag, option), flag, option)
    known_n = ~np.isnan(time_n) & ~np.isnan(flag_n)
    seen_n = np.where(np.isnan(flag_n), 0, flag_n) == (1 if option == "--event" else 0)
    seen_n &= known_n
    if not known_n.any():
        raise InputError(f"no patient has both a value in {time!r} and one in {flag!r}: there is no outcome to learn")
    n, events = int(known_n.sum()), int(seen_n.sum())
    if not events:
        raise InputError(
            f"{flag!r} says that none of {n} patients had the event: nothing can be learned. {_other(option, flag)}"
        )
    if events < MIN_EVENTS:
        raise InputError(
            f"{events} of {n} patients had the event; at least {MIN_EVENTS} events are needed to compare methods. "
            f"{_other(option, flag)}"
        )
    if len(np.unique(time_n[known_n])) < 2:
        raise InputError(f"all times in {time!r} are equal: no patient can be said to have lived longer than another")
    return Outcome(np.where(known_n, time_n, np.nan), seen_n, known_n, _doubts(time, flag, option, n, events))


def _other(option: str, flag: str) -> str:
    other = "--censored" if option == "--event" else "--event"
    text = f"If 1 in that column means {'censored' if option == '--event' else 'the event'}, give {other} {flag}"
    named = _CENSOR.search(flag) if other == "--event" else _STATUS.search(flag) and not _CENSOR.search(flag)
    return text + (" (and rename the column, whose name says the opposite)" if named else "")


def _doubts(time: str, flag: str, option: str, n: int, events: int) -> list[str]:
    found = []
    if events > 0.9 * n and events < n:
        found.append(f"{events} of {n} patients had the event, which is rare in practice. {_other(option, flag)}.")
    ends = [_ENDPOINT.match(name) for name in (time, flag)]
    if all(ends) and ends[0].group(1).lower() != ends[1].group(1).lower():
        found.append(f"the time {time!r} and {option} {flag!r} seem to be of two end points; is that meant?")
    return found


def _refuse_inverted_name(option: str, flag: str) -> None:
    if option == "--event" and _CENSOR.search(flag) and not re.search(r"uncensor|not.?censor", flag, re.I):
        raise InputError(
            f"--event {flag}: by its name this column says who was censored; give --censored {flag}, or rename it if 1 "
            "means that the event was seen"
        )
    if option == "--censored" and _STATUS.search(flag) and not _CENSOR.search(flag):
        raise InputError(
            f"--censored {flag}: by its name this column says who had the event; give --event {flag}, or rename it if "
            "1 means censored"
        )


def _times(obs: pd.DataFrame, name: str) -> np.ndarray:
    from exval.data.columns import numbers

    values = known_column(obs, name, "--time")
    try:
        time_n = numbers(values, name, strict=True)
    except (InputError, TypeError, ValueError):
        word = next((one for one in values if not _is_number(one)), values.iloc[0])
        raise InputError(
            f"--time: column {name!r} is no column of numbers ({str(word)!r}); write the time from diagnosis to the "
            "event or the last visit as a number"
        ) from None
    for wrong, what, advice in (
        (time_n < 0, "negative", "a time begins at diagnosis; correct it or leave the patient out"),
        (time_n == 0, "0", "write half a day in the unit of the column, or empty the cell to leave the patient out"),
    ):
        if wrong.any():
            more = f", and {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
            who = obs.index[np.flatnonzero(wrong)[0]]
            value = time_n[np.flatnonzero(wrong)[0]]
            shown = f" ({value:g})" if value else ""
            raise InputError(f"--time: the time of {who} is {what}{shown}{more}; {advice}")
    return time_n


def _is_number(value: object) -> bool:
    try:
        return value is not None and np.isfinite(float(value)) or str(value).lower() == "nan"
    except (TypeError, ValueError):
        return False


def _flags(values: pd.Series, name: str, option: str) -> np.ndarray:
    """(n,) 1.0, 0.0 or NaN as the column has it; in ``--censored`` 1 means censored."""
    from exval.data.columns import texts

    words = texts(values)
    if all(word is None for word in words):
        raise InputError(f"{option}: column {name!r} is empty")
    distinct = sorted({word for word in words if word is not None})
    meaning = {word: _meaning(word, option) for word in distinct}
    lower = {word.lower() for word in distinct}
    if option == "--censored" and lower & _VITAL:
        raise InputError(f"--censored {name}: its values ({_listed(distinct)}) say who died; give --event {name}")
    if len(distinct) > 2 or None in meaning.values() or len(set(meaning.values())) < len(distinct):
        coded = " (R's 1 and 2 are 0 and 1 here)" if lower == {"1", "2"} else ""
        raise InputError(
            f"{option}: column {name!r} has to hold 1 and 0 (or true and false, dead and alive), but holds "
            f"{_listed(distinct)}{coded}; recode it"
        )
    return np.array([np.nan if word is None else meaning[word] for word in words], dtype=np.float64)


def _meaning(word: str, option: str) -> float | None:
    text = word.lower()
    text = text[:1] if text in ("0.0", "1.0") else text  # numbers as pandas writes a column with gaps
    coded = _CODED.match(text)
    if coded:
        return float(coded.group(1))
    if option == "--censored" and text in ("censored", "event", "observed", "uncensored"):
        return float(text == "censored")
    return 1.0 if text in SEEN else 0.0 if text in FREE else None


def _listed(words: list[str]) -> str:
    return ", ".join(map(repr, words[:4])) + (f" and {len(words) - 4} more values" if len(words) > 4 else "")
