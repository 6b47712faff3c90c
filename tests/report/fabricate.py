"""Invented folders of every kind, realistic enough to be looked at: what the report is tested on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from exval.bench.results import make_rows

PANCREAS = {
    "beta": 872, "ductal": 120, "delta": 214, "alpha": 236, "acinar": 110, "gamma": 70, "endothelial": 130,
    "activated_stellate": 51, "quiescent_stellate": 92, "macrophage": 14, "mast": 8, "epsilon": 13,
    "schwann": 5, "t_cell": 2,
}  # fmt: skip
NASTY = {
    "<script>alert(1)</script>": 60,
    'CD4 & CD8 "double" \'quoted\' T': 50,
    "price $x_1$ and $$": 40,
    "a very long label, as ontology names are: CD4-positive, CD25-positive, alpha-beta regulatory T cell": 30,
    "細胞 тип κύτταρο 🧬": 20,
    "line\nbreak\tand \x00 control": 10,
    "": 9,
    "100%": 8,
    "javascript:alert(1)": 7,
    "]]>--><!--": 6,
    "score 1.23456789 id=\"x\" url(#a)": 5,
}  # fmt: skip
METHODS = {"majority": 0.05, "depth": 0.16, "pca-knn": 0.90, "pca": 0.93, "logreg": 0.958, "runs/tiny": 0.951}
SECONDS = {"majority": 0.01, "depth": 0.4, "pca-knn": 6.1, "pca": 7.4, "logreg": 9.8, "runs/tiny": 312.0}
MEMORY = {"majority": 2.0, "depth": 3.0, "pca-knn": 210.0, "pca": 214.0, "logreg": 180.0, "runs/tiny": 940.0}
SIZE = {"majority": 14, "depth": 42, "pca-knn": 1.2e5, "pca": 1.0e5, "logreg": 28014, "runs/tiny": 1.3e6}


def many(n: int) -> dict[str, int]:
    """``n`` invented classes with falling support."""
    return {f"cell type number {i:03d}": max(2, 600 // (i + 1)) for i in range(n)}


def annotate(folder: Path, classes: dict[str, int] = PANCREAS, *, seed: int = 0, units: int = 0, failed: bool = True,
             selection: bool = False) -> Path:  # fmt: skip
    """What ``evaluate --task annotate`` writes; with ``selection`` what ``annotate`` writes."""
    rng = np.random.default_rng(seed)
    labels, support = list(classes), np.array(list(classes.values()))
    unit = "donor" if units else "cell"
    split = "donor" if units else "cells (optimistic)"
    common = {"task": "annotate", "data": "baron.h5ad", "split": split, "unit": unit, "n": int(support.sum())}
    rows, extra = [], {name: [] for name in ("per_class", "reliability", "confusion", "units", "cost")}
    for method, quality in METHODS.items():
        wide = units == 0 or units >= 6
        cost = {"method": method, "seconds": SECONDS[method], "peak_mb": MEMORY[method]}
        half = 0.004 + 0.02 * (1 - quality)
        for metric, value in (
            ("macro_f1", quality),
            ("accuracy", min(0.99, quality + 0.02)),
            ("ece", 0.09 - 0.08 * quality),
        ):
            interval = {"lo": value - half, "hi": value + half} if wide else {}
            rows.append({**cost, "metric": metric, "value": value, **interval})
        if method != "logreg":
            gap = quality - METHODS["logreg"]
            interval = {"lo": gap - half, "hi": gap + half} if wide else {}
            rows.append({**cost, "metric": "difference:macro_f1", "value": gap, **interval})
        extra["cost"].append({**cost, "parameters": SIZE[method]})
        extra["units"] += [
            {"method": method, "group": f"donor {i}", "metric": "macro_f1", "n": 90,
             "value": quality + rng.normal(0, 0.02)}
            for i in range(units)
        ]  # fmt: skip
        for i, (label, n) in enumerate(classes.items()):
            f1 = (
                float(np.clip(quality + rng.normal(0.01, 0.04) - 0.2 * (n < 15), 0, 1))
                if quality > 0.2
                else 0.6 * (i == 0)
            )
            extra["per_class"].append(
                {"method": method, "label": label, "precision": min(1, f1 + 0.02), "recall": max(0, f1 - 0.02), 
                 "f1": f1, "support": n}
            )  # fmt: skip
            right = int(n * f1)
            extra["confusion"].append({"method": method, "truth": label, "prediction": label, "n": right})
            if n > right:
                other = labels[int(rng.integers(len(labels)))]
                extra["confusion"].append({"method": method, "truth": label, "prediction": other, "n": n - right})
        for low in np.arange(0.2, 1.0, 0.1):
            extra["reliability"].append(
                {"method": method, "bin_lo": low, "bin_hi": low + 0.1, "confidence": low + 0.05,
                 "accuracy": np.clip(low + 0.05 + rng.normal(0, 0.04), 0, 1), "n": int(5 + 900 * (low > 0.85))}
            )  # fmt: skip
    if failed:
        rows.append({"method": "obsm:X_scGPT", "status": "failed", "note": "obsm has no X_scGPT; there is X_pca"})
    tables = {name: pd.DataFrame(content) for name, content in extra.items() if content}
    points = rng.normal(size=(len(labels), 2)) * 6
    which = rng.choice(len(labels), size=1500, p=support / support.sum())
    xy = points[which] + rng.normal(size=(1500, 2))
    tables["map2d"] = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": np.array(labels, dtype=object)[which],
                                    "kind": "tsne", "unsure": rng.random(1500) < 0.06})  # fmt: skip
    tables["unknown_types"] = pd.DataFrame({"label": labels, "n": support, "caught": (support * 0.7).astype(int),
                                            "share_caught": rng.beta(4, 2, len(labels)),
                                            "false_unsure_share": 0.05})  # fmt: skip
    tables["gene_mapping"] = genes()
    tables["splits"] = pd.DataFrame({"what": ["class dropped", "classes in one donor only"], "n": [2, 1],
                                     "note": ["t_cell, schwann: fewer than ten cells", "epsilon"]})  # fmt: skip
    if selection:
        tables["selection"] = selected()
        edges = np.linspace(0, 1, 21)
        tables["scores"] = pd.concat([
            pd.DataFrame({"bin_lo": edges[:-1], "bin_hi": edges[1:], "n": (1000 * edges[1:] ** power).astype(int),
                          "kind": kind}) for kind, power in (("reference", 6), ("query", 3))])  # fmt: skip
    verdict = "logreg against pca, 1,937 cells: +0.028 [0.021, 0.035] macro-F1, 1.3 times the cost: better."
    config = {
        "task": "annotate", "verdict": verdict, "version": "0.1.0", "config_hash": "0123456789ab", "seed": seed,
        "folds": 5, "repeats": 3, "label": "cell_type", "split_by": "donor" if units else None,
        "dataset": {"name": "baron.h5ad", "n": int(support.sum()), "genes": 20125, "unit": "counts",
                    "label": "cell_type", "classes": len(labels), "split_by": "donor" if units else None},
        "warnings": ["2 classes with fewer than ten cells were left out: t_cell, schwann."],
        "command": "exval evaluate baron.h5ad --task annotate --label cell_type --method pca,logreg,runs/tiny -o out",
        "versions": {"exval": "0.1.0", "python": "3.11.7", "torch": "2.13.0"}, "created": "2026-01-31",
    }  # fmt: skip
    if selection:
        config.update(
            threshold=0.62, unsure_share=0.081, method="auto",
            verdict="logreg names the cells: held-out macro-F1 0.958, a tie with pca at 1.3 times its cost. 8 % of the "
            "cells are unsure; cells of a type that the reference lacks are caught in 71 of 100 cases.",
        )  # fmt: skip
        config["dataset"] |= {"name": "second_lab.h5ad", "reference": "baron.h5ad"}
    return save(folder, config, make_rows(rows, **common), tables)


def recover(folder: Path) -> Path:
    """What ``evaluate --task recover`` writes: two arms."""
    rng = np.random.default_rng(1)
    rows, parts = [], []
    for arm, level in (("thinning", 0.0), ("entries", 0.12)):
        for method, rmse, seconds in (("gene-mean", 0.602, 0.1), ("low-rank", 0.371, 4.0), ("runs/tiny", 0.352, 160.0)):
            common = {"method": method, "slice": f"arm={arm}", "seconds": seconds, "peak_mb": 90 + seconds}
            value = rmse + level
            rows.append({**common, "metric": "rmse", "value": value, "lo": value - 0.01, "hi": value + 0.01})
            rows.append(
                {**common, "metric": "poisson_deviance", "value": 1.4 * value, "lo": 1.38 * value, "hi": 1.42 * value}
            )
            true = np.abs(rng.gamma(1.2, 0.9, 1200))
            flat = 0.1 if method == "gene-mean" else 0.85
            predicted = flat * true + (1 - flat) * 1.1 + rng.normal(0, value / 2, 1200)
            parts.append(
                pd.DataFrame({"gene": "INS", "true": true, "predicted": predicted, "method": method, "arm": arm})
            )
    config = {
        "task": "recover", "version": "0.1.0", "seed": 0, "folds": 5,
        "verdict": "runs/tiny against low-rank, 1,937 cells: -0.019 [-0.024, -0.014] RMSE, 40 times the cost: better.",
        "dataset": {"name": "baron.h5ad", "n": 1937, "genes": 20125, "unit": "counts"},
    }  # fmt: skip
    made = make_rows(rows, task="recover", data="baron.h5ad", split="cells (optimistic)", unit="cell", n=1937)
    return save(folder, config, made, {"recovered": pd.concat(parts), "gene_mapping": genes()})


def run(folder: Path, kind: str = "pretrain", steps: int = 600) -> Path:
    """What a training run writes, the weights left out."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("w") as log:
        for step in range(1, steps + 1):
            loss = 0.33 + 0.6 * np.exp(-step / 80) + rng.normal(0, 0.02)
            log.write(json.dumps({"step": step, "loss": loss, "parts": {"values": loss}, "samples": 128 * step,
                                  "seconds": step * 0.3}) + "\n")  # fmt: skip
            if step % 50 == 0:
                valid = 0.34 + 0.6 * np.exp(-step / 75)
                log.write(json.dumps({"step": step, "valid": {"loss": valid, "gene_mean": 0.602}}) + "\n")
    config = {
        "kind": kind, "recipe": "xtrimogene", "preset": "tiny", "format_version": 1, "seed": 0, "version": "0.1.0",
        "parameters": 1_310_720, "model": {"width": 128, "layers": 4, "heads": 4}, "optimiser": {"lr": 1e-3},
        "dataset": {"name": "baron.h5ad", "n": 1937, "genes": 20125, "unit": "counts"},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def demo(folder: Path) -> Path:
    """Several folders in one."""
    annotate(folder / "annotate", selection=True, failed=False)
    annotate(folder / "evaluate", seed=3)
    run(folder / "run")
    run(folder / "finetune", "finetune", 150)
    recover(folder / "recover")
    return folder


def genes() -> pd.DataFrame:
    """How genes were recognised."""
    return pd.DataFrame({
        "how": ["symbol", "ensembl", "alias", "unknown", "duplicated"], "n": [17802, 0, 1411, 912, 14],
        "examples": ["INS, GCG, TTR", "", "FAM46A → TENT5A, C10orf10 → DEPP1", "LOC100996758, X5S_rRNA", "MATR3"],
    })  # fmt: skip


def selected() -> pd.DataFrame:
    """How ``annotate`` chose."""
    return pd.DataFrame({
        "method": ["logreg", "pca", "majority"], "macro_f1": [0.958, 0.953, 0.05], "lo": [np.nan, -0.011, -0.93],
        "hi": [np.nan, 0.002, -0.88], "seconds": [3.1, 2.4, 0.01], "chosen": [True, False, False],
        "why": ["highest held-out macro-F1", "tie, but the scores keep their word less", "a control"],
    })  # fmt: skip


def save(folder: Path, config: dict, rows: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> Path:
    """Write the folder as :class:`exval.bench.results.Results` does."""
    (folder / "extras").mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / "results.parquet", index=False)
    pd.DataFrame({"sample": ["a"], "truth": ["b"], "prediction": ["b"]}).to_parquet(folder / "predictions.parquet")
    for name, table in tables.items():
        table.to_parquet(folder / "extras" / f"{name}.parquet", index=False)
    (folder / "config.json").write_text(json.dumps(config))
    return folder
