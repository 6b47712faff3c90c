"""Which method for which goal on a user's own cells: unseen molecules decide, and doing nothing may win."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.methods.imputation.base import Imputer
from exval.tasks.imputing.goals import GOALS, divide
from exval.tasks.imputing.search import Search

if TYPE_CHECKING:
    from anndata import AnnData

NEVER = ("oracle", "zeros", "mean", "external", "pretrained")
"""Registered methods that are no candidates by themselves: controls, and those that need to be told more."""
COLUMNS = ("method", "score", "difference", "lo", "hi", "held_out", "held_out_difference", "false_discoveries",
           "seconds", "peak_mb", "status", "why")  # fmt: skip


@dataclass
class Recommendation:
    """What to use, and what it was held against.

    Parameters
    ----------
    method
        Registry name; ``"nothing"`` where no method is clearly better.
    goal
        What for.
    table
        One row for each candidate, best first: ``score`` on the molecules that chose; ``difference`` from nothing
        (positive is better) with its 95 % interval; ``held_out`` and ``held_out_difference`` on molecules that took no
        part in the choice (of the chosen one and of nothing); ``false_discoveries`` in the null arm; ``seconds`` of
        CPU, ``peak_mb``; ``status``: ``tried``, ``failed``, ``disqualified`` or ``not tried``; ``why``.
    sentence
        The answer in words.
    notes
        How it was found.
    score
        What the column of that name holds, in words.
    """

    method: str
    goal: str
    table: pd.DataFrame
    sentence: str
    notes: list[str] = field(default_factory=list)
    score: str = ""


def recommend(
    adata: AnnData,
    goal: str,
    methods: Sequence[str | Imputer] | None = None,
    *,
    label: str | None = None,
    seconds: float = 150,
    seed: int = 0,
    preset: str = "cpu",
    cells: int = 2000,
    genes: int = 2000,
    progress: bool = True,
) -> Recommendation:
    """Try methods on a user's cells and say which to use, without any truth.

    Molecules are divided at random, three ways (:func:`exval.tasks.imputing.molecules.split_molecules`): the methods
    see the first part, the second chooses, and the third scores what was chosen; what chose never scores. The figure
    depends on the goal (:data:`exval.tasks.imputing.goals.GOALS`):

    ``recovery``, ``plot``
        Poisson deviance of held-out molecules.
    ``clustering``
        Share of the variance of held-out values explained by clusters of the imputed ones; with ``label`` the ARI,
        cells divided in two.
    ``de``, ``markers``
        Average precision for the genes that held-out molecules show to differ (mark a type), groups from ``label`` or
        from clusters of yet other molecules. A method that finds more false discoveries in the null arm than the values
        as read (:data:`exval.tasks.imputing.null.ALLOWED`) is disqualified: its values must not be tested.
    ``trajectory``
        Kendall's tau between the pseudotimes of imputed and of held-out values from the same roots.

    ``nothing`` is always a candidate, and is recommended unless another is clearly better: the paired 95 % interval of
    the difference, over cells or genes, excludes zero, on the molecules that chose and on those that took no part. Of
    those the best is taken; the sentence names the ones that cannot be told from it.

    Parameters
    ----------
    adata
        Prepared, with ``layers["counts"]``.
    goal
        One of the above.
    methods
        Names or unfitted methods; by default all that need neither labels nor to be named (``heavy``).
    label
        Column of obs with types. No method gets it.
    seconds
        Of the clock, for everything. Methods are tried in the order of the time that a pilot on 120 cells predicts;
        those for which no time is left are listed as not tried.
    seed
        Of the division and of the methods.
    preset
        Settings of the methods.
    cells, genes
        At most so many cells, and the genes that vary most.
    progress
        Show how far it has come.

    Raises
    ------
    InputError
        Unknown goal or method, no such column, too few cells, or no two groups to compare.

    Examples
    --------
    >>> from exval.tasks.imputing.simulate import simulate
    >>> found = recommend(simulate("types", 90, 80).adata, "recovery", ["mean", "zeros"], progress=False)
    >>> found.method, found.table.method.tolist()
    ('mean', ['mean', 'nothing', 'zeros'])
    """
    began = time.monotonic()
    if goal not in GOALS:
        raise InputError(f"no goal is called {goal!r}; there are: {', '.join(GOALS)}")
    todo = _candidates(methods, preset, seed, "counts" in adata.layers)
    if "counts" not in adata.layers:
        return _unjudged(goal, todo, "the file holds no counts, so that no molecules can be held out to judge by")
    rng = np.random.default_rng([seed, 1507])
    adata, labels_n = _some(adata, label, cells, rng)
    trial = divide(adata, GOALS[goal], labels_n, genes=genes, rng=rng)
    if trial.blind():
        return _unjudged(goal, todo, trial.blind())
    search = Search(trial, adata, seed, began + seconds)
    search.run(todo, progress)
    name, table, sentence = search.conclude(COLUMNS)
    score = f"{trial.words} ({'higher' if trial.goal.higher else 'lower'} is better)"
    return Recommendation(name, goal, table, sentence, trial.notes, score)


def _unjudged(goal: str, todo: list[Imputer], why: str) -> Recommendation:
    rows = [{"method": method.title, "status": "not tried", "why": why} for method in todo]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Recommendation("nothing", goal, table, f"For {goal}: use the values as they are: {why}.", [why])


def _candidates(methods: Any, preset: str, seed: int, counts: bool) -> list[Imputer]:
    """``nothing`` first, then the others with their settings."""
    from exval.methods import METHODS
    from exval.tasks.imputing.score import made

    if methods is None:
        known = [name for name, cls in METHODS.items() if issubclass(cls, Imputer) and name not in NEVER]
        methods = [name for name in known if not METHODS[name].heavy and METHODS[name].labels != "required"]
    found = [m if isinstance(m, Imputer) else made(str(m), None, preset, seed) for m in methods]
    found = [m for m in found if m.title != "nothing" and (counts or not m.needs_counts)]
    return [METHODS["nothing"](), *found]


def _some(adata: AnnData, label: str | None, cells: int, rng: np.random.Generator) -> tuple[AnnData, np.ndarray | None]:
    """At most so many cells that have a molecule (and a type, where a column is named)."""
    keep = np.asarray(adata.layers["counts"].sum(1)).ravel() > 0
    labels_n = None
    if label is not None:
        from exval.data.labels import labels_of

        column = labels_of(adata.obs, label)
        keep &= column.notna().to_numpy()
        labels_n = column.astype(str).to_numpy(dtype=object)
    rows = np.flatnonzero(keep)
    if len(rows) < 20:
        raise InputError(f"{len(rows)} cells are too few to try methods on; name a method")
    rows = np.sort(rng.permutation(rows)[:cells])
    return adata[rows].copy(), None if labels_n is None else labels_n[rows]
