"""Which genes a run decides by: the first of each list, and how fast the run fails without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP, DOWN = "#0072B2", "#D55E00"
RANKINGS = {
    "integrated gradients": "#0072B2", "occlusion": "#0072B2", "attention": "#CC79A7", "univariate": "#009E73",
    "untrained network": "#D55E00", "random": "#8A8F98",
}  # fmt: skip
AXES = {
    "accuracy": "accuracy", "harrell_c": "Harrell's C", "agreement": "same class as with all genes",
    "rank_agreement": "rank correlation with all genes",
}  # fmt: skip


def gene_importance(data: Any, *, name: str | None = None, top: int = 15, ax: Axes | None = None) -> Axes:
    """The first genes of one list: the mean absolute attribution as a bar, the mean signed one as a dot.

    Parameters
    ----------
    data
        Results, result folder, or the table ``importance`` with ``class, gene, rank, ig_mean, ig_abs``.
    name
        Which list: a class, ``risk`` or ``(all classes)``; default: the first.
    top
        So many genes.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"class": "a", "gene": ["TP53", "KRAS"], "rank": [1, 2], "ig_mean": [0.3, -0.1],
    ...                       "ig_abs": [0.4, 0.2]})
    >>> [text.get_text() for text in gene_importance(table).get_yticklabels()]
    ['TP53', 'KRAS']
    """
    table = _data.table(data, "importance", ["class", "gene", "rank", "ig_mean", "ig_abs"])
    name = str(table["class"].iloc[0]) if name is None else name
    table = _data.table(table[table["class"].astype(str) == name], "importance", [])
    table = table.sort_values("rank", kind="stable").head(top)
    ax = _canvas.axes(ax, 300, 62 + 17 * len(table))
    signed = table.ig_mean.notna().any()
    colours = [_palette.GREY if not signed else UP if value >= 0 else DOWN for value in table.ig_mean.fillna(0)]
    rows = range(len(table))
    ax.barh(rows, table.ig_abs, height=0.66, color=colours, alpha=0.35 if signed else 0.9, linewidth=0)
    if signed:
        ax.scatter(table.ig_mean, rows, s=22, c=colours, edgecolors="white", linewidths=0.6, zorder=3)
        ax.axvline(0, color="#9AA0A8", linewidth=0.8, zorder=1)
    _canvas.dress(ax, grid="x", xlabel="attribution", title=_text.tick(name, 34))
    _canvas.rows(ax, [_text.tick(gene, 18) for gene in table.gene])
    ax.tick_params(axis="y", labelsize=9.5)
    return ax


def deletion_curve(
    data: Any, *, measure: str = "accuracy", ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """What is left of a run's answers as genes are set as not measured, one line for each ranking.

    The steps are equally far apart: few genes are taken away on the left, few are left on the right.

    Parameters
    ----------
    data
        Results, result folder, or the table ``deletion`` with ``ranking, k, value``.
    measure
        What ``value`` is: ``accuracy``, ``harrell_c``, ``agreement`` or ``rank_agreement``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Ranking -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"ranking": "random", "k": [0, 1, 5], "value": [0.9, 0.8, 0.5]})
    >>> deletion_curve(table).get_ylabel()
    'accuracy'
    """
    table = _data.table(data, "deletion", ["ranking", "k", "value"])
    palette = {**RANKINGS, **(palette or {})}
    ks = sorted(table.k.unique())
    place = {k: i for i, k in enumerate(ks)}
    ax = _canvas.axes(ax, 620, 330)
    for ranking, part in table.groupby(table.ranking.astype(str), sort=False):
        part = part.sort_values("k")
        main = ranking in ("integrated gradients", "occlusion")
        ax.plot([place[k] for k in part.k], part.value, color=palette.get(ranking, _palette.GREY),
                linewidth=2.4 if main else 1.5, linestyle=(0, (4, 2)) if ranking == "random" else "-", marker="o",
                markersize=4.5, markeredgecolor="white", markeredgewidth=0.6, zorder=4 if main else 3,
                label=_text.tick(ranking, 26))  # fmt: skip
    _canvas.dress(
        ax, grid="y", xlabel="genes set as not measured, the first of each ranking", ylabel=AXES.get(measure, measure)
    )
    ax.set_xticks(range(len(ks)), [f"{k:,}" for k in ks], rotation=45 if len(ks) > 12 else 0)
    ax.tick_params(axis="x", labelsize=9.5)
    ax.margins(x=0.02)
    _canvas.legend(ax)
    return ax
