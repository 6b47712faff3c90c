"""Recovered against true values."""

from __future__ import annotations

import numpy as np

from exval import pl
from exval.pl._text import clean
from exval.pl.recovery import reach
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.section import Section

PANELS = 6


def section(folder: Folder) -> Section | None:
    """A panel for each method and arm."""
    found = folder.table("recovered", "true", "predicted")
    if found is None:
        return None
    found = found[np.isfinite(found.true) & np.isfinite(found.predicted)]
    if not len(found):
        return None
    keys = [key for key in ("arm", "method") if key in found]
    pairs = list(found[keys].astype(str).drop_duplicates().itertuples(index=False, name=None)) if keys else [()]
    panels = [_panel(found, dict(zip(keys, pair)), reach(found)) for pair in pairs[:PANELS]]
    text = (
        "Hexagons: how many hidden entries, on a logarithmic scale; dashed: recovered exactly. A flat cloud means that "
    )
    text += "the method says much the same whatever was hidden."
    if len(pairs) > PANELS:
        text += f" The first {PANELS} of {len(pairs)} pairs of method and arm."
    return Section.of("recovered", "Recovered against true", tag("p", text, cls="note"),
                      tag("div", panels, cls="grid small"))  # fmt: skip


def _panel(found, chosen: dict[str, str], span: tuple[float, float]):
    part = found
    for key, value in chosen.items():
        part = part[part[key].astype(str) == value]
    name = ", ".join(clean(chosen[key]) for key in ("method", "arm") if chosen.get(key)) or "all methods"
    alt = f"Recovered against true values in log1p(CP10k), {name}, {len(part)} hidden entries."
    error = float(((part.true - part.predicted) ** 2).mean() ** 0.5)
    return figure(lambda: pl.recovered(part, method=chosen.get("method"), arm=chosen.get("arm"), span=span), alt,
                  f"RMSE of the {len(part):,} entries shown: {error:.3f}")  # fmt: skip
