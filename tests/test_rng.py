"""Keyed draws: known values of SplitMix64, uniformity, and dependence on nothing but the key."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from exval.rng import Draw, mix
from packs import packed

MASK = (1 << 64) - 1


def splitmix64(x: int) -> int:
    """The published C code, in Python's unbounded integers."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x


def test_the_first_published_output_of_splitmix64():
    assert int(mix(torch.tensor(0))) & MASK == 0xE220A8397B1DCDAF


@given(st.integers(0, MASK))
def test_mix_is_splitmix64(x):
    assert int(mix(torch.tensor(signed(x)))) & MASK == splitmix64(x)


def test_uniforms_are_uniform_and_streams_independent():
    draw, key = Draw(3, 5), torch.arange(20_000)
    a = draw.uniform("a", draw.key(key)).numpy()
    others = {
        "purpose": draw.uniform("b", draw.key(key)).numpy(),
        "step": Draw(3, 6).uniform("a", Draw(3, 6).key(key)).numpy(),
        "seed": Draw(4, 5).uniform("a", Draw(4, 5).key(key)).numpy(),
        "item": draw.uniform("a", draw.key(key, torch.ones_like(key))).numpy(),
        "neighbouring sample": draw.uniform("a", draw.key(key + 1)).numpy(),
    }
    assert a.min() >= 0 and a.max() < 1
    assert stats.kstest(a, "uniform").pvalue > 1e-3
    for name, b in others.items():
        assert stats.kstest(b, "uniform").pvalue > 1e-3, name
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.03, name


def test_seed_and_step_are_not_interchangeable():
    key = torch.arange(50)
    draws = [Draw(s, t).uniform("a", Draw(s, t).key(key)) for s, t in ((1, 2), (2, 1), (3, 0), (0, 3), (0, -1))]
    assert len({tuple(x.tolist()) for x in draws}) == 5


@given(st.integers(0, 2**63 - 1), st.integers(-2, 10**6))
def test_any_seed_and_step(seed, step):
    draw = Draw(seed, step)
    u = draw.uniform("a", draw.key(torch.tensor([2**62, 0, -5])))
    assert ((u >= 0) & (u < 1)).all() and torch.equal(
        u, Draw(seed, step).uniform("a", draw.key(torch.tensor([2**62, 0, -5])))
    )


def test_packed_keys_are_those_of_the_pairs():
    batch, draw = packed(), Draw(0, 1)
    assert torch.equal(draw.key_packed(batch), draw.key(batch.id_n[batch.sample_t], batch.genes_t))
    assert len(torch.unique(draw.key_packed(batch))) == len(batch.genes_t)


@pytest.mark.parametrize("change", [{"seed": 1}, {"step": 1}, {"sample": 1}, {"purpose": "other"}])
def test_generators_differ_in_every_part_and_repeat(change):
    def numbers(seed=0, step=0, purpose="thin", sample=2**62):
        return Draw(seed, step).generator(purpose, sample).random(4).tolist()

    assert numbers() == numbers() != numbers(**change)
