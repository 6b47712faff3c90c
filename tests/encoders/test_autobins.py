"""Auto-discretisation against its formula in numpy."""

from __future__ import annotations

import numpy as np
import torch

from exval.encoders.autobins import AutoBins

VALUES = np.array([0.1, 0.9, 2.5, 7.0])


def by_hand(encoder, values):
    w1, c1 = encoder.first.weight.detach().numpy()[:, 0], encoder.first.bias.detach().numpy()
    w2, c2 = encoder.second.weight.detach().numpy(), encoder.second.bias.detach().numpy()
    out = []
    for value in values:
        v1 = w1 * value + c1
        v2 = np.where(v1 > 0, v1, 0.1 * v1)
        v3 = w2 @ v2 + c2 + encoder.alpha * v2
        weight = np.exp(v3 - v3.max())
        out.append((weight / weight.sum()) @ encoder.table_kd.detach().numpy())
    return np.stack(out)


def test_the_formula():
    for alpha in (1.0, 0.3, 0.0):
        torch.manual_seed(0)
        encoder = AutoBins(5, n_bins=7, alpha=alpha)
        ours = encoder(torch.tensor(VALUES, dtype=torch.float)).detach().numpy()
        np.testing.assert_allclose(ours, by_hand(encoder, VALUES), rtol=1e-5, atol=1e-7)


def test_as_published_there_are_a_hundred_bins_and_no_temperature():
    encoder = AutoBins(8)
    assert encoder.table_kd.shape == (100, 8) and encoder.second.weight.shape == (100, 100) and encoder.alpha == 1.0
    assert {name.split(".")[0] for name, _ in encoder.named_parameters()} == {"special", "first", "second", "table_kd"}


def test_weights_are_shares():
    torch.manual_seed(0)
    weights = AutoBins(4, n_bins=6).weights(torch.tensor(VALUES))
    assert (weights > 0).all() and torch.allclose(weights.sum(1), torch.ones(4))
