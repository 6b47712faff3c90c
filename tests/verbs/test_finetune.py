"""``finetune``: labels are taught, remembered, and never mixed up."""

from __future__ import annotations

import json

import numpy as np
import pytest

import exval
from exval.errors import InputError, OutputError, UnitError
from exval.methods.run import RunMethod
from exval.run import Run
from exval.train.log import read_log


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr("exval.report.write_report", lambda folder: None)


def test_classes_are_saved_with_the_head(tuned_run):
    run = Run(tuned_run)
    assert json.loads((tuned_run / "classes.json").read_text()) == run.classes
    assert run.classes == ["acinar", "alpha", "beta", "delta", "ductal"]
    assert run.described["label"] == "cell_type" and "Taught 5 classes of cell_type" in run.summary


def test_the_decoder_is_left_as_it_is_and_the_encoder_is_not(small_run, tuned_run):
    before, after = (Run(folder).model.state_dict() for folder in (small_run, tuned_run))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert not any(
        name.startswith(("decoder.", "head.", "to_decoder.", "factors.", "answer_factors")) for name in moved
    )
    assert any(name.startswith("encoder.") for name in moved) and "genes.weight" in moved


def test_it_learns(small_run, baron_small, tmp_path):
    run = exval.finetune(small_run, baron_small, out=tmp_path / "t", steps=60, overrides={"train.lr": 0.01})
    p = run.predict_proba(exval.open_source(baron_small).to_adata())
    right = np.array(run.classes)[p.argmax(1)] == baron_small.obs["cell_type"].astype(str).to_numpy()
    assert right.mean() > 0.8


def test_cells_without_a_label_are_left_out(small_run, baron_small, tmp_path):
    kinds = baron_small.obs["cell_type"].astype(object)
    kinds.iloc[:5], kinds.iloc[5:7] = None, ""
    baron_small.obs["cell_type"] = kinds
    run = exval.finetune(small_run, baron_small, out=tmp_path / "t", steps=1)
    assert run.classes == ["acinar", "alpha", "beta", "delta", "ductal"]
    described = Run.read(tmp_path / "t")
    assert described["n_train"] + described["n_valid"] == 53
    assert any("7 of 60 samples have no cell_type" in line for line in described["warnings"])


def test_donors_stay_together(small_run, baron_small, tmp_path):
    exval.finetune(small_run, baron_small, split_by="donor", out=tmp_path / "t", steps=1)
    described = Run.read(tmp_path / "t")
    assert (described["n_train"], described["n_valid"]) == (40, 20) and "whole donors" in described["verdict"]


def test_other_classes_are_refused(tuned_run, baron_small, tmp_path):
    kinds = baron_small.obs["cell_type"].astype(str)
    for renamed in (kinds.replace({"alpha": "A cell"}), kinds.replace({"alpha": "beta"})):
        baron_small.obs["cell_type"] = renamed.to_numpy()
        with pytest.raises(InputError, match="was fine-tuned on other classes .they differ in .*alpha"):
            exval.finetune(tuned_run, baron_small, out=tmp_path / "t", steps=1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="does not know 'A cell'"):
        baron_small.obs["cell_type"] = kinds.replace({"alpha": "A cell"}).to_numpy()
        RunMethod(str(tuned_run)).fit(exval.open_source(baron_small).to_adata(), "cell_type")


def test_the_same_classes_go_on_from_their_head(tuned_run, baron_small, tmp_path):
    first = next(x for x in read_log(tuned_run / "log.jsonl") if "loss" in x)["loss"]
    exval.finetune(tuned_run, baron_small, out=tmp_path / "t", steps=1)
    again = next(x for x in read_log(tmp_path / "t" / "log.jsonl") if "loss" in x)["loss"]
    assert again < first and Run(tmp_path / "t").classes == Run(tuned_run).classes


@pytest.mark.parametrize("unit", ["log2", "z"])
def test_units_that_cannot_be_taken_leave_nothing(small_run, baron_small, tmp_path, unit):
    x = np.log2(1 + baron_small.X.toarray())
    baron_small.X = x - x.mean(0) if unit == "z" else x - 1.5
    with pytest.raises(UnitError, match=f"is in {unit}"):
        exval.finetune(small_run, baron_small, out=tmp_path / "t", unit=unit, steps=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "celltype"}, "did you mean 'cell_type'"),
        ({"split_by": "patient"}, "no obs column 'patient'"),
        ({"steps": 0}, "--steps has to be at least 1"),
        ({"overrides": {"train.lrr": 1}}, "did you mean 'train.lr'"),
        ({"overrides": {"model.layers": 3}}, "does not fit this shape"),
        ({"overrides": {"model.layers": 1}}, "does not fit this shape"),
        ({"overrides": {"model.width": 16}}, "does not fit this shape"),
        ({"species": "mouse"}, "."),
    ],
)
def test_bad_use_leaves_nothing(small_run, baron_small, tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as told:
        exval.finetune(small_run, baron_small, out=tmp_path / "t", **{"steps": 1, **changes})
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_one_class_is_refused(small_run, baron_small, tmp_path):
    baron_small.obs["cell_type"] = "beta"
    with pytest.raises(InputError, match="only the class 'beta'"):
        exval.finetune(small_run, baron_small, out=tmp_path / "t", steps=1)
    with pytest.raises(InputError, match="is no run folder"):
        exval.finetune(tmp_path, baron_small, out=tmp_path / "t", steps=1)
    assert list(tmp_path.iterdir()) == []


def test_existing_outputs_and_other_labels_on_resume(small_run, baron_small, tmp_path, monkeypatch):
    out = tmp_path / "t"
    with monkeypatch.context() as patch:
        patch.setattr("exval.train.setup.finish_folder", lambda *_: None)
        exval.finetune(small_run, baron_small, out=out, steps=2)
    with pytest.raises(OutputError, match="exists already"):
        exval.finetune(small_run, baron_small, out=out, steps=2)
    other = baron_small.copy()
    other.obs["kind"] = other.obs["cell_type"].astype(str).replace({"alpha": "A"}).to_numpy()
    with pytest.raises(InputError, match="was taught cell_type"):
        exval.finetune(small_run, other, label="kind", out=out, steps=2, resume=True)
    assert "verdict" in exval.finetune(small_run, baron_small, out=out, steps=2, resume=True).described
