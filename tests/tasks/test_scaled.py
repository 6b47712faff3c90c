"""Cohorts scaled each on its own are refused as classes, also after patients were left out."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.errors import UnitError
from exval.tasks.scaled import check_scaling
from exval.verbs.evaluate import evaluate


def cohorts(kept=1.0, shift=0.5):
    """Two cohorts that differ by ``shift`` SDs in every gene, z-scored apart, then a share of the patients kept."""
    rng = np.random.default_rng(0)
    parts, names = [], []
    for name, move in (("one", 0.0), ("two", shift)):
        x = rng.normal(move, 1, size=(200, 60))
        parts.append(((x - x.mean(0)) / x.std(0))[: int(200 * kept)])
        names += [name] * len(parts[-1])
    return np.vstack(parts), np.array(names)


@pytest.mark.parametrize("kept", [1.0, 0.8, 0.5])
def test_cohorts_are_refused_however_many_patients_were_left_out(kept):
    x, names = cohorts(kept)
    with pytest.raises(UnitError, match="z-scored within each cancer"):
        check_scaling(x, names, "cancer", pd.DataFrame(index=range(len(x))))


def test_a_label_within_such_cohorts_is_refused_and_one_across_them_is_not():
    x, names = cohorts(0.8)
    obs = pd.DataFrame({"study": names})
    grade = np.array([f"{name} {i % 2}" for i, name in enumerate(names)])
    with pytest.raises(UnitError, match="within each study, and each grade lies within one"):
        check_scaling(x, grade, "grade", obs)
    across = np.where(np.arange(len(x)) % 2 == 0, "low", "high")
    x[across == "high"] += 1
    assert check_scaling(x, across, "grade", obs) == []


def test_classes_on_one_scale_pass_and_classes_that_hardly_differ_are_warned_about():
    rng = np.random.default_rng(1)
    names = np.repeat(["one", "two"], 150)
    x = rng.normal(size=(300, 60)) + (names == "two")[:, None]
    z = (x - x.mean(0)) / x.std(0)
    assert check_scaling(z, names, "cancer", pd.DataFrame(index=range(300))) == []
    noise = rng.normal(size=(300, 60))
    assert "nearly the same mean" in check_scaling(noise, names, "sex", pd.DataFrame(index=range(300)))[0]


def test_real_cohorts_that_were_scaled_each_on_its_own(shared_data):
    parts = {name: anndata.read_h5ad(shared_data / "bulk" / f"tcga_{name}_rnaseq_z_survival.h5ad")
             for name in ("kirc", "lihc")}  # fmt: skip
    pooled = anndata.concat(parts, label="cancer", join="inner")
    pooled.obs_names_make_unique()
    with pytest.raises(UnitError, match="z-scored within each cancer"):
        evaluate(pooled, label="cancer", method="logreg", folds=2, unit="z")
    assert evaluate(parts["lihc"], label="is_female", method="logreg", folds=2, unit="z").verdict


def test_a_disease_scored_with_the_others_is_warned_of_and_a_cohort_refused():
    """A tenth of the genes differs and all were scored together: means alone cannot tell, so nobody is barred."""
    rng = np.random.default_rng(0)
    half = np.repeat(["sick", "well"], 300)
    x = rng.normal(size=(600, 200))
    x[:300, :20] += 1
    x = (x - x.mean(0)) / x.std(0)
    assert len(check_scaling(x, half, "disease", pd.DataFrame(index=range(600)))) == 1
    apart = np.concatenate([(p - p.mean(0)) / p.std(0) for p in (x[:300], x[300:])])
    with pytest.raises(UnitError):
        check_scaling(apart, half, "disease", pd.DataFrame(index=range(600)))
