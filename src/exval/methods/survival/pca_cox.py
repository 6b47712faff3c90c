"""Principal components of the expression, and a ridge Cox regression on them."""

from __future__ import annotations

from collections.abc import Sequence

from exval.methods.base import Card
from exval.methods.survival.linear import LinearSurvival, feature_rows, stacked
from exval.methods.survival.ridge import RIDGES, ridge_cox

COMPONENTS = (10, 50, 200)


class PCACox(LinearSurvival):
    """Standardised genes, their leading components, a ridge Cox regression; clinical columns beside, unpenalised.

    Parameters
    ----------
    covariates
        Columns of obs that stand beside the expression.
    genes
        A panel; all genes by default.
    n_components
        How many components; ``None`` chooses among 10, 50 and 200 by the cross-validated partial likelihood.
    ridge
        Penalty on the components, whose variances sum to at most one; ``None`` chooses from 10^4 to 10^-1.5.
    folds, seed
        Of the inner cross-validation, which sees training patients only; none if both settings are given.

    Attributes
    ----------
    weights_
        (p,) the components' coefficients carried back to the genes: log hazard ratio of one SD.
    n_components_, ridge_
        What was chosen.

    Examples
    --------
    >>> PCACox(covariates=("age", "stage")).title
    'cox + clinical'
    """

    name = "cox"
    aliases = ("pca-cox",)
    card = Card(
        category="linear",
        sees=("expression", "clinical columns where given", "survival"),
        space_in="log1p(CP10k), log2 or z",
        space_out="log hazard ratio",
        cost="one decomposition and some hundred small fits: a second for 400 patients",
        reference="Cox 1972; ridge and its choice Verweij and van Houwelingen 1993, 1994, Statistics in Medicine",
        summary="Ridge Cox regression on principal components; both sizes chosen inside the training patients.",
    )

    def __init__(
        self,
        covariates: Sequence[str] = (),
        genes: Sequence[str] | None = None,
        n_components: int | None = None,
        ridge: float | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(covariates, genes)
        self.n_components = n_components
        self.ridge = ridge
        self.folds = folds
        self.seed = seed

    def learn(self, z_np, c_nq, time_n, event_n):
        fit = ridge_cox(
            z_np, c_nq, time_n, event_n,
            components=COMPONENTS if self.n_components is None else (self.n_components,),
            ridges=RIDGES if self.ridge is None else (self.ridge,),
            folds=self.folds, seed=self.seed, group_n=self._group_n,
        )  # fmt: skip
        self.settle(z_np, c_nq, time_n, event_n, fit.weights_p, fit.weights_q)
        self.n_components_, self.ridge_ = fit.n_components, fit.ridge
        design = self.clinical_
        names = [f"component {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(fit.share_r)]
        self.features_ = stacked(
            feature_rows("clinical", design.names_, design.units_, fit.weights_q, fit.se_q),
            feature_rows("component", names, ["SD"] * len(names), fit.coef_r * fit.share_r**0.5),
        )
