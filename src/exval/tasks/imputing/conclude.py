"""What a run of the imputation benchmark says: gains over doing nothing, false discoveries, an answer per goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.intervals import resampled, verdict
from exval.metrics import METRICS
from exval.tasks.imputing.analysis import KINDS
from exval.tasks.imputing.null import invents
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
DRAWS = 500


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
        Which method for which goal, the false discoveries in the same breath.
    tables
        ``answers``: goal, use, text, a sentence each. ``goals``: goal, method, mean_rank, cases, better, worse, tie,
        cannot_tell (against nothing), failed, below_mean (cases in which the mean of all cells does better),
        false_discoveries, invents, seconds, answer.
        ``differences``: task, data, split, method, metric, value, lo, hi, verdict: how much better than nothing
        (positive is better), paired over cells or genes, seeds averaged (value and bounds: repeats of the same cells
        narrow no interval). ``standings``: task, data, split, method, metric, value, lo, hi, rank, rank_lo, rank_hi,
        of recovery, ranks among those that are ranked, cells resampled. ``false_discoveries``: method, data, split, the
        figures of the null arm, and excess: above the values as read. ``coverage``: of methods with a standard
        deviation.
    """
    rows = results.rows[results.rows.status == "ok"]
    gaps = differences(results.predictions, n_boot)
    null = _null(rows)
    parts = [_goal(goal, tasks, results, gaps, null) for goal, tasks in GOALS.items()]
    parts = [part for part in parts if len(part)]
    goals = pd.concat(parts, ignore_index=True) if parts else _goal("", (), results, gaps, null)
    tables = {"goals": goals, "differences": gaps, "standings": standings(results.predictions),
              "false_discoveries": null, "coverage": _coverage(rows)}  # fmt: skip
    told = [(goal, *_sentence(goals[goals.goal == goal])) for goal in GOALS]
    tables["answers"] = pd.DataFrame([one for one in told if one[2]], columns=["goal", "use", "text"])
    lines = [*_incomplete(results.config), *_short(tables["answers"]), *_null_words(null)]
    return " ".join(lines) or "No job gave a figure.", {name: t for name, t in tables.items() if len(t)}


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


def standings(units: pd.DataFrame, n_boot: int = DRAWS) -> pd.DataFrame:
    """Error and rank of every method wherever values or molecules are recovered, with intervals.

    Cells are drawn with replacement, the same for all methods, and the methods ranked in every draw. Seeds are
    averaged: value, rank and bounds. Methods that lack a seed are left out.
    """
    columns = ["task", "data", "split", "method", "metric", "value", "lo", "hi", "rank", "rank_lo", "rank_hi"]
    found = []
    if not len(units):
        return pd.DataFrame(columns=columns)
    for (task, data, split), case in units.groupby(["task", "data", "split"], sort=False, observed=True):
        metric = HEADLINE.get(task)
        if task not in GOALS["plot and recovery"]:
            continue
        case = case[case.metric == metric]
        seeds = sorted(case.seed.unique())
        whole = case.groupby("method", sort=False, observed=True).seed.nunique() == len(seeds)
        methods = [name for name in whole.index if whole[name]]
        per_seed = [_standing(case[case.seed == seed], methods, metric, n_boot, int(seed)) for seed in seeds]
        if methods and per_seed:
            table = pd.DataFrame(np.mean(per_seed, axis=0), columns=columns[5:])
            head = {"task": task, "data": data, "split": split, "method": methods, "metric": metric}
            found.append(table.assign(**head)[columns].sort_values("value", ascending=not METRICS[metric][1]))
    # measured cells first, and of these the known values
    found.sort(key=lambda table: (table.data.iloc[0].startswith("simulated"), table.task.iloc[0] != "recovery"))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _standing(case: pd.DataFrame, methods: list[str], metric: str, n_boot: int, seed: int) -> np.ndarray:
    """(m, 6) value, its bounds, rank, its bounds, of one seed."""
    from scipy.stats import rankdata

    by = dict(iter(case.groupby("method", sort=False, observed=True)))
    value_mu = np.stack([by[name].value.to_numpy(np.float64) for name in methods])
    weight_mu = np.stack([by[name].weight.to_numpy(np.float64) for name in methods])
    draws_bu = np.concatenate(
        [np.ones((1, value_mu.shape[1])), resampled(np.ones(value_mu.shape[1], int), n_boot, seed)]
    )
    figure_bm = (draws_bu @ value_mu.T) / np.maximum(draws_bu @ weight_mu.T, 1e-300)
    figure_bm = np.sqrt(figure_bm) if KINDS[metric] == "root" else figure_bm
    ranked = np.array([name not in UNRANKED for name in methods])
    rank_bm = np.full(figure_bm.shape, np.nan)
    sign = -1.0 if METRICS[metric][1] else 1.0
    rank_bm[:, ranked] = rankdata(sign * figure_bm[:, ranked], axis=1)
    bounds = [np.quantile(x[1:], (0.025, 0.975), axis=0) for x in (figure_bm, rank_bm)]
    return np.column_stack([figure_bm[0], *bounds[0], rank_bm[0], *bounds[1]])


