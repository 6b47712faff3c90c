"""Scores on principal components: PCA where everything is shown, the masked formula where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.decomposition import PCA

from exval.nn.factors import Factors
from exval.rng import Draw
from exval.visibility import Masking, to_log1p
from packs import batches, packed

RANK = 4


@pytest.fixture(scope="module")
def fitted():
    batch = to_log1p(packed(80, 30, density=0.4, seed=1))
    return batch, Factors(30, RANK).fit(batch), PCA(RANK).fit(batch.dense().numpy())


def test_scores_of_whole_samples_are_those_of_scikit_learn(fitted):
    batch, factors, pca = fitted
    nothing = batch.keep(torch.zeros(len(batch.genes_t), dtype=torch.bool))
    expected = pca.transform(batch.dense().numpy()) / np.sqrt(pca.explained_variance_)
    sign = np.sign((pca.components_ * factors.loadings_gr.numpy().T).sum(1))
    np.testing.assert_allclose(factors.scores(batch, nothing), expected * sign, atol=1e-4)


def dense_scores(factors, x_ng, known_ng):
    """The formula of the docstring over dense matrices; ``known_ng`` says what is shown or an observed zero."""
    loadings, mean = factors.loadings_gr.double(), factors.mean_g.double()
    above = ((x_ng - mean) * known_ng) @ loadings
    below = known_ng @ loadings.square()
    return above / below.clamp(min=0.05) / factors.sd_r


@settings(max_examples=25, deadline=None)
@given(batch=batches())
def test_scores_with_hidden_genes_equal_the_dense_formula(batch):
    torch.manual_seed(0)
    factors = Factors(batch.n_genes, 3)
    rank = min(3, batch.n_genes)
    factors.loadings_gr[:, :rank] = torch.linalg.qr(torch.randn(batch.n_genes, batch.n_genes))[0][:, :rank]
    factors.mean_g.copy_(torch.rand(batch.n_genes))
    factors.sd_r.copy_(1 + torch.rand(3))
    split = Masking(nonzeros=0.4, zeros=0.3).split(batch, Draw(0))
    known = torch.zeros(batch.n, batch.n_genes, dtype=torch.double)
    for i in range(batch.n):
        known[i, batch.panels[int(batch.panel_n[i])]] = 1
    known[split.hidden.sample_t, split.hidden.genes_t.long()] = 0
    expected = dense_scores(factors, split.shown.dense().double(), known)
    torch.testing.assert_close(factors.scores(split.shown, split.hidden).double(), expected, atol=1e-4, rtol=1e-4)


def test_hidden_values_do_not_leak_into_scores(fitted):
    batch, factors, _ = fitted
    split = Masking(nonzeros=0.5, zeros=0.1).split(batch, Draw(0))
    other = split.hidden.with_values(torch.full_like(split.hidden.values_t, 99.0), "log1p")
    assert torch.equal(factors.scores(split.shown, split.hidden), factors.scores(split.shown, other))


def test_products_sum_to_the_low_rank_answer(fitted):
    """With as many components as there can be, mean and products give back a training sample."""
    batch = to_log1p(packed(12, 10, density=0.6, seed=3))
    factors = Factors(10, 10).fit(batch)
    nothing = batch.keep(torch.zeros(len(batch.genes_t), dtype=torch.bool))
    parts = factors.products(factors.scores(batch, nothing), batch)
    assert parts.shape == (len(batch.genes_t), 11)
    torch.testing.assert_close(parts[:, :-1].sum(1), parts[:, -1])
    torch.testing.assert_close(parts[:, -1] + factors.mean_g[batch.genes_t], batch.values_t, atol=2e-3, rtol=1e-3)


def test_fewer_samples_than_components():
    batch = to_log1p(packed(3, 20, seed=5))
    factors = Factors(20, 8).fit(batch)
    nothing = batch.keep(torch.zeros(len(batch.genes_t), dtype=torch.bool))
    scores = factors.scores(batch, nothing)
    assert scores.isfinite().all() and (scores[:, 2:] == 0).all()
    assert factors.genes().isfinite().all() and factors.genes().shape == (20, 9)


def test_genes_that_were_not_measured_say_nothing():
    """Like samples, half of them measured with two thirds of the genes: no component tells the halves apart."""
    batch = to_log1p(packed(400, 30, density=0.5, seed=2, n_panels=2))
    factors = Factors(30, RANK).fit(batch)
    dense, panel_n = batch.dense().double(), batch.panel_n
    measured = torch.zeros(batch.n, 30, dtype=torch.double)
    for i in range(batch.n):
        measured[i, batch.panels[int(panel_n[i])]] = 1
    mean = dense.sum(0) / measured.sum(0)
    torch.testing.assert_close(factors.mean_g.double(), mean, atol=1e-5, rtol=1e-5)
    centred = (dense - mean) * measured
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    overlap = (vectors.flip(1)[:, :RANK].T @ factors.loadings_gr.double()).diagonal().abs()
    torch.testing.assert_close(overlap, torch.ones(RANK, dtype=torch.double), atol=1e-4, rtol=0)
    nothing = batch.keep(torch.zeros(len(batch.genes_t), dtype=torch.bool))
    scores = factors.scores(batch, nothing)
    gap = (scores[panel_n == 0].mean(0) - scores[panel_n == 1].mean(0)).abs()
    assert gap.max() < 0.2, "read as zeros, unmeasured genes put the halves 1.8 standard deviations apart"


def test_the_fit_is_saved(fitted):
    _, factors, _ = fitted
    other = Factors(30, RANK)
    other.load_state_dict(factors.state_dict())
    assert torch.equal(other.genes(), factors.genes())
