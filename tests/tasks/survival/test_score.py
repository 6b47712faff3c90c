"""Scores over folds: equal to the plain metrics where there is one fold, and pairs stay within a fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.metrics import cumulative_dynamic_auc, harrell_c, integrated_brier, uno_c
from exval.metrics.survival import brier_scores
from exval.tasks.survival.score import Judge


def patients(n=120, seed=0):
    rng = np.random.default_rng(seed)
    risk = rng.standard_normal(n)
    life, follow = rng.exponential(10 * np.exp(-risk)), rng.uniform(2, 30, n)
    return np.minimum(life, follow) + 0.01, life <= follow, risk


def judge(time, event, model=None, **changes):
    n = len(time)
    model = np.zeros(n, dtype=int) if model is None else model
    censoring = {one: (time[model != one], event[model != one]) for one in set(model)} if len(set(model)) > 1 else {
        model[0]: (time, event)}  # fmt: skip
    times = np.quantile(time[event], np.linspace(0.1, 0.7, 20))
    given = {"unit_m": np.arange(n), "times_t": times, "horizons": (5.0,), "seed": 0, "seed_m": np.zeros(n, int)}
    return Judge(time, event, model, censoring=censoring, **{**given, **changes})


@pytest.mark.parametrize("seed", range(3))
def test_one_fold_gives_the_plain_metrics(seed):
    time, event, risk = patients(seed=seed)
    one = judge(time, event)
    survival = np.exp(-np.exp(risk)[:, None] * one.times_t / 10)
    assert one.c(risk).value == pytest.approx(harrell_c(time, event, risk))
    assert one.uno(risk) == pytest.approx(uno_c(time, event, time, event, risk, tau=one.times_t[-1]))
    auc, mean = cumulative_dynamic_auc(time, event, time, event, risk, one.times_t)
    assert one.auc(risk, one.times_t) == pytest.approx(auc) and one.mean_auc(auc) == pytest.approx(mean)
    brier = brier_scores(time, event, time, event, survival, one.times_t)
    assert one.brier_mt(survival).mean(0) == pytest.approx(brier)
    whole = integrated_brier(time, event, time, event, survival, one.times_t)
    assert one.brier(survival).value == pytest.approx(whole)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(-50, 50))
def test_a_shift_of_the_risks_of_one_fold_changes_nothing(seed, shift):
    time, event, risk = patients(60, seed)
    model = np.arange(60) % 3
    if any(not event[model == one].any() or not event[model != one].any() for one in range(3)):
        return
    one = judge(time, event, model, times_t=np.array([1.0, 2.0]), horizons=(1.5,))
    moved = risk + shift * (model == 1)
    assert one.c(risk).value == pytest.approx(one.c(moved).value, abs=1e-6)
    assert one.uno(risk) == pytest.approx(one.uno(moved), abs=1e-6, nan_ok=True)
    assert one.auc(risk, [1.0, 2.0]) == pytest.approx(one.auc(moved, [1.0, 2.0]), abs=1e-6, nan_ok=True)


def test_c_over_folds_is_the_share_of_all_pairs_by_hand():
    """Fold 0: 2 comparable pairs, both right; fold 1: 2, one right."""
    time = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    event = np.array([True, False, False, True, False, False])
    risk = np.array([3.0, 1.0, 1.0, 2.0, 1.0, 9.0])
    one = judge(time, event, np.repeat([0, 1], 3), times_t=np.array([0.5, 1.0]), horizons=(1.0,))
    assert one.c(risk).value == 0.75
    assert one.c_of_folds(risk) == {0: 1.0, 1: 0.5}


def test_the_truth_beats_noise_and_repeats_are_no_new_patients():
    time, event, risk = patients(150, 4)
    noise = np.random.default_rng(1).standard_normal(150)
    once = judge(time, event)
    twice = Judge(np.tile(time, 2), np.tile(event, 2), np.repeat([0, 1], 150), np.tile(np.arange(150), 2),
                  {0: (time, event), 1: (time, event)}, once.times_t, (5.0,), 0, np.repeat([0, 1], 150))  # fmt: skip
    gap, again = once.c(risk, noise), twice.c(np.tile(risk, 2), np.tile(noise, 2))
    assert gap.lo > 0 and again.n_units == gap.n_units == 150
    assert (again.lo, again.hi) == pytest.approx((gap.lo, gap.hi), abs=1e-6)


def test_curves_that_are_true_are_calibrated_and_others_are_not():
    time, event, risk = patients(800, 7)
    one = judge(time, event)
    own = np.exp(-np.exp(risk) * time / 10)
    assert one.calibration(own)[0] > 0.05 > one.calibration(own**4)[0]
