"""The inner cross-validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.methods.survival.cox import CoxPH
from exval.methods.survival.inner import cross_validated, inner_folds
from exval.methods.survival.ridge import ridge_cox
from exval.methods.survival.risksets import RiskSets


@given(st.integers(2, 60), st.floats(0, 1), st.integers(2, 6), st.integers(0, 99))
def test_folds_are_balanced_by_event(n, share, k, seed):
    rng = np.random.default_rng(seed)
    time, event = rng.exponential(1, n), rng.random(n) < share
    fold = inner_folds(time, event, k, seed)
    for group in (event, ~event):
        sizes = np.bincount(fold[group], minlength=k)
        assert sizes.max() - sizes.min() <= 1 and len(sizes) == k
    np.testing.assert_array_equal(fold, inner_folds(time, event, k, seed))


def test_early_and_late_events_are_in_every_fold():
    fold = inner_folds(np.arange(100.0), np.ones(100, dtype=bool), 5, 1)
    assert all(np.ptp(np.bincount(fold[half])) == 0 for half in (slice(0, 50), slice(50, 100)))
    assert (fold != inner_folds(np.arange(100.0), np.ones(100, dtype=bool), 5, 2)).any()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 6))
    return x, rng.exponential(np.exp(-x[:, 0])), rng.random(80) < 0.7


RIDGES = (1000.0, 10.0, 0.1)


def path_of(x, time, event):
    return lambda rows: np.column_stack(
        [CoxPH(ridge).fit(x[rows], time[rows], event[rows]).predict(x) for ridge in RIDGES]
    )


def test_score_is_that_of_verweij_and_van_houwelingen(data):
    x, time, event = data
    best, score = cross_validated(path_of(x, time, event), time, event, 3)
    fold = inner_folds(time, event)
    for i, ridge in enumerate(RIDGES):
        want = 0.0
        for k in range(5):
            rows = fold != k
            eta = CoxPH(ridge).fit(x[rows], time[rows], event[rows]).predict(x)
            for part, sign in ((slice(None), 1), (rows, -1)):
                sets = RiskSets(time[part], event[part])
                want += sign * sets.log_likelihood(eta[part][sets.order_n])
        assert score[i] == pytest.approx(want)
    assert best == score.argmax() == 1


def test_signal_takes_little_penalty_and_noise_much(data):
    x, time, event = data
    noise = np.random.default_rng(1).exponential(1, 80)
    assert cross_validated(path_of(x, noise, event), noise, event, 3)[0] == 0


@pytest.mark.parametrize("fault", [ArithmeticError, ValueError, np.linalg.LinAlgError])
def test_a_fold_that_fails_takes_the_strongest_penalty(data, fault):
    x, time, event = data

    def path(rows):
        if 0 not in rows:
            raise fault
        return path_of(x, time, event)(rows)

    best, score = cross_validated(path, time, event, 3)
    assert best == 0 and np.isnan(score).all()


def test_a_setting_that_fails_is_out(data):
    x, time, event = data

    def path(rows):
        eta = path_of(x, time, event)(rows)
        eta[:, 1] = np.nan
        return eta

    best, score = cross_validated(path, time, event, 3)
    assert best != 1 and np.isnan(score[1]) and np.isfinite(score[[0, 2]]).all()


def test_a_tie_takes_the_stronger_penalty(data):
    _, time, event = data
    assert cross_validated(lambda rows: np.zeros((80, 3)), time, event, 3)[0] == 0


def test_samples_of_one_patient_are_never_parted():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(size=60), rng.random(60) < 0.5
    group = np.array([f"p{i // 2}" for i in range(60)])
    fold = inner_folds(time, event, group_n=group)
    assert (fold.reshape(30, 2)[:, 0] == fold.reshape(30, 2)[:, 1]).all() and len(set(fold)) == 5


def test_copies_of_patients_do_not_make_noise_look_like_signal():
    """Without groups a copy in another fold rewards fitting by heart: the ridge falls from the top to the bottom."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(80, 40))
    time, event = rng.exponential(size=80), rng.random(80) < 0.6
    twice = [np.repeat(one, 2, axis=0) for one in (z, np.zeros((80, 0)), time, event)]
    group = np.repeat([f"p{i}" for i in range(80)], 2)
    assert ridge_cox(*twice, group_n=group).ridge >= 100 * ridge_cox(*twice).ridge
