"""The shipped gene tables: every name under which files know a gene, and none that could mean two."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from exval.data.genenames import excel_symbol, spell
from exval.errors import InputError

SPECIES = ("human", "mouse")
HOW = ("symbol", "ensembl", "entrez", "alias", "ortholog", "unknown")


class GeneTable:
    """The genes of one species and every name under which files know them.

    Attributes
    ----------
    species
        ``"human"`` or ``"mouse"``.
    symbols
        Canonical names, unique, one per gene of the table.

    Notes
    -----
    Sources: org.Hs.eg.db 3.16.0 (Artistic-2.0, NCBI Gene) and Ensembl BioMart; see ``vocab/NOTICE.txt``. Aliases of two
    genes, and aliases that are another gene's symbol, are not in the table: they are never guessed.

    Examples
    --------
    >>> human = GeneTable.load("human")
    >>> gene, how = human.find("ENSG00000141510.17")
    >>> human.symbols[gene], how
    ('TP53', 'ensembl')
    >>> human.ensembl[gene]
    'ENSG00000141510'
    >>> human.find("no such gene")
    (-1, 'unknown')
    """

    def __init__(self, species: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.species = species
        self._arrays = arrays
        self.symbols: list[str] = _lines(arrays["symbols"])
        self.entrez: np.ndarray = arrays["entrez"]
        self._prefix = "ENSG" if species == "human" else "ENSMUSG"

    @classmethod
    def load(cls, species: str = "human") -> GeneTable:
        """The shipped table of a species, read once per process.

        Raises
        ------
        InputError
            For a species without a table.
        """
        return _load(species)

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def row(self) -> dict[str, int]:
        """Canonical symbol -> row of the table."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def ensembl(self) -> list[str]:
        """One Ensembl id per gene, ``""`` where it has none."""
        return [f"{self._prefix}{number:011d}" if number else "" for number in self._arrays["ensembl"].tolist()]

    @cached_property
    def ortholog(self) -> np.ndarray:
        """Mouse table: row of the human one-to-one ortholog in the human table, -1 without one."""
        return self._arrays["ortholog"]

    @cached_property
    def _by_ensembl(self) -> dict[int, int]:
        return dict(zip(self._arrays["ensembl_id"].tolist(), self._arrays["ensembl_gene"].tolist()))

    @cached_property
    def _by_entrez(self) -> dict[int, int]:
        return {number: i for i, number in enumerate(self.entrez.tolist()) if number}

    @cached_property
    def _by_alias(self) -> dict[str, int]:
        return dict(zip(_lines(self._arrays["alias"]), self._arrays["alias_gene"].tolist()))

    @cached_property
    def unclear(self) -> frozenset[str]:
        """Aliases that two or more genes share: known, and deliberately not resolved."""
        return frozenset(_lines(self._arrays["unclear"]))

    def find(self, name: object, *, entrez: bool = True, alias: bool = True) -> tuple[int, str]:
        """Row of a gene and how it was found (one of ``HOW``); ``(-1, "unknown")`` if it is not in the table."""
        text = str(name)
        if (gene := self.row.get(text)) is not None:
            return gene, "symbol"
        spelling = spell(text)
        for one in spelling.candidates:
            if (gene := self.row.get(one)) is not None:
                return gene, "symbol"
            if one.startswith(self._prefix) and one[len(self._prefix) :].isdigit():
                if (gene := self._by_ensembl.get(int(one[len(self._prefix) :]))) is not None:
                    return gene, "ensembl"
            elif entrez or one.startswith("LOC") or len(spelling.candidates) > 1:
                digits = one.removeprefix("LOC")
                if digits.isdecimal() and (gene := self._by_entrez.get(int(digits))) is not None:
                    return gene, "entrez"
        if alias:
            for one in spelling.candidates:
                dashed = one.replace(".", "-")
                if (gene := self._by_alias.get(one, self.row.get(dashed) if dashed != one else None)) is not None:
                    return gene, "alias"
                symbol = excel_symbol(one) if self.species == "human" else None
                if symbol and (gene := self.row.get(symbol, self._by_alias.get(symbol))) is not None:
                    return gene, "alias"
        return -1, "unknown"


def _lines(blob: np.ndarray) -> list[str]:
    return blob.tobytes().decode().split("\n") if len(blob) else []


@cache
def _load(species: str) -> GeneTable:
    if species not in SPECIES:
        raise InputError(f"there is no gene table for {species!r}; known: {', '.join(SPECIES)}")
    with np.load(Path(__file__).parent / "vocab" / f"{species}.npz", allow_pickle=False) as file:
        return GeneTable(species, {name: file[name] for name in file.files})
