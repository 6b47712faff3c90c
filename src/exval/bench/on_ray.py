"""Cells on a Ray cluster: the same workers and limits as on one machine, each inside a task of Ray.

Ray decides where a cell runs; what becomes of it is decided by the same process beside it as without Ray, so that the
rows do not depend on the engine. A cluster that is already there is used (``ray start``, or ``RAY_ADDRESS``); otherwise
one is started on this machine and ended again. Every node needs exval and the files that the cells name.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from exval.bench.cell import Cell, Limits
from exval.bench.outcome import Outcome, one_line
from exval.bench.pool import LOOK_S, Worker, preload_of
from exval.errors import InputError

_workers: dict[tuple, Worker] = {}
_started = False


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError('the engine ray needs Ray: pip install "exval[sweep]"') from error
    return ray


def prepare(limits: Limits, workers: int | None = None) -> int:
    """Connect, and say how many cells can run at a time.

    Raises
    ------
    InputError
        If Ray is not installed, or no node of the cluster is large enough for one cell.
    """
    global _started
    ray = _ray()
    if not ray.is_initialized():
        for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
            os.environ.setdefault(name, "0")
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        _started = True
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(_fitting(node.get("CPU", 0), node.get("memory", 0), limits) for node in nodes)
    if room < 1:
        largest = max((node.get("CPU", 0) for node in nodes), default=0)
        memory = max((node.get("memory", 0) for node in nodes), default=0) / 1e9
        _leave()
        raise InputError(
            f"no node of the Ray cluster has room for a cell of {limits.threads} threads and "
            f"{limits.memory_gb or 0:g} GB; the largest offer {largest:g} cores, {memory:.1f} GB: lower the limits"
        )
    return min(workers or room, room)


def _fitting(cores: float, memory: float, limits: Limits) -> int:
    """How many cells fit on a node.

    Examples
    --------
    >>> _fitting(8, 16e9, Limits(memory_gb=5, threads=2)), _fitting(8, 16e9, Limits())
    (3, 8)
    """
    found = int(cores // limits.threads)
    return min(found, int(memory // (limits.memory_gb * 1e9))) if limits.memory_gb else found


def run(
    cells: Sequence[Cell],
    limits: Limits,
    *,
    workers: int,
    preload: Sequence[str] = (),
    start: str = "fork",
    begun: Callable[[Cell], None] = lambda cell: None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Cell, Outcome]]:
    """Run cells on the cluster and yield them as they finish; see :func:`exval.bench.pool.run`."""
    ray = _ray()
    memory = int(limits.memory_gb * 1e9) if limits.memory_gb else None
    task = ray.remote(num_cpus=limits.threads, memory=memory, max_retries=2)(_in_task)
    modules, paths = preload_of(cells, preload), [path for path in sys.path if path]
    waiting, running = deque(cells), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                cell = waiting.popleft()
                begun(cell)
                running[task.remote(cell, limits, modules, start, paths)] = cell
            if asked_to_stop():
                return
            ready, _ = ray.wait(list(running), timeout=LOOK_S)
            for one in ready:
                yield running.pop(one), _outcome(ray, one)
    finally:
        for one in running:
            with suppress(Exception):
                ray.cancel(one, force=True)
        _leave()


def _outcome(ray: Any, one: Any) -> Outcome:
    """What a task returned; if Ray lost it, that."""
    try:
        return ray.get(one)
    except ray.exceptions.OutOfMemoryError as error:
        return Outcome("out of memory", one_line(f"Ray ended it: {error}"))
    except ray.exceptions.RayTaskError as error:  # a fault of the engine
        raise error.as_instanceof_cause() from error
    except ray.exceptions.RayError as error:
        return Outcome("crashed", one_line(f"Ray lost it: {error}"))


def _in_task(cell: Cell, limits: Limits, preload: list[str], start: str, paths: list[str]) -> Outcome:
    """Inside a process of Ray: the worker of this process, kept from cell to cell."""
    sys.path += [path for path in paths if path not in sys.path and os.path.exists(path)]
    kind = (limits, tuple(preload), start)
    if kind not in _workers:
        while _workers:
            _workers.popitem()[1].close()
        _workers[kind] = Worker(limits, preload, start)
    return _workers[kind].run(cell)


def _leave() -> None:
    """Shut down the cluster that was started here."""
    global _started
    if _started:
        with suppress(Exception):
            _ray().shutdown()
        _started = False
