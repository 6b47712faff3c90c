"""Mean ranks of many methods: with intervals, as a critical difference diagram, and against their cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.pl import _canvas, _data, _names, _palette, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_DOTS = 6


def _of(data: Any, name: str, scope: str, columns: Sequence[str]) -> pd.DataFrame:
    table = _data.table(data, name, columns)
    return _data.table(table[table["scope"] == scope] if "scope" in table else table, name, [])


def _also(data: Any, name: str, scope: str, columns: Sequence[str]) -> pd.DataFrame | None:
    """A further table of the same results, where there is one."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return None
    try:
        return _of(data, name, scope, columns)
    except InputError:
        return None


def _cd(data: Any, scope: str, cd: float | None) -> float:
    """The critical difference that was given, or that of the results; NaN where there is none."""
    if cd is not None:
        return float(cd)
    tests = _also(data, "rank_tests", scope, ["scope", "cd"])
    return float("nan") if tests is None else float(tests.cd.iloc[0])


def mean_ranks(
    data: Any, *, scope: str = "all", cd: float | None = None, ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
) -> Axes:  # fmt: skip
    """Mean rank of each method with its interval, best on top; without intervals a mark for each data set.

    The shaded band reaches from the best mean rank over the critical difference: methods in it cannot be told from the
    best.

    Parameters
    ----------
    data
        Results of a benchmark, their folder, or the table ``ranks`` with ``method, mean_rank, lo, hi``.
    scope
        A task, or ``"all"``.
    cd
        Critical difference; default: that of the results.
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
    >>> table = pd.DataFrame({"method": ["a", "b"], "mean_rank": [1.2, 1.8], "lo": [1.0, 1.6], "hi": [1.4, 2.0]})
    >>> mean_ranks(table).get_xlabel()
    'mean rank, 1 is best'
    """
    table = _of(data, "ranks", scope, ["method", "mean_rank", "lo", "hi"]).sort_values("mean_rank", kind="stable")
    palette = palette or _palette.assign(sorted(table.method.astype(str)))
    cd = _cd(data, scope, cd)
    dots = _also(data, "rank_cases", scope, ["scope", "method", "rank"])
    if dots is not None and (table.lo.notna().any() or dots.groupby("method").size().max() > MOST_DOTS):
        dots = None
    ax = _canvas.axes(ax, 470, 64 + 21 * len(table))
    best = float(table.mean_rank.min())
    if math.isfinite(cd):
        ax.axvspan(best, best + cd, color="#0B5A94", alpha=0.07, linewidth=0)
    for row, entry in enumerate(table.to_dict("records")):
        color = palette.get(str(entry["method"]), _palette.GREY)
        if entry["lo"] == entry["lo"]:
            ax.plot([entry["lo"], entry["hi"]], [row, row], color=color, linewidth=2.2, solid_capstyle="round",
                    alpha=0.55)  # fmt: skip
        if dots is not None:
            its = dots["rank"][dots.method.astype(str) == str(entry["method"])]
            ax.plot(its, [row] * len(its), "o", color=color, markersize=4, alpha=0.5, markeredgewidth=0)
        ax.plot([entry["mean_rank"]], [row], "o", color=color, markersize=7, markeredgecolor="white",
                markeredgewidth=0.8, zorder=3)  # fmt: skip
        said = [(f"{entry['mean_rank']:.1f}", 10, _palette.INK)]
        if entry.get("failed"):
            said.append((f"{int(entry['failed'])} failed", 46, _palette.ALARM))
        for text, dx, ink in said:
            ax.annotate(text, (1.0, row), xycoords=("axes fraction", "data"), xytext=(dx, 0), va="center", color=ink,
                        textcoords="offset points", fontsize=_canvas.SMALL)  # fmt: skip
    _canvas.dress(ax, grid="x", xlabel="mean rank, 1 is best")
    _canvas.rows(ax, [_text.tick(name, 24) for name in table.method])
    ends = [table.mean_rank.min(), table.mean_rank.max(), table.lo.min(), table.hi.max()]
    if dots is not None:
        ends += [dots["rank"].min(), dots["rank"].max()]
    ends = [end for end in ends if end == end]
    span = max(max(ends) - min(ends), 1.0)
    ax.set_xlim(min(ends) - 0.04 * span, max(ends) + 0.04 * span)
    return ax


