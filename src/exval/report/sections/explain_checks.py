"""Is a list more than an untrained network gives, and what does it share with other rankings?"""

from __future__ import annotations

import pandas as pd

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, join, name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """One row for each list."""
    sanity = folder.table("sanity", "class", "kind", "spearman", "overlap", "chance", "between")
    lists = folder.table("lists", "class", "n", "label", "untrained")
    if sanity is None or lists is None:
        return None
    found = {(row["class"], row["kind"]): row for row in sanity.to_dict("records")}
    agreement = folder.table("agreement", "class", "other", "spearman", "overlap")
    if agreement is not None:
        found |= {(row["class"], row["other"]): row for row in agreement.to_dict("records")}
    body = []
    for entry in lists.to_dict("records"):
        one = entry["class"]
        network = found.get((one, "network"), {})
        between = {"spearman": network.get("between"), "overlap": network.get("between_overlap")}
        others = [found.get((one, kind), {}) for kind in ("head", "univariate", "attention")]
        cells: list[object] = [name(one, 24), numbers.count(entry["n"]), _pair(network), _pair(between)]
        words = str(entry["label"]).replace("p = ", "p\xa0=\xa0")
        label = tag("td", words, cls="words lost" if entry["untrained"] else "words")
        body.append([*cells, *(_pair(row) for row in others), label])
    heads: list[object] = [
        "list", "samples", _two("random weights", "all"), _two("those among", "themselves"),
        _two("random weights", "label head"), _two("single genes", "no network"), "attention",
        tag("th", "what it is worth"),
    ]  # fmt: skip
    return Section.of(
        "checks", "Is it more than an untrained network gives?", tag("p", _text(folder, sanity), cls="note"),
        table(heads, body, cls="full"), tag("p", _reading(folder), cls="note"),
    )  # fmt: skip


def _text(folder: Folder, sanity: pd.DataFrame) -> str:
    top, networks = folder.config.get("top"), folder.config.get("networks")
    return (
        "The same attributions by networks whose weights were drawn anew, scale and factors kept. In each cell: "
        f"Spearman's rho with the run's list over all genes, below it how many of the first {top} are shared (mean "
        f"over {networks} networks); two random lists share {numbers.count(sanity.chance.max())} at most (97.5 %). "
        "Where |rho| is above 0.5, or more are shared than that, the list is called no better than that of an "
        "untrained network. What such networks share among themselves comes from the values and the fitted factors "
        "alone. Labels were not permuted: every permutation would need a training."
    )


def _reading(folder: Folder) -> str:
    config = folder.config
    text = ""
    if numbers.known(config.get("completeness_gap")):
        text = (
            f"Completeness: with {config.get('steps')} steps the attributions of a sample add up to the difference "
            f"of the answers at its values and at the baseline but for {numbers.share(config['completeness_gap'])} "
            "(median). "
        )
    if cap := config.get("infer_visible"):
        text += f"The encoder reads at most {numbers.count(cap)} genes of a sample, the same as when it predicts"
        text += (
            "; the others speak through the factors alone."
            if config.get("factors")
            else ", and the mean of a gene runs over the samples in which it was read."
        )
    return text


def _pair(row: dict) -> Html:
    if not numbers.known(row.get("spearman")):
        return join(numbers.DASH)
    return join(numbers.score(row["spearman"], 2), Html("<br>"), tag("small", f"{row['overlap']:.0f} shared"))


def _two(first: str, second: str) -> Html:
    return join(first, Html("<br>"), tag("small", second))
