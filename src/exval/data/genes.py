"""Gene names to one vocabulary: by symbol, Ensembl, Entrez or unambiguous alias; mouse by one-to-one orthologs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exval.data.genenames import excel_symbol, shares, spell
from exval.data.genetable import HOW, SPECIES, GeneTable
from exval.errors import GeneError, InputError

__all__ = ["GENE_COLUMNS", "HOW", "SPECIES", "GeneMapping", "GeneTable", "map_genes"]

_GENE_COLUMNS = """
    gene_ids gene_id geneid ensembl ensembl_id ensembl_ids ensembl_gene_id gene_ensembl accession feature_id
    symbol symbols gene_symbol gene_symbols hgnc_symbol feature_name gene_name gene_names gene_short_name
    gene_symbol_inferred gene genes name features entrez entrez_id entrezgene ncbi_id _index index
"""
GENE_COLUMNS = tuple(_GENE_COLUMNS.split())


@dataclass
class GeneMapping:
    """What became of every gene name of a file.

    Attributes
    ----------
    names_in
        As in the file, one per file column (object array).
    canonical
        Same length: the canonical symbol, or the cleaned original name where the gene is unknown.
    how
        Same length: one of ``symbol ensembl entrez alias ortholog unknown``.
    species
        ``"human"`` or ``"mouse"``. Mouse genes with a one-to-one human ortholog carry its human symbol; the others
        keep their mouse symbol.
    source
        Where most names were found: ``"index"`` or the name of a column of ``var``.
    duplicates
        Canonical names that more than one file column carries.
    unclear, dates
        File names left unknown because an alias belongs to several genes; names a spreadsheet turned into dates.
    """

    names_in: np.ndarray
    canonical: np.ndarray
    how: np.ndarray
    species: str
    source: str = "index"
    duplicates: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)

    @property
    def known(self) -> np.ndarray:
        """True for the file columns whose gene was recognised (bool, one per file column)."""
        return self.how != "unknown"

    @property
    def exact(self) -> np.ndarray:
        """True for the file columns that were recognised by an id or a symbol, not by an alias."""
        return self.known & (self.how != "alias")

    def summary(self) -> dict[str, Any]:
        """Counts: n, recognised, by_symbol, by_ensembl, ..., unknown, duplicated (file columns merged away), share."""
        count = Counter(self.how.tolist())
        n = len(self.how)
        recognised = n - count["unknown"]
        return {
            "species": self.species,
            "source": self.source,
            "n": n,
            "recognised": recognised,
            **{f"by_{how}": count[how] for how in HOW[:-1]},
            "unknown": count["unknown"],
            "duplicated": n - len(set(self.canonical.tolist())),
            "unclear": len(self.unclear),
            "dates": len(self.dates),
            "share": recognised / n if n else 0.0,
        }

    def report(self) -> str:
        """One line for people."""
        s = self.summary()
        ways = [f"{s[f'by_{how}']:,} by {how}" for how in HOW[:-1] if s[f"by_{how}"]]
        text = f"{self.species}: {s['recognised']:,} of {s['n']:,} genes recognised ({100 * s['share']:.0f} %)"
        if ways:
            text += ": " + ", ".join(ways)
        if s["unknown"]:
            text += f"; {s['unknown']:,} unknown (first: {_some(self.names_in[~self.known])})"
        if s["duplicated"]:
            text += f"; {s['duplicated']:,} merged into a column of the same gene (first: {_some(self.duplicates)})"
        if s["dates"]:
            text += f"; {s['dates']:,} damaged by a spreadsheet (first: {_some(self.dates)})"
        return text


def map_genes(
    names: Iterable[object],
    species: str = "auto",
    extra_columns: Mapping[str, Sequence[object]] | None = None,
    threshold: float = 0.5,
) -> GeneMapping:
    """Map a file's gene names to canonical symbols.

    The index is tried first, then columns of ``var`` that hold gene names, the best recognised one first: ids and
    symbols everywhere before aliases anywhere. The order of the genes never matters.

    Parameters
    ----------
    names
        The file's gene names (symbols, Ensembl ids with or without version, Entrez ids, genome prefixes).
    species
        ``"auto"``, ``"human"`` or ``"mouse"``.
    extra_columns
        ``var`` of the file (anything that maps a column name to values); only columns in ``GENE_COLUMNS`` are read.
    threshold
        Refuse when less than this share of the *file's* genes is recognised. A panel of 300 known genes passes.

    Raises
    ------
    GeneError
        Too few genes recognised, genes of two species in one file, or of a species without a table.

    Examples
    --------
    >>> mapping = map_genes(["TP53", "ENSG00000254647.6", "MARCH7", "no_gene"])
    >>> mapping.canonical.tolist()
    ['TP53', 'INS', 'MARCHF7', 'no_gene']
    >>> mapping.how.tolist()
    ['symbol', 'ensembl', 'alias', 'unknown']
    >>> map_genes(["Actb", "Gcg", "mt-Co1"]).canonical.tolist()
    ['ACTB', 'GCG', 'MT-CO1']
    """
    given = np.array([str(name) for name in names], dtype=object)
    if species not in ("auto", *SPECIES):
        raise InputError(f"species {species!r} is not known; use auto, human or mouse")
    if not len(given):
        raise GeneError("the file has no gene; it needs at least one column of expression values")
    columns = {"index": given}
    for column in extra_columns if extra_columns is not None else ():
        if str(column).lower().replace(" ", "_").replace(".", "_") in GENE_COLUMNS:
            # A column called index is what reset_index leaves, often old row numbers: it must not hide the true index.
            name = 'var["index"]' if str(column) == "index" else str(column)
            columns[name] = np.array([str(name) for name in extra_columns[column]], dtype=object)
    spelled = {column: shares(values) for column, values in columns.items()}
    _refuse_mixed(spelled, threshold)
    if species == "auto":
        mapping = _map_auto(columns, spelled)
    else:
        mapping = _map(columns, species)
    share = mapping.summary()["share"]
    # Names that are nothing but aliases are no genes: cells of a plate are called A10 or B7, and so are some genes.
    if share < threshold or (len(given) >= 10 and mapping.exact.mean() < threshold / 2):
        raise GeneError(_too_few(mapping, share, spelled, species))
    return mapping


def _map_auto(columns: dict[str, np.ndarray], spelled: dict[str, dict[str, float]]) -> GeneMapping:
    human = _map(columns, "human")
    share = human.known.mean()
    if share >= 0.5 and max(s["title"] + s["mouse"] for s in spelled.values()) < 0.2:
        return human
    mouse = _map(columns, "mouse")
    both = human.known.mean() >= 0.25 and mouse.known.mean() >= 0.25 and (human.known & mouse.known).mean() < 0.1
    if both:
        raise GeneError(_mixed(human.known.mean(), mouse.known.mean()))
    return mouse if mouse.known.mean() > share else human


def _map(columns: dict[str, np.ndarray], species: str) -> GeneMapping:
    table = GeneTable.load(species)
    order = list(columns)
    given = columns["index"]
    gene = np.full(len(given), -1, dtype=np.int64)
    how = np.full(len(given), "unknown", dtype=object)
    best, best_n = "index", -1
    for alias in (False, True):
        tried: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for column in order:
            todo = np.flatnonzero(gene < 0) if column == "index" or alias else np.arange(len(given))
            if not len(todo):
                continue
            found, way = _find(table, columns[column], todo, alias)
            if column == "index" or alias:
                gene[todo], how[todo] = found, way
            else:
                tried[column] = found, way
            n = int((found >= 0).sum())
            if not alias and n > best_n * (1.1 if best == "index" else 1.0):
                best, best_n = column, n
        for _, (found, way) in sorted(tried.items(), key=lambda item: -int((item[1][0] >= 0).sum())):
            fill = (gene < 0) & (found >= 0)
            gene[fill], how[fill] = found[fill], way[fill]
    names, how = _name(table, gene, how, given)
    lost = given[how == "unknown"]
    counts = Counter(names.tolist())
    return GeneMapping(
        names_in=given,
        canonical=names,
        how=how,
        species=species,
        source=best,
        duplicates=[name for name, n in counts.items() if n > 1],
        unclear=[name for name in lost if spell(name).clean in table.unclear],
        dates=[name for name in given if name[:1].isalnum() and "-" in name and excel_symbol(name) is not None],
    )


def _find(table: GeneTable, names: np.ndarray, todo: np.ndarray, alias: bool) -> tuple[np.ndarray, np.ndarray]:
    wanted = names[todo].tolist()
    numbers = [int(name) for name in wanted if name.isdecimal()]
    # 0, 1, 2, ... is a row counter, though many of those are Entrez ids too.
    entrez = len(numbers) > 0.5 * len(wanted) and max(numbers) - min(numbers) >= 1.2 * len(set(numbers))
    found = [table.find(name, entrez=entrez, alias=alias) for name in wanted]
    if not alias:
        present = {name for name, (gene, _) in zip(wanted, found) if gene >= 0}
        for i, name in enumerate(wanted):
            if found[i][0] < 0 and (base := _base(name)) in present:
                found[i] = table.find(base, entrez=entrez, alias=False)
    return np.array([gene for gene, _ in found], dtype=np.int64), np.array([way for _, way in found], dtype=object)


def _base(name: str) -> str:
    """The name before the suffix that make.unique (``TBCE.1``) or var_names_make_unique (``TBCE-1``) put behind it."""
    stem, dot, tail = name.rpartition("." if "." in name[-4:] else "-")
    return stem if dot and tail.isdecimal() and len(tail) < 3 else ""


def _name(table: GeneTable, gene: np.ndarray, how: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names = np.array(
        [table.symbols[i] if i >= 0 else spell(name).clean for i, name in zip(gene.tolist(), given)], dtype=object
    )
    if table.species == "mouse":
        human = GeneTable.load("human").symbols
        partner = np.where(gene >= 0, table.ortholog[gene], -1)
        paired = partner >= 0
        names[paired] = [human[i] for i in partner[paired].tolist()]
        how = np.where(paired, "ortholog", how).astype(object)
    return names, how


def _refuse_mixed(spelled: dict[str, dict[str, float]], threshold: float) -> None:
    for share in spelled.values():
        if share["human"] >= 0.05 and share["mouse"] >= 0.05:
            raise GeneError(_mixed(share["human"], share["mouse"]))
        for species, value in share.items():
            if species not in ("human", "mouse", "title") and value >= max(threshold, 0.01):
                raise GeneError(f"the genes look like {species} ({100 * value:.0f} % of them); known: human, mouse")


def _mixed(human: float, mouse: float) -> str:
    return (
        f"genes of two species in one file: {100 * human:.0f} % human, {100 * mouse:.0f} % mouse; "
        "keep the cells and genes of one species and try again"
    )


def _too_few(mapping: GeneMapping, share: float, spelled: dict[str, dict[str, float]], asked: str) -> str:
    n = len(mapping.how)
    if share >= 0.5:
        return (
            f"only {int(mapping.exact.sum()):,} of {n:,} genes are recognised by id or symbol, others by alias at best "
            f"(first: {_some(mapping.names_in[~mapping.exact])}): are these cells? Give cells as rows, genes as columns"
        )
    text = (
        f"only {int(mapping.known.sum()):,} of {n:,} genes are recognised as {mapping.species} ({100 * share:.0f} %); "
        f"first unknown: {_some(mapping.names_in[~mapping.known])}"
    )
    index = spelled["index"]
    if asked == "human" and index["mouse"] + index["title"] > 0.3:
        return text + "; they look like mouse genes: use species mouse or auto"
    if asked == "mouse" and index["title"] < 0.1:
        return text + "; they do not look like mouse genes: use species human or auto"
    return text + "; name genes by symbol, Ensembl or Entrez id (probe ids are not known), with cells as rows"


def _some(names: Iterable[object], n: int = 3) -> str:
    names = [str(name) for name in names]
    return ", ".join(repr(name[:40]) for name in names[:n]) + (", ..." if len(names) > n else "")
