"""The benchmark of imputation: what is planned and skipped, and what it concludes from made-up figures."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from exval.bench.results import Results, make_rows
from exval.bench.summary import tables
from exval.errors import InputError
from exval.methods import METHODS
from exval.methods.imputation.base import Imputer
from exval.recipes.imputation import TASKS, plan
from exval.tasks.imputing.conclude import conclude, differences, standings
from exval.tasks.imputing.data import DATA
from exval.tasks.imputing.score import HEADLINE, run_cell


def test_every_data_set_is_planned_or_skipped_with_a_reason(tmp_path):
    planned = plan(seeds=1)
    there = {cell.labels["data"] for cell in planned.cells}
    skipped = dict(planned.skipped)
    assert there == {"simulated-types", "simulated-path", "pancreas"}
    assert there | set(skipped) >= set(DATA) and "--data" in skipped["rna-mixtures"]
    elsewhere = dict(plan(data=str(tmp_path), seeds=1).skipped)
    assert "is not in" in elsewhere["rna-mixtures"]
    name = DATA["rna-mixtures"].file
    (tmp_path / name).write_bytes(b"anything")
    with_file = plan(data=str(tmp_path), seeds=2, methods=["mean"])
    cells = [cell for cell in with_file.cells if cell.labels["data"] == "rna-mixtures"]
    assert {cell.params["seed"] for cell in cells} == {0, 1} and len({cell.params["file_hash"] for cell in cells}) == 1
    assert all("data_dir" not in cell.params for cell in cells)  # the place of a file is not part of the result
    (tmp_path / name).write_bytes(b"something else")
    others = [cell for cell in plan(data=str(tmp_path), seeds=2, methods=["mean"]).cells
              if cell.labels["data"] == "rna-mixtures"]  # fmt: skip
    assert not {cell.key for cell in cells} & {cell.key for cell in others}


def test_every_method_is_planned_or_skipped_with_a_reason():
    planned = plan(seeds=1)
    imputers = {name for name, cls in METHODS.items() if issubclass(cls, Imputer)}
    there, skipped = {cell.labels["method"] for cell in planned.cells}, dict(planned.skipped)
    assert there | (set(skipped) - set(DATA)) >= imputers
    assert {"nothing", "zeros", "mean", "cluster-mean", "oracle"} <= there
    assert not [name for name in there if METHODS[name].labels == "required"]
    assert {name for name in imputers if METHODS[name].heavy} & there  # a GAN, a graph, a diffusion
    assert len({name for name in there if METHODS[name].card.category != "control"}) >= 15
    assert {cell.labels["data"] for cell in planned.cells if cell.labels["method"] == "oracle"} <= {
        "simulated-types", "simulated-path", "rna-mixtures",
    }  # fmt: skip


def test_the_reference_is_always_in_and_faults_have_one_line():
    names = {cell.labels["method"] for cell in plan(methods=["mean"], seeds=1).cells}
    assert names == {"nothing", "mean"}
    with pytest.raises(InputError, match="does not impute"):
        plan(methods=["logreg"])
    with pytest.raises(InputError, match="no method that imputes is called 'majic'; did you mean 'magic'"):
        plan(methods=["majic"])
    with pytest.raises(InputError, match="no preset 'big'"):
        plan(preset="big")


def test_a_run_is_small_enough_for_an_evening():
    """What the preset plans, at most: methods in their own time, each at its limit would be a week."""
    planned = plan()
    per_method = pd.Series([cell.labels["method"] for cell in planned.cells]).value_counts()
    assert planned.limits.seconds <= 120 and planned.limits.memory_gb <= 4 and per_method.max() <= 50


def test_settings_and_code_of_a_method_are_part_of_its_cells(monkeypatch, tmp_path):
    def keys(**more):
        return {cell.labels["method"]: cell.key for cell in plan(methods=["magic"], seeds=1, **more).cells}

    before = keys()
    assert before["nothing"] == keys(preset="cpu")["nothing"]
    monkeypatch.setitem(METHODS["magic"].presets, "cpu", {"t": 5})
    after = keys()
    assert after["magic"] != before["magic"] and after["nothing"] == before["nothing"]
    script = tmp_path / "mine.py"
    command = f"cmd:python {script} {{input}} {{output}}"
    found = set()
    for text in ("print(1)", "print(2)"):
        script.write_text(text)
        found.add(next(c.key for c in plan(methods=[command], seeds=1).cells if c.params["method"] == command))
    assert len(found) == 2


def test_a_planned_cell_runs():
    cell = next(c for c in plan(methods=["mean"], seeds=1).cells if c.labels["split"] == "thinned 0.9")
    found = run_cell({**cell.params, **cell.local, "genes": 80, "cells": 120})
    rows = make_rows(found["rows"])
    assert {"recovery", "molecules"} <= set(rows.task) <= set(TASKS) | {"coverage"}
    assert set(zip(found["units"].task, found["units"].metric)) <= set(HEADLINE.items())
    assert {task: figure.metric for task, figure in TASKS.items()} == HEADLINE


def made_up(gains: dict[str, dict[str, float]], false: dict[str, float], seeds=2, data=("x", "y", "z"), lost=()):
    """Results in which a method is better than nothing by a known step in each task; ``lost``: (method, data)."""
    rows, units = [], []
    for method, by_task in gains.items():
        for task, gain in by_task.items():
            metric, higher = HEADLINE[task], TASKS[task].higher_is_better
            for name in data:
                for seed in range(seeds):
                    if (method, name) in lost:
                        rows.append({"method": method, "data": name, "split": "as measured", "seed": seed, "task": "",
                                     "metric": "", "value": np.nan, "status": "timeout"})  # fmt: skip
                        continue
                    rng = np.random.default_rng([seed, len(name), len(task)])
                    base = 0.5 + 0.1 * rng.normal(size=60) + (gain if higher else -gain)
                    base = base + 0.01 * np.random.default_rng([seed, len(method)]).normal(size=60)
                    part = pd.DataFrame({"unit": range(60), "value": base, "weight": 1.0})
                    value = base.mean()
                    if metric == "rmse":
                        part["value"], value = base**2, np.sqrt((base**2).mean())
                    common = {"method": method, "task": task, "data": name, "split": "as measured", "seed": seed,
                              "metric": metric, "slice": "all"}  # fmt: skip
                    rows.append({**common, "value": value, "seconds": 1.0})
                    units.append(part.assign(**common))
        for name in data:
            rows.append({"method": method, "task": "null", "data": name, "split": "null: permuted", "seed": 0,
                         "metric": "false_discoveries", "value": false.get(method, 0.0)})  # fmt: skip
    frame = make_rows(rows)
    found = Results(frame, pd.concat(units, ignore_index=True), {"cells": {"planned": 9, "not run": 0}})
    found.extras = tables(frame, TASKS, unranked=("oracle", "zeros", "mean"), reference="nothing")
    return found


def test_the_conclusion_follows_the_figures():
    found = made_up(
        {
            "nothing": {"recovery": 0.0, "diffexp": 0.0},
            "good": {"recovery": 0.2, "diffexp": 0.0},
            "bold": {"recovery": 0.1, "diffexp": 0.2},
            "bad": {"recovery": -0.2, "diffexp": -0.2},
            "mean": {"recovery": 0.1, "diffexp": -0.4},
        },
        {"bold": 0.6, "bad": 0.009},
    )
    said, more = conclude(found, n_boot=200)
    goals = more["goals"].set_index(["goal", "method"])
    assert goals.answer["plot and recovery", "good"] == "use" and goals.better["plot and recovery", "good"] == 3
    assert goals.answer["differential expression", "bold"] == "not for tests: false discoveries"
    assert goals.answer["differential expression", "bad"] == "worse than nothing"
    assert goals.answer["differential expression", "good"] == "no clear gain"
    assert goals.answer["plot and recovery", "mean"] == "control"
    text = more["answers"].set_index("goal").text
    assert text["plot and recovery"].startswith("good, better than nothing in 3 of 3 cases")
    assert "the values as they are" in text["differential expression"] and "bold would gain" in said + " ".join(text)
    assert said.startswith("Use good for plot and recovery; the values as read for differential expression.")
    assert "1 of 3 methods call genes different (bold 60 %)" in said and "bad, good did not" in said
    gaps = more["differences"]
    row = gaps[(gaps.method == "good") & (gaps.task == "recovery") & (gaps.data == "x")].iloc[0]
    assert row.verdict == "better" and 0.15 < row.value < 0.25 and row.lo < row.value < row.hi and row.n_seeds == 2
    lost = gaps[(gaps.method == "bad") & (gaps.task == "diffexp")]
    assert set(lost.verdict) == {"worse"} and (lost.value < 0).all()


def test_a_mean_that_does_better_is_said():
    gains = {"nothing": {"recovery": 0.0}, "good": {"recovery": 0.1}, "mean": {"recovery": 0.2}}
    said, more = conclude(made_up(gains, {}), n_boot=50)
    text = more["answers"].text.iloc[0]
    assert text == "good is better than nothing in 3 of 3 cases, but the mean of all cells does better than it in 3."
    assert said.startswith("No method beats the mean of all cells for plot and recovery.")
    goals = more["goals"].set_index("method")
    assert goals.answer["good"] == "no better than the mean" and goals.below_mean["good"] == 3
    gains = {"nothing": {"recovery": 0.0}, "good": {"recovery": 0.1}, "cluster-mean": {"recovery": 0.3}}
    text = conclude(made_up(gains, {}), n_boot=50)[1]["answers"].text.iloc[0]
    assert "the mean of predicted clusters ranks no worse" in text


def test_a_method_that_fails_somewhere_is_not_recommended():
    gains = {"nothing": {"recovery": 0.0}, "fragile": {"recovery": 0.3}, "sound": {"recovery": 0.2}}
    said, more = conclude(made_up(gains, {}, lost=[("fragile", "y")]), n_boot=50)
    goals = more["goals"].set_index("method")
    assert (goals.better["fragile"], goals.failed["fragile"], goals.cases["fragile"]) == (2, 1, 3)
    assert goals.answer["fragile"] == "sometimes better" and goals.answer["sound"] == "use"
    assert "Use sound for plot and recovery" in said and "(failed: fragile in 1 of 3)" in more["answers"].text.iloc[0]
    said, more = conclude(made_up(gains, {}, lost=[("fragile", "y"), ("fragile", "z")]), n_boot=50)
    assert more["goals"].set_index("method").answer["fragile"] == "failed"


def test_what_the_null_arm_allows():
    gains = {"nothing": {"markers": 0.0}, "a": {"markers": 0.2}, "b": {"markers": 0.2}}
    read, few, many = ({"a": 0.008}, {"a": 0.03, "nothing": 0.025}, {"a": 0.03})
    for false, answer in ((read, "use"), (few, "use"), (many, "not for tests: false discoveries")):
        goals = conclude(made_up(gains, false), n_boot=50)[1]["goals"].set_index("method")
        assert goals.answer["a"] == answer and goals.answer["b"] == "use"
    half = made_up(gains, {})
    gone = (half.rows.method == "a") & (half.rows.task == "null") & (half.rows.data == "y")
    half.rows = half.rows[~gone].reset_index(drop=True)
    assert conclude(half, n_boot=50)[1]["goals"].set_index("method").answer["a"] == "not for tests: no whole null arm"


def test_standings_rank_within_each_draw():
    found = made_up({"nothing": {"recovery": 0.0}, "far": {"recovery": 0.4}, "a": {"recovery": 0.1},
                     "bb": {"recovery": 0.1}, "mean": {"recovery": 0.2}}, {})  # fmt: skip
    table = standings(found.predictions)
    one = table[table.data == "x"].set_index("method")
    assert (one.lo < one.value).all() and (one.value < one.hi).all() and np.isnan(one["rank"]["mean"])
    assert tuple(one.loc["far", ["rank", "rank_lo", "rank_hi"]]) == (1, 1, 1) and one["rank"]["nothing"] == 4
    assert {one.rank_lo["a"], one.rank_lo["bb"]} == {2} and {one.rank_hi["a"], one.rank_hi["bb"]} == {3}


def test_the_page_answers_which_method_for_which_goal(tmp_path):
    from exval.report import write_report

    found = made_up({"nothing": {"recovery": 0.0}, "good": {"recovery": 0.2}, "bad": {"recovery": -0.2}}, {"bad": 0.4})
    found.verdict, more = conclude(found, n_boot=50)
    found.extras |= more
    found.config |= {"task": "bench", "name": "imputation", "title": "Imputation", "bench": {"reference": "nothing"}}
    found.save(tmp_path)
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Which method for which goal" in page and "+3&nbsp;&minus;0 of&nbsp;3" in page and "40 %" in page
    assert "How near to the truth" in page and "x, as measured: RMSE" in page


def test_seeds_narrow_no_interval():
    few, many = (made_up({"nothing": {"diffexp": 0.0}, "a": {"diffexp": 0.0}}, {}, seeds=n) for n in (1, 6))
    widths = [(gaps.hi - gaps.lo).mean() for gaps in (differences(r.predictions, 200) for r in (few, many))]
    assert widths[1] > 0.7 * widths[0]


def test_nothing_to_say_is_said():
    empty = Results(
        make_rows([{"method": "a", "metric": "rmse", "status": "failed", "value": np.nan}]), pd.DataFrame(), {}
    )
    assert conclude(empty)[0] == "No job gave a figure."
    alone = made_up({"nothing": {"recovery": 0.0}}, {})
    said, more = conclude(alone, n_boot=50)
    assert said == "No job gave a figure." and "differences" not in more


def test_a_program_of_the_users_is_a_method_like_any_other(tmp_path):
    script = tmp_path / "same.py"
    script.write_text(
        "import sys, numpy as np, scipy.io as io\n"
        "counts_gn = io.mmread(sys.argv[1] + '/matrix.mtx').toarray()\n"
        "np.save(sys.argv[2], 1.0 * counts_gn.T)\n"
    )
    command = f"cmd[output=npy]:{sys.executable} {script} {{input}} {{output}}"
    planned = plan(methods=["mean", command], seeds=1)
    cell = next(c for c in planned.cells if c.params["method"] == command and c.labels["split"] == "thinned 0.9")
    assert cell.labels["method"].startswith("cmd:")
    found, nothing = (
        run_cell({**cell.params, "genes": 60, "cells": 100, "method": method, "settings": {}})
        for method in (command, "nothing")
    )
    assert {row["method"] for row in found["rows"]} == {cell.labels["method"]}
    same = [[row["value"] for row in one["rows"]] for one in (found, nothing)]
    np.testing.assert_allclose(same[0], same[1], rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="two methods are called"):
        plan(methods=[command, command.replace("[output=npy]", "[output=npy, seed=3]")], seeds=1)
