"""``check``: what is in a file, and what may be wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from exval.data.brain import positions
from exval.data.labels import donor_like, label_like, labels_of
from exval.data.source import Source, open_source
from exval.data.units import BULK, row_name

_TOTALS = ("n_counts", "total_counts", "ncount_rna", "n_umi", "numi", "n_umis", "total_umis", "sum")
_FEW_GENES = 2000
_BLOCK = 2048


@dataclass
class CheckReport:
    """What :func:`check` found; plain numbers and strings throughout.

    Attributes
    ----------
    name, cells, genes
        The file, its number of cells and of genes after merging duplicates.
    unit, why, matrix, layout, choice
        The unit and what shows it, the matrix used and how it is stored, and the sentence of the choice.
    species, mapping
        Species, and the counts of :meth:`exval.data.genes.GeneMapping.summary`.
    examples
        First names by kind: ``unknown``, ``alias`` (``file name -> symbol``), ``duplicated``, ``dates``, ``unclear``.
    sparsity
        Share of zeros among cells x genes.
    depth
        Total counts per cell: ``median``, ``p5``, ``p95``; None if the unit is not counts.
    genes_per_cell
        Genes with a value other than zero per cell: ``median``, ``p5``, ``p95``.
    donors, labels, embeddings
        Columns of ``obs`` that look like donors and like cell labels, with how many values; names in ``obsm``.
    positions
        Names of coordinates in the brain (:func:`exval.data.brain.positions`).
    empty_cells, constant_cells, repeated_cells
        Cells without any count, with one single value throughout, with exactly the values of an earlier cell.
    missing
        Share of values that were not measured (NaN).
    notes, warnings
        Sentences for people.
    """

    name: str
    cells: int
    genes: int
    unit: str
    why: str
    matrix: str
    layout: str
    choice: str
    species: str
    mapping: dict[str, Any]
    examples: dict[str, list[str]]
    sparsity: float
    depth: dict[str, float] | None
    genes_per_cell: dict[str, float]
    donors: dict[str, int]
    labels: dict[str, int]
    embeddings: list[str]
    empty_cells: int
    constant_cells: int
    repeated_cells: int
    missing: float = 0.0
    positions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as strict JSON types."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report for people, one entry per line."""
        m, shown = self.mapping, self.examples
        word = row_name(self.unit)
        rows = [
            ("file", f"{self.name}: {self.cells:,} {word}s x {self.genes:,} genes"),
            ("values", f"{self.unit}: {self.why}"),
            ("matrix", f"{self.matrix}, stored {_LAYOUT[self.layout]}"),
            ("species", self.species),
            ("genes", f"{m['recognised']:,} of {m['n']:,} recognised ({100 * m['share']:.0f} %)"),
        ]
        for how in ("symbol", "ensembl", "entrez", "alias", "ortholog"):
            if m[f"by_{how}"]:
                text = f"{m[f'by_{how}']:,}"
                rows.append((f"  by {how}", text + (_first(shown["alias"]) if how == "alias" else "")))
        for title, count, key in (
            ("  unknown", m["unknown"], "unknown"),
            ("  duplicated", m["duplicated"], "duplicated"),
            ("  unclear alias", m["unclear"], "unclear"),
            ("  date-damaged", m["dates"], "dates"),
        ):
            if count:
                rows.append((title, f"{count:,}{_first(shown[key])}"))
        rows.append(("zeros", f"{100 * self.sparsity:.1f} % of all values"))
        if self.missing:
            rows.append(("not measured", f"{100 * self.missing:.3g} % of all values (NaN)"))
        if self.depth:
            rows.append(("counts per cell", _spread(self.depth)))
        rows.append((f"genes per {word}", _spread(self.genes_per_cell)))
        rows.append(("label columns", _columns(self.labels)))
        rows.append(("donor columns", _columns(self.donors)))
        if self.embeddings:
            rows.append(("embeddings", ", ".join(self.embeddings)))
        if self.positions:
            told = " (mm of MNI152): samples of a brain, for exval brain fit and exval evaluate --task field"
            rows.append(("positions", ", ".join(self.positions) + told))
        width = max(len(title) for title, _ in rows) + 2
        out = [f"{title:<{width}}{text}" for title, text in rows]
        out += [f"{'note':<{width}}{text}" for text in self.notes]
        out += [f"{'warning':<{width}}{text}" for text in self.warnings]
        return out


