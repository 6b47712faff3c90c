"""Fields: where in the brain a field errs, for a gene that is told well, one in the middle and one that is not."""

from __future__ import annotations

from exval import pl
from exval.errors import InputError
from exval.pl._brain import NEEDED
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import join, tag
from exval.report.section import Section

WORDS = ("told best", "in the middle", "told least")


def section(folder: Folder) -> Section | None:
    """Three genes of the field that is shown."""
    method, found = folder.config.get("shown"), folder.predictions
    if not method or not len(found) or "prediction" not in found:
        return None
    arm = str(found.arm.iloc[0])
    unit = str(folder.dataset.get("unit") or "")
    r2 = _r2(folder, method, arm)
    r2 = r2[r2.index.isin(found.gene.astype(str).unique())].sort_values(ascending=False)
    if not len(r2):
        return None
    picked = dict.fromkeys([r2.index[0], r2.index[(len(r2) - 1) // 2], r2.index[-1]])
    words = WORDS if len(picked) == 3 else ("told best", "told least")
    text = (
        f"{method}, {arm}: every value was told by a field that had not seen the sample. A slice shows the samples "
        "within 5 mm of it, the two pictures on the right all of them. Error is predicted less measured: red where too "
        "much was told."
    )
    parts: list[object] = [tag("p", text, cls="note")]
    try:
        for gene, word in zip(picked, words):
            parts.append(figure(
                lambda gene=gene: pl.brain_samples(found, gene, method=method, arm=arm, unit=unit),
                f"{gene} measured, predicted by {method} and the error, on three slices and in a glass brain.",
                join(tag("strong", gene), f": {word}, R2 {numbers.score(r2[gene], 2)}."), cls="wide", shades=True,
            ))  # fmt: skip
    except InputError as fault:
        if str(fault) != NEEDED:
            raise
        parts = [tag("p", f"No pictures: {fault}.", cls="note")]
    return Section.of("brain", "Where it is right, and where not", tag("div", parts, cls="stack"))


def _r2(folder: Folder, method: str, arm: str):
    genes = folder.table("field_genes", "method", "arm", "gene", "r2")
    here = genes[(genes.method == method) & (genes.arm == arm)]
    return here.groupby(here.gene.astype(str)).r2.mean()
