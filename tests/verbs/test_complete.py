"""Filling what was not measured: what is written, what stays as it was, and every refusal before anything is."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

import exval
from exval.data.patients import simulated_patients
from exval.errors import GeneError, InputError, OutputError, UnitError
from exval.methods.completion import COMPLETERS
from exval.methods.completion.run import RunCompleter, TrainedCompleter
from exval.verbs.evaluate import evaluate
from exval.verbs.impute import impute, impute_file

TINY = {"model.width": 8, "model.decoder_width": 8, "model.heads": 1, "model.decoder_heads": 1, "model.layers": 1,
        "model.factors": 4, "train.batch_size": 16, "train.valid_every": 4}  # fmt: skip


def patients(n=40, g=30, gaps=0.15, seed=0, dtype=np.float32):
    """log2 values of real gene names, some of them not measured."""
    adata = simulated_patients(n, g, seed, programmes=3)
    rng = np.random.default_rng(seed)
    x = np.asarray(adata.X, dtype)
    x[rng.random(x.shape) < gaps] = np.nan
    adata.X = x
    return adata


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A gexbert run of width 8 on complete log2 values of 60 patients x 30 genes; four steps."""
    out = tmp_path_factory.mktemp("runs") / "gex"
    exval.pretrain(patients(60, 30, 0.0, seed=5), recipe="gexbert", out=out, steps=4, overrides=TINY, unit="log2")
    return out


# what is written


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["mean", "ppca"])
def test_measured_values_stay_bit_for_bit(method, dtype):
    adata = patients(dtype=dtype)
    before, gap = adata.X.copy(), np.isnan(adata.X)
    assert impute(adata, method, check=False) is None
    layer, sd = adata.layers["exval_imputed"], adata.layers["exval_sd"]
    assert layer.dtype == dtype and (layer[~gap] == before[~gap]).all()
    assert np.isfinite(layer).all() and (sd[~gap] == 0).all() and (sd[gap] > 0).all()
    np.testing.assert_array_equal(adata.X, before)
    record = adata.uns["exval"]
    assert record["impute_method"] == method and record["impute_unit"] == "log2"
    assert record["impute_filled"] == gap.sum() and record["impute_share"] == pytest.approx(gap.mean())
    assert set(record["keys"]) == {"exval_imputed", "exval_sd"}


def test_the_mean_is_the_mean():
    adata = patients()
    impute(adata, "mean", check=False)
    gap = np.isnan(adata.X)
    want = np.broadcast_to(np.nanmean(adata.X, 0), adata.shape)
    np.testing.assert_allclose(adata.layers["exval_imputed"][gap], want[gap], rtol=1e-5)


def test_auto_is_ppca_and_says_why():
    adata = patients()
    impute(adata)
    record = adata.uns["exval"]
    assert record["impute_method"] == "ppca" and "is what auto takes" in record["impute_why"]
    assert "rank" in record["impute_why"] and record["impute_rmse"] < record["impute_rmse_mean"]
    assert 0.8 < record["impute_coverage_95"] <= 1


def test_a_copy_leaves_the_file_alone_and_a_foreign_layer_is_kept():
    adata = patients()
    adata.layers["mine"] = np.ones(adata.shape, np.float32)
    got = impute(adata, "mean", copy=True, check=False, sd=False, key_added="filled")
    assert set(adata.layers) == {"mine"} and set(got.layers) == {"mine", "filled"} and "exval" not in adata.uns
    adata.layers["exval_imputed"] = np.ones(adata.shape, np.float32)
    with pytest.raises(OutputError, match="--key-added"):
        impute(adata, "mean", layer="X")


def test_the_order_of_genes_and_samples_does_not_matter():
    adata = patients()
    order = np.random.default_rng(1).permutation(adata.n_vars)
    rows = np.random.default_rng(2).permutation(adata.n_obs)
    other = adata[rows][:, order].copy()
    for one in (adata, other):
        impute(one, "ppca", check=False)
    want = adata.layers["exval_imputed"][rows][:, order]
    np.testing.assert_allclose(other.layers["exval_imputed"], want, rtol=1e-4, atol=1e-4)


