"""Negative binomial likelihoods against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import digamma, expit, gammaln
from scipy.stats import nbinom

from exval.nn.counts import Packed, log_rising, nb_nll, zinb_nll


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    mean, theta = np.exp(rng.normal(0, 2, (6, 9))), np.exp(rng.normal(0, 1, 9))
    counts = rng.poisson(mean)
    counts[0, 0] = 400
    row, column = counts.nonzero()
    packed = Packed(torch.tensor(row), torch.tensor(column), torch.tensor(counts[row, column]).double())
    return mean, theta, counts, packed


def as_logs(array) -> torch.Tensor:
    return torch.tensor(np.log(array), requires_grad=True)


def test_nb_is_that_of_scipy_for_both_shapes_of_the_dispersion(case):
    mean, theta, counts, packed = case
    want = -nbinom.logpmf(counts, theta, theta / (theta + mean)).sum()
    assert nb_nll(as_logs(mean), as_logs(theta), packed).item() == pytest.approx(want, rel=1e-9)
    assert nb_nll(as_logs(mean), as_logs(np.tile(theta, (6, 1))), packed).item() == pytest.approx(want, rel=1e-9)


def test_zinb_is_a_mixture_of_a_zero_and_a_nb(case):
    mean, theta, counts, packed = case
    logit = np.random.default_rng(1).normal(0, 2, mean.shape)
    nb = nbinom.pmf(counts, theta, theta / (theta + mean))
    want = -np.log(expit(logit) * (counts == 0) + expit(-logit) * nb).sum()
    assert zinb_nll(as_logs(mean), as_logs(theta), torch.tensor(logit), packed).item() == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("zero_inflated", [False, True])
def test_gradients(case, zero_inflated):
    mean, theta, _, packed = case
    inputs = [as_logs(mean), as_logs(theta)]
    if zero_inflated:
        inputs.append(torch.zeros(mean.shape, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(lambda *a: (zinb_nll if zero_inflated else nb_nll)(*a, packed), inputs, eps=1e-6)


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_log_rising_is_a_ratio_of_gamma_functions(kind, tolerance):
    rng = np.random.default_rng(2)
    x, y = np.exp(rng.uniform(-9, 9, 5000)), np.floor(np.exp(rng.uniform(0, 9, 5000)))
    x_t = torch.tensor(x, dtype=kind, requires_grad=True)
    found = log_rising(x_t, torch.tensor(y, dtype=kind))
    found.sum().backward()
    np.testing.assert_allclose(found.detach(), gammaln(x + y) - gammaln(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(x_t.grad, digamma(x + y) - digamma(x), rtol=tolerance, atol=1e-9)


def test_nothing_counted_costs_nothing_to_rise():
    assert log_rising(torch.tensor([0.3, 7.0]), torch.zeros(2)).tolist() == [0, 0]
