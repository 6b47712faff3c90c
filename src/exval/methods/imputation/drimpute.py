"""DrImpute: zeros become the mean of the cell's cluster, averaged over many clusterings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.components import EXACT_UP_TO
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.clusters import kmeans
from exval.methods.imputation.pca import BLOCK_BYTES, _eigen, _gram
from exval.methods.matrix import moments
from exval.progress import track

DISTANCES = ("spearman", "pearson")
MOST_DIMENSIONS = 100
DOUBLE_UP_TO = 2e10  # multiplications of a Gram matrix; above, single precision


class DrImpute(Imputer):
    """Zeros replaced by cluster means, averaged over clusterings of two distances and six numbers of clusters.

    For the distances 1 - Spearman's and 1 - Pearson's correlation of cells, the principal components of the matrix of
    distances (columns centred and scaled; 5 % as many as cells, at most 100, as unit vectors) are clustered by k-means
    with each number of clusters in ``ks``. A zero becomes the mean, over these clusterings, of the gene's mean in the
    cell's cluster (zeros included); a cluster of one cell adds zero. Other values stay as they are.

    Parameters
    ----------
    ks
        Numbers of clusters; each at most half of the cells.
    restarts
        Starts of k-means, of which the best is taken; the authors' package makes 1,000 from random cells, here they
        are spread out (k-means++).
    seed
        Of the starts.

    Attributes
    ----------
    cluster_cn
        (clusterings, n) cluster of each cell.
    means_
        (sum of clusters, g) mean log1p(CP10k) of each cluster.

    Notes
    -----
    The matrix of distances is made only where cells are no more than genes, and at most 4,000. Elsewhere its components
    follow exactly from matrices of genes by genes: correlations are ``U U'`` with standardised cells ``U`` (n, g), and
    with ``U'U - U'1 1'U / n = L L'`` the columns' variances are the squared lengths of the rows of ``U L``; scaled by
    them, its left singular vectors are the components. Where both exceed 4,000, the 4,000 genes of largest variance
    stand for all in this step.

    References
    ----------
    Gong, Kwak, Pota, Koyano-Nakagawa and Garry 2018, BMC Bioinformatics 19:220, Methods; defaults of the authors'
    package, version 1.2.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:150, :400].copy()).to_adata()
    >>> method = DrImpute(restarts=3).fit(cells)
    >>> method.cluster_cn.shape, method.impute(cells, ["ACTB"]).unit
    ((12, 150), 'log1p')
    """

    name = "drimpute"
    card = Card(
        category="smoothing",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="two decompositions of cells or genes (whichever are fewer), twelve k-means",
        reference="Gong et al. 2018, BMC Bioinformatics 19:220",
        summary="Replaces zeros by the mean of the cell's cluster, over twelve clusterings.",
        departures=(
            "Values are log1p of CP10k. k-means starts 20 times from spread-out cells instead of 1,000 times at random "
            "(preset paper: 1,000), and by Lloyd's algorithm; above 10,000 cells it starts on 10,000 of them, as the "
            "authors' does. Where both cells and genes exceed 4,000, the 4,000 genes of largest variance decide on the "
            "clusters. There are no more clusters than half of the cells."
        ),
    )
    stochastic = True
    presets = {"paper": {"restarts": 1000}, "cpu": {}, "tiny": {"restarts": 3}}

    def __init__(self, ks: tuple[int, ...] = (10, 11, 12, 13, 14, 15), restarts: int = 20, seed: int = 0) -> None:
        self.ks = ks
        self.restarts = restarts
        self.seed = seed

    def learn(self, cells: Cells) -> None:
        if not len(self.ks) or min(self.ks) < 1 or self.restarts < 1:
            raise InputError("drimpute needs at least one number of clusters, each at least 1, and one start")
        x_ng = cells.log_ng
        n, g = x_ng.shape
        if min(n, g) > EXACT_UP_TO:
            variable = np.argsort(-moments(x_ng)[1], kind="stable")[:EXACT_UP_TO]
            x_ng = x_ng[:, np.sort(variable)]
        many = min(MOST_DIMENSIONS, max(1, round(0.05 * n)))
        points = [distance_components(x_ng, kind, many) for kind in DISTANCES]
        rng = np.random.default_rng(self.seed)
        todo = [(p, min(int(k), max(1, n // 2))) for k in self.ks for p in points]
        self.cluster_cn = np.stack([kmeans(p, k, self.restarts, rng) for p, k in track(todo, "Clustering")])
        self._remember(cells.log_ng)

    def _remember(self, log_ng: sp.csr_matrix) -> None:
        """Means of all clusters, each cell's share in them, and the values that stay."""
        clusterings, n = self.cluster_cn.shape
        base_c = np.concatenate([[0], self.cluster_cn.max(1) + 1]).cumsum()
        at_nc = (self.cluster_cn + base_c[:-1, None]).T
        offsets = np.arange(0, n * clusterings + 1, clusterings)
        member = sp.csr_matrix((np.ones(at_nc.size, np.float32), at_nc.ravel(), offsets), shape=(n, base_c[-1]))
        size = np.asarray(member.sum(0)).ravel()
        self.means_ = (member.T @ log_ng).toarray() / np.maximum(size, 1)[:, None]
        self.means_[size < 2] = 0
        member.data /= clusterings
        self._member, self._x = member, log_ng.tocsc()

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray:
        out = self._member @ np.ascontiguousarray(self.means_[:, columns])
        read = self._x[:, columns].tocoo()
        out[read.row, read.col] = read.data
        return out