def test_a_file_with_its_report(tmp_path):
    adata = patients()
    adata.obsm["X_umap"], adata.uns["mine"] = np.zeros((40, 2)), {"a": 1}
    adata.write_h5ad(tmp_path / "in.h5ad")
    found = impute_file(tmp_path / "in.h5ad", "ppca", out=tmp_path / "out.h5ad")
    got = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert got.uns["mine"]["a"] == 1 and "X_umap" in got.obsm and list(got.obs) == list(adata.obs)
    np.testing.assert_array_equal(got.X, adata.X)
    assert found.layers == ("exval_imputed", "exval_sd") and found.unit == "log2" and found.shape == (40, 30)
    page = (tmp_path / "out.h5ad.report" / "report.html").read_text()
    for text in ("Held-out check", "What was measured", "Gene by gene", "ppca filled"):
        assert text in page
    assert found.verdict in page.replace("&#x27;", "'")
    again = impute_file(tmp_path / "out.h5ad", "mean", out=tmp_path / "again.h5ad", check=False)
    assert again.method == "mean", "a layer of exval's own may be replaced"


def test_log1p_with_gaps_comes_back_in_the_scale_of_the_file():
    adata = patients(g=60)
    counts = np.exp2(np.nan_to_num(adata.X, nan=5.0)).astype(np.float64)
    x = np.log1p(1e6 * counts / counts.sum(1, keepdims=True)).astype(np.float32)
    full = x.copy()
    x[:, ::7][np.random.default_rng(0).random((40, x[:, ::7].shape[1])) < 0.3] = np.nan
    adata.X = x
    impute(adata, "ppca", check=False, unit="log1p")
    gap = np.isnan(x)
    assert (adata.layers["exval_imputed"][~gap] == x[~gap]).all()
    off = adata.layers["exval_imputed"][gap] - full[gap]
    assert np.abs(off).mean() < 1.5 and abs(off.mean()) < 0.5, "not on the scale of 10,000 a sample"


# genes and samples that nobody measured


def test_a_gene_without_any_value_stays_nan_and_is_named():
    adata = patients()
    adata.X[:, 3] = np.nan
    impute(adata, "ppca")
    layer = adata.layers["exval_imputed"]
    assert np.isnan(layer[:, 3]).all() and np.isfinite(np.delete(layer, 3, 1)).all()
    assert np.isnan(adata.layers["exval_sd"][:, 3]).all()
    assert list(adata.uns["exval"]["impute_never_measured"]) == [adata.var_names[3]]


def test_a_sample_without_any_value_gets_the_mean_and_a_warning(tmp_path):
    adata = patients()
    adata.X[5] = np.nan
    found = impute_file(adata, "ppca", out=tmp_path / "out.h5ad")
    assert any("samples without any measured value: 1" in line for line in found.warnings)
    got = anndata.read_h5ad(tmp_path / "out.h5ad").layers["exval_imputed"]
    np.testing.assert_allclose(got[5], np.nanmean(adata.X, 0), atol=0.35)


def test_a_panel_of_five_genes():
    adata = patients(60, 5, gaps=0.2)
    impute(adata, "ppca")
    assert np.isfinite(adata.layers["exval_imputed"]).all()


def test_one_gene_alone_is_refused():
    with pytest.raises(InputError, match="at least 2 genes"):
        impute(patients(40, 1), "ppca", check=False)


# a reference


def test_a_reference_is_fitted_on_and_genes_are_added_at_the_end():
    whole = patients(80, 40, gaps=0.0)
    file, ref = whole[:20, 10:30].copy(), whole[20:].copy()
    file.X[3, 4] = np.nan
    names = list(whole.var_names)
    got = impute(file, "ppca", ref=ref, out_genes=[names[2], names[12], names[35]], copy=True)
    assert list(got.var_names) == [*names[10:30], names[2], names[35]]
    assert got.var["exval_added"].tolist() == [False] * 20 + [True, True]
    assert np.isnan(got.X[:, 20:]).all() and np.isfinite(got.layers["exval_imputed"]).all()
    truth = whole[:20, [2, 35]].X
    spread = whole.X[:, [2, 35]].std(0)
    assert (np.abs(got.layers["exval_imputed"][:, 20:] - truth) / spread).mean() < 1
    assert got.uns["exval"]["impute_rmse_added"] < got.uns["exval"]["impute_rmse_added_mean"]
    everything = impute(file, "ppca", ref=ref, out_genes="all", copy=True, check=False)
    assert set(everything.var_names) == set(names) and everything.n_vars == 40


