"""Single genes against scipy and against the Cox regressions of the package."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, ttest_ind

from exval.tasks.explaining.univariate import class_statistics, correlation_t, cut, welch_t


@given(seed=st.integers(0, 200))
def test_welch_is_scipys(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(14, 4))
    x[rng.random(x.shape) < 0.15] = np.nan
    first = np.arange(14) % 3 == 0
    wanted = ttest_ind(x[first], x[~first], equal_var=False, nan_policy="omit").statistic
    there = (~np.isnan(x[first])).sum(0) > 1
    np.testing.assert_allclose(welch_t(x, first)[there], np.asarray(wanted)[there], rtol=1e-6)


def test_correlation_is_scipys():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    x[3, 1] = np.nan
    for gene in range(3):
        there = ~np.isnan(x[:, gene])
        r = pearsonr(x[there, gene], y[there]).statistic
        assert np.isclose(correlation_t(x, y)[gene], r * np.sqrt(there.sum() - 2) / np.sqrt(1 - r**2))


def test_constant_genes_and_empty_classes_say_nothing():
    x = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 9.0], [1.0, 7.0]])
    found = class_statistics(x, np.array([0, 0, 2, 2]), 3)
    assert found[0, 0] == 0 and found[0, 1] < 0 < found[2, 1] and (found[1] == 0).all()


def test_a_value_far_out_is_cut():
    x = np.r_[np.arange(9.0), 36_000.0][:, None]
    assert cut(x).max() < 60 and (cut(x)[:9] == x[:9]).all()
    gaps = np.where(np.arange(10)[:, None] < 3, np.nan, x)
    assert np.isnan(cut(gaps)[:3]).all() and np.isnan(cut(np.full((4, 1), np.nan))).all()
