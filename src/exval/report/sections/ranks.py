"""Who leads a benchmark, and what that is worth."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.bench.intervals import MIN_UNITS
from exval.pl._text import shorten
from exval.report import numbers
from exval.report.benchmark import friedman, task_title
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section

LISTED = 60


def section(folder: Folder) -> Section | None:
    """Mean ranks over everything; the critical difference diagram; each task, and pairs, folded away."""
    found = folder.table("ranks", "scope", "method", "mean_rank", "lo", "hi")
    tests = folder.table("rank_tests", "scope", "n_blocks", "n_cases", "f", "f_p", "cd")
    if found is None or tests is None or not (found.scope == "all").any():
        return None
    test = tests[tests.scope == "all"].iloc[0]
    parts: list[object] = [tag("p", _said(test), cls="note"), _figures(folder, "all", test)]
    tasks = [scope for scope in dict.fromkeys(found.scope) if scope != "all"]
    if tasks:
        inside = [(tag("h4", task_title(folder, task)), _figures(folder, task, tests[tests.scope == task].iloc[0]))
                  for task in tasks]  # fmt: skip
        parts.append(details(f"The same for each of the {len(tasks)} tasks", inside))
    parts += [_against(folder), _pairs(folder), _left_out(folder)]
    return Section.of("ranks", "Ranks", parts)


def _figures(folder: Folder, scope: str, test: pd.Series) -> Html:
    n = int(test.n_methods)
    dots = "Each pale mark is a data set." if test.n_blocks < MIN_UNITS else "Lines: 95 % bootstrap over data sets."
    band = " Shaded: within the critical difference of the best." if numbers.known(test.cd) else ""
    drawn = [figure(
        lambda: pl.mean_ranks(folder.tables, scope=scope, palette=folder.method_colours),
        f"Mean rank of {n} methods, best on top.", dots + band,
    )]  # fmt: skip
    if numbers.known(test.cd):
        drawn.append(figure(
            lambda: pl.critical_difference(folder.tables, scope=scope, palette=folder.method_colours),
            f"Critical difference diagram of {n} methods.",
            "Bars join methods whose mean ranks differ by less than the critical difference (Nemenyi, 5 %).",
            cls="wide",
        ))  # fmt: skip
    return tag("div", drawn, cls="stack")


def _said(test: pd.Series) -> str:
    text = f"Methods are ranked within each of {int(test.n_cases)} cases (task and data set), a failure last. "
    if not numbers.known(test.cd):
        return text + (
            f"{int(test.n_blocks)} data sets are fewer than six: no interval and no test, every one of them is shown."
        )
    shared = "; tasks on one data set are averaged first, since they are no new evidence" * int(
        test.n_cases > test.n_blocks
    )
    sure = "more than chance allows" if test.f_p < 0.05 else "no more than chance allows"
    return text + (
        f"The data set is the unit{shared}. Over {int(test.n_blocks)} of them the mean ranks differ {sure} (Friedman, "
        f"{friedman(test)}); critical difference {test.cd:.2f}."
    )


def _against(folder: Folder) -> Html | None:
    found = folder.table("rank_against", "scope", "method", "difference", "z", "p", "p_holm")
    reference = folder.config.get("bench", {}).get("reference")
    if found is None or not reference:
        return None
    found = found[found.scope == "all"].sort_values("difference", kind="stable")
    lines = []
    for entry in found.itertuples():
        sure = ("better" if entry.difference < 0 else "worse") if entry.p_holm < 0.05 else "cannot tell"
        lines.append([name(entry.method), numbers.score(entry.difference, 2, sign=True), numbers.score(entry.z, 2),
                      f"{entry.p_holm:.2g}", tag("td", sure, cls="words")])  # fmt: skip
    head = ["method", "rank difference", "z", "p, Holm", tag("th", f"than {shorten(reference, 24)}")]
    return details(f"Every method against {reference}", table(head, lines))


def _pairs(folder: Folder) -> Html | None:
    found = folder.table("rank_pairs", "scope", "method", "other", "wins", "losses", "p_holm")
    if found is None:
        return None
    found = found[found.scope == "all"]
    sure = found[found.p_holm < 0.05].sort_values("p_holm", kind="stable")
    text = f"{len(sure)} of {len(found)} pairs differ (Wilcoxon's signed rank test over data sets, Holm, 5 %)"
    if not len(sure):
        return tag("p", text + ".", cls="note")
    lines = [[name(e.method), name(e.other), numbers.count(e.wins), numbers.count(e.losses), f"{e.p_holm:.2g}"]
             for e in sure.head(LISTED).itertuples()]  # fmt: skip
    more = f", the first {LISTED}" if len(sure) > LISTED else ""
    return details(text + more, table(["better", "than", "wins", "losses", "p, Holm"], lines, text=2))


def _left_out(folder: Folder) -> Html | None:
    found = folder.table("not_ranked", "scope", "method", "why")
    if found is None:
        return None
    found = found[found.scope == "all"]
    said = "; ".join(f"{entry.method} ({entry.why})" for entry in found.itertuples())
    return tag("p", f"Not ranked: {said}.", cls="note") if said else None
