"""The Gaussian process against scikit-learn's, and its shortcut against doing it the long way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from exval.fields.gp import LEVEL, GaussianProcess, Kernel
from exval.fields.holdout import hold_outs, inner_errors
from exval.fields.places import Places


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (200, 3))
    regions = np.where(xyz[:, 2:] > 0, "up", "down").astype(object)
    regions[rng.random(200) < 0.2] = None
    places = Places.of(xyz, np.repeat(list("abcd"), 50), regions)
    z = np.sin(xyz / 20) + 0.3 * rng.normal(size=(200, 3))
    return places, (z - z.mean(0)) / z.std(0)


def test_mean_and_sd_are_those_of_scikit_learn(world):
    """Position alone, one noise ratio: a constant, a Matern function and white noise, the scale profiled out."""
    places, z = Places.of(world[0].xyz_n3), world[1]
    field = GaussianProcess(tissue=False, chosen=((Kernel(18.0, (), 0.0), np.full(3, 0.1)),))
    field.learn(places, z)
    asked = Places.of(np.random.default_rng(1).uniform(-40, 40, (30, 3)))
    kernel = ConstantKernel(LEVEL, "fixed") + Matern(18.0, "fixed", nu=1.5) + WhiteKernel(0.1, "fixed")
    other = GaussianProcessRegressor(kernel, optimizer=None).fit(places.folded(), z)
    mean, sd = other.predict(asked.folded(), return_std=True)
    scale = (z * np.linalg.solve(kernel(places.folded()), z)).mean(0)
    np.testing.assert_allclose(field.tell(asked), mean, atol=1e-8)
    np.testing.assert_allclose(field.spread(asked), sd * np.sqrt(scale), rtol=1e-3)


def test_leaving_donors_out_at_once_is_leaving_them_out_one_by_one(world):
    places, z = world
    field = GaussianProcess(subset=100)
    field.learn(places, z)
    asked, fold = [places, places.without_regions()], hold_outs(places)
    for short, long in zip(field.inner(places, z, fold, asked), inner_errors(field, places, z, fold, asked)):
        np.testing.assert_allclose(short[0], long[0], atol=1e-7)
        np.testing.assert_allclose(short[1], long[1], rtol=0.2)  # the scale is that of all samples
        assert np.median(short[1] / long[1]) == pytest.approx(1.0, abs=0.03)


def test_a_constant_gene_changes_nothing_for_the_others(world):
    places, z = world
    with_flat = np.column_stack([z, np.full(len(z), 4.0)])
    one, other = GaussianProcess(subset=100).fit(places, z), GaussianProcess(subset=100).fit(places, with_flat)
    assert [kernel for kernel, _ in one.chosen_] == [kernel for kernel, _ in other.chosen_]
    a, b = one.predict(places, sd=True), other.predict(places, sd=True)
    np.testing.assert_allclose(b.mean_mg[:, :3], a.mean_mg, atol=1e-5)
    assert (b.mean_mg[:, 3] == 4.0).all() and (b.sd_mg[:, 3] == 0).all()
