"""Scales of expression values: fitted on some rows, applied to others.

Two steps, in this order, as in abagen (Markello et al., eLife 2021): every sample across its genes, which uses nothing
but the sample itself; then every gene across the samples of one donor, which uses what :class:`WithinDonor` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.errors import InputError

#: Interquartile range of a standard normal, 2 Phi^-1(0.75): an IQR divided by it estimates the standard deviation.
NORMAL_IQR = 1.3489795003921634
METHODS = (
    "none",
    "centre",
    "zscore",
    "minmax",
    "sigmoid",
    "scaled_sigmoid",
    "scaled_sigmoid_quantiles",
    "robust_sigmoid",
    "srs",
    "mixed_sigmoid",
    "batch",
)
ALIASES = {
    "center": "centre",
    "demean": "centre",
    "sig": "sigmoid",
    "scaled_sig": "scaled_sigmoid",
    "scaled_sig_qnt": "scaled_sigmoid_quantiles",
    "rs": "robust_sigmoid",
    "rsig": "robust_sigmoid",
    "scaled_robust_sigmoid": "srs",
    "scaled_rsig": "srs",
    "mixed_sig": "mixed_sigmoid",
}
_ROBUST = ("robust_sigmoid", "srs")
_TO_ONE = ("minmax", "scaled_sigmoid", "scaled_sigmoid_quantiles", "srs", "mixed_sigmoid")


def method_name(name: str | None) -> str:
    """The method's name, aliases of abagen replaced.

    Raises
    ------
    InputError
        For a name that is not known.

    Examples
    --------
    >>> method_name("scaled_robust_sigmoid"), method_name(None)
    ('srs', 'none')
    """
    found = "none" if name is None else ALIASES.get(name, name)
    if found not in METHODS:
        raise InputError(f"--normalise {name!r} is not known; choose one of {', '.join(METHODS)}")
    return found


@dataclass
class Scale:
    """A scale of every column, fitted on the rows of one matrix.

    With x a value, of the fitted rows m the mean, s the standard deviation (n - 1), med the median and q = IQR / 1.349:

    - ``centre``: x - m. ``zscore``: (x - m) / s. ``minmax``: (x - min) / (max - min).
    - ``sigmoid``: 1 / (1 + exp(-(x - m) / s)). ``robust_sigmoid``: 1 / (1 + exp(-(x - med) / q)) (Fulcher and Fornito,
      PNAS 2016, Methods).
    - ``scaled_sigmoid``, ``srs``: the sigmoid, the robust sigmoid, then minmax of it: 0 to 1.
    - ``scaled_sigmoid_quantiles``: x is first cut at the 5th and 95th percentile.
    - ``mixed_sigmoid``: ``srs``, but ``scaled_sigmoid`` for columns whose IQR is 0.
    - ``none``: x. ``batch`` is the matter of :class:`WithinDonor`.

    Rows that were not fitted can fall outside of 0 to 1; they are not cut off. NaN is never made: a spread of 0 means
    the limit of the formula, so a constant column becomes 0 (``centre``, ``zscore``) or 0.5 (all others).

    Parameters
    ----------
    method
        One of ``METHODS``.

    Examples
    --------
    >>> x_ng = np.array([[1.0], [2.0], [3.0], [4.0], [9.0]])
    >>> Scale("srs").fit(x_ng).transform(x_ng[[0, 2, 4]])[:, 0].round(4).tolist()
    [0.0, 0.3784, 1.0]
    """

    method: str

    def __post_init__(self) -> None:
        self.method = method_name(self.method)
        if self.method == "batch":
            raise InputError("--normalise batch needs donors, and does nothing to single samples")

    def fit(self, x_ng: np.ndarray) -> Scale:
        """Take the statistics of the rows.

        Parameters
        ----------
        x_ng
            (n, g), finite, at least one row.
        """
        x_ng = np.asarray(x_ng, dtype=np.float64)
        n = len(x_ng)
        if self.method == "none":
            return self
        if self.method == "scaled_sigmoid_quantiles":
            self.cut_2g = np.percentile(x_ng, [5, 95], axis=0)
            x_ng = np.clip(x_ng, *self.cut_2g)
        sd_g = x_ng.std(0, ddof=1) if n > 1 else np.zeros(x_ng.shape[1])
        if self.method in (*_ROBUST, "mixed_sigmoid"):
            low_g, self.middle_g, high_g = np.percentile(x_ng, [25, 50, 75], axis=0)
            self.spread_g = (high_g - low_g) / NORMAL_IQR
            if self.method == "mixed_sigmoid":
                flat_g = self.spread_g == 0
                self.middle_g = np.where(flat_g, x_ng.mean(0), self.middle_g)
                self.spread_g = np.where(flat_g, sd_g, self.spread_g)
        else:
            self.middle_g, self.spread_g = x_ng.mean(0), sd_g
        # what rounding leaves of a constant column is no spread
        self.spread_g = np.where(self.spread_g <= 1e-12 * np.maximum(np.abs(self.middle_g), 1), 0, self.spread_g)
        if self.method in _TO_ONE:
            curve_ng = self._curve(x_ng)
            self.low_g, self.high_g = curve_ng.min(0), curve_ng.max(0)
        return self

    def transform(self, x_ng: np.ndarray) -> np.ndarray:
        """(m, g) float64 values of the rows on the fitted scale."""
        x_ng = np.asarray(x_ng, dtype=np.float64)
        if self.method == "none":
            return x_ng.copy()
        if self.method == "scaled_sigmoid_quantiles":
            x_ng = np.clip(x_ng, *self.cut_2g)
        curve_ng = self._curve(x_ng)
        if self.method in _TO_ONE:
            range_g = self.high_g - self.low_g
            return np.divide(curve_ng - self.low_g, range_g, out=np.full_like(curve_ng, 0.5), where=range_g > 1e-12)
        return curve_ng

    def _curve(self, x_ng: np.ndarray) -> np.ndarray:
        if self.method == "minmax":
            return x_ng
        away_ng = x_ng - self.middle_g
        if self.method == "centre":
            return away_ng
        noise_g = 1e-12 * np.maximum(np.abs(self.middle_g), 1)
        limit_ng = np.where(np.abs(away_ng) <= noise_g, 0, np.where(away_ng > 0, np.inf, -np.inf))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            z_ng = np.where(self.spread_g > 0, away_ng / np.where(self.spread_g > 0, self.spread_g, 1), limit_ng)
            if self.method == "zscore":
                return np.where(np.isfinite(z_ng), z_ng, 0.0)
            return 1 / (1 + np.exp(-z_ng))


def normalise_samples(x_ng: np.ndarray, method: str) -> np.ndarray:
    """(n, g) float32: every sample on the scale of its own genes. It uses no other sample, so it cannot leak.

    Examples
    --------
    >>> normalise_samples(np.array([[1.0, 2.0, 3.0], [5.0, 9.0, 7.0]]), "minmax").tolist()
    [[0.0, 0.5, 1.0], [0.0, 1.0, 0.5]]
    """
    out_ng = np.empty(x_ng.shape, np.float32)
    for start in range(0, len(x_ng), 256):
        part = np.asarray(x_ng[start : start + 256]).T
        out_ng[start : start + 256] = Scale(method).fit(part).transform(part).T
    return out_ng


class WithinDonor:
    """Every gene on the scale of the samples of one donor, or of one donor and class of structure.

    Whose statistics are used: the values of a fitted donor are put on the scale of that donor's *fitted rows*. A donor
    none of whose rows were fitted has no such scale; ``unseen`` decides:

    - ``"own"``: the scale of the rows of that donor given to :meth:`transform`. These are the donor's own measurements,
      so the result may serve as the truth that predictions are compared with, and never as their input.
    - ``"mean"``: the mean of the fitted donors' statistics; looks at nothing of the new donor.
    - ``"refuse"``: an error.

    A class of structure that a fitted donor has no fitted row of is treated in the same way.

    Parameters
    ----------
    method
        One of ``METHODS``. ``batch`` takes the donor's effect out by least squares on donors: x - mean of the donor +
        mean of the means of the fitted donors, for each gene. abagen adds another constant to each gene.
    by_class
        Scales within classes of structure.
    unseen
        See above.

    Examples
    --------
    >>> x_ng, donor_n = np.array([[1.0], [3.0], [10.0], [30.0]]), np.array(list("aabb"))
    >>> WithinDonor("minmax").fit(x_ng, donor_n).transform(x_ng, donor_n)[:, 0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """

    def __init__(self, method: str, by_class: bool = False, unseen: str = "own") -> None:
        self.method, self.by_class, self.unseen = method_name(method), by_class, unseen
        if unseen not in ("own", "mean", "refuse"):
            raise InputError(f"unseen={unseen!r} is not known; choose own, mean or refuse")
        self.scales: dict[tuple[str, str], Scale] = {}

    def fit(self, x_ng: np.ndarray, donor_n: np.ndarray, class_n: np.ndarray | None = None) -> WithinDonor:
        """Take the statistics of these rows.

        Parameters
        ----------
        x_ng
            (n, g) values.
        donor_n
            (n,) donors.
        class_n
            (n,) classes of structure, needed with ``by_class``.
        """
        self.scales = {key: self._scale().fit(x_ng[rows]) for key, rows in self._groups(donor_n, class_n)}
        if self.method == "batch":
            self.grand_g = np.mean([scale.middle_g for scale in self.scales.values()], axis=0)
        return self

    def transform(self, x_ng: np.ndarray, donor_n: np.ndarray, class_n: np.ndarray | None = None) -> np.ndarray:
        """(m, g) float32 values.

        Raises
        ------
        InputError
            A donor that was not fitted, with ``unseen="refuse"``.
        """
        out_ng = np.empty(x_ng.shape, np.float32)
        for key, rows in self._groups(donor_n, class_n):
            out_ng[rows] = self._scale_of(key, x_ng[rows]).transform(x_ng[rows])
        return out_ng + self.grand_g.astype(np.float32) if self.method == "batch" else out_ng

    def _scale(self) -> Scale:
        return Scale("centre" if self.method == "batch" else self.method)

    def _groups(self, donor_n: np.ndarray, class_n: np.ndarray | None) -> list[tuple[tuple[str, str], np.ndarray]]:
        donor_n = np.asarray(donor_n).astype(str)
        if self.by_class and class_n is None:
            raise InputError("scales within classes of structure need the class of every sample")
        kind_n = np.asarray(class_n).astype(str) if self.by_class else np.full(len(donor_n), "")
        keys = sorted(set(zip(donor_n.tolist(), kind_n.tolist())))
        return [(key, np.flatnonzero((donor_n == key[0]) & (kind_n == key[1]))) for key in keys]

    def _scale_of(self, key: tuple[str, str], x_ng: np.ndarray) -> Scale:
        if key in self.scales:
            return self.scales[key]
        if self.unseen == "own":
            return self._scale().fit(x_ng)
        others = [scale for (_, kind), scale in self.scales.items() if kind == key[1]]
        if self.unseen == "refuse" or not others:
            raise InputError(f"donor {' '.join(key).strip()} was not among those that the scale was fitted on")
        mean = self._scale()
        for name in vars(others[0]):
            if name != "method":
                setattr(mean, name, np.mean([getattr(one, name) for one in others], axis=0))
        return mean
