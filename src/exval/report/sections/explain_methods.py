"""How it was done, in sentences that can be pasted into a paper, with what they rest on."""

from __future__ import annotations

from exval import __version__
from exval.report.folder import Folder
from exval.report.html import tag
from exval.report.numbers import count
from exval.report.section import Section
from exval.report.settings import settings

CITES = {
    "integrated gradients": "Sundararajan, Taly and Yan 2017, ICML: Axiomatic attribution for deep networks",
    "occlusion": "Zeiler and Fergus 2014, ECCV: Visualizing and understanding convolutional networks",
    "random weights": "Adebayo et al. 2018, NeurIPS: Sanity checks for saliency maps",
    "deletion": "Petsiuk, Das and Saenko 2018, BMVC: RISE",
    "attention": "read so by Jiang and Hassanpour 2025, arXiv 2504.09704; why not: Jain and Wallace 2019, NAACL",
    "maxT": "Westfall and Young 1993: Resampling-based multiple testing, Wiley",
    "gene sets": "if MSigDB Hallmark: Liberzon et al. 2015, Cell Systems 1:417",
}
ALONE = {
    "harrell_c": "the Wald statistic of a Cox regression",
    "rank_agreement": "the correlation with the run's own risk",
}


def section(folder: Folder) -> Section | None:
    """Paragraph, citations, settings."""
    if folder.kind != "explain":
        return None
    used = [str(folder.config.get("method", "integrated gradients")), "random weights", "deletion", "attention"]
    used += ["maxT", "gene sets"] if folder.config.get("gene_sets") else []
    versions = f"Versions: exval {folder.config.get('version') or __version__}"
    if mark := folder.config.get("config_hash"):
        versions += f"; configuration {mark}"
    return Section.of(
        "paragraph",
        "Methods, for a paper",
        tag("div", tag("p", paragraph(folder)), cls="paper"),
        tag("ul", [tag("li", f"{name}: {CITES[name]}") for name in used if name in CITES], cls="cites"),
        tag("p", f"{versions}.", cls="note"),
        settings(folder),
    )


def paragraph(folder: Folder) -> str:
    """The paragraph."""
    c = folder.config
    alone = ALONE.get(str(c.get("measure")), "Welch's t of the class against the others")
    sentences = [
        f"The run {c.get('run')} (recipe {c.get('recipe')}, {c.get('preset')}) was explained on {c.get('data')}.",
        f"Explained was {c.get('answer')}.",
        _attributed(folder),
        f"Attributions were averaged over the samples of each class ({count(c.get('ranked_on'))} in all); genes are "
        "ranked by the mean of absolute values.",
        "Attention is that of the two tokens of the whole sample, averaged over layers and heads.",
        f"Single genes were ranked by {alone}, on the same samples.",
        f"Lists were compared with those of {count(c.get('networks'))} networks of the same shape with random weights "
        "(scale, factors and borders of bins kept), and with those of the trained network under random label heads.",
        f"For the deletion curves genes were hidden in {count(c.get('deleted_from'))} samples; {c.get('met')}.",
    ]
    if c.get("gene_sets"):
        sentences.append(
            f"Overlaps with {c.get('gene_sets')} were tested by {count(c.get('permutations'))} permutations among "
            "genes alike in detection, mean and variance, the family-wise p by the maximum over the sets."
        )
    seed = "" if c.get("seed") is None else f" (seed {c['seed']})"
    return " ".join([*sentences, f"All of this was done with exval {c.get('version') or __version__}{seed}."])


def _attributed(folder: Folder) -> str:
    c = folder.config
    if c.get("method") == "occlusion":
        return (
            "Attributions are changes of it when genes are set as not measured, singly or in random blocks that share "
            "their change equally."
        )
    parts = "the value encoder and the fitted factors" if c.get("factors") else "the value encoder"
    return (
        f"Attributions are integrated gradients with respect to the values of the measured genes, through {parts}, "
        f"from {c.get('baseline')}, by the midpoint rule on {count(c.get('steps'))} steps that are finer near the "
        "baseline; which genes are measured stays the same along the path."
    )
