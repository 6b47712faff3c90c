"""Trajectory: whether a known order of cells can be found in imputed values."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.metrics.trajectory import kendall, pos
from exval.tasks.imputing.analysis import Analysis, Figure, answer, components, units

NEIGHBOURS, COMPONENTS, PATH_OFFSET = 10, 10, 1_000_000


class Trajectory(Analysis):
    """Pseudotime from a known root against the known place on each path.

    The cells of a path alone; 10 principal components of their log1p(CP10k); a graph of each cell with its 10 nearest
    (either way), made whole with the edges of the minimum spanning tree; pseudotime is the length of the shortest path
    from the root (Tenenbaum et al. 2000, Science 290:2319, geodesics of Isomap). The root is the cell nearest to the
    mean of the cells at the path's lowest place.

    ``kendall``
        tau-b with the place, mean of the paths. Places repeat (a mixture has several wells), so that less than 1 is
        best; the truth's own value is the oracle's.
    ``spearman``, ``pos``
        Rank correlation, and share of the pairs at different places in the right order (0.5 for a constant), mean of
        the paths.

    Which cells belong to a path, and its root, are given to every method alike.
    """

    name = "trajectory"
    task = "trajectory"
    invariant = frozenset({"kendall", "pos", "spearman"})

    def applies(self, case):
        return case.null is None and any(len(np.unique(p[np.isfinite(p)])) >= 3 for p in case.paths.values())

    def score(self, case, imputed):
        from scipy.stats import spearmanr

        log_ng, rows, taus, rhos, pairs = answer(case, imputed).log_ng, [], [], [], []
        for number, (_, place_n) in enumerate(sorted(case.paths.items())):
            on = np.flatnonzero(np.isfinite(place_n))
            if len(np.unique(place_n[on])) < 3:
                continue
            place = place_n[on]
            time = pseudotime(components(log_ng[on], COMPONENTS), place == place.min())
            tau = kendall(place, time)
            taus.append(tau if np.isfinite(tau) else 0.0)
            rhos.append(float(spearmanr(place, time).statistic) if np.ptp(time) > 0 else 0.0)
            pairs.append(pos(place, time))
            rows.append(units(time, place, number * PATH_OFFSET + on))
        import pandas as pd

        n, table = sum(len(row) for row in rows), pd.concat(rows, ignore_index=True)
        return [
            Figure("kendall", float(np.mean(taus)), n=n, units=table),
            Figure("spearman", float(np.mean(rhos)), n=n),
            Figure("pos", float(np.mean(pairs)), n=n),
        ]


def pseudotime(scores_nk: np.ndarray, root_n: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """(n,) shortest distances over the neighbour graph from the cell nearest to the mean of the root's cells.

    Parameters
    ----------
    scores_nk
        (n, k) coordinates.
    root_n
        (n,) bool: cells at the root.

    Examples
    --------
    >>> pseudotime(np.arange(4.0)[:, None], np.array([True, False, False, False]), 1).round(6).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree
    from scipy.spatial.distance import cdist

    n = len(scores_nk)
    root = np.flatnonzero(root_n)[cdist(scores_nk[root_n], scores_nk[root_n].mean(0)[None]).ravel().argmin()]
    distance = np.round(cdist(scores_nk, scores_nk), 6)
    if not distance.any():
        return np.zeros(n)
    distance += 1e-9 * distance.max()  # cells at one place stay joined
    np.fill_diagonal(distance, 0)
    near = np.argsort(distance, axis=1, kind="stable")[:, 1 : min(neighbours, n - 1) + 1]
    row = np.repeat(np.arange(n), near.shape[1])
    graph = sp.csr_matrix((distance[row, near.ravel()], (row, near.ravel())), shape=(n, n))
    graph = graph.maximum(minimum_spanning_tree(sp.csr_matrix(distance)))
    time = dijkstra(graph, directed=False, indices=root)
    return np.round(time, 5)
