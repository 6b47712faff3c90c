"""Regions by landmarks: both sides alike, every landmark in its own region; tissue: the template and the stand-in."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exval.data import brain_regions
from exval.data.brain_regions import grey_minus_white, landmarks, regions_of, which_tissue
from exval.errors import InputError


def test_a_landmark_lies_in_its_own_region_on_both_sides():
    division_l, structure_l, xyz_l3 = landmarks()
    for side in (1, -1):
        found = regions_of(xyz_l3 * [side, 1, 1])
        assert (found[:, 0] == division_l).all() and (found[:, 1] == structure_l).all()
    assert (xyz_l3[:, 0] >= 0).all() and (np.abs(xyz_l3).max(0) < [72, 108, 80]).all()


def test_a_structure_lies_in_one_division():
    pairs = {(d, s) for d, s in zip(*landmarks()[:2])}
    assert len(pairs) == len({s for _, s in pairs})


@pytest.mark.parametrize("tissue", ["template", "analytic"])
def test_cortex_is_grey_and_deep_matter_white(tissue):
    if tissue == "template":
        pytest.importorskip("nilearn")
    # frontal white matter, putamen, and far outside
    deep, putamen, outside = grey_minus_white(np.array([[26.0, 26, 18], [26, 4, 0], [0, 0, 129]]), tissue)
    assert deep < -0.3 and putamen > 0.3 and abs(outside) <= 1
    rng = np.random.default_rng(0)
    value = grey_minus_white(rng.uniform(-80, 80, (2000, 3)), tissue)
    assert value.min() >= -1 and value.max() <= 1 and value.std() > 0.2


def test_without_nilearn_the_stand_in_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "nilearn", None)
    assert which_tissue("auto") == "analytic"
    with pytest.raises(InputError, match=r"needs nilearn: pip install 'exval\[brain\]'"):
        which_tissue("template")
    with pytest.raises(InputError, match="tissue is one of"):
        brain_regions.which_tissue("bone")
