"""The truth of invented genes: the same from the same seed, of the sd it says, nearly the same on both sides."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from exval.data.ahba.coordinates import corrected_table
from exval.data.brain_truth import GROUPS, BrainTruth
from exval.data.synthetic_brain import simulated_brain
from exval.errors import InputError


@pytest.fixture(scope="module")
def truth():
    return BrainTruth(12, seed=3, tissue="analytic")


@pytest.fixture(scope="module")
def places():
    return corrected_table().to_numpy()


def test_level_and_sd_over_the_real_positions_are_those_it_says(truth, places):
    value = truth(places)
    np.testing.assert_allclose(value.mean(0), truth.level_g, atol=1e-9)
    np.testing.assert_allclose(value.std(0), truth.signal_g, rtol=1e-9)


def test_a_value_depends_on_the_place_alone(truth, places):
    whole = truth(places)
    rows = np.random.default_rng(0).permutation(len(places))[:50]
    np.testing.assert_allclose(truth(places[rows]), whole[rows], atol=1e-9)
    np.testing.assert_allclose(truth(places[rows[0]]), whole[rows[:1]], atol=1e-9)


def test_a_gene_does_not_depend_on_how_many_there_are(truth, places):
    few = BrainTruth(5, seed=3, tissue="analytic")
    np.testing.assert_allclose(few(places[:40]), truth(places[:40])[:, :5], atol=1e-9)
    other = BrainTruth(5, seed=4, tissue="analytic")
    assert np.abs(other(places[:40]) - few(places[:40])).max() > 0.1


def test_both_sides_are_alike_but_for_a_small_part(truth, places):
    gap = (truth(places * [-1, 1, 1]) - truth(places)) / truth.signal_g
    assert 0.1 < gap.std() < 0.7  # sides have 3 % of the variance on average: 2 sqrt(0.03) = 0.35


def test_groups_differ_in_noise_and_in_smoothness(places):
    truth = BrainTruth(30, seed=0, tissue="analytic")
    ratio = truth.noise_g / truth.signal_g
    for name, (_, (low, high)) in GROUPS.items():
        here = ratio[truth.group_g == name]
        assert len(here) == 10 and (here >= low).all() and (here <= high).all()
    step = np.array([0.0, 3.0, 0.0])
    rough = np.abs(truth(places + step) - truth(places)).mean(0) / truth.signal_g
    assert rough[truth.group_g == "easy"].mean() < rough[truth.group_g == "hard"].mean()
    np.testing.assert_allclose(truth.measurement_sd() ** 2, truth.noise_g**2 + (0.3 * truth.signal_g) ** 2)


def test_borders_are_sharp():
    """Along a line there are steps that no smooth part can make in a hundredth of a millimetre."""
    truth = BrainTruth(6, seed=0, tissue="analytic")
    y = np.arange(-60, 40, 0.01)
    line = np.column_stack([np.full_like(y, 30.0), y, np.full_like(y, 10.0)])
    jump = np.abs(np.diff(truth(line), axis=0)) / truth.signal_g
    assert (jump.max(0) > 50 * np.median(jump, axis=0)).all()


def test_the_truth_comes_back_from_a_file(tmp_path):
    samples, truth = simulated_brain(4, seed=2, n=80, tissue="analytic")
    samples.write_h5ad(tmp_path / "samples.h5ad")
    again = BrainTruth.of(anndata.read_h5ad(tmp_path / "samples.h5ad"))
    asked = np.random.default_rng(0).uniform(-60, 60, (30, 3))
    np.testing.assert_allclose(again(asked), truth(asked), atol=1e-9)
    del samples.uns["exval_truth"]
    with pytest.raises(InputError, match="no truth is known"):
        BrainTruth.of(samples)
    with pytest.raises(InputError, match="1 or more"):
        BrainTruth(0)
