"""Leading components against a dense singular value decomposition, on every one of the ways they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.methods.imputation import pca
from exval.methods.imputation.pca import leading_components, times


def matrix(n: int, g: int, density: float = 0.4, seed: int = 0) -> sparse.csr_matrix:
    """Counts of six groups, so that six components stand out."""
    rng = np.random.default_rng(seed)
    rate_ng = rng.lognormal(0, 1, (6, g))[rng.integers(6, size=n)] * density
    return sparse.csr_matrix(np.log1p(rng.poisson(rate_ng)).astype(np.float32))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("way", ["double", "single", "iterated"])
@pytest.mark.parametrize("shape", [(400, 120), (120, 400)])
@pytest.mark.parametrize("density", [0.4, 0.01])
def test_equals_a_dense_decomposition(shape, center, way, density, monkeypatch):
    if way != "double":
        monkeypatch.setattr(pca, "DOUBLE_UP_TO", 0)
    if way == "iterated":
        monkeypatch.setattr(pca, "EXACT_UP_TO", 10)
    x = matrix(*shape, density)
    scores, axes, singular = leading_components(x, 10, center=center)
    dense = x.toarray().astype(np.float64)
    dense -= dense.mean(0) * center
    left, want, right = np.linalg.svd(dense, full_matrices=False)
    assert scores.dtype == axes.dtype == np.float32 and singular.dtype == np.float64
    np.testing.assert_allclose(singular, want[:10], rtol={"double": 1e-10, "single": 1e-4, "iterated": 1e-3}[way])
    stands_out = np.abs(np.diag(right[:5] @ axes[:, :5]))
    np.testing.assert_allclose(stands_out, 1, atol=1e-5 if way == "double" else 1e-3)
    np.testing.assert_allclose(scores, dense @ axes, atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(10), atol=1e-4)
    assert (axes[np.abs(axes).argmax(0), np.arange(10)] > 0).all()


def test_no_more_components_than_there_are():
    x = matrix(4, 30)
    assert leading_components(x, 100)[0].shape == (4, 3)
    assert leading_components(x, 100, center=False)[0].shape == (4, 4)
    assert leading_components(matrix(30, 5), 100)[1].shape == (5, 5)


def test_equal_cells_and_one_cell_have_finite_components():
    same = sparse.csr_matrix(np.tile(np.float32([1, 0, 3]), (5, 1)))
    for x in (same, same[:1], sparse.csr_matrix((6, 3), dtype=np.float32)):
        scores, axes, singular = leading_components(x, 2)
        assert np.isfinite(axes).all() and np.abs(scores).max() < 1e-5 and singular.max() < 1e-5


def test_the_matrix_is_not_changed():
    x = matrix(50, 20)
    before = x.copy()
    leading_components(x, 3)
    assert (x != before).nnz == 0 and x.dtype == before.dtype


def test_times_in_blocks(monkeypatch):
    monkeypatch.setattr(pca, "BLOCK_BYTES", 1)
    x, right = matrix(75, 20), np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(times(x, right), x.toarray() @ right, rtol=1e-4, atol=1e-5)
