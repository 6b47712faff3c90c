"""What sets donors apart: an offset of every gene, shrunken, seen where samples of several donors lie side by side."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from exval.fields.places import Places, codes

NEAR, ROUNDS = 10, 3


class DonorOffsets:
    """Offsets of donors, from the residuals of samples about what the *other* donors have at the same places.

    A donor's mean is no offset: one hemisphere or more brain stem moves it as well. Each sample is therefore compared
    with the mean of its ten nearest samples of other donors; offsets are taken off and what is left is looked at again.
    The mean residual of a donor is shrunken by ``v / (v + s2 / n)``, where v is the variance of the offsets between
    donors and s2 that of the residuals (one-way random effects).

    Attributes
    ----------
    names_, offset_dg
        Donors, and their offsets in standard deviations of the gene.
    spread_g
        Standard deviation of the offsets over donors: what a new donor may be off by.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = np.repeat(rng.uniform(-50, 50, (200, 3)), 2, axis=0) + rng.normal(0, 0.1, (400, 3))
    >>> places = Places.of(xyz, donor_n=["a", "b"] * 200)
    >>> z = 0.1 * rng.normal(size=(400, 1)) + np.tile([[0.5], [-0.5]], (200, 1))
    >>> DonorOffsets().fit(places, z).offset_dg.round(1).ravel().tolist()
    [0.5, -0.5]
    """

    def fit(self, places: Places, z_ng: np.ndarray) -> DonorOffsets:
        self.names_, code_n, _ = codes(places.donor_n, places.donor_n[:0])
        g = z_ng.shape[1]
        self.offset_dg, self.spread_g = np.zeros((len(self.names_), g)), np.zeros(g)
        if len(self.names_) < 2:
            return self
        xyz = places.folded()
        nearest = [_others(xyz, code_n, d) for d in range(len(self.names_))]
        error_dg, share = np.ones_like(self.offset_dg), 1 - 1 / len(self.names_)
        for _ in range(ROUNDS):
            free_ng, step_dg = z_ng - self.of(code_n), np.zeros_like(self.offset_dg)
            for d, (rows, near) in enumerate(nearest):
                left_ng = free_ng[rows] - free_ng[near].mean(1)
                step_dg[d], error_dg[d] = left_ng.mean(0), left_ng.var(0) / len(rows)
            # Offsets about their mean differ from those of the others by 1 / share of themselves.
            self.offset_dg += share * (step_dg - step_dg.mean(0))
        between_g = np.maximum(self.offset_dg.var(0, ddof=1) - error_dg.mean(0), 0.0)
        self.offset_dg *= between_g / np.maximum(between_g + error_dg, 1e-12)
        self.spread_g = np.sqrt(between_g)
        return self

    def of(self, code_n: np.ndarray) -> np.ndarray:
        """(n, g) offsets of the donors with these numbers; 0 for -1."""
        return np.vstack([self.offset_dg, np.zeros((1, self.offset_dg.shape[1]))])[code_n]

    def at(self, places: Places) -> tuple[np.ndarray, np.ndarray]:
        """(m, g) offsets of the donors of places, and (m,) whether a donor is a known one."""
        code_m = codes(self.names_, places.donor_n)[2]
        return self.of(code_m), code_m >= 0


def _others(xyz: np.ndarray, code_n: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a donor, and the nearest samples of others to each."""
    rows, rest = np.flatnonzero(code_n == d), np.flatnonzero((code_n != d) & (code_n >= 0))
    near = cKDTree(xyz[rest]).query(xyz[rows], k=min(NEAR, len(rest)))[1].reshape(len(rows), -1)
    return rows, rest[near]
