"""SAVER of exval beside the R package: CPU-seconds a gene, agreement, and held-out molecules.

    OMP_NUM_THREADS=1 python benchmarks/speed_saver.py                    # 3,000 simulated cells x 2,000 genes
    OMP_NUM_THREADS=1 python benchmarks/speed_saver.py --cells 20000      # without the R package: --no-r
    OMP_NUM_THREADS=1 python benchmarks/speed_saver.py --parts molecules  # 600 cells x 600 genes of Baron

Parts
-----
cost        All genes by exval (fit and values); ``--genes`` of them by R with cross-validation of each
            (``do.fast = FALSE``), which is the time a gene that can be extrapolated; correlation of the estimates of
            those genes over cells, log1p.
molecules   90 % of the molecules of real cells are shown; the Poisson deviance of the others, by exval and by
            R with its defaults (``do.fast = TRUE``), with the CPU-seconds of both.

R needs the package SAVER (``--r-lib`` adds a library folder). Where it cannot be loaded, exval's time a gene is set
against 1.5 CPU-seconds, measured before with 3,000 cells and 2,000 genes on another day: a ratio of two runs, and said
to be so. Results: benchmarks/results/speed_saver.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from scipy.io import mmwrite

from exval.datasets import baron
from exval.methods.imputation.saver import Saver
from exval.metrics.regression import poisson_deviance

OUT = Path(__file__).parent / "results" / "speed_saver.json"
EARLIER_S = 1.5

R = """
args <- commandArgs(TRUE)
if (nzchar(args[2])) .libPaths(c(args[2], .libPaths()))
suppressMessages({library(Matrix); library(SAVER)})
x <- as(as(readMM(file.path(args[1], "counts.mtx")), "CsparseMatrix"), "dMatrix")
rownames(x) <- seq_len(nrow(x)); colnames(x) <- seq_len(ncol(x))
some <- scan(file.path(args[1], "genes.txt"), quiet = TRUE)
set.seed(1)
began <- proc.time()
if (length(some) == nrow(x)) {
  found <- saver(x, estimates.only = TRUE)
} else {
  found <- saver(x, do.fast = FALSE, pred.genes = some, pred.genes.only = TRUE, estimates.only = TRUE)
}
spent <- proc.time() - began
cat(sum(spent[c(1, 2)]), file = file.path(args[1], "seconds.txt"))
write.table(found, file.path(args[1], "found.txt"), row.names = FALSE, col.names = FALSE)
"""


def prepared(counts_ng: sp.csr_matrix) -> AnnData:
    """As readers hand it over."""
    total_n = np.asarray(counts_ng.sum(1), dtype=np.float64).ravel()
    log_ng = (sp.diags_array(1e4 / total_n) @ counts_ng).tocsr().astype(np.float32)
    log_ng.data = np.log1p(log_ng.data)
    obs = pd.DataFrame({"exval_total": total_n}, index=[f"c{i:06d}" for i in range(len(total_n))])
    var = pd.DataFrame(index=[f"G{j:05d}" for j in range(counts_ng.shape[1])])
    return AnnData(log_ng, obs, var, layers={"counts": counts_ng.astype(np.float32)})


def simulate(n: int, g: int, seed: int = 0) -> sp.csr_matrix:
    """Eight groups, log-normal genes of which a tenth changes in each, negative binomial; mean depth near 2,100."""
    rng = np.random.default_rng(seed)
    base_g = rng.lognormal(-1, 1.2, g)
    rate_kg = base_g * np.exp(rng.normal(0, 1.0, (8, g)) * (rng.random((8, g)) < 0.1))
    rate_kg *= 2120 / rate_kg.sum(1, keepdims=True)
    group_n, depth_n = rng.integers(8, size=n), rng.lognormal(0, 0.35, n)
    parts = [
        sp.csr_matrix(rng.poisson(rate_kg[group_n[at]] * depth_n[at, None] * rng.gamma(3, 1 / 3, (len(at), g))))
        for at in np.array_split(np.arange(n), max(1, n // 1000))
    ]
    return sp.vstack(parts).tocsr()


def by_exval(adata: AnnData, **settings) -> tuple[np.ndarray, float]:
    """Values at the mean depth, and CPU-seconds."""
    began = time.process_time()
    found = Saver(**settings).fit(adata).impute(adata).values_nq
    spent = time.process_time() - began
    return found * (adata.obs["exval_total"].mean() / 1e4), spent


def by_r(counts_ng: sp.csr_matrix, genes: np.ndarray, library: str) -> tuple[np.ndarray, float] | None:
    """The same by R for some genes (all: with its defaults); None where the package cannot be loaded."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        mmwrite(Path(folder) / "counts.mtx", counts_ng.T.astype(np.int64))
        (Path(folder) / "genes.txt").write_text("\n".join(str(gene + 1) for gene in genes))
        (Path(folder) / "saver.R").write_text(R)
        got = subprocess.run(["Rscript", f"{folder}/saver.R", folder, library], capture_output=True, text=True)
        if got.returncode:
            print(f"R: {got.stderr.strip().splitlines()[-1]}")
            return None
        return np.loadtxt(Path(folder) / "found.txt").T, float((Path(folder) / "seconds.txt").read_text())


