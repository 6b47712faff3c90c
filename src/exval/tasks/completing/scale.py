"""The scale on which errors are counted: sds of each gene among the samples that a method was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.data.scaling import LIMIT, Scaling, fit_scaling

LEAST = 1e-3  # of the median sd: a gene with less spread than that is constant up to rounding


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and sd of every gene over what was measured of it in the training samples, as methods see them.

    Parameters
    ----------
    scaling
        Means and sds, winsorised (:func:`exval.data.scaling.fit_scaling`).
    scored_g
        (g,) bool: genes with a spread. No others are scored, since no error of theirs can be told in sds.

    Examples
    --------
    >>> scale = Scale.of(np.array([[1.0, 5.0], [3.0, 5.0], [5.0, np.nan]]))
    >>> scale.scored_g.tolist(), scale.z(np.array([[5.0, 5.0]])).tolist()
    ([True, False], [[1.0, nan]])
    """

    scaling: Scaling
    scored_g: np.ndarray

    @classmethod
    def of(cls, x_ng: np.ndarray) -> Scale:
        """From (n, g) training values, NaN where not measured."""
        there_g = ~np.isnan(x_ng).all(0)
        mean_g, sd_g = np.full(x_ng.shape[1], np.nan), np.zeros(x_ng.shape[1])
        if there_g.any():
            found = fit_scaling(x_ng[:, there_g])
            mean_g[there_g], sd_g[there_g] = found.mean_g, found.sd_g
        usual = np.median(sd_g[sd_g > 0]) if (sd_g > 0).any() else 1.0
        return cls(Scaling(mean_g, sd_g), sd_g > LEAST * usual)

    @property
    def unit_g(self) -> np.ndarray:
        """(g,) one sd in the unit of the values; NaN for genes that are not scored."""
        return np.where(self.scored_g, self.scaling.sd_g, np.nan)

    def z(self, x_ng: np.ndarray) -> np.ndarray:
        """(n, g) in sds, at most 10 to either side, as methods see them; NaN for genes that are not scored."""
        return np.clip((x_ng - self.scaling.mean_g) / self.unit_g, -LIMIT, LIMIT)
