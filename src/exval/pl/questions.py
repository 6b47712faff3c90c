"""Figures of the benchmark of patients: a curve over sizes, and dots of several methods beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def by_size(
    data: Any, *, kind: str = "classify-random", ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """A figure against the size that ends the task's name (genes known, per cent hidden), one line for each method.

    Parameters
    ----------
    data
        Results, result folder, or the table ``differences`` with ``task, method, metric, value``.
    kind
        Beginning of the tasks: ``classify-random``, ``classify-chosen``, ``restore-random``, ``restore-genes``.
    ax, palette
        As in :func:`exval.pl.concordance`.

    Raises
    ------
    InputError
        No task begins so.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("logreg", 4, 0.7), ("logreg", 16, 0.86)]
    >>> table = pd.DataFrame([{"task": f"classify-random-{k}", "method": m, "metric": "accuracy", "value": v}
    ...                       for m, k, v in rows])
    >>> by_size(table).get_xscale()
    'log'
    """
    table = _data.table(data, "differences", ["task", "method", "metric", "value"])
    size = table.task.astype(str).str.extract(rf"^{kind}-(\d+)$")[0].astype(float)
    table = _data.table(table.assign(size=size)[size.notna() & table.value.notna()], "differences", [])
    palette = palette or _palette.assign(sorted(table.method.astype(str).unique()))
    ax = _canvas.axes(ax, 430, 300)
    for method, part in table.groupby(table.method.astype(str), sort=False):
        part = part.sort_values("size")
        ax.plot(part["size"], part.value, color=palette.get(method, _palette.GREY), linewidth=1.7, marker="o",
                markersize=5, markeredgecolor="white", markeredgewidth=0.7, label=_text.tick(method, 24))  # fmt: skip
    genes = kind.startswith("classify")
    metric = {"accuracy": "accuracy", "rmse": "RMSE, sds of the gene"}.get(str(table.metric.iloc[0]), "")
    what = {"random": "random genes", "chosen": "genes chosen in training"}.get(kind.rpartition("-")[2], "genes")
    _canvas.dress(ax, grid="y", xlabel=what if genes else "% hidden", ylabel=metric)
    if genes:
        ax.set_xscale("log", base=2)
    ax.set_xticks(sorted(table["size"].unique()))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.minorticks_off()
    ax.margins(x=0.06)
    _canvas.legend(ax)
    return ax


def anchors(data: Any, *, ax: Axes | None = None) -> Axes:
    """C of each way of treating anchor genes, one colour for each cohort, dashed at chance.

    Parameters
    ----------
    data
        Results, result folder, or the table ``differences`` with ``task, data, method, value``.
    ax
        Axes to draw on.

    Examples
    --------
    >>> import pandas as pd
    >>> values = {"method": ["measured", "absent"], "value": [0.61, 0.6]}
    >>> table = pd.DataFrame({"task": "anchors", "data": "blca", **values})
    >>> anchors(table).get_xlabel()
    "Harrell's C"
    """
    table = _data.table(data, "differences", ["task", "data", "method", "value"])
    table = _data.table(table[(table.task == "anchors") & table.value.notna()], "differences", [])
    order = table.groupby("method").value.mean().sort_values(ascending=False).index.tolist()
    palette = _palette.assign(list(dict.fromkeys(table.data.astype(str))))
    ax = _canvas.axes(ax, 540, 80 + 27 * len(order))
    ax.axvline(0.5, color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for cohort, part in table.groupby(table.data.astype(str), sort=False):
        places = [order.index(name) for name in part.method]
        ax.plot(part.value, places, "o", color=palette[cohort], markersize=7, markeredgecolor="white",
                markeredgewidth=0.8, label=_text.tick(cohort, 20))  # fmt: skip
    _canvas.dress(ax, grid="x", xlabel="Harrell's C")
    _canvas.rows(ax, [_text.tick(name, 36) for name in order])
    ax.margins(x=0.08)
    _canvas.legend(ax)
    return ax
