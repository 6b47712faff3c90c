"""Controls of every imputation table: nothing, zeros, gene mean, cluster mean, oracle."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer


def _card(summary: str, *sees: str, cost: str = "none") -> Card:
    return Card("control", sees, "log1p(CP10k)", "log1p(CP10k)", cost, "control", summary)


class Nothing(Imputer):
    """The values as they were read."""

    name = "nothing"
    card = _card("No imputation: what was read, unchanged.")
    min_cells = 1

    def learn(self, cells: Cells) -> None:
        self._x = cells.log_ng.tocsc()

    def block(self, columns, sd=False):
        return self._x[:, columns].toarray()


class Zeros(Imputer):
    """Zero everywhere: a metric that prefers it measures nothing."""

    name = "zeros"
    card = _card("Zero everywhere: a metric that prefers it measures nothing.")
    min_cells = 1

    def learn(self, cells: Cells) -> None:
        self._n = cells.n

    def block(self, columns, sd=False):
        return np.zeros((self._n, len(columns)), np.float32)


class MeanOfAll(Imputer):
    """Each gene's mean CP10k over all cells, the same for every cell."""

    name = "mean"
    card = _card("Each gene's mean CP10k over all cells.", "expression", cost="linear in the stored values")
    unit = "cp10k"
    min_cells = 1

    def learn(self, cells: Cells) -> None:
        self.mean_ = np.asarray(cells.cp10k_ng.mean(0, dtype=np.float64)).ravel()
        self._n = cells.n

    def block(self, columns, sd=False):
        return np.broadcast_to(self.mean_[columns].astype(np.float32), (self._n, len(columns))).copy()


class Oracle(Imputer):
    """The truth, where a benchmark knows it (``layers["exval_truth"]``, log1p): the best that can be reached."""

    name = "oracle"
    card = _card("The truth itself, where a benchmark knows it: the best a metric can give.", "truth")
    min_cells = 1

    def learn(self, cells: Cells) -> None:
        if cells.truth_ng is None:
            raise InputError("oracle needs the truth (layers['exval_truth']), which only benchmarks with one provide")
        self._x = cells.truth_ng

    def block(self, columns, sd=False):
        part = self._x[:, columns]
        return np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float32)
