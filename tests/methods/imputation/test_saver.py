"""SAVER against the R package (same prior mean, whole regression), by hand, and what its intervals promise."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special, stats

from exval.data.examples import baron
from exval.data.source import open_source
from exval.methods.imputation.saver import Saver
from exval.methods.imputation.saver_posterior import NO_SPREAD, SpreadLikelihood, VarianceFit, fit_variance

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def panel():
    """Counts (200 x 260) of the fixture files, their size factors and gene names."""
    told = np.load(FIXTURES / "saver_regression.npz")
    cells = baron()[::9][:200]
    counts_ng = sparse.csr_matrix(cells[:, told["panel"]].X).astype(np.float32)
    total_n = np.asarray(counts_ng.sum(1), dtype=np.float64).ravel()
    return counts_ng, total_n / total_n.mean(), list(told["panel"]), total_n.mean()


@pytest.fixture(scope="module")
def adata(panel):
    counts_ng, _, genes, _ = panel
    names = pd.DataFrame(index=[f"c{i}" for i in range(counts_ng.shape[0])])
    return open_source(anndata.AnnData(counts_ng, names, pd.DataFrame(index=genes))).to_adata()


@pytest.fixture(scope="module")
def fitted(adata):
    return Saver(checked=None).fit(adata)


def simulated(kind: int, spread: float, n: int = 3000, seed: int = 0):
    """Counts, means and size factors with a known spread of a known kind."""
    rng = np.random.default_rng(seed)
    mean_n = np.exp(rng.normal(0.5, 0.8, n))
    size_n = rng.uniform(0.4, 1.6, n)
    shape_n = (np.full(n, 1 / spread), mean_n / spread, mean_n**2 / spread)[kind]
    return rng.poisson(size_n * rng.gamma(shape_n, mean_n / shape_n))[:, None], mean_n[:, None], size_n


def test_given_the_prior_mean_the_posterior_is_that_of_the_r_package(panel):
    counts_ng, size_n, genes, _ = panel
    told = np.load(FIXTURES / "saver_given_mean.npz")
    y_nq = counts_ng[:, [genes.index(gene) for gene in told["genes"]]].toarray()
    found = fit_variance(y_nq, told["mean_nq"].astype(float), size_n).posterior(y_nq, told["mean_nq"], size_n)
    # it rounds up to 0.001, and its spread is a mean of 10,000 draws where the likelihood is flat
    for got, want in ((found.mean, told["estimate_nq"]), (found.sd, told["se_nq"])):
        np.testing.assert_allclose(got, want - 0.0005, rtol=0.02, atol=0.001)
        assert np.median(np.abs(got - want + 0.0005)) < 0.0006


def test_the_whole_regression_is_as_near_to_the_r_package_as_that_is_to_itself(adata, fitted, panel):
    _, _, genes, mean_total = panel
    told = np.load(FIXTURES / "saver_regression.npz")
    asked = [adata.var_names[genes.index(gene)] for gene in told["genes"]]
    got = fitted.impute(adata, asked, sd=True)
    mine_nq, sd_nq = got.values_nq * mean_total / 1e4, got.sd_nq * mean_total / 1e4
    r_q = np.array([np.corrcoef(np.log1p(a), np.log1p(b))[0, 1] for a, b in zip(mine_nq.T, told["estimate_nq"].T)])
    for share in (0.1, 0.25, 0.5):  # the quantiles of SAVER against itself with other folds: 0.963, 0.995, 0.998
        assert np.quantile(r_q, share) > np.quantile(told["other_seed_q"], share) - 0.02
    np.testing.assert_allclose(mine_nq.mean(0), told["estimate_nq"].mean(0), rtol=0.05, atol=0.01)
    assert 0.9 < np.median(np.median(sd_nq, 0) / told["se_median_q"]) < 1.1


def test_the_rule_stays_near_full_cross_validation(adata, fitted):
    quick = Saver(checked=40).fit(adata)
    a_nq, b_nq = (np.log1p(method.impute(adata).values_nq) for method in (quick, fitted))
    r_g = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(a_nq.T, b_nq.T)])
    assert np.median(r_g) > 0.99 and np.quantile(r_g, 0.1) > 0.8
    assert quick.prior_.cutoff > 0 and np.isnan(quick.prior_.penalty_g).any()


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_likelihood_is_the_negative_binomial_up_to_what_the_kinds_share(kind):
    y_n1, mean_n1, size_n = simulated(kind, 0.7, n=400)
    mean_n, y_n = mean_n1[:, 0], y_n1[:, 0]

    def direct(spread):
        shape_n = (np.full(len(mean_n), 1 / spread), mean_n / spread, mean_n**2 / spread)[kind]
        return stats.nbinom.logpmf(y_n, shape_n, shape_n / (shape_n + size_n * mean_n)).sum()

    likelihood = SpreadLikelihood(kind, y_n1.astype(float), mean_n1, size_n)
    constant = (y_n * np.log(size_n) - special.gammaln(y_n + 1)).sum()
    for spread in (1e-3, 0.1, 0.7, 3.0):
        assert float(likelihood(np.array([spread]))[0]) + constant == pytest.approx(direct(spread), rel=1e-9)
    poisson = stats.poisson.logpmf(y_n, size_n * mean_n).sum()
    assert float(likelihood(np.array([1e-7]))[0]) + constant == pytest.approx(poisson, abs=1e-2)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("spread", [0.4, 1.0])
def test_the_spread_and_its_kind_are_found_again(kind, spread):
    found = fit_variance(*simulated(kind, spread, n=20_000))
    assert found.kind_q[0] == kind
    assert found.spread_q[0] == pytest.approx(spread, rel=0.1)


def test_the_spread_is_the_maximum_of_the_likelihood():
    y_n1, mean_n1, size_n = simulated(1, 0.5)
    likelihood = SpreadLikelihood(1, y_n1.astype(float), mean_n1, size_n)
    found = fit_variance(y_n1, mean_n1, size_n).spread_q[0]
    top = float(likelihood(np.array([found]))[0])
    assert all(float(likelihood(np.array([found * by]))[0]) < top for by in (0.98, 1.02))


def test_counts_without_spread_fall_back_on_their_expected_spread():
    rng = np.random.default_rng(2)
    size_n = np.ones(300)
    y_n1 = rng.poisson(0.05, (300, 1))
    found = fit_variance(y_n1, np.full((300, 1), y_n1.mean()), size_n)
    assert found.kind_q[0] == 1 and NO_SPREAD < found.spread_q[0] < y_n1.var(ddof=1) / y_n1.mean()
    estimate_n1 = found.posterior(y_n1, np.full((300, 1), y_n1.mean()), size_n).mean
    assert estimate_n1[y_n1 == 0].max() < y_n1.mean() < estimate_n1[y_n1 > 0].min() < 1


def test_posterior_by_hand():
    y_nq, mean_nq, size_n = np.array([[3.0], [0.0]]), np.array([[2.0], [1.0]]), np.array([1.0, 0.5])
    want = {
        0: ([(2 + 3) / (1 + 1), 2 / (2 + 0.5)], [5**0.5 / 2, 2**0.5 / 2.5]),
        1: ([(4 + 3) / (2 + 1), 2 / (2 + 0.5)], [7**0.5 / 3, 2**0.5 / 2.5]),
        2: ([(8 + 3) / (4 + 1), 2 / (2 + 0.5)], [11**0.5 / 5, 2**0.5 / 2.5]),
    }  # spread 0.5: shape and rate (2, 2 / mean), (2 mean, 2), (2 mean^2, 2 mean)
    for kind, (mean, sd) in want.items():
        found = VarianceFit(np.array([kind]), np.array([0.5])).posterior(y_nq, mean_nq, size_n)
        np.testing.assert_allclose(found.mean[:, 0], mean)
        np.testing.assert_allclose(found.sd[:, 0], sd)


def test_intervals_hold_what_they_promise():
    """Rates and further molecules drawn from the model fall into the limits as often as they say."""
    rng = np.random.default_rng(4)
    n, q = 400, 30
    mean_nq = np.exp(rng.normal(1, 0.7, (n, q)))
    size_n = rng.uniform(0.5, 1.5, n)
    rate_nq = rng.gamma(2.0, mean_nq / 2.0)
    y_nq = rng.poisson(size_n[:, None] * rate_nq)
    further_nq = rng.poisson(0.3 * size_n[:, None] * rate_nq)
    found = fit_variance(y_nq, mean_nq, size_n).posterior(y_nq, mean_nq, size_n)
    for level in (0.5, 0.8, 0.95):
        low_nq, high_nq = found.interval(level)
        assert ((low_nq < rate_nq) & (rate_nq < high_nq)).mean() == pytest.approx(level, abs=0.02)
        low_nq, high_nq = found.predictive(level, 0.3 * size_n)
        inside = ((low_nq <= further_nq) & (further_nq <= high_nq)).mean()
        assert level - 0.01 < inside  # whole numbers: at least what is promised


def test_intervals_of_the_method_are_in_its_unit_and_order(adata, fitted):
    columns = np.array([7, 2])
    values_nq, sd_nq = fitted.block(columns, sd=True)
    low_nq, high_nq = fitted.interval(columns, 0.8)
    assert (low_nq < values_nq).all() and (values_nq < high_nq).all()
    np.testing.assert_allclose(fitted.posterior(columns).sd, sd_nq, rtol=1e-5)
    few_nq, many_nq = fitted.predictive(columns, 0.8, np.full(adata.n_obs, 1e4))
    expected_nq = values_nq  # 10,000 further molecules: CP10k is their expectation
    assert (few_nq <= expected_nq).all() and (expected_nq - 1 <= many_nq).all()


def test_without_regression_the_prior_is_the_mean_and_the_spread_a_fano_factor(adata):
    found = Saver(regress=False).fit(adata)
    assert found.prior_ is None and (found.variance_.kind_q == 1).all()
    values_ng = found.impute(adata).values_nq
    counts_ng = adata.layers["counts"].toarray()
    gene = int(counts_ng.mean(0).argmin())
    blank = counts_ng[:, gene] == 0
    assert values_ng[blank, gene].max() < values_ng[~blank, gene].min()


def again(adata, rows):
    """Cells repeated, under new names."""
    obs = adata.obs.iloc[rows].set_axis([f"d{i}" for i in range(len(rows))])
    return anndata.AnnData(adata.X[rows], obs, adata.var, layers={"counts": adata.layers["counts"][rows]})


@pytest.mark.parametrize("case", ["equal", "duplicates", "few genes", "two cells"])
def test_edges(case, adata):
    cells = {
        "equal": lambda: again(adata, np.zeros(40, dtype=int)),
        "duplicates": lambda: again(adata[:, :60], np.repeat(np.arange(20), 3)),
        "few genes": lambda: adata[:60, :3].copy(),
        "two cells": lambda: adata[:2].copy(),
    }[case]()
    found = Saver(checked=10).fit(cells).impute(cells, sd=True)
    assert np.isfinite(found.values_nq).all() and np.isfinite(found.sd_nq).all()
    if case == "equal":
        np.testing.assert_allclose(found.values_nq, np.expm1(cells.X.toarray()), rtol=0.02, atol=1e-3)
