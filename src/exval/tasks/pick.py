"""The rule by which predictions choose a method, and how good the choice is on cells that had no say in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from exval.bench.intervals import MIN_UNITS, Interval, verdict
from exval.metrics.classification import macro_f1
from exval.progress import track
from exval.tasks.annotate import difference, ranking
from exval.tasks.crossval import OutOfFold
from exval.tasks.splits import Splits


@dataclass(frozen=True)
class Pick:
    """What the rule made of some held-out cells.

    Parameters
    ----------
    chosen
        The method taken.
    best
        The one that the others were held against; ``chosen`` is it or a cheaper equal.
    ranked
        Macro-F1 of every method, best first.
    against
        Method -> difference from ``best`` and its verdict.
    unclear
        A run or an embedding that led without being clearly better than ``best``; else empty.
    """

    chosen: str
    best: str
    ranked: pd.Series
    against: dict[str, tuple[Interval, str]]
    unclear: str = ""


def pick(found: OutOfFold, titles: list[str], rows: np.ndarray, splits: Splits) -> Pick:
    """The best by macro-F1, or the cheapest of those that tie with it.

    A run or an embedding (anything prepared before, at a cost that may be unknown) has to be *better* than the best
    simple method, with an interval that says so; it is not taken for a lead that may be chance.

    Parameters
    ----------
    found
        Predictions and costs.
    titles
        Who takes part.
    rows
        The cells that decide.
    splits
        Who was held out: the units of the intervals.
    """
    ranked, seconds = ranking(found, titles, rows), found.cost().seconds
    prepared = {name for name in titles if found.spent.get(name, 0.0) != 0}
    simple = next((name for name in ranked.index if name not in prepared), ranked.index[0])
    best, unclear = simple, ""
    for name in ranked.index[: ranked.index.get_loc(simple)]:  # runs and embeddings that lead
        if _held(found, name, simple, rows, splits)[1] == "better":
            best = name
            break
        unclear = unclear or name
    unclear = unclear if best == simple else ""
    against = {name: _held(found, name, best, rows, splits) for name in ranked.index if name != best}
    equals = [n for n, (_, said) in against.items() if said == "tie" and (n not in prepared or best in prepared)]
    cost = {name: np.inf if np.isnan(seconds[name]) else seconds[name] for name in [best, *equals]}
    return Pick(min(cost, key=cost.get), best, ranked, against, unclear)


def _held(found: OutOfFold, name: str, other: str, rows: np.ndarray, splits: Splits) -> tuple[Interval, str]:
    gap = difference(found, name, other, rows, splits)
    return gap, verdict(gap.value, gap.lo, gap.hi)


def blind_score(
    found: OutOfFold, titles: list[str], rows: np.ndarray, splits: Splits
) -> tuple[float, list[str]] | None:
    """Macro-F1 of choosing by the rule, on cells that had no say: each fold is answered by what the others choose.

    Returns
    -------
    value
        Pooled over folds, averaged over repeats.
    chosen
        What the others chose, a name for every fold.

    None where the rule cannot be followed without a fold: all donors allow an interval and the others alone do not.
    """
    answers, chosen = [], []
    if splits.groups_n is not None and len(set(splits.groups_n[rows])) >= MIN_UNITS:
        units = [len(set(splits.groups_n[np.setdiff1d(rows, fold.test)])) for fold in splits.folds]
        if min(units) < MIN_UNITS:
            return None
    for fold in track(splits.folds, "Scoring the choice"):
        rest, own = np.setdiff1d(rows, fold.test), np.intersect1d(rows, fold.test)
        if not len(rest) or not len(own):
            continue
        chosen.append(pick(found, titles, rest, splits).chosen)
        table = found.of(chosen[-1])
        answers.append(table[table.row.isin(own) & (table.seed == fold.seed)])
    table = pd.concat(answers)
    scores = [macro_f1(part.truth.to_numpy(), part.prediction.to_numpy()) for _, part in table.groupby("seed")]
    return float(np.mean(scores)), chosen
