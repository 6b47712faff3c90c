"""Lists of other genes that can be told as well as those of a list."""

from __future__ import annotations

import numpy as np

BINS = 10
ROOM = 2  # other genes for each gene of the list, in every bin
LEAST_OTHERS = 20


def matched_lists(
    r2_g: np.ndarray, listed_g: np.ndarray, n: int = 1000, seed: int = 0
) -> tuple[np.ndarray, int] | tuple[None, str]:
    """Random lists of the size of a list, with its distribution of R2 over bins.

    Genes are divided at quantiles of R2 into ten bins, or as many as leave two other genes for each of the list in
    every bin. A list takes from each bin as many others as the list has there.

    Parameters
    ----------
    r2_g
        (g,) how well each gene can be told; NaN is never drawn.
    listed_g
        (g,) bool: the list itself, which is not drawn either.
    n, seed
        How many lists, and their seed.

    Returns
    -------
    (numpy.ndarray, int) or (None, str)
        (n, k) numbers of genes, and the number of bins; or None and the reason, in words.

    Examples
    --------
    >>> r2 = np.linspace(0, 1, 100)
    >>> lists, bins = matched_lists(r2, np.arange(100) % 20 == 0, n=3)
    >>> lists.shape, bins, bool((lists % 20 != 0).all())
    ((3, 5), 10, True)
    >>> matched_lists(r2[:12], np.arange(12) < 4)
    (None, 'the file has 8 other genes that can be told; 20 are needed for random lists of 4')
    """
    k = int(listed_g.sum())
    other = ~listed_g & ~np.isnan(r2_g)
    need = max(LEAST_OTHERS, ROOM * k)
    if other.sum() < need:
        return None, (
            f"the file has {int(other.sum())} other genes that can be told; {need} are needed for random lists of {k}"
        )
    known = r2_g[listed_g | other]
    for bins in range(BINS, 0, -1):
        edges = np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])
        bin_g = np.searchsorted(edges, np.nan_to_num(r2_g, nan=-np.inf), side="right")
        wanted = np.bincount(bin_g[listed_g], minlength=bins)
        pools = [np.flatnonzero(other & (bin_g == b)) for b in range(bins)]
        if all(len(pool) >= ROOM * count for pool, count in zip(pools, wanted)):
            break
    rng = np.random.default_rng(seed)
    draw = lambda: np.concatenate(  # noqa: E731
        [rng.choice(pool, count, replace=False) for pool, count in zip(pools, wanted) if count]
    )
    return np.stack([draw() for _ in range(n)]), bins
