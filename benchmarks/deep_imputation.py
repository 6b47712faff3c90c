"""Imputation by neural networks beside doing nothing and the gene mean: quality and CPU-seconds.

    OMP_NUM_THREADS=1 python benchmarks/deep_imputation.py                       # everything, "cpu" presets
    OMP_NUM_THREADS=1 python benchmarks/deep_imputation.py --parts baron --methods dca,nb-vae

Parts
-----
baron       molecular cross-validation on 1,000 cells x 1,000 most variable genes of Baron's pancreas: 90 % of the
            molecules are shown, the Poisson deviance of the others is scored (lower is better)
umi         600 simulated cells x 400 genes in 6 groups, negative binomial counts of known means, shallow
dropout     the same, deep, and 40 % of the entries put to zero at random: what methods that fill zeros assume.
            Both: RMSE of log1p(CP10k) against the known means, over all entries and over the measured zeros
cost        2,000 simulated cells x 2,000 genes: CPU-seconds and peak memory of fit and impute

Each fit runs in a process of its own. Results: benchmarks/results/deep_imputation.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from exval.data.source import open_source
from exval.datasets import baron
from exval.methods import METHODS
from exval.metrics.regression import poisson_deviance, rmse

OUT = Path(__file__).parent / "results" / "deep_imputation.json"
METHOD_NAMES = ("nothing", "mean", "dca", "nb-vae", "deepimpute", "autoimpute", "scigans", "scgnn", "scidpms")
PARTS = ("baron", "umi", "dropout", "cost")


def as_adata(counts: np.ndarray | sp.spmatrix) -> AnnData:
    """Prepared cells out of counts."""
    names = [f"g{i:05d}" for i in range(counts.shape[1])]
    raw = AnnData(sp.csr_matrix(counts, dtype=np.float32), var=pd.DataFrame(index=names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_source(raw, need_genes=False).to_adata()


def simulate(n: int, g: int, depth: float, groups: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, g) and the CP10k they were drawn around: log-normal genes, a fifth of them changed in each group."""
    rng = np.random.default_rng(seed)
    base_g = rng.lognormal(0, 1.5, g)
    change_kg = np.exp(rng.normal(0, 1.2, (groups, g)) * (rng.random((groups, g)) < 0.2))
    rate_kg = base_g * change_kg
    rate_ng = (rate_kg / rate_kg.sum(1, keepdims=True))[rng.integers(groups, size=n)]
    total_n1 = rng.lognormal(np.log(depth), 0.3, n)[:, None]
    theta = 5.0
    counts = rng.poisson(rate_ng * total_n1 * rng.gamma(theta, 1 / theta, (n, g)))
    return counts, 1e4 * rate_ng


def task(part: str) -> tuple[AnnData, callable]:
    """Cells of a part, and what scores an answer."""
    if part == "baron":
        cells = baron()
        rng = np.random.default_rng(0)
        counts = sp.csr_matrix(cells.X)[np.sort(rng.permutation(cells.n_obs)[:1000])]
        logs = counts.multiply(1e4 / counts.sum(1)).tocsr()
        logs.data = np.log1p(logs.data)
        spread = np.asarray(logs.multiply(logs).mean(0)).ravel() - np.asarray(logs.mean(0)).ravel() ** 2
        counts = counts[:, np.sort(np.argsort(-spread, kind="stable")[:1000])].toarray().astype(int)
        shown = rng.binomial(counts, 0.9)
        keep = shown.sum(0) > 0
        shown, hidden = shown[:, keep], (counts - shown)[:, keep]

        def score(imputed):
            return {"deviance": poisson_deviance(hidden, imputed.to("counts").values_nq * (0.1 / 0.9))}

        return as_adata(shown), score
    if part == "cost":
        return as_adata(simulate(2000, 2000, 2000.0, groups=8)[0]), lambda imputed: {}
    counts, truth = simulate(600, 400, 500.0 if part == "umi" else 4000.0)
    if part == "dropout":
        counts = counts * (np.random.default_rng(1).random(counts.shape) > 0.4)
    keep = counts.sum(0) > 0
    counts, truth = counts[:, keep], np.log1p(truth[:, keep])
    zero = counts == 0

    def score(imputed):
        values = imputed.to("log1p").values_nq
        return {"rmse": rmse(truth, values), "rmse_of_zeros": rmse(truth[zero], values[zero])}

    return as_adata(counts), score


def measure(job: tuple[str, str, str, dict]) -> dict:
    """One fit of one method."""
    part, name, preset, settings = job
    cells, score = task(part)
    METHODS[name]  # what importing costs is not counted
    if name not in ("nothing", "mean"):
        import torch  # noqa: F401
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time()
    method = METHODS[name](**{**METHODS[name].presets.get(preset, {}), **settings})
    imputed = method.fit(cells).impute(cells)
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"part": part, "method": name, "preset": preset, **score(imputed), "cpu_s": round(spent, 1)}
    return {**found, "peak_mb": round(peak), "peak_over_start_mb": round(peak - before)}


def main() -> None:
    """Run the parts asked for and print a line a fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--methods", default=",".join(METHOD_NAMES))
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--set", default="{}", help="settings as JSON, on top of the preset")
    parser.add_argument("--out", type=Path, default=OUT, help="file for the figures, as JSON")
    args = parser.parse_args()
    found = []
    for part in args.parts.split(","):
        for name in args.methods.split(","):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row = pool.apply(measure, ((part, name, args.preset, json.loads(args.set)),))
            row = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
            print("  ".join(f"{key} {value}" for key, value in row.items() if key != "preset"), flush=True)
            found.append(row)
    if args.out == OUT and (len(found) < len(PARTS) * len(METHOD_NAMES) or args.set != "{}" or args.preset != "cpu"):
        print("not the whole comparison: nothing was written (name a file with --out)")
    else:
        how = {
            "command": " ".join(["python benchmarks/deep_imputation.py", *sys.argv[1:]]),
            "load": os.getloadavg()[0],
            "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        }
        args.out.write_text(json.dumps({**how, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
