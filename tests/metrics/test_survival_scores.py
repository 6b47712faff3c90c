"""Harrell's and Uno's C, the dynamic AUC and the Brier score, against scikit-survival, brute force and simple cases."""

from __future__ import annotations

import time as clock

import anndata
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sksurv import metrics as oracle
from sksurv.exceptions import NoComparablePairException
from sksurv.util import Surv

import packs  # noqa: F401 - loads the hypothesis profile
from exval.errors import InputError
from exval.metrics import METRICS
from exval.metrics.survival import (
    brier_scores,
    censoring_weights,
    check_survival,
    cumulative_dynamic_auc,
    default_times,
    harrell_c,
    integrated_brier,
    paired_c_units,
    uno_c,
)

patients = st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20)
"""Times, events and risks with many ties of each kind."""


def columns(rows):
    time, event, risk = (np.array(x) for x in zip(*rows))
    return time.astype(float), event.astype(bool), risk.astype(float)


def answer(function, *args):
    """What is answered, NaN for a refusal."""
    try:
        with np.errstate(all="ignore"):
            return function(*args)
    except (ValueError, NoComparablePairException):
        return np.nan


def cohort(n=300, seed=0, rounded=True):
    rng = np.random.default_rng(seed)
    risk = rng.normal(0, 1, n)
    life, end = rng.exponential(np.exp(-risk)) * 20, rng.uniform(2, 60, n)
    time = np.minimum(life, end)
    return (np.ceil(time) if rounded else time), life <= end, np.round(risk + rng.normal(0, 1, n), 1)


def curves(risk, times):
    return np.exp(-np.exp(risk)[:, None] * times / 20)


def brute_c(time, event, risk, weight=None):
    weight = np.ones(len(time)) if weight is None else weight
    top = bottom = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                bottom += weight[i]
                top += weight[i] * (1 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0)
    return top / bottom if bottom else np.nan


# --- concordance


def test_harrell_c_by_hand():
    # Event at 1 beats both (2), event at 2 is tied with the one at 3 (1/2): 2.5 of 3.
    assert harrell_c([1.0, 2.0, 3.0], [1, 1, 0], [0.9, 0.5, 0.5]) == pytest.approx(2.5 / 3)
    # At a tie in time the censored patient lived longer; two events at one time are no pair.
    assert harrell_c([2.0, 2.0], [1, 0], [1.0, 0.0]) == 1 and harrell_c([2.0, 2.0], [1, 0], [0.0, 1.0]) == 0
    with pytest.raises(InputError, match="no two patients can be compared"):
        harrell_c([2.0, 2.0], [1, 1], [1.0, 0.0])


@given(patients)
def test_harrell_c_is_that_of_scikit_survival(rows):
    time, event, risk = columns(rows)
    found = answer(harrell_c, time, event, risk)
    wanted = answer(lambda: oracle.concordance_index_censored(event, time, risk)[0])
    assert found == pytest.approx(wanted, nan_ok=True) and found == pytest.approx(
        brute_c(time, event, risk), nan_ok=True
    )


@given(patients, st.randoms())
def test_harrell_c_knows_neither_order_nor_scale_and_turns_with_the_risk(rows, random):
    time, event, risk = columns(rows)
    assume(not np.isnan(brute_c(time, event, risk)))
    c = harrell_c(time, event, risk)
    order = random.sample(range(len(time)), len(time))
    assert harrell_c(time[order], event[order], np.exp(3 * risk[order])) == pytest.approx(c)
    assert harrell_c(time, event, -risk) == pytest.approx(1 - c)
    assert harrell_c(time, event, 0 * risk) == 0.5


def test_rounding_errors_of_a_constant_risk_are_ties():
    time, event, _ = cohort()
    assert harrell_c(time, event, 0.1 + 1e-12 * np.random.default_rng(0).normal(size=300)) == 0.5


