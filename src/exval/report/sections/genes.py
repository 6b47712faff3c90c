"""What became of the file's genes."""

from __future__ import annotations

import numpy as np

from exval import pl
from exval.pl._text import shorten
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import table, tag
from exval.report.section import Section

RECOGNISED = ("symbol", "ensembl", "entrez", "alias", "ortholog")


def section(folder: Folder) -> Section | None:
    """Bars with counts; beside them a few genes of each kind."""
    found = folder.table("gene_mapping", "how", "n")
    if found is None:
        return None
    draw = figure(lambda: pl.gene_mapping(found), "Number of genes by how they were recognised: " + ", ".join(
        f"{how} {n}" for how, n in zip(found.how.astype(str), found.n)) + ".")  # fmt: skip
    rows = [
        [tag("span", entry["how"], cls="name"), shorten(_examples(entry.get("examples")), 90)]
        for entry in found.to_dict("records")
        if _examples(entry.get("examples"))
    ]
    side = table(["how", "for example"], rows, text=2, cls="full") if rows else None
    sentence = _sentence(folder)
    return Section.of("genes", "Genes", tag("p", sentence) if sentence else None,
                      tag("div", draw, side, cls="grid"))  # fmt: skip


def _examples(value: object) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | np.ndarray) else ""


def _sentence(folder: Folder) -> str:
    found = folder.tables["gene_mapping"]
    known = dict(zip(found.how.astype(str), found.n))
    unknown = known.get("unknown")
    total = sum(n for how, n in known.items() if how in {*RECOGNISED, "unknown"})
    if unknown is None or not total:
        return ""
    return f"{numbers.count(total - unknown)} of the {numbers.count(total)} genes of the file were recognised."
