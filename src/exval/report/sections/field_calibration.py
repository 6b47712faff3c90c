"""Fields: whether their standard deviations keep their word."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Coverage and errors by tenths of the sd, for each way of asking."""
    coverage = folder.table("field_coverage", "method", "arm", "nominal", "actual")
    tenths = folder.table("field_deciles", "method", "arm", "decile", "sd", "error")
    if coverage is None:
        return None
    arms, parts = list(dict.fromkeys(coverage.arm.astype(str))), []
    shown = folder.config.get("shown")
    for arm in arms:
        here = coverage[coverage.arm.astype(str) == arm]
        mine = here[(here.method == shown) & (here.nominal.round(2) == 0.95)]
        inside = numbers.share(mine.actual.iloc[0]) if len(mine) else ""
        word = f" Of all held-out values together {inside} lie in the 95 % intervals of {shown}." if inside else ""
        drawn = [
            figure(
                lambda arm=arm: pl.field_coverage(coverage, arm=arm, palette=folder.method_colours),
                f"Share of held-out values inside intervals against the share promised, for {here.method.nunique()} "
                f"fields; {arm}.",
                f"Below the dashed line intervals are too narrow, above it too wide.{word}",
            )
        ]
        if tenths is not None:
            drawn.append(figure(
                lambda arm=arm: pl.field_deciles(tenths, arm=arm, palette=folder.method_colours),
                f"Error against sd in ten groups by sd, for {here.method.nunique()} fields; {arm}.",
                "All answers sorted by their sd and cut into ten; root mean squares. On the dashed line an error is as "
                "large as was said; a line that rises tells sure from unsure answers.",
            ))  # fmt: skip
        parts += [tag("h3", arm[:1].upper() + arm[1:]) if len(arms) > 1 else None, tag("div", drawn, cls="grid")]
    without = sorted(set(folder.config.get("method") or []) - set(coverage.method.astype(str)) - _failed(folder))
    if without:
        parts.append(tag("p", f"No sd: {', '.join(without)}.", cls="note"))
    kept = str(folder.config.get("predictions") or "")
    if kept and not kept.startswith("all"):
        parts.append(tag("p", f"Figures of this and the two sections above are of {kept}.", cls="note"))
    return Section.of("calibration", "Whether the sds keep their word", parts)


def _failed(folder: Folder) -> set[str]:
    return set(folder.rows.method[folder.rows.status != "ok"].astype(str)) if len(folder.rows) else set()
