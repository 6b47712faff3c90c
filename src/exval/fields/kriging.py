"""Kriging: the variogram is fitted, and the nearest samples are weighted by it; with a trend, regression kriging."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from exval.fields.base import Field
from exval.fields.donors import DonorOffsets
from exval.fields.kernels import fit_variogram, matern, variogram
from exval.fields.places import Places, codes
from exval.fields.ridge import ridge_by_gcv
from exval.methods.base import Card

BLOCK = 2000


class OrdinaryKriging(Field):
    r"""Ordinary kriging of the nearest samples, one variogram for all genes.

    The level is unknown and the same for all neighbours: weights w and the multiplier u solve

    .. math:: \begin{pmatrix} C & 1 \\ 1^\top & 0 \end{pmatrix} \begin{pmatrix} w \\ u \end{pmatrix}
              = \begin{pmatrix} c \\ 1 \end{pmatrix},\qquad \sigma^2 = C(0) - w^\top c - u

    (Matheron 1963; Cressie 1993, Statistics for Spatial Data, section 3.2). A measurement has the nugget on top.
    Offsets of donors (:class:`~exval.fields.donors.DonorOffsets`) are taken off first and added where the donor is
    known. The variances are scaled, gene by gene, by the mean squared standardised error at the samples themselves.

    Parameters
    ----------
    k
        Neighbours.
    smoothness
        Of the variogram: 0.5 (exponential), 1.5 or 2.5.
    seed
        Of the pairs drawn for the variogram.

    Attributes
    ----------
    variogram_
        Nugget, partial sill (both in variances of the gene) and length in mm.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (150, 3))
    >>> field = OrdinaryKriging().fit(Places.of(xyz), np.sin(xyz[:, 1:] / 20) + 0.1 * rng.normal(size=(150, 2)))
    >>> bool(abs(field.predict(Places.of([[0, 20, 0]])).mean_mg[0, 0] - np.sin(1.0)) < 0.4)
    True
    """

    name = "kriging"
    aliases = ("ordinary-kriging",)
    sees = ("position", "donor")
    own_sd = True
    card = Card(
        category="kriging",
        sees=("position", "donor"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="k^3 for each place",
        reference="Matheron 1963; Cressie 1993, Statistics for Spatial Data, chapters 2 and 3",
        summary="Ordinary kriging of the nearest samples with one variogram for all genes.",
    )

    def __init__(self, k: int = 40, smoothness: float = 0.5, seed: int = 0) -> None:
        self.k = k
        self.smoothness = smoothness
        self.seed = seed

    def trend(self, places: Places) -> np.ndarray:
        """(m, g) what is told before the samples around are looked at."""
        return np.zeros((len(places), self._z_ng.shape[1]))

    def learn_trend(self, places: Places, z_ng: np.ndarray) -> np.ndarray:
        """(n, g) the trend at the samples."""
        return np.zeros_like(z_ng)

    def learn(self, places, z_ng):
        self.offsets_ = DonorOffsets().fit(places, z_ng)
        z_ng = z_ng - self.offsets_.at(places)[0]
        self._z_ng = z_ng - self.learn_trend(places, z_ng)
        self._xyz = places.folded()
        self._tree = cKDTree(self._xyz)
        self.variogram_ = fit_variogram(*variogram(self._xyz, self._z_ng, seed=self.seed), self.smoothness)
        told_ng, variance_n = self._around(self._xyz, itself=False)
        self._scale_g = ((self._z_ng - told_ng) ** 2 / variance_n[:, None]).mean(0)

    def _around(self, xyz: np.ndarray, itself: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(m, g) kriged values and (m,) variances of a measurement; without ``itself`` the nearest one is left out."""
        nugget, sill, length = self.variogram_
        k = min(self.k, len(self._xyz) - 1)
        told_mg, variance_m = np.empty((len(xyz), self._z_ng.shape[1])), np.empty(len(xyz))
        for start in range(0, len(xyz), BLOCK):
            here = slice(start, start + BLOCK)
            distance_mk, near_mk = self._tree.query(xyz[here], k=k + (not itself))
            distance_mk, near_mk = (part.reshape(len(xyz[here]), -1)[:, -k:] for part in (distance_mk, near_mk))
            at = self._xyz[near_mk]
            between = np.sqrt(((at[:, :, None] - at[:, None]) ** 2).sum(3))
            system = np.ones((len(at), k + 1, k + 1))
            system[:, :k, :k] = sill * matern(between, length, self.smoothness) + nugget * np.eye(k)
            system[:, k, k] = 0.0
            right = np.ones((len(at), k + 1, 1))
            right[:, :k, 0] = sill * matern(distance_mk, length, self.smoothness)
            found = np.linalg.solve(system, right)[:, :, 0]
            weight_mk = found[:, :k]
            told_mg[here] = np.einsum("mk,mkg->mg", weight_mk, self._z_ng[near_mk])
            variance_m[here] = sill + nugget - (weight_mk * right[:, :k, 0]).sum(1) - found[:, k]
        return told_mg, np.maximum(variance_m, nugget + 1e-9)

    def tell(self, places):
        return self._around(places.folded())[0] + self.trend(places) + self.offsets_.at(places)[0]

    def spread(self, places):
        variance_mg = self._around(places.folded())[1][:, None] * self._scale_g
        known_m = self.offsets_.at(places)[1]
        return np.sqrt(variance_mg + np.where(known_m[:, None], 0.0, self.offsets_.spread_g**2))