_LAYOUT = {"csr": "cell by cell (CSR)", "csc": "gene by gene (CSC)", "dense": "dense"}


def check(
    data: Any,
    *,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
) -> CheckReport:
    """Look at a file: unit, species, genes, depth, columns, and whether it looks simulated. Streams; writes nothing.

    Parameters
    ----------
    data
        A path, an AnnData or a Source.
    layer, unit, species, orientation
        As in :func:`exval.data.source.open_source`.

    Raises
    ------
    InputError, UnitError, GeneError
        The file cannot be read at all. Unknown genes alone are reported, not refused.

    Examples
    --------
    >>> from exval.datasets import baron
    >>> report = check(baron())
    >>> report.unit, report.species, report.mapping["recognised"], report.labels
    ('counts', 'human', 20018, {'cell_type': 14})
    >>> report.lines()[0]
    'file             AnnData: 1,937 cells x 20,102 genes'
    """
    source = open_source(data, layer=layer, unit=unit, species=species, need_genes=False, orientation=orientation,
                         missing=True)  # fmt: skip
    try:
        return _report(source)
    finally:
        if source is not data:
            source.close()


def _report(source: Source) -> CheckReport:
    totals, detected, missing, constant, repeated, high_g = _scan(source)
    genes = source.genes
    summary = genes.summary()
    labels = {name: int(source.obs[name].nunique()) for name in label_like(source.obs)}
    donors = {name: int(source.obs[name].nunique()) for name in donor_like(source.obs)}
    by_alias, places = genes.how == "alias", positions(source.obsm, source.obs)
    n_entries = source.n * len(source.var_names)
    report = CheckReport(
        name=source.name,
        cells=int(source.n),
        genes=len(source.var_names),
        unit=source.unit,
        why=source.why,
        matrix=source.matrix,
        layout=source.layout,
        choice=source.choice,
        species=genes.species,
        mapping={key: value.item() if isinstance(value, np.generic) else value for key, value in summary.items()},
        examples={
            "unknown": [str(name) for name in genes.names_in[~genes.known][:5]],
            "alias": [f"{a} -> {b}" for a, b in zip(genes.names_in[by_alias][:5], genes.canonical[by_alias][:5])],
            "duplicated": [str(name) for name in genes.duplicates[:5]],
            "dates": [str(name) for name in genes.dates[:5]],
            "unclear": [str(name) for name in genes.unclear[:5]],
        },
        sparsity=float(1 - (detected.sum() + missing) / n_entries),
        depth=_quantiles(totals) if source.unit == "counts" else None,
        genes_per_cell=_quantiles(detected),
        donors=donors,
        labels=labels,
        embeddings=[str(name) for name in source.obsm if str(name) not in places],
        positions=places,
        empty_cells=int((detected == 0).sum()),
        constant_cells=constant,
        repeated_cells=repeated,
        missing=missing / n_entries,
        notes=list(source.notes),
        warnings=list(source.warnings),
    )
    report.notes += _notes(report)
    report.warnings += _warnings(report) + _simulated(source, totals, list(labels))
    if source.unit == "z":
        report.warnings += _impossible(high_g, source.n)
    return report


def _impossible(high_g: np.ndarray, n: int) -> list[str]:
    """No value of n samples that were z-scored together lies further than ``(n - 1) / sqrt(n)`` from zero."""
    far = int((high_g > 1.01 * n**0.5).sum())
    if not far:
        return []
    return [
        f"{far:,} genes hold values that no z-score of {n:,} samples reaches (up to {high_g.max():,.0f}, possible is "
        f"{n**0.5:.1f}): scored on other samples than these, such as normal ones or a larger cohort"
    ]


