"""Nearest neighbours by hand, against loops, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import KNNImputer

from exval.errors import InputError
from exval.methods.completion import knn
from exval.methods.completion.knn import NearestNeighbours, distances


def gappy(n, g, missing, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, g)) + 0.3 * rng.normal(size=(n, g))
    x[rng.random(x.shape) < missing] = np.nan
    return x


def by_loops(x_g, train_ng, k):
    """One sample, gene by gene, as the docstring says."""
    out = np.zeros(len(x_g))
    both = ~np.isnan(x_g) & ~np.isnan(train_ng)
    d_n = np.array([np.mean((x_g - row)[ok] ** 2) if ok.any() else np.inf for row, ok in zip(train_ng, both)])
    for j in range(len(x_g)):
        near = [i for i in np.argsort(d_n, kind="stable") if not np.isnan(train_ng[i, j]) and np.isfinite(d_n[i])][:k]
        if near:
            w = 1 / d_n[near] ** 2
            out[j] = w @ train_ng[near, j] / w.sum()
    return out


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_equals_loops(missing, k):
    train, new = gappy(40, 12, missing), gappy(9, 12, 0.5, seed=1)
    method = NearestNeighbours(k=k)
    method.learn(train)
    np.testing.assert_allclose(method.fill(new), [by_loops(x, train, k) for x in new], atol=1e-10)


def test_distances_equal_loops():
    x, y = gappy(6, 5, 0.5), gappy(8, 5, 0.5, seed=3)
    want = np.full((6, 8), np.inf)
    for i in range(6):
        for j in range(8):
            ok = ~np.isnan(x[i]) & ~np.isnan(y[j])
            if ok.any():
                want[i, j] = np.mean((x[i] - y[j])[ok] ** 2)
    np.testing.assert_allclose(distances(x, y), want, atol=1e-12)


def test_neighbours_are_those_of_scikit_learn():
    """With equal weights the answer is KNNImputer's."""
    train, new = gappy(60, 10, 0.3), gappy(7, 10, 0.4, seed=2)
    order, distance = knn._sorted_distances(new, train)
    equal = np.where(np.isfinite(distance), 1.0, np.inf)
    got = np.where(np.isnan(new), knn._averaged(train, order, equal, 5)[0], new)
    np.testing.assert_allclose(got, KNNImputer(n_neighbors=5).fit(train).transform(new), atol=1e-10)


def test_values_and_sd_by_hand():
    """Two neighbours at squared distances 1 and 2: weights 1 and 1/4."""
    train = np.array([[1.0, 10.0], [np.sqrt(2), 30.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    method = NearestNeighbours(k=2)
    method.learn(train)
    values, sd = method.fill(np.array([[0.0, np.nan]]), sd=True)
    assert method.scale_ == 1.0  # too few samples to set any aside
    assert values[0].tolist() == pytest.approx([0.8 + 0.2 * np.sqrt(2), 14.0])
    weight = np.array([0.8, 0.2])
    bessel = 1 / (1 - (weight**2).sum())
    spread = [weight @ (train[:2, j] - values[0, j]) ** 2 * bessel for j in (0, 1)]
    misfit = (20 * np.mean(spread) + values[0, 0] ** 2) / 21
    assert sd[0, 1] == pytest.approx(np.sqrt((spread[1] + misfit) / 2))


def test_k_is_the_one_of_least_error():
    """Without structure the more the better; with it, those far away are in the way."""
    noise, factors = NearestNeighbours(numbers=(1, 8, 60)), NearestNeighbours(numbers=(1, 8, 60))
    noise.learn(np.random.default_rng(0).normal(size=(80, 30)))
    factors.learn(gappy(80, 30, 0.0))
    assert noise.k_ == 60 and factors.k_ == 8
    assert factors.losses_[8] < min(factors.losses_[1], factors.losses_[60])


def test_a_sample_without_a_common_gene_takes_the_mean_and_settings_are_checked():
    method = NearestNeighbours(k=2)
    method.learn(np.array([[1.0, np.nan], [3.0, np.nan], [-4.0, np.nan], [0.5, np.nan], [np.nan, 2.0]]))
    np.testing.assert_array_equal(method.fill(np.array([[np.nan, np.nan]])), [[0.0, 0.0]])
    for settings in ({"k": 0}, {"numbers": ()}, {"numbers": (0, 3)}):
        with pytest.raises(InputError, match="at least 1 neighbour"):
            NearestNeighbours(**settings).learn(np.zeros((6, 2)))
