"""The tables and the verdict say what the rows say, failures and gaps included."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from exval.bench import summary
from exval.bench.benchmark import Primary
from exval.bench.results import Results, make_rows

ONE = {"t": Primary("rmse", False)}
TWO = {"low": Primary("rmse", False, "Recovery"), "high": Primary("ari", True)}


def row(method, data, value=None, *, task="t", metric="rmse", seed=0, **more):
    if value is None:
        more = {"status": "timeout", "note": "longer than 9 s", **more}
        metric = ""
    return {"method": method, "data": data, "task": task, "metric": metric, "value": np.nan if value is None else value,
            "seed": seed, "config_hash": f"{method}{data}{task}{seed}", **more}  # fmt: skip


def test_seeds_are_averaged_and_their_spread_told():
    found = summary.cases(make_rows([row("a", "x", 1.0), row("a", "x", 2.0, seed=1), row("a", "x", 3.0, seed=2)]), ONE)
    assert found[["value", "n_seeds", "seed_sd", "n_failed", "status"]].values.tolist() == [[2.0, 3, 1.0, 0, "ok"]]


@pytest.mark.parametrize("lost, status, value", [(1, "ok", 1.5), (2, "timeout", None), (3, "timeout", None)])
def test_a_case_fails_when_half_its_seeds_do(lost, status, value):
    rows = [row("a", "x", 1.0 + s, seed=s) for s in range(2)] + [row("a", "x", seed=9 + s) for s in range(lost)]
    found = summary.cases(make_rows(rows), ONE).iloc[0]
    assert found.status == status and found.n_failed == lost and found.note == "longer than 9 s"
    assert (found.value == value) if value else np.isnan(found.value)


def test_only_the_pooled_rows_of_the_right_slice_count():
    rows = [row("a", "x", 1.0), row("a", "x", 9.0, fold=2), row("a", "x", 9.0, slice="class=b"),
            row("a", "x", 9.0, metric="mae")]  # fmt: skip
    assert summary.cases(make_rows(rows), ONE).value.tolist() == [1.0]


def test_a_cell_that_failed_stands_for_all_its_tasks_where_there_was_something_to_score():
    rows = [row("a", "x", 1.0, task="low"), row("a", "x", 0.5, task="high", metric="ari"),
            row("a", "y", 1.0, task="low"), row("b", "x", task=""), row("b", "y", task="")]  # fmt: skip
    found = summary.cases(make_rows(rows), TWO)
    told = {(e.task, e.data) for e in found[found.method == "b"].itertuples()}
    assert told == {("low", "x"), ("low", "y"), ("high", "x")}  # nobody has a value for high on y


def arm(method, data, split, value=None, **more):
    return row(method, data, value, split=split, **more)


def test_splits_of_a_data_set_are_cases_of_their_own():
    rows = [arm(m, "x", split, v + step, seed=s) for m, v in (("a", 0.1), ("b", 0.2)) for s in range(2)
            for split, step in (("easy", 0.0), ("hard", 0.5))]  # fmt: skip
    found = summary.cases(make_rows(rows), ONE)
    assert len(found) == 4 and (found.n_seeds == 2).all() and (found.seed_sd == 0).all()
    test = summary.tables(make_rows(rows), ONE)["rank_tests"].iloc[0]
    assert (test.n_cases, test.n_blocks) == (2, 1)
    board = summary.tables(make_rows(rows), ONE)["leaderboard"].set_index("method")
    assert board.value.round(9).tolist() == [0.35, 0.45] and board.n.tolist() == [1, 1]


def test_failing_the_hard_split_makes_nobody_look_better():
    rows = [arm("honest", "x", split, v, seed=s) for s in range(3) for split, v in (("easy", 0.1), ("hard", 0.8))]
    rows += [arm("fragile", "x", "easy", 0.11, seed=s) for s in range(3)]
    rows += [arm("fragile", "x", "hard", 0.81, seed=0)] + [arm("fragile", "x", "hard", seed=s) for s in (1, 2)]
    found = summary.tables(make_rows(rows), ONE)
    assert found["ranks"].method.tolist() == ["honest", "fragile"]
    assert found["cases"].set_index(["method", "split"]).status["fragile", "hard"] == "timeout"


def test_a_failure_counts_only_where_it_would_have_been_scored():
    rows = [arm(m, "x", "as measured", v, task="low") for m, v in (("a", 1.0), ("b", 2.0))]
    rows += [arm("b", "x", "null", 0.0, task="high", metric="ari"), arm("a", "x", "null", task="")]
    found = summary.cases(make_rows(rows), TWO).set_index(["task", "split", "method"])
    assert found.status["low", "as measured", "a"] == "ok" and found.n_failed["low", "as measured", "a"] == 0
    assert found.status["high", "null", "a"] == "timeout" and ("low", "null", "a") not in found.index


def test_data_sets_of_one_source_are_one_block():
    rows = [row(m, d, v) for m, v in (("a", 1.0), ("b", 2.0)) for d in "uvwxyz"]
    whole, merged = (
        summary.tables(make_rows(rows), ONE, blocks=blocks)["rank_tests"].iloc[0] for blocks in (None, {"y": "z"})
    )
    assert (whole.n_blocks, merged.n_blocks) == (6, 5) and np.isfinite(whole.cd) and np.isnan(merged.cd)
    assert summary.tables(make_rows(rows), ONE, blocks={"y": "z"})["leaderboard"].n.tolist() == [5, 5]


def test_a_cell_costs_once_however_many_figures_it_gives():
    rows = [row("a", "x", 1.0, seconds=9.0, task=t, metric=m, config_hash="k1")
            for t, m in (("low", "rmse"), ("high", "ari"))] + [row("a", "y", 1.0, seconds=1.0, task="low")]  # fmt: skip
    assert summary.tables(make_rows(rows), TWO)["cost"][["seconds", "n"]].values.tolist() == [[5.0, 2.0]]


def test_a_failed_metric_is_a_failure_of_that_task_alone():
    rows = [row("a", "x", 1.0, task="low"), row("a", "x", 0.5, task="high", metric="ari"),
            row("b", "x", 1.0, task="low"),
            {**row("b", "x", task="high", status="failed", note="not a number"), "metric": "ari"}]  # fmt: skip
    found = summary.cases(make_rows(rows), TWO).set_index(["task", "method"]).status
    assert found["low", "b"] == "ok" and found["high", "b"] == "failed"


def test_order_is_that_of_the_plan():
    rows = [row(m, d, 1.0) for d in ("z", "a") for m in ("q", "b")]
    found = summary.cases(make_rows(rows), ONE)
    assert found[["data", "method"]].values.tolist() == [["z", "q"], ["z", "b"], ["a", "q"], ["a", "b"]]


def test_leaderboard_by_hand():
    rows = (
        [row("a", f"d{i}", float(i)) for i in range(6)] + [row("b", f"d{i}", 10.0) for i in range(5)] + [row("b", "d5")]
    )
    board = summary.tables(make_rows(rows), ONE)["leaderboard"].set_index("method")
    assert board.value.tolist() == [2.5, 10.0] and board.n.tolist() == [6, 5] and board.n_failed.tolist() == [0, 1]
    assert 0.8 < board.lo["a"] < 2.5 < board.hi["a"] < 4.2 and np.isnan(board.lo["b"])
    assert board.mean_rank.tolist() == [1.0, 2.0]


def test_directions_of_tasks_are_kept_apart():
    rows = [row(m, d, v, task="low") for m, v in (("good", 0.1), ("bad", 0.9)) for d in "xy"]
    rows += [row(m, d, v, task="high", metric="ari") for m, v in (("good", 0.9), ("bad", 0.1)) for d in "xy"]
    ranks = summary.tables(make_rows(rows), TWO)["ranks"]
    assert ranks.scope.tolist() == ["all"] * 2 + ["low"] * 2 + ["high"] * 2
    assert ranks.method.tolist() == ["good", "bad"] * 3 and ranks.mean_rank.tolist() == [1.0, 2.0] * 3


def test_unranked_methods_are_shown_and_not_ranked():
    rows = [row(m, d, v) for m, v in (("oracle", 0.0), ("a", 1.0), ("b", 2.0)) for d in "xy"]
    found = summary.tables(make_rows(rows), ONE, unranked=["oracle"])
    assert found["ranks"].method.tolist() == ["a", "b"] and found["ranks"].mean_rank.tolist() == [1.0, 2.0]
    assert "oracle" in set(found["leaderboard"].method) and "oracle" in set(found["cases"].method)


def test_tasks_of_one_data_set_are_not_counted_as_data_sets():
    tasks = {f"t{i}": Primary("rmse", False) for i in range(8)}
    rows = [row(m, d, v, task=t) for t in tasks for m, v in (("a", 1.0), ("b", 2.0)) for d in "xyz"]
    test = summary.tables(make_rows(rows), tasks)["rank_tests"].set_index("scope").loc["all"]
    assert (test.n_cases, test.n_blocks) == (24, 3) and np.isnan(test.cd)


def test_cost_failures_and_what_was_skipped():
    rows = [row("a", "x", 1.0, seconds=2.0, peak_mb=5.0), row("a", "y", 1.0, seconds=4.0, peak_mb=50.0),
            row("b", "x", seconds=99.0)]  # fmt: skip
    found = summary.tables(make_rows(rows), ONE, skipped=[("b on y", "too large")])
    assert found["cost"].values.tolist() == [["a", 3.0, 50.0, 2]]
    assert found["failures"][["method", "status", "note"]].values.tolist() == [["b", "timeout", "longer than 9 s"]]
    assert found["skipped"].values.tolist() == [["b on y", "too large"]]


def said(rows, primary=ONE, config=None, **more) -> str:
    made = make_rows(rows)
    config = {"cells": {}, "bench": {"reference": more.get("reference")}} | (config or {})
    return summary.conclude(Results(made, pd.DataFrame(), config, extras=summary.tables(made, primary, **more)))[0]


def scored(values: dict[str, float], n: int, noise: float = 0.0):
    rng = np.random.default_rng(0)
    return [row(m, f"d{i}", v + noise * rng.normal()) for i in range(n) for m, v in values.items()]


def test_verdict_names_the_leader_and_who_is_level_with_it():
    text = said(scored({"a": 1.0, "b": 1.01, "none": 3.0}, 12, 0.1), reference="none")
    assert re.match(
        r"3 methods on 12 data sets: [ab] has the best mean rank \(1\.\d \[1\.\d, 1\.\d\]\); [ab] cannot ", text
    )
    assert " be told from it (critical difference 1.0)." in text
    assert text.endswith("Clearly better than none: 2 of 2.")


def test_verdict_of_a_clear_leader():
    text = said(scored({"a": 1.0, "b": 2.0}, 8))
    assert text == ("2 methods on 8 data sets: a has the best mean rank (1.0 [1.0, 1.0]); every other method ranks "
                    "clearly below it (critical difference 0.7).")  # fmt: skip


def test_verdict_where_nothing_differs():
    text = said(scored({"a": 1.0, "b": 1.0, "c": 1.0}, 8, 0.1))
    assert "but the ranks differ no more than by chance (Friedman, p = " in text


def test_verdict_of_little_or_nothing():
    assert said(scored({"a": 1.0, "b": 2.0}, 1)).endswith("one data set is too few for an interval or a test.")
    assert said(scored({"a": 1.0}, 8)) == "only a was ranked, and a rank needs two methods."
    for primary in (ONE, TWO):
        assert said([row("a", "x"), row("b", "x")], primary).endswith("some method solved, so nothing is ranked.")


def test_verdict_says_what_is_missing():
    text = said(scored({"a": 1.0, "b": 2.0}, 3), config={"cells": {"planned": 10, "ok": 6, "timeout": 2, "not run": 2}})
    assert text.startswith("Incomplete, 8 of 10 jobs: 2 methods on 3 data sets") and text.endswith(
        "2 of 8 jobs failed."
    )
