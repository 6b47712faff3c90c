"""Methods by tasks: the figures behind the ranks."""

from __future__ import annotations

import pandas as pd

from exval.pl._palette import GREY
from exval.pl._text import shorten
from exval.report import numbers
from exval.report.benchmark import in_order, metric_title, primary, task_title
from exval.report.folder import Folder
from exval.report.html import Html, details, esc, join, name, table, tag
from exval.report.section import Section

LISTED = 60


def section(folder: Folder) -> Section | None:
    """One row for each method, one column for each task; every data set folded away below."""
    board = folder.table("leaderboard", "task", "method", "value", "lo", "hi", "n", "n_failed")
    if board is None:
        return None
    tasks, methods = list(dict.fromkeys(board.task)), in_order(folder)
    body = [_row(folder, board, method, tasks) for method in methods]
    ranked = folder.table("ranks", "scope", "method", "mean_rank")
    head: list[object] = ["method", tag("th", "mean", Html("<br>"), "rank", cls="num")]
    head += [_head(folder, task) for task in tasks]
    note = "Means over the data sets on which a method gave a value; in brackets: 95 % bootstrap over data sets. " \
        if board.lo.notna().any() else "Means over the data sets on which a method gave a value; fewer than six data " \
        "sets have no interval. "  # fmt: skip
    note += "Bold: the best mean of a task among the ranked methods that never failed. "
    note += (
        "Means of a method that failed somewhere are pale: they leave out the data sets on which it did; ranks do not."
    )
    parts = [
        table(head, body, cls="full methods board"),
        tag("p", note, cls="note"),
        *([] if ranked is not None else [tag("p", "Nothing could be ranked.", cls="note")]),
        _by_data(folder, methods, tasks),
    ]
    return Section.of("leaderboard", "Methods by tasks", parts)


def _head(folder: Folder, task: str) -> Html:
    better = primary(folder, task).get("higher_is_better")
    arrow = " ↑" if better else " ↓" if better is not None else ""
    metric = metric_title(str(primary(folder, task).get("metric", "")))
    return tag("th", shorten(task_title(folder, task), 48), Html("<br>"), tag("small", shorten(metric, 36) + arrow),
               cls="num")  # fmt: skip


def _row(folder: Folder, board: pd.DataFrame, method: str, tasks: list[str]) -> Html:
    ranked = folder.table("ranks", "scope", "method", "mean_rank", "lo", "hi")
    place = None if ranked is None else ranked[(ranked.scope == "all") & (ranked.method == method)]
    dot = tag("span", cls="dot", style=f"background:{folder.method_colours.get(method, GREY)}")
    badge = tag("span", "reference", cls="badge") if method == folder.config.get("bench", {}).get("reference") else None
    cells = [tag("td", dot, tag("span", shorten(method, 26), cls="name", title=method), badge, cls="method")]
    if place is not None and len(place):
        entry, best = place.iloc[0], ranked.mean_rank[ranked.scope == "all"].min()
        cells.append(
            tag("td", _figure(entry.mean_rank, entry.lo, entry.hi, 1, bold=entry.mean_rank == best), cls="num")
        )
    else:
        cells.append(tag("td", tag("small", "not ranked"), cls="num"))
    for task in tasks:
        part = board[(board.task == task) & (board.method == method)]
        cells.append(_cell(folder, board[board.task == task], part.iloc[0] if len(part) else None, task))
    return tag("tr", cells)


def _cell(folder: Folder, column: pd.DataFrame, entry: pd.Series | None, task: str) -> Html:
    if entry is None:
        return tag("td", numbers.DASH, cls="num")
    failed = int(entry.n_failed)
    lost = (
        tag("small", f"{failed} of {int(entry.get('n_cases', failed + entry.n))} failed", cls="lost")
        if failed
        else None
    )
    if not numbers.known(entry.value):
        return tag("td", lost or numbers.DASH, cls="num")
    whole = column.value[
        (column.n_failed == 0) & ~column.method.isin(folder.config.get("bench", {}).get("unranked", []))
    ]
    best = whole.max() if primary(folder, task).get("higher_is_better") else whole.min()
    shown = _figure(entry.value, entry.lo, entry.hi, 3, bold=not failed and entry.value == best)
    return tag("td", shown, join(Html("<br>"), lost) if lost else None, cls="num pale" if failed else "num")


def _figure(value: float, lo: float, hi: float, digits: int, bold: bool) -> Html:
    text = numbers.score(value, digits)
    between = f"[{numbers.score(lo, digits)}, {numbers.score(hi, digits)}]" if numbers.known(lo) else ""
    return join(tag("strong", text) if bold else text, join(Html("<br>"), tag("small", between)) if between else None)


def _by_data(folder: Folder, methods: list[str], tasks: list[str]) -> Html | None:
    found = folder.table("cases", "task", "data", "method", "value", "status", "note")
    if found is None:
        return None
    found = found.assign(case=_names(found))
    inside = []
    for task in tasks:
        part = found[found.task == task].set_index(["method", "case"])
        names = list(dict.fromkeys(found.case[found.task == task]))
        rows = [[tag("td", name(method, 26), cls="method"), *(_case(part, method, case) for case in names)]
                for method in methods[:LISTED]]  # fmt: skip
        head = ["method", *(tag("th", shorten(case, 28), cls="num", title=case) for case in names)]
        inside.append(details(f"{task_title(folder, task)}: every data set", table(head, rows, cls="board")))
    return join(inside, tag("p", "±: standard deviation over seeds.", cls="note") if _spread(found) else None)


def _names(found: pd.DataFrame) -> list[str]:
    """The data set; with its split, where a task has several of it."""
    if "split" not in found:
        return list(found.data)
    many = found.groupby(["task", "data"]).split.transform("nunique") > 1
    return [f"{row.data}, {row.split}" if several else row.data for row, several in zip(found.itertuples(), many)]


def _spread(found: pd.DataFrame) -> bool:
    return "seed_sd" in found and bool((found.seed_sd > 0).any())


def _case(part: pd.DataFrame, method: str, case: str) -> Html:
    if (method, case) not in part.index:
        return tag("td", numbers.DASH, cls="num")
    entry = part.loc[(method, case)]
    if entry.status != "ok":
        return tag("td", tag("small", entry.status, cls="lost", title=entry.note), cls="num")
    sd = entry.get("seed_sd")
    spread = tag("small", Html(f"&nbsp;±&nbsp;{numbers.score(sd)}")) if numbers.known(sd) and sd > 0 else None
    return tag("td", esc(numbers.score(entry.value)), spread, cls="num")
