"""Intervals: paired, over units, silent below six, and with the coverage they claim."""

from __future__ import annotations

import numpy as np
import pytest

from exval.bench.intervals import Interval, bootstrap, in_words, macro_f1_interval, mean_interval, resampled, verdict
from exval.metrics import macro_f1


def noisy(truth, share, seed):
    rng = np.random.default_rng(seed)
    out = truth.copy()
    wrong = rng.random(len(truth)) < share
    out[wrong] = rng.permutation(truth)[wrong]
    return out


TRUTH = np.array(list("abcd"), dtype=object)[np.random.default_rng(0).integers(0, 4, 240)]


def test_value_is_the_metric_itself():
    said = noisy(TRUTH, 0.3, 1)
    other = noisy(TRUTH, 0.5, 2)
    assert macro_f1_interval(TRUTH, said).value == pytest.approx(macro_f1(TRUTH, said))
    gap = macro_f1_interval(TRUTH, said, other)
    assert gap.value == pytest.approx(macro_f1(TRUTH, said) - macro_f1(TRUTH, other))
    assert gap.lo < gap.value < gap.hi


def test_equal_methods_have_no_difference_at_all():
    said = noisy(TRUTH, 0.3, 1)
    gap = macro_f1_interval(TRUTH, said, said)
    assert (gap.value, gap.lo, gap.hi) == (0, 0, 0)


def test_pattern_counts_equal_resampling_cell_by_cell():
    said, other = noisy(TRUTH, 0.3, 1), noisy(TRUTH, 0.35, 2)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, len(TRUTH), len(TRUTH))
        drawn.append(macro_f1(TRUTH[rows], said[rows]) - macro_f1(TRUTH[rows], other[rows]))
    found = macro_f1_interval(TRUTH, said, other)
    lo, hi = np.quantile(drawn, [0.025, 0.975])
    assert found.lo == pytest.approx(lo, abs=0.02) and found.hi == pytest.approx(hi, abs=0.02)


def test_paired_is_narrower_than_unpaired():
    said = noisy(TRUTH, 0.3, 1)
    other = said.copy()
    other[:5] = "a"
    gap = macro_f1_interval(TRUTH, said, other)
    alone = macro_f1_interval(TRUTH, said)
    assert gap.hi - gap.lo < 0.5 * (alone.hi - alone.lo)


def test_donors_not_cells_are_resampled():
    groups = np.repeat(np.arange(8), 30)
    said = TRUTH.copy()
    said[groups < 2] = "a"
    by_cell, by_donor = macro_f1_interval(TRUTH, said), macro_f1_interval(TRUTH, said, groups_n=groups)
    assert by_donor.n_units == 8 and by_cell.n_units == 240
    assert by_donor.hi - by_donor.lo > 1.5 * (by_cell.hi - by_cell.lo)


@pytest.mark.parametrize("donors", [2, 5])
def test_below_six_units_there_is_no_interval(donors):
    found = macro_f1_interval(TRUTH, TRUTH, groups_n=np.arange(240) % donors)
    assert np.isnan(found.lo) and np.isnan(found.hi) and found.n_units == donors
    assert "too few units" in in_words("a", "b", found, unit="donor")
    assert "cannot tell" in in_words("a", "b", found, unit="donor")


def test_repeats_do_not_narrow_an_interval():
    said, other = noisy(TRUTH, 0.3, 1), noisy(TRUTH, 0.4, 2)
    once = macro_f1_interval(TRUTH, said, other)
    four = macro_f1_interval(
        np.tile(TRUTH, 4), np.tile(said, 4), np.tile(other, 4), repeat_n=np.repeat(np.arange(4), 240)
    )
    assert four.n_units == once.n_units == 240
    assert (four.value, four.lo, four.hi) == pytest.approx((once.value, once.lo, once.hi))


def test_mean_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(150):
        x = rng.exponential(1.0, 40)
        found = mean_interval(x, np.ones(40), n_boot=400, seed=trial)
        inside += found.lo <= 1.0 <= found.hi
    assert 0.86 <= inside / 150 <= 0.99


def test_root_mean_of_sums_weighs_entries_not_units():
    found = mean_interval(np.array([4.0, 0.0]), np.array([1.0, 3.0]), root=True)
    assert found.value == 1.0


def test_resampling_draws_as_many_units_as_there_are():
    drawn = resampled(np.array([3, 1, 4]), 50, 0)
    assert drawn.shape == (50, 3) and (drawn.sum(1) == 8).all()


def test_bootstrap_is_deterministic():
    x = np.arange(20.0)
    args = (lambda w: w @ x / w.sum(1), np.ones(20))
    assert bootstrap(*args) == bootstrap(*args)


@pytest.mark.parametrize(
    "difference, lo, hi, said",
    [
        (0.0, -0.01, 0.01, "tie"),
        (0.005, 0.001, 0.009, "tie"),
        (0.02, 0.001, 0.05, "better"),
        (-0.02, -0.05, -0.001, "worse"),
        (0.02, -0.001, 0.05, "cannot tell"),
        (0.02, float("nan"), float("nan"), "cannot tell"),
    ],
)
def test_verdict(difference, lo, hi, said):
    assert verdict(difference, lo, hi) == said


def test_words_for_an_error_count_down():
    lower = Interval(-0.1, -0.12, -0.08, 9)
    assert in_words("a", "b", lower, unit="cell", metric="RMSE", higher_is_better=False).endswith(": better.")
    assert in_words("a", "b", lower, unit="cell").endswith(": worse.")
