"""How near to the truth every method comes, with intervals, and what it makes up beside it."""

from __future__ import annotations

import pandas as pd

from exval.pl.comparison import NAMES
from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, details, join, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """A table for each case, the first one open."""
    found = folder.table("standings", "task", "data", "split", "method", "value", "lo", "hi", "rank")
    if found is None:
        return None
    false = folder.table("false_discoveries", "method", "false_discoveries")
    false = {} if false is None else false.groupby("method").false_discoveries.max().to_dict()
    parts: list[object] = []
    for (_, data, split), case in found.groupby(["task", "data", "split"], sort=False):
        metric = NAMES.get(case.metric.iloc[0], case.metric.iloc[0])
        title, shown = f"{data}, {split}: {metric}", _case(case, metric, false)
        parts.append(details(title, shown) if parts else join(tag("p", tag("b", title)), shown))
    text = (
        "In brackets: 95 % bootstrap over cells, the same cells for all methods, which are ranked anew in every draw; "
        "seeds averaged. False discoveries: the largest share in any case of the null arm."
    )
    return Section.of("standings", "How near to the truth", parts, tag("p", text, cls="note"))


def _case(case: pd.DataFrame, metric: str, false: dict[str, float]) -> Html:
    rows = []
    for row in case.itertuples():
        share = false.get(row.method, float("nan"))
        rows.append([
            name(row.method, 26), numbers.score(row.value), numbers.interval(row.lo, row.hi),
            numbers.score(row.rank, 1) if numbers.known(row.rank) else tag("small", "not ranked"),
            f"[{row.rank_lo:.1f}, {row.rank_hi:.1f}]" if numbers.known(row.rank) else "",
            numbers.share(share) if numbers.known(share) else numbers.DASH,
        ])  # fmt: skip
    return table(["method", metric, "95 %", "rank", "95 %", "false discoveries"], rows, cls="full")
