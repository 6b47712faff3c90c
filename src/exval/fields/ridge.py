"""Ridge regression of many genes with one penalty."""

from __future__ import annotations

import numpy as np


def ridge_by_gcv(x_np: np.ndarray, z_ng: np.ndarray) -> np.ndarray:
    """(p, g) ridge coefficients; one penalty for all genes, of the least generalised cross-validation error.

    Examples
    --------
    >>> x = np.column_stack([np.ones(50), np.linspace(-1, 1, 50)])
    >>> ridge_by_gcv(x, x @ np.array([[1.0], [2.0]])).round(2).ravel().tolist()
    [1.0, 2.0]
    """
    u, s, vt = np.linalg.svd(x_np, full_matrices=False)
    uz = u.T @ z_ng
    total = (z_ng**2).sum() - (uz**2).sum()
    best, chosen = np.inf, 0.0
    for penalty in 10.0 ** np.arange(-3, 4.1, 0.5) * len(x_np) / 1000:
        shrink = s**2 / (s**2 + penalty)
        left = total + (((1 - shrink)[:, None] * uz) ** 2).sum()
        error = left / max(1 - shrink.sum() / len(x_np), 1e-6) ** 2
        if error < best:
            best, chosen = error, penalty
    return vt.T @ ((s / (s**2 + chosen))[:, None] * uz)
