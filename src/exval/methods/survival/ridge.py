"""Ridge Cox regression of a wide block of columns with a few unpenalised ones beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exval.methods.components import top_eigen
from exval.methods.survival.cox import CoxPH
from exval.methods.survival.inner import cross_validated
from exval.methods.survival.risksets import RiskSets

RIDGES = tuple(10.0 ** (x / 2) for x in range(8, -4, -1))
CLINICAL_RIDGE = 0.01  # an SD of 10 in log hazard: keeps a column that separates the patients finite, and no more


@dataclass
class RidgeFit:
    """What :func:`ridge_cox` found.

    Parameters
    ----------
    weights_p, weights_q
        Of the wide block's columns and of the others.
    coef_r, se_q
        Of the leading components (unit: the spread of the whole block), and the standard errors of ``weights_q``.
    share_r
        Share of the block's variance in each component.
    ridge, n_components
        What was chosen.
    scores
        Cross-validated log partial likelihood of each (components, ridge).
    """

    weights_p: np.ndarray
    weights_q: np.ndarray
    coef_r: np.ndarray
    se_q: np.ndarray
    share_r: np.ndarray
    ridge: float
    n_components: int
    scores: dict[tuple[int, float], float]


def leading_components(z_np: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions (p, r) of the centred columns and their variances (r,), largest first; empty ones are left out.

    Examples
    --------
    >>> directions, variance = leading_components(np.array([[1.0, 0.0], [-1.0, 0.0]]), 5)
    >>> directions.tolist(), variance.tolist()
    ([[1.0], [0.0]], [1.0])
    """
    x = z_np - z_np.mean(0)
    n, p = x.shape
    if p <= n:
        values, vectors = top_eigen(x.T @ x, min(most, p))
    else:
        values, left = top_eigen(x @ x.T, min(most, n))
        vectors = x.T @ left / np.sqrt(np.maximum(values, 1e-300))
    real = values > 1e-9 * max(float(values[0]) if len(values) else 0.0, 1e-12)
    vectors, values = vectors[:, real], values[real]
    largest = np.abs(vectors).argmax(0)
    vectors = vectors * np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return vectors, values / max(n, 1)


def ridge_cox(
    z_np: np.ndarray,
    c_nq: np.ndarray,
    time_n: np.ndarray,
    event_n: np.ndarray,
    *,
    components: Sequence[int] | None = None,
    ridges: Sequence[float] = RIDGES,
    folds: int = 5,
    seed: int = 0,
    group_n: np.ndarray | None = None,
) -> RidgeFit:
    """Fit, with the ridge and the number of components chosen by cross-validated partial likelihood.

    The block is turned into its principal components, divided by one common number so that their variances sum to
    one. A ridge of ``1 / s**2`` is then a prior SD of s for the whole block's log hazard, however many columns it
    has. With all components this is the ridge regression on the columns themselves. The components are those of all
    training patients, inner folds included; they do not look at the outcome.

    Parameters
    ----------
    z_np
        (n, p) penalised columns.
    c_nq
        (n, q) columns with next to no penalty.
    time_n, event_n
        (n,) outcome.
    components
        Numbers of leading components to try; None is all of them.
    ridges
        Penalties to try, strongest first.
    folds, seed, group_n
        Of the inner cross-validation, which parts no group. One combination alone is fitted without it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((100, 5))
    >>> fit = ridge_cox(z, np.zeros((100, 0)), rng.exponential(np.exp(-z[:, 0])), np.ones(100, dtype=bool))
    >>> fit.n_components, int(fit.weights_p.argmax())
    (5, 0)
    """
    most = min(z_np.shape) if components is None else max(components)
    directions, variance = leading_components(z_np, most)
    rank = len(variance)
    total = float(((z_np - z_np.mean(0)) ** 2).sum() / max(len(z_np), 1)) or 1.0
    u_nr = (z_np - z_np.mean(0)) @ directions / np.sqrt(total)
    tried = sorted({min(r, rank) for r in ([rank] if components is None else components)})
    settings = sorted(((r, ridge) for r in tried for ridge in ridges), key=lambda pair: (-pair[1], pair[0]))
    q = c_nq.shape[1]

    def penalty(r: int, ridge: float) -> np.ndarray:
        return np.concatenate([np.full(q, CLINICAL_RIDGE), np.full(r, ridge)])

    def path(rows: np.ndarray) -> np.ndarray:
        sets = RiskSets(time_n[rows], event_n[rows])
        eta = np.full((len(time_n), len(settings)), np.nan)
        for r in tried:
            x, start = np.hstack([c_nq, u_nr[:, :r]]), None
            for i in (i for i, pair in enumerate(settings) if pair[0] == r):
                cox = CoxPH(penalty(r, settings[i][1]), tol=1e-7)
                cox.fit(x[rows], time_n[rows], event_n[rows], sets=sets, start=start)
                start, eta[:, i] = cox.coef_, cox.predict(x)
        return eta

    best, scores = 0, np.full(len(settings), np.nan)
    if len(settings) > 1:
        best, scores = cross_validated(path, time_n, event_n, len(settings), folds, seed, group_n)
    r, ridge = settings[best]
    cox = CoxPH(penalty(r, ridge)).fit(np.hstack([c_nq, u_nr[:, :r]]), time_n, event_n)
    weights_p = directions[:, :r] @ cox.coef_[q:] / np.sqrt(total)
    return RidgeFit(
        weights_p, cox.coef_[:q], cox.coef_[q:], cox.se_[:q], variance[:r] / total, ridge, r,
        dict(zip(settings, scores.tolist())),
    )  # fmt: skip
