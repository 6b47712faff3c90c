"""Every registered value encoder: values become vectors, one at a time, and every state has a vector of its own."""

from __future__ import annotations

import inspect

import pytest
import torch

from exval.encoders import ENCODERS
from exval.encoders.base import State

WIDTH = 6
VALUES = torch.tensor([0.1, 0.7, 1.5, 1.5, 3.0, 8.9])
STATES = torch.tensor([State.OBSERVED, State.ZERO, State.HIDDEN, State.NOT_MEASURED, State.PAD, State.OBSERVED])


@pytest.fixture(params=list(ENCODERS))
def encoder(request):
    return made(request.param)


def new(name):
    """An encoder that was not fitted, told the size of the vocabulary where it wants to know."""
    make = ENCODERS[name]
    return make(WIDTH, 1) if "n_genes" in inspect.signature(make).parameters else make(WIDTH)


def made(name):
    torch.manual_seed(0)
    return Asked(new(name).fit(torch.linspace(0.1, 8, 200), torch.zeros(200, dtype=torch.long)))


class Asked:
    """An encoder asked about values of one gene."""

    def __init__(self, encoder):
        self.encoder = encoder

    def __call__(self, values_t, state_t=None):
        return self.encoder(values_t, state_t, torch.zeros(len(values_t), dtype=torch.long))

    def __getattr__(self, name):
        return getattr(self.encoder, name)


def test_shape_and_type(encoder):
    out = encoder(VALUES)
    assert out.shape == (6, WIDTH) and out.dtype == torch.float32 and out.isfinite().all()


def test_says_what_it_is(encoder):
    assert encoder.name and encoder.reference and encoder.encoder.__doc__


def test_same_seed_same_vectors(encoder):
    assert torch.equal(made(encoder.name)(VALUES, STATES), encoder(VALUES, STATES))


def test_a_vector_depends_on_its_own_value_only(encoder):
    whole = encoder(VALUES)
    order = torch.tensor([5, 0, 3, 1, 4, 2])
    torch.testing.assert_close(encoder(VALUES[order]), whole[order], atol=1e-6, rtol=1e-5)
    for i in range(len(VALUES)):
        torch.testing.assert_close(encoder(VALUES[i : i + 1])[0], whole[i], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(whole[2], whole[3], atol=1e-6, rtol=1e-5)


def test_different_values_have_different_vectors(encoder):
    out = encoder(VALUES[[0, 1, 2, 4, 5]])
    assert torch.cdist(out, out).add(torch.eye(5)).min() > 1e-4


def test_every_state_has_its_own_vector_whatever_the_value(encoder):
    out = encoder(VALUES, STATES)
    assert torch.equal(out, encoder(torch.where(STATES == State.OBSERVED, VALUES, 123.0), STATES))
    others = (State.ZERO, State.HIDDEN, State.NOT_MEASURED, State.PAD)
    for i, state in enumerate(others, 1):
        assert torch.equal(out[i], encoder.constant(state))
    own = torch.stack([encoder.constant(s) for s in others] + [encoder(torch.zeros(1))[0]])
    assert torch.cdist(own, own).add(torch.eye(5)).min() > 1e-3
    torch.testing.assert_close(out[[0, 5]], encoder(VALUES[[0, 5]]))


def test_gradients_reach_all_that_was_used(encoder):
    encoder(torch.linspace(0.1, 8, 200), torch.arange(200) % len(State)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    used = [int(s) for s in State if s != State.OBSERVED]
    assert (encoder.special.weight.grad[used].abs().sum(1) > 0).all()


def test_no_values(encoder):
    assert encoder(torch.zeros(0)).shape == (0, WIDTH)
    assert encoder(torch.zeros(2), torch.tensor([State.PAD, State.ZERO])).shape == (2, WIDTH)


def test_what_was_fitted_is_saved(encoder):
    other = Asked(new(encoder.name))
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(VALUES, STATES), encoder(VALUES, STATES))


def test_bfloat16(encoder):
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(VALUES, STATES)
    whole = encoder(VALUES, STATES)
    assert (half.float() - whole).norm() < 2e-2 * whole.norm()
