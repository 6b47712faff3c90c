"""MAGIC, kNN-smoothing and DrImpute of exval beside their authors' code: CPU-seconds, peak memory, agreement.

    python benchmarks/speed_smoothing.py                                        # 3,000 simulated cells x 2,000 genes
    python benchmarks/speed_smoothing.py --cells 20000 --magic-python ENV/bin/python --knn-script knn_smooth.py
    python benchmarks/speed_smoothing.py --cells 100000 --depth 300 --no-peers  # a tenth of the entries is not zero

magic-impute 3.0.0 asks for a pandas that current numpy cannot load; in its environment, afterwards:
``pip install --no-deps pandas==2.3.3``.

Every contestant runs in a process of its own, on the same counts: from the sparse matrix in memory to the dense values
of all genes. Loading and imports are not timed; ``peak_mb`` is that of the whole process, ``before_mb`` what it held
before. The peers are those whose place is given: magic-impute (``--magic-python``, an interpreter that imports it, on
dense and on sparse input) and the script of yanailab/knn-smoothing (``--knn-script``, needs scikit-learn). Agreement is
the median over ``--look`` genes of the correlation over cells, on the root of CP10k. Results:
benchmarks/results/speed_smoothing.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

OUT = Path(__file__).parent / "results" / "speed_smoothing.json"


def simulate(n: int, g: int, depth: float, seed: int = 0) -> sp.csr_matrix:
    """Counts of eight groups: log-normal genes and depths, Poisson."""
    rng = np.random.default_rng(seed)
    rate_kg = rng.lognormal(0, 1.5, g) * rng.lognormal(0, 0.8, (8, g))
    rate_kg /= rate_kg.sum(1, keepdims=True)
    group_n, depth_n = rng.integers(8, size=n), depth * rng.lognormal(0, 0.4, n)
    parts = [
        sp.csr_matrix(rng.poisson(rate_kg[group_n[at]] * depth_n[at, None]).astype(np.float32))
        for at in np.array_split(np.arange(n), max(1, n // 1000))
    ]
    counts = sp.vstack(parts).tocsr()
    return counts[np.asarray(counts.sum(1)).ravel() > 0]


def by_exval(name: str, counts_ng: sp.csr_matrix, settings: dict):
    """fit and impute, in blocks of genes as the verb ``impute`` does; the values are CP10k."""
    import pandas as pd
    from anndata import AnnData

    from exval.methods import METHODS

    total_n = np.asarray(counts_ng.sum(1), dtype=np.float64).ravel()
    scaled = counts_ng.data / np.repeat(total_n, np.diff(counts_ng.indptr)) * 1e4
    log_ng = sp.csr_matrix((np.log1p(scaled).astype(np.float32), counts_ng.indices, counts_ng.indptr), counts_ng.shape)
    names = {"index": [f"c{i:07d}" for i in range(len(total_n))]}
    adata = AnnData(log_ng, pd.DataFrame(**names), pd.DataFrame(index=[f"G{j:06d}" for j in range(log_ng.shape[1])]))
    adata.layers["counts"] = counts_ng
    method = METHODS[name](**settings)

    def run():
        method.fit(adata)
        out = np.empty(adata.shape, np.float32)
        step = max(1, 128_000_000 // (4 * adata.n_obs))
        for start in range(0, adata.n_vars, step):
            part = slice(start, start + step)
            out[:, part] = method.impute(adata, list(adata.var_names[part])).to("cp10k").values_nq
        return out

    return run


def by_magic(counts_ng: sp.csr_matrix, dense: bool):
    """magic-impute with its defaults on the root of CP10k."""
    import magic

    total_n = np.asarray(counts_ng.sum(1), dtype=np.float64).ravel()
    root_ng = sp.csr_matrix(counts_ng, dtype=np.float64)
    root_ng.data = np.sqrt(root_ng.data / np.repeat(total_n, np.diff(root_ng.indptr)) * 1e4)
    root_ng = root_ng.toarray() if dense else root_ng
    return lambda: magic.MAGIC(random_state=0, verbose=0).fit_transform(root_ng) ** 2


def by_script(path: str, counts_ng: sp.csr_matrix, k: int):
    """The authors' kNN-smoothing; its sums as CP10k."""
    spec = importlib.util.spec_from_file_location("knn_smooth", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    counts_gn = counts_ng.toarray().astype(np.float64).T.copy()

    def run():
        with contextlib.redirect_stdout(io.StringIO()):
            sums = script.knn_smoothing(counts_gn, k)
        return (sums / sums.sum(0) * 1e4).T

    return run


def child(args) -> None:
    """Run one contestant, write its figures and some of its values."""
    counts_ng = sp.load_npz(args.counts)
    made = {
        "magic": lambda: by_exval("magic", counts_ng, {}),
        "knn-smoothing": lambda: by_exval("knn-smoothing", counts_ng, {"k": args.k}),
        "drimpute": lambda: by_exval("drimpute", counts_ng, {}),
        "magic-impute, dense": lambda: by_magic(counts_ng, True),
        "magic-impute, sparse": lambda: by_magic(counts_ng, False),
        "knn_smooth.py": lambda: by_script(args.knn_script, counts_ng, args.k),
    }[args.child]()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began, wall = time.process_time(), time.perf_counter()
    found = made()
    spent, wall = time.process_time() - began, time.perf_counter() - wall
    some = np.sort(np.random.default_rng(1).permutation(counts_ng.shape[1])[: args.look])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(args.found, values=np.sqrt(np.maximum(found[:, some], 0)).astype(np.float32))
    print(json.dumps({"cpu_s": spent, "wall_s": wall, "peak_mb": peak, "before_mb": before.ru_maxrss / 1024}))


def run(name: str, python: str, folder: Path, args) -> dict:
    """The figures of one contestant; what went wrong, where it did."""
    call = [python, __file__, "--child", name, "--counts", f"{folder}/counts.npz", "--found", f"{folder}/{name}.npz"]
    call += ["--k", str(args.k), "--look", str(args.look), "--knn-script", args.knn_script]
    try:
        got = subprocess.run(call, capture_output=True, text=True, timeout=args.seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"not finished after {args.seconds} s"}
    if got.returncode:
        return {"failed": (got.stderr.strip().splitlines() or [f"ended by signal {-got.returncode}"])[-1]}
    return json.loads(got.stdout.strip().splitlines()[-1])


def agreement(folder: Path, one: str, other: str) -> float:
    """Median correlation over cells of some genes."""
    a, b = (np.load(folder / f"{name}.npz")["values"].T for name in (one, other))
    varies = (a.std(1) > 0) & (b.std(1) > 0)
    return float(np.median([np.corrcoef(x, y)[0, 1] for x, y in zip(a[varies], b[varies])]))


def main(args) -> dict:
    peers = {"magic": [], "knn-smoothing": [], "drimpute": []}
    if args.magic_python and not args.no_peers:
        peers["magic"] = [(name, args.magic_python) for name in ("magic-impute, sparse", "magic-impute, dense")]
    if args.knn_script and not args.no_peers:
        peers["knn-smoothing"] = [("knn_smooth.py", sys.executable)]
    counts_ng = simulate(args.cells, args.genes, args.depth)
    density = counts_ng.nnz / np.prod(counts_ng.shape)
    out = {"cells": counts_ng.shape[0], "genes": args.genes, "density": round(density, 3), "k": args.k}
    out["threads"] = os.environ.get("OMP_NUM_THREADS", "all")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sp.save_npz(folder / "counts.npz", counts_ng, compressed=False)
        del counts_ng
        for ours in args.methods.split(","):
            out[ours] = run(ours, sys.executable, folder, args)
            for peer, python in peers[ours]:
                out[peer] = run(peer, python, folder, args)
                if "failed" not in out[peer] and "failed" not in out[ours]:
                    out[peer]["cpu_over_ours"] = out[peer]["cpu_s"] / out[ours]["cpu_s"]
                    out[peer]["memory_over_ours"] = out[peer]["peak_mb"] / out[ours]["peak_mb"]
                    out[peer]["agreement"] = agreement(folder, ours, peer)
    return {**out, "load": round(os.getloadavg()[0], 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--depth", type=float, default=2120, help="median counts of a cell")
    parser.add_argument("--k", type=int, default=32, help="of kNN-smoothing")
    parser.add_argument("--methods", default="magic,knn-smoothing,drimpute")
    parser.add_argument("--magic-python", default="", help="an interpreter that imports magic-impute")
    parser.add_argument("--knn-script", default="", help="knn_smooth.py of yanailab/knn-smoothing")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--seconds", type=float, default=1800, help="most seconds of a contestant")
    parser.add_argument("--look", type=int, default=50, help="genes that agreement is taken from")
    for hidden in ("--child", "--counts", "--found"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        sys.exit()
    found = main(args)
    print(json.dumps(found, indent=1))
    known = json.loads(OUT.read_text()) if OUT.exists() else {}
    key = f"{found['cells']} x {found['genes']}, {100 * found['density']:.0f} % non-zero"
    known[key] = {**known.get(key, {}), **found}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(known, indent=1) + "\n")
