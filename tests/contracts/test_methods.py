"""Every registered method, the moment its file exists: what it promises, checked on small real cells."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from exval.data.source import open_source
from exval.errors import GeneError, InputError
from exval.methods import METHODS, Card, resolve, verbs
from exval.tasks.recover import _case

ELSEWHERE = {("impute",), ("survival",)}  # those that only impute: test_imputers; survival: test_survival_methods
NAMES = [name for name in METHODS if verbs(METHODS[name]) not in ELSEWHERE]
EMBED = [name for name in NAMES if "embed" in verbs(METHODS[name])]
PREDICT = [name for name in NAMES if "predict" in verbs(METHODS[name])]
RECOVER = [name for name in NAMES if "recover" in verbs(METHODS[name])]
SEES_GENES = [name for name in EMBED + PREDICT if name not in ("majority", "depth")]


@pytest.fixture(scope="module")
def cells(_baron_small):
    return open_source(_baron_small.copy()).to_adata()


@pytest.fixture(scope="module")
def fitted(cells):
    """Each method fitted on the even cells, once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = resolve(name).fit(cells[::2].copy(), "cell_type")
        return made[name]

    return get


def answer(method, adata) -> np.ndarray:
    """What a method says of cells, one row a cell, whatever its verb."""
    if "predict" in method.provides:
        return method.predict_proba(adata).to_numpy()
    if "embed" in method.provides:
        return np.asarray(method.embed(adata), dtype=float)
    hidden = sparse.csr_matrix(np.arange(adata.n_obs * adata.n_vars).reshape(adata.shape) % 7 == 0)
    return method.recover(adata, hidden).toarray()


def test_the_registry_knows_the_promised_methods():
    promised = {"majority", "depth", "logreg", "pca", "pca-knn", "gene-mean", "low-rank"}
    assert promised <= set(METHODS)
    assert resolve("hvg-logreg").name == "logreg"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_card_is_complete(name):
    card = METHODS[name].card
    assert isinstance(card, Card)
    for field in fields(Card):
        value = getattr(card, field.name)
        assert isinstance(value, tuple if field.name == "sees" else str)
        assert value or field.name in ("sees", "departures")
    assert verbs(METHODS[name])


@pytest.mark.parametrize("name", NAMES)
def test_clone_keeps_parameters_and_drops_what_was_fitted(name, fitted):
    method = fitted(name)
    twin = clone(method)
    assert twin.get_params() == method.get_params()
    assert not [key for key in vars(twin) if key.endswith("_")]
    json.dumps(twin.get_params())


@pytest.mark.parametrize("name", NAMES)
def test_fit_returns_self_and_changes_nothing(name, cells):
    train = cells[::2].copy()
    before, columns = train.X.copy(), list(train.obs)
    method = resolve(name)
    assert method.fit(train, "cell_type") is method
    assert (before != train.X).nnz == 0
    assert list(train.obs) == columns
    assert method.n_parameters() >= 0


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_answer(name, cells, fitted):
    again = resolve(name).fit(cells[::2].copy(), "cell_type")
    test = cells[1::2].copy()
    np.testing.assert_array_equal(answer(again, test), answer(fitted(name), test))


@pytest.mark.parametrize("name", EMBED + PREDICT)
def test_cells_are_answered_one_by_one(name, cells, fitted):
    test = cells[1::2].copy()
    whole = answer(fitted(name), test)
    pieces = np.concatenate([answer(fitted(name), test[i : i + 7].copy()) for i in range(0, test.n_obs, 7)])
    np.testing.assert_allclose(pieces, whole, atol=1e-5)
    np.testing.assert_allclose(answer(fitted(name), test[3:4].copy())[0], whole[3], atol=1e-5)
    assert len(answer(fitted(name), test[:0].copy())) == 0


@pytest.mark.parametrize("name", NAMES)
def test_order_of_genes_and_training_cells_does_not_matter(name, cells, fitted):
    rng = np.random.default_rng(1)
    train, test = cells[::2], cells[1::2].copy()
    genes = rng.permutation(cells.n_vars)
    other = resolve(name).fit(train[:, genes].copy(), "cell_type")
    if name in RECOVER and name not in PREDICT + EMBED:
        seen, case = _case(test.copy(), "entries", 0.2, 0.9, 0)
        a = fitted(name).recover(seen, case.hidden).toarray()
        b = other.recover(seen[:, genes].copy(), case.hidden[:, genes].tocsr()).toarray()
        np.testing.assert_allclose(b, a[:, genes], atol=1e-4)
        return
    np.testing.assert_allclose(answer(other, test), answer(fitted(name), test), atol=1e-4)
    np.testing.assert_allclose(answer(fitted(name), test[:, genes].copy()), answer(fitted(name), test), atol=1e-4)
    shuffled = resolve(name).fit(train[rng.permutation(train.n_obs)].copy(), "cell_type")
    a, b = answer(shuffled, test), answer(fitted(name), test)
    if name in PREDICT:
        np.testing.assert_allclose(a, b, atol=2e-3)
    else:
        np.testing.assert_allclose(np.abs(a), np.abs(b), atol=1e-2)


