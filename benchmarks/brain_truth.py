"""Fields against a known truth: all 3,702 positions, 100 invented genes, every grey and white voxel at 2 mm.

    python benchmarks/brain_truth.py                                  # about 25 CPU-minutes, one thread
    python benchmarks/brain_truth.py --samples 400 --genes 6 --resolution 6 --seeds 1 --out SMALL.json   # a try
    python benchmarks/brain_truth.py --tissue analytic --out OTHER.json   # grey matter that no field is told of

The genes are those of `exval.datasets.simulated_brain` (what they are made of stands in `exval.data.brain_truth`, and
was settled before any field had been scored on them). Fields are fitted to the samples of all six donors, with the
names of regions, and asked about voxels by the position alone, as `exval brain map` does. The mean is compared with the
truth at all voxels; the sd, which is that of a measurement, at an even part of them: how often would an interval hold a
new measurement there, of a new donor? That is computed from the true sds, nothing is drawn. Needs nilearn.

One part of the genes, a tenth of their variance on average, is grey less white matter of the very template that fields
with `tissue` look at: they are favoured there. `gp:tissue=False` is the process without it.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from exval.data.brain import read_samples
from exval.data.brain_regions import grey_minus_white
from exval.data.brain_truth import GROUPS, SHARES, BrainTruth
from exval.datasets import simulated_brain
from exval.fields import FIELDS
from exval.fields.places import Places
from exval.progress import track
from exval.tasks.field.known import agreement, shares_within, sums_of
from exval.tasks.field.volumes import Grid, template_grid

METHODS = ("mean", "nearest", "structure-mean", "knn", "ridge-fourier", "kriging", "regression-kriging", "gp",
           "gp:tissue=False", "siren")  # fmt: skip
WHERE = ("grey", "white")
BLOCK = 20_000


def one_seed(seed: int, options: argparse.Namespace, grid: Grid) -> tuple[pd.DataFrame, list[dict]]:
    """A row for each field, kind of voxel and gene; the cost of each field."""
    samples, truth = simulated_brain(options.genes, seed, n=options.samples, tissue=options.tissue)
    read = read_samples(samples)
    tables, costs = [], []
    for name in track(options.method, f"Seed {seed}"):
        field = field_of(name, seed)
        clock, wall = time.process_time(), time.perf_counter()
        field.fit(read.places, read.values_ng, read.genes)
        fitted = time.process_time()
        table, asked, bars = compare(field, truth, grid, options.bars)
        costs.append({"method": name, "seed": seed, "fit_cpu_seconds": round(fitted - clock, 1),
                      "voxels_cpu_seconds": round(asked, 1), "bars_cpu_seconds": round(bars, 1),
                      "wall_seconds": round(time.perf_counter() - wall, 1)})  # fmt: skip
        tables.append(table.assign(method=name, seed=seed))
        show = table[table["where"] == "all"].groupby("group", sort=False).r2.mean().round(3).to_dict()
        print(f"seed {seed} {name}: R2 {show} {costs[-1]}", flush=True)
    return pd.concat(tables, ignore_index=True), costs


def field_of(spec: str, seed: int):
    """An unfitted field from ``NAME`` or ``NAME:param=value,...``."""
    name, _, given = spec.partition(":")
    field = FIELDS[name]()
    params = {key: ast.literal_eval(value) for key, _, value in (one.partition("=") for one in given.split(",") if one)}
    return field.set_params(**params, **({"seed": seed} if "seed" in field.get_params() else {}))


def compare(field, truth: BrainTruth, grid: Grid, bars: int) -> tuple[pd.DataFrame, float, float]:
    """Figures of every gene over grey, white and all voxels; CPU-seconds of asking for means, and for sds."""
    g = len(truth.genes)
    sums = {where: np.zeros((7, g)) for where in WHERE}
    spent = 0.0
    for start in range(0, len(grid), BLOCK):
        xyz = grid.xyz(slice(start, start + BLOCK))
        true_mg = truth(xyz)
        clock = time.process_time()
        mean_mg = field.predict(Places.of(xyz)).mean_mg
        spent += time.process_time() - clock
        grey_m = grey_minus_white(xyz) > 0
        for where, rows in (("grey", grey_m), ("white", ~grey_m)):
            sums[where] += sums_of(true_mg[rows], mean_mg[rows], truth.level_g)
    rows = np.unique(np.linspace(0, len(grid) - 1, min(bars, len(grid))).astype(int))
    xyz = grid.xyz(rows)
    true_mg, clock = truth(xyz), time.process_time()
    told = field.predict(Places.of(xyz), sd=True)
    asked = time.process_time() - clock
    inside = shares_within(true_mg, told.mean_mg, told.sd_mg, truth.measurement_sd())
    width = {"sd_over_true": np.sqrt((told.sd_mg.astype(float) ** 2).mean(0)) / truth.measurement_sd()}
    made = []
    for where, found in (("all", sum(sums.values())), *sums.items()):
        figures = agreement(found)
        figures["rmse"] = figures["rmse"] / truth.signal_g
        made.append(pd.DataFrame({"gene": truth.genes, "group": truth.group_g, "where": where, **figures,
                                  **(inside | width if where == "all" else {})}))  # fmt: skip
    return pd.concat(made, ignore_index=True), spent, asked


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over genes and seeds, and the lowest and highest seed of R2."""
    every = pd.concat([table, table.assign(group="all")])
    keys = ["method", "group", "where"]
    figures = [column for column in every if column not in (*keys, "gene", "seed")]
    seeds = every.groupby([*keys, "seed"], sort=False)[figures].mean()
    found = seeds.groupby(keys, sort=False).mean()
    spread = seeds.groupby(keys, sort=False).r2.agg(["min", "max"])
    return found.assign(r2_low=spread["min"], r2_high=spread["max"]).reset_index()


