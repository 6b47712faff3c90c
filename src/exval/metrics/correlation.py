"""Correlations between genes: how strong they are, and how many pass for real."""

from __future__ import annotations

import numpy as np


def gene_correlations(x_ng: np.ndarray) -> np.ndarray:
    """(g (g - 1) / 2,) Pearson's r of all pairs of columns; 0 where a column is constant.

    Examples
    --------
    >>> gene_correlations(np.array([[0.0, 1.0, 5.0], [1.0, 3.0, 5.0], [2.0, 5.0, 5.0]])).round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    x_ng = np.asarray(x_ng, dtype=np.float64)
    x_ng = x_ng - x_ng.mean(0)
    norm_g = np.sqrt((x_ng**2).sum(0))
    x_ng = np.divide(x_ng, norm_g, out=np.zeros_like(x_ng), where=norm_g > 1e-9 * np.sqrt(len(x_ng)))
    return np.clip((x_ng.T @ x_ng)[np.triu_indices(x_ng.shape[1], 1)], -1, 1)


def correlation_p(r: np.ndarray, n: int) -> np.ndarray:
    """Two-sided p values of correlations of n independent pairs (t with n - 2 degrees of freedom).

    Examples
    --------
    >>> round(float(correlation_p(np.array([0.5]), 20)[0]), 3)
    0.025
    """
    from scipy.special import betainc

    if n < 4:
        return np.ones_like(np.asarray(r, dtype=np.float64))
    r2 = np.clip(np.asarray(r, dtype=np.float64) ** 2, 0, 1)
    return betainc((n - 2) / 2, 0.5, 1 - r2)
