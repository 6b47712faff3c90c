"""What every survival method shares: the outcome, the columns, the guards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from exval.data.columns import names_of, refuse_outcomes
from exval.errors import DivergedError, InputError
from exval.methods.base import Method
from exval.methods.survival.design import ClinicalDesign, ExpressionDesign

if TYPE_CHECKING:
    from anndata import AnnData

TIME, EVENT = "exval_time", "exval_event"


def outcome(adata: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) float64 and events (n,) bool of a prepared file.

    Raises
    ------
    InputError
        No outcome in obs; a time that is not above zero; an event that is neither true nor false.

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame({"exval_time": [3.0], "exval_event": [True]}, index=["a"])
    >>> [part.tolist() for part in outcome(anndata.AnnData(np.zeros((1, 1)), obs=obs))]
    [[3.0], [True]]
    """
    if TIME not in adata.obs or EVENT not in adata.obs:
        raise InputError("this file has no survival outcome: name its columns with time= and event= (or censored=)")
    time_n = adata.obs[TIME].to_numpy(dtype=np.float64, na_value=np.nan)
    event = adata.obs[EVENT].to_numpy(dtype=np.float64, na_value=np.nan)
    if not (np.isfinite(time_n) & (time_n > 0)).all():
        bad = int((~(np.isfinite(time_n) & (time_n > 0))).sum())
        raise InputError(f"{bad} patients have a survival time that is missing or not above zero: leave them out")
    if not np.isin(event, (0, 1)).all():
        raise InputError("the event of some patients is neither true nor false: write 1 where it was seen, else 0")
    return time_n, event.astype(bool)


