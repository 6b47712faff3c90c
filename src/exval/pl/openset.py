"""Whether samples of a type that the reference does not hold are caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def unknown_types(data: Any, *, ax: Axes | None = None, top: int = 40) -> Axes:
    """Each type left out of the reference once: the share of its samples marked unsure, beside the false alarms.

    Parameters
    ----------
    data
        Results, result folder, or the table ``unknown_types`` with ``label, n, share_caught`` and, where known,
        ``false_unsure_share`` (share of the samples of the types that stayed that were marked unsure as well).
    ax
        Axes to draw on; default: those of a new figure.
    top
        Draw at most so many types, the most frequent first.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> left_out = {"label": ["a", "b"], "n": [30, 20], "share_caught": [0.9, 0.2], "false_unsure_share": 0.05}
    >>> unknown_types(pd.DataFrame(left_out)).get_xlabel()
    'share marked unsure'
    """
    table = _data.table(data, "unknown_types", ["label", "n", "share_caught"])
    table = table.sort_values("n", ascending=False, kind="stable").head(top)
    rows = range(len(table))
    ax = _canvas.axes(ax, 440, 70 + 20 * len(table))
    ax.barh(rows, table.share_caught, height=0.62, color="#7FB3D5", label="left-out type: caught")
    if "false_unsure_share" in table and table.false_unsure_share.notna().any():
        style = {"marker": "|", "s": 90, "linewidths": 2, "color": _palette.INK, "zorder": 4, "clip_on": False}
        ax.scatter(table.false_unsure_share, rows, label="types that stayed: false alarms", **style)
    _canvas.dress(ax, grid="x", xlabel="share marked unsure")
    _canvas.rows(ax, [_text.tick(name) for name in table.label])
    ax.set_xlim(0, 1)
    for row, n in zip(rows, table.n):
        ax.text(1.03, row, f"{int(n):,}", va="center", fontsize=_canvas.SMALL, color=_palette.SOFT,
                transform=ax.get_yaxis_transform())  # fmt: skip
    _canvas.legend(ax)
    return ax
