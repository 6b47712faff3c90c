"""From a source (a file or an AnnData) to packed samples, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from exval.data.writer import StoreWriter

if TYPE_CHECKING:
    from exval.data.source import Source

__all__ = ["all_stored", "pack_source", "totals"]

CHUNK = 4096


def pack_source(writer: StoreWriter, source: Source, name: str | None = None, size: int = CHUNK) -> None:
    """Stream all samples of a source into a writer.

    Only recognised genes enter the panel, the pairs and the content hash; the total of a sample counts all genes of
    the file. ``obs["source"]`` is added; a column of that name in the file becomes ``source_in_file``.

    Parameters
    ----------
    source
        A :class:`exval.data.source.Source`.
    name
        What to call it, if not by its own name.
    size
        Samples a chunk: what is held in memory at a time.
    """
    from exval.progress import track

    name, known = name or source.name, source.recognised
    writer.begin(
        name,
        source.var_names[known],
        matrix=source.matrix,
        choice=source.choice,
        mapping=source.genes.summary(),
        report=source.genes.report(),
        warnings=list(source.warnings),
    )
    obs = source.obs.rename(columns={"source": "source_in_file"})
    obs = obs.assign(source=pd.Categorical([name] * source.n))
    chunks = track(source.iter_csr(size), f"Packing {name}", total=-(-source.n // size))
    for rows, x_nc in chunks:
        kept = x_nc if known.all() else x_nc[:, known]
        if writer.implicit == "missing":
            kept = all_stored(kept)
        writer.add(kept, total_n=totals(x_nc, source.unit), obs=obs.iloc[rows])


def totals(x_ng: sparse.csr_matrix, unit: str) -> np.ndarray | None:
    """(n,) total counts, None where the values are not counts.

    >>> totals(sparse.csr_matrix([[2.0, 0.0, 3.0]]), "counts").tolist()
    [5.0]
    """
    return np.asarray(x_ng.sum(axis=1), dtype=np.float64).ravel() if unit == "counts" else None


def all_stored(x_nc: sparse.csr_matrix | np.ndarray) -> sparse.csr_matrix:
    """The same values with every measured one stored, 0.0 too: in log2 and z a zero is a value, and NaN is none.

    >>> all_stored(np.array([[0.0, np.nan, 2.0]])).indices.tolist()
    [0, 2]
    """
    x_nc = np.asarray(x_nc.toarray() if sparse.issparse(x_nc) else x_nc, dtype=np.float32)
    there_nc = ~np.isnan(x_nc)
    offsets_n1 = np.concatenate([[0], there_nc.sum(1).cumsum()])
    return sparse.csr_matrix((x_nc[there_nc], np.nonzero(there_nc)[1], offsets_n1), shape=x_nc.shape)
