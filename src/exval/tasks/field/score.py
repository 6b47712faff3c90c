"""Figures of a field at held-out samples, gene by gene; never over background voxels."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from exval.tasks.completing.score import LEVELS, half_width


def gene_scores(
    truth_mg: np.ndarray,
    mean_mg: np.ndarray,
    sd_mg: np.ndarray | None,
    region_m: np.ndarray | None = None,
    level_g: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    r"""(g,) of each figure.

    Parameters
    ----------
    truth_mg, mean_mg, sd_mg
        (m, g) measured and told values of the held-out samples and the sd of a measurement, in one unit.
    region_m
        (m,) names of coarse regions: contrast between them dominates the correlation, so that it is also given within.
    level_g
        (g,) training means; those of the held-out samples by default.

    Returns
    -------
    dict
        ``pearson``, ``spearman``, ``r2`` (:math:`1 - \sum (x - \hat x)^2 / \sum (x - m)^2`, with m the training mean:
        of a block in space its own level is part of what has to be told), ``pearson_within`` (of what is left when the
        mean of the region is taken off both), ``rmse``, and with sds ``nll`` of the normal distribution and
        ``coverage_50``, ``coverage_80``, ``coverage_95``. A correlation with an answer that is constant is 0: it
        tells nothing apart. A gene that is constant in truth has no figure (NaN), one that was constant in training has
        no figure of its sd.

    Examples
    --------
    >>> truth = np.array([[0.0], [1.0], [2.0]])
    >>> {k: v.round(2).tolist() for k, v in gene_scores(truth, truth + 1.0, None).items()}
    {'pearson': [1.0], 'spearman': [1.0], 'r2': [-0.5], 'rmse': [1.0]}
    """
    truth, told = (np.asarray(x, dtype=np.float64) for x in (truth_mg, mean_mg))
    error = truth - told
    flat_g = np.ptp(truth, axis=0) <= 0
    spread_g = ((truth - (truth.mean(0) if level_g is None else level_g)) ** 2).sum(0)
    found = {
        "pearson": correlations(truth, told),
        "spearman": correlations(rankdata(truth, axis=0), rankdata(told, axis=0)),
        "r2": np.where(spread_g > 0, 1 - (error**2).sum(0) / np.where(spread_g > 0, spread_g, 1), np.nan),
        "rmse": np.sqrt((error**2).mean(0)),
    }
    if region_m is not None:
        found["pearson_within"] = correlations(_within(truth, region_m), _within(told, region_m))
    if sd_mg is not None:
        z = error / np.maximum(sd_mg, 1e-12)
        found["nll"] = (0.5 * z**2 + np.log(np.maximum(sd_mg, 1e-12)) + 0.5 * np.log(2 * np.pi)).mean(0)
        for level in LEVELS:
            found[f"coverage_{level}"] = (np.abs(z) <= half_width(level)).mean(0)
        unknown_g = ~(sd_mg > 0).any(0)  # the gene did not vary in training: nothing can be said of its spread
        for name in ("nll", *(f"coverage_{level}" for level in LEVELS)):
            found[name] = np.where(unknown_g, np.nan, found[name])
    return {name: np.where(flat_g, np.nan, value) for name, value in found.items()}


def correlations(a_mg: np.ndarray, b_mg: np.ndarray) -> np.ndarray:
    """(g,) Pearson correlation of columns; 0 where one of them does not vary.

    Examples
    --------
    >>> correlations(np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 3], [0, 3]])).tolist()
    [-1.0, 0.0]
    """
    a, b = a_mg - a_mg.mean(0), b_mg - b_mg.mean(0)
    size = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    flat = (np.ptp(a_mg, axis=0) <= 1e-9 * (1e-9 + np.abs(a_mg).max(0))) | (
        np.ptp(b_mg, axis=0) <= 1e-9 * (1e-9 + np.abs(b_mg).max(0)))  # fmt: skip
    return np.where(flat | (size == 0), 0.0, (a * b).sum(0) / np.where(size > 0, size, 1))


def _within(x_mg: np.ndarray, region_m: np.ndarray) -> np.ndarray:
    """Values less the mean of their region; samples without a region are one of their own."""
    code_m = np.unique(np.where(np.equal(region_m, None), "", region_m).astype(str), return_inverse=True)[1]
    total = np.zeros((code_m.max() + 1, x_mg.shape[1]))
    np.add.at(total, code_m, x_mg)
    return x_mg - (total / np.bincount(code_m)[:, None])[code_m]
