"""Whether the scores keep their word, and how many cells are unsure."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import name, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """Reliability curve, histogram of scores with the threshold, and the share of unsure cells in words."""
    bins = folder.table("reliability", "method", "confidence", "accuracy", "n")
    bins = bins[bins.n > 0].dropna(subset=["confidence", "accuracy"]) if bins is not None else None
    scores = folder.table("scores", "bin_lo", "bin_hi", "n", "kind")
    parts, things = [], f"{folder.thing}s"
    if bins is not None and len(bins):
        parts.append(
            figure(
                lambda: pl.reliability(bins, palette=folder.method_colours),
                f"Reliability curve of {bins.method.nunique()} methods: share of right names against the score given.",
                "On the dashed line a score keeps its word: of the names given with 0.9, nine in ten are right. Below "
                f"it, the method is surer than it is right. Area: {things}; bins of fewer than five are left out.",
            )
        )
    threshold = _threshold(folder)
    if scores is not None:
        parts.append(
            figure(
                lambda: pl.scores(scores, threshold=threshold),
                f"Histogram of the score of the best class, for held-out reference {things} and for the {things} of "
                "this file." + (f" Those below {threshold:.2f} are marked unsure." if threshold is not None else ""),
                f"A file whose scores lie left of the reference's holds {things} that the reference does not know "
                "well.",
            )
        )
    if not parts:
        return None
    if scores is None and bins is not None and len(bins):
        parts.append(_errors(bins))
    return Section.of("reliability", "How far to trust the scores", _unsure(folder, threshold),
                      tag("div", parts, cls="grid"))  # fmt: skip


def _errors(bins):
    """How far score and truth lie apart, in numbers."""
    rows = []
    for method, part in bins.groupby(bins.method.astype(str), sort=False):
        weight = part.n / part.n.sum()
        gap = part.confidence - part.accuracy
        rows.append([name(method), numbers.score((weight * gap.abs()).sum()),
                     numbers.score((weight * gap).sum(), sign=True)])  # fmt: skip
    made = table(["method", "calibration error", "score minus truth"], rows, cls="full")
    text = (
        "Calibration error: mean distance from the dashed line. Score minus truth: above zero, the method is too sure."
    )
    return tag("div", made, tag("p", text, cls="note"))


def _threshold(folder: Folder) -> float | None:
    nested = folder.config.get("unsure")
    for value in (folder.config.get("threshold"), folder.config.get("unsure_threshold"),
                  nested.get("threshold") if isinstance(nested, dict) else None):  # fmt: skip
        if numbers.known(value):
            return float(value)
    return None


def _unsure(folder: Folder, threshold: float | None):
    nested = folder.config.get("unsure")
    share = folder.config.get("unsure_share", nested.get("share") if isinstance(nested, dict) else None)
    if not numbers.known(share):
        return None
    things = f"{folder.thing}s"
    text = f"{numbers.share(share)} of the {things} are marked unsure"
    if threshold is not None:
        text += f": their best score lies below {threshold:.2f}, a threshold set on held-out {things} of the reference"
    return tag("p", text + ".")
