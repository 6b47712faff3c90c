"""scIDPMs beyond the contract: which zeros are dropout, the schedule, the reverse process."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from exval.methods.imputation.deep import scidpms
from exval.methods.imputation.deep.scidpms import ScIdpms, dropout_sites, signal_shares

QUICK = {"hidden": 32, "layers": 2, "steps": 8, "draws": 2, "epochs": 3}


@pytest.mark.parametrize("detected", [0.0, 0.3, 0.5])
def test_dropout_sites_are_zeros_of_genes_that_the_group_has(detected):
    x = sparse.random(40, 15, 0.4, format="csr", random_state=0)
    group_n = np.random.default_rng(0).integers(3, size=40)
    expected, sites = dropout_sites(x, group_n, detected)
    dense = x.toarray()
    for k in range(3):
        np.testing.assert_array_equal(expected[k], (dense[group_n == k] > 0).mean(0) > detected)
    np.testing.assert_array_equal(sites, ((dense == 0) & expected[group_n]).sum(0))


def test_only_dropout_sites_change(umi):
    method = ScIdpms(**QUICK).fit(umi.cells, "kind")
    kind_n = umi.cells.obs["kind"].to_numpy().astype(int)
    np.testing.assert_array_equal(method.group_n_, kind_n)
    x, told = umi.cells.X.toarray(), method.impute(umi.cells).values_nq
    site = (x == 0) & dropout_sites(umi.cells.X, kind_n, 0.5)[0][kind_n]
    assert method.n_sites_ == site.sum() > 100
    np.testing.assert_array_equal(told[~site], x[~site])
    assert (told[site] <= np.broadcast_to(x.max(0), x.shape)[site] + 1e-5).all() and (told[site] > 0).mean() > 0.5


def test_as_published_one_cell_makes_a_zero_dropout(umi):
    method = ScIdpms(**{**QUICK, "detected": 0.0}).fit(umi.cells, "kind")
    assert method.n_sites_ > ScIdpms(**QUICK).fit(umi.cells, "kind").n_sites_


def test_without_dropout_sites_nothing_happens(umi):
    method = ScIdpms(**{**QUICK, "detected": 1.0}).fit(umi.cells)
    np.testing.assert_array_equal(method.impute(umi.cells).values_nq, umi.cells.X.toarray())


def test_the_schedule_is_quadratic():
    share = signal_shares(50, 1e-4, 0.5).numpy()
    beta = 1 - share / np.concatenate([[1], share[:-1]])
    np.testing.assert_allclose(np.sqrt(beta), np.linspace(0.01, np.sqrt(0.5), 50), rtol=2e-3)


def test_the_reverse_process_ends_at_the_value_that_the_network_is_sure_of(monkeypatch):
    value, share = torch.tensor([[1.5, -0.3]]), signal_shares(20, 1e-4, 0.5)

    def sure(net, context, noisy, asked, step):
        a = share[step]
        noise = (noisy - a.sqrt() * value) / (1 - a).sqrt()
        return a.sqrt() * noise - (1 - a).sqrt() * value

    monkeypatch.setattr(scidpms, "_denoise", sure)
    torch.testing.assert_close(scidpms._sample(None, None, torch.ones(1, 2), share), value, atol=1e-3, rtol=0)


def test_the_reverse_process_draws_what_is_normal_when_nothing_is_known(monkeypatch):
    """For values that are standard normal the best guess of the mixture is zero."""
    monkeypatch.setattr(scidpms, "_denoise", lambda net, context, noisy, asked, step: torch.zeros_like(noisy))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = scidpms._sample(None, None, torch.ones(200, 200), signal_shares(300, 1e-4, 0.5))
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02) and float(drawn.std()) == pytest.approx(1, abs=0.05)


def test_a_denoiser_does_not_see_noise_that_is_not_asked_for(umi):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = scidpms._network(6, 16, 2, 10)
        torch.nn.init.normal_(net["last"][2].weight)
        context = scidpms._condition(net, torch.randn(4, 6), torch.rand(4, 6) < 0.5)
        noisy, asked, step = torch.randn(4, 6), torch.rand(4, 6) < 0.5, torch.tensor([3])
        other = torch.where(asked, noisy, torch.randn(4, 6))
        a, b = (scidpms._denoise(net, context, x, asked, step) for x in (noisy, other))
    torch.testing.assert_close(a[asked], b[asked])
