"""What an imputation invents on a user's own cells: differences between random halves, and life in permuted genes.

Two checks after Andrews and Hemberg 2018 (F1000Research 7:1740), in which every discovery is false:

*halves*
    Cells of one type are divided at random, and a tenth of the genes is planted to differ between the halves
    (:mod:`exval.tasks.imputing.nullcase`). The method is fitted to them; genes that differ nowhere and are called
    different (Wilcoxon rank-sum, Benjamini-Hochberg at 5 %) are counted. Smoothing hands the planted difference on to
    other genes, and makes one value out of many cells that a test then counts many times.
*permuted*
    All cells are brought to the same depth, some genes are shuffled over them, the method is fitted again, and the
    shuffled genes are tested between the two largest types. What they show was put there by the method, from the other
    genes.

The same tests on the values as read stand beside both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone

from exval.errors import ExvalError
from exval.tasks.imputing.null import FDR, invents
from exval.tasks.imputing.shown import SHOWN, pictures, telling

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.methods.imputation.base import Imputer

MOST_TESTED = 2000
MOST_PERMUTED = 200
FEWEST_TESTED = 10
MOST_CELLS = 3000


@dataclass
class Invention:
    """What the two checks found.

    Parameters
    ----------
    advice
        What the values may be used for.
    sentence
        The figures in words.
    figures
        Numbers for ``uns``.
    rows
        Partial rows of ``results.parquet``.
    tables
        ``imputed_genes`` and ``gene_check``, for the report.
    warnings
        What could not be checked, and why.
    kind
        What the groups are called: ``"type"``, or ``"cluster"`` where they were predicted.
    """

    advice: str = ""
    sentence: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    kind: str = "type"


def examine(
    method: Imputer,
    fitted: Imputer,
    adata: AnnData,
    *,
    groups_n: np.ndarray | None = None,
    shown: Sequence[str] | None = None,
    xy_n2: np.ndarray | None = None,
    label: str | None = None,
    seed: int = 0,
) -> Invention:
    """Both checks, and the genes of the report as measured, imputed, and imputed after they were permuted.

    Parameters
    ----------
    method, fitted
        The method with its settings, and the same fitted to ``adata``.
    adata
        Prepared cells.
    groups_n
        (n,) type of each cell, NaN or None for cells of no known type, which then take no part; predicted clusters by
        default.
    shown
        Genes of the report; the six that differ most between types by default.
    xy_n2
        (n, 2) coordinates of a map; made from the values as read by default.
    label
        Given to ``fit`` where the method needs labels.
    seed
        Of halves and permutations.
    """
    rng = np.random.default_rng(seed)
    kind = "cluster" if groups_n is None else "type"
    groups_n = clusters_of(adata, seed) if groups_n is None else np.asarray(groups_n, dtype=object)
    known = np.flatnonzero(pd.notna(groups_n))
    whole = adata
    if len(known) < adata.n_obs:
        adata, groups_n = adata[known].copy(), groups_n[known]
        xy_n2 = None if xy_n2 is None else np.asarray(xy_n2)[known]
    groups_n, log_ng, found = groups_n.astype(str), sp.csc_matrix(adata.X), Invention(kind=kind)
    _halves(method, adata, groups_n, rng, label, seed, found)
    genes = list(telling(log_ng, groups_n, adata) if shown is None else shown)
    permuted = _permuted(method, adata, log_ng, groups_n, genes, rng, label, found)
    if genes:
        told = fitted.impute(whole, genes[:SHOWN]).to("log1p").values_nq[known]
        found.tables = pictures(genes[:SHOWN], told, permuted, adata, groups_n, xy_n2, seed)
    _conclude(found)
    return found


def clusters_of(adata: AnnData, seed: int = 0) -> np.ndarray:
    """(n,) predicted types of the values as read, as the control ``cluster-mean`` finds them; empty cells are apart."""
    from exval.methods.imputation.cluster_mean import ClusterMean

    out = np.full(adata.n_obs, "none", dtype=object)
    try:
        method = ClusterMean(seed=seed).fit(adata)
    except ExvalError:
        return np.full(adata.n_obs, "all")
    out[method.filled] = method.cluster_.astype(str)
    return out.astype(str)


def discoveries(a_mq: np.ndarray, b_mq: np.ndarray) -> np.ndarray:
    """(q,) genes that a rank-sum test calls different at a false discovery rate of 5 %; constant genes never are.

    Examples
    --------
    >>> same, higher = np.arange(20.0)[:, None], np.arange(20.0)[:, None] + 100
    >>> discoveries(same, same).tolist(), discoveries(same, higher).tolist()
    ([False], [True])
    """
    from exval.metrics.diffexp import benjamini_hochberg, rank_sum

    first = np.arange(len(a_mq) + len(b_mq)) < len(a_mq)
    return benjamini_hochberg(rank_sum(np.concatenate([a_mq, b_mq]), first).p_g) <= FDR


def _halves(method: Imputer, adata: AnnData, groups_n: np.ndarray, rng, label, seed: int, found: Invention) -> None:
    from exval.methods.imputation.controls import Nothing
    from exval.tasks.imputing.cases import case_of
    from exval.tasks.imputing.material import Material
    from exval.tasks.imputing.null import NullArm

    if label is not None:
        found.warnings.append("random halves are of one type, so that a method that needs types is not checked on them")
        return
    rows = np.sort(rng.permutation(adata.n_obs)[:MOST_CELLS])
    cells = Material(adata[rows].copy(), groups_n[rows])
    try:
        case = case_of(cells, "the file", "null: halves", rng, seed=seed, genes=MOST_TESTED, share=1.0)
        told = clone(method).fit(case.adata).impute(case.adata)
    except ExvalError as error:
        found.warnings.append(f"random halves of one type could not be tested: {error}")
        return
    if case.null.genes_g.sum() < FEWEST_TESTED:
        found.warnings.append(f"random halves: {case.null.genes_g.sum()} genes are too few to count discoveries among")
        return
    read = Nothing().fit(case.adata).impute(case.adata)
    for values, what, key in ((told, "imputed", ""), (read, "as read", "_as_read")):
        for figure in NullArm().score(case, values):
            if figure.metric not in ("false_discoveries", "power"):
                continue
            found.rows.append({
                "slice": f"null: halves, {what}", "metric": figure.metric, "value": figure.value, "n": figure.n,
                "unit": "gene", "note": f"{case.n} cells of one {found.kind}",
            })  # fmt: skip
            name = "impute_null_halves" if figure.metric == "false_discoveries" else "impute_null_power"
            found.figures[name + key] = float(figure.value)


def permute_genes(adata: AnnData, columns: np.ndarray, rng: np.random.Generator) -> tuple[AnnData, np.ndarray]:
    """Cells in which the values of some genes are shuffled over the cells, each gene on its own; and which cells.

    With counts, the cells are brought to the same depth first, and those below it (a fifth) are left out: only then is
    a count as likely in one cell as in another, whatever is made of it afterwards. Without counts the log-normalised
    values are shuffled as they are.

    Returns
    -------
    adata
        The cells that are left, prepared anew.
    rows
        (m,) which cells of the given ones they are.
    """
    from exval.tasks.imputing.molecules import from_logs, prepared
    from exval.tasks.imputing.nullcase import leveled

    with_counts = "counts" in adata.layers
    rows, x = leveled(adata.layers["counts"], rng) if with_counts else (np.arange(adata.n_obs), adata.X)
    x = sp.csc_matrix(x, copy=True)
    total_n = np.asarray(x.sum(1), dtype=np.float64).ravel()  # all alike, and not those of the shuffled genes
    for j in columns:
        part = slice(x.indptr[j], x.indptr[j + 1])
        x.indices[part] = rng.permutation(len(rows))[x.indices[part]]
    x, names = _sorted_rows(x), adata.obs_names[rows]
    out = prepared(x, names, adata.var_names, total_n) if with_counts else from_logs(x, names, adata.var_names)
    for column in adata.obs:
        if column not in out.obs:
            out.obs[column] = adata.obs[column].to_numpy()[rows]
    return out, rows


def _sorted_rows(x: sp.csc_matrix) -> sp.csr_matrix:
    x.has_sorted_indices = False
    x = x.tocsr()
    x.sort_indices()
    x.eliminate_zeros()
    return x.astype(np.float32)


def _permuted(method, adata, log_ng, groups_n, shown, rng, label, found: Invention) -> dict[str, np.ndarray]:
    """(n,) values of the permuted genes after they were imputed, by name; the test between the two largest types."""
    from exval.metrics.correlation import gene_correlations

    names, sizes = np.unique(groups_n, return_counts=True)
    seen = np.flatnonzero(np.diff(log_ng.indptr) >= max(3, 0.05 * adata.n_obs))
    most = max(1, adata.n_vars // 4)
    first = [adata.var_names.get_loc(gene) for gene in shown]
    first = [j for j in first if log_ng.indptr[j + 1] > log_ng.indptr[j]][: min(most, MOST_PERMUTED)]
    rest = rng.permutation(np.setdiff1d(seen, first))[: max(0, min(most, MOST_PERMUTED) - len(first))]
    columns = np.array([*first, *rest], dtype=int)
    if not len(columns) or len(names) < 2:
        found.warnings.append("permuted genes could not be tested: there is one type only, or no gene to permute")
        return {}
    genes = list(adata.var_names[columns])
    try:
        shuffled, rows = permute_genes(adata, columns, rng)
        told = clone(method).fit(shuffled, label).impute(shuffled, genes).to("log1p").values_nq
    except ExvalError as error:
        found.warnings.append(f"the method could not be fitted to permuted genes: {error}")
        return {}
    read = sp.csc_matrix(shuffled.X)[:, columns].toarray()
    a, b = (groups_n[rows] == names[i] for i in np.argsort(-sizes, kind="stable")[:2])
    if len(columns) < FEWEST_TESTED:
        said = f"{len(columns)} of {adata.n_vars} genes could be permuted"
        found.warnings.append(f"{said}: too few to count discoveries among")
    elif min(a.sum(), b.sum()) >= 5:
        for x, what, key in ((told, "imputed", ""), (read, "as read", "_as_read")):
            share = float(discoveries(x[a], x[b]).mean())
            found.rows.append({
                "slice": f"null: permuted, {what}", "metric": "false_discoveries", "value": share, "n": len(columns),
                "unit": "gene", "note": f"{len(rows)} cells of equal depth",
            })  # fmt: skip
            found.figures[f"impute_null_permuted{key}"] = share
    if len(columns) >= FEWEST_TESTED:
        for x, what, key in ((told, "imputed", ""), (read, "as read", "_as_read")):
            size = float(np.abs(gene_correlations(x)).mean())
            found.rows.append({
                "slice": f"null: permuted, {what}", "metric": "mean_abs_correlation", "value": size, "n": len(columns),
                "unit": "gene", "note": f"{len(rows)} cells of equal depth",
            })  # fmt: skip
            found.figures[f"impute_null_correlation{key}"] = size
    whole_nq = np.full((adata.n_obs, len(genes)), np.nan, np.float32)
    whole_nq[rows] = told
    return dict(zip(genes, whole_nq.T))


def _conclude(found: Invention) -> None:
    said, high = [], []
    tested = {row["slice"]: row["n"] for row in found.rows if row["metric"] == "false_discoveries"}
    for arm, what in (
        ("halves", f"of genes between random halves of one {found.kind}"),
        ("permuted", f"of permuted genes between {found.kind}s"),
    ):
        key = f"impute_null_{arm}"
        if key in found.figures:
            share, read = found.figures[key], found.figures[f"{key}_as_read"]
            said.append(f"{100 * share:.1f} % {what} (as read {100 * read:.1f} %)")
            high.append(invents(share, read, tested[f"null: {arm}, imputed"]))
    found.sentence = f"Where nothing differs, tests of the imputed values find {' and '.join(said)}." if said else ""
    if not said:
        found.advice = f"Not checked: there are too few cells or genes of a {found.kind} to test for inventions."
    elif any(high):
        found.advice = "For plotting, not for testing: run tests on the values as read."
    else:
        found.advice = (
            "No invented differences beyond those of the values as read; a test of these values is still best repeated "
            "on the values as read."
        )
