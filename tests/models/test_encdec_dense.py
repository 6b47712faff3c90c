"""The model for dense values of which any subset is shown: the same invariants, and its start at the Gaussian."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.models.config import Part
from exval.nn.attention import PATHS, available
from exval.recipes import make_config
from exval.rng import Draw
from exval.visibility import Subset
from packs import batches, packed, tiny_model

POOL = ("S", "T", "max", "mean", "factors")
COMMON = {"zeros": False, "scale": True}
KINDS = {
    "gexbert": {
        **COMMON,
        "factors": 3,
        "posterior": True,
        "prior": True,
        "readout": True,
        "pooling": POOL,
        "values": Part(name="continuous"),
        "head": Part(name="gaussian"),
    },
    "gexbert-published": {**COMMON, "values": Part(name="gene-bins"), "head": Part(name="gene-bins")},
}
SUBSET = Subset(min_shown=2, max_shown=12, max_visible=6, max_queries=5)


def made(kind, g=24, **changes):
    model = tiny_model(g, fitted=False, **{**KINDS[kind], **changes})
    if model.factors is not None:
        model.factors.loadings_gr.normal_()
        model.factors.mean_g.uniform_()
    model.scale.sd_g.uniform_(0.5, 2)
    return model


def answers(model, split, path=None):
    with torch.no_grad():
        out = model(split, path)
    if out.prediction is None:
        return None, out.h_sample
    return model.answers(out.prediction, split.queries)[0], out.h_sample


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(batch=batches(unit="log1p"), seed=st.integers(0, 99))
def test_a_sample_is_answered_the_same_in_any_company(kind, batch, seed):
    model = made(kind, batch.n_genes)
    split = SUBSET.split(batch, Draw(seed))
    values, h_sample = answers(model, split)
    order = np.random.default_rng(seed).permutation(batch.n)
    close(answers(model, SUBSET.split(batch.select(order), Draw(seed)))[1], h_sample[order])
    for i in range(batch.n):
        alone, alone_sample = answers(model, SUBSET.split(batch.select([i]), Draw(seed)))
        close(alone_sample[0], h_sample[i])
        if alone is not None:
            close(alone, values[split.queries.sample_t == i])


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_is_answered_the_same_alone_or_among_others(kind):
    model, split = made(kind), SUBSET.split(packed(5), Draw(1))
    whole = answers(model, split)[0]
    for i in range(len(whole)):
        mask = torch.arange(len(whole)) == i
        close(answers(model, replace(split, queries=split.queries.keep(mask)))[0][0], whole[i])


@pytest.mark.parametrize("kind", KINDS)
def test_paths_agree(kind):
    model, split = made(kind), SUBSET.split(packed(7, seed=3), Draw(0))
    reference = answers(model, split, "padded")
    for path in PATHS:
        if available(path, "cpu", torch.float):
            for ours, theirs in zip(answers(model, split, path), reference):
                close(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind):
    model = made(kind, n_classes=3).train()
    if KINDS[kind].get("factors"):
        torch.nn.init.normal_(model.labels.encoder[-1].weight)
    split = SUBSET.split(packed(6, n_panels=2), Draw(0))
    out = model(split)
    (model.head.nll(out.prediction, model.targets(split.queries)).sum() + out.logits_nc.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_untrained_it_answers_as_the_gaussian_does():
    model = made("gexbert")
    torch.nn.init.zeros_(model.head.out.weight)
    torch.nn.init.zeros_(model.head.out.bias)
    split = SUBSET.split(packed(6), Draw(0))
    shown = model.scale.batch(split.shown)
    prior = model.factors.prior(*model.factors.distribution(shown), split.queries)
    with torch.no_grad():
        mean_q, sd_q = model.answers(model(split).prediction, split.queries)
    genes = split.queries.genes_t.long()
    close(mean_q, prior.mean_q * model.scale.sd_g[genes] + model.scale.mean_g[genes])
    close(sd_q, prior.sd_q * model.scale.sd_g[genes])


def test_what_a_cap_leaves_out_of_the_encoder_still_reaches_the_factors():
    model, batch = made("gexbert"), packed(4)
    one, two = (SUBSET.model_copy(update={"max_visible": cap})
                for cap in (3, 6))  # fmt: skip
    a, b = (model.encode(v.split(batch, Draw(0))).scores_nr for v in (one, two))
    assert torch.equal(a, b)


def test_the_recipes_show_from_four_genes_on():
    for name in ("gexbert", "gexbert-published"):
        config = make_config(name, "tiny")
        assert config.dense and config.visibility.min_shown == 4 and config.visibility.max_shown is None
        assert config.infer_visible == config.visibility.max_visible
