"""A number that says which sample this is, whatever file, gene order or vocabulary it came in."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from scipy import sparse

__all__ = ["content_hash", "gene_hash", "hashes_of", "identity_hash", "panel_mark", "told_by_genes"]

_STEP, _M1, _M2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def gene_hash(names) -> np.ndarray:
    """One 64-bit hash for each gene name.

    Parameters
    ----------
    names
        (g,) canonical gene names.

    Returns
    -------
    numpy.ndarray
        (g,) uint64.

    Examples
    --------
    >>> bool(gene_hash(["INS", "GCG"])[1] == gene_hash(["GCG"])[0])
    True
    """
    digests = b"".join(blake2b(str(name).encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8")


def content_hash(x_ng: sparse.csr_matrix, names, *, zeros: bool = False) -> np.ndarray:
    """Hash the (gene, value) pairs of every sample.

    The hash is a sum over the pairs, so neither the order of the genes, nor genes that are zero, nor the other samples
    of the matrix matter: the same cell in two files has the same hash if its recognised genes and values agree.

    Parameters
    ----------
    x_ng
        (n, g) CSR matrix without duplicate entries, in any unit. Values are compared as float32.
    names
        (g,) canonical gene names, or their :func:`gene_hash`.
    zeros
        Count stored zeros as values, as they are where an absent gene means "not measured" (log2, z).

    Returns
    -------
    numpy.ndarray
        (n,) uint64.

    Notes
    -----
    Pairs are mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA). Two different samples share a
    hash with probability about 5e-20; it does not withstand somebody who wants a collision.

    Examples
    --------
    >>> a = content_hash(sparse.csr_matrix([[0., 2., 5.]]), ["SST", "INS", "GCG"])
    >>> b = content_hash(sparse.csr_matrix([[5., 2.], [0., 1.]]), ["GCG", "INS"])
    >>> bool(a[0] == b[0]), bool(a[0] == b[1])
    (True, False)
    """
    gene_g = np.asarray(names)
    if gene_g.dtype != np.uint64:
        gene_g = gene_hash(names)
    # -0.0 and 0.0 are the same value but not the same bits
    bits_t = (np.asarray(x_ng.data, dtype=np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
    pair_t = _mix(gene_g[x_ng.indices] ^ _mix(bits_t))
    if not zeros:
        pair_t[bits_t == 0] = 0
    sums = np.zeros(len(pair_t) + 1, dtype=np.uint64)
    np.cumsum(pair_t, out=sums[1:])
    return _mix(sums[x_ng.indptr[1:]] - sums[x_ng.indptr[:-1]])


SUPPORT = 50
"""Genes that must be non-zero, and genes that must be zero, for a sample to be known by which are which."""


def told_by_genes(x_ng: sparse.csr_matrix) -> np.ndarray:
    """(n,) which samples are known by which of their genes are not zero."""
    length_n = np.asarray((x_ng != 0).sum(1)).ravel()
    return np.minimum(length_n, x_ng.shape[1] - length_n) >= SUPPORT


def identity_hash(x_ng: sparse.csr_matrix, names) -> np.ndarray:
    """Hash which genes of every sample are non-zero: the same in counts, CP10k and log1p, however scaled and rounded.

    A sample with fewer than :data:`SUPPORT` non-zero genes, or fewer zeros than that, is not told apart from others by
    them: its values are hashed instead (:func:`content_hash`), so that it is known in its own unit only.

    Parameters
    ----------
    x_ng
        (n, g) CSR matrix without duplicate entries, non-negative; stored zeros count as zeros.
    names
        (g,) canonical names of all genes that were measured, or their :func:`gene_hash`.

    Returns
    -------
    numpy.ndarray
        (n,) uint64.

    Examples
    --------
    >>> x = sparse.random(3, 400, 0.5, format="csr", random_state=0)
    >>> names = [f"G{i}" for i in range(400)]
    >>> bool((identity_hash(x, names) == identity_hash(np.log1p(7 * x), names)).all())
    True
    """
    ones = sparse.csr_matrix((x_ng.data != 0, x_ng.indices, x_ng.indptr), x_ng.shape).astype(np.float32)
    told_n = told_by_genes(x_ng)
    gene_g = np.asarray(names)
    gene_g = gene_g if gene_g.dtype == np.uint64 else gene_hash(names)
    if told_n.all():
        return content_hash(ones, gene_g)
    return np.where(told_n, content_hash(ones, gene_g), content_hash(x_ng, gene_g))


def hashes_of(adata) -> np.ndarray:
    """(n,) identity hashes of a prepared AnnData, over its recognised genes.

    Taken from ``obs["exval_hash"]`` where they were noted before genes were left out.
    """
    if "exval_hash" in adata.obs:
        return adata.obs["exval_hash"].to_numpy(np.uint64)
    names = np.asarray(adata.var_names)
    known = adata.var["recognised"].to_numpy() if "recognised" in adata.var else np.ones(len(names), bool)
    if "exval_unit" in adata.uns:  # measured values: a zero is one too, and NaN is none
        from exval.data.packing import all_stored

        x_ng = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
        return content_hash(all_stored(x_ng[:, known]), names[known], zeros=True)
    x_ng = adata.layers.get("counts", adata.X).tocsr()
    return identity_hash(x_ng if known.all() else x_ng[:, known], names[known])


def panel_mark(names) -> str:
    """A mark of a set of genes, in whatever order: samples are recognised only over the genes they were hashed on.

    Examples
    --------
    >>> panel_mark(["INS", "GCG"]) == panel_mark(["GCG", "INS"]) != panel_mark(["INS"])
    True
    """
    return blake2b("\n".join(sorted(map(str, names))).encode(), digest_size=8).hexdigest()


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser; wraps silently."""
    x = x + _STEP
    x = (x ^ (x >> np.uint64(30))) * _M1
    x = (x ^ (x >> np.uint64(27))) * _M2
    return x ^ (x >> np.uint64(31))