def cliques(mean_ranks: Sequence[float], cd: float) -> list[tuple[int, int]]:
    """Longest runs of methods, sorted by rank, whose ends lie within the critical difference: first and last of each.

    Examples
    --------
    >>> cliques([1.0, 1.5, 2.6, 5.0], 1.2)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(mean_ranks)):
        last = max(i for i in range(first, len(mean_ranks)) if i == first or mean_ranks[i] - mean_ranks[first] < cd)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def critical_difference(
    data: Any, *, scope: str = "all", cd: float | None = None, ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
) -> Axes:  # fmt: skip
    """The diagram of Demšar (2006): mean ranks on a line, and a bar over methods that cannot be told apart.

    Parameters
    ----------
    data, scope, cd, ax, palette
        As for :func:`mean_ranks`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no critical difference: fewer than six data sets.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"method": ["C4.5", "m", "cf", "m+cf"], "mean_rank": [3.143, 2.0, 2.893, 1.964]})
    >>> [text.get_text() for text in critical_difference(table, cd=1.25).texts][:2]
    ['critical difference 1.25', '1']
    """
    table = _of(data, "ranks", scope, ["method", "mean_rank"]).sort_values("mean_rank", kind="stable")
    cd = _cd(data, scope, cd)
    if not math.isfinite(cd):
        raise InputError("there is no critical difference: it needs six data sets")
    names, at = [_text.tick(name, 22) for name in table.method], table.mean_rank.tolist()
    palette = palette or _palette.assign(sorted(table.method.astype(str)))
    colors = [palette.get(str(name), _palette.GREY) for name in table.method]
    lanes = _lanes(cliques(at, cd), at)
    n_left = (len(names) + 1) // 2
    top, step, lane = 0.0, 17.0, 7.0
    below = 14 + lane * (max(lanes.values(), default=-1) + 1)
    depth = below + step * n_left
    ax = _canvas.axes(ax, 660, depth + 66)
    low, high = math.floor(at[0]), max(math.ceil(at[-1]), math.floor(at[0]) + 1)
    margin = 0.34 * (high - low)
    ax.set(xlim=(low - margin, high + margin), ylim=(depth + 4, top - 52))
    ax.axis("off")
    thin = {"color": "#9AA0A8", "linewidth": 0.9}
    ax.plot([low, high], [top, top], color=_palette.INK, linewidth=1.1)
    ruler = min(cd, high - low)
    ax.plot([low, low + ruler], [top - 34, top - 34], color=_palette.ALARM, linewidth=2.2, solid_capstyle="butt")
    said = f"critical difference {cd:.3g}" + ("" if cd <= high - low else ", more than the whole line")
    ax.text(low, top - 40, said, fontsize=_canvas.SMALL, color=_palette.ALARM, va="bottom")
    every = max(1, math.ceil((high - low) / 14))
    for value in range(low, high + 1, every):
        ax.plot([value, value], [top - 4, top], color=_palette.INK, linewidth=1.1)
        ax.text(value, top - 7, str(value), ha="center", va="bottom", fontsize=_canvas.SMALL, color=_palette.INK)
    for (first, last), row in lanes.items():
        y = top + 9 + lane * row
        reach = 0.006 * (high - low)
        ax.plot([at[first] - reach, at[last] + reach], [y, y], color=_palette.INK, linewidth=3.2,
                solid_capstyle="round", zorder=4)  # fmt: skip
    for i, (name, x, color) in enumerate(zip(names, at, colors)):
        left = i < n_left
        y = below + step * (i if left else len(names) - 1 - i) + step / 2
        end = low - 0.02 * (high - low) if left else high + 0.02 * (high - low)
        ax.plot([x, x, end], [top, y, y], **thin)
        ax.plot([x], [top], "o", color=color, markersize=4.5, zorder=5)
        text = f"{name}  {at[i]:.1f}" if left else f"{at[i]:.1f}  {name}"
        ax.annotate(text, (end, y), xytext=(-4 if left else 4, 0), textcoords="offset points", va="center",
                    ha="right" if left else "left", fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
    return ax


def _lanes(bars: list[tuple[int, int]], at: list[float]) -> dict[tuple[int, int], int]:
    """A row for each bar, so that no two touch."""
    ends: list[float] = []
    lanes = {}
    gap = 0.02 * (at[-1] - at[0])
    for first, last in bars:
        row = next((i for i, end in enumerate(ends) if at[first] > end + gap), len(ends))
        ends[row : row + 1] = [at[last]]
        lanes[first, last] = row
    return lanes


def rank_cost(
    data: Any, *, scope: str = "all", ax: Axes | None = None, palette: Mapping[str, str] | None = None
) -> Axes:
    """Mean rank against the CPU-seconds of a cell (log scale), one point for each method; best on top.

    Methods that no other beats in both are joined by a line.

    Parameters
    ----------
    data
        Results of a benchmark, their folder, or one table with ``method, mean_rank, seconds``.
    scope, ax, palette
        As for :func:`mean_ranks`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> ax = rank_cost(pd.DataFrame({"method": ["a", "b"], "mean_rank": [1.2, 1.8], "seconds": [3.0, 0.5]}))
    >>> ax.get_ylabel()
    'mean rank, 1 is best'
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        table = _data.table(data, "ranks", ["method", "mean_rank", "seconds"])
    else:
        cost = _data.table(data, "cost", ["method", "seconds"])[["method", "seconds"]]
        table = _of(data, "ranks", scope, ["method", "mean_rank"]).merge(cost, on="method")
    table = _data.table(table[table.seconds > 0], "cost", []).sort_values("seconds", kind="stable")
    palette = palette or _palette.assign(sorted(table.method.astype(str)))
    ax = _canvas.axes(ax, 700, 240 + 11 * min(len(table), 30))
    best, front = float("inf"), []
    for entry in table.itertuples():
        if entry.mean_rank < best:
            best = entry.mean_rank
            front.append((entry.seconds, entry.mean_rank))
    ax.plot(*zip(*front), color="#9AA0A8", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    colors = [palette.get(str(name), _palette.GREY) for name in table.method]
    ax.scatter(table.seconds, table.mean_rank, s=56, c=colors, edgecolors="white", linewidths=0.8, zorder=3)
    ax.set_xscale("log")
    low, high = float(table.seconds.min()), float(table.seconds.max())
    wide = max(high / low, 4.0) ** 0.16
    ax.set_xlim(low / wide / 1.2, high * wide * 1.6)
    span = max(table.mean_rank.max() - table.mean_rank.min(), 1.0)
    ax.set_ylim(table.mean_rank.max() + 0.08 * span, table.mean_rank.min() - 0.08 * span)
    _canvas.dress(ax, grid="both", xlabel="CPU-seconds, median", ylabel="mean rank, 1 is best")
    ax.minorticks_off()
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    ticks = [10.0**p * part for p in powers for part in ((1,) if high / low > 30 else (1, 3))]
    ax.set_xticks([tick for tick in ticks if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    _names.beside(ax, table.seconds, table.mean_rank, [_text.tick(name, 20) for name in table.method])
    return ax
