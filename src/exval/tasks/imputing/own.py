"""Methods compared on a user's own file: held-out molecules, the structure that labels show, and the null arm."""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.intervals import in_words
from exval.bench.results import POOLED, Results, config_hash, make_rows
from exval.errors import InputError
from exval.metrics import METRICS
from exval.progress import track
from exval.tasks.crossval import FAULTS
from exval.tasks.imputing.cases import case_of
from exval.tasks.imputing.material import Material
from exval.tasks.imputing.null import invents
from exval.tasks.imputing.paired import interval
from exval.tasks.imputing.score import scored

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.methods.imputation.base import Imputer

logger = logging.getLogger("exval")
AGAINST = "nothing"
HEADLINE = {
    "recovery": ("poisson_deviance", "Poisson deviance of held-out molecules"),
    "clustering": ("ari", "adjusted Rand index of clusters"),
    "diffexp": ("auprc", "AUPRC of genes that differ"),
    "markers": ("auprc", "AUPRC of marker genes"),
    "annotation": ("macro_f1", "macro-F1 of a classifier of cells as measured"),
    "null": ("false_discoveries", "share of equal genes called different"),
}
"""Task -> the figure by which it is judged, and what it is in words."""
ARMS = {"recovery": "thinned 0.9", "clustering": "as measured", "annotation": "as measured", "diffexp": "thinned 0.5",
        "markers": "thinned 0.5"}  # fmt: skip
"""Which arm a task is judged in; the null arm has two of its own."""


def evaluate_imputation(
    adata: AnnData,
    methods: list[Imputer],
    *,
    groups_n: np.ndarray | None,
    data: str,
    config: dict[str, Any],
    genes: int | None = 2000,
    repeats: int = 1,
    seed: int = 0,
) -> Results:
    """Every method on every arm that the file allows, beside the controls, with differences from doing nothing.

    With counts a tenth of the molecules is held out (``recovery``). With labels, which no method sees: clusters of the
    imputed values, a classifier trained on a quarter of the cells as measured (``annotation``), and genes that differ,
    half of the molecules being the truth. Always the null arm, between the labelled types or predicted ones.

    Parameters
    ----------
    adata
        Prepared cells.
    methods
        Unfitted.
    groups_n
        (n,) types, or None.
    data, config
        Name of the file and what was asked for.
    genes
        So many of the most variable genes; None for all.
    repeats, seed
        How often cells and molecules are drawn anew. Figures and bounds are averaged: repeats never narrow an interval.

    Raises
    ------
    InputError
        If every method failed; the line is that of the first.
    """
    from exval.tasks.imputing.invented import clusters_of

    labelled = groups_n is not None
    types = groups_n if labelled else clusters_of(adata, seed)
    arms = [arm for arm, needed in (("thinned 0.9", "counts" in adata.layers), ("as measured", labelled),
                                    ("thinned 0.5", labelled and "counts" in adata.layers)) if needed]  # fmt: skip
    arms += ["null: permuted", "null: halves"]
    warnings = list(config.get("warnings", []))
    if "counts" not in adata.layers:
        warnings.append("The file holds no counts: molecules cannot be held out, so recovery is not judged.")
    if not labelled:
        warnings.append("No labels were named (--label): clusters, genes and names of types are not judged.")
    rows, units, costs, lost = [], [], [], {}
    failed: dict[tuple[str, str], str] = {}  # method and arm -> why: what a method gave in other arms stays
    jobs = [(repeat, arm, method) for repeat in range(repeats) for arm in arms for method in methods]
    at, case = None, None
    for repeat, arm, method in track(jobs, "Imputing", total=len(jobs)):
        if (repeat, arm) != at:
            at, rng = (repeat, arm), np.random.default_rng([seed + repeat, zlib.crc32(arm.encode())])
            material = Material(adata, types if labelled or arm.startswith("null") else None)
            try:
                case = case_of(material, data, arm, rng, seed=seed + repeat, genes=genes, share=1.0)
            except InputError as error:
                lost[arm], case = str(error), None
        if case is None or (method.title, arm) in failed:
            continue
        try:
            found = scored(case, _seeded(method, seed + repeat))
        except FAULTS as error:
            failed[method.title, arm] = " ".join(f"{error or type(error).__name__}".split())
            logger.info("%s failed: %s", method.title, failed[method.title, arm])
            continue
        part = pd.DataFrame(found["rows"]).assign(arm=arm, repeat=repeat)
        rows.append(part[[_judged(task, arm) for task in part.task]])
        if found["units"] is not None:
            some = found["units"].assign(method=method.title, arm=arm, repeat=repeat, seed=seed + repeat)
            units.append(some[[_judged(task, arm) for task in some.task]])
        costs.append({"method": method.title, "seconds": part.seconds.iloc[0], "peak_mb": part.peak_mb.iloc[0]})
    rows, units = (
        [table for table in tables if len(table) and (table.method.iloc[0], table.arm.iloc[0]) not in failed]
        for tables in (rows, units)
    )
    given = {table.method.iloc[0] for table in rows}
    titles = [m.title for m in methods if m.title in given]
    if not titles:
        whys = {**{f"{title}, {arm}": why for (title, arm), why in failed.items()}, **lost}
        raise InputError("no method could be scored: " + "; ".join(f"{k}: {v}" for k, v in whys.items()))
    table = pd.concat(rows, ignore_index=True)
    unit = pd.concat(units, ignore_index=True)
    cost = pd.DataFrame(costs).groupby("method", sort=False).agg(seconds=("seconds", "sum"), peak_mb=("peak_mb", "max"))
    found_rows, said = _figures(table, unit, titles, cost, seed)
    found_rows += [{"method": title, "status": "failed", "metric": "", "slice": f"arm={_named(arm)}", "value": np.nan,
                    "note": why} for (title, arm), why in failed.items()]  # fmt: skip
    warnings += [f"{title} failed ({_named(arm)}): {why}" for (title, arm), why in failed.items()]
    warnings += [f"{arm} is left out: {why}" for arm, why in lost.items()]
    warnings += _cautions(found_rows)
    full = {**config, "task": "impute", "genes": genes, "repeats": repeats, "warnings": warnings}
    common = {"task": "impute", "data": data, "split": "cells (transductive)", "config_hash": config_hash(config)}
    extras = {"cost": cost.loc[titles].reset_index()}
    return Results(make_rows(found_rows, **common), unit, full, " ".join(said), extras)


