"""One cell of the benchmark: rows, units that give the figures back, intervals, dropped genes, coverage."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

sys.path.insert(0, str(Path(__file__).parent))
from worlds import candidate, world

from exval.bench.results import make_rows
from exval.errors import InputError
from exval.methods import METHODS
from exval.methods.imputation.values import Imputed
from exval.metrics import METRICS
from exval.tasks.imputing import ANALYSES
from exval.tasks.imputing.analysis import KINDS, answer, components, units
from exval.tasks.imputing.coverage import Coverage
from exval.tasks.imputing.paired import interval, value_of
from exval.tasks.imputing.score import figures_of, made, run_cell, scored
from exval.tasks.imputing.trajectory import pseudotime

SIMULATED = {"genes": 120, "cells": 150, "seed": 1}


@pytest.mark.parametrize(
    "data, arm, tasks",
    [
        ("simulated-types", "as measured", {"annotation", "clustering", "diffexp", "markers", "recovery"}),
        ("simulated-types", "thinned 0.9", {"annotation", "clustering", "diffexp", "markers", "molecules", "recovery"}),
        ("simulated-path", "as measured", {"recovery", "trajectory"}),
        ("simulated-types", "null: permuted", {"null"}),
        ("pancreas", "thinned 0.25", {"annotation", "clustering", "diffexp", "markers", "molecules"}),
    ],
)
def test_a_cell_has_rows_and_units_that_give_the_figures_back(data, arm, tasks):
    found = run_cell({"method": "nothing", "data": data, "arm": arm, **SIMULATED})
    rows = make_rows(found["rows"])
    assert set(rows.task) == tasks and set(rows.split) == {arm} and set(rows.seed) == {1}
    assert np.isfinite(rows.value).all() and set(rows.metric) <= set(METRICS) and (rows.n > 0).all()
    assert not rows.duplicated(["task", "slice", "metric"]).any() and (rows.seconds >= 0).all()
    keys = found["units"].groupby(["task", "slice", "metric"])
    assert keys.ngroups >= len(tasks) - (data == "x")
    for (task, part, metric), table in keys:
        row = rows[(rows.task == task) & (rows.slice == part) & (rows.metric == metric)].iloc[0]
        assert value_of(metric, table) == pytest.approx(row.value, abs=1e-6), (task, metric)
    again = run_cell({"method": "nothing", "data": data, "arm": arm, **SIMULATED})
    assert [row["value"] for row in again["rows"]] == [row["value"] for row in found["rows"]]


def test_every_metric_with_units_is_known():
    assert set(KINDS) <= set(METRICS) and set(KINDS.values()) == {"mean", "root", "partition", "classes", "order"}


def test_the_oracle_gets_the_truth_and_nobody_else():
    case = world("types")
    assert "exval_truth" not in case.adata.layers
    best = {(r["task"], r["metric"], r["slice"]): r["value"] for r in scored(case, METHODS["oracle"]())["rows"]}
    assert best["recovery", "rmse", "all"] < 1e-4 and best["clustering", "ari", "all"] == 1
    with pytest.raises(InputError, match="needs the truth"):
        run_cell({"method": "oracle", "data": "pancreas", "arm": "thinned 0.9", "cells": 100})


def test_labels_never_reach_a_method(monkeypatch):
    with pytest.raises(InputError, match="does not impute"):
        made("logreg", None, "cpu", 0)
    monkeypatch.setattr(METHODS["mean"], "labels", "required")
    with pytest.raises(InputError, match="needs the types"):
        made("mean", None, "cpu", 0)


def test_presets_settings_and_seed(monkeypatch):
    monkeypatch.setattr(METHODS["cluster-mean"], "presets", {"cpu": {"n_pcs": 5}})
    method = made("cluster-mean", {"k": 3}, "cpu", 7)
    assert (method.n_pcs, method.k, method.seed) == (5, 3, 7)
    assert made("cluster-mean", {"seed": 1}, "paper", 7).seed == 1


def test_dropped_genes_are_failures():
    case, full = world("types"), candidate("types", "oracle")
    some = np.random.default_rng(0).permutation(case.adata.n_vars)[:300]
    part = Imputed(full.values_nq[:, some], full.unit, [full.genes[j] for j in some], full.total_n)
    told = answer(case, part)
    assert told.dropped == case.adata.n_vars - 300
    np.testing.assert_allclose(told.log_ng[:, some], np.log1p(full.values_nq[:, some]), atol=1e-4)
    figure = {(t, f.metric, f.slice): f.value for t, f in figures_of(case, part)}
    assert figure["recovery", "rmse", "all"] > 0.5
    with pytest.raises(ValueError, match="cells were imputed"):
        answer(case, Imputed(part.values_nq[:9], part.unit, part.genes, part.total_n[:9]))


@pytest.mark.parametrize("metric", ["ari", "kendall", "macro_f1", "rmse"])
def test_paired_intervals_hold_the_difference(metric):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 150)
    good, bad = (np.where(rng.random(150) < share, truth, rng.integers(0, 3, 150)) for share in (0.9, 0.4))
    if metric == "rmse":
        a, b = units((good - truth) ** 2.0), units((bad - truth) ** 2.0)
    else:
        a, b = units(good, truth), units(bad, truth)
    gap = interval(metric, a, b)
    assert gap.value == pytest.approx(value_of(metric, a) - value_of(metric, b))
    assert (gap.lo > 0) == (metric != "rmse") and gap.lo < gap.value < gap.hi
    same = interval(metric, a, a)
    assert (same.value, same.lo, same.hi) == (0, 0, 0)
    with pytest.raises(ValueError, match="different units"):
        interval(metric, a, b.iloc[::-1])


def test_values_from_units_equal_other_implementations():
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    assert value_of("ari", units(said, truth)) == pytest.approx(sk.adjusted_rand_score(truth, said))
    assert value_of("kendall", units(said, truth)) == pytest.approx(kendalltau(truth, said).statistic, abs=1e-6)
    assert value_of("macro_f1", units(said % 4, truth)) == pytest.approx(sk.f1_score(truth, said % 4, average="macro"))


def test_components_are_those_of_a_singular_value_decomposition():
    rng = np.random.default_rng(0)
    for shape in ((30, 80), (80, 30)):
        x = rng.normal(size=shape).astype(np.float32)
        left, singular, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
        np.testing.assert_allclose(np.abs(components(x, 4)), np.abs(left[:, :4] * singular[:4]), rtol=1e-2, atol=1e-2)
    assert not components(np.full((5, 4), 0.1), 3).any()


def test_pseudotime_follows_a_line_and_joins_what_lies_apart():
    line = np.concatenate([np.arange(20.0), np.arange(20.0) + 60])[:, None]
    time = pseudotime(line, line[:, 0] == 0, neighbours=3)
    assert (np.diff(time) > 0).all() and time[0] == 0 and time[-1] == pytest.approx(79, abs=0.01)
    assert not pseudotime(np.ones((6, 2)), np.arange(6) == 0).any()


def test_coverage_knows_honest_intervals_from_bold_and_timid_ones():
    """An sd that is right covers its level and has the least interval score; the truth with any sd is found out."""
    case = world("types, held out")
    rng = np.random.default_rng(3)
    sd = 0.3 * case.expected_ng
    shape = (case.expected_ng / sd) ** 2
    mean = rng.gamma(shape, sd**2 / case.expected_ng).astype(np.float32)  # an estimate as far off as its sd says
    genes, total = list(case.adata.var_names), case.adata.obs["exval_total"].to_numpy()

    def figures(spread, values=mean):
        told = Imputed(values, "cp10k", genes, total, spread.astype(np.float32))
        return {f"{f.metric}/{f.slice}": f.value for f in Coverage().score(case, told)}

    honest, bold, timid = figures(0.3 * mean), figures(0.05 * mean), figures(3.0 * mean)
    assert honest["coverage_80/expected"] == pytest.approx(0.8, abs=0.06)
    assert bold["coverage_95/expected"] < 0.5 and timid["coverage_80/expected"] > 0.9
    assert honest["interval_score_95/expected"] < min(x["interval_score_95/expected"] for x in (bold, timid))
    sure = figures(0.02 * case.expected_ng, case.expected_ng)  # the truth, and nearly sure of it
    assert (
        sure["coverage_95/expected"] == 1 and sure["interval_score_95/expected"] < honest["interval_score_95/expected"]
    )
    for level in (80, 95):
        assert sure[f"coverage_{level}/held out"] == pytest.approx(level / 100, abs=0.02)
    off = figures(0.02 * mean, 30 * mean)
    assert off["coverage_95/held out"] < sure["coverage_95/held out"]
    assert Coverage().score(case, candidate("types, held out", "nothing")) == []


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_an_analysis_takes_less_than_two_seconds(name):
    """Of CPU, for 500 cells and 2,000 genes."""
    import time

    from exval.tasks.imputing.cases import case_of
    from exval.tasks.imputing.simulate import simulate

    kind = "path" if name == "trajectory" else "types"
    arm = "null: permuted" if name == "null" else "thinned 0.5"
    case = case_of(simulate(kind, 660, 2000), "x", arm, np.random.default_rng(0), genes=None, share=1.0)
    told = METHODS["mean"]().fit(case.adata).impute(case.adata).to("log1p")
    noisy = told.values_nq + 0.3 * np.random.default_rng(0).random(told.values_nq.shape, dtype=np.float32)
    told = Imputed(noisy, "log1p", told.genes, told.total_n, 0.5 * noisy)
    analysis = ANALYSES[name]()
    assert analysis.applies(case)
    began = time.process_time()
    assert analysis.score(case, told)
    assert time.process_time() - began < 2.0


def test_units_are_a_table():
    assert isinstance(units(np.ones(3)), pd.DataFrame) and list(units(np.ones(2), 3.0).weight) == [3, 3]