def test_blocks_change_nothing(monkeypatch):
    import exval.metrics.survival.auc as auc
    import exval.metrics.survival.concordance as concordance

    time, event, risk = cohort()
    times = default_times(time, event, time, event, n=7)

    def figures():
        aucs = cumulative_dynamic_auc(time, event, time, event, risk, times)
        return [harrell_c(time, event, risk), uno_c(time, event, time, event, risk, tau=40.0), *aucs[0], aucs[1]]

    whole = figures()
    monkeypatch.setattr(concordance, "BLOCK", 1000)
    monkeypatch.setattr(auc, "BLOCK", 1000)
    assert figures() == pytest.approx(whole, abs=1e-12)


@given(patients, patients, st.sampled_from([None, 3.0, 5.5, 8.0]))
def test_uno_c_is_that_of_scikit_survival(train, rows, tau):
    train_time, train_event, _ = columns(train)
    time, event, risk = columns(rows)
    train, test = (Surv.from_arrays(e, t) for e, t in ((train_event, train_time), (event, time)))
    found = answer(uno_c, train_time, train_event, time, event, risk, tau)
    wanted = answer(lambda: oracle.concordance_index_ipcw(train, test, risk, tau=tau)[0])
    if not np.isnan(wanted):
        assert found == pytest.approx(wanted)
    elif not np.isnan(found):  # the oracle asks for weights that no pair needs
        partner_n = ((time > time[:, None]) | ((time == time[:, None]) & ~event)).any(1)
        used = event & partner_n & (time < (np.inf if tau is None else tau))
        weight = np.zeros(len(time))
        weight[used] = censoring_weights(train_time, train_event, time[used]) ** 2
        assert found == pytest.approx(brute_c(time, event, risk, weight))


def test_uno_c_by_hand_and_where_it_differs_from_the_oracle():
    # G is 1 up to 2, 1/2 at 2 and 3: the event at 1 weighs 1 and that at 3 weighs 4.
    train = [1.0, 2.0, 3.0], [True, False, True]
    assert uno_c(*train, [1.0, 3.0, 4.0], [1, 1, 0], [3.0, 1.0, 2.0]) == pytest.approx((1 * 2 + 4 * 0) / (1 * 2 + 4))
    # The event at 9 is after all training times, but in no pair: no weight is missing.
    time, event, risk = [1.0, 2.5, 9.0], [1, 0, 1], [3.0, 1.0, 2.0]
    assert uno_c(*train, time, event, risk) == 1
    with pytest.raises(ValueError, match="largest observed"):
        oracle.concordance_index_ipcw(Surv.from_arrays(train[1], train[0]),
                                      Surv.from_arrays(np.array(event, bool), time), np.array(risk))  # fmt: skip
    with pytest.raises(InputError, match=r"at the time 8, but the training patients say nothing on censoring after 3"):
        uno_c(*train, [1.0, 8.0, 9.0], [1, 1, 0], risk)
    assert uno_c(*train, [1.0, 8.0, 9.0], [1, 1, 0], risk, tau=3.0) == 1


def test_without_censoring_uno_is_harrell():
    time, _, risk = cohort()
    event = np.ones(300, bool)
    assert uno_c(time, event, time, event, risk) == pytest.approx(harrell_c(time, event, risk))


def test_uno_c_corrects_for_censoring():
    """Two halves with other follow-up: Harrell's C moves with the censoring, Uno's stays near that without any."""
    rng = np.random.default_rng(0)
    n = 3000
    risk = rng.normal(0, 1, n)
    life = rng.weibull(1.5, n) * np.exp(-risk * (1 + np.sign(risk)))
    end = rng.exponential(0.35, n)
    time, event, tau = np.minimum(life, end), life <= end, 0.6
    short = life < tau
    truth = harrell_c(np.minimum(life, tau), short, risk)
    harrell, uno = harrell_c(time, event, risk), uno_c(time, event, time, event, risk, tau=tau)
    assert abs(uno - truth) < 0.01 < abs(harrell - truth)


