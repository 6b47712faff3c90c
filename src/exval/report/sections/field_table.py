"""Fields of the brain: figures at held-out samples, with the regions told and by the position alone."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.pl._palette import GREY
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, join, name, table, tag
from exval.report.section import Section

HEADS = {
    "r2": "R2", "pearson": "Pearson r", "pearson_within": "r within regions", "spearman": "Spearman r", "nll": "NLL",
    "coverage_50": "in 50 %", "coverage_80": "in 80 %", "coverage_95": "in 95 %",
}  # fmt: skip
TOLD = {
    "regions told": "The fields are told the position of a held-out sample and the names of the regions it lies in.",
    "position alone": "The fields are told the position alone, which is what is known of a voxel without an atlas.",
}
WHY = (
    "Figures are of held-out samples, gene by gene, and then averaged over genes and over what was held out. The "
    "correlation of whole volumes that papers quote is not among them: background voxels are zero in both maps, so "
    "that a constant mask of the brain reaches 0.97."
)


def section(folder: Folder) -> Section | None:
    """A table and two figures for each way of asking."""
    genes = folder.table("field_genes", "method", "arm", "fold", "gene", "r2")
    if genes is None:
        return None
    parts: list[object] = [tag("p", WHY, cls="note")]
    for arm in dict.fromkeys(genes.arm.astype(str)):
        here = genes[genes.arm.astype(str) == arm]
        parts += [tag("h3", arm[:1].upper() + arm[1:]), tag("p", TOLD.get(arm, ""), cls="note"), _table(folder, arm)]
        unit = folder.dataset.get("split_by") or "unit"
        units = figure(
            lambda here=here: pl.field_units(here, palette=folder.method_colours),
            f"R2 of each field, a mark for every held-out {unit}; {arm}.",
            f"Small marks: one for each held-out {unit}; large: their mean. At 0 a field is no better than the mean of "
            "the training samples.",
        )
        spread = figure(
            lambda here=here: pl.field_genes(here, palette=folder.method_colours),
            f"Share of the genes that reach each R2, a line for each field; {arm}.",
            "How R2 is spread over genes: the further right, the better.",
        )
        parts.append(tag("div", units, spread if here.gene.nunique() > 3 else None, cls="grid"))
    parts.append(more(folder))
    return Section.of("fields", "How well unseen places are told", *parts)


def _table(folder: Folder, arm: str) -> Html:
    rows = folder.rows[(folder.rows["slice"] == f"arm={arm}") & (folder.rows.status == "ok")]
    wide = rows[~rows.metric.str.startswith("difference:")].pivot_table("value", "method", "metric", aggfunc="first")
    gaps = rows[rows.metric == "difference:r2"].set_index("method")
    against = str(folder.config.get("against", ""))
    found = [metric for metric in HEADS if metric in wide]
    head = ["field", *(HEADS[metric] for metric in found), f"R2 against {against}"]
    body = []
    for method in wide.sort_values("r2", ascending=False).index:
        dot = tag("span", cls="dot", style=f"background:{folder.method_colours.get(method, GREY)}")
        cells: list[object] = [tag("td", join(dot, name(method, 24)))]
        for metric in found:
            value = wide.loc[method, metric]
            text = numbers.share(value) if metric.startswith("coverage") else numbers.score(value)
            best = metric in ("r2", "pearson") and value >= wide[metric].max()
            cells.append(tag("td", tag("strong", text) if best else text, cls="num"))
        cells.append(tag("td", _gap(gaps, method) if method != against else "reference", cls="num"))
        body.append(tag("tr", cells))
    return table(head, body, cls="full")


def _gap(gaps: pd.DataFrame, method: str) -> str:
    if method not in gaps.index:
        return numbers.DASH
    row = gaps.loc[method]
    bounds = numbers.interval(row.lo, row.hi, sign=True)
    return f"{numbers.score(row.value, sign=True)} {bounds}: {row.note}" if bounds else (
        f"{numbers.score(row.value, sign=True)}: {row.note}")  # fmt: skip


def more(folder: Folder) -> Html | None:
    """Genes that no field tells: the worst first."""
    genes = folder.table("field_genes", "method", "arm", "fold", "gene", "r2")
    if genes is None:
        return None
    best = genes.groupby(["gene", "method"]).r2.mean().groupby("gene").max().sort_values()
    rows = [[gene, numbers.score(value)] for gene, value in best[best < 0.05].head(100).items()]
    if not rows:
        return None
    return details(f"{len(rows)} genes that no field tells (R2 below 0.05)", table(["gene", "best R2"], rows))
