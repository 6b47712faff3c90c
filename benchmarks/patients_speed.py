"""Throughput of training on patients: samples per CPU-second, and how near that is to the machine's matrix product.

    python benchmarks/patients_speed.py

A step is what training does: dividing the batch, forward, loss, backward, AdamW. All samples show and ask as many
genes as the preset allows (512 and 512 of 1,577 with "small", 128 and 128 with "tiny"), which is the dearest case;
drawn sizes are smaller. FLOPs are counted, products of matrices and attention only; the limit is a product of two
1024 x 1024 float32 matrices, measured in the same run. One thread; least of several repeats after a warm-up.
Results: benchmarks/results/patients_speed.json.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from cost import measure

from exval.data.batch import ExpressionBatch
from exval.data.packing import all_stored
from exval.models.encdec import EncoderDecoder
from exval.recipes import make_config
from exval.rng import Draw
from exval.train.loop import make_optimiser

OUT = Path(__file__).parent / "results" / "patients_speed.json"
GENES, N = 1577, 32


def product_rate(size: int = 1024) -> float:
    """GFLOP per CPU-second of a matrix product."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    figures = [measure(lambda: a @ b, 20) for _ in range(3)]
    return max(f["gflop"] / f["cpu_seconds"] for f in figures)


def patients(n: int = 4 * N) -> ExpressionBatch:
    """Dense values of a low-rank model."""
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(n, 20)) @ rng.normal(size=(20, GENES)) / 4 + rng.normal(size=(n, GENES))
    return ExpressionBatch.from_csr(
        all_stored(x_ng), n_genes=GENES, unit="log2", implicit="missing", id_n=torch.arange(n)
    )


def step_of(recipe: str, preset: str):
    """A function that makes one training step, and the number of tokens of a sample."""
    config = make_config(recipe, preset)
    most = config.visibility.max_visible
    visibility = config.visibility.model_copy(update={"min_shown": most, "max_shown": most})
    batch, model = patients(), EncoderDecoder(config.model, GENES)
    target = visibility.target(batch)
    model.scale.fit(target)
    if model.factors is not None:
        model.factors.fit(model.scale.batch(target))
    model.values.fit(target.values_t, target.genes_t)
    model.head.fit(target.genes_t, target.values_t)
    optimiser, piece = make_optimiser(model.train(), config.train), batch.select(np.arange(N))

    def step(at: int = 0) -> None:
        split = visibility.split(piece, Draw(0, at))
        out = model(split)
        model.head.nll(out.prediction, model.targets(split.queries)).mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    return step, most, sum(p.numel() for p in model.parameters())


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    load, began = os.getloadavg()[0], time.time()
    found: dict = {"product_gflop_per_second": product_rate()}
    for recipe in ("gexbert", "gexbert-published"):
        for preset in ("tiny", "small"):
            step, most, parameters = step_of(recipe, preset)
            figure = measure(step, 5 if preset == "tiny" else 3)
            rate = figure["gflop"] / figure["cpu_seconds"]
            found[f"{recipe} {preset}"] = {
                "genes_shown_and_asked": most,
                "parameters": parameters,
                "samples_per_cpu_second": N / figure["cpu_seconds"],
                "gflop_per_sample": figure["gflop"] / N,
                "gflop_per_second": rate,
                "share_of_product_rate": rate / found["product_gflop_per_second"],
            }
            print(recipe, preset, json.dumps(found[f"{recipe} {preset}"]), flush=True)
    found["load"] = {"before": load, "after": os.getloadavg()[0], "seconds": time.time() - began}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
