"""The posterior of the low-rank Gaussian against direct conditioning with the whole covariance."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from exval.data.batch import ExpressionBatch
from exval.data.packing import all_stored
from exval.lowrank.gaussian import FactorModel, conditional
from exval.nn.posterior import FOLDS, Fitted, Posterior, fold_of

G, RANK = 12, 3


def packed_of(x_ng, fold_n=None):
    batch = ExpressionBatch.from_csr(all_stored(x_ng), n_genes=x_ng.shape[1], unit="z", implicit="missing")
    return batch if fold_n is None else replace(batch, obs={"fold": torch.as_tensor(fold_n)})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(300, RANK)) @ rng.normal(size=(RANK, G)) + 0.4 * rng.normal(size=(300, G)) + 2
    return x_ng.astype(np.float32)


@pytest.fixture(scope="module")
def fitted(data):
    fold_n = fold_of(torch.as_tensor(np.random.default_rng(1).integers(0, 2**62, len(data)))).numpy()
    return Posterior(G, RANK).fit(packed_of(data, fold_n)), fold_n


def test_conditional_mean_and_sd_by_the_whole_covariance(fitted, data):
    model = copy.deepcopy(fitted[0]).eval()
    model.spread_gr.zero_()  # loadings taken as exact
    mean, w, psi = (x.double().numpy() for x in (model.mean_g, model.loadings_gr, model.noise_g))
    cov = w @ w.T + np.diag(psi)
    shown, asked = np.array([0, 4, 7, 8]), np.array([1, 2, 11])
    x = np.full((2, G), np.nan, np.float32)
    x[:, shown] = data[:2, shown]
    q = np.full((2, G), np.nan, np.float32)
    q[:, asked] = 0.0
    pull = cov[np.ix_(asked, shown)] @ np.linalg.inv(cov[np.ix_(shown, shown)])
    expected = mean[asked] + (x[:, shown] - mean[shown]) @ pull.T
    variance = cov[np.ix_(asked, asked)] - pull @ cov[np.ix_(shown, asked)]
    prior = model.prior(*model.distribution(packed_of(x)), packed_of(q))
    np.testing.assert_allclose(prior.mean_q.view(2, -1), expected, atol=1e-4)
    np.testing.assert_allclose(prior.sd_q.view(2, -1), np.sqrt(np.diag(variance))[None].repeat(2, 0), atol=1e-4)


def test_the_same_answers_as_the_method_ppca_gives(fitted, data):
    """The errors of the loadings included, by the other implementation of the same equations."""
    model = fitted[0].eval()
    known = FactorModel(*(getattr(model, name).double().numpy() for name in Fitted._fields))
    assert (known.loading_var_gr > 0).all()
    x = data[:6].copy()
    x[np.random.default_rng(3).random(x.shape) < 0.5] = np.nan
    mean, signal = conditional(known, x.astype(float), variance=True)
    prior = model.prior(*model.distribution(packed_of(x)), packed_of(data[:6]))
    np.testing.assert_allclose(prior.mean_q.view(6, G), mean, atol=1e-4)
    np.testing.assert_allclose(prior.sd_q.view(6, G), np.sqrt(signal + known.noise_g), atol=1e-4)


def test_nothing_shown_is_the_prior(fitted):
    model = fitted[0].eval()
    mean_nr, cov_nrr = model.distribution(packed_of(np.full((1, G), np.nan, np.float32)))
    assert (mean_nr == 0).all()
    torch.testing.assert_close(cov_nrr[0], torch.eye(RANK))


def test_a_training_sample_is_asked_of_factors_fitted_without_it(fitted, data):
    """Another value of a sample must not change what training tells of it: it shaped none of its factors."""
    model, fold_n = fitted
    assert set(fold_n) == set(range(1, FOLDS + 1)) and np.bincount(fold_n)[1:].min() > 30
    shifted = data.copy()
    shifted[fold_n == 2] += np.random.default_rng(5).normal(size=(int((fold_n == 2).sum()), G)).astype(np.float32) * 3
    other = Posterior(G, RANK).fit(packed_of(shifted, fold_n))
    own, bare = packed_of(data[fold_n == 2], fold_n[fold_n == 2]), packed_of(data[fold_n == 2])
    # Turned differently, but what is expected of a gene does not depend on how factors are turned.
    for one, two in zip(*((m.prior(*m.distribution(own), own)) for m in (model, other))):
        torch.testing.assert_close(one, two, atol=2e-3, rtol=2e-3)
    whole = [m.prior(*m.distribution(bare), bare).mean_q for m in (model, other)]
    assert (whole[0] - whole[1]).abs().max() > 0.05


def test_folds_lie_on_the_whole(fitted, data):
    model, fold_n = fitted
    a, b = model.scores(packed_of(data, fold_n)), model.scores(packed_of(data))
    for r in range(RANK):
        assert np.corrcoef(a[:, r], b[:, r])[0, 1] > 0.95


def test_refit_keeps_the_direction_of_the_scores(fitted, data):
    model, fold_n = fitted
    batch = packed_of(data[:200])
    first = Posterior(G, RANK).fit(batch).eval()
    before = first.scores(batch)
    after = first.refit(packed_of(data)).scores(batch)
    for r in range(RANK):
        assert np.corrcoef(before[:, r], after[:, r])[0, 1] > 0.95
    np.testing.assert_allclose(first.noise_g, model.noise_g, rtol=0.05)


def test_genes_that_nobody_has_tell_nothing(data):
    x = data.copy()
    x[:, 5] = np.nan
    model = Posterior(G, RANK).fit(packed_of(x)).eval()
    assert (model.loadings_gr[5] == 0).all() and model.noise_g[5] == 1
    given = packed_of(data[:3])
    without = packed_of(x[:3])
    torch.testing.assert_close(model.scores(given), model.scores(without))


def test_leading_factors_alone_are_a_model_of_its_own(fitted, data):
    """What the others explain counts as noise: the answers are those of the truncated model."""
    from exval.lowrank.gaussian import posterior

    model = fitted[0]
    whole = FactorModel(*(getattr(model, name).double().numpy() for name in Fitted._fields))
    noise_g = whole.noise_g + (whole.loadings_gr[:, 2:] ** 2).sum(1) + whole.loading_var_gr[:, 2:].sum(1)
    short = FactorModel(whole.mean_g, whole.loadings_gr[:, :2], noise_g, whole.loading_var_gr[:, :2])
    x = data[:4].copy()
    x[:, 3:9] = np.nan
    mean_nr, cov_nrr = model.distribution(packed_of(x), keep=2)
    expected = posterior(short, x.astype(float))
    np.testing.assert_allclose(mean_nr, expected.mean_nr, atol=1e-4)
    np.testing.assert_allclose(cov_nrr, expected.cov_nrr, atol=1e-4)


def test_tables_of_the_folds_come_back(fitted, data):
    model, fold_n = fitted
    batch = packed_of(data, fold_n)
    bare = Posterior(G, RANK)
    bare.load_state_dict(model.state_dict())
    assert bare.model_n(batch) is None
    torch.testing.assert_close(bare.with_tables(**model.tables()).scores(batch), model.scores(batch))
