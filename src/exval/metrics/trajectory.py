"""Agreement of a pseudotime with a known order."""

from __future__ import annotations

import numpy as np


def kendall(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Kendall's tau-b: 1 for the same order, -1 for the reverse; NaN where one side is constant.

    Ties within the truth (cells at one step) are allowed for, but tau-b reaches 1 only where both sides have the same
    ties; beside it :func:`pos` ignores pairs at one step.

    Examples
    --------
    >>> round(kendall(np.array([0, 1, 2, 3]), np.array([0.1, 0.3, 0.2, 0.9])), 4)
    0.6667
    """
    from scipy.stats import kendalltau

    truth_n, prediction_n = np.asarray(truth_n), np.asarray(prediction_n)
    if np.ptp(truth_n) == 0 or np.ptp(prediction_n) == 0:
        return float("nan")
    return float(kendalltau(truth_n, prediction_n).statistic)


def pair_signs(truth_n: np.ndarray, prediction_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) of int8: +1, -1 or 0 for a pair in the right, wrong or no order; and 1 where the truth differs."""
    order = np.sign(np.subtract.outer(np.asarray(truth_n, float), np.asarray(truth_n, float))).astype(np.int8)
    said = np.sign(np.subtract.outer(np.asarray(prediction_n, float), np.asarray(prediction_n, float))).astype(np.int8)
    return order * said, np.abs(order)


def pos(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Pairwise order score: share of the pairs at different steps that are in the right order; ties count half.

    0.5 is what a constant gives. Hou et al. 2020, Genome Biology 21:218 (correct / (correct + wrong) pairs), after
    Ji and Ji 2016, Nucleic Acids Research 44:e117. NaN where the truth is constant.

    Examples
    --------
    >>> pos(np.array([0, 0, 1]), np.array([0.2, 0.7, 0.5])), pos(np.array([0, 1]), np.array([3, 3]))
    (0.5, 0.5)
    """
    sign_nn, differ_nn = pair_signs(truth_n, prediction_n)
    pairs = int(differ_nn.sum(dtype=np.int64))
    return float((sign_nn.sum(dtype=np.int64) / pairs + 1) / 2) if pairs else float("nan")
