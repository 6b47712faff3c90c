"""From a file to a cohort: patients, groups, clinical columns, another cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.patient_ids import joined, patients_of, repeated
from exval.data.patients import simulated_patients
from exval.data.source import open_source
from exval.errors import InputError, UnitError
from exval.tasks.survival.cohort import read_cohort, read_external

COLUMNS = {"time": "os_months", "event": "os_event"}


def read(adata, **asked):
    return read_cohort(open_source(adata, missing=True), **{**COLUMNS, **asked})


@pytest.fixture
def patients():
    return simulated_patients(80, 20, seed=1)


def test_without_an_outcome_a_sample_is_left_out_and_counted(patients):
    patients.obs.loc[patients.obs_names[:3], "os_months"] = np.nan
    found = read(patients)
    assert found.adata.n_obs == 77 and found.notes[0]["n"] == 3
    assert found.adata.obs_names[0] == patients.obs_names[3]


def test_values_dense_with_gaps_kept(patients):
    patients.X[0, :5] = np.nan
    found = read(patients)
    assert found.space == "log2" and np.isnan(found.adata.X[0]).sum() == 5


def test_repeated_names_are_one_patient_although_obs_was_made_unique(patients):
    patients.obs_names = ["same", "same", *patients.obs_names[2:]]
    found = read(patients)
    assert found.patient_n[0] == found.patient_n[1] == "same" and len(set(found.patient_n)) == 79
    note = next(n["note"] for n in found.notes if n["what"] == "repeated patients")
    assert "1 patient has 2 samples (same; told by equal names)" in note


def test_barcodes_and_a_column_name_the_patient():
    names = ["TCGA-BL-A13J-01A-11R", "TCGA.BL.A13J.11A", "TCGA-BL-A13K", "x"]
    assert patients_of(names).id_n.tolist() == ["TCGA-BL-A13J", "TCGA-BL-A13J", "TCGA-BL-A13K", "x"]
    obs = pd.DataFrame({"who": ["p", None, "q", "p"]}, index=names)
    assert patients_of(names, obs, "who").id_n.tolist() == ["p", "TCGA-BL-A13J", "q", "p"]
    assert repeated(patients_of(names, obs, "who").id_n) == ["p"]


def test_groups_that_share_a_patient_are_one():
    patient = np.array(list("aabbcd"), dtype=object)
    site = np.array(["x", "y", "y", "z", "w", "x"], dtype=object)
    assert joined(patient, site).tolist() == ["x+y+z"] * 4 + ["w", "x+y+z"]


def test_split_by(patients):
    assert set(read(patients, split_by="site").group_n) == {"north", "south"}


REFUSED = {
    "one site": (lambda a: a.obs.assign(site="x"), {"split_by": "site"}, "one value only ('x')"),
    "no site": (lambda a: a.obs.assign(site=[None, *"xy" * 39, "x"]), {"split_by": "site"}, "1 samples have no value"),
    "no column": (lambda a: a.obs, {"split_by": "sites"}, "did you mean 'site'"),
    "one patient": (lambda a: a.obs.assign(who="p"), {"patient": "who"}, "all 80 samples are of one patient"),
    "absent covariate": (lambda a: a.obs, {"clinical": "agee"}, "did you mean 'age'"),
    "constant": (lambda a: a.obs.assign(arm="A"), {"clinical": "arm"}, "one value only ('A')"),
    "empty covariate": (lambda a: a.obs.assign(arm=None), {"clinical": "arm"}, "is empty"),
    "identifier": (lambda a: a.obs.assign(patient_id=range(80)), {"clinical": "patient_id"}, "names the patients"),
    "words of an id": (lambda a: a.obs.assign(code=a.obs_names), {"clinical": "code"}, "names the patients"),
    "outcome": (lambda a: a.obs, {"clinical": "os_months"}, "the outcome itself"),
    "by name": (lambda a: a.obs.assign(dss_months=1.0), {"clinical": "dss_months"}, "by its name an outcome"),
    "twin": (lambda a: a.obs.assign(arm=1 - a.obs["os_event"]), {"clinical": "arm"}, "it is an outcome"),
    "same time": (lambda a: a.obs.assign(m=a.obs["os_months"]), {"clinical": "m"}, "equals the survival time"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, patients):
    change, asked, words = REFUSED[case]
    patients.obs = change(patients)
    with pytest.raises(InputError) as raised:
        read(patients, **asked)
    assert words in str(raised.value)


def test_a_table_beside_the_file(patients, tmp_path):
    names = patients.obs_names
    table = pd.DataFrame({"case": names[:70], "stage": ["I", "II"] * 35, "bmi": np.arange(70) + 20})
    table.to_csv(tmp_path / "c.csv", index=False)
    found = read(patients, clinical_table=tmp_path / "c.csv")
    assert found.covariates == ("stage", "bmi") and found.adata.obs["stage"].tolist()[:2] == ["I", "II"]
    assert found.adata.obs["stage"].isna().sum() == 10
    assert next(n["n"] for n in found.notes if n["what"] == "no clinical row") == 10
    both = read(patients, clinical="age,bmi", clinical_table=tmp_path / "c.csv")
    assert both.covariates == ("age", "bmi")


def test_a_table_by_patient_of_a_barcode(patients, tmp_path):
    patients.obs_names = [f"TCGA-AA-{i:04d}-01A" for i in range(80)]
    rows = "".join(f"TCGA-AA-{i:04d},{50 + i}\n" for i in range(80))
    (tmp_path / "c.csv").write_text("bcr,years\n" + rows)
    found = read(patients, clinical_table=tmp_path / "c.csv")
    assert found.adata.obs["years"].tolist() == [str(50 + i) for i in range(80)]


def test_a_csv_of_numbers_with_its_outcome_in_the_table(patients, tmp_path):
    patients.to_df().to_csv(tmp_path / "x.csv", index_label="sample")
    patients.obs[["age", "os_months", "os_event", "site"]].to_csv(tmp_path / "c.csv", index_label="sample")
    source = open_source(tmp_path / "x.csv", missing=True)
    found = read_cohort(source, **COLUMNS, clinical_table=tmp_path / "c.csv", split_by="site")
    assert found.covariates == ("age",) and set(found.group_n) == {"north", "south"}
    assert found.time_n.tolist() == patients.obs["os_months"].tolist() and found.adata.n_vars == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [("case,age\nzz,5\n", "none of 80 samples"), ("case\npatient0001\n", "a column of sample names"),
     ("case,arm\npatient0001,5\npatient0001,6\n", "has two rows"), ("", "cannot be read as a table")],
)  # fmt: skip
def test_tables_refused(text, words, patients, tmp_path):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read(patients, clinical_table=tmp_path / "c.csv")
    with pytest.raises(InputError, match="no file"):
        read(patients, clinical_table=tmp_path / "absent.csv")


def test_another_cohort(patients):
    home = read(patients)
    other = simulated_patients(60, 20, seed=9)
    other.obs_names = [*patients.obs_names[:5], *(f"new{i}" for i in range(55))]
    found = read_external(open_source(other, missing=True), home, **COLUMNS)
    assert found.adata.n_obs == 55 and found.notes[-1]["n"] == 5
    other.obs["os_months"] *= 30.4
    late = read_external(open_source(other, missing=True), home, **COLUMNS)
    assert any("one unit of time" in line for line in late.warnings)


def test_another_cohort_refused(patients):
    home = read(patients)
    z = simulated_patients(60, 20, seed=9)
    z.X = (z.X - z.X.mean(0)) / z.X.std(0)
    z.obs_names = [f"z{i}" for i in range(60)]
    with pytest.raises(UnitError, match="holds z values and AnnData log2 values"):
        read_external(open_source(z, missing=True), home, **COLUMNS)
    with pytest.raises(InputError, match="all of its patients are in"):
        read_external(open_source(patients, missing=True), home, **COLUMNS)
    bare = simulated_patients(60, 20, seed=9)
    del bare.obs["os_event"]
    with pytest.raises(InputError, match="--external AnnData: --event: obs has no column"):
        read_external(open_source(bare, missing=True), home, **COLUMNS)
    z_home = read(z)
    far = z.copy()
    far.obs_names = [f"far{i}" for i in range(60)]
    pooled = read_external(open_source(far, missing=True), z_home, **COLUMNS)
    assert any("relative to its own patients" in line for line in pooled.warnings)


def test_a_table_beside_the_file_is_believed_and_conflicts_are_said(tmp_path):
    adata = simulated_patients(60, 20)
    table = adata.obs[["age", "os_months", "os_event"]].copy()
    table.iloc[:5, 0] += 10
    table.iloc[:3, 1] += 1
    table["os_event"] = table["os_event"].astype(float)  # 1.0 and 0.0
    table.to_csv(tmp_path / "c.csv", index_label="sample")
    source = open_source(adata, missing=True)
    found = read_cohort(source, time="os_months", event="os_event", clinical="age", clinical_table=tmp_path / "c.csv")
    np.testing.assert_allclose(found.time_n, table["os_months"])
    told = [note for note in found.warnings if "differ from those in the file" in note]
    assert len(told) == 2 and told[0].startswith("5 ") and told[1].startswith("3 ")


def test_a_patient_with_two_outcomes_is_said():
    adata = simulated_patients(60, 20)
    adata.obs["who"] = [f"p{i // 2}" if i < 20 else f"q{i}" for i in range(60)]
    found = read_cohort(open_source(adata, missing=True), time="os_months", event="os_event", patient="who")
    assert any(line.startswith("10 patients (p0, p1, p2, ...) have samples with different") for line in found.warnings)
