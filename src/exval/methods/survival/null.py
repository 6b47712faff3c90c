"""The same curve for everybody: what a prognosis has to beat."""

from __future__ import annotations

import numpy as np

from exval.methods.base import Card
from exval.methods.survival.base import SurvivalMethod
from exval.metrics.survival import kaplan_meier


class NullSurvival(SurvivalMethod):
    """The Kaplan-Meier curve of the training patients, and risk 0, for every patient.

    Parameters
    ----------
    covariates, genes
        Not used.

    Attributes
    ----------
    times_, curve_
        Distinct times and the curve from each on.

    References
    ----------
    Kaplan and Meier 1958, JASA 53.

    Examples
    --------
    >>> NullSurvival().title
    'null-survival'
    """

    name = "null-survival"
    aliases = ("kaplan-meier",)
    card = Card(
        category="control",
        sees=("survival",),
        space_in="nothing",
        space_out="survival probability",
        cost="none",
        reference="Kaplan and Meier 1958, JASA 53",
        summary="Kaplan-Meier curve of the training patients for everybody.",
    )
    uses_genes = False
    min_events = 1

    def learn(self, z_np, c_nq, time_n, event_n):
        curve = kaplan_meier(time_n, event_n)
        self.times_, self.curve_ = curve.times_t, curve.values_t

    def risk_of(self, z_np, c_nq):
        return np.zeros(len(z_np))

    def survival_of(self, z_np, c_nq, times_t):
        curve_t = np.append(1.0, self.curve_)[np.searchsorted(self.times_, times_t, side="right")]
        return np.broadcast_to(curve_t, (len(z_np), len(times_t))).copy()