def _null(rows: pd.DataFrame) -> pd.DataFrame:
    """Figures of the null arm, seeds averaged; ``excess``: false discoveries above those of the values as read."""
    part = rows[(rows.task == "null") & (rows["slice"] == "all")]
    if not len(part):
        return pd.DataFrame(columns=["method", "data", "split", "false_discoveries", "excess"])
    wide = part.pivot_table(index=["method", "data", "split"], columns="metric", values="value", sort=False)
    wide = wide.reset_index().rename_axis(columns=None)
    if "false_discoveries" not in wide:
        return wide.assign(false_discoveries=np.nan, excess=np.nan)
    read = wide[wide.method == REFERENCE].set_index(["data", "split"]).false_discoveries
    as_read = [read.get((row.data, row.split), 0.0) for row in wide.itertuples()]
    return wide.assign(excess=wide.false_discoveries - as_read)


def _coverage(rows: pd.DataFrame) -> pd.DataFrame:
    part = rows[rows.task == "coverage"]
    if not len(part):
        return pd.DataFrame()
    wide = part.pivot_table(index=["method", "data", "split", "slice"], columns="metric", values="value", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def _goal(goal: str, tasks: Sequence[str], results: Results, gaps: pd.DataFrame, null: pd.DataFrame) -> pd.DataFrame:
    """One row for each method that was tried for a goal."""
    columns = ["goal", "method", "mean_rank", "cases", "better", "tie", "worse", "cannot_tell", "failed", "below_mean",
               "false_discoveries", "invents", "seconds", "answer"]  # fmt: skip
    cases = results.extras.get("cases", pd.DataFrame(columns=["task", "data", "split", "method", "status"]))
    cases = cases[cases.task.isin(tasks)].set_index(["task", "data", "split"])
    planned = cases.index[(cases.method == REFERENCE) & (cases.status == "ok")]
    ranks = results.extras.get("ranks", pd.DataFrame(columns=["scope", "method", "mean_rank"]))
    scope = [task for task in tasks if task in set(ranks.scope)] or ["all"]
    ok = results.rows[results.rows.task.isin(tasks) & (results.rows.status == "ok")]
    seconds = ok.drop_duplicates(["method", "config_hash"]).groupby("method").seconds.median()
    gaps, found = gaps[gaps.task.isin(tasks)].set_index(["task", "data", "split"]), []
    simple = gaps[gaps.method == "mean"].value
    for method in dict.fromkeys(cases.method):
        own = cases[cases.method == method]
        lost = own.index[own.status != "ok"].intersection(planned)
        mine = gaps[(gaps.method == method) & ~gaps.index.isin(lost)]
        said = mine.verdict.value_counts()
        both = mine[["value"]].join(simple.rename("simple"), how="inner")
        found.append({
            "goal": goal, "method": method,
            "mean_rank": ranks[ranks.scope.isin(scope) & (ranks.method == method)].mean_rank.mean(),
            "cases": len(planned),
            **{name.replace(" ", "_"): int(said.get(name, 0)) for name in ("better", "tie", "worse", "cannot tell")},
            "failed": len(lost), "below_mean": int((both.simple > both.value).sum()), **_made_up(method, null),
            "seconds": seconds.get(method, np.nan), "answer": "",
        })  # fmt: skip
    table = pd.DataFrame(found, columns=columns)
    table["answer"] = [_answer(row, goal) for row in table.itertuples()]
    return table.sort_values("mean_rank", kind="stable", na_position="last").reset_index(drop=True)


def _made_up(method: str, null: pd.DataFrame) -> dict[str, object]:
    """The largest share of false discoveries, and whether values may not be tested: ``yes``, ``no`` or ``untested``."""
    own = null[null.method == method]
    planned = set(zip(null[null.method == REFERENCE].data, null[null.method == REFERENCE].split))
    share = float(own.false_discoveries.max()) if len(own) else float("nan")
    if len(own) and invents(float(own.excess.max())):
        return {"false_discoveries": share, "invents": "yes"}
    whole = len(own) and set(zip(own.data, own.split)) >= planned
    return {"false_discoveries": share, "invents": "no" if whole else "untested"}


def _answer(row: Any, goal: str) -> str:
    """``use``, or why not."""
    if row.method == REFERENCE:
        return "reference"
    if row.method in UNRANKED:
        return "control"
    if goal in TESTED and row.invents != "no":
        return f"not for tests: {'false discoveries' if row.invents == 'yes' else 'no whole null arm'}"
    if row.better > row.cases / 2 and not row.worse and not row.failed:
        return "no better than the mean" if row.below_mean >= row.cases / 2 else "use"
    if row.failed >= row.cases / 2:
        return "failed"
    if row.better > row.worse:
        return "sometimes better"
    return "worse than nothing" if row.worse > row.better else "no clear gain"


def _sentence(table: pd.DataFrame) -> tuple[str, str]:
    """The answer to: which method for this goal? Its name (``as read``, ``mean``) and a sentence."""
    ranked = table[~table.method.isin([REFERENCE, CONTROL, *UNRANKED])]
    if not len(ranked) or not ranked.cases.sum():
        return "", ""
    use = ranked[ranked.answer == "use"]
    refused = ranked[ranked.answer.str.startswith("not for tests") & (ranked.better > ranked.worse)]
    tail = f" ({_few(refused.method)} would gain, but make up differences)" if len(refused) else ""
    lost = ranked[(ranked.failed > 0) & (ranked.better > ranked.worse)]
    told = [f"{r.method} in {r.failed} of {r.cases}" for r in lost.itertuples()]
    tail += f" (failed: {_few(told, 3)})" if len(lost) else ""
    plain = ranked[ranked.answer == "no better than the mean"]
    if not len(use) and len(plain):
        one = plain.iloc[0]
        return "mean", (
            f"{one.method} is better than nothing in {one.better} of {one.cases} cases, but the mean of all cells does "
            f"better than it in {one.below_mean}{tail}."
        )
    if not len(use):
        best = ranked[ranked.answer == "sometimes better"]
        part = f"; {_few(best.method)} in some cases" if len(best) else ""
        said = "the values as they are: no method is better in most cases and worse in none"
        return "as read", f"{said}{part}{tail}."
    first = use.iloc[0]
    said = f"{first.method}, better than nothing in {first.better} of {first.cases} cases"
    level = use.method[1:][use.mean_rank[1:] <= first.mean_rank + 1]
    said += f"; within one rank of it: {_few(level)}" if len(level) else ""
    control = table[table.method == CONTROL]
    if len(control) and control.mean_rank.iloc[0] <= first.mean_rank:
        said += "; the mean of predicted clusters ranks no worse"
    if first.below_mean:
        said += f"; the mean of all cells does better than it in {first.below_mean} of {first.cases}"
    return first.method, f"{said}{tail}."


def _short(answers: pd.DataFrame) -> list[str]:
    """All answers in one sentence.

    Examples
    --------
    >>> _short(pd.DataFrame({"goal": ["a", "b", "c", "d"], "use": ["x", "as read", "x", "mean"]}))
    ['Use x for a and c; the values as read for b.', 'No method beats the mean of all cells for d.']
    """
    goals: dict[str, list[str]] = {}
    for row in answers.itertuples():
        goals.setdefault(row.use, []).append(row.goal)
    listed = {use: " and ".join(", ".join(found).rsplit(", ", 1)) for use, found in goals.items()}
    plain, read = listed.pop("mean", ""), listed.pop("as read", "")
    parts = [f"{use} for {found}" for use, found in listed.items()]
    parts += [f"the values as read for {read}"] if read else []
    lines = [f"Use {'; '.join(parts)}."] if parts else []
    return lines + ([f"No method beats the mean of all cells for {plain}."] if plain else [])


def _null_words(null: pd.DataFrame) -> list[str]:
    """Who makes up differences."""
    if not len(null):
        return []
    worst = null.groupby("method")[["false_discoveries", "excess"]].max()
    worst = worst[~worst.index.isin([REFERENCE, *UNRANKED])]
    if not len(worst):
        return []
    bad = worst[[invents(value) for value in worst.excess]].sort_values("false_discoveries", ascending=False)
    if not len(bad):
        return ["No method made up differences in the null arm."]
    fine = [name for name in worst.index if name not in bad.index]
    listed = _few([f"{name} {100 * share:.0f} %" for name, share in bad.false_discoveries.items()], 3)
    said = f"Where no gene differs, {len(bad)} of {len(worst)} methods call genes different ({listed})"
    return [f"{said}: test the values as read." + (f" {_few(fine)} did not." if fine else "")]


def _few(names: Any, most: int = 5) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _incomplete(config: Any) -> list[str]:
    cells = config.get("cells", {}) if hasattr(config, "get") else {}
    left = cells.get("not run", 0)
    return [f"Incomplete, {cells['planned'] - left} of {cells['planned']} jobs."] if left else []
