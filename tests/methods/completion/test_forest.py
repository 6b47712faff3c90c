"""Chained forests: what they see, that they bend where a line does not, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.methods.completion.forest import ChainedForest, most_correlated
from exval.methods.completion.ppca import ProbabilisticPCA


def bent(n, seed=0):
    """A gene that is the square of another: no correlation, and no line through it, but for a third that tells both."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return np.column_stack([a, a**2 - 1, np.maximum(a, 0), np.maximum(-a, 0), rng.normal(size=(n, 2)).T[0]])


def test_predictors_equal_those_by_numpy():
    x = np.random.default_rng(0).normal(size=(30, 3)) @ np.random.default_rng(1).normal(size=(3, 600))
    size = np.abs(np.corrcoef(x.T))
    np.fill_diagonal(size, -1)
    want = np.sort(np.argsort(-size, axis=1, kind="stable")[:, :5], axis=1)
    same = most_correlated(x, 5) == want
    assert same.mean() > 0.99  # ties in the last digit
    assert most_correlated(x[:, :4], 30).tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_a_curve_is_followed():
    train, new = bent(400), bent(200, seed=1)
    hidden = new.copy()
    hidden[:, 1] = np.nan
    forest, line = ChainedForest(start="mean"), ProbabilisticPCA()
    forest.learn(train)
    line.learn(train)
    error = {m.name: np.mean((m.fill(hidden)[:, 1] - new[:, 1]) ** 2) for m in (forest, line)}
    assert error["forest"] < 0.3 * error["ppca"]


def test_only_genes_with_gaps_grow_a_forest(monkeypatch):
    grown = []
    method = ChainedForest(start="mean", sweeps=2)
    method.learn(bent(60))
    plain = method._predicted
    monkeypatch.setattr(method, "_predicted", lambda gene, x: (grown.append(int(gene)), plain(gene, x))[1])
    hidden = bent(10, seed=1)
    hidden[:3, 1], hidden[2, 4] = np.nan, np.nan
    method.fill(hidden)
    assert grown == [1, 4, 1, 4]
    grown.clear()
    method.fill(bent(10, seed=2))
    assert grown == []


def test_a_second_sweep_mends_what_the_first_filled():
    """Genes that tell each other's value, all but one hidden: the mean is a poor start, and chaining gets over it."""
    rng = np.random.default_rng(0)

    def drawn(n):
        return rng.normal(size=(n, 1)) + 0.2 * rng.normal(size=(n, 6))

    train, new = drawn(200), drawn(100)
    hidden = np.where(np.arange(6) == 3, new, np.nan)
    error = {}
    for sweeps in (1, 3):
        method = ChainedForest(start="mean", trees=10, sweeps=sweeps)
        method.learn(train)
        error[sweeps] = np.mean((method.fill(hidden) - new)[:, :3] ** 2)
    assert error[3] < 0.7 * error[1]


@pytest.mark.parametrize("settings", [{"start": "zero"}, {"trees": 0}, {"predictors": 0}, {"leaf": 0}, {"sweeps": 0}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError):
        ChainedForest(**settings).learn(bent(20))
