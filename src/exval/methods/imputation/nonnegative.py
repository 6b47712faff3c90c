"""Least squares without negative coefficients, from cross products."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dposv


def nonnegative_least_squares(gram_kk: np.ndarray, cross_k: np.ndarray, turns: int = 200) -> np.ndarray:
    """Coefficients ``w >= 0`` that minimise ``w' G w / 2 - c' w``: ``|X w - y|^2`` with ``G = X'X``, ``c = X'y``.

    Block principal pivoting: coefficients below zero and gradients below zero change sides, all at once as long as
    their number falls, then one at a time, which always ends.

    Parameters
    ----------
    gram_kk
        (k, k) positive definite; a predictor that repeats others needs a small ridge.
    cross_k
        (k,).
    turns
        Changes of sides at most.

    Returns
    -------
    weight_k
        float64.

    References
    ----------
    Kim and Park 2011, SIAM J. Sci. Comput. 33:3261, algorithm 1.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> nonnegative_least_squares(x.T @ x, x.T @ np.array([2.0, -1.0, 1.0])).round(9).tolist()
    [1.5, 0.0]
    """
    k = len(cross_k)
    used = np.zeros(k, dtype=bool)
    weight_k, gradient_k = np.zeros(k), -np.asarray(cross_k, dtype=np.float64)
    slack = 1e-9 * max(float(np.abs(cross_k).max(initial=0)), 1e-300)
    fewest, patience = k + 1, 3
    for _ in range(turns):
        wrong = np.where(used, weight_k < -1e-12, gradient_k < -slack)
        many = int(wrong.sum())
        if not many:
            break
        if many < fewest:
            fewest, patience = many, 3
        elif patience:
            patience -= 1
        else:  # one at a time, the last: cannot come back to where it was
            last = np.flatnonzero(wrong)[-1]
            wrong = np.zeros(k, dtype=bool)
            wrong[last] = True
        used ^= wrong
        at = np.flatnonzero(used)
        weight_k = np.zeros(k)
        if len(at):
            part = gram_kk[np.ix_(at, at)]
            _, found, fault = dposv(part, cross_k[at], lower=1)
            weight_k[at] = found if not fault else np.linalg.lstsq(part, cross_k[at], rcond=None)[0]
        gradient_k = gram_kk[:, at] @ weight_k[at] - cross_k
        gradient_k[at] = 0
    return np.maximum(weight_k, 0)
