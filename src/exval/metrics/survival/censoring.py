"""The censoring distribution of the training patients, the weights it gives, and where they exist."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.checks import check_survival
from exval.metrics.survival.nonparametric import StepFunction, counts, product_limit


def censoring_survival(time_n: np.ndarray, event_n: np.ndarray) -> StepFunction:
    """G(t), the probability of being censored after t: Kaplan-Meier with the parts of event and censoring swapped.

    Where an event and a censoring share a time, the event comes first: its patient is no longer at risk of being
    censored, and does not count in ``at_risk_t``. G is right-continuous, and all weights here use G(t), not G(t-), as
    scikit-survival does. R's ``survAUC`` takes G(t-): figures differ only where an event and a censoring share a time.

    Parameters
    ----------
    time_n, event_n
        See :func:`~exval.metrics.survival.checks.check_survival`; no censoring at all gives 1 throughout.

    Examples
    --------
    >>> curve = censoring_survival([1.0, 2.0, 2.0, 3.0], [True, True, False, False])
    >>> curve.values_t.tolist(), curve.at_risk_t.tolist()
    ([1.0, 0.5, 0.0], [3, 2, 1])
    """
    time_n, event_n = check_survival(time_n, event_n, events_needed=False)
    times_t, events_t, censored_t, at_risk_t = counts(time_n, event_n)
    return product_limit(times_t, censored_t, at_risk_t - events_t)


def _end(curve: StepFunction) -> tuple[float, bool]:
    """The last time with weights, and whether they exist at this time itself."""
    return float(curve.times_t[-1]), bool(curve.values_t[-1] > 0)


def censoring_weights(train_time: np.ndarray, train_event: np.ndarray, times: np.ndarray) -> np.ndarray:
    """1 / G(t), the inverse probability of not being censored up to t.

    Parameters
    ----------
    train_time, train_event
        The patients that G is estimated from: training ones, never those being scored.
    times
        Any shape.

    Raises
    ------
    InputError
        A time after the last training time, or at which all training patients have been censored.

    Examples
    --------
    >>> censoring_weights([1.0, 2.0, 3.0], [True, False, True], np.array([1.0, 2.5])).tolist()
    [1.0, 2.0]
    """
    train_time, train_event = check_survival(train_time, train_event, whose="training")
    curve = censoring_survival(train_time, train_event)
    times = np.asarray(times, dtype=np.float64)
    last, closed = _end(curve)
    if times.size and (times.max() > last or (times.max() == last and not closed)):
        raise InputError(f"a weight is needed at the time {times.max():g}, but the training patients say nothing on "
                         f"censoring {'after' if closed else 'from'} {last:g}{'' if closed else ' on'}: score earlier "
                         "times only (times, tau)")  # fmt: skip
    return 1 / curve(times)


def default_times(
    train_time: np.ndarray, train_event: np.ndarray, time_n: np.ndarray, event_n: np.ndarray, n: int = 50
) -> np.ndarray:
    """Times at which every weighted score exists: AUC, Brier and its integral.

    They are evenly spaced between the 10th and the 80th percentile of the test patients' event times, cut off before
    the last test time (somebody has to be left) and before the training patients stop to tell of censoring.

    Parameters
    ----------
    train_time, train_event, time_n, event_n
        Training and test patients.
    n
        How many times, at least 2.

    Returns
    -------
    numpy.ndarray
        (n,) increasing.

    Raises
    ------
    InputError
        There are no two such times: too few events, or the training patients were not followed long enough.

    Examples
    --------
    >>> time, event = np.arange(1.0, 12.0), np.ones(11, bool)
    >>> default_times(time, event, time, event, n=3).tolist()
    [2.0, 5.5, 9.0]
    """
    if n < 2:
        raise InputError(f"at least 2 times are needed, not {n}")
    train_time, train_event = check_survival(train_time, train_event, whose="training")
    time_n, event_n = check_survival(time_n, event_n, whose="test")
    last, closed = _end(censoring_survival(train_time, train_event))
    lo, hi = np.quantile(time_n[event_n], [0.1, 0.8])
    hi = min(hi, last if closed else np.nextafter(last, 0), np.nextafter(time_n.max(), 0))
    times_t = np.linspace(lo, hi, n)
    if hi <= lo or (np.diff(times_t) <= 0).any():
        raise InputError(f"no times to score at: {int(event_n.sum())} events of test patients start at {lo:g}, the "
                         f"test ends at {time_n.max():g} and the training patients at {last:g}: use more or other "
                         "test patients")  # fmt: skip
    return times_t