def test_a_c_takes_no_minute_for_5000_patients():
    time, event, risk = cohort(5000, rounded=False)
    start = clock.process_time()
    found = harrell_c(time, event, risk)
    assert clock.process_time() - start < 5
    assert found == pytest.approx(oracle.concordance_index_censored(event, time, risk)[0])


# --- many weightings at once


@given(patients, st.integers(0, 10**6))
def test_weighted_c_is_that_of_the_patients_repeated(rows, seed):
    time, event, risk = columns(rows)
    if np.isnan(brute_c(time, event, risk)):
        with pytest.raises(InputError):
            paired_c_units(time, event, risk)
        return
    weights = np.random.default_rng(seed).multinomial(len(time), np.full(len(time), 1 / len(time)), size=4)
    wanted = [brute_c(*(np.repeat(x, w) for x in (time, event, risk))) for w in weights]
    assert paired_c_units(time, event, risk)(weights) == pytest.approx(np.array(wanted), nan_ok=True)


def test_only_pairs_within_a_fold_count():
    time, event, risk = cohort(60)
    fold = np.array(list("abc"))[np.arange(60) % 3]
    parts = [np.flatnonzero(fold == f) for f in "abc"]
    pairs = [sum((time[p][event[p], None] < time[p]).sum(1) +
                 ((time[p][event[p], None] == time[p]) & ~event[p]).sum(1)) for p in parts]  # fmt: skip
    wanted = np.average([harrell_c(time[p], event[p], risk[p]) for p in parts], weights=pairs)
    units = paired_c_units(time, event, risk, fold)
    assert units(np.ones((1, 60)))[0] == pytest.approx(wanted)
    shifted = risk + 100 * (fold == "a") - 50 * (fold == "c")  # models on other scales: no matter
    assert paired_c_units(time, event, shifted, fold)(np.ones((1, 60)))[0] == pytest.approx(wanted)
    with pytest.raises(InputError, match="of one fold can be compared"):
        paired_c_units(time, event, risk, np.arange(60))
    with pytest.raises(InputError, match="1 of 60 patients have no fold"):
        paired_c_units(time, event, risk, [None, *fold[1:]])


# --- AUC


@given(patients, patients, st.sets(st.integers(1, 14), min_size=1, max_size=4), st.booleans())
def test_auc_is_that_of_scikit_survival(train, rows, halves, by_time):
    train_time, train_event, _ = columns(train)
    time, event, risk = columns(rows)
    times = np.array(sorted(halves)) / 2
    if by_time:
        risk = np.round(np.outer(risk, np.cos(times)) + np.sin(time)[:, None], 1)
    train, test = (Surv.from_arrays(e, t) for e, t in ((train_event, train_time), (event, time)))
    wanted = answer(oracle.cumulative_dynamic_auc, train, test, risk, times)
    found = answer(cumulative_dynamic_auc, train_time, train_event, time, event, risk, times)
    if isinstance(wanted, tuple) and np.isfinite(wanted[0]).all():
        assert found[0] == pytest.approx(wanted[0]) and found[1] == pytest.approx(wanted[1])
    elif isinstance(found, tuple):  # a case after the last time asked for, which needs no weight
        assert (time[event] > times[-1]).any()


def test_without_censoring_auc_is_that_of_a_classifier():
    from sklearn.metrics import roc_auc_score

    time, _, risk = cohort()
    event = np.ones(300, bool)
    times = np.array([3.0, 10.0, 25.0])
    auc, mean = cumulative_dynamic_auc(time, event, time, event, risk, times)
    assert auc == pytest.approx([roc_auc_score(time <= t, risk) for t in times])
    drop = -np.diff([1, *((time > t).mean() for t in times)])
    assert mean == pytest.approx(auc @ drop / drop.sum())


