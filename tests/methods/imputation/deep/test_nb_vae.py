"""The variational autoencoder beyond the contract: sums, folding, and what its sd covers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exval.errors import InputError
from exval.methods.imputation.deep.nb_vae import NbVae, _folded

QUICK = {"epochs": 30, "warmup": 10, "batch": 32, "draws": 10}


@pytest.fixture(scope="module")
def fitted(umi):
    return NbVae(**QUICK).fit(umi.cells)


def test_values_of_all_genes_add_up_to_the_counts_of_the_cell(umi, fitted):
    told = fitted.impute(umi.cells).values_nq.sum(1)
    np.testing.assert_allclose(told, umi.cells.layers["counts"].sum(1).A1, rtol=1e-4)


def test_mean_and_sd_are_those_of_the_draws(umi, fitted):
    columns = np.array([3, 90])
    values, sd = fitted.block(columns, sd=True)
    draws = []
    for s in range(10):
        logits = fitted._logits(fitted._state_nsd[:, s]).astype(np.float64)
        share = np.exp(logits - logits.max(1, keepdims=True))
        draws.append((share / share.sum(1, keepdims=True) * fitted._library_n[:, None])[:, columns])
    np.testing.assert_allclose(values, np.mean(draws, 0), rtol=1e-3)
    np.testing.assert_allclose(sd, np.std(draws, 0, ddof=1), rtol=1e-2, atol=1e-6)


def test_a_cell_with_more_counts_is_less_uncertain(umi, fitted):
    found = fitted.impute(umi.cells, sd=True)
    relative = np.median(found.sd_nq / found.values_nq, axis=1)
    total = umi.cells.obs["exval_total"].to_numpy()
    assert relative[total > np.quantile(total, 0.8)].mean() < relative[total < np.quantile(total, 0.2)].mean()


def test_the_decoder_is_folded_into_one_layer():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU())
    for _ in range(5):
        layers(torch.randn(20, 3) * 3 + 1)
    layers.eval()
    x, arrays = torch.randn(7, 3), _folded(layers)
    told = np.maximum(x.numpy() @ arrays["decoder"] + arrays["decoder_bias"], 0)
    np.testing.assert_allclose(told, layers(x).detach(), rtol=1e-5, atol=1e-6)


def test_zero_inflation_trains_and_others_are_refused(umi):
    assert np.isfinite(NbVae(likelihood="zinb", epochs=2).fit(umi.cells).impute(umi.cells).values_nq).all()
    with pytest.raises(InputError, match="nb or zinb"):
        NbVae(likelihood="gamma").fit(umi.cells)
