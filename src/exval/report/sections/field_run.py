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
        parts.append(tag("p", f"Extended: {config['extended']}. Figures below are of the run before that."))
    if said:
        parts.append(table(["chosen on the samples", tag("th", "")], said, cls="full"))
    parts += [_inner(folder), _cost(folder), _next(folder)]
    return Section.of("run", "What was fitted", parts)


def _inner(folder: Folder) -> Html | None:
    inner = folder.table("inner_errors", "gene", "arm", "kind", "value")
    if inner is None:
        return None
    error = inner.kind.iloc[0] == "error"
    held = folder.config.get("held_inside", "samples")
    text = (
        f"The sds of this field come from an inner hold-out: {held} were held out of the fit one after the other, and "
        "the errors made there are its error bars, larger the further the nearest sample. R2 there:"
        if error
        else f"This field has sds of its own. An inner hold-out of {held} compared them with the errors made there; "
        "each gene's sds are multiplied by the root mean square of error over sd. Above 1 the field was too sure:"
    )
    rows = []
    for arm, part in inner.groupby("arm", sort=False):
        value = 1 - part.value**2 if error else part.value
        low, middle, high = np.quantile(value, (0.1, 0.5, 0.9))
        rows.append([str(arm), *(numbers.score(x, 2) for x in (value.mean(), low, middle, high))])
    head = ["asked with", "mean of genes", "10th percentile", "median", "90th"]
    wide = inner.pivot_table("value", "gene", "arm", sort=False)
    wide = (1 - wide**2) if error else wide
    wide = wide.sort_values(wide.columns[0], ascending=not error)
    listed = [[name(gene), *(numbers.score(x, 2) for x in line)] for gene, line in zip(wide.index, wide.to_numpy())]
    more = f", the first {LISTED}" if len(listed) > LISTED else ""
    what = "R2" if error else "factor"
    every = table(["gene", *(f"{what}, {arm}" for arm in wide.columns)], listed[:LISTED])
    return tag("div", tag("h3", "Inner hold-out"), tag("p", text, cls="note"), table(head, rows),
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
