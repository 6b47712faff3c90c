"""How far off a field is where it saw nothing: error bars from an inner hold-out."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from sklearn.isotonic import isotonic_regression

from exval.fields.holdout import bands
from exval.fields.places import Places

LEAST_SD = 0.2  # of the root mean squared error of the gene


class ErrorBars:
    """The sd of a measurement, from errors of an inner hold-out.

    Squared errors, over the squares of the field's own sds if it has any (an sd below a fifth of the gene's error
    counts as that), are averaged within bands of the distance to the nearest sample that taught. Their mean over
    genes, each in units of its own, is made to rise with distance, or, over sds of the field's own, which may grow too
    fast, to fall where that is nearer to it: this is the shape w that all genes share, from 0 to 1. A gene's mean
    square is ``a + b w``, by least squares over the bands in units of the mean over genes, neither below 0; between the
    middles of the bands w is interpolated, beyond them it stays. What comes with distance is known from as many parts
    of the brain as there are folds, f, and parts differ: where w rises, b counts f / (f - 2) times, as the variance of
    Student's t with f degrees of freedom does, 3 times for three folds and fewer. The sd is the root of the sum, times
    the field's own sd if it has any.

    Attributes
    ----------
    a_g, b_g
        (g,) parts of the mean square, what counts for few folds in b.
    distance_b, shape_b
        Middles of the bands, mm, and w.
    halves_2, r2_2g
        Median distance of the nearer and of the farther half of the samples, mm, and R2 there: one less the squared
        errors over those of the training mean at the same samples.
    """

    def fit(
        self,
        places: Places,
        z_ng: np.ndarray,
        error_ng: np.ndarray,
        spread_ng: np.ndarray | None,
        apart_n: np.ndarray,
        n_folds: int,
    ) -> ErrorBars:
        """From values, errors and own sds of :func:`~exval.fields.holdout.inner_errors`; ``places`` are all samples."""
        square_ng = error_ng**2
        halves = np.array_split(np.argsort(apart_n, kind="stable"), 2)
        self.halves_2 = np.array([np.median(apart_n[half]) for half in halves])
        self.r2_2g = 1 - np.array([square_ng[rows].mean(0) / np.maximum((z_ng[rows] ** 2).mean(0), 1e-12)
                                   for rows in halves])  # fmt: skip
        if spread_ng is not None:
            # A copy that passes through its samples is sure of them; its sd is no measure of what it says elsewhere.
            least_g = np.maximum(LEAST_SD * np.sqrt(square_ng.mean(0)), 1e-6)
            square_ng = square_ng / np.maximum(spread_ng, least_g) ** 2
        parts = bands(apart_n)
        self.distance_b = np.array([np.median(apart_n[part]) for part in parts])
        square_bg = np.array([square_ng[part].mean(0) for part in parts])
        pooled_b = (square_bg / np.maximum(square_bg.mean(0), 1e-12)).mean(1)
        pooled_b, rises = _one_way(pooled_b, np.array([len(part) for part in parts]), spread_ng is not None)
        low, high = pooled_b.min(), pooled_b.max()
        self.shape_b = (pooled_b - low) / (high - low) if high - low > 1e-9 else np.zeros(len(pooled_b))
        self.a_g, self.b_g = _two_parts(square_bg, self.shape_b, 1 / np.maximum(pooled_b, 1e-9))
        if rises:
            self.b_g = self.b_g * (n_folds / (n_folds - 2) if n_folds > 3 else 3.0)
        self._tree = cKDTree(places.folded())
        return self

    def keep(self) -> dict[str, np.ndarray]:
        """Arrays from which :meth:`regain` makes it again."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def regain(self, places: Places, arrays: dict[str, np.ndarray]) -> ErrorBars:
        """From what :meth:`keep` gave and the training places."""
        vars(self).update(arrays)
        self._tree = cKDTree(places.folded())
        return self

    def times(self, apart_m: np.ndarray) -> np.ndarray:
        """(m, g) sds, or what the field's own are multiplied by, at distances from the nearest sample, mm."""
        return np.sqrt(self.a_g + self.b_g * np.interp(apart_m, self.distance_b, self.shape_b)[:, None])

    def at(self, places: Places, spread_mg: np.ndarray | None = None) -> np.ndarray:
        """(m, g) standard deviations; ``spread_mg`` is the field's own."""
        times_mg = self.times(self._tree.query(places.folded())[0])
        return times_mg if spread_mg is None else spread_mg * times_mg


def _one_way(pooled_b: np.ndarray, weight_b: np.ndarray, may_fall: bool) -> tuple[np.ndarray, bool]:
    """The monotone curve nearest to ``pooled_b``, and whether it rises."""
    up_b = isotonic_regression(pooled_b, sample_weight=weight_b)
    if not may_fall:
        return up_b, True
    down_b = isotonic_regression(pooled_b, sample_weight=weight_b, increasing=False)
    rises = bool(weight_b @ (pooled_b - up_b) ** 2 <= weight_b @ (pooled_b - down_b) ** 2)
    return (up_b, True) if rises else (down_b, False)


def _two_parts(square_bg: np.ndarray, shape_b: np.ndarray, weight_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(g,) a and b, neither below 0, of the least squares fit ``a + b shape`` in which each band has a weight."""
    y_bg, one_b, w_b = square_bg * weight_b[:, None], weight_b, shape_b * weight_b
    oo, ow, ww, oy_g, wy_g = one_b @ one_b, one_b @ w_b, w_b @ w_b, one_b @ y_bg, w_b @ y_bg
    if ww <= 1e-12:
        return oy_g / oo, np.zeros_like(oy_g)
    least = oo * ww - ow**2
    a_g, b_g = (ww * oy_g - ow * wy_g) / least, (oo * wy_g - ow * oy_g) / least
    a_g, b_g = np.where(b_g < 0, oy_g / oo, a_g), np.where(a_g < 0, wy_g / ww, b_g)
    return np.maximum(a_g, 0.0), np.maximum(b_g, 0.0)
