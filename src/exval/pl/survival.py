"""Patients and time: who lives how long, how well that was foretold, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUPS = {"low": "#0072B2", "middle": "#7A6A9B", "high": "#D55E00", "all": "#5E646E"}
RATIOS = ((0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20), (0.25, 0.5, 0.7, 1, 1.4, 2, 4), (0.6, 0.8, 0.9, 1, 1.1, 1.25, 1.6))
OVER_TIME = {"auc": "AUC at that time", "brier": "Brier score at that time"}


def concordance(data: Any, *, ax: Axes | None = None, palette: Mapping[str, str] | None = None) -> Axes:
    """Harrell's C of each method with its interval, best on top; dashed at 0.5, a thin line at the reference.

    Parameters
    ----------
    data
        Results, result folder, or the table ``survival_table`` with ``method, c, lo, hi, standing``.
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
    >>> table = pd.DataFrame({"method": ["cox"], "c": [0.6], "lo": [0.55], "hi": [0.65], "standing": ["reference"]})
    >>> concordance(table).get_xlabel()
    "Harrell's C"
    """
    table = _data.table(data, "survival_table", ["method", "c", "lo", "hi", "standing"])
    table = _data.table(table[table.c.notna()].sort_values("c", ascending=False, kind="stable"), "survival_table", [])
    palette = palette or _palette.assign(sorted(table.method.astype(str)))
    ax = _canvas.axes(ax, 470, 60 + 27 * len(table))
    ax.axvline(0.5, color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    base = table[table.standing == "reference"]
    if len(base):
        ax.axvline(float(base.c.iloc[0]), color=_palette.INK, linewidth=0.8, alpha=0.5, zorder=1)
    for row, entry in enumerate(table.itertuples()):
        color = palette.get(str(entry.method), _palette.GREY)
        if entry.lo == entry.lo and entry.hi > entry.lo:
            ax.plot([entry.lo, entry.hi], [row, row], color=color, linewidth=2.2, solid_capstyle="round", alpha=0.55)
        ax.plot([entry.c], [row], "o", color=color, markersize=7, markeredgecolor="white", markeredgewidth=0.8)
        ax.annotate(f"{entry.c:.3f}", (1.03, row), xycoords=("axes fraction", "data"), va="center",
                    fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
    _canvas.dress(ax, grid="x", xlabel="Harrell's C")
    _canvas.rows(ax, [_text.tick(name) for name in table.method])
    ax.margins(x=0.08)
    return ax


def kaplan_meier(
    data: Any,
    *,
    method: str | None = None,
    name: str = "km",
    p: float | None = None,
    unit: str = "time",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Kaplan-Meier curves by group of risk with their 95 % bands, and how many patients are still at risk.

    Parameters
    ----------
    data
        Results, result folder, or a table with ``method, group, time, survival, lo, hi, at_risk``.
    method
        Whose groups; default: the first of the table.
    name
        ``"km"`` or ``"external_km"``.
    p
        Of the log-rank test, written into the figure.
    unit
        What the axis of time is called.
    title
        Above the axes.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": "cox", "group": "low", "time": [0.0, 2.0], "survival": [1.0, 0.5],
    ...                       "lo": [1.0, 0.1], "hi": [1.0, 0.9], "at_risk": [2, 2]})
    >>> kaplan_meier(table).get_ylabel()
    'without the event'
    """
    table = _data.table(data, name, ["method", "group", "time", "survival", "lo", "hi", "at_risk"])
    method = str(table.method.iloc[0]) if method is None else method
    table = table[table.method == method]
    if not len(table):
        raise InputError(f"there are no curves of {method!r} in the table {name!r}")
    names = [one for one in GROUPS if one in set(table.group)] + [
        one for one in dict.fromkeys(table.group) if one not in GROUPS
    ]
    ax = _canvas.axes(ax, 430, 320)
    last = float(table.time.max())
    for group in names:
        own = table[table.group == group].sort_values("time", kind="stable")
        color = GROUPS.get(group, _palette.GREY)
        ax.fill_between(own.time, own.lo, own.hi, step="post", color=color, alpha=0.14, linewidth=0)
        ax.step(own.time, own.survival, where="post", color=color, linewidth=1.8, label=f"{_text.tick(group)} risk")
    _canvas.dress(ax, grid="y", xlabel=_text.tick(unit), ylabel="without the event",
                  title=_text.tick(title, 60) if title else "")  # fmt: skip
    ax.set_xlim(0, last * 1.01)
    ax.set_ylim(0, 1.02)
    if p is not None and p == p:
        said = f"log-rank p = {p:.2g}" if p >= 1e-4 else "log-rank p < 0.0001"
        ax.annotate(said, (0.98, 0.95), xycoords="axes fraction", ha="right", va="top", fontsize=_canvas.SMALL,
                    color=_palette.INK)  # fmt: skip
    if not title:
        _canvas.legend(ax)
    else:
        ax.legend(loc="lower left", frameon=False, fontsize=_canvas.SMALL, labelcolor=_palette.INK)
    _at_risk(ax, table, names, last)
    return ax


