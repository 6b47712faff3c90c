"""Who is at risk when: sums over risk sets by sorting and cumulative sums, with Efron's handling of ties."""

from __future__ import annotations

import numpy as np


class RiskSets:
    """The order of the patients, their risk sets and their ties, worked out once for many fits.

    Rows are sorted by time, latest first, so that the sum over a risk set is a cumulative sum. Where ``d`` patients
    have the event at one time, the l-th of them (l = 0 ... d - 1) meets a risk set that has lost ``l / d`` of the d
    (Efron 1977, JASA 72, section 3).

    Parameters
    ----------
    time_n
        (n,) times, any unit.
    event_n
        (n,) bool, True where the event was seen.

    Attributes
    ----------
    order_n
        Rows, latest time first; every array given to the methods is in this order.
    event_k
        Positions of the events within that order.
    end_k
        Position of the last member of each event's risk set.
    share_k
        Which share of the patients who die at the same time has left the risk set already; 0 without ties.

    Examples
    --------
    >>> sets = RiskSets(np.array([1.0, 2.0, 3.0]), np.array([True, True, False]))
    >>> float(sets.log_likelihood(np.zeros(3)).round(4))  # - log 3 - log 2
    -1.7918
    """

    def __init__(self, time_n: np.ndarray, event_n: np.ndarray) -> None:
        self.order_n = np.argsort(-time_n, kind="stable")
        time, event = time_n[self.order_n], event_n[self.order_n]
        n = len(time)
        self.n, self.event_n = n, event
        new = np.ones(n, dtype=bool)
        new[1:] = time[1:] != time[:-1]
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], n) - 1
        self.event_k = np.flatnonzero(event)
        group_k = (np.cumsum(new) - 1)[self.event_k]
        self.end_k = ends[group_k]
        self.time_k = time[self.event_k]
        first = np.ones(len(group_k), dtype=bool)
        first[1:] = group_k[1:] != group_k[:-1]
        self.first_m = np.flatnonzero(first)  # the first event of each of the m distinct event times
        self.tied_k = np.cumsum(first) - 1
        deaths_m = np.diff(np.append(self.first_m, len(group_k)))
        self.share_k = (np.arange(len(group_k)) - self.first_m[self.tied_k]) / np.maximum(deaths_m[self.tied_k], 1)
        self.deaths_m = deaths_m
        self.ties = bool((deaths_m > 1).any())

    def at_risk(self, value_n: np.ndarray) -> np.ndarray:
        """Sum of ``value_n`` (n, ...) over the risk set of each event, (k, ...), tied events by Efron's shares."""
        total_k = np.cumsum(value_n, axis=0)[self.end_k]
        if self.ties:
            dying_k = np.add.reduceat(value_n[self.event_k], self.first_m, axis=0)[self.tied_k]
            total_k -= self.share_k.reshape(-1, *[1] * (value_n.ndim - 1)) * dying_k
        return total_k

    def log_likelihood(self, eta_n: np.ndarray) -> np.ndarray:
        """Log partial likelihood of linear predictors (n,) or, several at once, (n, m)."""
        if not len(self.event_k):
            return np.zeros(eta_n.shape[1:])
        top = eta_n.max(axis=0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            risk_k = self.at_risk(np.exp(eta_n - top))
            return (eta_n[self.event_k] - top - np.log(risk_k)).sum(axis=0)

    def expected(self, eta_n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Relative risks, sums at risk and expected numbers of events.

        Returns
        -------
        risk_n, sum_k, expected_n
            ``exp(eta)`` over its largest value; its sum over the risk set of each event; the number of events that
            each patient was expected to have, so that ``event - expected`` is the martingale residual.
        """
        risk_n = np.exp(eta_n - eta_n.max())
        sum_k = self.at_risk(risk_n)
        hazard_k = 1.0 / sum_k
        hazard_n = np.bincount(self.end_k, weights=hazard_k, minlength=self.n)
        hazard_n = np.cumsum(hazard_n[::-1])[::-1]
        if self.ties:
            hazard_n[self.event_k] -= np.add.reduceat(self.share_k * hazard_k, self.first_m)[self.tied_k]
        return risk_n, sum_k, risk_n * hazard_n

    def derivatives(self, x_np: np.ndarray, eta_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (p,) and information (p, p), the negative Hessian, of the log partial likelihood."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            risk_n, sum_k, expected_n = self.expected(eta_n)
            mean_kp = self.at_risk(risk_n[:, None] * x_np) / sum_k[:, None]
        gradient = x_np.T @ (self.event_n - expected_n)
        return gradient, x_np.T @ (expected_n[:, None] * x_np) - mean_kp.T @ mean_kp

    def breslow(self, eta_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cumulative baseline hazard for the linear predictor 0 (Breslow 1972, JRSS B 34, discussion of Cox).

        Returns
        -------
        times, hazard
            The distinct event times, ascending, and the cumulative hazard just after each.
        """
        top = eta_n.max() if self.n else 0.0
        with np.errstate(divide="ignore", over="ignore"):
            total_m = np.cumsum(np.exp(eta_n - top))[self.end_k[self.first_m]]
            step = np.exp(np.log(self.deaths_m) - np.log(total_m) - top)
        return self.time_k[self.first_m][::-1], np.cumsum(step[::-1])
