"""A benchmark of several questions: for each a table of all methods, the difference from the simple one, a figure."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.pl.comparison import NAMES
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, join, name, table, tag
from exval.report.section import Section

QUESTIONS = (
    ("classify-random", "Classes from random genes", "columns: how many genes are known"),
    ("classify-chosen", "Classes from chosen genes", "columns: how many genes, those that differ most in training"),
    ("restore", "Values that were not measured", "columns: what was hidden, per cent; lower is better"),
    ("survival", "Survival", "columns: cohorts; C of pairs within a fold"),
    ("anchors", "Prognostic genes that a panel lacks", "columns: cohorts; C of models fitted to measured anchor genes"),
)


def section(folder: Folder) -> Section | None:
    """One part for each question that was asked."""
    found = folder.table("differences", "task", "data", "method", "against", "metric", "value", "difference", "verdict")
    if found is None:
        return None
    parts = [part for key, title, text in QUESTIONS if (part := _question(folder, found, key, title, text))]
    if not parts:
        return None
    note = (
        "Small: the difference from the method named at the right of the table's title, positive is better, with the "
        "paired 95 % bootstrap over patients, repeats averaged; what is better in bold, what is worse marked."
    )
    swapped = _swapped(folder)
    return Section.of("questions", "Question by question", parts, swapped, tag("p", note, cls="note"))


def _swapped(folder: Folder) -> Html | None:
    """Models with one part swapped beside the whole, each on the draws that both have."""
    found = folder.table("ablations", "task", "method", "metric", "against", "value", "value_against", "difference",
                         "verdict")  # fmt: skip
    if found is None:
        return None
    rows = []
    for row in found.itertuples():
        gap = f"{row.difference:+.3f} {numbers.interval(row.lo, row.hi)}" if numbers.known(row.lo) else numbers.DASH
        rows.append([name(row.method, 30), name(row.against, 30), name(row.task, 30), numbers.score(row.value),
                     numbers.score(row.value_against), gap, row.verdict])  # fmt: skip
    head = ["model", "against", "task", "its figure", "the other's", "difference, positive is better", "verdict"]
    return join(tag("p", tag("b", "One part swapped, the same budget")), table(head, rows, text=3, cls="full"))


def _question(folder: Folder, found: pd.DataFrame, key: str, title: str, text: str) -> Html | None:
    here = found[found.task.astype(str).str.startswith(key)]
    if not len(here):
        return None
    wide = key in ("survival", "anchors")
    column = here.data.astype(str)
    if not wide:
        column = here.task.astype(str).str.removeprefix(key + "-").str.replace("-", " ")
    if key == "survival":  # the same runs on the folds of the other questions stand in columns of their own
        column = column.where(
            here.task == "survival", here.task.astype(str).str.removeprefix("survival-") + ", 3 folds"
        )
    if here.data.nunique() > 1 and not wide:
        column = column + " (" + here.data.astype(str) + ")"
    here = here.assign(column=column)
    columns = list(dict.fromkeys(here.column))
    against = next((one for one in here.against if one), "")
    metric = str(here.metric.iloc[0])
    metric = "RMSE in sds of the gene" if metric == "rmse" else NAMES.get(metric, metric)
    rows = []
    for method, part in here.groupby("method", sort=False):
        cells = {row.column: _cell(row) for row in part.itertuples()}
        rows.append([name(method, 34), *(cells.get(one, numbers.DASH) for one in columns)])
    head = f"{title}: {metric}" + (f", against {against}" if against else "")
    grid = table(["method", *columns], rows, cls="full")
    return join(tag("p", tag("b", head), tag("br"), tag("small", text)), _figures(folder, found, key), grid)


def _cell(row) -> Html:
    value = numbers.score(row.value)
    strong = {"better": tag("b", value), "worse": tag("span", value, cls="bad")}.get(row.verdict, value)
    if not numbers.known(row.difference):
        return join(strong)
    bounds = f" {numbers.interval(row.lo, row.hi)}" if numbers.known(row.lo) else ""
    return join(strong, tag("br"), tag("small", f"{row.difference:+.3f}{bounds}"))


def _figures(folder: Folder, found: pd.DataFrame, key: str) -> Html | None:
    drawn = []
    if key.startswith("classify"):
        drawn.append(figure(lambda: pl.by_size(found, kind=key), "Accuracy against the number of genes known."))
    if key == "restore":
        for kind, text in (("restore-random", "values hidden at random"), ("restore-genes", "genes hidden")):
            if found.task.astype(str).str.match(rf"^{kind}-\d+$").any():
                drawn.append(figure(lambda kind=kind: pl.by_size(found, kind=kind), f"RMSE against {text}.", text))
    if key == "anchors":
        drawn.append(figure(lambda: pl.anchors(found), "C of each way of treating anchor genes."))
    return tag("div", drawn, cls="grid") if drawn else None
