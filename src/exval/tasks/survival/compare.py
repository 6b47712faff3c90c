"""Who is held against whom, what may be said of it, and which method is kept for new patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exval.bench.intervals import Interval, in_words, verdict
from exval.tasks.survival.crossval import Answers
from exval.tasks.survival.lineup import CLINICAL, NULL
from exval.tasks.survival.score import Judge


@dataclass(frozen=True)
class Comparison:
    """Methods against one reference.

    Parameters
    ----------
    reference
        ``clinical`` where it is there, else ``cox``, else the cheapest other method, else ``null-survival``.
    c
        Method -> Harrell's C with its interval.
    gaps
        Method -> paired difference from the reference, with its interval; not for the reference itself.
    chosen, why
        The method kept for new patients, and the reason in words.
    rival
        The method of highest C beside reference and null; empty if there is none.
    """

    reference: str
    c: dict[str, Interval]
    gaps: dict[str, Interval]
    chosen: str
    why: str
    rival: str


def compare(
    answers: Mapping[str, Answers], judge: Judge, seconds: Mapping[str, float], barred: Sequence[str] = ()
) -> Comparison:
    """C of every method, its difference from the reference, and the choice.

    The reference is kept unless another method is clearly better: the interval of the paired difference of C lies above
    zero. Among those that are not clearly worse than the best of them, one that costs less than half is taken; what
    costs about the same, by C.

    Parameters
    ----------
    answers
        Method -> answers.
    judge
        Of the same patients.
    seconds
        Method -> CPU-seconds.
    barred
        Methods that were taught the outcome of these patients: neither chosen nor spoken of.
    """
    c = {title: judge.c(one.risk_m) for title, one in answers.items()}
    reference = _reference([title for title in answers if title not in barred], seconds)
    base = answers[reference].risk_m
    gaps = {title: judge.c(one.risk_m, base) for title, one in answers.items() if title != reference}
    rivals = [title for title in answers if title not in (reference, NULL, *barred)]
    rival = max(rivals, key=lambda title: c[title].value, default="")
    better = [title for title in rivals if gaps[title].lo > 0]
    if not better:
        why = "no other method is clearly better" if rivals else "the only method"
        return Comparison(reference, c, gaps, reference, why, rival)
    best = max(better, key=lambda title: c[title].value)
    equals = [best]
    for title in better:
        if title != best and not judge.c(answers[best].risk_m, answers[title].risk_m).lo > 0:
            equals.append(title)
    least = min(_known(seconds.get(title)) for title in equals)
    cheap = [title for title in equals if _known(seconds.get(title)) <= 2 * least]
    chosen = max(cheap, key=lambda title: c[title].value)
    why = f"clearly better than {reference}"
    why += "" if chosen == best else f", and not clearly worse than {best} at a lower cost"
    return Comparison(reference, c, gaps, chosen, why, rival)


def _reference(titles: Sequence[str], seconds: Mapping[str, float]) -> str:
    for name in (CLINICAL, "cox"):
        if name in titles:
            return name
    others = [title for title in titles if title != NULL]
    return min(others, key=lambda title: _known(seconds.get(title)), default=NULL)


def _known(value: float | None) -> float:
    return np.inf if value is None or not np.isfinite(value) else float(value)


def say(found: Comparison, seconds: Mapping[str, float], unit: str, caution: Mapping[str, str] | None = None) -> str:
    """The verdict in words: how good the reference is, what the best other method adds, and what is kept.

    Examples
    --------
    >>> one = Interval(0.61, 0.56, 0.66, 300)
    >>> found = Comparison("clinical", {"clinical": one}, {}, "clinical", "the only method", "")
    >>> say(found, {"clinical": 1.0}, "patient")
    'clinical: C 0.610 [0.560, 0.660] over 300 patients, above chance (0.5).'
    """
    own = found.c[found.reference]
    bounds = f" [{own.lo:.3f}, {own.hi:.3f}]" if np.isfinite(own.lo) else " (too few units for an interval)"
    chance = "above chance (0.5)" if own.lo > 0.5 else "which cannot be told from chance (0.5)"
    text = [f"{found.reference}: C {own.value:.3f}{bounds} over {own.n_units} {unit}s, {chance}."]
    if found.rival:
        ratio = seconds[found.rival] / max(seconds[found.reference], 1e-9)
        ratio = ratio if _known(seconds[found.rival]) < np.inf and seconds[found.reference] > 0 else None
        text.append(in_words(found.rival, found.reference, found.gaps[found.rival], unit=unit, metric="C",
                             cost_ratio=ratio, caution=(caution or {}).get(found.rival, "")))  # fmt: skip
        others = len([title for title in found.gaps if title != NULL])
        if others > 1:
            text.append(f"It is the best of {others}, told afterwards: by chance alone that looks better than it is.")
        kept = found.c[found.chosen]
        own = "" if found.chosen == found.reference or not np.isfinite(kept.lo) else (
            f"; C {kept.value:.3f} [{kept.lo:.3f}, {kept.hi:.3f}]")  # fmt: skip
        text.append(f"Kept for new patients: {found.chosen} ({found.why}{own}).")
    return " ".join(text)


def standing(gap: Interval) -> str:
    """``better``, ``tie``, ``worse`` or ``cannot tell``.

    Examples
    --------
    >>> standing(Interval(0.05, 0.01, 0.09, 100))
    'better'
    """
    return verdict(gap.value, gap.lo, gap.hi)
