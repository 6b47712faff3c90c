"""Volumes open in other programs, and a place reads back what was told of it."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.fields.base import Told
from exval.tasks.field.volumes import Grid, template_grid, write_maps

nibabel = pytest.importorskip("nibabel")


def test_a_landmark_is_where_it_was_told(tmp_path):
    """Values are the coordinates themselves, so that a volume tells where each of its voxels is."""
    affine = np.array([[4.0, 0, 0, -40], [0, 4, 0, -60], [0, 0, 4, -30], [0, 0, 0, 1]])
    voxels = np.argwhere(np.ones((21, 28, 20), dtype=bool))
    paths = write_maps(
        lambda places: Told(places.xyz_n3), Grid((21, 28, 20), affine, voxels), ["X", "Y", "Z/A"], tmp_path
    )
    assert [path.name for path in paths] == ["X_mean.nii.gz", "Y_mean.nii.gz", "Z_A_mean.nii.gz"]
    for axis, path in enumerate(paths):
        image = nibabel.load(path)
        assert image.header["sform_code"] == 4 and image.header.get_xyzt_units()[0] == "mm"
        at = np.round(np.linalg.inv(image.affine) @ [12.0, -20.0, 18.0, 1.0]).astype(int)[:3]
        assert image.get_fdata()[tuple(at)] == [12.0, -20.0, 18.0][axis]
    assert not list(tmp_path.glob("exval-*"))


def test_the_template_is_the_brain():
    pytest.importorskip("nilearn")
    grid = template_grid(4)
    xyz = grid.xyz()
    assert 20_000 < len(grid) < 40_000  # 1.73 million voxels at 1 mm
    assert abs(xyz[:, 0].mean()) < 2 and xyz[:, 2].max() < 90
    inside = {tuple(place) for place in np.round(xyz / 4).astype(int)}
    assert any((round(x / 4), round(y / 4), round(z / 4)) in inside for x, y, z in [(-38, -22, 58), (-40, -24, 56)])
    with pytest.raises(InputError, match="the template has 1 mm"):
        template_grid(0)


def test_nilearn_reads_a_place_of_the_template_back(tmp_path):
    masking = pytest.importorskip("nilearn.image")
    grid = template_grid(4)
    path = write_maps(lambda places: Told(places.xyz_n3[:, 2:]), grid, ["Z"], tmp_path)[0]
    image = masking.load_img(str(path))
    x, y, z = masking.coord_transform(0, 0, 0, np.linalg.inv(image.affine))
    assert np.allclose(image.affine[:3, :3], 4 * np.eye(3)) and min(x, y, z) > 0
    row = len(grid) // 2
    assert image.get_fdata()[tuple(grid.voxel_v3[row])] == pytest.approx(grid.xyz(row)[2])


def test_mean_and_sd_are_told_together_and_once(tmp_path):
    grid = Grid((5, 4, 3), np.eye(4), np.argwhere(np.ones((5, 4, 3), dtype=bool)))
    asked = []

    def tell(places):
        asked.append(len(places))
        return Told(places.xyz_n3[:, :2], places.xyz_n3[:, :2] + 100)

    paths = write_maps(tell, grid, ["A", "B"], tmp_path, block=7)
    assert sum(asked) == len(grid) == 60 and max(asked) == 7
    assert [path.name for path in paths] == ["A_mean.nii.gz", "B_mean.nii.gz", "A_sd.nii.gz", "B_sd.nii.gz"]
    mean, sd = (nibabel.load(paths[i]).get_fdata() for i in (1, 3))
    assert mean[3, 2, 1] == 2 and (sd - mean == 100).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
