"""Fields: how good each is at every held-out donor or block, and over genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {"r2": "R2", "pearson": "Pearson r", "pearson_within": "Pearson r within regions", "spearman": "Spearman r"}


def _mean_units(table: Any, metric: str, arm: str | None):
    table = _data.table(table, "field_genes", ["method", "arm", "fold", "gene", metric])
    arm = arm or str(table.arm.iloc[0])
    return _data.table(table[table.arm.astype(str) == arm], "field_genes", []), arm


def field_units(
    data: Any, *, metric: str = "r2", arm: str | None = None, ax: Axes | None = None,
    palette: Mapping[str, str] | None = None, ceiling: pd.DataFrame | None = None,
) -> Axes:  # fmt: skip
    """One row for each field, a small mark for every held-out donor or block, a large one for their mean.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_genes`` with ``method, arm, fold, gene`` and the metric.
    metric
        ``r2``, ``pearson``, ``pearson_within`` or ``spearman``; means over genes.
    arm
        What was told of the places; default: the first.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.
    ceiling
        Table ``field_ceiling`` (``gene, r2``), drawn dashed where the metric is R2.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": ["knn", "gp"], "arm": "position alone", "fold": 0, "gene": "A",
    ...                       "r2": [0.4, 0.5]})
    >>> field_units(table).get_xlabel()
    'R2, mean over genes'
    """
    table, arm = _mean_units(data, metric, arm)
    palette = palette or _palette.assign(sorted(table.method.astype(str).unique()))
    unit = table.groupby(["method", "fold"])[metric].mean()
    order = unit.groupby("method").mean().sort_values(ascending=False)
    ax = _canvas.axes(ax, 430, 46 + 25 * len(order))
    for row, (method, mean) in enumerate(order.items()):
        color = palette.get(str(method), _palette.GREY)
        dots = unit[method].to_numpy()
        ax.scatter(dots, np.full(len(dots), row), s=16, color=color, alpha=0.45, linewidths=0, zorder=2)
        ax.scatter([mean], [row], s=62, color=color, edgecolor="white", linewidth=0.9, zorder=3)
        ax.annotate(f"{mean:.3f}", (1.01, row), xycoords=("axes fraction", "data"), va="center",
                    fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
    _canvas.dress(ax, grid="x", xlabel=f"{NAMES.get(metric, metric)}, mean over genes")
    _canvas.rows(ax, [_text.tick(str(method), 22) for method in order.index])
    if metric == "r2":
        low = float(unit.min())
        ax.axvline(0, color="#9AA0A8", linewidth=0.9, zorder=1)
        ax.set_xlim(left=max(low - 0.03, -0.6))
        if ceiling is not None:
            top = float(ceiling.r2.mean())
            ax.axvline(top, color=_palette.SOFT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
            ax.set_xlim(right=max(top + 0.03, ax.get_xlim()[1]))
    return ax


def field_genes(
    data: Any, *, metric: str = "r2", arm: str | None = None, ax: Axes | None = None,
    palette: Mapping[str, str] | None = None, ceiling: pd.DataFrame | None = None,
) -> Axes:  # fmt: skip
    """How a figure is spread over genes: share of the genes at or above each value, a line for each field.

    Parameters
    ----------
    data, metric, arm, ax, palette, ceiling
        As of :func:`field_units`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": "gp", "arm": "position alone", "fold": 0, "gene": list("ABC"),
    ...                       "r2": [0.1, 0.5, 0.6]})
    >>> field_genes(table).get_ylabel()
    '% of the genes'
    """
    table, arm = _mean_units(data, metric, arm)
    palette = palette or _palette.assign(sorted(table.method.astype(str).unique()))
    gene = table.groupby(["method", "gene"])[metric].mean()
    order = gene.groupby("method").mean().sort_values(ascending=False).index
    ax = _canvas.axes(ax, 430, 300)
    for method in order:
        values = np.sort(gene[method].to_numpy())[::-1]
        share = 100 * np.arange(1, len(values) + 1) / len(values)
        ax.step(values, share, where="post", color=palette.get(str(method), _palette.GREY), linewidth=1.6,
                label=_text.tick(str(method), 22))  # fmt: skip
    if metric == "r2" and ceiling is not None:
        values = np.sort(ceiling.r2.dropna().to_numpy())[::-1]
        ax.step(values, 100 * np.arange(1, len(values) + 1) / max(len(values), 1), where="post", color=_palette.SOFT,
                linewidth=1.2, linestyle=(0, (4, 3)), label="ceiling, regions")  # fmt: skip
    _canvas.dress(ax, grid="both", xlabel=f"{NAMES.get(metric, metric)} at held-out samples", ylabel="% of the genes")
    ax.set_ylim(0, 102)
    if metric == "r2":
        ax.set_xlim(left=max(float(gene.min()), -0.6))
    _canvas.legend(ax)
    return ax
