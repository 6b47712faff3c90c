"""Errors of restored values: sums for every sample and for every gene, from which all figures are made."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from exval.tasks.completing.scale import Scale

LEVELS = (50, 80, 95)
CURVE = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
"""Levels of the calibration curve, per cent."""
SUMS = ("squared", "absolute", "inside_50", "inside_80", "inside_95", "width_95", "fine_95")
METRICS = {
    "rmse": ("squared", True),
    "mae": ("absolute", False),
    "coverage_50": ("inside_50", False),
    "coverage_80": ("inside_80", False),
    "coverage_95": ("inside_95", False),
    "interval_width_95": ("width_95", False),
    "interval_score_95": ("fine_95", False),
}
"""Metric -> (sum over entries that it is the mean of, whether a root is taken); all in sds of the training samples."""


def entry_errors(
    truth_ng: np.ndarray, values_ng: np.ndarray, sd_ng: np.ndarray | None, asked_ng: np.ndarray, scale: Scale
) -> dict[str, np.ndarray]:
    """What every asked value adds to the sums; zero elsewhere.

    Parameters
    ----------
    truth_ng, values_ng
        (n, g) measured and restored values in the unit of the file.
    sd_ng
        (n, g) sds of the restored values, or None.
    asked_ng
        (n, g) bool: hidden, measured, and of a gene that is scored.
    scale
        Of the training samples.

    Returns
    -------
    dict
        ``squared``, ``absolute`` and, with sds, ``inside_50``, ``inside_80``, ``inside_95``, ``width_95`` and
        ``fine_95`` (the interval score of Gneiting and Raftery 2007, section 6.2), each (n, g). Intervals are those of
        the normal distribution with the restored value as its mean.
    """
    error_ng = np.where(asked_ng, scale.z(values_ng) - scale.z(truth_ng), 0.0)
    sums = {"squared": error_ng**2, "absolute": np.abs(error_ng)}
    if sd_ng is None:
        return sums
    unit_g = scale.unit_g
    off_ng = np.where(asked_ng, np.abs(values_ng - truth_ng) / unit_g, 0.0)
    spread_ng = np.where(asked_ng, sd_ng / unit_g, 0.0)
    for level in LEVELS:
        sums[f"inside_{level}"] = (asked_ng & (off_ng <= half_width(level) * spread_ng)).astype(np.float64)
    half_ng = half_width(95) * spread_ng
    sums["width_95"] = 2 * half_ng
    sums["fine_95"] = 2 * half_ng + np.where(asked_ng, 2 / 0.05 * np.maximum(off_ng - half_ng, 0), 0.0)
    return sums


def half_width(level: float) -> float:
    """Sds from the middle of a normal distribution to the end of its central interval.

    Examples
    --------
    >>> round(half_width(95), 3)
    1.96
    """
    return float(norm.ppf(0.5 + level / 200))


def sample_table(sums: dict[str, np.ndarray], asked_ng: np.ndarray) -> dict[str, np.ndarray]:
    """(n,) sums of every sample, and ``n_hidden``; NaN where the method gives no sd."""
    found = {name: sums[name].sum(1) if name in sums else np.full(len(asked_ng), np.nan) for name in SUMS}
    return {"n_hidden": asked_ng.sum(1), **found}


def gene_table(
    sums: dict[str, np.ndarray], truth_ng: np.ndarray, values_ng: np.ndarray, asked_ng: np.ndarray
) -> dict[str, np.ndarray]:
    """(g,) ``n``, ``squared``, ``inside_95`` and ``pearson`` of every gene.

    Pearson is over the asked samples, within one fold: the means of two folds differ, and would be taken for skill. It
    is 0 where the method says the same of every sample, NaN where fewer than three were asked or all were equal.
    """
    n_g = asked_ng.sum(0)
    inside_g = sums["inside_95"].sum(0) if "inside_95" in sums else np.full(len(n_g), np.nan)
    return {"n": n_g, "squared": sums["squared"].sum(0), "inside_95": inside_g,
            "pearson": pearson_by_gene(truth_ng, values_ng, asked_ng)}  # fmt: skip


def pearson_by_gene(truth_ng: np.ndarray, values_ng: np.ndarray, asked_ng: np.ndarray) -> np.ndarray:
    """(g,) correlation of two arrays over the asked samples of each gene.

    Examples
    --------
    >>> truth = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> pearson_by_gene(truth, np.array([[2.0, 5.0], [4.0, 5.0], [6.0, 5.0]]), np.ones((3, 2), bool)).round(6).tolist()
    [1.0, 0.0]
    """
    n_g = np.maximum(asked_ng.sum(0), 1)
    centred = []
    for x_ng in (truth_ng, values_ng):
        x_ng = np.where(asked_ng, x_ng, 0.0)
        centred.append(np.where(asked_ng, x_ng - x_ng.sum(0) / n_g, 0.0))
    cross_g = (centred[0] * centred[1]).sum(0)
    square_g, other_g = ((x_ng**2).sum(0) for x_ng in centred)
    varies_g = other_g > 1e-12 * np.maximum(square_g, 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        r_g = np.where(varies_g, cross_g / np.sqrt(square_g * np.where(varies_g, other_g, 1.0)), 0.0)
    return np.where((asked_ng.sum(0) >= 3) & (square_g > 1e-12), r_g, np.nan)


def calibration(
    truth_ng: np.ndarray, values_ng: np.ndarray, sd_ng: np.ndarray, asked_ng: np.ndarray
) -> pd.DataFrame:  # fmt: skip
    """Share of the asked values inside central intervals of each level: ``level``, ``inside``, ``n``.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(400, 10))
    >>> table = calibration(x, 0 * x, 0 * x + 1, x == x).set_index("level")
    >>> bool(abs(table.inside[80] / table.n[80] - 0.8) < 0.02)
    True
    """
    off_t = np.abs(values_ng - truth_ng)[asked_ng]
    sd_t = sd_ng[asked_ng]
    rows = [
        {"level": level, "inside": int((off_t <= half_width(level) * sd_t).sum()), "n": len(off_t)} for level in CURVE
    ]
    return pd.DataFrame(rows)
