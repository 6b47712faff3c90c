"""Nearest neighbours among principal components."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from exval.methods.base import Card, Method, labels_of
from exval.methods.pca import PCA
from exval.methods.probe import two_classes


class PCAkNN(Method):
    """Share of each class among the nearest training cells in the space of principal components.

    Parameters
    ----------
    k
        Neighbours; all training cells where there are fewer.
    n_components, n_genes, seed
        As in :class:`exval.methods.pca.PCA`.
    """

    name = "pca-knn"
    card = Card(
        category="neighbours",
        sees=("expression", "labels"),
        space_in="log1p(CP10k)",
        space_out="class probabilities",
        cost="one distance per pair of cells in 50 dimensions",
        reference="Cover and Hart 1967; as in scanpy's ingest",
        summary="50 principal components, share of each type among the 15 nearest reference cells.",
    )

    def __init__(self, k: int = 15, n_components: int = 50, n_genes: int | None = 2000, seed: int = 0) -> None:
        self.k = k
        self.n_components = n_components
        self.n_genes = n_genes
        self.seed = seed

    def fit(self, adata, label=None):
        self.classes_, self.class_n_ = two_classes(labels_of(adata, label), label)
        self.pca_ = PCA(self.n_components, self.n_genes, seed=self.seed).fit(adata)
        self.scores_ = self.pca_.embed(adata)
        self.index_ = NearestNeighbors(n_neighbors=min(self.k, adata.n_obs), algorithm="brute").fit(self.scores_)
        return self

    def predict_proba(self, adata) -> pd.DataFrame:
        votes = np.zeros((adata.n_obs, len(self.classes_)))
        if adata.n_obs == 0:
            return pd.DataFrame(votes, index=adata.obs_names, columns=self.classes_)
        near_nk = self.index_.kneighbors(self.pca_.embed(adata), return_distance=False)
        np.add.at(votes, (np.arange(adata.n_obs)[:, None], self.class_n_[near_nk]), 1.0 / near_nk.shape[1])
        return pd.DataFrame(votes, index=adata.obs_names, columns=self.classes_)

    def embed(self, adata) -> np.ndarray:
        """(n, d) float32 scores."""
        return self.pca_.embed(adata)
