"""How good risks and curves are, over all folds at once: what may be pooled is, what may not stays within its fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.bench.intervals import Interval, mean_interval
from exval.bench.survival_intervals import c_interval
from exval.errors import InputError
from exval.metrics.survival import cumulative_dynamic_auc, d_calibration, harrell_c, kaplan_meier, uno_c
from exval.metrics.survival.censoring import censoring_weights
from exval.tasks.survival.crossval import Answers


@dataclass
class Judge:
    """Scores answers of any method about the same patients.

    Pairs of patients (C, AUC) count within a fold only, since risks of two models are not comparable; probabilities
    (Brier, calibration) are, and are pooled over folds. Weights for censoring come from the training patients of each
    fold; of an external cohort, whose follow-up is its own, from itself.

    Parameters
    ----------
    time_m, event_m
        Outcome of the patients scored.
    model_m
        Whose model gave the answer (fold and repeat).
    unit_m
        What an interval draws: patient or site.
    censoring
        Model -> times and events of the patients from whom the weights are estimated.
    times_t, horizons
        Common times, and the three that are told in numbers.
    seed
        Of the bootstrap.
    seed_m
        Repeat of each answer.

    Examples
    --------
    >>> time, event = np.arange(1.0, 41.0), np.arange(40) % 3 > 0
    >>> same = np.zeros(40, dtype=int)
    >>> judge = Judge(time, event, same, np.arange(40), {0: (time, event)}, np.array([5.0, 20.0]), (9.0,), 0, same)
    >>> judge.c(-time).value
    1.0
    """

    time_m: np.ndarray
    event_m: np.ndarray
    model_m: np.ndarray
    unit_m: np.ndarray
    censoring: dict
    times_t: np.ndarray
    horizons: tuple[float, ...]
    seed: int
    seed_m: np.ndarray

    def __post_init__(self) -> None:
        m, t = len(self.time_m), len(self.times_t)
        self._before_mt, self._after_mt = np.zeros((m, t)), np.zeros((m, t))
        for model, rows in self._models():
            train_time, train_event = self.censoring[model]
            time, event = self.time_m[rows, None], self.event_m[rows, None]
            case = event & (time <= self.times_t[-1])
            own = np.zeros_like(time)
            own[case] = censoring_weights(train_time, train_event, time[case])
            self._before_mt[rows] = np.where(event & (time <= self.times_t), own, 0.0)
            self._after_mt[rows] = (time > self.times_t) * censoring_weights(train_time, train_event, self.times_t)

    def _models(self):
        for model in dict.fromkeys(self.model_m):
            yield model, np.flatnonzero(self.model_m == model)

    def c(self, risk_m: np.ndarray, other_m: np.ndarray | None = None) -> Interval:
        """Harrell's C with its interval, or the paired difference of two."""
        return c_interval(self.time_m, self.event_m, risk_m, other_m, self.unit_m, self.model_m, seed=self.seed)

    def c_of_folds(self, risk_m: np.ndarray) -> dict:
        """Model -> C among its own test patients; NaN where no two of them can be compared."""
        found = {}
        for model, rows in self._models():
            try:
                found[model] = harrell_c(self.time_m[rows], self.event_m[rows], risk_m[rows])
            except InputError:
                found[model] = float("nan")
        return found

    def uno(self, risk_m: np.ndarray) -> float:
        """Uno's C before the last common time, mean over folds weighted by their events."""
        values, weights = [], []
        for model, rows in self._models():
            try:
                value = uno_c(
                    *self.censoring[model], self.time_m[rows], self.event_m[rows], risk_m[rows], tau=self.times_t[-1]
                )
            except InputError:
                continue
            values.append(value)
            weights.append((self.event_m[rows] & (self.time_m[rows] < self.times_t[-1])).sum())
        return float(np.average(values, weights=weights)) if np.sum(weights) else float("nan")

    def auc(self, risk_m: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(t,) time-dependent AUC, mean over folds weighted by pairs of a case and a control."""
        times = np.asarray(times, dtype=np.float64)
        order = np.argsort(times, kind="stable")
        total, weight = np.zeros(len(times)), np.zeros(len(times))
        for model, rows in self._models():
            time, event = self.time_m[rows], self.event_m[rows]
            if not event.any():
                continue
            at = order[(times[order] >= time[event].min()) & (times[order] < time.max())]
            if not len(at):
                continue
            try:
                auc, _ = cumulative_dynamic_auc(*self.censoring[model], time, event, risk_m[rows], times[at])
            except InputError:
                continue
            pairs = (event & (time <= times[at, None])).sum(1) * (time > times[at, None]).sum(1)
            total[at] += auc * pairs
            weight[at] += pairs
        return np.divide(total, weight, out=np.full(len(times), np.nan), where=weight > 0)

    def mean_auc(self, auc_t: np.ndarray) -> float:
        """Mean of the AUC over the common times, weighted by the drop of the Kaplan-Meier curve of all patients."""
        drop_t = -np.diff(kaplan_meier(self.time_m, self.event_m)(self.times_t, hold=True), prepend=1.0)
        there = np.isfinite(auc_t)
        return float(np.average(auc_t[there], weights=drop_t[there])) if drop_t[there].sum() > 0 else float("nan")

    def brier_mt(self, survival_mt: np.ndarray) -> np.ndarray:
        """(m, t) terms whose mean over patients is the Brier score at each common time."""
        return self._after_mt * (1 - survival_mt) ** 2 + self._before_mt * survival_mt**2

    def integrated_m(self, survival_mt: np.ndarray) -> np.ndarray:
        """(m,) terms whose mean is the integrated Brier score."""
        span = self.times_t[-1] - self.times_t[0]
        return np.trapezoid(self.brier_mt(survival_mt), self.times_t, axis=1) / span

    def brier(self, survival_mt: np.ndarray, other_mt: np.ndarray | None = None) -> Interval:
        """Integrated Brier score with its interval, or the paired difference of two."""
        unit = np.unique(self.unit_m.astype(str), return_inverse=True)[1]
        sums = np.bincount(unit, weights=self.integrated_m(survival_mt))
        other = None if other_mt is None else np.bincount(unit, weights=self.integrated_m(other_mt))
        return mean_interval(sums, np.bincount(unit).astype(float), other, seed=self.seed)

    def calibration(self, own_m: np.ndarray) -> tuple[float, np.ndarray]:
        """p of D-calibration, the median over repeats, and the share of patients in each tenth of survival."""
        found = [d_calibration(self.time_m[rows], self.event_m[rows], own_m[rows]) for rows in self._repeats()]
        return float(np.median([p for p, _ in found])), np.mean([share for _, share in found], axis=0)

    def _repeats(self):
        return [np.flatnonzero(self.seed_m == seed) for seed in dict.fromkeys(self.seed_m)]

    def figures(self, one: Answers, null: Answers | None = None) -> dict[str, float]:
        """Every figure but the intervals: ``uno_c, mean_auc, auc@..., integrated_brier, scaled_brier,
        d_calibration_p``."""
        auc_t = self.auc(one.risk_m, self.times_t)
        found = {"uno_c": self.uno(one.risk_m), "mean_auc": self.mean_auc(auc_t)}
        found |= {f"auc@{h:g}": float(v) for h, v in zip(self.horizons, self.auc(one.risk_m, self.horizons))}
        ibs = float(self.integrated_m(one.survival_mt).mean())
        found["integrated_brier"] = ibs
        if null is not None:
            found["scaled_brier"] = 1 - ibs / float(self.integrated_m(null.survival_mt).mean())
        found["d_calibration_p"] = self.calibration(one.own_m)[0]
        return found

    def over_time(self, one: Answers) -> dict[str, np.ndarray]:
        """``time, auc, brier``, arrays over the common times."""
        return {"time": self.times_t, "auc": self.auc(one.risk_m, self.times_t),
                "brier": self.brier_mt(one.survival_mt).mean(0)}  # fmt: skip
