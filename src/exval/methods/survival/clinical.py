"""Cox regression on clinical columns alone: what expression has to add to."""

from __future__ import annotations

from collections.abc import Sequence

from exval.methods.base import Card
from exval.methods.survival.cox import CoxPH
from exval.methods.survival.linear import LinearSurvival, feature_rows
from exval.methods.survival.ridge import CLINICAL_RIDGE


class Clinical(LinearSurvival):
    """Age, sex, stage and the like, with next to no penalty; it does not look at a single gene.

    Parameters
    ----------
    covariates
        Columns of obs; needed.
    genes
        Not used.
    ridge
        Penalty of each coefficient: keeps a column that separates the patients finite.

    Examples
    --------
    >>> Clinical(covariates=("age",)).title
    'clinical'
    """

    name = "clinical"
    aliases = ("clinical-cox",)
    card = Card(
        category="control",
        sees=("clinical columns", "survival"),
        space_in="columns of obs",
        space_out="log hazard ratio",
        cost="milliseconds",
        reference="Cox 1972, JRSS B 34; ties by Efron 1977",
        summary="Cox regression on the clinical columns alone; no gene is looked at.",
    )
    needs_covariates = True
    uses_genes = False

    def __init__(
        self, covariates: Sequence[str] = (), genes: Sequence[str] | None = None, ridge: float = CLINICAL_RIDGE
    ) -> None:
        super().__init__(covariates, genes)
        self.ridge = ridge

    def learn(self, z_np, c_nq, time_n, event_n):
        cox = CoxPH(self.ridge).fit(c_nq, time_n, event_n)
        self.settle(z_np, c_nq, time_n, event_n, z_np.mean(0), cox.coef_)
        design = self.clinical_
        self.features_ = feature_rows("clinical", design.names_, design.units_, cox.coef_, cox.se_)
