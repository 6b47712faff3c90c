"""kNN-smoothing 2: counts summed over neighbours that are found on partly smoothed counts."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.components import EXACT_UP_TO
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.neighbours import halved, nearest
from exval.methods.imputation.pca import BLOCK_BYTES, blockwise_components, leading_components
from exval.progress import track

GENES = 64  # summed together: with more, what the cores work on no longer fits their cache
DOUBLE_UP_TO = 2e9  # multiplications of a Gram matrix; below, double precision costs a tenth of a second a round
HELD = 50_000_000  # entries up to which partly smoothed values are kept instead of made twice


class KnnSmoothing(Imputer):
    """Counts summed over the nearest cells, which are looked for again as the counts become smoother (version 2.1).

    In round ``r = 1 .. ceil(log2 k)`` the counts, summed over the neighbours of the round before, are scaled to the
    median total, transformed by ``sqrt(x) + sqrt(x + 1)`` (Freeman and Tukey) and projected on ``d`` principal
    components. To each component uniform noise is added, ``dither`` times its range wide; then the ``min(2^r, k)``
    nearest cells, the cell itself among them, are the neighbours of the next round. The answer is the rate of the last
    neighbours together: the sum of their original counts over the sum of their totals, as CP10k. No matrix of cells by
    cells is made.

    Parameters
    ----------
    k
        Cells summed; by default 32, but no more than a twentieth of the cells and no fewer than 2.
    d
        Principal components.
    dither
        Width of the noise, as a share of a component's range; 0 for none.
    seed
        Of the noise.

    Attributes
    ----------
    k_
        Cells summed.
    neighbours_nk
        (n, k) indices, the cell itself first.

    References
    ----------
    Wagner, Yan and Yanai 2018, bioRxiv 217737v3, "K-nearest neighbor smoothing for high-throughput single-cell
    RNA-Seq data", Algorithm 1; the noise as in the authors' script, version 2.1.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:200]).to_adata()
    >>> method = KnnSmoothing(k=8).fit(cells)
    >>> method.neighbours_nk.shape, method.impute(cells, ["INS"]).unit
    ((200, 8), 'cp10k')
    """

    name = "knn-smoothing"
    aliases = ("knn-smooth",)
    card = Card(
        category="smoothing",
        sees=("expression",),
        space_in="counts",
        space_out="CP10k",
        cost="log2 k rounds, each one decomposition and exact neighbours in d dimensions",
        reference="Wagner, Yan and Yanai 2018, bioRxiv 217737v3",
        summary="Sums counts over k nearest cells, found step by step on partly smoothed counts.",
        departures=(
            "The sum is divided by the total of the k cells and given as CP10k, where the script returns the sum. "
            "Totals are those of the whole file. k is smaller below 640 cells, unless it is given. "
            "Where both cells and genes exceed 4,000, the 4,000 genes of largest variance (transformed, before "
            "smoothing) decide on the neighbours; the components are exact, the script's randomised."
        ),
    )
    unit = "cp10k"
    needs_counts = True
    stochastic = True
    presets = {"paper": {"k": 32}, "cpu": {}, "tiny": {}}

    def __init__(self, k: int | None = None, d: int = 10, dither: float = 0.03, seed: int = 0) -> None:
        self.k = k
        self.d = d
        self.dither = dither
        self.seed = seed

    def learn(self, cells: Cells) -> None:
        if (self.k is not None and self.k < 1) or self.d < 1 or not 0 <= self.dither <= 1:
            raise InputError("k and d of knn-smoothing are at least 1, and dither lies between 0 and 1")
        n = cells.n
        self.k_ = min(n, max(2, min(32, n // 20)) if self.k is None else int(self.k))
        rng = np.random.default_rng(self.seed)
        search = _Search(cells.counts_ng, cells.total_n)
        index_nk = np.arange(n)[:, None]
        for r in track(range(1, int(np.ceil(np.log2(self.k_))) + 1), "Smoothing"):
            scores_nd = search.scores(index_nk, self.d)
            if self.dither:
                noise = rng.random(scores_nd.shape, dtype=np.float32) - np.float32(0.5)
                scores_nd = scores_nd + noise * (np.float32(self.dither) * np.ptp(scores_nd, axis=0))
            index_nk = nearest(scores_nd, min(2**r, self.k_))[0]
        self.neighbours_nk = index_nk.astype(np.int32)
        order = halved(scores_nd, 128) if self.k_ > 1 else np.arange(n)
        self._order, position_n = order, np.argsort(order)
        self._sum = neighbour_sum(position_n[index_nk[order]])
        self._per_total = (1e4 / (self._sum @ cells.total_n[order])).astype(np.float32)
        self._x = cells.counts_ng.tocsc()
        self._x.indices = position_n.astype(self._x.indices.dtype)[self._x.indices]
        self._x.has_sorted_indices = False

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray:
        out = np.empty((len(self._order), len(columns)), np.float32)
        for start in range(0, len(columns), GENES):
            part = slice(start, start + GENES)
            out[self._order, part] = self._sum @ self._x[:, columns[part]].toarray(order="C") * self._per_total[:, None]
        return out


class _Search:
    """Components of counts summed over neighbours, made in blocks of cells."""

    def __init__(self, counts_ng: sp.csr_matrix, total_n: np.ndarray) -> None:
        n, g = counts_ng.shape
        if min(n, g) > EXACT_UP_TO:
            counts_ng = counts_ng[:, self._variable(counts_ng, total_n, EXACT_UP_TO)]
        self.counts_ng, self.total_n = counts_ng, total_n

    @staticmethod
    def _variable(counts_ng: sp.csr_matrix, total_n: np.ndarray, many: int) -> np.ndarray:
        n, g = counts_ng.shape
        scaled = counts_ng.data * np.repeat(np.float32(np.median(total_n)) / total_n, np.diff(counts_ng.indptr))
        value = freeman_tukey(scaled)
        first_g, second_g = (np.bincount(counts_ng.indices, weights=v, minlength=g) / n for v in (value, value**2))
        return np.sort(np.argsort(first_g**2 - second_g, kind="stable")[:many])

    def scores(self, index_nk: np.ndarray, d: int) -> np.ndarray:
        """(n, d) float32 scores of the values summed over neighbours."""
        n, g = self.counts_ng.shape
        total_n = self.total_n[index_nk].sum(1)
        kind = np.float64 if float(n) * g * min(n, g) <= DOUBLE_UP_TO else np.float32
        scale_n = (np.median(total_n) / total_n).astype(kind)
        summed = neighbour_sum(index_nk)

        def sparse(rows: slice) -> sp.csr_matrix:
            piece = self.counts_ng[rows] if index_nk.shape[1] == 1 else summed[rows] @ self.counts_ng
            value = freeman_tukey(piece.data.astype(kind) * np.repeat(scale_n[rows], np.diff(piece.indptr)))
            return sp.csr_matrix((value, piece.indices, piece.indptr), shape=piece.shape)

        if n < g:
            return leading_components(sparse(slice(0, n)), d)[0]
        step = max(16, BLOCK_BYTES // (8 * g))
        spans = [slice(start, min(start + step, n)) for start in range(0, n, step)]
        if n * g <= HELD:
            held = [(rows, sparse(rows).toarray()) for rows in spans]
            return blockwise_components(lambda: held, n, d)[0]
        return blockwise_components(lambda: ((rows, sparse(rows).toarray()) for rows in spans), n, d)[0]


def freeman_tukey(x: np.ndarray) -> np.ndarray:
    """``sqrt(x) + sqrt(x + 1) - 1``: 0 at 0; the constant is lost when components are centred.

    Examples
    --------
    >>> freeman_tukey(np.array([0.0, 3.0])).round(3).tolist()
    [0.0, 2.732]
    """
    return np.sqrt(x) + np.sqrt(x + 1) - 1


def neighbour_sum(index_nk: np.ndarray) -> sp.csr_matrix:
    """(n, n) CSR float32 of ones at each row's neighbours.

    Examples
    --------
    >>> neighbour_sum(np.array([[0, 1], [1, 0]])).toarray().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n, k = index_nk.shape
    ones = np.ones(index_nk.size, np.float32)
    return sp.csr_matrix((ones, index_nk.ravel(), np.arange(0, index_nk.size + 1, k)), shape=(n, n))
