"""Surrogates are those of brainsmash, and as smooth as the map."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from exval.errors import InputError
from exval.tasks.correlating.surrogates import BATCH, FITTED, _maker, neighbourhoods, surrogate_maps

mapgen = pytest.importorskip("brainsmash.mapgen")


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-50, 50, (150, 3))
    return xyz, np.sin(xyz[:, 1] / 15) + 0.3 * rng.normal(size=150)


def test_the_maps_are_those_of_the_library(world):
    xyz, value = world
    z, distance = (value - value.mean()) / value.std(), cdist(xyz, xyz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mapgen.Base(z, distance, deltas=neighbourhoods(150), pv=FITTED, seed=3)(n=7, batch_size=7)
        defaults = mapgen.Base(z, distance, seed=3)(n=4, batch_size=3)
        own = _maker()(z, distance, seed=3)(n=4, batch_size=3)
    np.testing.assert_allclose(surrogate_maps(value, xyz, 7, 3), theirs, atol=1e-10)
    np.testing.assert_allclose(own, defaults, atol=1e-10)


def test_they_are_smooth_like_the_map_and_not_like_each_other(world):
    xyz, value = world
    maps = surrogate_maps(value, xyz, BATCH + 10, 1)
    assert maps.shape == (BATCH + 10, 150)
    near = np.argwhere((cdist(xyz, xyz) < 12) & ~np.eye(150, dtype=bool))
    ratio = lambda x: np.mean((x[near[:, 0]] - x[near[:, 1]]) ** 2) / (2 * x.var())  # noqa: E731
    drawn = np.array([ratio(one) for one in maps])
    shuffled = np.random.default_rng(0).permutation(value)
    assert abs(drawn.mean() - ratio(value)) < 0.3 * abs(ratio(shuffled) - ratio(value))
    assert np.abs(np.corrcoef(maps)[np.triu_indices(len(maps), 1)]).mean() < 0.5


def test_coinciding_places_and_too_many_are_refused(world):
    xyz, value = world
    with pytest.raises(InputError, match="places coincide"), np.errstate(all="ignore"):
        surrogate_maps(value[:40], np.repeat(xyz[:4], 10, axis=0), 3)
    with pytest.raises(InputError, match="give --atlas"):
        surrogate_maps(np.arange(7000.0), np.zeros((7000, 3)), 3)


def test_without_the_library_one_line_says_what_to_install(world, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "brainsmash.mapgen", None)
    with pytest.raises(InputError, match=r"pip install 'exval\[brain\]'"):
        surrogate_maps(world[1], world[0], 3)
