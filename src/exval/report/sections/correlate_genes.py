"""The genes of a list beside a contrast, and those that were dropped."""

from __future__ import annotations

from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import details, table, tag
from exval.report.section import Section
from exval.tasks.correlating.conclude import LEVEL, minus, p_text

HEADS = ["gene", "Pearson r", "Spearman r", "p surrogates", "q surrogates", "p naive", "q naive", "R2 held out"]
SHOWN = 200


def section(folder: Folder) -> Section | None:
    """A table, the smallest p by surrogates first."""
    genes = folder.table("correlate_genes", "gene", "r", "p_surrogates", "q_surrogates", "p_naive", "q_naive", "r2")
    if genes is None:
        return None
    rows = []
    for one in genes.head(SHOWN).itertuples():
        q = p_text(one.q_surrogates)
        rows.append([
            tag("td", tag("span", one.gene, cls="name")), minus(one.r), minus(one.spearman), p_text(one.p_surrogates),
            tag("td", tag("strong", q) if one.q_surrogates < LEVEL else q, cls="num"),
            tag("td", p_text(one.p_naive), cls="num pale"), tag("td", p_text(one.q_naive), cls="num pale"),
            minus(one.r2),
        ])  # fmt: skip
    passed, naive = int((genes.q_surrogates < LEVEL).sum()), int((genes.q_naive < LEVEL).sum())
    by = folder.config.get("held_out_by")
    text = (
        f"{passed} of {numbers.count(len(genes))} genes pass FDR 5 % by surrogates, {naive} by the naive test, which "
        "takes places as independent. q is p adjusted over the genes of the list (Benjamini and Hochberg). R2 is that "
        f"of {folder.config.get('field')} at samples it did not see, held out by {by}."
    )
    parts: list[object] = [tag("p", text), table(HEADS, rows, cls="full", tall=620)]
    if len(genes) > SHOWN:
        parts.append(tag("p", f"The first {SHOWN}; all are in genes.csv.", cls="note"))
    dropped = folder.table("correlate_dropped", "gene", "r2")
    if dropped is not None:
        lost = [[one.gene, minus(one.r2) if numbers.known(one.r2) else "does not vary"] for one in dropped.itertuples()]
        title = f"Dropped: {len(lost)}, not told at held-out samples (R2 not above {folder.config.get('least_r2'):g})"
        parts.append(details(title, table(["gene", "R2 held out"], lost)))
    absent = folder.config.get("absent")
    if absent:
        parts.append(details(f"Not in the file: {len(absent)}",
                             tag("p", ", ".join(map(str, absent)))))  # fmt: skip
    return Section.of("genes", "Gene by gene", parts)
