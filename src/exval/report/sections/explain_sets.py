"""Overlap of the first genes with known sets, against matched random genes."""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section

SHOWN, LEVEL, LISTS = 5, 0.05, 4
TITLE = "Do the first genes stand together in known sets?"


def section(folder: Folder) -> Section | None:
    """The best sets of each list; how to get gene sets where none were given."""
    if folder.kind != "explain":
        return None
    found = folder.table("gene_sets", "class", "test", "set", "size", "sum", "expected", "p", "p_family")
    if found is None:
        text = (
            "No gene sets were given. For the Hallmark sets download h.all.*.symbols.gmt from MSigDB (CC BY 4.0) and "
            "add --gene-sets FILE.gmt; any GMT file will do."
        )
        return Section.of("sets", TITLE, tag("p", text, cls="note"))
    config = folder.config
    text = (
        f"Sets of {config.get('gene_sets')} that share at least five of the "
        f"{numbers.count(config.get('genes_shared'))} genes. Expected: in "
        f"{numbers.count(config.get('permutations'))} draws of {config.get('top')} genes that are as often detected "
        "and alike in mean and variance (strata of about twenty). Family p: the excess, in sds of the draws, against "
        "the largest of all sets in each draw (maxT); above 0.05 a list overlaps with no set more than random genes do."
    )
    names = list(dict.fromkeys(found["class"].astype(str)))
    overlaps = [_table(found, one, "top") for one in names]
    parts = [tag("p", text, cls="note"), *overlaps[: LISTS + 1]]
    if len(overlaps) > LISTS + 1:
        parts.append(details(f"{len(overlaps) - LISTS - 1} more classes", *overlaps[LISTS + 1 :]))
    parts.append(
        details("The same with all genes, weighted by their ranks", [_table(found, one, "ranks") for one in names])
    )
    return Section.of("sets", TITLE, *parts)


def _table(found: pd.DataFrame, one: str, test: str) -> Html:
    part = found[(found["class"].astype(str) == one) & (found.test == test)].head(SHOWN)
    counted = test == "top"
    more = "more than random genes do"
    if float(part.p_family.iloc[0]) <= LEVEL:
        verdict = f"{one}: {'overlaps' if counted else 'ranks a set higher'} {more}"
    else:
        verdict = f"{one}: {'overlaps with no set' if counted else 'ranks no set higher'} {more}"
    rows = []
    for entry in part.itertuples():
        size = 1 if counted else entry.size
        digits = 0 if counted else 2
        p = numbers.score(entry.p_family)
        rows.append(
            [
                name(entry.set, 48),
                numbers.count(entry.size),
                numbers.score(entry.sum / size, digits),
                numbers.score(entry.expected / size, digits + counted),
                numbers.score(entry.p),
                tag("td", tag("strong", p) if entry.p_family <= LEVEL else p, cls="num"),
            ]
        )
    head = ["set", "genes", "in the top" if counted else "mean rank, 0 to 1", "expected", "p alone", "family p"]
    return table(head, rows, cls="full", caption=verdict)
