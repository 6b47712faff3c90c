"""scIGANs beyond the contract: zeros alone change, and they come from generated cells of the group."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.methods.imputation.deep.scigans import ScIgans, most_alike

QUICK = {"epochs": 2, "n_generated": 30}


@pytest.fixture(scope="module")
def fitted(umi):
    return ScIgans(**QUICK).fit(umi.cells, "kind")


def test_measured_values_stay_and_zeros_lie_between_zero_and_the_cells_largest(umi, fitted):
    x, told = umi.cells.X.toarray(), fitted.impute(umi.cells).values_nq
    np.testing.assert_array_equal(told[x > 0], x[x > 0])
    assert (told <= x.max(1, keepdims=True) + 1e-5).all() and (told[x == 0] > 0).any()


def test_labels_are_the_groups_and_zeros_take_the_median_of_the_nearest_of_the_group(umi, fitted):
    kind_n = umi.cells.obs["kind"].to_numpy().astype(int)
    np.testing.assert_array_equal(fitted.group_n_, kind_n)
    assert (fitted._like_nk // 30 == kind_n[:, None]).all()
    x = umi.cells.X.toarray()
    made = fitted._made_mg.reshape(3, 30, -1)[kind_n[5]]
    seen = x[5] > 0
    nearest = np.argsort(((made[:, seen] - x[5, seen] / x[5].max()) ** 2).sum(1))[:10]
    want = np.median(made[nearest], axis=0) * x[5].max()
    np.testing.assert_allclose(fitted.impute(umi.cells).values_nq[5, ~seen], want[~seen], rtol=1e-4)


def test_the_group_decides_what_is_generated(umi):
    """After training, the means of generated cells are nearest to those of their own group."""
    method = ScIgans(epochs=30, n_generated=60).fit(umi.cells, "kind")
    x = umi.cells.X.toarray()
    x = x / x.max(1, keepdims=True)
    real = np.stack([x[method.group_n_ == k].mean(0) for k in range(3)])
    made = method._made_mg.reshape(3, 60, -1).mean(1)
    distance = ((made[:, None] - real[None]) ** 2).sum(2)
    assert distance.argmin(1).tolist() == [0, 1, 2]


def test_alike_is_judged_by_the_non_zeros_alone():
    rng = np.random.default_rng(0)
    x = sparse.random(6, 9, 0.5, format="csr", random_state=1)
    made = rng.random((20, 9))
    dense = x.toarray()
    want = [np.argsort((((made - row) * (row > 0)) ** 2).sum(1))[:4] for row in dense]
    np.testing.assert_array_equal(most_alike(x, made, 4), want)
