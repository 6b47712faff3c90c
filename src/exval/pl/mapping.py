"""What became of a file's genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOOD = ("symbol", "ensembl", "entrez", "alias", "ortholog", "shared", "recognised")
BAD = ("unknown", "missing", "dropped")


def gene_mapping(data: Any, *, ax: Axes | None = None) -> Axes:
    """How the genes of the file were recognised, as bars with counts.

    Parameters
    ----------
    data
        Results, result folder, or the table ``gene_mapping`` with ``how, n``.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> ax = gene_mapping(pd.DataFrame({"how": ["symbol", "unknown"], "n": [19000, 1000]}))
    >>> [text.get_text() for text in ax.texts]
    ['19,000', '1,000']
    """
    table = _data.table(data, "gene_mapping", ["how", "n"])
    table = table.groupby("how", sort=False, observed=True).n.sum().reset_index()
    table = table[(table.n > 0) | (table.how == "unknown")].head(16)
    table = _data.table(table, "gene_mapping", [])
    ax = _canvas.axes(ax, 420, 34 + 24 * len(table))
    colors = [
        _palette.BASE[0] if how in GOOD else _palette.BASE[1] if how in BAD else _palette.GREY
        for how in table.how.astype(str)
    ]
    ax.barh(range(len(table)), table.n, height=0.62, color=colors)
    _canvas.dress(ax)
    _canvas.rows(ax, [_text.tick(how) for how in table.how])
    for row, n in enumerate(table.n):
        ax.annotate(f"{int(n):,}", (n, row), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
    ax.set_xlim(0, 1.15 * max(float(table.n.max()), 1.0))
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    return ax
