"""Principal components of a sparse matrix, centred without densifying."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

EXACT_UP_TO = 4000


def principal_components(
    x_ng: sp.csr_matrix,
    mean_g: np.ndarray,
    scale_g: np.ndarray,
    k: int,
    seed: int = 0,
    group_n: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Leading eigenvectors and eigenvalues of the covariance of ``(x - mean) / scale``.

    Exact, by the Gram matrix of the smaller side, up to 4,000 genes or cells; above, a randomised subspace iteration
    (Halko, Martinsson and Tropp 2011, algorithm 4.4, six passes). The centring is done on products, so that the
    matrix stays sparse.

    Parameters
    ----------
    x_ng
        (n, g) values.
    mean_g, scale_g
        Centre and scale of each column; with ``group_n`` the centres are (groups, g).
    k
        How many components, at most ``min(n - 1, g)``.
    seed
        Of the randomised iteration.
    group_n
        (n,) which row of ``mean_g`` is a row's centre. A gene that a group did not measure has the centre 0 there: its
        absent values then say nothing, instead of saying zero.

    Returns
    -------
    vectors_gk, values_k
        float64; each vector's largest entry (in absolute value) is positive; values descend and divide by n - 1.
    """
    n, g = x_ng.shape
    k = max(1, min(k, g, n - 1 if n > 1 else 1))
    x_ng = x_ng.astype(np.float64)
    shift_mg = np.atleast_2d(mean_g) / scale_g
    group_n = np.zeros(n, dtype=int) if group_n is None else group_n
    member_mn = sp.csr_matrix((np.ones(n), (group_n, np.arange(n))), shape=(len(shift_mg), n))

    def forward(v_gm: np.ndarray) -> np.ndarray:
        return np.asarray(x_ng @ (v_gm / scale_g[:, None])) - (shift_mg @ v_gm)[group_n]

    transposed = x_ng.T.tocsr()

    def backward(u_nm: np.ndarray) -> np.ndarray:
        return np.asarray(transposed @ u_nm) / scale_g[:, None] - shift_mg.T @ (member_mn @ u_nm)

    if g <= n and g <= EXACT_UP_TO:
        cross = gram(x_ng) / np.outer(scale_g, scale_g)
        half = shift_mg.T @ (np.asarray((member_mn @ x_ng).todense()) / scale_g)
        sizes_m = np.asarray(member_mn.sum(1)).ravel()
        values, vectors = top_eigen(cross - half - half.T + shift_mg.T @ (sizes_m[:, None] * shift_mg), k)
    elif n <= EXACT_UP_TO:
        scaled = x_ng @ sp.diags_array(1.0 / scale_g)
        side = np.asarray(scaled @ shift_mg.T)[:, group_n]
        both = (shift_mg @ shift_mg.T)[np.ix_(group_n, group_n)]
        values, left = top_eigen(gram(scaled.T.tocsr()) - side - side.T + both, k)
        vectors = backward(left) / np.sqrt(np.maximum(values, 1e-12))
    else:
        q, _ = np.linalg.qr(forward(np.random.default_rng(seed).standard_normal((g, k + 16))))
        for _ in range(6):
            q, _ = np.linalg.qr(forward(np.linalg.qr(backward(q))[0]))
        _, singular, right = np.linalg.svd(backward(q).T, full_matrices=False)
        values, vectors = singular[:k] ** 2, right[:k].T
    largest = np.abs(vectors).argmax(0)
    vectors = vectors * np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return vectors, np.maximum(values, 0) / max(n - 1, 1)


def top_eigen(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest eigenvalues, descending, and their vectors, of a symmetric matrix."""
    from scipy.linalg import eigh

    m = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=(m - min(k, m), m - 1), overwrite_a=True)
    return values[::-1], vectors[:, ::-1]


def gram(x_np: sp.csr_matrix, block: int = 1024) -> np.ndarray:
    """``x' x`` as a dense float64 matrix, by sparse products or by dense blocks of rows, whichever is less work.

    A dense multiplication runs about a hundred times faster than a sparse one, so blocks win from 10 % density on.

    Examples
    --------
    >>> gram(sp.csr_matrix([[1.0, 2.0], [0.0, 1.0]])).tolist()
    [[1.0, 2.0], [2.0, 5.0]]
    """
    n, p = x_np.shape
    if 100.0 * float((np.diff(x_np.indptr).astype(float) ** 2).sum()) < float(n) * p * p:
        return np.asarray((x_np.T @ x_np).todense(), dtype=np.float64)
    total = np.zeros((p, p))
    for start in range(0, n, block):
        piece = x_np[start : start + block].toarray().astype(np.float64, copy=False)
        total += piece.T @ piece
    return total