def test_the_answer_follows_from_the_reference_alone():
    whole = patients(80, 30, gaps=0.1)
    file, ref = whole[:20].copy(), whole[20:].copy()
    together = impute(file, "mean", ref=ref, copy=True, check=False).layers["exval_imputed"]
    gap = np.isnan(file.X)
    want = np.broadcast_to(np.nanmean(ref.X, 0), file.shape)
    np.testing.assert_allclose(together[gap], want[gap], rtol=1e-5)
    alone = impute(file[:3].copy(), "ppca", ref=ref, copy=True, check=False).layers["exval_imputed"]
    np.testing.assert_allclose(alone, impute(file, "ppca", ref=ref, copy=True, check=False).layers["exval_imputed"][:3],
                               rtol=1e-4, atol=1e-4)  # fmt: skip


def test_genes_given_alone_are_used():
    adata = patients()
    names = list(adata.var_names)
    got = impute(adata, "ppca", genes=names[:10], copy=True, check=False)
    want = impute(adata[:, names[:10]].copy(), "ppca", copy=True, check=False)
    assert list(got.var_names) == names[:10]
    np.testing.assert_array_equal(got.layers["exval_imputed"], want.layers["exval_imputed"])


def z(adata):
    out = adata.copy()
    out.X = ((out.X - np.nanmean(out.X, 0)) / np.nanstd(out.X, 0)).astype(np.float32)
    return out


REFUSED = [
    ({"method": "ppca", "ref": lambda: z(patients(60)), "ref_unit": "z"}, UnitError, "has to be in the unit of the"),
    ({"method": "ppca", "ref": lambda: simulated_patients(60, 60)[:, 40:].copy()}, GeneError, "share no gene"),
    ({"method": "magic"}, InputError, "magic denoises counts of single cells.*forest, knn, mean, ppca, softimpute"),
    ({"method": "pca"}, InputError, "no method that fills missing values is called 'pca'; did you mean 'ppca'"),
    ({"method": "cmd:Rscript a.R {input} {output}"}, InputError, "denoises counts"),
    ({"method": "ppca", "goal": "plot"}, InputError, "--goal chooses among methods that denoise"),
    ({"method": "ppca", "label": "site"}, InputError, "--label"),
    ({"method": "ppca", "preset": "cpu"}, InputError, "--preset"),
    ({"method": "ppca", "out_unit": "cp10k"}, InputError, "--out-unit"),
    ({"method": "ppca", "settings": {"ranks": 3, "rnk": 2}}, InputError, "no parameter 'rnk'; there are: .*rank"),
    ({"method": "ppca", "settings": {"rank": "-1"}}, InputError, "at least 1"),
    ({"method": "runs/none"}, InputError, "neither a method nor a run folder"),
    ({"method": "ppca", "out_genes": ["A1CF", "NOSUCH"], "copy": True}, GeneError, "--ref COHORT"),
    ({"method": "ppca", "out_genes": ["A1CF"]}, InputError, "copy=True"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "kind", "line"), REFUSED, ids=lambda part: str(part)[:40])
def test_refusals_are_one_line_and_change_nothing(settings, kind, line):
    adata = patients()
    settings = {key: value() if callable(value) else value for key, value in settings.items()}
    with pytest.raises(kind, match=line) as caught:
        impute(adata, settings.pop("method"), **settings)
    assert "\n" not in str(caught.value) and not adata.layers and "exval" not in adata.uns


def test_counts_and_complete_files(baron_small, tmp_path):
    with pytest.raises(InputError, match="ppca fills values that were not measured, and AnnData holds counts.*alra"):
        impute(baron_small, "ppca")
    baron_small.X = baron_small.X.toarray().astype(np.float32)
    baron_small.X[2, 7] = np.nan
    for method in ("mean", "ppca"):
        with pytest.raises(InputError, match="NaN"):
            impute(baron_small, method)
    with pytest.raises(
        InputError, match="nothing to fill: every value of AnnData was measured.*--ref COHORT.*not log2"
    ):
        impute(patients(gaps=0.0), "mean")
    adata = patients(gaps=0.0)
    adata.X[:, 4] = np.nan
    with pytest.raises(InputError, match="nothing can be filled.*nobody measured"):
        impute(adata, "mean")
    with pytest.raises(InputError, match="inf"):
        broken = patients()
        broken.X[0, 0] = np.inf
        impute(broken, "mean")


