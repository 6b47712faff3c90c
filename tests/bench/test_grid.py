"""A grid survives whatever stops it, runs nothing twice, and gives the same table in every way of running it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

import exval
from exval.bench.cell import Cell, Limits, key_of
from exval.bench.grid import run_grid
from exval.bench.order import Pace, in_order
from exval.bench.results import COLUMNS, Results
from exval.errors import InputError, OutputError
from exval.train.stop import Stopped

HERE = Path(__file__).parent
MEASURED = ["seconds", "peak_mb"]


def plan(n: int = 8, calls: Path | None = None, sleep: float = 0.0, **params) -> list[Cell]:
    local = {"sleep": sleep} | ({"calls": str(calls)} if calls else {})
    cells = []
    for i in range(n):
        labels = {"method": "ab"[i % 2], "task": "t", "data": f"d{i // 2}", "seed": 0}
        cells.append(Cell("benchcells:cell", {"method": "ab"[i % 2], "i": i, **params}, labels, local))
    return cells


def bad(**labels) -> Cell:
    return Cell(
        "benchcells:raises", {"kind": "value", **labels}, {"method": "bad", "task": "t", "data": "d0", **labels}
    )


def same(a: Results, b: Results) -> None:
    pd.testing.assert_frame_equal(a.rows.drop(columns=MEASURED), b.rows.drop(columns=MEASURED))
    pd.testing.assert_frame_equal(a.predictions, b.predictions)


# keys


def test_the_key_is_a_promise():
    assert key_of("a.b:c", {"k": 1, "l": ["x", None, 0.5]}, "0.1.0") == "50fe708d2903a321"


def test_the_key_is_that_of_the_work():
    one = Cell("a.b:c", {"k": 1, "l": {"m": 2, "n": 3}}, {"method": "x"})
    assert one.key == Cell("a.b:c", {"l": {"n": 3, "m": 2}, "k": 1}, {"method": "y"}, {"where": "/tmp"}, 5.0).key
    others = [
        Cell("a.b:d", one.params), Cell("a.b:c", {**one.params, "k": 2}), Cell("a.b:c", {**one.params, "k": 1.0}),
        Cell("a.b:c", {**one.params, "k": "1"}), Cell("a.b:c", {**one.params, "o": None}),
    ]  # fmt: skip
    assert len({one.key, *(other.key for other in others)}) == 6


def test_the_version_is_part_of_the_key(monkeypatch):
    before = Cell("a.b:c", {}).key
    monkeypatch.setattr("exval.bench.cell.__version__", "99.0")
    assert Cell("a.b:c", {}).key != before


@pytest.mark.parametrize("function, params, labels", [
    ("no colon", {}, {}), ("a:b", {"x": {1}}, {}), ("a:b", {"x": float("nan")}, {}), ("a:b", {}, {"colour": "red"}),
])  # fmt: skip
def test_what_is_no_cell_is_refused(function, params, labels):
    with pytest.raises(ValueError):
        Cell(function, params, labels)


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"memory_gb": -1}, {"threads": 0}, {"seconds": float("nan")}])
def test_limits_are_positive(limits):
    with pytest.raises(InputError):
        Limits(**limits)


# what is run, and what is not


def test_the_table(tmp_path):
    found = run_grid([*plan(3), bad()], tmp_path / "out", name="mine", config={"asked": 1})
    assert list(found.rows.columns) == list(COLUMNS)
    assert found.rows.method.tolist() == ["a", "b", "a", "bad"]
    assert found.rows.value.tolist()[:3] == [0.5, 1.5, 2.5]
    last = found.rows.iloc[3]
    assert (last.status, last.note, last.metric, last.data) == ("failed", "ValueError: of two lines", "", "d0")
    assert found.rows.config_hash[0] == plan(1)[0].key and (found.rows.seconds >= 0).all()
    assert found.predictions[["method", "data", "sample", "value"]].values.tolist()[2:4] == [
        ["b", "d0", "a", 1.5], ["b", "d0", "b", 2.5],
    ]  # fmt: skip
    assert found.config["cells"] == {"planned": 4, "ok": 3, "failed": 1} and found.config["asked"] == 1
    again = Results.load(found.save(tmp_path / "out"))
    same(again, found)


def test_nothing_is_run_twice_and_what_changed_is(tmp_path):
    calls, out = tmp_path / "calls", tmp_path / "out"
    first = run_grid(plan(4, calls), out)
    ran = calls.read_text().split()
    assert sorted(ran) == ["a-0", "a-2", "b-1", "b-3"]
    same(run_grid(plan(4, calls), out), first)
    assert calls.read_text().split() == ran
    found = run_grid([*plan(2, calls), *plan(1, calls, other=1)], out)
    assert calls.read_text().split() == [*ran, "a-0"] and len(found.rows) == 3
    fewer = run_grid(plan(1, calls), out)  # cells no longer asked for are left out, and left alone
    assert len(fewer.rows) == 1 and len(list((out / "cells").glob("*.json"))) == 5
    run_grid(plan(1, calls), out, resume=False)
    assert calls.read_text().split() == [*ran, "a-0", "a-0"] and len(list((out / "cells").glob("*.json"))) == 1


def test_a_run_that_goes_on_keeps_to_the_order(tmp_path):
    """First seeds first: cells of a second seed do not come forward because their first one is done."""
    calls, out = tmp_path / "calls", tmp_path / "out"
    cells = [
        Cell("benchcells:cell", {"method": data, "i": seed}, {"method": "a", "data": data, "seed": seed},
             {"calls": str(calls)})
        for data in "xyz" for seed in (0, 1)
    ]  # fmt: skip
    run_grid([cells[0]], out, workers=1)
    run_grid(cells, out, workers=1)
    assert calls.read_text().split() == ["x-0", "y-0", "z-0", "x-1", "y-1", "z-1"]


def test_labels_are_not_baked_in(tmp_path):
    run_grid(plan(1), tmp_path / "out")
    renamed = [Cell(c.function, c.params, {**c.labels, "method": "renamed"}) for c in plan(1)]
    found = run_grid(renamed, tmp_path / "out", only_collect=True)
    assert found.rows.method.tolist() == ["renamed"] and set(found.predictions.method) == {"renamed"}


def test_failures_are_kept_unless_asked_for(tmp_path):
    flag = tmp_path / "flag"
    cells = [Cell("benchcells:once", {}, {"method": "a"}, {"flag": str(flag)}), *plan(1)]
    assert run_grid(cells, tmp_path / "out").rows.status.tolist() == ["failed", "ok"]
    assert run_grid(cells, tmp_path / "out").rows.status.tolist() == ["failed", "ok"]
    assert run_grid(cells, tmp_path / "out", retry="failed").rows.status.tolist() == ["ok", "ok"]
    with pytest.raises(InputError, match="retry is 'failed' or nothing"):
        run_grid(cells, tmp_path / "out", retry="all")


def test_what_a_limit_ended_is_run_again_under_a_higher_one(tmp_path):
    cells = [Cell("benchcells:nap", {"sleep": 1.0}, {"method": "late"}), *plan(1)]
    assert run_grid(cells, tmp_path / "out", limits=Limits(seconds=0.3)).rows.status.tolist() == ["timeout", "ok"]
    again = run_grid(cells, tmp_path / "out", limits=Limits(seconds=0.2))
    assert again.rows.status.tolist() == ["timeout", "ok"] and "0.3 s" in again.rows.note.iloc[0]
    assert run_grid(cells, tmp_path / "out", limits=Limits(seconds=60)).rows.status.tolist() == ["ok", "ok"]


def test_times_of_other_numbers_of_threads_are_said(tmp_path, caplog):
    run_grid(plan(2), tmp_path / "out")
    assert "another number of threads" not in caplog.text
    run_grid(plan(3), tmp_path / "out", limits=Limits(threads=2))
    assert "2 jobs that have ended used another number of threads" in caplog.text


def test_only_collect_runs_nothing(tmp_path):
    out = tmp_path / "out"
    run_grid(plan(2), out)
    found = run_grid(plan(5), out, only_collect=True)
    assert found.config["cells"] == {"planned": 5, "ok": 2, "not run": 3} and len(found.rows) == 2


@pytest.mark.parametrize("damage", ["", '{"key": "', '{"key": "x", "rows": []}', "[]"])
def test_a_damaged_cell_is_run_again(tmp_path, damage):
    calls, out = tmp_path / "calls", tmp_path / "out"
    first = run_grid(plan(2, calls), out)
    (out / "cells" / f"{plan(1)[0].key}.json").write_text(damage)
    same(run_grid(plan(2, calls), out), first)
    assert sorted(calls.read_text().split()) == ["a-0", "a-0", "b-1"]


def test_units_that_are_lost_are_computed_again(tmp_path):
    out = tmp_path / "out"
    first = run_grid(plan(2), out)
    (out / "cells" / f"{plan(1)[0].key}.parquet").unlink()
    same(run_grid(plan(2), out), first)


def test_two_cells_that_are_one_call_are_refused(tmp_path):
    with pytest.raises(ValueError, match="the same call: a, d0, t, seed 0 and a, d0, t, seed 0"):
        run_grid([*plan(1), *plan(1)], tmp_path / "out")


@pytest.mark.parametrize("workers, start", [(1, "fork"), (3, "fork"), (2, "fresh")])
def test_how_it_is_run_does_not_show(tmp_path, workers, start):
    cells = [*plan(4), bad(), Cell("benchcells:draws", {}, {"method": "draws"})]
    want = run_grid(cells, tmp_path / "want", workers=2)
    same(run_grid(cells, tmp_path / "got", workers=workers, start=start), want)


# folders


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(OutputError, match="holds no benchmark"):
        run_grid(plan(1), tmp_path / "mine")
    with pytest.raises(OutputError, match="is a file"):
        run_grid(plan(1), tmp_path / "mine" / "thesis.txt")
    with pytest.raises(OutputError, match="there is no folder"):
        run_grid(plan(1), tmp_path / "no" / "out")
    (tmp_path / "empty").mkdir()
    run_grid(plan(1), tmp_path / "empty", name="one")
    with pytest.raises(OutputError, match="holds the benchmark 'one', not 'two'"):
        run_grid(plan(1), tmp_path / "empty", name="two", resume=False)
    assert len(list((tmp_path / "empty" / "cells").glob("*.json"))) == 1


# killed, interrupted, in use

RUN = """
    import sys
    sys.path.insert(0, {here!r})
    from test_grid import plan, run_grid
    from pathlib import Path
    from exval.errors import ExvalError
    from exval.train.stop import Stopped
    try:
        found = run_grid(plan({n}, Path({calls!r}), {sleep}), {out!r}, workers=2)
    except (ExvalError, Stopped) as error:
        print(type(error).__name__, error)
