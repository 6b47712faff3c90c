"""Embeddings, and what becomes of any method that is asked for survival."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import DivergedError, GeneError, InputError
from exval.methods import Method, resolve
from exval.methods.survival.cox import CoxPH
from exval.methods.survival.embedding import EmbeddingCox, as_survival
from exval.methods.survival.pca_cox import PCACox


@pytest.fixture(scope="module")
def train(make_cohort):
    adata = make_cohort(120, 20)
    adata.obsm["X_two"] = np.column_stack([adata.X[:, 0], np.zeros(120), adata.obs.age]).astype(np.float32)
    return adata


def test_it_is_a_ridge_on_standardised_columns(train):
    method = EmbeddingCox(resolve("obsm:X_two"), ridge=0.5, covariates=("stage",)).fit(train)
    z = train.obsm["X_two"][:, [0, 2]].astype(float)
    z = np.clip((z - z.mean(0)) / z.std(0), -5, 5)
    c = method.clinical_.transform(train.obs)
    scale = z.var(0).sum() ** 0.5
    time, event = train.obs.exval_time.to_numpy(), train.obs.exval_event.to_numpy()
    plain = CoxPH([0.01, 0.01, 0.5, 0.5]).fit(np.hstack([c, z / scale]), time, event)
    np.testing.assert_allclose(method.risk(train), plain.predict(np.hstack([c, z / scale])), atol=1e-6)
    assert method.weights_[1] == 0 and method.ridge_ == 0.5 and method.title == "obsm:X_two + clinical"
    assert method.missing_ is None and np.isnan(method.missing_share(train)).all()
    np.testing.assert_array_equal(method.embed(train), train.obsm["X_two"])


def test_wider_than_there_are_patients(train, make_cohort, c_index):
    class Wide(Method):
        """Random projections of the genes."""

        def fit(self, adata, label=None):
            self.map_ = np.random.default_rng(0).standard_normal((20, 300))
            return self

        def embed(self, adata):
            return (adata.X @ self.map_).astype(np.float32)

    new = make_cohort(500, 20, seed=1)
    method = EmbeddingCox(Wide()).fit(train)
    assert c_index(new.obs.exval_time.to_numpy(), new.obs.exval_event.to_numpy(), method.risk(new)) > 0.68


def test_a_panel_is_what_the_embedder_sees(train, make_cohort):
    new = make_cohort(30, 20, seed=1)
    panel = tuple(train.var_names[:6])
    a = EmbeddingCox(resolve("pca"), genes=panel).fit(train)
    b = EmbeddingCox(resolve("pca")).fit(train[:, :6].copy())
    np.testing.assert_allclose(a.risk(new), b.risk(new))
    assert a.missing_ == 0
    a.risk(new[:, 2:].copy())
    assert a.missing_ == 2
    with pytest.raises(GeneError, match="none of the 1 genes of the panel"):
        EmbeddingCox(resolve("pca"), genes=("NOSUCH",)).fit(train)


def test_embeddings_that_cannot_be_used(train):
    class Fixed(Method):
        """What it is told to give."""

        def __init__(self, value=0.0):
            self.value = value

        def fit(self, adata, label=None):
            return self

        def embed(self, adata):
            return np.full((adata.n_obs, 2), self.value, dtype=np.float32)

    with pytest.raises(InputError, match="the same for all 120"):
        EmbeddingCox(Fixed()).fit(train)
    with pytest.raises(DivergedError, match="NaN or inf"):
        EmbeddingCox(Fixed(np.nan)).fit(train)


def test_it_embeds_the_training_patients_once(train):
    class Counted(Method):
        """Counts."""

        calls = 0

        def fit(self, adata, label=None):
            return self

        def embed(self, adata):
            type(self).calls += 1
            return adata.X[:, :3]

    method = EmbeddingCox(Counted()).fit(train)
    assert Counted.calls == 1
    np.testing.assert_array_equal(method.risk(train), method.risk(train))
    assert Counted.calls == 3


def test_as_survival():
    cox = PCACox()
    assert as_survival(cox) is cox and cox.covariates == ()
    with_age = as_survival(cox, ["age"], ["INS"])
    assert with_age.covariates == ("age",) and with_age.genes == ("INS",) and cox.genes is None
    assert as_survival(resolve("null-survival"), ("age",)).title == "null-survival"
    wrapped = as_survival(resolve("pca"), ("age",), seed=4)
    assert isinstance(wrapped, EmbeddingCox) and wrapped.seed == 4 and wrapped.provides == ("embed", "survival")
    again = as_survival(wrapped, ())
    assert again.title == "pca" and again.embedder is not wrapped.embedder
    with pytest.raises(InputError, match="majority gives no risk"):
        as_survival(resolve("majority"))


def test_another_kind_of_method_with_survival_passes():
    class Tuned(Method):
        """A run of its own."""

        def survival(self, adata, times_t):
            return np.ones((adata.n_obs, len(times_t)))

    tuned = Tuned()
    assert as_survival(tuned, ("age",)) is tuned
