"""Linear attention against its definition, kernel by kernel and zero by zero."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.batch import offsets_of
from exval.nn.linear_attention import Performer, ZeroAttention, orthogonal_features


def qkv_of(layer, x_nld):
    n, length, width = x_nld.shape
    q, k, v = (x.view(n, length, layer.heads, -1).transpose(1, 2) for x in layer.qkv(x_nld).chunk(3, -1))
    return q, k, v


def joined(layer, out_nhld):
    return layer.out(out_nhld.transpose(1, 2).flatten(2))


@pytest.fixture
def performer():
    torch.manual_seed(0)
    return Performer(12, 3)


def test_number_of_features_is_that_of_the_released_code():
    assert Performer(512, 8).directions_md.shape == (int(64 * math.log(64)), 64)


def test_directions_are_orthogonal_in_blocks_and_as_long_as_gaussians():
    w_md = orthogonal_features(4000, 8, seed=0)
    for block in w_md[:80].split(8):
        cosine = torch.nn.functional.normalize(block) @ torch.nn.functional.normalize(block).T
        torch.testing.assert_close(cosine, torch.eye(8), atol=1e-5, rtol=0)
    assert w_md.mean(0).abs().max() < 0.06, "uniform directions have no mean"
    squared = w_md.square().sum(1)
    assert squared.mean().item() == pytest.approx(8, rel=0.05)  # chi-squared with 8 degrees of freedom
    assert squared.var().item() == pytest.approx(16, rel=0.15)


def test_equals_the_explicit_kernel_matrix(performer):
    """The quotient of sums, with the kernel matrix written out and without the shifts that keep exp in range."""
    x_nld = torch.randn(2, 7, 12)
    q, k, v = qkv_of(performer, x_nld)
    w_md = performer.directions_md
    phi = lambda x: torch.exp(x @ w_md.T - x.square().sum(-1, keepdim=True) / 2)  # noqa: E731
    q, k = q / 4**0.25, k / 4**0.25
    # The small constant that the code adds after its shifts, undone: q's per query, k's per sample and head.
    top_q = (q @ w_md.T - q.square().sum(-1, keepdim=True) / 2).amax(-1, keepdim=True).exp()
    top_k = (k @ w_md.T - k.square().sum(-1, keepdim=True) / 2).amax((-1, -2), keepdim=True).exp()
    kernel = (phi(q) + 1e-4 * top_q) @ (phi(k) + 1e-4 * top_k).transpose(-1, -2)
    expected = joined(performer, (kernel / kernel.sum(-1, keepdim=True)) @ v)
    torch.testing.assert_close(performer(x_nld), expected, atol=1e-5, rtol=1e-4)


def test_many_features_approach_softmax(performer):
    performer.floor = 0.0
    x_nld = torch.randn(2, 20, 12)
    q, k, v = qkv_of(performer, x_nld)
    softmax = joined(performer, torch.nn.functional.scaled_dot_product_attention(q, k, v))
    away = lambda out: ((out - softmax).norm() / softmax.norm()).item()  # noqa: E731
    errors = []
    for m in (16, 512, 16384):
        performer.directions_md = orthogonal_features(m, 4, seed=1)
        errors.append(away(performer(x_nld)))
    assert errors[2] < 0.03 < 0.3 < away(joined(performer, v.mean(2, keepdim=True).expand_as(v)))
    assert errors[2] < errors[1] / 2 < errors[0] / 4


def test_keys_that_are_not_valid_take_no_part(performer):
    x_nld, valid = torch.randn(2, 9, 12), torch.ones(2, 9, dtype=torch.bool)
    valid[0, 5:], valid[1, ::2] = False, False
    out = performer(x_nld, valid)
    for i in range(2):
        alone = performer(x_nld[i : i + 1, valid[i]])
        torch.testing.assert_close(out[i, valid[i]], alone[0], atol=2e-4, rtol=1e-3)
    everything = performer(x_nld)
    assert (everything - out).abs().max() > 1e-2


def test_large_inputs_stay_finite(performer):
    x_nld = (100 * torch.randn(1, 6, 12)).requires_grad_()
    out = performer(x_nld)
    out.sum().backward()
    assert out.isfinite().all() and x_nld.grad.isfinite().all()


def zeros_by_hand(layer, x_qd, q_n1, zero_gd, panels, panel_n, absent_t, absent_n1):
    """Each query attends to the zero tokens of its sample, listed one by one."""
    out = torch.zeros_like(x_qd)
    k_gd, v_gd = layer.kv(zero_gd).chunk(2, 1)
    d = x_qd.shape[1] // layer.heads
    phi = lambda x: torch.nn.functional.elu(x) + 1  # noqa: E731
    for i in range(len(q_n1) - 1):
        absent = set(absent_t[absent_n1[i] : absent_n1[i + 1]].tolist())
        zeros = [g for g in panels[int(panel_n[i])].tolist() if g not in absent]
        for a in range(int(q_n1[i]), int(q_n1[i + 1])):
            for h in range(layer.heads):
                part = slice(h * d, (h + 1) * d)
                weights = [phi(layer.q(x_qd[a])[part]) @ phi(k_gd[g, part]) for g in zeros]
                if zeros:
                    out[a, part] = sum(w * v_gd[g, part] for w, g in zip(weights, zeros)) / sum(weights)
    return layer.out(out)


def drawn(seed, n, g, n_panels, share):
    """Arguments of a call with random panels, absent genes and queries."""
    generator = torch.Generator().manual_seed(seed)
    panels = [torch.arange(g)]
    panels += [torch.randperm(g, generator=generator)[: g * 2 // 3].sort().values for _ in range(n_panels - 1)]
    panel_n = torch.arange(n) % n_panels
    absent = []
    for i in range(n):
        panel = panels[int(panel_n[i])]
        absent.append(panel[torch.rand(len(panel), generator=generator) < share])
    q_n1 = offsets_of(torch.randint(0, 4, (n,), generator=generator))
    x_qd, zero_gd = (torch.randn(m, 6, generator=generator) for m in (int(q_n1[-1]), g))
    return (
        x_qd,
        q_n1,
        zero_gd,
        tuple(panels),
        panel_n,
        torch.cat(absent),
        offsets_of(torch.tensor([len(x) for x in absent])),
    )


SHARES = st.sampled_from([0.0, 0.3, 0.6])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(6, 25), st.integers(1, 3), st.sampled_from([0.0, 0.3, 0.6])
)
def test_zeros_equal_those_listed_one_by_one(seed, n, g, n_panels, share):
    torch.manual_seed(seed)
    layer, args = ZeroAttention(6, 6, inner=6, heads=2), drawn(seed, n, g, n_panels, share)
    torch.testing.assert_close(layer(*args), zeros_by_hand(layer, *args), atol=1e-5, rtol=1e-5)


def test_gradients_through_zeros_equal_those_by_hand():
    torch.manual_seed(0)
    layer, args = ZeroAttention(6, 6, inner=6, heads=2), drawn(1, 3, 12, 2, 0.4)
    grads = []
    for call in (layer, lambda *a: zeros_by_hand(layer, *a)):
        layer.zero_grad()
        zero_gd = args[2].clone().requires_grad_()
        call(*args[:2], zero_gd, *args[3:]).square().sum().backward()
        grads.append([zero_gd.grad, *(p.grad.clone() for p in layer.parameters())])
    for ours, theirs in zip(*grads):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_sample_without_zeros_gets_next_to_nothing():
    torch.manual_seed(0)
    layer = ZeroAttention(6, 6, inner=6, heads=2)
    args = list(drawn(2, 1, 200, 1, 1.1))
    args[0], args[1] = torch.randn(3, 6), torch.tensor([0, 3])
    torch.testing.assert_close(layer(*args), layer.out(torch.zeros(3, 6)), atol=1e-2, rtol=0)


def test_zeros_keep_their_precision_under_autocast():
    """With nine tenths of the panel taken away from its sum, bfloat16 sums would be wrong in the second digit."""
    torch.manual_seed(0)
    layer, args = ZeroAttention(32, 6, inner=32, heads=2), list(drawn(3, 2, 400, 1, 0.9))
    args[0] = torch.randn(int(args[1][-1]), 32)
    whole = layer(*args)
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(*args).float()
    assert (half - whole).norm() < 1e-2 * whole.norm()


def test_what_is_not_valid_has_no_part_in_the_kernel():
    """Not even by the shift that keeps exponentials in range: the floor under the features would show it."""
    torch.manual_seed(0)
    layer, valid = Performer(8, 2), torch.tensor([[True] * 5 + [False] * 3])
    x = torch.randn(1, 8, 8)
    far = x.clone()
    far[:, 5:] *= 30
    with torch.no_grad():
        torch.testing.assert_close(layer(far, valid)[:, :5], layer(x, valid)[:, :5])
