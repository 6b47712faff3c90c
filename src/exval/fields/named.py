"""A field by its name, with settings as they come from a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from exval.errors import InputError
from exval.fields import FIELDS
from exval.fields.base import Field


def named_field(name: str, settings: Mapping[str, Any] | None = None, *, seed: int = 0, device: str = "auto") -> Field:
    """An unfitted field.

    Parameters
    ----------
    name
        Of :data:`exval.fields.FIELDS`.
    settings
        Parameter -> value, or its text: ``{"k": "20", "omegas": "1,2"}``.
    seed, device
        For fields that have them.

    Raises
    ------
    InputError
        No such field or parameter; a value of another kind.

    Examples
    --------
    >>> named_field("knn", {"k": "20"}).k, named_field("siren", {"omegas": "1,2"}).omegas
    (20, (1.0, 2.0))
    """
    field = FIELDS[name]()
    known = {key: value for key, value in field.get_params(deep=False).items() if key != "chosen"}
    given = {"seed": seed, "device": device, **(settings or {})}
    for key, value in given.items():
        if key not in known:
            if key in (settings or {}):
                raise InputError(f"{field.title} has no parameter {key!r}; there are: {', '.join(known) or 'none'}")
            continue
        field.set_params(**{key: _like(known[key], value, f"--set {key}={value}")})
    return field


def _like(default: Any, value: Any, what: str) -> Any:
    """A value as the default's kind."""
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, tuple):
        return tuple(_like(default[0], part, what) for part in value.split(","))
    try:
        read = json.loads(value.lower())
    except ValueError:
        read = value
    right = (bool,) if isinstance(default, bool) else (int, float) if isinstance(default, float) else (int, type(None))
    if not isinstance(read, right) or (isinstance(read, bool) and right != (bool,)):
        raise InputError(f"{what}: a value like {default} is needed")
    return float(read) if isinstance(default, float) else read
