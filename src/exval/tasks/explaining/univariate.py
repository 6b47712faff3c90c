"""The ranking that needs no network: each gene on its own."""

from __future__ import annotations

import numpy as np


def welch_t(x_ng: np.ndarray, first_n: np.ndarray) -> np.ndarray:
    """(g,) Welch's t of every gene, samples of a class against all others; NaN values are left out.

    A gene that does not vary, or that fewer than two samples of a side have, gets 0.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0], [6.0, 5.0]])
    >>> welch_t(x, np.array([True, True, False, False])).round(4).tolist()
    [-3.1305, 0.0]
    """
    sides = []
    for rows_n in (first_n, ~first_n):
        part = x_ng[rows_n]
        count = (~np.isnan(part)).sum(0)
        mean = np.nansum(part, 0) / np.maximum(count, 1)
        spread = np.nansum((part - mean) ** 2, 0) / np.maximum(count - 1, 1)
        sides.append((mean, spread / np.maximum(count, 1), count))
    (mean1, error1, count1), (mean2, error2, count2) = sides
    error = error1 + error2
    usable = (count1 > 1) & (count2 > 1) & (error > 1e-12 * (1e-12 + mean1**2 + mean2**2))
    return np.where(usable, (mean1 - mean2) / np.sqrt(np.where(usable, error, 1.0)), 0.0)


def correlation_t(x_ng: np.ndarray, y_n: np.ndarray) -> np.ndarray:
    """(g,) t of the correlation of every gene with a number, NaN values left out.

    Examples
    --------
    >>> t = correlation_t(np.array([[1.0], [2.0], [3.0], [5.0]]), np.array([1.0, 2.0, 3.0, 4.0]))
    >>> round(float(t[0]), 3)
    7.506
    """
    there = ~np.isnan(x_ng)
    n_g = there.sum(0)
    y_ng = np.where(there, y_n[:, None], 0.0)
    x = np.where(there, x_ng, 0.0)
    x = np.where(there, x - x.sum(0) / np.maximum(n_g, 1), 0.0)
    y = np.where(there, y_ng - y_ng.sum(0) / np.maximum(n_g, 1), 0.0)
    scale = np.sqrt((x**2).sum(0) * (y**2).sum(0))
    r = np.where(scale > 1e-12, (x * y).sum(0) / np.where(scale > 1e-12, scale, 1.0), 0.0)
    return r * np.sqrt(np.maximum(n_g - 2, 0)) / np.sqrt(np.maximum(1 - r**2, 1e-9))


def class_statistics(x_ng: np.ndarray, code_n: np.ndarray, k: int) -> np.ndarray:
    """(k, g) Welch's t of each class against the others; zeros for a class without samples, or without others."""
    return np.stack([
        welch_t(x_ng, code_n == c) if 0 < (code_n == c).sum() < len(code_n) else np.zeros(x_ng.shape[1])
        for c in range(k)
    ])  # fmt: skip


def survival_statistic(x_ng: np.ndarray, time_n: np.ndarray, event_n: np.ndarray) -> np.ndarray:
    """(g,) Wald z of a Cox regression on each gene alone."""
    from exval.methods.survival.cox import univariate_cox

    return univariate_cox(time_n, event_n, x_ng)["z"].to_numpy()


def cut(x_ng: np.ndarray, most: float = 10.0) -> np.ndarray:
    """Values cut at ten robust sds of their gene on either side of the median, as the scale of a run cuts them.

    Examples
    --------
    >>> cut(np.array([[0.0], [1.0], [2.0], [3.0], [9000.0]])).ravel().round(1).tolist()
    [0.0, 1.0, 2.0, 3.0, 16.8]
    """
    empty_g = np.isnan(x_ng).all(0)
    low, middle, high = np.nanpercentile(np.where(empty_g, 0.0, x_ng), [25, 50, 75], axis=0)
    reach = np.where(high > low, most * (high - low) / 1.349, np.inf)
    return np.clip(x_ng, middle - reach, middle + reach)