def distance_components(x_ng: sp.csr_matrix, kind: str, k: int) -> np.ndarray:
    """Principal components of the matrix of correlation distances between cells, as unit vectors.

    Parameters
    ----------
    x_ng
        (n, g) values, none below zero.
    kind
        ``"pearson"`` or ``"spearman"``.
    k
        How many; at most n.

    Returns
    -------
    numpy.ndarray
        (n, k) float64: leading right singular vectors of the matrix after centring and scaling its columns; zero where
        its rank is lower. A cell whose values are all the same has the correlation 0 with every cell.
    """
    y_ng = row_ranks(x_ng) if kind == "spearman" else x_ng
    n, g = y_ng.shape
    mean_n = np.asarray(y_ng.sum(1, dtype=np.float64)).ravel() / g
    square_n = np.asarray(y_ng.multiply(y_ng).sum(1, dtype=np.float64)).ravel()
    norm_n = np.sqrt(np.maximum(square_n - g * mean_n**2, 0))
    scale_n = np.divide(1, norm_n, out=np.zeros(n), where=norm_n > 1e-6 * np.sqrt(square_n))
    number = np.float64 if float(n) * g * min(n, g) <= DOUBLE_UP_TO else np.float32
    if n <= g:
        inner = (_gram(y_ng.T.tocsr(), number) - g * np.outer(mean_n, mean_n)) * np.outer(scale_n, scale_n)
        inner -= inner.mean(0)
        z = (inner * _inverse(np.sqrt((inner**2).sum(0)))).astype(number)
        values, vectors = _eigen((z.T @ z).astype(np.float64), min(k, n))
        vectors = vectors * (values > 1e-9 * max(values[0], 1e-300))
    else:
        step = max(16, BLOCK_BYTES // (8 * g))
        spans = [slice(start, start + step) for start in range(0, n, step)]

        def blocks() -> Iterator[tuple[slice, np.ndarray]]:
            for rows in spans:
                dense = y_ng[rows].toarray().astype(number, copy=False)
                yield rows, (dense - mean_n[rows, None].astype(number)) * scale_n[rows, None].astype(number)

        vectors = _by_genes(blocks, n, g, min(k, g))
    out = np.zeros((n, k))
    out[:, : vectors.shape[1]] = vectors
    return out


def _by_genes(blocks, n: int, g: int, k: int) -> np.ndarray:
    """The same from matrices of genes by genes (see the notes of :class:`DrImpute`)."""
    total, sum_g = np.zeros((g, g)), np.zeros(g)
    for _, u in blocks():
        total += u.T @ u
        sum_g += u.sum(0, dtype=np.float64)
    size = max(np.trace(total), 1e-300) / g
    total += (
        size / g - np.outer(sum_g, sum_g) / n
    )  # rows of u sum to 0: what is added along (1, ..., 1) changes nothing
    root = _cholesky(total, 1e-12 * size)
    scale_n, cross = np.zeros(n), np.zeros((g, g))
    for rows, u in blocks():
        w = u @ root.astype(u.dtype)
        scale_n[rows] = _inverse(np.sqrt((w.astype(np.float64) ** 2).sum(1)))
        w *= scale_n[rows, None].astype(w.dtype)
        cross += w.T @ w
    values, turn = _eigen(cross, k)
    turn = root @ turn * (_inverse(np.sqrt(np.maximum(values, 0))) * (values > 1e-9 * max(values[0], 1e-300)))
    return np.concatenate([(u @ turn.astype(u.dtype)) * scale_n[rows, None] for rows, u in blocks()])


def _cholesky(matrix: np.ndarray, ridge: float) -> np.ndarray:
    """Lower factor, with as small a ridge as rounding allows: copies of genes leave the matrix singular."""
    while True:
        try:
            return np.linalg.cholesky(matrix + ridge * np.eye(len(matrix)))
        except np.linalg.LinAlgError:
            ridge *= 100


def _inverse(x: np.ndarray) -> np.ndarray:
    """``1 / x``, and 0 for what is 0 up to rounding."""
    return np.divide(1, x, out=np.zeros_like(x), where=x > 1e-9 * max(float(x.max(initial=0)), 1e-9))


def row_ranks(x_ng: sp.csr_matrix) -> sp.csr_matrix:
    """Ranks within each row, less the rank of its zeros, so that they stay zero; ties share their mean rank.

    Examples
    --------
    >>> row_ranks(sp.csr_matrix([[0.0, 5.0, 0.0, 2.0, 5.0]])).toarray().tolist()  # ranks 1.5, 4.5, 1.5, 3, 4.5
    [[0.0, 3.0, 0.0, 1.5, 3.0]]
    """
    x_ng = x_ng.copy()
    x_ng.eliminate_zeros()
    n, g = x_ng.shape
    value = np.empty(x_ng.nnz, np.float32)
    rows = max(1, (1 << 21) // max(1, x_ng.nnz // max(n, 1)))
    for start in range(0, n, rows):
        ends = x_ng.indptr[start : min(start + rows, n) + 1]
        data, size = x_ng.data[ends[0] : ends[-1]], np.diff(ends)
        row = np.repeat(np.arange(len(size)), size)
        order = np.lexsort((data, row))
        fresh = np.flatnonzero(np.diff(row[order], prepend=-1) | (np.diff(data[order], prepend=np.nan) != 0))
        length = np.diff(fresh, append=len(order))
        middle = np.repeat(fresh + (length + 1) / 2, length) - np.repeat(ends[:-1] - ends[0], size)
        zeros = np.repeat(g - size, size)
        value[ends[0] + order] = middle + zeros - np.where(zeros > 0, (zeros + 1) / 2, 0)
    return sp.csr_matrix((value, x_ng.indices, x_ng.indptr), shape=(n, g))
