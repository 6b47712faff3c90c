"""What a benchmark consists of: cells, each one call of a function, each known by the hash of what it computes."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval import __version__
from exval.errors import InputError

if TYPE_CHECKING:
    from exval.bench.results import Results
    from exval.bench.shelf import Shelf

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


def run_grid(
    cells: Sequence[Cell],
    out: str | os.PathLike,
    *,
    engine: str = "local",
    limits: Limits | None = None,
    workers: int | None = None,
    resume: bool = True,
    retry: str | None = None,
    name: str = "grid",
    config: Mapping[str, Any] | None = None,
    preload: Sequence[str] = (),
    start: str = "fork",
    only_collect: bool = False,
) -> Results:
    """Run every cell that has not been run, and put all of them together.

    Every cell is a process of its own: what raises, crashes, hangs or grows ends that cell, and is its result. What a
    cell gave is written when it ends, so that a run that is stopped in any way loses the running cells at most.

    Parameters
    ----------
    cells
        What to run; their rows come in this order.
    out
        Folder of the benchmark. Save the results into it: ``found.save(out)``.
    engine
        ``"local"``: processes of this machine. ``"ray"``: a Ray cluster (``pip install "exval[sweep]"``), which has to
        see the same files; the rows are the same.
    limits
        Of each cell.
    workers
        Cells at a time; default: as many as cores (and, with a memory limit, memory) allow.
    resume
        Keep the cells of ``out`` that have ended; false: forget all of them first. Cells whose parameters have changed
        are other cells and are run; cells that are no longer asked for are left alone.
    retry
        ``"failed"``: run those again that were not ok.
    name
        Whose folder it is: that of another name is refused.
    config
        For ``config.json``.
    preload
        Modules that are imported once, beside those of the cells' functions.
    start
        ``"fork"`` cells from a process that has imported them, where that is safe; ``"fresh"``: a new Python for each.
    only_collect
        Run nothing; the results of what is there.

    Returns
    -------
    Results
        Without a verdict; ``config["cells"]`` says how many ended how.

    Raises
    ------
    OutputError
        If the folder is in use or holds something else.
    Stopped
        On Ctrl-C or SIGTERM, when the finished cells are safe.

    Examples
    --------
    >>> import tempfile
    >>> cells = [Cell("exval.recipes.selftest:score", {"method": m, "task": "sums"}, {"method": m}) for m in ("alpha",)]
    >>> run_grid(cells, tempfile.mkdtemp() + "/out").rows[["method", "metric", "status"]].values.tolist()
    [['alpha', 'rmse', 'ok']]
    """
    from exval.bench import shelf as s
    from exval.bench.results import Results, config_hash
    from exval.train.stop import Stopped

    limits = limits or Limits()
    if retry not in (None, "failed"):
        raise InputError(f"retry is 'failed' or nothing, not {retry!r}")
    if engine not in ("local", "ray"):
        raise InputError(f"no engine is called {engine!r}; there are: local, ray")
    by_key = {cell.key: cell for cell in cells}
    if len(by_key) < len(cells):
        twice = next(cell for cell in cells if by_key[cell.key] is not cell)
        raise ValueError(f"two cells are the same call: {twice.name} and {by_key[twice.key].name}")
    with s.opened(Path(out), name) as shelf:
        if not (resume or only_collect):
            shelf.clear()
        todo, done = _split(cells, shelf, retry)
        if todo and not only_collect:
            ended = _run(todo, done, shelf, engine, limits, workers, preload, start)
            if ended < len(cells):
                raise Stopped(
                    f"stopped; {ended} of {len(cells)} cells are done and kept: the same command goes on from there"
                )
        rows, units, counts = s.collect(shelf, cells)
    about = {**(config or {}), "kind": s.KIND, "task": s.KIND, "name": name}
    about["config_hash"] = config_hash({**about, "keys": sorted(by_key)})
    about |= {"cells": {"planned": len(cells), **counts}, "limits": asdict(limits), "engine": engine}
    return Results(rows, units, about)


def _split(cells: Sequence[Cell], shelf: Shelf, retry: str | None) -> tuple[list[Cell], list[tuple[Cell, float]]]:
    """Cells to run, and those that have ended with the seconds that they took."""
    todo, done = [], []
    for cell in cells:
        found = shelf.get(cell.key)
        if found is None or (retry == "failed" and found["status"] != "ok"):
            todo.append(cell)
        else:
            done.append((cell, found.get("wall") if found["status"] == "ok" else None))
    return todo, done


def _run(todo, done, shelf, engine, limits, workers, preload, start) -> int:
    """Run what is not there yet; how many cells have ended in all."""
    from exval.bench.order import GridProgress, Pace, in_order
    from exval.train.stop import on_request

    on = importlib.import_module("exval.bench.on_ray" if engine == "ray" else "exval.bench.pool")
    workers = on.prepare(limits, workers)
    pace, ended, todo = Pace(min(workers, len(todo))), len(done), in_order(todo)
    for cell, wall in done:
        pace.learn(cell, wall or float("nan"))
    total = len(todo) + len(done)
    with on_request() as asked, GridProgress("Running cells", total, initial=ended, pace=pace, waiting=todo) as bar:
        running = on.run(
            todo, limits, workers=workers, preload=preload, start=start, begun=bar.begin,
            asked_to_stop=lambda: asked.made,
        )  # fmt: skip
        with closing(running):  # whatever happens here, no cell goes on
            for cell, outcome in running:
                shelf.put(cell, outcome, limits)
                ended += 1
                bar.end(cell)
    return ended
