"""Two gloo processes under torchrun give the losses of one, also where one of them gets no sample at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from exval.train.distributed import World, world

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "distributed.py"


def test_two_processes_are_one(tmp_path):
    out = tmp_path / "distributed.json"
    command = [sys.executable, str(SCRIPT), "--batch", "28", "--steps", "20", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    queries = result["queries_of_both_processes"]
    assert len(queries) == len(result["loss_two_processes"]) == 20
    assert result["steps_with_unequal_numbers_of_queries"] > 15 and any(0 in pair for pair in queries)
    assert result["largest_difference_of_a_loss"] < 1e-5
    assert result["largest_difference_of_a_validation_loss"] < 1e-5


def test_alone_nothing_is_joined(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with world(torch.device("cpu")) as procs:
        assert procs == World(0, 1) and procs.is_first
        assert procs.sum(torch.tensor(3.0)).item() == 3
        procs.wait()
