"""Groups of patients by risk: cut-offs from training patients, and the Kaplan-Meier curves of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.metrics.survival import kaplan_meier, logrank

NAMES = {1: ("all",), 2: ("low", "high"), 3: ("low", "middle", "high")}


def cut_offs(risk_n: np.ndarray, n_groups: int = 2) -> np.ndarray:
    """The median of the training risks, or their tertiles; none where the risk does not vary.

    Examples
    --------
    >>> cut_offs(np.array([1.0, 2.0, 3.0, 4.0])).tolist(), cut_offs(np.zeros(3)).tolist()
    ([2.5], [])
    """
    if n_groups not in (2, 3):
        raise InputError(f"patients are divided into 2 or 3 groups of risk, not {n_groups}")
    if not len(risk_n) or np.ptp(risk_n) <= 1e-12:
        return np.zeros(0)
    return np.unique(np.quantile(risk_n, np.arange(1, n_groups) / n_groups))


def assign(risk_n: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """(n,) 0, 1, ... : how many cut-offs a risk lies above.

    Examples
    --------
    >>> assign(np.array([1.0, 2.5, 9.0]), np.array([2.5])).tolist()
    [0, 0, 1]
    """
    return np.searchsorted(cuts, risk_n, side="left")


def stratum_names(stratum_n: np.ndarray, n_groups: int, divided: bool = True) -> np.ndarray:
    """(n,) ``low``, ``middle``, ``high``; ``all`` where a method makes no groups.

    Examples
    --------
    >>> stratum_names(np.array([0, 1]), 2).tolist()
    ['low', 'high']
    """
    return np.array(NAMES[n_groups if divided else 1], dtype=object)[np.asarray(stratum_n)]


def curves(time_n: np.ndarray, event_n: np.ndarray, group_n: np.ndarray) -> pd.DataFrame:
    """Kaplan-Meier curve of each group: ``group, time, survival, lo, hi, at_risk``, one row at each different time.

    Examples
    --------
    >>> curves(np.array([1.0, 2.0]), np.array([True, False]), np.array(["a", "a"], object)).round(3).values.tolist()[1]
    ['a', 1.0, 0.5, 0.006, 0.91, 2]
    """
    tables = []
    for name in dict.fromkeys(group_n):
        rows = group_n == name
        curve = kaplan_meier(time_n[rows], event_n[rows])
        table = pd.DataFrame({"time": curve.times_t, "survival": curve.values_t, "lo": curve.lo_t, "hi": curve.hi_t,
                              "at_risk": curve.at_risk_t})  # fmt: skip
        start = pd.DataFrame({"time": [0.0], "survival": [1.0], "lo": [1.0], "hi": [1.0], "at_risk": [int(rows.sum())]})
        tables.append(pd.concat([start, table], ignore_index=True).assign(group=name))
    return pd.concat(tables, ignore_index=True)[["group", "time", "survival", "lo", "hi", "at_risk"]]


def summary(time_n: np.ndarray, event_n: np.ndarray, group_n: np.ndarray) -> pd.DataFrame:
    """``group, n, events, median`` of each group; the median is NaN where half of the patients outlive the follow-up.

    Examples
    --------
    >>> summary(np.array([1.0, 2.0]), np.array([True, False]), np.array(["a", "a"], object)).values.tolist()
    [['a', 2, 1, 1.0]]
    """
    rows = []
    for name in dict.fromkeys(group_n):
        own = group_n == name
        curve = kaplan_meier(time_n[own], event_n[own])
        below = np.flatnonzero(curve.values_t <= 0.5)
        median = float(curve.times_t[below[0]]) if len(below) else float("nan")
        rows.append({"group": name, "n": int(own.sum()), "events": int(event_n[own].sum()), "median": median})
    return pd.DataFrame(rows)


def logrank_p(time_n: np.ndarray, event_n: np.ndarray, group_n: np.ndarray) -> float:
    """p of the log-rank test between groups; NaN where there are not two of them with patients at risk.

    Examples
    --------
    >>> logrank_p(np.array([1.0, 2.0]), np.array([True, True]), np.array(["a", "a"], object))
    nan
    """
    try:
        return logrank(time_n, event_n, group_n)[1]
    except InputError:
        return float("nan")
