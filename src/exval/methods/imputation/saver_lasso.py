"""Poisson LASSO of many genes on shared predictors: active sets, Newton steps, warm starts."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dposv

#: Cells whose second derivatives are looked at.
CURVATURE_CELLS = 4000
#: Largest linear predictor: exp(30) is beyond any count.
CEILING = 30.0


class Rows:
    """Predictors as rows, and room to work on some of them without asking the system for memory each time.

    Parameters
    ----------
    rows_pn
        (p, n) C-contiguous, standardised; float32 for speed or float64.
    most
        Rows used at a time at most.
    sample
        Cells whose second derivatives are looked at, where there are more of them: drawn at random, always the same
        ones; the gradient sees all cells, so that they decide on the speed alone.
    """

    def __init__(self, rows_pn: np.ndarray, most: int = 300, sample: int = CURVATURE_CELLS) -> None:
        self.rows_pn = rows_pn
        self.most = min(most, len(rows_pn))
        n = rows_pn.shape[1]
        self.sample_m = np.sort(np.random.default_rng(0).permutation(n)[:sample]) if n > 1.5 * sample else None
        self._taken, self._scaled = (np.empty((self.most, rows_pn.shape[1]), rows_pn.dtype) for _ in range(2))

    def take(self, index: np.ndarray) -> np.ndarray:
        """(a, n) some of the rows; overwritten by the next call."""
        return np.take(self.rows_pn, index, axis=0, out=self._taken[: len(index)], mode="clip")

    def scaled(self, rows_am: np.ndarray, factor_m: np.ndarray) -> np.ndarray:
        """(a, m) rows times a factor for each cell; overwritten by the next call."""
        return np.multiply(rows_am, factor_m, out=self._scaled.ravel()[: rows_am.size].reshape(rows_am.shape))


class PoissonLasso:
    """One gene's fit, moved along a sequence of penalties.

    Minimises ``sum_i w_i (exp(eta_i) - y_i eta_i) / sum_i w_i + lam sum_j |beta_j|`` with
    ``eta = b0 + beta' rows``, as glmnet does for ``family = "poisson"`` (Friedman, Hastie and Tibshirani 2010). Each
    :meth:`step` takes the predictors whose gradient exceeds the penalty into the working set and repeats Newton steps
    within signs: the quadratic model is solved for the coefficients that keep their sign, those that would cross zero
    are set to zero. A step that does not lower the objective is halved.

    Parameters
    ----------
    y_n
        (n,) response, not negative, with a weighted mean above zero; of the precision of the rows.
    weight_n
        (n,) 0 for cells left out (they are predicted, but not fitted); None: all count.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows_pn = rng.standard_normal((3, 400)).astype(np.float32)
    >>> fit = PoissonLasso(rng.poisson(np.exp(0.5 * rows_pn[1])).astype(np.float32))
    >>> fit.solve(Rows(rows_pn), 0.05)
    >>> fit.index.tolist(), bool(0.3 < fit.beta[0] < 0.5)
    ([1], True)
    """

    __slots__ = ("b0", "beta", "eta_n", "index", "left_n", "weight_n", "y_n")

    def __init__(self, y_n: np.ndarray, weight_n: np.ndarray | None = None) -> None:
        self.weight_n = None if weight_n is None else (weight_n / weight_n.mean()).astype(y_n.dtype)
        self.y_n = y_n
        mean = float(y_n.mean() if weight_n is None else (y_n * self.weight_n).mean())
        self.b0 = float(np.log(mean))
        self.index, self.beta = np.zeros(0, dtype=np.intp), np.zeros(0)
        self.eta_n = np.full(len(y_n), self.b0, y_n.dtype)
        self.left_n = self._left(np.exp(self.eta_n))

    def _left(self, mu_n: np.ndarray) -> np.ndarray:
        """(n,) derivative of the loss by eta, weighted."""
        left_n = mu_n - self.y_n
        return left_n if self.weight_n is None else left_n * self.weight_n

    def _objective(self, eta_n: np.ndarray, mu_n: np.ndarray) -> float:
        loss_n = mu_n - self.y_n * eta_n
        total = np.add.reduce(loss_n) if self.weight_n is None else np.dot(loss_n, self.weight_n)
        return float(total) / len(loss_n)

    def solve(self, rows: Rows, lam: float, own: int = -1, rounds: int = 20, tolerance: float = 1e-3) -> None:
        """Steps at one penalty until no predictor outside the working set exceeds it (for a single gene)."""
        for _ in range(rounds):
            gradient_p = np.abs(rows.rows_pn @ self.left_n) / len(self.y_n)
            if own >= 0:
                gradient_p[own] = 0
            self.step(rows, lam, gradient_p, tolerance)
            if (gradient_p <= lam * (1 + tolerance)).all():
                break

    def step(self, rows: Rows, lam: float, gradient_p: np.ndarray, tolerance: float = 0.02) -> None:
        """Solve for the predictors in use and those whose gradient is above ``lam``, at most ``rows.most`` in all.

        Parameters
        ----------
        rows
            The predictors.
        lam
            The penalty.
        gradient_p
            (p,) absolute gradient at the present state, zero at predictors that may not enter; changed in place.
        tolerance
            Share of the penalty by which the optimality conditions may be missed.
        """
        n = len(self.y_n)
        gradient_p[self.index] = 0
        new = np.flatnonzero(gradient_p > lam)
        room = max(rows.most - len(self.index), 0)
        if len(new) > room:
            new = new[np.argsort(-gradient_p[new], kind="stable")[:room]]
        index = np.concatenate([self.index, new])
        if not len(index):
            return
        rows_an = rows.take(index)
        beta_a = np.concatenate([self.beta, np.zeros(len(new))])
        b0, eta_n = self.b0, self.eta_n
        mu_n = np.exp(eta_n)
        value = self._objective(eta_n, mu_n) + lam * np.abs(beta_a).sum()
        model, stuck = None, 0
        for turn in range(25):
            gradient_a = (rows_an @ self.left_n).astype(np.float64) / n
            gradient_0 = float(np.add.reduce(self.left_n)) / n
            active_a = beta_a != 0
            miss = np.where(active_a, np.abs(gradient_a + lam * np.sign(beta_a)), np.abs(gradient_a) - lam)
            if max(miss.max(), abs(gradient_0)) <= tolerance * lam:
                break
            if model is None or turn % 3 == 0:
                model = self._curvature(rows, rows_an, mu_n)
            sign_a = np.where(active_a, np.sign(beta_a), -np.sign(gradient_a))
            sign_a[~active_a & (miss <= 0)] = 0
            target_a, shift = _newton(model, beta_a, sign_a, gradient_a, gradient_0, lam)
            move_a = target_a - beta_a
            move_n = move_a.astype(eta_n.dtype) @ rows_an + eta_n.dtype.type(shift)
            share = 1.0
            while True:
                eta = np.minimum(eta_n + eta_n.dtype.type(share) * move_n, eta_n.dtype.type(CEILING))
                mu = np.exp(eta)
                beta = target_a if share == 1.0 else beta_a + share * move_a
                got = self._objective(eta, mu) + lam * np.abs(beta).sum()
                if got <= value or share < 0.05:
                    break
                share /= 2
            # the precision of the objective is used up: what is left of the conditions cannot be mended
            stuck = stuck + 1 if got > value - 1e-7 * abs(value) else 0
            if got > value + 1e-6 * abs(value) or stuck == 3:
                break
            beta_a, b0, eta_n, mu_n, value = beta, b0 + share * shift, eta, mu, got
            self.left_n = self._left(mu_n)
        kept = beta_a != 0
        self.index, self.beta, self.b0, self.eta_n = index[kept], beta_a[kept], b0, eta_n

    def _curvature(self, rows: Rows, rows_an: np.ndarray, mu_n: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Second derivatives by the coefficients (intercept profiled out), and what leads back to the intercept."""
        weight_n = mu_n if self.weight_n is None else mu_n * self.weight_n
        if rows.sample_m is not None:
            rows_an, weight_n = np.take(rows_an, rows.sample_m, axis=1), weight_n[rows.sample_m]
        n = len(weight_n)
        scaled_an = rows.scaled(rows_an, np.sqrt(weight_n))
        second_aa = (scaled_an @ scaled_an.T).astype(np.float64) / n
        with_0 = (rows_an @ weight_n).astype(np.float64) / n
        of_0 = max(float(np.add.reduce(weight_n)) / n, 1e-12)
        second_aa -= np.outer(with_0, with_0) / of_0
        second_aa.ravel()[:: len(second_aa) + 1] *= 1 + 1e-5
        second_aa.ravel()[:: len(second_aa) + 1] += 1e-7 * of_0
        return second_aa, with_0, of_0


