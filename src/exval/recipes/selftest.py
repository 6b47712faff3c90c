"""A benchmark of nothing: it exercises the engine, and cells that fail in every way, on this machine or cluster."""

from __future__ import annotations

import ctypes
import os
import time
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from exval.bench.benchmark import Benchmark, Primary
from exval.bench.cell import Cell, Limits
from exval.errors import InputError

HIDDEN = True
PRESETS = ("cpu", "paper")
SKILL = {"alpha": 0.8, "beta": 0.75, "gamma": 0.5, "nothing": 0.3}
FAULTS = ("raises", "exits", "crashes", "grows", "hangs", "returns-nonsense")
TASKS = {"sums": Primary("rmse", False, "sums"), "products": Primary("pearson", True, "products")}


def plan(
    *, preset: str = "cpu", data: str | None = None, methods: Sequence[str] | None = None, seeds: int | None = None
) -> Benchmark:
    """Invented scores, and one cell of each kind that fails.

    Parameters
    ----------
    preset
        ``cpu``: three data sets; ``paper``: eight.
    data
        Not used.
    methods, seeds
        Which of the invented methods, and how many repeats (2).

    Examples
    --------
    >>> len(plan(methods=["alpha"], seeds=1).cells)
    6
    """
    known = [*SKILL, *FAULTS]
    chosen = list(methods or known)
    if unknown := [name for name in chosen if name not in known]:
        raise InputError(f"no method is called {unknown[0]!r}; known: {', '.join(known)}")
    names = [f"set{i + 1}" for i in range(3 if preset == "cpu" else 8)]
    cells = []
    for task in TASKS:
        for name in names:
            for method in chosen:
                if method in FAULTS and (task, name) != ("sums", "set1"):
                    continue
                for seed in range(1 if method in FAULTS else seeds or 2):
                    labels = {"method": method, "task": task, "data": name, "seed": seed, "split": "none"}
                    cells.append(Cell("exval.recipes.selftest:score", dict(labels), labels, expected=0.05))
    skipped = [(f"{fault} on all other sets", "one is enough") for fault in FAULTS if fault in chosen]
    return Benchmark(
        "selftest", "Self-test of the benchmark engine", cells, TASKS, skipped, {"preset": preset, "seeds": seeds or 2},
        Limits(seconds=5, memory_gb=1.0), reference="nothing",
        about="Scores are invented; what is tested is that every kind of failure is recorded and nothing else is lost.",
    )  # fmt: skip


def score(params: dict[str, Any]) -> dict[str, Any]:
    """The cell: a score out of the hat of its own parameters, or the fault that the method is named after."""
    method = params["method"]
    if method in FAULTS:
        return _fault(method)
    rng = np.random.default_rng(zlib.crc32(repr(sorted(params.items())).encode()))
    metric = TASKS[params["task"]].metric
    skill = SKILL[method] if metric == "pearson" else 1 - SKILL[method]
    values = skill + 0.05 * rng.normal(size=40)
    units = pd.DataFrame({"sample": [f"unit{i}" for i in range(40)], "metric": metric, "value": values})
    return {"rows": [{"metric": metric, "value": float(values.mean()), "n": 40, "unit": "unit"}], "units": units}


def _fault(kind: str) -> Any:
    if kind == "raises":
        raise ValueError("this cell raises, as it was asked to")
    if kind == "exits":
        os._exit(3)
    if kind == "crashes":
        ctypes.string_at(0)
    if kind == "grows":
        held = []
        while True:
            held.append(np.ones(4_000_000))
            time.sleep(0.002)
    if kind == "hangs":
        time.sleep(3600)
    return "nonsense"
