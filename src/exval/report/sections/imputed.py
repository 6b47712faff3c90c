"""What an imputation made of some genes, and what it makes of genes that were shuffled."""

from __future__ import annotations

import numpy as np

from exval import pl
from exval.pl._text import clean
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import join, table, tag
from exval.report.section import Section

GENES = 6


def section(folder: Folder) -> Section | None:
    """Three maps for each gene and the figures behind them."""
    found = folder.table("imputed_genes", "x", "y", "gene", "measured", "imputed")
    if found is None:
        return None
    genes = list(dict.fromkeys(found.gene.astype(str)))[:GENES]
    text = (
        "Each point is a cell, each row a gene, log1p(CP10k). Third picture: the gene's values were shuffled over the "
        "cells at equal depth, without the shallowest fifth, and the method was fitted again: nothing in them can be "
        "true. If it looks like the second, the second shows the other genes, not this one."
    )
    rows = [tag("div", _panels(found[found.gene.astype(str) == gene], gene), cls="grid small") for gene in genes]
    return Section.of("imputed", "Measured, imputed, and imputed after permutation", tag("p", text, cls="note"),
                      _figures(folder), join(*rows))  # fmt: skip


def _panels(part, gene: str) -> list:
    """The two imputed ones share their colours, so that they can be compared."""
    shown = panels_of(part)
    both = part[[p for p in shown if p != "measured"]].to_numpy(float)
    low, high = np.nanmin(both), np.nanmax(both)  # cells that were left out of the permutation have no value there
    middle, half = (high + low) / 2, max((high - low) / 2, 0.05)
    span = {panel: (max(middle - half, 0.0), middle + half) for panel in shown if panel != "measured"}
    drawn = []
    for panel in shown:
        values = part[panel]
        n = int(values.notna().sum())
        alt = f"{gene} {panel}: {n} cells, values from {values.min():.2f} to {values.max():.2f}."
        drawn.append(figure(lambda panel=panel: pl.gene_map(part, gene, panel=panel, span=span.get(panel)), alt))
    return drawn


def panels_of(part) -> list[str]:
    """The panels that have values."""
    return [p for p in ("measured", "imputed", "permuted") if p in part and np.isfinite(part[p]).any()]


def _figures(folder: Folder):
    found = folder.table("gene_check", "gene", "measured", "imputed")
    if found is None:
        return None
    rows = [
        [clean(str(row.gene)), *(numbers.share(v) if np.isfinite(v) else numbers.DASH
                                 for v in (row.measured, row.imputed, row.permuted)),
         numbers.score(row.r) if np.isfinite(row.r) else numbers.DASH]
        for row in found.itertuples()
    ]  # fmt: skip
    caption = (
        "Share of a gene's variance that lies between types. A share that grows from measured to imputed is noise "
        "removed, or a difference invented; a share after permutation is invented. r: measured against imputed values."
    )
    return table(["gene", "measured", "imputed", "permuted, then imputed", "r"], rows, caption=caption)
