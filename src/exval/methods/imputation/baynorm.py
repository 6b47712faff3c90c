"""bayNorm: counts as a binomial sample of negative binomial transcripts, and the posterior of the transcripts."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.saver_posterior import SpreadLikelihood, maximise

#: Size given to genes without any sign of a spread, where no gene shows one.
NO_SPREAD_SIZE = 1e3


class BayNorm(Imputer):
    """Posterior of the transcripts that a cell had, given that a share of them was captured.

    ``x ~ Binomial(x0, beta)`` and ``x0 ~ NB(mean mu, size phi)``, beta of each cell, mu and phi of each gene. What was
    not captured is then negative binomial with size ``phi + x`` and mean
    ``(phi + x) mu (1 - beta) / (phi + mu beta)``. The prior is the same for all cells: no cell learns from others of
    its kind, and the zeros of a gene differ by the depth of their cells alone.

    Parameters
    ----------
    capture
        Mean of beta; beta is proportional to the total of a cell (the default of the package).
    value
        ``"mean"`` or ``"mode"`` of the posterior (the package calls them mean and mode version; it draws 20 samples
        where neither is asked for).
    refine
        Adjust the sizes found by moments, which captured counts bias: they are replaced by their regression line
        against the sizes of highest marginal likelihood, on logarithms.

    Attributes
    ----------
    mu_, size_
        (g,) prior mean and size of the transcripts.

    References
    ----------
    Tang et al. 2020, "bayNorm: Bayesian gene expression recovery, imputation and normalization for single-cell
    RNA-sequencing data", Bioinformatics 36:1174.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> from exval.data.source import open_source
    >>> cells = open_source(baron()[:150, :80]).to_adata()
    >>> found = BayNorm().fit(cells).impute(cells, list(cells.var_names[:2]), sd=True)
    >>> found.unit, found.values_nq.shape, found.sd_nq.shape
    ('cp10k', (150, 2), (150, 2))
    """

    name = "baynorm"
    aliases = ("bayNorm",)
    card = Card(
        category="model",
        sees=("expression",),
        space_in="counts",
        space_out="CP10k",
        cost="one-dimensional likelihoods: linear in cells and genes",
        reference="Tang et al. 2020, Bioinformatics 36:1174",
        summary="Posterior of the transcripts before capture, one prior a gene; the sd is that of the transcripts.",
        departures=(
            "sizes of highest likelihood by a grid and parabolas instead of spectral projected gradients; transcripts "
            "are given per 10,000; one prior for all cells only (no groups); mean instead of 20 samples"
        ),
    )
    unit = "cp10k"
    needs_counts = True
    has_sd = True
    presets = {"paper": {}, "cpu": {}, "tiny": {}}

    def __init__(self, capture: float = 0.06, value: str = "mean", refine: bool = True) -> None:
        self.capture = capture
        self.value = value
        self.refine = refine

    def learn(self, cells: Cells) -> None:
        if not 0 < self.capture < 1:
            raise InputError(f"the captured share of the transcripts lies between 0 and 1, not at {self.capture}")
        if self.value not in ("mean", "mode"):
            raise InputError(f"bayNorm gives the mean or the mode of the posterior, not {self.value!r}")
        order = np.lexsort((cells.names.astype(str), cells.total_n))  # sums that do not depend on the file's order
        total_n = cells.total_n[order]
        beta_n = total_n / total_n.mean() * self.capture
        if (beta_n >= 1).any():
            beta_n[beta_n >= 1] = beta_n[beta_n < 1].max(initial=0.5)
        columns = cells.counts_ng[order].tocsc()
        g = columns.shape[1]
        self.mu_, moment_g, likely_g = np.empty(g), np.full(g, np.nan), np.empty(g)
        pieces = self._pieces(g, len(total_n))
        for some in pieces:
            scaled_nq = columns[:, some].toarray().astype(np.float64) / beta_n[:, None]
            self.mu_[some] = scaled_nq.mean(0)
            excess_q = scaled_nq.var(0) - self.mu_[some]
            seen = excess_q > 0
            moment_g[some[seen]] = self.mu_[some[seen]] ** 2 / excess_q[seen]
        known = np.isfinite(moment_g)
        lowest = float(moment_g[known].min()) if known.any() else NO_SPREAD_SIZE
        highest = float(np.ceil(moment_g[known].max())) if known.any() else NO_SPREAD_SIZE
        moment_g[~known] = lowest
        self.size_ = moment_g
        if self.refine and known.any():
            for some in pieces:
                y_nq = columns[:, some].toarray().astype(np.float64)
                mean_nq = np.broadcast_to(self.mu_[some], y_nq.shape).copy()
                likelihood = SpreadLikelihood(0, y_nq, mean_nq, beta_n)
                upper_q = np.full(len(some), 1 / lowest)
                spread_q, _ = maximise(likelihood, upper_q, ratio=lowest / highest, n_grid=14)
                likely_g[some] = 1 / spread_q
            self.size_ = _adjusted(moment_g, likely_g, lowest, highest)
        self._columns = cells.counts_ng.tocsc()
        back = np.argsort(order)
        self._beta_n = beta_n[back]
        self._to_cp10k_n = 1e4 * self._beta_n / cells.total_n
        self._beta_per_total = self.capture / total_n.mean()

    def block(self, columns, sd=False):
        columns = np.asarray(columns)
        values_nq = np.empty((len(self._beta_n), len(columns)), np.float32)
        spread_nq = np.empty_like(values_nq) if sd else None
        for at in self._pieces(len(columns), len(self._beta_n)):
            y_nq, size_nq, left_nq = self._left(columns[at])
            if sd:
                spread_nq[:, at] = np.sqrt(left_nq + left_nq**2 / size_nq) * self._to_cp10k_n[:, None]
            if self.value == "mode":
                left_nq = np.where(size_nq > 1, np.floor(left_nq * np.maximum(size_nq - 1, 0) / size_nq), 0)
            values_nq[:, at] = (y_nq + left_nq) * self._to_cp10k_n[:, None]
        return (values_nq, spread_nq) if sd else values_nq

    def interval(self, columns: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Limits of the transcripts, in CP10k, equal tails.

        Parameters
        ----------
        columns
            (q,) as in ``block``.
        level
            Probability inside, e.g. 0.95; a little more, since transcripts are whole.

        Returns
        -------
        low_nq, high_nq
            float64.
        """
        y_nq, size_nq, left_nq = self._left(np.asarray(columns))
        limits = _quantiles(level, size_nq, left_nq)
        return tuple((y_nq + limit_nq) * self._to_cp10k_n[:, None] for limit_nq in limits)

    def predictive(self, columns: np.ndarray, level: float, total_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Limits of the counts in further molecules captured from what is left, e.g. those set aside by thinning.

        Parameters
        ----------
        columns, level
            As in :meth:`interval`.
        total_n
            (n,) how many further molecules are looked at in each cell, over all genes of the file.
        """
        _, size_nq, left_nq = self._left(np.asarray(columns))
        share_n = np.minimum(np.asarray(total_n, dtype=np.float64) * self._beta_per_total / (1 - self._beta_n), 1.0)
        return _quantiles(level, size_nq, left_nq * share_n[:, None])

    def _left(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts; size and mean of the transcripts that were not captured."""
        y_nq = self._columns[:, columns].toarray().astype(np.float64)
        mu_q, beta_n1 = self.mu_[columns], self._beta_n[:, None]
        size_nq = self.size_[columns] + y_nq
        return y_nq, size_nq, size_nq * (mu_q * (1 - beta_n1) / (self.size_[columns] + mu_q * beta_n1))

    @staticmethod
    def _pieces(g: int, n: int) -> list[np.ndarray]:
        many = int(np.clip(4_000_000 // max(n, 1), 1, 256))
        return [np.arange(start, min(start + many, g)) for start in range(0, g, many)]


def _quantiles(level: float, size_nq: np.ndarray, mean_nq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import nbinom

    tail = (1 - level) / 2
    return tuple(nbinom.ppf(at, size_nq, size_nq / (size_nq + mean_nq)) for at in (tail, 1 - tail))


def _adjusted(moment_g: np.ndarray, likely_g: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """Sizes by moments, moved onto the line of the likeliest sizes (those not at a bound) against them."""
    inside = (likely_g > lowest * 1.001) & (likely_g < highest * 0.999)
    x, y = np.log(moment_g[inside]), np.log(likely_g[inside])
    if inside.sum() < 3 or np.ptp(x) < 1e-6:
        return np.clip(likely_g, lowest, highest)
    slope, start = np.polyfit(x, y, 1)
    return np.exp(start + slope * np.log(moment_g))
