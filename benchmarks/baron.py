"""Annotation of one donor's pancreas cells: pretrained per fold, beside the baselines; and from few labels.

    python benchmarks/baron.py full        # 5 folds x 3 seeds, 11 classes with at least 10 cells
    python benchmarks/baron.py few         # 10 labelled cells of each of the 9 classes with at least 50 cells

Every fold pretrains and fine-tunes on its training cells only. One donor: the figures are optimistic for another one.
Settings are those of the preset with fewer steps, and were not tuned on these folds.
Results: benchmarks/results/baron_*.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from exval.bench.intervals import in_words, macro_f1_interval
from exval.data.examples import baron
from exval.data.source import open_source
from exval.methods.base import METHODS
from exval.methods.trained import Trained
from exval.metrics.classification import macro_f1
from exval.tasks.annotate import evaluate_annotation
from exval.tasks.splits import make_splits
from exval.verbs.finetune import finetune
from exval.verbs.pretrain import pretrain

RESULTS = Path(__file__).parent / "results"
LABEL = "cell_type"
SPLIT_SEED = 1000  # not the splits on which the defaults of logreg were looked at


def full(seeds: int, steps: int, tune_steps: int) -> dict:
    """Cross-validation: `Trained` beside every registered method that names cells."""
    adata = open_source(baron()).to_adata()
    labels = adata.obs[LABEL].astype(str).to_numpy(object)
    splits = make_splits(adata.n_obs, labels_n=labels, folds=5, repeats=seeds, seed=SPLIT_SEED, min_cells=10)
    adata.obs[LABEL] = labels
    methods = [METHODS[name]() for name in ("majority", "depth", "logreg", "pca", "pca-knn")]
    methods.append(Trained(steps=steps, tune_steps=tune_steps))
    found = evaluate_annotation(adata, LABEL, methods, splits, data="baron", config={"seed": 0, "repeats": seeds})
    rows = found.rows[(found.rows.fold == -1) | found.rows.metric.str.startswith("difference")]
    rows = rows[~rows.slice.astype(str).str.contains("class=")]
    out = {"verdict": found.verdict, "rows": json.loads(rows.to_json(orient="records"))}
    predictions = found.predictions
    ours = predictions[predictions.method == "xtrimogene"]
    for other in ("logreg", "pca"):
        theirs = predictions[predictions.method == other]
        gap = macro_f1_interval(
            ours.truth.to_numpy(),
            ours.prediction.to_numpy(),
            theirs.prediction.to_numpy(),
            repeat_n=ours.seed.to_numpy(),
        )
        out[f"against_{other}"] = in_words("xtrimogene", other, gap, unit="cell", caution="optimistic: one donor")
    return out


def few(seeds: int, steps: int, tune_steps: int) -> dict:
    """Ten labels a class: does pretraining on the unlabelled cells help, and more than PCA on them?"""
    adata = open_source(baron()).to_adata()
    labels = adata.obs[LABEL].astype(str)
    adata = adata[labels.map(labels.value_counts()).ge(50).to_numpy()].copy()
    y = adata.obs[LABEL].astype(str).to_numpy()
    quick = {"train.valid_share": 0.0, "train.save_every": 1000}
    scores: list[dict] = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        pool = np.sort(np.concatenate([order[y[order] == c][: int(0.7 * (y == c).sum())] for c in np.unique(y)]))
        test = np.setdiff1d(np.arange(len(y)), pool)
        with tempfile.TemporaryDirectory() as room:
            pretrained = pretrain(adata[pool].copy(), out=f"{room}/run", steps=steps, seed=seed)
            for draw in range(2):
                shuffled = rng.permutation(pool)
                named = np.sort(np.concatenate([shuffled[y[shuffled] == c][:10] for c in np.unique(y)]))
                train, unseen = adata[named].copy(), adata[test]
                fresh = pretrain(train, out=f"{room}/fresh{draw}", steps=1, seed=seed, overrides=quick)
                tuned = {
                    "xtrimogene, pretrained": (pretrained, f"{room}/a{draw}"),
                    "xtrimogene, not pretrained": (fresh, f"{room}/b{draw}"),
                }
                found = {}
                for name, (run, out) in tuned.items():
                    run = finetune(run, train, label=LABEL, out=out, steps=tune_steps, overrides=quick, seed=seed)
                    found[name] = np.array(run.classes)[run.predict_proba(unseen).argmax(1)]
                found["logreg"] = METHODS["logreg"]().fit(train, LABEL).predict(unseen).to_numpy()
                pca = METHODS["pca"]().fit(adata[pool].copy())
                found["pca of all unlabelled cells, logistic"] = _probe(pca, train, unseen)
                found["pca-knn"] = METHODS["pca-knn"]().fit(train, LABEL).predict(unseen).to_numpy()
                for name, prediction in found.items():
                    scores.append(
                        {
                            "method": name,
                            "seed": seed,
                            "draw": draw,
                            "macro_f1": macro_f1(y[test], prediction.astype(str)),
                        }
                    )
                print(seed, draw, {s["method"]: round(s["macro_f1"], 3) for s in scores[-len(found) :]}, flush=True)
    names = list(dict.fromkeys(s["method"] for s in scores))
    table = np.array([[s["macro_f1"] for s in scores if s["method"] == name] for name in names])
    summary = {
        name: {
            "macro_f1": round(float(row.mean()), 4),
            "draws": [round(x, 4) for x in row.tolist()],
            "against_logreg": round(float((row - table[names.index("logreg")]).mean()), 4),
        }
        for name, row in zip(names, table)
    }
    return {
        "classes": 9,
        "labelled_per_class": 10,
        "cells_tested": "a random 30 % for each seed",
        "methods": summary,
    }


def _probe(embedder, train, unseen) -> np.ndarray:
    from exval.methods.probe import LogisticProbe

    probe = LogisticProbe().fit(embedder.embed(train), train, LABEL)
    proba = probe.predict_proba(embedder.embed(unseen), unseen)
    return np.asarray(proba.columns)[proba.to_numpy().argmax(1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("full", "few"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--tune-steps", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    began, cpu = time.time(), time.process_time()
    found = {"full": full, "few": few}[args.part](args.seeds, args.steps, args.tune_steps)
    found |= {
        "command": f"python benchmarks/baron.py {args.part}",
        "steps": args.steps,
        "tune_steps": args.tune_steps,
        "wall_seconds": round(time.time() - began),
        "cpu_seconds": round(time.process_time() - cpu),
        "load": os.getloadavg()[0],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"baron_{args.part}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({k: v for k, v in found.items() if k != "rows"}, indent=1))


if __name__ == "__main__":
    main()
