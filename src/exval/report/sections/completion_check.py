"""What was hidden of a file and restored: the method beside each gene's mean, and whether its sds hold."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section

METRICS = (
    ("rmse", "RMSE, sds"), ("mae", "MAE, sds"), ("pearson", "Pearson r, median gene"), ("coverage_50", "in 50 %"),
    ("coverage_80", "in 80 %"), ("coverage_95", "in 95 %"), ("interval_width_95", "width of 95 %, sds"),
)  # fmt: skip


def section(folder: Folder) -> Section | None:
    """For an imputed file only; an evaluation has a page of its own kind."""
    genes = folder.table("completion_genes", "method", "arm", "gene", "rmse")
    if folder.config.get("family") != "completion" or folder.config.get("arms") or genes is None:
        return None
    rows = folder.rows[folder.rows.fold == -1]
    text = (
        "A tenth of what was measured was hidden at random and restored by a method that had not seen it. Values are "
        "rarely missing at random: if low ones are missing more often, or whole genes, expect more than this "
        "(exval evaluate FILE --task impute shows by how much)."
    )
    drawn = [figure(lambda: pl.gene_errors(genes, palette=folder.method_colours), "RMSE of the genes, a histogram.",
                    "Each gene's RMSE in its own sds; 1 is no better than its mean.")]  # fmt: skip
    curves = folder.table("completion_calibration", "method", "arm", "level", "inside", "n")
    if curves is not None:
        drawn.append(
            figure(
                lambda: pl.completion_coverage(curves, palette=folder.method_colours),
                "Share of the hidden values inside intervals of each level.",
                "Do the sds hold? On the dashed line they do; below it they are too small.",
            )
        )
    return Section.of("completion_check", "Held-out check", tag("p", text, cls="note"), _table(rows),
                      tag("div", drawn, cls="grid"))  # fmt: skip


def _table(rows: pd.DataFrame):
    found = rows.pivot_table("value", "method", "metric", aggfunc="first", sort=False)
    shown = [(metric, head) for metric, head in METRICS if metric in found]
    bounds = rows[rows.metric == "rmse"].set_index("method")
    body = []
    for title in found.index:
        cells: list[object] = [name(title, 26)]
        for metric, _ in shown:
            value = found[metric].get(title)
            told = numbers.share(value) if metric.startswith("coverage") else numbers.score(value)
            if metric == "rmse":
                inside = numbers.interval(bounds.lo.get(title), bounds.hi.get(title))
                told = f"{told} {inside}".strip()
            cells.append(told)
        body.append(cells)
    return table(["method", *(head for _, head in shown)], body, cls="full")