def _scan(source: Source) -> tuple[np.ndarray, np.ndarray, int, int, int, np.ndarray]:
    """Totals, detected genes, gaps, constant and repeated cells, and the largest absolute value of every gene."""
    from exval.progress import Progress

    totals, detected = np.zeros(source.n), np.zeros(source.n, dtype=np.int64)
    constant = repeated = missing = 0
    high_g = np.zeros(len(source.var_names))
    seen: set[bytes] = set()
    with Progress("Reading cells", total=source.n) as progress:
        for rows, x in source.iter_csr(_BLOCK):
            gap_t = np.isnan(x.data)
            missing += int(gap_t.sum())
            known = np.where(gap_t, 0, x.data)
            np.maximum.at(high_g, x.indices, np.abs(known))
            totals[rows] = np.bincount(
                np.repeat(np.arange(x.shape[0]), np.diff(x.indptr)), weights=known, minlength=x.shape[0]
            )
            detected[rows] = np.bincount(
                np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))[known != 0], minlength=x.shape[0]
            )
            for lo, hi in zip(x.indptr[:-1].tolist(), x.indptr[1:].tolist()):
                if hi - lo < 10:
                    continue
                values = x.data[lo:hi]
                constant += bool(hi - lo >= 100 and values[0] == values[-1] and (values == values[0]).all())
                digest = hashlib.blake2b(values.tobytes(), digest_size=12)
                digest.update(x.indices[lo:hi].tobytes())
                repeated += digest.digest() in seen
                seen.add(digest.digest())
            progress.advance(x.shape[0])
    return totals, detected, missing, constant, repeated, high_g


def _notes(r: CheckReport) -> list[str]:
    notes = []
    if r.unit in ("log1p", "cp10k"):
        notes.append("normalised values only, no raw counts: methods that need counts will refuse this file")
    if r.unit in BULK:
        notes.append(f"values in {r.unit}: methods for bulk samples take them, those for counts of single cells do not")
    if r.genes < _FEW_GENES:
        notes.append(f"only {r.genes:,} genes: a panel or a selection, so totals per cell are not those of all genes")
    if r.layout == "csc":
        notes.append("stored gene by gene: reading cells means turning the matrix first; save X as CSR to avoid it")
    return notes


def _warnings(r: CheckReport) -> list[str]:
    found = []
    if r.mapping["share"] < 0.5:
        found.append(
            f"less than half of the genes are recognised ({100 * r.mapping['share']:.0f} %): most verbs refuse this"
        )
    if r.empty_cells:
        found.append(f"{r.empty_cells:,} cells have no count at all")
    if r.constant_cells:
        found.append(f"{r.constant_cells:,} cells hold one single value in all their genes")
    if r.repeated_cells:
        found.append(
            f"{r.repeated_cells:,} cells have exactly the values of an earlier cell: a random split would leak them"
        )
    if r.mapping["dates"]:
        found.append(f"{r.mapping['dates']:,} gene names were turned into dates by a spreadsheet")
    return found


def _simulated(source: Source, totals: np.ndarray, labels: list[str]) -> list[str]:
    """Two signs of made-up counts: cells of a class hardly differ in depth; stored totals are not the row sums."""
    if source.unit != "counts":
        return []
    found = []
    groups = [("all cells", np.ones(source.n, dtype=bool))]
    for name in labels[:1]:
        kinds = labels_of(source.obs, name)
        counts = kinds.value_counts()
        groups = [(name, (kinds == kind).to_numpy()) for kind in counts.index[counts >= 20]] or groups
    spread = [
        totals[cells].std() / totals[cells].mean() for _, cells in groups if cells.sum() >= 20 and totals[cells].any()
    ]
    if spread and (cv := float(np.median(spread))) < 0.1:
        where = f"within {groups[0][0]!r}" if groups[0][0] != "all cells" else "over all cells"
        found.append(
            f"the counts look simulated or were cut to one depth: total counts vary by {100 * cv:.0f} % {where}, where "
            "real cells vary by 20 to 60 %"
        )
    for name in source.obs.columns:
        if str(name).lower() not in _TOTALS or source.n < 20:
            continue
        stored = np.asarray(source.obs[name], dtype=np.float64)
        good = np.isfinite(stored)
        if good.sum() < 20 or stored[good].std() == 0 or totals[good].std() == 0:
            continue
        r = float(np.corrcoef(stored[good], totals[good])[0, 1])
        if abs(r) < 0.2:
            found.append(
                f"obs[{str(name)!r}] should be the total counts, but is unrelated to the row sums (r = {r:.2f}): the "
                "values were made up or replaced, or belong to other cells"
            )
    return found


def _quantiles(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(values, [5, 50, 95]).tolist()
    return {"median": float(middle), "p5": float(low), "p95": float(high)}


def _spread(q: dict[str, float]) -> str:
    return f"median {q['median']:,.0f} (5-95 %: {q['p5']:,.0f} to {q['p95']:,.0f})"


def _columns(found: dict[str, int]) -> str:
    return ", ".join(f"{name} ({n} values)" for name, n in found.items()) or "none recognised"


def _first(names: list[str]) -> str:
    return f" (first: {', '.join(names[:3])})" if names else ""
