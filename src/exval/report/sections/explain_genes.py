"""The first genes of every list."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section

DRAWN, LISTED, GENES = 12, 20, 15
NEEDED = ("class", "gene", "rank", "ig_mean", "ig_abs", "attention_rank", "univariate_rank")


def section(folder: Folder) -> Section | None:
    """Bars for each class, the table folded away."""
    found = folder.table("importance", *NEEDED)
    if found is None:
        return None
    names = list(dict.fromkeys(found["class"].astype(str)))
    classes = names[1:] if len(names) > 1 else names
    what = "the answer for the class" if folder.config.get("head") == "classes" else "the risk"
    method = str(folder.config.get("method", "integrated gradients"))
    text = (
        f"Bars: mean absolute attribution ({method}) over the samples of the class; genes are ranked by it. Dots: the "
        f"mean with its sign. Blue raises {what}, orange lowers it. Where the bar is far longer "
        "than the dot is away from zero, the gene pulls to both sides."
    )
    if len(classes) > DRAWN:
        text += f" The first {DRAWN} of {len(classes)} classes are drawn; all are in importance.csv."
    drawn = [_figure(found, one) for one in classes[:DRAWN]]
    top = int(folder.config.get("top") or LISTED)
    excess = "Excess: share of a gene in all absolute attributions, less its share by networks of random weights."
    tables = [tag("p", excess, cls="note"), *(_table(found, one, top) for one in names[: LISTED + 1])]
    folded = details(f"The first {top} genes of each list", tables)
    grid = tag("div", drawn, cls="grid small" if len(drawn) > 1 else "grid")
    return Section.of("genes", "The genes listed", tag("p", text, cls="note"), grid, folded)


def _figure(found: pd.DataFrame, one: str) -> Html:
    alt = f"The first {GENES} genes of {one}: bars of attribution."
    return figure(lambda: pl.gene_importance(found, name=one, top=GENES), alt)


def _table(found: pd.DataFrame, one: str, top: int) -> Html:
    part = found[(found["class"].astype(str) == one) & (found["rank"] <= top)].sort_values("rank")
    rows = [
        [
            name(entry["gene"], 24),
            numbers.count(entry["rank"]),
            numbers.score(entry["ig_abs"]),
            numbers.score(entry["ig_mean"], sign=True),
            numbers.count(entry.get("untrained_rank")),
            numbers.score(100 * entry.get("excess", float("nan")), 2, sign=True),
            numbers.count(entry["univariate_rank"]),
            numbers.count(entry["attention_rank"]),
            numbers.score(entry.get("univariate"), 2, sign=True),
            numbers.count(entry.get("n")),
        ]
        for entry in part.to_dict("records")
    ]
    head = ["gene", "rank", "mean |a|", "mean a", "rank, random weights", "excess, %", "rank, alone", "rank, attention",
            "statistic, alone", "samples"]  # fmt: skip
    return table(head, rows, cls="full", caption=one, tall=340)
