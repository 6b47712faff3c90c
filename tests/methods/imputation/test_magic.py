"""MAGIC against the authors' package on the same graph, its graph from the same components, and by hand."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.imputation.magic import Magic, diffused, diffusion_operator, disparity, in_order, settled_at
from exval.methods.imputation.neighbours import nearest

SETTINGS = {"default": (5, 15, 1.0), "narrow": (3, 10, 6.0)}  # knn, knn_max, decay


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    return dict(np.load(Path(__file__).parent / "fixtures" / "magic.npz"))


def prepared(counts: np.ndarray) -> anndata.AnnData:
    """What a method takes: log1p(CP10k) in X, and the counts."""
    counts = counts.astype(np.float32)
    log = sparse.csr_matrix(np.log1p(counts / counts.sum(1, keepdims=True) * 1e4))
    var = pd.DataFrame(index=[f"GENE{i:03d}" for i in range(counts.shape[1])])
    obs = pd.DataFrame(index=[f"cell{i:05d}" for i in range(len(counts))])
    return anndata.AnnData(log, obs=obs, var=var, layers={"counts": sparse.csr_matrix(counts)})


def operator_of(theirs, kind: str) -> sparse.csr_matrix:
    n = len(theirs["counts"])
    return sparse.csr_matrix(
        (theirs[f"{kind}_data"], theirs[f"{kind}_indices"], theirs[f"{kind}_indptr"]), shape=(n, n)
    )


@pytest.mark.parametrize("kind", SETTINGS)
def test_graph_equals_theirs_on_the_same_components(kind, theirs):
    knn, knn_max, decay = SETTINGS[kind]
    index, distance = nearest(theirs["default_scores"], knn_max + 1)
    ours = diffusion_operator(index, distance, knn, decay)
    want = operator_of(theirs, kind)
    assert ours.nnz == want.nnz
    assert abs(ours - want).max() < 1e-6


def test_diffusion_equals_theirs_on_the_same_graph(theirs):
    cells = prepared(theirs["counts"])
    method = Magic().fit(cells)
    method.operator_ = in_order(operator_of(theirs, "default"), method.order_).astype(np.float32)
    got = method.impute(cells).values_nq
    np.testing.assert_allclose(np.sqrt(got), theirs["default_values"], rtol=1e-4, atol=1e-4)


def test_the_whole_equals_theirs_where_the_components_do(theirs):
    """With 20 exact components against their 20 randomised ones on 50 genes, the answers stay within a percent."""
    cells = prepared(theirs["counts"])
    got = np.sqrt(Magic(n_pca=20).fit(cells).impute(cells).values_nq)
    want = theirs["default_values"]
    assert np.median(np.abs(got - want)) < 0.01 * want.mean()
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.999


def test_auto_takes_as_many_steps_as_theirs(theirs):
    root = np.sqrt(theirs["counts"] / theirs["counts"].sum(1, keepdims=True) * 1e4)
    assert settled_at(diffused(operator_of(theirs, "default"), root, 20)) == theirs["auto_t"]
    method = Magic(t="auto", n_pca=20).fit(prepared(theirs["counts"]))
    assert method.t_ == theirs["auto_t"]


def test_disparity_equals_scipys():
    from scipy.spatial import procrustes

    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(30, 5)), rng.normal(size=(30, 5))
    assert disparity(one, other) == pytest.approx(procrustes(one, other)[2])
    assert disparity(np.ones((3, 2)), np.ones((3, 2))) == 0


def test_log_scale_is_a_mean_of_logarithms(theirs):
    cells = prepared(theirs["counts"])
    method = Magic(transform="log1p", t=1).fit(cells)
    operator = in_order(method.operator_, np.argsort(method.order_))
    np.testing.assert_allclose(
        np.log1p(method.impute(cells).values_nq), operator @ cells.X.toarray(), rtol=1e-4, atol=1e-5
    )


def test_rows_sum_to_one_and_genes_that_are_equal_everywhere_stay(baron_small):
    cells = open_source(baron_small).to_adata()
    cells.X = sparse.hstack([cells.X[:, :-1], np.full((cells.n_obs, 1), 2.0)], format="csr", dtype=np.float32)
    method = Magic().fit(cells)
    np.testing.assert_allclose(np.asarray(method.operator_.sum(1)).ravel(), 1, rtol=1e-5)
    last = method.impute(cells, [cells.var_names[-1]]).values_nq
    np.testing.assert_allclose(last, np.expm1(2.0), rtol=1e-4)


def test_equal_cells_stay_and_two_cells_are_enough():
    same = prepared(np.tile([3, 0, 1, 6], (30, 1)))
    np.testing.assert_allclose(Magic().fit(same).impute(same).to("log1p").values_nq, same.X.toarray(), rtol=1e-4)
    two = prepared(np.array([[5, 1, 0], [0, 1, 4]]))
    got = Magic(t=1).fit(two).impute(two).values_nq
    mine = 1 / (1 + np.exp(-1))  # the other cell's affinity is exp(-1)
    root = np.sqrt(np.expm1(two.X.toarray()))
    np.testing.assert_allclose(got[0], (mine * root[0] + (1 - mine) * root[1]) ** 2, rtol=1e-4)


def test_blocks_of_genes_are_the_same_as_all(monkeypatch, baron_small):
    cells = open_source(baron_small).to_adata()
    method = Magic().fit(cells)
    whole = method.impute(cells).values_nq
    monkeypatch.setattr("exval.methods.imputation.magic.GENES", 7)
    np.testing.assert_array_equal(method.impute(cells).values_nq, whole)


@pytest.mark.parametrize(
    "wrong", [{"t": 0}, {"t": "often"}, {"t": 1.5}, {"transform": "log2"}, {"knn": 0}, {"decay": 0.0}]
)
def test_senseless_settings_are_refused(wrong, baron_small):
    with pytest.raises(InputError, match="magic"):
        Magic(**wrong).fit(open_source(baron_small).to_adata())
