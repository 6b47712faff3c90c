"""Which gene a probe measures: by the re-annotation of the array, by the download itself, or by a table of the user."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from exval.data.ahba.reading import entrez
from exval.data.genes import map_genes
from exval.errors import GeneError, InputError

TABLE = Path(__file__).with_name("tables") / "reannotation.csv.xz"
COLUMNS = ("probe_name", "gene_symbol", "entrez_id")


@cache
def _shipped() -> pd.DataFrame:
    return pd.read_csv(TABLE, dtype=str, keep_default_na=False)


def annotate_probes(probes: pd.DataFrame, table: str | os.PathLike | pd.DataFrame = "reannotated") -> pd.DataFrame:
    """Give every probe its gene, and leave out those without one.

    Parameters
    ----------
    probes
        Probes.csv: ``probe_id``, ``probe_name``, ``gene_symbol``, ``entrez_id``.
    table
        ``"reannotated"``: the shipped re-annotation, 45,821 probes of 20,232 genes (Arnatkeviciute et al., NeuroImage
        2019, section 2.1). ``"original"``: the columns of Probes.csv. Or a table (csv file or DataFrame) with the
        columns probe_name, gene_symbol and entrez_id.

    Returns
    -------
    pandas.DataFrame
        Rows of ``probes`` that have an Entrez id, by ascending probe id: ``probe_id``, ``probe_name``, ``gene``
        (canonical symbol), ``entrez_id``, ``recognised`` (whether exval knows the gene). A probe that the table lacks
        is left out like one without Entrez id; a probe of the table that the array lacks does not matter.

    Raises
    ------
    InputError
        A table that cannot be read, lacks a column, or names a probe twice.
    GeneError
        No probe has a gene.

    Notes
    -----
    Genes get the name of their Entrez id, which never changes hands, and only without one known the mapped symbol.

    Examples
    --------
    >>> probes = pd.DataFrame({"probe_id": [1, 2], "probe_name": ["CUST_98_PI416379584", "no_such_probe"],
    ...     "gene_symbol": ["", "X"], "entrez_id": [-1, -1]})
    >>> annotate_probes(probes)[["probe_id", "gene", "entrez_id"]].values.tolist()
    [[1, 'ZNF883', 169834]]
    """
    if isinstance(table, str) and table == "original":
        found = probes[["probe_id", *COLUMNS]].copy()
    else:
        known = _shipped() if isinstance(table, str) and table == "reannotated" else _read(table)
        found = probes[["probe_id", "probe_name"]].merge(known[list(COLUMNS)], on="probe_name", how="inner")
    found["entrez_id"] = entrez(found["entrez_id"])
    found = found[found["entrez_id"] >= 0].sort_values("probe_id").reset_index(drop=True)
    if not len(found):
        raise GeneError(
            "no probe has a gene: the names in Probes.csv are not those of the re-annotation; use "
            "--reannotation original, or a table of your own (probe_name, gene_symbol, entrez_id)"
        )
    genes = found.drop_duplicates("entrez_id")
    mapping = map_genes(
        genes["entrez_id"].astype(str),
        species="human",
        extra_columns={"gene_symbol": genes["gene_symbol"].tolist()},
        threshold=0.0,
    )
    symbol = genes["gene_symbol"].to_numpy(dtype=object)
    own = np.where(symbol == "", "ENTREZ:" + genes["entrez_id"].astype(str), symbol)
    name = dict(zip(genes["entrez_id"], np.where(mapping.known, mapping.canonical, own)))
    known_gene = dict(zip(genes["entrez_id"], mapping.known))
    found["gene"] = found["entrez_id"].map(name)
    found["recognised"] = found["entrez_id"].map(known_gene).astype(bool)
    return found[["probe_id", "probe_name", "gene", "entrez_id", "recognised"]]


def _read(table: str | os.PathLike | pd.DataFrame) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        known, place = table.astype({"probe_name": str}), "the table of probes"
    else:
        place = str(table)
        if not Path(table).is_file():
            raise InputError(f"--reannotation: there is no file {place}; give reannotated, original or a csv file")
        try:
            known = pd.read_csv(table, dtype=str, keep_default_na=False)
        except (ValueError, pd.errors.ParserError, OSError) as fault:
            raise InputError(f"--reannotation: {place} cannot be read as csv ({str(fault)[:80]})") from None
    missing = [column for column in COLUMNS if column not in known]
    if missing:
        raise InputError(f"--reannotation: {place} has no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    if not known["probe_name"].is_unique:
        twice = known["probe_name"][known["probe_name"].duplicated()].iloc[0]
        raise InputError(f"--reannotation: {place} names the probe {twice!r} twice; keep one gene for each probe")
    return known.assign(gene_symbol=known["gene_symbol"].fillna("").astype(str))
