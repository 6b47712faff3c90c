"""Made-up data: a simulated second lab out of real cells, and random counts for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def second_lab(
    adata: AnnData | None = None,
    *,
    label: str = "cell_type",
    seed: int = 0,
    missing_type: str | None = "gamma",
    gene_drop: float = 0.4,
    depth: float = 0.25,
    test_share: float = 0.3,
    ensembl: bool = True,
) -> tuple[AnnData, AnnData]:
    """Split labelled cells into a reference and a query that looks as if it came from another lab.

    The query is a *simulation*: real held-out cells with genes dropped, other gene ids and thinned counts. It has no
    other protocol, donor or tissue handling, so that results on it are optimistic.

    Parameters
    ----------
    adata
        Counts in ``X`` with labels in ``obs[label]``; the Baron cells by default.
    label
        Column of ``obs`` with the types.
    seed
        Decides which cells are held out, which genes are dropped, and the thinning.
    missing_type
        Removed from the reference, so that the query has a type that nobody has seen; None to keep all.
    gene_drop
        Share of the genes that the query lacks.
    depth
        Every count of the query is thinned binomially with this probability.
    test_share
        Share of the cells of every type that become the query.
    ensembl
        Name the query's genes by Ensembl id; genes without one are dropped from the query.

    Returns
    -------
    (AnnData, AnnData)
        Reference (labels in ``obs[label]``) and query (no label; the truth is kept in ``obs["truth"]``), both counts.

    Raises
    ------
    InputError
        No such column or type, or a share outside (0, 1).

    Examples
    --------
    >>> reference, query = second_lab()
    >>> "gamma" in set(reference.obs["cell_type"]), "gamma" in set(query.obs["truth"])
    (False, True)
    >>> query.var_names[0][:4], query.n_vars < 0.65 * reference.n_vars
    ('ENSG', True)
    """
    import pandas as pd

    from exval.data.examples import baron
    from exval.data.genes import GeneTable, map_genes
    from exval.data.labels import labels_of

    adata = baron() if adata is None else adata
    kinds = labels_of(adata.obs, label)
    for name, value in (("gene_drop", gene_drop), ("test_share", test_share)):
        if not 0 <= value < 1:
            raise InputError(f"{name} is a share between 0 and 1, not {value}")
    if not 0 < depth <= 1:
        raise InputError(f"depth is a probability above 0 and at most 1, not {depth}")
    if missing_type is not None and missing_type not in set(kinds):
        raise InputError(f"no cell is labelled {missing_type!r}; there is {', '.join(sorted(set(kinds.dropna())))}")
    rng = np.random.default_rng(seed)
    held = np.zeros(adata.n_obs, dtype=bool)
    for kind in sorted(set(kinds.dropna())):
        cells = np.flatnonzero((kinds == kind).to_numpy())
        held[rng.permutation(cells)[: int(round(test_share * len(cells)))]] = True
    keep = rng.random(adata.n_vars) >= gene_drop
    names = np.asarray(adata.var_names, dtype=object)
    if ensembl:
        table = GeneTable.load("human")
        canonical = map_genes(names, "human", threshold=0.0).canonical
        ids = np.array([table.ensembl[table.row[one]] if one in table.row else "" for one in canonical], dtype=object)
        names, keep = ids, keep & (ids != "") & ~pd.Index(ids).duplicated()

    reference = adata[~held & (kinds != missing_type).to_numpy() & kinds.notna().to_numpy()].copy()
    reference.obs[label] = reference.obs[label].astype("category").cat.remove_unused_categories()
    query = adata[held][:, keep].copy()
    counts = sparse.csr_matrix(query.X, dtype=np.float32)
    counts.data = rng.binomial(counts.data.astype(np.int64), depth).astype(np.float32)
    counts.eliminate_zeros()
    query.X = counts
    query.obs = query.obs.rename(columns={label: "truth"})[["truth"]]
    query.obs["truth"] = query.obs["truth"].astype("category").cat.remove_unused_categories()
    query.var = query.var[[]]
    query.var_names = names[keep]
    query.uns = {"source": "simulated second lab: held-out cells, genes dropped, counts thinned"}
    return reference, query


def random_counts(n: int, n_genes: int, density: float = 0.05, seed: int = 0) -> sparse.csr_matrix:
    """Random counts of a given density: quick to make, without any structure. For benchmarks only.

    Genes are chosen independently with skewed frequencies; values are 1 + geometric.

    Returns
    -------
    csr_matrix
        (n, n_genes) float32 counts, sorted indices, ``density`` of the entries non-zero on average.

    Examples
    --------
    >>> x = random_counts(200, 500, density=0.1)
    >>> 0.08 < x.nnz / (200 * 500) < 0.12
    True
    """
    return sparse.vstack([block for _, block in iter_random_counts(n, n_genes, density, seed)], format="csr")


def iter_random_counts(
    n: int, n_genes: int, density: float = 0.05, seed: int = 0, *, size: int = 4096
) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """:func:`random_counts` block by block, without ever holding more than ``size`` cells; equal for any ``size``."""
    step = 256  # the unit that is seeded on its own, so that the block size does not change the values
    held: list[sparse.csr_matrix] = []
    start = 0
    for lo in range(0, n, step):
        held.append(_block(min(step, n - lo), n_genes, density, np.random.default_rng([seed, lo])))
        have = sum(one.shape[0] for one in held)
        if have >= size or lo + step >= n:
            yield slice(start, start + have), sparse.vstack(held, format="csr")
            start, held = start + have, []


def _block(rows: int, n_genes: int, density: float, rng: np.random.Generator) -> sparse.csr_matrix:
    # Genes come in 16 groups of one frequency each; walking over the gaps between present entries (geometric) costs
    # time for the entries only.
    groups = np.array_split(np.arange(n_genes), min(16, n_genes))
    sizes = np.array([len(group) for group in groups])
    keys = []
    for group, p in zip(groups, _capped(1.0 / (1.0 + np.arange(len(groups))), sizes, density)):
        cells = rows * len(group)
        if p > 0.999:
            at = np.arange(cells)
        else:
            drawn = int(cells * p + 6 * np.sqrt(cells * p) + 10)
            at = np.cumsum(1 + np.floor(rng.standard_exponential(drawn) / -np.log1p(-p)).astype(np.int64)) - 1
            at = at[at < cells]
        keys.append(at // len(group) * n_genes + group[0] + at % len(group))
    key = np.sort(np.concatenate(keys))
    row = key // n_genes
    indptr = np.searchsorted(row, np.arange(rows + 1))
    values = (1 + np.floor(rng.standard_exponential(len(key), dtype=np.float32) / 0.916)).astype(np.float32)
    return sparse.csr_matrix((values, (key - row * n_genes).astype(np.int32), indptr), shape=(rows, n_genes))


def _capped(weight: np.ndarray, sizes: np.ndarray, density: float) -> np.ndarray:
    """Shares proportional to ``weight``, at most 1, whose mean over all genes is ``density``."""
    low, high = 0.0, 1.0 / weight.min()
    for _ in range(60):
        middle = (low + high) / 2
        mean = float((np.minimum(1.0, middle * weight) * sizes).sum() / sizes.sum())
        low, high = (middle, high) if mean < density else (low, middle)
    return np.minimum(1.0, high * weight)


def write_random_h5ad(
    path: str | Path, n: int, n_genes: int, density: float = 0.05, seed: int = 0, *, layout: str = "csr"
) -> Path:
    """Write :func:`random_counts` as an h5ad file, chunk by chunk, with real gene symbols and two types in ``obs``.

    ``layout`` is ``"csr"`` or ``"dense"``. Memory stays at one chunk however large the file.

    Examples
    --------
    >>> import tempfile, anndata
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     anndata.read_h5ad(write_random_h5ad(folder + "/x.h5ad", 50, 100)).shape
    (50, 100)
    """
    import anndata
    import h5py
    import pandas as pd
    from anndata.io import write_elem

    from exval.data.genes import GeneTable

    if layout not in ("csr", "dense"):
        raise InputError(f"layout {layout!r} is not known; use csr or dense")
    symbols = GeneTable.load("human").symbols
    if n_genes > len(symbols):
        raise InputError(f"there are {len(symbols)} gene symbols; ask for no more genes than that")
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical.from_codes(np.arange(n) % 2, ["a", "b"])}, index=[f"cell{i}" for i in range(n)]
    )
    var = pd.DataFrame(index=symbols[:n_genes])
    path = Path(path)
    with h5py.File(path, "w") as file:
        if layout == "csr":
            empty = sparse.csr_matrix((n, n_genes), dtype=np.float32)
            write_elem(file, "/", anndata.AnnData(empty, obs=obs, var=var))
            del file["X/data"], file["X/indices"], file["X/indptr"]
            group = file["X"]
            data = group.create_dataset("data", (0,), maxshape=(None,), dtype=np.float32, chunks=(1 << 18,))
            indices = group.create_dataset("indices", (0,), maxshape=(None,), dtype=np.int32, chunks=(1 << 18,))
            indptr = np.zeros(n + 1, dtype=np.int64)
        else:
            write_elem(file, "/", anndata.AnnData(obs=obs, var=var))
            if "X" in file:
                del file["X"]
            dense = file.create_dataset("X", (n, n_genes), dtype=np.float32, chunks=(64, n_genes))
            dense.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        end = 0
        for rows, block in iter_random_counts(n, n_genes, density, seed):
            if layout == "dense":
                dense[rows] = block.toarray()
                continue
            for dataset, values in ((data, block.data), (indices, block.indices)):
                dataset.resize((end + block.nnz,))
                dataset[end:] = values
            indptr[rows.start + 1 : rows.stop + 1] = end + block.indptr[1:]
            end += block.nnz
        if layout == "csr":
            group.create_dataset("indptr", data=indptr)
    return path
