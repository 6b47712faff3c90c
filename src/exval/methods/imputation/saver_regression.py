"""Prior means of all genes by Poisson LASSO: predictors, cross-validation, and the rule that spares most genes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from exval.methods.imputation.saver_lasso import PoissonLasso, Rows, follow
from exval.progress import Progress

#: Ratio of successive penalties, as a logarithm.
STEP = 0.25
#: Penalties per gene at most: the last is exp(-8) of the first.
LONGEST = 32
#: Up to so many values of predictors are kept in double precision, which costs nothing then.
SMALL = 1_000_000


@dataclass(frozen=True, eq=False)
class Predictors:
    """Standardised ``log((count + 1) / size factor)`` of the genes that predict.

    Parameters
    ----------
    columns_p
        (p,) which columns of the counts; none if no gene is common enough.
    center_p, scale_p
        Mean and population standard deviation over cells.

    Examples
    --------
    >>> counts_ng = sp.csr_matrix(np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 0.1]]))
    >>> predictors = Predictors.of(counts_ng, np.ones(3), most=10)
    >>> predictors.columns_p.tolist(), predictors.rows(counts_ng, np.ones(3)).tolist()[0][1]
    ([0], 0.0)
    """

    columns_p: np.ndarray
    center_p: np.ndarray
    scale_p: np.ndarray

    @classmethod
    def of(cls, counts_ng: sp.spmatrix, size_n: np.ndarray, most: int, least_mean: float = 0.1) -> Predictors:
        """Genes with a mean of at least ``least_mean`` counts, the ``most`` commonest, less those that do not vary."""
        counts_ng = counts_ng.tocsc()
        n = counts_ng.shape[0]
        mean_g = np.asarray(counts_ng.sum(0), dtype=np.float64).ravel() / n
        columns_p = np.flatnonzero(mean_g >= least_mean)
        if len(columns_p) > most:
            columns_p = np.sort(columns_p[np.argsort(-mean_g[columns_p], kind="stable")[:most]])
        log_np = counts_ng[:, columns_p].astype(np.float64)
        log_np.data = np.log1p(log_np.data)
        shift_n = np.log(size_n)
        # moments of (log1p(x) - log sf), from the sparse part and the shift that all columns share
        center_p = np.asarray(log_np.mean(0)).ravel() - shift_n.mean()
        square_p = np.asarray(log_np.multiply(log_np).mean(0)).ravel() - 2 * np.asarray(log_np.T @ shift_n) / n
        variance_p = square_p + (shift_n**2).mean() - center_p**2
        keep = variance_p > 1e-10
        return cls(columns_p[keep], center_p[keep], np.sqrt(variance_p[keep]))

    def rows(self, counts_ng: sp.spmatrix, size_n: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """(p, n) C-contiguous."""
        rows_pn = np.ascontiguousarray(counts_ng.tocsc()[:, self.columns_p].T.toarray().astype(dtype, copy=False))
        np.log1p(rows_pn, out=rows_pn)
        rows_pn -= np.log(size_n).astype(dtype)
        rows_pn -= self.center_p.astype(dtype)[:, None]
        rows_pn /= self.scale_p.astype(dtype)[:, None]
        return rows_pn


@dataclass(frozen=True, eq=False)
class PriorMeans:
    """Regressions of all genes on the raw scale: ``log mean = intercept + sum_p weight log((count_p + 1) / size)``.

    Parameters
    ----------
    intercept_g
        (g,) float64.
    weight_pg
        (p, g) CSC.
    predictors
        The rows of ``weight_pg``.
    cutoff
        Largest correlation below which a gene was given its mean.
    penalty_g
        (g,) penalty used; NaN for a gene that was given its mean.
    """

    intercept_g: np.ndarray
    weight_pg: sp.csc_matrix
    predictors: Predictors
    cutoff: float
    penalty_g: np.ndarray

    def __call__(
        self, counts_ng: sp.csr_matrix, size_n: np.ndarray, columns: np.ndarray, block: int = 2048
    ) -> np.ndarray:
        """(n, q) float64 prior means, at a size factor of 1, of some of the genes."""
        weight_pq = self.weight_pg[:, columns]
        used = np.flatnonzero(np.diff(weight_pq.tocsr().indptr))
        total_q = np.asarray(weight_pq.sum(0)).ravel()
        out_nq = np.empty((counts_ng.shape[0], len(columns)))
        out_nq[:] = self.intercept_g[columns] - np.log(size_n)[:, None] * total_q
        if len(used):
            dense_uq = weight_pq.tocsr()[used].toarray()
            log_nu = counts_ng[:, self.predictors.columns_p[used]].tocsr()
            log_nu.data = np.log1p(log_nu.data)
            for start in range(0, len(out_nq), block):
                out_nq[start : start + block] += log_nu[start : start + block].toarray() @ dense_uq
        return np.exp(np.minimum(out_nq, 30.0, out=out_nq), out=out_nq)


def fit_prior_means(
    counts_ng: sp.csr_matrix,
    size_n: np.ndarray,
    *,
    folds: int = 5,
    checked: int | None = 100,
    most_predictors: int = 4000,
    most_used: int = 300,
    block: int = 64,
) -> PriorMeans:
    """Prior means of every gene from the other genes, as SAVER does with ``do.fast = TRUE``.

    1. The largest correlation of each gene's normalised counts with a predictor is read off one matrix product.
    2. ``checked`` genes, spread evenly over the range of that correlation, are cross-validated. The gain over the mean,
       in standard errors, is regressed on the correlation; below the correlation at which it falls under a quarter, a
       gene is given its mean. More genes above that cutoff follow, until ``checked`` of them are cross-validated.
    3. The squared logarithm of the ratio between the penalty that leaves nothing and the best one is regressed on the
       correlation; this gives the penalty of all other genes.

    Parameters
    ----------
    counts_ng
        (n, g) counts, in an order of cells that is used to assign folds (cell i is in fold ``i % folds``).
    size_n
        (n,) size factors, mean 1.
    folds
        Of the cross-validation.
    checked
        None: every gene is cross-validated, and there is no cutoff (``do.fast = FALSE``).
    most_predictors
        Commonest genes that may predict.
    most_used
        Predictors of one gene at most.
    block
        Genes fitted side by side.
    """
    n, g = counts_ng.shape
    counts_ng = counts_ng.tocsc()
    predictors = Predictors.of(counts_ng, size_n, most_predictors)
    p = len(predictors.columns_p)
    own_g = np.full(g, -1)
    own_g[predictors.columns_p] = np.arange(p)
    mean_g = np.asarray((sp.diags_array(1 / size_n) @ counts_ng).mean(0)).ravel()
    weights = sp.csc_matrix((p, g))
    nothing = PriorMeans(np.log(mean_g), weights, predictors, np.inf, np.full(g, np.nan))
    if n < max(10, folds) or p == 0:
        return nothing
    dtype = np.float64 if n * p <= SMALL else np.float32
    rows_pn = predictors.rows(counts_ng, size_n, dtype)
    rows = Rows(rows_pn, max(1, min(most_used, n // 2)))

    def normalised(columns: np.ndarray) -> np.ndarray:
        """(q, n) responses."""
        return np.ascontiguousarray((counts_ng[:, columns].toarray() / size_n[:, None]).T.astype(dtype))

    first_g, correlation_g = np.zeros(g), np.zeros(g)
    for start in range(0, g, 256):
        columns = np.arange(start, min(start + 256, g))
        y_qn = normalised(columns)
        y_qn -= y_qn.mean(1, keepdims=True)
        gradient_pq = np.abs(rows_pn @ y_qn.T) / n
        has = np.flatnonzero(own_g[columns] >= 0)
        gradient_pq[own_g[columns][has], has] = 0
        first_g[columns] = gradient_pq.max(0)
        correlation_g[columns] = first_g[columns] / np.maximum(y_qn.std(1), 1e-12)
    open_g = np.flatnonzero(first_g > 1e-9 * mean_g)
    best_g, gain_g = np.full(g, np.nan), np.full(g, np.nan)

    def check(columns: np.ndarray) -> None:
        for start in range(0, len(columns), max(1, block // folds)):
            some = columns[start : start + max(1, block // folds)]
            best_g[some], gain_g[some] = _cross_validate(rows, normalised(some), own_g[some], first_g[some], folds)
            progress.advance(len(some))

    with Progress("Regressing genes on genes", total=None) as progress:
        cutoff, line = 0.0, (0.0, 0.0)
        if checked is None or len(open_g) <= checked:
            check(open_g)
        else:
            order = open_g[np.argsort(correlation_g[open_g], kind="stable")]
            check(_spread(order, checked))
            cutoff = _cutoff(correlation_g, gain_g)
            above = order[(correlation_g[order] > cutoff) & np.isnan(best_g[order])]
            done = int((correlation_g[~np.isnan(best_g)] > cutoff).sum())
            check(_spread(above, max(checked - done, 0)))
            line = _line(correlation_g, first_g, best_g, cutoff)
        known = ~np.isnan(best_g)
        rule_g = np.sqrt(np.maximum(line[0] + line[1] * correlation_g, 0))
        penalty_g = np.where(known, best_g, first_g * np.exp(-rule_g))
        fitted = open_g[(correlation_g[open_g] > cutoff) & (penalty_g[open_g] < first_g[open_g] * (1 - 1e-9))]
        intercept_g, parts = np.log(mean_g), []
        # genes with paths of the same length side by side
        for start in range(0, len(fitted), block):
            some = fitted[np.argsort(first_g[fitted] / penalty_g[fitted], kind="stable")][start : start + block]
            fits = [PoissonLasso(y_n) for y_n in normalised(some)]
            _descend(rows, fits, own_g[some], first_g[some], penalty_g[some])
            for gene, fit in zip(some, fits):
                weight_a = fit.beta / predictors.scale_p[fit.index]
                intercept_g[gene] = fit.b0 - float(weight_a @ predictors.center_p[fit.index])
                parts.append((weight_a, fit.index, np.full(len(fit.index), gene)))
            progress.advance(len(some))
    if parts:
        value, row, column = (np.concatenate(part) for part in zip(*parts))
        weights = sp.csc_matrix((value, (row, column)), shape=(p, g))
    penalty_g[np.setdiff1d(np.arange(g), fitted)] = np.nan
    return PriorMeans(intercept_g, weights, predictors, cutoff, penalty_g)


def _descend(rows, fits, own_q, first_q, last_q) -> None:
    """From the penalty that leaves nothing to the one wanted, in steps; then until the optimality conditions hold."""
    many_q = np.ceil(np.log(first_q / last_q) / STEP).astype(int)
    for k in range(1, int(many_q.max())):
        live = np.flatnonzero(many_q > k)
        follow(rows, [fits[q] for q in live], own_q[live], first_q[live] * np.exp(-STEP * k), tolerance=0.1)
    follow(rows, fits, own_q, last_q, tolerance=0.005, rounds=4)


def _cross_validate(rows, y_qn, own_q, first_q, folds) -> tuple[np.ndarray, np.ndarray]:
    """Best penalty of each gene, and its gain over the mean in standard errors of the held-out deviance."""
    q, n = y_qn.shape
    fold_n = np.arange(n) % folds
    fits = [[PoissonLasso(y_n, (fold_n != f).astype(y_n.dtype)) if (y_n[fold_n != f] > 0).any() else None
             for f in range(folds)] for y_n in y_qn]  # fmt: skip
    deviance_kqf = np.full((LONGEST + 1, q, folds), np.nan)
    live, worse_q = np.arange(q), np.zeros(q, dtype=int)
    usable = [all(fit is not None for fit in fits[i]) for i in range(q)]
    live = live[usable]
    for k in range(LONGEST + 1):
        if not len(live):
            break
        if k:
            lam_q = first_q[live] * np.exp(-STEP * k)
            every = [fit for i in live for fit in fits[i]]
            follow(rows, every, np.repeat(own_q[live], folds), np.repeat(lam_q, folds))
        for i in live:
            for f, fit in enumerate(fits[i]):
                at = fold_n == f
                deviance_kqf[k, i, f] = 2 * float(np.mean(np.exp(fit.eta_n[at]) - y_qn[i, at] * fit.eta_n[at]))
        total_kq = deviance_kqf[: k + 1, live].mean(2)
        worse_q[live] = k - total_kq.argmin(0)
        full = np.array([max(len(fit.index) for fit in fits[i]) >= rows.most for i in live])
        live = live[(worse_q[live] < 3) & ~full]
    best_q, gain_q = first_q.astype(np.float64).copy(), np.zeros(q)
    for i in np.flatnonzero(usable):
        curve_k = deviance_kqf[:, i].mean(1)
        k = int(np.nanargmin(curve_k))
        if k == 0:
            continue
        error = deviance_kqf[k, i].std(ddof=1) / np.sqrt(folds)
        gain_q[i] = (curve_k[0] - curve_k[k]) / max(error, 1e-12)
        shift = 0.0
        if k + 1 < len(curve_k) and np.isfinite(curve_k[k + 1]):
            bend = curve_k[k - 1] - 2 * curve_k[k] + curve_k[k + 1]
            shift = 0.5 * (curve_k[k - 1] - curve_k[k + 1]) / bend if bend > 0 else 0.0
        best_q[i] = first_q[i] * np.exp(-STEP * (k + np.clip(shift, -0.5, 0.5)))
    return best_q, gain_q


def _spread(order: np.ndarray, many: int) -> np.ndarray:
    """``many`` entries, evenly spaced."""
    many = min(many, len(order))
    return order[np.round(np.linspace(0, len(order) - 1, many)).astype(int)] if many else order[:0]


def _cutoff(correlation_g: np.ndarray, gain_g: np.ndarray) -> float:
    """Correlation at which the root of the gain, as a straight line, passes one half; 0 where the line does not rise"""
    known = ~np.isnan(gain_g)
    slope, start = np.polyfit(correlation_g[known], np.sqrt(np.maximum(gain_g[known], 0)), 1)
    return float(max((0.5 - start) / slope, 0.0)) if slope > 1e-9 else 0.0


def _line(correlation_g, first_g, best_g, cutoff) -> tuple[float, float]:
    """Start and slope of ``log(first / best)^2`` by the correlation."""
    known = ~np.isnan(best_g) & (correlation_g > cutoff)
    if known.sum() < 3 or np.ptp(correlation_g[known]) < 1e-6:
        return (float(np.nanmean(np.log(first_g[known] / best_g[known]) ** 2)) if known.any() else 0.0), 0.0
    slope, start = np.polyfit(correlation_g[known], np.log(first_g[known] / best_g[known]) ** 2, 1)
    return float(start), float(slope)
