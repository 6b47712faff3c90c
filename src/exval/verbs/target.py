"""The AnnData that filled values are written into: everything of the file, with columns added or left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.source import Source


@dataclass(eq=False)
class Target:
    """A file in memory, the values that were read of it, and the gene of each of its columns.

    Parameters
    ----------
    adata
        A copy of the file.
    values_np
        (n, p) the matrix that was read, dense, in the file's own precision; NaN where not measured.
    gene_p
        (p,) canonical names.
    """

    adata: AnnData
    values_np: np.ndarray
    gene_p: np.ndarray

    def cut(self, genes: Sequence[str] | None, added: Sequence[str]) -> Target:
        """Only the columns of some genes (all by default), and at the end a column of NaN for each added one."""
        keep_p = np.arange(len(self.gene_p)) if genes is None else np.flatnonzero(np.isin(self.gene_p, list(genes)))
        adata = self.adata if genes is None else self.adata[:, keep_p].copy()
        values_np = self.values_np[:, keep_p]
        if len(added):
            adata = widened(adata, added)
            gap = np.full((adata.n_obs, len(added)), np.nan, values_np.dtype)
            values_np = np.hstack([values_np, gap])
        return Target(adata, values_np, np.concatenate([self.gene_p[keep_p], np.asarray(added, dtype=object)]))


def target_of(source: Source) -> Target:
    """Read the whole file.

    Raises
    ------
    InputError
        The values stand in ``raw``, whose genes are not the columns of the file.
    """
    from exval.verbs.written import whole_of

    if source.matrix == "raw":
        raise InputError(
            f"{source.name}: the values stand in raw, which has genes of its own; give a file with them in X or a layer"
        )
    own = source.adata is not None or (source.path is not None and source.path.suffix == ".h5ad")
    if own and source.adata is None:
        import anndata

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adata = anndata.read_h5ad(source.path)
    else:
        adata = whole_of(source)
    place = source.matrix.removeprefix("layers/")
    x = adata.layers[place] if own and source.matrix != "X" else adata.X
    values_np = np.array(x.toarray() if sp.issparse(x) else x)
    if not np.issubdtype(values_np.dtype, np.floating):
        values_np = values_np.astype(np.float32)
    if not own:
        adata.X = values_np.copy()  # of a table: NaN stored as such
    gene_p = source.genes.canonical if own else np.asarray(source.var_names, dtype=object)
    return Target(adata, values_np, np.asarray(gene_p, dtype=object))


def widened(adata: AnnData, genes: Sequence[str]) -> AnnData:
    """The AnnData with a column for each further gene: NaN in X and in every layer, ``var["exval_added"]`` true.

    obs, obsm, obsp, uns and raw stay; var of the new genes is empty, and so is varm.

    Examples
    --------
    >>> import anndata
    >>> wide = widened(anndata.AnnData(np.ones((2, 1), np.float32), var=pd.DataFrame(index=["A"])), ["B"])
    >>> wide.X.tolist(), wide.var["exval_added"].tolist()
    ([[1.0, nan], [1.0, nan]], [False, True])
    """
    from anndata import AnnData

    n, k = adata.n_obs, len(genes)

    def wide(x):
        if x is None:
            return None
        if sp.issparse(x):
            x = x.toarray()
        x = np.asarray(x)
        kind = x.dtype if np.issubdtype(x.dtype, np.floating) else np.float32
        return np.hstack([x.astype(kind), np.full((n, k), np.nan, kind)])

    names = pd.Index([*adata.var_names, *map(str, genes)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if names.is_unique:
            var = adata.var.reindex(names)
        else:  # columns that repeat cannot be looked up by name
            var = pd.concat([adata.var, pd.DataFrame(index=pd.Index(map(str, genes)))])
        var["exval_added"] = np.arange(len(names)) >= adata.n_vars
        for column in var.columns:
            if var[column].dtype == object and adata.var.get(column) is not None and adata.var[column].dtype == bool:
                var[column] = var[column].fillna(False).astype(bool)
        out = AnnData(wide(adata.X), obs=adata.obs, var=var, uns=adata.uns, obsm=dict(adata.obsm))
        for name, x in adata.layers.items():
            out.layers[name] = wide(x)
        for key, values in adata.obsp.items():
            out.obsp[key] = values
        if adata.raw is not None:
            out.raw = adata.raw.to_adata()
    return out
