"""Values that were not measured: how far off restored ones are, whether their sds hold, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {
    "random": "% of the values hidden at random",
    "genes": "% of the genes hidden",
    "low": "% hidden, low values first",
}


def completion_error(
    data: Any, *, kind: str = "random", ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """RMSE against the share that is hidden, one line for each method, with 95 % intervals.

    Parameters
    ----------
    data
        Results, result folder, or the rows of ``results.parquet`` with slices such as ``arm=random 50 %``.
    kind
        ``random``, ``genes`` or ``low``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Nothing of this kind was hidden.

    Examples
    --------
    >>> from exval.bench.results import make_rows
    >>> rows = make_rows([{"method": "ppca", "slice": f"arm=random {s} %", "metric": "rmse", "value": v}
    ...                   for s, v in ((10, 0.6), (90, 0.7))])
    >>> completion_error(rows).get_xlabel()
    '% of the values hidden at random'
    """
    rows = _data.table(data, "rows", ["method", "slice", "metric", "value", "lo", "hi", "fold", "status"])
    shares = rows["slice"].astype(str).str.extract(rf"^arm={kind} ([\d.]+) %$")[0].astype(float)
    kept = rows.assign(share=shares)[shares.notna() & (rows.metric == "rmse") & (rows.fold == -1)]
    kept = _data.table(kept[(kept.status == "ok") & kept.value.notna()], "rows", [])
    palette = palette or _palette.assign(sorted(rows.method.astype(str).unique()))
    ax = _canvas.axes(ax, 430, 300)
    for method, part in kept.groupby(kept.method.astype(str), sort=False):
        part, color = part.sort_values("share"), palette.get(method, _palette.GREY)
        ax.plot(part.share, part.value, color=color, linewidth=1.7, marker="o", markersize=5.5, zorder=3,
                markeredgecolor="white", markeredgewidth=0.7, label=_text.tick(method, 22))  # fmt: skip
        if part.lo.notna().all():
            ax.fill_between(part.share, part.lo, part.hi, color=color, alpha=0.16, linewidth=0, zorder=2)
    _canvas.dress(ax, grid="y", xlabel=KINDS.get(kind, kind), ylabel="RMSE, sds of the gene")
    ax.set_xticks(sorted(kept.share.unique()))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(0, float(kept[["value", "hi"]].max().max()) * 1.07)
    ax.margins(x=0.06)
    _canvas.legend(ax)
    return ax


def completion_coverage(
    data: Any, *, arm: str | None = None, ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """Share of the hidden values inside the intervals of each level, one line for each method that gives an sd.

    On the diagonal an interval holds what it promises. Below it the sds are too small, above it too large.

    Parameters
    ----------
    data
        Results, result folder, or the table ``completion_calibration`` with ``method, arm, level, inside, n``.
    arm
        Which way of hiding, e.g. ``"random 50 %"``; default: the first.
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
    >>> table = pd.DataFrame({"method": "ppca", "arm": "random 50 %", "level": [50, 95], "inside": [48, 94], "n": 100})
    >>> completion_coverage(table).get_ylabel()
    '% inside'
    """
    table = _data.table(data, "completion_calibration", ["method", "arm", "level", "inside", "n"])
    arm = arm or str(table.arm.iloc[0])
    palette = palette or _palette.assign(sorted(table.method.astype(str).unique()))
    table = _data.table(table[(table.arm.astype(str) == arm) & (table.n > 0)], "completion_calibration", [])
    ax = _canvas.axes(ax, 330, 330)
    ax.plot([0, 100], [0, 100], color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for method, part in table.groupby(table.method.astype(str), sort=False):
        part = part.sort_values("level")
        ax.plot(part.level, 100 * part.inside / part.n, color=palette.get(method, _palette.GREY), linewidth=1.7,
                marker="o", markersize=4.5, markeredgecolor="white", markeredgewidth=0.6, zorder=3,
                label=_text.tick(method, 22))  # fmt: skip
    _canvas.dress(ax, grid="both", xlabel="level of the interval, %", ylabel="% inside")
    ax.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
    ax.set_xticks([0, 25, 50, 80, 95])
    ax.set_yticks([0, 25, 50, 80, 95])
    _canvas.legend(ax)
    return ax


def gene_errors(
    data: Any, *, arm: str | None = None, ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """How the RMSE is spread over genes: one step line for each method.

    Parameters
    ----------
    data
        Results, result folder, or the table ``completion_genes`` with ``method, arm, gene, rmse``.
    arm
        Which way of hiding; default: the first.
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
    >>> genes = pd.DataFrame({"method": "ppca", "arm": "random 10 %", "gene": ["A", "B"], "rmse": [0.4, 0.9]})
    >>> gene_errors(genes).get_ylabel()
    'genes'
    """
    import numpy as np

    table = _data.table(data, "completion_genes", ["method", "arm", "gene", "rmse"])
    arm = arm or str(table.arm.iloc[0])
    palette = palette or _palette.assign(sorted(table.method.astype(str).unique()))
    table = _data.table(table[(table.arm.astype(str) == arm) & table.rmse.notna()], "completion_genes", [])
    ax = _canvas.axes(ax, 430, 300)
    top = float(np.clip(table.rmse.quantile(0.99) * 1.15, 0.3, 5.0))
    edges = np.linspace(0, top, 41)
    for method, part in table.groupby(table.method.astype(str), sort=False):
        color = palette.get(method, _palette.GREY)
        counts = np.histogram(part.rmse.clip(upper=top - 1e-9), edges)[0]
        ax.stairs(counts, edges, color=color, linewidth=1.5, label=_text.tick(method, 22), zorder=3)
        ax.stairs(counts, edges, color=color, alpha=0.14, fill=True, linewidth=0, zorder=2)
    _canvas.dress(ax, grid="y", xlabel="RMSE of a gene, in its sds (last bar: and more)", ylabel="genes")
    ax.set_xlim(0, top)
    _canvas.legend(ax)
    return ax


def missing_map(data: Any, *, ax: Axes | None = None) -> Axes:
    """What was measured: samples x genes, both sorted by their share, as the share measured of each block.

    Parameters
    ----------
    data
        Results, result folder, or the table ``missing_map`` with ``sample, gene, measured`` (the number of the block
        and the share measured in it, 0 to 1).
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> blocks = pd.DataFrame({"sample": [0, 0], "gene": [0, 1], "measured": [1.0, 0.5]})
    >>> missing_map(blocks).get_xlabel()
    'genes, most often measured first'
    """
    from matplotlib.colors import LinearSegmentedColormap

    table = _data.table(data, "missing_map", ["sample", "gene", "measured"])
    blocks = table.pivot_table("measured", "sample", "gene").to_numpy()
    ax = _canvas.axes(ax, 470, 270)
    colours = LinearSegmentedColormap.from_list("measured", ["#C4421A", "#F3E9DC", "#0072B2"])
    drawn = ax.imshow(100 * blocks, aspect="auto", interpolation="nearest", cmap=colours, vmin=0, vmax=100)
    _canvas.dress(ax, xlabel="genes, most often measured first", ylabel="samples, most complete first")
    ax.set(xticks=[], yticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.045, pad=0.02, ticks=[0, 50, 100])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=9, length=0)
    bar.set_label("% measured", fontsize=9)
    return ax
