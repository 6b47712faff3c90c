"""The plan: every row once an epoch, the same on any number of ranks, resumable anywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.data.sampling import Sampler
from exval.errors import InputError

plans = st.fixed_dictionaries(
    {
        "n": st.integers(1, 70),
        "batch_size": st.integers(1, 20),
        "seed": st.integers(0, 5),
        "block": st.integers(1, 9),
        "shuffle": st.booleans(),
    }
)


@given(plans, st.integers(0, 3))
def test_every_row_exactly_once_an_epoch(plan, epoch):
    sampler = Sampler(**plan)
    batches = list(sampler.batches(epoch))
    assert sorted(np.concatenate(batches).tolist()) == list(range(plan["n"]))
    assert len(batches) == len(sampler)
    assert all(len(rows) == plan["batch_size"] for rows in batches[:-1])


@given(plans)
def test_drop_last_leaves_out_only_the_last_batch(plan):
    full = list(Sampler(**plan).batches(0))
    if plan["batch_size"] > plan["n"]:
        with pytest.raises(InputError, match="smaller batch size"):
            Sampler(**plan, drop_last=True)
        return
    kept = list(Sampler(**plan, drop_last=True).batches(0))
    assert [rows.tolist() for rows in kept] == [r.tolist() for r in full if len(r) == plan["batch_size"]]


@given(plans, st.integers(1, 5))
def test_global_batches_do_not_depend_on_the_number_of_ranks(plan, world):
    alone = list(Sampler(**plan).batches(2))
    ranks = [list(Sampler(**plan, rank=rank, world=world).batches(2)) for rank in range(world)]
    for number, rows in enumerate(alone):
        slices = [batches[number] for batches in ranks]
        np.testing.assert_array_equal(np.concatenate(slices), rows)
        sizes = [len(piece) for piece in slices]
        assert max(sizes) - min(sizes) <= 1


@given(plans, st.integers(0, 40), st.integers(1, 3))
def test_resuming_yields_exactly_the_rest(plan, stop, world):
    """Stopped after any number of batches, and resumed on another number of ranks."""
    whole = Sampler(**plan)
    expected = [rows.tolist() for _ in range(4) for rows in whole][stop:]
    sampler = Sampler(**plan)
    taken = 0
    while taken < stop:
        for _ in sampler:
            taken += 1
            if taken == stop:
                break
    state = json.loads(json.dumps(sampler.state_dict()))
    ranks = [Sampler(**plan, rank=rank, world=world) for rank in range(world)]
    for rank in ranks:
        rank.load_state_dict(state)
    found = []
    while len(found) < len(expected):
        for slices in zip(*ranks):
            found.append(np.concatenate(slices).tolist())
    assert found[: len(expected)] == expected


def test_epochs_differ_and_seeds_differ_and_nothing_else_does():
    order = Sampler(100, 10, seed=1).order(0)
    np.testing.assert_array_equal(order, Sampler(100, 7, seed=1).order(0))
    assert (order != Sampler(100, 10, seed=1).order(1)).any()
    assert (order != Sampler(100, 10, seed=2).order(0)).any()
    np.testing.assert_array_equal(Sampler(9, 2, shuffle=False).order(5), np.arange(9))


def test_blocks_stay_together_and_begin_elsewhere_each_epoch():
    sampler = Sampler(1000, 50, seed=0, block=10)
    starts = []
    for epoch in range(20):
        order = sampler.order(epoch)
        breaks = np.flatnonzero(np.diff(order) != 1) + 1
        pieces = np.split(order, breaks)
        assert 60 <= len(pieces) <= 102
        starts.append(np.bincount([piece[0] % 10 for piece in pieces]).argmax())
    assert len(set(starts)) > 3


def test_first_rows_are_uniform():
    """Each of 20 rows is among the first five of an epoch a quarter of the time (standard deviation 0.01)."""
    for block in (1, 4):
        sampler = Sampler(20, 5, seed=3, block=block)
        share = np.mean([np.isin(np.arange(20), sampler.order(epoch)[:5]) for epoch in range(2000)], axis=0)
        assert abs(share - 0.25).max() < 0.045


def test_refusals():
    with pytest.raises(InputError, match="at least 1"):
        Sampler(5, 0)
    with pytest.raises(InputError, match="rank 2"):
        Sampler(5, 1, rank=2, world=2)
    with pytest.raises(InputError, match="0 samples"):
        Sampler(0, 1)
    state = Sampler(5, 2, seed=1).state_dict()
    with pytest.raises(InputError, match="cannot resume: the run had seed 1, now it is 2"):
        Sampler(5, 2, seed=2).load_state_dict(state)
    with pytest.raises(InputError, match="had n 5, now it is 6"):
        Sampler(6, 2, seed=1).load_state_dict(state)
