"""Answers and figures as the tables of a result folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from exval.bench.results import POOLED
from exval.tasks.survival.compare import Comparison, standing
from exval.tasks.survival.crossval import Answers, OutOfFold
from exval.tasks.survival.score import Judge
from exval.tasks.survival.strata import curves, logrank_p, stratum_names, summary

LOGRANK = "logrank_p"


def strata_of(one: Answers, n_groups: int) -> np.ndarray:
    """(m,) names of the groups; ``all`` where a method puts everybody into one.

    Examples
    --------
    >>> one = Answers(np.zeros(2), np.zeros(2, int), np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(2))
    >>> strata_of(one, 2).tolist()
    ['all', 'all']
    """
    divided = len(np.unique(one.stratum_m)) > 1
    return stratum_names(one.stratum_m if divided else np.zeros_like(one.stratum_m), n_groups, divided)


def km_tables(
    answers: Mapping[str, Answers], judge: Judge, n_groups: int
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Kaplan-Meier curves and sizes of the groups of every method, and p of the log-rank test; first repeat.

    Parameters
    ----------
    answers
        Method -> answers.
    judge
        Of the same patients.
    n_groups
        2 or 3.
    """
    rows = np.flatnonzero(judge.seed_m == judge.seed_m[0])
    time, event = judge.time_m[rows], judge.event_m[rows]
    drawn, sizes, p = [], [], {}
    for title, one in answers.items():
        names = strata_of(one, n_groups)[rows]
        order = [name for name in ("all", "low", "middle", "high") if name in set(names)]
        by_risk = np.argsort([order.index(name) for name in names], kind="stable")
        drawn.append(curves(time[by_risk], event[by_risk], names[by_risk]).assign(method=title))
        sizes.append(summary(time[by_risk], event[by_risk], names[by_risk]).assign(method=title))
        p[title] = logrank_p(time, event, names)
    km = pd.concat(drawn, ignore_index=True)[["method", "group", "time", "survival", "lo", "hi", "at_risk"]]
    groups = pd.concat(sizes, ignore_index=True)[["method", "group", "n", "events", "median"]]
    return km, groups.assign(logrank_p=groups.method.map(p)), p


def figure_rows(
    answers: Mapping[str, Answers],
    judge: Judge,
    found: Comparison,
    p: Mapping[str, float],
    head: Mapping[str, Mapping[str, Any]],
) -> tuple[list[dict], dict[str, dict[str, float]]]:
    """Rows of ``results.parquet`` over all patients, and the figures of each method by name.

    Parameters
    ----------
    answers, judge
        What was answered, and the judge of it.
    found
        C and differences.
    p
        Log-rank p of each method.
    head
        Method -> what its rows share.
    """
    rows, figures = [], {}
    null = answers.get("null-survival")
    for title, one in answers.items():
        own = {**head[title], "fold": POOLED}
        c = found.c[title]
        rows.append({**own, "metric": "harrell_c", "value": c.value, "lo": c.lo, "hi": c.hi, "n": c.n_units})
        gap = found.gaps.get(title)
        if gap is not None:
            rows.append({**own, "metric": "difference:harrell_c", "value": gap.value, "lo": gap.lo, "hi": gap.hi,
                         "n": gap.n_units, "note": f"against {found.reference}"})  # fmt: skip
        values = {**judge.figures(one, null), LOGRANK: p[title]}
        figures[title] = values
        brier = judge.brier(one.survival_mt)
        rows.append({**own, "metric": "integrated_brier", "value": brier.value, "lo": brier.lo, "hi": brier.hi,
                     "n": brier.n_units})  # fmt: skip
        for name, value in values.items():
            if name == "integrated_brier":
                continue
            metric, _, at = name.partition("@")
            where = {"slice": f"time={at}"} if at else {}
            rows.append({**own, **where, "metric": metric, "value": value, "n": len(judge.time_m)})
    return rows, figures