def _judged(task: str, arm: str) -> bool:
    """Whether a task is judged in this arm."""
    return arm.startswith("null") if task == "null" else ARMS.get(task) == arm


def _seeded(method: Imputer, seed: int) -> Imputer:
    one = clone(method)
    return one.set_params(seed=seed) if "seed" in one.get_params(deep=False) else one


def _named(arm: str) -> str:
    """An arm by the task that is judged in it first."""
    return arm.replace(": ", ", ") if arm.startswith("null") else next(t for t, its in ARMS.items() if its == arm)


def _slice(task: str, arm: str, inner: str) -> str:
    name = _named(arm) if task == "null" else task
    return f"arm={name}" if inner == "all" else f"arm={name}, {inner}"


def _figures(table: pd.DataFrame, unit: pd.DataFrame, titles: list[str], cost: pd.DataFrame, seed: int) -> tuple:
    """Rows of all figures, pooled and per repeat, differences from doing nothing, and the verdict's sentences."""
    rows, said = [], []
    keys = ["task", "arm", "slice", "metric"]
    for (task, arm, inner, metric), part in table.groupby(keys, sort=False):
        name = _slice(task, arm, inner)
        here = unit[(unit.task == task) & (unit.arm == arm) & (unit.slice == inner) & (unit.metric == metric)]
        for title, own in part.groupby("method", sort=False):
            head = {"method": title, "slice": name, "metric": metric, "n": int(own.n.iloc[0]),
                    "unit": own.unit.iloc[0], "seconds": cost.seconds[title], "peak_mb": cost.peak_mb[title],
                    "note": own.note.iloc[0]}  # fmt: skip
            told = _mean_interval(here, title, None, metric)
            lo, hi = (told[1], told[2]) if told else (np.nan, np.nan)
            rows.append({**head, "fold": POOLED, "seed": seed, "value": own.value.mean(), "lo": lo, "hi": hi})
            rows += [{**head, "fold": r.repeat, "seed": seed + r.repeat, "value": r.value} for r in own.itertuples()]
        if metric != HEADLINE.get(task, ("",))[0] or inner != "all" or AGAINST not in titles:
            continue
        for title in titles:
            gap = None if title == AGAINST else _mean_interval(here, title, AGAINST, metric)
            if gap is None:
                continue
            value, lo, hi, n = gap
            rows.append({"method": title, "slice": name, "metric": f"difference:{metric}", "value": value, "lo": lo,
                         "hi": hi, "n": n, "seed": seed, "unit": part.unit.iloc[0],
                         "note": f"against {AGAINST}"})  # fmt: skip
            said.append((title, task, arm, gap))
    return rows, _verdict(table, said, cost)


