"""Per-gene standardisation, and what keeps one value from deciding it."""

from __future__ import annotations

import numpy as np
import torch

from exval.nn.scale import MOST, GeneScale


def test_means_and_sds_are_those_of_numpy():
    x_ng = np.random.default_rng(0).normal(3, [1, 2, 5], size=(400, 3))
    genes = torch.arange(3).repeat(400)
    scale = GeneScale(3).fit(genes, torch.as_tensor(x_ng.ravel()))
    np.testing.assert_allclose(scale.mean_g, x_ng.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scale.sd_g, x_ng.std(0), rtol=1e-5)


def test_one_extreme_value_does_not_decide_the_scale():
    values = torch.cat([torch.linspace(-2, 2, 99), torch.tensor([36893.0])])
    scale = GeneScale(1).fit(torch.zeros(100, dtype=torch.long), values)
    assert 1.0 < scale.sd_g[0] < 2.5
    assert scale.into(values, torch.zeros(100))[-1] == MOST


def test_there_and_back():
    scale = GeneScale(2).fit(torch.tensor([0, 0, 1, 1]), torch.tensor([1.0, 3.0, -5.0, 5.0]))
    values, genes = torch.tensor([2.5, -4.0]), torch.tensor([0, 1])
    back, sd = scale.out_of(scale.into(values, genes), genes, torch.ones(2))
    torch.testing.assert_close(back, values)
    assert sd.tolist() == [1.0, 5.0]


def test_a_constant_and_an_unseen_gene():
    scale = GeneScale(3).fit(torch.tensor([0, 0]), torch.tensor([4.0, 4.0]))
    assert scale.mean_g.tolist() == [4.0, 0.0, 0.0] and scale.sd_g.tolist() == [1.0, 1.0, 1.0]
