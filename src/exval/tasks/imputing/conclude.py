"""What a run of the imputation benchmark says: gains over doing nothing, false discoveries, an answer per goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.intervals import verdict
from exval.metrics import METRICS
from exval.tasks.imputing.paired import interval
from exval.tasks.imputing.score import HEADLINE

if TYPE_CHECKING:
    from exval.bench.results import Results

REFERENCE, UNRANKED = "nothing", ("oracle", "zeros", "mean")
CONTROL = "cluster-mean"
GOALS = {
    "plot and recovery": ("recovery", "molecules"),
    "clustering": ("clustering",),
    "differential expression": ("diffexp",),
    "markers": ("markers",),
    "trajectory": ("trajectory",),
    "annotation": ("annotation",),
}
TESTED = ("differential expression", "markers")
MARGIN = {"rmse": 0.01, "poisson_deviance": 0.005, "ari": 0.02, "auprc": 0.01, "kendall": 0.02, "macro_f1": 0.01}
"""Differences within this are a tie."""
ALLOWED = 0.08
"""Share of false discoveries in the null arm up to which values may be tested: 5 % and what 400 genes add by chance."""


def conclude(results: Results, n_boot: int = 300) -> tuple[str, dict[str, pd.DataFrame]]:
    """Verdict and tables of a benchmark of imputation.

    Parameters
    ----------
    results
        Rows and units of all cells, with the tables of :mod:`exval.bench.summary`.
    n_boot
        Draws of each interval.

    Returns
    -------
    verdict
        One sentence a goal, the false discoveries in the same breath.
    tables
        ``goals``: goal, method, mean_rank, better, worse, tie, cannot_tell (cases against nothing), false_discoveries,
        seconds, answer. ``differences``: task, data, split, method, metric, value, lo, hi, verdict: how much better
        than nothing (positive is better), paired over cells or genes, seeds averaged (value and bounds: repeats of the
        same cells narrow no interval). ``false_discoveries``: method, data, split and the figures of the null arm.
        ``coverage``: of methods with a standard deviation.
    """
    rows = results.rows[results.rows.status == "ok"]
    gaps = differences(results.predictions, n_boot)
    null = _null(rows)
    parts = [_goal(goal, tasks, results, gaps, null) for goal, tasks in GOALS.items()]
    parts = [part for part in parts if len(part)]
    goals = pd.concat(parts, ignore_index=True) if parts else _goal("", (), results, gaps, null)
    tables = {"goals": goals, "differences": gaps, "false_discoveries": null, "coverage": _coverage(rows)}
    lines = [_sentence(goal, goals[goals.goal == goal], gaps) for goal in GOALS]
    lines = [*_incomplete(results.config), *(line for line in lines if line), *_null_words(null)]
    return " ".join(lines) or "No cell gave a figure.", {name: t for name, t in tables.items() if len(t)}


def differences(units: pd.DataFrame, n_boot: int = 300) -> pd.DataFrame:
    """How much better each method is than doing nothing, case by case."""
    columns = ["task", "data", "split", "method", "metric", "value", "lo", "hi", "n_seeds", "verdict"]
    found = []
    if not len(units):
        return pd.DataFrame(columns=columns)
    for (task, data, split), case in units.groupby(["task", "data", "split"], sort=False, observed=True):
        metric = HEADLINE.get(task)
        if metric is None or task == "null":
            continue
        case = case[case.metric == metric]
        by = dict(iter(case.groupby(["method", "seed"], sort=False, observed=True)))
        for method in dict.fromkeys(name for name, _ in by if name != REFERENCE):
            gaps = [
                interval(metric, by[method, seed], by[REFERENCE, seed], n_boot=n_boot, seed=int(seed))
                for name, seed in by if name == method and (REFERENCE, seed) in by
            ]  # fmt: skip
            if not gaps:
                continue
            value, lo, hi = np.mean([(gap.value, gap.lo, gap.hi) for gap in gaps], axis=0)
            if not METRICS[metric][1]:
                value, lo, hi = -value, -hi, -lo
            found.append({"task": task, "data": data, "split": split, "method": method, "metric": metric,
                          "value": value + 0.0, "lo": lo + 0.0, "hi": hi + 0.0, "n_seeds": len(gaps),
                          "verdict": verdict(value, lo, hi, margin=MARGIN[metric])})  # fmt: skip
    return pd.DataFrame(found, columns=columns)


def _null(rows: pd.DataFrame) -> pd.DataFrame:
    """Figures of the null arm, seeds averaged."""
    part = rows[(rows.task == "null") & (rows["slice"] == "all")]
    if not len(part):
        return pd.DataFrame(columns=["method", "data", "split", "false_discoveries"])
    wide = part.pivot_table(index=["method", "data", "split"], columns="metric", values="value", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def _coverage(rows: pd.DataFrame) -> pd.DataFrame:
    part = rows[rows.task == "coverage"]
    if not len(part):
        return pd.DataFrame()
    wide = part.pivot_table(index=["method", "data", "split", "slice"], columns="metric", values="value", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def _goal(goal: str, tasks: Sequence[str], results: Results, gaps: pd.DataFrame, null: pd.DataFrame) -> pd.DataFrame:
    """One row for each method that was scored for a goal."""
    rows = results.rows
    ranks = results.extras.get("ranks", pd.DataFrame(columns=["scope", "method", "mean_rank"]))
    scopes = set(ranks.scope)
    here = rows[rows.task.isin(tasks) & (rows.status == "ok")]
    part, found = gaps[gaps.task.isin(tasks)], []
    false = null.groupby("method").false_discoveries.max() if len(null) else pd.Series(dtype=float)
    for method in dict.fromkeys(here.method):
        said = part[part.method == method].verdict.value_counts()
        scope = [task for task in tasks if task in scopes] or ["all"]
        rank = ranks[ranks.scope.isin(scope) & (ranks.method == method)].mean_rank.mean()
        found.append({
            "goal": goal, "method": method, "mean_rank": rank, "cases": int(said.sum()),
            **{name.replace(" ", "_"): int(said.get(name, 0)) for name in ("better", "tie", "worse", "cannot tell")},
            "false_discoveries": float(false.get(method, np.nan)),
            "seconds": here[here.method == method].seconds.median(), "answer": "",
        })  # fmt: skip
    columns = ["goal", "method", "mean_rank", "cases", "better", "tie", "worse", "cannot_tell", "false_discoveries",
               "seconds", "answer"]  # fmt: skip
    table = pd.DataFrame(found, columns=columns)
    table["answer"] = [_answer(row, goal) for row in table.itertuples()]
    return table.sort_values("mean_rank", kind="stable", na_position="last").reset_index(drop=True)


def _answer(row: Any, goal: str) -> str:
    """``use``, or why not."""
    if row.method == REFERENCE:
        return "reference"
    if row.method in UNRANKED:
        return "control"
    if goal in TESTED and not row.false_discoveries <= ALLOWED:
        share = "not tested in the null arm" if np.isnan(row.false_discoveries) else "false discoveries"
        return f"not for tests: {share}"
    if row.better > row.cases / 2 and not row.worse:
        return "use"
    if row.better > row.worse:
        return "sometimes better"
    return "worse than nothing" if row.worse > row.better else "no clear gain"


def _sentence(goal: str, table: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """The answer to: which method for this goal?"""
    ranked = table[~table.method.isin([REFERENCE, CONTROL, *UNRANKED])]
    if not len(ranked) or not ranked.cases.sum():
        return ""
    use = ranked[ranked.answer == "use"]
    refused = ranked[ranked.answer.str.startswith("not for tests") & (ranked.better > ranked.worse)]
    tail = f" ({_few(refused.method)} would gain, but make up differences)" if len(refused) else ""
    if not len(use):
        best = ranked[ranked.answer.isin(["sometimes better"])]
        part = f"; {_few(best.method)} in some cases" if len(best) else ""
        said = "use the values as they are, no method is better in most cases and worse in none"
        return f"{goal.capitalize()}: {said}{part}{tail}."
    first = use.iloc[0]
    said = f"{goal.capitalize()}: {first.method}, better than nothing in {first.better} of {first.cases} cases"
    level = use.method[1:][use.mean_rank[1:] <= first.mean_rank + 1]
    said += f"; within one rank of it: {_few(level)}" if len(level) else ""
    control = table[table.method == CONTROL]
    if len(control) and control.mean_rank.iloc[0] <= first.mean_rank:
        said += "; the mean of predicted clusters ranks no worse"
    return said + _simpler(first.method, goal, gaps) + tail + "."


def _simpler(method: str, goal: str, gaps: pd.DataFrame) -> str:
    """In how many cases the mean of all cells, the same for every cell, does better than the method."""
    part = gaps[gaps.task.isin(GOALS[goal])].set_index(["task", "data", "split"])
    both = part[part.method == method][["value"]].join(part[part.method == "mean"].value.rename("simple"), how="inner")
    lost = int((both.simple > both.value).sum())
    return f"; the mean of all cells does better than it in {lost} of {len(both)}" if lost else ""


def _null_words(null: pd.DataFrame) -> list[str]:
    """Who makes up differences."""
    if not len(null):
        return []
    worst = null.groupby("method").false_discoveries.max()
    worst = worst[[name for name in worst.index if name not in UNRANKED]]
    bad = worst[worst > ALLOWED].sort_values(ascending=False)
    if not len(bad):
        return ["No method made up differences in the null arm."]
    fine = [name for name in worst.index if name not in bad.index and name != REFERENCE]
    said = f"In the null arm, where no gene differs, {_few([f'{n} ({100 * v:.0f} %)' for n, v in bad.items()])} called"
    return [f"{said} genes different: test the values as read" + (f"; {_few(fine)} did not." if fine else ".")]


def _few(names: Any, most: int = 5) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _incomplete(config: Any) -> list[str]:
    cells = config.get("cells", {}) if hasattr(config, "get") else {}
    left = cells.get("not run", 0)
    return [f"Incomplete, {cells['planned'] - left} of {cells['planned']} cells."] if left else []
