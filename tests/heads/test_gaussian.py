"""Sds that hold what they say."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import norm

from exval.heads.gaussian import LEVELS, Gaussian


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.6])
def test_intervals_of_heavy_tailed_errors_hold_after_calibration(scale):
    torch.manual_seed(0)
    draw = torch.distributions.StudentT(5.0)
    errors = scale * draw.sample((200_000,)) / (5 / 3) ** 0.5
    head = Gaussian(width=2, n_genes=1).calibrate(errors[:100_000])
    sd_q = head.sd((torch.zeros(100_000), torch.ones(100_000)))
    for level in LEVELS:
        inside = (errors[100_000:].abs() < norm.ppf((1 + level) / 2) * sd_q).float().mean()
        assert abs(float(inside) - level) < 0.03
    if scale == 1.0:  # what the Gaussian of most likelihood says is further off
        raw = (errors.abs() < norm.ppf(0.75)).float().mean()
        assert float(raw) - 0.5 > 0.03


def test_means_and_likelihood_are_left_alone():
    head = Gaussian(width=2, n_genes=1)
    told = (torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]))
    before = head.mean(told), head.nll(told, torch.tensor([0.0, 0.0]))
    torch.manual_seed(0)
    head.calibrate(3 * torch.randn(10_000))
    torch.testing.assert_close((head.mean(told), head.nll(told, torch.tensor([0.0, 0.0]))), before)
    assert round(float(head.sd_scale), 6) == 2.0  # no further than twice
