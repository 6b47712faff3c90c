"""A gene on the map of the cells: measured, imputed, and imputed after its values were shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = ("measured", "imputed", "permuted")
TITLES = {"measured": "measured", "imputed": "imputed", "permuted": "imputed after it was permuted"}


def gene_map(
    data: Any, gene: str, *, panel: str = "imputed", span: tuple[float, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Cells coloured by the value of one gene, log1p(CP10k).

    Parameters
    ----------
    data
        Results, result folder, or the table ``imputed_genes`` with ``x, y, gene, measured, imputed, permuted``.
    gene
        Which.
    panel
        ``"measured"``, ``"imputed"``, or ``"permuted"``: imputed after the gene's values were shuffled over the cells,
        so that whatever the picture shows was put there by the method.
    span
        Ends of the colours; default: those of this panel.
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> cells = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "gene": "INS", "measured": [0.0, 2.0]})
    >>> gene_map(cells, "INS", panel="measured").get_title(loc="left")
    'INS, measured'
    """
    import numpy as np

    table = _data.table(data, "imputed_genes", ["x", "y", "gene", panel])
    table = _data.table(table[(table.gene.astype(str) == gene) & np.isfinite(table[panel])], "imputed_genes", [])
    ax = _canvas.axes(ax, 270, 226)
    values = table[panel].to_numpy(float)
    low, high = span or (float(values.min()), float(values.max()))
    order = np.argsort(values, kind="stable")
    drawn = ax.scatter(
        table.x.to_numpy()[order], table.y.to_numpy()[order], c=values[order], cmap="viridis", vmin=low,
        vmax=max(high, low + 1e-6), s=float(np.clip(5000 / len(table), 2, 14)), linewidths=0, rasterized=True,
    )  # fmt: skip
    _canvas.dress(ax, title=f"{_text.tick(gene, 16)}, {TITLES[panel]}")
    ax.set(xticks=[], yticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.045, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=9, length=0)
    bar.set_label("log1p(CP10k)", fontsize=9)
    return ax
