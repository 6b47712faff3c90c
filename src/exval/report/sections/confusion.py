"""What is taken for what."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.pl._text import shorten
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, join, name, table, tag
from exval.report.section import Section

TOP, WORST, BESIDE = 40, 12, 20


def section(folder: Folder) -> Section | None:
    """The matrix of the leading method; beside it the pairs taken for each other most."""
    found = folder.table("confusion", "method", "truth", "prediction", "n")
    if found is None:
        return None
    found = found.astype({"method": str, "truth": str, "prediction": str})
    method = folder.chosen if folder.chosen in set(found.method) else found.method.iloc[0]
    part = found[(found.method == method) & (found.n > 0)]
    if not len(part):
        return None
    body = matrix(part, f"{method}. Per cent of each row; a faultless method fills the diagonal only.",
                  thing=folder.thing)  # fmt: skip
    return Section.of("confusion", "What is taken for what" + folder.where, body)


def matrix(part: pd.DataFrame, caption: str, *more: object, thing: str = "cell") -> Html:
    """The matrix of one method; beside it, or below where it is wide, what was named wrongly and ``more``."""
    method, n_classes = str(part.method.iloc[0]), part.truth.nunique()
    narrow = n_classes <= BESIDE
    if n_classes > TOP:
        caption = f"The {TOP} most frequent of {n_classes:,} classes. {caption}"
    draw = figure(
        lambda: pl.confusion(part, method=method, top=TOP),
        f"Confusion matrix of {method}: {min(n_classes, TOP)} classes, truth in rows, given names in columns.",
        caption,
        cls="" if narrow else "wide",
    )
    return tag("div", draw, tag("div", _worst(part, thing), *more), cls="grid" if narrow else None)


def _worst(part: pd.DataFrame, thing: str) -> Html:
    totals = part.groupby("truth").n.sum()
    wrong = part[part.truth != part.prediction].sort_values("n", ascending=False, kind="stable")
    if not len(wrong):
        return tag("p", f"No {thing} was named wrongly.")
    share = 1 - part[part.truth == part.prediction].n.sum() / part.n.sum()
    text = f"{numbers.share(share)} of the {thing}s got another name than their own ({numbers.count(wrong.n.sum())} of "
    text += f"{numbers.count(part.n.sum())})."
    rows = [
        [join(name(e.truth, 40), Html(" → "), shorten(e.prediction, 40) or "(empty)"), numbers.count(e.n),
         numbers.share(e.n / totals[e.truth])]
        for e in wrong.head(WORST).itertuples()
    ]  # fmt: skip
    return join(tag("p", text), table(["most frequent: truth → name", f"{thing}s", "of the class"], rows, cls="full"))
