"""Figures against a known truth: those of the whole from sums of blocks, and coverage that agrees with draws."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.tasks.field.known import agreement, shares_within, sums_of


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 199), level=st.floats(-100, 100))
def test_blocks_add_up_to_the_figures_of_the_whole(seed, cut, level):
    rng = np.random.default_rng(seed)
    truth = 7 + rng.normal(size=(200, 3))
    told = truth * [1.0, 0.3, -1.0] + rng.normal(size=(200, 3))
    level_g = np.full(3, level)
    parts = [sums_of(truth[rows], told[rows], level_g) for rows in (slice(None, cut), slice(cut, None))]
    found = agreement(sum(parts))
    np.testing.assert_allclose(found["rmse"], np.sqrt(((truth - told) ** 2).mean(0)), rtol=1e-8)
    expected = 1 - ((truth - told) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(found["r2"], expected, atol=1e-6)
    wanted = [np.corrcoef(truth[:, i], told[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(found["pearson"], wanted, atol=1e-6)


def test_a_constant_map_has_no_correlation_and_a_constant_truth_no_r2():
    truth = np.column_stack([np.arange(5.0), np.ones(5)])
    found = agreement(sums_of(truth, np.full((5, 2), 2.0), np.zeros(2)))
    assert found["pearson"].tolist() == [0.0, 0.0]
    assert found["r2"][0] == 0.0 and np.isnan(found["r2"][1])


def test_shares_are_those_of_drawn_measurements():
    rng = np.random.default_rng(0)
    m = 200_000
    truth, mean = rng.normal(size=(m, 2)), rng.normal(size=(m, 2))
    sd = rng.uniform(0.5, 2.0, (m, 2))
    spread = np.array([0.4, 1.5])
    found = shares_within(truth, mean, sd, spread)
    drawn = truth + spread * rng.normal(size=(m, 2))
    for level, half in ((50, 0.67449), (80, 1.28155), (95, 1.95996)):
        np.testing.assert_allclose(found[f"coverage_{level}"], (np.abs(drawn - mean) <= half * sd).mean(0), atol=0.005)
        np.testing.assert_allclose(found[f"truth_{level}"], (np.abs(truth - mean) <= half * sd).mean(0), atol=1e-4)


def test_a_field_that_knows_all_keeps_its_word():
    truth = np.random.default_rng(1).normal(size=(50, 1))
    found = shares_within(truth, truth, np.full((50, 1), 0.7), np.array([0.7]))
    np.testing.assert_allclose([found[f"coverage_{k}"][0] for k in (50, 80, 95)], [0.5, 0.8, 0.95], atol=1e-3)
    assert found["truth_50"][0] == 1.0
