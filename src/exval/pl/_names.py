"""Names beside points, placed so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from exval.pl import _canvas, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE = 6.1, 13.0
PLACES = (
    (9, 0, "left"), (-9, 0, "right"), (0, 13, "center"), (0, -13, "center"), (9, 12, "left"), (-9, 12, "right"),
    (9, -12, "left"), (-9, -12, "right"), (0, 26, "center"), (0, -26, "center"), (9, 25, "left"), (-9, 25, "right"),
    (9, -25, "left"), (-9, -25, "right"), (0, 39, "center"), (0, -39, "center"),
)  # fmt: skip

Box = tuple[float, float, float, float]


def beside(ax: Axes, xs: Iterable[float], ys: Iterable[float], names: Sequence[str]) -> None:
    """Write a name beside each point, at the first of sixteen places that is free; the limits have to be set before.

    Examples
    --------
    >>> ax = _canvas.axes(None, 300, 200)
    >>> beside(ax, [0.4, 0.4], [0.5, 0.5], ["pca", "logreg"])
    >>> len({text.xyann for text in ax.texts})
    2
    """
    points = [tuple(at * 72 / ax.figure.dpi) for at in ax.transData.transform(list(zip(xs, ys)))]
    frame = ax.get_window_extent().frozen()
    left, right = frame.x0 * 72 / ax.figure.dpi, frame.x1 * 72 / ax.figure.dpi
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    for (x, y), at, name in zip(points, zip(xs, ys), names):
        width = LETTER * _text.columns(name)
        boxes = [(_box(x + dx, y + dy, width, ha), dx, dy, ha) for dx, dy, ha in PLACES]
        inside = [entry for entry in boxes if entry[0][0] >= left - 4 and entry[0][2] <= right + 4] or boxes
        best, dx, dy, ha = min(inside, key=lambda entry: sum(_overlap(entry[0], other) for other in taken))
        taken.append(best)
        ax.annotate(name, at, xytext=(dx, dy), textcoords="offset points", ha=ha, va="center", zorder=5,
                    fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip


def _box(x: float, y: float, width: float, ha: str) -> Box:
    low = x - {"left": 0.0, "right": width, "center": width / 2}[ha]
    return low, y - LINE / 2, low + width, y + LINE / 2


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
