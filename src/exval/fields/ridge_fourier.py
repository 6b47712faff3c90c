"""Ridge regression on Fourier features of the position."""

from __future__ import annotations

import numpy as np

from exval.fields.base import Field
from exval.fields.holdout import inner_groups
from exval.fields.ridge import ridge_by_gcv
from exval.methods.base import Card

LENGTHS = (10.0, 15.0, 25.0, 40.0)  # mm


class RidgeFourier(Field):
    r"""Ridge regression on random Fourier features: a Gaussian process of finite rank.

    Features are :math:`\cos(w^\top p + b)` with w from a normal distribution of sd 1 / length (Rahimi and Recht 2007,
    NeurIPS); the length is chosen by leaving out donors, or blocks in space, the penalty by generalised
    cross-validation.

    Parameters
    ----------
    n_features
        Features.
    lengths
        Tried, in mm.
    seed
        Of the features.

    Attributes
    ----------
    length_
        What was chosen.
    """

    name = "ridge-fourier"
    card = Card(
        category="linear",
        sees=("position",),
        space_in="any unit",
        space_out="the unit of the input",
        cost="features^2 for each sample",
        reference="Rahimi and Recht 2007, NeurIPS",
        summary="Ridge regression on random Fourier features of the position, their length chosen in space.",
    )

    def __init__(self, n_features: int = 400, lengths: tuple[float, ...] = LENGTHS, seed: int = 0) -> None:
        self.n_features = n_features
        self.lengths = lengths
        self.seed = seed

    def frozen(self):
        return RidgeFourier(self.n_features, (self.length_,), self.seed)

    def learn(self, places, z_ng):
        rng = np.random.default_rng(self.seed)
        self._w, self._b = rng.normal(size=(3, self.n_features)), rng.uniform(0, 2 * np.pi, self.n_features)
        lengths, fold_n = tuple(self.lengths), inner_groups(places, self.seed)
        if len(lengths) > 1:
            errors = [self._error(places, z_ng, fold_n, length) for length in lengths]
            self.length_ = lengths[int(np.argmin(errors))]
        else:
            self.length_ = lengths[0]
        self._weights_pg = ridge_by_gcv(self._features(places, self.length_), z_ng)

    def keep(self):
        return {"length": self.length_}, {}

    def regain(self, places, z_ng, told, arrays):
        one = self.lengths
        self.lengths = (told["length"],)
        self.learn(places, z_ng)
        self.lengths = one

    def _features(self, places, length: float) -> np.ndarray:
        waves = np.cos(places.folded() / length @ self._w + self._b)
        return np.column_stack([np.ones(len(waves)), np.sqrt(2 / self.n_features) * waves])

    def _error(self, places, z_ng, fold_n, length: float) -> float:
        features, total = self._features(places, length), 0.0
        for fold in np.unique(fold_n):
            test = fold_n == fold
            weights = ridge_by_gcv(features[~test], z_ng[~test])
            total += ((z_ng[test] - features[test] @ weights) ** 2).sum()
        return total

    def tell(self, places):
        out = np.empty((len(places), self._weights_pg.shape[1]))
        for part in np.array_split(np.arange(len(places)), -(-len(places) // 50_000)):
            out[part] = self._features(places.take(part), self.length_) @ self._weights_pg
        return out
