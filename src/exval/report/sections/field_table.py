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
from exval.tasks.field.words import LEAST_R2

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
    "correlation of whole volumes that papers quote is not among them. Four fifths of a volume are background, zero in "
    "both maps: with real regional expression in the MNI152 template a constant mask of the brain reaches r = 0.97 on "
    "average, and the map of another gene 0.95, though neither tells anything of the gene."
)


def section(folder: Folder) -> Section | None:
    """A table and two figures for each way of asking."""
    genes = folder.table("field_genes", "method", "arm", "fold", "gene", "r2")
    if genes is None:
        return None
    top = folder.table("field_ceiling", "gene", "r2", "stability")
    parts: list[object] = [tag("p", WHY, cls="note")]
    for arm in dict.fromkeys(genes.arm.astype(str)):
        here = genes[genes.arm.astype(str) == arm]
        parts += [tag("h3", arm[:1].upper() + arm[1:]), tag("p", TOLD.get(arm, ""), cls="note"), _table(folder, arm)]
        unit = folder.dataset.get("split_by") or "unit"
        units = figure(
            lambda here=here: pl.field_units(here, palette=folder.method_colours, ceiling=top),
            f"R2 of each field, a mark for every held-out {unit}; {arm}.",
            f"Small marks: one for each held-out {unit}; large: their mean. At 0 a field is no better than the mean of "
            "the training samples." + (" Dashed: the ceiling of telling regions." if top is not None else ""),
        )  # fmt: skip
        spread = figure(
            lambda here=here: pl.field_genes(here, palette=folder.method_colours, ceiling=top),
            f"Share of the genes that reach each R2, a line for each field; {arm}.",
            "How R2 is spread over genes: the further right, the better." + (
                " Dashed: the ceiling of telling regions." if top is not None else ""),
        )  # fmt: skip
        parts.append(tag("div", units, spread if here.gene.nunique() > 3 else None, cls="grid"))
    parts += [_ceiling(top), more(folder)]
    return Section.of("fields", "How well unseen places are told", *parts)


def _table(folder: Folder, arm: str) -> Html:
    rows = folder.rows[(folder.rows["slice"] == f"arm={arm}") & (folder.rows.status == "ok")]
    wide = rows[~rows.metric.str.startswith("difference:")].pivot_table("value", "method", "metric", aggfunc="first")
    gaps = rows[rows.metric == "difference:r2"].set_index("method")
    against = str(folder.config.get("against", ""))
    found = [metric for metric in HEADS if metric in wide]
    top = folder.table("field_ceiling", "gene", "r2")
    head = ["field", *(HEADS[metric] for metric in found), f"R2 against {against}"]
    body = []
    for method in wide.sort_values("r2", ascending=False).index:
        dot = tag("span", cls="dot", style=f"background:{folder.method_colours.get(method, GREY)}")
        cells: list[object] = [tag("td", join(dot, name(method, 24)), cls="method")]
        for metric in found:
            value = wide.loc[method, metric]
            text = numbers.share(value) if metric.startswith("coverage") else numbers.score(value)
            best = metric in ("r2", "pearson") and value >= wide[metric].max()
            cells.append(tag("td", tag("strong", text) if best else text, cls="num"))
        cells.append(tag("td", _gap(gaps, method) if method != against else "reference", cls="num"))
        body.append(tag("tr", cells))
    if top is not None:
        blank = [tag("td", numbers.score(top.r2.mean()) if metric == "r2" else "", cls="num") for metric in found]
        body.append(tag("tr", tag("td", "ceiling, regions", cls="pale"), blank, tag("td", "")))
    return table(head, body, cls="full")


def _ceiling(top: pd.DataFrame | None) -> Html | None:
    """What the best telling of regions could reach, and why a field may pass it."""
    if top is None:
        return None
    one = top.iloc[0]
    agree = f"Two donors agree on the means of structures with r = {numbers.score(top.stability.mean(), 2)} " \
        f"(mean of {numbers.count(one.pairs)} pairs of donors and all genes; differential stability). " \
        if top.stability.notna().any() else ""  # fmt: skip
    text = (
        f"Who knew the expected value of every structure would reach R2 {numbers.score(top.r2.mean())}: 1 - w / v, "
        "with v the variance of the samples and w half the mean squared difference of two samples of one structure "
        f"and different donors ({numbers.count(one.structures)} structures seen in two donors or more, "
        f"{numbers.count(one.samples)} samples; one-way random effects). {agree}This is a ceiling for telling regions: "
        "expression also varies within a structure, and a field that knows the position may pass it. A donor's own "
        "level counts as noise, as no field knows it of a donor held out."
    )
    rows = [[name(e["gene"]), numbers.score(e["r2"]), numbers.score(e["stability"])]
            for e in top.sort_values("r2", ascending=False).head(200).to_dict("records")]  # fmt: skip
    listed = table(["gene", "ceiling, R2", "agreement of donors, r"], rows)
    return join(tag("h3", "Noise ceiling"), tag("p", text, cls="note"), details("Every gene", listed))


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
    best = genes.groupby(["gene", "method", "arm"], observed=True).r2.mean().groupby("gene").max().sort_values()
    rows = [[gene, numbers.score(value)] for gene, value in best[best < LEAST_R2].head(100).items()]
    if not rows:
        return None
    return details(f"{len(rows)} genes that no field tells (R2 below {LEAST_R2})", table(["gene", "best R2"], rows))
