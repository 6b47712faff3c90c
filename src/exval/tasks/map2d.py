"""Two coordinates a cell: a picture, never the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from anndata import AnnData

MOST_CELLS = 3000
TSNE_UP_TO = 1500


def spread_rows(n: int, most: int = MOST_CELLS) -> np.ndarray:
    """At most ``most`` row numbers spread evenly over ``n``.

    Examples
    --------
    >>> spread_rows(10, 4).tolist()
    [0, 2, 5, 7]
    """
    return np.arange(n) if n <= most else (np.arange(most) * n) // most


def map_cells(adata: AnnData, labels_n: np.ndarray, unsure_n: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Columns ``x, y, label, kind, unsure``: t-SNE of 30 principal components, or the first two above 1,500 cells.

    Parameters
    ----------
    adata
        Prepared cells, a few thousand at most.
    labels_n, unsure_n
        What they are coloured by.
    seed
        Of the t-SNE.
    """
    from exval.methods.matrix import moments
    from exval.methods.pca import PCA

    n = adata.n_obs
    if n < 2 or not moments(sp.csr_matrix(adata.X))[1].any():  # nothing sets the cells apart: one point
        return pd.DataFrame({"x": np.zeros(n), "y": 0.0, "label": labels_n, "kind": "pca", "unsure": unsure_n})
    z_nd = PCA(n_components=30, seed=seed).fit(adata).embed(adata)
    kind = "pca"
    if 10 <= n <= TSNE_UP_TO and z_nd.shape[1] > 2:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (n - 1) / 3)
        z_nd = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed).fit_transform(z_nd)
        kind = "tsne"
    if z_nd.shape[1] == 1:
        z_nd = np.hstack([z_nd, np.zeros_like(z_nd)])
    return pd.DataFrame({"x": z_nd[:, 0].astype(float), "y": z_nd[:, 1].astype(float), "label": labels_n, "kind": kind,
                         "unsure": unsure_n})  # fmt: skip
