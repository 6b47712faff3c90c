"""Genes of an imputation as a report shows them: measured, imputed, and imputed after they were permuted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from anndata import AnnData

SHOWN = 6


def eta2(x_nq: np.ndarray, groups_n: np.ndarray) -> np.ndarray:
    """(q,) share of a gene's variance that lies between groups; 0 for a constant gene.

    Examples
    --------
    >>> eta2(np.array([[0.0], [0.0], [2.0], [2.0]]), np.array(["a", "a", "b", "b"])).tolist()
    [1.0]
    """
    codes, _ = pd.factorize(groups_n)
    size_k = np.bincount(codes)
    member = sp.csr_matrix((1.0 / size_k[codes], (codes, np.arange(len(codes)))))
    mean_q = x_nq.mean(0, dtype=np.float64)
    between = (size_k[:, None] * (member @ x_nq - mean_q) ** 2).sum(0)
    total = ((x_nq - mean_q) ** 2).sum(0, dtype=np.float64)
    return np.divide(between, total, out=np.zeros_like(between), where=total > 1e-12)


def telling(log_ng: sp.csc_matrix, groups_n: np.ndarray, adata: AnnData) -> list[str]:
    """The genes that differ most between types and are seen in a tenth of the cells: what one would plot."""
    seen = np.flatnonzero(np.diff(log_ng.indptr) >= max(3, 0.1 * log_ng.shape[0]))
    if not len(seen):
        seen = np.flatnonzero(np.diff(log_ng.indptr))
    score = np.concatenate(
        [eta2(log_ng[:, seen[i : i + 500]].toarray(), groups_n) for i in range(0, len(seen), 500)] or [np.empty(0)]
    )
    return list(adata.var_names[seen[np.argsort(-score, kind="stable")[:SHOWN]]])


def pictures(
    genes: Sequence[str],
    told: np.ndarray,
    permuted: dict[str, np.ndarray],
    adata: AnnData,
    groups_n: np.ndarray,
    xy_n2: np.ndarray | None,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Tables ``imputed_genes`` (points of the maps) and ``gene_check`` (how much of a gene lies between groups).

    Parameters
    ----------
    genes, told
        Names, and their (n, q) imputed log1p values.
    permuted
        Gene -> (n,) what was imputed after it was permuted, NaN for cells that took no part.
    adata, groups_n
        Prepared cells, and their groups.
    xy_n2
        Coordinates of a map; None: it is made from the values as read.
    seed
        Of that map.
    """
    from exval.tasks.map2d import map_cells, spread_rows

    read = sp.csc_matrix(adata.X)[:, adata.var_names.get_indexer(genes)].toarray()
    rows = spread_rows(adata.n_obs)
    if xy_n2 is None:
        made = map_cells(adata[rows].copy(), groups_n[rows], np.zeros(len(rows), bool), seed)
        xy, kind = made[["x", "y"]].to_numpy(), made.kind.iloc[0]
    else:
        xy, kind = np.asarray(xy_n2)[rows, :2], "map"
    parts: dict[str, list[np.ndarray]] = {}
    checks = []
    for j, gene in enumerate(genes):
        after = permuted.get(gene)
        columns = {"x": xy[:, 0], "y": xy[:, 1], "measured": read[rows, j], "imputed": told[rows, j],
                   "permuted": np.full(len(rows), np.nan) if after is None else after[rows]}  # fmt: skip
        for name, values in columns.items():
            parts.setdefault(name, []).append(np.asarray(values, dtype=float))
        both = np.stack([read[:, j], told[:, j]], 1)
        r = float(np.corrcoef(both.T.astype(float))[0, 1]) if (np.ptp(both, axis=0) > 0).all() else np.nan
        checks.append(
            {"gene": gene, "r": r, "measured": eta2(read[:, [j]], groups_n)[0],
             "imputed": eta2(told[:, [j]], groups_n)[0],
             "permuted": np.nan if after is None else _eta2_of_known(after, groups_n)}
        )  # fmt: skip
    drawn = pd.DataFrame({name: np.concatenate(values) for name, values in parts.items()})
    drawn.insert(0, "gene", np.repeat(genes, len(rows)))
    drawn["kind"] = kind
    return {"imputed_genes": drawn, "gene_check": pd.DataFrame(checks)}


def _eta2_of_known(x_n: np.ndarray, groups_n: np.ndarray) -> float:
    there = np.isfinite(x_n)
    return float(eta2(x_n[there, None], groups_n[there])[0])
