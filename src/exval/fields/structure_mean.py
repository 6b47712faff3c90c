"""The mean of the region: what an atlas without coordinates knows."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from exval.fields.base import Field
from exval.fields.places import codes
from exval.methods.base import Card


class StructureMean(Field):
    """Mean of the samples of the same region, drawn towards that of the coarser region around it.

    From coarse to fine, with n samples of mean y in a region and m for the region around it:
    ``(n y + k m) / (n + k)``, where k is the variance within regions over the variance between them, by the method of
    moments over all regions of a level (one-way random effects; Robinson 1991, Statistical Science 6). Where the
    region of a place is not known, that of the nearest training sample is taken.

    Examples
    --------
    >>> from exval.fields.places import Places
    >>> rng = np.random.default_rng(0)
    >>> names = np.array(list("ab") * 20)[:, None]
    >>> places = Places.of(rng.uniform(-40, 40, (40, 3)), regions_nk=names)
    >>> field = StructureMean().fit(places, np.where(names == "a", 1.0, 3.0) + 0.01 * rng.normal(size=(40, 1)))
    >>> field.predict(places.take([0, 1])).mean_mg.round(1).ravel().tolist()
    [1.0, 3.0]
    """

    name = "structure-mean"
    sees = ("regions",)
    card = Card(
        category="control",
        sees=("regions",),
        space_in="any unit",
        space_out="the unit of the input",
        cost="none",
        reference="Robinson 1991, Statistical Science 6",
        summary="The mean of the samples of the same region, drawn towards that of the coarser region around it.",
    )

    def learn(self, places, z_ng):
        self._mean_g = z_ng.mean(0)
        self._tree, self._places = cKDTree(places.folded()), places
        self.levels_ = []
        around_ng = np.broadcast_to(self._mean_g, z_ng.shape)
        for k in range(places.regions_nk.shape[1]):
            names, code_n, _ = codes(places.regions_nk[:, k], places.regions_nk[:0, k])
            known = code_n >= 0
            if not len(names):  # a level of which no name is known
                self.levels_.append((names, np.empty((0, z_ng.shape[1]))))
                continue
            mean_rg = _shrunken(z_ng[known], code_n[known], around_ng[known], len(names))
            self.levels_.append((names, mean_rg))
            around_ng = np.where(known[:, None], mean_rg[code_n], around_ng)

    def tell(self, places):
        regions_mk = places.regions_nk
        if self._places.regions_nk.shape[1] and regions_mk.shape[1] != len(self.levels_):
            regions_mk = np.full((len(places), len(self.levels_)), None, dtype=object)
        blind = np.equal(regions_mk, None).all(1)
        if self.levels_ and blind.any():
            regions_mk = regions_mk.copy()
            nearest = self._tree.query(places.folded()[blind])[1]
            regions_mk[blind] = self._places.regions_nk[nearest]
        z_mg = np.tile(self._mean_g, (len(places), 1))
        for k, (names, mean_rg) in enumerate(self.levels_):
            if not len(names):
                continue
            code_m = codes(names, regions_mk[:, k])[2]
            z_mg = np.where((code_m >= 0)[:, None], mean_rg[code_m], z_mg)
        return z_mg


def _shrunken(z_ng: np.ndarray, code_n: np.ndarray, around_ng: np.ndarray, n_regions: int) -> np.ndarray:
    """(r, g) means of regions, drawn towards what is around them."""
    count_r = np.bincount(code_n, minlength=n_regions).astype(float)[:, None]
    total_rg, around_rg = np.zeros((n_regions, z_ng.shape[1])), np.zeros((n_regions, z_ng.shape[1]))
    np.add.at(total_rg, code_n, z_ng)
    np.add.at(around_rg, code_n, around_ng)
    mean_rg, around_rg = total_rg / np.maximum(count_r, 1), around_rg / np.maximum(count_r, 1)
    within_g = ((z_ng - mean_rg[code_n]) ** 2).sum(0) / max(len(z_ng) - n_regions, 1)
    spread_g = ((mean_rg - around_rg) ** 2).mean(0) - within_g * (1 / np.maximum(count_r, 1)).mean()
    k_g = within_g / np.maximum(spread_g, 1e-3 * np.maximum(within_g, 1e-12))
    return (total_rg + k_g * around_rg) / (count_r + k_g)
