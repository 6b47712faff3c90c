"""Dense values in a declared unit, and the only ways from one unit to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exval.errors import UnitError

SPACES = ("counts", "cp10k", "log1p")


@dataclass(frozen=True, eq=False)
class Imputed:
    """Dense values of cells x genes with their unit.

    Parameters
    ----------
    values_nq
        (n, q) float32, never negative.
    unit
        ``"counts"``: expected counts at the cell's own depth. ``"cp10k"``: of 10,000 molecules. ``"log1p"``: of these.
    genes
        (q,) names.
    total_n
        (n,) counts of each cell over all genes of the file; NaN where they are not known.
    sd_nq
        (n, q) standard deviation in ``unit``, or None.

    Examples
    --------
    >>> found = Imputed(np.array([[2.0, 0.0]], np.float32), "counts", ["INS", "GCG"], np.array([1000.0]))
    >>> found.to("cp10k").values_nq.tolist(), found.to("log1p").values_nq.round(2).tolist()
    ([[20.0, 0.0]], [[3.0399999618530273, 0.0]])
    """

    values_nq: np.ndarray
    unit: str
    genes: Sequence[str]
    total_n: np.ndarray
    sd_nq: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.unit not in SPACES:
            raise UnitError(f"imputed values are in one of {', '.join(SPACES)}, not {self.unit!r}")
        if self.values_nq.shape != (len(self.total_n), len(self.genes)):
            raise ValueError(f"{self.values_nq.shape} values for {len(self.total_n)} cells, {len(self.genes)} genes")

    def to(self, unit: str) -> Imputed:
        """The same values in another unit; the sd by the slope of the conversion (delta method).

        Raises
        ------
        UnitError
            From or to counts where the cells' totals are not known.
        """
        if unit == self.unit:
            return self
        if unit not in SPACES:
            raise UnitError(f"imputed values are in one of {', '.join(SPACES)}, not {unit!r}")
        if "counts" in (unit, self.unit) and not (self.total_n >= 0).any():
            raise UnitError("the file holds no counts, so that expected counts cannot be given; use cp10k or log1p")
        exposure_n1 = np.nan_to_num(self.total_n / 1e4).astype(np.float32)[:, None]
        values, slope = self.values_nq, np.float32(1)
        if self.unit == "counts":
            slope = np.divide(1, exposure_n1, out=np.zeros_like(exposure_n1), where=exposure_n1 > 0)
            values = values * slope
        elif self.unit == "log1p":
            values = np.expm1(values)
            slope = values + 1
        if unit == "log1p":
            slope = slope / (values + 1)
            values = np.log1p(values)
        elif unit == "counts":
            values, slope = values * exposure_n1, slope * exposure_n1
        return replace(self, values_nq=values, unit=unit, sd_nq=None if self.sd_nq is None else self.sd_nq * slope)
