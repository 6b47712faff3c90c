"""Which samples are of one patient: one rule, and every split that follows it."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.data.patient_ids import patients_of
from exval.data.source import open_source
from exval.errors import InputError
from exval.tasks.completing.evaluation import patient_splits
from exval.tasks.splits import groups_of


def test_barcodes_columns_and_names():
    assert patients_of(["TCGA-AA-0001-01A", "tcga.aa.0001.11"]).id_n.tolist() == ["TCGA-AA-0001"] * 2
    obs = pd.DataFrame({"Patient": ["a", "a", "b"]})
    told = patients_of(["x", "y", "z"], obs)
    assert (told.id_n.tolist(), told.unit, told.told_by) == (["a", "a", "b"], "patient", "column 'Patient'")
    gap = pd.DataFrame({"patient": ["a", None, "b"]})
    assert patients_of(["x", "y", "z"], gap).unit == "sample"
    assert patients_of(["x", "x", "z"]).told_by == "equal names"
    assert patients_of(["TCGA-AA-0001", "other"]).unit == "sample", "a mixed cohort is not cut to barcodes alone"


def test_a_column_of_a_few_groups_names_no_patients():
    obs = pd.DataFrame({"case": ["case", "control"] * 20, "donor": list("ab") * 20})
    names = [f"s{i}" for i in range(40)]
    assert patients_of(names, obs, names_tell=False).unit == "sample"  # of what may be cells
    assert patients_of(names, obs).told_by == "column 'donor'"  # twenty bulk samples of each of two people
    with pytest.raises(InputError, match="one patient"):
        patients_of(["x", "y"], pd.DataFrame({"who": ["p", "p"]}), "who")


def test_names_of_cells_repeat_and_mean_nothing():
    told = patients_of(["AAAC", "AAAC", "TCGA-AA-0001-01"], names_tell=False)
    assert len(set(told.id_n)) == 3 and told.unit == "sample"


def test_prepared_samples_carry_the_patient_where_one_has_several():
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    adata = anndata.AnnData(x, var=pd.DataFrame(index=["INS", "GCG", "SST", "ACTB"]))
    adata.obs_names = ["TCGA-AA-0001-01", "TCGA-AA-0001-11", *(f"TCGA-AA-000{i}-01" for i in range(2, 6))]
    source = open_source(adata, unit="z", missing=True)
    assert source.to_adata(measured=True).obs["exval_patient"].nunique() == 5
    assert "exval_patient" not in open_source(adata[1:].copy(), unit="z").to_adata(measured=True).obs


def test_a_column_to_split_by_joins_what_shares_a_patient():
    obs = pd.DataFrame({"lab": ["a", "b", "c", None], "exval_patient": list("ppqr")})
    groups, name = groups_of(obs, "lab")
    assert groups[:3].tolist() == ["a+b", "a+b", "c"] and pd.isna(groups[3]) and name == "lab"


def test_no_patient_on_both_sides():
    names = [f"TCGA-AA-{i // 3:04d}-0{i % 3}" for i in range(60)]
    adata = anndata.AnnData(np.zeros((60, 2)), obs=pd.DataFrame(index=names))
    made = patient_splits(adata, folds=4, repeats=2)
    assert made.unit == "patient" and len(made.folds) == 8
    for fold in made.folds:
        assert not set(made.groups_n[fold.train]) & set(made.groups_n[fold.test])
    again = patient_splits(adata, folds=4, repeats=2)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(made.folds, again.folds))


@pytest.mark.parametrize(
    ("each", "bulk", "told"), [(6, True, True), (40, True, True), (6, False, True), (90, False, False)]
)
def test_a_column_of_patients_with_many_samples(each, bulk, told):
    """Six samples of a patient must not be parted; ninety of what may be cells are a donor, held out by name."""
    obs = pd.DataFrame(
        {"patient_id": [f"p{i // each}" for i in range(each * 8)]}, index=[f"s{i}" for i in range(each * 8)]
    )
    found = patients_of(obs.index, obs, names_tell=bulk)
    assert (found.unit == "patient") == told and len(set(found.id_n)) == (8 if told else each * 8)
