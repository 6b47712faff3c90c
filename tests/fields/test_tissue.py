"""Tissue of known places."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exval.fields import tissue


def test_known_places():
    pytest.importorskip("nilearn")
    places = {
        (0, -16, 28): 0.0,  # between the fornices, midline
        (28, -24, 30): 1.0,  # corona radiata
        (12, 10, 8): -1.0,  # head of the caudate nucleus
        (0, 0, 125): 0.0,  # above the head
        (-129, 0, 0): 0.0,  # outside of the volume
    }
    code = tissue.tissue_at(np.array(list(places), dtype=float))
    assert code.tolist()[1:] == list(places.values())[1:] and code.dtype == np.float32


def test_the_nearest_voxel_is_taken_and_hemispheres_are_alike():
    pytest.importorskip("nilearn")
    xyz = np.random.default_rng(0).uniform([-70, -100, -60], [70, 70, 75], (3000, 3))
    code = tissue.tissue_at(xyz)
    assert 0.1 < (code == 1).mean() < 0.5 and 0.1 < (code == -1).mean() < 0.7
    np.testing.assert_array_equal(tissue.tissue_at(np.rint(xyz)), code)
    np.testing.assert_array_equal(tissue.tissue_at(xyz * [-1, 1, 1]), code)


def test_without_nilearn_nothing_is_known(monkeypatch):
    tissue._maps.cache_clear()
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    assert tissue.tissue_at(np.zeros((2, 3))) is None
    tissue._maps.cache_clear()
