"""The low-rank Gaussian against direct conditioning, scikit-learn, and what it was simulated from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA, FactorAnalysis

import packs  # noqa: F401  (the settings of hypothesis)
from exval.lowrank.fit import fit_factor_model, small_sample
from exval.lowrank.gaps import grams, lower, outer, patterns, symmetric
from exval.lowrank.gaussian import FactorModel, conditional, log_likelihood, posterior, sample_scale


def a_model(g=7, r=3, seed=0) -> FactorModel:
    rng = np.random.default_rng(seed)
    return FactorModel(rng.normal(size=g), rng.normal(size=(g, r)), rng.uniform(0.2, 2.0, g))


def drawn(model: FactorModel, n: int, seed=1, missing=0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, model.rank))
    x = model.mean_g + z @ model.loadings_gr.T + rng.normal(size=(n, len(model.mean_g))) * np.sqrt(model.noise_g)
    x[rng.random(x.shape) < missing] = np.nan
    return x


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 4), st.integers(1, 40), st.sampled_from([0, 0.3, 0.9]))
def test_conditional_equals_conditioning_with_the_whole_covariance(seed, g, r, n, missing):
    model = a_model(g, r, seed)
    x_ng = drawn(model, n, seed, missing)
    mean_ng, var_ng = conditional(model, x_ng, variance=True)
    cov = model.covariance_gg
    for x, mean, var in zip(x_ng, mean_ng, var_ng):
        o, m = ~np.isnan(x), np.isnan(x)
        gain = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)]) if o.any() else np.zeros((m.sum(), 0))
        np.testing.assert_allclose(mean[m], model.mean_g[m] + gain @ (x - model.mean_g)[o], atol=1e-8)
        want = cov[np.ix_(m, m)] - gain @ cov[np.ix_(o, m)]
        np.testing.assert_allclose(var[m] + model.noise_g[m], np.diag(want), atol=1e-8)


@pytest.mark.parametrize("n", [3, 40])  # few sets of genes, and many
def test_posterior_equals_conditioning_of_factors_and_genes_together(n):
    model = a_model()
    x_ng = drawn(model, n, missing=0.4)
    found = posterior(model, x_ng)
    for x, mean, cov in zip(x_ng, found.mean_nr, found.cov_nrr):
        o = ~np.isnan(x)
        gain = model.loadings_gr[o].T @ np.linalg.inv(model.covariance_gg[np.ix_(o, o)])
        np.testing.assert_allclose(mean, gain @ (x - model.mean_g)[o], atol=1e-10)
        np.testing.assert_allclose(cov, np.eye(model.rank) - gain @ model.loadings_gr[o], atol=1e-10)


def test_log_likelihood_equals_scipy():
    model = a_model()
    x_ng = drawn(model, 30, missing=0.3)
    want = 0.0
    for x in x_ng:
        o = ~np.isnan(x)
        if o.any():
            want += multivariate_normal(model.mean_g[o], model.covariance_gg[np.ix_(o, o)]).logpdf(x[o])
    assert log_likelihood(model, x_ng) == pytest.approx(want, rel=1e-10)


def test_closed_form_equals_scikit_learn():
    """Without gaps and with common noise: the covariance and the scores of PCA, shrunk."""
    x = drawn(a_model(12, 3), 50)
    ours, n, r = fit_factor_model(x, 3, per_gene_noise=False), 50, 3
    other = PCA(r, svd_solver="full").fit(x)
    var = other.explained_variance_ * (n - 1) / n  # maximum likelihood divides by n
    noise = other.noise_variance_ * (n - 1) / n
    np.testing.assert_allclose(ours.noise_g, noise)
    want = (other.components_.T * (var - noise)) @ other.components_ + noise * np.eye(12)
    np.testing.assert_allclose(ours.covariance_gg, want, atol=1e-10)
    mean_ng = conditional(ours, x)
    shrunk = other.mean_ + (other.transform(x) * (1 - noise / var)) @ other.components_
    np.testing.assert_allclose(mean_ng, shrunk, atol=1e-10)


def test_em_ends_at_the_closed_form_too():
    """A gap that carries next to nothing leads EM to where the closed form is."""
    x = drawn(a_model(10, 2), 400)
    want = fit_factor_model(x, 2, per_gene_noise=False)
    x[0, 0] = np.nan
    got = fit_factor_model(x, 2, per_gene_noise=False, iterations=500, tolerance=1e-9)
    np.testing.assert_allclose(got.covariance_gg, want.covariance_gg, atol=0.05)


def test_factor_analysis_is_as_likely_as_that_of_scikit_learn():
    x = drawn(a_model(12, 2), 300)
    ours = fit_factor_model(x, 2, iterations=2000, tolerance=1e-10)
    other = FactorAnalysis(2, tol=1e-10, max_iter=5000, svd_method="lapack").fit(x)
    assert log_likelihood(ours, x) / len(x) == pytest.approx(other.score(x), abs=1e-5)
    np.testing.assert_allclose(ours.covariance_gg, other.get_covariance(), atol=5e-3)


@pytest.mark.parametrize("per_gene_noise", [True, False])
def test_em_never_becomes_less_likely(per_gene_noise):
    x = drawn(a_model(15, 3), 60, missing=0.4)
    x = x[:, ~np.isnan(x).all(0)]
    values = [log_likelihood(fit_factor_model(x, 3, per_gene_noise, i, 0.0), x) for i in range(12)]
    assert (np.diff(values) >= -1e-8).all() and values[-1] > values[0] + 1


def test_what_was_simulated_is_found_in_spite_of_gaps():
    truth = a_model(20, 2, seed=3)
    x = drawn(truth, 10_000, missing=0.5)
    found = fit_factor_model(x, 2, iterations=100)
    sd_g = np.sqrt(np.diag(truth.covariance_gg))
    np.testing.assert_allclose((found.covariance_gg - truth.covariance_gg) / np.outer(sd_g, sd_g), 0, atol=0.06)
    np.testing.assert_allclose(found.noise_g, truth.noise_g, atol=0.1)
    np.testing.assert_allclose(found.mean_g, truth.mean_g, atol=0.1)


def test_same_sets_of_samples_or_each_its_own_give_the_same_fit():
    """Genes in blocks with common gaps take the short way; one more gap makes many sets, which are one product."""
    x = drawn(a_model(30, 2), 80)
    x[:40, :10] = np.nan
    short = fit_factor_model(x, 2, iterations=5)
    measured = ~np.isnan(x)
    assert len(patterns(measured.T)[0]) == 2
    weight = measured.T.astype(float)
    few = grams(x[:, 20:22], weight[:2])
    np.testing.assert_allclose(few, grams(x[:, 20:22], weight)[:2], atol=1e-9)
    cov = np.stack([np.eye(2), 2 * np.eye(2)])
    which = np.arange(80) % 2
    np.testing.assert_allclose(
        grams(x[:, 20:22], weight[:2], cov, which), grams(x[:, 20:22], weight, cov, which)[:2], atol=1e-9
    )
    assert np.isfinite(short.loadings_gr).all()


@pytest.mark.parametrize("per_gene_noise", [True, False])
def test_large_files_are_worked_on_in_parts_with_the_same_answer(monkeypatch, per_gene_noise):
    from exval.lowrank import gaps, gaussian

    x = drawn(a_model(30, 3), 50, missing=0.3)

    def answers():
        model = fit_factor_model(x, 3, per_gene_noise, iterations=5)
        return model.covariance_gg, *conditional(model, x, variance=True), sample_scale(model, x)

    want = answers()
    monkeypatch.setattr(gaps, "NUMBERS", 40)
    monkeypatch.setattr(gaussian, "BLOCK", 7)
    for got, expected in zip(answers(), want):
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_packing_is_undone():
    a = np.random.default_rng(0).normal(size=(5, 4))
    square = np.einsum("gr,gs->grs", a, a)
    np.testing.assert_allclose(symmetric(outer(a), 4), square)
    np.testing.assert_allclose(lower(square), outer(a))
    b = square[0]
    np.testing.assert_allclose(lower(b[None]) @ outer(a, twice=True).T, np.einsum("gr,rs,gs->g", a, b, a)[None])


def test_a_gene_measured_in_fewer_samples_than_factors_stays_finite():
    x = drawn(a_model(30, 8), 60)
    x[3:, 0] = np.nan
    model = small_sample(fit_factor_model(x, 8, prior=2.0), (~np.isnan(x)).sum(0))
    new = drawn(a_model(30, 8), 200, seed=5)
    hidden = new.copy()
    hidden[:, 0] = np.nan
    error = conditional(model, hidden)[:, 0] - new[:, 0]
    assert np.isfinite(error).all() and error.std() < 2 * new[:, 0].std()


def test_an_allowance_for_few_samples_makes_errors_smaller_and_intervals_honest():
    truth = a_model(200, 10, seed=2)
    x, new = drawn(truth, 60), drawn(truth, 200, seed=9)
    hidden = np.where(np.random.default_rng(0).random(new.shape) < 0.9, np.nan, new)
    gap = np.isnan(hidden)
    plain = fit_factor_model(x, 20)
    ratio, rmse = {}, {}
    for key, model in {"plain": plain, "allowed": small_sample(plain, np.full(200, 60))}.items():
        mean, var = conditional(model, hidden, variance=True)
        rmse[key] = np.sqrt(((mean - new)[gap] ** 2).mean())
        ratio[key] = np.sqrt(((mean - new)[gap] ** 2 / (var + model.noise_g)[gap]).mean())
    assert rmse["allowed"] < 0.98 * rmse["plain"]
    assert abs(ratio["allowed"] - 1) < 0.25 < ratio["plain"] - 1


def test_sample_scale_finds_samples_of_twice_the_noise():
    model = a_model(100, 2)
    quiet = drawn(model, 200)
    loud = drawn(FactorModel(model.mean_g, 2 * model.loadings_gr, 4 * model.noise_g), 200)
    assert sample_scale(model, quiet).mean() == pytest.approx(1, abs=0.05)
    assert sample_scale(model, loud).mean() == pytest.approx(2, abs=0.15)


def test_truncation_keeps_every_variance():
    model = a_model(9, 4)
    np.testing.assert_allclose(np.diag(model.truncated(2).covariance_gg), np.diag(model.covariance_gg))
    common = model.truncated(2, per_gene_noise=False)
    assert np.ptp(common.noise_g) == 0
    assert np.trace(common.covariance_gg) == pytest.approx(np.trace(model.covariance_gg))


def test_randomised_start_finds_the_same_factors(monkeypatch):
    from exval.lowrank import gaps

    x = drawn(a_model(40, 3), 60)
    want = fit_factor_model(x, 3, per_gene_noise=False)
    monkeypatch.setattr(gaps, "EXACT_UP_TO", 5)
    got = fit_factor_model(x, 3, per_gene_noise=False, seed=4)
    np.testing.assert_allclose(got.covariance_gg, want.covariance_gg, atol=1e-6)
