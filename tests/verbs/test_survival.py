"""``survival`` from file to folder: what is in it, what may be said, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import exval
from exval.bench.results import Results
from exval.data.patients import simulated_patients
from exval.errors import ExvalError, InputError, OutputError
from exval.methods import Card
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.pca_cox import PCACox
from exval.metrics import harrell_c
from exval.verbs.survival import survival

COLUMNS = {"time": "os_months", "event": "os_event"}
FAST = PCACox(n_components=10, ridge=1.0)  # "cox" without its search for sizes


class Oracle(SurvivalMethod):
    """Reads the truth: nothing may beat it."""

    card = Card(
        "control", ("the truth",), "obs", "log hazard", "none", "none", "The risk that the patients were made with."
    )
    title = "oracle"
    uses_genes = False

    def risk(self, adata):
        return adata.obs["true_risk"].to_numpy()

    def survival(self, adata, times_t):
        return np.exp(-np.exp(self.risk(adata))[:, None] * (np.asarray(times_t) / 40) ** 1.2)

    def learn(self, z_np, c_nq, time_n, event_n):
        pass

    def risk_of(self, z_np, c_nq):
        return np.zeros(len(z_np))


class Broken(Oracle):
    title = "broken"

    def learn(self, z_np, c_nq, time_n, event_n):
        raise ValueError("out of luck")


@pytest.fixture(scope="module")
def patients():
    return simulated_patients(300, 60, seed=8)


@pytest.fixture(scope="module")
def found(patients, tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival") / "out"
    adata = patients.copy()
    adata.obs.loc[adata.obs_names[0], "os_months"] = np.nan
    panel = [*patients.var_names[patients.var["programme"] == 0][:6], "nosuch"]
    far = simulated_patients(120, 60, seed=8 + 1)
    far.obs_names = [f"far{i}" for i in range(120)]
    far = far[:, 5:].copy()
    result = survival(adata, **COLUMNS, clinical="age,is_female", method=[FAST, Oracle(), Broken()], folds=3, null=60,
                      genes=panel, external=far, groups=3, out=folder)  # fmt: skip
    return result, folder


def test_the_folder_holds_everything(found):
    result, folder = found
    back = Results.load(folder)
    assert back.verdict == result.verdict and back.config["task"] == "survival"
    assert {"survival_table", "km", "km_groups", "over_time", "calibration", "features", "left_out", "null_panels",
            "external", "external_km", "cost"} <= set(back.extras)  # fmt: skip
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "model" / "model.json").is_file()
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle", ".joblib")]


def test_controls_stand_in_the_table_and_the_oracle_leads(found):
    table = found[0].extras["survival_table"]
    ok = table[table.status == "ok"]
    assert set(ok.method) == {"null-survival", "clinical", "cox", "cox + clinical", "oracle"}
    assert ok.method.iloc[0] == "oracle"
    c = ok.set_index("method").c
    assert c["null-survival"] == 0.5 and c["cox + clinical"] > c["clinical"]
    assert c["cox + clinical"] - 0.5 > 0.7 * (c["oracle"] - 0.5)  # most of what there is
    oracle = ok.set_index("method").loc["oracle"]
    assert oracle.integrated_brier == ok.integrated_brier.min() and oracle.d_calibration_p > 0.05


def test_a_failing_method_is_a_row(found):
    result, _ = found
    rows = result.rows[result.rows.method == "broken"]
    assert rows.status.tolist() == ["failed"] and rows.note.iloc[0] == "out of luck"
    assert "broken failed: out of luck" in result.config["warnings"]
    assert not (result.predictions.method == "broken").any()


def test_predictions_allow_c_to_be_redone(found, patients):
    result, _ = found
    own = result.predictions[result.predictions.method == "oracle"]
    assert len(own) == 299 and set(own.risk_group) == {"low", "middle", "high"}
    pairs = top = 0.0
    for _, part in own.groupby("fold"):
        n = sum(((part.time > t) | ((part.time == t) & ~part.event)).sum() for t in part.time[part.event])
        top, pairs = top + n * harrell_c(part.time, part.event, part.risk), pairs + n
    c = result.extras["survival_table"].set_index("method").c["oracle"]
    assert c == pytest.approx(top / pairs)
    truth = patients.obs.loc[own["sample"], "true_risk"].to_numpy()
    assert np.array_equal(truth, own.risk.to_numpy())


def test_groups_are_cut_by_training_risks(found):
    result, _ = found
    km = result.extras["km_groups"]
    own = km[km.method == "oracle"].set_index("group")
    assert own.n.sum() == 299 and own.loc["middle", "median"] > own.loc["high", "median"]
    assert not own.loc["low", "median"] <= own.loc["middle", "median"]  # NaN: more than half outlive the follow-up
    assert own.logrank_p.iloc[0] < 1e-4
    assert km[km.method == "null-survival"].group.tolist() == ["all"]
    curve = result.extras["km"]
    curve = curve[(curve.method == "oracle") & (curve.group == "low")]
    assert curve.at_risk.iloc[0] == own.n["low"] and (np.diff(curve.survival) <= 0).all()


def test_the_panel_is_held_against_random_ones(found):
    result, _ = found
    null = result.extras["null_panels"]
    assert (null.kind == "random").sum() == 60
    assert "Your panel of 6 genes beats" in result.verdict
    row = result.rows[result.rows.metric == "panel_percentile"]
    own = null.c[null.kind == "panel"].iloc[0]
    assert row.value.iloc[0] == pytest.approx((null.c[null.kind == "random"] < own).mean())
    left = result.extras["left_out"].set_index("what")
    assert left.note["genes of the panel not in the cohort"] == "nosuch" and left.n["no outcome"] == 1


def test_the_other_cohort(found):
    result, _ = found
    table = result.extras["external"].set_index("method")
    assert table.c["oracle"] > 0.65 and table.c["null-survival"] == 0.5
    assert table.genes["cox"] == 6 and table.absent["cox"] == 1  # the first of the panel is not measured there
    assert "On AnnData (120 samples" in result.verdict
    rows = result.rows[result.rows["slice"] == "external"]
    assert set(rows.split) == {"external: AnnData"} and (rows.metric == "harrell_c").sum() == 5


def test_the_same_seed_gives_the_same_figures_and_another_order_of_genes_too(patients):
    patients = patients[:120].copy()
    asked = {**COLUMNS, "method": FAST, "folds": 2, "clinical": "age"}
    one, two = survival(patients, **asked), survival(patients[:, ::-1].copy(), **asked)
    a, b = (x.extras["survival_table"].set_index("method").c for x in (one, two))
    assert a.to_dict() == pytest.approx(b.to_dict(), abs=1e-9)
    other = survival(patients, **asked, seed=1).extras["survival_table"].set_index("method").c
    assert a["clinical"] != other["clinical"]


def test_without_effect_nothing_is_kept_but_the_reference():
    empty = simulated_patients(200, 30, seed=5, null=True)
    result = survival(empty, **COLUMNS, clinical="age,is_female", method=FAST, folds=3, repeats=2)
    assert result.config["chosen"] == "clinical" and "cannot be told from chance" in result.verdict
    assert set(result.rows.seed[result.rows.fold >= 0]) == {0, 1}
    c = result.rows[(result.rows.metric == "harrell_c") & (result.rows.fold == -1)]
    assert (c.n == 200).all()


def test_by_site_few_units_have_no_interval(patients):
    result = survival(patients, **COLUMNS, clinical="age", method=FAST, split_by="site")
    table = result.extras["survival_table"]
    assert table.lo.isna().all() and "Fewer than 6 values of site" in " ".join(result.config["warnings"])
    assert result.config["chosen"] == "clinical" and "2 sites" in result.verdict


def test_repeated_patients_and_an_embedding_of_the_file(patients):
    adata = patients[:150].copy()
    adata.obs["who"] = [f"p{i // 2}" for i in range(150)]
    adata.obsm["X_truth"] = adata.obs[["true_risk"]].to_numpy()
    result = survival(adata, **COLUMNS, patient="who", method="obsm:X_truth", folds=3)
    assert any(line.startswith("repeated patients: 75 patients have 150 samples") for line in result.config["warnings"])
    fold = result.predictions.groupby("group").fold.nunique()
    assert (fold == 1).all() and len(fold) == 75
    assert result.extras["survival_table"].method.iloc[0] == "obsm:X_truth"
    assert any("what obsm:X_truth was computed from is not known" in line for line in result.config["warnings"])


REFUSED = {
    "groups": ({"groups": 4}, "2 or 3 groups"),
    "folds": ({"folds": 1}, "--folds is 2 or more"),
    "horizons": ({"horizons": (1e4,)}, "--horizons: 10000 cannot be scored"),
    "panel": ({"genes": "TP53"}, "no gene of the panel"),
    "method": ({"method": "logreg"}, "gives no risk"),
    "no table": ({"clinical_table": "absent.csv"}, "no file absent.csv"),
    "obsm": ({"method": "obsm:X_none"}, "no embedding 'X_none'"),
    "external": ({"external": "absent.h5ad"}, "absent.h5ad"),
    "all fail": ({"method": Broken()}, "no method could be scored: broken: out of luck"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_nothing_written(case, patients, tmp_path):
    asked, words = REFUSED[case]
    with pytest.raises(ExvalError) as raised:
        survival(patients, **{**COLUMNS, "method": FAST, **asked}, out=tmp_path / "out")
    assert words in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder(patients, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        survival(patients, **COLUMNS, out=tmp_path / "out")


def test_evaluate_is_the_same(patients):
    patients = patients[:120].copy()
    asked = {**COLUMNS, "clinical": "age", "method": FAST, "folds": 2}
    alias = exval.evaluate(patients, task="survival", **asked)
    assert alias.verdict[:90] == survival(patients, **asked).verdict[:90]
    with pytest.raises(InputError, match="--time COLUMN"):
        exval.evaluate(patients, task="survival", event="os_event")
    assert alias.table().metric.eq("harrell_c").all()
    assert alias.table().method.tolist() == alias.extras["survival_table"].method.tolist()
    assert "cox + clinical" in repr(alias)


def test_real_patients(shared_data, tmp_path, monkeypatch):
    """Bladder cancer, three folds: age foretells survival there, and the folder comes out whole."""
    import anndata

    monkeypatch.setattr("exval.report.write_report", lambda folder: folder)  # figures are tested elsewhere
    file = shared_data / "bulk" / "tcga_blca_stad_coadread_log2tpm_1577genes.h5ad"
    every = anndata.read_h5ad(file)
    blca = every[every.obs["cancer"] == "BLCA"].copy()
    columns = {"time": "os_months", "censored": "os_censored", "clinical": "age,is_female"}
    result = survival(blca, **columns, method="coxnet", folds=3, out=tmp_path / "out")
    table = result.extras["survival_table"].set_index("method")
    assert 0.57 < table.c["clinical"] < 0.66 and table.lo["clinical"] > 0.5
    assert result.config["dataset"]["events"] == 156 and result.config["unit"] == "log2"
    risk = exval.predict(tmp_path / "out", blca[:5].copy())
    assert len(risk) == 5 and risk["risk"].notna().all()


def test_a_cohort_of_z_scores_with_gaps(shared_data):
    file = shared_data / "bulk" / "tcga_kirc_rnaseq_z_survival.h5ad"
    result = survival(
        file, time="survival_months", censored="censorship", clinical="age,is_female", method=FAST, folds=2
    )
    table = result.extras["survival_table"].set_index("method")
    assert result.config["unit"] == "z" and table.c["cox"] > 0.6
    assert isinstance(result.extras["features"], pd.DataFrame)
