"""The low-rank Gaussian given some of its values: posterior of the factors, conditional means, predictive variances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exval.lowrank.gaps import blocks, grams, lower, outer, patterns

BLOCK = 512  # samples worked on together


@dataclass(frozen=True, eq=False)
class FactorModel:
    """``x = mean + W z + e`` with ``z`` standard normal in r dimensions and ``e`` of variance ``noise_g``, all float64.

    Parameters
    ----------
    mean_g
        (g,) mean of every gene.
    loadings_gr
        (g, r) W.
    noise_g
        (g,) variance of the noise, above zero; equal for all genes in probabilistic PCA.
    loading_var_gr
        (g, r) variance of the loadings, where they are estimates (:func:`small_sample`); None where they are exact.

    Examples
    --------
    >>> model = FactorModel(np.zeros(2), np.array([[1.0], [2.0]]), np.ones(2))
    >>> model.rank, model.covariance_gg.tolist()
    (1, [[2.0, 2.0], [2.0, 5.0]])
    """

    mean_g: np.ndarray
    loadings_gr: np.ndarray
    noise_g: np.ndarray
    loading_var_gr: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Number of factors."""
        return self.loadings_gr.shape[1]

    @property
    def covariance_gg(self) -> np.ndarray:
        """(g, g) ``W W' + diag(noise)``, for small g."""
        return self.loadings_gr @ self.loadings_gr.T + np.diag(self.noise_g)

    def truncated(self, rank: int, per_gene_noise: bool = True) -> FactorModel:
        """The leading factors alone; what the others explained becomes noise, so that every variance is kept.

        Parameters
        ----------
        rank
            Factors kept.
        per_gene_noise
            Otherwise the noise is averaged over the genes.
        """
        noise_g = self.noise_g + (self.loadings_gr[:, rank:] ** 2).sum(1)
        if not per_gene_noise:
            noise_g = np.full_like(noise_g, noise_g.mean())
        spread = None if self.loading_var_gr is None else self.loading_var_gr[:, :rank]
        return FactorModel(self.mean_g, self.loadings_gr[:, :rank], noise_g, spread)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Factors of samples given their measured values.

    Parameters
    ----------
    mean_nr
        (n, r) means.
    cov_prr
        (p, r, r) covariances, one for each set of measured genes that occurs.
    pattern_n
        (n,) which of them is a sample's.
    """

    mean_nr: np.ndarray
    cov_prr: np.ndarray
    pattern_n: np.ndarray

    @property
    def cov_nrr(self) -> np.ndarray:
        """(n, r, r) covariance of every sample."""
        return self.cov_prr[self.pattern_n]


def posterior(model: FactorModel, x_ng: np.ndarray) -> Posterior:
    """Mean and covariance of the factors of every sample.

    ``cov = (I + sum w w' / noise)^-1`` over the measured genes and ``mean = cov sum w (x - mean) / noise``. Where the
    loadings are estimates, ``w w'`` is its expectation, which adds their variance to the diagonal. The sums for all
    samples are one matrix product, and samples with the same genes share one inverse.

    Parameters
    ----------
    model
        The model.
    x_ng
        (n, g) values, NaN where not measured. A sample without any value has mean 0 and covariance I.

    References
    ----------
    Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611, section 3.3; with genes left out where not measured.

    Examples
    --------
    >>> model = FactorModel(np.zeros(2), np.array([[1.0], [2.0]]), np.ones(2))
    >>> found = posterior(model, np.array([[3.0, np.nan], [np.nan, np.nan]]))
    >>> found.mean_nr.tolist(), found.cov_nrr.tolist()
    ([[1.5], [0.0]], [[[0.5]], [[1.0]]])
    """
    measured_ng = ~np.isnan(x_ng)
    measured_pg, pattern_n = patterns(measured_ng)
    weight_pg = measured_pg / model.noise_g
    precision_prr = grams(model.loadings_gr, weight_pg)
    diagonal = np.arange(model.rank)
    precision_prr[:, diagonal, diagonal] += 1.0
    if model.loading_var_gr is not None:
        precision_prr[:, diagonal, diagonal] += weight_pg @ model.loading_var_gr
    cov_prr = np.linalg.inv(precision_prr)
    centred_ng = np.where(measured_ng, x_ng - model.mean_g, 0.0)
    evidence_nr = centred_ng @ (model.loadings_gr / model.noise_g[:, None])
    if len(cov_prr) == 1:
        return Posterior(evidence_nr @ cov_prr[0], cov_prr, pattern_n)
    return Posterior(np.matmul(cov_prr[pattern_n], evidence_nr[:, :, None])[:, :, 0], cov_prr, pattern_n)


def conditional(
    model: FactorModel, x_ng: np.ndarray, variance: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Expected value of every gene of every sample given the measured ones.

    Parameters
    ----------
    model
        The model.
    x_ng
        (n, g) values, NaN where not measured.
    variance
        Also the variance of ``W z``.

    Returns
    -------
    mean_ng
        (n, g) ``mean + W E[z]``. At a measured gene this is the value freed of noise, not the measured one.
    signal_var_ng
        (n, g) ``w' cov w``, with ``variance`` only. A missing measurement has variance ``signal_var_ng + noise_g``.

    Examples
    --------
    >>> model = FactorModel(np.zeros(2), np.array([[1.0], [2.0]]), np.ones(2))
    >>> mean, var = conditional(model, np.array([[3.0, np.nan]]), variance=True)
    >>> float(mean[0, 1]), float(var[0, 1] + model.noise_g[1])
    (3.0, 3.0)
    """
    mean_ng, var_ng = np.empty(x_ng.shape), np.empty(x_ng.shape if variance else (0, 0))
    for start in range(0, len(x_ng), BLOCK):
        rows = slice(start, start + BLOCK)
        found = posterior(model, x_ng[rows])
        mean_ng[rows] = model.mean_g + found.mean_nr @ model.loadings_gr.T
        if variance:
            packed_pq = lower(found.cov_prr)
            for genes in blocks(x_ng.shape[1], model.rank**2):
                var_pg = packed_pq @ outer(model.loadings_gr[genes], twice=True).T
                var_ng[rows, genes] = np.maximum(var_pg, 0)[found.pattern_n]
            var_ng[rows] += _loading_error(model, found)
    return (mean_ng, var_ng) if variance else mean_ng


def sample_scale(model: FactorModel, x_ng: np.ndarray, weight: float = 10.0) -> np.ndarray:
    """How far each sample departs from the model, as a factor for its standard deviations.

    If ``x`` is multivariate t with ``weight`` degrees of freedom, the missing values given the measured ones have the
    Gaussian's mean, and its covariance times ``(weight + d2) / (weight + p)``, where ``d2`` is the squared Mahalanobis
    distance of the p measured values. So a sample of poor quality or of another kind gets wider intervals.

    Parameters
    ----------
    model
        The model; errors of its loadings count as noise.
    x_ng
        (n, g) values, NaN where not measured.
    weight
        Degrees of freedom; how many genes it takes to believe a sample's own scatter.

    Returns
    -------
    numpy.ndarray
        (n,) square roots of the factor; 1 for a sample without any value.

    References
    ----------
    Ding 2016, On the conditional distribution of the multivariate t distribution, The American Statistician 70:293.

    Examples
    --------
    >>> model = FactorModel(np.zeros(2), np.array([[0.0], [0.0]]), np.ones(2))
    >>> sample_scale(model, np.array([[1.0, 1.0], [4.0, 4.0], [np.nan, np.nan]])).round(2).tolist()
    [1.0, 1.87, 1.0]
    """
    scale_n = np.empty(len(x_ng))
    for start in range(0, len(x_ng), BLOCK):
        rows = slice(start, start + BLOCK)
        found = posterior(model, x_ng[rows])
        left_ng = x_ng[rows] - model.mean_g - found.mean_nr @ model.loadings_gr.T
        noise_ng = model.noise_g + _loading_error(model, found)
        distance_n = np.nansum(left_ng**2 / noise_ng, axis=1) + (found.mean_nr**2).sum(1)
        scale_n[rows] = np.sqrt((weight + distance_n) / (weight + (~np.isnan(left_ng)).sum(1)))
    return scale_n


def _loading_error(model: FactorModel, found: Posterior) -> np.ndarray | float:
    """(n, g) variance of ``W z`` that comes from the errors of W."""
    if model.loading_var_gr is None:
        return 0.0
    square_nr = found.mean_nr**2 + np.diagonal(found.cov_prr, axis1=1, axis2=2)[found.pattern_n]
    return square_nr @ model.loading_var_gr.T


def log_likelihood(model: FactorModel, x_ng: np.ndarray) -> float:
    """Log density of all measured values together (loadings taken as exact); no step of EM makes it smaller.

    Examples
    --------
    >>> model = FactorModel(np.zeros(1), np.array([[1.0]]), np.ones(1))
    >>> round(log_likelihood(model, np.array([[0.0], [np.nan]])), 4)  # log N(0; 0, 2)
    -1.2655
    """
    model = replace(model, loading_var_gr=None)
    measured_ng = ~np.isnan(x_ng)
    found = posterior(model, x_ng)
    centred_ng = np.where(measured_ng, x_ng - model.mean_g, 0.0)
    evidence_nr = centred_ng @ (model.loadings_gr / model.noise_g[:, None])
    square = (centred_ng**2 / model.noise_g).sum() - (evidence_nr * found.mean_nr).sum()
    logdet_n = np.linalg.slogdet(found.cov_prr)[1][found.pattern_n]
    logs = measured_ng.sum(0) @ np.log(2 * np.pi * model.noise_g) - logdet_n.sum()
    return float(-0.5 * (square + logs))
