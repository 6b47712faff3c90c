"""The training mean: what a field has to beat."""

from __future__ import annotations

import numpy as np

from exval.fields.base import Field
from exval.methods.base import Card


class MeanField(Field):
    """The mean of the training samples, everywhere.

    Examples
    --------
    >>> from exval.fields.places import Places
    >>> rng = np.random.default_rng(0)
    >>> field = MeanField().fit(Places.of(rng.uniform(-40, 40, (30, 3))), rng.normal(5, 1, (30, 2)))
    >>> field.predict(Places.of([[0, 0, 0]])).mean_mg.round(0).tolist()
    [[5.0, 5.0]]
    """

    name = "mean"
    sees = ()
    card = Card(
        category="control",
        sees=(),
        space_in="any unit",
        space_out="the unit of the input",
        cost="none",
        reference="textbook",
        summary="The mean of the training samples, and their standard deviation.",
    )

    def learn(self, places, z_ng):
        self._g = z_ng.shape[1]

    def tell(self, places):
        return np.zeros((len(places), self._g))
