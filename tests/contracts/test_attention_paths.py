"""Every attention path gives the numbers of a plain softmax written as loops over samples, heads and queries."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.batch import offsets_of
from exval.nn.attention import PATHS, attend, available, best_path

HEADS, WIDTH = 2, 8


def by_hand(q_thd, k_thd, v_thd, q_n1, k_n1):
    out = torch.zeros_like(q_thd)
    for i in range(len(q_n1) - 1):
        keys = range(int(k_n1[i]), int(k_n1[i + 1]))
        for a in range(int(q_n1[i]), int(q_n1[i + 1])):
            for h in range(q_thd.shape[1]):
                if keys:
                    score = torch.stack([q_thd[a, h] @ k_thd[b, h] for b in keys]) / math.sqrt(q_thd.shape[2])
                    out[a, h] = torch.softmax(score, 0) @ v_thd[keys.start : keys.stop, h]
    return out


def drawn(lengths_q, lengths_k, seed=0, device="cpu", dtype=torch.float):
    generator = torch.Generator().manual_seed(seed)
    q_n1, k_n1 = offsets_of(torch.tensor(lengths_q)), offsets_of(torch.tensor(lengths_k))
    q, k, v = (torch.randn(int(at[-1]), HEADS, WIDTH, generator=generator) for at in (q_n1, k_n1, k_n1))
    return [x.to(device, dtype) for x in (q, k, v)] + [q_n1.to(device), k_n1.to(device)]


@pytest.fixture(params=list(PATHS))
def path(request):
    if not available(request.param, "cpu", torch.float32):
        pytest.skip(f"{request.param} runs on CUDA in half precision only; test_on_a_gpu covers it there")
    return request.param


LENGTHS = {
    "several": ([3, 1, 5, 2, 4, 1], [2, 6, 1, 3, 9, 2]),
    "without keys": ([2, 3, 1], [4, 0, 2]),
    "without queries": ([0, 3, 0], [2, 2, 5]),
    "one sample": ([4], [7]),
    "one token": ([1], [1]),
    "no keys at all": ([2, 1], [0, 0]),
    "nothing at all": ([0, 0], [0, 3]),
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_equals_softmax_by_hand(path, kind):
    args = drawn(*LENGTHS[kind])
    torch.testing.assert_close(PATHS[path](*args), by_hand(*args), atol=1e-5, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=9), st.integers(0, 999))
def test_any_lengths(lengths, seed):
    args = drawn([a for a, _ in lengths], [b for _, b in lengths], seed)
    expected = by_hand(*args)
    for name, function in PATHS.items():
        if available(name, "cpu", torch.float32):
            torch.testing.assert_close(function(*args), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["several", "without keys", "without queries"])
def test_gradients_equal_those_by_hand(path, kind):
    results = []
    for function in (PATHS[path], by_hand):
        *qkv, q_n1, k_n1 = drawn(*LENGTHS[kind])
        qkv = [x.requires_grad_() for x in qkv]
        function(*qkv, q_n1, k_n1).square().sum().backward()
        results.append([x.grad if x.grad is not None else torch.zeros_like(x) for x in qkv])
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_samples_may_be_permuted(path):
    lengths_q, lengths_k = LENGTHS["several"]
    q, k, v, q_n1, k_n1 = drawn(lengths_q, lengths_k)
    whole = PATHS[path](q, k, v, q_n1, k_n1).split(lengths_q)
    order = [4, 0, 5, 2, 1, 3]
    shuffled = [torch.cat([x.split(n)[i] for i in order]) for x, n in ((q, lengths_q), (k, lengths_k), (v, lengths_k))]
    at = [offsets_of(torch.tensor([n[i] for i in order])) for n in (lengths_q, lengths_k)]
    torch.testing.assert_close(PATHS[path](*shuffled, *at), torch.cat([whole[i] for i in order]), atol=1e-6, rtol=1e-5)


def test_a_query_alone_or_among_others(path):
    q, k, v, q_n1, k_n1 = drawn([5], [7])
    whole = PATHS[path](q, k, v, q_n1, k_n1)
    for i in range(5):
        alone = PATHS[path](q[i : i + 1], k, v, torch.tensor([0, 1]), k_n1)
        torch.testing.assert_close(alone[0], whole[i], atol=1e-6, rtol=1e-5)


def test_bfloat16(path):
    args = drawn(*LENGTHS["several"])
    half = PATHS[path](*(x.bfloat16() for x in args[:3]), *args[3:]).float()
    whole = by_hand(*args)
    assert (half - whole).norm() < 2e-2 * whole.norm()


def test_the_default_is_a_path_that_runs():
    for device, dtype in (("cpu", torch.float), ("cpu", torch.bfloat16), ("cuda", torch.float), ("cuda", torch.half)):
        assert available(best_path(device, dtype), device, dtype)
    args = drawn([3, 2], [3, 2])
    torch.testing.assert_close(attend(*args[:4]), by_hand(*args), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", PATHS)
def test_on_a_gpu(name):
    for dtype, tolerance in ((torch.float, 1e-5), (torch.bfloat16, 2e-2)):
        if available(name, "cuda", dtype):
            expected = by_hand(*drawn([3, 1, 5], [2, 6, 1]))
            out = PATHS[name](*drawn([3, 1, 5], [2, 6, 1], device="cuda", dtype=dtype)).float().cpu()
            assert (out - expected).norm() < tolerance * expected.norm(), dtype


@pytest.mark.parametrize("path", sorted(PATHS))
def test_an_empty_batch_gives_nothing(path):
    """The last short batch of an epoch may leave a process without samples."""
    nothing, offsets = torch.zeros(0, 2, 4), torch.zeros(1, dtype=torch.long)
    assert PATHS[path](nothing, nothing, nothing, offsets, offsets).shape == (0, 2, 4)
