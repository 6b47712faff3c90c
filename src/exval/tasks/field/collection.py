"""Brain samples that fields are measured on, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from exval.data.brain import BrainSamples, read_samples
from exval.errors import InputError


@dataclass(frozen=True)
class Collection:
    """A file of brain samples.

    Parameters
    ----------
    file
        Under the folder of data sets; None: simulated.
    regions
        Columns with names of regions, coarse to fine.
    by
        What can be held out.
    title
        In tables.
    """

    file: str | None
    regions: tuple[str, ...]
    by: tuple[str, ...]
    title: str


COLLECTIONS = {
    "summaries": Collection("ahba_3702samples_14summaries.parquet", ("brain_divison", "bilateral_structure_name"),
                            ("donor", "block", "random"), "six donors, 14 summaries of genes"),
    "donor2001": Collection("ahba_donor2001_946samples_100probes_log2.h5ad", ("structure_name",), ("block",),
                            "one donor, 100 probes"),
    "simulated": Collection(None, ("division", "structure"), ("donor",), "simulated"),
}  # fmt: skip
SUMMARIES = ("A-P_axis", "Component")  # how the columns of the summaries begin, beside those of "avg_gene_expression"


def load(name: str, folder: str | Path | None = None) -> BrainSamples:
    """Samples of a collection.

    Examples
    --------
    >>> load("simulated").values_ng.shape
    (600, 12)
    """
    known = COLLECTIONS[name]
    return read_samples(_table(known, folder), regions=known.regions, unit="z" if name == "summaries" else "log2")


def _table(known: Collection, folder: str | Path | None) -> Any:
    import anndata

    if known.file is None:
        from exval.datasets import simulated_brain

        return simulated_brain(12, n=600)[0]
    path = Path(folder or ".") / known.file
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix != ".parquet":
        return anndata.read_h5ad(path)
    table = pd.read_parquet(path)
    genes = [name for name in table if name.startswith(SUMMARIES) or name.endswith("avg_gene_expression")]
    obs = table.drop(columns=genes)
    obs.index = obs.index.astype(str)
    return anndata.AnnData(table[genes].to_numpy(float), obs, pd.DataFrame(index=genes))
