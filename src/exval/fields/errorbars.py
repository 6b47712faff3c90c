"""How far off a field is where it saw nothing: error bars from an inner hold-out."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from exval.fields.places import Places, codes

BLOCKS, BANDS, LEAST = 5, 4, 40
LEAST_SD = 0.2  # of the root mean squared error of the gene


def inner_folds(places: Places, seed: int = 0) -> np.ndarray:
    """(n,) fold of each sample: its donor where there are three or more, else one of five blocks in space.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (60, 3)), donor_n=list("abc") * 20)
    >>> np.bincount(inner_folds(places)).tolist()
    [20, 20, 20]
    """
    names, code_n, _ = codes(places.donor_n, places.donor_n[:0])
    if len(names) >= 3 and (code_n >= 0).all():
        return code_n
    k = min(BLOCKS, max(len(places) // 10, 2))
    return KMeans(k, n_init=3, random_state=seed).fit_predict(places.folded())


def inner_errors(
    field, places: Places, z_ng: np.ndarray, fold_n: np.ndarray, asked: Sequence[Places]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Errors that copies of an unfitted field make about every sample whose fold they were not taught.

    Parameters
    ----------
    field
        With ``learn``, ``tell`` and, where ``own_sd``, ``spread``.
    places, z_ng, fold_n
        The n samples.
    asked
        What is told of them when they are asked: each is answered by the same copies.

    Returns
    -------
    list
        For each of ``asked`` (n, g) errors, and the sds that the copies claim, or None.
    """
    made = [(np.empty_like(z_ng), np.empty_like(z_ng) if field.own_sd else None) for _ in asked]
    for fold in np.unique(fold_n):
        one, test = copy.deepcopy(field), fold_n == fold
        one.learn(places.take(~test), z_ng[~test])
        for as_told, (error_ng, spread_ng) in zip(asked, made):
            here = as_told.take(test)
            error_ng[test] = z_ng[test] - one.tell(here)
            if spread_ng is not None:
                spread_ng[test] = one.spread(here)
    return made


class ErrorBars:
    """The sd of a measurement, from errors of an inner hold-out.

    A field without an sd of its own is given (root of the gene's mean squared error) x (a factor of the distance to the
    nearest sample). The factor is the root of the mean squared error, in units of the gene's own, within four bands of
    equal size of that distance, made never to fall with distance; between the middles of the bands it is interpolated.
    An sd of its own is stretched, gene by gene, by the root of the mean squared ratio of error and sd
    (an sd below a fifth of the gene's error counts as that).

    Attributes
    ----------
    size_g
        (g,) root of the mean squared error, or of the mean squared ratio.
    distance_b, factor_b
        Middles of the bands, mm, and the factors.
    """

    def fit(self, places: Places, error_ng: np.ndarray, spread_ng: np.ndarray | None, fold_n: np.ndarray) -> ErrorBars:
        """``error_ng`` and ``spread_ng`` as :func:`inner_errors` gives them."""
        if spread_ng is not None:
            # A copy that passes through its samples is sure of them; its sd is no measure of what it says elsewhere.
            least_g = np.maximum(LEAST_SD * np.sqrt((error_ng**2).mean(0)), 1e-6)
            self.size_g = np.sqrt(((error_ng / np.maximum(spread_ng, least_g)) ** 2).mean(0))
            return self
        self.size_g = np.sqrt((error_ng**2).mean(0))
        xyz, apart_n = places.folded(), np.empty(len(error_ng))
        for fold in np.unique(fold_n):
            test = fold_n == fold
            apart_n[test] = cKDTree(xyz[~test]).query(xyz[test])[0]
        bands = min(BANDS, max(len(error_ng) // LEAST, 1))
        square_n = ((error_ng / np.maximum(self.size_g, 1e-9)) ** 2).mean(1)
        parts = np.array_split(np.argsort(apart_n, kind="stable"), bands)
        self.distance_b = np.array([np.median(apart_n[part]) for part in parts])
        self.factor_b = np.maximum.accumulate(np.sqrt([square_n[part].mean() for part in parts]))
        self._tree = cKDTree(xyz)
        return self

    def keep(self) -> dict[str, np.ndarray]:
        """Arrays from which :meth:`regain` makes it again."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def regain(self, places: Places, arrays: dict[str, np.ndarray]) -> ErrorBars:
        """From what :meth:`keep` gave and the training places."""
        vars(self).update(arrays)
        self._tree = cKDTree(places.folded())
        return self

    def at(self, places: Places, spread_mg: np.ndarray | None = None) -> np.ndarray:
        """(m, g) standard deviations; ``spread_mg`` is the field's own."""
        if spread_mg is not None:
            return spread_mg * self.size_g
        apart_m = self._tree.query(places.folded())[0]
        return np.interp(apart_m, self.distance_b, self.factor_b)[:, None] * self.size_g
