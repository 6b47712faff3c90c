"""Pictures of a brain: samples and what was told of them, and maps, on slices and in a glass brain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exval.pl import _brain, _canvas, _data

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLAB = 5.0  # mm on either side of a slice from which samples are shown
WIDTH, ROW = 900, 166
VALUES, ERRORS, SDS = "viridis", "RdBu_r", "cividis"


def brain_samples(
    data: Any, gene: str, *, method: str, arm: str | None = None, unit: str = "", ax: Axes | None = None
) -> Axes:
    """One gene at held-out samples: measured, predicted and error, on three slices and in a glass brain.

    A slice shows the samples within 5 mm of it, and lies where most of them are; a glass brain shows them all. Measured
    and predicted values have one scale, from the 2nd to the 98th percentile of what was measured; errors (predicted
    less measured) one that is symmetric about 0.

    Parameters
    ----------
    data
        Results, or their ``predictions``: ``sample, gene, method, arm, seed, truth, prediction, x, y, z``.
    gene, method, arm
        Whose; the first arm by default. The first repeat is drawn.
    unit
        Of the values.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        nilearn is not installed; nothing was kept of this gene and method.

    Examples
    --------
    >>> import pandas as pd
    >>> xyz = np.random.default_rng(0).uniform(-50, 50, (40, 3))
    >>> table = pd.DataFrame(xyz, columns=list("xyz")).assign(sample=range(40), gene="GFAP", method="knn", arm="a",
    ...                      seed=0, truth=xyz[:, 1], prediction=xyz[:, 1] + 1)
    >>> len(brain_samples(table, "GFAP", method="knn").child_axes)
    18
    """
    table = getattr(data, "predictions", data)
    table = _data.table(table, "predictions", ["gene", "method", "arm", "seed", "truth", "prediction", "x", "y", "z"])
    arm = arm or str(table.arm.iloc[0])
    table = table[(table.gene == gene) & (table.method == method) & (table.arm == arm)]
    table = _data.table(table[table.seed == table.seed.iloc[:1].squeeze()] if len(table) else table, "predictions", [])
    xyz = table[["x", "y", "z"]].to_numpy(float)
    truth, told = table.truth.to_numpy(float), table.prediction.to_numpy(float)
    low, high = np.quantile(truth, (0.02, 0.98))
    high = high if high > low else low + 1e-9
    error = told - truth
    far = max(float(np.quantile(np.abs(error), 0.98)), 1e-9)
    ax = _canvas.axes(ax, WIDTH, 3 * ROW + 16)
    lines, scales = _brain.layout(ax, 3)
    cuts = {view: _densest(xyz[:, axis]) for axis, view in enumerate("xyz")}
    order = np.random.default_rng(0).permutation(len(xyz))
    what = (("measured", truth, VALUES, low, high), ("predicted", told, VALUES, low, high),
            ("error", error, ERRORS, -far, far))  # fmt: skip
    for row, (name, value, cmap, bottom, top) in enumerate(what):
        drawn = None
        for slot, panel in zip(_brain.SLOTS, lines[row]):
            view = slot[-1]
            i, j = _brain.PLANES[view]
            if slot == view:
                _brain.slice_of(panel, view, cuts[view])
                rows = order[np.abs(xyz[order, "xyz".index(view)] - cuts[view]) <= SLAB]
            else:
                _brain.glass(panel, view)
                rows = order
            dots = panel.scatter(xyz[rows, i], xyz[rows, j], c=value[rows], s=11 if slot == view else 5, cmap=cmap,
                                  vmin=bottom, vmax=top, linewidths=0.25 if slot == view else 0, edgecolors="#3A3F45",
                                  alpha=1.0 if slot == view else 0.8, zorder=3, rasterized=True)  # fmt: skip
            drawn = drawn or dots
            if row == 0:
                _brain.head(panel, _at(view, cuts[view]) if slot == view else f"all, along {view}")
        _brain.row_name(lines[row][0], name)
        _brain.scale(scales[row], drawn, f"error, {unit}" if name == "error" and unit else unit or name)
    return ax


def _at(view: str, cut: float) -> str:
    return f"{view} = {cut:.0f} mm".replace("-", "\N{MINUS SIGN}")


def _densest(x_n: np.ndarray) -> float:
    """The whole number of mm about which most samples lie within reach of a slice."""
    levels = np.arange(np.floor(x_n.min()), np.ceil(x_n.max()) + 1)
    inside = [(np.abs(x_n - level) <= SLAB).sum() for level in levels]
    return float(levels[int(np.argmax(inside))])


def brain_map(data: Any, gene: str, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """One gene's map: mean and, where there is one, sd, on three slices and in a glass brain (means along the sight).

    Parameters
    ----------
    data
        Table ``map_pictures`` of a folder of maps: ``gene, what, view, cut, a, b, size, value``
        (:func:`exval.tasks.field.pictures.pictures`).
    gene
        Which.
    unit
        Of the values.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        nilearn is not installed; there is no picture of this gene.

    Examples
    --------
    >>> from exval.tasks.field.pictures import pictures
    >>> xyz = np.argwhere(np.ones((20, 20, 20))) * 4.0 - 40
    >>> len(brain_map(pictures(xyz, {"mean": xyz[:, 1]}).assign(gene="GFAP"), "GFAP").child_axes)
    6
    """
    table = _data.table(data, "map_pictures", ["gene", "what", "view", "cut", "a", "b", "size", "value"])
    table = _data.table(table[table.gene == gene], "map_pictures", [])
    kinds = [what for what in ("mean", "sd") if what in set(table.what)]
    ax = _canvas.axes(ax, WIDTH, len(kinds) * ROW + 16)
    lines, scales = _brain.layout(ax, len(kinds))
    for row, what in enumerate(kinds):
        here = table[table.what == what]
        low, high = np.quantile(here.value, (0.01, 0.99))
        if high - low <= 1e-4 * max(abs(high), abs(low), 1e-12):  # the same everywhere: a scale around it
            low, high = low - max(abs(low), 1e-6) / 10, high + max(abs(high), 1e-6) / 10
        drawn = None
        for slot, panel in zip(_brain.SLOTS, lines[row]):
            part = here[here.view == slot]
            if slot in "xyz":
                _brain.slice_of(panel, slot, float(part.cut.iloc[0]))
            else:
                _brain.glass(panel, slot)
            image, extent = _raster(part)
            drawn = panel.imshow(image, origin="lower", extent=extent, cmap=VALUES if what == "mean" else SDS, vmin=low,
                                 vmax=high, interpolation="nearest", zorder=2, rasterized=True)  # fmt: skip
            x0, x1, y0, y1 = _brain.WINDOW[slot[-1]]
            panel.set(xlim=(x0, x1), ylim=(y0, y1))
            if row == 0:
                _brain.head(panel, _at(slot, part.cut.iloc[0]) if slot in "xyz" else f"mean along {slot[-1]}")
        _brain.row_name(lines[row][0], what)
        _brain.scale(scales[row], drawn, f"{what}, {unit}" if unit else what)
    return ax


def _raster(part) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Pixels as an image with NaN where there is none, and where it lies in mm."""
    size = float(part["size"].iloc[0])
    low, high = part[["a", "b"]].min(), part[["a", "b"]].max()
    a, b = (np.rint((part[name].to_numpy() - low[name]) / size).astype(int) for name in ("a", "b"))
    image = np.full((b.max() + 1, a.max() + 1), np.nan)
    image[b, a] = part.value
    half = size / 2
    return image, (low.a - half, high.a + half, low.b - half, high.b + half)
