"""Samples as points in two dimensions: pictures, never evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from matplotlib.axes import Axes


def map2d(
    data: Any,
    *,
    color: str = "label",
    ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
    top: int = 24,
) -> Axes:
    """Map of the samples, coloured by label, with the names written on it.

    Distances on such a map mean little: it is a picture, not evidence.

    Parameters
    ----------
    data
        Results, result folder, or the table ``map2d`` with ``x, y, label`` and, where known, ``unsure`` and ``kind``.
    color
        ``"label"``, or ``"unsure"``: samples below the threshold on top of the others.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Label -> colour.
    top
        Write at most so many names.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> ax = map2d(pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "label": ["alpha", "beta"]}))
    >>> sorted(text.get_text() for text in ax.texts)
    ['alpha', 'beta']
    """
    import numpy as np

    table = _data.table(data, "map2d", ["x", "y", color])
    table = _data.table(table[np.isfinite(table.x) & np.isfinite(table.y)], "map2d", [])
    ax = _canvas.axes(ax, 450, 400)
    kind = str(table["kind"].iloc[0]) if "kind" in table else ""
    kind = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}.get(kind.lower(), kind)
    xy = table[["x", "y"]].to_numpy(float)
    size = float(np.clip(9000 / len(table), 3, 22))
    if color == "unsure":
        unsure = table.unsure.fillna(False).to_numpy(bool)
        _points(ax, xy[~unsure], "#CFD2D6", size, "sure")
        _points(ax, xy[unsure], _palette.ALARM, size * 1.3, "unsure")
        _frame(ax, kind)
        _canvas.legend(ax)
        for handle in ax.get_legend().legend_handles:
            handle.set_sizes([36])
        return ax
    label = table[color].astype(str).to_numpy()
    names, counts = np.unique(label, return_counts=True)
    names = names[np.argsort(-counts, kind="stable")]
    palette = palette or _palette.assign(sorted(names))
    order = np.random.default_rng(0).permutation(len(label))
    colors = np.array([palette.get(name, _palette.GREY) for name in label])
    _points(ax, xy[order], colors[order], size, None)
    _frame(ax, kind)
    anchors = [np.median(xy[label == name], axis=0) for name in names[:top]]
    for name, (x, y) in zip(names, _apart(ax, np.array(anchors), [_text.columns(_text.shorten(n, 22)) for n in names])):
        box = {"boxstyle": "round,pad=0.22", "facecolor": "white", "alpha": 0.85, "linewidth": 0.9,
               "edgecolor": palette.get(name, _palette.GREY)}  # fmt: skip
        ax.text(x, y, _text.tick(name, 22), ha="center", va="center", fontsize=9.5, color=_palette.INK, bbox=box,
                zorder=5)  # fmt: skip
    return ax


def labels(
    adata: AnnData, key: str = "exval_cell_type", *, basis: str | None = None, ax: Axes | None = None, top: int = 24
) -> Axes:
    """The labels of an AnnData on its two-dimensional map.

    Parameters
    ----------
    adata
        Annotated data; colours are taken from ``uns[f"{key}_colors"]`` where they are.
    key
        Column of ``obs``, e.g. what :func:`exval.annotate` wrote.
    basis
        Which coordinates: a key of ``obsm`` (its first two columns are drawn); default: ``X_umap``, ``X_tsne``,
        ``X_pca`` or ``X_exval``, whichever comes first.
    ax
        Axes to draw on; default: those of a new figure.
    top
        Write at most so many names.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the column or the coordinates are absent.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> adata = AnnData(np.ones((2, 3), np.float32), obs={"kind": ["a", "b"]}, obsm={"X_umap": np.eye(2)})
    >>> ax = labels(adata, "kind")
    >>> ax.get_xlabel()
    'UMAP 1'
    """
    import pandas as pd

    if key not in adata.obs:
        known = ", ".join(map(str, list(adata.obs.columns)[:12])) or "none"
        raise InputError(f"there is no column {key!r} in obs; columns: {known}")
    basis = basis or next((name for name in ("X_umap", "X_tsne", "X_pca", "X_exval") if name in adata.obsm), None)
    if basis is None or basis not in adata.obsm:
        known = ", ".join(map(str, adata.obsm)) or "none"
        raise InputError(f"there are no coordinates {basis or 'X_umap'!r} in obsm (there: {known}); pass basis=")
    xy: np.ndarray = adata.obsm[basis]
    if getattr(xy, "ndim", 0) != 2 or xy.shape[1] < 2:
        raise InputError(f"obsm[{basis!r}] has fewer than two columns; pass another basis=")
    xy = xy.iloc[:, :2].to_numpy() if isinstance(xy, pd.DataFrame) else xy[:, :2]
    column = adata.obs[key]
    table = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": column.astype(str).to_numpy()})
    table["kind"] = basis.removeprefix("X_")
    given = None
    if isinstance(column.dtype, pd.CategoricalDtype) and f"{key}_colors" in adata.uns:
        given = dict(zip(column.cat.categories.astype(str), map(str, adata.uns[f"{key}_colors"])))
    return map2d(table, ax=ax, palette=_palette.assign(sorted(table.label.unique()), given), top=top)


def _points(ax: Axes, xy: np.ndarray, color: Any, size: float, name: str | None) -> None:
    ax.scatter(xy[:, 0], xy[:, 1], s=size, c=color, linewidths=0, alpha=0.8, rasterized=True, label=name)


def _frame(ax: Axes, kind: str) -> None:
    _canvas.dress(ax, xlabel=_text.tick(f"{kind} 1") if kind else "", ylabel=_text.tick(f"{kind} 2") if kind else "")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.margins(0.04)


def _apart(ax: Axes, anchors: np.ndarray, widths: list[int]) -> np.ndarray:
    """Move names up and down until no two overlap: a few rounds of pushing in axes coordinates."""
    import numpy as np

    if not len(anchors):
        return anchors
    low = np.array([ax.get_xlim()[0], ax.get_ylim()[0]])
    span = np.array([ax.get_xlim()[1], ax.get_ylim()[1]]) - low
    box = ax.get_window_extent()
    point = ax.figure.dpi / 72
    place = (anchors - low) / span
    half = np.array([(5.6 * width + 10) * point / 2 / box.width for width in widths[: len(anchors)]])
    place[:, 0] = np.clip(place[:, 0], half, np.maximum(1 - half, half))
    height = 17 * point / box.height
    for _ in range(120):
        moved = False
        for i in range(len(place)):
            for j in range(i):
                gap = place[i] - place[j]
                if abs(gap[0]) < half[i] + half[j] and abs(gap[1]) < height:
                    push = (height - abs(gap[1])) / 2 + 1e-3
                    sign = 1.0 if gap[1] >= 0 else -1.0
                    place[i, 1] += sign * push
                    place[j, 1] -= sign * push
                    moved = True
        place[:, 1] = np.clip(place[:, 1], height / 2, 1 - height / 2)
        if not moved:
            break
    return low + place * span
