"""Every method for missing values, the moment its file exists: what was measured, order, gaps, seeds, refusals."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from sklearn.base import clone

from exval.errors import GeneError, InputError, UnitError
from exval.methods.completion import COMPLETERS
from exval.methods.completion.base import Completer

NAMES = list(COMPLETERS)
WITH_SD = [name for name in NAMES if COMPLETERS[name].has_sd]
LEARNING = [name for name in NAMES if name != "mean"]
GENES = np.array([f"G{i:02d}" for i in range(20)], dtype=object)


def made(name: str, **settings) -> Completer:
    cls = COMPLETERS[name]
    return cls(**{**cls.presets.get("tiny", {}), **settings})


def as_adata(x_ng: np.ndarray, genes=GENES, unit: str = "log2") -> AnnData:
    out = AnnData(np.asarray(x_ng, np.float32), var=pd.DataFrame(index=list(genes)))
    out.obs_names = [f"s{i}" for i in range(out.n_obs)]
    out.uns["exval_unit"] = unit
    return out


def patients(n: int, seed: int, g: int = 20, missing: float = 0.0) -> np.ndarray:
    """Values of three factors, with means and SDs that differ between genes, some below zero."""
    gene = np.random.default_rng(99)
    loadings, level, size = gene.normal(size=(3, g)), gene.normal(3, 4, g), gene.uniform(0.5, 3, g)
    rng = np.random.default_rng(seed)
    x = level + size * (rng.normal(size=(n, 3)) @ loadings + 0.7 * rng.normal(size=(n, g)))
    x[rng.random(x.shape) < missing] = np.nan
    return x.astype(np.float32)


TRAIN, NEW = patients(100, 0), patients(30, 1)
HIDDEN = np.where(np.random.default_rng(2).random(NEW.shape) < 0.4, np.nan, NEW)
HIDDEN[0], HIDDEN[1] = NEW[0], np.nan  # one sample is whole, one was not measured at all


@pytest.fixture(scope="module")
def fitted():
    """Each method, fitted once; nobody may fit it again."""
    found: dict[str, Completer] = {}

    def get(name):
        if name not in found:
            found[name] = made(name).fit(as_adata(TRAIN))
        return found[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    method = made(name)
    assert method.title and method.card.summary and method.card.reference and method.card.space_out
    assert not method.stochastic or "seed" in method.get_params()
    assert clone(method).get_params() == method.get_params()
    json.dumps(method.get_params())
    for settings in method.presets.values():
        type(method)(**settings)


@pytest.mark.parametrize("name", NAMES)
def test_measured_values_stay_and_gaps_are_filled(name, fitted):
    hidden = HIDDEN.copy()
    hidden[2, 3], hidden[3, 4], hidden[4, 5] = 36_893.0, -0.0, np.float32(1e-38)
    got = fitted(name).complete(as_adata(hidden))
    measured = ~np.isnan(hidden)
    assert got.values_ng.dtype == np.float32 and got.values_ng.shape == hidden.shape
    np.testing.assert_array_equal(
        got.values_ng[measured].view(np.uint32), hidden.astype(np.float32)[measured].view(np.uint32)
    )
    assert np.isfinite(got.values_ng).all()
    assert got.unit == "log2" and list(got.genes) == list(GENES) and not got.unfillable
    assert got.sd_ng is None


@pytest.mark.parametrize("name", NAMES)
def test_nothing_given_is_changed_and_the_same_seed_gives_the_same(name, fitted):
    train, new = as_adata(TRAIN), as_adata(HIDDEN)
    again = made(name).fit(train).complete(new)
    np.testing.assert_array_equal(train.X, TRAIN)
    np.testing.assert_array_equal(new.X, HIDDEN.astype(np.float32))
    np.testing.assert_array_equal(again.values_ng, fitted(name).complete(as_adata(HIDDEN)).values_ng)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_samples_and_genes_does_not_matter(name, fitted):
    rng = np.random.default_rng(3)
    want = fitted(name).complete(as_adata(HIDDEN), sd=True)
    rows, columns, others = rng.permutation(len(TRAIN)), rng.permutation(20), rng.permutation(len(HIDDEN))
    method = made(name).fit(as_adata(TRAIN[rows][:, columns], GENES[columns]))
    got = method.complete(as_adata(HIDDEN[others][:, columns[::-1]], GENES[columns[::-1]]), sd=True)
    at = np.ix_(others, columns[::-1])
    np.testing.assert_allclose(got.values_ng, want.values_ng[at], rtol=1e-5, atol=1e-5)
    if want.sd_ng is not None:
        np.testing.assert_allclose(got.sd_ng, want.sd_ng[at], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_does_not_depend_on_the_others(name, fitted):
    want = fitted(name).complete(as_adata(HIDDEN), sd=True)
    for rows in ([5], [1, 7, 2], list(range(20, 30))):
        got = fitted(name).complete(as_adata(HIDDEN[rows]), sd=True)
        np.testing.assert_allclose(got.values_ng, want.values_ng[rows], rtol=1e-5, atol=1e-5)
        if want.sd_ng is not None:
            np.testing.assert_allclose(got.sd_ng, want.sd_ng[rows], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_without_any_value_takes_the_mean(name, fitted):
    got = fitted(name).complete(as_adata(HIDDEN), sd=True)
    np.testing.assert_allclose(got.values_ng[1], TRAIN.mean(0, dtype=float), rtol=1e-5, atol=1e-5)
    if got.sd_ng is not None:
        np.testing.assert_allclose(got.sd_ng[1], TRAIN.std(0, ddof=1, dtype=float), rtol=1e-5)
    assert any("1 samples measured none" in note for note in got.notes)


@pytest.mark.parametrize("name", LEARNING)
def test_it_beats_the_mean(name, fitted):
    gap = np.isnan(HIDDEN)
    gap[1] = False
    sd = TRAIN.std(0)
    error = {
        key: (((fitted(key).complete(as_adata(HIDDEN)).values_ng - NEW) / sd)[gap] ** 2).mean()
        for key in ("mean", name)
    }
    assert error[name] < 0.7 * error["mean"]


@pytest.mark.parametrize("name", WITH_SD)
def test_intervals_cover(name):
    """95 % intervals of factors simulated by the book, at 40 % and at 85 % missing."""
    new = patients(500, 7)
    method = made(name).fit(as_adata(patients(300, 5)))
    for share in (0.4, 0.85):
        hidden = np.where(np.random.default_rng(8).random(new.shape) < share, np.nan, new)
        got = method.complete(as_adata(hidden), sd=True)
        gap = np.isnan(hidden)
        assert (got.sd_ng[~gap] == 0).all() and (got.sd_ng[gap] > 0).all()
        ratio = np.abs(got.values_ng - new)[gap] / got.sd_ng[gap]
        assert abs((ratio < 1.96).mean() - 0.95) < (0.03 if name == "ppca" else 0.04)


@pytest.mark.parametrize("name", WITH_SD)
def test_values_are_the_same_with_and_without_sd(name, fitted):
    got = fitted(name).complete(as_adata(HIDDEN), sd=True)
    np.testing.assert_allclose(got.values_ng, fitted(name).complete(as_adata(HIDDEN)).values_ng, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_genes_the_file_lacks_can_be_asked_for(name, fitted):
    part = as_adata(NEW[:6, 10:], GENES[10:])
    asked = ["G15", "G03", "G11", "G00"]
    got = fitted(name).complete(part, genes=asked, sd=True)
    assert list(got.genes) == asked
    np.testing.assert_array_equal(got.values_ng[:, [0, 2]], NEW[:6][:, [15, 11]])
    blank = NEW[:6].copy()
    blank[:, :10] = np.nan
    want = fitted(name).complete(as_adata(blank), sd=True)
    np.testing.assert_allclose(got.values_ng[:, [1, 3]], want.values_ng[:, [3, 0]], rtol=1e-5, atol=1e-5)
    if got.sd_ng is not None:
        assert (got.sd_ng[:, [0, 2]] == 0).all() and (got.sd_ng[:, [1, 3]] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_genes_never_measured_in_training_stay_empty(name):
    train, new = TRAIN.copy(), HIDDEN.copy()
    train[:, 7] = np.nan
    got = made(name).fit(as_adata(train)).complete(as_adata(np.hstack([new, new[:, :1]]), [*GENES, "NEWGENE"]), sd=True)
    assert got.unfillable == ("G07", "NEWGENE")
    assert (
        np.isnan(got.values_ng) == np.isnan(np.hstack([new, new[:, :1]])) & np.isin(got.genes, got.unfillable)
    ).all()
    assert any("2 genes stay empty" in note and "G07, NEWGENE" in note for note in got.notes)
    if got.sd_ng is not None:
        assert (np.isnan(got.sd_ng) == np.isnan(got.values_ng)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_gene_without_variation_is_its_mean(name):
    train = TRAIN.copy()
    train[:, 4] = -9.9658
    got = made(name).fit(as_adata(train)).complete(as_adata(HIDDEN), sd=True)
    gap = np.isnan(HIDDEN[:, 4])
    np.testing.assert_array_equal(got.values_ng[gap, 4], np.float32(-9.9658))
    assert got.sd_ng is None or (got.sd_ng[:, 4] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_samples_may_have_gaps(name):
    """Whole blocks, single entries, a gene measured twice and one measured once, a sample with one value."""
    train = patients(100, 0, missing=0.2)
    train[60:, :5] = np.nan
    train[2:, 9], train[1:, 10] = np.nan, np.nan
    train[:2, 9], train[0, 10] = (1.0, 2.0), 5.0
    train[5], train[5, 15] = np.nan, 1.0
    train[6] = np.nan
    method = made(name).fit(as_adata(train))
    assert method.n_samples_ == 99
    got = method.complete(as_adata(HIDDEN), sd=True)
    gap = np.isnan(HIDDEN[:, 10])
    assert np.isfinite(got.values_ng).all() and (got.values_ng[gap, 10] == 5.0).all()
    gap = np.isnan(HIDDEN)
    gap[1], gap[:, [9, 10]] = False, False
    error = ((got.values_ng - NEW) / TRAIN.std(0))[gap]
    assert (error**2).mean() < (1.1 if name == "mean" else 0.75)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_out_of_all_proportion_spoils_nothing(name, fitted):
    train = TRAIN.copy()
    train[11, 6] = 36_893.0
    gap = np.isnan(HIDDEN)
    got = made(name).fit(as_adata(train)).complete(as_adata(HIDDEN)).values_ng
    want = fitted(name).complete(as_adata(HIDDEN)).values_ng
    shift = ((got - want) / TRAIN.std(0))[gap]
    assert np.abs(shift).max() < 2.5 and np.sqrt((shift**2).mean()) < 0.35


@pytest.mark.parametrize("name", NAMES)
def test_five_samples_of_two_genes_are_enough(name):
    x = patients(5, 0, g=2)
    got = made(name).fit(as_adata(x, GENES[:2])).complete(as_adata([[1.0, np.nan]], GENES[:2]), sd=True)
    assert np.isfinite(got.values_ng).all()
    assert got.sd_ng is None or (np.isfinite(got.sd_ng).all() and got.sd_ng[0, 1] > 0)


@pytest.mark.parametrize("name", NAMES)
def test_only_one_gene_varies(name):
    x = np.column_stack([np.arange(8.0), np.full(8, 3.0)])
    got = made(name).fit(as_adata(x, GENES[:2])).complete(as_adata([[np.nan, 1.0]], GENES[:2]), sd=True)
    assert got.values_ng.tolist() == [[3.5, 1.0]]


@pytest.mark.parametrize("name", NAMES)
def test_sparse_log_values_are_taken_too(name):
    x = np.maximum(TRAIN, 0)
    train = AnnData(sp.csr_matrix(x), var=pd.DataFrame(index=list(GENES)))
    new = AnnData(sp.csr_matrix(x[:3, :12]), var=pd.DataFrame(index=list(GENES[:12])))
    got = made(name).fit(train).complete(new, genes=list(GENES))
    assert got.unit == "log1p"
    np.testing.assert_array_equal(got.values_ng[:, :12], x[:3, :12])
    assert np.isfinite(got.values_ng).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_fitted_method_can_be_sent_to_another_process(name, fitted):
    got = pickle.loads(pickle.dumps(fitted(name))).complete(as_adata(HIDDEN[:4]))
    np.testing.assert_array_equal(got.values_ng, fitted(name).complete(as_adata(HIDDEN[:4])).values_ng)
    assert fitted(name).n_parameters() > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_done_is_refused_in_one_line(name, fitted):
    method = fitted(name)
    with pytest.raises(UnitError, match="fitted on log2 values; these are z"):
        method.complete(as_adata(HIDDEN, unit="z"))
    with pytest.raises(GeneError, match="none of the 20 genes"):
        method.complete(as_adata(HIDDEN, [f"X{i}" for i in range(20)]))
    with pytest.raises(GeneError, match="1 of the genes asked for are in neither file: NOSUCH"):
        method.complete(as_adata(HIDDEN), genes=["G01", "NOSUCH"])
    with pytest.raises(GeneError, match="1 gene names repeat"):
        method.complete(as_adata(HIDDEN, ["G01", *GENES[1:]]))
    infinite = HIDDEN.copy()
    infinite[3, 2] = np.inf
    for call in (method.complete, made(name).fit):
        with pytest.raises(InputError, match="value of G02 in s3 is infinite"):
            call(as_adata(infinite))
    with pytest.raises(InputError, match="at least 5 training samples; 4 have any value"):
        made(name).fit(as_adata(np.vstack([TRAIN[:4], np.full((3, 20), np.nan)])))
    with pytest.raises(InputError, match="at least 2 genes"):
        made(name).fit(as_adata(TRAIN[:, :1], GENES[:1]))
    with pytest.raises(InputError, match="has to be fitted"):
        made(name).complete(as_adata(HIDDEN))
