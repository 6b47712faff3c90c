"""Steps over all rows: pieces do not matter, the rate falls in stairs, the best weights are kept."""

from __future__ import annotations

import copy

import pytest
import torch

from exval.errors import DivergedError
from exval.fields.all_rows import Training
from exval.models.gene_code_siren import GeneCodeSiren


@pytest.fixture
def rows():
    torch.manual_seed(0)
    return torch.rand(40, 5), torch.rand(40), GeneCodeSiren(5, width=8, layers=1, omega=3.0)


def test_pieces_do_not_change_the_step(rows):
    x, y, model = rows
    other = copy.deepcopy(model)
    whole, pieces = Training(model, [(x, y)], 1e-2), Training(other, [(x[:7], y[:7]), (x[7:], y[7:])], 1e-2)
    for _ in range(5):
        whole.advance()
        pieces.advance()
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-5)
    for a, b in zip(model.parameters(), other.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_step_is_that_of_adam_on_the_mean_squared_error(rows):
    x, y, model = rows
    other = copy.deepcopy(model)
    training, optimiser = Training(model, [(x, y)], 1e-2), torch.optim.Adam(other.parameters(), lr=1e-2)
    for _ in range(3):
        loss = (other(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.advance()
        assert training.loss == pytest.approx(loss.item(), rel=1e-5)
    for a, b in zip(model.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


def test_the_rate_falls_by_a_tenth_every_thousand_steps(rows):
    x, y, model = rows
    training = Training(model, [(x[:2], y[:2])], 1e-3)
    rates = []
    for _ in range(2001):
        rates.append(training.optimiser.param_groups[0]["lr"])
        training.advance()
    assert rates[999] == 1e-3 and rates[1000] == pytest.approx(9e-4) and rates[2000] == pytest.approx(8.1e-4)


def test_the_weights_of_the_lowest_loss_are_kept(rows):
    x, y, model = rows
    training, losses = Training(model, [(x, y)], 1.0), []  # a rate at which the loss jumps
    for _ in range(40):
        training.advance()
        losses.append(training.loss)
    assert training.best_step == losses.index(min(losses)) < 39
    before = [p.detach().clone() for p in model.parameters()]
    with training.kept():
        assert (model(x) - y).square().mean().item() == pytest.approx(min(losses), rel=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    training.finish()
    assert (model(x) - y).square().mean().item() == pytest.approx(min(losses), rel=1e-5)


def test_a_loss_that_is_no_number_ends_it(rows):
    x, y, model = rows
    training = Training(model, [(x, y)], 1e25)
    with pytest.raises(DivergedError, match="diverged at step"):
        for _ in range(5):
            training.advance()
