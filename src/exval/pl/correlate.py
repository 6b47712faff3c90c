"""A contrast and a list of genes: the null of their correlation, and the places behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NULLS = {"surrogate": "surrogate maps", "list": "random lists"}
BINS = 40


def correlate_null(
    data: Any, *, observed: float | None = None, kind: str = "surrogate", ax: Axes | None = None
) -> Axes:
    """What the correlation of the list would be by chance, and what it is.

    Parameters
    ----------
    data
        Results, result folder, or the table ``correlate_null`` with ``kind`` and ``r``.
    observed
        The correlation that was found; a line.
    kind
        ``surrogate`` (maps as smooth as the contrast) or ``list`` (lists of other genes).
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> correlate_null(pd.DataFrame({"kind": "surrogate", "r": [0.1, -0.2, 0.0]}), observed=0.4).get_ylabel()
    'surrogate maps'
    """
    table = _data.table(data, "correlate_null", ["kind", "r"])
    drawn = _data.table(table[table.kind == kind], "correlate_null", []).r.to_numpy()
    ax = _canvas.axes(ax, 430, 290)
    reach = 1.06 * max(np.abs(drawn).max(), abs(observed or 0.0), 0.05)
    ax.hist(drawn, bins=np.linspace(-reach, reach, BINS + 1), color=_palette.GREY, edgecolor="white", linewidth=0.5)
    ax.set_xlim(-reach, reach)
    ax.set_ylim(0, ax.get_ylim()[1] * 1.18)
    for edge in np.quantile(drawn, (0.025, 0.975)):
        ax.axvline(edge, color=_palette.SOFT, linewidth=1, linestyle=(0, (4, 3)))
    if observed is not None:
        ax.axvline(observed, color=_palette.ALARM, linewidth=2)
        right = observed <= 0
        ax.annotate(f"r {observed:.2f}".replace("-", "−"), (observed, 0.97), xycoords=("data", "axes fraction"),
                    ha="left" if right else "right", va="top", xytext=(6 if right else -6, 0),
                    textcoords="offset points", fontsize=_canvas.SMALL, color=_palette.ALARM,
                    bbox={"facecolor": "white", "alpha": 0.85, "pad": 1, "linewidth": 0})  # fmt: skip
    return _canvas.dress(ax, grid="y", xlabel="Pearson r with the mean of the list" if kind == "surrogate"
                         else "Pearson r with the contrast", ylabel=NULLS.get(kind, kind))  # fmt: skip


def correlate_places(data: Any, *, ax: Axes | None = None) -> Axes:
    """One dot for each sample or parcel: the contrast, and the mean of the list.

    Parameters
    ----------
    data
        Results, result folder, or the table ``correlate_places`` with ``contrast`` and ``list_mean``; samples of one
        donor take one colour where ``donor`` is told.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"contrast": [0.1, 0.2, 0.4], "list_mean": [1.0, 0.8, 2.0]})
    >>> correlate_places(table).get_ylabel()
    'mean of the list, sd of the genes'
    """
    table = _data.table(data, "correlate_places", ["contrast", "list_mean"])
    ax = _canvas.axes(ax, 430, 290)
    donors = sorted(set(table.donor.astype(str)) - {""}) if "donor" in table else []
    colours = _palette.assign(donors)
    dots = {"s": 22 if len(table) < 300 else 9, "alpha": 0.75 if len(table) < 300 else 0.5, "linewidths": 0}
    for name in donors if 0 < len(donors) <= 12 else [None]:
        part = table if name is None else table[table.donor.astype(str) == name]
        color = colours.get(str(name), _palette.BASE[0])
        ax.scatter(part.contrast, part.list_mean, color=color, rasterized=True, **dots)
        if name is not None:
            ax.scatter([], [], s=34, color=color, linewidths=0, label=_text.tick(name, 14))
    if np.ptp(table.contrast) > 0:
        ends = np.array([table.contrast.min(), table.contrast.max()])
        ax.plot(ends, np.polyval(np.polyfit(table.contrast, table.list_mean, 1), ends), color=_palette.INK,
                linewidth=1.4)  # fmt: skip
    _canvas.dress(ax, grid="both", xlabel="contrast", ylabel="mean of the list, sd of the genes")
    if donors:
        _canvas.legend(ax)
    return ax