def test_outputs_are_whole_or_absent(tmp_path, monkeypatch):
    adata = patients()
    (tmp_path / "there.h5ad").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        impute_file(adata, "mean", out=tmp_path / "there.h5ad")
    with pytest.raises(OutputError, match="h5ad"):
        impute_file(adata, "mean", out=tmp_path / "a.csv")
    monkeypatch.setattr("exval.report.write_report", lambda folder: (_ for _ in ()).throw(RuntimeError("broken")))
    with pytest.raises(RuntimeError, match="broken"):
        impute_file(adata, "mean", out=tmp_path / "out.h5ad")
    assert [path.name for path in tmp_path.iterdir()] == ["there.h5ad"]


# runs


def test_a_run_fills_and_keeps_what_was_measured(run):
    adata = patients(20, 30, seed=9)
    gap = np.isnan(adata.X)
    got = impute(adata, str(run), copy=True)
    layer = got.layers["exval_imputed"]
    assert (layer[~gap] == adata.X[~gap]).all() and np.isfinite(layer).all()
    assert (got.layers["exval_sd"][gap] > 0).all() and (got.layers["exval_sd"][~gap] == 0).all()
    fewer = adata[:, :12].copy()
    wide = impute(fewer, str(run), out_genes="all", copy=True, check=False)
    assert wide.shape == (20, 30) and np.isfinite(wide.layers["exval_imputed"]).all()


def test_a_run_answers_the_same_alone_or_among_others_and_in_any_order(run):
    adata = patients(12, 30, seed=9)
    adata.uns["exval_unit"] = "log2"
    one = RunCompleter(str(run)).fit(adata)
    whole = one.complete(adata, sd=True)
    genes = list(adata.var_names[::-1])
    turned = one.complete(adata[3:5, genes].copy(), genes=genes[:7], sd=True)
    np.testing.assert_allclose(turned.values_ng, whole.values_ng[3:5, ::-1][:, :7], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(turned.sd_ng, whole.sd_ng[3:5, ::-1][:, :7], rtol=1e-3, atol=1e-4)


def test_a_run_refuses_another_unit_and_cells(run, small_run, baron_small):
    with pytest.raises(UnitError, match="was trained on log2 values and the file has z"):
        impute(z(patients()), str(run), unit="z")
    with pytest.raises(InputError, match="fills values that were not measured, and AnnData holds counts"):
        impute(baron_small, str(run))
    with pytest.raises(InputError, match="denoises counts of single cells"):
        impute(patients(), str(small_run))
    with pytest.raises(InputError, match="was trained on single cells and restores no"):
        RunCompleter(str(small_run)).genes  # noqa: B018
    with pytest.raises(InputError, match="trained already; leave out --ref"):
        impute(patients(), str(run), ref=patients(60))


def test_a_run_knows_whom_it_saw(run):
    seen, new = patients(60, 30, 0.0, seed=5), patients(10, 30, 0.0, seed=11)
    for adata in (seen, new):
        adata.uns["exval_unit"] = "log2"
    one = RunCompleter(str(run))
    assert one.seen(seen).all() and not one.seen(new).any() and one.recognises(new)
    assert not one.recognises(patients(10, 30, 0.1)), "with gaps nobody can tell"
    found = evaluate(seen[:30].copy(), task="impute", method=str(run), folds=2, unit="log2")
    rows = found.rows[found.rows.method == "gex"]
    assert rows.split.str.contains("seen in pretraining").all()
    assert "gex has seen test cells in training" in found.verdict


def test_a_model_that_trains_on_every_fold_sees_nobody_else(monkeypatch):
    import exval.verbs.pretrain as module

    names: list = []
    plain = module.pretrain
    monkeypatch.setattr(module, "pretrain", lambda data, **k: (names.append(set(data.obs_names)), plain(data, **k))[1])
    from exval.tasks.completing import evaluate_completion
    from exval.tasks.completing.evaluation import patient_splits

    adata = patients(40, 20, 0.1)
    adata.uns["exval_unit"] = "log2"
    splits = patient_splits(adata, folds=2)
    model = TrainedCompleter(steps=2, overrides=TINY)
    found = evaluate_completion(adata, [COMPLETERS["mean"](), model], splits, arms=["random 50 %"], against="mean")
    assert set(found.table().method) == {"mean", "gexbert"} and not hasattr(model, "run_")
    assert names == [set(adata.obs_names[fold.train]) for fold in splits.folds]


# evaluate


def test_evaluate_always_has_the_baselines(tmp_path):
    adata = patients(48, 20)
    found = evaluate(adata, task="impute", method="softimpute", folds=2, out=tmp_path / "out")
    assert set(found.rows.method) == {"mean", "knn", "ppca", "softimpute"}
    assert len(found.config["arms"]) == 9 and found.verdict.startswith("With 50 % of the values hidden ppca")
    assert "softimpute against ppca, 48 samples" in found.verdict
    page = (tmp_path / "out" / "report.html").read_text()
    assert "How far off restored values are" in page and "low values first" in page and ">cells<" not in page


def test_evaluate_keeps_groups_together_and_patients_too():
    adata = patients(48, 20, 0.0)
    adata.obs_names = [f"TCGA-AA-{i // 2:04d}-0{i % 2}" for i in range(48)]
    adata.obs["site"] = [f"s{i // 3}" for i in range(48)]
    found = evaluate(adata, task="impute", folds=2, split_by="site", genes=list(adata.var_names[:6]))
    assert found.config["split_by"] == "site" and "panel" in found.config["arms"]
    table = found.predictions
    folds = table.groupby(table["sample"].str[:12]).fold.nunique()
    assert (folds == 1).all(), "patients 1 and 2 share a site with others: no patient is torn apart"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"method": "magic"}, "denoises counts of single cells"),
        ({"method": "ppca,nosuch"}, "no method that fills missing values is called 'nosuch'"),
        ({"label": "site"}, "--label"),
        ({"genes": ["NOSUCH", "NEITHER"]}, "are not in the file"),
        ({"split_by": "nosuch"}, "no obs column 'nosuch'"),
    ],
)
def test_evaluate_refuses_in_one_line(settings, line):
    with pytest.raises(InputError, match=line):
        evaluate(patients(), task="impute", folds=2, **settings)


