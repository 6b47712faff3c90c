"""Cost of a cell: dense softmax, dense linear, faithful xTrimoGene and exval; CPU-seconds and counted FLOPs.

    python benchmarks/cost.py                 # everything, about 25 minutes on a quiet core
    python benchmarks/cost.py --parts decoders,tiny

Parts
-----
encoder     an encoder over 2,000 expressed genes against the same encoder over all 19,264 (width 128: forward and
            backward; width 768: forward), what the FLOPs predict, and how fast attention and the rest run
decoders    whole models at 3 % and 10 % density: faithful against queried against the default recipe
shape100m   the 100M shape, forward, timed and not trained; of the dense models one layer is timed and multiplied
tiny        a training step of the default preset on real cells (Baron), mean over a batch

One thread. A ratio is of two figures from the same run; each is the least of several repeats after a warm-up (dense
encoders: of two; the 100M shape: one pass, since a cell takes minutes).
Results: benchmarks/results/cost.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from exval.data.batch import ExpressionBatch
from exval.models.config import ModelConfig
from exval.models.encdec import EncoderDecoder
from exval.nn.attention import attend
from exval.nn.blocks import EncoderBlock
from exval.nn.linear_attention import PerformerBlock
from exval.recipes import make_config
from exval.rng import Draw
from exval.visibility import Masking

GENES = 19_264
OUT = Path(__file__).parent / "results" / "cost.json"
SHAPES = {
    "tiny": ModelConfig(width=64, layers=2, heads=2, decoder_width=64, decoder_layers=1, decoder_heads=2),
    "width 128": ModelConfig(width=128, layers=2, heads=2, decoder_width=128, decoder_layers=1, decoder_heads=2),
    "width 768": ModelConfig(width=768, layers=2, heads=12, decoder_width=512, decoder_layers=1, decoder_heads=8),
}


def sdpa_flops(q, k, v, *args, out_val=None, **kwargs) -> int:
    """Two products of (queries x keys x width)."""
    *batch, t_q, d = q
    return 4 * int(np.prod(batch)) * t_q * k[-2] * d


def sdpa_backward_flops(grad, q, k, v, *args, out_val=None, **kwargs) -> int:
    """Five products instead of two: the scores are computed again."""
    return sdpa_flops(q, k, v) * 5 // 2


COUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: sdpa_backward_flops,
}


def measure(work: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """Least CPU-seconds of some repeats, and GFLOP counted in one more, which comes first and warms up."""
    seconds = []
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
        work()
    for _ in range(repeats):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return {"cpu_seconds": min(seconds), "gflop": counter.get_total_flops() / 1e9}


def cells(n: int, density: float, seed: int = 0) -> ExpressionBatch:
    """Synthetic counts of ``n`` cells that express the given share of the genes."""
    rng = np.random.default_rng(seed)
    k = round(density * GENES)
    columns = np.concatenate([np.sort(rng.choice(GENES, k, replace=False)) for _ in range(n)])
    values = 1.0 + rng.poisson(1.0, n * k)
    x_ng = sp.csr_matrix((values, columns, np.arange(n + 1) * k), shape=(n, GENES))
    return ExpressionBatch.from_csr(x_ng, n_genes=GENES, unit="counts")


def stack(blocks: nn.ModuleList, x: torch.Tensor, train: bool, *rest) -> Callable[[], object]:
    """Run blocks one after the other, with a backward pass if asked."""

    def work():
        h = x
        for block in blocks:
            h = block(h, *rest)
        if train:
            h.square().mean().backward()

    return work if train else torch.no_grad()(work)


def step(model: EncoderDecoder, split, train: bool) -> Callable[[], object]:
    """A forward (and backward) pass with the masked loss."""

    def work():
        out = model(split)
        loss = model.head.nll(out.prediction, split.queries.values_t).mean()
        if train:
            loss.backward()

    return work if train else torch.no_grad()(work)


def rates(
    whole: dict[str, float], length: int, heads: int, d_head: int, layers: int, offsets: torch.Tensor
) -> dict[str, float]:
    """GFLOP per CPU-second of attention alone, and of all the rest of an encoder: the FLOPs predict a ratio only as far
    as these are the same for short and for long samples."""
    q, k, v = (torch.randn(length, heads, d_head) for _ in range(3))
    alone = measure(torch.no_grad()(lambda: attend(q, k, v, offsets)), 2)
    left = whole["cpu_seconds"] - layers * alone["cpu_seconds"]
    return {
        "attention_share_of_gflop": layers * alone["gflop"] / whole["gflop"],
        "attention_gflop_per_second": alone["gflop"] / alone["cpu_seconds"],
        "rest_gflop_per_second": (whole["gflop"] - layers * alone["gflop"]) / left,
    }


def encoder() -> dict:
    """Sparse against dense, one encoder."""
    found = {}
    for width, heads, train in ((128, 2, True), (768, 12, False)):
        blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(2))
        figures = {}
        for name, length, repeats in (("sparse", 2_000, 5), ("dense", GENES, 2)):
            x, offsets = torch.randn(length, width), torch.tensor([0, length])
            figures[name] = measure(stack(blocks, x, train, offsets), repeats)
            if not train:
                figures[name] |= rates(figures[name], length, heads, width // heads, 2, offsets)
        linear = nn.ModuleList(PerformerBlock(width, heads) for _ in range(2))
        figures["dense linear"] = measure(stack(linear, torch.randn(1, GENES, width), train), 2)
        dense, sparse = figures["dense"], figures["sparse"]
        found[f"width {width}, {'train' if train else 'forward'}"] = {
            **figures,
            "measured_ratio": dense["cpu_seconds"] / sparse["cpu_seconds"],
            "flop_ratio": dense["gflop"] / sparse["gflop"],
            "measured_over_predicted": dense["cpu_seconds"] / sparse["cpu_seconds"] / dense["gflop"] * sparse["gflop"],
            "measured_ratio_to_dense_linear": figures["dense linear"]["cpu_seconds"] / sparse["cpu_seconds"],
        }
        print(width, json.dumps(found[f"width {width}, {'train' if train else 'forward'}"]), flush=True)
    return found


def decoders() -> dict:
    """Faithful against queried against the default recipe, per cell."""
    found = {}
    for shape, config in SHAPES.items():
        for density in (0.03, 0.10):
            n = 2 if shape == "width 768" else 4
            train = shape != "width 768"
            split = Masking().split(cells(n, density), Draw(0))
            row = {"density": density, "pass": "train" if train else "forward"}
            for name, changes in (
                ("faithful", {"decoder": "linear"}),
                ("queried", {}),
                ("exval", {"factors": 32, "readout": True, "pooling": ("S", "T", "max", "mean", "factors")}),
            ):
                model = EncoderDecoder(config.model_copy(update=changes), GENES)
                figure = measure(step(model, split, train), 3)
                row[name] = {k: v / n for k, v in figure.items()}
            for name in ("queried", "exval"):
                row[f"{name}_speedup"] = row["faithful"]["cpu_seconds"] / row[name]["cpu_seconds"]
                row[f"{name}_flop_ratio"] = row["faithful"]["gflop"] / row[name]["gflop"]
            found[f"{shape}, {density:.0%}"] = row
            print(shape, density, json.dumps(row), flush=True)
    return found


def shape100m() -> dict:
    """The published size, forward only, per cell."""
    size = make_config("xtrimogene", "100m").model
    found = {}
    with torch.no_grad():
        for name, block, x, rest in (
            ("dense softmax", EncoderBlock(768, 12), torch.randn(GENES, 768), (torch.tensor([0, GENES]),)),
            ("dense linear", PerformerBlock(768, 12), torch.randn(1, GENES, 768), ()),
        ):
            figure = measure(stack(nn.ModuleList([block]), x, False, *rest), 1)
            found[name] = {k: v * size.layers for k, v in figure.items()} | {"layers_timed": 1, "layers": size.layers}
            print(name, found[name], flush=True)
        for density in (0.03, 0.10):
            split = Masking().split(cells(1, density), Draw(0))
            for name, changes in (
                ("faithful", {"decoder": "linear", "factors": 0, "readout": False, "pooling": ("S", "T")}),
                ("exval", {}),
            ):
                model = EncoderDecoder(size.model_copy(update=changes), GENES).eval()
                figure = measure(step(model, split, False), 1)
                found[f"{name}, {density:.0%}"] = figure | {"parameters": sum(p.numel() for p in model.parameters())}
                print(name, density, found[f"{name}, {density:.0%}"], flush=True)
    return found


def tiny() -> dict:
    """CPU-seconds of a training cell with the default preset, hiding included, on real cells."""
    from exval.data.examples import baron
    from exval.data.store import Store

    config = make_config("xtrimogene", "tiny")
    store = Store.from_source(baron())
    model = EncoderDecoder(config.model, store.n_genes)
    optimiser = torch.optim.AdamW(model.parameters())
    n = config.train.batch_size

    def work(i: int) -> None:
        split = config.visibility.split(store.batch(np.arange(i * n, (i + 1) * n)), Draw(0, i))
        out = model(split)
        model.head.nll(out.prediction, split.queries.values_t).mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    work(0)
    seconds = []
    for i in range(1, 9):
        began = time.process_time()
        work(i)
        seconds.append((time.process_time() - began) / n)
    found = {"cpu_seconds_per_training_cell": {"median": float(np.median(seconds)), "least": min(seconds)}}
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="tiny,decoders,encoder,shape100m")
    parts = parser.parse_args().parts.split(",")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for part in parts:
        load = os.getloadavg()[0]
        found[part] = {"tiny": tiny, "decoders": decoders, "encoder": encoder, "shape100m": shape100m}[part]()
        found[part]["load"] = {"before": load, "after": os.getloadavg()[0]}
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
