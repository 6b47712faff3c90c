"""The nearest samples against another implementation, and against abagen's dense map with mirrored samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from exval.data.ahba.coordinates import corrected_table
from exval.fields.knn import KNearest
from exval.fields.places import Places


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    xyz = corrected_table().to_numpy(float)
    asked = np.vstack([rng.uniform(-60, 60, (500, 3)), xyz[:20]])  # some of them exactly at a sample
    return xyz, rng.normal(size=(len(xyz), 3)), asked


def test_it_is_abagen_s_formula(world):
    """abagen: ten nearest samples, weights 1 / distance, a sample at the place itself alone; here by scikit-learn."""
    xyz, values, asked = world
    ours = KNearest(fold=False).fit(Places.of(xyz), values).predict(Places.of(asked)).mean_mg
    theirs = KNeighborsRegressor(10, weights="distance").fit(xyz, values).predict(asked)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_laid_onto_one_side_it_is_abagen_s_mirrored_map_away_from_the_midline(world):
    xyz, values, asked = world
    ours = KNearest().fit(Places.of(xyz), values).predict(Places.of(asked)).mean_mg
    both = np.vstack([xyz, xyz * [-1, 1, 1]])
    other = KNeighborsRegressor(10, weights="distance").fit(both, np.vstack([values, values]))
    far = other.kneighbors(asked)[0].max(1) < np.abs(asked[:, 0])
    assert far.sum() > 300
    np.testing.assert_allclose(ours[far], other.predict(asked[far]), atol=1e-6)
