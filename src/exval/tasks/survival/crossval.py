"""Fit every method on the training patients of every fold, and ask it about the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.cost import Cost
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.embedding import EmbeddingCox
from exval.progress import track
from exval.tasks.crossval import FAULTS, seen_cells
from exval.tasks.splits import Splits
from exval.tasks.survival.cohort import Cohort
from exval.tasks.survival.features import gene_weights
from exval.tasks.survival.runs import TaughtRun
from exval.tasks.survival.strata import assign, cut_offs

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger("exval")
WHY = 300  # characters of a reason


@dataclass
class Answers:
    """What one method said of patients it had not seen, in the order of :attr:`OutOfFold.row_m`.

    Parameters
    ----------
    risk_m
        Higher is worse; comparable within a fold only.
    stratum_m
        0, 1, ... by the cut-offs of the training patients' risks; all 0 where the risk does not vary.
    survival_mt
        Probability of no event until each of the common times.
    at_horizon_mh, own_m
        The same at the horizons, and at the patient's own time.
    """

    risk_m: np.ndarray
    stratum_m: np.ndarray
    survival_mt: np.ndarray
    at_horizon_mh: np.ndarray
    own_m: np.ndarray


@dataclass
class OutOfFold:
    """What the methods said of patients they had not seen.

    Parameters
    ----------
    row_m, fold_m, seed_m
        Row of the cohort, number of the fold and seed of the split; a patient stands once for each repeat.
    training
        (fold, seed) -> rows of the training patients.
    answers
        Method -> its answers.
    costs
        ``method, fold, seed, seconds, peak_mb, parameters``.
    weights
        Method -> one row a fold, one column a gene: signs of its weights, for the stability of a list of genes.
    failed, seen, taught, spent
        Method -> why it failed; how many test samples its pretraining had seen; whose outcome it was taught;
        CPU-seconds spent before.
    """

    row_m: np.ndarray
    fold_m: np.ndarray
    seed_m: np.ndarray
    training: dict[tuple[int, int], np.ndarray]
    answers: dict[str, Answers] = field(default_factory=dict)
    costs: pd.DataFrame = field(default_factory=pd.DataFrame)
    weights: dict[str, list[pd.Series]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    @property
    def titles(self) -> list[str]:
        """Methods that answered in every fold."""
        return list(self.answers)

    @property
    def model_m(self) -> np.ndarray:
        """(m,) which fitted model a risk is of: only risks of one model can be compared."""
        return np.array([f"{seed}:{fold}" for seed, fold in zip(self.seed_m, self.fold_m)], dtype=object)

    def cost(self) -> pd.DataFrame:
        """``seconds`` over all folds and of what was spent before, ``peak_mb`` and ``parameters`` of each method."""
        table = self.costs.groupby("method", sort=False).agg(
            seconds=("seconds", "sum"), peak_mb=("peak_mb", "max"), parameters=("parameters", "last")
        )
        table["seconds"] += pd.Series(self.spent, dtype=float).reindex(table.index).to_numpy()
        return table


def out_of_fold(
    cohort: Cohort,
    methods: Sequence[SurvivalMethod],
    splits: Splits,
    times_t: np.ndarray,
    horizons: Sequence[float],
    n_groups: int = 2,
) -> OutOfFold:
    """Cross-validate survival methods; one that fails in a fold is out, with the reason.

    Parameters
    ----------
    cohort
        Samples with an outcome.
    methods
        Unfitted; each fold fits a clone.
    splits
        From :func:`exval.tasks.survival.folds.survival_splits`.
    times_t, horizons
        Times at which survival is asked for.
    n_groups
        2 (cut at the median of the training risks) or 3 (at their tertiles).

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> from exval.tasks.survival.folds import survival_splits
    >>> from exval.tasks.survival.lineup import line_up
    >>> source = exval.open_source(simulated_patients(80, 20), missing=True)
    >>> cohort = read_cohort(source, time="os_months", event="os_event", clinical="age")
    >>> found = out_of_fold(cohort, line_up("clinical", ["age"], None), survival_splits(cohort, 2), [5.0, 9.0], [9.0])
    >>> found.titles, found.answers["clinical"].survival_mt.shape
    (['null-survival', 'clinical'], (80, 2))
    """
    at, start = {}, 0
    for fold in splits.folds:
        at[fold.seed, fold.fold] = slice(start, start + len(fold.test))
        start += len(fold.test)
    found = OutOfFold(
        np.concatenate([fold.test for fold in splits.folds]),
        np.concatenate([np.full(len(fold.test), fold.fold) for fold in splits.folds]),
        np.concatenate([np.full(len(fold.test), fold.seed) for fold in splits.folds]),
        {(fold.seed, fold.fold): fold.train for fold in splits.folds},
    )
    blank = {m.title: _blank(start, len(times_t), len(horizons)) for m in methods}
    costs: list[dict] = []
    jobs = [(fold, method) for fold in splits.folds for method in methods]
    here, train, test = None, None, None
    for fold, method in track(jobs, "Cross-validating", total=len(jobs)):
        title = method.title
        if title in found.failed:
            continue
        if here is not fold:
            here, train, test = fold, cohort.adata[fold.train].copy(), cohort.adata[fold.test].copy()
        try:
            with Cost() as cost:
                fitted = clone(method).fit(train)
                _ask(blank[title], at[fold.seed, fold.fold], fitted, train, test, times_t, horizons, n_groups)
        except FAULTS as error:
            found.failed[title] = reason(error)
            logger.info("%s failed: %s", title, found.failed[title])
            continue
        weights = gene_weights(fitted)
        if weights is not None:
            found.weights.setdefault(title, []).append(np.sign(weights))
        costs.append({"method": title, "fold": fold.fold, "seed": fold.seed, "seconds": cost.seconds,
                      "peak_mb": cost.peak_mb, "parameters": fitted.n_parameters()})  # fmt: skip
        embedder = method.embedder if isinstance(method, (EmbeddingCox, TaughtRun)) else method
        found.seen[title] = found.seen.get(title, 0) + seen_cells(embedder, test)
        found.taught[title] = found.taught.get(title, 0) + seen_cells(embedder, test, "taught")
    found.answers = {title: one for title, one in blank.items() if title not in found.failed}
    found.costs = pd.DataFrame(costs, columns=["method", "fold", "seed", "seconds", "peak_mb", "parameters"])
    found.costs = found.costs[~found.costs.method.isin(list(found.failed))]
    found.spent = {m.title: m.spent_seconds for m in methods if m.title not in found.failed}
    return found


def reason(error: BaseException) -> str:
    """Why something failed, in one line.

    Examples
    --------
    >>> reason(ValueError("out of\\n luck"))
    'out of luck'
    """
    text = " ".join(f"{error}".split()) or type(error).__name__
    return text if len(text) <= WHY else text[: WHY - 1] + "…"


def _blank(m: int, t: int, h: int) -> Answers:
    return Answers(np.full(m, np.nan), np.zeros(m, dtype=int), np.full((m, t), np.nan), np.full((m, h), np.nan),
                   np.full(m, np.nan))  # fmt: skip


def _ask(
    into: Answers, at: slice, fitted: SurvivalMethod, train: AnnData, test: AnnData, times_t: np.ndarray,
    horizons: Sequence[float], n_groups: int,
) -> None:  # fmt: skip
    """Everything that is asked of one fitted method about the test patients of its fold."""
    risk = fitted.risk(test)
    into.risk_m[at] = risk
    into.stratum_m[at] = assign(risk, cut_offs(fitted.risk(train), n_groups))
    own, where = np.unique(test.obs["exval_time"].to_numpy(dtype=np.float64), return_inverse=True)
    times = np.concatenate([times_t, np.asarray(horizons, dtype=np.float64), own])
    survival = fitted.survival(test, times)
    t, h = len(times_t), len(horizons)
    into.survival_mt[at], into.at_horizon_mh[at] = survival[:, :t], survival[:, t : t + h]
    into.own_m[at] = survival[np.arange(len(risk)), t + h + where]
