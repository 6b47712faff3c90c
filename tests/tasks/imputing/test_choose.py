"""Choosing a method on cells without a truth: the figures are proper, the parts stay apart, doing nothing may win."""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from worlds import SCALED, TRIVIAL

from exval.errors import InputError
from exval.methods import METHODS
from exval.methods.imputation.base import Imputer
from exval.methods.imputation.values import Imputed
from exval.tasks.imputing.choose import COLUMNS, recommend
from exval.tasks.imputing.goals import GOALS, clusters, divide, pearson_residuals
from exval.tasks.imputing.molecules import from_logs
from exval.tasks.imputing.search import Search
from exval.tasks.imputing.simulate import simulate

CASES = [(goal, labelled) for goal in GOALS for labelled in (False, True)
         if not labelled or goal in ("clustering", "de", "markers")]  # fmt: skip


@cache
def cells(kind="types", n=480, g=600, depth=1500):
    return simulate(kind, n, g, depth=depth, dispersion=0.1, share_different=0.1)


@cache
def trial(goal, labelled=False):
    made = cells("path", 260, 500, 1000) if goal == "trajectory" else cells()
    labels = made.groups_n if labelled else None
    return made, divide(made.adata, GOALS[goal], labels, genes=500, rng=np.random.default_rng(0))


def told(made, one, name):
    if name in SCALED or name == "oracle":
        columns = made.adata.var_names.get_indexer(one.visible.var_names)
        values = made.expected_ng[:, columns] * np.float32(SCALED.get(name, 1.0))
        return Imputed(values, "cp10k", list(one.visible.var_names), one.visible.obs["exval_total"].to_numpy())
    return METHODS[name]().fit(one.visible).impute(one.visible)


@pytest.mark.parametrize("goal, labelled", CASES)
def test_the_truth_wins_without_a_truth(goal, labelled):
    made, one = trial(goal, labelled)
    for case in (one.choose, one.score):
        value = {name: one.value(one.units(told(made, one, name), case)) for name in ("oracle", *TRIVIAL, *SCALED)}
        sign = 1 if GOALS[goal].higher else -1
        assert all(sign * value["oracle"] > sign * value[name] for name in TRIVIAL), value
        if case is one.score and goal in ("de", "markers"):
            continue  # 500 genes decide little about scale
        slack = 0.02 if GOALS[goal].higher else 0.0
        assert all(sign * value["oracle"] > sign * value[name] - slack for name in SCALED), value


@pytest.mark.parametrize("goal", GOALS)
def test_what_chooses_and_what_scores_share_no_molecule(goal):
    made, one = trial(goal)
    columns = made.adata.var_names.get_indexer(one.visible.var_names)
    whole = made.adata.layers["counts"][:, columns]
    used = one.visible.layers["counts"] + one.choose.held_ng + one.score.held_ng
    assert (used > whole).nnz == 0 and list(one.visible.obs) == ["exval_total"]
    left = 1 - used.sum() / whole.sum()
    assert left == pytest.approx(GOALS[goal].shares[3], abs=0.02)  # the part that names groups, where there is one
    assert one.choose.held_ng is not one.score.held_ng and one.choose.adata is one.score.adata
    with_labels = trial("de", True)[1]
    assert with_labels.choose.groups_n is not None and "cell_type" not in with_labels.visible.obs


def test_residuals_forget_depth():
    rng = np.random.default_rng(0)
    depth, share = np.repeat([50.0, 2000.0], 60), rng.dirichlet(np.ones(30))
    from scipy.sparse import csr_matrix

    r = pearson_residuals(csr_matrix(rng.poisson(depth[:, None] * share).astype(np.float32)))
    assert abs(r[:60].mean() - r[60:].mean()) < 0.05 and 0.8 < r.std() < 1.2
    assert len(set(clusters(cells().adata.layers["counts"], 0))) == 8


class Chatty(Imputer):
    """Looks at what it was given."""

    name = ""
    card = METHODS["nothing"].card
    title = "chatty"
    seen: list = []

    def learn(self, cells):
        Chatty.seen.append((cells.labels_n, cells.truth_ng, cells.n))
        self._n = cells.n

    def block(self, columns, sd=False):
        return np.ones((self._n, len(columns)), np.float32)


class Slow(Chatty):
    """Never ends in time."""

    title = "slow"

    def learn(self, cells):
        time.sleep(0.02 * cells.n)
        super().learn(cells)


class Broken(Chatty):
    """Fails."""

    title = "broken"

    def learn(self, cells):
        raise ValueError("it broke")


