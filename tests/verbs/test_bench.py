"""`exval bench`: what it lists, plans, runs, and says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from exval.bench.results import Results
from exval.cli.app import main
from exval.errors import InputError
from exval.verbs.bench import describe, plan_benchmark, run_benchmark

FEW = ["alpha", "beta", "nothing", "raises"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "out"
    return run_benchmark("selftest", out=out, method=FEW, seeds=1), out


def test_the_folder_is_complete(ran):
    found, out = ran
    assert {"results.parquet", "predictions.parquet", "config.json", "report.html", "cells", "extras"} <= {
        file.name for file in out.iterdir()
    }
    again = Results.load(out)
    assert again.verdict == found.verdict and again.config["cells"] == {"planned": 19, "ok": 18, "failed": 1}
    pd.testing.assert_frame_equal(again.extras["leaderboard"], found.extras["leaderboard"])
    assert len(again.predictions) == 18 * 40 and {"method", "data", "task", "sample", "value"} <= set(again.predictions)
    assert again.config["machine"]["cores"] >= 1 and again.config["versions"]["numpy"]
    assert again.config["command"] == f"exval bench selftest --method alpha,beta,nothing,raises --seeds 1 -o {out}"


def test_the_verdict(ran):
    assert ran[0].verdict == ("3 methods on 3 data sets in 2 tasks: alpha has the best mean rank (1.0); 3 data sets "
                              "are too few for an interval or a test. One of 19 jobs failed.")  # fmt: skip
    assert "alpha" in repr(ran[0]) and "sums" in repr(ran[0])


def test_the_page_has_it_all(ran):
    page = (ran[1] / "report.html").read_text()
    for text in (ran[0].verdict, "Methods by tasks", "this cell raises, as it was asked to", "Scores are invented"):
        assert text in page


def test_a_later_run_replaces_the_tables(tmp_path):
    out = tmp_path / "out"
    run_benchmark("selftest", out=out, method=["alpha", "raises"], seeds=1)
    assert (out / "extras" / "failures.parquet").exists()
    run_benchmark("selftest", out=out, method=["alpha", "beta"], seeds=1)
    assert not (out / "extras" / "failures.parquet").exists()


def test_only_report_says_that_it_is_incomplete(ran):
    found = run_benchmark("selftest", out=ran[1], method=[*FEW, "gamma"], seeds=1, only_report=True)
    assert found.verdict.startswith("Incomplete, 19 of 25 jobs: 3 methods on 3 data sets")
    assert "6 of 25 jobs have not been run" in (ran[1] / "report.html").read_text()
    run_benchmark("selftest", out=ran[1], method=FEW, seeds=1)


def test_a_plan_computes_nothing_and_tells_all(ran):
    planned = plan_benchmark("selftest", seeds=1, seconds=9, memory_gb=2.5, threads=2)
    assert (planned.limits.seconds, planned.limits.memory_gb, planned.limits.threads) == (9, 2.5, 2)
    lines = describe(planned, workers=1)
    assert lines[0] == "30 jobs: 10 methods, 3 data sets, 2 tasks"
    assert lines[1:3] == ["limits of each: 2 threads, 0:09, 2.5 GB", "time: about 0:01 with 1 at a time"]
    assert lines[3].startswith("left out: raises on all other sets, ") and lines[3].endswith(
        "and 1 more (one is enough)"
    )
    lines = describe(plan_benchmark("selftest", method=[*FEW, "gamma"], seeds=1), ran[1])
    assert "done already: 19, of which 1 failed" in lines
    assert "nothing is left to run" in describe(plan_benchmark("selftest", method=FEW, seeds=1), ran[1])


@pytest.mark.parametrize("asked, message", [
    ({"name": "selftst"}, "no benchmark is called 'selftst'; did you mean 'selftest'"),
    ({"preset": "huge"}, "has no preset 'huge'; there are: cpu, paper"),
    ({"method": ["nope"]}, "no method is called 'nope'"),
    ({"data": "/no/such/folder"}, "is not a folder"),
    ({"seconds": -1}, "above zero"),
])  # fmt: skip
def test_faults_are_one_line(asked, message):
    with pytest.raises(InputError, match=message):
        plan_benchmark(**({"name": "selftest"} | asked))


def test_command_line(ran, capsys):
    words = ["bench", "selftest", "-m", ",".join(FEW), "--seeds", "1"]
    assert main([*words, "-o", str(ran[1])]) == 0
    assert capsys.readouterr().out.splitlines() == [ran[0].verdict, f"Report: {ran[1]}/report.html"]
    assert main([*words, "--dry-run", "-o", str(ran[1])]) == 0
    assert "nothing is left to run" in capsys.readouterr().out
    assert main(words) == 2
    assert capsys.readouterr().err == "error: name a folder for the results: -o DIR\n"
    assert main(["bench", "--json"]) == 0
    assert "selftest" not in [one["name"] for one in json.loads(capsys.readouterr().out)]


def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path):
    words = [sys.executable, "-m", "exval", "bench", "selftest", "-m", "alpha,hangs", "-o", str(tmp_path / "out")]
    run = subprocess.Popen([*words, "--seconds", "100"], stderr=subprocess.PIPE, text=True)
    cells = tmp_path / "out" / "cells"
    last = time.monotonic() + 100
    while not (cells.exists() and len(list(cells.glob("*.json"))) >= 12) and time.monotonic() < last:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=60)[1].splitlines()[-1]
    assert (said, run.returncode) == (
        "stopped; 12 of 13 jobs are done and kept: the same command goes on from there", 130,
    )  # fmt: skip
