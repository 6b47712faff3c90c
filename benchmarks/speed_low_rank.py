"""CPU-seconds, wall seconds and peak memory of the low-rank imputation methods, beside halra and the R script of ALRA.

    python benchmarks/speed_low_rank.py                                         # ours, 3,000 x 2,000
    python benchmarks/speed_low_rank.py --cells 20000 --halra ENV/bin/python    # an environment with halra 0.1.0
    python benchmarks/speed_low_rank.py --cells 100000 --step 200 --methods alra  # values of 200 genes at a time
    python benchmarks/speed_low_rank.py --alra-r DIR/alra.R                     # R with rsvd, dense

Simulated counts of eight groups (about 40 % non-zeros at 2,000 genes). Every implementation runs in a process of its
own, starts from the same log1p(CP10k) CSR matrix in memory (R: dense) and ends with all values; reading is not timed.
Peak memory is that of the whole process during the work (Linux); beside it stands what it held before. Threads:
OMP_NUM_THREADS.
Results: benchmarks/results/speed_low_rank.json (one entry for each size, replaced when run again).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

OUT = Path(__file__).parent / "results" / "speed_low_rank.json"
KEY = ("cells", "genes", "step")
OURS = ("alra", "ppca-denoise", "mcimpute", "cmf-impute")

FRAME = """
import json, sys, time
import numpy as np, scipy.sparse as sp
folder, name, step = sys.argv[1:3] + [int(sys.argv[3])]
x = sp.csr_matrix((np.load(folder + "/data.npy"), np.load(folder + "/indices.npy"), np.load(folder + "/indptr.npy")))
def memory(which):
    return int([line for line in open("/proc/self/status") if line.startswith(which)][0].split()[1]) / 1024
{prepare}
open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
held, cpu, wall = memory("VmRSS"), time.process_time(), time.time()
{work}
cpu, wall = time.process_time() - cpu, time.time() - wall
figures = dict(cpu_s=cpu, wall_s=wall, before_mb=held, peak_mb=memory("VmHWM"), rank=int(rank), nonzero=nonzero)
print("RESULT", json.dumps(figures))
"""
WORK = {
    "ours": (
        """
import anndata, pandas as pd
from exval.methods import METHODS
genes = pd.DataFrame(index=[f"g{i:05d}" for i in range(x.shape[1])])
cells = anndata.AnnData(x, obs=pd.DataFrame(index=[f"c{i}" for i in range(x.shape[0])]), var=genes)
method = METHODS[name]()""",
        """
method.fit(cells)
share = []
for start in range(0, x.shape[1], step or x.shape[1]):
    values = method.impute(cells, list(genes.index[start : start + (step or x.shape[1])])).values_nq
    share.append((values[:1000] > 0).mean(0))
    del values
rank, nonzero = method.rank_, float(np.concatenate(share).mean())""",
    ),
    "halra": (
        """
from halra import halra
names = [f"c{i}" for i in range(x.shape[0])], [f"g{i:05d}" for i in range(x.shape[1])]""",
        """
