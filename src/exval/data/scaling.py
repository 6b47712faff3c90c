"""Mean and SD of every gene from its measured values, without the few that are out of all proportion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LIMIT = 10.0  # standard deviations
BULK = 3.2897  # standard deviations between the 5 % and the 95 % quantile of a normal distribution


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation that treats every gene by its own mean and SD; NaN stays NaN.

    Parameters
    ----------
    mean_g
        (g,) means in the unit of the values; NaN for a gene that was never measured.
    sd_g
        (g,) standard deviations, 0 for a gene without variation or measured once only.

    Examples
    --------
    >>> scaling = fit_scaling(np.array([[1.0, 7.0], [3.0, 7.0], [5.0, np.nan]]))
    >>> scaling.mean_g.tolist(), scaling.sd_g.tolist(), scaling.varies_g.tolist()
    ([3.0, 7.0], [2.0, 0.0], [True, False])
    >>> scaling.standardised(np.array([[5.0, 7.0], [100.0, np.nan]])).tolist()
    [[1.0, 0.0], [10.0, nan]]
    """

    mean_g: np.ndarray
    sd_g: np.ndarray

    @property
    def varies_g(self) -> np.ndarray:
        """(g,) bool, genes with an SD above zero."""
        return self.sd_g > 0

    def standardised(self, x_ng: np.ndarray) -> np.ndarray:
        """``(x - mean) / sd``, clipped to +-10; 0 for a gene without variation."""
        divisor_g = np.where(self.varies_g, self.sd_g, np.inf)
        return np.clip((x_ng - self.mean_g) / divisor_g, -LIMIT, LIMIT)


def fit_scaling(x_ng: np.ndarray) -> Scaling:
    """Mean and SD (n - 1) of the measured values of every gene, winsorised.

    Cohorts that were z-scored hold single values as large as 36,893; one of them would set the SD of its gene. Values
    further than 10 robust SDs from the median are therefore moved to that limit first. The robust SD is the distance of
    the 5 % and 95 % quantiles over 3.29; where that is 0 (nearly all samples at a floor) nothing is moved. Values in
    proportion are never touched, so that mean and SD are then the ordinary ones.

    Parameters
    ----------
    x_ng
        (n, g) values, NaN where not measured.

    Examples
    --------
    >>> x = np.append(np.tile([-1.0, 0.0, 1.0], 100), 36893.0)[:, None]
    >>> bool(fit_scaling(x).sd_g[0] < 1)
    True
    """
    measured_g = ~np.isnan(x_ng).all(0)
    mean_g, sd_g = np.full(x_ng.shape[1], np.nan), np.zeros(x_ng.shape[1])
    known_ng = x_ng[:, measured_g]
    low_g, middle_g, high_g = np.nanquantile(known_ng, (0.05, 0.5, 0.95), axis=0)
    reach_g = LIMIT * (high_g - low_g) / BULK
    reach_g[reach_g == 0] = np.inf
    held_ng = np.clip(known_ng, middle_g - reach_g, middle_g + reach_g)
    count_g = (~np.isnan(held_ng)).sum(0)
    centre_g = np.nanmean(held_ng, axis=0)
    square_g = np.nansum((held_ng - centre_g) ** 2, axis=0)
    flat_g = np.nanmax(held_ng, axis=0) == np.nanmin(held_ng, axis=0)
    mean_g[measured_g] = np.where(flat_g, middle_g, centre_g)
    sd_g[measured_g] = np.where(flat_g, 0.0, np.sqrt(square_g / np.maximum(count_g - 1, 1)))
    return Scaling(mean_g, sd_g)
