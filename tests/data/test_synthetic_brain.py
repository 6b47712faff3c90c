"""Simulated samples: real places, six donors, and what was added to the truth is what ``var`` says."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.ahba.coordinates import corrected_table
from exval.data.brain import read_samples
from exval.data.synthetic_brain import DONORS, simulated_brain
from exval.errors import InputError

AXES = ["mni_x", "mni_y", "mni_z"]


@pytest.fixture(scope="module")
def whole():
    return simulated_brain(9, seed=1, tissue="analytic")


def test_places_are_the_real_ones_and_donors_have_the_known_sizes(whole):
    samples, _ = whole
    np.testing.assert_array_equal(samples.obs[AXES].to_numpy(), corrected_table().to_numpy())
    assert samples.obs["donor"].value_counts().to_dict() == {name: n for name, (n, _) in DONORS.items()}
    right = (samples.obs["mni_x"] > 0).groupby(samples.obs["donor"], observed=True).sum().to_dict()
    assert right == {name: right for name, (_, right) in DONORS.items()}


def test_noise_and_offsets_are_those_it_says(whole):
    samples, truth = whole
    error = samples.X - truth(samples.obs[AXES].to_numpy())
    offset = samples.varm["donor_offset"][samples.obs["donor"].astype(str)].to_numpy().T
    noise = error - offset
    n = len(noise)
    np.testing.assert_allclose(noise.std(0), samples.var["noise_sd"], rtol=5 / np.sqrt(2 * n))
    assert (np.abs(noise.mean(0)) < 5 * samples.var["noise_sd"] / np.sqrt(n)).all()
    for donor in DONORS:
        rows = (samples.obs["donor"] == donor).to_numpy()
        wanted = samples.varm["donor_offset"][donor].to_numpy()
        assert (np.abs(error[rows].mean(0) - wanted) < 5 * samples.var["noise_sd"] / np.sqrt(rows.sum())).all()
    assert 0.6 < np.std(samples.varm["donor_offset"].to_numpy() / samples.var["donor_sd"].to_numpy()[:, None]) < 1.4


def test_it_is_read_like_any_file(whole):
    samples, truth = whole
    read = read_samples(samples)
    assert read.unit == "log2" and read.space == "mni" and read.regions == ("division", "structure")
    assert read.genes.tolist() == truth.genes.tolist() and not read.warnings
    assert len(set(read.places.regions_nk[:, 1])) > 50


def test_fewer_samples_are_some_of_them_and_a_seed_decides_all():
    a, b, c = (simulated_brain(3, seed=seed, n=100, tissue="analytic")[0] for seed in (0, 0, 1))
    assert a.shape == (100, 3) and (a.X == b.X).all() and a.obs.equals(b.obs) and not (a.X == c.X).all()
    known = {tuple(row) for row in corrected_table().to_numpy()}
    assert {tuple(row) for row in a.obs[AXES].to_numpy()} <= known and a.obs["donor"].nunique() == 6


@pytest.mark.parametrize("asked", [{"n": 10}, {"n": 4000}, {"n_genes": 0}, {"tissue": "bone"}])
def test_what_cannot_be_made_is_refused(asked):
    with pytest.raises(InputError):
        simulated_brain(**{"n_genes": 2, "n": 100, **asked})
