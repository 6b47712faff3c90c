"""A map of invented genes beside their truth: figures by group, gene by gene, and slices."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, esc, join, name, table, tag
from exval.report.section import Section

HEADS = {
    "r2": "R2", "pearson": "Pearson r", "rmse": "RMSE, log2", "coverage_50": "in 50 %", "coverage_80": "in 80 %",
    "coverage_95": "in 95 %", "truth_95": "truth in 95 %",
}  # fmt: skip
WHY = (
    "The genes are invented, so that their value is known at every place. Real ones are harder: offsets are all that "
    "sets these donors apart, their positions are exact, and grey and white matter are those of the template, which "
    "some fields see. The field was asked about every voxel by the position alone. R2 is about the mean of the truth "
    "over the same voxels."
)
BARS = (
    "The sd that a field tells is that of a measurement: what is not known of the mean, the offset of a new donor, and "
    "noise. It is therefore held against new measurements of new donors there, computed from the true sds; the last "
    "column is the share of voxels whose truth, which has no noise, lies inside the same interval: more than 95 % is "
    "to be expected."
)


def section(folder: Folder) -> Section | None:
    """Figures, slices, and the commands that made them."""
    genes = folder.table("field_truth", "gene", "group", "r2", "pearson", "coverage_95", "truth_95")
    if genes is None:
        return None
    parts: list[object] = [tag("p", WHY, cls="note"), _groups(genes), tag("p", BARS, cls="note")]
    shown = folder.table("field_truth_pictures", "gene", "what", "view", "value")
    dots = figure(
        lambda: pl.truth_genes(genes),
        f"R2 of the map of each of {len(genes)} genes against the noise of its measurements.",
        "A mark for each gene. More noise, and shorter lengths, which the harder groups have too: the map tells less.",
    )
    slices = []
    for gene in [] if shown is None else dict.fromkeys(shown.gene.astype(str)):
        row = genes[genes.gene.astype(str) == gene].iloc[0]
        slices.append(figure(
            lambda gene=gene: pl.truth_slices(shown, gene),
            f"Three slices of {gene}: the truth, the map, and their difference.",
            join(name(gene), Html(" "), f"({row.group}): R2 {numbers.score(row.r2)}. Log2; the scale of the difference "
                 "is half as wide."),
        ))  # fmt: skip
    parts.append(tag("div", dots, slices, cls="grid"))
    parts.append(details(f"All {len(genes)} genes", _genes(genes)))
    commands = folder.config.get("commands")
    if commands:
        parts += [tag("h3", "The same on your own samples"),
                  tag("p", "What this demo did, command by command. Your own file takes the place of samples.h5ad: an "
                      "AnnData with a donor, mni_x, mni_y and mni_z (mm) in obs, or what exval brain import makes of "
                      "the downloads of the Allen Human Brain Atlas.", cls="note"),
                  tag("pre", Html("\n".join(esc(line) for line in commands)))]  # fmt: skip
    return Section.of("truth", "The map beside the truth", *parts)


def _groups(genes: pd.DataFrame) -> Html:
    found = [metric for metric in HEADS if metric in genes]
    rows = []
    for group, here in [*genes.groupby("group", sort=False), ("all", genes)]:
        cells = [_cell(metric, here[metric].mean()) for metric in found]
        rows.append([tag("strong", group) if group == "all" else group, f"{len(here)}", *cells])
    return table(["genes", "how many", *(HEADS[metric] for metric in found)], rows, cls="full")


def _genes(genes: pd.DataFrame) -> Html:
    found = [metric for metric in HEADS if metric in genes]
    rows = [
        [name(row["gene"]), row["group"], *(_cell(metric, row[metric]) for metric in found)]
        for row in genes.sort_values("r2", ascending=False).to_dict("records")
    ]
    return table(["gene", "group", *(HEADS[metric] for metric in found)], rows, text=2, cls="full", tall=420)


def _cell(metric: str, value: float) -> str:
    return numbers.share(value) if metric.startswith(("coverage", "truth")) else numbers.score(value)
