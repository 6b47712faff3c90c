"""Errors in sds, by hand and against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from exval.metrics.coverage import coverage, interval_score
from exval.tasks.completing import score
from exval.tasks.completing.scale import Scale

TRAIN = np.array([[0.0, 10.0, 7.0], [2.0, 30.0, 7.0], [4.0, 50.0, np.nan]])  # sds 2, 20, none


def test_errors_are_in_sds_of_the_training_samples():
    scale = Scale.of(TRAIN)
    assert scale.scored_g.tolist() == [True, True, False]
    truth = np.array([[2.0, 30.0, 7.0]])
    sums = score.entry_errors(truth, np.array([[5.0, 10.0, 9.0]]), None, np.array([[True, True, False]]), scale)
    assert sums["squared"].tolist() == [[2.25, 1.0, 0.0]] and sums["absolute"].tolist() == [[1.5, 1.0, 0.0]]
    assert "inside_95" not in sums


def test_what_was_not_asked_counts_for_nothing():
    scale = Scale.of(TRAIN)
    wild = score.entry_errors(
        np.full((1, 3), np.nan), np.full((1, 3), 1e9), np.ones((1, 3)), np.zeros((1, 3), bool), scale
    )
    assert all(not part.any() for part in wild.values())


def test_a_wild_value_counts_as_ten_sds():
    scale = Scale.of(TRAIN)
    sums = score.entry_errors(np.array([[1e6, 30, 7]]), np.array([[2.0, 30, 7]]), None, np.eye(1, 3, dtype=bool), scale)
    assert sums["absolute"][0, 0] == 10


@given(st.integers(0, 10_000))
def test_intervals_agree_with_the_metrics_of_exval(seed):
    rng = np.random.default_rng(seed)
    train = rng.normal(3, 2, size=(30, 4))
    scale = Scale.of(train)
    truth, told, sd = rng.normal(3, 2, size=(7, 4)), rng.normal(3, 2, size=(7, 4)), rng.uniform(0.1, 3, size=(7, 4))
    asked = rng.random((7, 4)) < 0.7
    asked[0, 0] = True
    sums = score.entry_errors(truth, told, sd, asked, scale)
    for level in (50, 80, 95):
        half = norm.ppf(0.5 + level / 200) * sd
        want = coverage(truth[asked], (told - half)[asked], (told + half)[asked])
        assert sums[f"inside_{level}"].sum() / asked.sum() == pytest.approx(want)
    unit = np.broadcast_to(scale.unit_g, truth.shape)[asked]
    lo, hi = (told - half)[asked], (told + half)[asked]
    want = interval_score(truth[asked] / unit, lo / unit, hi / unit)
    assert sums["fine_95"].sum() / asked.sum() == pytest.approx(want)
    assert sums["width_95"].sum() / asked.sum() == pytest.approx(np.mean((hi - lo) / unit))


@given(st.integers(0, 10_000))
def test_correlation_is_that_of_numpy(seed):
    rng = np.random.default_rng(seed)
    truth, told = rng.normal(size=(12, 5)), rng.normal(size=(12, 5))
    told[:, 4] = 2.5
    asked = rng.random((12, 5)) < 0.6
    found = score.pearson_by_gene(truth, told, asked)
    for j in range(5):
        keep = asked[:, j]
        if keep.sum() < 3:
            assert np.isnan(found[j])
        elif j == 4:
            assert found[j] == 0, "the same of everybody explains nothing"
        else:
            assert found[j] == pytest.approx(np.corrcoef(truth[keep, j], told[keep, j])[0, 1])


def test_a_constant_truth_has_no_correlation():
    assert np.isnan(score.pearson_by_gene(np.ones((5, 1)), np.arange(5.0)[:, None], np.ones((5, 1), bool)))[0]


def test_the_calibration_curve_holds_for_normal_errors_and_not_for_sds_of_half():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 50))
    right = score.calibration(x, 0 * x, np.ones_like(x), x == x)
    small = score.calibration(x, 0 * x, np.full_like(x, 0.5), x == x)
    np.testing.assert_allclose(right.inside / right.n, right.level / 100, atol=0.012)
    assert (small.inside < right.inside).all()


def test_a_gene_measured_once_or_never_or_flat_is_not_scored():
    scale = Scale.of(np.array([[1.0, np.nan, np.nan, 3.0], [2.0, 5.0, np.nan, 3.0], [4.0, np.nan, np.nan, 3.0 + 1e-7]]))
    assert scale.scored_g.tolist() == [True, False, False, False]
    assert np.isnan(scale.z(np.ones((1, 4)))[0, 1:]).all()


def test_one_value_out_of_all_proportion_does_not_set_the_scale():
    x = np.append(np.random.default_rng(0).normal(size=400), 36893.0)[:, None]
    assert Scale.of(x).unit_g[0] < 2