def test_auc_says_what_it_lacks():
    test = [1.0, 2.0, 3.0, 4.0], [False, True, True, False]
    ask = lambda times, risk=(1.0, 2.0, 3.0, 4.0): cumulative_dynamic_auc(*test, *test, risk, times)  # noqa: E731
    with pytest.raises(InputError, match="no test patient had the event by the time 1.5"):
        ask([1.5, 2.5])
    with pytest.raises(InputError, match="followed from 1 to 4"):
        ask([2.5, 4.0])
    with pytest.raises(InputError, match="strictly increasing"):
        ask([3.0, 2.5])
    with pytest.raises(InputError, match="strictly increasing"):
        ask([2.5, 2.5])
    with pytest.raises(InputError, match="3 columns for 2 times"):
        ask([2.5, 3.0], np.ones((4, 3)))
    with pytest.raises(InputError, match="one number a patient"):
        ask([2.5], np.ones(3))
    with pytest.raises(InputError, match="1 of 4 values of risk are missing"):
        ask([2.5], [1.0, np.nan, 2.0, 3.0])
    with pytest.raises(InputError, match="censoring after 2"):
        cumulative_dynamic_auc([1.0, 2.0], [True, True], *test, np.ones(4), [3.5])


# --- Brier


@given(patients, patients, st.sets(st.integers(1, 14), min_size=1, max_size=4))
def test_brier_is_that_of_scikit_survival(train, rows, halves):
    train_time, train_event, _ = columns(train)
    time, event, risk = columns(rows)
    times = np.array(sorted(halves)) / 2
    survival = np.exp(-np.outer(risk, times) / 4)
    train, test = (Surv.from_arrays(e, t) for e, t in ((train_event, train_time), (event, time)))
    wanted = answer(lambda: oracle.brier_score(train, test, survival, times)[1])
    found = answer(brier_scores, train_time, train_event, time, event, survival, times)
    if np.isnan(wanted).any():
        assert np.isnan(found).any() or time.max() > train_time.max()  # followed longer: needs no weight
        return
    if np.isnan(found).any():  # no training patient is uncensored at that time: the oracle leaves patients out
        with pytest.raises(InputError, match="from .* on"):
            censoring_weights(train_time, train_event, times)
        return
    assert found == pytest.approx(wanted)
    if len(times) > 1:
        assert integrated_brier(train_time, train_event, time, event, survival, times) == pytest.approx(
            oracle.integrated_brier_score(train, test, survival, times)
        )


def test_without_censoring_brier_is_the_mean_squared_error():
    time, _, risk = cohort()
    event, times = np.ones(300, bool), np.array([3.0, 10.0, 25.0])
    survival = curves(risk, times)
    found = brier_scores(time, event, time, event, survival, times)
    assert found == pytest.approx(((survival - (time[:, None] > times)) ** 2).mean(0))
    assert brier_scores(time, event, time, event, survival[:, 0], 3.0) == pytest.approx(found[:1])


def test_a_long_follow_up_in_the_test_fold_is_no_error():
    train_time, train_event, _ = cohort(100, seed=1)
    train_event[train_time.argmax()] = True
    time, event, risk = cohort(100, seed=2)
    time[0], event[0] = 500.0, True
    times = default_times(train_time, train_event, time, event)
    survival = curves(risk, times)
    found = brier_scores(train_time, train_event, time, event, survival, times)
    auc, _ = cumulative_dynamic_auc(train_time, train_event, time, event, risk, times)
    train = Surv.from_arrays(train_event, train_time)
    with pytest.raises(ValueError, match="largest observed"):
        oracle.brier_score(train, Surv.from_arrays(event, time), survival, times)
    time[0] = train_time.max()  # beyond all times asked for, as before: the same answer, which the oracle gives now
    assert found == pytest.approx(oracle.brier_score(train, Surv.from_arrays(event, time), survival, times)[1])
    assert auc == pytest.approx(oracle.cumulative_dynamic_auc(train, Surv.from_arrays(event, time), risk, times)[0])


