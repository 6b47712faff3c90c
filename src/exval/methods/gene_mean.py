"""Recover a hidden value by its gene's mean."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card, Method
from exval.methods.matrix import moments, sorted_genes


class GeneMean(Method):
    """The mean of each gene over the training cells, zeros included.

    Parameters
    ----------
    at
        ``"all"``: over all cells. ``"hidden"``: weighted by the chance of being hidden when a share of the non-zeros
        and as many zeros are hidden, which a method may know without looking at any cell to be recovered: a control
        for what is gained by knowing how values were hidden.
    """

    name = "gene-mean"
    card = Card(
        category="control",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="linear in the stored values",
        reference="textbook",
        summary="Each gene's mean over the training cells; what recovery costs nothing.",
    )

    def __init__(self, at: str = "all") -> None:
        self.at = at

    def fit(self, adata, label=None):
        x_ng, self.genes_ = sorted_genes(adata)
        self.mean_ = moments(x_ng)[0] if self.at == "all" else balanced_mean(x_ng)
        return self

    def recover(self, adata, hidden: sp.csr_matrix) -> sp.csr_matrix:
        """CSR of ``hidden``'s sparsity with the gene's mean; 0 for a gene that was not fitted."""
        return fill(hidden, gene_values(adata, self.genes_, self.mean_)[hidden.indices])


class HiddenMean(GeneMean):
    """:class:`GeneMean` with ``at="hidden"``."""

    name = "hidden-mean"
    card = Card(
        category="control",
        sees=("expression", "how entries are hidden"),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="linear in the stored values",
        reference="control proposed here",
        summary="Each gene's mean over entries hidden as in the test: half of them non-zero.",
    )

    def __init__(self, at: str = "hidden") -> None:
        super().__init__(at)


def balanced_mean(x_ng: sp.csr_matrix) -> np.ndarray:
    """Mean of each gene over balanced hidden entries: weight 1 for a non-zero, non-zeros per zero of its cell else."""
    n, g = x_ng.shape
    x_ng = x_ng.copy()
    x_ng.eliminate_zeros()
    stored_n = np.diff(x_ng.indptr)
    zero_weight_n = stored_n / np.maximum(g - stored_n, 1)
    stored_g = np.bincount(x_ng.indices, minlength=g)
    sum_g = np.bincount(x_ng.indices, weights=x_ng.data.astype(np.float64), minlength=g)
    at_stored_g = np.bincount(x_ng.indices, weights=np.repeat(zero_weight_n, stored_n), minlength=g)
    return sum_g / np.maximum(stored_g + zero_weight_n.sum() - at_stored_g, 1e-12)


def gene_values(adata, genes: np.ndarray, values_p: np.ndarray) -> np.ndarray:
    """(g,) values of the file's genes, in its order; 0 for a gene that was not fitted."""
    import pandas as pd

    where = pd.Index(genes).get_indexer(adata.var_names)
    return np.where(where >= 0, values_p[where], 0.0)


def fill(hidden: sp.csr_matrix, values_m: np.ndarray) -> sp.csr_matrix:
    """A float32 CSR with the sparsity of ``hidden`` and the values given in its order of storage."""
    return sp.csr_matrix(
        (np.asarray(values_m, np.float32), hidden.indices, hidden.indptr), shape=hidden.shape, copy=True
    )