def _mean_interval(unit: pd.DataFrame, title: str, other: str | None, metric: str) -> tuple | None:
    """Value, lo, hi and number of units, averaged over the repeats; None without units."""
    found = []
    for _, part in unit.groupby("repeat", sort=False):
        mine = part[part.method == title]
        against = None if other is None else part[part.method == other]
        if not len(mine) or (against is not None and len(against) != len(mine)):
            continue
        found.append(interval(metric, mine, against))
    if not found:
        return None
    mean = np.mean([(f.value, f.lo, f.hi) for f in found], axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2]), found[0].n_units


def _verdict(table: pd.DataFrame, said: list[tuple], cost: pd.DataFrame) -> list[str]:
    """One sentence a method: what it gains where it is judged first, and what it invents."""
    from exval.bench.intervals import Interval

    first = (
        "recovery" if (table.task == "recovery").any() else next((t for t in HEADLINE if (table.task == t).any()), "")
    )
    controls = {"nothing", "zeros", "mean", "cluster-mean"}
    lines = []
    for title, task, _, gap in said:
        if task != first or title in controls:
            continue
        metric, words = HEADLINE[task]
        ratio = cost.seconds[title] / max(cost.seconds[AGAINST], 1e-9)
        line = in_words(title, AGAINST, Interval(*gap), unit=table[table.task == task].unit.iloc[0], metric=words,
                        cost_ratio=ratio, higher_is_better=METRICS[metric][1])  # fmt: skip
        false = table[(table.method == title) & (table.metric == "false_discoveries")]
        if len(false):
            by = false.groupby("arm").value.mean()
            line += f" Null arm: {100 * by.max():.0f} % of equal genes called different."
        lines.append(line)
    return lines or [f"{', '.join(dict.fromkeys(table.method))}: controls only."]


def _cautions(rows: list[dict]) -> list[str]:
    """Methods that invent differences, and methods worse than a control."""
    pooled = [row for row in rows if row.get("fold", 0) == POOLED]
    called = [row for row in pooled if row["metric"] == "false_discoveries"]
    false = {(row["method"], row["slice"]): row["value"] for row in called}
    tested = {row["slice"]: row["n"] for row in called}
    best = {row["method"]: row["value"] for row in pooled if row["metric"] == "poisson_deviance"}
    worst: dict[str, float] = {}
    for (name, arm), share in false.items():
        if name != AGAINST and invents(share, false.get((AGAINST, arm), 0.0), tested[arm]):
            worst[name] = max(share, worst.get(name, 0.0))
    lines = [f"{name} is for plotting, not for testing: it calls {100 * share:.0f} % of genes different that are not."
             for name, share in worst.items()]  # fmt: skip
    control = {name: best[name] for name in ("mean", "cluster-mean") if name in best}
    for name, value in best.items():
        beaten = [c for c, v in control.items() if v < value and name not in (*control, "zeros", "nothing")]
        if beaten:
            lines.append(f"{name} recovers held-out molecules no better than the control {beaten[0]}.")
    return lines
