"""What a cell of a benchmark costs beside its work: forked from a process that has imported torch, or in a new Python.

CPU-seconds of all processes and seconds of the clock for each cell that returns one number, mean over ``--cells`` cells
on one worker, the start of the worker left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

OUT = Path(__file__).parent / "results" / "cells.json"
PRELOAD = ["numpy", "scipy.sparse", "pandas", "pyarrow.parquet", "sklearn", "anndata", "torch"]


def work(params: dict) -> dict:
    """A cell that does nothing."""
    return {"rows": [{"metric": "rmse", "value": float(params["i"])}]}


def measure(start: str, n: int) -> tuple[float, float]:
    """CPU-seconds and seconds of a cell."""
    from exval.bench.cell import Cell, Limits
    from exval.bench.pool import Worker

    cells = [Cell("cells:work", {"i": i}) for i in range(n + 1)]
    worker = Worker(Limits(seconds=600, memory_gb=4), PRELOAD, start)
    assert worker.run(cells[0]).status == "ok"
    process = worker._process.pid
    before, began = cpu_of(process), time.perf_counter()
    assert all(worker.run(cell).status == "ok" for cell in cells[1:])
    wall, used = time.perf_counter() - began, cpu_of(process) - before
    assert worker.start == start
    worker.close()
    worker.tidy()
    return used / n, wall / n


def cpu_of(pid: int) -> float:
    """CPU-seconds of this process, and of another one with the children that it has waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    with open(f"/proc/{pid}/stat") as file:
        ticks = sum(map(int, file.read().rsplit(")", 1)[1].split()[11:15]))
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20)
    n = parser.parse_args().cells
    found = {start: measure(start, n) for start in ("fork", "fresh")}
    for start, (cpu, wall) in found.items():
        print(f"{start:6} {1000 * cpu:8.0f} ms CPU  {1000 * wall:8.0f} ms of the clock for a cell that does nothing")
    named = {start: dict(zip(("cpu_seconds", "seconds"), one)) for start, one in found.items()}
    OUT.write_text(json.dumps({"cells": n, "load": os.getloadavg()[0], **named}, indent=1) + "\n")
    print(f"ratio  {found['fresh'][0] / found['fork'][0]:8.0f} x CPU  {found['fresh'][1] / found['fork'][1]:8.0f} x")
