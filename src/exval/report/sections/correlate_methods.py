"""How a contrast was related to genes: a paragraph for a paper, notes, settings."""

from __future__ import annotations

from exval import __version__
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.numbers import count
from exval.report.section import Section
from exval.report.settings import settings

CITES = (
    "Surrogates: Burt et al. 2020, NeuroImage 220, 117038 (brainsmash).",
    "Why random lists: Fulcher et al. 2021, Nature Communications 12, 2669.",
    "FDR: Benjamini and Hochberg 1995, J R Stat Soc B 57, 289.",
)


def section(folder: Folder) -> Section | None:
    """Prose that one can paste, and what makes the run repeatable."""
    if folder.config.get("task") != "correlate":
        return None
    notes = [str(note) for note in folder.config.get("notes") or []]
    return Section.of(
        "methods",
        "Methods, for a paper",
        tag("div", tag("p", paragraph(folder)), cls="paper"),
        tag("ul", [tag("li", line) for line in CITES], cls="cites"),
        tag("p", "What was read: " + "; ".join(notes) + ".", cls="note") if notes else None,
        settings(folder),
    )


def paragraph(folder: Folder) -> str:
    """What was done, in sentences."""
    config, data = folder.config, folder.dataset
    at = str(config.get("at"))
    where = (
        f"at {count(config.get('places'))} parcels of {config.get('atlas')} (means of samples within donors first, "
        "then over donors)"
        if at == "parcel"
        else f"at {count(config.get('places'))} samples (contrast: mean of its voxels within "
        f"{config.get('radius'):g} mm)"
    )
    area = "the whole brain" if config.get("whole_brain") else "the cortex"
    lists = (
        f" and against {count(config.get('random_lists'))} random lists of equal size from the other genes, matched in "
        f"{config.get('bins')} quantile bins of how well a gene is told at held-out samples"
        if config.get("bins")
        else ""
    )
    return (
        f"The contrast {config.get('contrast')} was related to {count(data.get('genes'))} genes of "
        f"{config.get('data')} {where} of {area}, never at interpolated voxels. The mean of each donor was taken off "
        "the genes over the samples used, since samples of one donor share an offset; the contrast is one map for all "
        "donors and was left as it is. The list is the mean of its standardised genes. Genes that "
        f"{config.get('field')} did not tell at samples held out by {config.get('held_out_by')} (R2 not above "
        f"{config.get('least_r2'):g}) were dropped. Correlations are held against {count(config.get('surrogates'))} "
        "surrogates of the contrast with about its variogram over straight-line distances, both hemispheres as they are"
        f"{lists}; p are two-sided, and adjusted over genes for the false discovery rate. Of unrelated "
        "simulated maps, 1 to 11 % pass p < 0.05 by surrogates: too few of rough, too many of noise-free ones that "
        "are smooth over 40 mm (benchmarks/brain_null.py). All of this was done with exval "
        f"{config.get('version') or __version__} (seed {config.get('seed')})."
    )
