"""Gamma-normal mixture of each gene: which values are dropouts, as scImpute decides it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import digamma, gammaln, polygamma

#: log10(1.01): what a count of zero becomes.
POINT = float(np.log10(1.01))


@dataclass(frozen=True, eq=False)
class Mixture:
    """Parameters of q genes: ``rate Gamma(alpha, per beta) + (1 - rate) Normal(mu, sigma)``; NaN where there is no fit.

    Examples
    --------
    >>> from scipy import sparse
    >>> rng = np.random.default_rng(0)
    >>> values_n = np.where(rng.random(500) < 0.4, 0.0, rng.normal(2.0, 0.3, 500))
    >>> fit = fit_mixture(sparse.csc_matrix(values_n[:, None]))
    >>> bool(0.35 < fit.rate[0] < 0.45), bool(1.9 < fit.mu[0] < 2.1), bool(0.25 < fit.sigma[0] < 0.35)
    (True, True, True)
    >>> fit.dropout(np.array([[0.0], [2.0]])).round(3).ravel().tolist()
    [1.0, 0.0]
    """

    rate: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray

    def dropout(self, above_nq: np.ndarray) -> np.ndarray:
        """(n, q) probability of a dropout, given ``value - log10(1.01)``; zero above the mean of the normal part."""
        value_nq = above_nq + POINT
        with np.errstate(over="ignore", under="ignore"):
            low = self.rate * np.exp(_log_gamma(value_nq, np.log(value_nq), self.alpha, self.beta))
            high = (1 - self.rate) * np.exp(_log_normal(value_nq, self.mu, self.sigma))
        share = np.divide(low, low + high, out=np.zeros_like(value_nq), where=low > 0)
        share[(value_nq > self.mu) & (share > 0.5)] = 0
        return share

    @property
    def valid(self) -> np.ndarray:
        """(q,) genes whose two parts are told apart: expressed at all, and normal rather than gamma one unit above."""
        ok = np.isfinite(self.alpha) & np.isfinite(self.sigma) & (self.sigma > 0)
        mu, sigma = np.where(ok, self.mu, 1.0), np.where(ok, self.sigma, 1.0)
        alpha, beta = np.where(ok, self.alpha, 1.0), np.where(ok, self.beta, 1.0)
        at = mu + 1
        mixed = _log_gamma(at, np.log(at), alpha, beta) >= _log_normal(at, mu, sigma)
        return ok & (mu > np.log10(2.01)) & ~(mixed & (mu <= 1))


def _log_gamma(x, log_x, alpha, beta):
    return alpha * np.log(beta) - gammaln(alpha) + (alpha - 1) * log_x - beta * x


def _log_normal(x, mu, sigma):
    return -0.5 * ((x - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)


def fit_mixture(above_nq: sp.csc_matrix, most: int = 101) -> Mixture:
    """Expectation maximisation for all genes at once.

    Starts from the share of zeros, Gamma(0.5, per 1) and the moments of the values above zero, and stops, gene by gene,
    when the log10-likelihood moves by less than 0.71 or after ``most`` steps. All zeros of a gene are one term.

    Parameters
    ----------
    above_nq
        (n, q) CSC ``log10(CPM + 1.01) - log10(1.01)``: zero where no molecule was seen.

    References
    ----------
    Li and Li 2018, Nature Communications 9:997, Methods, "Detection of cell subpopulations and outliers" and
    "Identification of dropout values".
    """
    above_nq = sp.csc_matrix(above_nq, dtype=np.float64)
    above_nq.eliminate_zeros()
    n, q = above_nq.shape
    many_q = np.diff(above_nq.indptr)
    out = {name: np.full(q, np.nan) for name in ("rate", "alpha", "beta", "mu", "sigma")}
    live = np.flatnonzero(many_q > 1)
    last_q = np.zeros(q)
    part = _Part(above_nq, live)
    state = part.start()
    for step in range(most):
        if not len(live):
            break
        state, value_q = part.advance(state)
        done = (np.abs(value_q - last_q[live]) <= np.sqrt(0.5)) | ~np.isfinite(value_q) | (step == most - 1)
        last_q[live] = value_q
        for name, got in state.items():
            out[name][live[done]] = got[done]
        if done.any():
            live, state = live[~done], {name: got[~done] for name, got in state.items()}
            part = _Part(above_nq, live)
    return Mixture(**out)


class _Part:
    """The values of some genes, one after the other, each gene's zeros as one value with a weight."""

    def __init__(self, above_nq: sp.csc_matrix, genes: np.ndarray) -> None:
        some = above_nq[:, genes]
        self.n = above_nq.shape[0]
        many_q = np.diff(some.indptr)
        # one entry for the zeros at the head of each gene
        self.start_q = some.indptr[:-1] + np.arange(len(genes))
        self.column_m = np.repeat(np.arange(len(genes)), many_q + 1)
        head = np.zeros(len(self.column_m), dtype=bool)
        head[self.start_q] = True
        self.x_m = np.full(len(self.column_m), POINT)
        self.x_m[~head] = some.data + POINT
        self.times_m = np.ones(len(self.column_m))
        self.times_m[head] = self.n - many_q
        self.log_m = np.log(self.x_m)
        self.head = head

    def total(self, value_m: np.ndarray) -> np.ndarray:
        """(q,) sums over the cells of each gene."""
        return np.add.reduceat(value_m * self.times_m, self.start_q) if len(self.start_q) else np.zeros(0)

    def start(self) -> dict[str, np.ndarray]:
        seen_m = np.where(self.head, 0.0, 1.0)
        many_q = np.maximum(self.n - self.times_m[self.head], 1)
        mu = np.add.reduceat(self.x_m * seen_m, self.start_q) / many_q if len(self.start_q) else np.zeros(0)
        square_m = seen_m * (self.x_m - mu[self.column_m]) ** 2
        sigma = np.sqrt(np.add.reduceat(square_m, self.start_q) / np.maximum(many_q - 1, 1)) if len(mu) else mu
        rate = self.times_m[self.head] / self.n
        return {"rate": np.where(rate == 0, 0.01, rate), "alpha": np.full(len(mu), 0.5), "beta": np.ones(len(mu)),
                "mu": mu, "sigma": sigma}  # fmt: skip

    def advance(self, state: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One step, and the log10-likelihood after it."""
        low_m, high_m = self._parts(state)
        share_m = np.divide(low_m, low_m + high_m, out=np.zeros_like(low_m), where=low_m > 0)
        weight_q = self.total(share_m)
        rest_q = np.maximum(self.n - weight_q, 1e-300)
        mu = self.total((1 - share_m) * self.x_m) / rest_q
        sigma = np.sqrt(self.total((1 - share_m) * (self.x_m - mu[self.column_m]) ** 2) / rest_q)
        sum_q, log_q = self.total(share_m * self.x_m), self.total(share_m * self.log_m)
        alpha, beta = _gamma(weight_q, sum_q, log_q)
        state = {"rate": weight_q / self.n, "alpha": alpha, "beta": beta, "mu": mu, "sigma": sigma}
        low_m, high_m = self._parts(state)
        with np.errstate(divide="ignore", invalid="ignore"):
            return state, self.total(np.log10(low_m + high_m))

    def _parts(self, state) -> tuple[np.ndarray, np.ndarray]:
        at = {name: value[self.column_m] for name, value in state.items()}
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            low_m = at["rate"] * np.exp(_log_gamma(self.x_m, self.log_m, at["alpha"], at["beta"]))
            high_m = (1 - at["rate"]) * np.exp(_log_normal(self.x_m, at["mu"], at["sigma"]))
        return low_m, np.nan_to_num(high_m, posinf=0.0)


def _gamma(weight_q, sum_q, log_q) -> tuple[np.ndarray, np.ndarray]:
    """Likeliest gamma of weighted values from their sum and the sum of their logarithms; a shape of at most 20."""
    ok = (weight_q > 0) & (sum_q > 0)
    weight, total = np.where(ok, weight_q, 1.0), np.where(ok, sum_q, 1.0)
    gap = np.where(ok, np.log(total / weight) - log_q / weight, 0.0)
    small = gap > 1e-12
    gap_ = np.where(small, gap, 1.0)
    alpha = (3 - gap_ + np.sqrt((gap_ - 3) ** 2 + 24 * gap_)) / (12 * gap_)
    high = ~small | (alpha >= 20)
    for _ in range(4):  # Newton for log(alpha) - digamma(alpha) = gap
        slope = 1 / alpha - polygamma(1, alpha)
        alpha = np.maximum(alpha - (np.log(alpha) - digamma(alpha) - gap_) / slope, alpha / 5)
    alpha = np.where(high, 20.0, alpha)
    return np.where(ok, alpha, np.nan), np.where(ok, weight / total * alpha, np.nan)
