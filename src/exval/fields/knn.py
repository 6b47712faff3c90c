"""Inverse-distance mean of the nearest samples: the dense map of abagen."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from exval.errors import InputError
from exval.fields.base import Field
from exval.methods.base import Card

BLOCK = 200_000  # places at a time: neighbours x genes are held for them


class KNearest(Field):
    r"""Mean of the k nearest training samples, each weighted by the inverse of its distance (Shepard 1968).

    .. math:: \hat x(p) = \sum_{i \in N_k(p)} \frac{x_i}{d_i} \Big/ \sum_{i \in N_k(p)} \frac{1}{d_i}

    A sample that lies exactly at the place is taken alone (their mean, where several do). With 10 neighbours it is the
    dense map of abagen (Markello et al. 2021, eLife 10; ``get_interpolated_map``). Instead of copying samples to the
    other side, both hemispheres are laid onto one, which is the same but near the midline, where there a sample and its
    mirror image both count.

    Parameters
    ----------
    k
        Neighbours.
    fold
        Lay both hemispheres onto one.

    Examples
    --------
    >>> from exval.fields.places import Places
    >>> xyz = np.array([[3.0, 0, 0], [0, 1.0, 0], *([[90.0, 90, 90]] * 18)])
    >>> field = KNearest(k=2).fit(Places.of(xyz), np.array([[0.0], [4.0]] + [[0.0]] * 18))
    >>> float(field.predict(Places.of([[0.0, 0, 0]])).mean_mg.round(4)[0, 0])  # (0 / 3 + 4 / 1) / (1 / 3 + 1)
    3.0
    """

    name = "knn"
    aliases = ("idw",)
    card = Card(
        category="neighbours",
        sees=("position",),
        space_in="any unit",
        space_out="the unit of the input",
        cost="next to none",
        reference="Shepard 1968; Markello et al. 2021, eLife 10",
        summary="Inverse-distance mean of the ten nearest training samples, as abagen's dense maps.",
    )

    def __init__(self, k: int = 10, fold: bool = True) -> None:
        self.k = k
        self.fold = fold

    def learn(self, places, z_ng):
        if self.k < 1:
            raise InputError(f"k={self.k}: at least one neighbour is needed")
        self._tree, self._z_ng = cKDTree(self._at(places)), z_ng

    def _at(self, places):
        return places.folded() if self.fold else places.xyz_n3

    def tell(self, places):
        xyz, k = self._at(places), min(self.k, len(self._z_ng))
        out = np.empty((len(xyz), self._z_ng.shape[1]))
        for start in range(0, len(xyz), BLOCK):
            here = slice(start, start + BLOCK)
            distance_mk, near_mk = (part.reshape(-1, k) for part in self._tree.query(xyz[here], k=k))
            exact_mk = distance_mk == 0
            with np.errstate(divide="ignore"):
                weight_mk = np.where(exact_mk.any(1, keepdims=True), exact_mk, 1 / distance_mk)
            weight_mk = weight_mk / weight_mk.sum(1, keepdims=True)
            told = out[here]
            told[:] = 0
            for j in range(k):
                told += weight_mk[:, j, None] * self._z_ng[near_mk[:, j]]
        return out
