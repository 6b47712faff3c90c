"""Patients from file to answers with the recipe gexbert: any subset of genes, gaps, labels, survival, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.patients import simulated_patients
from exval.data.source import open_source
from exval.errors import GeneError, InputError, UnitError
from exval.methods.run import RunMethod
from exval.rng import Draw
from exval.run import Run
from exval.verbs.annotate import annotate
from exval.verbs.embed import embed
from exval.verbs.finetune import finetune
from exval.verbs.predict import predict
from exval.verbs.pretrain import pretrain

QUICK = {"model.width": 16, "model.decoder_width": 16, "model.factors": 6, "visibility.max_visible": 16,
         "visibility.max_queries": 16, "train.valid_every": 20, "train.save_every": 10}  # fmt: skip


@pytest.fixture(scope="module")
def patients():
    """Outcomes as simulated, and values of four programmes that any gene tells much of."""
    made = simulated_patients(n=140, g=60, seed=0)
    rng = np.random.default_rng(0)
    level_nr = rng.normal(size=(140, 4))
    made.var["programme"] = np.arange(60) // 2 % 4
    noise = 0.5 * rng.normal(size=made.shape)
    made.X = (6 + level_nr[:, made.var["programme"].to_numpy()] * rng.uniform(0.7, 1.5, 60) + noise).astype(np.float32)
    level = level_nr[:, 0]
    made.obs["kind"] = np.where(level > np.median(level), "high", "low")
    return made


@pytest.fixture(scope="module")
def run(patients, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "base"
    return pretrain(patients[:110].copy(), recipe="gexbert", out=folder, steps=30, overrides=QUICK)


def prepared(adata, **reading):
    return open_source(adata, missing=True, **reading).to_adata(measured=True)


def test_hidden_genes_are_restored_better_than_by_their_mean(run, patients):
    whole = prepared(patients[110:].copy())
    hidden = whole.var_names[::2]
    cut = whole[:, ~whole.var_names.isin(hidden)].copy()
    values, sd = run.restore(cut, hidden)
    truth = whole[:, hidden].X
    mean = patients[:110, hidden].X.mean(0)
    error, error_of_mean = (np.sqrt(np.mean((x - truth) ** 2)) for x in (values, mean))
    assert error < 0.8 * error_of_mean
    assert 0.85 < np.mean(np.abs(values - truth) < 1.96 * sd) <= 1.0


def test_genes_not_measured_and_genes_absent_are_one(run, patients):
    whole = prepared(patients[110:118].copy())
    some = whole.var_names[:20]
    gaps = whole.copy()
    gaps.X[:, 20:] = np.nan
    np.testing.assert_allclose(run.embed(gaps), run.embed(whole[:, some].copy()), atol=1e-5)


def test_what_is_not_asked_is_not_answered_and_changes_nothing(run, patients):
    some = prepared(patients[110:115].copy())[:, ::2].copy()
    asked = np.random.default_rng(0).random((5, 60)) < 0.3
    asked[2] = False
    whole, whole_sd = run.restore(some)
    part, part_sd = run.restore(some, asked_nq=asked)
    for told, all_told in ((part, whole), (part_sd, whole_sd)):
        assert np.isnan(told[~asked]).all()
        np.testing.assert_allclose(told[asked], all_told[asked], atol=1e-5)


@pytest.mark.parametrize("genes", [1, 4, 60])
def test_any_panel_is_answered(run, patients, genes):
    panel = prepared(patients[110:114].copy())[:, :genes].copy()
    assert np.isfinite(run.embed(panel)).all() and np.isfinite(run.restore(panel)[0]).all()


def test_a_sample_without_any_value_gets_the_mean(run, patients):
    blank = prepared(patients[110:112].copy())
    blank.X[0] = np.nan
    values, _ = run.restore(blank)
    order = pd.Index(patients.var_names).get_indexer(run.genes)
    gap = np.abs(values[0] - patients[:110].X.mean(0)[order])
    assert np.median(gap) < 0.5 * np.median(patients[:110].X.std(0))


def test_another_unit_is_refused(run, patients):
    other = patients[110:].copy()
    other.X = (other.X - other.X.mean(0)) / other.X.std(0)
    with pytest.raises(UnitError, match="trained on log2 values and the file has z"):
        embed(run, other)
    with pytest.raises(UnitError, match="takes log2"):
        finetune(run, other, label="kind", out=run.folder.parent / "none")
    assert not (run.folder.parent / "none").exists()


def test_no_gene_in_common_is_refused(run):
    others = prepared(simulated_patients(n=10, g=200, seed=1)[:, 150:].copy())
    with pytest.raises(GeneError, match="0 of the 60 genes"):
        run.embed(others)


def test_single_cells_are_refused_by_a_run_of_patients_and_patients_by_xtrimogene(run, patients, tmp_path):
    with pytest.raises(UnitError, match="log2; xtrimogene takes counts"):
        pretrain(patients, recipe="xtrimogene", out=tmp_path / "x", steps=1)
    assert not (tmp_path / "x").exists()


def test_gaps_are_fine_for_gexbert_and_refused_for_cells(patients, tmp_path):
    gaps = patients[:60].copy()
    gaps.X[np.random.default_rng(0).random(gaps.shape) < 0.3] = np.nan
    made = pretrain(gaps, recipe="gexbert", out=tmp_path / "gaps", steps=2, overrides=QUICK)
    assert np.isfinite(made.restore(prepared(gaps))[0]).all()
    counts = gaps.copy()
    counts.X = np.rint(np.exp2(np.abs(counts.X)))
    with pytest.raises(InputError, match="NaN"):
        pretrain(counts, recipe="xtrimogene", out=tmp_path / "cells", steps=1)
    for unit in ("counts", None):
        with pytest.raises(InputError, match="NaN"):
            pretrain(counts, recipe="gexbert", out=tmp_path / "cells", steps=1, unit=unit)
    assert not (tmp_path / "cells").exists()


def test_bulk_counts_are_taken_with_their_zeros(tmp_path):
    from exval.datasets import baron

    counts = baron()[:60, :].copy()
    dense = np.argsort(-np.asarray(counts.X.sum(0)).ravel())[:80]
    made = pretrain(counts[:, dense].copy(), recipe="gexbert", out=tmp_path / "counts", steps=2, overrides=QUICK)
    assert made.unit == "log1p"
    batch = made.config.show.split(made.batch(prepared(counts[:4, dense].copy())), Draw(0))
    assert (batch.shown.lengths_n == len(made.genes)).all() and (batch.shown.values_t == 0).any()


def test_a_label_is_learned_from_few_genes(run, patients, tmp_path):
    tuned = finetune(run, patients[:110].copy(), label="kind", out=tmp_path / "kind", steps=80)
    method = RunMethod(str(tuned.folder))
    assert method.provides == ("embed", "predict")
    test = prepared(patients[110:].copy())
    deciding = patients.var_names[(patients.var["programme"] == 0).to_numpy()][:4]
    said = method.predict(test[:, deciding].copy()).to_numpy()
    assert (said == patients[110:].obs["kind"].to_numpy()).mean() > 0.7
    new = patients[110:].copy()
    annotate(new, patients[:110].copy(), label="kind", method="logreg", folds=2, genes=list(deciding))
    assert (new.obs["exval_kind"].astype(str) == new.obs["kind"]).mean() > 0.7


@pytest.mark.parametrize("head", ["cox", "discrete"])
def test_survival_is_taught_and_asked(run, patients, tmp_path, head):
    tuned = finetune(
        run, patients[:110].copy(), time="os_months", event="os_event", head=head, out=tmp_path / head, steps=20
    )
    method, test = RunMethod(str(tuned.folder)), prepared(patients[110:].copy())
    assert method.provides == ("embed", "survival") and tuned.outcome["head"] == head
    risk = method.risk(test)
    curve = method.survival(test, np.array([0.0, 3.0, 12.0, 40.0, 1000.0]))
    assert risk.shape == (30,) and np.isfinite(risk).all() and np.ptp(risk) > 0
    assert np.allclose(curve[:, 0], 1) and (np.diff(curve, axis=1) <= 1e-9).all() and (curve >= 0).all()
    order = np.argsort(risk)
    assert curve[order[0], 2] > curve[order[-1], 2]  # who is at higher risk survives less
    table = predict(tuned.folder, patients[110:].copy())
    np.testing.assert_allclose(table["risk"], risk, rtol=1e-5)
    assert set(table["group"]) == {"low", "high"} and table.attrs["cohort"] == tuned.described["data"]
    assert "a network's risks are further apart" in " ".join(table.attrs["notes"])
    told = [name for name in table if name.startswith("survival_")]
    assert len(told) == 3 and (np.diff(table[told], axis=1) <= 1e-9).all()
    one = predict(tuned.folder, patients[110:111, :30].copy())  # a single patient on half of the genes
    assert "30 of 60 genes not measured" in one["note"].iloc[0]


def test_two_hospitals_can_be_split_by(run, patients, tmp_path):
    """One of them is validation: the other cannot be divided into folds of whole hospitals."""
    tuned = finetune(run, patients, label="kind", split_by="site", out=tmp_path / "tuned", steps=1)
    assert "whole donors" in tuned.summary and tuned.model.class_prior is not None
    again = finetune(tuned, patients, label="kind", out=tmp_path / "again", steps=1)
    assert again.classes == tuned.classes


def test_risk_sets_are_never_divided(run, patients, tmp_path):
    tuned = finetune(run, patients, time="os_months", event="os_event", out=tmp_path / "t", steps=1,
                     overrides={"train.batch_size": 256})  # fmt: skip
    assert tuned.config.train.micro_batch == tuned.config.train.batch_size == 256
    with pytest.raises(InputError, match="was taught survival; fine-tune the pretrained run"):
        finetune(tuned, patients, label="kind", out=tmp_path / "no")


def test_runs_without_what_was_added_later_still_load(run, patients, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    old = shutil.copytree(run.folder, tmp_path / "old")
    tensors = load_file(old / "model.safetensors")
    del tensors["head.sd_scale"]
    save_file(tensors, old / "model.safetensors")
    (old / "folds.safetensors").unlink(missing_ok=True)
    test = prepared(patients[110:].copy())
    np.testing.assert_array_equal(Run(old).embed(test), run.embed(test))
    assert float(Run(old).model.head.sd_scale) == 1


def test_values_shifted_by_two_are_noticed_by_a_run(run, patients, tmp_path):
    tuned = finetune(run, patients[:110].copy(), time="os_months", event="os_event", out=tmp_path / "t", steps=1)
    other = patients[110:].copy()
    other.X = other.X + 8
    with pytest.raises(UnitError, match="another unit or normalisation"):
        predict(tuned.folder, other)


def test_a_run_that_was_not_taught_survival_gives_no_prognosis(run, patients):
    with pytest.raises(InputError, match="was not taught survival; run exval finetune"):
        predict(run.folder, patients)


def test_refusals_of_survival(run, patients, tmp_path):
    ask = {"time": "os_months", "event": "os_event", "out": tmp_path / "no"}
    few = patients[:110].copy()
    few.obs["os_event"] = 0
    few.obs.iloc[:4, few.obs.columns.get_loc("os_event")] = 1
    with pytest.raises(InputError, match="4 of 110 patients had the event"):
        finetune(run, few, **ask)
    with pytest.raises(InputError, match="cox or discrete"):
        finetune(run, patients, **ask, head="logistic")
    with pytest.raises(InputError, match="was not taught survival"):
        Run(run.folder).risk(prepared(patients[:5].copy()))
    assert not (tmp_path / "no").exists()


def test_a_killed_run_goes_on_bit_for_bit(patients, tmp_path):
    class Killed(Exception):
        pass

    import exval.verbs.pretrain as module

    whole = pretrain(patients[:60].copy(), recipe="gexbert", out=tmp_path / "whole", steps=20, overrides=QUICK)
    fit = module.fit

    def killed(*args, **settings):
        def hook(step):
            if step == 13:
                raise Killed

        return fit(*args, **{**settings, "step_hook": hook})

    module.fit = killed
    try:
        with pytest.raises(Killed):
            pretrain(patients[:60].copy(), recipe="gexbert", out=tmp_path / "part", steps=20, overrides=QUICK)
    finally:
        module.fit = fit
    part = pretrain(
        patients[:60].copy(), recipe="gexbert", out=tmp_path / "part", steps=20, overrides=QUICK, resume=True
    )
    for (name, a), (_, b) in zip(whole.model.state_dict().items(), part.model.state_dict().items()):
        assert (a == b).all(), name


def test_training_samples_are_recognised(run, patients):
    method = RunMethod(str(run.folder))
    assert method.seen(prepared(patients.copy())).tolist() == [True] * 110 + [False] * 30


def test_classes_that_were_scaled_each_on_its_own_are_refused(patients, tmp_path):
    from exval.verbs.evaluate import evaluate

    scaled = patients.copy()
    for kind in ("high", "low"):
        rows = (scaled.obs["kind"] == kind).to_numpy()
        scaled.X[rows] = (scaled.X[rows] - scaled.X[rows].mean(0)) / scaled.X[rows].std(0)
    with pytest.raises(UnitError, match="z-scored within each kind"):
        evaluate(scaled, label="kind", method="logreg", folds=2)
    with pytest.raises(UnitError, match="z-scored within each kind"):
        annotate(scaled[:10].copy(), scaled[10:].copy(), label="kind", unit="z", ref_unit="z")
    base = pretrain(scaled, recipe="gexbert", out=tmp_path / "z", steps=1, overrides=QUICK, unit="z")
    with pytest.raises(UnitError, match="z-scored within each kind"):
        finetune(base, scaled, label="kind", out=tmp_path / "no", unit="z")
    assert not (tmp_path / "no").exists()
    fair = patients.copy()
    fair.X = (fair.X - fair.X.mean(0)) / fair.X.std(0)
    assert evaluate(fair, label="kind", method="logreg", folds=2).verdict


def test_no_patient_is_parted_by_validation_or_by_the_folds_of_factors(patients, tmp_path, monkeypatch):
    import exval.verbs.finetune as tuning
    import exval.verbs.pretrain as training

    twice = patients[:80].copy()
    twice.obs_names = [f"TCGA-AA-{i // 2:04d}-{i % 2:02d}" for i in range(80)]
    seen = []
    for module in (training, tuning):
        monkeypatch.setattr(module, "fit", _noting(module.fit, seen))
    base = pretrain(twice, recipe="gexbert", out=tmp_path / "base", steps=1, overrides=QUICK)
    finetune(base, twice, label="kind", out=tmp_path / "tuned", steps=1)
    for feed in seen:
        names = [twice.obs_names[i][:12] for i in range(80)]
        sides = [{names[i] for i in rows} for rows in (feed.train_rows, feed.valid_rows)]
        assert sides[1] and not sides[0] & sides[1]
    for feed, name in ((seen[0], "fold"), (seen[1], "fold"), (seen[1], "class_fold")):
        folds = feed.store.batch(np.arange(80)).obs[name].numpy().reshape(40, 2)
        assert (folds[:, 0] == folds[:, 1]).all() and len(set(folds[:, 0])) > 1


def _noting(fit, seen):
    def noted(model, objective, visibility, valid, feed, *rest, **settings):
        seen.append(feed)
        return fit(model, objective, visibility, valid, feed, *rest, **settings)

    return noted


def test_a_coin_flip_per_patient_is_no_label_that_annotate_can_learn(patients):
    twice = patients[:120].copy()
    twice.X[1::2] = twice.X[::2] + 0.01 * np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    twice.obs_names = [f"TCGA-AA-{i // 2:04d}-{i % 2:02d}" for i in range(120)]
    twice.obs["coin"] = np.repeat(np.random.default_rng(1).permutation(["heads", "tails"] * 30), 2)
    new = patients[120:].copy()
    annotate(new, twice, label="coin", method="pca-knn", folds=3)
    said = str(new.uns["exval"]["verdict"])
    assert "patients of the reference" in said and float(said.split("macro-F1 ")[1][:5]) < 0.7


def test_one_patient_with_gaps_is_read_as_what_it_is_held_against(patients, run, tmp_path):
    """A single sample of log2 values that happen to be whole numbers looks like counts."""
    from exval.verbs.impute import impute_file

    one = patients[:1, :40].copy()
    one.X = np.round(np.abs(one.X)).astype(np.float32)
    one.X[0, ::5] = np.nan
    one.write_h5ad(tmp_path / "one.h5ad")
    annotate(one, patients.copy(), label="kind", method="logreg", folds=2)
    assert one.uns["exval"]["unit"] == "log2"
    done = impute_file(tmp_path / "one.h5ad", str(run.folder), out=tmp_path / "filled.h5ad")
    assert done.unit == "log2" and any("too few to tell the unit" in line for line in done.warnings)
    with pytest.raises(InputError, match="NaN among counts"):
        impute_file(tmp_path / "one.h5ad", "mean", out=tmp_path / "other.h5ad")
