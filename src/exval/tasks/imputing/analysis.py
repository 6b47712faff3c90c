"""What an analysis is: a figure or several of imputed values against a truth, each with the parts it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from exval.methods.imputation.values import Imputed
from exval.tasks.imputing.cases import ImputeCase

ROUND = 5
"""Decimals of log1p(CP10k) below which values are equal: rounding errors of a product must not rank cells."""


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure.

    Parameters
    ----------
    metric
        A name in :data:`exval.metrics.METRICS`.
    value
        Never NaN: where a method's answer allows none (a constant has no correlation), the value of knowing nothing.
    slice
        ``"all"`` for the figure that counts; others stand beside it.
    n, unit
        How many of what stand behind it.
    units
        Columns ``unit, value, weight``, or None. With them a paired interval can be made later; what they are depends
        on the metric (:data:`KINDS`).
    """

    metric: str
    value: float
    slice: str = "all"
    n: int = 0
    unit: str = "cell"
    units: pd.DataFrame | None = None


KINDS = {
    "rmse": "root", "rmse_counts": "root", "poisson_deviance": "mean", "auprc": "mean",
    "accuracy": "mean", "ari": "partition", "macro_f1": "classes", "kendall": "order", "false_discoveries": "mean",
}  # fmt: skip
"""Metric -> what its units are.

``mean``, ``root``: sums and how many entries each holds; the metric is the ratio of the totals, or its root.
``partition``, ``classes``: what was said of a cell and what is true, as numbers. ``order``: a cell's pseudotime and its
place on the path, several paths with numbers of units of their own (path number times a million plus the cell).
"""


def units(value: np.ndarray, weight: np.ndarray | float = 1.0, unit: np.ndarray | None = None) -> pd.DataFrame:
    """A table of units.

    Examples
    --------
    >>> units(np.array([2.0, 3.0])).to_dict("list")
    {'unit': [0, 1], 'value': [2.0, 3.0], 'weight': [1.0, 1.0]}
    """
    m = len(value)
    unit = np.arange(m) if unit is None else unit
    return pd.DataFrame(
        {"unit": np.asarray(unit, dtype=np.int64), "value": np.asarray(value, dtype=np.float64),
         "weight": np.broadcast_to(np.asarray(weight, dtype=np.float64), (m,)).copy()}
    )  # fmt: skip


class Answer:
    """Imputed values laid beside a case: its genes in its order, in the spaces that metrics need, computed once.

    A gene that the method dropped is zero everywhere, which is a failure of the method and counts as one.

    Attributes
    ----------
    log_ng
        (n, g) float32, log1p(CP10k), rounded to five decimals.
    dropped
        How many of the case's genes the method gave no value for.
    """

    def __init__(self, case: ImputeCase, imputed: Imputed) -> None:
        where = pd.Index(list(imputed.genes)).get_indexer(case.adata.var_names)
        self.dropped = int((where < 0).sum())
        if len(imputed.total_n) != case.n:
            raise ValueError(f"{len(imputed.total_n)} cells were imputed of {case.n}")
        log = imputed.to("log1p")
        self.log_ng = np.round(self._laid(log.values_nq, where), ROUND)
        self._linear = imputed.to("cp10k") if imputed.sd_nq is not None else None
        self._where = where
        self._scores: dict[int, np.ndarray] = {}

    @staticmethod
    def _laid(values_nq: np.ndarray, where: np.ndarray) -> np.ndarray:
        if len(where) == values_nq.shape[1] and (where == np.arange(len(where))).all():
            return values_nq
        out = np.zeros((len(values_nq), len(where)), np.float32)
        out[:, where >= 0] = values_nq[:, where[where >= 0]]
        return out

    @property
    def cp10k_ng(self) -> np.ndarray:
        """(n, g) CP10k."""
        return np.expm1(self.log_ng)

    def interval(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(n, g) mean and sd in CP10k, or None for a method without one."""
        if self._linear is None:
            return None
        return self._laid(self._linear.values_nq, self._where), self._laid(self._linear.sd_nq, self._where)

    def scores(self, k: int = 20) -> np.ndarray:
        """(n, k) principal components of ``log_ng``, computed once."""
        if k not in self._scores:
            self._scores[k] = components(self.log_ng, k)
        return self._scores[k]


_ANSWERS: WeakKeyDictionary[Imputed, tuple[ImputeCase, Answer]] = WeakKeyDictionary()


def answer(case: ImputeCase, imputed: Imputed) -> Answer:
    """The :class:`Answer` of imputed values to a case; made once, however many analyses ask."""
    known = _ANSWERS.get(imputed)
    if known is None or known[0] is not case:
        known = _ANSWERS[imputed] = (case, Answer(case, imputed))
    return known[1]


def components(x_ng: np.ndarray, k: int = 20) -> np.ndarray:
    """(n, k) scores of the leading principal components of dense values (centred, not scaled), exact.

    Fewer where there are fewer; what the values do not have (a constant matrix) is zero.

    Examples
    --------
    >>> components(np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]]), 1).ravel().round(6).tolist()
    [-1.0, -1.0, 2.0]
    """
    from exval.methods.components import top_eigen

    x_ng = np.asarray(x_ng, dtype=np.float32)
    x_ng = x_ng - x_ng.mean(0, dtype=np.float64).astype(np.float32)
    n, g = x_ng.shape
    k = max(1, min(k, n - 1, g))
    if g <= n:
        vectors = top_eigen((x_ng.T @ x_ng).astype(np.float64), k)[1]
        scores = x_ng @ vectors.astype(np.float32)
    else:
        values, vectors = top_eigen((x_ng @ x_ng.T).astype(np.float64), k)
        scores = vectors * np.sqrt(np.maximum(values, 0))
    scores = np.asarray(scores, dtype=np.float64)
    total = float((x_ng.astype(np.float64) ** 2).sum())
    scores[:, (scores**2).sum(0) <= 1e-9 * max(total, 1e-300)] = 0
    sign = np.sign(scores[np.abs(scores).argmax(0), np.arange(scores.shape[1])])
    return scores * np.where(sign == 0, 1, sign)


class Analysis:
    """Base of the analyses: ``applies(case)``, and ``score(case, imputed)``.

    Attributes
    ----------
    name, task
        Registry name, and the task in the results table.
    invariant
        ``metric`` or ``metric/slice`` that do not look at the scale: there a scaled truth may tie with the truth.
    """

    name: ClassVar[str] = ""
    task: ClassVar[str] = ""
    invariant: ClassVar[frozenset[str]] = frozenset()

    def applies(self, case: ImputeCase) -> bool:
        """Whether the case has the truth that is needed."""
        raise NotImplementedError

    def score(self, case: ImputeCase, imputed: Imputed) -> list[Figure]:
        """Figures of imputed values."""
        raise NotImplementedError
