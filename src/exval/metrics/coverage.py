"""Do intervals hold what they promise? Coverage, and the interval score that wide intervals cannot please."""

from __future__ import annotations

import numpy as np


def gamma_shape(mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape and scale of the Gamma distribution with this mean and sd; the sd is held above a thousandth of the mean.

    Examples
    --------
    >>> [float(x) for x in gamma_shape(np.array(4.0), np.array(2.0))]
    [4.0, 1.0]
    """
    mean = np.maximum(np.asarray(mean, dtype=np.float64), 1e-9)
    sd = np.maximum(np.asarray(sd, dtype=np.float64), 1e-3 * mean)
    return (mean / sd) ** 2, sd**2 / mean


def gamma_interval(mean: np.ndarray, sd: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the Gamma distribution with this mean and sd: for an expected value, which is not negative.

    Examples
    --------
    >>> lo, hi = gamma_interval(np.array([100.0]), np.array([1.0]))
    >>> [round(float(x[0]), 1) for x in (lo, hi)]
    [98.0, 102.0]
    """
    from scipy.special import gammaincinv

    shape, scale = gamma_shape(mean, sd)
    tail = (1 - level) / 2
    return gammaincinv(shape, tail) * scale, gammaincinv(shape, 1 - tail) * scale


def coverage(truth: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> float:
    """Share of the truths within their intervals: to be the level promised, neither more nor less.

    Examples
    --------
    >>> coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0]))
    0.5
    """
    return float(np.mean((truth >= lo) & (truth <= hi)))


def interval_score(truth: np.ndarray, lo: np.ndarray, hi: np.ndarray, level: float = 0.95) -> float:
    """Mean width plus a fine for each truth outside: least for the true quantiles (a proper score).

    .. math:: (u - l) + \\frac{2}{\\alpha} (l - y)_+ + \\frac{2}{\\alpha} (y - u)_+, \\quad \\alpha = 1 - \\text{level}

    Gneiting and Raftery 2007, J. Am. Stat. Assoc. 102:359, section 6.2.

    Examples
    --------
    >>> interval_score(np.array([3.0]), np.array([0.0]), np.array([2.0]), level=0.5)
    6.0
    """
    fine = 2 / (1 - level)
    return float(np.mean((hi - lo) + fine * np.maximum(lo - truth, 0) + fine * np.maximum(truth - hi, 0)))


def counts_pit(counts: np.ndarray, mean: np.ndarray, sd: np.ndarray, seed: int = 0) -> np.ndarray:
    """Randomised probability transform of counts: uniform where the predictive distribution is right.

    The rate is Gamma with this mean and sd and the count Poisson given it, so that the count is negative binomial;
    ``u = F(y - 1) + v (F(y) - F(y - 1))`` with v uniform (Smith 1985; Czado, Gneiting and Held 2009, Biometrics
    65:1254). The share of u in the central 95 % is the coverage of a 95 % interval that is exact for counts too.

    Parameters
    ----------
    counts
        What was held out.
    mean, sd
        Of the expected counts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> u = counts_pit(rng.poisson(3.0, 4000), np.full(4000, 3.0), np.full(4000, 1e-9))
    >>> bool(abs(np.mean((u > 0.1) & (u < 0.9)) - 0.8) < 0.02)
    True
    """
    from scipy.special import betainc, pdtr

    counts = np.asarray(counts, dtype=np.float64)
    mean = np.maximum(np.asarray(mean, dtype=np.float64), 1e-9)
    sd = np.asarray(sd, dtype=np.float64)
    shape, scale = gamma_shape(mean, sd)
    p = 1 / (1 + scale)
    poisson = sd < 1e-2 * np.sqrt(mean)  # then the spread of the rate adds less than 1e-4 of the variance

    def cdf(y: np.ndarray) -> np.ndarray:
        below = np.maximum(y, 0)
        value = np.where(poisson, pdtr(below, mean), betainc(shape, below + 1, p))
        return np.where(y < 0, 0.0, value)

    lower, upper = cdf(counts - 1), cdf(counts)
    return lower + np.random.default_rng([seed, 711]).random(counts.shape) * (upper - lower)
