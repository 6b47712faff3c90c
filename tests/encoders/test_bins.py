"""Hard bins with borders worked out by hand."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.encoders.bins import Bins, quantile_edges


def test_borders_by_hand():
    values = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])  # quartiles of 1..5
    assert quantile_edges(values, 4).tolist() == [2.0, 3.0, 4.0]
    encoder = Bins(3, n_bins=4).fit(values)
    # A value on a border belongs to the bin below it.
    assert encoder.bin(torch.tensor([0.0, 2.0, 2.1, 3.0, 3.5, 4.0, 4.1, 99.0])).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(encoder(torch.tensor([2.1])), encoder.table.weight[1:2])


@settings(deadline=None)
@given(st.lists(st.floats(0.125, 9, width=32), min_size=2, max_size=60), st.integers(2, 12))
def test_borders_are_those_of_numpy(values, n_bins):
    expected = np.quantile(np.array(values, np.float64), np.arange(1, n_bins) / n_bins)
    np.testing.assert_allclose(quantile_edges(torch.tensor(values), n_bins), expected, rtol=1e-5)


def test_bins_hold_equally_many_training_values():
    values = torch.rand(10_000, generator=torch.Generator().manual_seed(0)) ** 3
    share = torch.bincount(Bins(3, n_bins=10).fit(values).bin(values), minlength=10) / 10_000
    assert (share - 0.1).abs().max() < 1e-3


def test_many_values_are_thinned_before_the_quantiles():
    values = torch.arange(3_000_001.0)
    quarters = torch.tensor([750_000.0, 1_500_000.0, 2_250_000.0])
    torch.testing.assert_close(quantile_edges(values, 4), quarters, rtol=1e-4, atol=0)


def test_before_a_fit_the_borders_cover_usual_values():
    assert Bins(3, n_bins=9).bin(torch.tensor([0.5, 1.5, 7.5])).tolist() == [0, 1, 8]
