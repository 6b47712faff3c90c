"""20 steps by two gloo processes under torchrun beside the same 20 steps by one: how far apart are the losses?

    python benchmarks/distributed.py            # a minute

60 real cells x 300 genes, a model of width 8, float32, one thread a process. A global batch is 19 of 57 training cells,
so one process gets 9 and the other 10, with different numbers of queries; every loss is divided by the number of
queries of both. ``--batch 28`` leaves a last batch of one cell, of which one process gets none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from resume import small_cells
from safetensors.torch import load_file

from exval.data.sampling import Sampler
from exval.data.store import Store
from exval.recipes.config import RunConfig
from exval.rng import Draw
from exval.run import Run
from exval.train.log import read_log
from exval.train.setup import split_rows

SETTINGS = (
    "model.width=8",
    "model.decoder_width=8",
    "model.factors=4",
    "train.valid_every=10",
    "train.micro_batch=9",  # one forward pass in one process, two in the other
)


def train(out: Path, file: Path, steps: int, batch: int, processes: int) -> None:
    """``exval pretrain``, alone or under torchrun."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "exval", "pretrain", str(file), "-o", str(out), "--steps", str(steps), "--quiet"]
    for setting in (*SETTINGS, f"train.batch_size={batch}"):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{done.stderr[-4000:]}")


def queries(out: Path, file: Path, steps: int, processes: int) -> list[list[int]]:
    """Queries of each process at each step, counted by planning the run again."""
    config: RunConfig = Run(out).config
    store = Store.from_source(str(file))
    rows, _ = split_rows(store.n, config.train.valid_share, config.train.seed)
    counts = []
    for rank in range(processes):
        sampler = Sampler(len(rows), config.train.batch_size, seed=config.train.seed, rank=rank, world=processes)
        plan = [taken for epoch in range(steps) for taken in sampler.batches(epoch)][:steps]
        draws = [Draw(config.train.seed, step) for step in range(1, steps + 1)]
        splits = [config.visibility.split(store.batch(rows[taken]), draw) for taken, draw in zip(plan, draws)]
        counts.append([len(split.queries.genes_t) for split in splits])
    return np.transpose(counts).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=19)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "distributed.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_cells().write_h5ad(folder / "cells.h5ad")
        logs, weights = [], []
        for processes in (1, 2):
            out = folder / f"run-{processes}"
            train(out, folder / "cells.h5ad", given.steps, given.batch, processes)
            logs.append(read_log(out / "log.jsonl"))
            weights.append(load_file(out / "model.safetensors"))
        asked = queries(folder / "run-2", folder / "cells.h5ad", given.steps, 2)
    losses = [[line["loss"] for line in log if "loss" in line] for log in logs]
    valid = [[line["valid"]["loss"] for line in log if "valid" in line] for log in logs]
    result = {
        "command": "python benchmarks/distributed.py" + ("" if given.batch == 19 else f" --batch {given.batch}"),
        "torch": torch.__version__,
        "steps": len(losses[0]),
        "queries_of_both_processes": asked,
        "steps_with_unequal_numbers_of_queries": sum(a != b for a, b in asked),
        "loss_one_process": losses[0],
        "loss_two_processes": losses[1],
        "largest_difference_of_a_loss": float(np.abs(np.subtract(*losses)).max()),
        "largest_difference_of_a_validation_loss": float(np.abs(np.subtract(*valid)).max()),
        "largest_difference_of_a_weight": max(float((a - weights[1][k]).abs().max()) for k, a in weights[0].items()),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if not isinstance(v, list)}, indent=1))


if __name__ == "__main__":
    main()
