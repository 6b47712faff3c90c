"""Two gloo processes under torchrun give the losses of one, also where one of them gets no sample at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from exval.data.patients import simulated_patients
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
    procs = world(torch.device("cpu"))
    assert procs == World(0, 1) and procs.is_first
    assert procs.sum(torch.tensor(3.0)).item() == 3
    procs.wait()


def test_a_run_of_patients_is_taught_by_two_processes(tmp_path):
    """In one script: what the first process wrote is there for both, and what is not trained is not waited for."""
    patients = simulated_patients(n=90, g=40, seed=0)
    patients.obs["kind"] = np.where(patients.X[:, 0] > np.median(patients.X[:, 0]), "a", "b")
    patients.write_h5ad(tmp_path / "patients.h5ad")
    small = {"model.width": 8, "model.decoder_width": 8, "model.factors": 6, "visibility.max_visible": 16}
    script = tmp_path / "teach.py"
    script.write_text(
        "from exval.verbs.finetune import finetune\n"
        "from exval.verbs.pretrain import pretrain\n"
        f"pretrain('patients.h5ad', recipe='gexbert', out='base', steps=2, overrides={small})\n"
        "finetune('base', 'patients.h5ad', label='kind', out='tuned', steps=2)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "tuned" / "config.json").read_text())["training"]["steps"] == 2
