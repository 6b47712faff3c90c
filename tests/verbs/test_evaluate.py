"""``evaluate`` on small real cells: what is in the table, what may be said, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.bench.results import Results
from exval.data.source import open_source
from exval.errors import InputError
from exval.methods import METHODS, Card, Method, resolve
from exval.tasks.annotate import contests, evaluate_annotation
from exval.tasks.crossval import out_of_fold
from exval.tasks.splits import make_splits
from exval.verbs.evaluate import evaluate

SMALL = {"folds": 2, "min_cells": 5}


class Broken(Method):
    card = Card("control", (), "any", "any", "none", "none", "Fails.")

    def __init__(self, kind="raise"):
        self.kind = kind

    @property
    def title(self):
        return f"broken-{self.kind}"

    def fit(self, adata, label=None):
        if self.kind == "raise":
            raise ValueError("out of\n luck")
        return self

    def predict_proba(self, adata):
        import pandas as pd

        return pd.DataFrame(np.full((adata.n_obs, 2), np.nan), index=adata.obs_names, columns=["a", "b"])


class Leaky(Method):
    """Remembers which cells it was fitted on and refuses to meet them again."""

    card = Card("control", (), "any", "any", "none", "none", "Watches.")
    title = "leaky"

    def fit(self, adata, label=None):
        self.names_, self.classes_ = set(adata.obs_names), np.unique(adata.obs[label].astype(str))
        return self

    def predict_proba(self, adata):
        import pandas as pd

        assert not self.names_ & set(adata.obs_names)
        proba = np.full((adata.n_obs, len(self.classes_)), 1 / len(self.classes_))
        return pd.DataFrame(proba, index=adata.obs_names, columns=self.classes_)

    def seen(self, adata):
        return np.arange(adata.n_obs) < 3


@pytest.fixture(scope="module")
def found(_baron_small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("found") / "out"
    cells = _baron_small.copy()
    cells.obsm["X_truth"] = np.eye(5)[cells.obs["cell_type"].cat.codes].astype(np.float32)
    return evaluate(cells, label="cell_type", method="pca-knn,obsm:X_truth", out=folder, **SMALL), folder


def test_folder_holds_everything(found):
    result, folder = found
    back = Results.load(folder)
    assert (folder / "report.html").stat().st_size > 1000
    assert back.verdict == result.verdict
    assert {"per_class", "reliability", "confusion", "cost", "map2d"} <= set(back.extras)
    assert back.config["dataset"]["n"] == 60 and back.config["task"] == "annotate"


def test_baselines_stand_in_the_same_table(found):
    assert {"majority", "depth", "logreg", "pca", "pca-knn", "obsm:X_truth"} == set(found[0].rows.method)


def test_an_embedding_that_is_the_truth_wins_and_says_so(found):
    result, _ = found
    table = result.table()
    assert table.method[0] == "obsm:X_truth" and table.value[0] == 1
    assert result.verdict.startswith("obsm:X_truth against") and "optimistic" in result.verdict
    assert "times the cost" not in result.verdict


def test_majority_is_right_for_one_class_in_five(found):
    table = found[0].table("accuracy").set_index("method")
    assert table.value["majority"] == pytest.approx(0.2)


def test_predictions_allow_any_test_to_be_redone(found):
    result, _ = found
    pooled = result.rows[(result.rows.fold == -1) & (result.rows.metric == "accuracy")].set_index("method").value
    redone = result.predictions.groupby("method").apply(
        lambda t: (t.truth == t.prediction).mean(), include_groups=False
    )
    for name, value in redone.items():
        assert pooled[name] == pytest.approx(value)


def test_confusion_adds_up(found):
    assert (found[0].extras["confusion"].groupby("method").n.sum() == 60).all()


def test_donors_are_dots_below_six(baron_small):
    result = evaluate(baron_small, label="cell_type", method="pca", split_by="donor", folds=3, min_cells=5)
    pooled = result.rows[
        (result.rows.metric == "macro_f1") & (result.rows["slice"] == "all") & (result.rows.fold == -1)
    ]
    assert pooled.lo.isna().all() and set(pooled.unit) == {"donor"} and set(pooled.split) == {"donor"}
    assert set(result.extras["units"].group) == {"d0", "d1", "d2"}
    assert "cannot tell" in result.verdict and "optimistic" not in result.verdict


def test_a_failed_method_is_a_row_and_the_others_go_on(baron_small):
    methods = ["pca", Broken(), Broken("nan")]
    result = evaluate(baron_small, label="cell_type", method=methods, **SMALL)
    failed = result.rows[result.rows.status == "failed"].set_index("method")
    assert failed.note["broken-raise"] == "out of luck" and "NaN" in failed.note["broken-nan"]
    assert "pca" in set(result.rows.method[result.rows.status == "ok"])


def test_all_failed_is_an_error(baron_small):
    adata = open_source(baron_small).to_adata()
    splits = make_splits(60, labels_n=adata.obs.cell_type.to_numpy(object), folds=2, min_cells=2)
    with pytest.raises(InputError, match="out of luck"):
        evaluate_annotation(adata, "cell_type", [Broken()], splits, data="x", config={})


def test_training_cells_are_never_asked_and_seen_ones_are_marked(baron_small):
    result = evaluate(baron_small, label="cell_type", method=[Leaky()], **SMALL)
    rows = result.rows[result.rows.method == "leaky"]
    assert rows.split.str.contains("seen in pretraining").any()
    assert rows.note.str.contains("6 of the test cells").any()
    assert any("leaky saw 6" in line for line in result.config["warnings"])
    assert "(optimistic; leaky has seen test cells in training)" in result.verdict, "the first line tells, not a note"


def test_same_seed_same_figures(baron_small):
    a, b = (evaluate(baron_small, label="cell_type", method="pca", seed=3, **SMALL) for _ in range(2))
    drop = ["seconds", "peak_mb"]
    assert a.rows.drop(columns=drop).equals(b.rows.drop(columns=drop))


def test_repeats_are_averaged(baron_small):
    result = evaluate(baron_small, label="cell_type", method="pca", repeats=3, **SMALL)
    folds = result.rows[(result.rows.method == "pca") & (result.rows.metric == "accuracy")]
    assert set(folds.seed[folds.fold >= 0]) == {0, 1, 2}
    assert folds.value[folds.fold == -1].item() == pytest.approx(folds.value[folds.fold >= 0].mean())


def test_pairs_of_the_verdict():
    import pandas as pd

    ranked = pd.Series({"run": 0.9, "pca": 0.8, "logreg": 0.7, "depth": 0.1})
    assert contests(ranked) == [("run", "pca")]
    assert contests(ranked.drop("run")) == [("pca", "logreg")]
    assert contests(ranked[["pca"]]) == []


def test_rows_of_every_method_are_in_one_order(baron_small):
    adata = open_source(baron_small).to_adata()
    splits = make_splits(60, labels_n=adata.obs.cell_type.to_numpy(object), folds=3, min_cells=2)
    oof = out_of_fold(adata, "cell_type", [resolve("majority"), resolve("pca")], splits)
    assert oof.of("majority").row.tolist() == oof.of("pca").row.tolist() == list(range(60))


@pytest.mark.parametrize(
    "arguments, line",
    [
        ({"label": None}, "--label"),
        ({"task": "fly"}, "no task"),
        ({"method": "obsm:X_no"}, "X_no"),
        ({"method": "gene-mean"}, "neither names nor embeds"),
        ({"task": "recover", "method": "logreg"}, "does not recover"),
        ({"label": "kind"}, "'kind'"),
        ({"split_by": "patient"}, "'patient'"),
    ],
)
def test_faults_have_one_line(baron_small, tmp_path, arguments, line):
    with pytest.raises(InputError, match=line):
        evaluate(baron_small, **{"label": "cell_type", "out": tmp_path / "out", **arguments})
    assert not list(tmp_path.iterdir())


def test_recover_on_counts(baron_small, tmp_path):
    result = evaluate(baron_small, task="recover", folds=2, out=tmp_path / "out")
    rows = result.rows[result.rows.fold == -1].set_index(["method", "slice", "metric"]).value
    assert rows["low-rank", "arm=entries", "rmse"] < rows["gene-mean", "arm=entries", "rmse"]
    assert rows["gene-mean", "arm=entries", "rmse"] < rows["noop", "arm=entries", "rmse"]
    assert rows["hidden-mean", "arm=entries", "rmse"] < rows["gene-mean", "arm=entries", "rmse"]
    molecules = result.rows[result.rows["slice"] == "arm=molecules"].metric
    assert {"poisson_deviance", "rmse_counts"} <= set(molecules) and "rmse" not in set(molecules)
    assert result.verdict.startswith("low-rank against gene-mean, 60 cells (optimistic)")
    assert len(result.extras["recovered"]) and (tmp_path / "out" / "report.html").exists()
    cells = result.predictions[(result.predictions.method == "noop") & (result.predictions.arm == "entries")]
    assert rows["noop", "arm=entries", "rmse"] == pytest.approx(np.sqrt(cells.squared.sum() / cells.n_hidden.sum()))


def test_recover_without_counts_has_one_arm(baron_small):
    cells = open_source(baron_small).to_adata()
    del cells.layers["counts"]
    result = evaluate(cells, task="recover", unit="log1p", folds=2)
    assert {s.split(",")[0] for s in result.rows["slice"] if s != "all"} == {"arm=entries"}
    assert set(result.rows.metric) == {"rmse", "difference:rmse"}
    assert any("no counts" in line for line in result.config["warnings"])


def test_a_recovery_that_a_control_beats_is_said_to_be_beaten(baron_small):
    class Worse(METHODS["gene-mean"]):
        title = "worse"

    result = evaluate(baron_small, task="recover", method=[Worse()], folds=2)
    pooled = result.rows[(result.rows.fold == -1) & (result.rows["slice"] == "arm=molecules")]
    value = pooled[pooled.metric == "poisson_deviance"].set_index("method").value
    assert value["noop"] < value["worse"]
    assert any("worse does not beat noop (molecules)" in line for line in result.config["warnings"])


def test_a_run_that_was_taught_the_labels_is_marked(baron_small, tuned_run):
    found = evaluate(baron_small, label="cell_type", method=str(tuned_run), **SMALL)
    assert "WAS TAUGHT THE LABELS" in found.verdict
    rows = found.rows[(found.rows.method == "tuned") & (found.rows.fold == -1)]
    assert rows.split.str.contains("labels taught").all()


def test_the_cost_of_a_run_includes_its_training(baron_small, small_run):
    """Of itself and of the run it came from; without it a pretrained model looks cheap."""
    from exval.run import Run

    run = Run(small_run)
    found = evaluate(baron_small, label="cell_type", method=str(small_run), **SMALL)
    assert run.training_seconds == run.described["training"]["cpu_seconds"] > 0
    assert found.extras["cost"].set_index("method").seconds["run"] > run.training_seconds
    again = evaluate(baron_small, task="recover", method=str(small_run), folds=2)
    assert again.extras["cost"].set_index("method").seconds["run"] > run.training_seconds


def test_what_an_embedding_has_seen_is_unknown(baron_small, tmp_path, caplog):
    """The labels themselves as an embedding: it wins, and both the page and the warnings say what cannot be told."""
    baron_small.obsm["X_leak"] = pd.get_dummies(baron_small.obs["cell_type"]).to_numpy(float)
    evaluate(baron_small, label="cell_type", method="obsm:X_leak", folds=2, out=tmp_path / "r")
    assert any("what obsm:X_leak was computed from is not known" in record.message for record in caplog.records)
    text = (tmp_path / "r" / "report.html").read_text()
    assert "; what obsm:X_leak was computed from is not known here. " in text


def test_what_an_embedding_cost_is_unknown(baron_small):
    baron_small.obsm["X_some"] = np.asarray(baron_small.X[:, :9].todense())
    found = evaluate(baron_small, label="cell_type", method="obsm:X_some", **SMALL)
    assert "the cost" not in found.verdict and np.isnan(found.extras["cost"].set_index("method").seconds["obsm:X_some"])


def test_where_seen_cells_would_not_be_recognised_it_is_said(baron_small, small_run):
    asked = {"label": "cell_type", "method": str(small_run), **SMALL}
    whole = evaluate(baron_small, **asked)
    assert "has seen test cells" in whole.verdict
    assert not any("cannot be told" in line for line in whole.config["warnings"])
    fewer = evaluate(baron_small[:, :250].copy(), **asked)
    assert any("whether run saw these cells in training cannot be told" in line for line in fewer.config["warnings"])
