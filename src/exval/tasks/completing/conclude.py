"""From the sums of all folds to figures with intervals, the verdict in words, and what to be wary of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from exval.bench.intervals import Interval, in_words, mean_interval
from exval.bench.results import POOLED
from exval.tasks.completing.arms import Arm
from exval.tasks.completing.score import METRICS
from exval.tasks.crossval import caution
from exval.tasks.splits import Splits

BASELINES = ("mean", "knn", "ppca")
BOUNDED = ("rmse", "coverage_95")  # figures that are given an interval
OFF = 0.03  # a coverage further than this from its level is said to be off
TOLD = 3  # methods that the verdict speaks of
N_BOOT = 1000


@dataclass
class Conclusion:
    """Rows of ``results.parquet``, the verdict, warnings, tables of the report, and the method compared with."""

    rows: list[dict]
    verdict: str
    warnings: list[str]
    tables: dict[str, pd.DataFrame]
    samples: pd.DataFrame
    against: str


def conclude(tally: Any, methods: Sequence[Any], splits: Splits, arms: Sequence[Arm], against: str) -> Conclusion:
    """Everything that is said of the methods that answered in every fold."""
    titles = [m.title for m in methods if m.title not in tally.failed]
    samples = pd.concat(tally.samples, ignore_index=True)
    samples = samples[samples.method.isin(titles)]
    genes = _by_gene(pd.concat(tally.genes, ignore_index=True))
    genes = genes[genes.method.isin(titles)].reset_index(drop=True)
    against = against if against in titles else titles[0]
    cost = _cost(tally.costs, methods, titles)
    units = dict(list(samples.groupby(["arm", "method"], sort=False)))
    names = [arm.name for arm in arms if any(arm.name == key[0] for key in units)]
    rows, gaps = [], {}
    for arm in names:
        for title in titles:
            head = {"method": title, "slice": f"arm={arm}", "unit": splits.unit, "seconds": cost.seconds[title],
                    "peak_mb": cost.peak_mb[title], **_seen(splits, tally.seen.get(title, 0))}  # fmt: skip
            rows += _figures(units[arm, title], head)
            found = genes[(genes.method == title) & (genes.arm == arm)].pearson
            rows.append({**head, "metric": "pearson", "fold": POOLED, "value": found.median(), "unit": "gene",
                         "n": int(found.notna().sum())})  # fmt: skip
            if title != against:
                gaps[arm, title] = gap = figure(units[arm, title], "rmse", units[arm, against])
                rows.append({**head, "metric": "difference:rmse", "value": gap.value, "lo": gap.lo, "hi": gap.hi,
                             "n": gap.n_units, "note": f"against {against}"})  # fmt: skip
    lost = {"split": splits.name, "status": "failed", "metric": "rmse", "slice": f"arm={arms[0].name}", "value": np.nan}
    rows += [{**lost, "method": title, "note": why} for title, why in tally.failed.items()]
    table = pd.DataFrame(rows)
    warnings = _cautions(table, tally, titles, names)
    verdict = _verdict(table, gaps, titles, names, against, splits, cost, tally)
    tables = {"cost": cost.loc[titles].reset_index(), "completion_genes": genes,
              "completion_calibration": _curve(tally.curves, titles)}  # fmt: skip
    return Conclusion(rows, verdict, warnings, tables, samples, against)


def figure(part: pd.DataFrame, metric: str, other: pd.DataFrame | None = None) -> Interval:
    """A metric with its interval, or the paired difference from another method: units are the groups of the split.

    Repeats of a sample are summed with it: they narrow nothing.
    """
    column, root = METRICS[metric]
    sums = part.groupby("group")[[column, "n_hidden"]].sum()
    beside = None if other is None else other.groupby("group")[column].sum().loc[sums.index].to_numpy()
    return mean_interval(sums[column].to_numpy(), sums.n_hidden.to_numpy(float), beside, root=root, n_boot=N_BOOT)


def _figures(part: pd.DataFrame, head: dict) -> list[dict]:
    rows = []
    for metric, (column, root) in METRICS.items():
        if part[column].isna().any():
            continue
        if metric in BOUNDED:
            found = figure(part, metric)
        else:
            mean = part[column].sum() / part.n_hidden.sum()
            found = Interval(np.sqrt(mean) if root else mean, np.nan, np.nan, part.group.nunique())
        rows.append({**head, "metric": metric, "fold": POOLED, "value": found.value, "lo": found.lo, "hi": found.hi,
                     "n": found.n_units})  # fmt: skip
        if metric in ("rmse", "mae"):
            for (seed, fold), piece in part.groupby(["seed", "fold"]):
                mean = piece[column].sum() / piece.n_hidden.sum()
                rows.append({**head, "metric": metric, "fold": fold, "seed": seed, "n": len(piece), "unit": "sample",
                             "value": np.sqrt(mean) if root else mean})  # fmt: skip
    return rows


def _seen(splits: Splits, seen: int) -> dict[str, str]:
    if not seen:
        return {"split": splits.name}
    return {"split": f"{splits.name}, seen in pretraining", "note": f"{seen} of the test samples were seen in training"}


def _by_gene(genes: pd.DataFrame) -> pd.DataFrame:
    """One row for each method, arm and gene: ``n, rmse, pearson, coverage_95``; Pearson is averaged over the folds."""
    told = genes.pearson.notna()
    genes = genes.assign(r=genes.pearson.fillna(0) * genes.n, n_r=genes.n.where(told, 0))
    sums = genes.groupby(["method", "arm", "gene"], sort=False, as_index=False)[
        ["n", "squared", "inside_95", "r", "n_r"]
    ].sum(min_count=1)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame({
            "method": sums.method, "arm": sums.arm, "gene": sums.gene, "n": sums.n,
            "rmse": np.sqrt(sums.squared / sums.n), "pearson": sums.r / sums.n_r.where(sums.n_r > 0),
            "coverage_95": sums.inside_95 / sums.n,
        })  # fmt: skip


def _curve(curves: list[pd.DataFrame], titles: list[str]) -> pd.DataFrame:
    if not curves:
        return pd.DataFrame()
    found = pd.concat(curves, ignore_index=True)
    found = found[found.method.isin(titles)]
    return found.groupby(["method", "arm", "level"], sort=False, as_index=False)[["inside", "n"]].sum()


def _cost(costs: list[dict], methods: Sequence[Any], titles: list[str]) -> pd.DataFrame:
    cost = pd.DataFrame(costs).groupby("method", sort=False).agg(
        seconds=("seconds", "sum"), peak_mb=("peak_mb", "max"), parameters=("parameters", "max")
    )  # fmt: skip
    spent = pd.Series({m.title: getattr(m, "spent_seconds", 0.0) for m in methods}, dtype=float)
    cost["seconds"] += spent.reindex(cost.index)
    return cost.loc[titles]


def _verdict(table, gaps, titles, names, against, splits, cost, tally) -> str:
    pooled = table[(table.fold == POOLED)].drop_duplicates(["slice", "method", "metric"])
    value = pooled.set_index(["slice", "method", "metric"]).value
    main = "random 50 %" if "random 50 %" in names else names[0]
    whole = next((name for name in ("panel", "genes 90 %", "genes 50 %") if name in names and name != main), None)
    own = value[f"arm={main}", against, "rmse"]
    beside = ""
    if "mean" in titles and against != "mean":
        beside = f" (each gene's mean: {value[f'arm={main}', 'mean', 'rmse']:.3f})"
    also = f", with {in_short(whole)} to {value[f'arm={whole}', against, 'rmse']:.3f} sd" if whole else ""
    parts = [f"With {in_short(main)} {against} restores them to {own:.3f} sd{beside}{also}."]
    judged = [title for title in titles if title not in BASELINES] or [
        min(
            (t for t in titles if t not in (against, "mean")), key=lambda t: value[f"arm={main}", t, "rmse"], default=""
        )
    ]
    for title in [t for t in judged if t and t != against][:TOLD]:
        for arm in filter(None, (main, whole)):
            parts.append(in_words(
                title, against, gaps[arm, title], unit=splits.unit, metric=f"with {in_short(arm)} RMSE (sd)",
                cost_ratio=cost.seconds[title] / max(cost.seconds[against], 1e-9) if arm == main else None,
                higher_is_better=False, caution=caution(splits, title, tally.seen),
            ))  # fmt: skip
    covered = [(t, value[f"arm={main}", t, "coverage_95"]) for t in dict.fromkeys([against, *judged])
               if (f"arm={main}", t, "coverage_95") in value.index]  # fmt: skip
    if covered:
        parts.append("95 % intervals hold " + ", ".join(f"{100 * c:.1f} % ({t})" for t, c in covered) + ".")
    low = next((name for name in ("low 50 %", "low 30 %") if name in names), None)
    same = low and low.replace("low", "random")
    if low and same in names:
        worse = value[f"arm={low}", against, "rmse"] / value[f"arm={same}", against, "rmse"] - 1
        parts.append(f"Where low values are the missing ones, the error of {against} changes by {100 * worse:+.0f} %: "
                     "methods assume that values are missing at random.")  # fmt: skip
    return " ".join(parts)


def in_short(arm: str) -> str:
    """An arm as part of a sentence.

    Examples
    --------
    >>> in_short("random 50 %"), in_short("genes 90 %"), in_short("panel")
    ('50 % of the values hidden', '90 % of the genes hidden', 'all but the panel hidden')
    """
    kind, _, share = arm.partition(" ")
    what = {"genes": "of the genes hidden", "low": "hidden, low values first"}.get(kind, "of the values hidden")
    return "all but the panel hidden" if kind == "panel" else f"{share} {what}"


def misses(value: float, lo: float, hi: float, level: float = 0.95) -> str:
    """Whether a coverage is off its level by more than :data:`OFF`, and surely off: ``"small"`` if the sds are too
    small, ``"large"`` if they are too large, else nothing. Without an interval nothing is said.

    Examples
    --------
    >>> misses(0.86, 0.84, 0.88), misses(0.91, 0.85, 0.97), misses(0.99, 0.985, 0.995), misses(0.5, np.nan, np.nan)
    ('small', '', 'large', '')
    """
    if value < level - OFF and hi < level:
        return "small"
    return "large" if value > level + OFF and lo > level else ""


def _cautions(table: pd.DataFrame, tally: Any, titles: list[str], names: list[str]) -> list[str]:
    pooled = table[(table.fold == POOLED) & table.method.isin(titles)]
    lines = []
    if tally.flat:
        lines.append(f"Genes that are constant among the training samples of a fold, and not scored: {tally.flat}.")
    for title, count in tally.unknown.items():
        if count and title in titles:
            lines.append(f"{title} does not know {count} of the genes: they are left out of the scores of all methods.")
    rmse = pooled[pooled.metric == "rmse"].pivot_table("value", "slice", "method", aggfunc="first")
    for title in titles:
        if title != "mean" and "mean" in rmse:
            lost = [name for name in names if rmse.loc[f"arm={name}", title] >= rmse.loc[f"arm={name}", "mean"]]
            lines += [f"{title} does not beat each gene's mean in: {', '.join(lost)}."] if lost else []
        cover = pooled[(pooled.metric == "coverage_95") & (pooled.method == title)].set_index("slice")
        off = [
            f"{100 * row.value:.0f} % ({row.Index.removeprefix('arm=')})"
            for row in cover.itertuples()
            if misses(row.value, row.lo, row.hi)
        ]
        if off:
            lines.append(f"95 % intervals of {title} hold another share: {', '.join(off)}.")
    return [*lines, *(f"{title} failed: {why}" for title, why in tally.failed.items())]
