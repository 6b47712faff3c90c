"""Logistic regression, components and low rank against other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.linear_model import LogisticRegression

from exval.errors import InputError
from exval.methods import components
from exval.methods.components import gram, principal_components
from exval.methods.gene_mean import balanced_mean
from exval.methods.low_rank import LowRank
from exval.methods.matrix import linear_map, moments, variable_genes
from exval.methods.softmax import fit_softmax, softmax
from exval.tasks.hiding import hide_entries


def sparse_cells(n, g, seed=0, share=0.3):
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.gamma(2.0, 1.0, (n, g)) * (rng.random((n, g)) < share))


def test_moments_equal_dense_ones():
    x = sparse_cells(30, 12)
    mean, var = moments(x)
    np.testing.assert_allclose(mean, x.toarray().mean(0))
    np.testing.assert_allclose(var, x.toarray().var(0, ddof=1))


def test_softmax_regression_equals_scikit_learn():
    x, rng = sparse_cells(80, 15), np.random.default_rng(1)
    y = (x.toarray()[:, :3] + rng.normal(0, 0.5, (80, 3))).argmax(1)
    mean, var = moments(x)
    sd = np.sqrt(var)
    weights, intercept = fit_softmax(x, mean, sd, y, 3, strength=0.3, max_iter=2000)
    z = (x.toarray() - mean) / sd
    other = LogisticRegression(C=0.3, max_iter=5000, tol=1e-10).fit(z, y)
    np.testing.assert_allclose(softmax(z @ weights + intercept), other.predict_proba(z), atol=3e-3)


def test_folded_centring_equals_dense_centring():
    x = sparse_cells(10, 6)
    names = np.array(list("abcdef"), dtype=object)
    adata = AnnData(x.astype(np.float32))
    adata.var_names = names
    rng = np.random.default_rng(0)
    mean, weights = rng.random(6), rng.random((6, 2))
    expected = (x.toarray() - mean) @ weights + 3
    np.testing.assert_allclose(linear_map(adata, names, mean, weights, 3.0), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
@pytest.mark.parametrize("way", ["exact", "randomised"])
def test_components_with_a_centre_for_each_group(shape, way, monkeypatch):
    if way == "randomised":
        monkeypatch.setattr(components, "EXACT_UP_TO", 1)
    x, rng = sparse_cells(*shape), np.random.default_rng(3)
    group, centre, scale = rng.integers(0, 3, shape[0]), rng.random((3, shape[1])), 1 + rng.random(shape[1])
    vectors, values = principal_components(x, centre, scale, 3, group_n=group)
    dense = x.toarray() / scale - (centre / scale)[group]
    _, singular, right = np.linalg.svd(dense, full_matrices=False)
    np.testing.assert_allclose(values, singular[:3] ** 2 / (shape[0] - 1), rtol=1e-4)
    np.testing.assert_allclose(np.abs((vectors * right[:3].T).sum(0)), 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
@pytest.mark.parametrize("way", ["exact", "randomised"])
def test_components_equal_scikit_learn(shape, way, monkeypatch):
    if way == "randomised":
        monkeypatch.setattr(components, "EXACT_UP_TO", 1)
    x = sparse_cells(*shape)
    mean, _ = moments(x)
    scale = np.linspace(0.5, 2, shape[1])
    vectors, values = principal_components(x, mean, scale, 4)
    other = SklearnPCA(4, svd_solver="full").fit(x.toarray() / scale)
    np.testing.assert_allclose(values, other.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(vectors.T @ other.components_.T), np.eye(4), atol=1e-3)
    assert (vectors[np.abs(vectors).argmax(0), np.arange(4)] > 0).all()


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_gram_sparse_and_dense_way(share):
    x = sparse_cells(50, 30, share=share)
    np.testing.assert_allclose(gram(x, block=16), x.toarray().T @ x.toarray(), atol=1e-10)


def test_variable_genes_stand_out_from_the_trend():
    rng = np.random.default_rng(0)
    x = rng.gamma(4.0, np.linspace(0.2, 3, 200), (100, 200))
    x[:50, 17] *= 6
    chosen = variable_genes(*moments(sp.csr_matrix(x)), 5)
    assert 17 in chosen and (np.diff(chosen) > 0).all()
    assert len(variable_genes(*moments(sp.csr_matrix(x)), None)) == 200
    with pytest.raises(InputError, match="no gene varies"):
        variable_genes(np.ones(5), np.zeros(5), 3)


def test_low_rank_is_the_conditional_mean_of_its_gaussian():
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(2, 0.3, (60, 2)) @ rng.random((2, 12)) + rng.normal(0, 0.1, (60, 12)))
    adata = AnnData(sp.csr_matrix(x.astype(np.float32)))
    adata.var_names = [f"g{i:02d}" for i in range(12)]
    method = LowRank(ranks=(2,)).fit(adata)
    sigma = method.loadings_ @ method.loadings_.T + np.diag(method.noise_)
    gone, row = np.array([1, 5, 6]), x[7].copy()
    seen = np.setdiff1d(np.arange(12), gone)
    expected = method.mean_[gone] + sigma[np.ix_(gone, seen)] @ np.linalg.solve(
        sigma[np.ix_(seen, seen)], row[seen] - method.mean_[seen]
    )
    row[gone] = 0
    flags = np.zeros((1, 12), bool)
    flags[0, gone] = True
    one = adata[7:8].copy()
    one.X = sp.csr_matrix(row[None].astype(np.float32))
    np.testing.assert_allclose(method.recover(one, sp.csr_matrix(flags)).data, expected, rtol=1e-4)


def test_low_rank_of_visible_entries_is_the_posterior_mean():
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(2, 0.3, (60, 2)) @ rng.random((2, 12)) + rng.normal(0, 0.1, (60, 12)))
    adata = AnnData(sp.csr_matrix(x.astype(np.float32)))
    adata.var_names = [f"g{i:02d}" for i in range(12)]
    method = LowRank(ranks=(2,)).fit(adata)
    sigma = method.loadings_ @ method.loadings_.T + np.diag(method.noise_)
    smooth = method.loadings_ @ method.loadings_.T @ np.linalg.solve(sigma, x[7] - method.mean_) + method.mean_
    asked = sp.csr_matrix((np.zeros(2, bool), np.array([2, 9]), np.array([0, 2])), shape=(1, 12))
    np.testing.assert_allclose(method.recover(adata[7:8].copy(), asked).data, smooth[[2, 9]], rtol=1e-4)


def test_balanced_mean_is_the_mean_over_hidden_entries():
    x = sparse_cells(40, 200, share=0.25)
    sums, seen = np.zeros(200), np.zeros(200)
    for seed in range(200):
        case = hide_entries(x, share=0.2, seed=seed)
        np.add.at(sums, case.hidden.indices, case.truth_m)
        np.add.at(seen, case.hidden.indices, 1)
    dense = x.toarray()
    share_n = (dense > 0).mean(1, keepdims=True)
    weight = np.where(dense > 0, 1, share_n / (1 - share_n))
    np.testing.assert_allclose(balanced_mean(x), (weight * dense).sum(0) / weight.sum(0), rtol=1e-9)
    assert balanced_mean(x).mean() == pytest.approx((sums / seen).mean(), rel=0.02)
