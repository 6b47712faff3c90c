"""Proportional hazards with a weight for every column: what several methods end in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.cox import STEEPEST, survival_at
from exval.methods.survival.risksets import RiskSets


class LinearSurvival(SurvivalMethod):
    """Proportional hazards with weights for the columns: what clinical, cox, coxnet and embeddings end in.

    Attributes
    ----------
    weights_
        (p,) log hazard ratio of one SD of each expression column.
    clinical_weights_
        (q,) of the clinical columns.
    centre_
        Linear predictor of the mean training patient, subtracted.
    times_, hazard_
        Breslow's cumulative baseline hazard.
    """

    def settle(
        self,
        z_np: np.ndarray,
        c_nq: np.ndarray,
        time_n: np.ndarray,
        event_n: np.ndarray,
        weights_p: np.ndarray,
        weights_q: np.ndarray,
    ) -> None:
        """Keep the weights, and work out the baseline hazard from the training patients."""
        self.weights_, self.clinical_weights_ = weights_p, weights_q
        self.centre_ = float((z_np @ weights_p + c_nq @ weights_q).mean())
        sets = RiskSets(time_n, event_n)
        self.times_, self.hazard_ = sets.breslow(self.risk_of(z_np, c_nq)[sets.order_n])

    def risk_of(self, z_np, c_nq):
        """(n,) linear predictor, the log of the hazard ratio to the mean training patient."""
        return z_np @ self.weights_ + c_nq @ self.clinical_weights_ - self.centre_

    def survival_of(self, z_np, c_nq, times_t):
        """(n, t) from the baseline hazard."""
        return survival_at(self.risk_of(z_np, c_nq), self.times_, self.hazard_, times_t)


def feature_rows(
    kind: str, names: Sequence[str], units: Sequence[str], coef: np.ndarray, se: np.ndarray | None = None
) -> pd.DataFrame:
    """Rows of ``features_``; without standard errors there is no interval and no p.

    Examples
    --------
    >>> feature_rows("clinical", ["age"], ["SD (10)"], np.array([0.4]), np.array([0.1])).round(3).iloc[0].to_dict()
    {'name': 'age', 'kind': 'clinical', 'coefficient': 0.4, 'hazard_ratio': 1.492, 'lo': 1.226, 'hi': 1.815,
     'p': 0.0, 'unit': 'SD (10)'}
    """
    from scipy.special import ndtr

    se = np.full(len(coef), np.nan) if se is None else se
    bounded = np.clip([coef, coef - 1.959964 * se, coef + 1.959964 * se], -STEEPEST, STEEPEST)
    ratio, lo, hi = np.exp(bounded)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * ndtr(-np.abs(coef / se))
    return pd.DataFrame(
        {"name": list(names), "kind": kind, "coefficient": coef, "hazard_ratio": ratio, "lo": lo, "hi": hi, "p": p,
         "unit": list(units)}
    )  # fmt: skip


def stacked(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables of :func:`feature_rows` below each other, empty ones left out."""
    return pd.concat([table for table in tables if len(table)] or [tables[0]], ignore_index=True)