def test_recommend_takes_what_is_clearly_better_and_scores_it_elsewhere():
    made = cells()
    found = recommend(made.adata, "recovery", ["cluster-mean", "zeros", "mean"], progress=False)
    assert found.method in ("cluster-mean", "mean") and list(found.table.columns) == list(COLUMNS)
    table = found.table.set_index("method")
    assert table.loc[found.method, "lo"] > 0 and table.loc["zeros", "hi"] < 0 and table.difference["nothing"] == 0
    assert np.isfinite(table.held_out[[found.method, "nothing"]]).all() and np.isnan(table.held_out["zeros"])
    assert table.loc[found.method, "held_out_difference"] > 0 and f"For recovery: {found.method}" in found.sentence
    again = recommend(made.adata, "recovery", ["cluster-mean", "zeros", "mean"], progress=False)
    assert again.table.score.tolist() == found.table.score.tolist()


def test_nothing_wins_where_nothing_is_better():
    made = cells("types", 200, 300, 3000)
    found = recommend(made.adata, "clustering", ["zeros", "mean"], progress=False)
    assert found.method == "nothing" and "use the values as they are" in found.sentence


def test_time_is_foreseen_from_how_it_grows(monkeypatch):
    made = simulate("types", 900, 40, depth=200)
    one = divide(made.adata, GOALS["recovery"], None, genes=40, rng=np.random.default_rng(0))
    search = Search(one, made.adata, 0, time.monotonic() + 1000)
    for seconds, want in ((lambda n: 1e-4 * n**2, 81.0), (lambda n: 1e-3 * n, 0.9), (lambda n: 0.1 * n, 90.0)):
        monkeypatch.setattr(search, "_seconds", lambda method, n, seconds=seconds: seconds(n))
        assert search._pilot(METHODS["mean"]()) == pytest.approx(want, rel=0.01)


def test_a_lead_that_does_not_hold_is_no_recommendation(monkeypatch):
    made = simulate("types", 200, 60, depth=400)
    one = divide(made.adata, GOALS["recovery"], None, genes=60, rng=np.random.default_rng(0))
    search = Search(one, made.adata, 0, time.monotonic() + 1000)
    search.run([METHODS["nothing"](), METHODS["mean"]()], progress=False)
    assert search.conclude(COLUMNS)[0] == "mean"
    monkeypatch.setitem(search.score_units, "mean", search.score_units["nothing"])  # no better there
    name, table, said = search.conclude(COLUMNS)
    assert name == "nothing" and "mean led" in said and "does not hold" in said
    assert "took no part" in table.set_index("method").why["mean"]


def test_methods_that_make_up_differences_are_not_recommended_for_tests():
    made = cells("types", 400, 500, 1500)
    made.adata.obs["kind"] = made.groups_n
    found = recommend(made.adata, "markers", ["cluster-mean", "knn-smoothing"], label="kind", progress=False)
    table = found.table.set_index("method")
    for name in ("cluster-mean", "knn-smoothing"):
        if table.difference[name] > 0 and table.lo[name] > 0:
            assert table.status[name] == "disqualified" and table.false_discoveries[name] > 0.1
            assert "called different" in table.why[name] and name in found.sentence
    assert found.method == "nothing"
    assert (table.status == "disqualified").any()


def test_time_failures_labels_and_faults():
    made = simulate("types", 320, 500, depth=400)
    made.adata.obs["kind"] = made.groups_n
    Chatty.seen.clear()
    found = recommend(made.adata, "recovery", [Chatty(), Slow(), Broken()], label="kind", seconds=8, progress=False)
    status = found.table.set_index("method").status
    assert status["broken"] == "failed" and status["nothing"] == "tried" and status["chatty"] == "tried"
    assert status["slow"] == "not tried" and "were left" in found.table.set_index("method").why["slow"]
    assert found.table.set_index("method").why["broken"] == "it broke"
    assert all(labels is None and truth is None for labels, truth, _ in Chatty.seen)
    with pytest.raises(InputError, match="no goal is called 'speed'"):
        recommend(made.adata, "speed")
    with pytest.raises(InputError, match="no two of at least ten"):
        made.adata.obs["one"] = "same"
        recommend(made.adata, "de", ["mean"], label="one", progress=False)
    with pytest.raises(InputError, match="too few"):
        recommend(made.adata[:15].copy(), "recovery", ["mean"], progress=False)
    logs = from_logs(made.adata.X, made.adata.obs_names, made.adata.var_names)
    flat = simulate("types", 200, 200, depth=60, share_different=0.01, seed=1)
    assert "nothing can be judged" in recommend(flat.adata, "de", ["mean"], progress=False).sentence
    bare = recommend(logs, "plot", progress=False)
    assert bare.method == "nothing" and "no counts" in bare.sentence and "saver" not in set(bare.table.method)


def test_time_is_kept():
    """Slow ones are left out, and listed, when a pilot says that they will not fit."""
    made = cells("types", 400, 300, 300)
    start = time.monotonic()
    found = recommend(made.adata, "recovery", [Slow(), Chatty()], seconds=6.0, progress=False)
    assert time.monotonic() - start < 20
    table = found.table.set_index("method")
    assert table.status["chatty"] == "tried" and table.status["slow"] == "not tried" and "left" in table.why["slow"]
