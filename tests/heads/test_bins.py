"""Bins of a head: zero apart, mean and spread of the centres."""

from __future__ import annotations

import math

import pytest
import torch

from exval.heads.bins import BinHead


@pytest.fixture
def head():
    return BinHead(2, 4, n_bins=4).fit(torch.arange(8) % 4, torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))


def test_borders_and_centres_by_hand(head):
    # The six non-zero values 1..6 in three bins: borders at their thirds, 1 + 5/3 and 1 + 10/3.
    torch.testing.assert_close(head.edges_k, torch.tensor([1 + 5 / 3, 1 + 10 / 3]))
    assert head.centres_k.tolist() == [0.0, 1.5, 3.5, 5.5]
    assert head.bin(torch.tensor([0.0, 0.1, 2.6, 2.7, 99.0])).tolist() == [0, 1, 1, 2, 3]


def test_mean_sd_and_likelihood_by_hand(head):
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]])
    logits = p.clamp(min=1e-30).log()
    mean = 0.2 * 1.5 + 0.3 * 3.5 + 0.4 * 5.5
    variance = 0.1 * mean**2 + 0.2 * (1.5 - mean) ** 2 + 0.3 * (3.5 - mean) ** 2 + 0.4 * (5.5 - mean) ** 2
    torch.testing.assert_close(head.mean(logits), torch.tensor([mean, 1.5]))
    torch.testing.assert_close(head.sd(logits), torch.tensor([math.sqrt(variance), 0.0]))
    nll = head.nll(logits, torch.tensor([4.0, 1.0]))
    torch.testing.assert_close(nll, torch.tensor([-math.log(0.3), 0.0]))


def test_only_zeros_leave_the_default(head):
    before = BinHead(2, 4, n_bins=4).centres_k
    assert torch.equal(BinHead(2, 4, n_bins=4).fit(torch.zeros(3).long(), torch.zeros(3)).centres_k, before)
