"""Columns of the same gene made one: counts are summed, of anything else the most expressed column is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Merge:
    """Where every file column goes.

    Attributes
    ----------
    names
        (g_out,) gene names, unique, in the order of their first column.
    target
        (g_in,) column that each file column is added to, -1 where it is dropped.
    """

    names: np.ndarray
    target: np.ndarray

    @property
    def trivial(self) -> bool:
        """Whether every column stays as it is."""
        return len(self.names) == len(self.target)

    def apply(self, x: sparse.csr_matrix) -> sparse.csr_matrix:
        """(n, g_in) -> (n, g_out) with sorted columns; an untouched matrix is handed through."""
        if self.trivial:
            return x
        keep = self.target[x.indices] >= 0
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        indptr = kept_before[x.indptr]
        out = sparse.csr_matrix(
            (x.data[keep], self.target[x.indices[keep]], indptr), shape=(x.shape[0], len(self.names)), dtype=x.dtype
        )
        out.sum_duplicates()
        return out


def plan_merge(names: np.ndarray, *, add: bool, mean: np.ndarray | None = None) -> Merge:
    """Plan the merging of columns that carry the same name.

    Parameters
    ----------
    names
        (g_in,) canonical gene names.
    add
        True for counts (columns are summed), False otherwise (one column is kept).
    mean
        (g_in,) mean expression, which decides the column that is kept; the first of equals.

    Examples
    --------
    >>> plan_merge(np.array(["A", "B", "A"]), add=True).target.tolist()
    [0, 1, 0]
    >>> plan_merge(np.array(["A", "B", "A"]), add=False, mean=np.array([1.0, 5.0, 2.0])).target.tolist()
    [-1, 1, 0]
    """
    seen: dict[str, int] = {}
    target = np.array([seen.setdefault(name, len(seen)) for name in names.tolist()], dtype=np.int64)
    out = np.array(list(seen), dtype=object)
    if add or len(out) == len(names):
        return Merge(out, target)
    mean = np.zeros(len(names)) if mean is None else np.asarray(mean, dtype=np.float64)
    order = np.lexsort((np.arange(len(names)), -mean, target))
    first = np.concatenate([[True], np.diff(target[order]) > 0])
    dropped = order[~first]
    target = target.copy()
    target[dropped] = -1
    return Merge(out, target)
