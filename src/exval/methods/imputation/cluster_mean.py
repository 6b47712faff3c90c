"""The mean of a cell's predicted cluster: the control of everything that smooths."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer


class ClusterMean(Imputer):
    """Each gene's mean CP10k over the cells of the same predicted cluster.

    k-means on principal components of log1p(CP10k). By default there is one cluster more than there are components with
    a larger variance than the first of the same values with every gene shuffled over the cells (parallel analysis, Horn
    1965, Psychometrika 30:179): k clusters span k - 1 dimensions. Clusters have about ten cells at least on average.
    What a smoothing method gains over this, it gains within clusters; what it does not gain, knowing the clusters would
    have given. Labels are never looked at.

    Parameters
    ----------
    k
        Number of clusters, or ``"auto"``.
    n_pcs
        Principal components, and thereby most clusters minus one.
    seed
        Of k-means and of the shuffling.

    Attributes
    ----------
    cluster_
        (n,) cluster of each cell.
    mean_
        (k, g) mean CP10k of each cluster.

    Examples
    --------
    >>> from exval.methods import METHODS
    >>> METHODS["cluster-mean"]().get_params()
    {'k': 'auto', 'n_pcs': 20, 'seed': 0}
    """

    name = "cluster-mean"
    card = Card(
        "control", ("expression",), "log1p(CP10k)", "CP10k", "two decompositions and one k-means", "control",
        "The mean of the cell's predicted cluster (k-means, number by parallel analysis).",
    )  # fmt: skip
    unit = "cp10k"
    stochastic = True

    def __init__(self, k: int | str = "auto", n_pcs: int = 20, seed: int = 0) -> None:
        self.k = k
        self.n_pcs = n_pcs
        self.seed = seed

    def learn(self, cells: Cells) -> None:
        from sklearn.cluster import KMeans

        from exval.methods.imputation.pca import leading_components

        scores_nk, _, singular_k = leading_components(cells.log_ng, self.n_pcs, seed=self.seed)
        n, k = cells.n, self.k
        if k == "auto":
            shuffled = leading_components(_shuffled(cells.log_ng, self.seed), 1, seed=self.seed)[2]
            k = 1 + int((singular_k > shuffled[0]).sum())
            k = max(2, min(k, n // 10))
        k = min(int(k), len(np.unique(np.round(scores_nk, 5), axis=0)))
        self.cluster_ = KMeans(k, n_init=5, random_state=self.seed).fit_predict(scores_nk.astype(np.float64))
        share_n = 1.0 / np.bincount(self.cluster_)[self.cluster_]
        member = sp.csr_matrix((share_n, (self.cluster_, np.arange(n))), shape=(k, n))
        self.mean_ = np.asarray((member @ cells.cp10k_ng).toarray(), dtype=np.float32)

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray:
        return self.mean_[self.cluster_][:, columns]


def _shuffled(x_ng: sp.csr_matrix, seed: int) -> sp.csr_matrix:
    """Every gene's values shuffled over the cells."""
    rng = np.random.default_rng(seed)
    out = x_ng.tocsc(copy=True)
    for j in range(out.shape[1]):
        span = slice(out.indptr[j], out.indptr[j + 1])
        out.indices[span] = rng.choice(out.shape[0], span.stop - span.start, replace=False)
    out.has_sorted_indices = False
    return out.tocsr()