def fold_rows(oof: OutOfFold, judge: Judge, head: Mapping[str, Mapping[str, Any]]) -> list[dict]:
    """Harrell's C of every fold, with its cost."""
    price = oof.costs.set_index(["method", "seed", "fold"]) if len(oof.costs) else None
    rows = []
    for title, one in oof.answers.items():
        for (seed, fold), model in zip(oof.training, dict.fromkeys(oof.model_m)):
            part = oof.model_m == model
            value = judge.c_of_folds(one.risk_m)[model]
            cost = price.loc[(title, seed, fold)]
            own = {"fold": fold, "seed": seed, "n": int(part.sum()), "unit": "sample", "seconds": cost.seconds}
            rows.append({**head[title], **own, "metric": "harrell_c", "value": value, "peak_mb": cost.peak_mb})
    return rows


def prediction_table(oof: OutOfFold, cohort: Any, horizons: tuple[float, ...], n_groups: int) -> pd.DataFrame:
    """``predictions.parquet``: a row for each sample, method and repeat, so that any test can be redone."""
    tables = []
    obs = cohort.adata.obs_names.to_numpy(dtype=object)[oof.row_m].astype(str)
    for title, one in oof.answers.items():
        table = pd.DataFrame(
            {"sample": obs, "method": title, "fold": oof.fold_m, "seed": oof.seed_m,
             "group": cohort.group_n[oof.row_m].astype(str), "time": cohort.time_n[oof.row_m],
             "event": cohort.event_n[oof.row_m], "risk": one.risk_m, "risk_group": strata_of(one, n_groups)}
        )  # fmt: skip
        for i, h in enumerate(horizons):
            table[f"survival_{h:g}"] = one.at_horizon_mh[:, i]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def survival_table(
    found: Comparison, figures: Mapping[str, Mapping[str, float]], cost: pd.DataFrame, failed: Mapping[str, str]
) -> pd.DataFrame:
    """What a person looks at: one row for each method, best C first, failures last.

    Parameters
    ----------
    found, figures
        Of the methods that answered.
    cost
        ``seconds`` by method.
    failed
        Method -> why.
    """
    rows = []
    for title in sorted(found.c, key=lambda one: -found.c[one].value):
        c, gap = found.c[title], found.gaps.get(title)
        row = {"method": title, "c": c.value, "lo": c.lo, "hi": c.hi}
        row |= {"difference": np.nan, "difference_lo": np.nan, "difference_hi": np.nan, "standing": "reference"}
        if gap is not None:
            row |= {
                "difference": gap.value,
                "difference_lo": gap.lo,
                "difference_hi": gap.hi,
                "standing": standing(gap),
            }
        seconds = float(cost.seconds[title]) if title in cost.index else np.nan
        rows.append({**row, **figures[title], "seconds": seconds, "chosen": title == found.chosen, "status": "ok",
                     "note": ""})  # fmt: skip
    rows += [{"method": title, "chosen": False, "status": "failed", "note": why} for title, why in failed.items()]
    return pd.DataFrame(rows)


def curves_over_time(answers: Mapping[str, Answers], judge: Judge) -> pd.DataFrame:
    """``method, time, auc, brier`` at the common times."""
    return pd.concat([pd.DataFrame(judge.over_time(one)).assign(method=title) for title, one in answers.items()],
                     ignore_index=True)[["method", "time", "auc", "brier"]]  # fmt: skip


def calibration_table(answers: Mapping[str, Answers], judge: Judge) -> pd.DataFrame:
    """``method, bin_lo, bin_hi, share``: patients in each tenth of predicted survival at their own time."""
    tables = []
    for title, one in answers.items():
        share = judge.calibration(one.own_m)[1]
        edges = np.arange(len(share) + 1) / len(share)
        tables.append(pd.DataFrame({"method": title, "bin_lo": edges[:-1], "bin_hi": edges[1:], "share": share}))
    return pd.concat(tables, ignore_index=True)
