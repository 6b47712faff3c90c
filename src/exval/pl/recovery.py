"""Values that were hidden, against what was said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def recovered(data: Any, *, method: str | None = None, arm: str | None = None, span: tuple[float, float] | None = None,
              ax: Axes | None = None) -> Axes:  # fmt: skip
    """Recovered against true values, as hexagons coloured by how many entries fall into them.

    Parameters
    ----------
    data
        Results, result folder, or the table ``recovered`` with ``true, predicted`` in log1p(CP10k) and, where there
        is more than one, ``method`` and ``arm``.
    method, arm
        Draw only this method, this arm; default: all rows.
    span
        Ends of both axes, log1p(CP10k); default: what the rows need.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> ax = recovered(pd.DataFrame({"true": [0.0, 1.0, 2.0], "predicted": [0.1, 0.9, 1.7], "method": "low-rank"}))
    >>> ax.get_xlabel()
    'true, log1p(CP10k)'
    """
    import numpy as np

    table = _data.table(data, "recovered", ["true", "predicted"])
    for column, wanted in (("method", method), ("arm", arm)):
        if wanted is not None and column in table:
            table = table[table[column].astype(str) == wanted]
    table = _data.table(table[np.isfinite(table.true) & np.isfinite(table.predicted)], "recovered", [])
    ax = _canvas.axes(ax, 300, 300)
    span = span or reach(table)
    ax.hexbin(
        table.true, table.predicted.clip(*span), gridsize=28, extent=(*span, *span), mincnt=1, bins="log",
        cmap="viridis_r", linewidths=0.1, rasterized=True,
    )  # fmt: skip
    ax.plot(span, span, color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)))
    parts = [_text.tick(part, 24) for part in (method, arm) if part]
    title = ", ".join(parts)
    _canvas.dress(ax, xlabel="true, log1p(CP10k)", ylabel="recovered", title=title)
    ax.set(xlim=span, ylim=span, aspect="equal")
    return ax


def reach(table: pd.DataFrame) -> tuple[float, float]:
    """Ends of an axis that holds the true values and all but the wildest recovered ones.

    Examples
    --------
    >>> import pandas as pd
    >>> reach(pd.DataFrame({"true": [0.0, 2.0], "predicted": [0.0, 1.0]}))
    (-0.04, 2.04)
    """
    low = min(0.0, float(table.true.min()), float(table.predicted.quantile(0.001)))
    high = max(float(table.true.max()), float(table.predicted.quantile(0.999)), low + 1e-3)
    return low - 0.02 * (high - low), high + 0.02 * (high - low)
