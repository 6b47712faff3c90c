"""Linear algebra over values with gaps: sets of measured genes, sums of outer products, principal axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigh

EXACT_UP_TO = 4000  # samples or genes, whichever are fewer; above, the decomposition is randomised
NUMBERS = 2**24  # held at a time
FEW = 16  # sets of measured genes up to which a product for each is cheaper than one for all


def patterns(measured_ng: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of a boolean array, and which of them each row is.

    Examples
    --------
    >>> rows, which = patterns(np.array([[True, False], [True, True], [True, False]]))
    >>> rows.astype(int).tolist(), which.tolist()
    ([[1, 0], [1, 1]], [0, 1, 0])
    """
    if measured_ng.all():
        return measured_ng[:1], np.zeros(len(measured_ng), np.intp)
    packed = np.ascontiguousarray(np.packbits(measured_ng, axis=1))
    keys_n = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first_p, which_n = np.unique(keys_n, return_index=True, return_inverse=True)
    return measured_ng[first_p], which_n


def outer(rows_gr: np.ndarray, twice: bool = False) -> np.ndarray:
    """(g, r (r + 1) / 2) lower triangles of ``w w'``; with ``twice`` the entries off the diagonal count twice.

    Examples
    --------
    >>> outer(np.array([[1.0, 3.0]])).tolist(), outer(np.array([[1.0, 3.0]]), twice=True).tolist()
    ([[1.0, 3.0, 9.0]], [[1.0, 6.0, 9.0]])
    """
    g, r = rows_gr.shape
    out = np.empty((g, r * (r + 1) // 2), rows_gr.dtype)
    for k in range(r):
        part = out[:, k * (k + 1) // 2 : (k + 1) * (k + 2) // 2]
        np.multiply(rows_gr[:, : k + 1], rows_gr[:, k : k + 1], out=part)
        if twice:
            part[:, :k] *= 2
    return out


def lower(square_prr: np.ndarray) -> np.ndarray:
    """(p, r (r + 1) / 2) lower triangles of square matrices.

    Examples
    --------
    >>> lower(np.array([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[1.0, 3.0, 4.0]]
    """
    return square_prr[:, *np.tril_indices(square_prr.shape[1])]


def symmetric(lower_pq: np.ndarray, rank: int) -> np.ndarray:
    """(p, r, r) symmetric matrices from their lower triangles.

    Examples
    --------
    >>> symmetric(np.array([[1.0, 3.0, 4.0]]), 2).tolist()
    [[[1.0, 3.0], [3.0, 4.0]]]
    """
    first, second = np.tril_indices(rank)
    out = np.empty((len(lower_pq), rank, rank), lower_pq.dtype)
    out[:, first, second] = lower_pq
    out[:, second, first] = lower_pq
    return out


def grams(
    rows_nr: np.ndarray,
    weight_hn: np.ndarray,
    cov_prr: np.ndarray | None = None,
    pattern_n: np.ndarray | None = None,
) -> np.ndarray:
    """Weighted sums of outer products of rows, for many sets of weights at once.

    Parameters
    ----------
    rows_nr
        (n, r) rows z.
    weight_hn
        (h, n) sets of weights.
    cov_prr, pattern_n
        (p, r, r) matrices and which of them is added to ``z z'`` of every row; none by default.

    Returns
    -------
    numpy.ndarray
        (h, r, r) ``sum_n weight (z z' + cov)``. For many sets all of them are one matrix product.

    Examples
    --------
    >>> grams(np.array([[1.0], [2.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])).ravel().tolist()
    [1.0, 5.0]
    """
    r = rows_nr.shape[1]
    if len(weight_hn) <= FEW:
        out_hrr = np.stack([(rows_nr * weight_n[:, None]).T @ rows_nr for weight_n in weight_hn])
        if cov_prr is not None:
            share_hp = np.stack([np.bincount(pattern_n, weight_n, len(cov_prr)) for weight_n in weight_hn])
            out_hrr += np.tensordot(share_hp, cov_prr, 1)
        return out_hrr
    total_hq = np.zeros((len(weight_hn), r * (r + 1) // 2))
    packed_pq = None if cov_prr is None else lower(cov_prr)
    for part in blocks(len(rows_nr), r * r):
        packed_nq = outer(rows_nr[part])
        if packed_pq is not None:
            packed_nq += packed_pq[pattern_n[part]]
        total_hq += weight_hn[:, part] @ packed_nq
    return symmetric(total_hq, r)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Parts of n rows that hold no more than 2^24 numbers each (or one row), if a row holds ``size``.

    Examples
    --------
    >>> list(blocks(5, 2**23))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, NUMBERS // max(size, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def leading_axes(centred_ng: np.ndarray, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Leading principal axes of centred values and the variances along them.

    Parameters
    ----------
    centred_ng
        (n, g) values without gaps.
    rank
        Number of axes; fewer where there are fewer samples or genes.
    seed
        Of the randomised decomposition that is used where both exceed 4,000.

    Returns
    -------
    axes_gr
        (g, r), orthonormal; zero along an axis without variance.
    variance_r
        (r,) descending, sums of squares divided by n.

    Examples
    --------
    >>> axes, variance = leading_axes(np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 1)
    >>> np.abs(axes).ravel().tolist(), variance.tolist()
    ([1.0, 0.0], [2.0])
    """
    n, g = centred_ng.shape
    rank = min(rank, n, g)
    if min(n, g) > max(EXACT_UP_TO, rank):
        from sklearn.utils.extmath import randomized_svd

        _, singular_r, axes_rg = randomized_svd(centred_ng, rank, n_iter=6, random_state=seed)
        return axes_rg.T, singular_r**2 / n
    wide = g > n
    square = centred_ng @ centred_ng.T if wide else centred_ng.T @ centred_ng
    values, vectors = eigh(square, subset_by_index=(len(square) - rank, len(square) - 1), check_finite=False)
    values_r, vectors_r = np.maximum(values[::-1], 0), vectors[:, ::-1]
    if not wide:
        return vectors_r, values_r / n
    axes_gr = centred_ng.T @ vectors_r
    length_r = np.sqrt(values_r)
    real_r = length_r > 1e-9 * max(length_r[0], 1e-300)
    return np.divide(axes_gr, length_r, out=np.zeros_like(axes_gr), where=real_r), values_r / n
