"""Groups of cells for methods that work by group: those the user gave, or predicted ones (Louvain on a graph)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.imputation.base import Cells


def groups_of(cells: Cells, seed: int, *, n_components: int = 30, k: int = 15, smallest: int = 5) -> np.ndarray:
    """(n,) integers from 0: the labels given, else communities of the graph of neighbours in the leading components.

    Parameters
    ----------
    cells
        With ``labels_n`` where the user named a column.
    seed
        Of the order in which Louvain visits cells.
    n_components, k
        Components of log1p(CP10k), and neighbours of each cell.
    smallest
        Predicted groups with fewer cells join the one whose centre is nearest; labels are left as they are.

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> from exval.methods.imputation.controls import Nothing
    >>> len(groups_of(Nothing()._cells(cells, None), seed=0))
    40
    """
    from exval.methods.imputation.neighbours import nearest
    from exval.methods.imputation.pca import leading_components

    if cells.labels_n is not None:
        return np.unique(cells.labels_n.astype(str), return_inverse=True)[1]
    n, g = cells.log_ng.shape
    scores_nk = leading_components(cells.log_ng, max(1, min(n_components, n - 1, g)), seed=seed)[0]
    index_nk, _ = nearest(scores_nk, min(k + 1, n))
    return merged(louvain(neighbour_graph(index_nk), seed=seed), scores_nk, smallest)


def neighbour_graph(index_nk: np.ndarray, weight_nk: np.ndarray | None = None) -> sp.csr_matrix:
    """Symmetric graph of neighbours; the first column of ``index_nk`` is the cell itself and is left out.

    Examples
    --------
    >>> neighbour_graph(np.array([[0, 1], [1, 0], [2, 1]])).toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """
    n, k = index_nk.shape
    weight = np.ones((n, k - 1)) if weight_nk is None else weight_nk[:, 1:]
    row = np.repeat(np.arange(n), k - 1)
    one_way = sp.csr_matrix((weight.ravel(), (row, index_nk[:, 1:].ravel())), shape=(n, n))
    graph = ((one_way + one_way.T) / 2).tocsr()
    graph.eliminate_zeros()
    return graph


def louvain(graph: sp.csr_matrix, *, resolution: float = 1.0, seed: int = 0) -> np.ndarray:
    """Communities by modularity, numbered by size: nodes move while it pays, communities become nodes, and so on.

    Parameters
    ----------
    graph
        (n, n) symmetric, weights >= 0.
    resolution
        Above 1: more and smaller communities.
    seed
        Of the order in which nodes are visited.

    References
    ----------
    Blondel et al. 2008, J. Stat. Mech. P10008.

    Examples
    --------
    >>> triangle = np.ones((3, 3)) - np.eye(3)
    >>> two = np.block([[triangle, np.zeros((3, 3))], [np.zeros((3, 3)), triangle]])
    >>> two[2, 3] = two[3, 2] = 1
    >>> found = louvain(sp.csr_matrix(two))
    >>> len(set(found)), len(set(found[:3])), len(set(found[3:]))
    (2, 1, 1)
    """
    rng = np.random.default_rng(seed)
    graph = sp.csr_matrix(graph, dtype=np.float64)
    member_n = np.arange(graph.shape[0])
    while True:
        community = _move(graph, resolution, rng)
        kinds, community = np.unique(community, return_inverse=True)
        member_n = community[member_n]
        if len(kinds) == graph.shape[0]:
            break
        into = sp.csr_matrix((np.ones(len(community)), (np.arange(len(community)), community)))
        graph = (into.T @ graph @ into).tocsr()
    kinds, first, count = np.unique(member_n, return_index=True, return_counts=True)
    rank = np.empty(len(kinds), int)
    rank[np.lexsort((first, -count))] = np.arange(len(kinds))
    return rank[member_n]


def _move(graph: sp.csr_matrix, resolution: float, rng: np.random.Generator) -> np.ndarray:
    """Each node to the community of a neighbour where modularity gains most, until no move gains."""
    n = graph.shape[0]
    strength = np.asarray(graph.sum(1)).ravel()
    total = strength.sum()
    community = list(range(n))
    if total <= 0:
        return np.array(community)
    volume, strength = strength.tolist(), strength.tolist()
    starts, ends, weights = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    moved = True
    while moved:
        moved = False
        for i in rng.permutation(n).tolist():
            links: dict[int, float] = {}
            for at in range(starts[i], starts[i + 1]):
                j = ends[at]
                if j != i:
                    links[community[j]] = links.get(community[j], 0.0) + weights[at]
            mine = community[i]
            volume[mine] -= strength[i]
            scale = resolution * strength[i] / total
            best, gain = mine, links.get(mine, 0.0) - scale * volume[mine]
            for other, weight in links.items():
                here = weight - scale * volume[other]
                if here > gain + 1e-9:
                    best, gain = other, here
            volume[best] += strength[i]
            if best != mine:
                community[i], moved = best, True
    return np.array(community)


def merged(group_n: np.ndarray, scores_nk: np.ndarray, smallest: int) -> np.ndarray:
    """Groups with fewer than ``smallest`` cells join the larger group with the nearest centre.

    Examples
    --------
    >>> merged(np.array([0, 0, 1, 1, 2]), np.array([[0.0], [0.0], [9.0], [9.0], [7.0]]), 2).tolist()
    [0, 0, 1, 1, 1]
    """
    count = np.bincount(group_n)
    large = np.flatnonzero(count >= smallest)
    if len(large) == 0:
        return np.zeros(len(group_n), int)
    centre = np.stack([scores_nk[group_n == group].mean(0) for group in large])
    out = group_n.copy()
    for group in np.flatnonzero(count < smallest):
        where = scores_nk[group_n == group]
        out[group_n == group] = large[np.argmin(((centre - where.mean(0)) ** 2).sum(1))] if len(where) else group
    return np.unique(out, return_inverse=True)[1]
