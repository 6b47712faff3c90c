"""Genes that are restored worst, and best."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, name, table, tag
from exval.report.section import Section

WORST = 15


def section(folder: Folder) -> Section | None:
    """A table of the worst genes of one method; for an evaluation also how the RMSE is spread over genes."""
    found = folder.table("completion_genes", "method", "arm", "gene", "n", "rmse", "pearson")
    if found is None:
        return None
    arms = list(dict.fromkeys(found.arm.astype(str)))
    arm = "random 50 %" if "random 50 %" in arms else arms[0]
    part = found[found.arm.astype(str) == arm]
    title = _method(folder, part)
    one = part[part.method.astype(str) == title].sort_values(["rmse", "gene"], ascending=[False, True])
    parts: list[object] = []
    if folder.config.get("arms"):
        draw = figure(lambda: pl.gene_errors(found, arm=arm, palette=folder.method_colours),
                      f"RMSE of the genes, a histogram, {arm}.",
                      "1 is no better than the gene's mean.")  # fmt: skip
        parts.append(draw)
    parts.append(_table(one.head(WORST)))
    text = f"{title}, {arm}: the {min(WORST, len(one))} genes with the largest RMSE of {numbers.count(len(one))}"
    beyond = (one.rmse >= 1).mean()
    text += f"; {numbers.share(beyond)} of the genes are restored no better than by their mean."
    return Section.of("completion_genes", "Gene by gene", tag("p", text, cls="note"), tag("div", parts, cls="grid"))


def _method(folder: Folder, part: pd.DataFrame) -> str:
    """The method that the page is about: the one compared with, else the first that is not the mean."""
    titles = list(dict.fromkeys(part.method.astype(str)))
    against = str(folder.config.get("against", ""))
    return against if against in titles else next((title for title in titles if title != "mean"), titles[0])


def _table(part: pd.DataFrame) -> Html:
    sure = "coverage_95" in part and part.coverage_95.notna().any()
    head = ["gene", "hidden values", "RMSE, sds", "Pearson r", *(["in 95 %"] if sure else [])]
    rows = [
        [name(entry.gene, 24), numbers.count(entry.n), numbers.score(entry.rmse), numbers.score(entry.pearson),
         *([numbers.share(entry.coverage_95)] if sure else [])]
        for entry in part.itertuples()
    ]  # fmt: skip
    return table(head, rows, cls="full", tall=430)
