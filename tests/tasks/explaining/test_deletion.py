"""Deletion curves of a run that can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.tasks.explaining.deletion import delete_genes, grid


class Stub:
    """Names a sample by one gene, and everybody after the first class without it."""

    classes, outcome = ["a", "b"], None
    config, genes = SimpleNamespace(dense=True), [f"G{i}" for i in range(20)]

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def predict_proba(self, adata):
        self.asked.append(tuple(adata.var_names))
        if "G3" not in adata.var_names:
            return np.tile([0.9, 0.1], (adata.n_obs, 1))
        high = np.asarray(adata[:, "G3"].X).ravel() > 0
        return np.where(high[:, None], [0.2, 0.8], [0.9, 0.1])


class Survivor(Stub):
    classes, outcome = None, {"head": "cox"}

    def risk(self, adata):
        self.asked.append(tuple(adata.var_names))
        return np.zeros(adata.n_obs) if "G3" not in adata.var_names else np.asarray(adata[:, "G3"].X).ravel()


def material(labelled=True, outcome=True, n=40):
    x = np.random.default_rng(0).normal(size=(n, 20)).astype(np.float32)
    adata = anndata.AnnData(x, obs=pd.DataFrame(index=[f"s{i}" for i in range(n)]))
    adata.var_names = [f"G{i}" for i in range(20)]
    return SimpleNamespace(
        adata=adata, delete_rows=np.arange(n), code_n=(x[:, 3] > 0).astype(int), labelled=labelled,
        group_n=np.arange(n).astype(str), time_n=np.exp(-x[:, 3]) if outcome else None,
        event_n=np.ones(n, bool) if outcome else None,
    )  # fmt: skip


def scores():
    first, last = np.zeros(20), np.zeros(20)
    first[3], last[3] = 1, -1
    return {"good": first, "bad": last}


GENES = np.array(Stub.genes, dtype=object)


def test_the_gene_that_decides_takes_the_accuracy_with_it():
    run, given = Stub(), material()
    found = delete_genes(run, given, GENES, scores(), orders=2)
    share = float((given.code_n == 0).mean())
    value = found.curve.set_index(["ranking", "k"]).value
    assert grid(20) == [0, 1, 5, 10]
    assert [value["good", k] for k in grid(20)] == pytest.approx([1, share, share, share])
    assert [value["bad", k] for k in grid(20)] == [1, 1, 1, 1]
    assert found.areas["good"].value == pytest.approx(share) and found.areas["bad"].value == 1
    gap = found.gaps["good", "bad"]
    assert (
        gap.value == pytest.approx(share - 1)
        and gap.hi < 0
        and set(found.gaps) == {("good", "bad"), ("good", "random")}
    )
    probability = found.curve.set_index(["ranking", "k"]).probability
    assert probability["good", 1] == pytest.approx(0.9 * share + 0.1 * (1 - share))
    assert found.whole.value == 1 and found.above_chance.value == pytest.approx(1 - max(share, 1 - share))
    assert {len(names) for names in run.asked} == {20, 19, 15, 10} and "G3" not in run.asked[1]
    rows = found.predictions
    assert len(rows) == 40 * 3 * 4 and set(rows.prediction[(rows.method == "good") & (rows.k == 5)]) == {"a"}


def test_without_labels_it_is_the_run_itself_that_is_agreed_with():
    given = material(labelled=False)
    given.code_n = 1 - given.code_n  # not looked at
    found = delete_genes(Stub(), given, GENES, scores())
    assert found.measure == "agreement" and found.whole.value == 1 and found.above_chance is None


def test_survival_is_judged_by_concordance():
    found = delete_genes(Survivor(), material(), GENES, scores())
    value = found.curve.set_index(["ranking", "k"]).value
    assert found.measure == "harrell_c" and value["good", 0] == 1 and value["good", 1] == 0.5
    assert found.areas["good"].value == 0.5 and found.areas["bad"].value == 1
    assert found.gaps["good", "bad"].hi < 0 and found.above_chance.lo > 0.4


def test_risks_without_an_outcome_are_held_against_themselves():
    found = delete_genes(Survivor(), material(outcome=False), GENES, scores())
    value = found.curve.set_index(["ranking", "k"]).value
    assert found.measure == "rank_agreement" and value["bad", 10] == pytest.approx(1) and value["good", 1] == 0
    assert np.isnan(found.gaps["good", "bad"].lo) and found.gaps["good", "bad"].value == pytest.approx(-1)


def test_a_run_of_cells_keeps_the_genes_that_it_insists_on():
    run = Stub()
    run.config, run.genes = SimpleNamespace(dense=False), [f"G{i}" for i in range(300)]
    delete_genes(run, material(), GENES, scores(), orders=1)
    assert min(len(names) for names in run.asked) >= 16  # 5 % of 300 and one