def _asked(words: list[str]) -> list[str]:
    """What was typed, but for where the results go."""
    at = words.index("--out") if "--out" in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def main() -> None:
    """Simulate, fit, ask, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--samples", type=int, default=3702)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tissue", default="template", choices=("template", "analytic"), help="of the genes")
    parser.add_argument("--resolution", type=int, default=2, help="mm")
    parser.add_argument("--bars", type=int, default=10_000, help="voxels at which the sd is looked at")
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "brain_truth.json")
    options = parser.parse_args()
    grid = template_grid(options.resolution)
    load, tables, costs = [os.getloadavg()[0]], [], []
    for seed in range(options.seeds):
        table, cost = one_seed(seed, options, grid)
        tables.append(table)
        costs += cost
        load.append(os.getloadavg()[0])
    found = summary(pd.concat(tables))
    known = [{key: value for key, value in row.items() if value == value} for row in found.to_dict("records")]
    rows = [{key: round(x, 4) if isinstance(x, float) else x for key, x in row.items()} for row in known]
    result = {
        "command": " ".join(["python benchmarks/brain_truth.py", *_asked(sys.argv[1:])]),
        "samples": options.samples, "genes": options.genes, "seeds": options.seeds, "voxels": len(grid),
        "resolution_mm": options.resolution, "voxels_for_sd": min(options.bars, len(grid)),
        "truth": {"groups": {name: {"lengths_mm": one[0], "noise_over_signal": one[1]} for name, one in GROUPS.items()},
                  "mean_shares_of_variance": SHARES, "tissue": options.tissue},
        "notes": ["asked by the position alone; fitted with the names of regions",
                  "rmse in sds of the gene's truth over the 3,702 positions; means over genes and seeds",
                  "r2 about the mean of the truth over the same voxels",
                  "coverage: of a new measurement of a new donor; truth_*: of the truth by the same intervals"],
        "load_average": [round(x, 2) for x in load], "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("exval", "numpy", "scipy", "torch", "scikit-learn", "nilearn")},
        "figures": rows, "cost": costs,
    }  # fmt: skip
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
    shown = found[found["where"] == "all"]
    print(shown.pivot(index="method", columns="group", values="r2").round(3).to_string())
    of_all = shown[shown.group == "all"].set_index("method")
    print(of_all[["rmse", "pearson", "r2", "coverage_50", "coverage_80", "coverage_95"]].round(3).to_string())


if __name__ == "__main__":
    main()
