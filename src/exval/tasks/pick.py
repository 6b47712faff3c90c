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
    prepared
        Runs and embeddings, best first: what was made before, at a cost that may be unknown.
    simple
        The best of the others; empty if there is none.
    unclear
        A run or an embedding that led without being clearly better than ``best``; else empty.
    """

    chosen: str
    best: str
    ranked: pd.Series
    against: dict[str, tuple[Interval, str]]
    prepared: list[str]
    simple: str
    unclear: str

    @property
    def contests(self) -> list[tuple[str, str]]:
        """Who is held against whom in a verdict: every run or embedding against the best simple method, as the rule
        does; without any, the chosen method against the next."""
        if self.prepared and self.simple:
            return [(name, self.simple) for name in self.prepared]
        return [(self.chosen, name) for name in self.ranked.index if name != self.chosen][:1]


def pick(found: OutOfFold, titles: list[str], rows: np.ndarray, splits: Splits) -> Pick:
    """The best by macro-F1, or the cheapest of those that tie with it.

    A run or an embedding has to be *better* than the best simple method, with an interval that says so; it is not taken
    for a lead that may be chance.

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
    prepared = [name for name in ranked.index if found.spent.get(name, 0.0) != 0]
    simple = next((name for name in ranked.index if name not in prepared), "")
    leaders = [name for name in prepared if simple and ranked.index.get_loc(name) < ranked.index.get_loc(simple)]
    better = [name for name in leaders if _held(found, name, simple, rows, splits)[1] == "better"]
    best = (better or [simple or ranked.index[0]])[0]
    against = {name: _held(found, name, best, rows, splits) for name in ranked.index if name != best}
    equals = [n for n, (_, said) in against.items() if said == "tie" and (n not in prepared or best in prepared)]
    cost = {name: np.inf if np.isnan(seconds[name]) else seconds[name] for name in [best, *equals]}
    unclear = leaders[0] if leaders and not better else ""
    return Pick(min(cost, key=cost.get), best, ranked, against, prepared, simple, unclear)


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
