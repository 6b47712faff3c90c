"""Fields: at which distances values are alike, and what a field leaves of that."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import table, tag
from exval.report.section import Section

FLAT = 0.05


def section(folder: Folder) -> Section | None:
    """Variograms, and the numbers of their models."""
    found = folder.table("field_variogram", "what", "distance", "gamma", "nugget", "sill", "length")
    if found is None:
        return None
    caption = (
        "Half the mean squared difference of two samples against their distance, pooled over genes; lines: exponential "
        "models fitted to the points. Dashed: the variance of a gene."
    )
    if folder.kind == "field":
        caption += (
            " Where errors lie flat, nothing that depends on distance is left; a rise tells the range that the field "
            "has not explained."
        )
    drawn = figure(
        lambda: pl.field_variogram(found, palette=folder.method_colours),
        f"Semivariance against distance of {', '.join(found.what.astype(str).unique())}.", caption,
    )  # fmt: skip
    rows = [
        [str(what), *_numbers(part)] for what, part in found.groupby("what", sort=False)
    ]  # fmt: skip
    note = (
        "Nugget: what differs between samples at the same place. Sill: what distance adds to it. Range: where 95 % of "
        "the sill is reached, three times the length of the model. All in variances of the gene."
    )
    beside = tag("div", table(["", "nugget", "sill", "range"], rows, cls="full"), tag("p", note, cls="note"))
    title = "How far samples are alike" if folder.kind == "field-run" else "What is left unexplained"
    return Section.of("variogram", title, tag("div", drawn, beside, cls="grid"))


def _numbers(part: pd.DataFrame) -> list[str]:
    """Nugget, sill and range of the model; where nothing rises within the distances seen, all of it is nugget."""
    one, reach = part.iloc[0], part.distance.max()
    if one.sill < FLAT * (one.nugget + one.sill) or 3 * one.length <= part.distance.min():
        return [numbers.score(one.nugget + one.sill, 2), numbers.DASH, "none seen"]
    span = f"{3 * one.length:.0f} mm" if 3 * one.length < 2 * reach else f"beyond {reach:.0f} mm"
    return [numbers.score(one.nugget, 2), numbers.score(one.sill, 2), span]
