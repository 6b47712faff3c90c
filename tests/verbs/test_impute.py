"""``impute``: what is written, in which unit, and every refusal before anything is."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.cli.app import main
from exval.errors import GeneError, InputError, OutputError
from exval.methods.imputation.base import Imputer
from exval.methods.imputation.controls import Nothing
from exval.verbs import layers
from exval.verbs.impute import impute, impute_file


def log1p_of(adata, total):
    out = adata.copy()
    x = sparse.csr_matrix(out.X, dtype=np.float64)
    out.X = sparse.csr_matrix(np.log1p(x.multiply(total / x.sum(1)))).astype(np.float32)
    return out


def test_in_place_in_the_unit_of_the_input(baron_small):
    before = baron_small.X.copy()
    assert impute(baron_small, "nothing", check=False) is None
    np.testing.assert_allclose(baron_small.layers["exval_imputed"], before.toarray(), rtol=1e-5)
    assert (before != baron_small.X).nnz == 0
    assert list(baron_small.uns["exval"]["keys"]) == ["exval_imputed"]


@pytest.mark.parametrize("total", [1e4, 1e6])
def test_log_values_come_back_in_the_scale_of_the_file(baron_small, total):
    logs = log1p_of(baron_small, total)
    before = logs.X.toarray()
    impute(logs, "nothing", check=False)
    np.testing.assert_allclose(logs.layers["exval_imputed"], before, rtol=1e-4, atol=1e-5)
    assert logs.uns["exval"]["impute_unit"] == "log1p"


def test_the_mean_in_another_unit(baron_small):
    impute(baron_small, "mean", check=False, out_unit="cp10k")
    x = baron_small.X.toarray()
    want = (1e4 * x / x.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(baron_small.layers["exval_imputed"][7], want, rtol=1e-4)


def test_some_genes_out_of_some_genes_in(baron_small, tmp_path):
    names = list(baron_small.var_names)
    (tmp_path / "in.txt").write_text("\n".join(names[:50]) + "\n")
    got = impute(baron_small, "mean", genes=tmp_path / "in.txt", out_genes=names[40:45], copy=True, check=False)
    assert list(got.var_names) == names[40:45] and got.layers["exval_imputed"].shape == (60, 5)
    assert "exval_imputed" not in baron_small.layers
    with pytest.raises(InputError, match="does not give"):
        impute(baron_small, "mean", genes=names[:5], out_genes=names[:7], copy=True)
    with pytest.raises(InputError, match="copy=True"):
        impute(baron_small, "mean", out_genes=names[:7])
    with pytest.raises(GeneError, match=f"did you mean {names[0]}"):
        impute(baron_small, "mean", out_genes=[names[0] + "X", names[1]], copy=True)
    with pytest.raises(InputError, match="there is no file"):
        impute(baron_small, "mean", out_genes="nowhere.txt", copy=True)


def test_a_gene_with_two_columns_is_imputed_once(baron_small):
    twice = anndata.concat([baron_small, baron_small[:, :3]], axis=1, merge="same")
    twice.var_names = [*baron_small.var_names, *baron_small.var_names[:3]]
    impute(twice, "nothing", check=False)
    got = twice.layers["exval_imputed"]
    np.testing.assert_allclose(got[:, :3], 2 * baron_small.X[:, :3].toarray(), rtol=1e-5)
    np.testing.assert_array_equal(got[:, :3], got[:, -3:])


def test_a_file_keeps_everything_and_gets_the_layer(baron_small, tmp_path):
    baron_small.obsm["X_umap"] = np.random.default_rng(0).normal(size=(60, 2))
    baron_small.uns["mine"] = {"a": 1}
    baron_small.write_h5ad(tmp_path / "in.h5ad")
    found = impute_file(tmp_path / "in.h5ad", "mean", out=tmp_path / "out.h5ad", label="cell_type")
    assert found.shape == (60, 300) and found.layers == ("exval_imputed",)
    got = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert got.uns["mine"]["a"] == 1 and "X_umap" in got.obsm and list(got.obs) == list(baron_small.obs)
    np.testing.assert_array_equal(got.X.toarray(), baron_small.X.toarray())
    memory = baron_small.copy()
    impute(memory, "mean", check=False)
    np.testing.assert_allclose(got.layers["exval_imputed"], memory.layers["exval_imputed"], rtol=1e-6)
    page = (tmp_path / "out.h5ad.report" / "report.html").read_text()
    assert "imputed after it was permuted" in page and "Does it invent differences?" in page
    again = impute_file(tmp_path / "out.h5ad", "nothing", out=tmp_path / "again.h5ad", check=False)
    assert again.method == "nothing", "a layer of exval's own may be replaced"


def test_blocks_do_not_change_values(baron_small, tmp_path, monkeypatch):
    baron_small.write_h5ad(tmp_path / "in.h5ad")
    monkeypatch.setattr(layers, "BLOCK_BYTES", 4 * 60 * 7)
    impute_file(tmp_path / "in.h5ad", "mean", out=tmp_path / "out.h5ad", check=False)
    got = anndata.read_h5ad(tmp_path / "out.h5ad").layers["exval_imputed"]
    impute(baron_small, "mean", check=False)
    np.testing.assert_array_equal(got, baron_small.layers["exval_imputed"])


def test_a_table_becomes_an_h5ad(baron_small, tmp_path):
    pd.DataFrame(baron_small.X.toarray(), baron_small.obs_names, baron_small.var_names).to_csv(tmp_path / "in.csv")
    impute_file(tmp_path / "in.csv", "nothing", out=tmp_path / "out.h5ad", check=False)
    got = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(got.layers["exval_imputed"], baron_small.X.toarray(), rtol=1e-5)


def test_another_tools_layer_is_never_replaced(baron_small):
    baron_small.layers["exval_imputed"] = np.ones((60, 300), np.float32)
    with pytest.raises(OutputError, match="--key-added"):
        impute(baron_small, "mean")
    impute(baron_small, "mean", key_added="mine", check=False)
    assert "mine" in baron_small.layers and (baron_small.layers["exval_imputed"] == 1).all()


def test_what_cannot_fit_is_refused_before_it_is_computed(baron_small, monkeypatch):
    monkeypatch.setattr(layers, "machine_memory_gb", lambda: 50_000 / 1e9)
    monkeypatch.setattr(Nothing, "fit", lambda *args: pytest.fail("computed first"))
    with pytest.raises(OutputError, match=r"60 cells x 300 genes .* 0\.0 GB.*--out-genes"):
        impute(baron_small, "nothing")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"method": "pca"}, "pca does not impute"),
        ({"method": "magik"}, "no method that imputes is called 'magik'; did you mean 'magic'"),
        ({"method": "magic", "settings": {"knn": "abc"}}, "knn=abc is no number"),
        ({"method": "saver", "settings": {"regress": "perhaps"}}, "regress=perhaps: true or false"),
        ({"method": "auto"}, "--goal"),
        ({"method": "mean", "goal": "everything"}, "no goal"),
        ({"method": "mean", "settings": {"t": 3}}, "has no parameter 't'"),
        ({"method": "mean", "preset": "huge"}, "no preset"),
        ({"method": "mean", "label": "kind"}, "kind"),
        ({"method": "mean", "out_unit": "z"}, "given as counts, cp10k, log1p, not"),
        ({"method": "oracle"}, "needs the truth"),
    ],
)
def test_refusals_change_nothing(baron_small, settings, line):
    before = set(baron_small.layers), set(baron_small.uns)
    with pytest.raises(InputError, match=line):
        impute(baron_small, **settings)
    assert (set(baron_small.layers), set(baron_small.uns)) == before


def test_counts_are_not_invented_from_logs(baron_small):
    with pytest.raises(InputError, match="holds no counts"):
        impute(log1p_of(baron_small, 1e4), "mean", out_unit="counts")
    centred = baron_small.copy()
    x = centred.X.toarray()
    centred.X = ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype(np.float32)
    with pytest.raises(InputError, match="nothing to fill.*cells are denoised from counts or log1p values, not z"):
        impute(centred, "mean", unit="z")


class Broken(Imputer):
    """Returns NaN for its last genes."""

    name = "broken"
    card = Nothing.card

    def learn(self, cells):
        self._n, self._g = cells.n, len(cells.genes)

    def block(self, columns, sd=False):
        out = np.ones((self._n, len(columns)), np.float32)
        out[:, columns == self._g - 1] = np.nan
        return out


def test_nan_in_the_last_block_leaves_no_file(baron_small, tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "BLOCK_BYTES", 4 * 60 * 50)
    baron_small.write_h5ad(tmp_path / "in.h5ad")
    with pytest.raises(ArithmeticError, match="NaN or inf"):
        impute_file(tmp_path / "in.h5ad", Broken(), out=tmp_path / "out.h5ad", check=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.h5ad"]


def test_command_line(baron_small, tmp_path, capsys):
    baron_small.write_h5ad(tmp_path / "in.h5ad")
    words = ["impute", str(tmp_path / "in.h5ad"), "-o", str(tmp_path / "out.h5ad"), "-q"]
    assert main([*words, "-m", "mean", "--no-check"]) == 0
    assert main([*words, "-m", "mean"]) == 2 and "exists" in capsys.readouterr().err
    assert main([*words, "-m", "mean", "-f", "--set", "t"]) == 2
    assert main(["impute", str(tmp_path / "in.h5ad"), "-m", "mean", "-o", str(tmp_path / "out.csv")]) == 2
    assert ".h5ad" in capsys.readouterr().err
