"""clinical, cox and coxnet: what they compute, beside other implementations."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exval.errors import InputError
from exval.methods.survival.clinical import Clinical
from exval.methods.survival.cox import CoxPH
from exval.methods.survival.coxnet import Coxnet
from exval.methods.survival.pca_cox import PCACox


@pytest.fixture(scope="module")
def train(make_cohort):
    return make_cohort(150, 40)


@pytest.fixture(scope="module")
def new(make_cohort):
    return make_cohort(100, 40, seed=1)


def outcome(adata):
    return adata.obs.exval_time.to_numpy(), adata.obs.exval_event.to_numpy()


def test_clinical_is_a_cox_regression_on_its_columns(train):
    linear = pytest.importorskip("sksurv.linear_model")
    from sksurv.util import Surv

    method = Clinical(covariates=("age", "stage"), ridge=1e-4).fit(train)
    age = train.obs.age.to_numpy()
    x = np.column_stack([(age - age.mean()) / age.std(), train.obs.stage == "II", train.obs.stage == "III"])
    time, event = outcome(train)
    want = linear.CoxPHSurvivalAnalysis(alpha=1e-4, ties="efron").fit(x, Surv.from_arrays(event, time))
    np.testing.assert_allclose(method.features_.coefficient, want.coef_, atol=1e-6)
    times = want.unique_times_
    curves = want.predict_survival_function(x, return_array=True)
    np.testing.assert_allclose(method.survival(train, times), curves, atol=1e-6)
    assert method.features_.set_index("name").p["age"] < 0.01 and method.features_.unit[0] == f"SD ({age.std():.3g})"


def test_clinical_sees_no_gene(train, new):
    method = Clinical(covariates="age").fit(train)
    other = new.copy()
    other.X = np.zeros_like(other.X)
    np.testing.assert_array_equal(method.risk(other), method.risk(new))
    assert method.missing_share(new).tolist() == [0] * 100 and method.expression_ is None


def test_clinical_that_does_not_vary_is_refused(train):
    flat = train.copy()
    flat.obs["stage"] = "I"
    with pytest.raises(InputError, match=r"none of the covariates \(stage\) differs"):
        Clinical(covariates=("stage",)).fit(flat)


def test_cox_with_fixed_sizes_is_a_ridge_on_components(train, new):
    method = PCACox(n_components=3, ridge=2.0, covariates=("age",)).fit(train)
    z = method.expression_.transform(train)
    _, _, right = np.linalg.svd(z - z.mean(0), full_matrices=False)
    u = (z - z.mean(0)) @ right[:3].T / z.var(0).sum() ** 0.5
    c = method.clinical_.transform(train.obs)
    plain = CoxPH(np.r_[0.01, [2.0] * 3]).fit(np.hstack([c, u]), *outcome(train))
    risk = method.risk(train)
    np.testing.assert_allclose(risk, plain.predict(np.hstack([c, u])), atol=1e-6)
    assert method.n_components_ == 3 and method.ridge_ == 2.0 and risk.mean() == pytest.approx(0, abs=1e-9)
    assert method.features_["kind"].tolist() == ["clinical"] + ["component"] * 3
    spread = method.features_.coefficient[1:].abs()
    np.testing.assert_allclose(spread, np.abs(plain.coef_[1:]) * u.std(0), atol=1e-6)


def test_a_panel_is_a_file_of_these_genes(train, new):
    panel = [*train.var_names[5:12], "NOSUCH"]
    a, b = PCACox(genes=panel).fit(train), PCACox().fit(train[:, 5:12].copy())
    np.testing.assert_allclose(a.risk(new), b.risk(new))
    assert a.expression_.absent_ == ["NOSUCH"] and len(a.weights_) == 7


def test_coxnet_is_that_of_scikit_survival(train):
    pytest.importorskip("sksurv")
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    method = Coxnet(covariates=("age",), l1_ratio=0.5).fit(train)
    x = np.hstack([method.clinical_.transform(train.obs), method.expression_.transform(train)])
    time, event = outcome(train)
    want = CoxnetSurvivalAnalysis(l1_ratio=0.5, alphas=[method.alpha_], penalty_factor=np.r_[0, np.ones(40)], tol=1e-9)
    want.fit(x, Surv.from_arrays(event, time))
    np.testing.assert_allclose(np.r_[method.clinical_weights_, method.weights_], want.coef_[:, 0], atol=3e-3)
    genes = method.features_[method.features_["kind"] == "gene"]
    assert 0 < len(genes) == method.n_genes_ == np.count_nonzero(method.weights_) < 40
    assert set(genes.name[:3]) <= set(train.var_names[:10]) and genes.coefficient.abs().is_monotonic_decreasing


def test_coxnet_without_a_signal_chooses_no_gene(make_cohort):
    pytest.importorskip("sksurv")
    empty = [Coxnet().fit(make_cohort(120, 40, seed=seed, strength=0.0)) for seed in range(4)]
    assert min(method.n_genes_ for method in empty) == 0
    flat = empty[int(np.argmin([method.n_genes_ for method in empty]))]
    assert np.ptp(flat.risk(make_cohort(20, 40))) == 0 and len(flat.features_) == 0


def test_coxnet_falls_back_to_the_clinical_columns(train, new, monkeypatch):
    linear = pytest.importorskip("sksurv.linear_model")

    def broken(*args, **kwargs):
        raise ArithmeticError("weights are too large")

    monkeypatch.setattr(linear.CoxnetSurvivalAnalysis, "fit", broken)
    method = Coxnet(covariates=("age",)).fit(train)
    np.testing.assert_allclose(method.risk(new), Clinical(covariates=("age",)).fit(train).risk(new))
    assert Coxnet().fit(train).risk(new).tolist() == [0] * 100


def test_coxnet_settings(train):
    with pytest.raises(InputError, match="l1_ratio"):
        Coxnet(l1_ratio=0).fit(train)


@pytest.mark.parametrize("name", ["coxnet", "rsf"])
def test_without_scikit_survival_there_is_one_line(name, train, monkeypatch):
    from exval.methods import resolve

    for module in ("sksurv", "sksurv.linear_model", "sksurv.ensemble", "sksurv.util"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"{name} needs scikit-survival: pip install 'exval\[survival\]'"):
        resolve(name).fit(train)


def test_program_and_age_are_found(train, make_cohort, c_index):
    new = make_cohort(500, 40, seed=1)
    for method in (PCACox(), PCACox(covariates=("age",)), Clinical(covariates=("age",))):
        c = c_index(*outcome(new), method.fit(train).risk(new))
        assert c > (0.56 if method.name == "clinical" else 0.68), (method.title, c)


def test_curves_are_calibrated(make_cohort):
    """Of 600 new patients as many are alive at the median as the curves say (no censoring before it)."""
    train, new = make_cohort(600, 20, seed=3), make_cohort(600, 20, seed=4)
    for adata in (train, new):
        adata.obs["exval_event"] = True
    method = PCACox(covariates=("age",)).fit(train)
    times = np.quantile(train.obs.exval_time, [0.25, 0.5, 0.75])
    alive = (new.obs.exval_time.to_numpy()[:, None] > times).mean(0)
    np.testing.assert_allclose(method.survival(new, times).mean(0), alive, atol=0.06)


def test_real_patients(shared_data, c_index):
    """Bladder cancer, two of three folds: age alone is known to give about 0.61, components 0.60."""
    import warnings

    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = anndata.read_h5ad(shared_data / "bulk" / "tcga_blca_stad_coadread_log2tpm_1577genes.h5ad")
    blca = whole[(whole.obs.cancer == "BLCA") & (whole.obs.os_months > 0)].copy()
    blca.obs["exval_time"], blca.obs["exval_event"] = blca.obs.os_months, blca.obs.os_censored == 0
    train, test = blca[np.arange(len(blca)) % 3 > 0].copy(), blca[::3].copy()
    for method in (Clinical(covariates=("age", "is_female")), PCACox(), PCACox(covariates=("age",))):
        assert 0.53 < c_index(*outcome(test), method.fit(train).risk(test)) < 0.75
    with pytest.raises(InputError, match="'pfi_months' equals the survival time"):
        PCACox(covariates=("pfi_months",)).fit(train)
