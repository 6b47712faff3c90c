"""A field against a known truth: at every voxel, block by block, so that only sums are kept."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from exval.tasks.completing.score import LEVELS, half_width


def sums_of(truth_mg: np.ndarray, told_mg: np.ndarray, level_g: np.ndarray) -> np.ndarray:
    """(7, g) sums over a block of places; those of blocks may be added.

    Parameters
    ----------
    truth_mg, told_mg
        (m, g) values in one unit.
    level_g
        (g,) taken off both first, the same for every block, so that squares do not cancel.
    """
    t, p = truth_mg - level_g, told_mg - level_g
    return np.stack([np.full(t.shape[1], float(len(t))), t.sum(0), p.sum(0), (t * t).sum(0), (p * p).sum(0),
                     (t * p).sum(0), ((t - p) ** 2).sum(0)])  # fmt: skip


def agreement(sums_sg: np.ndarray) -> dict[str, np.ndarray]:
    r"""(g,) figures over all places that the sums are of.

    Returns
    -------
    dict
        ``pearson`` (0 where one of the two does not vary), ``r2`` (:math:`1 - \sum (t - p)^2 / \sum (t - \bar t)^2`,
        with :math:`\bar t` the mean of the truth over the same places) and ``rmse``.

    Examples
    --------
    >>> truth = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> both = sums_of(truth[:1], truth[:1] + 1, np.zeros(1)) + sums_of(truth[1:], truth[1:] + 1, np.zeros(1))
    >>> {key: float(value.round(3)[0]) for key, value in agreement(both).items()}
    {'pearson': 1.0, 'r2': 0.2, 'rmse': 1.0}
    """
    m_g, t_g, p_g, tt_g, pp_g, tp_g, error_g = sums_sg
    var_t, var_p = np.maximum(tt_g - t_g**2 / m_g, 0.0), np.maximum(pp_g - p_g**2 / m_g, 0.0)
    flat = (var_t <= 1e-10 * tt_g) | (var_p <= 1e-10 * pp_g)
    size = np.sqrt(np.where(flat, 1.0, var_t * var_p))
    return {
        "pearson": np.where(flat, 0.0, (tp_g - t_g * p_g / m_g) / size),
        "r2": np.where(var_t > 0, 1 - error_g / np.where(var_t > 0, var_t, 1.0), np.nan),
        "rmse": np.sqrt(error_g / m_g),
    }


def shares_within(
    truth_mg: np.ndarray, mean_mg: np.ndarray, sd_mg: np.ndarray, measurement_sd_g: np.ndarray
) -> dict[str, np.ndarray]:
    r"""(g,) how often intervals about what was told hold what they should.

    Parameters
    ----------
    truth_mg, mean_mg, sd_mg
        (m, g) the truth, what was told, and the sd that was told of a measurement.
    measurement_sd_g
        (g,) true sd of a new measurement about the truth: noise, and the offset of a new donor.

    Returns
    -------
    dict
        ``coverage_50``, ``coverage_80``, ``coverage_95``: share of the new measurements inside. Nothing is drawn: it is
        the mean over places of :math:`\Phi((\hat x + k s - t)/\tau) - \Phi((\hat x - k s - t)/\tau)` with :math:`\tau`
        the true sd. And ``truth_50``, ``truth_80``, ``truth_95``: share of the places whose truth lies inside. An
        interval for measurements is wide for the truth, which has no noise, so that more is to be expected.

    Examples
    --------
    >>> exact = np.zeros((1, 1))
    >>> found = shares_within(exact, exact, np.ones((1, 1)), np.ones(1))
    >>> found["coverage_80"].round(3).tolist(), found["truth_80"].tolist()
    ([0.8], [1.0])
    """
    off_mg = np.asarray(mean_mg, dtype=np.float64) - truth_mg
    found = {}
    for level in LEVELS:
        half_mg = half_width(level) * np.asarray(sd_mg, dtype=np.float64)
        inside = ndtr((off_mg + half_mg) / measurement_sd_g) - ndtr((off_mg - half_mg) / measurement_sd_g)
        found[f"coverage_{level}"] = inside.mean(0)
        found[f"truth_{level}"] = (np.abs(off_mg) <= half_mg).mean(0)
    return found
