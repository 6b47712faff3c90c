"""A column of obs as numbers or as levels, and the columns that no covariate may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd

from exval.errors import InputError

EMPTY = frozenset(
    ["", "?", ".", "-", "na", "n/a", "nan", "<na>", "none", "null", "missing", "unknown", "not available",
     "[not available]", "not reported", "[not evaluated]", "[unknown]"]
)  # fmt: skip
MANY = 10  # distinct numbers from which on a column with some words is a column of numbers with mistakes in it


def names_of(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Names as a tuple without repeats; a text is cut at its commas.

    Examples
    --------
    >>> names_of("age, stage"), names_of(["age", "age"]), names_of(None)
    (('age', 'stage'), ('age',), ())
    """
    parts = names.split(",") if isinstance(names, str) else [] if names is None else names
    return tuple(dict.fromkeys(str(one).strip() for one in parts if str(one).strip()))


def column(obs: pd.DataFrame, name: str) -> pd.Series:
    """The column, or an ``InputError`` that names the nearest ones.

    Examples
    --------
    >>> column(pd.DataFrame({"age_years": [1]}), "age")
    Traceback (most recent call last):
    exval.errors.InputError: no covariate 'age' in obs; did you mean 'age_years'? There are: age_years
    """
    if name in obs.columns:
        return obs[name]
    there = [str(one) for one in obs.columns if not str(one).startswith("exval_")]
    lower = {one.lower(): one for one in there}
    word = name.lower().strip()
    within = [low for low in lower if word in low or low in word]
    close = [lower[low] for low in dict.fromkeys([*within, *get_close_matches(word, lower, n=3, cutoff=0.6)])][:3]
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    listed = ", ".join(there[:12]) + (" ..." if len(there) > 12 else "")
    raise InputError(f"no covariate {name!r} in obs; {hint}There are: {listed or 'none'}")


def texts(values: pd.Series) -> np.ndarray:
    """(n,) the values as text, None where there is none: empty, NA, unknown and the like."""
    found = [
        None if gone else f"{v:g}" if isinstance(v, float) else str(v).strip() for v, gone in zip(values, values.isna())
    ]
    return np.array([None if word is None or word.lower() in EMPTY else word for word in found], dtype=object)


def numbers(values: pd.Series, name: str, *, strict: bool = False) -> np.ndarray | None:
    """(n,) float64, NaN where there is no value; None if the column holds words.

    Text that is numeric is numeric. A column of truth values holds words. Where more than ten distinct numbers stand
    beside a few words (``"90+"``), that is a mistake in a column of numbers: it is refused, not taken for words.

    Parameters
    ----------
    values, name
        The column.
    strict
        The column was numeric in training: any word is refused.

    Raises
    ------
    InputError
        Numbers mixed with words; inf.

    Examples
    --------
    >>> numbers(pd.Series(["61", "NA", "70.5"]), "age").tolist()
    [61.0, nan, 70.5]
    >>> numbers(pd.Series(["I", "II"]), "stage") is None
    True
    """
    if pd.api.types.is_bool_dtype(values.dtype) and not strict:
        return None
    if pd.api.types.is_numeric_dtype(values.dtype):
        found = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        words = texts(values)
        found = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
        odd = [word for word, number in zip(words, found) if word is not None and np.isnan(number)]
        if odd and not strict and len(np.unique(found[~np.isnan(found)])) <= MANY:
            return None
        if odd:
            raise InputError(
                f"the covariate {name!r} is a column of numbers, but {len(odd)} of its values are none "
                f"({', '.join(map(repr, dict.fromkeys(odd[:3])))}): write numbers, or leave them empty"
            )
    if np.isinf(found).any():
        raise InputError(f"the covariate {name!r} holds inf: write a number, or leave it empty")
    return found


def refuse_outcomes(obs: pd.DataFrame, names: Sequence[str], time_n: np.ndarray, event_n: np.ndarray) -> None:
    """An ``InputError`` for a covariate that is the outcome: it is not known when the prognosis is asked for.

    Refused are exval's own columns, a column that equals the time in half of the patients or more (progression-free
    months beside overall survival), and one with two values that tell who had the event.

    Examples
    --------
    >>> obs = pd.DataFrame({"os_months": [3.0, 4.0]})
    >>> refuse_outcomes(obs, ["os_months"], np.array([3.0, 4.0]), np.array([True, False]))
    Traceback (most recent call last):
    exval.errors.InputError: the covariate 'os_months' equals the survival time in 100% of the patients: it is an
    outcome, leave it out
    """
    for name in names:
        values = column(obs, name)
        if name in ("exval_time", "exval_event"):
            raise InputError(f"the covariate {name!r} is the outcome itself: leave it out")
        found = numbers(values, name)
        if found is not None:
            same = float(np.isclose(found, time_n, rtol=1e-6).mean()) if len(found) else 0.0
            if same >= 0.5:
                raise InputError(
                    f"the covariate {name!r} equals the survival time in {same:.0%} of the patients: "
                    "it is an outcome, leave it out"
                )
        words = texts(values)
        if len(set(words)) == 2 and None not in words and len(set(zip(words, event_n.tolist()))) == 2:
            raise InputError(f"the covariate {name!r} tells exactly who had the event: it is an outcome, leave it out")
