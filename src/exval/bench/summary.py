"""From the rows of all cells to the tables of a benchmark's page: cases, leaderboard, ranks, cost, failures.

===============  ==================================================================================================
cases            task, metric, data, split, method, value, lo, hi, n_seeds, seed_sd, n_failed, status, note
leaderboard      task, metric, method, value, lo, hi, n, n_cases, n_failed, mean_rank (n: data sets with a value)
ranks            scope, method, mean_rank, lo, hi, first, failed, n_cases, level (scope: a task, or ``all``)
rank_tests       scope, n_methods, n_cases, n_blocks, chi2, p, f, f_p, cd
rank_cases       scope, data, method, rank                                       (means where tasks share a data set)
rank_pairs       scope, method, other, wins, losses, p, p_holm
rank_against     scope, method, difference, z, p, p_holm                         (against the reference)
not_ranked       scope, method, why
cost             method, seconds, peak_mb, n                                     (median and largest over n cells)
failures         method, task, data, seed, status, note, seconds
skipped          what, why
===============  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.benchmark import Primary
from exval.bench.intervals import MIN_UNITS, mean_interval
from exval.bench.ranks import ranking
from exval.errors import InputError

if TYPE_CHECKING:
    from exval.bench.results import Results

ALL = "all"
RANKED = ("leaderboard", "ranks", "rank_tests", "rank_cases", "rank_pairs", "rank_against", "not_ranked")
"""Tables that rank methods over tasks."""
FAILURES = ["method", "task", "data", "seed", "status", "note", "seconds"]


def tables(
    rows: pd.DataFrame,
    primary: Mapping[str, Primary],
    *,
    unranked: Sequence[str] = (),
    reference: str | None = None,
    skipped: Sequence[tuple[str, str]] = (),
    blocks: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Every table above; one without rows is left out.

    Parameters
    ----------
    rows
        Of all cells.
    primary
        Task -> the figure that ranks its methods.
    unranked, reference
        Methods that are shown and not ranked; the method that others are held against.
    skipped
        (what, why) of what was not planned.
    blocks
        Data set -> what it shares with others that are no independent evidence (the same cells, the same file);
        default: each is one by itself.

    Examples
    --------
    >>> from exval.bench.results import make_rows
    >>> rows = make_rows([{"method": m, "task": "t", "data": d, "metric": "rmse", "value": v}
    ...                   for m, v in (("a", 0.2), ("b", 0.3)) for d in "xy"])
    >>> found = tables(rows, {"t": Primary("rmse", False)})
    >>> found["ranks"][["scope", "method", "mean_rank"]].values.tolist()
    [['all', 'a', 1.0], ['all', 'b', 2.0]]
    """
    made = {"cases": cases(rows, primary)}
    made |= _ranks(made["cases"], primary, unranked, reference, blocks or {})
    made["leaderboard"] = _leaderboard(made["cases"], made["ranks"], blocks or {})
    cost = rows[rows.status == "ok"].drop_duplicates(["method", "config_hash"])  # a cell gives a row for each figure
    cost = cost.groupby("method", sort=False)
    made["cost"] = pd.DataFrame(
        {"seconds": cost.seconds.median(), "peak_mb": cost.peak_mb.max(), "n": cost.size()}
    ).reset_index()
    made["failures"] = rows.loc[rows.status != "ok", FAILURES].reset_index(drop=True)
    made["skipped"] = pd.DataFrame(list(skipped), columns=["what", "why"])
    return {name: table for name, table in made.items() if len(table)}


