"""Leading components of a sparse matrix, in single precision where it is large: what smoothing and ALRA start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy.sparse as sp

from exval.methods.components import EXACT_UP_TO

DOUBLE_UP_TO = 5e9  # multiplications; below this, double precision costs a fraction of a second
BLOCK_BYTES = 32 << 20
SPARSE_BELOW = 0.02  # at this share of non-zeros, sparse and dense products of rows take about the same time


def leading_components(
    x_ng: sp.csr_matrix, k: int, *, center: bool = True, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, axes and singular values of the best rank-``k`` approximation of a sparse matrix.

    Up to 4,000 genes or cells the result is exact: the Gram matrix of the smaller side, summed in double precision
    over dense blocks that are multiplied in single precision (double for small problems), and its eigenvectors (in
    double precision too, unless the columns are centred: without the mean, the values span fewer magnitudes). Above,
    a block Krylov iteration (Musco and Musco 2015, algorithm 2) whose products are sparse.

    Parameters
    ----------
    x_ng
        (n, g) values; not changed.
    k
        How many components; at most ``min(n, g)``, and ``min(n - 1, g)`` where the columns are centred (fewer are
        returned where there are fewer).
    center
        Subtract the mean of each column (principal components) or not (singular value decomposition).
    seed
        Of the iteration; the exact way does not use it.

    Returns
    -------
    scores_nk
        float32, left singular vectors times singular values: coordinates of the cells.
    axes_gk
        float32, right singular vectors; each one's largest entry (in absolute value) is positive.
    singular_k
        float64, descending.

    Examples
    --------
    >>> x = sp.csr_matrix([[2.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    >>> scores, axes, singular = leading_components(x, 1)
    >>> scores.ravel().tolist(), axes.ravel().tolist(), singular.round(4).tolist()
    ([1.0, -1.0, 0.0], [1.0, 0.0], [1.4142])
    """
    x_ng = sp.csr_matrix(x_ng)
    n, g = x_ng.shape
    k = max(1, min(k, g, n - 1 if center and n > 1 else n))
    mean_g = _means(x_ng) if center else np.zeros(g)
    if min(n, g) > EXACT_UP_TO:
        return _iterated(x_ng, mean_g, k, seed)
    kind = np.float64 if float(n) * g * min(n, g) <= DOUBLE_UP_TO else np.float32
    if g <= n:
        cross = _gram(x_ng, kind) - n * np.outer(mean_g, mean_g)
        values, axes = _eigen(cross.astype(kind) if center else cross, k)
        axes = _signed(axes)
        scores = times(x_ng, axes, kind) - mean_g @ axes
    else:
        across_n = np.asarray(x_ng @ mean_g)
        cross = _gram(x_ng.T.tocsr(), kind) - across_n[:, None] - across_n[None, :] + mean_g @ mean_g
        values, left = _eigen(cross.astype(kind) if center else cross, k)
        axes = np.asarray(x_ng.T @ left) - np.outer(mean_g, left.sum(0))
        axes = _signed(axes / np.maximum(np.sqrt((axes**2).sum(0)), 1e-300))
        scores = times(x_ng, axes, kind) - mean_g @ axes
    return scores.astype(np.float32), axes.astype(np.float32), np.sqrt(np.maximum(values, 0), dtype=np.float64)


def times(x_ng: sp.csr_matrix, right_gk: np.ndarray, kind: type = np.float32) -> np.ndarray:
    """``x @ right`` as a dense array of ``kind``, by sparse products or, from 2 % non-zeros on, by dense blocks.

    Examples
    --------
    >>> times(sp.csr_matrix([[1.0, 2.0], [0.0, 1.0]]), np.eye(2)).tolist()
    [[1.0, 2.0], [0.0, 1.0]]
    """
    right_gk = np.ascontiguousarray(right_gk, dtype=kind)
    n, g = x_ng.shape
    if x_ng.nnz < SPARSE_BELOW * n * g:
        return np.asarray(x_ng @ right_gk, dtype=kind)
    out = np.empty((n, right_gk.shape[1]), kind)
    for rows, block in _blocks(x_ng, kind):
        np.matmul(block, right_gk, out=out[rows])
    return out


def _means(x_ng: sp.csr_matrix, piece: int = 1 << 22) -> np.ndarray:
    """(g,) float64 means of the columns, in pieces: a double of every stored value would be twice the matrix."""
    n, g = x_ng.shape
    total_g = np.zeros(g)
    for start in range(0, x_ng.nnz, piece):
        part = slice(start, start + piece)
        total_g += np.bincount(x_ng.indices[part], weights=x_ng.data[part], minlength=g)
    return total_g / n


