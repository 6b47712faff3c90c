"""The completer ppca: rank and noise are found, low rank is recovered, intervals cover, real patients."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.errors import InputError
from exval.methods.completion import COMPLETERS
from exval.methods.completion.ppca import ProbabilisticPCA


def drawn(n, g=60, r=3, noise=0.5, seed=0, missing=0.0, per_gene=False):
    gene = np.random.default_rng(42)
    loadings, own = gene.normal(size=(r, g)), gene.uniform(0.1, 2.0, g) if per_gene else np.ones(g)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, r)) @ loadings + noise * own * rng.normal(size=(n, g))
    return np.where(rng.random(x.shape) < missing, np.nan, x)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_rank_is_found(missing):
    method = ProbabilisticPCA(ranks=(1, 2, 3, 5, 10, 20))
    method.learn(drawn(150, missing=missing))
    assert method.rank_ == 3
    assert method.losses_[3, method.noise_] < 1.005 * min(method.losses_.values())
    assert method.losses_[2, "gene"] > 1.3 * method.losses_[3, "gene"]


def test_the_kind_of_noise_is_found():
    for per_gene, kind in ((True, "gene"), (False, "common")):
        method = ProbabilisticPCA(rank=3)
        method.learn(drawn(60, noise=1.0, per_gene=per_gene))
        assert method.noise_ == kind


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_low_rank_data_are_recovered(missing):
    method = ProbabilisticPCA(iterations=30)
    method.learn(drawn(150, noise=1e-3, missing=missing))
    whole = drawn(50, noise=1e-3, seed=1)
    hidden = np.where(np.random.default_rng(0).random(whole.shape) < 0.5, np.nan, whole)
    error = (method.fill(hidden) - whole)[np.isnan(hidden)]
    assert np.sqrt((error**2).mean()) < 0.05 * whole.std()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_intervals_of_simulated_factors_cover(share):
    """50, 80 and 95 % intervals within 3 points, as the rank is chosen and after calibration."""
    method = ProbabilisticPCA()
    method.learn(drawn(250, g=150, r=8, per_gene=True))
    whole = drawn(250, g=150, r=8, seed=1, per_gene=True)
    hidden = np.where(np.random.default_rng(0).random(whole.shape) < share, np.nan, whole)
    values, sd = method.fill(hidden, sd=True)
    ratio = (np.abs(values - whole) / sd)[np.isnan(hidden)]
    for level, reach in ((0.5, 0.6745), (0.8, 1.2816), (0.95, 1.96)):
        assert abs((ratio < reach).mean() - level) < 0.03


def test_a_noisy_sample_is_given_wider_intervals():
    method = ProbabilisticPCA()
    method.learn(drawn(200))
    whole = np.vstack([drawn(40, seed=1), drawn(40, seed=2, noise=1.5)])
    hidden = whole.copy()
    hidden[:, ::2] = np.nan
    sd = method.fill(hidden, sd=True)[1][:, ::2].mean(1)
    assert sd[40:].mean() > 2 * sd[:40].mean()
    plain = ProbabilisticPCA(sample_noise=False)
    plain.learn(drawn(200))
    sd = plain.fill(hidden, sd=True)[1][:, ::2].mean(1)
    assert sd[40:].mean() == pytest.approx(sd[:40].mean(), rel=0.1)


@pytest.mark.parametrize("settings", [{"noise": "some"}, {"rank": 0}, {"ranks": ()}, {"ranks": (0,)}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError):
        ProbabilisticPCA(**settings).learn(drawn(20))


def test_real_patients(shared_data):
    """300 genes of three cancers, patients kept together: better than neighbours, which beat the mean."""
    adata = anndata.read_h5ad(shared_data / "bulk" / "tcga_blca_stad_coadread_log2tpm_1577genes.h5ad")
    x = np.asarray(adata.X, np.float32)[:, ::5]
    patient = pd.factorize(adata.obs_names.str[:12])[0]
    test = patient % 3 == 0
    hidden = np.where(np.random.default_rng(0).random(x[test].shape) < 0.5, np.nan, x[test])
    sd = x[~test].std(0)
    error = {}
    for name in ("mean", "knn", "ppca"):
        train, new = (
            anndata.AnnData(part, var=pd.DataFrame(index=adata.var_names[::5]), uns={"exval_unit": "log2"})
            for part in (x[~test], hidden)
        )
        got = COMPLETERS[name]().fit(train).complete(new, sd=True)
        gap = np.isnan(hidden) & (sd > 0)
        error[name] = np.sqrt((((got.values_ng - x[test]) / np.where(sd > 0, sd, 1))[gap] ** 2).mean())
        covered = (np.abs(got.values_ng - x[test])[gap] < 1.96 * got.sd_ng[gap]).mean()
        assert abs(covered - 0.95) < 0.03
    assert error["ppca"] < 0.92 * error["knn"] < 0.85 * error["mean"]
