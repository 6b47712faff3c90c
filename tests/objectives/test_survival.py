"""The losses of survival against sums written out, and against a fitted Cox regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.objectives.survival import (
    DiscreteTime,
    interval_edges,
    lived_through,
    partial_likelihood,
    survival_from_hazards,
)


def by_hand(risk, time, event):
    """Breslow's partial likelihood, one event after the other."""
    total = 0.0
    for i in range(len(time)):
        if event[i]:
            total += np.log(np.exp(risk[time >= time[i]]).sum()) - risk[i]
    return total


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), ties=st.booleans())
def test_partial_likelihood_by_hand(seed, n, ties):
    rng = np.random.default_rng(seed)
    risk, time = rng.normal(size=n), rng.integers(1, 4, n).astype(float) if ties else rng.exponential(size=n)
    event = rng.random(n) < 0.6
    found = partial_likelihood(torch.as_tensor(risk), torch.as_tensor(time), torch.as_tensor(event))
    assert float(found) == pytest.approx(by_hand(risk, time, event), abs=1e-6)


def test_the_order_of_patients_does_not_matter_and_a_shift_of_all_risks_neither():
    rng = np.random.default_rng(0)
    risk, time, event = (
        torch.as_tensor(rng.normal(size=20)),
        torch.as_tensor(rng.integers(1, 6, 20)),
        rng.random(20) < 0.5,
    )
    event, order = torch.as_tensor(event), torch.as_tensor(rng.permutation(20))
    whole = partial_likelihood(risk, time, event)
    torch.testing.assert_close(partial_likelihood(risk[order], time[order], event[order]), whole)
    torch.testing.assert_close(partial_likelihood(risk + 3, time, event), whole)


def test_minimising_it_gives_the_coefficient_of_scikit_survival():
    linear_model = pytest.importorskip("sksurv.linear_model")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 2))
    time = rng.exponential(np.exp(-x @ [0.8, -0.5]))
    event = rng.random(150) < 0.7
    outcome = np.array(list(zip(event, time)), dtype=[("event", bool), ("time", float)])
    oracle = linear_model.CoxPHSurvivalAnalysis(ties="breslow").fit(x, outcome).coef_
    coef = torch.zeros(2, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([coef], max_iter=100, tolerance_grad=1e-10)

    def closure():
        optimiser.zero_grad()
        loss = partial_likelihood(torch.as_tensor(x) @ coef, torch.as_tensor(time), torch.as_tensor(event)) / 150
        loss.backward()
        return loss

    optimiser.step(closure)
    np.testing.assert_allclose(coef.detach(), oracle, atol=1e-4)


def test_discrete_likelihood_by_hand():
    edges = torch.tensor([1.0, 2.0, 3.0])
    time, event = torch.tensor([0.5, 2.0, 2.5, 9.0]), torch.tensor([1, 1, 0, 0])
    logits = torch.tensor([[0.3, -0.2, 0.1]]).repeat(4, 1)
    hazard = torch.sigmoid(logits[0])
    expected = [
        -hazard[0].log(),
        -(1 - hazard[0]).log() - hazard[1].log(),
        -(1 - hazard[0]).log() - (1 - hazard[1]).log(),
        -(1 - hazard).log().sum(),
    ]
    survived, died = lived_through(time, event, edges)
    softplus = torch.nn.functional.softplus
    found = (survived * softplus(logits) + died * softplus(-logits)).sum(1)
    torch.testing.assert_close(found, torch.stack(expected))
    assert DiscreteTime(edges).count(None, type("B", (), {"n": 4})()) == 4


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 6))
def test_survival_falls_from_one_and_meets_the_product_at_the_borders(seed, k):
    rng = np.random.default_rng(seed)
    logits, edges = rng.normal(size=(3, k)), np.cumsum(rng.uniform(0.2, 2, k))
    times = np.sort(np.concatenate([[0.0], edges, rng.uniform(0, edges[-1] * 1.5, 10)]))
    curve = survival_from_hazards(logits, edges, times)
    assert (curve[:, 0] == 1).all() and (np.diff(curve, axis=1) <= 1e-12).all() and (curve > 0).all()
    at = survival_from_hazards(logits, edges, edges)
    np.testing.assert_allclose(at, np.cumprod(1 / (1 + np.exp(logits)), axis=1), rtol=1e-9)


def test_intervals_hold_equally_many_events():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(size=1000), rng.random(1000) < 0.5
    edges = interval_edges(time, event, 5)
    counts = np.histogram(time[event], np.concatenate([[0], edges]))[0]
    assert counts.max() - counts.min() <= 2 and edges[-1] == time[event].max()
