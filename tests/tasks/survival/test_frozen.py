"""Kept and read again: the same answers to the last digit, and nothing that is not ours is made."""

from __future__ import annotations

import json

import numpy as np
import pytest

from exval.data.patients import simulated_patients
from exval.errors import InputError
from exval.methods import resolve
from exval.methods.survival.coxnet import Coxnet
from exval.methods.survival.embedding import as_survival
from exval.methods.survival.rsf import SurvivalForest
from exval.tasks.survival.forest import Trees
from exval.tasks.survival.frozen import pack, unpack
from exval.tasks.survival.saved import SavedModels, Terms, fit_on_all, write_models

TERMS = Terms("cohort.h5ad", 150, 75, "log2", "log2", ("age", "stage"), (6.0, 12.0), "os_months", 2, "cox")
METHODS = {
    "null-survival": lambda: resolve("null-survival"),
    "clinical": lambda: as_survival(resolve("clinical"), ["age", "stage"]),
    "cox": lambda: resolve("cox"),
    "cox + clinical": lambda: as_survival(resolve("cox"), ["age", "stage"]),
    "coxnet + clinical": lambda: Coxnet(covariates=("age",), n_alphas=5, folds=2),
    "rsf + clinical": lambda: SurvivalForest(covariates=("age", "stage"), n_trees=12, n_genes=15),
    "rsf": lambda: SurvivalForest(n_trees=5, min_leaf=3),
    "pca": lambda: as_survival(resolve("pca")),
    "obsm:X_own + clinical": lambda: as_survival(resolve("obsm:X_own"), ["stage"]),
}


@pytest.fixture(scope="module")
def data(make_cohort):
    cohort = make_cohort(simulated_patients(150, 30, seed=2))
    adata = cohort.adata
    rng = np.random.default_rng(0)
    adata.obs["stage"] = rng.choice(["I", "II", "III", None], 150, p=[0.4, 0.3, 0.2, 0.1])
    adata.obsm["X_own"] = rng.standard_normal((150, 4))
    new = adata[:40].copy()
    new.X = new.X.copy()
    new.X[rng.random(new.shape) < 0.2] = np.nan
    new.obs["stage"] = rng.choice(["I", "IV", "III"], 40)
    return adata, new


@pytest.mark.parametrize("title", METHODS)
def test_predictions_are_the_same_before_and_after(title, data, tmp_path):
    adata, new = data
    one = fit_on_all(adata, METHODS[title](), 2)
    assert write_models(tmp_path / "model", {title: one}, TERMS) == {}
    back = SavedModels.open(tmp_path).get(title)[1]
    times = np.linspace(0.0, 60.0, 25)
    assert np.abs(back.method.risk(new) - one.method.risk(new)).max() < 1e-9
    assert np.abs(back.method.survival(new, times) - one.method.survival(new, times)).max() < 1e-9
    assert (back.cuts == one.cuts).all() and (back.training_risk == one.training_risk).all()
    assert back.method.missing_share(new) == pytest.approx(one.method.missing_share(new), nan_ok=True)
    assert back.method.title == one.method.title
    files = {file.suffix for file in (tmp_path / "model").iterdir()}
    assert files == {".json", ".npz"}


def test_a_forest_without_its_package_is_the_same(data):
    adata, _ = data
    method = SurvivalForest(n_trees=8).fit(adata)
    trees = Trees.of(method._forest)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 30)) * 2
    assert np.abs(trees.predict(x) - method._forest.predict(x)).max() < 1e-9
    want = method._forest.predict_survival_function(x, return_array=True)
    assert np.abs(trees.predict_survival_function(x) - want).max() < 1e-9
    assert (trees.unique_times_ == method._forest.unique_times_).all()


def test_a_value_at_a_threshold_goes_where_it_went(data):
    """Thresholds are float64 and values were float32 while the forest grew."""
    adata, _ = data
    method = SurvivalForest(n_trees=4).fit(adata)
    trees = Trees.of(method._forest)
    inner = trees.left_v >= 0
    x = np.zeros((inner.sum(), 30))
    x[np.arange(len(x)), trees.feature_v[inner]] = trees.threshold_v[inner]
    assert np.abs(trees.predict(x) - method._forest.predict(x)).max() < 1e-9


def test_containers_and_odd_numbers(tmp_path):
    value = {"a": [1, 2.5, None, True], ("t", 1): {"x", "y"}, "nan": float("nan"), "inf": -np.inf,
             "o": np.array(["u", None], dtype=object), "m": np.eye(2, dtype=np.float32)}  # fmt: skip
    arrays = {}
    state = json.loads(json.dumps(pack(value, arrays, tmp_path), allow_nan=False))
    back = unpack(state, arrays, tmp_path)
    assert back["a"] == value["a"] and back["t", 1] == {"x", "y"} and np.isnan(back["nan"]) and back["inf"] == -np.inf
    assert back["o"].tolist() == ["u", None] and back["m"].dtype == np.float32


def test_objects_of_others_are_neither_kept_nor_made(tmp_path):
    import fractions

    with pytest.raises(InputError, match="cannot be kept"):
        pack(fractions.Fraction(1, 2), {}, tmp_path)
    for where in ("fractions:Fraction", "os:system", "exval.errors:InputError", "exval.methods.base:METHODS"):
        with pytest.raises(InputError):
            unpack({"object": where, "state": {}}, {}, tmp_path)


def test_a_method_that_cannot_be_kept_is_named(data, tmp_path):
    adata, _ = data
    good, bad = fit_on_all(adata, resolve("cox"), 2), fit_on_all(adata, resolve("null-survival"), 2)
    bad.method.extra = object()
    lost = write_models(tmp_path / "model", {"cox": good, "null-survival": bad}, TERMS)
    assert list(lost) == ["null-survival"] and SavedModels.open(tmp_path).titles == ["cox"]


def test_damage_is_one_line(data, tmp_path):
    adata, _ = data
    write_models(tmp_path / "model", {"cox": fit_on_all(adata, resolve("cox"), 2)}, TERMS)
    with pytest.raises(InputError, match="keeps no method 'coxx'; did you mean 'cox'"):
        SavedModels.open(tmp_path).get("coxx")
    index = tmp_path / "model" / "model.json"
    whole = index.read_text()
    for text, words in (("{", "damaged"), (whole.replace('"format_version": 1', '"format_version": 9'), "newer exval"),
                        (whole.replace('"kind": "survival"', '"kind": "x"'), "another kind"),
                        (whole.replace('"horizons"', '"h"'), "damaged")):  # fmt: skip
        index.write_text(text)
        with pytest.raises(InputError, match=words):
            SavedModels.open(tmp_path)
    index.write_text(whole)
    (tmp_path / "model" / "method0.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="damaged"):
        SavedModels.open(tmp_path).get()
    (tmp_path / "model" / "method0.json").unlink()
    with pytest.raises(InputError, match="damaged"):
        SavedModels.open(tmp_path).get()


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no survival model; give"):
        SavedModels.open(tmp_path)