"""


def begin(tmp_path: Path, n: int = 12, sleep: float = 0.2) -> subprocess.Popen:
    code = RUN.format(here=str(HERE), n=n, calls=str(tmp_path / "calls"), sleep=sleep, out=str(tmp_path / "out"))
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)


def finished(tmp_path: Path) -> int:
    """Complete ones: what is being written has a name that begins with a dot."""
    return sum(not file.name.startswith(".") for file in (tmp_path / "out" / "cells").glob("*.json"))


def until(true, seconds: float = 60.0) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.01)


def of_run(tmp_path: Path) -> list[int]:
    """Processes that hold the folder of a run in their memory: its workers' cells."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and int(one.name) != os.getpid():
                maps = (one / "environ").read_bytes()
                state = (one / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if str(tmp_path).encode() in maps and state not in "ZX":
                    found.append(int(one.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("after", [0, 3, 8])
def test_kill_9_loses_the_running_cells_at_most(tmp_path, monkeypatch, after):
    monkeypatch.setenv("EXVAL_TEST_RUN", str(tmp_path))
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setenv("TMPDIR", str(room))
    run = begin(tmp_path)
    until(lambda: (tmp_path / "calls").exists() and finished(tmp_path) >= after)
    run.kill()
    run.wait()
    kept = finished(tmp_path)
    assert after <= kept < 12
    until(lambda: not of_run(tmp_path), 10)  # nothing goes on without it
    assert list(room.iterdir()) == []  # nor is anything left of it
    assert finished(tmp_path) == kept
    called = (tmp_path / "calls").read_text().split()
    got = run_grid(plan(12, tmp_path / "calls", 0.2), tmp_path / "out")
    again = (tmp_path / "calls").read_text().split()[len(called) :]
    assert len(again) == 12 - kept and len(called) <= kept + 2
    same(got, run_grid(plan(12), tmp_path / "whole"))
    assert [file.name for file in (tmp_path / "out" / "cells").iterdir() if file.name.startswith(".")] == []


def test_one_process_at_a_time(tmp_path):
    run = begin(tmp_path, sleep=0.5)
    until(lambda: finished(tmp_path) >= 1)
    with pytest.raises(OutputError, match=rf"written by another process \({run.pid} on "):
        run_grid(plan(1), tmp_path / "out")
    run.kill()
    run.wait()
    assert len(run_grid(plan(1), tmp_path / "out").rows) == 1  # a lock does not outlive its process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_answered(tmp_path, sent):
    run = begin(tmp_path, sleep=0.5)
    until(lambda: finished(tmp_path) >= 2)
    started = time.monotonic()
    run.send_signal(sent)
    said = run.communicate(timeout=30)[0]
    assert time.monotonic() - started < 8 and run.returncode == 0
    assert said.startswith("Stopped stopped; ") and "of 12 jobs are done and kept: the same command goes on" in said
    assert finished(tmp_path) == int(said.split()[2])


def test_a_fault_of_the_engine_ends_the_run_and_its_cells(tmp_path, monkeypatch):
    from exval.bench.shelf import Shelf

    def full(self, cell, outcome, limits):
        raise OutputError("the disk is full")

    monkeypatch.setenv("EXVAL_TEST_RUN", str(tmp_path))
    monkeypatch.setattr(Shelf, "put", full)
    with pytest.raises(OutputError, match="disk is full"):
        run_grid(plan(6, sleep=0.1), tmp_path / "out", workers=2)
    assert of_run(tmp_path) == []


# order and time


def test_order_gives_whole_cases_first_seeds_first():
    cells = [
        Cell("m:f", {"k": [m, d, s]}, {"method": m, "data": d, "seed": s}, expected=e)
        for m, e in (("slow", 50), ("quick", 1)) for d in ("x", "y") for s in (7, 8)
    ]  # fmt: skip
    order = in_order(cells)
    assert sorted(c.key for c in order) == sorted(c.key for c in cells)
    assert [tuple(c.params["k"]) for c in order] == [
        ("quick", "x", 7), ("slow", "x", 7), ("quick", "y", 7), ("slow", "y", 7),
        ("quick", "x", 8), ("slow", "x", 8), ("quick", "y", 8), ("slow", "y", 8),
    ]  # fmt: skip


def test_time_left_knows_slow_from_quick():
    pace = Pace(workers=2)
    cells = [Cell("m:f", {"i": i}, {"method": m, "data": d}) for i, (m, d) in enumerate(
        [("slow", "x"), ("quick", "x"), ("slow", "y"), ("quick", "y"), ("new", "z")])]  # fmt: skip
    assert pace.seconds_left(cells[2:]) is None
    pace.learn(cells[0], 100.0)
    pace.learn(cells[1], 1.0)
    pace.learn(cells[1], float("nan"))
    assert pace.seconds_left(cells[2:4]) == 100.0  # one worker has the slow one, whatever the other does
    assert pace.seconds_left(cells[3:4]) == 1.0
    assert pace.guess(cells[4]) == pytest.approx(50.5)
    assert pace.seconds_left([], [(cells[2], 60.0), (cells[3], 5.0)]) == 40.0


def test_expected_seconds_are_scaled_by_those_measured():
    pace = Pace(workers=1)
    a, b = (Cell("m:f", {"i": i}, {"method": str(i), "data": "x"}, expected=10.0 * (i + 1)) for i in range(2))
    assert pace.guess(b) == 20.0
    pace.learn(a, 30.0)
    assert pace.guess(b) == 60.0


# Ray


@pytest.fixture(scope="module")
def ray():
    return pytest.importorskip("ray")


def test_ray_gives_the_same_table(tmp_path, ray):
    cells = [*plan(6), bad(), Cell("benchcells:draws", {}, {"method": "draws"}), Cell("benchcells:exits", {}, {})]
    limits = Limits(seconds=60, memory_gb=0.5)
    want = run_grid(cells, tmp_path / "local", limits=limits)
    got = run_grid(cells, tmp_path / "ray", limits=limits, engine="ray", workers=2)
    same(got, want)
    assert not ray.is_initialized()


def test_ray_says_when_nothing_is_large_enough(tmp_path, ray):
    with pytest.raises(InputError, match="no node of the Ray cluster has room for a cell of 5000 threads"):
        run_grid(plan(1), tmp_path / "out", limits=Limits(threads=5000), engine="ray")
    assert not ray.is_initialized()


def test_engines_have_names(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no engine is called 'slurm'"):
        run_grid(plan(1), tmp_path / "out", engine="slurm")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="needs Ray: pip install"):
        run_grid(plan(1), tmp_path / "out", engine="ray")


def test_what_a_folder_says_of_itself(tmp_path):
    run_grid(plan(1), tmp_path / "out", name="mine")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["kind"], config["name"], config["version"]) == ("bench", "mine", exval.__version__)
    assert issubclass(Stopped, KeyboardInterrupt)
