"""What `recommend` tried, what it did not, and what chose."""

from __future__ import annotations

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import join, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """One row for each method; the figures of the molecules that chose, and of those that took no part."""
    found = folder.table("candidates", "method", "score", "difference", "status")
    if found is None:
        return None
    tested = found.false_discoveries.notna().any()
    rows = []
    for row in found.to_dict("records"):
        gain = numbers.score(row["difference"]) if numbers.known(row["difference"]) else numbers.DASH
        if numbers.known(row["difference"]) and numbers.known(row["lo"]):
            gain = f"{row['difference']:+.3f} [{row['lo']:.3f}, {row['hi']:.3f}]"
        said = row["why"] if row["status"] == "tried" else row["status"] + (f": {row['why']}" if row["why"] else "")
        rows.append(
            [name(row["method"]), numbers.score(row["score"]), gain, numbers.score(row["held_out_difference"]),
             *([numbers.share(row["false_discoveries"])] if tested else []), numbers.seconds(row["seconds"]),
             tag("td", said)]
        )  # fmt: skip
    score = folder.config.get("score") or "score"
    head = ["method", score, "gain over nothing", "gain on unused molecules",
            *(["false discoveries"] if tested else []), "CPU time", tag("th", "outcome")]  # fmt: skip
    notes = folder.config.get("notes") or []
    text = (
        "Molecules were divided three ways: methods saw one part, the second gave the scores here, and the third, "
        "which took no part in the choice, scored what was chosen. A gain is positive where a method is better than "
        "leaving the values as they are."
    )
    return Section.of("candidates", "What was tried", tag("p", text, cls="note"), table(head, rows, cls="full"),
                      join(*(tag("p", str(note), cls="note") for note in notes)))  # fmt: skip
