"""Entries of training samples hidden from the fit: they choose a method's setting and the width of its intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARES = (0.1, 0.5, 0.9)
MOST = 100  # samples set aside at most
LEVELS = {0.5: 0.67449, 0.8: 1.28155, 0.95: 1.95996}  # coverage of an interval of so many SDs either side


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A division of standardised training samples into some to fit on and some with hidden entries.

    Parameters
    ----------
    fit_ng
        (n, p) samples to fit on; the genes are those that at least two of them measured.
    seen_mg
        (m, p) the samples set aside, once for each share of hidden entries; NaN where hidden or not measured.
    truth_mg
        (m, p) the hidden values, NaN elsewhere.
    share_m
        (m,) share hidden.
    genes
        (p,) positions of the genes among all.
    """

    fit_ng: np.ndarray
    seen_mg: np.ndarray
    truth_mg: np.ndarray
    share_m: np.ndarray
    genes: np.ndarray

    def loss(self, filled_mg: np.ndarray) -> float:
        """Mean squared error of the hidden entries, each share with equal weight."""
        square_mg = (filled_mg - self.truth_mg) ** 2
        each = [square_mg[self.share_m == share] for share in np.unique(self.share_m)]
        return float(np.mean([np.nanmean(part) for part in each if not np.isnan(part).all()]))

    def ratios(self, filled_mg: np.ndarray, sd_mg: np.ndarray) -> np.ndarray:
        """Absolute error over sd of every hidden entry, in one row."""
        hidden_mg = ~np.isnan(self.truth_mg)
        return np.abs(filled_mg - self.truth_mg)[hidden_mg] / np.maximum(sd_mg[hidden_mg], 1e-12)


def hold_out(z_ng: np.ndarray, seed: int = 0, most: int = MOST, group_n: np.ndarray | None = None) -> HeldOut | None:
    """Set a fifth of the samples aside (no more than ``most``) and hide 10, 50 and 90 % of their values at random.

    Parameters
    ----------
    z_ng
        (n, g) standardised training samples, NaN where not measured.
    seed
        Of what is hidden.
    most
        Samples set aside at most.
    group_n
        (n,) groups of samples (patients): none stands on both sides.

    Returns
    -------
    HeldOut or None
        None below 10 samples: too few to choose anything by.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(40, 50))
    >>> held = hold_out(z)
    >>> held.fit_ng.shape, held.seen_mg.shape, round(float(np.isnan(held.seen_mg).mean()), 1)
    ((32, 50), (24, 50), 0.5)
    >>> round(held.loss(np.zeros((24, 50))), 1)
    1.0
    """
    n = len(z_ng)
    if n < 10:
        return None
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    n_check = min(most, n // 5)
    check, rest = np.sort(order[:n_check]), np.sort(order[n_check:])
    if group_n is not None:
        check = np.flatnonzero(np.isin(group_n, group_n[check]))
        rest, n_check = np.setdiff1d(np.arange(n), check), len(check)
        if len(rest) < n // 2:
            return None
    genes = np.flatnonzero((~np.isnan(z_ng[rest])).sum(0) >= 2)
    if not len(genes):
        return None
    whole_mg = np.tile(z_ng[np.ix_(check, genes)], (len(SHARES), 1))
    share_m = np.repeat(SHARES, n_check)
    hidden_mg = (rng.random(whole_mg.shape) < share_m[:, None]) & ~np.isnan(whole_mg)
    if not hidden_mg.any():
        return None
    seen_mg, truth_mg = np.where(hidden_mg, np.nan, whole_mg), np.where(hidden_mg, whole_mg, np.nan)
    return HeldOut(z_ng[np.ix_(rest, genes)], seen_mg, truth_mg, share_m, genes)


def coverage_scale(ratio_k: np.ndarray) -> float:
    """The factor for the sd with which intervals of 50, 80 and 95 % cover what they should, as nearly as one can.

    Errors are rarely Gaussian, and then no factor serves all three; this one makes the largest of the three departures
    smallest.

    Parameters
    ----------
    ratio_k
        (k,) absolute errors over sd.

    Examples
    --------
    >>> errors = np.abs(np.random.default_rng(0).normal(scale=2.0, size=100_000))
    >>> round(coverage_scale(errors), 1)
    2.0
    """
    ratio_k = np.sort(ratio_k)
    factor_f = np.geomspace(0.2, 5.0, 401)
    level_l, reach_l = np.array(list(LEVELS)), np.array(list(LEVELS.values()))
    covered_fl = np.searchsorted(ratio_k, factor_f[:, None] * reach_l, side="right") / len(ratio_k)
    return float(factor_f[np.abs(covered_fl - level_l).max(1).argmin()])
