"""What a rank costs."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.benchmark import in_order
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import details, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Mean rank against CPU time; the figures folded away."""
    cost, ranked = folder.table("cost", "method", "seconds", "peak_mb"), folder.table("ranks", "scope", "mean_rank")
    if cost is None:
        return None
    parts: list[object] = []
    if ranked is not None and (ranked.scope == "all").sum() > 1 and (cost.seconds > 0).sum() > 1:
        parts.append(figure(
            lambda: pl.rank_cost(folder.tables, palette=folder.method_colours),
            "Mean rank against CPU-seconds of a job.",
            "Further up is better, further left is cheaper; dashed: methods that no other beats in both.", cls="wide",
        ))  # fmt: skip
    cost = cost.set_index("method")
    rows = [[name(method), numbers.seconds(cost.seconds[method]), numbers.megabytes(cost.peak_mb[method])]
            for method in in_order(folder) if method in cost.index]  # fmt: skip
    machine = folder.config.get("machine", {})
    where = f", on {machine['processor']}" if machine.get("processor") else ""
    note = f"CPU time, the median of the jobs that gave a result, and memory, the most of any{where}: of the method "
    note += "where the benchmark measured it alone, else of the whole job."
    shown = table(["method", "CPU time", "memory"], rows)
    parts.append(details("In numbers", shown) if parts else shown)
    return Section.of("frontier", "Quality and cost", parts, tag("p", note, cls="note"))