class SurvivalMethod(Method):
    """Base of the survival methods: ``fit(adata)``, then ``risk`` and ``survival`` of any patients.

    A subclass defines ``learn`` and, from standardised columns, ``risk_of`` and ``survival_of``. The base reads the
    outcome, makes the columns (:mod:`exval.methods.survival.design`), sorts the training patients by time, event and
    name, so that their order in the file cannot matter, and checks what comes back. No patient is ever dropped.

    Parameters
    ----------
    covariates
        Columns of obs that are used beside the expression.
    genes
        A panel; all genes by default.

    Attributes
    ----------
    features_
        DataFrame, a row for each coefficient: ``name``, ``kind`` (gene, component, clinical), ``coefficient``,
        ``hazard_ratio``, ``lo``, ``hi`` (95 %), ``p``, ``unit`` (the change that the coefficient stands for); NaN
        where there is none. None where the method has no coefficients.
    missing_
        How many of the method's genes the file last predicted had no value of; None where that is not known.
    clinical_, expression_
        The designs; ``expression_`` is None where no gene is used.
    needs_covariates, uses_genes, min_events
        Does nothing without covariates; looks at genes; fewest events to learn from.
    """

    needs_covariates: ClassVar[bool] = False
    uses_genes: ClassVar[bool] = True
    min_events: ClassVar[int] = 5
    features_: pd.DataFrame | None = None
    _group_n: np.ndarray | None = None

    def __init__(self, covariates: Sequence[str] = (), genes: Sequence[str] | None = None) -> None:
        self.covariates = covariates
        self.genes = genes

    @property
    def title(self) -> str:
        """The name, with ``+ clinical`` where covariates stand beside expression."""
        return f"{self.name} + clinical" if self.uses_genes and names_of(self.covariates) else self.name

    def learn(self, z_np: np.ndarray, c_nq: np.ndarray, time_n: np.ndarray, event_n: np.ndarray) -> None:
        """Fit on standardised expression and clinical columns; rows sorted by time."""
        raise NotImplementedError

    def risk_of(self, z_np: np.ndarray, c_nq: np.ndarray) -> np.ndarray:
        """(n,) risk, higher is worse."""
        raise NotImplementedError

    def survival_of(self, z_np: np.ndarray, c_nq: np.ndarray, times_t: np.ndarray) -> np.ndarray:
        """(n, t) probabilities."""
        raise NotImplementedError

    def fit(self, adata: AnnData, label: str | None = None) -> SurvivalMethod:
        """Learn from training patients.

        Parameters
        ----------
        adata
            Prepared, with ``obs["exval_time"]`` and ``obs["exval_event"]``.
        label
            Not used.

        Raises
        ------
        InputError
            No outcome, fewer than ``min_events`` events, equal times, covariates that are absent, name patients or are
            the outcome.
        """
        time_n, event_n = outcome(adata)
        if event_n.sum() < self.min_events:
            raise InputError(
                f"{self.title} needs at least {self.min_events} events to learn from; the {adata.n_obs} training "
                f"patients have {int(event_n.sum())}"
            )
        if np.ptp(time_n) == 0:
            raise InputError("the times of all training patients are equal: there is no order to learn")
        columns = names_of(self.covariates)
        if self.needs_covariates and not columns:
            raise InputError(f"{self.title} learns from clinical columns of obs: name some (covariates=...)")
        refuse_outcomes(adata.obs, columns, time_n, event_n)
        self.clinical_ = ClinicalDesign().fit(adata.obs, columns)
        if self.needs_covariates and not self.clinical_.names_:
            raise InputError(f"none of the covariates ({', '.join(columns)}) differs between the training patients")
        self.expression_ = self.design(adata) if self.uses_genes else None
        self.features_, self.missing_ = None, 0
        rows = np.lexsort((np.asarray(adata.obs_names, dtype=str), event_n, time_n))
        patient = adata.obs.get("exval_patient")  # with several samples of one, no inner fold may part them
        self._group_n = None if patient is None else patient.astype(str).to_numpy()[rows]
        z_np, c_nq = self.values(adata), self.clinical_.transform(adata.obs)
        self.learn(z_np[rows], c_nq[rows], time_n[rows], event_n[rows])
        self._check(self.risk_of(z_np, c_nq), "risks")
        return self

    def design(self, adata: AnnData) -> ExpressionDesign:
        """What turns expression into columns, fitted on training samples."""
        return ExpressionDesign().fit(adata, None if self.genes is None else names_of(self.genes))

    def values(self, adata: AnnData) -> np.ndarray:
        """(n, p) standardised columns; counts what the file lacked."""
        if self.expression_ is None:
            return np.zeros((adata.n_obs, 0))
        z_np = self.expression_.read(adata)
        self.missing_ = int(np.isnan(z_np).all(axis=0).sum()) if len(z_np) else 0
        return np.nan_to_num(z_np, nan=0.0)

    def risk(self, adata: AnnData) -> np.ndarray:
        """(n,) float64, higher is a worse prognosis; comparable within one fit only.

        Raises
        ------
        InputError, GeneError, DivergedError
            A covariate is absent; no gene is shared; NaN or inf.
        """
        return self._check(self.risk_of(self.values(adata), self.clinical_.transform(adata.obs)), "risks")

    def survival(self, adata: AnnData, times_t: np.ndarray) -> np.ndarray:
        """(n, t) float64 probability of no event until each time, in the unit of the training times.

        It is 1 before the first training event and stays level after the last.

        Raises
        ------
        InputError, GeneError, DivergedError
            As for ``risk``; times that are not finite.
        """
        times_t = np.atleast_1d(np.asarray(times_t, dtype=np.float64))
        if not np.isfinite(times_t).all():
            raise InputError("survival was asked for at a time that is NaN or inf")
        found = self.survival_of(self.values(adata), self.clinical_.transform(adata.obs), times_t)
        return np.clip(self._check(found, "survival probabilities"), 0.0, 1.0)

    def missing_share(self, adata: AnnData) -> np.ndarray:
        """(n,) share of the method's genes that each sample has no value of; NaN where that is not known."""
        if self.expression_ is None or not adata.n_obs:
            return np.zeros(adata.n_obs)
        return np.isnan(self.expression_.read(adata)).mean(axis=1)

    def _check(self, found: np.ndarray, what: str) -> np.ndarray:
        if not np.isfinite(found).all():
            raise DivergedError(f"{self.title} returned NaN or inf among its {what}: nothing was kept")
        return np.asarray(found, dtype=np.float64)
