"""Blocks against the same sums written out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.batch import offsets_of
from exval.nn.blocks import CrossAttention, EncoderBlock, LabelHead, segment_max, segment_mean


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(0, 99))
def test_segments(lengths, seed):
    n = len(lengths)
    sample = torch.repeat_interleave(torch.arange(n), torch.tensor(lengths))
    x = -torch.rand(len(sample), 3, generator=torch.Generator().manual_seed(seed)) - 1
    mean, top = segment_mean(x, sample, n), segment_max(x, sample, n)
    for i in range(n):
        own = x[sample == i]
        torch.testing.assert_close(mean[i], own.mean(0) if len(own) else torch.zeros(3))
        torch.testing.assert_close(top[i], own.amax(0) if len(own) else torch.zeros(3))


def test_the_maximum_passes_its_gradient_to_the_largest_entry():
    x = torch.tensor([[1.0], [3.0], [2.0]], requires_grad=True)
    segment_max(x, torch.tensor([0, 0, 1]), 3).sum().backward()
    assert x.grad.flatten().tolist() == [0, 1, 1]


def test_the_encoder_block_is_pre_norm_attention_then_feed_forward():
    torch.manual_seed(0)
    block, x = EncoderBlock(8, 2), torch.randn(5, 8)
    at = offsets_of(torch.tensor([3, 2]))
    expected = []
    for own in x.split([3, 2]):
        q, k, v = (a.view(-1, 2, 4).transpose(0, 1) for a in block.attention.qkv(block.norm1(own)).chunk(3, 1))
        mixed = (torch.softmax(q @ k.transpose(1, 2) / 2, -1) @ v).transpose(0, 1).flatten(1)
        after = own + block.attention.out(mixed)
        expected.append(after + block.feed(block.norm2(after)))
    torch.testing.assert_close(block(x, at), torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_cross_attention_takes_contexts_of_another_width():
    torch.manual_seed(0)
    layer = CrossAttention(8, 6, 2)
    x, context = torch.randn(4, 8), torch.randn(5, 6)
    q = layer.q(x).view(4, 2, 4)
    k, v = (a.view(5, 2, 4) for a in layer.kv(context).chunk(2, 1))
    weight = torch.softmax(torch.einsum("qhd,khd->hqk", q, k) / 2, -1)
    expected = layer.out(torch.einsum("hqk,khd->qhd", weight, v).flatten(1))
    torch.testing.assert_close(
        layer(x, torch.tensor([0, 4]), context, torch.tensor([0, 5])), expected, atol=1e-5, rtol=1e-5
    )


def test_label_head_by_hand():
    torch.manual_seed(0)
    head, x = LabelHead({"mean": 6}, 3, hidden=4).eval(), torch.randn(5, 6)
    branch = head.encoder
    normed = torch.nn.functional.layer_norm(x, (6,))
    inside = torch.nn.functional.gelu(normed @ branch[1].weight.T + branch[1].bias)
    torch.testing.assert_close(head(x), inside @ branch[4].weight.T + branch[4].bias)
    assert not torch.equal(head.train()(x), head(x)), "dropout acts in training"


def test_label_head_starts_from_the_factors_and_reads_both():
    torch.manual_seed(0)
    head, x = LabelHead({"mean": 4, "factors": 2, "max": 3}, 3, hidden=4).eval(), torch.randn(5, 9)
    torch.testing.assert_close(head(x), head.factors(x[:, 4:6]))
    torch.nn.init.normal_(head.encoder[-1].weight)
    rest = head.encoder(x[:, [0, 1, 2, 3, 6, 7, 8]])
    torch.testing.assert_close(head(x), head.factors(x[:, 4:6]) + rest)


def test_a_batch_without_samples():
    block, cross = EncoderBlock(8, 2), CrossAttention(8, 6, 2)
    nothing = torch.tensor([0])
    assert block(torch.zeros(0, 8), nothing).shape == (0, 8)
    assert cross(torch.zeros(0, 8), nothing, torch.zeros(0, 6), nothing).shape == (0, 8)
