"""The continuous encoder is two linear layers with a GELU."""

from __future__ import annotations

import torch

from exval.encoders.continuous import Continuous


def test_by_hand():
    torch.manual_seed(0)
    encoder, values = Continuous(4, hidden=3), torch.tensor([0.2, 3.0])
    first, _, second = encoder.net
    inside = torch.nn.functional.gelu(values[:, None] * first.weight[:, 0] + first.bias)
    torch.testing.assert_close(encoder(values), inside @ second.weight.T + second.bias)
    assert first.weight.shape == (3, 1) and Continuous(4).net[0].weight.shape == (4, 1)
