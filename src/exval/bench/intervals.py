"""Paired bootstrap over the units of generalisation, and what may be said from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.metrics.classification import macro_f1_from_confusion

MIN_UNITS = 6
MARGIN = 0.01


@dataclass(frozen=True)
class Interval:
    """A figure, its 95 % interval (NaN where there are too few units) and how many units stand behind it."""

    value: float
    lo: float
    hi: float
    n_units: int


def resampled(weight_u: np.ndarray, n_boot: int, seed: int) -> np.ndarray:
    """(n_boot, u) how often each unit, or each group of like units, is drawn.

    Parameters
    ----------
    weight_u
        How many identical units each entry stands for: all ones for donors; for cells, the number of cells that share
        truth and predictions, which makes the cost independent of the number of cells and changes nothing else.
    """
    weight_u = np.asarray(weight_u)
    n = int(weight_u.sum())
    return np.random.default_rng(seed).multinomial(n, weight_u / n, size=n_boot).astype(np.float64)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    weight_u: np.ndarray,
    *,
    n_boot: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic of weighted units.

    Parameters
    ----------
    statistic
        (b, u) weights -> (b,) values. A difference of two methods computed inside makes the bootstrap a paired one.
    weight_u
        See :func:`resampled`; the interval counts units, so ``weight_u.sum()`` has to be the number of independent
        units (donors, or cells where nothing better is known).

    Returns
    -------
    Interval
        Without bounds below six units: each of them is shown instead.

    Examples
    --------
    >>> x = np.array([0.1, 0.2, 0.3])
    >>> bootstrap(lambda w: w @ x / w.sum(1), np.ones(3)).lo
    nan
    """
    weight_u = np.asarray(weight_u, dtype=np.int64)
    value = float(statistic(weight_u[None].astype(np.float64))[0])
    n_units = int(weight_u.sum())
    if n_units < MIN_UNITS:
        return Interval(value, float("nan"), float("nan"), n_units)
    drawn = statistic(resampled(weight_u, n_boot, seed))
    lo, hi = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(lo), float(hi), n_units)


