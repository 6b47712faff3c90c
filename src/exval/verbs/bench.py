"""``bench``: a published protocol, rerun as a grid of cells."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError

if TYPE_CHECKING:
    from exval.bench.benchmark import Benchmark
    from exval.bench.cell import Limits
    from exval.bench.results import Results

PACKAGES = ("exval", "numpy", "scipy", "pandas", "anndata", "scikit-learn", "torch")


def list_benchmarks() -> list[dict[str, Any]]:
    """Every benchmark: ``name``, ``presets`` (the first is the default) and ``summary``.

    Examples
    --------
    >>> all({"name", "presets", "summary"} <= set(one) for one in list_benchmarks())
    True
    """
    from exval.bench.benchmark import benchmarks

    return [
        {"name": name, "presets": list(presets_of(module)), "summary": (module.plan.__doc__ or "").split("\n", 1)[0]}
        for name, module in benchmarks().items()
        if not getattr(module, "HIDDEN", False)
    ]


def presets_of(module: Any) -> tuple[str, ...]:
    """The sizes that a benchmark comes in."""
    return tuple(getattr(module, "PRESETS", ("cpu", "paper")))


def plan_benchmark(
    name: str,
    *,
    preset: str | None = None,
    data: str | os.PathLike | None = None,
    method: Sequence[str] | None = None,
    seeds: int | None = None,
    seconds: float | None = None,
    memory_gb: float | None = None,
    threads: int | None = None,
) -> Benchmark:
    """The cells of a benchmark, and what is left out; nothing is run.

    Parameters
    ----------
    name
        See :func:`list_benchmarks`.
    preset
        Size; default: the first of the benchmark.
    data
        Folder with data sets; default: those that come with exval.
    method
        Names, and whatever else the benchmark can make a method from (imputation: ``cmd:...`` for a program, the
        folder of a pretraining run); default: all.
    seeds
        Repeats of what depends on chance; default: the preset's.
    seconds, memory_gb, threads
        Limits of each cell; default: the benchmark's.

    Raises
    ------
    InputError
        If there is no such benchmark, preset or method.

    Examples
    --------
    >>> len(plan_benchmark("selftest", method=["alpha", "beta"], seeds=1).cells)
    12
    """
    from exval.bench.benchmark import find
    from exval.methods.resolve import split_specs

    module = find(name)
    presets = presets_of(module)
    if preset is not None and preset not in presets:
        raise InputError(f"{name} has no preset {preset!r}; there are: {', '.join(presets)}")
    if data is not None and not Path(data).is_dir():
        raise InputError(f"{data} is not a folder; name the one that holds the data sets with --data")
    made = module.plan(
        preset=preset or presets[0], data=None if data is None else str(data),
        methods=split_specs(list(method)) if method else None, seeds=seeds,
    )  # fmt: skip
    given = {"seconds": seconds, "memory_gb": memory_gb, "threads": threads}
    return replace(
        made, limits=replace(made.limits, **{key: value for key, value in given.items() if value is not None})
    )


def run_benchmark(
    name: str,
    *,
    out: str | os.PathLike,
    preset: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    resume: bool = True,
    retry: str | None = None,
    data: str | os.PathLike | None = None,
    method: Sequence[str] | None = None,
    seeds: int | None = None,
    seconds: float | None = None,
    memory_gb: float | None = None,
    threads: int | None = None,
    only_report: bool = False,
) -> Results:
    """Run a benchmark: every cell in a process of its own, kept when it ends; then ranks, verdict and a page.

    Called again with the same folder, it goes on: cells that have ended are not run again.

    Parameters
    ----------
    name, preset, data, method, seeds, seconds, memory_gb, threads
        See :func:`plan_benchmark`.
    out
        Folder for the cells, the tables and ``report.html``.
    engine, workers, resume, retry
        See :func:`exval.bench.grid.run_grid`.
    only_report
        Run nothing: tables and page of the cells that have ended.

    Returns
    -------
    Results
        ``extras`` are the tables of :mod:`exval.bench.summary` and those of the benchmark.

    Raises
    ------
    InputError, OutputError
        One line on what to do.
    Stopped
        On Ctrl-C; nothing that has ended is lost.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> found = run_benchmark("selftest", out=folder, method=["alpha", "beta"], seeds=1)
    >>> found.verdict.split(":")[0]
    '2 methods on 3 data sets in 2 tasks'
    """
    from exval.bench import summary
    from exval.bench.grid import run_grid
    from exval.bench.shelf import opened
    from exval.report import write_report

    asked = {"preset": preset, "data": data, "method": method, "seeds": seeds, "seconds": seconds,
             "memory_gb": memory_gb, "threads": threads}  # fmt: skip
    planned = plan_benchmark(name, **asked)
    if not planned.cells:
        why = "; ".join(f"{what}: {why}" for what, why in planned.skipped[:5])
        raise InputError(f"{name} has no job to run{f' ({why})' if why else ''}")
    with opened(Path(out), planned.name) as shelf:  # until the page is written: nobody else writes meanwhile
        found = run_grid(
            planned.cells, out, engine=engine, limits=planned.limits, workers=workers, resume=resume, retry=retry,
            name=planned.name, config=planned.config, preload=planned.preload, only_collect=only_report, shelf=shelf,
        )  # fmt: skip
        found.config |= _described(planned, found.rows) | {"command": _command(name, out, engine, asked)}
        found.extras = summary.tables(
            found.rows, planned.primary, unranked=planned.unranked, reference=planned.reference,
            skipped=planned.skipped, blocks=planned.blocks,
        )  # fmt: skip
        if not planned.ranked:
            found.extras = {key: one for key, one in found.extras.items() if key not in summary.RANKED}
        found.verdict, more = (planned.conclude or summary.conclude)(found)
        found.extras |= more
        found.save(out)
        for old in (Path(out) / "extras").glob("*.parquet"):  # those of an earlier run may not apply any more
            if old.stem not in found.extras:
                old.unlink()
        write_report(out)
    return found


def _described(planned: Benchmark, rows: Any) -> dict[str, Any]:
    """What the page says of a benchmark as a whole."""
    about = {
        "primary": {task: asdict(figure) for task, figure in planned.primary.items()}, "reference": planned.reference,
        "unranked": list(planned.unranked), "about": planned.about,
        "methods": int(rows.method.nunique()), "data": int(rows.data.nunique()),
    }  # fmt: skip
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"title": planned.title, "bench": about, "machine": machine(), "versions": versions}


def machine() -> dict[str, Any]:
    """What times depend on: processor, cores, memory.

    Examples
    --------
    >>> machine()["cores"] >= 1
    True
    """
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return {"processor": name, "cores": os.cpu_count(), "memory_gb": round(memory, 1), "system": platform.system()}


def _command(name: str, out: Any, engine: str, asked: dict[str, Any]) -> str:
    """The line that repeats this."""
    words = {"preset": "--preset", "data": "--data", "method": "--method", "seeds": "--seeds", "seconds": "--seconds",
             "memory_gb": "--memory", "threads": "--threads"}  # fmt: skip
    parts = ["exval", "bench", name]
    for key, word in words.items():
        value = asked[key]
        if value is not None:
            parts += [word, ",".join(value) if key == "method" else str(value)]
    parts += ["--engine", engine] if engine != "local" else []
    return shlex.join([*parts, "-o", str(out)])


def describe(planned: Benchmark, out: str | os.PathLike | None = None, workers: int | None = None) -> list[str]:
    """What ``--dry-run`` prints: how many cells, how long, what is done already, what is left out and why.

    Parameters
    ----------
    planned
        See :func:`plan_benchmark`.
    out
        A folder whose finished cells count, and tell how long cells take.
    workers
        Cells at a time.

    Examples
    --------
    >>> describe(plan_benchmark("selftest", method=["alpha"], seeds=1))[0]
    '6 jobs: 1 method, 3 data sets, 2 tasks'
    """
    from exval.bench.order import Pace
    from exval.bench.pool import prepare
    from exval.bench.shelf import Shelf

    cells = planned.cells
    kinds = (("method", "method"), ("data", "data set"), ("task", "task"), ("split", "split"), ("seed", "seed"))
    counts = {word: len({cell.labels[label] for cell in cells if label in cell.labels}) for label, word in kinds}
    said = [
        f"{n:,} {word}{'' if n == 1 else 's'}"
        for word, n in counts.items()
        if n and (word not in ("seed", "split") or n > 1)
    ]
    lines = [f"{len(cells):,} jobs: {', '.join(said)}"]
    pace, left = Pace(prepare(planned.limits, workers)), cells
    if out is not None and (Path(out) / "cells").is_dir():
        shelf = Shelf(Path(out))
        there = {cell.key: shelf.get(cell.key) for cell in cells}
        left = [cell for cell in cells if there[cell.key] is None]
        for cell in cells:
            if there[cell.key]:
                pace.learn(cell, there[cell.key].get("wall") or float("nan"))
        bad = sum(1 for one in there.values() if one and one["status"] != "ok")
        lines.append(f"done already: {len(cells) - len(left):,}" + (f", of which {bad:,} failed" if bad else ""))
    lines += [f"limits of each: {_limits(planned.limits)}", _estimate(pace, left)]
    groups: dict[str, list[str]] = {}
    for what, why in planned.skipped:
        groups.setdefault(why, []).append(what)
    for why, whats in groups.items():
        more = f" and {len(whats) - 5} more" if len(whats) > 5 else ""
        lines.append(f"left out: {', '.join(whats[:5])}{more} ({why})")
    return lines


def _limits(limits: Limits) -> str:
    from exval.progress import clock

    parts = [f"{limits.threads} thread{'s' if limits.threads > 1 else ''}"]
    parts += [clock(limits.seconds)] if limits.seconds else []
    parts += [f"{limits.memory_gb:g} GB"] if limits.memory_gb else []
    return ", ".join(parts)


def _estimate(pace: Any, left: list) -> str:
    from exval.progress import clock

    if not left:
        return "nothing is left to run"
    seconds = pace.seconds_left(left)
    if seconds is None:
        return f"time: not known before some jobs have run ({pace.workers} at a time)"
    return f"time: about {clock(seconds)} with {pace.workers} at a time"
