"""Whether a score of 0.9 is right nine times in ten, and which scores count as unsure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 5


def reliability(
    data: Any, *, ax: Axes | None = None, palette: Mapping[str, str] | None = None, methods: int = 6
) -> Axes:
    """Reliability curve: share of right names against the score, one line for each method.

    Points on the diagonal keep their word; below it, the method is surer than it is right. The area of a point grows
    with the samples in its bin; bins of fewer than five are left out.

    Parameters
    ----------
    data
        Results, result folder, or the table ``reliability`` with ``method, confidence, accuracy, n``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.
    methods
        Draw at most so many methods, in the order of the table; controls (majority, depth) are left out where two
        others are there.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> bins = pd.DataFrame({"method": "pca", "confidence": [0.6, 0.9], "accuracy": [0.5, 0.95], "n": [10, 90]})
    >>> reliability(bins).get_ylabel()
    'share that is right'
    """
    import numpy as np

    table = _data.table(data, "reliability", ["method", "confidence", "accuracy", "n"])
    table = _data.table(
        table[table.n >= min(FEWEST, table.n.max())].dropna(subset=["confidence", "accuracy"]), "reliability", []
    )
    names = list(dict.fromkeys(table.method.astype(str)))
    palette = palette or _palette.assign(sorted(names))
    names = _palette.contenders(names)
    ax = _canvas.axes(ax, 400, 370)
    ax.plot([0, 1], [0, 1], color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for method in names[:methods]:
        bins = table[table.method.astype(str) == method].sort_values("confidence")
        color = palette.get(method, _palette.GREY)
        ax.plot(bins.confidence, bins.accuracy, color=color, linewidth=1.5, label=_text.tick(method, 22), zorder=2)
        area = 14 + 70 * np.sqrt(bins.n / table.n.max())
        ax.scatter(bins.confidence, bins.accuracy, s=area, color=color, edgecolors="white", linewidths=0.6, zorder=3)
    _canvas.dress(ax, grid="both", xlabel="score given", ylabel="share that is right")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_yticks(np.linspace(0, 1, 6))
    _canvas.legend(ax)
    return ax


def scores(data: Any, *, threshold: float | None = None, ax: Axes | None = None) -> Axes:
    """How sure the method was: histogram of the winning score, in the reference and in the file that was annotated.

    Parameters
    ----------
    data
        Results, result folder, or the table ``scores`` with ``bin_lo, bin_hi, n, kind``.
    threshold
        Score below which a sample is marked unsure; drawn as a line.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> bins = pd.DataFrame({"bin_lo": [0.0, 0.5], "bin_hi": [0.5, 1.0], "n": [3, 7], "kind": "query"})
    >>> scores(bins, threshold=0.5).get_xlabel()
    'score of the best class'
    """
    table = _data.table(data, "scores", ["bin_lo", "bin_hi", "n", "kind"])
    ax = _canvas.axes(ax, 420, 280)
    kinds = {"reference": (_palette.GREY, "held-out reference"), "query": (_palette.BASE[0], "this file")}
    for kind in sorted(table.kind.astype(str).unique(), key=lambda name: (name != "reference", name)):
        bins = table[table.kind.astype(str) == kind].sort_values("bin_lo")
        color, text = kinds.get(kind, (_palette.BASE[1], _text.tick(kind)))
        share = 100 * bins.n / max(bins.n.sum(), 1)
        edges = [*bins.bin_lo, bins.bin_hi.iloc[-1]]
        ax.stairs(share, edges, color=color, linewidth=1.6, label=text, fill=False, zorder=3)
        ax.stairs(share, edges, color=color, alpha=0.22, fill=True, linewidth=0, zorder=2)
    _canvas.dress(ax, grid="y", xlabel="score of the best class", ylabel="% of samples")
    if threshold is not None:
        ax.axvline(threshold, color=_palette.ALARM, linewidth=1.3, zorder=4)
        side, shift = ("right", -5) if threshold > 0.5 else ("left", 5)
        ax.annotate(f"unsure below {threshold:.2f}", (threshold, 0.97), xycoords=("data", "axes fraction"), ha=side,
                    va="top", xytext=(shift, 0), textcoords="offset points", fontsize=_canvas.SMALL,
                    color=_palette.ALARM, zorder=5,
                    bbox={"facecolor": "white", "alpha": 0.85, "pad": 1, "linewidth": 0})  # fmt: skip
    ax.set_xlim(float(table.bin_lo.min()), float(table.bin_hi.max()))
    _canvas.legend(ax)
    return ax
