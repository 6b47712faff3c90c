"""The training loop: what it stops for, what it keeps, and that it leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from exval.errors import DivergedError
from exval.methods.imputation.deep.loop import Plan, Player, Rows, batches, make_optimiser, seeded, train

CPU = torch.device("cpu")


def line(n: int = 12):
    """A line through points on y = 3 x."""
    net = torch.nn.Linear(1, 1)
    x = torch.linspace(-1, 1, n)[:, None]
    return Player("line", net, lambda rows: ((net(x[rows]) - 3 * x[rows]) ** 2).mean())


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_it_finds_the_least_squares_line(optimiser):
    with seeded(0, CPU):
        player = line()
        history = train(player, 12, Plan(400, 4, 0.02, optimiser))
    assert float(player.net.weight.detach()) == pytest.approx(3, abs=0.05)
    assert len(history.train) == 400 == history.kept and history.train[-1] < 1e-2 * history.train[0]
    assert not player.net.training


def test_same_seed_same_bits_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    want = torch.rand(3)
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        with seeded(1, CPU):
            player = line()
            train(player, 12, Plan(5, 4), seed=1)
        weights.append(player.net.weight.detach().clone())
        assert torch.equal(torch.rand(3), want)
    assert torch.equal(*weights)


def test_nan_stops_it_and_names_the_step_and_the_network():
    calls = []

    def loss(rows):
        calls.append(rows)
        return net.weight.sum() * (float("nan") if len(calls) == 5 else 1.0)

    net = torch.nn.Linear(1, 1)
    with pytest.raises(DivergedError, match=r"loss of the generator is nan at step 5 \(epoch 2\)"):
        train(Player("generator", net, loss), 12, Plan(3, 4))


class _BrokenGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sum()

    @staticmethod
    def backward(ctx, grad):
        return torch.full((1, 1), float("nan"))


def test_weights_that_ran_away_at_the_last_step_are_refused():
    net = torch.nn.Linear(1, 1)
    with pytest.raises(DivergedError, match="weight of the line is not finite after step 1"):
        train(Player("line", net, lambda rows: _BrokenGradient.apply(net.weight)), 4, Plan(1, 4))


def test_it_stops_when_held_out_rows_get_worse_and_keeps_the_best_weights():
    net = torch.nn.Linear(1, 1)
    seen = {"epoch": 0, "best": None}

    def note(epoch):
        seen["epoch"] = epoch
        if epoch == 4:  # the weights after three epochs are those to keep
            seen["best"] = net.weight.detach().clone()

    def loss(rows):
        if net.training:
            return net.weight.sum() + net.bias.sum()
        return net.weight.sum() * 0 + abs(seen["epoch"] - 3)

    history = train(Player("net", net, loss), 20, Plan(50, 8, valid_share=0.2, patience=4), each_epoch=note)
    assert history.kept == 3 and len(history.train) == 7
    assert torch.equal(net.weight.detach(), seen["best"])


def test_the_learning_rate_falls_by_milestones_and_on_a_plateau():
    def run(plan):
        net = torch.nn.Linear(1, 1)
        before = []

        def loss(rows):
            if net.training:
                before.append(float(net.bias.detach()))
                return net.weight.sum() * 0 + net.bias.sum()  # a constant gradient: Adam's step is the learning rate
            return net.weight.sum() * 0 + 1.0

        train(Player("net", net, loss), 10, plan)
        return -np.diff(before)

    steps = run(Plan(8, 16, 0.01, milestones=(0.5,)))
    np.testing.assert_allclose(steps, [0.01] * 4 + [0.001] * 3, rtol=0.02)
    steps = run(Plan(6, 16, 0.01, valid_share=0.2, lr_patience=2))
    np.testing.assert_allclose(steps, [0.01] * 3 + [0.001] * 2, rtol=0.02)


def test_it_stops_when_the_loss_has_settled():
    net = torch.nn.Linear(1, 1)
    history = train(Player("net", net, lambda rows: net.weight.sum() * 0 + 1.0), 8, Plan(50, 4, tolerance=1e-4))
    assert len(history.train) == 2


def test_two_players_move_in_turn_on_the_same_rows():
    a, b, moves = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), []

    def of(name, net):
        def loss(rows):
            moves.append((name, tuple(rows)))
            return net.weight.sum()

        return Player(name, net, loss)

    train([of("a", a), of("b", b)], 8, Plan(1, 4))
    assert [name for name, _ in moves] == ["a", "b", "a", "b"]
    assert moves[0][1] == moves[1][1] and set(moves[0][1]) | set(moves[2][1]) == set(range(8))


@pytest.mark.parametrize(("n", "size"), [(2, 32), (3, 2), (33, 32), (100, 7), (1, 4)])
def test_no_batch_is_a_single_row(n, size):
    parts = batches(np.arange(n), size)
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert min(map(len, parts)) >= min(n, 2) and max(map(len, parts)) <= max(size, 3)


def test_gradients_are_clipped():
    def weight_after(plan):
        net = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(net.weight)
        train(Player("net", net, lambda rows: 1e6 * (net.weight - 1).square().sum()), 4, plan)
        return float(net.weight.detach())

    # RMSprop divides by the root of its running square: a clipped first step is as long, a later one remembers less
    assert weight_after(Plan(1, 4, 0.1, "rmsprop", clip_value=1.0)) == pytest.approx(0.1 / np.sqrt(0.1), rel=1e-3)
    assert weight_after(Plan(1, 4, 0.1, "rmsprop", eps=1.0, clip_norm=1.0)) == pytest.approx(
        0.1 / (np.sqrt(0.1) + 1), rel=1e-3
    )


def test_rows_are_made_dense_or_packed():
    x = sparse.random(7, 5, 0.4, format="csr", random_state=0, dtype=np.float32)
    rows, part = Rows(x, CPU), np.array([4, 0, 6])
    np.testing.assert_array_equal(rows.dense(part), x[part].toarray())
    packed, dense = rows.packed(part), torch.zeros(3, 5)
    dense[packed.row_t, packed.column_t] = packed.value_t
    np.testing.assert_array_equal(dense, x[part].toarray())


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="no optimiser"):
        make_optimiser(torch.nn.Linear(1, 1), Plan(1, optimiser="sgd"))
