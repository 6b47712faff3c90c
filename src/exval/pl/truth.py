"""A map beside the known truth: how well each gene is told, and where it is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW = {"x": (-112, 80, -76, 86), "y": (-78, 78, -76, 86), "z": (-78, 78, -112, 80)}
ROWS = (("truth", "viridis"), ("map", "viridis"), ("map - truth", "RdBu_r"))


def truth_genes(data: Any, *, ax: Axes | None = None, palette: Mapping[str, str] | None = None) -> Axes:
    """R2 of each gene against its noise, a colour for each group of genes.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_truth`` with ``gene, group, r2, signal_sd, noise_sd``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Group -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"gene": ["A", "B"], "group": ["easy", "hard"], "r2": [0.8, 0.3], "signal_sd": 0.5,
    ...                       "noise_sd": [0.2, 1.0]})
    >>> truth_genes(table).get_ylabel()
    'R2 of the map'
    """
    table = _data.table(data, "field_truth", ["gene", "group", "r2", "signal_sd", "noise_sd"])
    groups = list(dict.fromkeys(table.group.astype(str)))
    palette = palette or dict(zip(groups, _palette.BASE))
    ax = _canvas.axes(ax, 430, 300)
    for group in groups:
        here = table[table.group.astype(str) == group]
        ax.scatter(here.noise_sd / here.signal_sd, here.r2, s=44, color=palette.get(group, _palette.GREY), zorder=3,
                   edgecolor="white", linewidth=0.8, label=_text.tick(group, 22))  # fmt: skip
    if table.r2.min() < 0.05:
        ax.axhline(0, color="#9AA0A8", linewidth=0.9, zorder=1)
    _canvas.dress(ax, grid="both", xlabel="noise of a measurement, sds of the gene's truth", ylabel="R2 of the map")
    ax.set_ylim(min(0.0, float(table.r2.min()) - 0.05), 1.02)
    ax.set_xlim(0, None)
    _canvas.legend(ax)
    return ax


def truth_slices(data: Any, gene: str, *, ax: Axes | None = None) -> Axes:
    """One gene on three slices: the truth, the map, and what the map is off by.

    Truth and map have one scale, from the 1st to the 99th percentile of the truth; the difference has one that is
    symmetric about 0 and half as wide as the other.

    Parameters
    ----------
    data
        Results, result folder, or the table ``field_truth_pictures`` with ``gene, what, view, cut, a, b, size, value``.
    gene
        Which.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> from exval.tasks.field.against_truth import slices
    >>> from exval.tasks.field.volumes import Grid
    >>> grid = Grid((20, 20, 20), np.diag([4.0, 4, 4, 1]), np.argwhere(np.ones((20, 20, 20))))
    >>> y = grid.xyz()[:, 1]
    >>> table = pd.concat(slices(grid, {"truth": y, "map": y + 1, "map - truth": 0 * y + 1}))
    >>> len(truth_slices(table.assign(gene="A"), "A").child_axes)
    12
    """
    table = _data.table(data, "field_truth_pictures", ["gene", "what", "view", "cut", "a", "b", "size", "value"])
    table = _data.table(table[table.gene.astype(str) == gene], "field_truth_pictures", [])
    low, high = np.quantile(table[table.what == "truth"].value, (0.01, 0.99))
    high = high if high > low else low + 1e-9
    ax = _canvas.axes(ax, 470, 430)
    ax.set_axis_off()
    left, gap, height = 0.1, 0.012, 1 / len(ROWS)
    wide = {view: x1 - x0 for view, (x0, x1, _, _) in WINDOW.items()}
    unit = (0.86 - left - 2 * gap) / sum(wide.values())
    for row, (what, cmap) in enumerate(ROWS):
        bottom, top = (-(high - low) / 4, (high - low) / 4) if what == "map - truth" else (low, high)
        x, drawn = left, None
        for view, (x0, x1, y0, y1) in WINDOW.items():
            panel = ax.inset_axes([x, 1 - (row + 1) * height + 0.01, wide[view] * unit, height - 0.06])
            x += wide[view] * unit + gap
            part = table[(table.what == what) & (table.view == view)]
            image, extent = raster(part)
            drawn = panel.imshow(image, origin="lower", extent=extent, cmap=cmap, vmin=bottom, vmax=top,
                                 interpolation="nearest", rasterized=True)  # fmt: skip
            panel.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
            panel.set_axis_off()
            if row == 0:
                panel.set_title(
                    f"{view} = {part.cut.iloc[0]:.0f} mm".replace("-", "−"), fontsize=_canvas.SMALL, color=_palette.SOFT
                )
            if view == "x":
                panel.text(-0.04, 0.5, what.replace("-", "−"), transform=panel.transAxes, rotation=90, ha="right",
                           va="center", fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
        scale = ax.inset_axes([0.88, 1 - (row + 0.85) * height, 0.018, 0.68 * height])
        bar = ax.figure.colorbar(drawn, cax=scale)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=_canvas.SMALL - 1, labelcolor=_palette.INK, color="#9AA0A8", length=2)
        bar.ax.locator_params(nbins=4)
    return ax


def raster(part: Any) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Pixels ``a, b, size, value`` as an image with NaN where there is none, and where it lies in mm."""
    size = float(part["size"].iloc[0])
    low_a, low_b = float(part.a.min()), float(part.b.min())
    a, b = (np.rint((part[name].to_numpy() - low) / size).astype(int) for name, low in (("a", low_a), ("b", low_b)))
    image = np.full((b.max() + 1, a.max() + 1), np.nan)
    image[b, a] = part.value
    left, bottom = low_a - size / 2, low_b - size / 2
    return image, (left, left + size * image.shape[1], bottom, bottom + size * image.shape[0])
