"""kill -9 at random moments of a training, then --resume: is the run the same, bit for bit?

    python benchmarks/resume.py            # half a minute

60 real cells x 300 genes, a model of width 8 with dropout, thinning and reading threads. Each training is done once in
one go, and once in a process that is killed at random steps (a random time after a step was logged, so that a kill may
hit a forward pass, the log or a checkpoint) and resumed after each kill. Compared are all lines of the log (step, loss,
parts, validation) and the weights. One thread on a CPU.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from safetensors.torch import load_file

import exval
import exval.methods.components  # imported once, before the forks
import exval.report
from exval.train import loop
from exval.train.log import read_log
from exval.verbs import finetune, pretrain

SETTINGS = {
    "model.width": 8,
    "model.decoder_width": 8,
    "model.dropout": 0.1,
    "model.factors": 4,
    "visibility.thinning": 0.5,
    "train.batch_size": 16,
    "train.micro_batch": 9,
    "train.save_every": 7,
    "train.valid_every": 5,
    "train.workers": 2,
}
TUNING = {"train.save_every": 7, "train.valid_every": 5}


def small_cells():
    """60 cells (12 of each of five types) x the 300 genes that are seen most often."""
    cells = exval.datasets.baron()
    kinds = cells.obs["cell_type"].astype(str).to_numpy()
    wanted = ("alpha", "beta", "delta", "ductal", "acinar")
    cells = cells[np.concatenate([np.flatnonzero(kinds == kind)[:12] for kind in wanted])]
    seen = np.asarray((cells.X > 0).sum(0)).ravel()
    return cells[:, np.sort(np.argsort(-seen, kind="stable")[:300])].copy()


def train(verb: str, out: Path, cells, steps: int, base: Path, kill: tuple[int, float] | None = None) -> None:
    """Begin or resume a training; ``kill`` is a step and the seconds after which the process then dies."""

    def hook(step: int) -> None:
        if kill and step == kill[0]:
            threading.Timer(kill[1], os.kill, (os.getpid(), signal.SIGKILL)).start()

    fit = functools.partial(loop.fit, step_hook=hook)
    pretrain.fit = finetune.fit = fit
    exval.report.write_report = lambda folder: None  # not what is compared here
    common = {"out": out, "steps": steps, "resume": True, "seed": 1, "threads": 1}
    if verb == "pretrain":
        exval.pretrain(cells, overrides=SETTINGS, **common)
    else:
        exval.finetune(base, cells, overrides=TUNING, **common)


def in_child(*args) -> bool:
    """Train in a forked process; whether it was killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train(*args)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        raise SystemExit("the training failed")
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def lines(folder: Path) -> list[dict]:
    """The log without clock times."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_log(folder / "log.jsonl")]


def compare(verb: str, folder: Path, cells, steps: int, kills: int, rng: random.Random) -> dict:
    """One training in one go beside one that is killed; what differs."""
    whole, broken, base = folder / f"{verb}-whole", folder / f"{verb}-killed", folder / "pretrain-whole"
    began = time.perf_counter()
    in_child(verb, whole, cells, steps, base)
    hits, resumed_from = [], []
    while len(hits) < kills:
        reached = lines(broken)[-1]["step"] if hits else 0
        left = kills - len(hits)
        step = min(reached + rng.randint(1, max((steps - 6 - reached) // left, 1)), steps - 2)
        if not in_child(verb, broken, cells, steps, base, (step, rng.uniform(0, 0.04))):
            raise SystemExit("the training ended before it was killed; take more --steps")
        hits.append(lines(broken)[-1]["step"] if (broken / "log.jsonl").exists() else 0)
        saved = sorted((broken / "state").glob("step-*"))
        resumed_from.append(int(saved[-1].name[5:]) if saved else 0)
    in_child(verb, broken, cells, steps, base)
    ours, theirs = lines(whole), lines(broken)
    a, b = (load_file(x / "model.safetensors") for x in (whole, broken))
    return {
        "training": verb,
        "steps": steps,
        "killed_after_step": hits,
        "resumed_from_step": resumed_from,
        "lines_of_the_log": len(ours),
        "lines_that_differ": sum(x != y for x, y in zip(ours, theirs)) + abs(len(ours) - len(theirs)),
        "tensors": len(a),
        "tensors_that_differ": sum(not torch.equal(a[k], b[k]) for k in a) + len(a.keys() ^ b.keys()),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "resume.json")
    given = parser.parse_args()
    cells, rng = exval.open_source(small_cells()), random.Random(given.seed)
    torch.optim.AdamW([torch.zeros(1)])  # the first one imports half of torch; the forks inherit that
    with tempfile.TemporaryDirectory() as folder:
        rows = [compare(v, Path(folder), cells, given.steps, given.kills, rng) for v in ("pretrain", "finetune")]
    result = {"command": "python benchmarks/resume.py", "torch": torch.__version__, "threads": 1, "trainings": rows}
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
