"""How well each class is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def per_class_f1(
    data: Any, *, ax: Axes | None = None, palette: Mapping[str, str] | None = None, top: int = 40, methods: int = 6
) -> Axes:
    """F1 of every class, a dot for each method, with the number of samples behind it.

    Parameters
    ----------
    data
        Results, result folder, or the table ``per_class`` with ``method, label, f1, support``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.
    top
        Draw at most so many classes, the most frequent first.
    methods
        Draw at most so many methods, those with the highest mean F1. Controls (majority, depth) are left out where two
        others are there.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": ["pca", "logreg"], "label": "beta", "f1": [0.8, 0.9], "support": 70})
    >>> [text.get_text() for text in per_class_f1(table).get_yticklabels()]
    ['beta']
    """
    table = _data.table(data, "per_class", ["method", "label", "f1", "support"])
    table = table.assign(method=table.method.astype(str), label=table.label.astype(str))
    palette = palette or _palette.assign(sorted(table.method.unique()))
    support = table.groupby("label").support.max().sort_values(ascending=False, kind="stable")
    names = list(support.index[:top])
    table = table[table.method.isin(_palette.contenders(table.method))]
    order = list(table.groupby("method").f1.mean().sort_values(ascending=False, kind="stable").index[:methods])
    ax = _canvas.axes(ax, 440, 66 + 20 * len(names))
    f1 = table.pivot_table(index="label", columns="method", values="f1", aggfunc="mean").reindex(
        index=names, columns=order
    )
    ax.hlines(range(len(names)), f1.min(axis=1), f1.max(axis=1), color="#C9CDD2", linewidth=1.4)
    for rank, method in reversed(list(enumerate(order))):
        color = palette.get(method, _palette.GREY)
        style = {"facecolors": color, "edgecolors": "white", "linewidths": 0.6, "zorder": 4 - 0.1 * rank}
        ax.scatter(f1[method], range(len(names)), s=42, label=_text.tick(method, 22), clip_on=False, **style)
    _canvas.dress(ax, grid="x", xlabel="F1")
    _canvas.rows(ax, [_text.tick(name) for name in names])
    lowest = float(f1.min().min())
    ax.set_xlim(max(0.0, math.floor(10 * lowest - 0.5) / 10) - 0.02 if lowest == lowest else -0.02, 1.02)
    for row, name in enumerate(names):
        ax.text(1.04, row, f"{int(support[name]):,}", va="center", fontsize=_canvas.SMALL, color=_palette.SOFT,
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.text(1.04, -0.85, "samples", va="bottom", fontsize=_canvas.SMALL, color=_palette.SOFT,
            transform=ax.get_yaxis_transform())  # fmt: skip
    _canvas.legend(ax)
    return ax
