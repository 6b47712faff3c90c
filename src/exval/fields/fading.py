"""How much of what a field says is to be believed, by the distance to the nearest sample."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from sklearn.isotonic import isotonic_regression

from exval.fields.holdout import bands
from exval.fields.places import Places


class Fading:
    """What is told is drawn towards the mean where samples are far, as an inner hold-out says.

    Within bands of the distance to the nearest sample that taught, the slope of the measured on the told values, all
    genes together, is what should have been told for each unit that was (Copas 1983, Journal of the Royal Statistical
    Society B 45, on shrinking a prediction). It is kept between 0 and 1 and made never to rise with distance; between
    the middles of the bands it is interpolated, beyond them it stays.

    Attributes
    ----------
    distance_b, slope_b
        Middles of the bands, mm, and slopes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> places, apart_n = Places.of(rng.uniform(-40, 40, (400, 3))), np.linspace(0, 40, 400)
    >>> z_ng = rng.normal(size=(400, 3))
    >>> told_ng = np.where(apart_n[:, None] < 20, z_ng, rng.normal(size=(400, 3)))
    >>> Fading().fit(places, z_ng, told_ng, apart_n).slope_b.round().tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """

    def fit(self, places: Places, z_ng: np.ndarray, told_ng: np.ndarray, apart_n: np.ndarray) -> Fading:
        """From standardised values, what was told of them when they were held out, and how far off; ``places`` are all.

        A row of ``z_ng``, ``told_ng`` and ``apart_n`` each; not every place needs to have been asked.
        """
        parts = bands(apart_n)
        square_b = np.array([(told_ng[part] ** 2).sum() for part in parts])
        slope_b = np.array([(z_ng[part] * told_ng[part]).sum() for part in parts]) / np.maximum(square_b, 1e-12)
        self.distance_b = np.array([np.median(apart_n[part]) for part in parts])
        self.slope_b = np.clip(
            isotonic_regression(slope_b, sample_weight=np.maximum(square_b, 1e-12), increasing=False), 0.0, 1.0
        )
        self._tree = cKDTree(places.folded())
        return self

    def regain(self, places: Places, distance_b: np.ndarray, slope_b: np.ndarray) -> Fading:
        """From attributes and the places of the samples that taught."""
        self.distance_b, self.slope_b, self._tree = distance_b, slope_b, cKDTree(places.folded())
        return self

    def of(self, apart_n: np.ndarray) -> np.ndarray:
        """(n, 1) slopes at these distances."""
        return np.interp(apart_n, self.distance_b, self.slope_b)[:, None]

    def at(self, places: Places) -> np.ndarray:
        """(m, 1) slopes at places."""
        return self.of(self._tree.query(places.folded())[0])
