"""What a run of the benchmark of patients says: paired differences from the simple method of each question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.bench.intervals import mean_interval, verdict
from exval.bench.survival_intervals import c_interval
from exval.errors import InputError
from exval.tasks.patients.models import VARIANTS, WHOLE

if TYPE_CHECKING:
    from exval.bench.results import Results

AGAINST = {"classify": "logreg", "restore": "ppca", "survival": "clinical", "anchors": "measured"}
"""Beginning of a task's name -> the method that the others are held against."""
ALONE = "null-survival"
MARGIN = {"accuracy": 0.01, "rmse": 0.01, "harrell_c": 0.01}
SIMPLE = "rda"
NAMED = ("clinical", "cox + clinical", "cox", "gexbert, one cohort")
"""Survival methods that the verdict tells: the best of many, told afterwards, would be better by chance."""
WAYS = {"measured": "measured", "restored by gexbert": "restored by gexbert", "restored by ppca": "by ppca",
        "absent (all other genes)": "without them"}  # fmt: skip
"""Ways of treating anchor genes that the verdict tells."""
TOLD = ("classify-random-4", "classify-random-16", "classify-random-64", "restore-random-10", "restore-random-50",
        "restore-random-90", "restore-genes-50")  # fmt: skip
"""Tasks that the verdict tells; all stand in the tables."""


def conclude(results: Results, n_boot: int = 1000) -> tuple[str, dict[str, pd.DataFrame]]:
    """Verdict and tables.

    Returns
    -------
    verdict
        A sentence for each question.
    tables
        ``differences``: task, data, method, against, value (of the method), difference, lo, hi, verdict, n (patients).
        A difference is positive where the method is better. Intervals are paired bootstraps over patients, repeats
        averaged. ``ablations``: the same of every model against the one that it is one part away from, on the draws
        that both have. ``figures``: task, data, method and the mean over draws of every metric.
    """
    gaps = differences(results.predictions, n_boot)
    parts = ablations(results.predictions, n_boot)
    ok = results.rows[results.rows.status == "ok"]
    figures = ok.groupby(["task", "data", "method", "metric"], sort=False).value.agg(["mean", "std", "count"])
    tables = {"differences": gaps, "ablations": parts, "figures": figures.reset_index()}
    lines = [line for line in (_classes(gaps), _values(gaps), _survival(gaps), _anchors(gaps)) if line]
    return " ".join(lines) or "No job gave a figure.", {name: table for name, table in tables.items() if len(table)}


def differences(units: pd.DataFrame, n_boot: int = 1000) -> pd.DataFrame:
    """Every method against the simple one of its question, on the patients and draws that both have."""
    found = []
    columns = ["task", "data", "method", "against", "metric", "value", "difference", "lo", "hi", "n", "verdict"]
    if not len(units):
        return pd.DataFrame(columns=columns)
    for (task, data), part in units.groupby(["task", "data"], sort=False):
        names = list(dict.fromkeys(part.method))
        other = next((name for kind, name in AGAINST.items() if task.startswith(kind)), None)
        other = other if other in names else ALONE if ALONE in names else None
        for name in names:
            row = _compared(part, name, None if name == other else other, n_boot)
            if row is not None:
                found.append({"task": task, "data": data, "method": name, **row})
    return pd.DataFrame(found, columns=columns)


def ablations(units: pd.DataFrame, n_boot: int = 1000) -> pd.DataFrame:
    """Every model against the one that it is one part away from (:data:`exval.tasks.patients.models.VARIANTS`);
    ``value`` and ``value_against`` on the draws that both have."""
    found = []
    if len(units):
        for (task, data), part in units.groupby(["task", "data"], sort=False):
            there = set(part.method)
            names = [name for name, known in VARIANTS.items() if name in there and known.of in there]
            for name in names:
                row = _compared(part, name, VARIANTS[name].of, n_boot)
                if row is not None:
                    sign = -1 if row["metric"] == "rmse" else 1
                    found.append({"task": task, "data": data, "method": name, **row,
                                  "value_against": row["value"] - sign * row["difference"]})  # fmt: skip
    columns = [
        "task",
        "data",
        "method",
        "against",
        "metric",
        "value",
        "value_against",
        "difference",
        "lo",
        "hi",
        "n",
        "verdict",
    ]
    return pd.DataFrame(found, columns=columns)


