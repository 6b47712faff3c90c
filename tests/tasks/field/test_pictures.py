"""Pixels of slices and of a glass brain are where the voxels are."""

from __future__ import annotations

import numpy as np
import pytest

from exval.tasks.field.pictures import pictures, telling


@pytest.mark.parametrize("step", [1.0, 2.0, 3.0, 5.0])
def test_a_pixel_has_the_value_of_its_voxel(step):
    xyz = np.argwhere(np.ones((24, 20, 16))) * step - 31
    found = pictures(xyz, {"mean": xyz[:, 0] + 100 * xyz[:, 1], "sd": xyz[:, 2]}, cuts=tuple(xyz.mean(0)))
    plane = found[(found.view == "z") & (found.what == "mean")]
    assert plane["size"].iloc[0] == max(step, 2.0) and not plane.duplicated(["a", "b"]).any()
    assert np.abs(plane.value - (plane.a + 100 * plane.b)).max() <= 101 * plane["size"].iloc[0] / 2
    assert abs(plane.cut.iloc[0] - xyz[:, 2].mean()) <= step / 2
    side = found[(found.view == "glass-x") & (found.what == "mean")]
    assert np.abs(side.value - (xyz[:, 0].mean() + 100 * side.a)).max() <= 101 * plane["size"].iloc[0] / 2
    assert found[(found.view == "x") & (found.what == "sd")].value.between(-31, -31 + 16 * step).all()


def test_the_genes_drawn_are_the_one_that_varies_most_one_in_the_middle_and_the_last():
    mean = np.outer([0.0, 1.0], [1, 9, 2, 5, 7])
    assert telling(mean, None).tolist() == [1, 3, 0]
    sd = np.tile([1.0, 100.0, 1, 1, 1], (2, 1))
    assert telling(mean, sd).tolist() == [4, 2, 1]
    assert telling(mean[:, :2], None).tolist() == [0, 1]
