"""SAVER: each gene from the other genes by Poisson LASSO, then a gamma posterior of its rate in each cell."""

from __future__ import annotations

import numpy as np

from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.saver_posterior import GammaPosterior, VarianceFit, fit_variance
from exval.methods.imputation.saver_regression import fit_prior_means


class Saver(Imputer):
    """Posterior mean of the rate of each gene in each cell, and its standard deviation.

    The counts of a gene are Poisson with the rate of the cell times its size factor (total over mean total). The rate
    has a gamma prior: its mean is a Poisson LASSO regression of the normalised counts on ``log((count + 1) / size)`` of
    the other genes, its variance follows a constant coefficient of variation, Fano factor or variance, whichever has
    the highest marginal likelihood. Values are rates at the mean total, given as CP10k.

    Parameters
    ----------
    checked
        Genes whose penalty is found by cross-validation; a rule fitted on them gives it for all others, as with
        ``do.fast = TRUE`` of the R package. None: every gene (``do.fast = FALSE``), five to ten times the time.
    folds
        Of the cross-validation. Cells are assigned in turn, in the order of their totals.
    predictors
        Commonest genes that may predict, among those with at least 0.1 counts a cell; None: all of them.
    most_used
        Predictors of one gene at most.
    regress
        False: the prior mean of a gene is its mean over cells (the null model).

    Attributes
    ----------
    variance_
        :class:`~exval.methods.imputation.saver_posterior.VarianceFit`: the variance chosen for each gene.
    prior_
        :class:`~exval.methods.imputation.saver_regression.PriorMeans`: the regressions, or None.

    References
    ----------
    Huang et al. 2018, "SAVER: gene expression recovery for single-cell RNA sequencing", Nature Methods 15:539.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:150, :80]).to_adata()
    >>> found = Saver(checked=5).fit(cells).impute(cells, list(cells.var_names[:2]), sd=True)
    >>> found.unit, found.values_nq.shape, found.sd_nq.shape
    ('cp10k', (150, 2), (150, 2))
    """

    name = "saver"
    card = Card(
        category="model",
        sees=("expression",),
        space_in="counts",
        space_out="CP10k",
        cost="a Poisson LASSO a gene: linear in cells, about quadratic in the predictors used",
        reference="Huang et al. 2018, Nature Methods 15:539",
        summary="Poisson LASSO on the other genes as prior mean, gamma-Poisson posterior mean and sd.",
        departures=(
            "penalties lie on a grid of ratio exp(-0.25), the best one by a parabola; folds and the genes that are "
            "cross-validated are taken in turn instead of at random; beyond 4,000 predictors the commonest are used; "
            "expectations over the spread are summed, not sampled; values are not rounded up to 0.001"
        ),
    )
    unit = "cp10k"
    needs_counts = True
    has_sd = True
    presets = {"paper": {"predictors": None}, "cpu": {}, "tiny": {"checked": 8}}

    def __init__(
        self,
        checked: int | None = 100,
        folds: int = 5,
        predictors: int | None = 4000,
        most_used: int = 300,
        regress: bool = True,
    ) -> None:
        self.checked = checked
        self.folds = folds
        self.predictors = predictors
        self.most_used = most_used
        self.regress = regress

    def learn(self, cells: Cells) -> None:
        # one order of cells, whatever that of the file: folds and sums then do not depend on it
        order = np.lexsort((cells.names.astype(str), cells.total_n))
        self._back = np.argsort(order)
        self._counts = cells.counts_ng[order]
        self._columns = self._counts.tocsc()
        self._size_n = cells.size_n[order]
        self._mean_total = float(cells.total_n.mean())
        g = self._counts.shape[1]
        self.prior_ = None
        if self.regress:
            self.prior_ = fit_prior_means(
                self._counts,
                self._size_n,
                folds=self.folds,
                checked=self.checked,
                most_predictors=g if self.predictors is None else self.predictors,
                most_used=self.most_used,
            )
        kind_g, spread_g = np.zeros(g, dtype=int), np.ones(g)
        for some in self._pieces(np.arange(g)):
            fit = fit_variance(self._y(some), self._prior_mean(some), self._size_n)
            kind_g[some], spread_g[some] = fit.kind_q, fit.spread_q
        self.variance_ = VarianceFit(kind_g, spread_g)

    def block(self, columns, sd=False):
        columns = np.asarray(columns)
        values_nq = np.empty((len(self._back), len(columns)), np.float32)
        spread_nq = np.empty_like(values_nq) if sd else None
        for at in self._pieces(np.arange(len(columns))):
            found = self._posterior(columns[at])
            values_nq[:, at] = found.mean[self._back]
            if sd:
                spread_nq[:, at] = found.sd[self._back]
        return (values_nq, spread_nq) if sd else values_nq

    def posterior(self, columns: np.ndarray) -> GammaPosterior:
        """Gamma posterior of some of the genes, in the order of the cells given to ``learn``; its unit is CP10k."""
        found = self._posterior(np.asarray(columns))
        return GammaPosterior(found.shape_nq[self._back], found.per_nq[self._back], found.factor)

    def interval(self, columns: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Limits of the rate, in CP10k: quantiles of the posterior.

        Parameters
        ----------
        columns
            (q,) as in ``block``.
        level
            Probability inside, e.g. 0.95.

        Returns
        -------
        low_nq, high_nq
            float64.
        """
        return self.posterior(columns).interval(level)

    def predictive(self, columns: np.ndarray, level: float, total_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Limits of the counts in further molecules of the same cells, e.g. those set aside by thinning.

        Parameters
        ----------
        columns, level
            As in :meth:`interval`.
        total_n
            (n,) how many further molecules are looked at in each cell, over all genes of the file.

        Returns
        -------
        low_nq, high_nq
            float64, whole numbers: quantiles of the negative binomial.
        """
        return self.posterior(columns).predictive(level, np.asarray(total_n, dtype=np.float64) / self._mean_total)

    def _posterior(self, columns: np.ndarray) -> GammaPosterior:
        fit = VarianceFit(self.variance_.kind_q[columns], self.variance_.spread_q[columns])
        return fit.posterior(self._y(columns), self._prior_mean(columns), self._size_n, 1e4 / self._mean_total)

    def _y(self, columns: np.ndarray) -> np.ndarray:
        return self._columns[:, columns].toarray().astype(np.float64)

    def _prior_mean(self, columns: np.ndarray) -> np.ndarray:
        if self.prior_ is not None:
            return self.prior_(self._counts, self._size_n, columns)
        mean_q = (self._y(columns) / self._size_n[:, None]).mean(0)
        return np.broadcast_to(mean_q, (len(self._size_n), len(columns))).copy()

    def _pieces(self, items: np.ndarray) -> list[np.ndarray]:
        """The items in groups that keep the dense arrays near 2 million values."""
        many = int(np.clip(2_000_000 // max(len(self._size_n), 1), 1, 128))
        return [items[start : start + many] for start in range(0, len(items), many)]
