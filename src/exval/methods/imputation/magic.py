"""MAGIC: expression diffused over a graph of similar cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.neighbours import halved, nearest
from exval.methods.imputation.pca import leading_components

THRESHOLD = 1e-4  # affinities below are dropped
GENES = 64  # diffused together: with more, what the cores work on no longer fits their cache
LONGEST = 20  # steps tried by t="auto"
SETTLED = 1e-3  # disparity of two successive steps at which t="auto" stops


class Magic(Imputer):
    """Diffusion of expression over the graph of nearest cells (MAGIC).

    Values are the roots (or logarithms) of CP10k. Cells are compared in their leading principal components; cell j has
    for cell i the affinity ``exp(-(d_ij / s_i) ** decay)``, where ``s_i`` is the distance of i's ``knn``-th neighbour,
    and none beyond the ``knn_max``-th neighbour or below 1e-4. Affinities are averaged with their transpose and scaled
    to rows of sum 1, which gives the operator P; the answer is ``P^t x``, by ``t`` sparse products for the genes asked
    for, squared (or exponentiated) back to CP10k. Neither P^t nor a dense copy of the data is made.

    Parameters
    ----------
    knn
        Neighbour (itself not counted) whose distance is the width of a cell's kernel.
    knn_max
        Most neighbours of a cell; three times ``knn`` as published.
    decay
        Exponent of the kernel.
    t
        Steps of diffusion, or ``"auto"``: one more than the first step whose result differs from the one before by a
        Procrustes disparity below 0.001 (on 500 genes drawn with ``seed``), at most 20.
    n_pca
        Principal components; with no more genes than that, all of their variance is used.
    transform
        ``"sqrt"`` or ``"log1p"``: the scale on which values are compared and averaged.
    seed
        Of the genes that ``t="auto"`` looks at, and of the decomposition where both cells and genes exceed 4,000.

    Attributes
    ----------
    t_
        Steps taken.
    operator_
        (n, n) CSR float32, P; cells in the order of ``order_``.

    References
    ----------
    van Dijk et al. 2018, Cell 174:716, "Recovering gene interactions from single-cell data using data diffusion",
    STAR Methods; defaults and the choice of t as in the authors' package, version 3.0.0.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:200]).to_adata()
    >>> found = Magic().fit(cells).impute(cells, ["INS", "GCG"])
    >>> found.unit, found.values_nq.shape
    ('cp10k', (200, 2))
    """

    name = "magic"
    card = Card(
        category="smoothing",
        sees=("expression",),
        space_in="sqrt or log1p of CP10k",
        space_out="CP10k",
        cost="one decomposition, exact neighbours (quadratic in cells at worst), t sparse products a gene",
        reference="van Dijk et al. 2018, Cell 174:716",
        summary="Diffuses the root of expression over a graph of similar cells.",
        departures=(
            "Components are centred and exact up to 4,000 genes or cells, the authors' randomised; neighbours are "
            "exact, at any number of cells. The answer is squared back to CP10k: the square of a mean of roots lies "
            "below the mean, so that totals shrink. The article used other kernels (ka, k) than the package; the "
            "defaults are the package's."
        ),
    )
    unit = "cp10k"
    presets = {"paper": {"t": "auto"}, "cpu": {}, "tiny": {"n_pca": 20}}

    def __init__(
        self,
        knn: int = 5,
        knn_max: int = 15,
        decay: float = 1.0,
        t: int | str = 3,
        n_pca: int = 100,
        transform: str = "sqrt",
        seed: int = 0,
    ) -> None:
        self.knn = knn
        self.knn_max = knn_max
        self.decay = decay
        self.t = t
        self.n_pca = n_pca
        self.transform = transform
        self.seed = seed

    def learn(self, cells: Cells) -> None:
        self._check()
        x_ng = cells.log_ng
        if self.transform == "sqrt":
            x_ng = sp.csr_matrix((np.sqrt(np.expm1(x_ng.data)), x_ng.indices, x_ng.indptr), shape=x_ng.shape)
        scores_nk = leading_components(x_ng, self.n_pca, seed=self.seed)[0]
        index_nk, distance_nk = nearest(scores_nk, max(self.knn_max, self.knn) + 1)
        self.order_ = halved(scores_nk, 128)
        self.operator_ = in_order(diffusion_operator(index_nk, distance_nk, self.knn, self.decay), self.order_)
        self._x = x_ng.tocsc()
        self._x.indices = np.argsort(self.order_).astype(self._x.indices.dtype)[self._x.indices]
        self._x.has_sorted_indices = False
        self.t_ = self._settling() if self.t == "auto" else int(self.t)

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray:
        out = np.empty((len(self.order_), len(columns)), np.float32)
        for start in range(0, len(columns), GENES):
            part = slice(start, start + GENES)
            values = self._dense(columns[part])
            for _ in range(self.t_):
                values = self.operator_ @ values
            out[self.order_, part] = values**2 if self.transform == "sqrt" else np.expm1(values)
        return out

    def _dense(self, columns: np.ndarray) -> np.ndarray:
        return self._x[:, columns].toarray(order="C")

    def _settling(self) -> int:
        columns = np.arange(self._x.shape[1])
        if len(columns) > 500:
            columns = np.sort(np.random.default_rng(self.seed).choice(columns, 500, replace=False))
        return settled_at(diffused(self.operator_, self._dense(columns), LONGEST))

    def _check(self) -> None:
        if self.transform not in ("sqrt", "log1p"):
            raise InputError(f"transform of magic is sqrt or log1p, not {self.transform!r}")
        if self.t != "auto" and (isinstance(self.t, str) or int(self.t) != self.t or self.t < 1):
            raise InputError(f"t of magic is 'auto' or a whole number of steps from 1 on, not {self.t!r}")
        if self.knn < 1 or self.knn_max < 1 or self.decay <= 0 or self.n_pca < 1:
            raise InputError("knn, knn_max and n_pca of magic are at least 1, and decay is above 0")


def diffusion_operator(index_nk: np.ndarray, distance_nk: np.ndarray, knn: int, decay: float) -> sp.csr_matrix:
    """Row-stochastic operator of the alpha-decaying kernel on nearest neighbours.

    Parameters
    ----------
    index_nk, distance_nk
        Neighbours from near to far, each cell's first one itself; all of them may receive an affinity.
    knn
        The column whose distance is the width of a row's kernel; the last one where there are fewer.
    decay
        Exponent.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n, n) float32.

    Examples
    --------
    >>> p = diffusion_operator(np.array([[0, 1], [1, 0]]), np.array([[0.0, 2.0], [0.0, 2.0]]), 1, 1.0)
    >>> [[f"{value:.4f}" for value in row] for row in p.toarray()]  # 1 and exp(-1), scaled
    [['0.7311', '0.2689'], ['0.2689', '0.7311']]
    """
    n, k = index_nk.shape
    width_n = np.maximum(distance_nk[:, min(knn, k - 1)], np.finfo(float).eps)
    affinity_nk = np.exp(-((distance_nk / width_n[:, None]) ** decay))
    keep = affinity_nk >= THRESHOLD
    offsets = np.concatenate([[0], keep.sum(1).cumsum()])
    kernel = sp.csr_matrix((affinity_nk[keep], index_nk[keep], offsets), shape=(n, n))
    kernel = (kernel + kernel.T).tocsr()
    kernel.data /= np.repeat(np.asarray(kernel.sum(1)).ravel(), np.diff(kernel.indptr))
    return kernel.astype(np.float32)


def in_order(operator: sp.csr_matrix, order_n: np.ndarray) -> sp.csr_matrix:
    """The operator between cells in another order.

    Examples
    --------
    >>> in_order(sp.csr_matrix([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0])).toarray().tolist()
    [[4.0, 3.0], [2.0, 1.0]]
    """
    moved = operator[order_n]
    moved.indices = np.argsort(order_n).astype(moved.indices.dtype)[moved.indices]
    moved.has_sorted_indices = False
    moved.sort_indices()
    return moved


def diffused(operator: sp.csr_matrix, values_nq: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """The values, and those after one step, two steps, ..."""
    yield values_nq
    for _ in range(steps):
        values_nq = operator @ values_nq
        yield values_nq


def settled_at(steps: Iterator[np.ndarray]) -> int:
    """One more than the first step that changes its values by a disparity below 0.001; the last one if none does.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])
    >>> settled_at(iter([x, x**2, x**2, x]))
    3
    """
    before = next(steps)
    at = 0
    for at, after in enumerate(steps, start=1):
        if disparity(before, after) < SETTLED:
            return at + 1
        before = after
    return at


def disparity(one_nq: np.ndarray, other_nq: np.ndarray) -> float:
    """Procrustes disparity: 0 where one set of points is the other shifted, turned and scaled; at most 1.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])
    >>> round(disparity(x, 3 * x[:, ::-1] + 7), 9), round(disparity(x, x[::-1]), 3)
    (0.0, 0.422)
    """
    one, other = (x - x.mean(0, dtype=np.float64).astype(x.dtype) for x in (one_nq, other_nq))
    size = np.sqrt(float((one**2).sum(dtype=np.float64)) * float((other**2).sum(dtype=np.float64)))
    if size == 0:
        return 0.0
    return float(1 - (np.linalg.svd((one.T @ other).astype(np.float64), compute_uv=False).sum() / size) ** 2)
