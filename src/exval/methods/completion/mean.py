"""The training mean: what every other method must beat."""

from __future__ import annotations

import numpy as np

from exval.methods.base import Card
from exval.methods.completion.base import Completer


class Mean(Completer):
    """A missing value is the mean of the gene over the training samples that measured it, its sd their SD.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> genes = pd.DataFrame(index=["INS", "GCG"])
    >>> x = anndata.AnnData(np.array([[1, 5], [2, 5], [3, 5], [4, 5], [5, 5]], np.float32), var=genes)
    >>> found = Mean().fit(x).complete(anndata.AnnData(np.array([[np.nan, 4]], np.float32), var=genes), sd=True)
    >>> found.values_ng.tolist(), found.sd_ng.round(2).tolist()
    ([[3.0, 4.0]], [[1.5800000429153442, 0.0]])
    """

    name = "mean"
    card = Card(
        category="control",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="linear in the values",
        reference="Little and Rubin 2002, Statistical Analysis with Missing Data, chapter 4",
        summary="Every gap is filled with the gene's training mean.",
        departures="Values out of all proportion are winsorised before the mean is taken.",
    )
    has_sd = True

    def learn(self, z_ng: np.ndarray) -> None:
        pass

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        return (np.zeros(z_mg.shape), np.ones(z_mg.shape)) if sd else np.zeros(z_mg.shape)
