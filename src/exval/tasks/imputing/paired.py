"""Figures and paired intervals from the units that stand behind them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.bench.intervals import Interval, bootstrap, macro_f1_interval, mean_interval
from exval.tasks.imputing.analysis import KINDS
from exval.tasks.imputing.trajectory import PATH_OFFSET


def value_of(metric: str, units: pd.DataFrame) -> float:
    """The figure that units add up to.

    Parameters
    ----------
    metric
        A metric with units (:data:`exval.tasks.imputing.analysis.KINDS`).
    units
        ``unit, value, weight``.

    Examples
    --------
    >>> value_of("accuracy", pd.DataFrame({"unit": [0, 1], "value": [1.0, 0.0], "weight": [1.0, 1.0]}))
    0.5
    """
    return interval(metric, units, n_boot=1).value


def interval(
    metric: str, units: pd.DataFrame, other: pd.DataFrame | None = None, *, n_boot: int = 1000, seed: int = 0
) -> Interval:
    """95 % bootstrap interval of a figure, or of its difference from that of another method on the same units.

    Cells (for genes: genes, their ranks held fixed) are drawn with replacement, the same for both methods.

    Parameters
    ----------
    metric
        What the units are of.
    units, other
        Of the method, and of the one that it is held against; the same units in the same order.
    n_boot, seed
        Number of draws, and their seed.

    Raises
    ------
    ValueError
        The two have different units.

    Examples
    --------
    >>> a = pd.DataFrame({"unit": range(20), "value": [1.0] * 20, "weight": 1.0})
    >>> b = a.assign(value=[0.0, 1.0] * 10)
    >>> found = interval("accuracy", a, b)
    >>> found.value, found.lo > 0, found.n_units
    (0.5, True, 20)
    """
    if other is not None and not np.array_equal(units["unit"], other["unit"]):
        raise ValueError(f"{metric}: two methods with different units cannot be compared in pairs")
    kind = KINDS[metric]
    told = [part[["value", "weight"]].to_numpy(np.float64) for part in (units, other) if part is not None]
    if kind in ("mean", "root"):
        against = told[1][:, 0] if len(told) > 1 else None
        return mean_interval(told[0][:, 0], told[0][:, 1], against, root=kind == "root", n_boot=n_boot, seed=seed)
    if kind == "classes":
        said = [part[:, 0].astype(int).astype(str) for part in told]
        truth = told[0][:, 1].astype(int).astype(str)
        return macro_f1_interval(truth, *said, n_boot=n_boot, seed=seed)
    make = _ari if kind == "partition" else _tau
    path = units["unit"].to_numpy() // PATH_OFFSET
    sides = [make(part, path) for part in told]

    def statistic(weight_bu: np.ndarray) -> np.ndarray:
        first = sides[0](weight_bu)
        return first if len(sides) == 1 else first - sides[1](weight_bu)

    return bootstrap(statistic, np.ones(len(units), dtype=np.int64), n_boot=n_boot, seed=seed)


def _ari(part_n2: np.ndarray, path_n: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Adjusted Rand index of weighted cells."""
    said, truth = (np.unique(part_n2[:, c], return_inverse=True)[1].ravel() for c in (0, 1))
    k, m, n = said.max() + 1, truth.max() + 1, len(said)
    member = sp.csr_matrix((np.ones(n), (said * m + truth, np.arange(n))), shape=(k * m, n))

    def pairs(x: np.ndarray) -> np.ndarray:
        return x * (x - 1) / 2

    def statistic(weight_bn: np.ndarray) -> np.ndarray:
        table = (member @ weight_bn.T).T.reshape(-1, k, m)
        both = pairs(table).sum((1, 2))
        rows, columns = pairs(table.sum(2)).sum(1), pairs(table.sum(1)).sum(1)
        expected = rows * columns / np.maximum(pairs(table.sum((1, 2))), 1e-12)
        room = (rows + columns) / 2 - expected
        return np.where(np.abs(room) < 1e-12, 1.0, (both - expected) / np.where(np.abs(room) < 1e-12, 1.0, room))

    return statistic


def _tau(part_n2: np.ndarray, path_n: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Mean over the paths of Kendall's tau-b of weighted cells; 0 where one side is constant."""
    sides = []
    for path in np.unique(path_n):
        rows = np.flatnonzero(path_n == path)
        signs = [np.sign(np.subtract.outer(x, x)).astype(np.float32) for x in part_n2[rows].T]
        sides.append((rows, signs[0] * signs[1], np.abs(signs[0]), np.abs(signs[1])))

    def statistic(weight_bn: np.ndarray) -> np.ndarray:
        total = np.zeros(len(weight_bn))
        for rows, both, said, true in sides:
            w = weight_bn[:, rows].astype(np.float32)
            order, ties_a, ties_b = (((w @ m) * w).sum(1, dtype=np.float64) for m in (both, said, true))
            scale = np.sqrt(ties_a * ties_b)
            total += np.divide(order, scale, out=np.zeros_like(order), where=scale > 0)
        return total / len(sides)

    return statistic
