"""Fields: what is left unexplained at which distance, whether sds keep their word, and parcels from high to low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def field_variogram(data: Any, *, ax: Axes | None = None, palette: Mapping[str, str] | None = None) -> Axes:
    """Semivariance against distance, of what was measured and of errors, each with its fitted model as a line.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_variogram`` with ``what, distance, gamma, nugget, sill, length``;
        errors of a field are called ``errors of NAME``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"what": "measured", "distance": [5.0, 30.0], "gamma": [0.5, 0.9], "pairs": 100,
    ...                       "nugget": 0.3, "sill": 0.7, "length": 10.0})
    >>> field_variogram(table).get_xlabel()
    'distance, mm'
    """
    from exval.fields.kernels import matern

    table = _data.table(data, "field_variogram", ["what", "distance", "gamma", "nugget", "sill", "length"])
    ax = _canvas.axes(ax, 470, 310)
    others = list(_palette.BASE)
    for what, part in table.groupby("what", sort=False):
        method = str(what).removeprefix("errors of ")
        color = _palette.INK if method == what else (palette or {}).get(method) or others.pop(0)
        ax.scatter(part.distance, part.gamma, s=22, color=color, edgecolor="white", linewidth=0.6, zorder=3,
                   label=_text.tick(str(what), 34))  # fmt: skip
        d = np.linspace(0, float(part.distance.max()), 200)
        one = part.iloc[0]
        ax.plot(d, one.nugget + one.sill * (1 - matern(d, one.length, 0.5)), color=color, linewidth=1.3, alpha=0.8)
    ax.axhline(1, color="#9AA0A8", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    _canvas.dress(ax, grid="both", xlabel="distance, mm", ylabel="semivariance, variances of the gene")
    ax.set(xlim=(0, None), ylim=(0, None))
    _canvas.legend(ax)
    return ax


def field_coverage(
    data: Any, *, arm: str | None = None, ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """Share of measured values inside an interval against the share promised, a line for each field with an sd.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_coverage`` with ``method, arm, nominal, actual``.
    arm
        What was told of the places; default: the first.
    ax, palette
        As of :func:`field_variogram`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": "gp", "arm": "a", "nominal": [0.5, 0.9], "actual": [0.52, 0.91]})
    >>> field_coverage(table).get_ylabel()
    '% that lie inside'
    """
    table = _data.table(data, "field_coverage", ["method", "arm", "nominal", "actual"])
    ax = _canvas.axes(ax, 430, 330)
    _diagonal(ax, 0, 100)
    for method, part, color in _lines(table, arm, palette):
        ax.plot(100 * part.nominal, 100 * part.actual, color=color, linewidth=1.6, label=_text.tick(method, 22))
    _canvas.dress(ax, grid="both", xlabel="% promised by the interval", ylabel="% that lie inside")
    ax.set(xlim=(0, 100), ylim=(0, 100))
    _canvas.legend(ax)
    return ax


def field_deciles(
    data: Any, *, arm: str | None = None, ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """Error against sd in tenths of the answers by their sd, a line for each field with an sd.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_deciles`` with ``method, arm, decile, sd, error``, both in standard
        deviations of the gene.
    arm, ax, palette
        As of :func:`field_coverage`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": "gp", "arm": "a", "decile": [1, 2], "sd": [0.5, 0.9], "error": [0.5, 1.0]})
    >>> field_deciles(table).get_xlabel()
    'sd told, sds of the gene'
    """
    table = _data.table(data, "field_deciles", ["method", "arm", "decile", "sd", "error"])
    ax = _canvas.axes(ax, 430, 330)
    lines = list(_lines(table, arm, palette))
    every = np.concatenate([part[["sd", "error"]].to_numpy().ravel() for _, part, _ in lines])
    low, high = max(float(every.min()) - 0.05, 0.0), float(every.max()) + 0.05
    _diagonal(ax, low, high)
    for method, part, color in lines:
        part = part.sort_values("decile")
        ax.plot(part.sd, part.error, color=color, linewidth=1.3, marker="o", markersize=4.5, markeredgecolor="white",
                markeredgewidth=0.5, label=_text.tick(method, 22))  # fmt: skip
    _canvas.dress(ax, grid="both", xlabel="sd told, sds of the gene", ylabel="error made, sds of the gene")
    ax.set(xlim=(low, high), ylim=(low, high))
    _canvas.legend(ax)
    return ax


def _lines(table, arm: str | None, palette: Mapping[str, str] | None):
    arm = arm or str(table.arm.iloc[0])
    here = _data.table(table[table.arm.astype(str) == arm], "", [])
    palette = palette or _palette.assign(sorted(here.method.astype(str).unique()))
    for method, part in here.groupby(here.method.astype(str), sort=False):
        yield method, part, palette.get(method, _palette.GREY)


def _diagonal(ax: Axes, low: float, high: float) -> None:
    ax.plot([low, high], [low, high], color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def parcels(data: Any, gene: str, *, most: int = 12, unit: str = "", ax: Axes | None = None) -> Axes:
    """The highest and the lowest parcels of a gene, each with one sd of a measurement on either side.

    Parameters
    ----------
    data
        Table ``map_parcels`` of a folder of maps: ``gene, parcel, mean, sd``.
    gene
        Which.
    most
        Parcels at either end.
    unit
        Of the values.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"gene": "GFAP", "parcel": ["1", "2"], "mean": [5.0, 6.0], "sd": 0.5})
    >>> [text.get_text() for text in parcels(table, "GFAP").get_yticklabels()]
    ['2', '1']
    """
    table = _data.table(data, "map_parcels", ["gene", "parcel", "mean", "sd"])
    table = _data.table(table[table.gene == gene], "map_parcels", []).sort_values("mean", ascending=False)
    cut = len(table) > 2 * most
    names = list(table.parcel.astype(str))
    if cut:
        names = [*names[:most], f"{len(table) - 2 * most} between", *names[-most:]]
        shown = list(table.head(most).itertuples()) + [None] + list(table.tail(most).itertuples())
    else:
        shown = list(table.itertuples())
    ax = _canvas.axes(ax, 430, 46 + 19 * len(shown))
    for row, entry in enumerate(shown):
        if entry is None:
            continue
        if entry.sd == entry.sd:
            ax.plot([entry.mean - entry.sd, entry.mean + entry.sd], [row, row], color=_palette.BASE[0], linewidth=1.8,
                    alpha=0.3, solid_capstyle="round")  # fmt: skip
        ax.plot([entry.mean], [row], "o", color=_palette.BASE[0], markersize=6, markeredgecolor="white")
    _canvas.dress(ax, grid="x", xlabel=_text.tick(gene, 30) + (f", {unit}" if unit else ""))
    _canvas.rows(ax, [_text.tick(name, 26) for name in names])
    return ax
