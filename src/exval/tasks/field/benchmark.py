"""What a run of the benchmark of brain fields says: paired differences from the simple field of each question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.bench.intervals import verdict
from exval.tasks.field.conclude import MARGIN, cube, over_repeats

if TYPE_CHECKING:
    from exval.bench.results import Results

ARM = "position alone"
NAMED = {"donor of summaries": ("gp", "siren"), "block of summaries": ("gp", "siren"),
         "block of donor2001": ("gp", "siren"), "donor of simulated": ("gp", "siren")}  # fmt: skip
"""Fields that the verdict tells, named beforehand: the best of many, told afterwards, would be better by chance."""


def conclude(results: Results) -> tuple[str, dict[str, pd.DataFrame]]:
    """Verdict and tables.

    Returns
    -------
    verdict
        A sentence for each question.
    tables
        ``differences``: task, data, arm, method, against, metric, value, difference, lo, hi, n (held-out units),
        verdict; paired over genes and held-out units, on the draws that both have; see
        :func:`exval.tasks.field.conclude.over_repeats`. ``figures``: the mean of every
        metric over draws. ``genes``: the mean R2 and r of every gene over draws.
    """
    units = results.predictions
    ok = results.rows[results.rows.status == "ok"]
    tables = {
        "differences": differences(units),
        "figures": ok.groupby(["task", "data", "slice", "method", "metric"], sort=False).value.agg(
            ["mean", "std", "count"]).reset_index(),
        "genes": units.groupby(["task", "data", "arm", "method", "gene"], sort=False)[["r2", "pearson"]].mean()
        .reset_index() if len(units) else pd.DataFrame(),
    }  # fmt: skip
    lines = [line for task in dict.fromkeys(tables["differences"].task) if (line := _line(tables["differences"], task))]
    return " ".join(lines) or "No job gave a figure.", {name: table for name, table in tables.items() if len(table)}


def differences(units: pd.DataFrame) -> pd.DataFrame:
    """Every field against the simple one of its question, on the draws that both have."""
    columns = ["task", "data", "arm", "method", "against", "metric", "value", "difference", "lo", "hi", "n", "verdict"]
    found = []
    if not len(units):
        return pd.DataFrame(columns=columns)
    for (task, data, arm), part in units.groupby(["task", "data", "arm"], sort=False):
        part = part.assign(seed=part.seed - part.fold)  # the draws of a repeat are numbered through
        same = bool((part.split == "donor").all())
        for method in dict.fromkeys(part.method):
            other = _against(task, method, set(part.method))
            own = part[part.method == method]
            pair = own if other is None else part[part.method == other]
            both = set(zip(own.seed, own.fold)) & set(zip(pair.seed, pair.fold))
            own, pair = (one[[draw in both for draw in zip(one.seed, one.fold)]] for one in (own, pair))
            if not len(own):
                continue
            for metric in ("r2", "pearson"):
                mine = cube(own, metric, [method], same)[0]
                row = {"task": task, "data": data, "arm": arm, "method": method, "metric": metric, "against": other,
                       "value": float(np.nanmean(mine)), "n": mine.shape[1]}  # fmt: skip
                if other is not None:
                    value, lo, hi = over_repeats(mine - cube(pair, metric, [other], same)[0])
                    row |= {"difference": value, "lo": lo, "hi": hi, "verdict": verdict(value, lo, hi, MARGIN)}
                found.append(row)
    return pd.DataFrame(found, columns=columns)


def _against(task: str, method: str, there: set[str]) -> str | None:
    """``knn`` where donors or blocks are held out; the same field without what is known of the new gene or donor."""
    field, _, way = method.partition(", ")
    other = {"borrowed": f"{field}, alone", "added": f"{field}, without", "told": f"{field}, added"}.get(way, "knn")
    return other if other in there and other != method else None


def _line(table: pd.DataFrame, task: str) -> str:
    here = table[(table.task == task) & (table.arm == ARM) & (table.metric == "r2")].set_index("method")
    if task in NAMED:
        there = [name for name in NAMED[task] if name in here.index and "knn" in here.index]
        told = [f"{name} {here.value[name]:.3f} ({here.difference[name]:+.3f}{_bounds(here.loc[name])}, "
                f"{here.verdict[name]})" for name in there]  # fmt: skip
        if not told:
            return f"A {task}, by position alone: none of the fields named beforehand was run beside knn."
        return f"A {task}, by position alone: R2 {', '.join(told)} against {here.value['knn']:.3f} of knn."
    told = [f"{name} {row.value:.3f} against {row.value - row.difference:.3f} {row.against.partition(', ')[2]} "
            f"({row.difference:+.3f}{_bounds(row)}, {row.verdict})" for name, row in here.iterrows()
            if ", " in name and row.against == row.against and row.against and name.startswith("gp")]  # fmt: skip
    return f"A {task}: R2 {', '.join(told)}." if told else ""


def _bounds(row: pd.Series) -> str:
    return f" [{row.lo:.3f}, {row.hi:.3f}]" if np.isfinite(row.lo) else ""
