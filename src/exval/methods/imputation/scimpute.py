"""scImpute: dropouts by a mixture, replaced by what similar cells say, weighted by the genes that can be trusted."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.components import principal_components
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.neighbours import nearest
from exval.methods.imputation.nonnegative import nonnegative_least_squares
from exval.methods.imputation.scimpute_mixture import POINT, Mixture, fit_mixture
from exval.progress import track

#: Genes that have to be told apart by the mixture, for a cluster to be imputed.
FEWEST_GENES = 11
#: Most principal components that are computed.
MOST_COMPONENTS = 300
#: Cells up to which spectral clustering uses the distances of all pairs.
ALL_PAIRS = 4000


class ScImpute(Imputer):
    """Replaces values that a mixture takes for dropouts; keeps the others.

    Values are ``log10(CPM + 1.01)``. Within each cluster the values of a gene are a gamma (dropouts) and a normal part.
    Where the probability of a dropout exceeds ``threshold``, the value becomes a non-negative combination of the same
    gene in the nearest cells of the cluster, with weights that reproduce the cell's other genes, but not more than the
    largest value of the gene in the cluster.

    Parameters
    ----------
    k
        Clusters, found by spectral clustering; 1 (as in the benchmark of Hou et al.) leaves out clustering and the
        search for outlying cells.
    threshold
        Probability above which a value is a dropout.
    neighbours
        Nearest cells that may be combined; never more than two thirds of the trusted genes.

    Attributes
    ----------
    cluster_
        (n,) cluster of each cell; -1 for outlying cells, which are not imputed.
    weights_
        (n, n) CSR: what each cell takes from others.

    References
    ----------
    Li and Li 2018, "An accurate and robust imputation method scImpute for single-cell RNA-seq data", Nature
    Communications 9:997.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:100, 1000:1200]).to_adata()
    >>> found = ScImpute(neighbours=20).fit(cells).impute(cells)
    >>> found.unit, found.values_nq.shape == cells.shape
    ('cp10k', True)
    """

    name = "scimpute"
    aliases = ("scImpute",)
    card = Card(
        category="model",
        sees=("expression",),
        space_in="CP10k",
        space_out="CP10k",
        cost="a mixture a gene and a non-negative regression a cell: linear in cells for a given number of neighbours",
        reference="Li and Li 2018, Nature Communications 9:997",
        summary="Gamma-normal mixture finds dropouts; non-negative regression on similar cells fills them.",
        departures=(
            "spectral clustering by the normalised graph of all pairs up to 4,000 cells and of neighbours beyond, not "
            "that of kernlab; 40 % of the variance picks the components at any number of cells, 300 at most; the cpu "
            "setting looks at 100 neighbours instead of 500; values are not rounded to 0.01"
        ),
    )
    unit = "cp10k"
    presets = {"paper": {"neighbours": 500}, "cpu": {"neighbours": 100}, "tiny": {"neighbours": 20}}

    def __init__(self, k: int = 1, threshold: float = 0.5, neighbours: int = 500) -> None:
        self.k = k
        self.threshold = threshold
        self.neighbours = neighbours

    def learn(self, cells: Cells) -> None:
        if self.k < 1 or self.neighbours < 1:
            raise InputError("scImpute needs at least one cluster (k) and one neighbour (neighbours)")
        order = np.argsort(cells.names.astype(str), kind="stable")  # ties and sums do not depend on the file's order
        above_ng = cells.cp10k_ng[order].astype(np.float64)
        above_ng.data = np.log10(100 * above_ng.data + 1.01) - POINT
        self._above_ng, self._back = above_ng, np.argsort(order)
        n, g = above_ng.shape
        scores_nd = self._scores(above_ng)
        cluster_n = np.zeros(n, dtype=int) if self.k == 1 else self._clusters(scores_nd)
        self._cluster_n, self.cluster_ = cluster_n, cluster_n[self._back]
        self._mixtures: dict[int, Mixture] = {}
        self._valid_cg: dict[int, np.ndarray] = {}
        self._most_cg: dict[int, np.ndarray] = {}
        rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._filled_n = np.zeros(n, dtype=bool)
        for cluster in np.unique(cluster_n[cluster_n >= 0]):
            members = np.flatnonzero(cluster_n == cluster)
            part = above_ng[members]
            mixture = fit_mixture(part.tocsc())
            valid_g = mixture.valid
            if len(members) < 2 or valid_g.sum() < FEWEST_GENES:
                continue
            self._mixtures[cluster], self._valid_cg[cluster] = mixture, valid_g
            self._most_cg[cluster] = part.max(0).toarray().ravel()
            rows += self._regress(part[:, valid_g].tocsr(), _only(mixture, valid_g), members, scores_nd[members])
        data, column, row = (np.concatenate(x) for x in zip(*rows)) if rows else (np.zeros(0), [], [])
        self.weights_ = sp.csr_matrix((data, (row, column)), shape=(n, n))

    def block(self, columns, sd=False):
        columns = np.asarray(columns)
        above_nq = self._above_ng[:, columns].toarray()
        told_nq = (
            self.weights_ @ above_nq + POINT * np.asarray(self.weights_.sum(1)).reshape(-1, 1) - POINT
        )  # sums of values, as heights above a zero
        for cluster, mixture in self._mixtures.items():
            at = np.flatnonzero((self._cluster_n == cluster) & self._filled_n)
            q = np.flatnonzero(self._valid_cg[cluster][columns])
            if not len(at) or not len(q):
                continue
            here = np.ix_(at, q)
            lost = _only(mixture, columns[q]).dropout(above_nq[here]) > self.threshold
            filled = np.clip(told_nq[here], 0, self._most_cg[cluster][columns[q]])
            above_nq[here] = np.where(lost, filled, above_nq[here])
        values_nq = (10 ** (above_nq + POINT) - 1.01) / 100
        return np.maximum(values_nq, 0).astype(np.float32)[self._back]

    def _scores(self, above_ng: sp.csr_matrix) -> np.ndarray:
        """(n, d) components that hold 40 % of the variance of the variable genes, three or k at least."""
        columns = above_ng.tocsc()
        many_g = np.diff(columns.indptr)
        mean_g = np.asarray(columns.sum(0)).ravel() / np.maximum(many_g, 1) + POINT
        deviation = columns.copy()
        deviation.data = (columns.data + POINT - np.repeat(mean_g, many_g)) ** 2
        spread_g = np.sqrt(np.asarray(deviation.sum(0)).ravel() / np.maximum(many_g - 1, 1))
        ratio_g = np.where(many_g > 1, spread_g / mean_g, 0)
        chosen = np.flatnonzero((mean_g >= 1) & (ratio_g >= np.quantile(ratio_g, 0.25)))
        if len(chosen) < 500:
            chosen = np.arange(len(mean_g))
        x_nh = columns[:, chosen].tocsr()
        mean_h = np.asarray(x_nh.mean(0)).ravel()
        variance = float(x_nh.multiply(x_nh).sum() / x_nh.shape[0] - (mean_h**2).sum()) * x_nh.shape[0]
        many = min(MOST_COMPONENTS, x_nh.shape[1], max(x_nh.shape[0] - 1, 1))
        vectors, values = principal_components(x_nh, mean_h, np.ones(len(mean_h)), many)
        share = np.cumsum(values) * max(x_nh.shape[0] - 1, 1) / max(variance, 1e-300)
        d = min(max(int(np.searchsorted(share, 0.4, side="right")) + 1, 3, self.k), many)
        return np.asarray(x_nh @ vectors[:, :d]) - mean_h @ vectors[:, :d]

    def _clusters(self, scores_nd: np.ndarray) -> np.ndarray:
        """(n,) clusters; -1 for cells whose nearest cell is farther than that of most."""
        n = len(scores_nd)
        _, distance_n2 = nearest(scores_nd, 2)
        first, last = np.quantile(distance_n2[:, -1], [0.25, 0.75])
        kept = np.flatnonzero(distance_n2[:, -1] <= last + 1.5 * (last - first))
        out = np.full(n, -1)
        if self.k >= len(kept):
            raise InputError(f"scImpute was asked for {self.k} clusters of {len(kept)} cells; ask for fewer (k)")
        from sklearn.cluster import SpectralClustering

        pairs = len(kept) <= ALL_PAIRS
        some = scores_nd[kept]
        step = max(1, len(some) // 500)
        squared = ((some[::step, None] - some[None, ::step]) ** 2).sum(2)
        gamma = 1 / max(float(np.median(squared[squared > 0])) if (squared > 0).any() else 1.0, 1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a graph in several pieces is no fault here
            found = SpectralClustering(
                self.k,
                affinity="rbf" if pairs else "nearest_neighbors",
                gamma=gamma,
                n_neighbors=30,
                assign_labels="cluster_qr",
                random_state=self.k,
            ).fit_predict(some)
        out[kept] = found
        return out

    def _regress(self, part: sp.csr_matrix, mixture: Mixture, members: np.ndarray, scores_nd: np.ndarray):
        """Weights of the cells of one cluster: data, columns and rows of the matrix, cell by cell."""
        index, _ = nearest(scores_nd, min(self.neighbours + 1, len(members)))
        found = []
        for i in track(range(len(members)), "Regressing cells on cells"):
            own_q = part[i].toarray().ravel()
            trusted_q = mixture.dropout(own_q[None])[0] <= self.threshold
            many = int(trusted_q.sum())
            if many == 0 or many == len(own_q):
                continue
            near = index[i][index[i] != i]
            if len(near) >= many:
                near = near[: max(int(round(2 * many / 3)), 1)]
            near = near[: self.neighbours]
            x_kq = part[near].toarray() + POINT
            masked_kq = x_kq * trusted_q
            gram_kk = masked_kq @ masked_kq.T
            gram_kk.ravel()[:: len(gram_kk) + 1] *= 1 + 1e-8
            weight_k = nonnegative_least_squares(gram_kk, masked_kq @ (own_q + POINT))
            used = np.flatnonzero(weight_k)
            self._filled_n[members[i]] = True
            found.append((weight_k[used], members[near[used]], np.full(len(used), members[i])))
        return found


def _only(mixture: Mixture, chosen: np.ndarray) -> Mixture:
    return Mixture(*(getattr(mixture, name)[chosen] for name in ("rate", "alpha", "beta", "mu", "sigma")))
