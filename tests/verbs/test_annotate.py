"""``annotate`` on small real cells: what is written where, and what never is."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import exval
from exval.bench.results import Results
from exval.errors import GeneError, InputError, OutputError
from exval.methods.run import RunMethod
from exval.verbs.annotate import annotate, annotate_file

FAST = {"method": "logreg", "folds": 2}


@pytest.fixture
def pair(baron_small):
    """Even cells with labels and colours, odd cells to be named."""
    known, new = baron_small[::2].copy(), baron_small[1::2].copy()
    names = known.obs["cell_type"].cat.categories
    known.uns["cell_type_colors"] = [f"#0000{i:02x}" for i in range(len(names))]
    new.obs = new.obs.rename(columns={"cell_type": "truth"})
    return known, new


@pytest.fixture
def files(pair, tmp_path):
    for name, cells in zip(("ref.h5ad", "new.h5ad"), pair):
        cells.write_h5ad(tmp_path / name)
    return tmp_path / "new.h5ad", tmp_path / "ref.h5ad", tmp_path


def test_in_place(pair):
    known, new = pair
    x = new.X.copy()
    assert annotate(new, known, **FAST) is None
    said = new.obs["exval_cell_type"]
    assert isinstance(said.dtype, pd.CategoricalDtype) and not said.isna().any()
    assert (said.astype(str) == new.obs["truth"].astype(str)).mean() > 0.8
    assert new.obs["exval_cell_type_score"].between(0, 1).all()
    assert new.obs["exval_cell_type_unsure"].dtype == bool
    assert (x != new.X).nnz == 0 and list(new.obs)[:2] == ["truth", "donor"]
    colours = dict(zip(known.obs["cell_type"].cat.categories, known.uns["cell_type_colors"]))
    assert list(new.uns["exval_cell_type_colors"]) == [colours[name] for name in said.cat.categories]


def test_unsure_is_below_the_threshold_and_still_named(pair):
    known, new = pair
    annotate(new, known, **FAST)
    score, unsure = new.obs["exval_cell_type_score"], new.obs["exval_cell_type_unsure"]
    assert (unsure == (score < np.float32(new.uns["exval"]["threshold"]))).all()


def test_record_survives_a_file(pair, tmp_path):
    known, new = pair
    annotate(new, known, **FAST)
    new.write_h5ad(tmp_path / "x.h5ad")
    back = anndata.read_h5ad(tmp_path / "x.h5ad")
    record = back.uns["exval"]
    assert record["method"] == "logreg" and record["unit"] == "counts" and record["version"] == exval.__version__
    assert record["mapping"]["n"] == 300 and isinstance(record["warnings"], str)
    assert list(back.obs["exval_cell_type"]) == list(new.obs["exval_cell_type"])


def test_copy_leaves_the_original_alone(pair):
    known, new = pair
    before = list(new.obs)
    out = annotate(new, known, copy=True, **FAST)
    assert list(new.obs) == before and "exval" not in new.uns and "exval_cell_type" in out.obs


def test_key_added_and_second_call(pair):
    known, new = pair
    annotate(new, known, key_added="mine", **FAST)
    annotate(new, known, key_added="mine", **FAST)
    annotate(new, known, **FAST)
    assert {"mine", "mine_score", "mine_unsure", "exval_cell_type"} <= set(new.obs)
    assert set(new.uns["exval"]["keys"]) >= {"mine", "exval_cell_type_unsure"}


@pytest.mark.parametrize("key", ["leiden", "exval_cell_type"])
def test_a_foreign_column_is_never_overwritten(pair, key):
    known, new = pair
    new.obs[key] = "theirs"
    with pytest.raises(InputError, match=key):
        annotate(new, known, key_added=key, **FAST)
    assert (new.obs[key] == "theirs").all() and "exval" not in new.uns


def test_order_of_genes_and_other_names_do_not_matter(pair):
    known, new = pair
    shuffled = new[:, np.random.default_rng(0).permutation(new.n_vars)].copy()
    annotate(new, known, **FAST)
    annotate(shuffled, known, **FAST)
    np.testing.assert_allclose(new.obs["exval_cell_type_score"], shuffled.obs["exval_cell_type_score"], atol=1e-4)


def test_fewer_genes_and_less_depth(pair):
    known, new = pair
    new = new[:, ::2].copy()
    new.X = sparse.csr_matrix(np.random.default_rng(0).binomial(new.X.toarray().astype(int), 0.3).astype(np.float32))
    annotate(new, known, **FAST)
    record = new.uns["exval"]
    assert record["n_shared_genes"] == 150 and "of the reference's depth" in record["warnings"]
    assert (new.obs["exval_cell_type"].astype(str) == new.obs["truth"].astype(str)).mean() > 0.6


def test_log_values_meet_counts(pair):
    known, new = pair
    log = new.copy()
    scale = 1e4 / np.asarray(new.X.sum(1))
    log.X = sparse.csr_matrix(np.log1p(new.X.multiply(scale)).astype(np.float32))
    annotate(log, known, **FAST)
    assert (log.obs["exval_cell_type"].astype(str) == log.obs["truth"].astype(str)).mean() > 0.8


def test_file_to_file_keeps_everything(files):
    new, ref, folder = files
    with_more = anndata.read_h5ad(new)
    with_more.obsm["X_other"], with_more.uns["note"] = np.ones((30, 2)), "keep"
    with_more.layers["again"] = with_more.X.copy()
    with_more.write_h5ad(new)
    before = new.read_bytes()
    found = annotate_file(new, ref, out=folder / "out.h5ad", truth="truth", **FAST)
    assert new.read_bytes() == before
    back = anndata.read_h5ad(folder / "out.h5ad")
    assert (back.X != with_more.X).nnz == 0 and back.uns["note"] == "keep" and "again" in back.layers
    assert back.obsm["X_other"].shape == (30, 2) and list(back.obs_names) == list(with_more.obs_names)
    assert list(back.obs.columns)[-3:] == ["exval_cell_type", "exval_cell_type_score", "exval_cell_type_unsure"]
    assert list(back.obs["exval_cell_type"]) == list(found.table["exval_cell_type"])
    assert any(str(found.report) in line for line in found.lines())


def test_report_folder(files):
    new, ref, folder = files
    annotate_file(new, ref, out=folder / "out.csv", truth="truth", method="auto", folds=2)
    back = Results.load(folder / "out.csv.report")
    assert {"selection", "unknown_types", "map2d", "scores", "gene_mapping", "per_class", "reliability"} <= set(
        back.extras
    )
    assert set(back.extras["selection"].method) == {"logreg", "pca-knn"} and back.extras["selection"].chosen.sum() == 1
    assert (folder / "out.csv.report" / "report.html").exists()
    unknown = back.extras["unknown_types"]
    assert len(unknown) == 5 and unknown.share_caught.between(0, 1).all()
    scored = back.rows[(back.rows["slice"] == "query") & (back.rows.metric == "accuracy")].value.item()
    assert scored == pytest.approx((back.predictions.truth == back.predictions.prediction).mean())
    assert "macro-F1" in back.verdict and "optimistic" in back.verdict


def test_csv_holds_the_new_columns_only(files):
    new, ref, folder = files
    found = annotate_file(new, ref, out=folder / "out.csv", **FAST)
    table = pd.read_csv(folder / "out.csv", index_col="cell")
    assert list(table.columns) == ["exval_cell_type", "exval_cell_type_score", "exval_cell_type_unsure"]
    assert list(table.index) == list(found.table.index) and len(table) == 30


def test_streamed_in_blocks_equals_at_once(pair):
    from exval.data.source import open_source
    from exval.methods import resolve
    from exval.tasks.naming import name_cells, prepare

    known, new = (open_source(cells) for cells in pair)
    setting = prepare(new, known, "cell_type", {}, None, 0, False)
    fitted = resolve("logreg").fit(setting.reference, "cell_type")
    once, blocks = (name_cells(new, fitted, setting, 0.5, False, size=size) for size in (100, 7))
    assert list(once.labels) == list(blocks.labels)
    np.testing.assert_allclose(once.score_n, blocks.score_n, atol=1e-6)


def test_a_label_map_renames_and_scores(files):
    new, ref, folder = files
    (folder / "map.csv").write_text("from,to\nbeta,B\nalpha,A\nbeeta,B\n")
    found = annotate_file(new, ref, out=folder / "o.csv", truth="truth", label_map=folder / "map.csv", **FAST)
    assert {"A", "B", "delta"} <= set(found.table["exval_cell_type"].cat.categories)
    assert any("'beeta' (did you mean 'beta'?)" in line for line in found.warnings)
    rows = Results.load(found.report).rows
    assert rows[(rows["slice"] == "query") & (rows.metric == "accuracy")].value.item() > 0.8


def test_absent_types_are_listed_with_suggestions(pair, tmp_path):
    known, new = pair
    known = known[known.obs["cell_type"] != "beta"].copy()
    annotate(new, known, truth="truth", report=tmp_path / "r", **FAST)
    assert "true types that the reference lacks: 'beta'" in new.uns["exval"]["warnings"]
    assert "of 6 cells of types that the reference lacks" in new.uns["exval"]["verdict"]


def test_donors_are_held_out(pair):
    known, new = pair
    annotate(new, known, split_by="donor", method="auto", folds=3)
    assert "held-out donor" in new.uns["exval"]["verdict"] and "cannot tell" in new.uns["exval"]["verdict"]


def test_an_embedding_in_both_files_competes(pair):
    """The labels mean nothing to the genes and everything to the embedding: it is clearly better, and taken."""
    known, new = pair
    for cells, column in ((known, "cell_type"), (new, "truth")):
        cells.obs[column] = pd.Categorical(np.random.default_rng(1).permutation(cells.obs[column].astype(str)))
        cells.obsm["X_truth"] = pd.get_dummies(cells.obs[column]).to_numpy(np.float32)
    annotate(new, known, method="obsm:X_truth", folds=2)
    assert new.uns["exval"]["method"] == "obsm:X_truth" and ": better." in new.uns["exval"]["verdict"]
    assert (new.obs["exval_cell_type"].astype(str) == new.obs["truth"].astype(str)).all()


def test_an_embedding_as_good_as_the_simple_methods_is_not_taken(pair):
    known, new = pair
    for cells in (known, new):
        cells.obsm["X_same"] = np.asarray(np.log1p(cells.X.todense()))
    annotate(new, known, method="auto,obsm:X_same", folds=2)
    assert new.uns["exval"]["method"] in ("logreg", "pca-knn")
    assert "obsm:X_same" in new.uns["exval"]["verdict"]


def test_unlabelled_reference_cells_are_left_out(pair):
    known, new = pair
    known.obs["cell_type"] = known.obs["cell_type"].astype(object)
    known.obs.iloc[:3, known.obs.columns.get_loc("cell_type")] = np.nan
    annotate(new, known, **FAST)
    assert "3 reference cells have no cell_type" in new.uns["exval"]["warnings"]
    assert "nan" not in set(new.obs["exval_cell_type"].cat.categories)


def test_genes_must_be_shared(pair):
    known, new = pair
    with pytest.raises(GeneError, match="share 3 genes"):
        annotate(new[:, :100].copy(), known[:, 97:].copy(), **FAST)


@pytest.mark.parametrize(
    "arguments, line",
    [({"label": "kind"}, "'kind'"), ({"truth": "known"}, "'known'"), ({"split_by": "patient"}, "'patient'"),
     ({"method": "logrek"}, "did you mean 'logreg'"), ({"method": "gene-mean"}, "names cells nor embeds"),
     ({"label_map": "no.csv"}, "no.csv"), ({"method": "obsm:X_no"}, "X_no")],
)  # fmt: skip
def test_faults_have_one_line_and_change_nothing(pair, arguments, line):
    known, new = pair
    before = new.obs.copy()
    with pytest.raises(InputError, match=line):
        annotate(new, known, **{**FAST, **arguments})
    pd.testing.assert_frame_equal(new.obs, before)


@pytest.mark.parametrize("name, line", [("out.docx", ".h5ad"), ("new.h5ad", "is an input"), ("old.csv", "exists")])
def test_outputs_that_are_refused(files, name, line):
    new, ref, folder = files
    (folder / "old.csv").write_text("precious")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(OutputError, match=line):
        annotate_file(new, ref, out=folder / name, **FAST)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "old.csv").read_text() == "precious"


def test_nothing_is_left_when_the_report_fails(files, monkeypatch):
    new, ref, folder = files

    def fail(path):
        raise OutputError("no room")

    monkeypatch.setattr("exval.report.write_report", fail)
    with pytest.raises(OutputError, match="no room"):
        annotate_file(new, ref, out=folder / "out.csv", **FAST)
    assert sorted(path.name for path in folder.iterdir()) == ["new.h5ad", "ref.h5ad"]


def test_an_anndata_keeps_everything_in_the_file_that_is_written(pair, tmp_path):
    known, new = pair
    new.layers["twice"], new.uns["mine"], new.var["note"] = new.X * 2, {"a": 1}, "x"
    new.raw = new
    new.var_names = [f"{name}.1" if name == "INS" else name for name in new.var_names]
    annotate_file(new, known, out=tmp_path / "out.h5ad", **FAST)
    out = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert list(out.var_names) == list(new.var_names) and (out.X != new.X).nnz == 0
    assert set(out.layers) == {"twice"} and out.uns["mine"] == {"a": 1} and "note" in out.var and out.raw is not None
    assert "exval_cell_type" in out.obs and "exval_cell_type" not in new.obs


@pytest.mark.parametrize("on_disk", [False, True])
def test_colours_of_an_earlier_reference_do_not_stay(pair, tmp_path, on_disk):
    known, new = pair
    annotate(new, known, **FAST)
    assert "exval_cell_type_colors" in new.uns
    fewer = known[known.obs["cell_type"].isin(list(known.obs["cell_type"].value_counts().index[:2]))].copy()
    del fewer.uns["cell_type_colors"]
    if on_disk:
        new.write_h5ad(tmp_path / "in.h5ad")
        annotate_file(tmp_path / "in.h5ad", fewer, out=tmp_path / "out.h5ad", **FAST)
        new = anndata.read_h5ad(tmp_path / "out.h5ad")
    else:
        annotate(new, fewer, **FAST)
    assert new.obs["exval_cell_type"].nunique() <= 2 and "exval_cell_type_colors" not in new.uns


def test_one_cell_is_named(pair):
    known, new = pair
    one = new[:1].copy()
    annotate(one, known, **FAST)
    assert len(one.obs["exval_cell_type"]) == 1


def test_empty_cells_are_unsure_and_do_not_set_the_depth(pair):
    known, new = pair
    whole = new.copy()
    annotate(whole, known, **FAST)
    x = sparse.lil_matrix((2 * new.n_obs, new.n_vars), dtype=np.float32)
    x[: new.n_obs] = new.X
    padded = anndata.AnnData(x.tocsr(), var=new.var)
    annotate(padded, known, **FAST)
    unsure = padded.obs["exval_cell_type_unsure"].to_numpy()
    assert unsure[new.n_obs :].all() and "no value on any shared gene" in padded.uns["exval"]["warnings"]
    assert (unsure[: new.n_obs] == whole.obs["exval_cell_type_unsure"].to_numpy()).all()
    assert padded.uns["exval"]["threshold"] == whole.uns["exval"]["threshold"]


@pytest.mark.parametrize("place", ["nowhere/deep", "run"])
def test_a_report_that_cannot_be_written_leaves_the_older_output(files, monkeypatch, place):
    new, ref, folder = files
    out = folder / "labels.csv"
    out.write_text("older\n")
    with monkeypatch.context() as patch:
        if place == "run":
            patch.setattr("exval.report.write_report", lambda part: 1 / 0)
        with pytest.raises((OutputError, ZeroDivisionError)):
            annotate_file(new, ref, out=out, report=folder / place, force=True, **FAST)
    assert out.read_text() == "older\n" and not (folder / place).exists()


def test_a_report_does_not_replace_a_run_unasked(files, pair):
    new, ref, folder = files
    known, cells = pair
    (folder / "run").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "run" / name).write_text('{"format_version": 1, "kind": "pretrain"}')
    with pytest.raises(OutputError, match="exists already"):
        annotate_file(new, ref, out=folder / "labels.csv", report=folder / "run", **FAST)
    with pytest.raises(OutputError, match="exists already"):
        annotate(cells, known, report=folder / "run", **FAST)
    assert (folder / "run" / "model.safetensors").exists() and not (folder / "labels.csv").exists()
    assert "exval_cell_type" not in cells.obs


def test_a_copy_of_a_backed_file_is_in_memory(files):
    new, ref, _ = files
    backed = anndata.read_h5ad(new, backed="r")
    found = annotate(backed, ref, copy=True, **FAST)
    assert not found.isbacked and "exval_cell_type" in found.obs and "exval_cell_type" not in backed.obs
    backed.file.close()


def test_a_run_handed_over_competes_like_its_folder(baron_small, tuned_run):
    """Taught the labels of the reference, it cannot be compared: alone it left nothing to choose from."""
    new = baron_small[:9].copy()
    annotate(new, baron_small, method=RunMethod(str(tuned_run)), folds=2)
    assert new.uns["exval"]["method"] == "tuned" and "as asked" in new.uns["exval"]["verdict"]


def shallower(cells, share=0.3):
    cells = cells.copy()
    cells.X = cells.X.copy()
    cells.X.data = np.random.default_rng(0).binomial(cells.X.data.astype(int), share).astype(np.float32)
    cells.X.eliminate_zeros()
    return cells


def test_an_embedding_does_not_compete_where_others_are_thinned(pair):
    """It cannot be thinned to the depth of the file: compared at full depth it would win unfairly."""
    known, new = pair
    new = shallower(new)
    for cells in (known, new):
        cells.obsm["X_some"] = np.asarray(np.log1p(cells.X[:, :40].todense()))
    annotate(new, known, method="auto,obsm:X_some", folds=2)
    assert new.uns["exval"]["method"] in ("logreg", "pca-knn")
    alone = annotate(new, known, method="obsm:X_some", folds=2, key_added="alone", copy=True)
    record = alone.uns["exval"]
    assert record["method"] == "obsm:X_some" and "cannot be thinned" in record["verdict"]
    assert 0 < record["threshold"] <= 1


def test_the_verdict_scores_the_choice_on_cells_without_a_say(pair):
    known, new = pair
    annotate(new, known, method="auto", folds=2)
    assert "had no say in the choice" in new.uns["exval"]["verdict"]
    annotate(new, known, **FAST, key_added="alone")
    assert "say" not in new.uns["exval"]["verdict"]


def test_cells_of_the_reference_do_not_score(pair):
    """Ten of the 40 cells of the file are in the reference: they are counted, and the others alone score."""
    known, new = pair
    known.obs["truth"] = known.obs["cell_type"].astype(str)
    mixed = anndata.concat([new, known[:10]])
    annotate(mixed, known, truth="truth", **FAST)
    assert "10 of 40 cells are in the reference too" in mixed.uns["exval"]["warnings"]
    annotate(new, known, truth="truth", **FAST)
    assert "in the reference too" not in new.uns["exval"]["warnings"]
    scores = [
        cells.uns["exval"]["verdict"].split("Against the known types")[1].split("macro-F1")[1].split(",")[0]
        for cells in (mixed, new)
    ]
    assert scores[0] == scores[1]
    annotate(known, known.copy(), truth="truth", **FAST)
    assert "30 of 30 cells are in" in known.uns["exval"]["warnings"]
    assert "accuracy" not in known.uns["exval"]["verdict"]


def test_a_run_that_was_named_is_in_the_verdict(pair, small_run):
    known, new = pair
    annotate(new, known, method=str(small_run), folds=2)
    verdict = new.uns["exval"]["verdict"]
    assert "run against " in verdict and verdict.startswith(new.uns["exval"]["method"])


def test_an_error_says_which_file(pair):
    known, new = pair
    with pytest.raises(InputError, match="^the reference: no obs column 'kind'"):
        annotate(new, known, label="kind")
    with pytest.raises(InputError, match="^the file: no obs column 'kind'"):
        annotate(new, known, truth="kind")
    known.obsm["X_pca"] = np.ones((known.n_obs, 2))
    with pytest.raises(InputError, match="^the file: no embedding 'X_pca'"):
        annotate(new, known, method="obsm:X_pca")


def test_the_report_tells_both_files_apart(files):
    new, ref, folder = files
    found = annotate_file(new, ref, out=folder / "o.csv", truth="truth", folds=2, method="logreg")
    text = (found.report / "report.html").read_text()
    assert "Its cells were named by logreg after" in text and "the reference was split into 2 folds" in text
    assert "On this file: against its known types" in text and "Class by class, on held-out reference cells" in text
    shown = Results.load(found.report).extras
    right = shown["truth_confusion"].query("truth == prediction").n.sum()
    accuracy = right / shown["truth_confusion"].n.sum()
    assert f"accuracy {accuracy:.3f}" in found.verdict
    assert repr(Results.load(found.report)).startswith(found.verdict) and len(repr(found)) > 0


def test_warnings_are_said_where_nobody_looks(pair, caplog):
    known, new = pair
    known.obs["cell_type"] = known.obs["cell_type"].astype(object)
    known.obs.iloc[:3, known.obs.columns.get_loc("cell_type")] = np.nan
    annotate(new, known, **FAST)
    assert any("3 reference cells have no cell_type" in record.message for record in caplog.records)
