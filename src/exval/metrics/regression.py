"""How close recovered values come; truth first, prediction second, always."""

from __future__ import annotations

import numpy as np


def rmse(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Root of the mean squared difference, in the unit of the values.

    Examples
    --------
    >>> rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    5.0
    """
    difference = np.asarray(truth, dtype=np.float64) - np.asarray(prediction, dtype=np.float64)
    return float(np.sqrt(np.mean(difference**2)))


def r2(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Share of the truth's variance explained; 0 for its mean, negative for worse; NaN for a constant truth.

    Examples
    --------
    >>> r2(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    0.0
    """
    truth = np.asarray(truth, dtype=np.float64)
    total = np.sum((truth - truth.mean()) ** 2)
    return float(1 - np.sum((truth - prediction) ** 2) / total) if total > 0 else float("nan")


def pearson(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Linear correlation; NaN where one side is constant.

    Examples
    --------
    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])), 6)
    1.0
    """
    a = np.asarray(truth, dtype=np.float64) - np.mean(truth, dtype=np.float64)
    b = np.asarray(prediction, dtype=np.float64) - np.mean(prediction, dtype=np.float64)
    scale = np.sqrt(np.sum(a**2)) * np.sqrt(np.sum(b**2))
    return float(np.sum(a * b) / scale) if scale > 1e-12 else float("nan")


def spearman(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Correlation of the ranks, ties at their mean rank.

    Examples
    --------
    >>> round(spearman(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3])), 6)
    1.0
    """
    from scipy.stats import rankdata

    return pearson(rankdata(truth), rankdata(prediction))


def poisson_deviance_terms(counts: np.ndarray, rate: np.ndarray, floor: float = 1e-6) -> np.ndarray:
    """Twice the log-likelihood lost by ``rate`` against the counts themselves, entry by entry.

    Parameters
    ----------
    counts
        What was measured: the truth comes first. Non-negative.
    rate
        Expected counts; held above ``floor``, because a rate of zero would claim certainty.
    """
    from scipy.special import xlogy

    counts = np.asarray(counts, dtype=np.float64)
    rate = np.maximum(np.asarray(rate, dtype=np.float64), floor)
    # Two logarithms and no quotient: that of a very small count would round to zero.
    return 2 * (xlogy(counts, counts) - xlogy(counts, rate) - (counts - rate))


def poisson_deviance(counts: np.ndarray, rate: np.ndarray) -> float:
    """Mean Poisson deviance of expected counts.

    Examples
    --------
    >>> round(poisson_deviance(np.array([0.0, 2.0]), np.array([1.0, 2.0])), 6)
    1.0
    """
    return float(np.mean(poisson_deviance_terms(counts, rate)))
