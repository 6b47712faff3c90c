"""Cells per CPU-second out of one synthetic store, beside other ways of reading the same counts, and a memory copy.

    python benchmarks/store.py                     # 200,000 cells, 5 % of 20,000 genes; 5 GB of scratch space
    python benchmarks/store.py --cells 20000       # a minute

One thread, warm page cache, batches of 256 rows. CPU time, not wall time: other work on the machine still costs some of
the memory bandwidth, hence the load average in the results, and rounds in turn with the median over them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy import sparse

from exval.data.genes import GeneTable
from exval.data.loader import Loader
from exval.data.sampling import Sampler
from exval.data.store import Store
from exval.progress import track

BATCH = 256


def synthetic_counts(n: int, g: int, *, seed: int = 0, chunk: int = 4096) -> Iterator[sparse.csr_matrix]:
    """(n, g) counts in chunks: molecules drawn from log-normal gene means, at log-normal depths.

    At g = 20,000 about 5 % of the entries are non-zero, three quarters of them ones.
    """
    rng = np.random.default_rng(seed)
    mean_g = rng.lognormal(0, 2, g)
    bins = (np.arange(2**22) + 0.5) / 2**22
    gene_of_bin = np.searchsorted(np.cumsum(mean_g) / mean_g.sum(), bins).clip(max=g - 1)
    for begin in range(0, n, chunk):
        m = min(chunk, n - begin)
        depth_m = rng.lognormal(np.log(1320 * g / 20_000), 0.55, m).clip(50, g).astype(np.int64)
        draws = gene_of_bin[rng.integers(0, 2**22, depth_m.sum(), dtype=np.int32)]
        key_t = np.sort(np.repeat(np.arange(m) * g, depth_m) + draws)
        first = np.flatnonzero(np.concatenate([[True], key_t[1:] != key_t[:-1]]))
        count_t = np.diff(first, append=len(key_t)).astype(np.float32)
        sample_t, gene_t = np.divmod(key_t[first], g)
        offsets = np.concatenate([[0], np.bincount(sample_t, minlength=m).cumsum()])
        yield sparse.csr_matrix((count_t, gene_t.astype(np.int32), offsets), shape=(m, g))


def synthetic_store(out: Path, n: int, g: int) -> Store:
    """The synthetic counts as a store, under the names of real genes."""
    chunks = track(synthetic_counts(n, g), "Drawing counts", total=-(-n // 4096))
    return Store.from_csr(chunks, GeneTable.load("human").symbols[:g], unit="counts", name="synthetic", out=out)


def plain_csr(store: Store, folder: Path) -> sparse.csr_matrix:
    """The same counts as the usual three arrays (float32, int32, int64), memory-mapped."""
    nnz, at = store.manifest["nnz"], 0
    values = np.memmap(folder / "values", np.float32, "w+", shape=nnz)
    genes = np.memmap(folder / "genes", np.int32, "w+", shape=nnz)
    for begin in range(0, store.n, 4096):
        x = store.csr(slice(begin, begin + 4096))
        values[at : at + x.nnz], genes[at : at + x.nnz] = x.data, x.indices
        at += x.nnz
    offsets = np.concatenate([[0], store.length_n.cumsum()])
    x = sparse.csr_matrix((store.n, store.n_genes), dtype=np.float32)
    x.data, x.indices, x.indptr = np.asarray(values), np.asarray(genes), offsets.astype(np.int32)
    return x


def rows_of(n: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """256 rows: blocks of neighbours at random places."""
    first = rng.integers(0, n - block, BATCH // block)
    return (first[:, None] + np.arange(block)).ravel()


def measure(read: Callable[[np.ndarray], object], n: int, block: int, seconds: float, seed: int) -> float:
    """Cells per CPU-second of one round, all threads of this process counted."""
    rng = np.random.default_rng(seed)
    plans = [rows_of(n, block, rng) for _ in range(64)]
    read(plans[0])
    cells, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        for rows in plans[:4]:
            read(rows)
            cells += len(rows)
        plans = plans[4:] + plans[:4]
    return cells / spent


def contestants(store: Store, csr: sparse.csr_matrix, h5ad: Path) -> dict[str, tuple[int, Callable]]:
    """Name -> (rows that stay together, how to read a batch)."""
    import h5py
    from anndata.io import sparse_dataset

    matrix = sparse_dataset(h5py.File(h5ad)["X"])
    some = np.random.default_rng(0).permutation(store.genes)[: store.n_genes // 2]
    view = store.with_vocabulary(some)
    mean = store.manifest["nnz"] // store.n
    output = np.ones((BATCH * mean, 2), np.float32)

    def torch_csr(rows):
        x = csr[rows]
        return torch.from_numpy(x.indices), torch.from_numpy(x.data), torch.from_numpy(x.indptr)

    return {
        "memcpy of the packed output": (1, lambda rows: output.copy()),
        "Store.batch, random rows": (1, store.batch),
        "Store.batch, blocks of 64": (64, store.batch),
        "Store.batch, random rows, half the genes in another order": (1, view.batch),
        "scipy rows of a memory-mapped CSR, random rows": (1, torch_csr),
        "scipy rows of a memory-mapped CSR, blocks of 64": (64, torch_csr),
        "h5ad backed, random rows": (1, lambda rows: matrix[np.unique(rows)]),
        "h5ad backed, blocks of 64": (64, lambda rows: matrix[np.unique(rows)]),
    }


def loader_rates(store: Store, workers: int, batches: int) -> float:
    """Cells per CPU-second through sampler, loader and threads."""
    stream = iter(Loader(store, Sampler(store.n, BATCH, seed=0), workers=workers))
    next(stream)
    begin = time.process_time()
    for _ in range(batches):
        next(stream)
    return BATCH * batches / (time.process_time() - begin)


def main() -> None:
    """Make the store, take turns, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU-seconds of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dir", default=None, help="where the scratch files go (default: the temporary folder)")
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "store.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="exval-store-", dir=options.dir))
    try:
        import anndata

        store = synthetic_store(folder / "store", options.cells, options.genes)
        csr = plain_csr(store, folder)
        anndata.AnnData(csr).write_h5ad(folder / "cells.h5ad")
        begin = time.process_time()
        store.verify()
        verify = time.process_time() - begin
        rates: dict[str, list[float]] = {}
        load = [os.getloadavg()[0]]
        for turn in track(range(options.rounds), "Taking turns"):
            for name, (block, read) in contestants(store, csr, folder / "cells.h5ad").items():
                rates.setdefault(name, []).append(measure(read, store.n, block, options.seconds, turn))
            for workers in (0, 2):
                name = f"Loader, random rows, {workers} threads"
                rates.setdefault(name, []).append(loader_rates(store, workers, store.n // BATCH // 4))
            load.append(os.getloadavg()[0])
        sizes = {
            "store": sum(file.stat().st_size for file in (folder / "store").iterdir()),
            "h5ad": (folder / "cells.h5ad").stat().st_size,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ours = np.median(rates["Store.batch, random rows"])
    table = [
        {
            "name": name,
            "cells_per_cpu_second": round(float(np.median(values))),
            "low": round(min(values)),
            "high": round(max(values)),
            "ours_random_over_this": round(float(ours / np.median(values)), 3),
        }
        for name, values in rates.items()
    ]
    pairs = store.manifest["nnz"] / store.n
    result = {
        "cells": store.n,
        "genes": store.n_genes,
        "pairs_per_cell": round(pairs, 1),
        "density": round(pairs / store.n_genes, 4),
        "batch": BATCH,
        "rounds": options.rounds,
        "bytes": sizes,
        "verify_cpu_seconds": round(verify, 2),
        "load_average": [round(x, 2) for x in load],
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("exval", "numpy", "scipy", "torch", "anndata", "h5py")},
        "rates": table,
    }
    print(
        f"{store.n:,} cells x {store.n_genes:,} genes, {pairs:.0f} pairs a cell, load {min(load):.1f}-{max(load):.1f}"
    )
    print(f"{'cells per CPU-second':>20} {'(lowest-highest round)':>24}  {'ours / this':>11}")
    for row in table:
        spread = f"({row['low']:,}-{row['high']:,})"
        print(f"{row['cells_per_cpu_second']:20,} {spread:>24}  {row['ours_random_over_this']:11.2f}  {row['name']}")
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
