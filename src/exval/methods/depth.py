"""Control: sequencing depth alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.data.choose import mean_filled
from exval.methods.base import Card, Method
from exval.methods.matrix import as_csr
from exval.methods.probe import LogisticProbe


class Depth(Method):
    """Logistic regression on the log of the total count and of the number of genes detected.

    If this control does well, the types differ in depth and every method can profit from it. Where a file holds no
    counts, the sum of the log1p values stands for the total.

    Parameters
    ----------
    strength
        Weight of the likelihood against the penalty.
    """

    name = "depth"
    card = Card(
        category="control",
        sees=("total counts", "genes detected", "labels"),
        space_in="counts or log1p(CP10k)",
        space_out="class probabilities",
        cost="linear in the stored values",
        reference="control proposed here",
        summary="Knows how deeply a cell was sequenced and nothing else.",
    )

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    @staticmethod
    def _features(adata, with_total: bool) -> np.ndarray:
        x_ng = mean_filled(as_csr(adata))
        detected = np.diff(x_ng.indptr) if x_ng.has_canonical_format else np.asarray((x_ng != 0).sum(1)).ravel()
        total = np.asarray(x_ng.sum(1, dtype=np.float64)).ravel()
        if with_total:
            total = _totals(adata)
        if "exval_unit" in adata.uns:  # log2 and z have no total; their sum stands for it
            return np.stack([total, detected], axis=1)
        return np.log1p(np.stack([np.maximum(total, 0), detected], axis=1))

    def fit(self, adata, label=None):
        self.with_total_ = _totals(adata) is not None
        self.probe_ = LogisticProbe(self.strength).fit(self._features(adata, self.with_total_), adata, label)
        self.classes_ = self.probe_.classes_
        return self

    def predict_proba(self, adata) -> pd.DataFrame:
        with_total = self.with_total_ and _totals(adata) is not None
        return self.probe_.predict_proba(self._features(adata, with_total), adata)


def _totals(adata) -> np.ndarray | None:
    if "exval_total" in adata.obs and np.isfinite(adata.obs["exval_total"].to_numpy(dtype=float)).all():
        return adata.obs["exval_total"].to_numpy(dtype=float)
    if "counts" in adata.layers:
        return np.asarray(adata.layers["counts"].sum(1), dtype=np.float64).ravel()
    return None
