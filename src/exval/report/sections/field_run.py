"""A fitted field: what was chosen, what the inner hold-out found, what it cost, what to do next."""

from __future__ import annotations

import numpy as np

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section

LISTED = 300


def section(folder: Folder) -> Section | None:
    """The run in words and numbers."""
    config = folder.config
    if folder.kind != "field-run":
        return None
    said = [[what, tag("td", text, cls="words")] for what, text in config.get("in_words") or []]
    card = config.get("card") or {}
    parts: list[object] = [tag("p", f"{config.get('method')}: {card.get('summary', '')}")]
    if config.get("extended"):
        older = folder.table("inner_errors", "gene", "r2") is not None
        parts.append(tag("p", f"Extended: {config['extended']}."
                         + " Figures below are of the run before that." * older))  # fmt: skip
    if config.get("mirrored"):
        parts.append(tag("p", "Left and right are taken as one: no difference between them is told.", cls="note"))
    if said:
        parts.append(table(["chosen on the samples", tag("th", "")], said, cls="full"))
    parts += [_inner(folder), _cost(folder), _next(folder)]
    return Section.of("run", "What was fitted", parts)


def _inner(folder: Folder) -> Html | None:
    inner = folder.table("inner_errors", "gene", "arm", "half", "mm", "r2", "times")
    if inner is None:
        return None
    own = bool(inner.times.notna().any())
    held = folder.config.get("held_inside", "samples")
    text = f"{held} were held out of the fit one after the other: R2 near to samples that taught, and far from them. "
    text += (
        "This field has sds of its own; they were compared with the errors made there, and each gene's are multiplied "
        "so that they are as large at that distance; where errors grow with distance, by more than that, since what is "
        "far is known from a few parts of the brain only. Above 1 the field was too sure."
        if own
        else "The errors made there are the error bars of this field, larger the further the nearest sample."
    )
    rows = []
    for (arm, half), part in inner.groupby(["arm", "half"], sort=False):
        low, middle, high = np.quantile(part.r2, (0.1, 0.5, 0.9))
        told = [numbers.score(x, 2) for x in (part.r2.mean(), low, middle, high)]
        rows.append([f"{arm}, {half}", f"{part.mm.iloc[0]:.0f}", *told,
                     *([numbers.score(part.times.median(), 2)] if own else [])])  # fmt: skip
    head = ["asked with", "mm to the nearest sample", "mean R2", "10th percentile", "median", "90th",
            *(["sds times"] if own else [])]  # fmt: skip
    wide = inner.pivot_table("r2", "gene", ["arm", "half"], sort=False)
    wide = wide.sort_values(wide.columns[0], ascending=False)
    listed = [[name(gene), *(numbers.score(x, 2) for x in line)] for gene, line in zip(wide.index, wide.to_numpy())]
    more = f", the first {LISTED}" if len(listed) > LISTED else ""
    every = table(["gene", *(f"R2, {arm}, {half}" for arm, half in wide.columns)], listed[:LISTED])
    return tag("div", tag("h3", "Inner hold-out"), tag("p", text[0].upper() + text[1:], cls="note"), table(head, rows),
               details(f"Every gene{more}", every))  # fmt: skip


def _cost(folder: Folder) -> Html:
    config = folder.config
    text = (
        f"The fit took {numbers.seconds(config.get('cpu_seconds'))} of CPU time "
        f"({numbers.seconds(config.get('seconds'))} on the clock), inner hold-out included; "
        f"{numbers.parameters(config.get('parameters'))} numbers were fitted. An honest comparison with other "
        "fields is that of exval evaluate: this page knows one field only."
    )
    return tag("div", tag("h3", "Cost"), tag("p", text, cls="note"))


def _next(folder: Folder) -> Html:
    run = folder.config.get("folder") or folder.path.name
    lines = [f"exval brain map {run} --resolution 2 -o MAPS         # a NIfTI of mean and sd for each gene",
             f"exval brain map {run} --atlas ATLAS.nii.gz -o MAPS   # a table of parcels",
             "exval evaluate SAMPLES --task field -o DIR         # is another field better?"]  # fmt: skip
    if folder.config.get("donors") and "donor" in (folder.config.get("card") or {}).get("sees", ()):
        lines.insert(2, f"exval brain map {run} --resolution 2 --donor {folder.config['donors'][0]} -o MAPS")
    return tag("div", tag("h3", "Next"), tag("pre", Html("\n".join(lines))))
