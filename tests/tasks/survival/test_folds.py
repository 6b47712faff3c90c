"""Who is held out with whom, and at what times scores exist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.patients import simulated_patients
from exval.errors import InputError
from exval.metrics.survival.censoring import censoring_weights
from exval.tasks.survival.folds import common_times, pick_horizons, survival_splits


def test_patients_stay_on_one_side_and_events_are_balanced(make_cohort):
    adata = simulated_patients(120, 10, seed=4)
    adata.obs["who"] = [f"p{i // 2}" for i in range(120)]
    cohort = make_cohort(adata, patient="who")
    splits = survival_splits(cohort, folds=4, repeats=2)
    assert splits.unit == "patient" and len(splits.folds) == 8
    shares = [cohort.event_n[fold.test].mean() for fold in splits.folds]
    assert max(shares) - min(shares) < 0.15
    for fold in splits.folds:
        assert not set(cohort.patient_n[fold.train]) & set(cohort.patient_n[fold.test])
    for seed in (0, 1):
        tested = np.concatenate([fold.test for fold in splits.folds if fold.seed == seed])
        assert sorted(tested) == list(range(120))


def test_sites_are_held_out_whole(make_cohort):
    adata = simulated_patients(120, 10, seed=4)
    by_site = make_cohort(adata, split_by="site")
    splits = survival_splits(by_site)
    assert splits.name == "site" and len(splits.folds) == 2
    assert "2 values of site allow 2 folds" in splits.notes.note.iloc[0]
    for fold in splits.folds:
        assert len(set(by_site.group_n[fold.test])) == 1


def test_all_events_can_be_split(make_cohort):
    adata = simulated_patients(60, 10, seed=4)
    adata.obs["os_event"] = 1
    assert len(survival_splits(make_cohort(adata), folds=3).folds) == 3


def test_more_folds_than_events_are_refused(make_cohort):
    adata = simulated_patients(60, 10, seed=4, censored=0.8)
    events = int(adata.obs["os_event"].sum())
    with pytest.raises(InputError, match=f"{events + 1} folds, but only {events} events"):
        survival_splits(make_cohort(adata), folds=events + 1)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_weights_exist_at_every_common_time_in_every_fold(seed):
    rng = np.random.default_rng(seed)
    time, event = rng.integers(1, 40, 60).astype(float), rng.random(60) < 0.5
    training = [np.sort(rng.choice(60, 30, replace=False)) for _ in range(3)]
    if not event.any() or any(not event[rows].any() for rows in training):
        return
    try:
        times = common_times(time, event, training)
    except InputError:
        return
    assert (np.diff(times) > 0).all()
    for rows in training:
        assert (censoring_weights(time[rows], event[rows], times) >= 1).all()


def test_horizons():
    time, event = np.linspace(1, 90, 200), np.ones(200, dtype=bool)
    times = np.linspace(5, 70, 50)
    assert pick_horizons(times, "os_months", time, event) == (24, 48, 60)
    assert pick_horizons(times, "follow", time, event) == (23, 46, 68)
    assert pick_horizons(times, "os_months", time, event, (36, 12, 36)) == (12, 36)
    with pytest.raises(InputError, match="--horizons: 100 cannot be scored"):
        pick_horizons(times, "os_months", time, event, (12, 100))
