"""What is run: one cell of a grid, its key, and the limits that it runs under."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from exval import __version__
from exval.errors import InputError

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Cell:
    """One call of a function in a process of its own.

    The function takes one dictionary and returns ``{"rows": [...], "units": table or None}``: rows are dictionaries of
    columns of :data:`exval.bench.results.COLUMNS` (at least ``metric`` and ``value``; the labels are filled in), units
    are a DataFrame of the values behind them (one row for each sample or other unit, with ``metric`` and ``value``),
    so that any paired test can be redone. It must depend on nothing but its argument and the files that this names.

    Parameters
    ----------
    function
        ``"package.module:name"``.
    params
        JSON-able; what the result depends on, all of it. Where a file is named, put the hash of its content beside it.
    labels
        Columns of the results known beforehand: ``method``, ``task``, ``data``, ``split``, ``seed``, ``slice``.
        They stand in the rows of a cell that failed, too.
    local
        Further entries of the function's argument that say where things lie on this machine and cannot change the
        result; they are not in the key, so that a folder of results can be taken along.
    expected
        Seconds that it is thought to take, for the order and the time left; None where nothing is known.

    Examples
    --------
    >>> a = Cell("exval.recipes.selftest:score", {"method": "a", "data": "x"}, {"method": "a", "data": "x"})
    >>> b = Cell("exval.recipes.selftest:score", {"data": "x", "method": "a"}, {"method": "A, renamed"})
    >>> a.key == b.key, len(a.key)
    (True, 16)
    """

    function: str
    params: dict[str, Any]
    labels: dict[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)
    expected: float | None = None

    def __post_init__(self) -> None:
        from exval.bench.results import COLUMNS

        if not _FUNCTION.fullmatch(self.function):
            raise ValueError(f"a cell names its function as 'package.module:name', not {self.function!r}")
        unknown = sorted(set(self.labels) - set(COLUMNS))
        if unknown:
            raise ValueError(f"not columns of the results table: {', '.join(unknown)}")
        try:
            json.dumps([self.params, self.labels, self.local], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"params, labels and local of a cell have to be JSON: {error}") from None

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits: function, params and version of exval."""
        return key_of(self.function, self.params, __version__)

    @property
    def name(self) -> str:
        """What the cell is called in messages."""
        said = [str(self.labels[column]) for column in ("method", "data", "task", "slice") if self.labels.get(column)]
        seed = [f"seed {self.labels['seed']}"] if "seed" in self.labels else []
        return ", ".join([*said, *seed]) or self.key


def key_of(function: str, params: Mapping[str, Any], version: str) -> str:
    """The key of a cell; the order of the parameters does not matter, and 1 and 1.0 are two things.

    Examples
    --------
    >>> key_of("a.b:c", {"k": 1}, "0.1.0")
    'fc01cad21076d475'
    """
    import hashlib

    text = json.dumps([function, params, version], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def function_of(name: str) -> Callable[[dict[str, Any]], Any]:
    """The function that a cell names.

    Examples
    --------
    >>> function_of("math:sqrt")(9.0)
    3.0
    """
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if not callable(found):
        raise InputError(f"there is no function {attribute!r} in {module}")
    return found


@dataclass(frozen=True)
class Limits:
    """What one cell may use; what goes beyond is ended, and that is the cell's result.

    Parameters
    ----------
    seconds
        Of the clock, from the call of the function; what its process imports before does not count.
    memory_gb
        Memory of the cell and of all processes that it started, GB (10^9 bytes), without files mapped into it.
    threads
        Threads of the numerical libraries; also how many cores a cell is counted as.

    Examples
    --------
    >>> Limits(seconds=600, memory_gb=4).threads
    1
    """

    seconds: float | None = None
    memory_gb: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise InputError("the time limit of a cell has to be above zero seconds")
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise InputError("the memory limit of a cell has to be above zero")
        if self.threads < 1:
            raise InputError("a cell needs at least one thread")
