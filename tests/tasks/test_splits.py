"""Who is held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.errors import InputError
from exval.tasks.splits import make_splits


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 10_000), st.booleans())
def test_every_cell_is_tested_once_a_repeat_and_never_trained_on(folds, repeats, seed, grouped):
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "b"], dtype=object)[np.arange(80) % 2]
    groups = rng.permutation(np.arange(80) % 8) if grouped else None
    made = make_splits(80, labels_n=labels, groups_n=groups, folds=folds, repeats=repeats, seed=seed, min_cells=2)
    assert {fold.seed for fold in made.folds} == set(range(seed, seed + repeats))
    for one in {fold.seed for fold in made.folds}:
        tested = np.concatenate([fold.test for fold in made.folds if fold.seed == one])
        assert len(tested) == len(set(tested)) and (grouped or len(tested) == 80)
    for fold in made.folds:
        assert not set(fold.train) & set(fold.test)
        if grouped:
            assert not set(groups[fold.train]) & set(groups[fold.test])


def test_same_seed_same_split():
    labels = np.array(list("ab") * 30, dtype=object)
    a, b = (make_splits(60, labels_n=labels, seed=4).folds for _ in range(2))
    assert all((x.test == y.test).all() for x, y in zip(a, b))
    assert not all((x.test == y.test).all() for x, y in zip(a, make_splits(60, labels_n=labels, seed=5).folds))


def test_cells_are_called_optimistic():
    made = make_splits(60, labels_n=np.array(list("ab") * 30, dtype=object))
    assert made.name == "cells (optimistic)" and made.caution == "optimistic" and made.unit == "cell"


def test_rare_and_missing_labels_are_left_out_and_listed():
    labels = np.array(["a"] * 30 + ["b"] * 20 + ["rare"] * 3 + [np.nan] * 2, dtype=object)
    made = make_splits(55, labels_n=labels, folds=5)
    used = np.concatenate([fold.test for fold in made.folds])
    assert sorted(used) == list(range(50))
    assert made.notes.what.tolist() == ["no label", "rare"]
    assert "rare (3)" in made.notes.note.iloc[1]


def test_a_class_of_one_donor_is_never_scored():
    groups = np.repeat(["d1", "d2", "d3"], 20)
    labels = np.array((["a"] * 10 + ["b"] * 10) * 3, dtype=object)
    labels[:5] = "only here"
    made = make_splits(60, labels_n=labels, groups_n=groups, name="donor", min_cells=2, folds=3)
    tested = np.concatenate([fold.test for fold in made.folds])
    assert not set(tested) & set(range(5))
    line = made.notes[made.notes.what == "not scored"].iloc[0]
    assert line.n == 5 and "only here" in line.note


def test_fewer_donors_than_folds():
    labels = np.array(list("ab") * 30, dtype=object)
    made = make_splits(60, labels_n=labels, groups_n=np.arange(60) // 2 % 3, name="donor", folds=5)
    assert len(made.folds) == 3 and made.unit == "donor" and "folds" in set(made.notes.what)


@pytest.mark.parametrize(
    "arguments, line",
    [
        ({"folds": 1}, "at least 2"),
        ({"groups_n": np.zeros(60)}, "one value only"),
        ({"groups_n": np.array([None] + ["x"] * 59, dtype=object)}, "no value in"),
        ({"labels_n": np.array(["a"] * 60, dtype=object)}, "two or more"),
        ({"min_cells": 40}, "two or more"),
        ({"groups_n": np.array(list("ab") * 30, dtype=object)}, "no class occurs in two values"),
    ],
)
def test_faults_have_one_line(arguments, line):
    given = {"labels_n": np.array(list("ab") * 30, dtype=object), **arguments}
    with pytest.raises(InputError, match=line):
        make_splits(60, **given)


def test_too_few_cells():
    with pytest.raises(InputError, match="too few"):
        make_splits(4, folds=5)
