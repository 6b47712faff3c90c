"""Recover hidden values as conditional means of a low-rank Gaussian."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card, Method
from exval.methods.components import principal_components
from exval.methods.gene_mean import balanced_mean, fill, gene_values
from exval.methods.matrix import moments, sorted_genes


class LowRank(Method):
    """Gaussian with covariance ``W W' + diag(psi)``: the mean of the hidden entries given the visible ones.

    ``W`` holds the leading principal axes, each scaled by the root of its variance above the mean discarded one
    (probabilistic PCA); ``psi`` is what of each gene's variance the axes leave over. The conditional mean needs one
    r x r system a cell: visible zeros enter it in full, at the cost of the non-zeros, because their share is a constant
    minus the terms of the other genes.

    Parameters
    ----------
    at
        ``"all"``: a hidden entry is as likely to be zero as any. ``"hidden"``: the answer for hidden entries is
        ``a + b (mean over hidden entries of the gene) + c (conditional mean - mean)``, the three numbers fitted on
        training cells, for a test that hides as many zeros as non-zeros; a masked model knows that from its training.
    ranks
        Ranks tried. The one with the least squared error on entries hidden from a sixth of the training cells is used.
    n_check
        At most so many training cells are set aside for that choice.
    share
        Share of the non-zeros hidden (with as many zeros) in that choice.
    seed
        Of the cells and entries set aside, and of the decomposition where it is randomised.

    Attributes
    ----------
    rank_
        The rank used.
    """

    name = "low-rank"
    aliases = ("ppca",)
    card = Card(
        category="low rank",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="one truncated decomposition, then one small system a cell",
        reference="Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611",
        summary="Conditional mean of a low-rank Gaussian; its rank is chosen within the training cells.",
    )

    def __init__(
        self,
        at: str = "all",
        ranks: tuple[int, ...] = (2, 5, 10, 20, 40),
        n_check: int = 300,
        share: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.at = at
        self.ranks = ranks
        self.n_check = n_check
        self.share = share
        self.seed = seed

    def fit(self, adata, label=None):
        from exval.tasks.hiding import hide_entries

        x_ng, self.genes_ = sorted_genes(adata)
        n = x_ng.shape[0]
        order = np.random.default_rng(self.seed).permutation(n)
        check = np.sort(order[: min(self.n_check, n // 6)])
        self.rank_, self.shift_ = min(self.ranks), np.array([0.0, 1.0, 1.0])
        self.hidden_mean_ = balanced_mean(x_ng)
        if len(check) >= 2:
            rest = np.setdiff1d(np.arange(n), check)
            self._decompose(x_ng[rest], max(self.ranks))
            case = hide_entries(x_ng[check], share=self.share, seed=self.seed)
        if len(check) >= 2 and len(case.truth_m):
            errors = []
            for rank in self.ranks:
                self._truncate(rank)
                errors.append(np.mean((self._expect(case.visible, case.hidden) - case.truth_m) ** 2))
            self.rank_ = self.ranks[int(np.argmin(errors))]
            self._truncate(self.rank_)
            told = self._expect(case.visible, case.hidden)
            at = case.hidden.indices
            self.shift_ = self._fit_shift(told - self.mean_[at], self.hidden_mean_[at], case.truth_m)
        self._decompose(x_ng, self.rank_)
        self._truncate(self.rank_)
        return self

    @staticmethod
    def _fit_shift(lift_m: np.ndarray, prior_m: np.ndarray, truth_m: np.ndarray) -> np.ndarray:
        design = np.stack([np.ones_like(prior_m), prior_m, lift_m], axis=1)
        return np.linalg.lstsq(design, truth_m, rcond=None)[0]

    def _decompose(self, x_ng: sp.csr_matrix, k: int) -> None:
        self.mean_, self.var_ = moments(x_ng)
        self.axes_, self.variance_ = principal_components(x_ng, self.mean_, np.ones(x_ng.shape[1]), k, self.seed)

    def _truncate(self, rank: int) -> None:
        axes, variance = self.axes_[:, :rank], self.variance_[:rank]
        left = max(self.var_.sum() - variance.sum(), 0.0) / max(len(self.var_) - len(variance), 1)
        self.loadings_ = axes * np.sqrt(np.maximum(variance - left, 0.0))
        floor = 1e-3 * max(self.var_.mean(), 1e-8)
        self.noise_ = np.maximum(self.var_ - (self.loadings_**2).sum(1), floor)

    def recover(self, adata, hidden: sp.csr_matrix) -> sp.csr_matrix:
        """CSR of ``hidden``'s sparsity; 0 for a gene that was not fitted. A fitted gene absent here is not measured."""
        import pandas as pd

        where = pd.Index(self.genes_).get_indexer(adata.var_names)
        known = where >= 0
        loadings = np.where(known[:, None], self.loadings_[where], 0.0)
        noise = np.where(known, self.noise_[where], 1.0)
        mean = gene_values(adata, self.genes_, self.mean_)
        x_ng = sp.csr_matrix(adata.X)
        if not known.all():
            x_ng = (x_ng @ sp.diags_array(known.astype(np.float64))).tocsr()
        values = self._expect(x_ng, hidden, loadings, noise, mean)
        if self.at == "hidden":
            a, b, c = self.shift_
            prior = gene_values(adata, self.genes_, self.hidden_mean_)[hidden.indices]
            values = np.where(hidden.data, a + b * prior + c * (values - mean[hidden.indices]), values)
        return fill(hidden, values)

    def _expect(self, x_ng, hidden, loadings=None, noise=None, mean=None) -> np.ndarray:
        loadings = self.loadings_ if loadings is None else loadings
        noise, mean = (self.noise_ if noise is None else noise), (self.mean_ if mean is None else mean)
        weighted = loadings / noise[:, None]
        precision = loadings.T @ weighted + np.eye(loadings.shape[1])
        evidence = np.asarray(x_ng @ weighted) - mean @ weighted
        out = np.empty(len(hidden.indices))
        for i in range(hidden.shape[0]):
            span = slice(hidden.indptr[i], hidden.indptr[i + 1])
            at = hidden.indices[span]
            blank = at[hidden.data[span]]
            u = loadings[blank]
            inner = precision - u.T @ weighted[blank]
            z = np.linalg.solve(inner, evidence[i] + mean[blank] @ weighted[blank])
            out[span] = mean[at] + loadings[at] @ z
        return out


class LowRankHidden(LowRank):
    """:class:`LowRank` with ``at="hidden"``: the baseline that knows, as a masked model does, how values are hidden."""

    name = "low-rank-hidden"
    card = Card(
        category="low rank",
        sees=("expression", "how entries are hidden"),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="as low-rank",
        reference="Tipping and Bishop 1999; adjustment proposed here",
        summary="The low-rank Gaussian, told that half of the hidden entries are non-zero.",
    )

    def __init__(
        self,
        at: str = "hidden",
        ranks: tuple[int, ...] = (2, 5, 10, 20, 40),
        n_check: int = 300,
        share: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__(at, ranks, n_check, share, seed)
