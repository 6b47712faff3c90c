"""Methods side by side: how good, how sure of that, at what cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exval.pl import _canvas, _data, _names, _palette, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LOWER_IS_BETTER = ("rmse", "rmse_scaled", "poisson_deviance", "ece", "rmse_counts", "mae", "nll", "brier", "loss",
                   "h_acc", "h_pur", "false_discoveries", "false_positive_rate", "correlation_inflation",
                   "significant_pairs", "interval_score_95", "integrated_brier")  # fmt: skip
NAMES = {
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "rmse": "RMSE, log1p(CP10k)",
    "rmse_scaled": "RMSE after rescaling",
    "rmse_counts": "RMSE, counts",
    "poisson_deviance": "Poisson deviance",
    "ece": "calibration error",
    "auroc_unknown": "AUROC, unknown types",
    "pearson": "Pearson r",
    "spearman": "Spearman rho",
    "r2": "R²",
    "false_discoveries": "equal genes called different",
    "false_positive_rate": "p of 5 % or less",
    "correlation_inflation": "mean |r| added",
    "significant_pairs": "pairs called correlated",
    "auprc": "AUPRC",
    "precision_area": "precision at k, area",
    "top_k_overlap": "overlap of the top 50",
    "kendall": "Kendall tau",
    "h_acc": "entropy of types in clusters",
    "h_pur": "entropy of clusters in types",
    "ari": "ARI",
    "nmi": "NMI",
    "harrell_c": "Harrell's C",
    "uno_c": "Uno's C",
    "mean_auc": "AUC over time",
    "integrated_brier": "integrated Brier score",
}


def pooled(rows: pd.DataFrame, metric: str | None = None, slice: str = "all") -> pd.DataFrame:
    """One row for each method, best first, averaged over seeds: ``method, value, lo, hi, n, seconds, peak_mb``.

    Parameters
    ----------
    rows
        The table ``results.parquet``.
    metric
        Name of a metric; default: ``macro_f1``, else ``rmse``, else the first.
    slice
        Which part of the samples, e.g. ``"all"`` or ``"arm=thinning"``.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"method": ["pca", "pca"], "fold": -1, "seed": [0, 1], "slice": "all", "metric": "rmse",
    ...                      "value": [0.4, 0.6], "lo": 0.3, "hi": 0.7, "n": 9, "status": "ok"})
    >>> pooled(rows)[["method", "metric", "value"]].values.tolist()
    [['pca', 'rmse', 0.5]]
    """
    metric = metric or default_metric(rows)
    kept = rows[(rows.metric == metric) & (rows.slice == slice) & (rows.status == "ok") & rows.value.notna()]
    if "fold" in kept and (kept.fold == -1).any():
        kept = kept[kept.fold == -1]
    numbers = [name for name in ("value", "lo", "hi", "n", "seconds", "peak_mb") if name in kept]
    means = kept.groupby("method", sort=False, observed=True)[numbers].mean().reset_index()
    means.insert(1, "metric", metric)
    return means.sort_values("value", ascending=metric in LOWER_IS_BETTER, kind="stable").reset_index(drop=True)


def default_metric(rows: pd.DataFrame) -> str:
    """``macro_f1`` where it was measured, else ``rmse``, else the first metric.

    Examples
    --------
    >>> import pandas as pd
    >>> default_metric(pd.DataFrame({"metric": ["accuracy", "rmse"]}))
    'rmse'
    """
    names = [name for name in rows.metric.astype(str) if name and not name.startswith("difference:")]
    return next((name for name in ("macro_f1", "rmse") if name in names), names[0] if names else "macro_f1")


def methods(
    data: Any,
    *,
    metric: str | None = None,
    slice: str = "all",
    ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
) -> Axes:
    """Dot and whisker for each method, best on top; no whisker where no interval may be given.

    Parameters
    ----------
    data
        Results, result folder, or the rows of ``results.parquet``.
    metric
        Name of a metric; default: ``macro_f1``, else ``rmse``.
    slice
        Which part of the samples, e.g. ``"arm=thinning"``.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from exval.bench.results import make_rows
    >>> rows = make_rows([{"method": "pca", "metric": "macro_f1", "value": 0.9, "lo": 0.85, "hi": 0.94}])
    >>> methods(rows).get_xlabel()
    'macro-F1'
    """
    rows = _data.table(data, "rows", ["method", "slice", "metric", "value", "lo", "hi", "status"])
    table = _data.table(pooled(rows, metric, slice), "rows", [])
    palette = palette or _palette.assign(sorted(rows.method.astype(str).unique()))
    ax = _canvas.axes(ax, 460, 56 + 26 * len(table))
    for row, entry in enumerate(table.itertuples()):
        color = palette.get(str(entry.method), _palette.GREY)
        if entry.lo == entry.lo and entry.hi == entry.hi:
            ax.plot([entry.lo, entry.hi], [row, row], color=color, linewidth=2.2, solid_capstyle="round", alpha=0.55)
        ax.plot([entry.value], [row], "o", color=color, markersize=7, markeredgecolor="white", markeredgewidth=0.8)
        ax.annotate(f"{entry.value:.3f}", (1.03, row), xycoords=("axes fraction", "data"), va="center",
                    fontsize=_canvas.SMALL, color=_palette.INK)  # fmt: skip
    _canvas.dress(ax, grid="x", xlabel=_text.tick(NAMES.get(table.metric.iloc[0], table.metric.iloc[0])))
    _canvas.rows(ax, [_text.tick(name) for name in table.method])
    ax.margins(x=0.08)
    return ax


def cost(
    data: Any, *, metric: str | None = None, slice: str = "all", ax: Axes | None = None,
    palette: Mapping[str, str] | None = None,
) -> Axes:  # fmt: skip
    """Quality against CPU-seconds (log scale), one point for each method.

    Controls (majority, depth, noop) are left out where two others are there: they would set the scale.

    Parameters
    ----------
    data
        Results, result folder, or the rows of ``results.parquet``.
    metric, slice
        As for :func:`methods`.
    ax
        Axes to draw on; default: those of a new figure.
    palette
        Method -> colour.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from exval.bench.results import make_rows
    >>> rows = make_rows([{"method": "pca", "metric": "macro_f1", "value": 0.9, "seconds": 1.5}])
    >>> cost(rows).get_xlabel()
    'CPU-seconds, fit and predict'
    """
    rows = _data.table(data, "rows", ["method", "slice", "metric", "value", "seconds", "status"])
    table = pooled(rows, metric, slice)
    table = table[(table.seconds > 0) & table.method.isin(_palette.contenders(table.method))]
    table = _data.table(table, "rows", [])
    palette = palette or _palette.assign(sorted(rows.method.astype(str).unique()))
    ax = _canvas.axes(ax, 430, 290)
    colors = [palette.get(str(name), _palette.GREY) for name in table.method]
    ax.scatter(table.seconds, table.value, s=64, c=colors, edgecolors="white", linewidths=0.8, zorder=3, clip_on=False)
    ax.set_xscale("log")
    low, high = float(table.seconds.min()), float(table.seconds.max())
    ax.set_xlim(low / 2.5, high * 2.5)
    ax.margins(y=0.15)
    name = table.metric.iloc[0]
    _canvas.dress(ax, grid="both", xlabel="CPU-seconds, fit and predict", ylabel=_text.tick(NAMES.get(name, name)))
    ax.minorticks_off()
    powers = range(math.floor(math.log10(low / 2.5)), math.ceil(math.log10(high * 2.5)) + 1)
    ticks = [t for p in powers for t in ((10.0**p,) if high / low > 30 else (10.0**p, 3 * 10.0**p))]
    ax.set_xticks([t for t in ticks if low / 2.5 <= t <= high * 2.5])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    _names.beside(ax, table.seconds, table.value, [_text.tick(entry, 22) for entry in table.method])
    return ax