class RegressionKriging(OrdinaryKriging):
    """Ordinary kriging of what a regression on position and regions leaves over.

    The trend is a ridge regression on a quadratic polynomial of the position and on indicators of the regions, coarse
    and fine; its penalty, one for all genes, minimises the generalised cross-validation error (Golub, Heath and Wahba
    1979, Technometrics 21). The residuals are kriged (Odeh, McBratney and Chittleborough 1995, Geoderma 67; Hengl,
    Heuvelink and Rossiter 2007, Computers & Geosciences 33). Where no regions are known, the same without regions,
    fitted beside it, answers.

    Parameters
    ----------
    regions
        Use names of regions where they are known; the others as of :class:`OrdinaryKriging`.
    """

    name = "regression-kriging"
    aliases = ()
    sees = ("position", "regions", "donor")
    card = Card(
        category="kriging",
        sees=("position", "regions", "donor"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="k^3 for each place",
        reference="Odeh et al. 1995, Geoderma 67; Hengl et al. 2007, Computers & Geosciences 33",
        summary="Ridge regression on position and regions, and ordinary kriging of what it leaves over.",
    )

    def __init__(self, k: int = 40, smoothness: float = 0.5, seed: int = 0, regions: bool = True) -> None:
        super().__init__(k, smoothness, seed)
        self.regions = regions

    def learn(self, places, z_ng):
        self._blind = None
        if self.regions and places.told().any():
            self._blind = RegressionKriging(self.k, self.smoothness, self.seed, regions=False)
            self._blind.learn(places, z_ng)
        super().learn(places, z_ng)

    def _divided(self, places: Places, ask: str) -> np.ndarray:
        """Places of known regions to this object, the others to the one without regions."""
        own = getattr(super(), ask)
        if self._blind is None:
            return own(places)
        told_m, out = places.told(), np.empty((len(places), self._z_ng.shape[1]))
        if told_m.any():
            out[told_m] = own(places.take(told_m))
        if not told_m.all():
            out[~told_m] = getattr(self._blind, ask)(places.take(~told_m))
        return out

    def tell(self, places):
        return self._divided(places, "tell")

    def spread(self, places):
        return self._divided(places, "spread")

    def learn_trend(self, places, z_ng):
        self._names = [codes(places.regions_nk[:, k], places.regions_nk[:0, k])[0]
                       for k in range(places.regions_nk.shape[1] if self.regions else 0)]  # fmt: skip
        self._centre, self._reach = places.folded().mean(0), places.folded().std(0) + 1e-9
        design_np = self._design(places)
        self._weights_pg = ridge_by_gcv(design_np, z_ng)
        return design_np @ self._weights_pg

    def _design(self, places: Places) -> np.ndarray:
        u = (places.folded() - self._centre) / self._reach
        squares = [u[:, i] * u[:, j] for i in range(3) for j in range(i, 3)]
        columns = [np.ones(len(u)), *u.T, *squares]
        for k, names in enumerate(self._names):
            known = places.regions_nk.shape[1] >= len(self._names)
            code = codes(names, places.regions_nk[:, k])[2] if known else np.full(len(u), -1)
            columns += [(code == r).astype(float) for r in range(len(names))]
        return np.column_stack(columns)

    def trend(self, places):
        return self._design(places) @ self._weights_pg
