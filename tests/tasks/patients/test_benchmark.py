"""The benchmark of patients: what is hidden from whom, and figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.bench.results import Results, make_rows
from exval.data.patients import simulated_patients
from exval.errors import InputError
from exval.methods.matrix import dense_values
from exval.recipes import patients
from exval.tasks.patients import anchors, cohorts, conclude, fewgenes, jobs


@pytest.fixture(scope="module")
def cohort():
    return cohorts.load("simulated", None)


def test_folds_hold_whole_patients_and_every_draw_is_another_one(cohort):
    adata = cohort.copy()
    adata.obs["exval_patient"] = [f"p{i // 2}" for i in range(adata.n_obs)]
    found = [cohorts.folds_of(adata, adata.obs["site"].to_numpy(object), 3, repeat) for repeat in (0, 1)]
    for folds in found:
        assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(adata.n_obs))
        for fold in folds:
            assert not set(adata.obs["exval_patient"].iloc[fold.train]) & set(
                adata.obs["exval_patient"].iloc[fold.test]
            )
    assert not np.array_equal(found[0][0].test, found[1][0].test)


def test_panels_are_the_same_for_every_method_and_chosen_on_training(cohort):
    train = cohort[:120].copy()
    drawn = fewgenes.panels(train, "site", 3, sizes=(4, 16), repeats=2)
    assert drawn == fewgenes.panels(train.copy(), "site", 3, sizes=(4, 16), repeats=2)
    assert [name for name, _ in drawn] == ["random 4", "random 4", "chosen 4", "random 16", "random 16", "chosen 16"]
    assert all(len(set(genes)) == int(name.split()[1]) for name, genes in drawn)
    planted = train.copy()
    planted.X[:, 7] += 50 * (planted.obs["site"] == planted.obs["site"].iloc[0]).to_numpy()
    assert planted.var_names[7] in dict(fewgenes.panels(planted, "site", 0, sizes=(4,), repeats=1))["chosen 4"]


def test_scores_of_panels_by_hand(cohort):
    class Always:
        def predict(self, adata):
            return pd.Series(["north"] * adata.n_obs, index=adata.obs_names)

    rows, units = fewgenes.score_panels(
        Always(), cohort, cohort, "site", [("random 4", list(cohort.var_names[:4]))], False
    )
    share = float((cohort.obs["site"].astype(str) == "north").mean())
    assert rows[0]["value"] == pytest.approx(share) and rows[0]["task"] == "classify-random-4"
    assert units.value.mean() == pytest.approx(share) and len(units) == cohort.n_obs


def test_restorers_never_see_the_anchors(cohort):
    train, test = cohort[:160].copy(), cohort[160:].copy()
    genes = anchors.pick_anchors(train)
    seen = []

    class Spy:
        def complete(self, adata, genes=None, sd=False):
            seen.append(np.isnan(dense_values(adata, np.array(genes))).all())
            return type("C", (), {"values_ng": np.zeros((adata.n_obs, len(genes)), np.float32)})()

    found = anchors.score_anchors({"spy": Spy()}, train, test)
    assert seen == [True] and len(genes) == anchors.ANCHORS
    values = {arm: rows[0]["value"] for arm, rows, _ in found}
    assert list(values) == ["measured", "restored by spy", "absent (all other genes)"]
    assert values["restored by spy"] == 0.5 < values["measured"]  # the same values for everybody tell nobody apart


def test_anchors_are_the_genes_that_decide(cohort):
    truth = simulated_patients(n=240, g=200, seed=0).var["programme"]  # the first programme alone decides
    picked = anchors.pick_anchors(cohort, 10)
    assert (truth[picked] == 0).mean() >= 0.7 > 2 * (truth == 0).mean()


def test_jobs_of_the_same_draw_hide_the_same_values():
    asked = {"job": "complete", "data": "simulated", "folds": 3, "draw": 1, "arms": ["random 50 %"]}
    a, b = (jobs.run_cell({**asked, "method": name})["units"] for name in ("mean", "knn"))
    assert a.patient.tolist() == b.patient.tolist() and a.weight.tolist() == b.weight.tolist()
    assert (a.value != b.value).any()


def results_of(units: pd.DataFrame) -> Results:
    rows = make_rows([{"method": "logreg", "task": "classify-random-4", "metric": "accuracy", "value": 0.5}])
    return Results(rows, units, {})


def test_differences_are_paired_over_patients_and_repeats_narrow_nothing():
    rng = np.random.default_rng(0)
    base = (rng.random(80) < 0.6).astype(float)
    once = [
        pd.DataFrame({"method": name, "task": "classify-random-4", "data": "x", "seed": 0, "metric": "accuracy",
                      "patient": [f"p{i}" for i in range(80)], "value": value})
        for name, value in (("logreg", base), ("gexbert", np.where(np.arange(80) < 8, 1 - base, base)))
    ]  # fmt: skip
    one = conclude.differences(pd.concat(once), 400).set_index("method")
    twice = pd.concat(once + [part.assign(seed=1) for part in once])
    two = conclude.differences(twice, 400).set_index("method")
    assert one.loc["gexbert", "value"] == pytest.approx(once[1].value.mean())
    assert one.loc["gexbert", "difference"] == pytest.approx(once[1].value.mean() - once[0].value.mean())
    assert one.loc["gexbert", "lo"] == pytest.approx(two.loc["gexbert", "lo"])
    assert conclude.conclude(results_of(pd.concat(once)), 200)[0].startswith("Classes from random genes")


def test_a_lower_error_is_better():
    units = pd.concat(
        pd.DataFrame({"method": name, "task": "restore-random-50", "data": "x", "seed": 0, "metric": "squared",
                      "patient": [f"p{i}" for i in range(30)], "value": error, "weight": 10.0})
        for name, error in (("ppca", np.full(30, 40.0)), ("gexbert", np.linspace(20, 24, 30)))
    )  # fmt: skip
    row = conclude.differences(units, 200).set_index("method").loc["gexbert"]
    assert row.value == pytest.approx(np.sqrt(2.2)) and row.difference == pytest.approx(2 - np.sqrt(2.2))
    assert row.verdict == "better" and row.lo > 0


def test_the_plan():
    planned = patients.plan(preset="quick", seeds=1)
    assert {cell.params["job"] for cell in planned.cells} == {"classify", "complete", "survive", "model", "outlook"}
    assert len({cell.key for cell in planned.cells}) == len(planned.cells)
    assert {name for name, _ in planned.skipped} >= {"tcga-3", "kirc"}
    with pytest.raises(InputError, match="known: "):
        patients.plan(methods=["magic"])
    with pytest.raises(InputError, match="quick"):
        patients.plan(preset="paper")


def test_real_cohorts_are_what_their_names_say(shared_data):
    folder = str(shared_data / "bulk")
    three = cohorts.load("tcga-3", folder)
    assert three.uns["exval_unit"] == "log2" and set(three.obs["cancer"]) == {"BLCA", "COADREAD", "STAD"}
    assert three.n_obs - three.obs["exval_patient"].nunique() == 3
    sizes = {name: cohorts.load(name, folder) for name in ("blca", "coadread", "stad")}
    assert {name: one.n_obs for name, one in sizes.items()} == {"blca": 359, "coadread": 296, "stad": 318}
    assert {name: int(one.obs["exval_event"].sum()) for name, one in sizes.items()} == {
        "blca": 156, "coadread": 58, "stad": 120,
    }  # fmt: skip
