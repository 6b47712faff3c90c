"""Whatever a cell does is its own result, and nobody else's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from exval.bench.cell import Cell, Limits
from exval.bench.pool import Worker
from exval.bench.watch import below, memory_mb
from exval.errors import OutputError

PRELOAD = ["numpy", "pandas", "pyarrow.parquet", "benchcells"]


def cell(name: str, **params) -> Cell:
    return Cell(f"benchcells:{name}", params, {"method": name})


@pytest.fixture(scope="module", params=["fork", "fresh"])
def worker(request):
    made = Worker(
        Limits(seconds=2.0, memory_gb=0.5), ["numpy", "pandas", "pyarrow.parquet", "benchcells"], request.param
    )
    yield made
    made.close()
    made.tidy()


@pytest.fixture(scope="module")
def forked():
    made = Worker(Limits(seconds=20, memory_gb=0.5), PRELOAD)
    yield made
    made.close()
    made.tidy()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


FAULTS = [
    ("raises", {"kind": "value"}, "failed", "ValueError: of two lines"),
    ("raises", {"kind": "exit"}, "failed", "it called sys.exit(4)"),
    ("raises", {"kind": "stop"}, "failed", "KeyboardInterrupt"),
    ("exits", {}, "crashed", "its process ended with exit code 0 and without an answer"),
    ("killed", {"signal": "SIGSEGV"}, "crashed", "SIGSEGV (Fatal Python error: Segmentation fault)"),
    ("killed", {"signal": "SIGKILL"}, "crashed", "its process was killed by SIGKILL"),
    ("killed", {"signal": "SIGTERM"}, "crashed", "its process was killed by SIGTERM"),
    ("nap", {"sleep": 60}, "timeout", "longer than 2 s"),
    ("at_once", {"gb": 50}, "out of memory", "Unable to allocate"),
    ("at_once", {"gb": 1.5}, "out of memory", "more than 0.5 GB"),
    ("grows_elsewhere", {}, "out of memory", "more than 0.5 GB"),
    ("missing", {}, "failed", "there is no function 'missing' in benchcells"),
    ("answer", {"answer": 7}, "failed", "this one returned int"),
    ("answer", {"answer": {"metric": "rmse"}}, "failed", "this one returned keys metric"),
    ("answer", {"answer": {"rows": []}}, "failed", "at least one row"),
    ("answer", {"answer": {"rows": [{"metric": "rmse", "score": 1}]}}, "failed", "not columns of the results table"),
    ("answer", {"answer": {"rows": [{"metric": "rmse", "value": "high"}]}}, "failed", "is a number, not 'high'"),
    ("answer", {"answer": {"rows": [{"value": 1.0}]}}, "failed", "has a metric"),
    ("answer", {"answer": {"rows": [{"metric": "a", "value": 1}], "units": [1]}}, "failed", "DataFrame, not list"),
]  # fmt: skip


@pytest.mark.parametrize("name, params, status, note", FAULTS)
def test_a_fault_is_the_result_of_its_cell(forked, name, params, status, note):
    slow = name == "nap"
    runner = Worker(Limits(seconds=2.0), forked.preload) if slow else forked
    found = runner.run(cell(name, **params))
    assert (found.status, found.rows, found.units) == (status, [], None)
    assert note in found.note and "\n" not in found.note
    assert forked.run(cell("nap", sleep=0)).status == "ok"
    if slow:
        assert found.wall < 10
        runner.close()
        runner.tidy()


def test_both_ways_of_starting_record_faults_and_go_on(worker):
    for name, params, status, note in (FAULTS[0], FAULTS[3], FAULTS[4], FAULTS[7], FAULTS[9]):
        found = worker.run(cell(name, **params))
        assert found.status == status and note in found.note
    assert worker.run(cell("nap", sleep=0)).rows == [{"metric": "rmse", "value": 1.0}]


def test_both_ways_of_starting_draw_the_same(worker):
    other = Worker(worker.limits, worker.preload, "fork")
    rows = [one.run(cell("draws")).rows for one in (worker, worker, other)]
    assert rows[0] == rows[1] == rows[2] and 0 < rows[0][0]["value"] < 2
    other.close()
    other.tidy()


def test_a_traceback_is_kept(forked):
    assert "benchcells.py" in forked.run(cell("raises", kind="value")).log


def test_cost_is_measured(forked):
    found = forked.run(cell("at_once", gb=0.3))
    assert found.status == "ok" and 250 < found.peak_mb < 450
    assert 0.01 < found.seconds < 20 and found.wall >= 0.01
    assert forked.run(cell("nap", sleep=0.3)).seconds < 0.2


def test_cost_of_an_ended_cell_is_measured(forked):
    found = forked.run(cell("grows_elsewhere"))
    assert found.peak_mb > 350 and found.wall > 0


@pytest.mark.parametrize("wait, status", [(False, "ok"), (True, "timeout")])
def test_no_process_of_a_cell_outlives_it(tmp_path, wait, status):
    runner = Worker(Limits(seconds=3.0), ["benchcells"])
    found = runner.run(cell("starts", pid=str(tmp_path / "pid"), wait=wait))
    assert found.status == status
    assert not alive(int((tmp_path / "pid").read_text()))
    runner.close()
    runner.tidy()


def test_what_a_cell_prints_is_no_answer(forked):
    found = forked.run(cell("noisy"))
    assert (found.status, found.rows[0]["note"]) == ("ok", "''")


def test_a_figure_that_is_no_number_failed(forked):
    rows = [{"metric": "ari", "value": None}, {"metric": "nmi", "value": 0.5, "status": "ok"}]
    found = forked.run(cell("answer", answer={"rows": rows}))
    assert found.status == "ok" and [row.get("status") for row in found.rows] == ["failed", "ok"]


@pytest.mark.parametrize("n", [1, 2])
def test_threads_survive_the_fork(n):
    runner = Worker(Limits(seconds=120, threads=n), ["numpy", "torch", "pandas", "benchcells"])
    found = [runner.run(cell("threads", i=i)) for i in range(2)]
    runner.close()
    runner.tidy()
    assert runner.start == "fork"
    for one in found:
        assert (one.status, one.rows[0]["note"]) == ("ok", str(n))
        assert one.rows[0]["n"] <= n


def test_a_worker_that_dies_is_started_again(tmp_path):
    runner = Worker(Limits(seconds=60), ["pandas", "benchcells"])
    assert runner.run(cell("nap", sleep=0)).status == "ok"
    found = []
    calls = tmp_path / "calls"
    thread = threading.Thread(
        target=lambda: found.append(runner.run(cell("cell", method="m", i=1, sleep=3, calls=str(calls))))
    )
    thread.start()
    while not calls.exists():
        time.sleep(0.01)
    os.kill(runner._process.pid, signal.SIGKILL)
    thread.join()
    assert found[0].status == "ok" and calls.read_text() == "m-1\n" * 2
    runner.close()
    runner.tidy()


@pytest.mark.parametrize("times", [1, 2])
def test_files_that_vanish_are_no_result_of_the_cell(tmp_path, times):
    runner = Worker(Limits(seconds=60), ["pandas", "benchcells"])
    assert runner.run(cell("nap", sleep=0)).status == "ok"
    calls, found = tmp_path / "calls", []

    def run():
        try:
            found.append(runner.run(cell("cell", method="m", i=1, sleep=2, calls=str(calls))).status)
        except OutputError as error:
            found.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    for n in range(1, times + 1):
        while not calls.exists() or len(calls.read_text().split()) < n:
            time.sleep(0.01)
        shutil.rmtree(runner._room)
    thread.join()
    assert found == ["ok"] if times == 1 else "name another place with TMPDIR" in found[0]
    runner.close()
    runner.tidy()


def test_closing_ends_what_runs(tmp_path):
    runner = Worker(Limits(), ["benchcells"])
    thread = threading.Thread(target=runner.run, args=(cell("starts", pid=str(tmp_path / "pid"), wait=True),))
    thread.start()
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    room, pid = runner._room, runner._process.pid
    started = time.monotonic()
    runner.close()
    thread.join()
    runner.tidy()
    assert time.monotonic() - started < 5
    assert not alive(pid) and not room.exists() and pid not in below(os.getpid())
    assert not alive(int((tmp_path / "pid").read_text() or 0) or 2**22 + 1)


@pytest.mark.parametrize("module, source", [
    ("starts_a_thread", "import threading as t, time; t.Thread(target=time.sleep, args=(999,), daemon=True).start()"),
    ("kills_its_process", "import os; os._exit(7)"),
], ids=["a thread", "a death"])  # fmt: skip
def test_where_forking_is_not_safe_every_cell_gets_a_new_python(tmp_path, monkeypatch, module, source):
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    runner = Worker(Limits(seconds=60), ["benchcells", module])
    found = runner.run(cell("nap", sleep=0))
    assert runner.start == "fresh"
    assert found.status == ("ok" if module == "starts_a_thread" else "crashed")
    runner.close()
    runner.tidy()


def test_without_proc_ps_is_asked(monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", "x = bytearray(60_000_000); input()"], stdin=subprocess.PIPE)
    try:
        while memory_mb([child.pid]) < 60:
            time.sleep(0.01)
        seen, family = memory_mb([child.pid]), below(os.getpid())
        monkeypatch.setattr("exval.bench.watch.LINUX", False)
        assert child.pid in family and below(os.getpid()) == sorted(family)
        assert seen < memory_mb([child.pid]) < seen + 60
    finally:
        child.kill()
        child.communicate()