def macro_f1_interval(
    truth_n: np.ndarray,
    prediction_n: np.ndarray,
    other_n: np.ndarray | None = None,
    *,
    groups_n: np.ndarray | None = None,
    repeat_n: np.ndarray | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of a macro-F1, or of the difference ``prediction - other`` of two methods on the same cells.

    Parameters
    ----------
    truth_n, prediction_n, other_n
        Names, out of fold.
    groups_n
        The unit of generalisation of each cell (its donor). Without it cells are resampled, which is optimistic.
    repeat_n
        Which repeat of the split a prediction is from. Repeats are averaged, never resampled: they are no new units.
        Every repeat has to hold the same cells in the same order.

    Examples
    --------
    >>> truth = np.array(["a", "b"] * 10)
    >>> found = macro_f1_interval(truth, truth, np.array(["a"] * 20))
    >>> round(found.value, 3), bool(found.lo > 0)
    (0.667, True)
    """
    columns = [truth_n, prediction_n] + ([] if other_n is None else [other_n])
    codes, names = pd.factorize(np.concatenate([np.asarray(c).astype(str) for c in columns]), sort=True)
    k = len(names)
    repeat_n = np.zeros(len(truth_n), dtype=int) if repeat_n is None else pd.factorize(repeat_n)[0]
    n_repeats = int(repeat_n.max()) + 1
    parts = codes.reshape(len(columns), -1)
    stacked = np.stack([parts[:, repeat_n == r] for r in range(n_repeats)])  # (repeats, columns, cells)
    cells = stacked.shape[2]
    if groups_n is None:
        pattern, index, weight_u = np.unique(stacked.reshape(-1, cells), axis=1, return_index=True, return_counts=True)
        stacked, unit = pattern.reshape(n_repeats, len(columns), -1), np.arange(len(index))
    else:
        unit, _ = pd.factorize(np.asarray(groups_n)[repeat_n == 0], sort=True)
        weight_u = np.ones(unit.max() + 1, dtype=np.int64)
    u = len(weight_u)

    def tables(column: int) -> list[sp.csr_matrix]:
        pair = stacked[:, 0] * k + stacked[:, column]
        one = np.ones(len(unit))
        return [sp.csr_matrix((one, (pair[r], unit)), shape=(k * k, u)) for r in range(n_repeats)]

    sides = [tables(c) for c in range(1, len(columns))]

    def statistic(weight_bu: np.ndarray) -> np.ndarray:
        means = [
            np.mean([macro_f1_from_confusion((t @ weight_bu.T).T.reshape(-1, k, k)) for t in side], axis=0)
            for side in sides
        ]
        return means[0] if other_n is None else means[0] - means[1]

    return bootstrap(statistic, weight_u, n_boot=n_boot, seed=seed)


def mean_interval(
    sums_u: np.ndarray,
    counts_u: np.ndarray,
    other_u: np.ndarray | None = None,
    *,
    root: bool = False,
    n_boot: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of a mean of entries grouped in units, of its root, or of the difference of two such figures.

    Parameters
    ----------
    sums_u, other_u
        Sum of the entries' errors in each unit (cell or donor), for the method and for the one it is held against.
    counts_u
        Entries in each unit.
    root
        Take the root: RMSE from squared errors.

    Examples
    --------
    >>> found = mean_interval(np.arange(10.0), np.ones(10), np.arange(10.0) + 1)
    >>> found.value, round(found.lo, 6), round(found.hi, 6)
    (-1.0, -1.0, -1.0)
    """
    shape = np.sqrt if root else (lambda x: x)

    def statistic(weight_bu: np.ndarray) -> np.ndarray:
        total = weight_bu @ counts_u
        value = shape(weight_bu @ sums_u / total)
        return value if other_u is None else value - shape(weight_bu @ other_u / total)

    n = len(sums_u)
    n_boot = min(n_boot, max(200, int(2e7 / max(n, 1))))
    return bootstrap(statistic, np.ones(n, dtype=np.int64), n_boot=n_boot, seed=seed)


def verdict(difference: float, lo: float, hi: float, margin: float = MARGIN) -> str:
    """What an interval of a difference (positive is better) allows to say.

    ``tie`` if it lies inside the margin on both sides, ``better`` or ``worse`` if it excludes zero, otherwise, and
    always without an interval, ``cannot tell``.

    Examples
    --------
    >>> verdict(0.003, -0.003, 0.009), verdict(0.03, 0.01, 0.05), verdict(0.03, -0.01, 0.07)
    ('tie', 'better', 'cannot tell')
    >>> verdict(-0.2, float("nan"), float("nan"))
    'cannot tell'
    """
    if not np.isfinite([difference, lo, hi]).all():
        return "cannot tell"
    if -margin <= lo and hi <= margin:
        return "tie"
    if lo > 0:
        return "better"
    return "worse" if hi < 0 else "cannot tell"


def in_words(
    name: str,
    other: str,
    found: Interval,
    *,
    unit: str,
    metric: str = "macro-F1",
    cost_ratio: float | None = None,
    margin: float = MARGIN,
    higher_is_better: bool = True,
    caution: str = "",
) -> str:
    """The verdict as one sentence.

    Examples
    --------
    >>> in_words("X_scGPT", "pca", Interval(-0.003, -0.009, 0.003, 8), unit="donor", cost_ratio=40)
    'X_scGPT against pca, 8 donors: macro-F1 -0.003 [-0.009, 0.003], 40 times the cost: tie.'
    """
    sign = 1 if higher_is_better else -1
    said = verdict(sign * found.value, *sorted((sign * found.lo, sign * found.hi)), margin=margin)
    bounds = f" [{found.lo:.3f}, {found.hi:.3f}]" if np.isfinite(found.lo) else " (too few units for an interval)"
    cost = ""
    if cost_ratio is not None and np.isfinite(cost_ratio):
        cost = f", {cost_ratio:.3g} times the cost" if not 0.95 < cost_ratio < 1.05 else ", the same cost"
    plural = "" if found.n_units == 1 else "s"
    caution = f" ({caution})" if caution else ""
    stood = f"{name} against {other}, {found.n_units} {unit}{plural}{caution}"
    return f"{stood}: {metric} {found.value:+.3f}{bounds}{cost}: {said}."
