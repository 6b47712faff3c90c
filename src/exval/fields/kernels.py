"""Covariance functions of distance, and the variogram that they are fitted to."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.distance import pdist

BINS, LEAST_PAIRS = 20, 30


def matern(distance: np.ndarray, length: float, smoothness: float = 1.5) -> np.ndarray:
    r"""Matern correlation of smoothness 1/2, 3/2 or 5/2 (Rasmussen and Williams 2006, section 4.2.1).

    With :math:`s = \sqrt{2\nu}\,d/\ell`: :math:`e^{-s}`, :math:`(1 + s)e^{-s}`, :math:`(1 + s + s^2/3)e^{-s}`.

    Examples
    --------
    >>> matern(np.array([0.0, 15.0]), 15.0).round(4).tolist()
    [1.0, 0.4834]
    """
    s = np.multiply(distance, np.sqrt(2 * smoothness) / length)
    decay = np.exp(-s)
    if smoothness == 0.5:
        return decay
    if smoothness == 1.5:
        return (1 + s) * decay
    if smoothness == 2.5:
        return (1 + s + s**2 / 3) * decay
    raise ValueError(f"smoothness {smoothness}: 0.5, 1.5 and 2.5 have a closed form")


def variogram(xyz_n3: np.ndarray, z_ng: np.ndarray, reach: float | None = None, most: int = 2000, seed: int = 0):
    """Half the mean squared difference of pairs against their distance, pooled over genes (Matheron 1962).

    Parameters
    ----------
    xyz_n3
        (n, 3) mm.
    z_ng
        (n, g) standardised values.
    reach
        Longest distance looked at, mm; half of the largest by default, as is usual (Journel and Huijbregts 1978).
    most, seed
        Samples used, drawn at random where there are more.

    Returns
    -------
    distance_b, gamma_b, pairs_b
        Mean distance (mm), semivariance and number of pairs of each bin that has at least 30; of fewer and wider
        bins where there are few samples.
    """
    if len(xyz_n3) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(len(xyz_n3))[:most])
        xyz_n3, z_ng = xyz_n3[rows], z_ng[rows]
    distance = pdist(xyz_n3)
    half = 0.5 * pdist(z_ng, "sqeuclidean") / max(z_ng.shape[1], 1)
    reach = 0.5 * float(distance.max()) if reach is None else reach
    near = distance <= reach
    bins = int(np.clip(near.sum() // (2 * LEAST_PAIRS), 3, BINS))
    bin_p = np.minimum((distance[near] / reach * bins).astype(int), bins - 1)
    pairs = np.bincount(bin_p, minlength=bins)
    enough = pairs >= min(LEAST_PAIRS, max(int(near.sum()) // (2 * bins), 1))
    mean = lambda x: np.bincount(bin_p, weights=x[near], minlength=bins)[enough] / pairs[enough]  # noqa: E731
    return mean(distance), mean(half), pairs[enough]


def fit_variogram(distance_b, gamma_b, pairs_b, smoothness: float = 0.5) -> tuple[float, float, float]:
    """Nugget, partial sill and length of a Matern variogram by weighted least squares.

    Weights are ``pairs / gamma(model)^2`` (Cressie 1985, Mathematical Geology 17). The length is at least the distance
    of the first bin: what is correlated over less than that cannot be told from the nugget.

    Examples
    --------
    >>> d = np.linspace(1, 60, 20)
    >>> found = fit_variogram(d, 0.2 + 0.8 * (1 - matern(d, 12.0, 0.5)), np.full(20, 100))
    >>> [round(x, 2) for x in found]
    [0.2, 0.8, 12.0]
    """
    top, reach = float(gamma_b.max()), float(distance_b.max())

    def model(p: np.ndarray) -> np.ndarray:
        nugget, sill, length = np.exp(p)
        return nugget + sill * (1 - matern(distance_b, length, smoothness))

    def off(p: np.ndarray) -> np.ndarray:
        told = model(p)
        return np.sqrt(pairs_b / pairs_b.sum()) * (gamma_b - told) / told

    start = np.log([max(0.3 * top, 1e-3), max(0.7 * top, 1e-3), max(reach / 5, distance_b.min())])
    low, high = np.log([1e-6, 1e-4, distance_b.min()]), np.log([10 * top + 1, 100 * top + 1, 10 * reach])
    found = least_squares(off, np.clip(start, low + 1e-6, high - 1e-6), bounds=(low, high))
    nugget, sill, length = np.exp(found.x)
    return float(nugget), float(sill), float(length)
