"""Where figures are drawn: no global state of pyplot, one calm style."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from exval.pl._palette import INK, LINE, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 11.5
SMALL = 10.5
_detached: ContextVar[bool] = ContextVar("exval_pl_detached", default=False)


@contextmanager
def detached() -> Iterator[None]:
    """Inside, new figures never register with pyplot, not even in a notebook."""
    token = _detached.set(True)
    try:
        yield
    finally:
        _detached.reset(token)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and "IPKernelApp" in getattr(shell.get_ipython(), "config", {})


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes that were given, or those of a new figure of ``width`` x ``height`` points (1/72 inch).

    Only in a notebook is a new figure made through pyplot, because that is what shows it there.

    Examples
    --------
    >>> axes(None, 360, 144).figure.get_size_inches().tolist()
    [5.0, 2.0]
    """
    if ax is not None:
        return ax
    size = (width / 72, height / 72)
    if _in_notebook() and not _detached.get():
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").subplots()


def dress(ax: Axes, *, grid: str | None = None, xlabel: str = "", ylabel: str = "", title: str = "") -> Axes:
    """Thin lines, small type, no box: the look of every figure."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#9AA0A8")
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(labelsize=SMALL, labelcolor=INK, color="#9AA0A8", length=3, width=0.8)
    ax.set_axisbelow(True)
    ax.grid(False)
    if grid:
        ax.grid(True, axis=grid, color=LINE, linewidth=0.8)
    ax.set_xlabel(xlabel, fontsize=SIZE, color=SOFT)
    ax.set_ylabel(ylabel, fontsize=SIZE, color=SOFT)
    if title:
        ax.set_title(title, fontsize=SIZE, color=INK, loc="left")
    return ax


def legend(ax: Axes) -> None:
    """The names above the figure, outside the data, in as few rows as its width allows."""
    names = ax.get_legend_handles_labels()[1]
    if not names:
        return
    room = ax.figure.get_size_inches()[0] * 72 * 0.74
    count = len(names)
    in_one_row = sum(map(len, names)) * 5.6 + 32 * count <= room
    while not in_one_row and count > 1 and count * (max(map(len, names)) * 5.6 + 30) > room:
        count -= 1
    count = -(-len(names) // -(-len(names) // count))
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=count,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def rows(ax: Axes, names: list[str], *, half: float = 0.6) -> None:
    """One horizontal row for each name, first on top, without tick marks."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 1 + half, -half)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
