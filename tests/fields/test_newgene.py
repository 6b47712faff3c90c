"""Loadings of genes that are known at a few samples."""

import numpy as np
import pytest

from exval.fields.newgene import Loading


@pytest.mark.parametrize("noise", [0.1, 3.0])
def test_r2_is_that_of_samples_told_by_the_others(noise):
    rng = np.random.default_rng(0)
    f = np.column_stack([np.ones(30), rng.normal(size=(30, 4))])
    x = 5 + f[:, 1] - f[:, 2] + noise * rng.normal(size=30)
    one = Loading.fitted(f, x)
    left = []
    for i in range(30):
        rest = np.arange(30) != i
        # the mean of all samples is taken off, as in the fit; noise and scale are kept
        cov = np.linalg.inv(f[rest].T @ f[rest] / one.noise + np.eye(5))
        told = one.mean + f[i] @ cov @ (f[rest].T @ (x[rest] - one.mean)) / one.noise
        left.append(x[i] - told)
    base = [x[i] - x[np.arange(30) != i].mean() for i in range(30)]
    assert one.r2 == pytest.approx(1 - np.sum(np.square(left)) / np.sum(np.square(base)), abs=1e-9)
    assert (one.r2 > 0.8) == (noise < 1)


def test_noise_has_no_r2():
    rng = np.random.default_rng(1)
    f = np.column_stack([np.ones(60), rng.normal(size=(60, 3))])
    found = [Loading.fitted(f, rng.normal(size=60)).r2 for _ in range(20)]
    assert np.median(found) < 0.02