@pytest.mark.parametrize("name", EMBED)
def test_embed_shape(name, cells, fitted):
    z = fitted(name).embed(cells[1::2].copy())
    assert z.dtype == np.float32 and z.ndim == 2 and len(z) == 30 and np.isfinite(z).all()


@pytest.mark.parametrize("name", PREDICT)
def test_probabilities(name, cells, fitted):
    test = cells[1::2].copy()
    proba = fitted(name).predict_proba(test)
    assert list(proba.columns) == sorted(set(cells.obs["cell_type"].astype(str))) == list(fitted(name).classes_)
    assert list(proba.index) == list(test.obs_names)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    assert (proba >= 0).all().all()
    named = fitted(name).predict(test)
    assert isinstance(named, pd.Series) and list(named) == list(proba.idxmax(axis=1))


@pytest.mark.parametrize("name", PREDICT)
def test_label_faults_have_one_line(name, cells):
    with pytest.raises(InputError, match="no column 'kind'"):
        resolve(name).fit(cells, "kind")
    with pytest.raises(InputError, match="label="):
        resolve(name).fit(cells)


@pytest.mark.parametrize("name", [name for name in PREDICT if name != "majority"])
def test_one_class_is_refused(name, cells):
    with pytest.raises(InputError, match="only the class"):
        resolve(name).fit(cells[cells.obs["cell_type"] == "beta"].copy(), "cell_type")


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_of_five_genes(name, cells):
    panel = cells[:, :5].copy()
    found = answer(resolve(name).fit(panel, "cell_type"), panel)
    assert len(found) == panel.n_obs and np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
def test_missing_and_further_genes(name, cells, fitted):
    half = cells[1::2, ::2].copy()
    assert np.isfinite(answer(fitted(name), half)).all()
    other = half.copy()
    other.var_names = [f"other{i}" if i % 2 else gene for i, gene in enumerate(half.var_names)]
    assert np.isfinite(answer(fitted(name), other)).all()


@pytest.mark.parametrize("name", SEES_GENES)
def test_no_gene_in_common_is_refused(name, cells, fitted):
    strange = cells.copy()
    strange.var_names = [f"other{i}" for i in range(cells.n_vars)]
    with pytest.raises(GeneError, match="none of the"):
        answer(fitted(name), strange)


@pytest.mark.parametrize("name", SEES_GENES)
def test_a_missing_gene_takes_its_training_mean_or_is_integrated_out(name, cells, fitted):
    test = cells[1::2].copy()
    method = fitted(name)
    means = np.asarray(cells[::2].X.mean(0)).ravel()
    filled = test.copy()
    dense = filled.X.toarray()
    dense[:, ::3] = np.nan if method.integrates else means[::3]
    filled.X = sparse.csr_matrix(dense)
    lacking = test[:, np.arange(test.n_vars) % 3 != 0].copy()
    np.testing.assert_allclose(answer(method, lacking), answer(method, filled), atol=1e-3)


@pytest.mark.parametrize("name", RECOVER)
def test_recover_keeps_the_sparsity_asked_for(name, cells, fitted):
    seen, case = _case(cells[1::2].copy(), "entries", 0.2, 0.9, 0)
    found = fitted(name).recover(seen, case.hidden)
    assert found.dtype == np.float32 and np.isfinite(found.data).all()
    np.testing.assert_array_equal(found.indices, case.hidden.indices)
    np.testing.assert_array_equal(found.indptr, case.hidden.indptr)


@pytest.mark.parametrize("name", RECOVER)
def test_recover_does_not_depend_on_neighbours(name, cells, fitted):
    seen, case = _case(cells[1::2].copy(), "entries", 0.2, 0.9, 0)
    whole = fitted(name).recover(seen, case.hidden)
    alone = fitted(name).recover(seen[4:5].copy(), case.hidden[4:5])
    np.testing.assert_allclose(alone.toarray(), whole[4:5].toarray(), atol=1e-5)


@pytest.mark.parametrize("name", ["gene-mean", "hidden-mean", "low-rank", "low-rank-hidden"])
def test_recover_beats_doing_nothing(name, cells, fitted):
    seen, case = _case(cells[1::2].copy(), "entries", 0.2, 0.9, 0)
    error = np.mean((fitted(name).recover(seen, case.hidden).data - case.truth_m) ** 2)
    assert error < 0.7 * np.mean(case.truth_m**2)


def test_resolve_faults():
    with pytest.raises(InputError, match="did you mean 'logreg'"):
        resolve("logrek")
    with pytest.raises(InputError, match="neither a method nor a run folder"):
        resolve("no/such/run")
