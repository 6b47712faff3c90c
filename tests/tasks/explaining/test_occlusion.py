"""Occlusion: a gene alone is the answer with it less the answer without it."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.source import open_source
from exval.encoders import ENCODERS
from exval.run import Run
from exval.tasks.explaining.occlusion import occlude, passes_gradient
from exval.tasks.explaining.question import Question


def log_odds(run, adata):
    p_nc = np.log(run.predict_proba(adata))
    return p_nc - p_nc.mean(1, keepdims=True)


def test_which_encoders_pass_a_gradient():
    made = {name: ENCODERS[name](4, 9) if name == "gene-bins" else ENCODERS[name](4) for name in ENCODERS}
    assert {name for name, encoder in made.items() if not passes_gradient(encoder)} == {"bins", "gene-bins"}


def test_hidden_one_by_one_it_is_the_answer_without_the_gene(bins_run, new_patients):
    adata = open_source(new_patients[:4].copy(), missing=True).to_adata(measured=True)
    adata.X[1, 5] = np.nan
    code_n = np.array([0, 1, 0, 1])
    found = occlude(bins_run, bins_run.model, adata, code_n, Question.of_run(bins_run), passes=999)
    whole = log_odds(bins_run, adata)[np.arange(4), code_n]
    for gene in (0, 7, 23):
        left = adata[:, np.arange(24) != gene].copy()
        wanted = whole - log_odds(bins_run, left)[np.arange(4), code_n]
        np.testing.assert_allclose(found.values_ng[:, gene], wanted, atol=1e-4)
    assert not found.weighed_ng[1, 5] and found.values_ng[1, 5] == 0 and np.isnan(found.gap)


def test_a_block_shares_its_change(bins_run, new_patients):
    adata = open_source(new_patients[:3].copy(), missing=True).to_adata(measured=True)
    question, code_n = Question.of_run(bins_run), np.zeros(3, int)
    blocks = occlude(bins_run, bins_run.model, adata, code_n, question, passes=4, seed=1)
    for row in range(3):
        values, sizes = np.unique(blocks.values_ng[row], return_counts=True)
        assert len(values) == 4 and (sizes == 6).all()
    again = occlude(bins_run, bins_run.model, adata, code_n, question, passes=4, seed=1)
    np.testing.assert_array_equal(blocks.values_ng, again.values_ng)


@pytest.mark.parametrize("passes", [5, 9999])
def test_of_a_cell_only_what_is_not_zero_is_hidden(tuned_run, baron_small, passes):
    run = Run(tuned_run)
    adata = open_source(baron_small[:2].copy()).to_adata()
    found = occlude(run, run.model, adata, np.zeros(2, int), Question.of_run(run), passes=passes)
    zero_ng = adata[:, run.genes].X.toarray() == 0
    assert (found.values_ng[zero_ng] == 0).all() and found.weighed_ng.all()
    assert (found.values_ng[~zero_ng] != 0).mean() > 0.9
