"""Classes by their Gaussians, against the density of the shown genes written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from exval.data.batch import ExpressionBatch
from exval.data.packing import all_stored
from exval.nn.class_gaussians import WEIGHT, ClassGaussians
from exval.nn.posterior import FOLDS, Posterior

G, RANK, C = 10, 3, 3


def packed_of(x_ng, **obs):
    batch = ExpressionBatch.from_csr(all_stored(x_ng), n_genes=x_ng.shape[1], unit="z", implicit="missing")
    return replace(batch, obs={name: torch.as_tensor(x) for name, x in obs.items()})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    label_n = rng.integers(0, C, 240)
    z_nr = rng.normal(size=(240, RANK)) * np.array([[0.3, 1, 1], [1, 1, 0.4], [1, 0.5, 1]])[label_n] + label_n[:, None]
    x_ng = z_nr @ rng.normal(size=(RANK, G)) + 0.5 * rng.normal(size=(240, G))
    return x_ng.astype(np.float32), label_n


@pytest.fixture(scope="module")
def fitted(data):
    x_ng, label_n = data
    factors = Posterior(G, RANK).fit(packed_of(x_ng)).eval()
    factors.spread_gr.zero_()  # loadings taken as exact
    return factors, ClassGaussians(C, RANK).fit(factors, packed_of(x_ng), torch.as_tensor(label_n))


def expected(factors, classes, x, shown, own):
    """log p(c) + log N(x_v; mu_v + W_v m_c, W_v S W_v' + Psi_v), by scipy."""
    mean, w, psi = (t.double().numpy() for t in (factors.mean_g, factors.loadings_gr, factors.noise_g))
    out = []
    for c in range(C):
        cov = classes.cov_ckk[c if own else -1].numpy()
        normal = multivariate_normal(
            mean[shown] + w[shown] @ classes.mean_ck[c].numpy(), w[shown] @ cov @ w[shown].T + np.diag(psi[shown])
        )
        out.append(classes.log_prior_c[c].item() + normal.logpdf(x[:, shown]))
    out = np.stack(out, 1)
    return out - out.mean(1, keepdims=True)


@pytest.mark.parametrize("own", [False, True])
@torch.no_grad()
def test_density_of_the_shown_genes(fitted, data, own):
    factors, classes = fitted
    shown = [1, 4, 5, 9]
    x = np.full((20, G), np.nan, np.float32)
    x[:, shown] = data[0][:20, shown]
    before = classes.crossing.item()
    classes.crossing.fill_(40.0 if own else -40.0)
    found = classes(factors, packed_of(x)).double().numpy()
    classes.crossing.fill_(before)
    found = found - found.mean(1, keepdims=True)
    np.testing.assert_allclose(found, expected(factors, classes, data[0][:20], shown, own), atol=2e-4)


def test_moments_are_those_of_the_law_of_total_variance(fitted, data):
    factors, classes = fitted
    x_ng, label_n = data
    mean_nr, cov_nrr = (t.double().numpy() for t in factors.distribution(packed_of(x_ng)))
    own = [label_n == c for c in range(C)]
    scatter = [np.cov(mean_nr[c].T, bias=True) + cov_nrr[c].mean(0) for c in own]
    common = sum(s * c.mean() for s, c in zip(scatter, own))
    for c in range(C):
        weight = own[c].sum() / (own[c].sum() + WEIGHT)
        np.testing.assert_allclose(classes.mean_ck[c], mean_nr[own[c]].mean(0), atol=1e-6)
        np.testing.assert_allclose(classes.cov_ckk[c], weight * scatter[c] + (1 - weight) * common, atol=1e-5)
    np.testing.assert_allclose(classes.cov_ckk[-1], common, atol=1e-5)


@torch.no_grad()
def test_no_gene_shown_is_the_share_of_each_class(fitted, data):
    factors, classes = fitted
    logits = classes(factors, packed_of(np.full((1, G), np.nan, np.float32)))
    shares = torch.softmax(logits, 1)[0].numpy()
    np.testing.assert_allclose(shares, np.bincount(data[1]) / len(data[1]), atol=1e-5)


@torch.no_grad()
def test_a_sample_in_a_fold_is_asked_of_classes_without_it(fitted, data):
    """Labels of a fold may be shuffled: nothing changes for those in it, and something does for the others."""
    factors, _ = fitted
    x_ng, label_n = data
    fold_n = 1 + np.arange(len(x_ng)) % FOLDS
    batch = packed_of(x_ng, class_fold=fold_n)
    other_n = label_n.copy()
    other_n[fold_n == 3] = np.random.default_rng(1).permutation(other_n[fold_n == 3])
    both = [ClassGaussians(C, RANK).fit(factors, batch, torch.as_tensor(y))(factors, batch) for y in (label_n, other_n)]
    same = torch.isclose(*both, atol=1e-4).all(1).numpy()
    assert same[fold_n == 3].all() and not same[fold_n != 3].any()
    right = (both[0].argmax(1).numpy() == label_n).mean()
    assert right > 0.8


def test_a_class_that_one_fold_holds_alone_breaks_nothing(data):
    x_ng, label_n = data[0], data[1].copy()
    label_n[label_n == 2] = 1
    label_n[:2] = 2
    fold_n = np.where(label_n == 2, 1, 2 + np.arange(len(x_ng)) % 4)
    batch = packed_of(x_ng, class_fold=fold_n)
    factors = Posterior(G, RANK).fit(packed_of(x_ng)).eval()
    logits = ClassGaussians(C, RANK).fit(factors, batch, torch.as_tensor(label_n))(factors, batch)
    assert torch.isfinite(logits).all()


def test_weights_carry_it(fitted, data):
    factors, classes = fitted
    again = ClassGaussians(C, RANK)
    again.load_state_dict(classes.state_dict())
    batch = packed_of(data[0][:5])
    torch.testing.assert_close(again(factors, batch), classes(factors, batch))
