"""Probabilistic PCA against scikit-learn's covariance, its choice of the rank against plain loops, and its sd."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA

from exval.methods.imputation.base import Cells
from exval.methods.imputation.ppca import ProbabilisticPCA


def prepared(log_ng: np.ndarray, counts_ng: np.ndarray | None = None) -> anndata.AnnData:
    names = [f"g{i:04d}" for i in range(log_ng.shape[1])]
    out = anndata.AnnData(sp.csr_matrix(log_ng.astype(np.float32)), var=pd.DataFrame(index=names))
    if counts_ng is not None:
        out.layers["counts"] = sp.csr_matrix(counts_ng.astype(np.float32))
    return out


def draw(n: int = 240, g: int = 120, groups: int = 4, depth: float = 900.0, seed: int = 0):
    """Counts of cells of a few groups, and the log1p(CP10k) of their means."""
    rng = np.random.default_rng(seed)
    profile = rng.gamma(0.7, 1, g) * np.exp(rng.normal(0, 1.2, (groups, g)) * (rng.random((groups, g)) < 0.4)) + 0.02
    share_ng = (profile / profile.sum(1, keepdims=True))[rng.integers(0, groups, n)]
    counts_ng = rng.poisson(share_ng * rng.lognormal(np.log(depth), 0.3, n)[:, None])
    counts_ng[:, 0] += 1
    log_ng = np.log1p(counts_ng / counts_ng.sum(1, keepdims=True) * 1e4)
    return counts_ng, log_ng, np.log1p(share_ng * 1e4)


@pytest.mark.parametrize("n,g,rank", [(90, 30, 4), (130, 60, 3)])
def test_equals_gaussian_conditioning_with_the_covariance_of_scikit_learn(n, g, rank):
    rng = np.random.default_rng(n)
    x_ng = rng.gamma(1, 1, (n, 2)) @ rng.gamma(1, 1, (2, g)) + rng.gamma(1, 0.5, (n, g))
    peer = PCA(rank, svd_solver="full").fit(x_ng)
    full = peer.get_covariance()
    signal = full - peer.noise_variance_ * np.eye(g)
    gain = signal @ np.linalg.inv(full)
    want = peer.mean_ + (x_ng - peer.mean_) @ gain.T
    rest = x_ng.var(0, ddof=1) - np.diag(signal)
    leverage = np.diag((u := np.linalg.svd(x_ng - x_ng.mean(0), full_matrices=False)[0][:, :rank]) @ u.T) * (n - 1) / n
    variance = np.diag(signal - gain @ signal) + np.outer(1 / n + leverage, rest)
    method = ProbabilisticPCA(rank=rank, match_mean=False).fit(prepared(x_ng))
    got = method.impute(prepared(x_ng), sd=True)
    assert method.noise_ == pytest.approx(peer.noise_variance_, rel=1e-4)
    np.testing.assert_allclose(got.values_nq, np.maximum(want, 0), atol=1e-4)
    np.testing.assert_allclose(got.sd_nq, np.sqrt(variance), rtol=1e-3)


def test_losses_of_ranks_equal_a_plain_computation():
    counts_ng, log_ng, _ = draw(60, 25)
    cells = prepared(log_ng, counts_ng)
    method = ProbabilisticPCA(max_rank=6, seed=3).fit(cells)
    counts = cells.layers["counts"]
    drawn = counts.copy()
    rng = np.random.default_rng(3)
    rng.permutation(60)
    drawn.data = rng.binomial(counts.data.astype(int), 0.9).astype(float)
    total = counts_ng.sum(1)[:, None]
    fit_ng = np.log1p(drawn.toarray() / total / 0.9 * 1e4)
    judge_ng = np.log1p((counts_ng - drawn.toarray()) / total / 0.1 * 1e4)
    judge_ng = judge_ng - judge_ng.mean(0)
    for rank in (1, 3, 6):
        model = PCA(rank, svd_solver="full").fit(fit_ng)
        told_ng = model.inverse_transform(
            model.transform(fit_ng) * (1 - model.noise_variance_ / model.explained_variance_)
        )
        left = 0.0
        for g in range(25):
            a, b = told_ng[:, g] - told_ng[:, g].mean(), judge_ng[:, g]
            slope = a @ b / (a @ a) if a @ a > 1e-9 else 0.0
            left += ((b - slope * a) ** 2).sum()
        assert method.losses_[rank] == pytest.approx(left / (judge_ng**2).sum(), rel=1e-4)
    assert method.rank_ == min(method.losses_, key=method.losses_.get)


def test_losses_of_hidden_genes_equal_gaussian_conditioning():
    _, log_ng, _ = draw(80, 25)
    x_ng = sp.csr_matrix(log_ng.astype(np.float32))
    losses = ProbabilisticPCA(seed=5)._by_genes(x_ng, 10)
    rng = np.random.default_rng(5)
    order = rng.permutation(80)
    test_ng, fit_ng = log_ng[np.sort(order[:13])], log_ng[np.sort(order[13:])]
    fold_g = rng.permutation(np.arange(25) % 5)
    for rank in (1, 4):
        model = PCA(rank, svd_solver="full").fit(fit_ng)
        full, error = model.get_covariance(), 0.0
        for fold in range(5):
            hidden, seen = fold_g == fold, fold_g != fold
            gain = full[np.ix_(hidden, seen)] @ np.linalg.inv(full[np.ix_(seen, seen)])
            told = model.mean_[hidden] + (test_ng - model.mean_)[:, seen] @ gain.T
            error += ((test_ng[:, hidden] - told) ** 2).sum()
        assert losses[rank] == pytest.approx(error / test_ng.size, rel=1e-4)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_rank_is_near_that_of_the_groups(counted, seed):
    counts_ng, log_ng, _ = draw(groups=4, seed=seed)
    method = ProbabilisticPCA().fit(prepared(log_ng, counts_ng if counted else None))
    assert 3 <= method.rank_ <= 5  # four groups: three differences, and what depth does to logs


def test_nearer_to_the_truth_than_the_measured_and_the_mean():
    counts_ng, log_ng, truth_ng = draw()
    told = ProbabilisticPCA().fit(prepared(log_ng, counts_ng)).impute(prepared(log_ng)).values_nq
    error, nothing, mean = (((x - truth_ng) ** 2).mean() for x in (told, log_ng, log_ng.mean(0)))
    assert error < 0.5 * mean and error < 0.5 * nothing


def test_sd_covers_the_denoised_mean_where_the_model_holds():
    rng = np.random.default_rng(7)
    clean = 5 + rng.standard_normal((800, 3)) @ rng.normal(0, 1, (3, 60)) * 0.7
    x_ng = np.maximum(clean + 0.8 * rng.standard_normal(clean.shape), 0.01)
    method = ProbabilisticPCA(rank=3, match_mean=False).fit(prepared(x_ng))
    got = method.impute(prepared(x_ng), sd=True)
    for z, share in ((0.674, 0.5), (1.282, 0.8), (1.96, 0.95)):
        assert (np.abs(got.values_nq - clean) < z * got.sd_nq).mean() == pytest.approx(share, abs=0.02)


def test_every_gene_keeps_its_mean_and_the_sd_follows():
    counts_ng, log_ng, truth_ng = draw(depth=300)
    cells = prepared(log_ng, counts_ng)
    matched, plain = (ProbabilisticPCA(match_mean=m).fit(cells).impute(cells, sd=True) for m in (True, False))
    measured = np.expm1(log_ng).mean(0)
    told = matched.to("cp10k").values_nq.mean(0)
    np.testing.assert_allclose(told[measured > 0], measured[measured > 0], rtol=1e-3)
    there = measured > 0
    step = 1e-3
    factor = ProbabilisticPCA(match_mean=True).fit(cells).factor_
    moved = np.log1p(factor * np.expm1(plain.values_nq[:, there] + step))
    slope = (moved - matched.values_nq[:, there]) / step
    np.testing.assert_allclose(matched.sd_nq[:, there], plain.sd_nq[:, there] * slope, rtol=0.02, atol=1e-3)
    errors = [np.sqrt(((got.values_nq - truth_ng) ** 2).mean()) for got in (matched, plain)]
    assert errors[0] < 0.7 * errors[1]  # shallow cells: means of logs are far too low


def test_fractions_of_counts_are_not_split():
    """Corrected counts are no molecules: the rank then comes from hidden genes, as for log values."""
    counts_ng, log_ng, _ = draw()
    a = ProbabilisticPCA().fit(prepared(log_ng, counts_ng * 0.7))
    b = ProbabilisticPCA().fit(prepared(log_ng))
    assert a.losses_ == b.losses_


@pytest.mark.parametrize("rows", ["equal", "two", "duplicates", "one gene"])
def test_hardly_any_data(rows):
    counts_ng, log_ng, _ = draw(30, 8)
    keep = {"equal": np.zeros(20, int), "two": np.arange(2), "duplicates": np.repeat(np.arange(9), 3)}.get(
        rows, np.arange(30)
    )
    x_ng = log_ng[keep][:, :1] if rows == "one gene" else log_ng[keep]
    got = ProbabilisticPCA().fit(prepared(x_ng)).impute(prepared(x_ng), sd=True)
    assert np.isfinite(got.values_nq).all() and np.isfinite(got.sd_nq).all()
    if rows == "equal":
        np.testing.assert_allclose(got.values_nq, x_ng, rtol=1e-5)


def test_cells_beyond_n_check_are_imputed_all_the_same():
    counts_ng, log_ng, _ = draw(100, 30)
    cells = prepared(log_ng, counts_ng)
    assert ProbabilisticPCA(n_check=40).fit(cells).impute(cells).values_nq.shape == (100, 30)
    assert isinstance(ProbabilisticPCA(n_check=40)._cells(cells, None), Cells)
