"""Labels differ between labs: a table that says which name means which."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import InputError


def read_label_map(given: Any) -> dict[str, str]:
    """Name -> name to use, from a mapping or a csv file with two columns (``from,to``, or any two in that order).

    Raises
    ------
    InputError
        If the file is absent, has fewer than two columns, or gives one name two meanings.

    Examples
    --------
    >>> read_label_map({"B": "B cell"}), read_label_map(None)
    ({'B': 'B cell'}, {})
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items()}
    path = Path(given)
    if not path.is_file():
        raise InputError(f"{path}: no such file; a label map is a csv with two columns, from and to")
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        separator = max(",;\t", key=head.count)
        table = pd.read_csv(path, dtype=str, sep=separator, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} cannot be read as a csv with two columns, from and to") from error
    if table.shape[1] < 2:
        raise InputError(f"{path} has {table.shape[1]} column; a label map has two, from and to")
    names = ["from", "to"] if {"from", "to"} <= set(table.columns) else list(table.columns[:2])
    table = table[names].drop_duplicates()
    twice = table[names[0]][table[names[0]].duplicated()]
    if len(twice):
        raise InputError(f"{path} gives {twice.iloc[0]!r} two meanings; keep one row for each name")
    return {key.strip(): value.strip() for key, value in zip(table[names[0]], table[names[1]])}


def apply_map(labels_n: np.ndarray, mapping: Mapping[str, str]) -> np.ndarray:
    """Names replaced where the map knows them; missing ones stay missing."""
    return np.array([mapping.get(str(name), name) if not pd.isna(name) else name for name in labels_n], dtype=object)


def unmatched(names: set[str], known: set[str]) -> list[str]:
    """One line a name that is not among the known ones, with the nearest of these as a suggestion.

    Examples
    --------
    >>> unmatched({"T-cell", "beta"}, {"T cell", "beta"})
    ["'T-cell' (did you mean 'T cell'?)"]
    """
    lower = {name.lower(): name for name in sorted(known)}
    lines = []
    for name in sorted(names - known):
        close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
        lines.append(f"{name!r} (did you mean {lower[close[0]]!r}?)" if close else f"{name!r}")
    return lines
