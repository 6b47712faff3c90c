"""Folds that keep patients (or sites) together and events balanced, and the times at which everything is scored."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from exval.errors import InputError
from exval.metrics.survival import censoring_survival, default_times
from exval.tasks.splits import Splits, make_splits
from exval.tasks.survival.cohort import Cohort

POINTS = 50
NICE = {
    "month": (1, 2, 3, 6, 9, 12, 18, 24, 30, 36, 48, 60, 84, 120, 180, 240),
    "day": (30, 60, 90, 180, 365, 730, 1095, 1825, 3650),
    "year": (0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20),
    "week": (4, 8, 13, 26, 52, 104, 156, 260, 520),
}


def survival_splits(cohort: Cohort, folds: int = 5, repeats: int = 1, seed: int = 0) -> Splits:
    """Folds stratified by event that never part a patient, or the column split by.

    Parameters
    ----------
    cohort
        Of n samples.
    folds, repeats, seed
        As for :func:`exval.tasks.splits.make_splits`.

    Raises
    ------
    InputError
        More folds than events.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> source = exval.open_source(simulated_patients(60, 20), missing=True)
    >>> splits = survival_splits(read_cohort(source, time="os_months", event="os_event"), folds=3)
    >>> splits.unit, [len(fold.test) for fold in splits.folds]
    ('patient', [20, 20, 20])
    """
    event_n = cohort.event_n
    events = int(event_n.sum())
    if folds > events:
        raise InputError(f"{folds} folds, but only {events} events: every fold needs one; give fewer --folds")
    least = min(events, len(event_n) - events)
    labels = np.where(event_n, "event", "censored").astype(object) if least >= max(folds, 2) else None
    return make_splits(
        len(event_n), labels_n=labels, groups_n=cohort.group_n, name=cohort.split_by or "patient", folds=folds,
        repeats=repeats, seed=seed, min_cells=2,
    )  # fmt: skip


def common_times(time_n: np.ndarray, event_n: np.ndarray, training: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Times at which every fold can be scored: 50, from the 10th to the 80th percentile of the event times.

    Parameters
    ----------
    time_n, event_n
        Of all patients who are scored.
    training
        Rows of each fold's training patients: beyond their last follow-up there are no weights.

    Raises
    ------
    InputError
        No such times.

    Examples
    --------
    >>> common_times(np.arange(1.0, 12.0), np.ones(11, bool)).round(1)[[0, -1]].tolist()
    [2.0, 9.0]
    """
    times_t = default_times(time_n, event_n, time_n, event_n, n=POINTS)
    last = times_t[-1]
    for rows in training:
        curve = censoring_survival(time_n[rows], event_n[rows])
        end = curve.times_t[-1] if curve.values_t[-1] > 0 else np.nextafter(curve.times_t[-1], 0)
        last = min(last, float(end))
    if last <= times_t[0]:
        raise InputError(
            f"the training patients of one fold are followed no longer than {last:g}, and the first tenth of the "
            f"events is at {times_t[0]:g}: use fewer folds, or another --split-by"
        )
    return np.linspace(times_t[0], last, POINTS)


def pick_horizons(
    times_t: np.ndarray, column: str, time_n: np.ndarray, event_n: np.ndarray, asked: Sequence[float] | None = None
) -> tuple[float, ...]:
    """The three times at which survival is told in numbers.

    Parameters
    ----------
    times_t
        Times at which the patients can be scored.
    column
        Name of the column of times: one that says months, days, weeks or years gets times that people speak of.
    time_n, event_n
        Of the patients.
    asked
        What the user wants instead.

    Raises
    ------
    InputError
        A time asked for that is not within the follow-up.

    Examples
    --------
    >>> event = np.ones(100, bool)
    >>> pick_horizons(np.linspace(5, 70, 50), "os_months", np.linspace(1, 90, 100), event)
    (24.0, 48.0, 60.0)
    """
    low, high = float(times_t[0]), float(times_t[-1])
    if asked:
        wanted = sorted({float(one) for one in asked})
        out = [one for one in wanted if not low <= one <= high]
        if out:
            raise InputError(
                f"--horizons: {out[0]:g} cannot be scored; the follow-up of these patients allows {low:.3g} to "
                f"{high:.3g}"
            )
        return tuple(wanted)
    middle = np.quantile(time_n[event_n], (0.25, 0.5, 0.75)).clip(low, high)
    word = re.search(r"month|day|year|week|_mo\b|_yr", column, re.I)
    kind = {"_mo": "month", "_yr": "year"}.get(word.group().lower(), word.group().lower()) if word else ""
    nice = [float(one) for one in NICE.get(kind, ()) if low <= one <= high]
    if len(nice) >= 3:
        found: list[float] = []
        for one in middle:
            left = [x for x in nice if x not in found]
            found.append(min(left, key=lambda x: abs(np.log(x / one))))
        return tuple(sorted(found))
    digits = [float(f"{one:.2g}") for one in middle]
    fits = all(low <= one <= high for one in digits) and len(set(digits)) == 3
    return tuple(digits if fits else sorted({float(one) for one in middle}))