def cases(rows: pd.DataFrame, primary: Mapping[str, Primary]) -> pd.DataFrame:
    """One row for each task, data set, split of it and method: the mean over seeds, or how it failed.

    A case in which at least as many seeds failed as gave a value has failed. A cell that failed stands for every task
    that some method was scored in on the same data set and split.
    """
    found = []
    pooled = rows[rows.fold == -1]
    for task, figure in primary.items():
        here = pooled[(pooled.task == task) | (pooled.task == "")]
        ok = here[(here.metric == figure.metric) & (here["slice"] == figure.slice) & (here.status == "ok")]
        bad = here[(here.status != "ok") & here.metric.isin([figure.metric, ""]) &
                   ((here["slice"] == figure.slice) | (here.metric == ""))]  # fmt: skip
        scored = set(zip(ok.data, ok.split))
        bad = bad[(bad.task == task) | np.array([place in scored for place in zip(bad.data, bad.split)], dtype=bool)]
        for key, part in pd.concat([ok, bad]).groupby(["data", "split", "method"], sort=False):
            good, lost = part[part.status == "ok"], part[part.status != "ok"].drop_duplicates("seed")
            failed = len(lost) >= max(len(good), 1)
            numbers = {name: float("nan") if failed else good[name].mean() for name in ("value", "lo", "hi")}
            found.append({
                "task": task, "metric": figure.metric, **dict(zip(("data", "split", "method"), key)), **numbers,
                "n_seeds": len(good), "seed_sd": good.value.std() if not failed else float("nan"),
                "n_failed": len(lost), "status": lost.status.mode()[0] if failed else "ok",
                "note": lost.note.iloc[0] if len(lost) else "",
            })  # fmt: skip
    columns = ["task", "metric", "data", "split", "method", "value", "lo", "hi", "n_seeds", "seed_sd", "n_failed",
               "status", "note"]  # fmt: skip
    table = pd.DataFrame(found, columns=columns)
    known = ("data", "split", "method")
    place = {name: {value: i for i, value in enumerate(dict.fromkeys(rows[name]))} for name in known}
    place["task"] = {task: i for i, task in enumerate(primary)}
    return table.sort_values(
        ["task", *known], key=lambda column: column.map(place[column.name]), kind="stable"
    ).reset_index(drop=True)


def _ranks(
    found: pd.DataFrame,
    primary: Mapping[str, Primary],
    unranked: Sequence[str],
    reference: str | None,
    blocks: Mapping[str, str],
) -> dict[str, pd.DataFrame]:
    parts: dict[str, list] = {name: [] for name in ("ranks", "rank_tests", "rank_cases", "rank_pairs", "rank_against",
                                                    "not_ranked")}  # fmt: skip
    ranked = found[~found.method.isin(unranked)]
    scopes = {ALL: ranked} | ({task: ranked[ranked.task == task] for task in primary} if len(primary) > 1 else {})
    for scope, part in scopes.items():
        if not len(part):
            continue
        case = ["task", "data", "split"]
        wide = part.pivot(index=case, columns="method", values="value")
        wide = wide[list(dict.fromkeys(part.method))]
        tried = part.assign(there=1.0).pivot(index=case, columns="method", values="there").notna()
        tasks, names = (wide.index.get_level_values(level) for level in ("task", "data"))
        try:
            one = ranking(
                wide, higher_is_better=[primary[task].higher_is_better for task in tasks],
                blocks_c=[blocks.get(name, name) for name in names], tried_cm=tried[wide.columns], control=reference,
            )  # fmt: skip
        except InputError as error:
            parts["not_ranked"] += [{"scope": scope, "method": name, "why": str(error)} for name in wide]
            continue
        level = [one.table.method[0], *one.level_with_first]
        parts["ranks"].append(one.table.assign(level=one.table.method.isin(level)).assign(scope=scope))
        parts["rank_tests"].append(pd.DataFrame([{
            "scope": scope, "n_methods": len(one.table), "n_cases": len(one.ranks_cm), "n_blocks": one.n_blocks,
            **asdict(one.friedman), "cd": one.cd,
        }]))  # fmt: skip
        long = one.ranks_cm.groupby(level="data", sort=False).mean().stack().rename("rank").reset_index()
        parts["rank_cases"].append(long.assign(scope=scope))
        parts["rank_pairs"].append(one.pairs.assign(scope=scope))
        parts["rank_against"].append(one.against.assign(scope=scope))
        parts["not_ranked"] += [{"scope": scope, "method": name, "why": why} for name, why in one.left_out.items()]
    parts["not_ranked"] = [pd.DataFrame(parts["not_ranked"], columns=["scope", "method", "why"])]
    made = {}
    for name, tables_ in parts.items():
        whole = [table for table in tables_ if len(table)]
        table = pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=["scope", "method"])
        made[name] = table[["scope", *[column for column in table if column != "scope"]]]
    return made


def _leaderboard(found: pd.DataFrame, ranks: pd.DataFrame, blocks: Mapping[str, str]) -> pd.DataFrame:
    """The mean over data sets (that of a data set: over its splits), with a bootstrap over them where there are six."""
    scope = set(ranks.scope)
    place = {(row.scope, row.method): row.mean_rank for row in ranks.itertuples()}
    made = []
    for (task, metric, method), part in found.groupby(["task", "metric", "method"], sort=False):
        by_data = part.groupby("data", sort=False).value.mean().dropna()
        values = by_data.groupby(lambda name: blocks.get(name, name), sort=False).mean().to_numpy()
        said = mean_interval(values, np.ones(len(values))) if len(values) else None
        wide = said is not None and len(values) >= MIN_UNITS
        made.append({
            "task": task, "metric": metric, "method": method, "value": said.value if said else float("nan"),
            "lo": said.lo if wide else float("nan"), "hi": said.hi if wide else float("nan"), "n": len(values),
            "n_cases": len(part), "n_failed": int((part.status != "ok").sum()),
            "mean_rank": place.get((task if task in scope else ALL, method), float("nan")),
        })  # fmt: skip
    columns = ["task", "metric", "method", "value", "lo", "hi", "n", "n_cases", "n_failed", "mean_rank"]
    return pd.DataFrame(made, columns=columns)