def _blocks(x_np: sp.csr_matrix, kind: type):
    """Dense blocks of rows of about 32 MB, in one buffer that is used again."""
    n, p = x_np.shape
    step = max(16, BLOCK_BYTES // (p * np.dtype(kind).itemsize))
    buffer = np.empty((min(step, n), p), kind)
    for start in range(0, n, step):
        piece = x_np[start : start + step]
        block = buffer[: piece.shape[0]]
        block[...] = 0
        piece.astype(kind, copy=False).toarray(out=block)
        yield slice(start, start + piece.shape[0]), block


def blockwise_components(
    blocks: Callable[[], Iterable[tuple[slice, np.ndarray]]], n: int, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`leading_components`, centred, of a dense matrix that is made block by block and never held as a whole.

    Parameters
    ----------
    blocks
        Called twice (Gram matrix, scores); each time yields the rows and the (rows, g) values of every block, with no
        more than some thousand columns.
    n
        Rows in all.
    k
        How many components.

    Examples
    --------
    >>> made = [(slice(0, 2), np.array([[2.0, 0.0], [0.0, 0.0]])), (slice(2, 3), np.array([[1.0, 0.0]]))]
    >>> blockwise_components(lambda: made, 3, 1)[0].ravel().tolist()
    [1.0, -1.0, 0.0]
    """
    total_gg, sum_g = np.zeros(()), np.zeros(())
    for _, block in blocks():
        total_gg = total_gg + block.T @ block
        sum_g = sum_g + block.sum(0, dtype=np.float64)
    mean_g = sum_g / n
    values, axes = _eigen(total_gg - n * np.outer(mean_g, mean_g), max(1, min(k, len(mean_g), n - 1)))
    axes = _signed(axes)
    scores = np.empty((n, axes.shape[1]), np.float32)
    for rows, block in blocks():
        scores[rows] = block @ axes.astype(block.dtype) - mean_g @ axes
    return scores, axes.astype(np.float32), np.sqrt(np.maximum(values, 0))


def _gram(x_np: sp.csr_matrix, kind: type) -> np.ndarray:
    """``x' x``, float64."""
    n, p = x_np.shape
    if 100.0 * float((np.diff(x_np.indptr).astype(float) ** 2).sum()) < float(n) * p * p:
        x_np = x_np.astype(np.float64)
        return np.asarray((x_np.T @ x_np).todense())
    total = np.zeros((p, p))
    for _, block in _blocks(x_np, kind):
        total += block.T @ block
    return total


def _eigen(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest eigenvalues, descending, and their vectors."""
    from scipy.linalg import eigh

    m = len(matrix)
    if m > 1000 and 50 * k < m:  # a few of many: Lanczos
        from scipy.sparse.linalg import eigsh

        values, vectors = eigsh(matrix, k, v0=np.random.default_rng(0).standard_normal(m))
        order = np.argsort(-values)
        return values[order], vectors[:, order]
    values, vectors = eigh(matrix, subset_by_index=(m - k, m - 1), overwrite_a=True, check_finite=False)
    return values[::-1], vectors[:, ::-1]


def _signed(vectors_gk: np.ndarray) -> np.ndarray:
    largest = np.abs(vectors_gk).argmax(0)
    return vectors_gk * np.where(vectors_gk[largest, np.arange(vectors_gk.shape[1])] < 0, -1.0, 1.0)


def _iterated(x_ng: sp.csr_matrix, mean_g: np.ndarray, k: int, seed: int, rounds: int = 4, spare: int = 20):
    """Block Krylov: the space spanned by ``(X'X)^i X' W`` for i up to ``rounds``, then an exact step in it."""
    n, g = x_ng.shape
    x_ng = x_ng.astype(np.float32, copy=False)
    x_gn = x_ng.T  # CSC view of the same arrays
    mean_32 = mean_g.astype(np.float32)

    def forward(v_gm: np.ndarray) -> np.ndarray:
        return times(x_ng, v_gm) - mean_32 @ v_gm

    def backward(u_nm: np.ndarray) -> np.ndarray:
        return np.asarray(x_gn @ u_nm) - np.outer(mean_32, u_nm.sum(0, dtype=np.float64)).astype(np.float32)

    width = min(k + spare, n, g)
    start = np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
    basis = np.linalg.qr(backward(start))[0]
    pieces = [basis]
    for _ in range(rounds):
        fresh = backward(forward(basis))
        for piece in pieces:
            fresh -= piece @ (piece.T @ fresh)
        basis = np.linalg.qr(fresh)[0]
        pieces.append(basis)
    space_gm = np.linalg.qr(np.concatenate(pieces, axis=1)[:, : min(n, g)].astype(np.float64))[0]
    image_nm = forward(space_gm.astype(np.float32))
    values, turn = _eigen((image_nm.T @ image_nm).astype(np.float64), k)
    axes = _signed(space_gm @ turn)
    scores = forward(axes.astype(np.float32))
    return scores, axes.astype(np.float32), np.sqrt(np.maximum(values, 0))
