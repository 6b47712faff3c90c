"""Held-out donors, blocks and samples: nothing near stands on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.errors import InputError
from exval.fields.places import Places
from exval.tasks.field.splits import field_splits


def places(n: int = 90, seed: int = 0, donors: str = "abc") -> Places:
    xyz = np.random.default_rng(seed).uniform(-60, 60, (n, 3))
    return Places.of(xyz, donor_n=(list(donors) * n)[:n])


def test_each_donor_is_held_out_once():
    made = field_splits(places())
    assert made.unit == "donor" and len(made.folds) == 3
    for fold in made.folds:
        assert len({made.groups_n[i] for i in fold.test}) == 1
        assert not {made.groups_n[i] for i in fold.test} & {made.groups_n[i] for i in fold.train}


@settings(max_examples=15, deadline=None)
@given(buffer=st.floats(0, 40), seed=st.integers(0, 5))
def test_a_block_is_far_from_what_is_trained_on(buffer, seed):
    here = places(200, seed)
    made = field_splits(here, "block", folds=4, buffer=buffer, seed=seed, repeats=2)
    assert len(made.folds) == 8
    xyz = here.folded()
    for fold in made.folds:
        gap = np.linalg.norm(xyz[fold.test][:, None] - xyz[fold.train][None], axis=2).min()
        assert gap > buffer or buffer == 0
        assert not set(fold.train) & set(fold.test)
    assert sorted(np.concatenate([fold.test for fold in made.folds[:4]])) == list(range(200))


def test_a_random_split_says_that_it_is_optimistic():
    made = field_splits(places(), "random", folds=3)
    assert made.caution == "optimistic" and "optimistic" in made.name and made.unit == "sample"


@pytest.mark.parametrize(
    ("by", "settings", "words"),
    [
        ("donor", {"donors": "a"}, "all samples are of one donor"),
        ("structure", {}, "split by donor, block, random"),
        ("block", {"buffer": 100.0}, "a smaller --buffer"),
    ],
)
def test_what_cannot_be_split_is_refused(by, settings, words):
    donors = settings.pop("donors", "abc")
    with pytest.raises(InputError, match=words):
        field_splits(places(donors=donors), by, folds=3, **settings)
