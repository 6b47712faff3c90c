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