def test_truth_is_best():
    """A proper score: the true curves beat the mean curve, too bold and too shy ones, under heavy censoring."""
    rng = np.random.default_rng(0)
    risk = rng.normal(0, 1, 4000)
    life, end = rng.exponential(np.exp(-risk)) * 20, rng.exponential(20, 4000)
    time, event = np.minimum(life, end), life <= end
    times = default_times(time, event, time, event)
    score = lambda r: integrated_brier(time, event, time, event, curves(r, times), times)  # noqa: E731
    true = score(risk)
    mean = np.broadcast_to(curves(risk, times).mean(0), (4000, len(times)))
    others = [score(2 * risk), score(0.5 * risk), score(risk + 0.4), score(risk - 0.4), score(-risk),
              integrated_brier(time, event, time, event, mean, times)]  # fmt: skip
    assert true < min(others)


def test_brier_says_what_it_lacks():
    test = [1.0, 2.0, 3.0, 4.0], [False, True, True, False]
    with pytest.raises(InputError, match=r"shape \(4, 1\), not \(4, 2\)"):
        brier_scores(*test, *test, np.ones(4), [2.0, 3.0])
    with pytest.raises(InputError, match="a risk is no probability"):
        brier_scores(*test, *test, np.full((4, 1), 1.5), [2.0])
    with pytest.raises(InputError, match="values of survival are missing"):
        brier_scores(*test, *test, np.full((4, 1), np.nan), [2.0])
    with pytest.raises(InputError, match="at least 2 times"):
        integrated_brier(*test, *test, np.ones((4, 1)), [2.0])
    assert brier_scores(*test, *test, np.full((4, 1), 1 + 1e-9), [2.0]) >= 0


# --- times


@given(patients, patients)
def test_every_score_exists_at_the_default_times(train, rows):
    train_time, train_event, _ = columns(train)
    time, event, risk = columns(rows)
    given_ = (train_time, train_event, time, event)
    try:
        times = default_times(*given_, n=6)
    except InputError:
        return
    assert times.shape == (6,) and (np.diff(times) > 0).all()
    lo, hi = np.quantile(time[event], [0.1, 0.8])
    assert times[0] == lo and times[-1] <= hi and (time > times[-1]).any()
    auc, mean = cumulative_dynamic_auc(*given_, risk, times)
    assert np.isfinite(auc).all() and 0 <= mean <= 1
    assert np.isfinite(integrated_brier(*given_, np.full((len(time), 6), 0.5), times))


def test_default_times_of_a_cohort_are_its_percentiles():
    time, event, _ = cohort(400, rounded=False)
    times = default_times(time, event, time, event)
    assert len(times) == 50
    assert (times[0], times[-1]) == pytest.approx(tuple(np.quantile(time[event], [0.1, 0.8])))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (([1.0, 2.0], [1, 1]), ([5.0, 6.0, 9.0], [1, 1, 0])),  # training patients were not followed as long
        (([1.0, 20.0], [1, 1]), ([5.0, 9.0], [1, 0])),  # a single event
        (([1.0, 20.0], [1, 1]), ([5.0, 5.0], [1, 1])),  # all at once
    ],
)
def test_no_default_times(train, test):
    with pytest.raises(InputError, match="no times to score at"):
        default_times(*train, *test)
    with pytest.raises(InputError, match="at least 2 times"):
        default_times(*train, *test, n=1)


# --- input


