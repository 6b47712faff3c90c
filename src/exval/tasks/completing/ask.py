"""Put a question to a fitted method: its values, its sds, and the genes that it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.methods.matrix import dense_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of every gene of every sample.

    Parameters
    ----------
    values_ng
        (n, g) float64 in the unit of the file; measured values as they were; NaN for genes it does not know.
    sd_ng
        (n, g) sds, 0 where measured; None where the method gives none.
    unknown_g
        (g,) bool: genes of which something was asked and nothing answered.
    """

    values_ng: np.ndarray
    sd_ng: np.ndarray | None
    unknown_g: np.ndarray


def as_dense(adata: AnnData) -> AnnData:
    """A prepared AnnData with dense float32 ``X`` and its unit in ``uns``; one that is so already is handed through.

    Examples
    --------
    >>> import anndata, scipy.sparse as sp
    >>> as_dense(anndata.AnnData(sp.csr_matrix([[0.0, 1.0]]))).uns["exval_unit"]
    'log1p'
    """
    if "exval_unit" in adata.uns:
        return adata
    from anndata import AnnData

    return AnnData(dense_values(adata).astype(np.float32), obs=adata.obs, var=adata.var, uns={"exval_unit": "log1p"})


def measured_genes(adata: AnnData) -> AnnData:
    """Without the genes that were measured in no sample: nothing can be learned of them.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> file = anndata.AnnData(np.array([[1.0, np.nan]], np.float32), var=pd.DataFrame(index=["A", "B"]))
    >>> list(measured_genes(file).var_names)
    ['A']
    """
    there_g = ~np.isnan(dense_values(adata)).all(0)
    return adata if there_g.all() else adata[:, there_g].copy()


def ask(fitted: Any, adata: AnnData, asked_ng: np.ndarray | None = None, genes: Sequence[str] | None = None) -> Answer:
    """What the method says of every sample.

    Parameters
    ----------
    fitted
        A fitted completer.
    adata
        Dense, NaN where not measured.
    asked_ng
        (n, g) bool, the values that matter; default: all that were not measured.
    genes
        (g,) names of the columns wanted; default: those of the file.

    Raises
    ------
    ArithmeticError
        NaN, inf or an sd below zero in some of the values asked for a gene while others were answered; nothing at all
        was answered.
    ValueError
        An answer of another shape.
    """
    told = fitted.complete(adata, genes=genes, sd=True)
    values_ng = np.asarray(told.values_ng, dtype=np.float64)
    sd_ng = None if told.sd_ng is None else np.asarray(told.sd_ng, dtype=np.float64)
    shape = (adata.n_obs, adata.n_vars if genes is None else len(genes))
    if values_ng.shape != shape or (sd_ng is not None and sd_ng.shape != shape):
        raise ValueError(f"{fitted.title} answered {values_ng.shape} for {shape}")
    if asked_ng is None:
        asked_ng = np.isnan(dense_values(adata, None if genes is None else np.asarray(genes, dtype=object)))
    empty_ng = asked_ng & np.isnan(values_ng)
    unknown_g = asked_ng.any(0) & (empty_ng.sum(0) == asked_ng.sum(0))
    wanted_ng = asked_ng & ~unknown_g
    broken = wanted_ng & ~np.isfinite(values_ng)
    if sd_ng is not None:
        broken |= wanted_ng & ~(np.isfinite(sd_ng) & (sd_ng >= 0))
    if broken.any():
        raise ArithmeticError(f"{fitted.title} returned NaN or inf for {int(broken.sum())} of the values asked for")
    if asked_ng.any() and not wanted_ng.any():
        raise ArithmeticError(f"{fitted.title} answered nothing: it knows none of the genes asked for")
    return Answer(values_ng, sd_ng, unknown_g)
