"""kill -9 at random steps, resumed: the same log and the same weights, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "resume.py"


def test_a_run_killed_five_times_is_the_run_that_was_not(tmp_path):
    out = tmp_path / "resume.json"
    command = [sys.executable, str(SCRIPT), "--steps", "24", "--kills", "5", "--seed", "3", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for row in json.loads(out.read_text())["trainings"]:
        assert len(row["killed_after_step"]) == 5 and max(row["killed_after_step"]) > 5
        assert any(saved > 0 for saved in row["resumed_from_step"])
        assert row["lines_of_the_log"] >= 24 + 5 and row["tensors"] > 40
        assert (row["lines_that_differ"], row["tensors_that_differ"]) == (0, 0), row
