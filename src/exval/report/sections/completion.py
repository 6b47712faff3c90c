"""Methods that fill values which were not measured: how far off they are, for every way of hiding."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.errors import InputError
from exval.pl._palette import GREY
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, esc, join, name, table, tag
from exval.report.section import Section

TEXTS = {
    "random": "Every value is hidden by the same chance.",
    "genes": "A random set of genes is hidden for all patients of a fold, as if another panel had been measured.",
    "panel": "Everything but the given panel is hidden.",
    "low": "Low values are hidden more often than high ones, in the test patients only; methods do not know this.",
}
MORE = ("mae", "pearson", "coverage_50", "coverage_80", "coverage_95", "interval_width_95", "interval_score_95")
HEADS = {
    "mae": "MAE", "pearson": "Pearson r, median gene", "coverage_50": "in 50 %", "coverage_80": "in 80 %",
    "coverage_95": "in 95 %", "interval_width_95": "width, 95 %", "interval_score_95": "interval score",
}  # fmt: skip


def section(folder: Folder) -> Section | None:
    """RMSE over the share hidden, coverage, and the figures of every arm."""
    if folder.config.get("family") != "completion" or not folder.config.get("arms"):
        return None
    rows = folder.rows[(folder.rows.fold == -1) & (folder.rows.status == "ok")]
    if not len(rows):
        return None
    text = (
        "Measured values of patients that no method was fitted on are hidden, and restored from what is left. Errors "
        "are in sds of each gene among the training patients: 1 is what each gene's mean is off by. In brackets: 95 % "
        f"interval, bootstrap over {_plural(rows.unit)}."
    )
    parts = [tag("p", text, cls="note"), tag("div", _figures(folder), cls="grid"), _rmse(folder, rows)]
    parts.append(tag("p", "In small print: the difference from " + str(folder.config.get("against", "the first method"))
                     + ", paired over the same patients; below zero is better. Table rows with one method missing: it "
                     "failed, see the warnings.", cls="note"))  # fmt: skip
    parts.append(details("MAE, correlation, coverage and width of the intervals", *_others(folder, rows)))
    return Section.of("completion", "How far off restored values are", *parts)


def in_words(arm: str) -> str:
    """A way of hiding as a person would put it.

    Examples
    --------
    >>> in_words("random 50 %"), in_words("genes 90 %"), in_words("low 30 %")
    ('50 % of the values', '90 % of the genes', '30 %, low values first')
    """
    kind, _, share = arm.partition(" ")
    words = {"random": f"{share} of the values", "genes": f"{share} of the genes", "low": f"{share}, low values first"}
    return words.get(kind, "all but the panel")


def _plural(units: pd.Series) -> str:
    found = [unit for unit in dict.fromkeys(units.astype(str)) if unit and unit not in ("gene", "sample")]
    return f"{found[0]}s" if found else "samples"


def _figures(folder: Folder) -> list[Html]:
    drawn = []
    arms = list(map(str, folder.config["arms"]))
    for kind in ("random", "genes", "low"):
        if sum(arm.startswith(f"{kind} ") for arm in arms) > 1:
            draw = lambda kind=kind: pl.completion_error(folder.rows, kind=kind, palette=folder.method_colours)  # noqa: E731
            drawn.append(
                _drawn(draw, f"RMSE in sds against the share hidden ({kind}), a line per method.", TEXTS[kind])
            )
    curves = folder.table("completion_calibration", "method", "arm", "level", "inside", "n")
    if curves is not None:
        arm = "random 50 %" if "random 50 %" in arms else arms[0]
        text = f"Do the sds hold? {arm}. On the dashed line an interval holds what it promises; below it is too narrow."
        drawn.append(_drawn(lambda: pl.completion_coverage(curves, arm=arm, palette=folder.method_colours),
                            f"Share inside intervals of each level, {arm}.", text))  # fmt: skip
    return [one for one in drawn if one is not None]


def _drawn(draw, alt: str, caption: str) -> Html | None:
    try:
        return figure(draw, alt, caption)
    except InputError:
        return None


def _rmse(folder: Folder, rows: pd.DataFrame) -> Html:
    """A row for every way of hiding, a column for every method; the least RMSE stands out."""
    rmse, gaps = rows[rows.metric == "rmse"], rows[rows.metric == "difference:rmse"]
    titles = list(dict.fromkeys(rmse.method.astype(str)))
    gaps = gaps.set_index(["slice", "method"])
    head: list[object] = ["hidden"]
    for title in titles:
        dot = tag("span", cls="dot", style=f"background:{folder.method_colours.get(title, GREY)}")
        head.append(join(dot, name(title, 22)))
    body = []
    for arm in map(str, folder.config["arms"]):
        part = rmse[rmse["slice"] == f"arm={arm}"].set_index("method")
        if not len(part):
            continue
        cells: list[object] = [tag("td", tag("span", in_words(arm), cls="name"))]
        for title in titles:
            if title not in part.index:
                cells.append(numbers.DASH)
                continue
            entry = part.loc[title]
            value = numbers.score(entry.value)
            parts = [tag("strong", value) if entry.value <= part.value.min() else value]
            inside = numbers.interval(entry.lo, entry.hi)
            parts.append(join(Html("<br>"), tag("small", inside)) if inside else None)
            if (f"arm={arm}", title) in gaps.index:
                gap = gaps.loc[(f"arm={arm}", title)]
                told = f"{numbers.score(gap.value, sign=True)} {numbers.interval(gap.lo, gap.hi, sign=True)}"
                parts.append(join(Html("<br>"), tag("small", told.strip())))
            cells.append(tag("td", join(*parts), cls="num"))
        body.append(tag("tr", cells))
    return table(head, body, cls="full", caption="RMSE in sds")


def _others(folder: Folder, rows: pd.DataFrame) -> list[Html]:
    parts = []
    for arm in map(str, folder.config["arms"]):
        part = rows[rows["slice"] == f"arm={arm}"].pivot_table("value", "method", "metric", aggfunc="first", sort=False)
        if not len(part):
            continue
        found = [metric for metric in MORE if metric in part]
        body = [
            [name(title, 26), *(_cell(metric, part[metric].get(title)) for metric in found)] for title in part.index
        ]
        parts += [tag("h4", in_words(arm)), table(["method", *(HEADS[metric] for metric in found)], body, cls="full")]
    return parts


def _cell(metric: str, value: object) -> Html:
    return esc(numbers.share(value) if metric.startswith("coverage") else numbers.score(value))
