"""A grid of cells, run: what has ended is kept, what remains is given to an engine, whatever happens meanwhile."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.bench.cell import Cell, Limits
from exval.errors import InputError
from exval.logs import warn

if TYPE_CHECKING:
    from exval.bench.results import Results
    from exval.bench.shelf import Shelf


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
    shelf: Shelf | None = None,
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
        are other cells and are run; so are those that a limit ended which is higher now. Cells that are no longer
        asked for are left alone.
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
    shelf
        That of ``out``, where the caller has opened it (:func:`exval.bench.shelf.opened`) and goes on to write.

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
    from exval.bench.order import in_order
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
    with nullcontext(shelf) if shelf is not None else s.opened(Path(out), name) as shelf:
        if not (resume or only_collect):
            shelf.clear()
        todo, done = _split(cells, shelf, retry, limits)
        if todo and not only_collect:
            wanted = {cell.key for cell in todo}  # the order is that of the whole plan, whatever has been done of it
            todo = [cell for cell in in_order(cells) if cell.key in wanted]
            ended = _run(todo, done, shelf, engine, limits, workers, preload, start)
            if ended < len(cells):
                raise Stopped(
                    f"stopped; {ended} of {len(cells)} jobs are done and kept: the same command goes on from there"
                )
        rows, units, counts = s.collect(shelf, cells)
    about = {**(config or {}), "kind": s.KIND, "task": s.KIND, "name": name}
    about["config_hash"] = config_hash({**about, "keys": sorted(by_key)})
    about |= {"cells": {"planned": len(cells), **counts}, "limits": asdict(limits), "engine": engine}
    return Results(rows, units, about)


def _split(
    cells: Sequence[Cell], shelf: Shelf, retry: str | None, limits: Limits
) -> tuple[list[Cell], list[tuple[Cell, float]]]:
    """Cells to run, and those that have ended with the seconds that they took.

    What was ended by a limit is run again where the limit is higher now.
    """
    todo, done, threads = [], [], 0
    for cell in cells:
        found = shelf.get(cell.key)
        if found is None or (retry == "failed" and found["status"] != "ok") or _ended_early(found, limits):
            todo.append(cell)
        else:
            done.append((cell, found.get("wall") if found["status"] == "ok" else None))
            threads += (found.get("limits") or {}).get("threads", limits.threads) != limits.threads
    if threads:
        warn([f"{threads:,} jobs that have ended used another number of threads: their times are not comparable "
              "(--no-resume runs all again)"])  # fmt: skip
    return todo, done


def _ended_early(found: Mapping[str, Any], limits: Limits) -> bool:
    """Whether a limit ended the cell that is higher now.

    Examples
    --------
    >>> late = {"status": "timeout", "limits": {"seconds": 120, "memory_gb": 4}}
    >>> _ended_early(late, Limits(seconds=600)), _ended_early(late, Limits()), _ended_early(late, Limits(seconds=60))
    (True, True, False)
    """
    name = {"timeout": "seconds", "out of memory": "memory_gb"}.get(found["status"])
    before = (found.get("limits") or {}).get(name) if name else None
    if before is None:
        return False
    now = getattr(limits, name)
    return now is None or now > before


def _run(todo, done, shelf, engine, limits, workers, preload, start) -> int:
    """Run what is not there yet; how many cells have ended in all."""
    from exval.bench.order import GridProgress, Pace
    from exval.train.stop import on_request

    on = importlib.import_module("exval.bench.on_ray" if engine == "ray" else "exval.bench.pool")
    workers = on.prepare(limits, workers)
    pace, ended = Pace(min(workers, len(todo))), len(done)
    for cell, wall in done:
        pace.learn(cell, wall or float("nan"))
    total = len(todo) + len(done)
    with on_request() as asked, GridProgress("Running jobs", total, initial=ended, pace=pace, waiting=todo) as bar:
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
