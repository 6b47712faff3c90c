"""Training curves."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import table, tag
from exval.report.section import Section

VALID = ("validation", "valid", "val")


def section(folder: Folder) -> Section | None:
    """Loss against step, and the few numbers one reads off it."""
    found = folder.table("curves", "step", "split", "loss")
    if found is None or not found.loss.notna().any():
        return None
    found = found[found.loss.notna()]
    draw = figure(
        lambda: pl.curves(found),
        f"Loss against training step, {', '.join(found.split.astype(str).unique())}.",
        "Pale: single steps; strong: their running mean. A validation curve that turns up while training goes on down "
        "means that the model learns what it saw by heart.",
    )
    rows = [["steps", numbers.count(found.step.max())]]
    train = found[found.split == "train"].sort_values("step")
    if len(train):
        rows.append(["training loss, last 20 steps", numbers.score(train.loss.tail(20).mean())])
    valid = found[found.split.isin(VALID)].sort_values("step")
    if len(valid):
        best = valid.loc[valid.loss.idxmin()]
        rows.append(["validation loss, last", numbers.score(valid.loss.iloc[-1])])
        rows.append(["validation loss, best", f"{numbers.score(best.loss)} (step {numbers.count(best.step)})"])
    for name, part in found[~found.split.isin(["train", *VALID])].groupby("split", sort=False):
        rows.append([str(name), numbers.score(part.loss.median())])
    for key, name, form in (("samples", f"{folder.thing}s seen", numbers.count), ("seconds", "time", numbers.seconds)):
        summary = folder.config.get("training")
        value = folder.config.get(key, summary.get(key) if isinstance(summary, dict) else None)
        if numbers.known(value):
            rows.append([name, form(value)])
    return Section.of("training", "Training", tag("div", draw, tag("div", table(["", ""], rows, cls="full bare")),
                                                  cls="grid"))  # fmt: skip
