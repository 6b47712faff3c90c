"""Quality against cost."""

from __future__ import annotations

from exval import pl
from exval.pl.comparison import LOWER_IS_BETTER, NAMES, default_metric, pooled
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Two methods or more, on both axes; beside them what each cost."""
    rows, listed = folder.rows, folder.table("cost", "method", "seconds")
    parts = []
    if len(rows):
        slices = [name for name in dict.fromkeys(rows["slice"].astype(str)) if name == "all" or name.startswith("arm=")]
        slice = slices[0] if slices else "all"
        metric = "r2" if folder.kind == "field" else default_metric(rows)
        shown = pooled(rows, metric, slice)
        shown = shown[shown.seconds > 0]
        if len(shown) > 1:
            title = NAMES.get(metric, metric)
            parts.append(
                figure(
                    lambda: pl.cost(rows, metric=metric, slice=slice, palette=folder.method_colours),
                    f"{title} against CPU-seconds for {len(shown)} methods.",
                    f"Further {'down' if metric in LOWER_IS_BETTER else 'up'} and to the left is better.",
                )
            )
        if listed is None and len(shown):
            listed = shown
    if listed is not None:
        body = [
            [name(e["method"]), numbers.seconds(e["seconds"]), numbers.megabytes(e.get("peak_mb")),
             numbers.parameters(e.get("parameters"))]
            for e in listed.sort_values("seconds").to_dict("records")
        ]  # fmt: skip
        note = "CPU time of all that was fitted and asked, and of the training of a run; peak of the memory meanwhile."
        parts.append(tag("div", table(["method", "CPU time", "memory", "parameters"], body, cls="full"),
                         tag("p", note, cls="note")))  # fmt: skip
    return Section.of("cost", "Quality and cost", tag("div", parts, cls="grid")) if parts else None