def test_a_panel_means_nothing_for_single_cells(baron_small):
    with pytest.raises(InputError, match="--genes is a panel for a bulk file"):
        evaluate(baron_small, task="impute", genes=["INS"])


# real


def test_a_real_cohort(shared_data, tmp_path):
    whole = anndata.read_h5ad(shared_data / "bulk" / "tcga_blca_stad_coadread_log2tpm_1577genes.h5ad")
    whole = whole[::4, np.random.default_rng(0).permutation(whole.n_vars)[:80]].copy()
    whole.obs_names_make_unique()
    truth = whole.X.copy()
    whole.X[np.random.default_rng(1).random(whole.shape) < 0.1] = np.nan
    found = impute_file(whole, "ppca", out=tmp_path / "out.h5ad", settings={"rank": 20})
    gap = np.isnan(whole.X)
    got = anndata.read_h5ad(tmp_path / "out.h5ad")
    off = (got.layers["exval_imputed"] - truth) / np.nanstd(whole.X, 0)
    rmse = np.sqrt(np.mean(off[gap] ** 2))
    assert rmse < 0.9 and rmse == pytest.approx(got.uns["exval"]["impute_rmse"], abs=0.06), "the check tells the truth"
    inside = np.abs(got.layers["exval_imputed"] - truth)[gap] < 1.96 * got.layers["exval_sd"][gap]
    assert inside.mean() == pytest.approx(found_coverage(found), abs=0.04)


def found_coverage(found) -> float:
    """The share that the verdict gives."""
    import re

    return float(re.search(r"95 % intervals hold ([\d.]+) %", found.verdict).group(1)) / 100


def test_a_table_keeps_its_gaps(tmp_path):
    adata = patients()
    pd.DataFrame(adata.X, adata.obs_names, adata.var_names).to_csv(tmp_path / "in.csv")
    impute_file(tmp_path / "in.csv", "mean", out=tmp_path / "out.h5ad", check=False)
    got = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(got.X, adata.X, rtol=1e-5)
    gap = np.isnan(adata.X)
    assert np.isnan(got.X[gap]).all() and (got.layers["exval_imputed"][~gap] == got.X[~gap]).all()


def test_sds_that_are_too_small_are_said_to_be(tmp_path):
    from exval.methods.completion.mean import Mean

    class Sure(Mean):
        def fill(self, z_mg, sd=False):
            found = super().fill(z_mg, sd)
            return (found[0], found[1] / 3) if sd else found

    found = impute_file(patients(), Sure(), out=tmp_path / "out.h5ad")
    assert found_coverage(found) < 0.7
    assert any("the sds are too small here" in line for line in found.warnings)
    fine = impute_file(patients(), "mean", out=tmp_path / "fine.h5ad")
    assert not any("the sds are too" in line for line in fine.warnings)
