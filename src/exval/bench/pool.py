"""Cells on this machine: a few workers, each with one cell at a time."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from exval.bench.cell import Cell, Limits
from exval.bench.outcome import Outcome
from exval.bench.watch import machine_memory_gb
from exval.errors import OutputError

ALWAYS = ("numpy", "pandas", "pyarrow.parquet", "exval.bench.outcome", "exval.bench.results")
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
LOOK_S = 0.2


def preload_of(cells: Sequence[Cell], also: Sequence[str] = ()) -> list[str]:
    """What a worker imports before it forks: the modules of the functions, and what writes tables."""
    return list(dict.fromkeys([*ALWAYS, *also, *sorted({cell.function.partition(":")[0] for cell in cells})]))


def prepare(limits: Limits, workers: int | None = None) -> int:
    """How many cells run at a time: as many as there are cores for their threads, and memory for their limits.

    Examples
    --------
    >>> prepare(Limits(threads=100_000)), prepare(Limits(memory_gb=1e9)), prepare(Limits(), workers=3)
    (1, 1, 3)
    """
    if workers is not None:
        return max(workers, 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = cores // limits.threads
    if limits.memory_gb:
        found = min(found, int(machine_memory_gb() / limits.memory_gb))
    return max(found, 1)


class Worker:
    """One process that runs cells; it is started at the first cell and again if it should die.

    Parameters
    ----------
    limits
        Of each cell.
    preload
        Modules imported once.
    start
        ``"fork"``: cells are forked from the worker where that is safe; ``"fresh"``: each gets a new Python.

    Examples
    --------
    >>> worker = Worker(Limits(seconds=30))
    >>> worker.run(Cell("exval.recipes.selftest:score", {"method": "raises"})).note
    'ValueError: this cell raises, as it was asked to'
    >>> worker.close(); worker.tidy()
    """

    def __init__(self, limits: Limits, preload: Sequence[str] = (), start: str = "fork") -> None:
        self.limits, self.preload, self.start = limits, list(preload), start
        self._process: subprocess.Popen | None = None
        self._room: Path | None = None
        self._lock = threading.Lock()
        self._spent: list[subprocess.Popen] = []
        self.closed = False

    def run(self, cell: Cell) -> Outcome:
        """What became of a cell, whatever it did.

        Raises
        ------
        OutputError
            If something else deletes the temporary files of running cells: that is no result of a cell.
        """
        began = time.monotonic()
        whole, code = True, None
        for _ in range(2):  # a worker that dies, and files that vanish, may be nobody's fault, once
            process = self._ready()
            if process is None:
                return Outcome("crashed", "its worker could not be started", wall=time.monotonic() - began)
            self._room.mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self._room))
            try:
                self._ask(process, cell, folder)
                line = process.stdout.readline()
                whole = (folder / "request.json").is_file()
                if line and whole:
                    return _read(json.loads(line), folder)
            except (ValueError, OSError):
                pass  # it has died
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            code = self._end()
            if self.closed:
                break
            self.tidy()
        if not whole and not self.closed:
            raise OutputError(
                f"something deletes the files of running cells in {self._room.parent}: name another place with TMPDIR"
            )
        return Outcome("crashed", f"its worker ended twice (exit code {code})", wall=time.monotonic() - began)

    def close(self) -> None:
        """End the worker and whatever it runs; may be called from another thread."""
        self.closed = True
        self._end()
        if self._room is not None:
            shutil.rmtree(self._room, ignore_errors=True)

    def _ask(self, process: subprocess.Popen, cell: Cell, folder: Path) -> None:
        request = {
            "function": cell.function, "params": cell.params, "local": cell.local, "folder": str(folder),
            "seconds": self.limits.seconds, "memory_gb": self.limits.memory_gb, "seed": int(cell.key[:8], 16),
            "sys_path": sys.path, "preload": self.preload,
        }  # fmt: skip
        (folder / "request.json").write_text(json.dumps(request))
        said = {name: request[name] for name in ("folder", "seconds", "memory_gb")}
        process.stdin.write(json.dumps(said) + "\n")
        process.stdin.flush()

    def _ready(self) -> subprocess.Popen | None:
        """The running worker; a new one where there is none; None where none starts."""
        for start in dict.fromkeys((self.start, "fresh")):
            with self._lock:
                if self.closed:
                    return None
                if self._process is not None and self._process.poll() is None:
                    return self._process
                process = self._process = self._launch()
            with suppress(OSError, ValueError):
                hello = {"sys_path": sys.path, "preload": self.preload, "start": start}
                process.stdin.write(json.dumps(hello) + "\n")
                process.stdin.flush()
                if said := json.loads(process.stdout.readline() or "null"):
                    self.start = said["start"]
                    return process
            self._end()
            if not self.closed:
                self.tidy()
        return None

    def _launch(self) -> subprocess.Popen:
        self._room = self._room or Path(tempfile.mkdtemp(prefix="exval-bench-"))
        self._room.mkdir(exist_ok=True)
        threads = dict.fromkeys(THREADS, str(self.limits.threads))
        quiet = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4", "MPLBACKEND": "Agg"}
        same = {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with (self._room / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "exval.bench.worker", str(self._room)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True, env={**os.environ, **threads, **quiet, **same},
            )  # fmt: skip

    def _end(self) -> int | None:
        """Stop the process; its exit code."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return None
        with suppress(OSError):
            process.stdin.close()  # it ends when its input does; but it may be importing, hence the signal
            process.terminate()
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self._spent.append(process)  # another thread may be reading from it
        return code

    def tidy(self) -> None:
        """Close the pipes of processes that have ended; when no other thread reads from them."""
        while self._spent:
            self._spent.pop().stdout.close()


