"""What of a file was measured."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.section import Section

LISTED = 40


def section(folder: Folder) -> Section | None:
    """The map of blocks and the genes that nobody measured."""
    found = folder.table("missing_map", "sample", "gene", "measured")
    if found is None:
        return None
    share = found.measured.mean()
    config = folder.config
    text = f"{numbers.share(share)} of the values were measured."
    if numbers.known(config.get("share_filled")):
        text += (
            f" {numbers.share(config['share_filled'])} of all values were filled ({numbers.count(config['filled'])})."
        )
    drawn = figure(
        lambda: pl.missing_map(found),
        f"Share measured in blocks of samples and genes; {numbers.share(share)} overall.",
        "Blocks of samples and genes, both sorted by how much was measured of them.",
    )
    never = [str(gene) for gene in config.get("never_measured") or []]
    more = f" and {len(never) - LISTED} more" if len(never) > LISTED else ""
    left = (
        tag("p", f"Still not known, since nobody measured them: {', '.join(never[:LISTED])}{more}.") if never else None
    )
    return Section.of("missing", "What was measured", tag("p", text, cls="note"), tag("div", drawn, cls="grid"), left)
