"""Sources: which matrix, which unit, canonical genes, prepared cells."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from exval.data import choose
from exval.data.source import Source, open_source
from exval.errors import InputError, UnitError


def _log(adata):
    x = adata.X.toarray()
    return np.log1p(x / x.sum(1, keepdims=True) * 1e4)


def test_prepared_cells_by_hand(tiny_adata):
    out = open_source(tiny_adata).to_adata()
    assert out.X.dtype == np.float32 and sparse.isspmatrix_csr(out.X)
    np.testing.assert_allclose(out.X.toarray(), _log(tiny_adata), rtol=1e-5)
    np.testing.assert_array_equal(out.layers["counts"].toarray(), tiny_adata.X.toarray())
    assert out.obs["exval_total"].tolist() == [10, 10, 10, 10, 10, 10]
    assert out.obs["cell_type"].tolist() == list("aaabbb") and out.var_names.tolist() == tiny_adata.var_names.tolist()
    assert "exval_total" not in tiny_adata.obs


def test_counts_are_looked_for_in_order(tiny_adata):
    log = sparse.csr_matrix(_log(tiny_adata))
    both = tiny_adata.copy()
    both.layers["counts"] = tiny_adata.X * 2
    assert open_source(both).matrix == "layers/counts"
    assert open_source(both, layer="X").matrix == "X"
    raw = tiny_adata.copy()
    raw.raw = tiny_adata.copy()
    raw = raw[:, :3].copy()
    raw.X = log[:, :3]
    source = open_source(raw)
    assert source.matrix == "raw" and len(source.var_names) == 8 and "genes of raw" in source.choice
    wrong = tiny_adata.copy()
    wrong.layers["counts"] = log
    source = open_source(wrong)
    assert (source.matrix, source.unit) == ("X", "counts")
    only = tiny_adata.copy()
    only.X = log
    source = open_source(only)
    assert (source.matrix, source.unit) == ("X", "log1p") and "no counts in X" in source.choice
    scaled = only.copy()
    scaled.raw = only.copy()
    scaled.X = (log.toarray() - log.toarray().mean(0)) / (log.toarray().std(0) + 0.1)
    assert (open_source(scaled).matrix, open_source(scaled).unit) == ("raw", "log1p")


def test_logarithms_pass_through(tiny_adata):
    tiny_adata.X = sparse.csr_matrix(_log(tiny_adata), dtype=np.float32)
    source = open_source(tiny_adata)
    out = source.to_adata()
    np.testing.assert_array_equal(out.X.toarray(), tiny_adata.X.toarray())
    assert not out.layers and out.obs["exval_total"].isna().all() and source.total_n() is None


def test_cpm_becomes_cp10k(tiny_adata):
    x = tiny_adata.X.toarray()
    tiny_adata.X = x / x.sum(1, keepdims=True) * 1e6 * 1.0000001
    source = open_source(tiny_adata)
    assert source.unit == "cp10k" and "rescaled from 1,000,000" in source.choice
    np.testing.assert_allclose(source.to_adata().X.toarray(), np.log1p(x / x.sum(1, keepdims=True) * 1e4), rtol=1e-4)


def test_declared_unit_wins_but_not_against_the_impossible(tiny_adata):
    assert open_source(tiny_adata, unit="cp10k").unit == "cp10k"
    tiny_adata.X = sparse.csr_matrix(_log(tiny_adata))
    with pytest.raises(UnitError, match="fractions"):
        open_source(tiny_adata, unit="counts")
    tiny_adata.layers["umi_here"] = np.ones((6, 8)) * np.arange(8)
    assert open_source(tiny_adata, layer="umi_here").unit == "counts"
    with pytest.raises(InputError, match="no layer 'counts'; the file has 'umi_here', 'X'"):
        open_source(tiny_adata, layer="counts")


def test_duplicate_genes_are_summed_and_names_made_unique(tiny_adata, recwarn):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_adata.var_names = ["INS", "ENSG00000254647", "SST", "PPY", "ACTB", "GAPDH", "CD3E", "P53x"]
        tiny_adata.obs_names = ["c", "c", "c", "d", "e", "f"]
    recwarn.clear()
    source = open_source(tiny_adata)
    assert source.var_names.tolist() == ["INS", "SST", "PPY", "ACTB", "GAPDH", "CD3E", "P53x"]
    assert source.recognised.tolist() == [True] * 6 + [False] and source.genes.duplicates == ["INS"]
    assert source.csr().toarray()[:, 0].tolist() == [5, 5, 6, 5, 6, 5]
    assert source.obs.index.tolist() == ["c", "c-1", "c-2", "d", "e", "f"] and source.obs_names_made_unique
    assert any("names of samples repeat" in one for one in source.warnings)
    source.to_adata()
    list(source.iter_adata(2))
    assert not recwarn.list and tiny_adata.obs_names[1] == "c"


def test_duplicates_of_logarithms_keep_the_most_expressed(tiny_adata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_adata.var_names = ["INS", "INS", "SST", "PPY", "ACTB", "GAPDH", "CD3E", "TP53"]
    tiny_adata.X = sparse.csr_matrix(_log(tiny_adata), dtype=np.float32)
    out = open_source(tiny_adata).csr().toarray()
    x = tiny_adata.X.toarray()
    np.testing.assert_array_equal(out[:, 0], x[:, int(np.argmax(x.mean(0)[:2]))])


def test_nothing_of_the_given_object_changes(tiny_adata):
    before = tiny_adata.copy()
    source = open_source(tiny_adata)
    part = source.to_adata()
    part.X.data[:] = 7
    part.layers["counts"].data[:] = 7
    part.obs["cell_type"] = "x"
    np.testing.assert_array_equal(tiny_adata.X.toarray(), before.X.toarray())
    assert tiny_adata.obs.equals(before.obs)
    np.testing.assert_array_equal(source.csr().toarray(), before.X.toarray())


def test_rows_in_every_form(baron_small):
    source = open_source(baron_small)
    whole = source.csr().toarray()
    columns = baron_small.X.toarray().sum(1)
    np.testing.assert_array_equal(whole.sum(1), columns)
    np.testing.assert_array_equal(source.total_n(), columns)
    mask = np.arange(60) % 3 == 0
    for rows in (slice(5, 9), slice(None, None, 7), np.array([3, 3, 1]), mask, [59]):
        np.testing.assert_array_equal(source.csr(rows).toarray(), whole[rows])
        assert source.to_adata(rows).n_obs == len(whole[rows])
    assert source.csr(slice(4, 4)).shape == (0, whole.shape[1])


def test_obsm_follows_its_cells(baron_small):
    baron_small.obsm["X_pca"] = np.arange(120.0).reshape(60, 2)
    source = open_source(baron_small)
    for rows, part in source.iter_adata(25):
        np.testing.assert_array_equal(part.obsm["X_pca"], baron_small.obsm["X_pca"][rows])
    assert "X_pca" not in source.to_adata([1], obsm=False).obsm


def test_a_source_is_taken_for_a_source(tiny_adata):
    source = open_source(tiny_adata)
    assert open_source(source) is source and isinstance(open_source(source, unit="cp10k"), Source)
    with pytest.raises(InputError, match="cannot read a int"):
        open_source(5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_gene_order_never_matters_and_pairs_stay(tiny_adata, random):
    order = list(range(8))
    random.shuffle(order)
    one, two = open_source(tiny_adata), open_source(tiny_adata[:, order].copy())
    a = pd.DataFrame(one.csr().toarray(), columns=one.var_names)
    b = pd.DataFrame(two.csr().toarray(), columns=two.var_names)
    pd.testing.assert_frame_equal(a, b[a.columns])


def test_large_files_are_checked_while_they_are_read(baron_small, tmp_path, monkeypatch):
    from exval.data import source as module

    monkeypatch.setattr(module, "_CHECKED_AT_ONCE", 10)
    monkeypatch.setattr(choose, "_PROBE_ROWS", 32)
    big = anndata.concat([baron_small] * 3, index_unique="-")
    big.X[177, 3] = np.nan
    big = anndata.AnnData(big.X, obs=big.obs, var=baron_small.var)
    # two blocks of 16 neighbours are probed: the first and the last cells; cell 100 is seen only when it is read
    big.X[177, 3] = 0
    big.X[100, 3] = -1
    big.write_h5ad(tmp_path / "big.h5ad")
    with open_source(tmp_path / "big.h5ad") as source:
        source.csr(slice(0, 50))
        with pytest.raises(
            InputError, match=f"cell '{big.obs_names[100]}', gene '{big.var_names[3]}': negative count -1"
        ):
            list(source.iter_adata(64))


def test_tables_with_columns_beside_the_values(tmp_path):
    """An Entrez column of a table of genes is no sample; age in a table of samples is no gene."""
    import pandas as pd

    from exval.data.patients import simulated_patients

    bulk = simulated_patients(n=30, g=40, seed=0)
    wide = pd.DataFrame(bulk.X, index=bulk.obs_names, columns=bulk.var_names)
    genes = wide.T
    genes.insert(0, "Entrez_Gene_Id", np.arange(40) + 5000)
    genes.to_csv(tmp_path / "genes.tsv", sep="\t", index_label="Hugo_Symbol")
    found = open_source(tmp_path / "genes.tsv", missing=True)
    assert found.n == 30 and any("Entrez_Gene_Id" in note for note in found.notes)
    wide.insert(0, "age", bulk.obs["age"].to_numpy())
    wide.insert(0, "os_months", bulk.obs["os_months"].to_numpy())
    wide.to_csv(tmp_path / "samples.csv", index_label="sample")
    found = open_source(tmp_path / "samples.csv", missing=True)
    assert len(found.var_names) == 40
    np.testing.assert_allclose(found.obs["os_months"].astype(float), bulk.obs["os_months"], rtol=1e-9)
    (tmp_path / "comma.csv").write_text("sample;INS;GCG\na;1,5;2,5\nb;1,0;3,5\n")
    with pytest.raises(InputError, match="decimal commas"):
        open_source(tmp_path / "comma.csv", missing=True)