def _read(said: dict[str, Any], folder: Path) -> Outcome:
    units = folder / "units.parquet"
    ok = said["status"] == "ok"
    return Outcome(
        said["status"], said["note"], said.get("rows", []), units.read_bytes() if ok and units.is_file() else None,
        said["seconds"], said["peak_mb"], said["wall"], said["log"],
    )  # fmt: skip


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
    """Run cells in their order on ``workers`` processes and yield them as they finish.

    A worker begins its next cell when the one that it has finished was taken and the next one is asked for.

    Parameters
    ----------
    cells, limits
        What to run, and what each may use.
    workers
        How many at a time.
    preload
        Modules that are imported once, beside those of the cells' functions.
    start
        See :class:`Worker`.
    begun
        Called when a cell begins.
    asked_to_stop
        Looked at five times a second; when true, running cells are ended without an outcome.
    """
    waiting, done = deque(cells), queue.SimpleQueue()
    modules = preload_of(cells, preload)
    pool = [Worker(limits, modules, start) for _ in range(min(workers, len(cells)))]

    def serve(worker: Worker) -> None:
        try:
            while not worker.closed:
                try:
                    cell = waiting.popleft()
                except IndexError:
                    return
                begun(cell)
                outcome, kept = worker.run(cell), threading.Event()
                if not worker.closed:
                    done.put((cell, outcome, kept))
                while not (kept.wait(LOOK_S) or worker.closed):
                    pass  # the next one begins when this one is safe, so that a crash loses running cells at most
        except BaseException as error:  # a fault of the engine: said by the benchmark, not by a thread
            done.put((None, error, None))

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in pool]
    for thread in threads:
        thread.start()
    try:
        left = len(cells)
        while left and not asked_to_stop():
            try:
                cell, outcome, kept = done.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if cell is None:
                raise outcome
            left -= 1
            yield cell, outcome
            kept.set()  # whoever took it has come back for more
    finally:
        waiting.clear()
        for worker in pool:
            worker.closed = True
        for worker in pool:
            worker.close()
        for thread, worker in zip(threads, pool):
            thread.join(timeout=10)
            if not thread.is_alive():
                worker.tidy()
