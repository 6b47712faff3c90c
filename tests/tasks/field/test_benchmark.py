"""The benchmark of brain fields: what is planned, what a job gives, what may be said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from exval.bench.results import Results
from exval.errors import InputError
from exval.recipes.brain import TASKS, plan
from exval.tasks.field.benchmark import conclude, differences
from exval.tasks.field.collection import COLLECTIONS, load
from exval.tasks.field.jobs import drawn, run_cell

ASK = {"data": "simulated", "by": "donor", "folds": 6, "draw": 1}


def test_every_donor_is_held_out_once_by_every_field_and_blocks_are_drawn_again(shared_data):
    planned = plan(data=str(shared_data / "brain"))
    table = pd.DataFrame([{**cell.labels, **cell.params} for cell in planned.cells])
    assert table[(table.task == "donor of summaries") & (table.method == "gp")].draw.tolist() == list(range(6))
    assert table[(table.task == "block of donor2001") & (table.method == "knn")].draw.tolist() == list(range(18))
    assert set(table.task) == set(planned.primary) <= set(TASKS)
    assert not len(table[table.method.eq("siren") & table.task.str.startswith("random")])
    assert len({cell.key for cell in planned.cells}) == len(planned.cells)


def test_what_is_not_there_is_skipped_and_a_wrong_name_refused(tmp_path):
    planned = plan(data=str(tmp_path), preset="quick")
    assert {name for name, _ in planned.skipped} == {"summaries", "donor2001"}
    assert {cell.labels["data"] for cell in planned.cells} == {"simulated"}
    with pytest.raises(InputError, match="no field of this benchmark is called 'gpt'"):
        plan(methods=["gpt"])
    with pytest.raises(InputError, match="no preset"):
        plan(preset="paper")


@pytest.mark.parametrize(("job", "way"), [("hold", ""), ("new_gene", "borrowed"), ("new_gene", "alone"),
                                          ("new_donor", "without"), ("new_donor", "told")])  # fmt: skip
def test_a_job_gives_figures_that_can_be_written(job, way):
    found = run_cell({**ASK, "job": job, "method": "kriging", "way": way})
    json.dumps(found["rows"], allow_nan=False)
    rows, units = pd.DataFrame(found["rows"]), found["units"]
    assert set(rows["slice"]) == {"arm=regions told", "arm=position alone"}
    assert {"r2", "pearson", "coverage_95"} <= set(rows.metric)
    for arm, part in units.groupby("arm"):
        told = rows[(rows["slice"] == f"arm={arm}") & (rows.metric == "r2")].value.iloc[0]
        assert part.r2.mean() == pytest.approx(told) and part.gene.nunique() == 12
        assert (part.value == part.r2).all()


def test_a_new_donor_s_known_samples_are_not_asked():
    samples, fold = drawn({**ASK, "job": "new_donor"})
    found = run_cell({**ASK, "job": "new_donor", "method": "knn", "way": "added"})
    assert set(found["units"].n) == {len(fold.test) - min(50, len(fold.test) // 2)}
    assert len(set(samples.places.donor_n[fold.test])) == 1


def units(gap: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame([
        {"task": "donor of summaries", "data": "summaries", "method": method, "arm": "position alone", "fold": fold,
         "split": "donor", "seed": fold, "gene": f"G{gene}", "r2": 0.4 + 0.05 * fold + shift + 0.001 * rng.normal(),
         "pearson": 0.6}
        for method, shift in (("knn", 0.0), ("gp", gap)) for fold in range(6) for gene in range(8)
    ])  # fmt: skip


@pytest.mark.parametrize(("gap", "word"), [(0.1, "better"), (0.0, "tie"), (-0.1, "worse")])
def test_the_verdict_is_of_paired_differences(gap, word):
    table = differences(units(gap)).set_index(["method", "metric"])
    assert table.loc[("gp", "r2"), "difference"] == pytest.approx(gap, abs=0.005)
    assert table.loc[("gp", "r2"), "verdict"] == word and table.loc[("knn", "r2"), "against"] is None
    rows = pd.DataFrame([{"task": "donor of summaries", "data": "summaries", "slice": "arm=position alone",
                          "method": "gp", "metric": "r2", "value": 0.5, "status": "ok"}])  # fmt: skip
    verdict, tables = conclude(Results(rows, units(gap), {}, "", {}))
    assert verdict.startswith("A donor of summaries, by position alone: R2 gp") and word in verdict
    assert set(tables) == {"differences", "figures", "genes"}


@pytest.mark.parametrize("name", [name for name, known in COLLECTIONS.items() if known.file])
def test_the_real_files_are_read_whole(name, shared_data):
    found = load(name, shared_data / "brain")
    assert found.values_ng.shape == {"summaries": (3702, 14), "donor2001": (946, 100)}[name][:1] + found.genes.shape
    assert len(found.regions) == len(COLLECTIONS[name].regions)


def test_blocks_drawn_again_make_no_interval_narrower():
    """Six blocks drawn once, or the same figures drawn five times: as much evidence."""
    once = units(0.0).assign(split="block")
    once["r2"] += np.random.default_rng(1).normal(0, 0.1, len(once)) * once.method.eq("gp")
    again = pd.concat([once.assign(seed=once.seed + 6 * repeat) for repeat in range(5)], ignore_index=True)
    a, b = (differences(table).set_index(["method", "metric"]).loc[("gp", "r2")] for table in (once, again))
    assert (a.lo, a.hi) == pytest.approx((b.lo, b.hi)) and a.n == b.n == 6
