"""Choosing a setting inside the training patients: folds, and the cross-validated partial likelihood."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from exval.methods.survival.risksets import RiskSets

FOLDS = 5


def inner_folds(
    time_n: np.ndarray, event_n: np.ndarray, k: int = FOLDS, seed: int = 0, group_n: np.ndarray | None = None
) -> np.ndarray:
    """(n,) the fold of each patient, 0 to k - 1, balanced by event and by time.

    Patients with and without an event are each ordered by time; of every k that follow each other, one goes to each
    fold, by lot. Samples of one group (a patient with several) go where its first one goes.

    Examples
    --------
    >>> event = np.array([True] * 5 + [False] * 10)
    >>> fold = inner_folds(np.arange(15.0) + 1, event)
    >>> np.bincount(fold[event]).tolist(), np.bincount(fold).tolist()
    ([1, 1, 1, 1, 1], [3, 3, 3, 3, 3])
    """
    rng = np.random.default_rng([seed, 5, k])
    fold_n = np.zeros(len(time_n), dtype=int)
    for seen in (True, False):
        rows = np.flatnonzero(event_n == seen)
        rows = rows[np.argsort(time_n[rows], kind="stable")]
        lots = np.concatenate([rng.permutation(k) for _ in range(-(-len(rows) // k))] or [np.zeros(0, dtype=int)])
        fold_n[rows] = lots[: len(rows)]
    if group_n is None:
        return fold_n
    _, first, which_n = np.unique(group_n.astype(str), return_index=True, return_inverse=True)
    return fold_n[first][which_n]


def splits(fold_n: np.ndarray) -> Iterator[np.ndarray]:
    """The training rows of each fold."""
    for fold in np.unique(fold_n):
        yield np.flatnonzero(fold_n != fold)


def cross_validated(
    path: Callable[[np.ndarray], np.ndarray],
    time_n: np.ndarray,
    event_n: np.ndarray,
    n_settings: int,
    k: int = FOLDS,
    seed: int = 0,
    group_n: np.ndarray | None = None,
) -> tuple[int, np.ndarray]:
    """The best of several settings by the cross-validated log partial likelihood.

    The score of a fold is the likelihood of all patients minus that of the fold's training patients, both with the
    coefficients of the latter (Verweij and van Houwelingen 1993, Statistics in Medicine 12, equation 4); unlike the
    likelihood of the few patients left out, it compares them with everybody.

    Parameters
    ----------
    path
        Training rows -> (n, settings) linear predictors of *all* patients, settings from the strongest penalty to
        the weakest; a column that could not be fitted is NaN.
    time_n, event_n
        (n,) of all patients.
    n_settings
        How many settings there are.
    k, seed, group_n
        Number of folds, the seed of the lot, and what no fold may part.

    Returns
    -------
    best, scores
        The position of the best setting, and the sum of scores of each. A setting that failed in a fold is out; if a
        fold failed altogether, or all settings did, the first one, the strongest penalty, is the best.
    """
    whole = RiskSets(time_n, event_n)
    score = np.zeros(n_settings)
    for rows in splits(inner_folds(time_n, event_n, k, seed, group_n)):
        try:
            eta = path(rows)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            return 0, np.full(n_settings, np.nan)
        part = RiskSets(time_n[rows], event_n[rows])
        with np.errstate(invalid="ignore"):
            all_patients = whole.log_likelihood(eta[whole.order_n])
            score += all_patients - part.log_likelihood(eta[rows][part.order_n])
    usable = np.isfinite(score)
    if not usable.any():
        return 0, score
    best = np.flatnonzero(usable & (score >= np.nanmax(score[usable]) - 1e-7))[0]
    return int(best), score
