"""Intervals of Harrell's C: the figure itself, paired, over patients or groups, within folds, with their coverage."""

from __future__ import annotations

import time as clock

import numpy as np
import pytest

from exval.bench.survival_intervals import c_interval
from exval.errors import InputError
from exval.metrics import harrell_c


def cohort(n=200, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, n)
    life, end = rng.exponential(np.exp(-truth)), rng.uniform(0.1, 3, n)
    return np.minimum(life, end), life <= end, truth, rng


def test_value_is_the_metric_itself():
    time, event, truth, rng = cohort()
    risk, other = truth + rng.normal(0, 1, 200), truth + rng.normal(0, 3, 200)
    alone = c_interval(time, event, risk, n_boot=300)
    assert alone.value == pytest.approx(harrell_c(time, event, risk)) and alone.lo < alone.value < alone.hi
    gap = c_interval(time, event, risk, other, n_boot=300)
    assert gap.value == pytest.approx(harrell_c(time, event, risk) - harrell_c(time, event, other))
    assert 0 < gap.lo < gap.value < gap.hi and gap.n_units == 200
    back = c_interval(time, event, other, risk, n_boot=300)
    assert (back.value, back.lo, back.hi) == pytest.approx((-gap.value, -gap.hi, -gap.lo))


def test_equal_risks_have_no_difference_at_all():
    time, event, truth, _ = cohort()
    gap = c_interval(time, event, truth, np.exp(truth), n_boot=200)
    assert (gap.value, gap.lo, gap.hi) == (0, 0, 0)


def test_bounds_are_those_of_patients_drawn_one_by_one():
    time, event, truth, rng = cohort(80)
    risk, other = truth + rng.normal(0, 1, 80), truth + rng.normal(0, 1, 80)
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 80, 80)
        drawn.append(harrell_c(time[rows], event[rows], risk[rows]) - harrell_c(time[rows], event[rows], other[rows]))
    found = c_interval(time, event, risk, other)
    assert (found.lo, found.hi) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.015)


def test_paired_is_narrower_than_each_alone():
    time, event, truth, rng = cohort()
    other = truth + rng.normal(0, 0.2, 200)
    gap, alone = c_interval(time, event, truth, other, n_boot=500), c_interval(time, event, truth, n_boot=500)
    assert gap.hi - gap.lo < 0.5 * (alone.hi - alone.lo)


def test_groups_not_patients_are_drawn():
    time, event, truth, rng = cohort(240)
    site = np.array([f"s{i}" for i in rng.permutation(240) % 12])
    lost = np.isin(site, ["s0", "s1", "s2"])
    risk = np.where(lost, -truth, truth)  # wrong in whole sites: more spread between draws of sites
    by_patient, by_site = (c_interval(time, event, risk, groups_n=g, n_boot=500) for g in (None, site))
    assert by_site.n_units == 12 and by_patient.n_units == 240 and by_site.value == by_patient.value
    assert by_site.hi - by_site.lo > 1.3 * (by_patient.hi - by_patient.lo)
    assert np.isnan(c_interval(time, event, risk, groups_n=np.arange(240) % 5, n_boot=50).lo)
    with pytest.raises(InputError, match="240 of 240 patients have no group"):
        c_interval(time, event, risk, groups_n=np.full(240, np.nan))


def test_a_repeated_split_brings_no_new_patients():
    time, event, truth, rng = cohort(100)
    fold = np.concatenate([[f"{repeat}/{i}" for i in rng.permutation(100) % 5] for repeat in range(4)])
    tiled = [np.tile(x, 4) for x in (time, event, truth)]
    risk = tiled[2] + np.tile(rng.normal(0, 1, 100), 4) + 10 * np.array([int(f[-1]) for f in fold])
    patient = np.tile(np.arange(100), 4)
    right = c_interval(*tiled[:2], risk, groups_n=patient, fold_n=fold, n_boot=400)
    wrong = c_interval(*tiled[:2], risk, fold_n=fold, n_boot=400)
    assert right.n_units == 100 and wrong.n_units == 400 and right.value == wrong.value
    assert right.hi - right.lo > 1.3 * (wrong.hi - wrong.lo)
    pooled = c_interval(*tiled[:2], risk, groups_n=patient, n_boot=50)
    assert pooled.value < right.value - 0.1  # scales of other models are mixed up


def test_intervals_cover_the_truth():
    truth = harrell_c(*_noisy(8000, 10**6)[:3])
    found = [c_interval(*_noisy(100, seed)[:3], n_boot=400, seed=seed) for seed in range(200)]
    assert 0.9 < np.mean([x.lo <= truth <= x.hi for x in found]) < 0.99


def _noisy(n, seed):
    time, event, truth, rng = cohort(n, seed)
    return time, event, truth + rng.normal(0, 1, n), truth + rng.normal(0, 1, n)


def test_two_risks_of_equal_worth_are_seldom_told_apart():
    found = [c_interval(*_noisy(100, seed), n_boot=400, seed=seed) for seed in range(200)]
    assert 0.9 < np.mean([x.lo <= 0 <= x.hi for x in found]) < 0.99


def test_five_hundred_patients_and_two_thousand_draws_are_fast():
    time, event, risk, other = _noisy(500, 0)
    start = clock.process_time()
    found = c_interval(time, event, risk, other)
    assert clock.process_time() - start < 2 and found.lo < found.hi


def test_same_seed_same_interval():
    data = _noisy(60, 3)
    assert c_interval(*data, n_boot=100, seed=4) == c_interval(*data, n_boot=100, seed=4)
    assert c_interval(*data, n_boot=100, seed=4) != c_interval(*data, n_boot=100, seed=5)
