"""Per-gene standardisation on packed values: that of the methods, there and back."""

from __future__ import annotations

import numpy as np
import torch

from exval.data.batch import ExpressionBatch
from exval.data.packing import all_stored
from exval.data.scaling import LIMIT, fit_scaling
from exval.nn.scale import GeneScale


def fitted(x_ng):
    x_ng = np.asarray(x_ng, dtype=np.float32)
    batch = ExpressionBatch.from_csr(all_stored(x_ng), n_genes=x_ng.shape[1], unit="z", implicit="missing")
    return GeneScale(x_ng.shape[1]).fit(batch)


def test_the_same_scale_as_that_of_the_methods():
    x_ng = np.random.default_rng(0).normal(3, [1, 2, 5], size=(400, 3))
    x_ng[::3, 1] = np.nan
    x_ng[5, 2] = 36893.0
    known = fit_scaling(x_ng.astype(np.float32))
    scale = fitted(x_ng)
    np.testing.assert_allclose(scale.mean_g, known.mean_g, rtol=1e-5)
    np.testing.assert_allclose(scale.sd_g, known.sd_g, rtol=1e-5)
    assert scale.into(torch.tensor([36893.0]), torch.tensor([2])).item() == LIMIT


def test_there_and_back():
    scale = fitted([[1.0, -5.0], [3.0, 5.0], [2.0, 0.0]])
    values, genes = torch.tensor([2.5, -4.0]), torch.tensor([0, 1])
    back, sd = scale.out_of(scale.into(values, genes), genes, torch.ones(2))
    torch.testing.assert_close(back, values)
    assert sd.tolist() == [1.0, 5.0]


def test_a_constant_and_an_unseen_gene():
    scale = fitted([[4.0, np.nan], [4.0, np.nan]])
    assert scale.mean_g.tolist() == [4.0, 0.0] and scale.sd_g.tolist() == [1.0, 1.0]
