"""Kaplan-Meier and Nelson-Aalen: curves of a group of patients, with their bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.checks import check_survival

NORMAL_975 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A right-continuous curve that changes at the times of its patients only.

    Parameters
    ----------
    times_t
        (t,) all different times of the patients, censored ones included, increasing.
    values_t
        (t,) the curve from that time on.
    at_risk_t
        (t,) patients still followed just before that time.
    lo_t, hi_t
        (t,) pointwise 95 % band; NaN where its variance is not defined.
    start
        The curve before the first time: 1 for a survival, 0 for a cumulative hazard.
    """

    times_t: np.ndarray
    values_t: np.ndarray
    at_risk_t: np.ndarray
    lo_t: np.ndarray
    hi_t: np.ndarray
    start: float = 1.0

    def __call__(self, times: np.ndarray, *, hold: bool = False) -> np.ndarray:
        """The curve at any times, in their shape.

        Parameters
        ----------
        times
            A number or an array.
        hold
            Carry the last value on beyond the last time, where nobody was followed. A survival that has come down to 0
            stays there anyway.

        Raises
        ------
        InputError
            A time after the last one (without ``hold``), or a missing one.

        Examples
        --------
        >>> curve = kaplan_meier([1.0, 2.0], [True, False])
        >>> curve(np.array([0.5, 1.0, 1.9])).tolist(), float(curve(9.0, hold=True))
        ([1.0, 0.5, 0.5], 0.5)
        """
        times = np.asarray(times, dtype=np.float64)
        if np.isnan(times).any():
            raise InputError("a curve cannot be read at a missing time")
        last = self.times_t[-1]
        if not hold and self.values_t[-1] > 0 and (times > last).any():
            raise InputError(f"a curve known up to the time {last:g} cannot be read at {times.max():g}: choose earlier "
                             "times")  # fmt: skip
        return np.concatenate([[self.start], self.values_t])[np.searchsorted(self.times_t, times, side="right")]


def counts(time_n: np.ndarray, event_n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Different times, and at each of them the events, the censored patients and those at risk just before.

    Examples
    --------
    >>> [x.tolist() for x in counts(np.array([2.0, 1.0, 2.0]), np.array([True, True, False]))]
    [[1.0, 2.0], [1, 1], [0, 1], [3, 2]]
    """
    times_t, at_n = np.unique(time_n, return_inverse=True)
    total_t = np.bincount(at_n, minlength=len(times_t))
    events_t = np.bincount(at_n[event_n], minlength=len(times_t))
    return times_t, events_t, total_t - events_t, len(time_n) - np.cumsum(total_t) + total_t


def product_limit(times_t: np.ndarray, events_t: np.ndarray, at_risk_t: np.ndarray) -> StepFunction:
    """Product-limit survival with its band; see :func:`kaplan_meier`.

    Examples
    --------
    >>> product_limit(np.array([1.0]), np.array([1]), np.array([4])).values_t.tolist()
    [0.75]
    """
    left_t = at_risk_t - events_t
    some = events_t > 0
    values_t = np.cumprod(1 - np.divide(events_t, at_risk_t, out=np.zeros(len(times_t)), where=some))
    terms_t = np.divide(events_t, at_risk_t * left_t, out=np.zeros(len(times_t)), where=some & (left_t > 0))
    inner = (values_t > 0) & (values_t < 1)
    log_t = np.log(values_t, out=np.full(len(times_t), -1.0), where=inner)
    bend_t = np.exp(NORMAL_975 * np.sqrt(np.cumsum(terms_t)) / -log_t)
    flat_t = np.where(values_t > 0, values_t, np.nan)
    lo_t, hi_t = (np.where(inner, np.exp(log_t * power), flat_t) for power in (bend_t, 1 / bend_t))
    return StepFunction(times_t, values_t, at_risk_t, lo_t, hi_t)


def kaplan_meier(time_n: np.ndarray, event_n: np.ndarray) -> StepFunction:
    r"""Share of patients without the event, from censored times.

    .. math:: S(t) = \prod_{t_j \le t} (1 - d_j / n_j), \qquad
        S(t)^{\exp(\pm 1.96\, \sigma(t) / \log S(t))}, \quad
        \sigma^2(t) = \sum_{t_j \le t} \frac{d_j}{n_j (n_j - d_j)}

    with :math:`d_j` events among :math:`n_j` patients at risk (Kaplan and Meier 1958, J. Am. Stat. Assoc. 53:457;
    Greenwood's variance; band of log(-log S), Kalbfleisch and Prentice 2002, 1.4). Patients censored at the time of
    an event are still at risk at it.

    Parameters
    ----------
    time_n, event_n
        See :func:`~exval.metrics.survival.checks.check_survival`. No event at all is a flat curve.

    Returns
    -------
    StepFunction
        Its band has no width before the first event (the estimated variance is 0) and is NaN where the curve is 0
        (the variance is not defined there).

    Examples
    --------
    >>> curve = kaplan_meier([1.0, 2.0, 2.0, 3.0], [True, True, False, False])
    >>> curve.values_t.tolist(), curve.at_risk_t.tolist()
    ([0.75, 0.5, 0.5], [4, 3, 1])
    """
    time_n, event_n = check_survival(time_n, event_n, events_needed=False)
    times_t, events_t, _, at_risk_t = counts(time_n, event_n)
    return product_limit(times_t, events_t, at_risk_t)


def nelson_aalen(time_n: np.ndarray, event_n: np.ndarray) -> StepFunction:
    r"""Cumulative hazard from censored times.

    .. math:: H(t) = \sum_{t_j \le t} d_j / n_j, \qquad
        H(t) \exp(\pm 1.96\, \sigma(t) / H(t)), \quad \sigma^2(t) = \sum_{t_j \le t} d_j / n_j^2

    (Aalen 1978, Ann. Stat. 6:701; the band of log H, Kalbfleisch and Prentice 2002, 1.4.) The parameters are those of
    :func:`kaplan_meier`; the curve starts at 0.

    Examples
    --------
    >>> nelson_aalen([1.0, 2.0], [True, True]).values_t.tolist()
    [0.5, 1.5]
    """
    time_n, event_n = check_survival(time_n, event_n, events_needed=False)
    times_t, events_t, _, at_risk_t = counts(time_n, event_n)
    values_t = np.cumsum(events_t / at_risk_t)
    sd_t = np.sqrt(np.cumsum(events_t / at_risk_t**2))
    bend_t = np.exp(NORMAL_975 * np.divide(sd_t, values_t, out=np.zeros(len(times_t)), where=values_t > 0))
    return StepFunction(times_t, values_t, at_risk_t, values_t / bend_t, values_t * bend_t, start=0.0)
