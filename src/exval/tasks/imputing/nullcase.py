"""Cases of the null arm: cells of equal depth, and genes that differ nowhere: every difference found is false."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.tasks.imputing.cases import ImputeCase, Null, cut, largest, most_variable, take
from exval.tasks.imputing.material import Material
from exval.tasks.imputing.molecules import equal_depth, from_logs, prepared

SHARE_PERMUTED, SHARE_PLANTED = 0.2, 0.1


def null_case(
    material: Material, name: str, arm: str, rng: np.random.Generator, *, seed: int = 0, genes: int | None = 2000
) -> ImputeCase:
    """The case of a null arm (Andrews and Hemberg 2018, F1000Research 7:1740, made exact).

    First every cell is brought to the same depth (a fifth of the cells, those with fewer molecules, go): counts can
    then be exchanged between cells, and no difference in depth passes for one in expression. Values as read keep their
    level exactly; what an imputation adds is its own.

    ``null: permuted``
        A fifth of the genes, each shuffled over *all* cells by a permutation of its own. They say nothing of the cell,
        and nothing of each other: between types they do not differ, and the correlation of any two is noise. The
        other genes are left, and from them a method knows the types.
    ``null: halves``
        The cells of the largest type, divided at random. In the second half a tenth of the genes, those by which the
        two largest types differ most, take the values of cells of the second type. All other genes are exchangeable
        between the halves. Without the planted genes the test could not fail: whatever is made of all cells alike, a
        division drawn afterwards is as random as before, and its p values are uniform.
    """
    kind = arm.removeprefix("null:").strip()
    if kind not in ("permuted", "halves"):
        raise InputError(f"no arm is called {arm!r}; there are: null: permuted, null: halves")
    if material.groups_n is None:
        raise InputError(f"{name} has no types: the null arm compares types, or halves of one")
    seen, material = _level(material, rng)
    two = largest(material.groups_n, 2)
    if len(two) < 2:
        raise InputError(f"{name} has fewer than two types of ten cells with enough molecules for the null arm")
    make = _halves if kind == "halves" else _permuted
    return make(seen, material, name, arm, two, rng, seed, genes)


def leveled(counts: sp.csr_matrix, rng: np.random.Generator) -> tuple[np.ndarray, sp.csr_matrix]:
    """Rows of the cells with at least as many molecules as a fifth of them has, and their counts at just that depth.

    Examples
    --------
    >>> rows, counts = leveled(sp.csr_matrix(np.diag([1.0, 4, 4, 4, 4, 9])), np.random.default_rng(0))
    >>> rows.tolist(), counts.sum(1).ravel().tolist()
    ([1, 2, 3, 4, 5], [[4.0, 4.0, 4.0, 4.0, 4.0]])
    """
    counts = sp.csr_matrix(counts)
    whole = sp.csr_matrix((np.rint(counts.data), counts.indices, counts.indptr), counts.shape)
    total_n = np.asarray(whole.sum(1), dtype=np.float64).ravel()
    depth = int(np.quantile(total_n, 0.2))
    if depth < 1:
        raise InputError("a fifth of the cells has no molecule; leave empty cells out")
    rows = np.flatnonzero(total_n >= depth)
    return rows, equal_depth(whole[rows], depth, rng)


def _level(material: Material, rng: np.random.Generator) -> tuple:
    """Cells of equal depth, and the material of these cells."""
    cells = material.adata
    if "counts" not in cells.layers:
        return cells, material
    rows, counts = leveled(cells.layers["counts"], rng)
    return prepared(counts, cells.obs_names[rows], cells.var_names), take(material, rows)


def _permuted(seen, material, name, arm, two, rng, seed, genes) -> ImputeCase:
    columns = most_variable(seen.X, genes)
    adata, n, g = cut(seen, columns), seen.n_obs, len(columns)
    null_g = np.zeros(g, dtype=bool)
    null_g[rng.permutation(g)[: max(1, round(SHARE_PERMUTED * g))]] = True
    source_n = np.stack([rng.permutation(n) if null_g[j] else np.arange(n) for j in range(g)], axis=1)
    adata = _exchanged(adata, source_n)
    expected = None
    if material.expected_ng is not None:
        expected = material.expected_ng[:, columns].copy()
        expected[:, null_g] = expected[:, null_g].mean(0)
    kinds = material.groups_n.astype(str)
    null = Null("permuted", null_g, kinds == two[0], kinds == two[1])
    return ImputeCase(name, arm, seed, adata, material.groups_n, expected, material.exact, null=null)


def _halves(seen, material, name, arm, two, rng, seed, genes) -> ImputeCase:
    from exval.metrics.diffexp import rank_sum

    kinds = material.groups_n.astype(str)
    own, other = np.flatnonzero(kinds == two[0]), np.flatnonzero(kinds == two[1])
    second = rng.permutation(len(own)) < len(own) // 2
    n, donor = len(own), rng.choice(other, len(own))
    both = np.concatenate([own, other])
    columns = most_variable(seen.X[both], genes)
    test = rank_sum(seen.X[both][:, columns].toarray(), np.arange(len(both)) < n)
    planted_g = np.zeros(len(columns), dtype=bool)
    order = np.argsort(-np.abs(test.z_g), kind="stable")
    planted_g[order[: max(1, round(SHARE_PLANTED * len(columns)))]] = True
    pool = cut(seen, columns)
    moved = (second[:, None] & planted_g[None, :]).astype(bool)
    source_n = np.where(moved, donor[:, None], own[:, None])
    adata = _exchanged(pool, source_n, own)
    varied = np.asarray((adata.X > 0).sum(0)).ravel() > 0
    expected = None
    if material.expected_ng is not None:
        full = material.expected_ng[:, columns]
        expected = np.where(moved, full[donor], full[own])[:, varied]
    null = Null("halves", ~planted_g[varied], second, ~second, planted_g[varied])
    adata = cut(adata, np.flatnonzero(varied))
    return ImputeCase(name, arm, seed, adata, None, expected, material.exact, null=null)


def _exchanged(adata, source_nj: np.ndarray, rows: np.ndarray | None = None):
    """Cells whose value of gene j is that of the cell ``source_nj[i, j]``; the totals, all equal, stay."""
    rows = np.arange(adata.n_obs) if rows is None else rows
    column_j = np.arange(adata.n_vars)[None, :]
    names = adata.obs_names[rows]

    def moved(matrix) -> sp.csr_matrix:
        return sp.csr_matrix(matrix.toarray()[source_nj, column_j])

    if "counts" not in adata.layers:
        return from_logs(moved(adata.X), names, adata.var_names)
    total_n = adata.obs["exval_total"].to_numpy(np.float64)[rows]
    return prepared(moved(adata.layers["counts"]), names, adata.var_names, total_n)
