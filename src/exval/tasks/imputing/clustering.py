"""Clustering: whether the types can be found in imputed values."""

from __future__ import annotations

import numpy as np

from exval.metrics.clustering import ari, h_acc, h_pur, nmi
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units


class Clustering(Analysis):
    """k-means and Ward on 20 principal components of log1p(CP10k), with the true number of types.

    ``ari``, ``nmi``, ``h_acc``, ``h_pur`` (:mod:`exval.metrics.clustering`) of k-means (ten starts); slice ``Ward`` has
    the ARI of Ward's hierarchical clustering (Ward 1963) on the same components. After Hou et al. 2020, Genome Biology
    21:218, without their silhouette: it is computed in the imputed space from the predicted clusters, and smoothing
    raises it whatever it does to the types.

    The true number is given to every method alike; the metrics see the partition only, so that the scale of the values
    hardly matters.
    """

    name = "clustering"
    task = "clustering"
    invariant = frozenset({"ari", "nmi", "h_acc", "h_pur", "ari/Ward"})

    def applies(self, case):
        return case.null is None and case.groups_n is not None and len(set(case.groups_n)) >= 2

    def score(self, case, imputed):
        scores = answer(case, imputed).scores(20)
        names, truth_n = np.unique(case.groups_n.astype(str), return_inverse=True)
        found = k_means(scores, len(names), case.seed)
        n = case.n
        return [
            Figure("ari", ari(truth_n, found), n=n, units=units(found, truth_n)),
            Figure("nmi", nmi(truth_n, found), n=n),
            Figure("h_acc", h_acc(truth_n, found), n=n),
            Figure("h_pur", h_pur(truth_n, found), n=n),
            Figure("ari", ari(truth_n, ward(scores, len(names))), "Ward", n),
        ]


def k_means(scores_nk: np.ndarray, k: int, seed: int = 0, starts: int = 10) -> np.ndarray:
    """(n,) clusters; one cluster where there are no more distinct cells than clusters asked for.

    Examples
    --------
    >>> len(set(k_means(np.array([[0.0], [0.1], [5.0], [5.1]]), 2).tolist()))
    2
    """
    from sklearn.cluster import KMeans

    if len(np.unique(np.round(scores_nk, 6), axis=0)) < k:
        return np.unique(np.round(scores_nk, 6), axis=0, return_inverse=True)[1].ravel()
    return KMeans(k, n_init=starts, random_state=seed).fit_predict(scores_nk)


def ward(scores_nk: np.ndarray, k: int) -> np.ndarray:
    """(n,) clusters of Ward's method, cut at ``k``.

    Examples
    --------
    >>> len(set(ward(np.array([[0.0], [0.1], [5.0], [5.1]]), 2).tolist()))
    2
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(scores_nk) < 2:
        return np.zeros(len(scores_nk), dtype=int)
    return fcluster(linkage(scores_nk, "ward"), k, criterion="maxclust")
