"""Which method for which goal: how often each is better than leaving the values as they are."""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.benchmark import in_order
from exval.report.folder import Folder
from exval.report.html import Html, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """One row for each method, one column for each goal."""
    found = folder.table("goals", "goal", "method", "cases", "better", "worse", "false_discoveries", "answer")
    if found is None:
        return None
    goals = list(dict.fromkeys(found.goal))
    false = found.groupby("method").false_discoveries.max()
    invent = set(found.method[found.answer.str.contains("false discoveries")])
    body = []
    for method in [one for one in in_order(folder) if one in set(found.method)]:
        part = found[found.method == method].set_index("goal")
        cells = [_cell(part.loc[goal]) if goal in part.index else tag("td", numbers.DASH) for goal in goals]
        share = float(false.get(method, float("nan")))
        lost = "lost" if method in invent else None
        body.append([tag("td", name(method, 26), cls="method"), *cells,
                     tag("td", numbers.share(share) if numbers.known(share) else numbers.DASH, cls=lost)])  # fmt: skip
    text = (
        "+5 −1 of 8: of 8 cases (data set and arm) a method is clearly better than the values as read in 5 and worse "
        "in 1, by paired 95 % intervals over cells or genes, outside a margin; a case in which it failed is no better "
        "one. False discoveries: the largest share, over the cases of the null arm, of genes called different where "
        "none is; more than one in a hundred above the values as read, and values are not to be tested."
    )
    head = ["method", *goals, tag("th", "false discoveries", cls="num")]
    answers = folder.table("answers", "goal", "use", "text")
    listed = None
    if answers is not None:
        rows = [[tag("b", one.goal), one.text] for one in answers.itertuples()]
        listed = table(["goal", "answer"], rows, text=2, cls="full")
    return Section.of("goals", "Which method for which goal", listed,
                      table(head, body, text=1 + len(goals), cls="full"), tag("p", text, cls="note"))  # fmt: skip


def _cell(row: pd.Series) -> Html:
    if row.answer == "reference":
        return tag("td", "reference")
    said = tag("b", "use") if row.answer == "use" else row.answer.partition(":")[0]
    counts = Html(f"+{int(row.better)}&nbsp;&minus;{int(row.worse)} of&nbsp;{int(row.cases)}")
    lost = f", {int(row.failed)} failed" if row.get("failed") else None
    return tag("td", said, Html("<br>"), tag("small", counts, lost))
