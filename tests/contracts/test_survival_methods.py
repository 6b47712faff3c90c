"""Every registered method that gives survival, the moment its file exists: what it promises, on generated patients."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from exval.errors import GeneError, InputError
from exval.methods import METHODS, resolve, verbs
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.embedding import EmbeddingCox

NAMES = [name for name, cls in METHODS.items() if "survival" in verbs(cls)]
EMBEDDED = "embedding"  # the wrapper has no name of its own: here it wraps principal components
ALL = [*NAMES, EMBEDDED]
TIMES = np.array([0.0, 1, 5, 20, 60, 1e6])
SMALL = {"n_trees": 15, "folds": 3}  # what makes a method quicker, where it has such a parameter


def cohort(n=90, g=30, seed=0, strength=1.5, digits=None) -> anndata.AnnData:
    """Patients in log2 whose hazard follows a program of ten genes, and their age."""
    rng = np.random.default_rng(seed)
    program = rng.standard_normal(n)
    x = rng.standard_normal((n, g)) + np.linspace(2, 6, g)
    x[:, :10] += 2 * program[:, None]
    age = rng.normal(60, 10, n).round(1)
    death = rng.exponential(20 * np.exp(-strength * (program + (age - 60) / 10)))
    leaves = rng.uniform(3, 100, n)
    time = np.maximum(np.minimum(death, leaves), 0.05)
    time = time if digits is None else np.ceil(time / digits) * digits
    obs = pd.DataFrame(
        {"age": age, "stage": rng.choice(["I", "II", "III"], n), "exval_time": time, "exval_event": death <= leaves},
        index=[f"p{i:03d}" for i in range(n)],
    )
    adata = anndata.AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"G{i:02d}" for i in range(g)]))
    adata.uns["exval_unit"] = "log2"
    return adata


def made(name, covariates=("age", "stage"), **settings):
    """The method, small where it can be; covariates only where it has such a parameter."""
    if name == EMBEDDED:
        return EmbeddingCox(resolve("pca"), covariates=covariates, folds=3, **settings)
    method = METHODS[name]()
    known = method.get_params(deep=False)
    wanted = {**SMALL, "covariates": covariates, **settings}
    return method.set_params(**{key: value for key, value in wanted.items() if key in known})


def bare(name):
    """Without covariates, unless it does nothing without."""
    cls = METHODS[name] if name != EMBEDDED else EmbeddingCox
    return made(name, ("age", "stage") if getattr(cls, "needs_covariates", False) else ())


def uses_genes(name):
    return name == EMBEDDED or getattr(METHODS[name], "uses_genes", True)


GENES = [name for name in ALL if uses_genes(name)]


@pytest.fixture(scope="module")
def train():
    return cohort()


@pytest.fixture(scope="module")
def test_patients():
    return cohort(40, seed=1)


@pytest.fixture(scope="module")
def fitted(train):
    found = {}

    def get(name):
        if name not in found:
            found[name] = made(name).fit(train.copy())
        return found[name]

    return get


def checked(method, adata) -> np.ndarray:
    """The risk, after looking at it and at the curves."""
    risk, curves = method.risk(adata), method.survival(adata, TIMES)
    assert risk.shape == (adata.n_obs,) and risk.dtype == np.float64 and np.isfinite(risk).all()
    assert curves.shape == (adata.n_obs, len(TIMES)) and curves.dtype == np.float64
    assert np.isfinite(curves).all() and (curves >= 0).all() and (curves <= 1).all()
    assert (np.diff(curves, axis=1) <= 1e-12).all() and (curves[:, 0] == 1).all()
    return risk


def test_the_promised_methods_are_there():
    assert {"clinical", "cox", "coxnet", "rsf", "null-survival"} <= set(NAMES)


@pytest.mark.parametrize("name", ALL)
def test_risks_and_curves(name, fitted, test_patients):
    method = fitted(name)
    assert len(np.unique(checked(method, test_patients))) > 1 or method.card.category == "control"
    assert len(checked(method, test_patients[:0].copy())) == 0
    one = method.survival(test_patients, 5.0)
    np.testing.assert_array_equal(one[:, 0], method.survival(test_patients, TIMES)[:, 2])
    with pytest.raises(InputError, match="NaN or inf"):
        method.survival(test_patients, [1.0, np.nan])


@pytest.mark.parametrize("name", [name for name in ALL if name != "null-survival"])
def test_worse_risk_means_earlier_death(name, fitted):
    many = cohort(300, seed=1)
    risk, time, event = fitted(name).risk(many), many.obs.exval_time.to_numpy(), many.obs.exval_event.to_numpy()
    pair = (time[:, None] < time[None, :]) & event[:, None]
    assert (risk[:, None] > risk[None, :])[pair].mean() > 0.62
    late = fitted(name).survival(many, [20.0])[:, 0]
    assert np.corrcoef(risk, late)[0, 1] < -0.5


@pytest.mark.parametrize("name", ALL)
def test_fit_changes_nothing_and_clones(name, train):
    before, columns = train.X.copy(), train.obs.copy()
    method = made(name)
    assert method.fit(train) is method
    np.testing.assert_array_equal(before, train.X)
    pd.testing.assert_frame_equal(columns, train.obs)
    twin = clone(method)
    assert not [key for key in vars(twin) if key.endswith("_")]
    assert method.n_parameters() >= 0
    if name != EMBEDDED:
        assert twin.get_params() == method.get_params()
        json.dumps(twin.get_params())


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_answer(name, train, fitted, test_patients):
    again = made(name).fit(train.copy())
    np.testing.assert_array_equal(again.risk(test_patients), fitted(name).risk(test_patients))
    np.testing.assert_array_equal(again.survival(test_patients, TIMES), fitted(name).survival(test_patients, TIMES))


@pytest.mark.parametrize("name", ALL)
def test_patients_are_answered_one_by_one(name, fitted, test_patients):
    whole = fitted(name).risk(test_patients)
    alone = np.concatenate([fitted(name).risk(test_patients[i : i + 1].copy()) for i in range(8)])
    np.testing.assert_allclose(alone, whole[:8], atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_order_of_genes_and_patients_does_not_matter(name, train, fitted, test_patients):
    rng = np.random.default_rng(1)
    rows, genes = rng.permutation(train.n_obs), rng.permutation(train.n_vars)
    other = made(name).fit(train[rows][:, genes].copy())
    want = fitted(name).risk(test_patients)
    np.testing.assert_allclose(other.risk(test_patients[:, genes].copy()), want, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_the_unit_of_time_does_not_matter(name, train, fitted, test_patients):
    days = train.copy()
    days.obs["exval_time"] *= 32.0
    method = made(name).fit(days)
    want = fitted(name)
    order = np.argsort(want.risk(test_patients), kind="stable")
    assert (np.diff(method.risk(test_patients)[order]) >= -1e-9).all()
    np.testing.assert_allclose(
        method.survival(test_patients, TIMES * 32), want.survival(test_patients, TIMES), atol=1e-9
    )


@pytest.mark.parametrize("name", ALL)
def test_the_outcome_is_not_needed_to_predict(name, fitted, test_patients):
    blind = test_patients.copy()
    blind.obs = blind.obs[["age", "stage"]]
    np.testing.assert_array_equal(fitted(name).risk(blind), fitted(name).risk(test_patients))


@pytest.mark.parametrize("name", GENES)
def test_a_missing_gene_is_its_mean_and_is_counted(name, train, fitted, test_patients):
    method = fitted(name)
    lacking = test_patients[:, 12:].copy()
    filled = test_patients.copy()
    filled.X[:, :12] = train.X[:, :12].mean(0)
    np.testing.assert_allclose(method.risk(lacking), method.risk(filled), atol=1e-4)
    assert method.missing_ == 0
    method.risk(lacking)
    assert method.missing_ == 12
    np.testing.assert_allclose(method.missing_share(lacking), 0.4)


@pytest.mark.parametrize("name", [name for name in GENES if name != EMBEDDED])
def test_a_value_that_is_missing_is_the_mean(name, train, fitted, test_patients):
    method, some = fitted(name), test_patients.copy()
    some.X[:20, :15] = np.nan
    checked(method, some)
    np.testing.assert_allclose(method.risk(some)[20:], method.risk(test_patients)[20:], atol=1e-9)
    assert method.missing_ == 0
    assert method.missing_share(some).tolist() == [0.5] * 20 + [0.0] * 20


@pytest.mark.parametrize("name", GENES)
def test_no_gene_in_common_is_refused(name, fitted, test_patients):
    strange = test_patients.copy()
    strange.var_names = [f"other{i}" for i in range(strange.n_vars)]
    with pytest.raises(GeneError, match="none of the"):
        fitted(name).risk(strange)


@pytest.mark.parametrize("name", ALL)
def test_covariates_are_in_the_title_and_used(name, train, fitted, test_patients):
    method = fitted(name)
    if not isinstance(method, SurvivalMethod):
        pytest.skip("its own titles")
    assert method.title.endswith(" + clinical") == (uses_genes(name))
    older = test_patients.copy()
    older.obs["age"] += 15
    if name != "null-survival":
        assert method.risk(older).mean() > method.risk(test_patients).mean()
        with pytest.raises(InputError, match="no covariate 'age'"):
            method.risk(anndata.AnnData(test_patients.X, obs=test_patients.obs[["stage"]], var=test_patients.var))
    if getattr(method, "needs_covariates", False):
        with pytest.raises(InputError, match="covariates"):
            made(name, ()).fit(train)
    else:
        assert "clinical" not in made(name, ()).title
        checked(made(name, ()).fit(train), test_patients)


def spoiled(kind):
    adata = cohort(60, 20, seed=2)
    if kind == "five genes":
        adata = adata[:, :5].copy()
    elif kind == "one gene":
        adata = adata[:, :1].copy()
    elif kind == "constant gene":
        adata.X[:, 3] = 1.0
    elif kind == "floor":
        adata.X[:, 5:] = np.where(adata.X[:, 5:] < 4, -9.9658, adata.X[:, 5:])
    elif kind == "few events":
        adata = adata[:30].copy()
        adata.obs["exval_event"] = np.isin(np.arange(30), [1, 5, 8, 13, 20, 29])
    elif kind == "ties":
        adata = cohort(60, 20, seed=2, digits=20)
    elif kind == "separating":
        adata.obs["age"] = (-adata.obs["exval_time"].rank()).to_numpy()
    elif kind == "outlier":
        adata.X[0, 0] = 36893.0
    elif kind == "all die":
        adata.obs["exval_event"] = True
    elif kind == "NaN values":
        adata.X[np.random.default_rng(0).random(adata.shape) < 0.3] = np.nan
    elif kind == "gene not measured":
        adata.X[:, 4] = np.nan
    elif kind == "sparse":
        adata.X = sparse.csr_matrix(np.maximum(adata.X - 4, 0))
    return adata


KINDS = ["five genes", "one gene", "constant gene", "floor", "few events", "ties", "separating", "outlier", "all die",
         "sparse", "NaN values", "gene not measured"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALL)
def test_poor_files_are_survived(name, kind):
    adata = spoiled(kind)
    checked(made(name).fit(adata), adata)
    if name in GENES:
        checked(bare(name).fit(adata), adata[::2].copy())


@pytest.mark.parametrize("name", ALL)
def test_outcome_faults_have_one_line(name, train):
    few = train.copy()
    few.obs["exval_event"] = np.arange(train.n_obs) < 0
    with pytest.raises(InputError, match="events to learn from"):
        made(name).fit(few)
    without = train.copy()
    del without.obs["exval_time"]
    with pytest.raises(InputError, match="no survival outcome"):
        made(name).fit(without)
    equal = train.copy()
    equal.obs["exval_time"] = 12.0
    with pytest.raises(InputError, match="equal: there is no order"):
        made(name).fit(equal)
    wrong = train.copy()
    wrong.obs.loc["p003", "exval_time"] = 0.0
    with pytest.raises(InputError, match="1 patients have a survival time"):
        made(name).fit(wrong)


@pytest.mark.parametrize("name", [name for name in ALL if name != "null-survival"])
def test_the_outcome_is_no_covariate(name, train):
    leaky = train.copy()
    leaky.obs["months"] = leaky.obs["exval_time"]
    with pytest.raises(InputError, match="'months' equals the survival time"):
        made(name, ("age", "months")).fit(leaky)


@pytest.mark.parametrize("name", ALL)
def test_the_table_of_coefficients(name, fitted):
    table = fitted(name).features_
    if table is None:
        return
    assert list(table)[:7] == ["name", "kind", "coefficient", "hazard_ratio", "lo", "hi", "p"]
    assert set(table["kind"]) <= {"gene", "component", "clinical"} and len(table)
    np.testing.assert_allclose(table.hazard_ratio, np.exp(table.coefficient))
    known = table.dropna(subset=["lo", "hi", "p"])
    assert (known.lo < known.hazard_ratio).all() and (known.hazard_ratio < known.hi).all()
    assert known.p.between(0, 1).all()
    assert {"age", "stage = II", "stage = III"} == set(table.name[table["kind"] == "clinical"])