def _newton(model, beta_a, sign_a, gradient_a, gradient_0, lam) -> tuple[np.ndarray, float]:
    """Minimum of the quadratic model in the orthant of the signs, and the move of the intercept."""
    second_aa, with_0, of_0 = model
    aim_a = second_aa @ beta_a - gradient_a + with_0 * (gradient_0 / of_0) - lam * sign_a
    free = np.flatnonzero(sign_a)
    out = np.zeros_like(beta_a)
    while len(free):
        whole = len(free) == len(out)
        _, found, fault = dposv(second_aa if whole else second_aa[np.ix_(free, free)], aim_a[free], lower=1)
        if fault:
            ridge = second_aa[np.ix_(free, free)]
            ridge[np.diag_indices_from(ridge)] *= 1.01
            found = np.linalg.lstsq(ridge, aim_a[free], rcond=None)[0]
        crossed = found * sign_a[free] < 0
        if not crossed.any():
            out[free] = found
            break
        free = free[~crossed]
    return out, -(gradient_0 + float(with_0 @ (out - beta_a))) / of_0


def follow(
    rows: Rows,
    fits: list[PoissonLasso],
    own_q: np.ndarray,
    lam_q: np.ndarray,
    tolerance: float = 0.02,
    rounds: int = 1,
) -> None:
    """Move several fits to their next penalty; the gradients by all predictors are one matrix product.

    Parameters
    ----------
    rows
        The predictors.
    fits
        q fits; changed in place.
    own_q
        (q,) row of the gene itself among the predictors, -1 where it is not among them.
    lam_q
        (q,) penalties.
    tolerance
        As in :meth:`PoissonLasso.step`.
    rounds
        How often predictors are let in; more than one where the result is to be used.
    """
    for turn in range(rounds):
        left_nq = np.stack([fit.left_n for fit in fits]).T
        gradient_qp = np.ascontiguousarray(np.abs(rows.rows_pn @ left_nq).T) / len(left_nq)
        has = np.flatnonzero(own_q >= 0)
        gradient_qp[has, own_q[has]] = 0
        for q, fit in enumerate(fits):
            column_p = gradient_qp[q]
            if turn:
                column_p[fit.index] = 0
                if not (column_p > lam_q[q] * (1 + tolerance)).any():
                    continue
            fit.step(rows, lam_q[q], column_p, tolerance)
