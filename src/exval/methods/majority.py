"""Control: the commonest class, for every cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.methods.base import Card, Method, labels_of


class Majority(Method):
    """Every cell gets the shares of the classes in the training cells; the best class is the commonest.

    Attributes
    ----------
    classes_
        Sorted class names.
    share_
        (k,) share of each class in the training cells.
    """

    name = "majority"
    card = Card(
        category="control",
        sees=("labels",),
        space_in="any",
        space_out="class probabilities",
        cost="none",
        reference="textbook",
        summary="Names every cell after the commonest type; what accuracy costs nothing.",
    )

    def fit(self, adata, label=None):
        self.classes_, counts = np.unique(labels_of(adata, label), return_counts=True)
        self.share_ = counts / counts.sum()
        return self

    def predict_proba(self, adata) -> pd.DataFrame:
        proba = np.broadcast_to(self.share_, (adata.n_obs, len(self.classes_)))
        return pd.DataFrame(proba, index=adata.obs_names, columns=self.classes_)
