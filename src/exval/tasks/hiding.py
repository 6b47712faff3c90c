"""Two ways of hiding what is known, so that recovery has a truth: entries, and molecules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Case:
    """What a method sees, what it is asked, and the answer.

    Parameters
    ----------
    visible
        (n, g) CSR float32, log1p(CP10k), scaled by *visible* totals.
    hidden
        (n, g) boolean CSR: its m stored entries are asked for; True: hidden, False: visible, to be freed of noise.
    truth_m
        (m,) true log1p(CP10k), in the order of storage of ``hidden``.
    counts_m
        (m,) true counts; None without counts.
    exposure_m
        (m,) counts that stand behind one unit of CP10k: ``expected counts = expm1(prediction) * exposure``.
    visible_counts
        (n, g) CSR of the counts a method may see; None without counts.
    """

    visible: sp.csr_matrix
    hidden: sp.csr_matrix
    truth_m: np.ndarray
    counts_m: np.ndarray | None = None
    exposure_m: np.ndarray | None = None
    visible_counts: sp.csr_matrix | None = None

    @property
    def row_m(self) -> np.ndarray:
        """(m,) cell of each entry asked for."""
        return np.repeat(np.arange(self.hidden.shape[0]), np.diff(self.hidden.indptr))


def hide_entries(
    x_ng: sp.csr_matrix,
    *,
    share: float = 0.2,
    seed: int = 0,
    counts: sp.csr_matrix | None = None,
    total_n: np.ndarray | None = None,
) -> Case:
    """Hide a share of every cell's non-zeros and as many of its zeros.

    The hidden molecules leave the total by which the visible ones are scaled, so the input does not betray them. The
    truth stays what the assay read: log1p(CP10k) by the whole total.

    Parameters
    ----------
    x_ng
        (n, g) log1p(CP10k).
    share
        Share of the non-zeros, at least one in a cell that has two.
    seed
        Of the choice of entries.
    counts, total_n
        (n, g) counts behind ``x_ng`` and (n,) their total over all genes of the file, where known.

    Examples
    --------
    >>> x = sp.csr_matrix(np.log1p([[5.0, 5.0, 0.0, 0.0]]))
    >>> case = hide_entries(x, share=0.5)
    >>> case.hidden.nnz, round(float(np.expm1(case.visible.data).sum()), 4)
    (2, 10.0)
    """
    x_ng = _canonical(x_ng)
    n, g = x_ng.shape
    rng = np.random.default_rng(seed)
    stored_n = np.diff(x_ng.indptr)
    take_n = np.minimum(
        np.maximum(np.rint(share * stored_n), stored_n >= 2), np.minimum(stored_n, g - stored_n)
    ).astype(int)
    row = np.repeat(np.arange(n), stored_n)
    order = np.lexsort((rng.random(x_ng.nnz), row))
    rank = np.empty(x_ng.nnz, dtype=int)
    rank[order] = np.arange(x_ng.nnz) - np.repeat(x_ng.indptr[:-1], stored_n)
    out_t = rank < take_n[row]
    hidden_row, hidden_col = [row[out_t]], [x_ng.indices[out_t]]
    for i in np.flatnonzero(take_n):
        hidden_row.append(np.full(take_n[i], i))
        hidden_col.append(_zeros(x_ng.indices[x_ng.indptr[i] : x_ng.indptr[i + 1]], g, take_n[i], rng))
    hidden = _flags(np.concatenate(hidden_row), np.concatenate(hidden_col), (n, g), True)
    linear = np.expm1(x_ng.data.astype(np.float64))
    whole_n = np.bincount(row, weights=linear, minlength=n)
    if total_n is not None:
        whole_n = np.maximum(whole_n, 1e4)
    gone_n = np.bincount(row[out_t], weights=linear[out_t], minlength=n)
    factor_n = np.where(whole_n - gone_n > 1e-9, whole_n / np.maximum(whole_n - gone_n, 1e-9), 1.0)
    kept = np.where(out_t, 0.0, np.log1p(linear * factor_n[row]))
    visible = sp.csr_matrix((kept.astype(np.float32), x_ng.indices, x_ng.indptr), shape=(n, g), copy=True)
    visible.eliminate_zeros()
    rows_m = np.repeat(np.arange(n), np.diff(hidden.indptr))
    truth = _at(x_ng, rows_m, hidden.indices)
    if counts is None or total_n is None:
        return Case(visible, hidden, truth)
    counts = _canonical(counts)
    keep = sp.csr_matrix((np.ones(hidden.nnz, np.float32), hidden.indices, hidden.indptr), shape=(n, g))
    seen = (counts - counts.multiply(keep)).tocsr().astype(np.float32)
    seen.eliminate_zeros()
    return Case(visible, hidden, truth, _at(counts, rows_m, hidden.indices), np.asarray(total_n)[rows_m] / 1e4, seen)


def thin_molecules(counts: sp.csr_matrix, *, keep: float = 0.9, seed: int = 0) -> Case:
    """Keep each molecule with probability ``keep``; the others are the truth (molecular cross-validation).

    Asked for are the entries with a visible molecule and as many without, chosen without a look at the molecules held
    out, so that given the cell's rate the answer is independent of the input. Judged by the Poisson deviance of the
    held-out counts and their squared error. Not by an error in log space: with a tenth of the molecules the log of the
    held-out value is so biased that a shrunken oracle beats the oracle.

    Parameters
    ----------
    counts
        (n, g) whole numbers.
    keep
        Share of the molecules that a method sees.

    Notes
    -----
    Batson, Royer and Webber 2019 (molecular cross-validation), with binomial instead of fixed thinning.

    Examples
    --------
    >>> case = thin_molecules(sp.csr_matrix([[1000.0, 0.0]]))
    >>> int(case.visible_counts.sum() + case.counts_m.sum())
    1000
    """
    counts = _canonical(counts)
    n, g = counts.shape
    rng = np.random.default_rng(seed)
    whole = np.rint(counts.data).astype(np.int64)
    kept = rng.binomial(whole, keep)
    shape = {"shape": (n, g), "copy": True}
    seen = sp.csr_matrix((kept.astype(np.float32), counts.indices, counts.indptr), **shape)
    left = sp.csr_matrix(((whole - kept).astype(np.float32), counts.indices, counts.indptr), **shape)
    seen.eliminate_zeros()
    total_n = np.asarray(seen.sum(1), dtype=np.float64).ravel()
    stored_n = np.diff(seen.indptr)
    row = np.repeat(np.arange(n), stored_n)
    visible = seen.copy()
    visible.data = np.log1p(seen.data * (1e4 / np.maximum(total_n, 1))[row]).astype(np.float32)
    asked_row, asked_col = [row], [seen.indices]
    for i in range(n):
        take = min(stored_n[i], g - stored_n[i])
        asked_row.append(np.full(take, i))
        asked_col.append(_zeros(seen.indices[seen.indptr[i] : seen.indptr[i + 1]], g, take, rng))
    asked = _flags(np.concatenate(asked_row), np.concatenate(asked_col), (n, g), False)
    rows_m = np.repeat(np.arange(n), np.diff(asked.indptr))
    out = _at(left, rows_m, asked.indices)
    # the rate of held-out molecules is that of the visible ones times (1 - keep) / keep: the held-out total is not used
    exposure_n = total_n * (1 - keep) / keep / 1e4
    truth = np.log1p(out / np.maximum(exposure_n[rows_m], 1e-12))
    return Case(visible, asked, truth, out, exposure_n[rows_m], seen)


def _canonical(x_ng: sp.csr_matrix) -> sp.csr_matrix:
    x_ng = sp.csr_matrix(x_ng, copy=True)
    x_ng.sum_duplicates()
    x_ng.eliminate_zeros()
    return x_ng


def _zeros(stored: np.ndarray, g: int, take: int, rng: np.random.Generator) -> np.ndarray:
    """``take`` of the g - len(stored) columns that are not stored; ``stored`` ascends."""
    pick = rng.choice(g - len(stored), size=take, replace=False)
    return pick + np.searchsorted(stored - np.arange(len(stored)), pick, side="right")


def _flags(row: np.ndarray, column: np.ndarray, shape: tuple[int, int], value: bool) -> sp.csr_matrix:
    """A boolean CSR with sorted columns; False entries stay stored."""
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    return sp.csr_matrix((np.full(len(row), value), column[order], indptr), shape=shape)


def _at(x_ng: sp.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.asarray(x_ng[row, column], dtype=np.float64).ravel() if len(row) else np.empty(0)
