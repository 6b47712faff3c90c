"""What a run of the benchmark of brain fields says: paired differences from the simple field of each question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.bench.intervals import verdict
from exval.tasks.field.conclude import MARGIN, difference

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
        verdict; paired over genes and held-out units, repeats of one field averaged. ``figures``: the mean of every
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
        for method in dict.fromkeys(part.method):
            other = _against(task, method, set(part.method))
            for metric in ("r2", "pearson"):
                own = _cube(part, method, metric)
                row = {"task": task, "data": data, "arm": arm, "method": method, "metric": metric, "against": other,
                       "value": float(np.nanmean(own)), "n": len(own)}  # fmt: skip
                if other is not None:
                    gap = own - _cube(part, other, metric).reindex(own.index)
                    value, lo, hi = difference(gap.dropna(how="all").to_numpy())
                    row |= {"difference": value, "lo": lo, "hi": hi, "verdict": verdict(value, lo, hi, MARGIN)}
                found.append(row)
    return pd.DataFrame(found, columns=columns)


def _against(task: str, method: str, there: set[str]) -> str | None:
    """``knn`` where donors or blocks are held out; the same field without what is known of the new gene or donor."""
    field, _, way = method.partition(", ")
    other = {"borrowed": f"{field}, alone", "added": f"{field}, without", "told": f"{field}, added"}.get(way, "knn")
    return other if other in there and other != method else None


def _cube(part: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Held-out unit x gene, averaged over repeats."""
    own = part[part.method == method]
    return own.pivot_table(index="fold", columns="gene", values=metric, aggfunc="mean", dropna=False)


def _line(table: pd.DataFrame, task: str) -> str:
    here = table[(table.task == task) & (table.arm == ARM) & (table.metric == "r2")].set_index("method")
    if task in NAMED:
        if "knn" not in here.index:
            return ""
        told = [f"{name} {here.value[name]:.3f} ({here.difference[name]:+.3f}{_bounds(here.loc[name])}, "
                f"{here.verdict[name]})" for name in NAMED[task] if name in here.index]  # fmt: skip
        return f"A {task}, by position alone: R2 {', '.join(told)} against {here.value['knn']:.3f} of knn."
    told = [f"{name} {row.value:.3f} against {row.value - row.difference:.3f} {row.against.partition(', ')[2]} "
            f"({row.difference:+.3f}{_bounds(row)}, {row.verdict})" for name, row in here.iterrows()
            if row.against == row.against and row.against and name.startswith("gp")]  # fmt: skip
    return f"A {task}: R2 {', '.join(told)}." if told else ""


def _bounds(row: pd.Series) -> str:
    return f" [{row.lo:.3f}, {row.hi:.3f}]" if np.isfinite(row.lo) else ""
