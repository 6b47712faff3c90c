"""Molecules divided at random: what a method may see, and what is kept from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from exval.errors import UnitError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def split_molecules(counts: sp.csr_matrix, shares: Sequence[float], rng: np.random.Generator) -> list[sp.csr_matrix]:
    """Every molecule falls into one of the parts, independently (multinomial thinning).

    For counts that are Poisson given the cell's rates the parts are independent given the rates, so that one part can
    judge what was made of another (Batson, Royer and Webber 2019, molecular cross-validation; fixed there, binomial
    here). The parts have the rates of the whole times ``shares``.

    Parameters
    ----------
    counts
        (n, g) whole numbers.
    shares
        Positive; they add up to at most 1. What is left over is thrown away.
    rng
        Source of random numbers.

    Raises
    ------
    UnitError
        Counts that are not whole, which have no molecules to divide.

    Examples
    --------
    >>> parts = split_molecules(sp.csr_matrix([[900.0, 0.0]]), (0.5, 0.5), np.random.default_rng(0))
    >>> int(parts[0].sum() + parts[1].sum())
    900
    """
    counts = sp.csr_matrix(counts)
    left = np.rint(counts.data).astype(np.int64)
    if len(left) and np.abs(counts.data - left).max() > 1e-3:
        raise UnitError("the counts are not whole numbers, so that molecules cannot be held out")
    parts, gone = [], 0.0
    for share in shares:
        taken = rng.binomial(left, min(share / max(1.0 - gone, 1e-12), 1.0))
        left, gone = left - taken, gone + share
        part = sp.csr_matrix((taken.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape, copy=True)
        part.eliminate_zeros()
        parts.append(part)
    return parts


def equal_depth(counts: sp.csr_matrix, depth: int, rng: np.random.Generator) -> sp.csr_matrix:
    """Exactly ``depth`` molecules of every cell, drawn without replacement; every cell needs as many.

    Cells that differ in depth differ in their log values even where their expression is the same. For a test in which
    every difference must be false, that difference has to go first.

    Examples
    --------
    >>> equal_depth(sp.csr_matrix([[5.0, 5.0], [0.0, 3.0]]), 3, np.random.default_rng(1)).sum(1).ravel().tolist()
    [[3.0, 3.0]]
    """
    counts = sp.csr_matrix(counts)
    whole = np.rint(counts.data).astype(np.int64)
    out = np.zeros(len(whole), dtype=np.float32)
    for i in range(counts.shape[0]):
        span = slice(counts.indptr[i], counts.indptr[i + 1])
        out[span] = rng.multivariate_hypergeometric(whole[span], depth, method="marginals")
    made = sp.csr_matrix((out, counts.indices, counts.indptr), shape=counts.shape, copy=True)
    made.eliminate_zeros()
    return made


def prepared(
    counts: sp.csr_matrix, obs_names: Sequence[str], var_names: Sequence[str], total_n: np.ndarray | None = None
) -> AnnData:
    """Counts as the AnnData that every imputation method receives: no column of obs but the cells' totals.

    Parameters
    ----------
    counts
        (n, g).
    total_n
        (n,) counts of each cell over all genes of its file; by default over those given.

    Examples
    --------
    >>> cells = prepared(sp.csr_matrix([[1.0, 3.0]]), ["c"], ["A", "B"])
    >>> [round(float(x), 2) for x in cells.X.data], cells.obs["exval_total"].tolist()
    ([7.82, 8.92], [4.0])
    """
    counts = sp.csr_matrix(counts, dtype=np.float32)
    counts.sort_indices()
    if total_n is None:
        total_n = np.asarray(counts.sum(1, dtype=np.float64)).ravel()
    scale_n = 1e4 / np.where(total_n > 0, total_n, 1.0)
    log = counts.copy()
    log.data = np.log1p(counts.data * np.repeat(scale_n, np.diff(counts.indptr))).astype(np.float32)
    made = from_logs(log, obs_names, var_names)
    made.layers["counts"] = counts
    made.obs["exval_total"] = np.asarray(total_n, dtype=np.float64)
    return made


def from_logs(log_ng: sp.csr_matrix, obs_names: Sequence[str], var_names: Sequence[str]) -> AnnData:
    """Log values without counts as the AnnData that a method receives; the totals are not known.

    Examples
    --------
    >>> from_logs(sp.csr_matrix([[1.0]]), ["c"], ["A"]).obs["exval_total"].tolist()
    [nan]
    """
    import pandas as pd
    from anndata import AnnData

    obs: pd.DataFrame = pd.DataFrame({"exval_total": np.full(log_ng.shape[0], np.nan)}, index=pd.Index(obs_names))
    return AnnData(sp.csr_matrix(log_ng, dtype=np.float32), obs=obs, var=pd.DataFrame(index=pd.Index(var_names)))
