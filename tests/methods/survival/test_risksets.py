"""Risk sets against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.methods.survival.risksets import RiskSets


def written_out(time_n, event_n, eta_n):
    """Efron's log partial likelihood, term by term."""
    total = 0.0
    for t in np.unique(time_n[event_n]):
        dying = np.flatnonzero((time_n == t) & event_n)
        risk, own = np.exp(eta_n[time_n >= t]).sum(), np.exp(eta_n[dying]).sum()
        for at in range(len(dying)):
            total += eta_n[dying[at]] - np.log(risk - at / len(dying) * own)
    return total


@st.composite
def patients(draw):
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    time = rng.integers(1, draw(st.sampled_from([2, 6, 1000])), n, endpoint=True).astype(float)
    return time, rng.random(n) < draw(st.sampled_from([0.0, 0.3, 1.0])), rng.normal(0, 2, n), rng.normal(0, 1, (n, 3))


@given(patients())
def test_likelihood_is_the_sum_over_events(case):
    time, event, eta, _ = case
    sets = RiskSets(time, event)
    assert sets.log_likelihood(eta[sets.order_n]) == pytest.approx(written_out(time, event, eta), abs=1e-9)
    both = sets.log_likelihood(np.column_stack([eta, 2 * eta])[sets.order_n])
    want = [written_out(time, event, eta), written_out(time, event, 2 * eta)]
    np.testing.assert_allclose(both, want, atol=1e-8)


@given(patients())
def test_derivatives_are_those_of_the_likelihood(case):
    time, event, _, x = case
    sets = RiskSets(time, event)
    x = x[sets.order_n]
    coef, h = np.array([0.3, -0.2, 0.1]), 1e-5
    gradient, information = sets.derivatives(x, x @ coef)
    for j in range(3):
        up, down = (x @ (coef + sign * h * np.eye(3)[j]) for sign in (1, -1))
        assert gradient[j] == pytest.approx((sets.log_likelihood(up) - sets.log_likelihood(down)) / (2 * h), abs=1e-6)
        slope = (sets.derivatives(x, up)[0] - sets.derivatives(x, down)[0]) / (2 * h)
        np.testing.assert_allclose(information[j], -slope, atol=1e-5)


@given(patients())
def test_as_many_events_are_expected_as_were_seen(case):
    time, event, eta, _ = case
    sets = RiskSets(time, event)
    _, _, expected = sets.expected(eta[sets.order_n])
    assert expected.sum() == pytest.approx(event.sum(), abs=1e-9) and (expected >= -1e-12).all()


def test_breslow_by_hand():
    """One of four dies, then two of the three that are left: 1/4, and 2/3 more."""
    times, hazard = RiskSets(np.array([1.0, 2, 2, 3]), np.array([True, True, True, False])).breslow(np.zeros(4))
    assert times.tolist() == [1, 2] and hazard.tolist() == pytest.approx([1 / 4, 1 / 4 + 2 / 3])


def test_a_shift_of_all_predictors_changes_the_baseline_only():
    sets = RiskSets(np.arange(1.0, 9), np.ones(8, dtype=bool))
    eta = np.linspace(-1, 1, 8)
    assert sets.log_likelihood(eta + 600) == pytest.approx(sets.log_likelihood(eta))
    np.testing.assert_allclose(sets.breslow(eta + 3)[1] * np.exp(3), sets.breslow(eta)[1])
