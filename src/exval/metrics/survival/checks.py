"""What every survival metric asks of its input, once, in one line each."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError

ROUNDING = 1e-6


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"the {name} are no numbers: give a numeric column") from None


def check_survival(
    time_n: np.ndarray, event_n: np.ndarray, *, events_needed: bool = True, whose: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Times as float64 and events as bool, or one line that says what is wrong with them.

    Parameters
    ----------
    time_n
        (n,) time of the event or of the censoring, above 0, in any unit of time.
    event_n
        (n,) True or 1 where the event was seen, False or 0 where the patient was censored.
    events_needed
        Refuse patients of whom none had the event. A Kaplan-Meier curve needs none, a score does.
    whose
        A word before "patients" in the messages, such as "training".

    Raises
    ------
    InputError
        No patients, unequal lengths, times that are missing or not above 0, events other than true and false, no event.

    Examples
    --------
    >>> check_survival([3, 5], [1, 0])
    (array([3., 5.]), array([ True, False]))
    >>> check_survival([3, 0], [1, 0])
    Traceback (most recent call last):
    exval.errors.InputError: 1 of 2 survival times of the patients not above 0 (the least is 0): leave these...
    """
    who = f"{whose} patients".strip()
    time_n = _numbers(time_n, f"survival times of the {who}")
    marks_n = np.asarray(event_n)
    if time_n.ndim != 1 or marks_n.shape != time_n.shape:
        raise InputError(f"the {who} have times of shape {time_n.shape} and events of shape {marks_n.shape}: "
                         "both have to be one number a patient")  # fmt: skip
    n = len(time_n)
    if not n:
        raise InputError(f"there are no {who}")
    if not np.isfinite(time_n).all():
        raise InputError(f"{int((~np.isfinite(time_n)).sum())} of {n} survival times of the {who} missing or infinite: "
                         "leave these patients out")  # fmt: skip
    low = int((time_n <= 0).sum())
    if low:
        raise InputError(f"{low} of {n} survival times of the {who} not above 0 (the least is {time_n.min():g}): leave "
                         "these patients out or correct their times")  # fmt: skip
    if marks_n.dtype != bool:
        marks_n = _numbers(marks_n, f"events of the {who}")
        if not np.isin(marks_n, (0, 1)).all():
            other = marks_n[~np.isin(marks_n, (0, 1))][0]
            raise InputError(f"an event has to be true or false, or 1 or 0, but the {who} have {other:g}: recode them")
    event_n = marks_n.astype(bool)
    if events_needed and not event_n.any():
        raise InputError(f"none of {n} {who} had the event: nothing can be learned or scored. "
                         "Is the event column inverted?")  # fmt: skip
    return time_n, event_n


def check_risk(risk_n: np.ndarray, n: int, name: str = "risk", *, by_time: bool = False) -> np.ndarray:
    """One finite float64 number a patient (and time), or an :class:`~exval.errors.InputError`.

    Examples
    --------
    >>> check_risk([1, 2], 2)
    array([1., 2.])
    """
    risk_n = _numbers(risk_n, f"values of {name}")
    if risk_n.shape[:1] != (n,) or risk_n.ndim > 1 + by_time:
        raise InputError(f"{name} has the shape {risk_n.shape}, but there are {n} patients: give one number a patient")
    if not np.isfinite(risk_n).all():
        raise InputError(f"{int((~np.isfinite(risk_n)).sum())} of {risk_n.size} values of {name} are missing or "
                         "infinite: a model has to answer for every patient")  # fmt: skip
    return risk_n


def check_times(times_t: np.ndarray, time_n: np.ndarray) -> np.ndarray:
    """Strictly increasing times at which patients with the times ``time_n`` can be scored.

    Raises
    ------
    InputError
        Missing or unsorted times (values given for them would be mixed up), or times before the first or not before
        the last follow-up, where there is nobody to compare.

    Examples
    --------
    >>> check_times(2, np.array([1.0, 5.0]))
    array([2.])
    """
    times_t = np.atleast_1d(_numbers(times_t, "times to score at"))
    if times_t.ndim != 1 or not times_t.size or not np.isfinite(times_t).all() or (np.diff(times_t) <= 0).any():
        raise InputError("the times to score at have to be finite and strictly increasing")
    first, last = time_n.min(), time_n.max()
    if times_t[0] < first or times_t[-1] >= last:
        raise InputError(f"times to score at run from {times_t[0]:g} to {times_t[-1]:g}, but the test patients were "
                         f"followed from {first:g} to {last:g}: choose times in between, before the last")  # fmt: skip
    return times_t


def check_curves(survival_nt: np.ndarray, n: int, t: int) -> np.ndarray:
    """Survival probabilities of shape (n, t), rounding errors beyond 0 and 1 cut off.

    Examples
    --------
    >>> check_curves([0.5, 1.0], 2, 1)
    array([[0.5],
           [1. ]])
    """
    survival_nt = check_risk(survival_nt, n, "survival", by_time=True)
    survival_nt = survival_nt[:, None] if survival_nt.ndim == 1 else survival_nt
    if survival_nt.shape != (n, t):
        raise InputError(f"the survival curves have the shape {survival_nt.shape}, not {(n, t)}: patients x times")
    if survival_nt.min() < -ROUNDING or survival_nt.max() > 1 + ROUNDING:
        raise InputError(f"survival probabilities run from {survival_nt.min():g} to {survival_nt.max():g}: they have "
                         "to lie within 0 and 1 (a risk is no probability)")  # fmt: skip
    return survival_nt.clip(0, 1)
