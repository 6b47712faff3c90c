"""``predict``: new patients, with what was missing in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import exval
from exval.bench.results import Results
from exval.data.patients import simulated_patients
from exval.errors import ExvalError, GeneError, InputError, OutputError, UnitError
from exval.methods.survival.pca_cox import PCACox
from exval.verbs.predict import predict, summary

COLUMNS = {"time": "os_months", "event": "os_event"}
FAST = PCACox(n_components=10, ridge=1.0)


@pytest.fixture(autouse=True, scope="module")
def no_report():
    """Figures are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exval.report.write_report", lambda folder: folder)
        yield


@pytest.fixture(scope="module")
def cohort():
    return simulated_patients(200, 40, seed=12, effect=1.5)


@pytest.fixture(scope="module")
def folder(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("predict") / "out"
    exval.survival(cohort, **COLUMNS, clinical="age,is_female", method=FAST, folds=3, out=out, horizons=(6, 12))
    return out


def test_values_of_another_platform_are_noticed(folder, new):
    new.X = new.X + 2.5
    assert any("another platform" in line for line in predict(folder, new).attrs["notes"])
    new.X = new.X + 4
    with pytest.raises(UnitError, match="another unit or normalisation"):
        predict(folder, new)
    predict(folder, new, method="clinical")  # looks at no gene


@pytest.fixture
def new():
    return simulated_patients(60, 40, seed=5, effect=1.5)


def test_risk_group_and_survival(folder, new):
    table = predict(folder, new)
    assert table.attrs["method"] == "cox + clinical" and table.index.tolist() == new.obs_names.tolist()
    assert list(table) == ["risk", "percentile", "group", "survival_6", "survival_12", "share_missing", "note"]
    assert np.corrcoef(table["risk"], new.obs["true_risk"])[0, 1] > 0.7
    assert set(table["group"]) == {"low", "high"} and (table["note"] == "").all()
    assert (table["survival_6"] >= table["survival_12"]).all()
    order = table.sort_values("risk", kind="stable")
    assert order["percentile"].is_monotonic_increasing and order["percentile"].between(0, 100).all()
    assert (
        order["group"] == ["low"] * (table["group"] == "low").sum() + ["high"] * (table["group"] == "high").sum()
    ).all()


def test_patients_of_the_cohort_get_their_place_in_it(folder, cohort):
    table = predict(folder, cohort)
    assert table["percentile"].mean() == pytest.approx(50) and (table["group"] == "low").sum() == 100


def test_a_panel_with_fewer_genes_gets_an_answer_and_is_told(folder, new):
    table = predict(folder, new[:, 12:].copy())
    assert table["note"].iloc[0] == "12 of 40 genes not measured: taken at training mean"
    assert table["share_missing"].tolist() == pytest.approx([12 / 40] * 60)
    assert len(table.attrs["missing_genes"]) == 12 and "12 genes of the model are not in" in table.attrs["notes"][0]
    new.X[0, :20] = np.nan
    own = predict(folder, new)
    assert "20 of 40 genes" in own["note"].iloc[0] and own["note"].iloc[1] == ""


def test_a_patient_of_whom_hardly_anything_is_known_gets_no_group(folder, new):
    """All genes with an effect are gone: the risk that is left is that of the mean patient."""
    blind = predict(folder, new[:, 20:].copy(), method="cox")
    assert set(blind["group"]) == {"unknown"} and blind["percentile"].isna().all()
    assert blind["note"].str.startswith("too little of what the model weighs").all()
    other = predict(folder, new[:, :25].copy(), method="cox")  # fewer genes, but those that count
    assert set(other["group"]) == {"low", "high"}


def test_missing_clinical_values_are_noted(folder, new):
    new.obs.loc[new.obs_names[1], "age"] = np.nan
    assert predict(folder, new)["note"].iloc[1] == "age missing: taken as in training"


def test_a_table_of_clinical_values(folder, new, tmp_path):
    new.obs[["age", "is_female"]].to_csv(tmp_path / "c.csv", index_label="who")
    want = predict(folder, new)
    bare = new.copy()
    bare.obs = bare.obs[[]]
    with pytest.raises(InputError, match="needs the clinical column 'age'"):
        predict(folder, bare)
    assert predict(folder, bare, clinical_table=tmp_path / "c.csv")["risk"].tolist() == pytest.approx(
        want["risk"].tolist()
    )


def test_another_method_and_one_without_genes(folder, new):
    cox = predict(folder, new, method="cox")
    assert cox.attrs["method"] == "cox" and cox["risk"].tolist() != predict(folder, new)["risk"].tolist()
    null = predict(folder, new, method="null-survival")
    assert set(null["group"]) == {"all"} and null["percentile"].eq(50).all() and null["survival_6"].nunique() == 1
    with pytest.raises(InputError, match="keeps no method 'coxnet'; did you mean 'cox'"):
        predict(folder, new, method="coxnet")


def test_one_patient_is_the_same_alone(folder, new):
    many = predict(folder, new)
    one = predict(folder, new[7:8].copy())
    assert one["risk"].iloc[0] == pytest.approx(many["risk"].iloc[7], abs=1e-9)


def test_few_patients_are_taken_to_be_in_the_unit_of_the_cohort(tmp_path):
    z = simulated_patients(150, 40, seed=4)
    z.X = (z.X - z.X.mean(0)) / z.X.std(0)
    exval.survival(z, **COLUMNS, method=FAST, folds=2, out=tmp_path / "out")
    table = predict(tmp_path / "out", z[:3].copy())
    assert "too few to tell the unit" in table.attrs["notes"][0] and "taken for z" in table.attrs["notes"][0]
    high = simulated_patients(3, 40)
    high.X[0, 0] = -1.0  # now it could be z, but for the size of the values
    with pytest.raises(UnitError, match="SD from those of AnnData"):
        predict(tmp_path / "out", high)
    high.X = np.abs(high.X)
    with pytest.raises(UnitError, match="no value is negative"):
        predict(tmp_path / "out", high)


def test_csv(folder, new, tmp_path):
    table = predict(folder, new, out=tmp_path / "risk.csv")
    back = pd.read_csv(tmp_path / "risk.csv", index_col="sample")
    assert back["risk"].tolist() == pytest.approx(table["risk"].tolist()) and back.index.tolist() == list(table.index)
    with pytest.raises(OutputError, match="exists already"):
        predict(folder, new, out=tmp_path / "risk.csv")
    with pytest.raises(OutputError, match=r"ends in \.csv"):
        predict(folder, new, out=tmp_path / "risk.h5ad")
    said = summary(table)
    assert said["n"] == 60 and sum(said["groups"].values()) == 60


def test_refused_with_nothing_written(folder, new, tmp_path):
    other = new.copy()
    other.X = (other.X - other.X.mean(0)) / other.X.std(0)
    foreign = simulated_patients(60, 80, seed=5)[:, 60:].copy()
    cases = [
        (folder, other, UnitError, "holds z values and AnnData log2 values"),
        (folder, foreign, GeneError, "none of the 40 genes"),
        (tmp_path / "absent", new, InputError, "is not a folder"),
        (tmp_path, new, InputError, "holds no survival model"),
        (folder, tmp_path / "absent.h5ad", ExvalError, "absent.h5ad"),
    ]
    for where, data, kind, words in cases:
        with pytest.raises(kind, match=words):
            predict(where, data, out=tmp_path / "risk.csv")
    assert not (tmp_path / "risk.csv").exists()


def test_runs_in_the_table_travel_with_the_folder(cohort, new, tmp_path):
    """Pretrained and fine-tuned runs are copied into the folder: it may be moved, and the runs deleted."""
    import shutil

    run, taught = tmp_path / "run", tmp_path / "taught"
    exval.pretrain(cohort, recipe="gexbert", out=run, steps=2, overrides={"model.width": 8, "train.batch_size": 16})
    exval.finetune(run, cohort, **COLUMNS, out=taught, steps=2)
    found = exval.survival(cohort, **COLUMNS, method=f"{run},{taught}", folds=2, out=tmp_path / "out")
    assert found.config["chosen"] != "taught" and not found.verdict.startswith("taught")
    assert any("taught was taught the outcome of" in line for line in found.config["warnings"])
    old = predict(tmp_path / "out", new, method="taught")
    assert old["risk"].nunique() > 30 and (old["survival_" + f"{found.config['horizons'][0]:g}"] <= 1).all()
    want = predict(tmp_path / "out", new, method="run")
    seen = Results.load(tmp_path / "out")
    assert any("run saw 200 of the test samples in pretraining" in line for line in seen.config["warnings"])
    fewer = predict(tmp_path / "out", new[:, 10:].copy(), method="run")
    assert fewer["note"].iloc[0] == "10 of 40 genes not measured"
    shutil.rmtree(run)
    shutil.rmtree(taught)
    (tmp_path / "out").rename(tmp_path / "moved")
    found = predict(tmp_path / "moved", new, method="run")
    assert found["risk"].tolist() == pytest.approx(want["risk"].tolist(), abs=1e-9)
    again = predict(tmp_path / "moved", new, method="taught")
    assert again["risk"].tolist() == pytest.approx(old["risk"].tolist(), abs=1e-9)
