"""bayNorm: the posterior by summing over all transcripts, the prior by a general optimiser, units, intervals."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, sparse, stats

from exval.errors import InputError
from exval.methods.imputation.baynorm import BayNorm


def prepared(counts_ng) -> anndata.AnnData:
    """As readers hand it over: log1p(CP10k), counts and totals."""
    counts_ng = np.asarray(counts_ng, dtype=np.float32)
    total_n = counts_ng.sum(1)
    obs = pd.DataFrame({"exval_total": total_n.astype(float)}, index=[f"c{i}" for i in range(len(total_n))])
    var = pd.DataFrame(index=[f"G{j:03d}" for j in range(counts_ng.shape[1])])
    log_ng = sparse.csr_matrix(np.log1p(counts_ng / total_n[:, None] * 1e4))
    return anndata.AnnData(log_ng, obs, var, layers={"counts": sparse.csr_matrix(counts_ng)})


@pytest.fixture(scope="module")
def drawn():
    """Transcripts x0 and what was captured of them, with known sizes (0.3 to 5), for 40 genes and 500 cells."""
    rng = np.random.default_rng(0)
    size_g, mu_g = np.geomspace(0.3, 5, 40), rng.uniform(5, 60, 40)
    x0_ng = rng.negative_binomial(size_g, size_g / (size_g + mu_g), (500, 40))
    beta_n = rng.uniform(0.04, 0.16, 500)
    return x0_ng, rng.binomial(x0_ng, beta_n[:, None]), size_g, mu_g, beta_n


@pytest.mark.parametrize(
    ("count", "beta", "mu", "size"), [(0, 0.06, 20.0, 0.5), (3, 0.1, 12.0, 2.0), (7, 0.3, 9.0, 4.0)]
)
def test_posterior_is_the_sum_over_all_transcripts(count, beta, mu, size):
    method = BayNorm()
    method.mu_, method.size_ = np.array([mu]), np.array([size])
    method._beta_n, method._columns = np.array([beta]), sparse.csc_matrix([[float(count)]])
    method._to_cp10k_n = np.ones(1)
    x0 = np.arange(5000)
    weight = stats.binom.pmf(count, x0, beta) * stats.nbinom.pmf(x0, size, size / (size + mu))
    weight /= weight.sum()
    mean = (x0 * weight).sum()
    value, sd = method.block(np.array([0]), sd=True)
    assert value[0, 0] == pytest.approx(mean, rel=1e-5)
    assert sd[0, 0] == pytest.approx(np.sqrt(((x0 - mean) ** 2 * weight).sum()), rel=1e-5)
    low, high = (float(limit[0, 0]) for limit in method.interval(np.array([0]), 0.9))
    cumulative = weight.cumsum()
    assert low == x0[cumulative >= 0.05][0] and high == x0[cumulative >= 0.95][0]
    method.value = "mode"
    assert method.block(np.array([0]))[0, 0] == x0[weight.argmax()]


def test_prior_is_moments_moved_onto_the_line_of_the_likeliest_sizes(drawn):
    _, x_ng, _, _, _ = drawn
    total_n = x_ng.sum(1)
    beta_n = total_n / total_n.mean() * 0.06
    scaled_ng = x_ng / beta_n[:, None]
    mu_g = scaled_ng.mean(0)
    moment_g = mu_g**2 / (scaled_ng.var(0) - mu_g)
    bounds = (moment_g.min(), np.ceil(moment_g.max()))

    def likeliest(g):
        def lost(log_size):
            size = np.exp(log_size)
            return -stats.nbinom.logpmf(x_ng[:, g], size, size / (size + beta_n * mu_g[g])).sum()

        return np.exp(
            optimize.minimize_scalar(lost, bounds=np.log(bounds), method="bounded", options={"xatol": 1e-6}).x
        )

    likely_g = np.array([likeliest(g) for g in range(40)])
    inside = (likely_g > bounds[0] * 1.001) & (likely_g < bounds[1] * 0.999)
    line = np.polyfit(np.log(moment_g[inside]), np.log(likely_g[inside]), 1)
    method = BayNorm().fit(prepared(x_ng))
    np.testing.assert_allclose(method.mu_, mu_g, rtol=1e-5)
    np.testing.assert_allclose(method.size_, np.exp(np.polyval(line, np.log(moment_g))), rtol=0.01)


def test_sizes_are_found_again_better_than_by_moments(drawn):
    _, x_ng, size_g, _, _ = drawn
    adata = prepared(x_ng)
    miss = {refine: np.abs(np.log(BayNorm(refine=refine, capture=0.1).fit(adata).size_ / size_g)).mean()
            for refine in (False, True)}  # fmt: skip
    assert miss[True] < 0.8 * miss[False]


def test_values_are_transcripts_of_ten_thousand(drawn):
    x0_ng, x_ng, _, _, beta_n = drawn
    adata = prepared(x_ng)
    got = BayNorm(capture=float(beta_n.mean())).fit(adata).impute(adata)
    assert got.unit == "cp10k"
    np.testing.assert_allclose(got.values_nq.sum(1).mean(), 1e4, rtol=0.02)
    want_ng = x0_ng / x0_ng.sum(1).mean() * 1e4
    nothing_ng = np.expm1(adata.X.toarray())
    # depth is told by totals, which vary by more than beta, and still a quarter of the error goes
    assert ((got.values_nq - want_ng) ** 2).mean() < 0.8 * ((nothing_ng - want_ng) ** 2).mean()


def test_intervals_hold_what_they_promise():
    rng = np.random.default_rng(3)
    n, g = 800, 30
    size_g, mu_g = np.geomspace(0.5, 4, g), rng.uniform(20, 80, g)
    x0_ng = rng.negative_binomial(size_g, size_g / (size_g + mu_g), (n, g))
    x_ng = rng.binomial(x0_ng, 0.1)
    further_ng = rng.binomial(x0_ng - x_ng, 0.05)
    method = BayNorm(capture=0.1)
    adata = prepared(x_ng)
    adata.obs["exval_total"] = x_ng.sum(1).mean()  # all cells are equally deep: beta is known
    method.fit(adata)
    to_transcripts = 1 / method._to_cp10k_n[:, None]
    for level in (0.5, 0.9):
        low_ng, high_ng = (limit * to_transcripts for limit in method.interval(np.arange(g), level))
        assert level - 0.01 < ((low_ng <= x0_ng + 0.5) & (x0_ng - 0.5 <= high_ng)).mean() < level + 0.06
        low_ng, high_ng = method.predictive(np.arange(g), level, np.full(n, x_ng.sum(1).mean() * 0.9 * 0.5))
        assert level - 0.01 < ((low_ng <= further_ng) & (further_ng <= high_ng)).mean()


def test_modes_are_whole_transcripts_and_below_the_means(drawn):
    _, x_ng, _, _, _ = drawn
    adata = prepared(x_ng)
    mode, mean = (BayNorm(value=value).fit(adata) for value in ("mode", "mean"))
    whole_ng = mode.block(np.arange(40)) / mode._to_cp10k_n[:, None]
    np.testing.assert_allclose(whole_ng, np.round(whole_ng), atol=1e-3)
    assert (mode.block(np.arange(40)) <= mean.block(np.arange(40)) + 1e-5).all()


@pytest.mark.parametrize("setting", [{"capture": 0.0}, {"capture": 1.5}, {"value": "median"}])
def test_settings_that_make_no_sense_are_refused(setting, drawn):
    with pytest.raises(InputError):
        BayNorm(**setting).fit(prepared(drawn[1]))


@pytest.mark.parametrize("counts", [np.full((30, 4), 3), np.eye(5) + 1, np.array([[1, 0], [5, 900]])])
def test_edges(counts):
    adata = prepared(counts)
    got = BayNorm().fit(adata).impute(adata, sd=True)
    assert np.isfinite(got.values_nq).all() and (got.sd_nq >= 0).all()
