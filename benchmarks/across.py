"""Across protocols, studies and gene sets: does ``annotate --ref`` pick what turns out best?

    python benchmarks/across.py --data ../shared/data/scrna

Three-protocol PBMC: each protocol is the reference of the other two. PBMC3k and the three protocols: each the reference
of the other, label names joined by labels_pbmc.csv. For every pair the methods compete on the reference as a user's
would (logreg, pca-knn, and a tiny run pretrained on the reference); afterwards all are scored on the query's truth,
each used as ``annotate`` would use it.
Cells of types that the reference lacks are left out of the score and counted. Results: benchmarks/results/across.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch

from exval.bench.intervals import in_words, macro_f1_interval
from exval.data.source import open_source
from exval.methods.probe import as_classifier
from exval.methods.run import RunMethod
from exval.metrics.classification import macro_f1
from exval.tasks import naming
from exval.verbs.annotate import annotate_file
from exval.verbs.finetune import finetune
from exval.verbs.pretrain import pretrain

OUT = Path(__file__).parent / "results" / "across.json"
LABEL = "cell_type"


def pair(name: str, ref: ad.AnnData, query: ad.AnnData, steps: int, room: Path) -> dict:
    """Choose on the reference, then score everything on the query."""
    room.mkdir()
    ref.write_h5ad(room / "ref.h5ad")
    query.write_h5ad(room / "query.h5ad")
    began = time.process_time()
    run = pretrain(str(room / "ref.h5ad"), out=room / "xtrimogene", steps=steps)
    tuned = finetune(run, str(room / "ref.h5ad"), label=LABEL, out=room / "xtrimogene-tuned", steps=steps)
    trained = time.process_time() - began
    truth = query.obs[LABEL].astype(str).to_numpy()
    known = np.isin(truth, ref.obs[LABEL].astype(str).unique())
    chosen = annotate_file(
        room / "query.h5ad", room / "ref.h5ad", label=LABEL, method=("auto", str(run.folder)), out=room / "auto.csv"
    )
    said = {"chosen": chosen.table.iloc[:, 0].astype(str).to_numpy()}
    for method in ("logreg", "pca-knn", "pca"):
        found = annotate_file(
            room / "query.h5ad", room / "ref.h5ad", label=LABEL, method=method, out=room / f"{method}.csv"
        )
        said[method] = found.table.iloc[:, 0].astype(str).to_numpy()
    said["xtrimogene"] = _used(run, room / "ref.h5ad", room / "query.h5ad")
    said["xtrimogene-tuned"] = _used(tuned, room / "ref.h5ad", room / "query.h5ad")
    scores = {m: round(macro_f1(truth[known], p[known]), 4) for m, p in said.items()}
    competing = {m: scores[m] for m in ("logreg", "pca-knn", "xtrimogene")}
    best = max(competing, key=competing.get)
    gap = macro_f1_interval(truth[known], said["chosen"][known], said[best][known])
    row = {
        "pair": name,
        "reference_cells": ref.n_obs,
        "query_cells": query.n_obs,
        "shared_genes": int(ref.var_names.isin(query.var_names).sum()),
        "types_the_reference_lacks": sorted(set(truth[~known])),
        "their_cells": int((~known).sum()),
        "their_cells_unsure": int(chosen.table.iloc[:, 2].to_numpy()[~known].sum()),
        "chosen": chosen.method,
        "best_on_truth": best,
        "macro_f1": scores,
        "gap_chosen_to_best": in_words("chosen", best, gap, unit="cell", caution="optimistic"),
        "unsure_share": float(chosen.table.iloc[:, 2].mean()),
        "accuracy_of_the_sure": float(
            (said["chosen"] == truth)[known & ~chosen.table.iloc[:, 2].to_numpy(bool)].mean()
        ),
        "training_cpu_seconds": round(trained),
    }
    print(json.dumps(row), flush=True)
    return row


def _used(run, ref: Path, query: Path) -> np.ndarray:
    """What ``annotate`` would say with this run: both files on their shared genes, whoever wins the comparison."""
    reference, new = open_source(ref), open_source(query)
    setting = naming.prepare(new, reference, LABEL, {}, None, 0, False)
    fitted = as_classifier(RunMethod(str(run.folder))).fit(setting.thin.augment(setting.reference), LABEL)
    return naming.name_cells(new, fitted, setting, 0.0, False).labels.astype(str)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=120)
    args = parser.parse_args()
    torch.set_num_threads(1)
    three = ad.read_h5ad(args.data / "pbmc_10x_3protocols_1200_lognorm.h5ad")
    one = ad.read_h5ad(args.data / "pbmc3k_2638_lognorm_2000genes.h5ad")
    names = pd.read_csv(Path(__file__).parent / "labels_pbmc.csv").set_index("from").to
    one.obs[LABEL] = one.obs[LABEL].astype(str).map(names)
    overlap = {
        "pbmc3k": one.obs[LABEL].value_counts().to_dict(),
        "three protocols": three.obs[LABEL].value_counts().to_dict(),
        "shared_labels": sorted(set(one.obs[LABEL]) & set(three.obs[LABEL])),
        "only_three_protocols": sorted(set(three.obs[LABEL]) - set(one.obs[LABEL])),
        "shared_genes": int(one.var_names.isin(three.var_names).sum()),
        "genes": [one.n_vars, three.n_vars],
    }
    print(json.dumps(overlap), flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as room:
        protocols = sorted(three.obs.protocol.astype(str).unique())
        jobs = [
            (f"{p} -> {q}", three[three.obs.protocol == p].copy(), three[three.obs.protocol == q].copy())
            for p in protocols
            for q in protocols
            if p != q
        ]
        jobs += [("pbmc3k -> three protocols", one, three), ("three protocols -> pbmc3k", three, one)]
        for i, (name, ref, query) in enumerate(jobs):
            rows.append(pair(name, ref, query, args.steps, Path(room) / str(i)))
    picked = sum(r["chosen"] == r["best_on_truth"] for r in rows)
    found = {
        "command": f"python benchmarks/across.py --data DATA --steps {args.steps}",
        "picked_the_best": f"{picked} of {len(rows)}",
        "overlap": overlap,
        "pairs": rows,
        "load": os.getloadavg()[0],
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(found["picked_the_best"])


if __name__ == "__main__":
    main()
