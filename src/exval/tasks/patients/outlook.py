"""Survival of held-out patients by any method: C within the fold, integrated Brier, the risks themselves."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.methods.base import Method
from exval.methods.survival.base import outcome
from exval.metrics.survival import default_times, harrell_c, integrated_brier

if TYPE_CHECKING:
    from anndata import AnnData


def score_survival(
    fitted: Method, train: AnnData, test: AnnData, task: str = "survival"
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Figures of one fitted method on one test fold.

    Returns
    -------
    rows
        ``harrell_c`` and, where the method gives curves and the fold allows it, ``integrated_brier``.
    units
        One row a patient: ``patient, task, metric="risk", value, time, event``.

    Examples
    --------
    >>> from exval.methods import resolve
    >>> from exval.tasks.patients.cohorts import load
    >>> cohort = load("simulated", None)
    >>> train, test = cohort[:160].copy(), cohort[160:].copy()
    >>> rows, units = score_survival(resolve("clinical").set_params(covariates=("age",)).fit(train), train, test)
    >>> [row["metric"] for row in rows], len(units)
    (['harrell_c', 'integrated_brier'], 80)
    """
    risk_n = np.asarray(fitted.risk(test), dtype=np.float64)
    return rows_of(risk_n, fitted, train, test, task)


def rows_of(
    risk_n: np.ndarray, fitted: Method | None, train: AnnData, test: AnnData, task: str
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """As :func:`score_survival`, of given risks; without a method there are no curves."""
    time_n, event_n = outcome(test)
    rows = [{"task": task, "metric": "harrell_c", "value": harrell_c(time_n, event_n, risk_n), "n": len(risk_n)}]
    if fitted is not None:
        known = outcome(train)
        times_t = None
        with suppress(InputError):  # a fold whose follow-up allows no times has no Brier score
            times_t = default_times(*known, time_n, event_n)
        if times_t is not None:
            value = integrated_brier(*known, time_n, event_n, fitted.survival(test, times_t), times_t)
            rows.append({"task": task, "metric": "integrated_brier", "value": value, "n": len(risk_n)})
    units = pd.DataFrame({"patient": test.obs["exval_patient"].to_numpy(object), "task": task, "metric": "risk",
                          "value": risk_n, "time": time_n, "event": event_n.astype(float)})  # fmt: skip
    return rows, units
