"""scImpute against the R functions (mixture, whole method), its least squares against SciPy, and its edges."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import nnls

from exval.data.examples import baron
from exval.errors import InputError
from exval.methods.imputation.nonnegative import nonnegative_least_squares
from exval.methods.imputation.scimpute import ScImpute
from exval.methods.imputation.scimpute_mixture import POINT, Mixture, fit_mixture

FIXTURE = Path(__file__).parent / "fixtures" / "scimpute.npz"


def prepared(counts_ng) -> anndata.AnnData:
    counts_ng = np.asarray(counts_ng, dtype=np.float64)
    total_n = counts_ng.sum(1, keepdims=True)
    names = pd.DataFrame(index=[f"c{i:04d}" for i in range(len(counts_ng))])
    genes = pd.DataFrame(index=[f"G{j:04d}" for j in range(counts_ng.shape[1])])
    return anndata.AnnData(sparse.csr_matrix(np.log1p(counts_ng / total_n * 1e4).astype(np.float32)), names, genes)


@pytest.fixture(scope="module")
def told():
    return dict(np.load(FIXTURE))


@pytest.fixture(scope="module")
def counts_ng(told):
    return baron()[told["rows"], told["genes"]].X.toarray().astype(np.float64)


@pytest.fixture(scope="module")
def groups():
    """Two kinds of cells, 60 genes high in one of them; a tenth of all values lost."""
    rng = np.random.default_rng(0)
    kind_n = np.repeat([0, 1], 40)
    mean_ng = np.where((np.arange(120) < 60)[None] == (kind_n == 0)[:, None], 60.0, 6.0)
    truth_ng = rng.gamma(20, mean_ng / 20)
    lost_ng = rng.random(truth_ng.shape) < 0.1
    return rng.poisson(np.where(lost_ng, 0, truth_ng)), truth_ng, lost_ng, kind_n


def test_mixture_is_that_of_the_r_function(counts_ng, told):
    value_ng = np.log10(counts_ng / counts_ng.sum(1, keepdims=True) * 1e6 + 1.01)
    fit = fit_mixture(sparse.csc_matrix(value_ng - POINT))
    got = np.stack([fit.rate, fit.alpha, fit.beta, fit.mu, fit.sigma], axis=1)
    np.testing.assert_allclose(got, told["parameters_q5"], rtol=2e-4)


def test_imputed_values_are_those_of_the_r_functions(counts_ng, told):
    adata = prepared(counts_ng)
    got = ScImpute().fit(adata).impute(adata).values_nq
    np.testing.assert_allclose(np.log10(100 * got + 1.01), told["log10_nq"], atol=1e-3)
    before = np.log10(counts_ng / counts_ng.sum(1, keepdims=True) * 1e6 + 1.01)
    assert (np.abs(told["log10_nq"] - before) > 0.1).mean() > 0.3  # a third of the values were filled: not the identity


@pytest.mark.parametrize(("m", "k"), [(60, 10), (200, 80), (40, 39)])
def test_least_squares_are_those_of_scipy(m, k):
    rng = np.random.default_rng(m)
    shared = rng.gamma(1, 1, (m, 4))
    x = shared @ rng.gamma(1, 1, (4, k)) + rng.gamma(0.5, 1, (m, k))
    y = shared @ rng.gamma(1, 1, 4) + rng.gamma(0.5, 1, m)
    want, _ = nnls(x, y)
    got = nonnegative_least_squares(x.T @ x, x.T @ y)
    np.testing.assert_allclose(got, want, atol=1e-8)
    assert not nonnegative_least_squares(x.T @ x, -(x.T @ y)).any()


def test_least_squares_end_where_predictors_repeat_each_other():
    rng = np.random.default_rng(1)
    x = np.repeat(rng.gamma(1, 1, (30, 5)), 4, axis=1)
    gram = x.T @ x
    gram[np.diag_indices(20)] *= 1 + 1e-8
    y = x @ np.full(20, 0.25)
    got = nonnegative_least_squares(gram, x.T @ y)
    np.testing.assert_allclose(x @ got, y, rtol=1e-4)


def test_dropouts_by_hand():
    fit = Mixture(*(np.array([value]) for value in (0.3, 1.0, 2.0, 2.0, 0.5)))
    value = np.array([0.01, 1.0, 3.0])
    low, high = 0.3 * 2 * np.exp(-2 * value), 0.7 * np.exp(-2 * (value - 2) ** 2) / (0.5 * np.sqrt(2 * np.pi))
    want = low / (low + high)
    np.testing.assert_allclose(fit.dropout((value - POINT)[:, None])[:, 0], want, rtol=1e-9)
    wide = Mixture(*(np.array([value]) for value in (0.9, 1.0, 0.1, 0.5, 0.2)))
    assert wide.dropout(np.array([[2.0]]))[0, 0] == 0  # far above the normal part: no dropout, whatever the gamma says


def test_genes_that_are_hardly_expressed_are_not_valid():
    rng = np.random.default_rng(2)
    rare_n, plain_n, single_n = (
        np.zeros(100),
        np.where(rng.random(100) < 0.3, 0, rng.normal(2, 0.3, 100)),
        np.zeros(100),
    )
    rare_n[:3], single_n[0] = 0.2, 2.0
    fit = fit_mixture(sparse.csc_matrix(np.stack([rare_n, plain_n, single_n], axis=1)))
    assert fit.valid.tolist() == [False, True, False]


def test_lost_values_are_filled_from_the_same_kind_and_the_others_are_kept(groups):
    counts_ng, truth_ng, lost_ng, _ = groups
    adata = prepared(counts_ng)
    method = ScImpute().fit(adata)
    got_ng, was_ng = method.impute(adata).values_nq, np.expm1(adata.X.toarray())
    changed = np.abs(got_ng - was_ng) > 1e-3 * was_ng.max()
    assert changed[lost_ng].mean() > 0.9 and changed[~lost_ng].mean() < 0.1
    want_ng = truth_ng / truth_ng.sum(1, keepdims=True) * 1e4
    r = np.corrcoef(np.log1p(got_ng[lost_ng]), np.log1p(want_ng[lost_ng]))[0, 1]
    assert r > 0.8
    assert (got_ng <= was_ng.max(0) * (1 + 1e-4)).all()
    assert method.weights_.min() >= 0 and not method.weights_.diagonal().any()


def test_clusters_are_the_kinds_and_cells_take_from_their_own(groups):
    counts_ng, _, _, kind_n = groups
    adata = prepared(counts_ng)
    method = ScImpute(k=2).fit(adata)
    kept = method.cluster_ >= 0
    assert kept.mean() > 0.9
    agree = (method.cluster_[kept] == kind_n[kept]).mean()
    assert max(agree, 1 - agree) == 1.0
    rows, columns = method.weights_.nonzero()
    assert len(rows) and (kind_n[rows] == kind_n[columns]).all()
    again = ScImpute(k=2).fit(adata)
    np.testing.assert_array_equal(again.cluster_, method.cluster_)


def test_fewer_neighbours_change_little(groups):
    counts_ng, _, _, _ = groups
    adata = prepared(counts_ng)
    few, many = (np.log1p(ScImpute(neighbours=k).fit(adata).impute(adata).values_nq) for k in (15, 500))
    assert np.corrcoef(few.ravel(), many.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("setting", [{"k": 0}, {"neighbours": 0}, {"k": 80}])
def test_settings_that_make_no_sense_are_refused(setting, groups):
    with pytest.raises(InputError):
        ScImpute(**setting).fit(prepared(groups[0]))


@pytest.mark.parametrize("rows", [np.zeros(30, dtype=int), np.repeat(np.arange(15), 4), np.arange(2)])
def test_edges(rows, groups):
    adata = prepared(groups[0][rows])
    got = ScImpute(neighbours=10).fit(adata).impute(adata).values_nq
    assert np.isfinite(got).all()
