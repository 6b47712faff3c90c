"""Gamma prior, Poisson counts: which variance fits a gene, and the posterior of its rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, gammaln

#: How the prior variance depends on the prior mean, in the order in which ties are broken.
VARIANCES = ("cv", "fano", "constant")
#: Prior means below this are raised to it: a gamma needs a mean above zero.
SMALLEST_MEAN = 1e-8
#: The parameter at which a likelihood counts as that of no spread at all.
NO_SPREAD = 1e-5


@dataclass(frozen=True, eq=False)
class GammaPosterior:
    """Posterior of rates: ``rate ~ Gamma(shape, per)``, in units of ``factor``.

    Parameters
    ----------
    shape_nq, per_nq
        (n, q) shape and rate parameters.
    factor
        What a rate of 1 is in the unit asked for.

    Examples
    --------
    >>> found = GammaPosterior(np.array([[4.0]]), np.array([[2.0]]), factor=10.0)
    >>> float(found.mean[0, 0]), float(found.sd[0, 0])
    (20.0, 10.0)
    >>> low, high = found.interval(0.9)
    >>> float(low[0, 0].round(2)), float(high[0, 0].round(2))
    (6.83, 38.77)
    >>> [int(limit[0, 0]) for limit in found.predictive(0.9, np.array([1.0]))]
    [0, 5]
    """

    shape_nq: np.ndarray
    per_nq: np.ndarray
    factor: float = 1.0

    @property
    def mean(self) -> np.ndarray:
        """(n, q) posterior mean."""
        return self.factor * self.shape_nq / self.per_nq

    @property
    def sd(self) -> np.ndarray:
        """(n, q) posterior standard deviation."""
        return self.factor * np.sqrt(self.shape_nq) / self.per_nq

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Limits between which the rate lies with probability ``level``, equal tails."""
        tail = (1 - level) / 2
        return tuple(self.factor * gammaincinv(self.shape_nq, at) / self.per_nq for at in (tail, 1 - tail))

    def predictive(self, level: float, exposure_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Limits of the number of further molecules, at least ``level`` of them, equal tails at most.

        Parameters
        ----------
        level
            Probability.
        exposure_n
            (n,) how many molecules a rate of 1 gives, in the units of the size factors: for molecules set aside by
            binomial thinning with share p kept, size factor times ``(1 - p) / p``.

        Returns
        -------
        low_nq, high_nq
            float64, whole numbers: quantiles of the negative binomial.
        """
        from scipy.stats import nbinom

        chance_nq = self.per_nq / (self.per_nq + np.asarray(exposure_n, dtype=np.float64)[:, None])
        tail = (1 - level) / 2
        return tuple(nbinom.ppf(at, self.shape_nq, chance_nq) for at in (tail, 1 - tail))


@dataclass(frozen=True, eq=False)
class VarianceFit:
    """The variance chosen for each gene.

    Parameters
    ----------
    kind_q
        (q,) index into :data:`VARIANCES`.
    spread_q
        (q,) the squared coefficient of variation, the Fano factor or the variance of the prior.
    """

    kind_q: np.ndarray
    spread_q: np.ndarray

    def posterior(self, y_nq: np.ndarray, mean_nq: np.ndarray, size_n: np.ndarray, factor: float = 1.0):
        """:class:`GammaPosterior` of counts ``y`` with prior means ``mean`` and size factors ``size``."""
        mean_nq = np.maximum(mean_nq, SMALLEST_MEAN)
        shape_nq, per_nq = _prior(mean_nq, self.kind_q, self.spread_q)
        return GammaPosterior(shape_nq + y_nq, per_nq + size_n[:, None], factor)


def _prior(mean_nq: np.ndarray, kind_q: np.ndarray, spread_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape and rate of the prior; spread is a, b or k of Huang et al."""
    shape_nq, per_nq = mean_nq / spread_q, np.ones_like(mean_nq) / spread_q
    cv, constant = kind_q == 0, kind_q == 2
    shape_nq[:, cv], per_nq[:, cv] = 1 / spread_q[cv], 1 / (spread_q[cv] * mean_nq[:, cv])
    shape_nq[:, constant] = mean_nq[:, constant] ** 2 / spread_q[constant]
    per_nq[:, constant] = mean_nq[:, constant] / spread_q[constant]
    return shape_nq, per_nq


def fit_variance(y_nq: np.ndarray, mean_nq: np.ndarray, size_n: np.ndarray) -> VarianceFit:
    """Constant coefficient of variation, Fano factor or variance: whichever has the highest marginal likelihood.

    Each is fitted by one-dimensional maximisation between zero and its value without any shrinkage (the sample variance
    of the normalised counts), all genes at once. Where the data cannot tell a spread from none (less than half a unit
    of log-likelihood), the posterior mean of the spread on a grid takes the place of the maximum. A gene whose prior
    mean is the same in all cells gets the Fano factor.

    Parameters
    ----------
    y_nq
        (n, q) counts.
    mean_nq
        (n, q) prior means at a size factor of 1.
    size_n
        (n,) size factors.

    Returns
    -------
    VarianceFit

    References
    ----------
    Huang et al. 2018, Nature Methods 15:539, Methods, "Estimation of the prior variance".

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mean_nq = np.exp(rng.normal(1, 1, (2000, 1)))
    >>> y_nq = rng.poisson(rng.gamma(1 / 0.5, 0.5 * mean_nq))
    >>> fit = fit_variance(y_nq, mean_nq, np.ones(2000))
    >>> VARIANCES[fit.kind_q[0]], bool(0.4 < fit.spread_q[0] < 0.6)
    ('cv', True)
    """
    y_nq = np.asarray(y_nq, dtype=np.float64)
    mean_nq = np.maximum(mean_nq, SMALLEST_MEAN).astype(np.float64)
    scaled_nq = y_nq / size_n[:, None]
    average_q, variance_q = scaled_nq.mean(0), scaled_nq.var(0, ddof=1) if len(size_n) > 1 else scaled_nq.mean(0)
    flat_q = np.ptp(mean_nq, axis=0) <= 1e-9 * mean_nq.max(0)
    spread_mq, value_mq = np.empty((3, y_nq.shape[1])), np.full((3, y_nq.shape[1]), -np.inf)
    for kind in range(3):
        upper_q = np.maximum(variance_q / average_q ** (2, 1, 0)[kind], 2 * NO_SPREAD)
        among = np.flatnonzero(~flat_q) if kind != 1 else np.arange(y_nq.shape[1])
        spread_mq[kind] = upper_q
        if len(among):
            likelihood = SpreadLikelihood(kind, y_nq[:, among], mean_nq[:, among], size_n)
            spread_mq[kind, among], value_mq[kind, among] = _choose(likelihood, upper_q[among])
    kind_q = value_mq.argmax(0)
    return VarianceFit(kind_q, spread_mq[kind_q, np.arange(y_nq.shape[1])])


class SpreadLikelihood:
    """Marginal log-likelihood of q genes as a function of the spread of each, up to a constant shared by the kinds.

    With shape ``v / t`` and rate ``1 / (u t)``, t the spread, it is
    ``sum lgamma(v/t + y) - lgamma(v/t) - (v/t + y) log(1 + s u t) + y log(u t)``. The first difference vanishes for
    zeros and is the logarithm of a product for small counts.
    """

    def __init__(self, kind: int, y_nq: np.ndarray, mean_nq: np.ndarray, size_n: np.ndarray) -> None:
        self.kind, self.y_nq, self.mean_nq, self.size_n = kind, y_nq, mean_nq, size_n
        self.u_nq = (mean_nq, np.ones_like(mean_nq), 1 / mean_nq)[kind]
        self.v_nq = (None, mean_nq, mean_nq**2)[kind]
        self.su_nq = size_n[:, None] * self.u_nq
        self.sum_q = y_nq.sum(0)
        self.log_u_q = np.einsum("nq,nq->q", y_nq, np.log(self.u_nq)) if kind != 1 else np.zeros(y_nq.shape[1])
        row, column = np.nonzero(y_nq)
        y_m, times_m = y_nq[row, column], None
        if kind == 0:  # the shape is the same in all cells: equal counts of a gene are one term
            order = np.lexsort((y_m, column))
            y_m, column = y_m[order], column[order]
            first = np.ones(len(y_m), dtype=bool)
            first[1:] = (np.diff(y_m) != 0) | (np.diff(column) != 0)
            times_m = np.diff(np.append(np.flatnonzero(first), len(y_m)))
            y_m, column = y_m[first], column[first]
        small = (y_m <= 8) & (y_m == np.round(y_m))
        order = np.concatenate([np.flatnonzero(small)[np.argsort(-y_m[small], kind="stable")], np.flatnonzero(~small)])
        self.y_m, self.column_m = y_m[order], column[order]
        self.v_m = np.ones(len(order)) if kind == 0 else self.v_nq[row[order], self.column_m]
        self.times_m = None if times_m is None else times_m[order].astype(np.float64)
        self.n_small = int(small.sum())
        self.above = [int((self.y_m[: self.n_small] > j).sum()) for j in range(1, 8)]

    def only(self, chosen: np.ndarray) -> SpreadLikelihood:
        """The same of some of the genes."""
        return SpreadLikelihood(self.kind, self.y_nq[:, chosen], self.mean_nq[:, chosen], self.size_n)

    def __call__(self, spread_q: np.ndarray) -> np.ndarray:
        log_nq = np.log(1 + self.su_nq * spread_q)
        if self.v_nq is None:
            total_q = -log_nq.sum(0) / spread_q
        else:
            total_q = -np.einsum("nq,nq->q", self.v_nq, log_nq) / spread_q
        total_q += self.sum_q * np.log(spread_q) + self.log_u_q - np.einsum("nq,nq->q", self.y_nq, log_nq)
        shape_m = self.v_m / spread_q[self.column_m]
        rising_m = shape_m.copy()
        for j, many in enumerate(self.above, start=1):
            rising_m[:many] *= shape_m[:many] + j
        part = slice(self.n_small, None)
        rising_m[: self.n_small] = np.log(rising_m[: self.n_small])
        rising_m[part] = gammaln(shape_m[part] + self.y_m[part]) - gammaln(shape_m[part])
        if self.times_m is not None:
            rising_m *= self.times_m
        return total_q + np.bincount(self.column_m, weights=rising_m, minlength=len(total_q))


def _choose(likelihood: SpreadLikelihood, upper_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spread and log-likelihood of each gene: the maximum, or the posterior mean where none at all fits as well."""
    best_q, value_q = maximise(likelihood, upper_q)
    unsure = np.flatnonzero(value_q - likelihood(np.full_like(upper_q, NO_SPREAD)) < 0.5)
    if len(unsure):
        part = likelihood.only(unsure)
        best_q[unsure] = _expected(part, upper_q[unsure], value_q[unsure])
        value_q[unsure] = part(best_q[unsure])
    return best_q, value_q


def maximise(
    likelihood: SpreadLikelihood,
    upper_q: np.ndarray,
    ratio: float = 2e-4,
    n_grid: int = 8,
    n_refine: int = 6,
) -> tuple[np.ndarray, np.ndarray]:
    """Likeliest spread of each gene and its log-likelihood: a coarse grid on logarithms, then parabolas.

    Parameters
    ----------
    likelihood
        Of q genes.
    upper_q
        (q,) largest spread.
    ratio
        The smallest spread looked at, of the largest.
    n_grid, n_refine
        Values of the grid, and of the parabolas.
    """
    grid_kq = np.log(upper_q) + np.linspace(np.log(ratio), 0, n_grid)[:, None]
    value_kq = np.stack([likelihood(np.exp(at_q)) for at_q in grid_kq])
    column = np.arange(len(upper_q))
    top_q = np.clip(value_kq.argmax(0), 1, n_grid - 2)
    x = [grid_kq[top_q + shift, column] for shift in (-1, 0, 1)]
    f = [value_kq[top_q + shift, column] for shift in (-1, 0, 1)]
    for turn in range(n_refine + 1):
        new = _vertex(x, f)
        if turn < n_refine:  # a vertex at the middle point teaches nothing: look at a small way off on the wider side
            wider = np.where(x[1] - x[0] > x[2] - x[1], -1.0, 1.0)
            least = 0.1 * (x[2] - x[0])
            new = np.where(np.abs(new - x[1]) < least, x[1] + wider * least, new)
        got = likelihood(np.exp(new))
        better, above = got > f[1], new > x[1]
        x, f = (
            [
                np.where(better & above, a[1], np.where(better | above, a[0], b)),
                np.where(better, b, a[1]),
                np.where(better & ~above, a[1], np.where(~better & above, b, a[2])),
            ]
            for a, b in ((x, new), (f, got))
        )
    at_q, value_q = x[1], f[1]
    for edge in (0, 2):
        at_q, value_q = np.where(f[edge] > value_q, x[edge], at_q), np.maximum(value_q, f[edge])
    return np.exp(at_q), value_q


def _vertex(x: list[np.ndarray], f: list[np.ndarray]) -> np.ndarray:
    """Top of the parabola through three points; the middle of the wider half where it has none between them."""
    right, left = (f[2] - f[1]) * (x[1] - x[0]), (f[1] - f[0]) * (x[2] - x[1])
    bent = left - right
    safe = np.where(bent > 0, bent, 1.0)
    new = 0.5 * (left * (x[1] + x[2]) - right * (x[0] + x[1])) / safe
    halfway = np.where(x[1] - x[0] > x[2] - x[1], x[0] + x[1], x[1] + x[2]) / 2
    return np.where((bent > 0) & (new > x[0]) & (new < x[2]), new, halfway)


def _expected(likelihood: SpreadLikelihood, upper_q: np.ndarray, best_q: np.ndarray, n_points: int = 25) -> np.ndarray:
    """Posterior mean of the spread on Huang's grid, denser towards zero, cut where the likelihood is e^-10 of it"""
    high_q = upper_q.copy()
    far = np.flatnonzero(best_q - likelihood(upper_q) > 10)
    if len(far):
        part = likelihood.only(far)
        low, high = np.full(len(far), np.log(NO_SPREAD)), np.log(upper_q[far])
        for _ in range(14):
            middle = (low + high) / 2
            inside = part(np.exp(middle)) > best_q[far] - 10
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        high_q[far] = np.exp(low)
    at_k = np.expm1((np.exp((np.arange(n_points) + 0.5) / n_points) - 1) / 2)
    value_kq = np.stack([likelihood(at * high_q) for at in at_k])
    weight_kq = np.exp(value_kq - value_kq.max(0))
    return high_q * (at_k @ weight_kq) / weight_kq.sum(0)
