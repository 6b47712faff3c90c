"""Sparse column statistics and matching of genes by name, shared by the methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.data.choose import mean_filled
from exval.data.scaling import LIMIT
from exval.errors import GeneError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

PART = 1 << 22  # stored values looked at together


def sorted_genes(adata: AnnData) -> tuple[sp.csr_matrix, np.ndarray]:
    """X as CSR with its columns in alphabetical order, so that no method can depend on the order in the file."""
    names = np.asarray(adata.var_names, dtype=object)
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise InputError(f"there is nothing to fit on: {adata.n_obs} cells, {adata.n_vars} genes")
    order = np.argsort(names.astype(str), kind="stable")
    x_ng = mean_filled(as_csr(adata))
    return (x_ng if (np.diff(order) == 1).all() else x_ng[:, order]), names[order]


def as_csr(adata: AnnData) -> sp.csr_matrix:
    """X as CSR; z-scores are cut at 10, since a gene that one patient expresses reaches thousands."""
    x_ng = sp.csr_matrix(adata.X)
    if adata.uns.get("exval_unit") == "z" and len(x_ng.data):
        x_ng = x_ng.copy()
        np.clip(x_ng.data, -LIMIT, LIMIT, out=x_ng.data)
    return x_ng


def dense_values(adata: AnnData, genes: np.ndarray | None = None) -> np.ndarray:
    """Values of a prepared AnnData as a dense array, whichever way they are stored.

    Parameters
    ----------
    adata
        Prepared: ``X`` CSR (absent is zero) or dense (NaN is not measured).
    genes
        (p,) names of the columns wanted, in this order; a gene that the file lacks was not measured. Default: all.

    Returns
    -------
    numpy.ndarray
        (n, p) float64, NaN where a value was not measured; in the unit of ``X``.

    Examples
    --------
    >>> import anndata
    >>> x = anndata.AnnData(np.array([[1.0, np.nan]]), var=pd.DataFrame(index=["INS", "GCG"]))
    >>> dense_values(x, np.array(["GCG", "SST", "INS"])).tolist()
    [[nan, nan, 1.0]]
    """
    x_ng = adata.X
    if genes is None:
        return np.array(x_ng.toarray() if sp.issparse(x_ng) else x_ng, dtype=np.float64)
    where = pd.Index(adata.var_names).get_indexer(genes)
    out = np.full((adata.n_obs, len(where)), np.nan)
    if (where >= 0).any():
        part = (sp.csr_matrix(x_ng) if sp.issparse(x_ng) else np.asarray(x_ng))[:, where[where >= 0]]
        out[:, where >= 0] = part.toarray() if sp.issparse(part) else part
    return out


def moments(x_ng: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance of every column (zeros included), accumulated in float64.

    Examples
    --------
    >>> mean, var = moments(sp.csr_matrix([[0.0, 1.0], [2.0, 1.0]]))
    >>> mean.tolist(), var.tolist()
    ([1.0, 1.0], [2.0, 0.0])
    """
    n, g = x_ng.shape
    mean_g, square_g, stored_g = np.zeros(g), np.zeros(g), np.zeros(g, dtype=np.int64)
    parts = [slice(start, min(start + PART, x_ng.nnz)) for start in range(0, x_ng.nnz, PART)]
    for part in parts:
        mean_g += np.bincount(x_ng.indices[part], weights=x_ng.data[part], minlength=g)
        stored_g += np.bincount(x_ng.indices[part], minlength=g)
    mean_g /= n
    for part in parts:
        deviation = x_ng.data[part].astype(np.float64) - mean_g[x_ng.indices[part]]
        square_g += np.bincount(x_ng.indices[part], weights=deviation**2, minlength=g)
    square_g += (n - stored_g) * mean_g**2
    return mean_g, square_g / max(n - 1, 1)


def variable_genes(mean_g: np.ndarray, var_g: np.ndarray, n_genes: int | None) -> np.ndarray:
    """Indices, ascending, of the genes that vary most for their mean.

    The trend of log variance over log mean is a parabola fitted to all genes that vary; genes are ranked by their
    height above it (the idea of Seurat's "vst" selection, Stuart et al. 2019, on log1p values). Ties go to the gene
    whose column comes first.

    Raises
    ------
    InputError
        If no gene varies.
    """
    varies = np.flatnonzero(var_g > 1e-10 * np.maximum(mean_g**2, 1e-10))
    if not len(varies):
        raise InputError("no gene varies between the cells to fit on; give more than one distinct cell")
    if n_genes is None or len(varies) <= n_genes:
        return varies
    if (mean_g < 0).any():  # log2 or z: variance has no trend over a mean that may be negative
        return np.sort(varies[np.argsort(-np.round(var_g[varies], 9), kind="stable")[:n_genes]])
    log_mean = np.log(np.maximum(np.abs(mean_g[varies]), 1e-12))
    log_var = np.log(var_g[varies])
    excess = log_var - np.polyval(np.polyfit(log_mean, log_var, 2), log_mean)
    return np.sort(varies[np.argsort(-np.round(excess, 9), kind="stable")[:n_genes]])


def columns_of(adata: AnnData, genes: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """The columns of X that hold ``genes``, in that order, without those absent from the file.

    Returns
    -------
    x_np
        CSR (n, p) of the genes present.
    present_p
        Their positions within ``genes``.

    Raises
    ------
    GeneError
        If none of the genes is in the file.
    """
    where = pd.Index(adata.var_names).get_indexer(genes)
    present_p = np.flatnonzero(where >= 0)
    if not len(present_p):
        raise GeneError(f"none of the {len(genes)} genes the method was fitted on is in the file; check var_names")
    columns = where[present_p]
    x_ng = as_csr(adata)
    if len(columns) == adata.n_vars and (np.diff(columns) == 1).all():
        return x_ng, present_p
    return x_ng[:, columns], present_p


def measured_or(x_np: sp.csr_matrix, mean_p: np.ndarray) -> sp.csr_matrix:
    """Values with a mean where nothing was measured (NaN)."""
    gap_t = np.isnan(x_np.data)
    if not gap_t.any():
        return x_np
    x_np = x_np.copy()
    x_np.data[gap_t] = mean_p[x_np.indices[gap_t]]
    return x_np


def linear_map(
    adata: AnnData, genes: np.ndarray, mean_p: np.ndarray, weights_pd: np.ndarray, offset_d: np.ndarray | float = 0.0
) -> np.ndarray:
    """``(x - mean) @ weights + offset`` without densifying: the centring is folded into the offset.

    A gene absent from the file, or not measured in a sample, takes its training mean and therefore adds nothing.
    """
    x_np, present_p = columns_of(adata, genes)
    x_np = measured_or(x_np, mean_p[present_p])
    weights = weights_pd[present_p]
    return np.asarray(x_np @ weights) + (offset_d - mean_p[present_p] @ weights)
