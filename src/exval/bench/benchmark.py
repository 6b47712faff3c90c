"""What a published protocol has to say so that the engine can run it: its cells, and how to conclude from them.

A benchmark is a module of :mod:`exval.recipes` with a function ``plan``:

.. code-block:: python

    def plan(*, preset="cpu", data=None, methods=None, seeds=None) -> Benchmark:
        \"\"\"One line that `exval bench` lists.\"\"\"

``preset`` is a size (``PRESETS`` of the module names them, the first is the default), ``data`` a folder with data sets
(None: what comes with exval), ``methods`` a list of names (None: all), ``seeds`` how many repeats (None: the preset's).
``plan`` computes nothing and reads as little as it can: it is also what ``--dry-run`` calls. Its name is that of its
module. Other projects offer theirs through an entry point of the group ``exval.recipes``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import metadata
from types import ModuleType
from typing import Any

import pandas as pd

from exval.bench.cell import Cell, Limits
from exval.errors import InputError
from exval.logs import warn

Conclusion = tuple[str, dict[str, pd.DataFrame]]


@dataclass(frozen=True)
class Primary:
    """The figure by which a task ranks its methods.

    Parameters
    ----------
    metric
        Its name in the column ``metric``.
    higher_is_better
        Which end is good.
    title
        What the task is called on the page; default: its name.
    slice
        Which slice of the rows.

    Examples
    --------
    >>> Primary("ari", True, "clustering").metric
    'ari'
    """

    metric: str
    higher_is_better: bool
    title: str = ""
    slice: str = "all"


@dataclass(frozen=True)
class Benchmark:
    """All cells of a benchmark, and what to make of them.

    Parameters
    ----------
    name, title
        Registry name, and the title of the page.
    cells
        In the order in which the rows shall stand; the order of work is the engine's.
    primary
        Task -> the figure that ranks its methods. Leaderboard and ranks are made from these rows (pooled: ``fold`` -1)
        by :mod:`exval.bench.summary`, seeds averaged, one case for each data set and split of it.
    skipped
        (what, why) pairs: combinations that were not planned.
    config
        What was asked for, JSON-able.
    limits
        Of each cell, unless the user sets others.
    conclude
        ``conclude(results)`` with a :class:`exval.bench.results.Results` whose ``rows``, ``predictions`` (the units of
        all cells, labels filled in) and ``extras`` (leaderboard, ranks, ...) are complete; returns the verdict in words
        and further tables. Default: :func:`exval.bench.summary.conclude`, who leads and who cannot be told from it.
    unranked
        Methods that stand in the tables and take no part in the ranking (an oracle).
    reference
        The method that every other has to beat (doing nothing, a linear model), named in the verdict.
    blocks
        Data set -> name that it shares with others which are no independent evidence; default: each is one.
    about
        Sentences for the methods paragraph: the protocol, what is measured, on what, with references.
    preload
        Modules imported once, before cells are forked from the process that did.
    ranked
        Whether methods are ranked over all tasks; not where each task has methods of its own.

    Examples
    --------
    >>> cells = [Cell("exval.recipes.selftest:score", {"method": "a"}, {"method": "a", "task": "t", "data": "x"})]
    >>> Benchmark("mine", "My benchmark", cells, {"t": Primary("rmse", False)}).limits.threads
    1
    """

    name: str
    title: str
    cells: list[Cell]
    primary: dict[str, Primary]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    conclude: Callable[[Any], Conclusion] | None = None
    unranked: tuple[str, ...] = ()
    reference: str | None = None
    about: str = ""
    blocks: dict[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    ranked: bool = True


def benchmarks() -> dict[str, ModuleType]:
    """Name -> module, of every recipe that has a ``plan``.

    Examples
    --------
    >>> "selftest" in benchmarks()
    True
    """
    package = importlib.import_module("exval.recipes")
    own = [importlib.import_module(info.name) for info in pkgutil.iter_modules(package.__path__, "exval.recipes.")]
    found = {module.__name__.rpartition(".")[2].replace("_", "-"): module for module in own if hasattr(module, "plan")}
    for entry in metadata.entry_points(group="exval.recipes"):
        try:
            found.setdefault(entry.name, entry.load())
        except Exception as error:  # whatever another project's import raises
            warn([f"the benchmark {entry.name!r} of {entry.value} cannot be imported: {error}"])
    return found


def find(name: str) -> ModuleType:
    """The module of a benchmark.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> find("selftst")
    Traceback (most recent call last):
    ...
    exval.errors.InputError: no benchmark is called 'selftst'; did you mean 'selftest'?
    """
    known = benchmarks()
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    shown = [other for other, module in known.items() if not getattr(module, "HIDDEN", False)]
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(shown)}"
    raise InputError(f"no benchmark is called {name!r}; {hint}")