values = halra(x, *names, verbose=False)[0]
rank, nonzero = -1, values.nnz / values.shape[0] / values.shape[1]""",
    ),
}
R_WORK = """
a <- commandArgs(TRUE); source(a[2])
size <- scan(file.path(a[1], "shape.txt"), quiet = TRUE)
x <- matrix(readBin(file.path(a[1], "dense.bin"), "double", size[1] * size[2]), size[1], size[2])
cat("5", file = "/proc/self/clear_refs"); set.seed(0); t <- proc.time()
k <- choose_k(x)$k; r <- alra(x, k = k)[[3]]; t <- proc.time() - t
peak <- as.numeric(gsub("[^0-9]", "", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) / 1024
cat(sprintf('RESULT {"cpu_s": %f, "wall_s": %f, "peak_mb": %f, "rank": %d, "nonzero": %f}\\n',
    t[1] + t[2], t[3], peak, k, mean(r[1:min(1000, nrow(r)), ] > 0)))
"""


def simulate(n: int, g: int, seed: int = 0) -> sp.csr_matrix:
    """Counts of eight groups of cells: gamma gene means, log-normal depths of about g, gamma noise, Poisson draws."""
    rng = np.random.default_rng(seed)
    base = rng.gamma(0.5, 1, g) + 1e-3
    profile = base * np.exp(rng.normal(0, 0.8, (8, g)) * (rng.random((8, g)) < 0.3))
    profile /= profile.sum(1, keepdims=True)
    parts = []
    for start in range(0, n, 2000):
        m = min(2000, n - start)
        rate = profile[rng.integers(0, 8, m)] * (1.1 * g * rng.lognormal(0, 0.35, m))[:, None]
        parts.append(sp.csr_matrix(rng.poisson(rate * rng.gamma(2, 0.5, rate.shape)), dtype=np.float32))
    return sp.vstack(parts, format="csr")


def write(folder: Path, n: int, g: int, dense: bool) -> float:
    """The log1p(CP10k) values as arrays; returns the share of non-zeros."""
    counts = simulate(n, g)
    size = np.repeat(1e4 / np.asarray(counts.sum(1)).ravel(), np.diff(counts.indptr))
    counts.data = np.log1p(counts.data * size).astype(np.float32)
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(counts, name))
    if dense:
        counts.toarray(order="F").astype(np.float64).ravel(order="F").tofile(folder / "dense.bin")
        (folder / "shape.txt").write_text(f"{n} {g}")
    return counts.nnz / n / g


def run(command: list[str], limit_s: float) -> dict:
    """The figures that a child prints, or what became of it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit_s:.0f} s"}
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return json.loads(line.removeprefix("RESULT"))
    return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--methods", default=",".join(OURS))
    parser.add_argument("--halra", help="Python of an environment that has halra")
    parser.add_argument("--alra-r", help="R/alra.R of KlugerLab/ALRA")
    parser.add_argument("--step", type=int, default=0, help="ours: genes asked for at a time; all by default")
    parser.add_argument("--limit", type=float, default=1800, help="seconds for each")
    options = parser.parse_args()
    rows: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        share = write(folder, options.cells, options.genes, bool(options.alra_r))
        jobs = [(m, sys.executable, "ours", m) for m in options.methods.split(",") if m]
        jobs += [("halra", options.halra, "halra", "halra")] if options.halra else []
        for title, python, kind, method in jobs:
            prepare, work = WORK[kind]
            (folder / "child.py").write_text(FRAME.replace("{prepare}", prepare).replace("{work}", work))
            rows[title] = run([python, str(folder / "child.py"), name, method, str(options.step)], options.limit)
            print(title, rows[title], flush=True)
        if options.alra_r:
            (folder / "child.R").write_text(R_WORK)
            rows["alra.R"] = run(["Rscript", str(folder / "child.R"), name, options.alra_r], options.limit)
            print("alra.R", rows["alra.R"], flush=True)
    ours = rows.get("alra", {}).get("cpu_s")
    for peer in ("halra", "alra.R"):
        if ours and "cpu_s" in rows.get(peer, {}):
            print(f"{peer} / alra: {rows[peer]['cpu_s'] / ours:.1f} times the CPU-seconds")
    entry = {key: getattr(options, key) for key in KEY} | {
        "nonzero": round(share, 3),
        "load": os.getloadavg()[0],
        "threads": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
        "figures": rows,
    }
    found = json.loads(OUT.read_text()) if OUT.exists() else []
    kept = [row for row in found if [row[key] for key in KEY] != [entry[key] for key in KEY]]
    OUT.write_text(json.dumps(sorted([*kept, entry], key=lambda row: [row[key] for key in KEY]), indent=1) + "\n")


if __name__ == "__main__":
    main()
