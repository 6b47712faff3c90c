"""Slices and glass brains in millimetres of the MNI152 template that nilearn ships."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from exval.errors import InputError
from exval.pl import _canvas, _palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANES = {"x": (1, 2), "y": (0, 2), "z": (0, 1)}  # which coordinates a view shows
WINDOW = {"x": (-112, 80, -76, 86), "y": (-78, 78, -76, 86), "z": (-78, 78, -112, 80)}
SLOTS = ("x", "y", "z", "glass-x", "glass-z")
NEEDED = "pictures of the brain need nilearn: pip install 'exval[brain]'"


@lru_cache(maxsize=1)
def template() -> tuple[np.ndarray, np.ndarray]:
    """(x, y, z) brightness of the skull-stripped template at 2 mm, 0 outside, and its affine.

    Raises
    ------
    InputError
        nilearn is not installed.
    """
    try:
        from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
    except ImportError:
        raise InputError(NEEDED) from None
    image, mask = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    return image.get_fdata(dtype=np.float32) * (np.asarray(mask.dataobj) > 0), np.asarray(image.affine)


def layout(ax: Axes, rows: int) -> tuple[list[list[Axes]], list[Axes]]:
    """Axes for rows of three slices and two glass brains inside given ones, and one beside each row for a scale."""
    ax.set_axis_off()
    wide = [WINDOW[slot[-1]][1] - WINDOW[slot[-1]][0] for slot in SLOTS]
    left, room, gap = 0.075, 0.845, 0.006
    unit = (room - gap * (len(SLOTS) - 1)) / sum(wide)
    height = 1 / rows
    made, scales = [], []
    for row in range(rows):
        x, line = left, []
        for width in wide:
            line.append(ax.inset_axes([x, 1 - (row + 1) * height + 0.005, width * unit, height - 0.01]))
            x += width * unit + gap
        made.append(line)
        scales.append(ax.inset_axes([left + room + 0.012, 1 - (row + 0.86) * height, 0.012, 0.72 * height]))
    return made, scales


def head(ax: Axes, text: str) -> None:
    """What a column shows, above its first panel."""
    ax.text(0.5, 1.02, text, transform=ax.transAxes, ha="center", va="bottom", fontsize=_canvas.SMALL,
            color=_palette.SOFT)  # fmt: skip


def row_name(ax: Axes, text: str) -> None:
    """What a row shows, left of its first panel."""
    ax.text(-0.04, 0.5, text, transform=ax.transAxes, rotation=90, ha="right", va="center", fontsize=_canvas.SIZE,
            color=_palette.INK)  # fmt: skip


def slice_of(ax: Axes, view: str, cut: float, dim: float = 0.36) -> None:
    """The template's slice at ``cut`` mm, pale, with the outline of the brain."""
    volume, affine = template()
    axis, (i, j) = "xyz".index(view), PLANES[view]
    number = int(np.clip(round((cut - affine[axis, 3]) / affine[axis, axis]), 0, volume.shape[axis] - 1))
    plane = np.take(volume, number, axis=axis)
    low = [affine[k, 3] - abs(affine[k, k]) / 2 for k in (i, j)]
    extent = (low[0], low[0] + plane.shape[0] * affine[i, i], low[1], low[1] + plane.shape[1] * affine[j, j])
    shown = np.ma.masked_where(plane <= 0, 1 - dim * plane / max(float(volume.max()), 1e-9))
    ax.imshow(shown.T, origin="lower", extent=extent, cmap="gray", vmin=0, vmax=1, interpolation="bilinear", zorder=0,
              rasterized=True)  # fmt: skip
    ax.contour(np.linspace(extent[0], extent[1], plane.shape[0]), np.linspace(extent[2], extent[3], plane.shape[1]),
               (plane > 0).T.astype(float), levels=[0.5], colors="#9AA0A8", linewidths=0.6, zorder=1)  # fmt: skip
    _finish(ax, view)


def glass(ax: Axes, view: str) -> None:
    """Outlines of the brain seen along an axis, drawn above what is in it."""
    from matplotlib.collections import PathCollection

    paths, colours = _outlines(view[-1])
    lines = PathCollection(paths, facecolors="none", edgecolors=colours, linewidths=0.6, alpha=0.55, zorder=4)
    lines.set_transform(ax.transData)
    ax.add_collection(lines, autolim=False)
    _finish(ax, view[-1])


@lru_cache(maxsize=3)
def _outlines(view: str) -> tuple[list, list]:
    """Paths of nilearn's glass brain in mm, and their colours."""
    from matplotlib.figure import Figure

    try:
        from nilearn.plotting.glass_brain import plot_brain_schematics
    except ImportError:
        raise InputError(NEEDED) from None
    ax = Figure().subplots()
    x0, x1, y0, y1 = WINDOW[view]
    ax.set(xlim=(x0, x1), ylim=(y0, y1))
    plot_brain_schematics(ax, view)
    to_mm = ax.transData.inverted()
    paths = [to_mm.transform_path(patch.get_transform().transform_path(patch.get_path())) for patch in ax.patches]
    return paths, [patch.get_edgecolor() for patch in ax.patches]


def _finish(ax: Axes, view: str) -> None:
    x0, x1, y0, y1 = WINDOW[view]
    ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
    ax.set_axis_off()


def scale(ax: Axes, drawn, text: str) -> None:
    """A colour bar with its unit."""
    bar = ax.figure.colorbar(drawn, cax=ax)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=_canvas.SMALL - 1, labelcolor=_palette.INK, color="#9AA0A8", length=2)
    bar.ax.locator_params(nbins=5)
    bar.ax.text(0, 1.05, text, transform=bar.ax.transAxes, ha="left", va="bottom", fontsize=_canvas.SMALL,
                color=_palette.SOFT)  # fmt: skip
