"""Who ranks genes and who loses them."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from exval.data.source import open_source
from exval.errors import InputError, UnitError
from exval.tasks.explaining.material import choose_material, divide, spread
from exval.tasks.explaining.question import Question


def chosen(run, data, **settings):
    return choose_material(run, open_source(data, missing=True), Question.of_run(run), **settings)


def test_rare_classes_are_kept():
    rng, code = np.random.default_rng(0), np.array([0] * 500 + [1] * 3)
    for _ in range(20):
        assert (code[spread(code, 503, 10, rng)] == 1).sum() == 3
    assert len(spread(None, 30, 10, rng)) == 10 and len(spread(None, 5, 10, rng)) == 5


def test_patients_stay_on_one_side_and_classes_are_even():
    rng = np.random.default_rng(0)
    code, patient = np.arange(200) % 2, np.repeat(np.arange(100), 2)
    rank, delete = divide(code, patient, np.zeros(200, bool), 90, rng)
    assert not set(patient[rank]) & set(patient[delete]) and (len(rank), len(delete)) == (60, 30)
    assert abs(code[delete].mean() - 0.5) < 0.01


def test_samples_that_were_not_taught_lose_genes_if_there_are_enough():
    rng, names = np.random.default_rng(0), np.arange(100)
    code = np.arange(100) % 2
    _, delete = divide(code, names, names >= 25, 90, rng)
    assert (delete < 25).all() and len(delete) == 25
    _, delete = divide(code, names, names >= 10, 90, rng)
    assert len(delete) == 30 and (delete >= 10).any()
    rank, delete = divide(code[:15], names[:15], np.zeros(15, bool), 90, rng)
    assert (rank == delete).all()


def test_what_training_met_is_said(planted_run, new_patients):
    from plantedworlds import world

    own = chosen(planted_run, world(160))
    assert own.tellable and own.taught_n.mean() == pytest.approx(0.9, abs=0.01)
    assert "was taught" in own.met and "optimistic" in own.met  # sixteen were held out, fewer than twenty
    new = chosen(planted_run, new_patients)
    assert new.met == "training met none of these 30 samples" and new.apart and new.unit == "sample"
    few = chosen(planted_run, new_patients[:, :23].copy())
    assert not few.tellable and "cannot be told" in few.met


def test_labels_of_the_file_or_those_that_the_run_names(planted_run, new_patients):
    data = new_patients.copy()
    data.obs["sort"] = data.obs["kind"].astype(str).to_numpy()
    data.obs.iloc[:5, data.obs.columns.get_loc("sort")] = "other"
    data.obs.iloc[5:9, data.obs.columns.get_loc("sort")] = ""
    found = chosen(planted_run, data, label="sort")
    assert found.labelled and found.label == "sort" and found.adata.n_obs == 81
    assert "5 samples are of classes that the run was not taught ('other')" in found.notes[0]
    assert "4 samples have no sort" in found.notes[1]
    del data.obs["kind"]
    found = chosen(planted_run, data)
    assert not found.labelled and "has no column 'kind'" in found.notes[0]
    adata = open_source(data, missing=True).to_adata(measured=True)
    np.testing.assert_array_equal(found.code_n, planted_run.predict_proba(adata).argmax(1))


def test_outcomes_of_the_file_or_none(survival_run, new_patients):
    found = chosen(survival_run, new_patients)
    assert found.labelled and found.event_n.dtype == bool and len(found.time_n) == 90
    data = new_patients.copy()
    del data.obs["months"]
    found = chosen(survival_run, data)
    assert not found.labelled and found.time_n is None and "lacks 'months' or 'event'" in found.notes[0]
    data = new_patients.copy()
    data.obs["gone"] = 1 - data.obs["event"]
    turned = chosen(survival_run, data, censored="gone")
    np.testing.assert_array_equal(turned.event_n, chosen(survival_run, new_patients).event_n)
    data.obs["event"] = np.arange(90) < 3
    assert "the outcome of the file is not used: 3 of 90" in chosen(survival_run, data).notes[0]
    with pytest.raises(InputError, match="3 of 90 patients"):
        chosen(survival_run, data, event="event")


def test_what_the_column_meant_in_training_is_remembered(survival_run, new_patients, monkeypatch):
    data = new_patients.copy()
    data.obs["code"] = data.obs["event"]
    monkeypatch.setitem(survival_run.described["outcome"], "flag", "code")
    seen = chosen(survival_run, data).event_n
    monkeypatch.setitem(survival_run.described["outcome"], "censored", True)
    assert (chosen(survival_run, data).event_n != seen).all() and survival_run.outcome["censored"] is True


@pytest.mark.parametrize(
    ("run", "settings", "message"),
    [
        ("planted_run", {"label": "kimd"}, "no obs column 'kimd'; did you mean 'kind'"),
        ("planted_run", {"label": "word"}, "holds none of the classes that taught was taught"),
        ("planted_run", {"time": "months"}, "taught classes, not survival"),
        ("survival_run", {"label": "kind"}, "taught survival, not classes"),
        ("survival_run", {"time": "month", "event": "event"}, "no column 'month'; did you mean 'months'"),
    ],
)
def test_bad_columns(run, settings, message, new_patients, request):
    data = new_patients.copy()
    data.obs["word"] = "x"
    with pytest.raises(InputError, match=message):
        chosen(request.getfixturevalue(run), data, **settings)


def test_too_few_samples_another_unit_and_no_gene(planted_run, new_patients):
    with pytest.raises(InputError, match="3 samples are too few"):
        chosen(planted_run, new_patients[:3].copy())
    z = new_patients.copy()
    z.X = (z.X - z.X.mean(0)) / z.X.std(0)
    with pytest.raises(UnitError, match="was trained on log2 values and the file has z"):
        chosen(planted_run, z)
    from exval.data.genetable import GeneTable

    other = anndata.AnnData(new_patients.X, obs=new_patients.obs)
    other.var_names = GeneTable.load("human").symbols[500:524]
    with pytest.raises(InputError, match="has 0 of the 24 genes"):
        chosen(planted_run, other)
