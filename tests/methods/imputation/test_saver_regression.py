"""The Poisson LASSO: optimality conditions, another solver, weights; predictors, cross-validation and the rule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, sparse

from exval.methods.imputation.saver_lasso import PoissonLasso, Rows, follow
from exval.methods.imputation.saver_regression import Predictors, _cutoff, _line, _spread, fit_prior_means


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((3, 500))
    rows_pn = rng.standard_normal((40, 3)) @ shared + rng.standard_normal((40, 500))
    rows_pn = ((rows_pn - rows_pn.mean(1, keepdims=True)) / rows_pn.std(1, keepdims=True)).astype(np.float32)
    y_n = rng.poisson(np.exp(0.3 + 0.4 * rows_pn[0] - 0.3 * rows_pn[5])).astype(np.float32)
    return rows_pn, y_n


def objective(rows_pn, y_n, b0, beta_p, lam, weight_n=None):
    eta_n = b0 + beta_p @ rows_pn
    return np.average(np.exp(eta_n) - y_n * eta_n, weights=weight_n) + lam * np.abs(beta_p).sum()


@pytest.mark.parametrize("lam", [0.2, 0.05, 0.01])
@pytest.mark.parametrize("weighted", [False, True])
def test_lasso_is_the_minimum_a_general_optimiser_finds(data, lam, weighted):
    rows_pn, y_n = data
    weight_n = (np.arange(len(y_n)) % 5 != 2).astype(np.float32) if weighted else None
    fit = PoissonLasso(y_n, weight_n)
    fit.solve(Rows(rows_pn), lam, tolerance=1e-4)
    beta_p = np.zeros(40)
    beta_p[fit.index] = fit.beta

    def split(b):  # beta as a difference of two parts above zero: smooth, with bounds
        return objective(rows_pn.astype(float), y_n, b[0], b[1:41] - b[41:], 0, weight_n) + lam * b[1:].sum()

    best = optimize.minimize(split, np.zeros(81), bounds=[(None, None)] + [(0, None)] * 80, method="L-BFGS-B",
                             options={"maxfun": 200_000, "maxiter": 2000, "ftol": 1e-13})  # fmt: skip
    assert objective(rows_pn, y_n, fit.b0, beta_p, lam, weight_n) <= best.fun + 1e-5
    np.testing.assert_allclose(beta_p, best.x[1:41] - best.x[41:], atol=3e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_second_derivatives_of_some_cells_lead_to_the_same_minimum(data, weighted):
    rows_pn, y_n = data
    weight_n = (np.arange(len(y_n)) % 5 != 0).astype(np.float32) if weighted else None
    few, all_ = PoissonLasso(y_n, weight_n), PoissonLasso(y_n, weight_n)
    few.solve(Rows(rows_pn, sample=100), 0.03)
    all_.solve(Rows(rows_pn), 0.03)
    np.testing.assert_allclose(few.eta_n, all_.eta_n, atol=3e-3)


def test_optimality_conditions_and_the_gene_itself_is_left_out(data):
    rows_pn, _ = data
    y_n = np.exp(rows_pn[7]).astype(np.float32)
    fit = PoissonLasso(y_n)
    fit.solve(Rows(rows_pn), 0.05, own=7)
    assert 7 not in fit.index and len(fit.index)
    gradient_p = rows_pn @ fit.left_n / len(y_n)
    np.testing.assert_allclose(gradient_p[fit.index], -0.05 * np.sign(fit.beta), atol=2e-4)
    others = np.setdiff1d(np.arange(40), [*fit.index, 7])
    assert np.abs(gradient_p[others]).max() <= 0.05 * 1.002
    assert abs(fit.left_n.mean()) < 1e-4


def test_many_at_once_are_the_same_as_one_by_one(data):
    rows_pn, y_n = data
    ys = [y_n, y_n[::-1].copy()]
    together = [PoissonLasso(y) for y in ys]
    for lam in (0.2, 0.1, 0.05):
        follow(Rows(rows_pn), together, np.array([-1, 3]), np.array([lam, lam]), tolerance=1e-3, rounds=8)
    for y, own, got in zip(ys, (-1, 3), together):
        alone = PoissonLasso(y)
        alone.solve(Rows(rows_pn), 0.05, own=own)
        np.testing.assert_allclose(got.eta_n, alone.eta_n, atol=5e-3)


def test_no_more_predictors_than_allowed_and_none_above_the_first_penalty(data):
    rows_pn, y_n = data
    rows = Rows(rows_pn, most=4)
    fit = PoissonLasso(y_n)
    fit.solve(rows, 1e-3)
    assert 0 < len(fit.index) <= 4
    fit = PoissonLasso(y_n)
    fit.solve(rows, float(np.abs(rows_pn @ (y_n - y_n.mean())).max()) / len(y_n) * 1.01)
    assert not len(fit.index) and fit.b0 == pytest.approx(np.log(y_n.mean()), rel=1e-6)


def test_predictors_are_standardised_logs_of_common_genes():
    rng = np.random.default_rng(1)
    counts = rng.poisson([0.02, 1.0, 5.0, 20.0, 3.0], (300, 5)).astype(np.float32)
    size_n = counts.sum(1) / counts.sum(1).mean()
    found = Predictors.of(sparse.csr_matrix(counts), size_n, most=3)
    assert found.columns_p.tolist() == [2, 3, 4]
    log_np = np.log((counts[:, 2:] + 1) / size_n[:, None])
    want_pn = ((log_np - log_np.mean(0)) / log_np.std(0)).T
    np.testing.assert_allclose(found.rows(sparse.csr_matrix(counts), size_n), want_pn, atol=1e-4)


@pytest.fixture(scope="module")
def grouped():
    """Genes 0-9 go up in one half of the cells, 10-19 do nothing; in the order of a random permutation."""
    rng = np.random.default_rng(5)
    half_n = rng.permutation(400) < 200
    rate_ng = np.full((400, 20), 2.0)
    rate_ng[:, :10] = np.where(half_n[:, None], 6.0, 1.0)
    size_n = rng.uniform(0.6, 1.4, 400)
    size_n /= size_n.mean()
    return sparse.csr_matrix(rng.poisson(rate_ng * size_n[:, None]).astype(np.float32)), size_n, half_n


def test_prior_means_follow_the_groups_and_shrink_noise_to_the_mean(grouped):
    counts_ng, size_n, half_n = grouped
    found = fit_prior_means(counts_ng, size_n, checked=None)
    mean_ng = found(counts_ng, size_n, np.arange(20))
    high, low = mean_ng[half_n, :10].mean(), mean_ng[~half_n, :10].mean()
    assert 5 < high < 6.5 and 0.8 < low < 1.4
    assert mean_ng[:, 10:].std(0).max() < 0.35
    np.testing.assert_allclose(mean_ng.mean(0), (counts_ng.toarray() / size_n[:, None]).mean(0), rtol=0.01)


def test_some_columns_in_small_blocks_are_the_same_numbers(grouped):
    counts_ng, size_n, _ = grouped
    found = fit_prior_means(counts_ng, size_n, checked=4)
    whole = found(counts_ng, size_n, np.arange(20))
    np.testing.assert_allclose(found(counts_ng, size_n, np.array([3, 12]), block=7), whole[:, [3, 12]], rtol=1e-9)


def test_too_few_cells_or_no_common_gene_give_the_mean():
    counts_ng = sparse.csr_matrix(np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 4.0]]))
    np.testing.assert_allclose(
        fit_prior_means(counts_ng, np.ones(3))(counts_ng, np.ones(3), np.arange(2))[0], [4 / 3, 2]
    )
    rare_ng = sparse.csr_matrix((np.ones(3), ([0, 20, 40], [0, 1, 1])), shape=(50, 2))
    found = fit_prior_means(rare_ng, np.ones(50))
    np.testing.assert_allclose(found(rare_ng, np.ones(50), np.arange(2))[7], [1 / 50, 2 / 50])


def test_rule_and_cutoff_by_hand():
    correlation = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    first = np.ones(5)
    best = np.exp(-np.sqrt(10 * correlation - 0.5))
    best[3] = np.nan  # not cross-validated
    assert _line(correlation, first, best, 0.0) == pytest.approx((-0.5, 10.0))
    gain = (4 * correlation - 0.3) ** 2
    assert _cutoff(correlation, np.where(np.isnan(best), np.nan, gain)) == pytest.approx(0.2)
    assert _spread(np.arange(10), 4).tolist() == [0, 3, 6, 9] and _spread(np.arange(3), 9).tolist() == [0, 1, 2]
