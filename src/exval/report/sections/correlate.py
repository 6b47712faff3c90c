"""A contrast beside a list of genes: the figure against two kinds of chance, and against the naive one."""

from __future__ import annotations

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, table, tag
from exval.report.section import Section
from exval.tasks.correlating.conclude import minus, p_text

ASKED = {
    "spatial surrogates": "maps as smooth as the contrast that know nothing of genes, {surrogates} of them",
    "random lists": "other genes that are told as well at held-out samples, {random_lists} lists of the same size; not "
    "enough alone: lists of co-expressed genes pass with 9 to 34 % of unrelated smooth maps",
    "naive": "t distribution: takes every {at} as independent, which neighbours are not; shown for comparison only",
}


def section(folder: Folder) -> Section | None:
    """Figures of the mean of the list."""
    null = folder.table("correlate_null", "kind", "r")
    places = folder.table("correlate_places", "contrast", "list_mean")
    whole = folder.config.get("whole")
    if null is None or places is None or not isinstance(whole, dict):
        return None
    r, at = float(whole["r"]), str(folder.config.get("at"))
    drawings = [
        figure(
            lambda: pl.correlate_null(null, observed=r),
            f"Histogram of the correlation of surrogate maps with the mean of the list; the contrast has {r:.2f}.",
            "Chance by smoothness: maps with about the variogram of the contrast. Dashed: 95 % of them lie between.",
        )
    ]
    if (null.kind == "list").any():
        drawings.append(
            figure(
                lambda: pl.correlate_null(null, observed=r, kind="list"),
                f"Histogram of the correlation of the contrast with random lists; this list has {r:.2f}.",
                "Chance by genes: lists of other genes, matched for how well they are told. Dashed: 95 % lie between.",
            )
        )
    drawings.append(
        figure(
            lambda: pl.correlate_places(places),
            f"Scatter of the contrast and the mean of the list over {len(places)} {at}s.",
            f"One dot for each {at}. The mean of each donor is taken off the genes. The line is least squares.",
        )
    )
    words = f"The mean of the standardised genes of the list against the contrast, over {numbers.count(len(places))} "
    words += f"{folder.config.get('kind_of_place', at + 's')}."
    return Section.of("list", "The list and the contrast", tag("p", words), _table(folder, whole),
                      tag("div", drawings, cls="grid"))  # fmt: skip


def _table(folder: Folder, whole: dict) -> Html:
    rows = []
    for name, key in (("spatial surrogates", "p_surrogates"), ("random lists", "p_lists"), ("naive", "p_naive")):
        text = ASKED[name].format(**{k: numbers.count(folder.config.get(k)) for k in ("surrogates", "random_lists")},
                                  at=folder.config.get("at"))  # fmt: skip
        spearman = whole.get(f"{key}_spearman")
        if key == "p_lists" and not numbers.known(whole[key]):
            text = str(folder.config.get("why_no_lists") or text)
        cells = [p_text(value) if numbers.known(value) else numbers.DASH for value in (whole[key], spearman)]
        rows.append([tag("td", name, cls="method"), tag("td", text, cls="words"), *cells])
    rows.insert(0, [tag("td", tag("strong", "correlation"), cls="method"), tag("td", "of the mean of the list"),
                    minus(whole["r"]), minus(whole["spearman"])])  # fmt: skip
    return table(["", "against what", "Pearson", "Spearman"], rows, text=2, cls="full")
