"""Error against cost, of methods that fill values which were not measured."""

from __future__ import annotations

from contextlib import suppress

from exval import pl
from exval.errors import InputError
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """What each method cost, and beside it what it was off by; for one method the table alone."""
    found = folder.table("cost", "method", "seconds")
    if found is None:
        return None
    arms = [str(arm) for arm in folder.config.get("arms") or []]
    parts = []
    if arms and len(found) > 1:
        arm = "random 50 %" if "random 50 %" in arms else arms[0]

        def draw():
            ax = pl.cost(folder.rows, slice=f"arm={arm}", palette=folder.method_colours)
            ax.set_ylabel(f"RMSE in sds, {arm}")
            ax.set_xlabel("CPU-seconds, all folds and ways of hiding")
            return ax

        with suppress(InputError):
            parts.append(figure(draw, f"RMSE in sds against CPU-seconds, {arm}.", "Down and to the left is better."))
    rows = [
        [name(e["method"]), numbers.seconds(e["seconds"]), numbers.megabytes(e.get("peak_mb")),
         numbers.parameters(e.get("parameters"))]
        for e in found.sort_values("seconds").to_dict("records")
    ]  # fmt: skip
    note = "CPU time of fitting and filling, and of the training of a run; growth of the memory meanwhile."
    parts.append(tag("div", table(["method", "CPU time", "memory", "parameters"], rows, cls="full"),
                     tag("p", note, cls="note")))  # fmt: skip
    return Section.of("cost", "Cost", tag("div", parts, cls="grid"))
