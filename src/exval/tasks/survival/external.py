"""Methods fitted on one cohort, scored on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.methods.matrix import dense_values
from exval.methods.survival.base import SurvivalMethod
from exval.progress import track
from exval.tasks.crossval import FAULTS
from exval.tasks.survival.cohort import Cohort
from exval.tasks.survival.compare import Comparison, compare
from exval.tasks.survival.crossval import Answers, reason
from exval.tasks.survival.folds import common_times
from exval.tasks.survival.saved import FittedMethod
from exval.tasks.survival.score import Judge
from exval.tasks.survival.strata import assign

if TYPE_CHECKING:
    from anndata import AnnData

MODEL = "all patients"


@dataclass
class External:
    """What methods that were fitted on all patients of a cohort say of another.

    Parameters
    ----------
    cohort
        The other one.
    judge, answers, comparison
        As within a cohort; weights for censoring come from the other cohort itself.
    failed
        Method -> why it could not answer.
    missing
        ``method, genes, absent, share``: what the other cohort has no value of.
    """

    cohort: Cohort
    judge: Judge
    answers: dict[str, Answers]
    comparison: Comparison
    failed: dict[str, str]
    missing: pd.DataFrame


def score_external(
    cohort: Cohort,
    fitted: Mapping[str, FittedMethod],
    times_t: np.ndarray,
    horizons: tuple[float, ...],
    seconds: Mapping[str, float],
    seed: int = 0,
) -> External:
    """Score methods on a cohort that they were not fitted on; the cut-offs of risk are those of the first.

    Parameters
    ----------
    cohort
        From :func:`exval.tasks.survival.cohort.read_external`.
    fitted
        Title -> method fitted on all patients of the first.
    times_t, horizons
        Of the first cohort; those beyond the follow-up of the other are left out.
    seconds
        What each method cost.
    seed
        Of the bootstrap.

    Raises
    ------
    InputError
        No method could answer, or the follow-ups do not overlap.
    """
    time, event = cohort.time_n, cohort.event_n
    own_t = common_times(time, event)
    low, high = max(own_t[0], times_t[0]), min(own_t[-1], times_t[-1])
    if high <= low:
        raise InputError(
            f"--external {cohort.name}: its events ({own_t[0]:.3g} to {own_t[-1]:.3g}) and those of the first cohort "
            f"({times_t[0]:.3g} to {times_t[-1]:.3g}) do not overlap: are the times in one unit?"
        )
    times = np.linspace(low, high, len(times_t))
    told = tuple(h for h in horizons if low <= h <= high)
    one_model = np.full(len(time), MODEL, dtype=object)
    judge = Judge(time, event, one_model, cohort.group_n, {MODEL: (time, event)}, times, told, seed,
                  np.full(len(time), seed))  # fmt: skip
    answers, failed, missing = {}, {}, []
    for title, one in track(fitted.items(), "Scoring the other cohort", total=len(fitted)):
        try:
            answers[title] = _answers(one, cohort, times, told)
        except FAULTS as error:
            failed[title] = reason(error)
            continue
        missing.append({"method": title, **absent_genes(one.method, cohort)})
    if not answers:
        raise InputError(f"--external {cohort.name}: no method could be scored: {next(iter(failed.values()), '')}")
    return External(cohort, judge, answers, compare(answers, judge, seconds), failed, pd.DataFrame(missing))


def _answers(one: FittedMethod, cohort: Cohort, times: np.ndarray, told: tuple[float, ...]) -> Answers:
    risk = one.method.risk(cohort.adata)
    own, where = np.unique(cohort.time_n, return_inverse=True)
    survival = one.method.survival(cohort.adata, np.concatenate([times, told, own]))
    t, h = len(times), len(told)
    return Answers(risk, assign(risk, one.cuts), survival[:, :t], survival[:, t : t + h],
                   survival[np.arange(len(risk)), t + h + where])  # fmt: skip


def absent_genes(method: SurvivalMethod, cohort: Cohort) -> dict[str, float]:
    """``genes, absent, share``: genes of the method, how many the cohort has no value of, and their mean share over
    samples."""
    genes = genes_of(method)
    method.risk(cohort.adata)
    absent = getattr(method, "missing_", None)
    share = share_missing(method, cohort.adata)
    return {"genes": float("nan") if genes is None else float(len(genes)),
            "absent": float("nan") if absent is None else float(absent),
            "share": float(np.mean(share)) if len(share) else float("nan")}  # fmt: skip


def share_missing(method: SurvivalMethod, adata: AnnData) -> np.ndarray:
    """(n,) share of the method's genes that each sample has no value of; NaN where it does not name them.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> source = exval.open_source(simulated_patients(60, 20), missing=True)
    >>> adata = read_cohort(source, time="os_months", event="os_event").adata
    >>> from exval.methods import resolve
    >>> share_missing(resolve("cox").fit(adata), adata[:2, 5:].copy()).tolist()
    [0.25, 0.25]
    """
    share = method.missing_share(adata)
    genes = genes_of(method)
    if not len(share) or not np.isnan(share).any() or not genes:
        return share
    panel = getattr(method, "genes", None)
    asked = [gene for gene in genes if panel is None or gene in set(panel)]
    return np.isnan(dense_values(adata, np.array(asked, dtype=object))).mean(1)


def lost_weight(method: SurvivalMethod, adata: AnnData) -> np.ndarray:
    """(n,) share of what the method weighs that each sample was not measured for.

    Squared weights of standardised genes (and clinical columns) where every gene has one, else the share of its genes.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.methods import resolve
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> source = exval.open_source(simulated_patients(60, 20), missing=True)
    >>> adata = read_cohort(source, time="os_months", event="os_event").adata
    >>> method = resolve("cox").fit(adata)
    >>> heaviest = method.expression_.genes_[np.abs(method.weights_).argmax()]
    >>> bool(lost_weight(method, adata[:1, adata.var_names != heaviest].copy())[0] > 0.05)
    True
    """
    genes = genes_of(method)
    weights = getattr(method, "weights_", None)
    if not genes:
        return np.zeros(adata.n_obs)
    if getattr(method, "expression_", None) is None or weights is None or len(weights) != len(genes):
        return share_missing(method, adata)
    total = float(np.square(weights).sum() + np.square(method.clinical_weights_).sum())
    square = np.square(weights) / max(total, 1e-300)
    return np.isnan(dense_values(adata, np.array(genes, dtype=object))) @ square


def genes_of(method: SurvivalMethod) -> list[str] | None:
    """Genes that a fitted method looks at; empty for one that looks at none, None where it does not name them.

    Examples
    --------
    >>> from exval.methods import resolve
    >>> genes_of(resolve("clinical"))
    []
    """
    if not getattr(method, "uses_genes", True):
        return []
    for owner in (getattr(method, "expression_", None), getattr(method, "embedder_", None)):
        genes = getattr(owner, "genes_", None)
        if genes is not None:
            return [str(gene) for gene in genes]
        run = getattr(owner, "run", None)
        if run is not None and hasattr(run, "genes"):
            return list(run.genes)
    return None