def _at_risk(ax: Axes, table: pd.DataFrame, names: Sequence[str], last: float) -> None:
    """Numbers of patients still followed, below the axis, in the colours of their curves."""
    import numpy as np

    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= last * 1.005]
    ax.set_xticks(ticks)
    for i, group in enumerate(names):
        own = table[table.group == group].sort_values("time", kind="stable")
        time, at_risk = own.time.to_numpy(), own.at_risk.to_numpy()
        for tick in ticks:
            later = np.flatnonzero(time >= tick) if tick > 0 else np.array([0])
            number = int(at_risk[later[0]]) if len(later) else 0
            ax.annotate(f"{number}", (tick, 0), xycoords=("data", "axes fraction"), xytext=(0, -47 - 13 * i),
                        textcoords="offset points", ha="center", va="center", fontsize=_canvas.SMALL,
                        color=GROUPS.get(group, _palette.GREY), annotation_clip=False)  # fmt: skip
    ax.annotate("at risk", (0, 0), xycoords="axes fraction", xytext=(-22, -47), textcoords="offset points", ha="right",
                va="center", fontsize=_canvas.SMALL, color=_palette.SOFT, annotation_clip=False)  # fmt: skip


def over_time(
    data: Any,
    *,
    what: str = "auc",
    methods: Sequence[str] | None = None,
    unit: str = "time",
    name: str = "over_time",
    ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
) -> Axes:
    """AUC or Brier score of each method along the follow-up.

    Parameters
    ----------
    data
        Results, result folder, or a table with ``method, time, auc, brier``.
    what
        ``"auc"`` (higher is better) or ``"brier"`` (lower is better).
    methods
        Which of them; default: all.
    unit
        What the axis of time is called.
    name
        ``"over_time"`` or ``"external_over_time"``.
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
    >>> table = pd.DataFrame({"method": "cox", "time": [1.0, 2.0], "auc": [0.6, 0.7], "brier": [0.1, 0.2]})
    >>> over_time(table, what="brier").get_ylabel()
    'Brier score at that time'
    """
    if what not in OVER_TIME:
        raise InputError(f"over time there are {' and '.join(OVER_TIME)}, not {what!r}")
    table = _data.table(data, name, ["method", "time", what])
    table = _data.table(table.dropna(subset=[what]), name, [])
    names = [one for one in dict.fromkeys(table.method.astype(str)) if methods is None or one in methods]
    palette = palette or _palette.assign(sorted(set(table.method.astype(str))))
    ax = _canvas.axes(ax, 430, 300)
    if what == "auc":
        ax.axhline(0.5, color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for method in names:
        if what == "auc" and method in _palette.CONTROLS:
            continue  # the same risk for everybody: 0.5 throughout
        own = table[table.method == method]
        dashed = (0, (5, 2)) if method in _palette.CONTROLS else "-"
        ax.plot(own.time, own[what], color=palette.get(method, _palette.GREY), linewidth=1.7, linestyle=dashed,
                label=_text.tick(method, 22))  # fmt: skip
    _canvas.dress(ax, grid="y", xlabel=_text.tick(unit), ylabel=OVER_TIME[what])
    _canvas.legend(ax)
    return ax


def null_panels(data: Any, *, ax: Axes | None = None) -> Axes:
    """C of random panels of genes, and where the panel asked about lies among them.

    Parameters
    ----------
    data
        Results, result folder, or the table ``null_panels`` with ``kind`` (panel, random) and ``c``.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> null_panels(pd.DataFrame({"kind": ["panel", "random", "random"], "c": [0.6, 0.5, 0.55]})).get_ylabel()
    'random panels'
    """
    import numpy as np

    table = _data.table(data, "null_panels", ["kind", "c"])
    drawn = _data.table(table[table.kind == "random"], "null_panels", []).c.to_numpy()
    own = table.c[table.kind == "panel"]
    ax = _canvas.axes(ax, 430, 270)
    ax.hist(drawn, bins=min(40, max(8, len(drawn) // 25)), color=_palette.GREY, edgecolor="white", linewidth=0.5)
    ax.set_ylim(0, ax.get_ylim()[1] * 1.14)
    edge = float(np.quantile(drawn, 0.95))
    ax.axvline(edge, color=_palette.SOFT, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate("95 %", (edge, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", xytext=(0, 2),
                textcoords="offset points", fontsize=_canvas.SMALL, color=_palette.SOFT)  # fmt: skip
    if len(own):
        value = float(own.iloc[0])
        ax.axvline(value, color=_palette.ALARM, linewidth=2)
        side = "right" if value > np.median(drawn) else "left"
        box = {"facecolor": "white", "alpha": 0.85, "pad": 1, "linewidth": 0}
        ax.annotate(f"this panel {value:.3f}", (value, 0.98), xycoords=("data", "axes fraction"), ha=side, va="top",
                    xytext=(-6 if side == "right" else 6, 0), textcoords="offset points", fontsize=_canvas.SMALL,
                    color=_palette.ALARM, bbox=box)  # fmt: skip
    _canvas.dress(ax, grid="y", xlabel="Harrell's C", ylabel="random panels")
    return ax


def hazard_ratios(
    data: Any, *, method: str | None = None, kind: str | None = None, n: int = 20, ax: Axes | None = None
) -> Axes:
    """Hazard ratios of the clinical columns, with intervals where they are known, and of the genes that weigh most.

    Parameters
    ----------
    data
        Results, result folder, or the table ``features`` with ``method, name, kind, hazard_ratio, lo, hi``.
    method
        Whose; default: the first of the table.
    kind
        ``"gene"`` or ``"clinical"``: genes of a dense model weigh so little each that they need an axis of their own.
    n
        At most so many rows.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": "cox", "name": ["TP53"], "kind": "gene", "hazard_ratio": [1.2],
    ...                       "lo": [float("nan")], "hi": [float("nan")]})
    >>> hazard_ratios(table).get_xlabel()
    'hazard ratio'
    """
    table = _data.table(data, "features", ["method", "name", "kind", "hazard_ratio", "lo", "hi"])
    method = str(table.method.iloc[0]) if method is None else method
    table = table[(table.method == method) & ((table.kind == kind) if kind else True)]
    table = _data.table(table.head(n), "features", [])
    ax = _canvas.axes(ax, 400, 56 + 20 * len(table))
    ax.axvline(1.0, color="#9AA0A8", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row, entry in enumerate(table.itertuples()):
        color = GROUPS["high"] if entry.hazard_ratio > 1 else GROUPS["low"]
        if entry.lo == entry.lo and entry.hi == entry.hi:
            ax.plot([entry.lo, entry.hi], [row, row], color=color, linewidth=1.8, alpha=0.55, solid_capstyle="round")
        marker = "s" if entry.kind == "clinical" else "o"
        ax.plot([entry.hazard_ratio], [row], marker, color=color, markersize=6, markeredgecolor="white",
                markeredgewidth=0.7)  # fmt: skip
    ax.set_xscale("log")
    _canvas.dress(ax, grid="x", xlabel="hazard ratio")
    _ratio_ticks(ax)
    _canvas.rows(ax, [_text.tick(name, 24) for name in table.name])
    return ax


def _ratio_ticks(ax: Axes) -> None:
    """Ratios as people write them; of a narrow range, what divides it evenly."""
    from matplotlib.ticker import MaxNLocator

    ax.margins(x=0.08)
    low, high = ax.get_xlim()
    found = [[tick for tick in step if low <= tick <= high] for step in RATIOS]
    even = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    ticks = next((some for some in found if len(some) >= 3), even)
    ax.set_xticks(ticks, [f"{tick:.5g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(low, high)
