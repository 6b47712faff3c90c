"""What is left of the answers as genes are taken away."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.pl._palette import GREY
from exval.pl.importance import AXES, RANKINGS
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, join, table, tag
from exval.report.section import Section

SPACE = Html(" ")


def section(folder: Folder) -> Section | None:
    """The curves, their areas and the paired differences."""
    curve = folder.table("deletion", "ranking", "k", "value")
    if curve is None or not len(folder.rows):
        return None
    measure = str(folder.config.get("measure", "accuracy"))
    word = AXES.get(measure, measure)
    drawn = figure(
        lambda: pl.deletion_curve(curve, measure=measure),
        f"{word} as genes are taken away, one line for each ranking.",
        "A faithful ranking falls first. The steps are equally far apart: few genes gone on the left, few left on the "
        "right, since a run that reads every gene hardly misses a few.",
        cls="wide",
    )
    title = "Does the run fail without these genes?"
    parts = [tag("p", _text(folder), cls="note"), drawn, _areas(folder), _numbers(curve, word)]
    return Section.of("deletion", title, *parts)


def _text(folder: Folder) -> str:
    config = folder.config
    others = "others than" if config.get("apart", True) else "the same as"
    return (
        f"The first genes of each ranking were set as not measured in {numbers.count(config.get('deleted_from'))} "
        f"samples, {others} those that genes were ranked on; {config.get('met')}. Area: the mean over all steps, "
        f"lower is more faithful; in brackets a 95 % bootstrap over {config.get('unit_of_intervals')}s, differences "
        "paired. Random: the mean of three orders. Untrained network: the list of the first network of random weights."
    )


def _areas(folder: Folder) -> Html:
    rows = folder.rows
    areas = rows[rows.metric == "deletion_area"].sort_values("value", kind="stable")
    compared = rows[rows.metric == "difference:deletion_area"]
    gaps = {str(entry.note).removeprefix("against "): entry for entry in compared.itertuples()}
    lead = str(folder.config.get("method"))
    body = []
    for entry in areas.itertuples():
        dot = tag("span", cls="dot", style=f"background:{RANKINGS.get(entry.method, GREY)}")
        told: object = "this list" if entry.method == lead else numbers.DASH
        if entry.method in gaps:
            told = _with_interval(gaps[entry.method], sign=True)
        cells = [
            tag("td", dot, tag("span", entry.method, cls="name"), cls="method"),
            tag("td", _with_interval(entry), cls="num"),
            tag("td", told, cls="num"),
        ]
        body.append(tag("tr", cells, cls="chosen" if entry.method == lead else None))
    return table(["ranking", "area", f"{lead} less this"], body, cls="full methods")


def _with_interval(entry, sign: bool = False) -> Html:
    small = tag("small", numbers.interval(entry.lo, entry.hi, sign=sign))
    return join(numbers.score(entry.value, sign=sign), SPACE, small)


def _numbers(curve: pd.DataFrame, word: str) -> Html:
    tables = [_wide(curve, "value", word)]
    if "probability" in curve and curve.probability.notna().any():
        tables.append(_wide(curve, "probability", "mean probability of the class"))
    return details("In numbers", *tables)


def _wide(curve: pd.DataFrame, column: str, caption: str) -> Html:
    wide = curve.pivot_table(column, "k", "ranking", sort=False)
    rows = [[numbers.count(k), *map(numbers.score, line)] for k, line in zip(wide.index, wide.to_numpy())]
    return table(["genes gone", *map(str, wide.columns)], rows, cls="full", caption=caption, tall=360)