@pytest.mark.parametrize(
    ("time", "event", "said"),
    [
        ([1.0, 2.0], [0, 0], "none of 2 patients had the event"),
        ([1.0, 0.0], [1, 0], "1 of 2 survival times of the patients not above 0"),
        ([1.0, -3.0], [1, 0], "least is -3"),
        ([1.0, np.nan], [1, 0], "missing or infinite"),
        ([1.0, np.inf], [1, 0], "missing or infinite"),
        ([1.0, 2.0], [1, 2], "the patients have 2: recode"),
        ([1.0, 2.0], [1, np.nan], "have nan"),
        ([1.0, 2.0], [1, None], "recode"),
        ([1.0, 2.0], ["dead", "alive"], "no numbers"),
        (["a", "b"], [1, 0], "no numbers"),
        ([1.0, 2.0], [1], r"shape \(2,\) and events of shape \(1,\)"),
        ([[1.0, 2.0]], [[1, 0]], "one number a patient"),
        ([], [], "no patients"),
    ],
)
def test_survival_data_that_cannot_be_used(time, event, said):
    with pytest.raises(InputError, match=said) as found:
        harrell_c(time, event, np.ones(len(time)))
    assert "\n" not in str(found.value)


def test_messages_name_the_side():
    good = [1.0, 2.0, 3.0], [1, 1, 0]
    with pytest.raises(InputError, match="none of 2 training patients"):
        uno_c([1.0, 2.0], [0, 0], *good, [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="none of 2 test patients"):
        brier_scores(*good, [1.0, 2.0], [0, 0], np.ones(2), [1.5])


def test_checked_data_are_float_and_bool():
    import pandas as pd

    time, event = check_survival(pd.Series([3, 4]), pd.Series([True, False], dtype="boolean"))
    assert time.dtype == np.float64 and event.dtype == bool
    assert check_survival([1], [0], events_needed=False)[1].tolist() == [False]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_risk_that_is_missing(bad):
    time, event, risk = cohort(20)
    risk[3] = bad
    for ask in (harrell_c, paired_c_units, lambda *args: uno_c(time, event, *args)):
        with pytest.raises(InputError, match="1 of 20 values of risk"):
            ask(time, event, risk)
    with pytest.raises(InputError, match="one number a patient"):
        harrell_c(time, event, np.ones((20, 2)))


def test_a_single_patient_has_no_c():
    for ask in (harrell_c, paired_c_units):
        with pytest.raises(InputError, match="no two patients"):
            ask([1.0], [True], [1.0])


def test_names_of_the_table():
    assert {name: METRICS[name][1] for name in ("harrell_c", "uno_c", "mean_auc", "integrated_brier", "brier")} == {
        "harrell_c": True, "uno_c": True, "mean_auc": True, "integrated_brier": False, "brier": False}  # fmt: skip


# --- real patients


def test_real_patients(shared_data):
    cells = anndata.read_h5ad(shared_data / "bulk" / "tcga_kirc_rnaseq_z_survival.h5ad")
    time = cells.obs["survival_months"].to_numpy()
    event, risk = cells.obs["censorship"].to_numpy() == 0, cells.obs["age"].to_numpy()
    test = np.arange(len(time)) % 3 == 0
    sides = time[~test], event[~test], time[test], event[test]
    train, held = Surv.from_arrays(sides[1], sides[0]), Surv.from_arrays(sides[3], sides[2])
    times = default_times(*sides)
    survival = np.exp(-np.outer(np.exp((risk[test] - 60) / 30), times) / 100)
    assert harrell_c(*sides[2:], risk[test]) == pytest.approx(
        oracle.concordance_index_censored(sides[3], sides[2], risk[test])[0]
    )
    tau = float(times[-1])
    assert uno_c(*sides, risk[test], tau) == pytest.approx(
        oracle.concordance_index_ipcw(train, held, risk[test], tau=tau)[0]
    )
    auc, mean = cumulative_dynamic_auc(*sides, 1 - survival, times)
    wanted = oracle.cumulative_dynamic_auc(train, held, 1 - survival, times)
    assert auc == pytest.approx(wanted[0]) and mean == pytest.approx(wanted[1])
    assert integrated_brier(*sides, survival, times) == pytest.approx(
        oracle.integrated_brier_score(train, held, survival, times)
    )
