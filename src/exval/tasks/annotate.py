"""Name the types of held-out cells: figures, paired intervals and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.intervals import MIN_UNITS, Interval, in_words, macro_f1_interval
from exval.bench.results import POOLED, Results, make_rows
from exval.errors import InputError
from exval.methods.base import Method
from exval.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    per_class,
    reliability,
)
from exval.tasks.crossval import OutOfFold, blind_spots, caution, out_of_fold
from exval.tasks.splits import Splits

if TYPE_CHECKING:
    from anndata import AnnData

CONTROLS = ("majority", "depth")
BASELINES = ("logreg", "pca", "pca-knn")
SCORES = {"accuracy": accuracy, "macro_f1": macro_f1, "balanced_accuracy": balanced_accuracy}


def evaluate_annotation(
    adata: AnnData, label: str, methods: list[Method], splits: Splits, *, data: str, config: dict[str, Any]
) -> Results:
    """Cross-validate methods that name cells and say how they compare.

    The verdict holds every method that is no baseline against the best baseline; without such a method, the best
    baseline against the next one. The best baseline is picked on the same held-out cells, which can only favour the
    baseline.

    Parameters
    ----------
    adata
        Prepared AnnData.
    label
        Column of obs with the truth.
    methods
        Unfitted methods.
    splits
        Who is held out.
    data
        Name of the file, for the tables.
    config
        What was asked for.

    Raises
    ------
    InputError
        If every method failed; the line is that of the first.
    """
    from exval.bench.results import config_hash

    found = out_of_fold(adata, label, methods, splits)
    titles = [m.title for m in methods if m.title not in found.failed]
    if not titles:
        raise InputError("no method could be scored: " + "; ".join(f"{k}: {v}" for k, v in found.failed.items()))
    common = common_rows(found.predictions)
    cost = found.cost()
    rows: list[dict] = []
    for title in titles:
        table, head = found.of(title), _head(title, found, splits, cost)
        rows += _fold_rows(table, found.costs[found.costs.method == title], head)
        rows += _pooled_rows(table[table.row.isin(common)], head, splits)
    ranked = ranking(found, titles, common)
    pairs = contests(ranked, config.get("seed", 0))
    sentences = []
    for name, other in pairs:
        gap = difference(found, name, other, common, splits)
        rows.append(
            {**_head(name, found, splits, cost), "metric": "difference:macro_f1", "value": gap.value, "lo": gap.lo,
             "hi": gap.hi, "n": gap.n_units, "note": f"against {other}"}
        )  # fmt: skip
        ratio = cost.seconds[name] / max(cost.seconds[other], 1e-9)
        sentences.append(in_words(name, other, gap, unit=splits.unit, cost_ratio=ratio,
                                  caution=caution(splits, name, found.seen, found.taught)))  # fmt: skip
    rows += [
        {"method": title, "split": splits.name, "status": "failed", "metric": "macro_f1", "value": np.nan, "note": why}
        for title, why in found.failed.items()
    ]
    shared = {"task": "annotate", "data": data, "seed": config.get("seed", 0), "config_hash": config_hash(config)}
    warnings = list(config.get("warnings", [])) + _warnings(found, ranked, splits)
    warnings += [f"{title} failed: {why}" for title, why in found.failed.items()]
    warnings += blind_spots(methods, adata, found.seen)
    return Results(
        make_rows(rows, **shared),
        found.predictions.drop(columns="row"),
        {**config, "task": "annotate", "warnings": warnings},
        " ".join(sentences) or _alone(ranked),
        extras_of(found, titles, cost, splits, common),
    )


def common_rows(predictions: pd.DataFrame) -> np.ndarray:
    """Rows of the file that every repeat scored: only they can be paired."""
    sets = [set(part) for _, part in predictions.groupby(["method", "seed"]).row]
    return np.array(sorted(set.intersection(*sets))) if sets else np.array([], dtype=int)


def ranking(found: OutOfFold, titles: list[str], common: np.ndarray) -> pd.Series:
    """Macro-F1 of each method, averaged over repeats, best first."""
    values = {}
    for title in titles:
        table = found.of(title)
        table = table[table.row.isin(common)]
        values[title] = np.mean(
            [macro_f1(p.truth.to_numpy(), p.prediction.to_numpy()) for _, p in table.groupby("seed")]
        )
    return pd.Series(values, dtype=float).sort_values(ascending=False, kind="stable")


def contests(ranked: pd.Series, seed: int = 0) -> list[tuple[str, str]]:
    """Which pairs of methods the verdict is about."""
    simple = [name for name in ranked.index if name in BASELINES] or [n for n in ranked.index if n in CONTROLS]
    contenders = [name for name in ranked.index if name not in BASELINES and name not in CONTROLS]
    if contenders and simple:
        return [(name, simple[0]) for name in contenders]
    return [(ranked.index[0], ranked.index[1])] if len(ranked) > 1 else []


def difference(found: OutOfFold, name: str, other: str, common: np.ndarray, splits: Splits) -> Interval:
    """Paired interval of the difference in macro-F1 between two methods."""
    a, b = (t[t.row.isin(common)] for t in (found.of(name), found.of(other)))
    groups = None if splits.groups_n is None else a.group.to_numpy()
    return macro_f1_interval(
        a.truth.to_numpy(),
        a.prediction.to_numpy(),
        b.prediction.to_numpy(),
        groups_n=groups,
        repeat_n=a.seed.to_numpy(),
    )


def _head(title: str, found: OutOfFold, splits: Splits, cost: pd.DataFrame) -> dict[str, Any]:
    seen, taught = found.seen.get(title, 0), found.taught.get(title, 0)
    note = f"{seen} of the test cells were seen in pretraining" if seen else ""
    return {
        "method": title,
        "split": splits.name + (", labels taught" if taught else ", seen in pretraining" if seen else ""),
        "unit": splits.unit,
        "seconds": cost.seconds[title],
        "peak_mb": cost.peak_mb[title],
        "note": f"the labels of {taught} of the test cells were taught" if taught else note,
    }


def _fold_rows(table: pd.DataFrame, costs: pd.DataFrame, head: dict) -> list[dict]:
    price = costs.set_index(["seed", "fold"])
    return [
        {**head, "fold": fold, "seed": seed, "metric": metric, "n": len(part), "unit": "cell",
         "value": function(part.truth.to_numpy(), part.prediction.to_numpy()),
         "seconds": price.seconds[seed, fold], "peak_mb": price.peak_mb[seed, fold]}
        for (seed, fold), part in table.groupby(["seed", "fold"])
        for metric, function in SCORES.items()
    ]  # fmt: skip


def _pooled_rows(table: pd.DataFrame, head: dict, splits: Splits) -> list[dict]:
    truth, said = table.truth.to_numpy(), table.prediction.to_numpy()
    groups = None if splits.groups_n is None else table.group.to_numpy()
    found = macro_f1_interval(truth, said, groups_n=groups, repeat_n=table.seed.to_numpy())
    head = {**head, "fold": POOLED, "n": found.n_units}
    rows = [{**head, "metric": "macro_f1", "value": found.value, "lo": found.lo, "hi": found.hi}]
    for metric, function in SCORES.items():
        if metric != "macro_f1":
            value = np.mean([function(p.truth.to_numpy(), p.prediction.to_numpy()) for _, p in table.groupby("seed")])
            rows.append({**head, "metric": metric, "value": value})
    rows.append({**head, "metric": "ece", "value": expected_calibration_error(truth == said, table.score.to_numpy())})
    for row in per_class(truth, said).itertuples():
        rows.append({**head, "slice": f"class={row.label}", "metric": "f1", "value": row.f1, "n": row.support,
                     "unit": "cell"})  # fmt: skip
    if groups is not None:
        for group, part in table.groupby("group"):
            rows.append({**head, "slice": f"group={group}", "metric": "macro_f1", "n": len(part), "unit": "cell",
                         "value": macro_f1(part.truth.to_numpy(), part.prediction.to_numpy())})  # fmt: skip
    return rows


def extras_of(
    found: OutOfFold, titles: list[str], cost: pd.DataFrame, splits: Splits, common: np.ndarray
) -> dict[str, pd.DataFrame]:
    """The tables of the report that follow from out-of-fold predictions."""
    classes, bins, confusion, units = [], [], [], []
    for title in titles:
        table = found.of(title)
        table = table[table.row.isin(common)]
        truth, said = table.truth.astype(str).to_numpy(object), table.prediction.astype(str).to_numpy(object)
        classes.append(per_class(truth, said).assign(method=title))
        bins.append(reliability(truth == said, table.score.to_numpy()).assign(method=title))
        names = np.union1d(truth.astype(str), said.astype(str)).astype(object)
        matrix = confusion_matrix(truth, said, names)
        row, column = np.nonzero(matrix)
        confusion.append(
            pd.DataFrame({"method": title, "truth": names[row], "prediction": names[column], "n": matrix[row, column]})
        )
        if splits.groups_n is not None:
            for group, part in table.groupby("group"):
                value = macro_f1(part.truth.to_numpy(), part.prediction.to_numpy())
                units.append({"method": title, "group": group, "metric": "macro_f1", "value": value, "n": len(part)})
    extras = {
        "per_class": pd.concat(classes)[["method", "label", "precision", "recall", "f1", "support"]],
        "reliability": pd.concat(bins)[["method", "bin_lo", "bin_hi", "confidence", "accuracy", "n"]],
        "confusion": pd.concat(confusion),
        "cost": cost.loc[titles].rename_axis("method").reset_index(),
    }
    if units:
        extras["units"] = pd.DataFrame(units)
    if len(splits.notes):
        extras["splits"] = splits.notes
    return {name: table.reset_index(drop=True) for name, table in extras.items()}


def _warnings(found: OutOfFold, ranked: pd.Series, splits: Splits) -> list[str]:
    lines = [f"{row.what}: {row.note}" for row in splits.notes.itertuples()]
    if "depth" in ranked.index and ranked["depth"] > 0.5 * ranked.iloc[0]:
        lines.append(
            f"Sequencing depth alone reaches macro-F1 {ranked['depth']:.2f}: the types differ in depth, and any method "
            "may profit from it."
        )
    for title, count in found.seen.items():
        if found.taught.get(title):
            lines.append(
                f"{title} was taught the labels of {found.taught[title]} test cells: its figures are worthless."
            )
        elif count:
            lines.append(
                f"{title} saw {count} of the test cells in pretraining: its figures are not those of new cells."
            )
    if splits.groups_n is not None and len(set(splits.groups_n)) < MIN_UNITS:
        lines.append(f"Fewer than {MIN_UNITS} values of {splits.name}: every one is a dot and no interval is given.")
    return lines


def _alone(ranked: pd.Series) -> str:
    return f"{ranked.index[0]}: macro-F1 {ranked.iloc[0]:.3f}; nothing to compare it with."
