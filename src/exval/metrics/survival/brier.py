"""Squared error of survival probabilities, from censored times."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.censoring import censoring_weights
from exval.metrics.survival.checks import check_curves, check_survival, check_times


def brier_scores(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time_n: np.ndarray,
    event_n: np.ndarray,
    survival_nt: np.ndarray,
    times_t: np.ndarray,
) -> np.ndarray:
    r"""Brier score at given times, weighted for censoring; lower is better, S = 1/2 for everybody is about 0.25.

    .. math:: B(t) = \frac{1}{n} \sum_i \frac{S_i(t)^2}{G(t_i)} [t_i \le t, \text{event}]
        + \frac{(1 - S_i(t))^2}{G(t)} [t_i > t]

    Graf et al. 1999, Stat. Med. 18:2529. The figures are those of scikit-survival's ``brier_score``.

    Parameters
    ----------
    train_time, train_event
        Training patients, from whom :func:`~exval.metrics.survival.censoring.censoring_survival` estimates G.
    time_n, event_n
        Test patients.
    survival_nt
        (n, t) probability of having no event up to each time; (n,) for one time.
    times_t
        (t,) strictly increasing, within the test follow-up; see
        :func:`~exval.metrics.survival.censoring.default_times`.

    Returns
    -------
    numpy.ndarray
        (t,).

    Raises
    ------
    InputError
        Times outside the follow-up of test or training patients, values that are no probabilities.

    Notes
    -----
    A test patient followed longer than all training patients is no error here, unlike in scikit-survival: up to
    ``times_t[-1]`` no weight at its own time is needed. Where the training patients give no weight at a time asked for,
    there is an error, where scikit-survival would leave out its patients silently if G has come to 0.

    Examples
    --------
    >>> time, event = [1.0, 2.0, 3.0], [True, True, True]
    >>> brier_scores(time, event, time, event, [0.0, 0.5, 1.0], 1.0).round(3).tolist()
    [0.083]
    """
    time_n, event_n = check_survival(time_n, event_n, whose="test")
    times_t = check_times(times_t, time_n)
    survival_nt = check_curves(survival_nt, len(time_n), len(times_t))
    weight_t = censoring_weights(train_time, train_event, times_t)
    case_n = event_n & (time_n <= times_t[-1])
    weight_n = np.zeros(len(time_n))
    weight_n[case_n] = censoring_weights(train_time, train_event, time_n[case_n])
    later_nt = time_n[:, None] > times_t
    return np.mean(np.where(later_nt, weight_t * (1 - survival_nt) ** 2, weight_n[:, None] * survival_nt**2), axis=0)


def integrated_brier(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time_n: np.ndarray,
    event_n: np.ndarray,
    survival_nt: np.ndarray,
    times_t: np.ndarray,
) -> float:
    """Mean of :func:`brier_scores` over the time from ``times_t[0]`` to ``times_t[-1]``, by the trapezoidal rule.

    Compare it with that of the training patients' Kaplan-Meier curve, which knows nothing of the patient. The figure is
    that of scikit-survival's ``integrated_brier_score``; parameters and errors are those of :func:`brier_scores`, and
    at least two times are needed.

    Examples
    --------
    >>> time, event = [1.0, 2.0, 3.0], [True, True, True]
    >>> integrated_brier(time, event, time, event, np.full((3, 2), 0.5), [1.0, 2.0])
    0.25
    """
    brier_t = brier_scores(train_time, train_event, time_n, event_n, survival_nt, times_t)
    if len(brier_t) < 2:
        raise InputError("an integrated Brier score needs at least 2 times")
    times_t = np.asarray(times_t, dtype=np.float64)
    return float(np.trapezoid(brier_t, times_t) / (times_t[-1] - times_t[0]))
