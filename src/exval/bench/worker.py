"""The process beside the benchmark that runs its cells, one after the other, each in a child of its own.

``python -m exval.bench.worker`` imports what the cells need once, and forks itself for each of them: a cell starts in
milliseconds instead of the seconds that importing torch takes. Where forking is not safe (macOS, threads in the
process) every cell gets a new Python instead. The worker computes nothing; it watches time and memory of its child,
kills what goes beyond, and answers with what became of it. It ends, and its child with it, when the benchmark does.

It reads JSON lines from stdin: first ``sys_path, preload, start``, then for each cell ``folder`` (holds
``request.json``), ``seconds``, ``memory_gb``. It answers each with a line on stdout. Its argument is the folder of
all of these, which it removes at the end.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from exval.bench import watch

FIRST_LOOK_S, LOOK_S, LONGEST_START_S, LOG_KEPT = 0.002, 0.02, 600.0, 4000
_answers = -1


def main() -> None:
    """Serve cells until stdin ends."""
    if sys.argv[1:2] == ["--one"]:
        _cell(Path(sys.argv[2]), int(sys.argv[3]))
    global _answers
    _answers = os.dup(1)
    os.dup2(2, 1)  # what anything prints is not an answer
    watch.adopt_orphans()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        _serve_all(_lines())
    finally:  # stdin has ended; a benchmark that was killed cannot tidy up any more
        for room in sys.argv[1:]:
            shutil.rmtree(room, ignore_errors=True)


def _serve_all(requests: Iterator[str]) -> None:
    hello = json.loads(next(requests, "") or "null")
    if hello is None:
        return
    sys.path[:] = hello["sys_path"]
    start = _prepare(hello["preload"]) if hello["start"] == "fork" else "fresh"
    _say({"start": start})
    for line in requests:
        answer = _serve(json.loads(line), start)
        if answer is None:  # nobody is listening any more
            break
        _say(answer)


def _say(answer: dict[str, Any]) -> None:
    text = (json.dumps(answer) + "\n").encode()
    with suppress(BrokenPipeError):
        while text:
            text = text[os.write(_answers, text) :]


def _terminated(number: int, frame: object) -> None:
    watch.end_all()
    os._exit(128 + number)


def _lines() -> Iterator[str]:
    """Lines of stdin, unbuffered, so that ``select`` sees what has not been read."""
    rest = b""
    while chunk := os.read(0, 65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in whole)


def _prepare(preload: list[str]) -> str:
    """Import what cells need; ``"fork"`` if this process can be forked afterwards, else ``"fresh"``."""
    import gc
    import threading

    for name in preload:
        with suppress(Exception):  # the cell that needs it will say so
            importlib.import_module(name)
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return "fresh"
    gc.collect()
    gc.freeze()  # a collection in the child would copy every page that this process owns
    return "fork"


def _serve(request: dict[str, Any], start: str) -> dict[str, Any] | None:
    """Run one cell under watch; None if the benchmark went away meanwhile."""
    folder, me = Path(request["folder"]), os.getpid()
    kills = watch.system_kills()
    began = time.monotonic()
    if start == "fork":
        pid = os.fork()  # no thread of this process holds a lock: _prepare has looked
        if pid == 0:
            _cell(folder, me)
    else:
        command = [sys.executable, "-m", "exval.bench.worker", "--one", str(folder), str(me)]
        pid = os.posix_spawn(sys.executable, command, os.environ)
    ended, code, used, peak_mb = _watch(pid, request, began)
    wall = time.monotonic() - began
    watch.end_all()
    if ended == "left":
        return None
    found = {"seconds": used, "peak_mb": peak_mb, "wall": wall, "log": ""}
    written = folder / "answer.json"
    if ended is None and written.is_file():
        found |= json.loads(written.read_text())
    else:
        log = _tail(folder / "log")
        status, note = _why(ended, code, request, peak_mb, log, watch.system_kills() > kills)
        found |= {"status": status, "note": note, "log": log}
    return found


def _watch(pid: int, request: dict[str, Any], began: float) -> tuple[str | None, int, float, float]:
    """Wait for the child: why it was ended (None: by itself), its exit status, CPU-seconds, growth of memory in MB."""
    limit_s, limit_mb = request["seconds"], (request["memory_gb"] or 0) * 1000
    called = None  # when the function was called: what is imported before is not the cell's time
    top, pause, ended = 0.0, FIRST_LOOK_S, None
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            used = usage.ru_utime + usage.ru_stime
            return ended, os.waitstatus_to_exitcode(status), used, max(top - _base_mb(request), 0.0)
        looked = time.monotonic()
        now_mb = watch.memory_mb([pid, *watch.below(pid)])
        top = max(top, now_mb)
        if called is None and (Path(request["folder"]) / "base").exists():
            called = looked
        if ended is None:
            if limit_mb and now_mb > limit_mb:
                ended = "memory"
            elif limit_s and called is not None and looked - called > limit_s:
                ended = "time"
            elif called is None and looked - began > LONGEST_START_S:
                ended = "start"
        if ended is not None:
            watch.kill_below(os.getpid())
        pause = max(min(1.5 * pause, LOOK_S), 10 * (time.monotonic() - looked))
        if select.select([0], [], [], pause)[0] and ended is None:
            ended = "left"  # the benchmark says nothing while a cell runs: stdin has ended


def _base_mb(request: dict[str, Any]) -> float:
    """What the child held before it called the function."""
    with suppress(OSError, ValueError):
        return float((Path(request["folder"]) / "base").read_text())
    return 0.0


def _why(ended, code, request, peak_mb, log, system_killed) -> tuple[str, str]:
    """Status and note of a cell that gave no answer."""
    if ended == "time":
        return "timeout", f"longer than {request['seconds']:g} s"
    if ended == "start":
        return "timeout", f"its process was not ready after {LONGEST_START_S:g} s"
    if ended == "memory":
        return "out of memory", f"more than {request['memory_gb']:g} GB"
    if code >= 0:
        return "crashed", f"its process ended with exit code {code} and without an answer"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if code == -signal.SIGKILL and system_killed:
        return "out of memory", "the system had no memory left and killed it"
    said = next((line for line in log.splitlines() if line.startswith("Fatal Python error")), "")
    return "crashed", f"its process was killed by {name}" + (f" ({said})" if said else "")


def _tail(path: Path) -> str:
    with suppress(OSError):
        return path.read_bytes()[-LOG_KEPT:].decode(errors="replace")
    return ""


def _cell(folder: Path, parent: int) -> None:
    """The child: compute, write ``answer.json`` (after ``units.parquet``), and end. Never returns."""
    watch.die_with(parent)
    code = 1
    try:
        request = json.loads((folder / "request.json").read_text())
        _settle(folder, request)
        answer = _compute(folder, request)
        part = folder / "answer.part"
        part.write_text(json.dumps(answer))
        os.replace(part, folder / "answer.json")
        code = 0
    except BaseException:  # not even an answer could be written
        import traceback

        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle(folder: Path, request: dict[str, Any]) -> None:
    """Make the child independent of the worker: session, streams, signals, limits, place for temporary files."""
    import faulthandler
    import tempfile

    with suppress(OSError):
        os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if _answers >= 0:
        os.close(_answers)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.enable(sys.stderr)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if request["memory_gb"] and watch.LINUX:
        # A backstop for what is allocated between two looks. Address space (RLIMIT_AS) would count what torch and CUDA
        # only reserve; this counts what can be written to.
        most = int(2e9 * request["memory_gb"] + 2e9)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if the system must kill something, then this
    sys.path[:] = request["sys_path"]
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _compute(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Call the function; whatever it raises is its result."""
    import traceback

    from exval.bench.cell import function_of
    from exval.bench.outcome import checked, of_exception

    try:
        for name in request["preload"]:  # imported already after a fork
            with suppress(Exception):
                importlib.import_module(name)
        function = function_of(request["function"])
        _seed(request["seed"])
        (folder / "base").write_text(f"{watch.memory_mb([os.getpid()])}")
        before = _cpu_seconds()
        began = time.monotonic()
        answer = function({**request["params"], **request["local"]})
        wall, used = time.monotonic() - began, _cpu_seconds() - before
        rows, units = checked(answer)
        if units is not None:
            units.to_parquet(folder / "units.parquet", index=False)
        return {"status": "ok", "note": "", "rows": rows, "seconds": used, "wall": wall}
    except BaseException as error:
        status, note = of_exception(error)
        with suppress(Exception):
            traceback.print_exc()
            sys.stderr.flush()
        return {"status": status, "note": note, "log": _tail(folder / "log")}


def _cpu_seconds() -> float:
    """Of all threads of this process, and of the processes that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _seed(seed: int) -> None:
    """Global generators, for a function that forgets its own: else a fork and a new process would differ."""
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


if __name__ == "__main__":
    main()
