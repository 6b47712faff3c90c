"""Kaplan-Meier, Nelson-Aalen, the censoring curve, the log-rank test and D-calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import packs  # noqa: F401 - loads the hypothesis profile
from exval.errors import InputError
from exval.metrics.survival import (
    censoring_survival,
    censoring_weights,
    d_calibration,
    kaplan_meier,
    logrank,
    nelson_aalen,
)

# Freireich et al. 1963, Blood 21:699: weeks of remission under 6-mercaptopurine and under placebo.
DRUG_TIME = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35.0])
DRUG_EVENT = np.arange(21) < 9
PLACEBO_TIME = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23.0])

patients = st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.integers(0, 2)), min_size=1, max_size=25)
"""Times, events and groups with many ties."""


def columns(rows):
    time, event, group = (np.array(x) for x in zip(*rows))
    return time.astype(float), event.astype(bool), group


def test_kaplan_meier_of_the_leukaemia_patients():
    curve = kaplan_meier(DRUG_TIME, DRUG_EVENT)
    wanted = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve(np.array([6, 7, 10, 13, 16, 22, 23])) == pytest.approx(wanted, abs=6e-5)
    at = np.searchsorted(curve.times_t, [6, 23])
    assert curve.at_risk_t[at].tolist() == [21, 6]
    # By hand: sd of log S is sqrt(3 / (21 * 18)) = 0.08909 and log S = -0.15415 at 6.
    bend = np.exp(1.959964 * 0.0890871 / 0.1541507)
    assert curve.lo_t[at[0]] == pytest.approx(0.857143**bend, abs=1e-5)
    assert curve.hi_t[at[0]] == pytest.approx(0.857143 ** (1 / bend), abs=1e-5)


def test_a_curve_is_right_continuous_and_ends_with_its_patients():
    curve = kaplan_meier([2.0, 4.0, 6.0], [True, True, False])
    assert curve(np.array([[0.0, 1.999], [2.0, 6.0]])).tolist() == [
        [1, 1],
        [pytest.approx(2 / 3), pytest.approx(1 / 3)],
    ]
    assert curve(2.0) == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="up to the time 6 cannot be read at 6.5"):
        curve(np.array([1.0, 6.5]))
    assert curve(6.5, hold=True) == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="missing time"):
        curve(np.nan)
    assert kaplan_meier([2.0, 4.0], [True, True])(99.0) == 0  # nobody is left: known for good
    hazard = nelson_aalen([2.0, 4.0], [True, True])
    assert hazard(1.0) == 0
    with pytest.raises(InputError, match="cannot be read"):
        hazard(99.0)


@given(patients)
def test_curves_are_those_of_scikit_survival(rows):
    from sksurv.nonparametric import kaplan_meier_estimator, nelson_aalen_estimator

    time, event, _ = columns(rows)
    curve = kaplan_meier(time, event)
    times, values, (lo, hi) = kaplan_meier_estimator(event, time, conf_type="log-log")
    assert curve.times_t.tolist() == times.tolist() and curve.values_t == pytest.approx(values)
    some = values > 0
    assert curve.lo_t[some] == pytest.approx(lo[some]) and curve.hi_t[some] == pytest.approx(hi[some])
    assert np.isnan(curve.lo_t[~some]).all() and np.isnan(curve.hi_t[~some]).all()
    assert curve.at_risk_t.tolist() == [(time >= t).sum() for t in times]
    assert censoring_survival(time, event).values_t == pytest.approx(
        kaplan_meier_estimator(event, time, reverse=True)[1]
    )
    if event.any():
        assert nelson_aalen(time, event).values_t == pytest.approx(nelson_aalen_estimator(event, time)[1])


def test_nelson_aalen_by_hand():
    curve = nelson_aalen([1.0, 2.0, 2.0, 3.0], [False, True, True, True])
    assert curve.values_t == pytest.approx([0, 2 / 3, 5 / 3])
    assert (curve.lo_t[0], curve.hi_t[0]) == (0, 0)
    bend = np.exp(1.959964 * np.sqrt(2 / 9) / (2 / 3))
    assert curve.lo_t[1] == pytest.approx(2 / 3 / bend) and curve.hi_t[1] == pytest.approx(2 / 3 * bend)


def test_no_event_is_a_flat_curve_and_all_events_the_empirical_one():
    flat = kaplan_meier([1.0, 2.0], [False, False])
    assert flat.values_t.tolist() == flat.lo_t.tolist() == flat.hi_t.tolist() == [1, 1]
    assert kaplan_meier(np.arange(1.0, 5), np.ones(4)).values_t == pytest.approx([0.75, 0.5, 0.25, 0])
    assert censoring_survival(np.arange(1.0, 5), np.ones(4)).values_t.tolist() == [1, 1, 1, 1]
    assert kaplan_meier([3.0], [True]).values_t.tolist() == [0]  # a single patient
    assert kaplan_meier([3.0], [False]).values_t.tolist() == [1]


def test_bands_cover_the_truth():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        life, follow_up = rng.exponential(1, 60), rng.uniform(0.2, 3, 60)
        time, event = np.minimum(life, follow_up), life <= follow_up
        for curve, truth in ((kaplan_meier(time, event), np.exp(-0.7)), (nelson_aalen(time, event), 0.7)):
            at = np.searchsorted(curve.times_t, 0.7, side="right") - 1
            inside.append(curve.lo_t[at] <= truth <= curve.hi_t[at])
    assert 0.93 < np.mean(inside[::2]) < 0.975 and 0.93 < np.mean(inside[1::2]) < 0.975


def test_a_tie_of_event_and_censoring_counts_the_event_first():
    curve = censoring_survival([1.0, 1.0, 2.0], [True, False, True])
    assert curve.values_t.tolist() == [0.5, 0.5] and curve.at_risk_t.tolist() == [2, 0]
    # G(t), not G(t-): at the tie itself the weight is 2.
    assert censoring_weights([1.0, 1.0, 2.0], [True, False, True], np.array([0.5, 1.0])).tolist() == [1, 2]


@pytest.mark.parametrize(("last_is_event", "asked", "said"), [(True, 3.5, "after 3"), (False, 3.0, "from 3 on")])
def test_no_weights_where_training_patients_are_silent(last_is_event, asked, said):
    with pytest.raises(InputError, match=said):
        censoring_weights([1.0, 2.0, 3.0], [True, False, last_is_event], np.array([asked]))


def test_logrank_of_the_leukaemia_patients():
    time, event = np.concatenate([DRUG_TIME, PLACEBO_TIME]), np.concatenate([DRUG_EVENT, np.ones(21, bool)])
    statistic, p = logrank(time, event, ["drug"] * 21 + ["placebo"] * 21)
    assert statistic == pytest.approx(16.79, abs=0.005) and p == pytest.approx(4.17e-5, abs=1e-7)


@given(patients)
def test_logrank_is_that_of_scikit_survival(rows):
    from sksurv.compare import compare_survival
    from sksurv.util import Surv

    time, event, group = columns(rows)
    alive = {g for g in set(group) if event.any() and (time[group == g] >= time[event].min()).any()}
    if len(alive) < 2:
        with pytest.raises(InputError, match="at least two|had the event"):
            logrank(time, event, group)
        return
    statistic, p = logrank(time, event, group)
    assert statistic >= -1e-9 and 0 <= p <= 1
    try:
        wanted = compare_survival(Surv.from_arrays(event, time), group)
    except np.linalg.LinAlgError:  # no spread at all, or a group without anybody at risk
        return
    if len(alive) == len(set(group)) and abs(wanted[0]) < 1e6:  # above: a covariance that is singular but for rounding
        assert (statistic, p) == (pytest.approx(wanted[0], abs=1e-7), pytest.approx(wanted[1], abs=1e-7))


def test_logrank_leaves_out_a_group_that_nobody_of_was_at_risk():
    time, event, group = np.array([1, 2, 3, 4, 5, 6, 0.5]), np.array([1, 1, 0, 1, 0, 1, 0]), np.array(list("aaabbbc"))
    assert logrank(time, event, group) == logrank(time[:-1], event[:-1], group[:-1])
    assert logrank([1.0, 1.0], [1, 1], ["a", "b"]) == (0, 1)  # all at once: nothing to tell


def test_logrank_holds_its_level():
    rng = np.random.default_rng(1)
    found = [logrank(rng.exponential(1, 90), rng.random(90) < 0.7, np.arange(90) % 3)[1] for _ in range(400)]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.08


@pytest.mark.parametrize("groups", [["a", None], ["a", np.nan], np.array([1.0, np.nan]), ["a"], ["a", "a"]])
def test_logrank_refuses(groups):
    with pytest.raises(InputError):
        logrank([1.0, 2.0], [True, True], groups)


def test_d_calibration_by_hand():
    # Events at S 0.1, 0.3, 0.9, 1 in four bins; a censored patient at 0.6 gives 0.25, 0.25 and 0.1 of 0.6.
    event = np.array([True, True, True, True, False])
    p, share = d_calibration(np.ones(5), event, [0.1, 0.3, 0.9, 1.0, 0.6], bins=4)
    assert share * 5 == pytest.approx([1 + 0.25 / 0.6, 1 + 0.25 / 0.6, 0.1 / 0.6, 2])
    statistic = ((np.array([17 / 12, 17 / 12, 1 / 6, 2]) - 1.25) ** 2 / 1.25).sum()
    assert statistic == pytest.approx(1.43333, abs=1e-5)
    assert p == pytest.approx(0.69773, abs=1e-4)  # chi-square, 3 degrees of freedom


def test_d_calibration_at_the_edges():
    _, share = d_calibration([1.0, 2.0, 3.0], [True, False, False], [0.5, 0.0, 1.0], bins=2)
    assert share * 3 == pytest.approx([1 + 0.5, 1 + 0.5])  # an edge opens its bin; censored at 0; censored at once
    _, share = d_calibration(np.ones(10), np.ones(10), np.arange(10) / 10)
    assert share == pytest.approx(np.full(10, 0.1))
    with pytest.raises(InputError, match="at least 2 bins"):
        d_calibration([1.0], [True], [0.5], bins=1)
    with pytest.raises(InputError, match="within 0 and 1"):
        d_calibration([1.0], [True], [1.5])


@given(patients, st.integers(2, 12))
def test_every_patient_is_spread_once(rows, bins):
    time, event, _ = columns(rows)
    event[0] = True
    p, share = d_calibration(time, event, np.exp(-time / 3), bins=bins)
    assert share.sum() == pytest.approx(1) and (share >= 0).all() and 0 <= p <= 1


def drawn(seed, n=500, censored=True):
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(0, 0.7, n))
    life = rng.exponential(1 / rate)
    end = rng.exponential(2, n) if censored else np.full(n, np.inf)
    return np.minimum(life, end), life <= end, rate


@pytest.mark.parametrize("censored", [False, True])
def test_true_curves_are_d_calibrated_and_shifted_ones_are_not(censored):
    true, shifted, late = [], [], []
    for seed in range(200):
        time, event, rate = drawn(seed, censored=censored)
        true.append(d_calibration(time, event, np.exp(-rate * time))[0])
        if seed < 20:
            shifted.append(d_calibration(time, event, np.exp(-1.6 * rate * time))[0])
            late.append(d_calibration(time, event, np.exp(-0.6 * rate * time))[0])
    share = np.mean(np.array(true) < 0.05)
    assert share < 0.09 and (censored or share > 0.02)
    assert max(shifted) < 0.01 and max(late) < 0.01


def test_d_calibration_needs_no_knowledge_of_the_patient():
    time, event, _ = drawn(3)
    train_time, train_event, _ = drawn(4, n=4000)
    same = kaplan_meier(train_time, train_event)(time, hold=True)
    assert d_calibration(time, event, same)[0] > 0.05
