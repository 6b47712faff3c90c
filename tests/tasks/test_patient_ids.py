"""Which samples are of one patient."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from exval.tasks.patient_ids import patient_splits, patients_of


def test_barcodes_columns_and_names():
    assert patients_of(["TCGA-AA-0001-01A", "tcga.aa.0001.11"])[0].tolist() == ["TCGA-AA-0001"] * 2
    obs = pd.DataFrame({"Patient": ["a", "a", "b"]})
    assert [part if isinstance(part, str) else part.tolist() for part in patients_of(["x", "y", "z"], obs)] == [
        ["a", "a", "b"],
        "patient",
    ]
    gap = pd.DataFrame({"patient": ["a", None, "b"]})
    assert patients_of(["x", "y", "z"], gap)[1] == "sample"
    assert patients_of(["x", "x", "z"])[1] == "patient"
    assert patients_of(["TCGA-AA-0001", "other"])[1] == "sample", "a mixed cohort is not cut to barcodes alone"


def test_no_patient_on_both_sides():
    names = [f"TCGA-AA-{i // 3:04d}-0{i % 3}" for i in range(60)]
    adata = anndata.AnnData(np.zeros((60, 2)), obs=pd.DataFrame(index=names))
    made = patient_splits(adata, folds=4, repeats=2)
    assert made.unit == "patient" and len(made.folds) == 8
    for fold in made.folds:
        assert not set(made.groups_n[fold.train]) & set(made.groups_n[fold.test])
    again = patient_splits(adata, folds=4, repeats=2)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(made.folds, again.folds))
