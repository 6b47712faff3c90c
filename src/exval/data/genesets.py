"""Files of gene sets: GMT, one set a line."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from exval.errors import GeneError, InputError

LEAST = 5  # genes that a set shares with a file: below, one gene more or less decides


@dataclass(frozen=True)
class GeneSets:
    """Named sets of canonical genes.

    Parameters
    ----------
    name
        Of the file.
    sets
        Name -> genes, in the order of the file.
    """

    name: str
    sets: dict[str, frozenset[str]]

    def within(self, genes: np.ndarray, least: int = LEAST) -> tuple[list[str], np.ndarray]:
        """The sets that share at least ``least`` of ``genes`` and not all of them, and (g, s) who is in which.

        Raises
        ------
        GeneError
            No set does.

        Examples
        --------
        >>> sets = GeneSets("mine.gmt", {"A": frozenset(["TP53", "KRAS"]), "B": frozenset(["INS"])})
        >>> names, member_gs = sets.within(np.array(["TP53", "KRAS", "GCG"]), least=2)
        >>> names, member_gs[:, 0].tolist()
        (['A'], [True, True, False])
        """
        place = {str(gene): i for i, gene in enumerate(genes)}
        names, columns = [], []
        for name, members in self.sets.items():
            column = np.zeros(len(place), bool)
            column[[place[gene] for gene in members if gene in place]] = True
            if least <= column.sum() < len(place):
                names.append(name)
                columns.append(column)
        if not names:
            raise GeneError(
                f"none of the {len(self.sets)} sets of {self.name} shares {least} genes with the file; check the "
                "species, and that the file holds gene symbols, Ensembl or Entrez ids"
            )
        return names, np.stack(columns, axis=1)


def read_gene_sets(path: str | PathLike, species: str = "human") -> GeneSets:
    """Read a GMT file, plain or gzipped: name, description and genes, between tabs.

    Genes may be named by symbols, aliases, Ensembl or Entrez ids; they are mapped to the names that files get.

    Parameters
    ----------
    path
        The file; for the Hallmark sets download ``h.all.*.symbols.gmt`` from MSigDB (CC BY 4.0).
    species
        Whose genes.

    Raises
    ------
    InputError
        No such file, no text, a line without genes, two sets of one name.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.gmt"
    >>> _ = path.write_text("A\\tfirst\\tTP53\\tP53\\nB\\t\\tINS\\tGCG\\n")
    >>> {name: sorted(genes) for name, genes in read_gene_sets(path).sets.items()}
    {'A': ['TP53'], 'B': ['GCG', 'INS']}
    """
    from exval.data.genes import map_genes

    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"--gene-sets: there is no file {path}; give a .gmt file, such as h.all.*.symbols.gmt of MSigDB"
        )
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (UnicodeDecodeError, EOFError, OSError, gzip.zlib.error) as fault:
        raise InputError(
            f"--gene-sets: {path} cannot be read as text ({type(fault).__name__}); download it again"
        ) from None
    given: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = [gene for gene in rest[1:] if gene]
        if not name or not genes:
            raise InputError(
                f"--gene-sets: line {number} of {path} is no set of a GMT file (name, description, genes, with tabs)"
            )
        if name in given:
            raise InputError(f"--gene-sets: {path} holds two sets called {name!r}; rename one")
        given[name] = genes
    if not given:
        raise InputError(f"--gene-sets: {path} is empty; give a .gmt file with one set a line")
    every = sorted({gene for genes in given.values() for gene in genes})
    canonical = dict(zip(every, map(str, map_genes(every, species, threshold=0.0).canonical)))
    return GeneSets(path.name, {name: frozenset(canonical[gene] for gene in genes) for name, genes in given.items()})
