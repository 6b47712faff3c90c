"""What is taken for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def confusion(data: Any, *, method: str | None = None, ax: Axes | None = None, top: int = 40) -> Axes:
    """Confusion matrix: share of each true class (row) that got each name (column).

    Parameters
    ----------
    data
        Results, result folder, or the table ``confusion`` with ``method, truth, prediction, n`` (pairs that occur).
    method
        Which method; default: the first of the table.
    ax
        Axes to draw on; default: those of a new figure.
    top
        Show at most so many classes, the most frequent; the shares stay those of the whole row.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = {"method": "pca", "truth": ["a", "a", "b"], "prediction": ["a", "b", "b"], "n": [3, 1, 4]}
    >>> ax = confusion(pd.DataFrame(pairs))
    >>> sorted(text.get_text() for text in ax.texts)
    ['100', '25', '75']
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    table = _data.table(data, "confusion", ["method", "truth", "prediction", "n"])
    method = str(table.method.iloc[0]) if method is None else method
    table = table[table.method.astype(str) == method].astype({"truth": str, "prediction": str})
    table = _data.table(table, "confusion", [])
    names, _ = _data.largest(table, "truth", "n", top)
    totals = table.groupby("truth").n.sum()
    share = table.pivot_table(index="truth", columns="prediction", values="n", aggfunc="sum", fill_value=0)
    names += [name for name in share.columns if name not in names and name not in totals.index][: top - len(names)]
    share = share.reindex(index=names, columns=names, fill_value=0).astype(float)
    share = (share.div(totals.reindex(names), axis=0)).fillna(0).to_numpy()
    cell = 21 if len(names) <= 20 else 15
    ax = _canvas.axes(ax, 170 + cell * len(names), 130 + cell * len(names))
    rows, columns = np.nonzero(share)
    boxes = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in zip(rows, columns)]
    cells = PatchCollection(boxes, linewidths=0, rasterized=len(boxes) > 800)
    cells.set_facecolor(colormaps["Blues"](0.08 + 0.87 * share[rows, columns]))
    ax.add_collection(cells)
    if len(names) <= 20:
        for row, column in zip(rows, columns):
            value = share[row, column]
            text = "<1" if value < 0.005 else f"{100 * value:.0f}"
            color = "white" if value > 0.55 else _palette.INK
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    _canvas.dress(ax, xlabel="named as", ylabel="truth")
    ax.xaxis.labelpad = ax.yaxis.labelpad = 8
    labels = [_text.tick(name, 24) for name in names]
    ax.set_xticks(range(len(names)), labels, rotation=90)
    ax.set_yticks(range(len(names)), labels)
    ax.tick_params(length=0, labelsize=10 if len(names) <= 20 else 8.5)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
    edges = np.arange(len(names) + 1) - 0.5
    ax.hlines(edges, -0.5, len(names) - 0.5, color="#EDEEF0", linewidth=0.6, zorder=2)
    ax.vlines(edges, -0.5, len(names) - 0.5, color="#EDEEF0", linewidth=0.6, zorder=2)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax
