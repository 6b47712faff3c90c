"""Agreement of two partitions."""

from __future__ import annotations

import numpy as np


def ari(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 on average for random ones.

    Examples
    --------
    >>> ari(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7]))
    1.0
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(truth_n, prediction_n))


def nmi(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Normalised mutual information, arithmetic mean of the entropies.

    Examples
    --------
    >>> round(nmi(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7])), 6)
    1.0
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(truth_n, prediction_n))


def _entropies(of_n: np.ndarray, within_n: np.ndarray) -> float:
    """Mean over the groups of ``within_n``, each with equal weight, of the entropy of ``of_n`` in it (nats)."""
    import pandas as pd

    table = pd.crosstab(np.asarray(within_n), np.asarray(of_n)).to_numpy(dtype=np.float64)
    share = table / table.sum(1, keepdims=True)
    return float(-np.mean(np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=1))) + 0.0


def h_acc(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Entropy of accuracy: mean over clusters of the entropy of the true labels in them; 0 for pure clusters.

    Hou et al. 2020 (Genome Biology 21:218) store it negated; here lower is better. One cluster a cell has none: read it
    with :func:`h_pur`, and only where the number of clusters is the true one.

    Examples
    --------
    >>> h_acc(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7])), round(h_acc(np.array([0, 1]), np.array([3, 3])), 4)
    (0.0, 0.6931)
    """
    return _entropies(truth_n, prediction_n)


def h_pur(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Entropy of purity: mean over true labels of the entropy of the clusters that they fall into; lower is better.

    Examples
    --------
    >>> h_pur(np.array([0, 0, 1, 1]), np.array([3, 3, 3, 3])), round(h_pur(np.array([0, 0]), np.array([1, 2])), 4)
    (0.0, 0.6931)
    """
    return _entropies(prediction_n, truth_n)
