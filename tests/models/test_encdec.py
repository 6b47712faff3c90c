"""The asymmetric model: each sample on its own, each query on its own, and both decoders against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exval.encoders import ENCODERS
from exval.encoders.base import State
from exval.errors import InputError
from exval.heads import HEADS
from exval.models.config import ModelConfig
from exval.models.encdec import N_CONTEXT, EncoderDecoder
from exval.nn.attention import PATHS, available
from exval.rng import Draw
from exval.visibility import Everything, Masking
from packs import batches, packed, tiny_model

KINDS = {
    "queried": {},
    "queried without zeros": {"zeros": False},
    "queried with factors": {"factors": 3, "pooling": ("S", "T", "max", "mean", "factors")},
    "linear": {"decoder": "linear"},
    "linear with factors": {"decoder": "linear", "factors": 3, "decoder_layers": 2},
}
MASKING = Masking(nonzeros=0.4, zeros=0.2, max_visible=6)
few = settings(max_examples=15, deadline=None)


@pytest.fixture(params=list(KINDS))
def model(request):
    return tiny_model(**KINDS[request.param])


def answers(model, split, path=None):
    with torch.no_grad():
        out = model(split, path)
    return out.h_query, out.h_sample, out.prediction


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_shapes(model):
    split = MASKING.split(packed(empty=(2,)), Draw(0))
    out = model(split)
    q = len(split.queries.genes_t)
    assert out.h_query.shape == (q, 12) and out.prediction.shape == (q,) and out.logits_nc is None
    assert out.h_sample.shape == (5, model.sample_width)
    assert all(x.isfinite().all() for x in (out.h_query, out.h_sample, out.prediction))


@pytest.mark.parametrize("kind", KINDS)
@few
@given(batch=batches(), seed=st.integers(0, 99))
def test_a_sample_is_answered_the_same_in_any_company(kind, batch, seed):
    model = tiny_model(batch.n_genes, **KINDS[kind])
    h_query, h_sample, _ = answers(model, MASKING.split(batch, Draw(seed)))
    order = np.random.default_rng(seed).permutation(batch.n)
    close(answers(model, MASKING.split(batch.select(order), Draw(seed)))[1], h_sample[order])
    sample_q = MASKING.split(batch, Draw(seed)).queries.sample_t
    for i in range(batch.n):
        alone_query, alone_sample, _ = answers(model, MASKING.split(batch.select([i]), Draw(seed)))
        close(alone_sample[0], h_sample[i])
        if alone_query is not None:
            close(alone_query, h_query[sample_q == i])


@pytest.mark.parametrize("kind", KINDS)
@few
@given(batch=batches(), seed=st.integers(0, 99))
def test_a_query_is_answered_the_same_alone_or_among_others(kind, batch, seed):
    model, split = tiny_model(batch.n_genes, **KINDS[kind]), MASKING.split(batch, Draw(seed))
    whole = answers(model, split)[2]
    for i in range(len(split.queries.genes_t)):
        mask = torch.arange(len(split.queries.genes_t)) == i
        alone = answers(model, replace(split, queries=split.queries.keep(mask)))[2]
        close(alone[0], whole[i])


def test_paths_agree(model):
    split = MASKING.split(packed(7, seed=3, empty=(1,)), Draw(0))
    reference = answers(model, split, "padded")
    for path in PATHS:
        if available(path, "cpu", torch.float):
            for ours, theirs in zip(answers(model, split, path), reference):
                close(ours, theirs)


def test_bfloat16(model):
    split = MASKING.split(packed(6, seed=4), Draw(0))
    whole = answers(model, split)
    with torch.autocast("cpu", torch.bfloat16):
        half = answers(model, split)
    for ours, theirs in zip(half, whole):
        assert (ours.float() - theirs).norm() < 2e-2 * theirs.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind):
    model = tiny_model(**KINDS[kind], n_classes=3).train()
    torch.nn.init.normal_(model.labels.encoder[-1].weight)  # with factors it starts at zero, which passes nothing on
    split = MASKING.split(packed(6, n_panels=2), Draw(0))
    out = model(split)
    (model.head.nll(out.prediction, split.queries.values_t).sum() + out.logits_nc.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # The bias of keys shifts all scores of a softmax alike; nothing may depend on it.
        assert parameter.grad.abs().sum() > 0, name


def test_no_samples_and_one_without_anything(model):
    nothing = MASKING.split(packed().select([]), Draw(0))
    assert model(nothing).h_sample.shape == (0, model.sample_width)
    split = MASKING.split(packed(1, empty=(0,)), Draw(0))
    split = replace(
        split, hidden=split.hidden.keep(split.hidden.genes_t < 0), unknown=split.unknown.keep(split.unknown.genes_t < 0)
    )
    out = model(split)
    assert len(split.queries.genes_t) and out.prediction.isfinite().all() and out.h_sample.isfinite().all()


def test_same_seed_same_model():
    a, b = (tiny_model(factors=2) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_hidden_values_cannot_be_read(model):
    """Answers change neither with the targets nor with what the hidden genes held."""
    split = Masking(nonzeros=0.5, zeros=0.2).split(packed(), Draw(0))
    other = replace(
        split,
        queries=split.queries.with_values(split.queries.values_t + 5, "log1p"),
        hidden=split.hidden.with_values(split.hidden.values_t + 5, "log1p"),
        unknown=split.unknown.with_values(split.unknown.values_t + 5, "log1p"),
    )
    for a, b in zip(answers(model, split), answers(model, other)):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "queried without zeros"])
def test_a_zero_a_hidden_gene_and_one_not_measured_are_told_apart(kind):
    model, batch = tiny_model(**KINDS[kind]), packed(1, 24, density=0.3)
    split = Masking(nonzeros=0.3, zeros=0.3).split(batch, Draw(0))
    free = [g for g in range(24) if g not in set(batch.genes_t.tolist()) | set(split.hidden.genes_t.tolist())][0]
    assert answers(model, split)[2].isfinite().all()
    extra = split.hidden.keep(torch.arange(len(split.hidden.genes_t)) < 1)
    extra = extra.with_values(torch.zeros(1), "log1p")
    extra = replace(extra, genes_t=torch.tensor([free]))
    from exval.visibility import merge

    hidden = replace(split, hidden=merge(split.hidden, extra), unknown=merge(split.unknown, extra))
    panel = (torch.tensor([g for g in range(24) if g != free]),)
    parts = ("shown", "hidden", "queries", "visible", "unknown")
    unmeasured = replace(split, **{name: replace(getattr(split, name), panels=panel) for name in parts})
    zero, hid, none = (answers(model, s)[2] for s in (split, hidden, unmeasured))
    assert (zero - hid).abs().max() > 1e-4 and (zero - none).abs().max() > 1e-4
    if "linear" in kind:  # attended to as hidden, or not at all; to the queried decoder both are "no zero"
        assert (hid - none).abs().max() > 1e-4


def test_genes_outside_the_panel_do_not_matter(model):
    batch = packed(4, 24, n_panels=2, seed=5)
    small = batch.select([1, 3])
    outside = sorted(set(range(24)) - set(small.panels[1].tolist()))
    before = answers(model, MASKING.split(small, Draw(0)))
    with torch.no_grad():
        model.genes.weight[outside] += 1.0
    for a, b in zip(answers(model, MASKING.split(small, Draw(0))), before):
        # Features of the linear decoder are floored at 1e-4 of the largest, whichever gene that is.
        torch.testing.assert_close(a, b, atol=5e-3 if model.config.decoder == "linear" else 1e-6, rtol=1e-3)


def linear_by_hand(model, split, encoded):
    """The published decoder: one token for each gene of each sample, made in a loop, masked where not measured."""
    answers_q, place = [], 0
    for i in range(split.visible.n):
        states = {}
        for gene in split.unknown.genes_t[split.unknown.sample_t == i].tolist():
            states[gene] = model.values.constant(State.HIDDEN)
        own = encoded.sample_t == i
        states |= dict(zip(encoded.gene_t[own].tolist(), encoded.h_td[own]))
        n_context = N_CONTEXT if model.factors is not None else N_CONTEXT - 1
        positions = [*split.visible.panels[int(split.visible.panel_n[i])].tolist()]
        positions += range(model.n_genes, model.n_genes + n_context)
        zero = model.values.constant(State.ZERO)
        tokens = torch.stack([encoded.gene_gd[p] + states.get(p, zero) for p in positions])
        x = model.to_decoder(tokens)[None]
        for block in model.decoder.blocks:
            x = block(x)
        asked = split.queries.genes_t[split.queries.sample_t == i].tolist()
        answers_q += [model.decoder.norm(x[0, positions.index(gene)]) for gene in asked]
        place += len(asked)
    return torch.stack(answers_q)


@pytest.mark.parametrize("kind", ["linear", "linear with factors"])
@pytest.mark.parametrize("n_panels", [1, 2])
def test_linear_decoder_equals_one_token_after_the_other(kind, n_panels):
    model = tiny_model(**KINDS[kind])
    split = Masking(nonzeros=0.4, zeros=0.3, hide=0.6, swap=0.2, max_visible=5).split(
        packed(5, n_panels=n_panels, empty=(1,)), Draw(0)
    )
    with torch.no_grad():
        encoded = model.encode(split)
        ours = model.decoder(encoded, split, model, None)
        tolerance = 1e-5 if n_panels == 1 else 5e-3  # see the floor of the features above
        torch.testing.assert_close(ours, linear_by_hand(model, split, encoded), atol=tolerance, rtol=tolerance)


def test_queried_decoder_equals_one_query_after_the_other():
    model = tiny_model(decoder_layers=2, zero_width=12, zero_heads=3)
    split = Masking(nonzeros=0.4, zeros=0.3, max_visible=5).split(packed(4, n_panels=2, empty=(1,)), Draw(0))
    phi = lambda x: torch.nn.functional.elu(x) + 1  # noqa: E731
    with torch.no_grad():
        encoded = model.encode(split)
        ours = model.decoder(encoded, split, model, None)
        for row, (i, gene) in enumerate(zip(split.queries.sample_t.tolist(), split.queries.genes_t.tolist())):
            x = model.to_decoder(encoded.gene_gd[gene] + model.values.constant(State.HIDDEN))
            taken = {*split.visible.genes_t[split.visible.sample_t == i].tolist()}
            taken |= {*split.unknown.genes_t[split.unknown.sample_t == i].tolist()}
            zeros = [g for g in split.visible.panels[int(split.visible.panel_n[i])].tolist() if g not in taken]
            tokens = encoded.h_td[encoded.sample_t == i]
            for block in model.decoder.blocks:
                q = block.cross.q(block.norm1(x)).view(3, 4)
                k, v = (a.view(-1, 3, 4) for a in block.cross.kv(tokens).chunk(2, 1))
                weight = torch.softmax(torch.einsum("hd,khd->hk", q, k) / 2, -1)
                x = x + block.cross.out(torch.einsum("hk,khd->hd", weight, v).flatten())
                q = phi(block.zeros.q(block.norm2(x))).view(3, 4)
                zero_gd = encoded.gene_gd[zeros] + model.values.constant(State.ZERO)
                k, v = (a.view(-1, 3, 4) for a in block.zeros.kv(zero_gd).chunk(2, 1))
                weight = torch.einsum("hd,khd->hk", q, phi(k))
                mixed = torch.einsum("hk,khd->hd", weight, v) / weight.sum(1, keepdim=True)
                x = x + block.zeros.out(mixed.flatten())
                x = x + block.feed(block.norm3(x))
            torch.testing.assert_close(ours[row], model.decoder.norm(x), atol=1e-5, rtol=1e-4)


def test_pooling_by_hand():
    model = tiny_model(factors=3, pooling=("mean", "factors", "S", "max", "T"))
    split = Everything().split(packed(3, empty=(1,)), Draw(0))
    with torch.no_grad():
        encoded = model.encode(split)
        out = model.pool(encoded)
    at = encoded.offsets_n1.tolist()
    for i in range(3):
        tokens = encoded.h_td[at[i] : at[i + 1]]
        genes = tokens[N_CONTEXT:]
        mean, top = (genes.mean(0), genes.amax(0)) if len(genes) else (torch.zeros(8), torch.zeros(8))
        close(out[i], torch.cat([mean, encoded.scores_nr[i], tokens[1], top, tokens[0]]))
    assert encoded.gene_t[: at[1]].tolist()[:N_CONTEXT] == [24, 25, 26]


def test_unknown_depth_has_a_vector_of_its_own():
    model, batch = tiny_model(), packed(2, unit="log1p")
    split = Everything().split(batch, Draw(0))
    known = replace(split, depth_n2=torch.zeros(2, 2))
    a, b = (answers(model, s)[1] for s in (split, known))
    assert a.isfinite().all() and (a - b).abs().max() > 1e-3


@pytest.mark.parametrize("encoder", list(ENCODERS))
@pytest.mark.parametrize("head", list(HEADS))
def test_every_encoder_and_head_fits_the_model(encoder, head):
    model = tiny_model(values={"name": encoder}, head={"name": head})
    split = MASKING.split(packed(), Draw(0))
    out = model(split)
    loss = model.head.nll(out.prediction, split.queries.values_t)
    assert loss.shape == (len(split.queries.genes_t),) and loss.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 10, "heads": 4}, "model.width 10 does not divide by model.heads 4"),
        ({"decoder_width": 10, "decoder_heads": 4}, "model.decoder_width 10 does not divide"),
        ({"pooling": ("S", "factors")}, "model.factors is 0"),
        ({"pooling": ()}, "model.pooling is empty"),
        ({"pooling": ("Q",)}, "Input should be"),
        ({"depth": 3}, "Extra inputs"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        ModelConfig(**changes)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"values": {"name": "auto-bin"}}, "did you mean 'auto-bins'"),
        ({"values": {"name": "auto-bins", "options": {"n_bin": 3}}}, "did you mean 'n_bins'"),
        ({"head": {"name": "scalar", "options": {"width": 3}}}, "no option 'width'"),
        ({"values": {"name": "bins", "options": {"n_bins": "many"}}}, "do not fit bins"),
    ],
)
def test_parts_that_do_not_exist_are_refused(part, message):
    with pytest.raises(InputError, match=message):
        EncoderDecoder(ModelConfig(**part), 5)
