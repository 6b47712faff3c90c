"""Fields are compared on held-out samples, with regions told and without."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.fields.base import Told
from exval.fields.gp import GaussianProcess
from exval.fields.knn import KNearest
from exval.fields.mean import MeanField
from exval.fields.places import Places
from exval.fields.structure_mean import StructureMean
from exval.report import write_report
from exval.tasks.field.evaluation import ARMS, evaluate_fields, one_fold
from exval.tasks.field.splits import field_splits


class Broken(MeanField):
    name = ""

    @property
    def title(self):
        return "broken"

    def learn(self, places, z_ng):
        raise ValueError("it broke")


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (240, 3))
    region = np.where(rng.random(240) < 0.5, "a", "b").astype(object)  # a region that position does not give away
    values = np.column_stack([np.sin(xyz[:, 1] / 15), (region == "a") + 0.1 * rng.normal(size=240)])
    return Places.of(xyz, (list("pqrstu") * 40), region[:, None]), values + 0.1 * rng.normal(size=values.shape)


def test_what_is_told_decides_who_is_good(world):
    places, values = world
    methods = [MeanField(), KNearest(), StructureMean(), GaussianProcess(subset=150), Broken()]
    found = evaluate_fields(places, values, ["A", "B"], methods, field_splits(places))
    genes = found.extras["field_genes"].groupby(["arm", "method", "gene"]).r2.mean()
    assert genes[ARMS[0], "structure-mean", "B"] > 0.9 and genes[ARMS[0], "structure-mean", "A"] < 0.1
    assert genes[ARMS[0], "gp", "B"] > 0.9 and genes[ARMS[1], "gp", "B"] < 0.1
    assert genes[ARMS[0], "knn", "A"] == genes[ARMS[1], "knn", "A"] > 0.5
    rows = found.rows.set_index(["method", "slice", "metric"])
    assert rows.loc[("gp", f"arm={ARMS[0]}", "difference:r2"), "lo"] > 0
    assert rows.loc[("gp", f"arm={ARMS[0]}", "coverage_95"), "value"] > 0.85
    assert found.rows[found.rows.status == "failed"].method.tolist() == ["broken"]
    assert found.verdict.startswith("2 genes, 6 held-out donors. Regions told: gp")


def test_a_held_out_donor_is_nobody_in_particular(world):
    """Its own level may not be known: a shift of the test donor changes what is right, not what is told."""
    places, values = world
    seen = []

    class Spy(KNearest):
        name = ""
        title = "spy"

        def tell(self, places):
            seen.append(set(places.donor_n))
            return super().tell(places)

    evaluate_fields(places, values, ["A", "B"], [Spy()], field_splits(places))
    assert {None} in seen


class Mute(KNearest):
    """Tells no sd."""

    name = ""
    title = "mute"

    def predict(self, places, sd=False):
        return Told(super().predict(places).mean_mg)


def test_a_field_without_an_sd_stands_beside_the_others(world, tmp_path):
    places, values = world
    found = evaluate_fields(places, values, ["A", "B"], [Mute(), KNearest()], field_splits(places))
    rows = found.rows[found.rows.method == "mute"]
    assert "r2" in set(rows.metric) and not rows.metric.str.contains("coverage|nll").any()
    assert found.rows[found.rows.metric == "coverage_95"].method.unique().tolist() == ["knn"]
    assert set(found.extras["field_coverage"].method) == {"knn"}
    assert found.predictions[found.predictions.method == "mute"].sd.isna().all()
    alone = evaluate_fields(places, values, ["A", "B"], [Mute()], field_splits(places))
    assert "field_coverage" not in alone.extras
    page = write_report(found.save(tmp_path)).read_text()
    assert "Whether the sds keep their word" in page and "No sd: mute" in page


def test_what_was_predicted_is_kept(world):
    places, values = world
    found = evaluate_fields(places, values, ["A", "B"], [MeanField(), KNearest()], field_splits(places))
    kept = found.predictions
    assert len(kept) == 2 * 2 * 240 * 2 and found.config["predictions"] == "all 2 genes"
    assert (found.config["best"], found.config["shown"]) == ("knn", "knn")
    np.testing.assert_allclose(kept.truth, values[kept["sample"], kept.gene.cat.codes], rtol=1e-5)
    np.testing.assert_allclose(kept[["x", "y", "z"]], places.xyz_n3[kept["sample"]], rtol=1e-5)
    one = kept[(kept.method == "knn") & (kept.arm == ARMS[0]) & (kept.fold == 2) & (kept.gene == "A")]
    table = found.extras["field_genes"].set_index(["method", "arm", "fold", "gene"])
    error = np.sqrt(((one.truth - one.prediction) ** 2).mean())
    assert error == pytest.approx(table.loc["knn", ARMS[0], 2, "A"].rmse, rel=1e-4)
    shown = evaluate_fields(places, values, ["A", "B"], [MeanField(), KNearest()], field_splits(places), show="mean")
    assert shown.config["shown"] == "mean" and "errors of mean" in set(shown.extras["field_variogram"].what)


def test_one_fold_gives_tables_and_cost(world):
    places, values = world
    tables, cost = one_fold(places, values, ["A", "B"], KNearest(), field_splits(places).folds[0], True)
    assert [table.arm.iloc[0] for table in tables] == list(ARMS) and len(tables[0]) == 2
    assert list(cost) == ["method", "seconds", "peak_mb", "parameters"]


def test_two_of_one_name_or_none_that_works_are_refused(world):
    places, values = world
    splits = field_splits(places)
    with pytest.raises(InputError, match="different titles"):
        evaluate_fields(places, values, ["A", "B"], [KNearest(), KNearest(3)], splits)
    with pytest.raises(InputError, match="it broke"):
        evaluate_fields(places, values, ["A", "B"], [Broken()], splits)
