"""Integrated gradients: exact where they can be worked out, and adding up on a real run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from exval.data.source import open_source
from exval.run import Run
from exval.tasks.explaining.gradients import (
    MOST_GAP,
    attribute,
    enough_steps,
    frozen,
    integrated_gradients,
    mesh,
)
from exval.tasks.explaining.question import Question
from exval.tasks.explaining.reading import baseline_of, readings


class Linear(nn.Module):
    """A stand-in for a model: two logits, one of which is a weighted sum of the values shown."""

    factors = None

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.linspace(-1, 2, n_genes))

    def forward(self, split):
        shown = split.shown
        part_t = self.weight_g[shown.genes_t.long()] * shown.values_t
        sum_n = torch.zeros(shown.n).index_add(0, shown.sample_t, part_t)
        return SimpleNamespace(logits_nc=torch.stack([sum_n, torch.zeros(shown.n)], 1))


@given(steps=st.integers(1, 40))
def test_the_mesh_covers_the_path_and_is_finer_near_its_start(steps):
    at, width = mesh(steps)
    assert float(width.sum()) == pytest.approx(1) and (width > 0).all()
    edges = torch.cat([torch.zeros(1, dtype=torch.double), width.cumsum(0)])
    assert ((at > edges[:-1]) & (at < edges[1:])).all()
    assert steps == 1 or width[0] < width[-1]


@given(steps=st.integers(1, 7), seed=st.integers(0, 99))
def test_a_linear_answer_is_attributed_exactly(steps, seed):
    weight, x, base = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed)).double()
    found = integrated_gradients(lambda v: (weight * v).sum()[None], x, base, steps)
    torch.testing.assert_close(found, weight * (x - base))


def test_a_square_and_a_product_as_worked_out():
    x, base = torch.tensor([2.0, 3.0]).double(), torch.tensor([1.0, 0.0]).double()
    square = integrated_gradients(lambda v: (v**2).sum()[None], x, base, 2000)
    torch.testing.assert_close(square, x**2 - base**2, atol=1e-5, rtol=0)
    # F = v0 v1 along (1 + a, 3 a): dF/dv0 = 3 a, dF/dv1 = 1 + a; times (1, 3)
    product = integrated_gradients(lambda v: (v[0] * v[1])[None], x, base, 2000)
    torch.testing.assert_close(product, torch.tensor([1.5, 4.5]).double(), atol=1e-5, rtol=0)


def test_through_a_run_a_linear_model_gives_weight_times_difference(planted_run, new_patients):
    adata = open_source(new_patients[:7].copy(), missing=True).to_adata(measured=True)
    adata.X[0, 3] = np.nan
    model, question = Linear(len(planted_run.genes)), Question.of_run(planted_run)
    base_g, words = baseline_of(planted_run, adata)
    found = attribute(planted_run, model, adata, np.zeros(7, int), question, base_g, steps=3)
    x_ng = adata[:, planted_run.genes].X
    wanted = 0.5 * model.weight_g.detach().numpy() * (x_ng - base_g.numpy())  # centred: half of it stays
    np.testing.assert_allclose(found.values_ng, np.nan_to_num(wanted), atol=1e-4)
    assert found.gap < 1e-4 and words == "the training mean of each gene"
    assert not found.weighed_ng[0, 3] and found.weighed_ng[1, 3]


def test_the_baseline_is_the_training_mean_of_patients_and_zero_of_cells(planted_run, tuned_run, baron_small):
    adata = open_source(baron_small).to_adata()
    assert float(baseline_of(Run(tuned_run), adata)[0].abs().max()) == 0
    mean_g, _ = baseline_of(planted_run, adata)
    assert float(mean_g.min()) > 5 and float(mean_g.max()) < 7  # log2 values around six


@pytest.mark.parametrize("which", ["patients", "cells"])
def test_attributions_of_a_real_run_add_up(which, request, planted_run, new_patients, tuned_run, baron_small):
    run = planted_run if which == "patients" else Run(tuned_run)
    data = new_patients[:20].copy() if which == "patients" else baron_small[::10].copy()
    adata = open_source(data, missing=which == "patients").to_adata(measured=which == "patients")
    question, code_n, model = Question.of_run(run), np.arange(data.n_obs) % len(run.classes), run.model
    base_g, _ = baseline_of(run, adata)
    steps = enough_steps(run, model, adata, code_n, question, base_g, 16)
    found = attribute(run, model, adata, code_n, question, base_g, steps=steps)
    assert found.gap < MOST_GAP
    whole = attribute(run, model, adata[3:5].copy(), code_n[3:5], question, base_g, steps=steps)
    np.testing.assert_allclose(whole.values_ng, found.values_ng[3:5], atol=2e-3)  # whatever else is in the batch


def test_too_few_steps_are_doubled(planted_run, new_patients, monkeypatch):
    adata = open_source(new_patients[:9].copy(), missing=True).to_adata(measured=True)
    question, code_n = Question.of_run(planted_run), np.zeros(9, int)
    base_g, _ = baseline_of(planted_run, adata)
    monkeypatch.setattr("exval.tasks.explaining.gradients.MOST_GAP", 1e-9)
    monkeypatch.setattr("exval.tasks.explaining.gradients.MOST_STEPS", 7)
    assert enough_steps(planted_run, planted_run.model, adata, code_n, question, base_g, 2) == 7
    monkeypatch.setattr("exval.tasks.explaining.gradients.MOST_GAP", 1e9)
    assert enough_steps(planted_run, planted_run.model, adata, code_n, question, base_g, 2) == 2


def test_what_is_moved_is_read_by_encoder_and_factors_alike(planted_run, new_patients):
    adata = open_source(new_patients[:5].copy(), missing=True).to_adata(measured=True)
    question, code = Question.of_run(planted_run), torch.zeros(5, dtype=torch.long)
    with torch.no_grad():
        (_, reading), *_ = readings(planted_run, adata)
        own_n = reading.answer(planted_run.model, reading.values_t, question, code).numpy()
        moved = reading.at(reading.values_t + 1)
    p_nc = planted_run.predict_proba(adata)
    np.testing.assert_allclose(own_n, 0.5 * np.log(p_nc[:, 0] / p_nc[:, 1]), atol=1e-4)
    assert torch.equal(moved.shown.values_t[reading.read_t], moved.visible.values_t)
    assert torch.equal(moved.shown.genes_t[reading.read_t].long(), moved.visible.genes_t.long())


def test_frozen_gives_the_weights_their_gradients_back():
    model = Linear(3)
    with pytest.raises(KeyError), frozen(model):
        assert not model.weight_g.requires_grad
        raise KeyError
    assert model.weight_g.requires_grad