def conclude(results: Results) -> tuple[str, dict[str, pd.DataFrame]]:
    """The verdict of a benchmark that has none of its own: who leads, who is level with it, who beats the reference.

    Examples
    --------
    >>> from exval.bench.results import Results, make_rows
    >>> rows = make_rows([{"method": m, "task": "t", "data": d, "metric": "rmse", "value": v + i / 9}
    ...                   for m, v in (("a", 0.2), ("b", 0.3)) for i, d in enumerate("xyz")])
    >>> extras = tables(rows, {"t": Primary("rmse", False)})
    >>> conclude(Results(rows, pd.DataFrame(), {}, extras=extras))[0]
    '2 methods on 3 data sets: a has the best mean rank (1.0); 3 data sets are too few for an interval or a test.'
    """
    return " ".join([*_incomplete(results.config), *_ranked(results), *_failed(results.config)]), {}


def _incomplete(config: Mapping[str, Any]) -> list[str]:
    cells = config.get("cells", {})
    left = cells.get("not run", 0)
    return [f"Incomplete, {cells['planned'] - left} of {cells['planned']} jobs:"] if left else []


def _failed(config: Mapping[str, Any]) -> list[str]:
    cells = config.get("cells", {})
    bad = sum(n for name, n in cells.items() if name not in ("planned", "ok", "not run"))
    ran = cells.get("planned", 0) - cells.get("not run", 0)
    return [f"{bad:,} of {ran:,} jobs failed." if bad > 1 else f"One of {ran:,} jobs failed."] if bad else []


def _ranked(results: Results) -> list[str]:
    ranks, tests = results.extras.get("ranks"), results.extras.get("rank_tests")
    if ranks is None or tests is None or not (ranks.scope == ALL).any():
        return ["there is no case that every method was tried on and some method solved, so nothing is ranked."]
    ranks, test = ranks[ranks.scope == ALL], tests[tests.scope == ALL].iloc[0]
    first = ranks.iloc[0]
    if len(ranks) == 1:
        return [f"only {first.method} was ranked, and a rank needs two methods."]
    n_tasks = results.extras["cases"].task.nunique()
    said = f"{int(test.n_methods)} methods on {int(test.n_blocks)} data sets" if test.n_blocks > 1 else \
        f"{int(test.n_methods)} methods on one data set"  # fmt: skip
    said += f" in {n_tasks} tasks" if n_tasks > 1 else ""
    bounds = f" [{first.lo:.1f}, {first.hi:.1f}]" if np.isfinite(first.lo) else ""
    said += f": {first.method} has the best mean rank ({first.mean_rank:.1f}{bounds})"
    if not np.isfinite(test.cd):
        number = f"{int(test.n_blocks)} data sets are" if test.n_blocks > 1 else "one data set is"
        return [f"{said}; {number} too few for an interval or a test."]
    if not test.f_p < 0.05:
        return [f"{said}, but the ranks differ no more than by chance (Friedman, p = {test.f_p:.2g})."]
    level = [name for name in ranks.method[ranks.level] if name != first.method]
    told = f"{_listed(level)} cannot be told from it" if level else "every other method ranks clearly below it"
    return [f"{said}; {told} (critical difference {test.cd:.1f}).", *_against(results, set(ranks.method))]


def _against(results: Results, ranked: set[str]) -> list[str]:
    reference = results.config.get("bench", {}).get("reference")
    table = results.extras.get("rank_against")
    if reference not in ranked or table is None:
        return []
    table = table[table.scope == ALL]
    sure = table[table.p_holm < 0.05]
    better, worse = int((sure.difference < 0).sum()), int((sure.difference > 0).sum())
    return [
        f"Clearly better than {reference}: {better or 'none'} of {len(table)}"
        + (f"; clearly worse: {worse}." if worse else ".")
    ]


def _listed(names: Sequence[str], most: int = 6) -> str:
    """Names as a sentence has them.

    Examples
    --------
    >>> _listed(["a", "b", "c"]), _listed(list("abcdefgh"))
    ('a, b and c', 'a, b, c, d, e, f and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
