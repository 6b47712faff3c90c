"""A map held against the truth: the truth itself is perfect, a mean is not, and places near samples stand in."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exval.data.brain_truth import BrainTruth
from exval.data.synthetic_brain import simulated_brain
from exval.fields.base import Told
from exval.fields.knn import KNearest
from exval.fields.places import Places
from exval.tasks.field.against_truth import compare_with_truth, grid_here, slices
from exval.tasks.field.volumes import Grid


@pytest.fixture(scope="module")
def made():
    samples, truth = simulated_brain(3, seed=0, n=300, tissue="analytic")
    xyz = samples.obs[["mni_x", "mni_y", "mni_z"]].to_numpy()
    affine = np.diag([6.0, 6, 6, 1])
    affine[:3, 3] = [-27, -45, -20]
    grid = Grid((10, 10, 10), affine, np.argwhere(np.ones((10, 10, 10))))
    return samples, truth, xyz, grid


class Oracle:
    """Knows the truth and the sd of a measurement."""

    title, n_samples_ = "oracle", 300

    def __init__(self, truth: BrainTruth) -> None:
        self.truth = truth

    def predict(self, places: Places, sd: bool = False) -> Told:
        mean = self.truth(places.xyz_n3)
        return Told(mean, np.broadcast_to(self.truth.measurement_sd(), mean.shape) if sd else None)


def test_the_truth_itself_is_perfect_and_keeps_its_word(made):
    _, truth, _, grid = made
    found = compare_with_truth(Oracle(truth), truth, grid)
    table = found.extras["field_truth"]
    np.testing.assert_allclose(table.r2, 1.0)
    np.testing.assert_allclose(table.coverage_95, 0.95, atol=1e-3)
    assert "oracle against the known truth at 1,000 voxels: R2 1.00" in found.verdict
    difference = found.extras["field_truth_pictures"].query("what == 'map - truth'")
    assert len(difference) == 3 * 3 * 100 and difference.value.abs().max() < 1e-5
    assert set(found.rows["slice"]) == {"all", "group=easy", "group=middling", "group=hard"}


def test_a_field_is_asked_about_every_voxel(made):
    samples, truth, xyz, grid = made
    field = KNearest().fit(Places.of(xyz, samples.obs["donor"].to_numpy()), samples.X, truth.genes)
    table = compare_with_truth(field, truth, grid).extras["field_truth"].set_index("gene")
    told, true = field.predict(Places.of(grid.xyz())).mean_mg, truth(grid.xyz())
    np.testing.assert_allclose(table.rmse, np.sqrt(((told - true) ** 2).mean(0)), rtol=1e-6)
    expected = [np.corrcoef(told[:, i], true[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(table.pearson, expected, atol=1e-6)


def test_without_nilearn_there_is_a_grid_near_samples_on_both_sides(made, monkeypatch):
    xyz = made[2]
    monkeypatch.setitem(sys.modules, "nilearn", None)
    grid, where = grid_here(6, xyz)
    assert where == "places 6 mm apart within 8 mm of a sample" and len(grid) > 1000
    at = grid.xyz()
    both = np.vstack([xyz, xyz * [-1, 1, 1]])
    nearest = np.sqrt(((at[::50, None] - both) ** 2).sum(2)).min(1)
    assert nearest.max() <= 8.0
    mirrored = {tuple(row) for row in np.round(at * [-1, 1, 1], 3)}
    assert {tuple(row) for row in np.round(at, 3)} == mirrored
    assert tuple(grid.shape) > tuple(grid.voxel_v3.max(0))


def test_slices_take_the_nearest_plane_that_has_voxels(made):
    grid = made[3]
    found = slices(grid, {"truth": np.arange(1000.0)}, (-27.0, -38.0, 500.0))
    assert [float(part.cut.iloc[0]) for part in found] == [-27.0, -39.0, 34.0]
    first = found[0].iloc[0]
    assert (first.a, first.b, first.value) == (-45.0, -20.0, 0.0)
