"""A random forest of survival trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.cox import univariate_cox


class SurvivalForest(SurvivalMethod):
    """Trees split by the log-rank statistic, by scikit-survival, on the genes that matter most one by one.

    The genes are ranked by their univariate Cox regression, on the training patients only.

    Parameters
    ----------
    covariates
        Columns of obs that stand among the genes, all of them kept.
    genes
        A panel; all genes by default.
    n_genes
        How many genes are kept; ``None`` for all.
    n_trees, min_leaf
        Size of the forest, fewest patients in a leaf. Each split looks at the root of the number of columns.
    n_times
        Most distinct times that the curves have steps at: times are rounded up to so many of those observed, at equal
        ranks. The work grows with their number. ``None`` for all.
    seed
        Of the bootstrap and the columns looked at.

    Attributes
    ----------
    kept_
        Positions of the genes kept.

    Examples
    --------
    >>> SurvivalForest(n_trees=50).title
    'rsf'
    """

    name = "rsf"
    aliases = ("random-survival-forest",)
    card = Card(
        category="trees",
        sees=("expression", "clinical columns where given", "survival"),
        space_in="log1p(CP10k), log2 or z",
        space_out="expected number of events",
        cost="seconds for 400 patients; grows with patients times distinct event times",
        reference="Ishwaran et al. 2008, Annals of Applied Statistics 2(3); scikit-survival, Poelsterl 2020, JMLR 21",
        summary="Random survival forest on the genes that lead a univariate Cox regression in training.",
    )

    def __init__(
        self,
        covariates: Sequence[str] = (),
        genes: Sequence[str] | None = None,
        n_genes: int | None = 200,
        n_trees: int = 100,
        min_leaf: int = 10,
        n_times: int | None = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(covariates, genes)
        self.n_genes = n_genes
        self.n_trees = n_trees
        self.min_leaf = min_leaf
        self.n_times = n_times
        self.seed = seed

    def learn(self, z_np, c_nq, time_n, event_n):
        try:
            from sksurv.ensemble import RandomSurvivalForest
            from sksurv.util import Surv
        except ImportError:
            raise InputError("rsf needs scikit-survival: pip install 'exval[survival]'") from None
        self.kept_ = np.arange(z_np.shape[1])
        if self.n_genes is not None and self.n_genes < z_np.shape[1]:
            rank = np.round(np.abs(univariate_cox(time_n, event_n, z_np)["z"].to_numpy()), 9)
            self.kept_ = np.sort(np.argsort(-rank, kind="stable")[: self.n_genes])
        self._forest = RandomSurvivalForest(
            n_estimators=self.n_trees, min_samples_leaf=self.min_leaf, min_samples_split=2 * self.min_leaf,
            max_features="sqrt", n_jobs=1, random_state=self.seed,
        )  # fmt: skip
        outcome = Surv.from_arrays(event_n, coarse(time_n, self.n_times))
        self._forest.fit(np.hstack([c_nq, z_np[:, self.kept_]]), outcome)
        self.times_ = np.asarray(self._forest.unique_times_)

    def risk_of(self, z_np, c_nq):
        """(n,) mean over trees of the cumulative hazard, summed over the event times (mortality)."""
        if not len(z_np):
            return np.zeros(0)
        return self._forest.predict(np.hstack([c_nq, z_np[:, self.kept_]]))

    def survival_of(self, z_np, c_nq, times_t):
        if not len(z_np):
            return np.zeros((0, len(times_t)))
        x = np.hstack([c_nq, z_np[:, self.kept_]])
        curve = self._forest.predict_survival_function(x, return_array=True)
        return np.hstack([np.ones((len(x), 1)), curve])[:, np.searchsorted(self.times_, times_t, side="right")]

    def n_parameters(self) -> int:
        """Thresholds of all splits and values of all leaves."""
        trees = [tree.tree_ for tree in self._forest.estimators_]
        return int(sum(tree.node_count for tree in trees))


def coarse(time_n: np.ndarray, most: int | None) -> np.ndarray:
    """Times rounded up to ``most`` of the distinct ones, equally spaced in rank; the last is among them.

    Examples
    --------
    >>> coarse(np.array([1.0, 2, 3, 4, 4, 9]), 2).tolist()
    [3.0, 3.0, 3.0, 9.0, 9.0, 9.0]
    """
    distinct = np.unique(time_n)
    if most is None or len(distinct) <= most:
        return time_n
    edges = distinct[np.ceil(np.linspace(0, len(distinct) - 1, most + 1)[1:]).astype(int)]
    return edges[np.searchsorted(edges, time_n)]