def _compared(part: pd.DataFrame, name: str, other: str | None, n_boot: int) -> dict | None:
    metric = str(part.metric.iloc[0])
    own, pair = _by_patient(part[part.method == name], metric), None
    if other is not None:
        pair = _by_patient(part[part.method == other], metric)
        both = own.index.intersection(pair.index)
        if not len(both):
            return None
        own, pair = own.loc[both], pair.loc[both]
    patient_n = own.index.get_level_values("patient").to_numpy(object)
    if metric == "risk":
        draw_n = own.index.get_level_values("seed").to_numpy()
        outcome = own.time.to_numpy(float), own.event.to_numpy(float) > 0
        try:
            alone = c_interval(*outcome, own.value.to_numpy(), None, patient_n, draw_n, n_boot=2)
            gap = None if pair is None else c_interval(*outcome, own.value.to_numpy(), pair.value.to_numpy(), patient_n,
                                                       draw_n, n_boot=n_boot)  # fmt: skip
        except InputError:
            return None
        return _row("harrell_c", alone.value, gap, other, len(set(patient_n)), 1)
    codes, names = pd.factorize(patient_n)
    weight_n = own.weight.to_numpy(float) if metric == "squared" else np.ones(len(own))
    total = lambda table: np.bincount(codes, weights=table.value.to_numpy(float), minlength=len(names))  # noqa: E731
    count_u = np.bincount(codes, weights=weight_n, minlength=len(names))
    root = metric == "squared"
    alone = mean_interval(total(own), count_u, root=root, n_boot=2)
    gap = None if pair is None else mean_interval(total(own), count_u, total(pair), root=root, n_boot=n_boot)
    return _row("rmse" if root else "accuracy", alone.value, gap, other, len(names), -1 if root else 1)


def _by_patient(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row for each draw and patient: errors of several samples are added up, shares of right answers averaged."""
    key = ["seed", "patient"]
    if metric == "squared":
        return part.groupby(key)[["value", "weight"]].sum()
    if metric == "accuracy":
        return part.groupby(key)[["value"]].mean()
    return part.groupby(key)[["value", "time", "event"]].first()


def _row(metric: str, value: float, gap, other: str | None, n: int, sign: int) -> dict:
    base = {"metric": metric, "value": value, "n": n, "against": other or ""}
    if gap is None:
        return {**base, "difference": np.nan, "lo": np.nan, "hi": np.nan, "verdict": ""}
    lo, hi = sorted((sign * gap.lo, sign * gap.hi))
    said = verdict(sign * gap.value, lo, hi, margin=MARGIN[metric])
    return {**base, "difference": sign * gap.value, "lo": lo, "hi": hi, "verdict": said}


def _said(row) -> str:
    return f"{row.difference:+.3f} [{row.lo:.3f}, {row.hi:.3f}]: {row.verdict}"


def _classes(gaps: pd.DataFrame) -> str:
    here = gaps[gaps.task.isin(TOLD) & gaps.task.str.startswith("classify-")]
    here = here[(here.method == WHOLE) & (here.against != "")]
    parts = [f"{row.task.rsplit('-', 1)[1]} genes {row.value:.3f}, {_said(row)}" for row in here.itertuples()]
    if not parts:
        return ""
    text = f"Classes from random genes, one gexbert for all panels against logreg fitted to each: {'; '.join(parts)}."
    simple = gaps[(gaps.method == SIMPLE) & gaps.task.isin(here.task)].set_index("task").value
    there = [f"{simple[task]:.3f}" for task in here.task if task in simple]
    return text + (f" Without a network ({SIMPLE}, as gexbert starts): {', '.join(there)}." if there else "")


def _values(gaps: pd.DataFrame) -> str:
    here = gaps[gaps.task.isin(TOLD) & gaps.task.str.startswith("restore-")]
    here = here[(here.method == WHOLE) & (here.against != "")]
    parts = [f"{_hidden(row.task)} {row.value:.3f}, {_said(row)}" for row in here.itertuples()]
    return (
        f"Missing values (RMSE in SDs), gexbert against ppca, positive is better: {'; '.join(parts)}." if parts else ""
    )


def _hidden(task: str) -> str:
    """``restore-random-10`` in words."""
    kind, share = task.removeprefix("restore-").rsplit("-", 1)
    return f"{share} % of the genes" if kind == "genes" else f"{share} % at random"


def _survival(gaps: pd.DataFrame) -> str:
    here = gaps[gaps.task == "survival"]
    parts = []
    for data, part in here.groupby("data", sort=False):
        part = part[part.method != ALONE]
        if not len(part):
            continue
        value = part.set_index("method").value
        said = [f"{name} {value[name]:.3f}" for name in NAMED if name in value]
        row = part[(part.method == NAMED[1]) & (part.against == "clinical")]
        told = f" ({_said(row.iloc[0])})" if len(row) else ""
        parts.append(f"{data}: {', '.join(said)}{told}")
    text = f"Survival (C; {NAMED[1]} against clinical was named beforehand, the others stand in the table)"
    return f"{text}. {'. '.join(parts)}." if parts else ""


def _anchors(gaps: pd.DataFrame) -> str:
    """Cohorts beside each other: what is told of each is in the table."""
    here = gaps[gaps.task == "anchors"]
    wide = here.pivot_table("value", "method", "data", aggfunc="first", sort=False)
    lines = [f"{title} {' / '.join(f'{value:.3f}' for value in wide.loc[name])}" for name, title in WAYS.items()
             if name in wide.index]  # fmt: skip
    return f"Prognostic genes (C, {' / '.join(map(str, wide.columns))}): {'; '.join(lines)}." if lines else ""