def agreement(a_nq: np.ndarray, b_nq: np.ndarray) -> list[float]:
    """Tenth, quarter and half of the correlations of the genes, log1p, over cells."""
    r_q = [np.corrcoef(np.log1p(a), np.log1p(b))[0, 1] for a, b in zip(a_nq.T, b_nq.T) if a.std() > 0 and b.std() > 0]
    return np.quantile(r_q, [0.1, 0.25, 0.5]).round(4).tolist()


def cost(args) -> dict:
    counts_ng = simulate(args.cells, args.all_genes)
    adata = prepared(counts_ng)
    found_ng, spent = by_exval(adata)
    g = adata.n_vars
    out = {"cells": args.cells, "genes": g, "exval_s": spent, "exval_ms_per_gene": 1000 * spent / g}
    out["exval_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    some = np.sort(np.random.default_rng(1).permutation(g)[: args.genes])
    told = None if args.no_r else by_r(counts_ng, some, args.r_lib)
    if told is None and (args.cells, args.all_genes) != (3000, 2000):
        return out  # nothing to set it against
    if told is None:
        out["r_s_per_gene"], out["r_is"] = EARLIER_S, "another run"
    else:
        out["r_s_per_gene"], out["r_is"] = told[1] / len(some), f"this run, {len(some)} genes, do.fast = FALSE"
        out["agreement"] = agreement(found_ng[:, some], told[0])
    out["ratio"] = out["r_s_per_gene"] / (spent / g)
    return out


def molecules(args) -> dict:
    cells = baron()
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(cells.X)[np.sort(rng.permutation(cells.n_obs)[: args.real])]
    common = np.sort(np.argsort(-np.asarray((counts > 0).sum(0)).ravel(), kind="stable")[: args.real])
    counts = counts[:, common].toarray().astype(int)
    shown = rng.binomial(counts, 0.9)
    hidden, shown_ng = counts - shown, sp.csr_matrix(shown)
    adata = prepared(shown_ng)
    exposure_n1 = shown.sum(1, keepdims=True) / shown.sum(1).mean() / 9

    def deviance(rate_ng):
        return float(poisson_deviance(hidden, rate_ng * exposure_n1))

    ours, spent = by_exval(adata)
    every, spent_every = by_exval(adata, checked=None)
    plain = np.broadcast_to((shown / (9 * exposure_n1)).mean(0), shown.shape)
    out = {"nothing": deviance(shown / (9 * exposure_n1)), "gene mean": deviance(plain), "exval": deviance(ours)}
    out |= {"exval, every gene cross-validated": deviance(every), "exval_s": spent, "exval_every_s": spent_every}
    told = None if args.no_r else by_r(shown_ng, np.arange(args.real), args.r_lib)
    if told is not None:
        out |= {"R": deviance(told[0]), "r_s": told[1], "agreement": agreement(ours, told[0])}
        out |= {"agreement_every": agreement(every, told[0]), "ratio": told[1] / spent}
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="cost,molecules")
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--all-genes", type=int, default=2000)
    parser.add_argument("--genes", type=int, default=12, help="genes that R estimates in the part cost")
    parser.add_argument("--real", type=int, default=600, help="cells and genes of the part molecules")
    parser.add_argument("--no-r", action="store_true")
    parser.add_argument("--r-lib", default="")
    args = parser.parse_args()
    known = json.loads(OUT.read_text()) if OUT.exists() else {}
    for part in args.parts.split(","):
        found = {"cost": cost, "molecules": molecules}[part](args)
        key = f"cost {args.cells} x {args.all_genes}" if part == "cost" else part
        known[key] = {**found, "load": round(os.getloadavg()[0], 1)}
        print(key, json.dumps(known[key], indent=1))
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(known, indent=1) + "\n")
