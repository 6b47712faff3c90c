"""What may be said of fields that were judged: means, intervals over genes and held-out units, the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from exval.bench.intervals import MIN_UNITS, verdict
from exval.tasks.splits import Splits

METRICS = ("pearson", "spearman", "r2", "pearson_within", "rmse", "nll", "coverage_50", "coverage_80", "coverage_95")
COMPARED = ("r2", "pearson")
N_BOOT, MARGIN = 2000, 0.01


@dataclass(frozen=True)
class Conclusion:
    """Rows for the table of results, the cost of each field, whom they were compared with, and the first sentence."""

    rows: list[dict]
    cost: pd.DataFrame
    against: str
    verdict: str


def conclude(
    table: pd.DataFrame, costs: pd.DataFrame, splits: Splits, titles: list[str], failed: dict[str, str], against: str
) -> Conclusion:
    """Sum up figures of genes.

    Parameters
    ----------
    table
        A row for each method, arm, fold, seed and gene.
    costs
        A row for each fit.
    splits, titles, failed, against
        As in :func:`exval.tasks.field.evaluation.evaluate_fields`.
    """
    kept = [title for title in titles if title not in failed]
    against = against if against in kept else kept[0]
    cost = costs[costs.method.isin(kept)].groupby("method", sort=False).agg(
        {"seconds": "sum", "peak_mb": "max", "parameters": "max"}).reset_index()  # fmt: skip
    spent = cost.set_index("method")
    rows, said = [], []
    arms = list(dict.fromkeys(table.arm))
    for arm in arms:
        here = table[table.arm == arm]
        cubes = {metric: cube(here, metric, kept, splits.name == "donor") for metric in METRICS if metric in here}
        for i, title in enumerate(kept):
            head = {"method": title, "slice": f"arm={arm}", "split": splits.name, "unit": splits.unit,
                    "n": int(here[here.method == title].drop_duplicates(["fold", "seed"]).n.sum()),
                    "seconds": spent.seconds[title], "peak_mb": spent.peak_mb[title]}  # fmt: skip
            for metric, values in cubes.items():
                if np.isfinite(values[i]).any():  # a field without an sd has no coverage
                    rows.append({**head, "metric": metric, "value": float(np.nanmean(values[i]))})
            if title == against:
                continue
            for metric in COMPARED:
                values = cubes[metric]
                value, lo, hi = over_repeats(values[i] - values[kept.index(against)])
                rows.append({**head, "metric": f"difference:{metric}", "value": value, "lo": lo, "hi": hi,
                             "note": verdict(value, lo, hi, MARGIN)})  # fmt: skip
        said.append(_sentence(arm if len(arms) > 1 else "", cubes["r2"], kept, against))
    rows += [{"method": title, "split": splits.name, "metric": "r2", "value": np.nan, "status": "failed", "note": why}
             for title, why in failed.items()]  # fmt: skip
    _, repeats, units, genes = cubes["r2"].shape
    again = f", drawn {repeats} times" if repeats > 1 else ""
    where = f"{genes} genes, {units} held-out {splits.unit}s{again}"
    return Conclusion(rows, cost, against, f"{where}. " + " ".join(said))


def cube(table: pd.DataFrame, metric: str, titles: list[str], same_units: bool) -> np.ndarray:
    """(method, repeat, held-out unit, gene).

    With ``same_units`` (donors) the repeats of a unit are averaged into one. Otherwise each repeat has units of its
    own: block 0 of another draw is another block.
    """
    repeat = pd.Series(0, table.index) if same_units else table.seed
    wide = table.assign(repeat=repeat).pivot_table(
        index=["method", "repeat", "fold"], columns="gene", values=metric, aggfunc="mean", dropna=False)  # fmt: skip
    genes, folds, repeats = sorted(table.gene.unique()), sorted(table.fold.unique()), sorted(repeat.unique())
    return np.array([[wide.loc[title].loc[one].reindex(index=folds, columns=genes).to_numpy() for one in repeats]
                     for title in titles])  # fmt: skip


def over_repeats(gap_rug: np.ndarray) -> tuple[float, float, float]:
    """:func:`difference` of each draw of what is held out, value and ends averaged: blocks of another draw cover the
    same brains, and are no further evidence.

    Examples
    --------
    >>> one = 0.1 + 0.001 * np.arange(60.0).reshape(6, 10)
    >>> over_repeats(np.array([one, one])) == difference(one)
    True
    """
    value, lo, hi = np.mean([difference(gap_ug) for gap_ug in gap_rug], axis=0)
    return float(value), float(lo), float(hi)


def difference(gap_ug: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of paired differences and its 95 % interval, resampling held-out units and genes, both at once.

    Below six units their draw cannot be told and no interval is given (NaN).

    Examples
    --------
    >>> value, lo, hi = difference(0.1 + 0.001 * np.arange(60.0).reshape(6, 10))
    >>> round(value, 2), lo < value < hi
    (0.13, True)
    """
    units, genes = gap_ug.shape
    if units < MIN_UNITS:
        return float(np.nanmean(gap_ug)), float("nan"), float("nan")
    rng, filled = np.random.default_rng(seed), np.nan_to_num(gap_ug)
    known = (~np.isnan(gap_ug)).astype(float)
    w_bu = rng.multinomial(units, np.full(units, 1 / units), N_BOOT).astype(float)
    w_bg = rng.multinomial(genes, np.full(genes, 1 / genes), N_BOOT).astype(float)
    drawn = np.einsum("bu,ug,bg->b", w_bu, filled, w_bg) / np.einsum("bu,ug,bg->b", w_bu, known, w_bg)
    lo, hi = np.nanquantile(drawn, (0.025, 0.975))
    return float(np.nanmean(gap_ug)), float(lo), float(hi)


def _sentence(arm: str, r2: np.ndarray, titles: list[str], against: str) -> str:
    """The best field of an arm against the one that it is held against."""
    mean = np.nanmean(r2, axis=(1, 2, 3))
    best = titles[int(mean.argmax())]
    lead = f"{arm[:1].upper()}{arm[1:]}: " if arm else ""
    base = titles.index(against)
    if best == against:
        return f"{lead}{best}: R2 {mean[base]:.3f}, none is better."
    value, lo, hi = over_repeats(r2[titles.index(best)] - r2[base])
    gap = f"{value:+.3f}" + ("" if np.isnan(lo) else f" [{lo:.3f}, {hi:.3f}]")
    held = f"R2 {mean.max():.3f} against {mean[base]:.3f} of {against}"
    few = f" (an interval needs {MIN_UNITS} held-out units: --folds {MIN_UNITS})" if np.isnan(lo) else ""
    return f"{lead}{best}: {held}, {gap}: {verdict(value, lo, hi, MARGIN)}{few}."
