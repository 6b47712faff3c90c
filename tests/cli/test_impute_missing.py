"""``exval impute`` and ``exval evaluate`` on bulk files: exit codes, one line, nothing half written."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.data.patients import simulated_patients
from exval.methods.completion import COMPLETERS


@pytest.fixture
def folder(tmp_path):
    """gaps.h5ad, gaps.csv (empty cells), whole.h5ad, ref.h5ad and z.h5ad in one folder; nothing else."""
    whole = simulated_patients(60, 25, programmes=2)
    file = whole[:40].copy()
    file.X[np.random.default_rng(0).random(file.shape) < 0.15] = np.nan
    file.write_h5ad(tmp_path / "gaps.h5ad")
    pd.DataFrame(file.X, file.obs_names, file.var_names).to_csv(tmp_path / "gaps.csv")
    whole[:40, :15].copy().write_h5ad(tmp_path / "whole.h5ad")
    whole[40:].copy().write_h5ad(tmp_path / "ref.h5ad")
    scaled = whole.copy()
    scaled.X = ((whole.X - whole.X.mean(0)) / whole.X.std(0)).astype(np.float32)
    scaled.write_h5ad(tmp_path / "z.h5ad")
    return tmp_path


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_verdict_comes_first(folder, capsys):
    assert main(["impute", str(folder / "gaps.h5ad"), "-o", str(folder / "out.h5ad")]) == 0
    out, err = capsys.readouterr()
    assert (
        out.startswith("ppca filled 13.1 % of 40 samples x 25 genes of gaps.h5ad (log2)")
        and "each gene's mean" in out.splitlines()[0]
    )
    assert f"Values: {folder / 'out.h5ad'}, layer exval_imputed and exval_sd (log2)" in out and "error" not in err
    got = anndata.read_h5ad(folder / "out.h5ad")
    measured = ~np.isnan(got.X)
    assert (got.layers["exval_imputed"][measured] == got.X[measured]).all()
    assert names(folder) >= {"out.h5ad", "out.h5ad.report"}


def test_a_table_with_empty_cells(folder):
    code = main(["impute", str(folder / "gaps.csv"), "-m", "mean", "--no-check", "-q", "-o", str(folder / "out.h5ad")])
    got = anndata.read_h5ad(folder / "out.h5ad")
    assert code == 0 and np.isnan(got.X).any() and np.isfinite(got.layers["exval_imputed"]).all()


def test_genes_of_a_reference(folder, capsys):
    argv = ["impute", str(folder / "whole.h5ad"), "--ref", str(folder / "ref.h5ad"), "--out-genes", "all", "-m", "ppca"]
    assert main([*argv, "-o", str(folder / "out.h5ad")]) == 0
    got = anndata.read_h5ad(folder / "out.h5ad")
    assert got.shape == (40, 25) and int(got.var["exval_added"].sum()) == 10
    assert "fitted on ref.h5ad" in capsys.readouterr().out and got.uns["exval"]["impute_ref"] == "ref.h5ad"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["whole.h5ad"], "nothing to fill: every value of whole.h5ad was measured"),
        (["gaps.h5ad", "-m", "magic"], "magic denoises counts of single cells, and gaps.h5ad holds log2 values"),
        (["gaps.h5ad", "-m", "ppcb"], "no method that fills missing values is called 'ppcb'; did you mean 'ppca'?"),
        (["gaps.h5ad", "--ref", "z.h5ad"], "z.h5ad holds z and gaps.h5ad log2: a reference has to be in the unit"),
        (["gaps.h5ad", "--ref", "nowhere.h5ad"], "nowhere.h5ad"),
        (["gaps.h5ad", "--goal", "plot"], "--goal chooses among methods that denoise single cells"),
        (["gaps.h5ad", "--genes", "NOSUCH,NONE"], "--genes: 2 of 2 genes are not in the file"),
        (["whole.h5ad", "--out-genes", "NOSUCH"], "need a cohort that has them: --ref COHORT"),
        (["gaps.h5ad", "--set", "rank=many"], "ppca cannot be fitted with rank=many"),
        (["gaps.h5ad", "-o", "gaps.h5ad"], "is an input"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, argv, line, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = names(folder)
    argv = ["impute", *argv] + ([] if "-o" in argv else ["-o", "out.h5ad"])
    assert main(argv) == 2
    err = [text for text in capsys.readouterr().err.splitlines() if not text.startswith("warning")]
    assert len(err) == 1 and err[0].startswith("error: ") and line in err[0]
    assert names(folder) == before


def test_evaluate(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "panel.txt").write_text("\n".join(anndata.read_h5ad("gaps.h5ad").var_names[:6]) + "\n")
    argv = ["evaluate", "gaps.h5ad", "--task", "impute", "-m", "ppca,knn", "--folds", "2", "--genes", "panel.txt"]
    assert main([*argv, "-o", "found"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("With 50 % of the values hidden ppca restores") and "all but the panel hidden" in out
    assert {"report.html", "results.parquet", "predictions.parquet", "config.json"} <= names(folder / "found")
    assert main([*argv, "-o", "found"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["report", "found"]) == 0


def test_methods_that_fill_are_listed(capsys):
    assert main(["methods", "--verb", "fill"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(COMPLETERS)
    assert main(["methods", "ppca"]) == 0
    assert "verbs       fill" in capsys.readouterr().out
