"""Do groups of patients differ in survival? The log-rank test."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.checks import check_survival


def codes(names_n: np.ndarray, n: int, what: str = "group") -> np.ndarray:
    """0, 1, ... for names in sorted order, or an :class:`~exval.errors.InputError` where one is missing.

    Examples
    --------
    >>> codes(["b", "a", "b"], 3).tolist()
    [1, 0, 1]
    """
    import pandas as pd

    if np.shape(names_n) != (n,):
        raise InputError(f"{what} has the shape {np.shape(names_n)}, but there are {n} patients: give one a patient")
    code_n, _ = pd.factorize(pd.Series(names_n), sort=True)
    missing = int((code_n < 0).sum())
    if missing:
        raise InputError(f"{missing} of {n} patients have no {what}: leave them out or name it")
    return code_n


def logrank(time_n: np.ndarray, event_n: np.ndarray, group_n: np.ndarray) -> tuple[float, float]:
    r"""Log-rank test that two or more groups of patients have one survival curve.

    With :math:`O_k` the events of group k and :math:`E_k` those expected where every event time's events fall on its
    patients at risk at random, :math:`Z = O - E` without one group, and V its hypergeometric covariance, the statistic
    :math:`Z^T V^{-1} Z` has a chi-square distribution with one degree of freedom less than there are groups (Mantel
    1966; Kalbfleisch and Prentice 2002, 1.5). The figures are those of scikit-survival's ``compare_survival``.

    Parameters
    ----------
    time_n, event_n
        See :func:`~exval.metrics.survival.checks.check_survival`.
    group_n
        (n,) names or numbers. Groups made by a risk have to come from a cut-off that these patients did not choose.

    Returns
    -------
    statistic, p_value
        Two-sided.

    Raises
    ------
    InputError
        Fewer than two groups with somebody at risk when an event happened. A further group with nobody at risk is left
        out, as in R's ``survdiff``.

    Examples
    --------
    >>> statistic, p = logrank([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1], list("aaabbb"))
    >>> round(statistic, 3), round(p, 3)
    (5.052, 0.025)
    """
    from scipy.special import chdtrc

    time_n, event_n = check_survival(time_n, event_n)
    group_n = codes(group_n, len(time_n))
    times_t = np.unique(time_n[event_n])
    k = group_n.max() + 1
    at_risk_kt = np.stack([(time_n[group_n == i, None] >= times_t).sum(0) for i in range(k)]).astype(np.float64)
    observed_k = np.bincount(group_n[event_n], minlength=k)
    total_t, events_t = at_risk_kt.sum(0), np.bincount(np.searchsorted(times_t, time_n[event_n]))
    share_kt = at_risk_kt / total_t
    expected_k = share_kt @ events_t
    kept = np.flatnonzero(expected_k > 0)
    if len(kept) < 2:
        raise InputError(f"{k} group{'s' if k > 1 else ''} of patients, {len(kept)} with somebody at risk at an event: "
                         "a log-rank test compares at least two")  # fmt: skip
    spread_t = np.divide(events_t * (total_t - events_t), total_t - 1, out=np.zeros(len(times_t)), where=total_t > 1)
    share_kt = share_kt[kept[:-1]]
    covariance = np.diag(share_kt @ spread_t) - (share_kt * spread_t) @ share_kt.T
    gap = (observed_k - expected_k)[kept[:-1]]
    statistic = float(gap @ np.linalg.pinv(covariance, hermitian=True) @ gap)
    return statistic, float(chdtrc(len(kept) - 1, max(statistic, 0.0)))
