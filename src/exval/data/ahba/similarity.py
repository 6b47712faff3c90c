"""Samples that are unlike all others of their donor."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError


def alike(x_pn: np.ndarray, threshold: float) -> np.ndarray:
    """Whether a sample's summed correlation with the donor's samples is no less than mean - threshold x sd of all sums.

    The inter-areal similarity filter of Burt et al., Nature Neuroscience 2018 (Methods), as in abagen; off by default.

    Parameters
    ----------
    x_pn
        (p, n) values of one donor.
    threshold
        Standard deviations (n - 1), above 0; abagen suggests 5.

    Returns
    -------
    numpy.ndarray
        (n,) bool.

    Examples
    --------
    >>> x_pn = np.array([[1, 1, 1, 9.0], [2, 2, 2, 5], [3, 3, 3.1, 0]])
    >>> alike(x_pn, 1.0).tolist()
    [True, True, True, False]
    """
    if not threshold > 0:
        raise InputError(f"--similarity {threshold:g}: give standard deviations above 0")
    if x_pn.shape[1] < 2:
        return np.ones(x_pn.shape[1], bool)
    unit_pn = x_pn - x_pn.mean(0)
    unit_pn /= np.maximum(np.sqrt((unit_pn * unit_pn).sum(0)), 1e-12)
    total_n = np.asarray(unit_pn.T @ unit_pn.sum(1), dtype=np.float64)
    return total_n >= total_n.mean() - threshold * total_n.std(ddof=1)
