"""Area under the ROC curve of "had the event by time t", from censored times."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.censoring import censoring_weights
from exval.metrics.survival.checks import check_risk, check_survival, check_times
from exval.metrics.survival.concordance import BLOCK, outranks
from exval.metrics.survival.nonparametric import kaplan_meier


def cumulative_dynamic_auc(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time_n: np.ndarray,
    event_n: np.ndarray,
    risk_n_or_nt: np.ndarray,
    times_t: np.ndarray,
) -> tuple[np.ndarray, float]:
    r"""Cumulative/dynamic AUC at given times, and its mean over them.

    Cases at t are patients with the event by t, each weighted by :math:`1 / G(t_i)`; controls are those followed beyond
    t. The AUC is the weighted share of pairs of a case and a control in which the case has the higher risk, tied risks
    counting half. The mean weighs each time by the drop of the test patients' Kaplan-Meier curve since the time before.

    Uno et al. 2007, J. Am. Stat. Assoc. 102:527; Hung and Chiang 2010, Can. J. Stat. 38:8; the mean: Lambert and
    Chevret 2016, Stat. Methods Med. Res. 25:2088. The figures are those of scikit-survival's
    ``cumulative_dynamic_auc``.

    Parameters
    ----------
    train_time, train_event
        Training patients, from whom :func:`~exval.metrics.survival.censoring.censoring_survival` estimates G.
    time_n, event_n
        Test patients.
    risk_n_or_nt
        (n,) one risk a patient, or (n, t) one for each time, such as 1 - S(t).
    times_t
        (t,) strictly increasing, within the test follow-up; see
        :func:`~exval.metrics.survival.censoring.default_times`.

    Returns
    -------
    auc_t, mean_auc
        (t,) and a number.

    Raises
    ------
    InputError
        Times outside the test follow-up, a time before the first event (no cases), a case at a time at which the
        training patients do not give G, missing risks.

    Examples
    --------
    >>> time, event = [1.0, 2.0, 3.0, 4.0], [True, True, True, True]
    >>> auc, mean = cumulative_dynamic_auc(time, event, time, event, [4.0, 1.0, 2.0, 3.0], [1.0, 2.0])
    >>> auc.tolist(), mean
    ([1.0, 0.5], 0.75)
    """
    time_n, event_n = check_survival(time_n, event_n, whose="test")
    n = len(time_n)
    times_t = check_times(times_t, time_n)
    risk = check_risk(risk_n_or_nt, n, by_time=True)
    if risk.ndim == 2 and risk.shape[1] != len(times_t):
        raise InputError(f"risk has {risk.shape[1]} columns for {len(times_t)} times: give one a time, or one in all")
    rows_e = np.flatnonzero(event_n & (time_n <= times_t[-1]))
    if not (time_n[rows_e] <= times_t[0]).any():
        raise InputError(f"no test patient had the event by the time {times_t[0]:g}: an AUC needs cases, choose later "
                         "times")  # fmt: skip
    weight_e = censoring_weights(train_time, train_event, time_n[rows_e])
    case_te = (time_n[rows_e] <= times_t[:, None]) * weight_e
    control_tn = (time_n > times_t[:, None]).astype(np.float64)
    if risk.ndim == 1:
        above_t = _above(case_te, control_tn, risk[rows_e], risk)
    else:
        columns = range(len(times_t))
        above_t = np.concatenate([_above(case_te[[i]], control_tn[[i]], risk[rows_e, i], risk[:, i]) for i in columns])
    auc_t = above_t / (case_te.sum(1) * control_tn.sum(1))
    drop_t = -np.diff(kaplan_meier(time_n, event_n)(times_t), prepend=1.0)
    return auc_t, float(auc_t @ drop_t / drop_t.sum())


def _above(case_te: np.ndarray, control_tn: np.ndarray, risk_e: np.ndarray, risk_n: np.ndarray) -> np.ndarray:
    """(t,) weight of the pairs in which the case has the higher risk, a block of cases at a time."""
    total_t = np.zeros(len(case_te))
    step = max(1, BLOCK // len(risk_n))
    for start in range(0, len(risk_e), step):
        part = slice(start, start + step)
        share_te = control_tn @ outranks(risk_e[part], risk_n).T
        total_t += np.einsum("te,te->t", case_te[:, part], share_te)
    return total_t
