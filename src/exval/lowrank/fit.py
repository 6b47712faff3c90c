"""Factors of values with gaps: the fit by EM, and an allowance for few samples (the equations: ``gaussian.py``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exval.lowrank.gaps import blocks, grams, leading_axes, patterns
from exval.lowrank.gaussian import FactorModel, posterior
from exval.progress import track

FLOOR = 1e-4  # least noise, as a share of the mean variance of a gene


def fit_factor_model(
    x_ng: np.ndarray,
    rank: int,
    per_gene_noise: bool = True,
    iterations: int = 50,
    tolerance: float = 1e-4,
    prior: float = 0.0,
    seed: int = 0,
) -> FactorModel:
    """Factors of values with gaps, by maximum likelihood.

    Without gaps and with one variance of noise the answer is known in closed form (probabilistic PCA). Otherwise EM
    starts from the closed form for the values with gaps at the gene's mean. Its M step regresses every gene on the
    expected factors of the samples that measured it, and then rescales the factors to mean 0 and unit covariance,
    which is parameter-expanded EM and needs far fewer steps.

    Parameters
    ----------
    x_ng
        (n, g) values, NaN where not measured; every gene is measured at least once.
    rank
        Number of factors, at least 1; no more than ``min(n, g)`` are made.
    per_gene_noise
        One variance of noise for every gene (factor analysis), otherwise one for all (probabilistic PCA).
    iterations
        Most steps of EM.
    tolerance
        EM stops once the noise changes by less than this share of itself, on average over the genes.
    prior
        So many imaginary samples are added to every gene in each M step, of unit factors, mean variance and nothing in
        common between the two: a gene that was measured in fewer samples than there are factors needs them.
    seed
        Of the randomised decomposition that starts EM where both samples and genes exceed 4,000.

    Returns
    -------
    FactorModel
        Factors in descending order of what they explain relative to the noise; the largest loading is positive.

    References
    ----------
    Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611, section 3.2 (closed form) and appendix B (EM); Rubin and Thayer
    1982, Psychometrika 47:69 (factor analysis); Liu, Rubin and Wu 1998, Biometrika 85:755 (expanded EM).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 1)) @ np.array([[1.0, 2.0, -1.0]]) + 0.1 * rng.normal(size=(200, 3))
    >>> loadings = fit_factor_model(x, 1).loadings_gr.ravel()
    >>> (loadings / loadings[0]).round(1).tolist()
    [1.0, 2.0, -1.0]
    """
    measured_ng = ~np.isnan(x_ng)
    model = _closed_form(x_ng, measured_ng, rank, seed)
    if per_gene_noise or not measured_ng.all():
        step = _Step(x_ng, measured_ng, per_gene_noise, prior)
        for _ in track(range(iterations), "Fitting factors"):
            before_g, model = model.noise_g, step(model)
            if np.mean(np.abs(model.noise_g - before_g) / before_g) < tolerance:
                break
    scaled_gr = model.loadings_gr / np.sqrt(model.noise_g)[:, None]
    loadings_gr = model.loadings_gr @ np.linalg.eigh(scaled_gr.T @ scaled_gr)[1][:, ::-1]
    largest_r = loadings_gr[np.abs(loadings_gr).argmax(0), np.arange(model.rank)]
    return replace(model, loadings_gr=loadings_gr * np.where(largest_r < 0, -1.0, 1.0))


class _Step:
    """One step of EM; genes that the same samples measured share one system of equations."""

    def __init__(self, x_ng: np.ndarray, measured_ng: np.ndarray, per_gene_noise: bool, prior: float) -> None:
        self.x_ng, self.per_gene_noise, self.prior = x_ng, per_gene_noise, prior
        self.filled_ng = np.where(measured_ng, x_ng, 0.0)
        measured_hn, set_g = patterns(measured_ng.T)
        self.measured_hn = measured_hn.astype(np.float64)
        ends_h = np.cumsum(np.bincount(set_g))[:-1]
        self.genes_h = np.split(np.argsort(set_g, kind="stable"), ends_h)
        self.count_g = measured_ng.sum(0)
        self.square_g = (self.filled_ng**2).sum(0)
        self.usual = float(self.square_g.sum() / self.count_g.sum())

    def __call__(self, model: FactorModel) -> FactorModel:
        n, rank = len(self.x_ng), model.rank
        found = posterior(model, self.x_ng)
        z_nr = np.hstack([found.mean_nr, np.ones((n, 1))])  # the mean is the loading of a factor that is always 1
        cov_prr = np.pad(found.cov_prr, ((0, 0), (0, 1), (0, 1)))
        imaginary_rr = np.diag(np.append(np.full(rank, self.prior), 0.0)) + 1e-9 * np.eye(rank + 1)
        cross_gr = self.filled_ng.T @ z_nr
        weights_gr = np.empty_like(cross_gr)
        for sets in blocks(len(self.measured_hn), rank * rank):
            gram_hrr = grams(z_nr, self.measured_hn[sets], cov_prr, found.pattern_n) + imaginary_rr
            for gram_rr, genes in zip(gram_hrr, self.genes_h[sets]):
                weights_gr[genes] = np.linalg.solve(gram_rr, cross_gr[genes].T).T
        left_g = np.maximum(self.square_g - (weights_gr * cross_gr).sum(1), 0) + self.prior * self.usual
        count_g = self.count_g + self.prior
        noise_g = left_g / count_g if self.per_gene_noise else np.full_like(left_g, left_g.sum() / count_g.sum())
        shift_r = found.mean_nr.mean(0)
        share_p = np.bincount(found.pattern_n, minlength=len(found.cov_prr)) / n
        spread_rr = np.tensordot(share_p, found.cov_prr, 1) + found.mean_nr.T @ found.mean_nr / n
        root_rr = np.linalg.cholesky(spread_rr - np.outer(shift_r, shift_r))
        mean_g = weights_gr[:, -1] + weights_gr[:, :-1] @ shift_r
        return FactorModel(mean_g, weights_gr[:, :-1] @ root_rr, np.maximum(noise_g, FLOOR * self.usual + 1e-300))


def _closed_form(x_ng: np.ndarray, measured_ng: np.ndarray, rank: int, seed: int) -> FactorModel:
    """Probabilistic PCA of the values with gaps at the mean."""
    n, g = x_ng.shape
    mean_g = np.where(measured_ng, x_ng, 0.0).sum(0) / np.maximum(measured_ng.sum(0), 1)
    centred_ng = np.where(measured_ng, x_ng - mean_g, 0.0)
    axes_gr, variance_r = leading_axes(centred_ng, rank, seed)
    total = float((centred_ng**2).sum() / n)
    noise = max((total - variance_r.sum()) / max(g - len(variance_r), 1), FLOOR * total / g, 1e-300)
    return FactorModel(mean_g, axes_gr * np.sqrt(np.maximum(variance_r - noise, 0)), np.full(g, noise))


def small_sample(model: FactorModel, count_g: np.ndarray) -> FactorModel:
    """The fitted model with allowance for its loadings being estimates from few samples.

    With factors of unit covariance a loading is a regression coefficient, of variance ``noise / count``. What is left
    over understates the noise by ``(count - r - 1) / count``. The loadings of one factor scatter by ``tau`` beyond
    their errors, so that the best guess of each is ``tau / (tau + noise / count)`` of the estimate, with that share of
    its variance. This is one step of the variational treatment; where samples are many it changes nothing.

    Parameters
    ----------
    model
        As fitted.
    count_g
        (g,) how many samples measured each gene.

    References
    ----------
    Bishop 1999, Variational principal components, ICANN 509; Ilin and Raiko 2010, J. Mach. Learn. Res. 11:1957,
    section 4 (overfitting with missing values).

    Examples
    --------
    >>> model = FactorModel(np.zeros(2), np.array([[1.0], [2.0]]), np.ones(2))
    >>> small_sample(model, np.array([12, 12])).noise_g.tolist()
    [1.2, 1.2]
    """
    count_g = np.asarray(count_g, np.float64)
    noise_g = model.noise_g * count_g / np.maximum(count_g - model.rank - 1, 0.25 * count_g)
    error_g1 = (noise_g / count_g)[:, None]
    tau_r = np.maximum((model.loadings_gr**2).mean(0) - error_g1.mean(), 1e-9)
    share_gr = tau_r / (tau_r + error_g1)
    return FactorModel(model.mean_g, model.loadings_gr * share_gr, noise_g, error_g1 * share_gr)
