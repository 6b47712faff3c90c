"""Types that the reference does not hold."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section

TOP, LISTED = 40, 200


def section(folder: Folder) -> Section | None:
    """Each type is left out once: is it caught, and how many others are caught with it?"""
    found = folder.table("unknown_types", "label", "n", "share_caught")
    if found is None:
        return None
    found = found.sort_values("n", ascending=False, kind="stable")
    total = found.n.sum()
    caught = float((found.share_caught.fillna(0) * found.n).sum() / total) if total else float("nan")
    missed = found[found.share_caught < 0.5]
    things = f"{folder.thing}s"
    text = f"Each type was left out of the reference once. Of its {things}, {numbers.share(caught)} were then marked "
    text += "unsure"
    text += f"; {len(missed)} of {len(found)} types are caught less than half the time." if len(found) > 1 else "."
    if len(missed):
        text += " A type of that kind, absent from the reference, would mostly get a wrong name without a warning."
    false = "false_unsure_share" in found and found.false_unsure_share.notna().any()
    caption = f"Bar: {things} of the left-out type that were marked unsure; the longer the better."
    if false:
        caption += f" Stroke: {things} of the other types marked unsure as well; the further left the better."
    if len(found) > TOP:
        caption = f"The {TOP} most frequent of {len(found):,} types. {caption}"
    alt = f"Share of {things} caught for {min(len(found), TOP)} types, each left out of the reference once."
    draw = figure(lambda: pl.unknown_types(found, top=TOP), alt, caption)
    rows = [
        [name(e["label"]), numbers.count(e["n"]), numbers.share(e["share_caught"]),
         *([numbers.share(e["false_unsure_share"])] if false else [])]
        for e in found.head(LISTED).to_dict("records")
    ]  # fmt: skip
    listed = table(["left out", things, "caught", *(["false alarms"] if false else [])], rows, cls="full",
                   tall=200 + 21 * min(len(rows), TOP) if len(rows) > 18 else None)  # fmt: skip
    return Section.of("unknown", "Types the reference does not know", tag("p", text),
                      tag("div", draw, tag("div", listed), cls="grid"))  # fmt: skip
