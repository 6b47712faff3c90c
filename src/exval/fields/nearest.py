"""The nearest sample."""

from __future__ import annotations

from scipy.spatial import cKDTree

from exval.fields.base import Field
from exval.methods.base import Card


class Nearest(Field):
    """The value of the nearest training sample, both hemispheres laid onto one.

    Examples
    --------
    >>> import numpy as np
    >>> from exval.fields.places import Places
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (30, 3)))
    >>> values = np.arange(30.0)[:, None]
    >>> Nearest().fit(places, values).predict(places.take([7])).mean_mg.round(3).tolist()
    [[7.0]]
    """

    name = "nearest"
    aliases = ("1-nn",)
    card = Card(
        category="neighbours",
        sees=("position",),
        space_in="any unit",
        space_out="the unit of the input",
        cost="next to none",
        reference="textbook",
        summary="The value of the nearest training sample.",
    )

    def learn(self, places, z_ng):
        self._tree, self._z_ng = cKDTree(places.folded()), z_ng

    def tell(self, places):
        return self._z_ng[self._tree.query(places.folded())[1]]
