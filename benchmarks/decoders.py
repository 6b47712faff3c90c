"""Masked loss of the decoders at equal steps and at equal CPU-seconds.

The same cells, encoder, masks, head and optimiser; only the decoder differs:

- ``faithful``: every gene, Performer attention (as published, but with the gene means as the head's start).
- ``queried``: queried genes only, with attention to the observed zeros.
- ``exval``: the default recipe, which adds the components of the training cells and the readout of the embedding.
- ``published``: faithful without the gene means (``--variants published``).

    python benchmarks/decoders.py --out benchmarks/results/decoders.json

Baron pancreas, preset tiny, batches of 8 cells, 300 steps, three seeds; 20 % of the cells are held out, what is hidden
of them is the same for every decoder. Resumes where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch

from exval.data.examples import baron
from exval.train.log import read_log
from exval.verbs.pretrain import pretrain

COMMON = {
    "train.batch_size": 8,
    "train.valid_share": 0.2,
    "train.valid_most": 96,
    "train.valid_every": 50,
    "train.save_every": 300,
}
PLAIN = {"model.factors": 0, "model.readout": False, "model.pooling": ["S", "T", "max", "mean"]}
VARIANTS = {
    "exval": {},
    "queried": PLAIN,
    "faithful": {**PLAIN, "model.decoder": "linear"},
    "published": {**PLAIN, "model.decoder": "linear", "model.head.options": {"gene_bias": False}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decoders.json"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", default="exval,queried,faithful")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cells = baron()
    found = json.loads(args.out.read_text())["runs"] if args.out.exists() else []
    for seed in range(args.seeds):
        for name in args.variants.split(","):
            if any((run["variant"], run["seed"]) == (name, seed) for run in found):
                continue
            with tempfile.TemporaryDirectory() as room:
                run = pretrain(
                    cells, out=f"{room}/run", steps=args.steps, seed=seed, overrides={**COMMON, **VARIANTS[name]}
                )
                log = read_log(run.folder / "log.jsonl")
                training = run.described["training"]
            found.append(
                {
                    "variant": name,
                    "seed": seed,
                    "valid": {line["step"]: round(line["valid"]["loss"], 5) for line in log if "valid" in line},
                    "cpu_seconds": round(training["cpu_seconds"], 1),
                    "samples": training["samples"],
                    "parameters": run.described["parameters"],
                    "load": os.getloadavg()[0],
                }
            )
            args.out.write_text(json.dumps({"steps": args.steps, "runs": found}, indent=1) + "\n")
            print(name, seed, found[-1]["valid"], found[-1]["cpu_seconds"], "CPU-seconds", flush=True)


if __name__ == "__main__":
    main()
