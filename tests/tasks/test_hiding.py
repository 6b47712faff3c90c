"""Hiding keeps what it says, betrays nothing, and its metrics reward the truth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.metrics.regression import poisson_deviance, rmse
from exval.tasks.hiding import hide_entries, thin_molecules
from exval.tasks.recover import ADMITTED
from exval.tasks.sharing import log_cp10k, totals


def counts_of(seed, n=12, g=40, depth=60.0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.4, 1.0, (n, g))
    rate = rate / rate.sum(1, keepdims=True)
    return sp.csr_matrix(rng.poisson(depth * rate).astype(np.float32)), rate


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.2, 0.5]))
def test_hidden_entries(seed, share):
    counts, _ = counts_of(seed)
    x = log_cp10k(counts)
    case = hide_entries(x, share=share, seed=seed, counts=counts, total_n=totals(counts))
    hidden, dense = case.hidden.toarray(), x.toarray()
    assert (case.visible.toarray()[hidden] == 0).all()
    per_cell = [(np.sum(hidden[i] & (dense[i] > 0)), np.sum(hidden[i] & (dense[i] == 0))) for i in range(len(dense))]
    for (ones, zeros), row in zip(per_cell, dense):
        assert ones == zeros
        assert abs(ones - share * (row > 0).sum()) <= max(1, (row > 0).sum() - (row == 0).sum())
    np.testing.assert_allclose(case.truth_m, dense[hidden], atol=1e-6)
    np.testing.assert_array_equal(case.counts_m, counts.toarray()[hidden])
    np.testing.assert_allclose(np.expm1(case.truth_m) * case.exposure_m, case.counts_m, atol=1e-2)
    assert case.visible_counts.sum() + case.counts_m.sum() == counts.sum()


def test_visible_values_are_scaled_by_visible_totals():
    counts, _ = counts_of(1)
    case = hide_entries(log_cp10k(counts), seed=1, counts=counts, total_n=totals(counts))
    expected = log_cp10k(case.visible_counts)
    np.testing.assert_allclose(case.visible.toarray(), expected.toarray(), rtol=1e-4)


def test_what_is_hidden_leaves_no_trace():
    """Two cells that differ in hidden molecules only look the same to a method."""
    x = sp.csr_matrix(np.log1p([[10.0, 20.0, 30.0, 0, 0, 0, 0, 0]]))
    case = hide_entries(x, share=0.34, seed=3)
    column = case.hidden.indices[np.argmax(case.truth_m)]
    other = x.tolil()
    other[0, column] = np.log1p(500.0)
    changed = hide_entries(other.tocsr(), share=0.34, seed=3)
    assert (case.hidden != changed.hidden).nnz == 0
    a, b = np.expm1(case.visible.toarray()), np.expm1(changed.visible.toarray())
    np.testing.assert_allclose(a / a.sum(), b / b.sum(), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_thinning_splits_molecules(seed):
    counts, _ = counts_of(seed, depth=400)
    case = thin_molecules(counts, keep=0.9, seed=seed)
    left = counts - case.visible_counts
    assert (left.data >= 0).all() and case.visible_counts.sum() + left.sum() == counts.sum()
    assert 0.85 < case.visible_counts.sum() / counts.sum() < 0.95
    asked = _stored(case.hidden) > 0
    assert not case.hidden.data.any()
    np.testing.assert_array_equal(case.counts_m, left.toarray()[asked])
    assert asked[case.visible_counts.toarray() > 0].all()


def _stored(flags):
    return sp.csr_matrix((np.ones(flags.nnz), flags.indices, flags.indptr), shape=flags.shape).toarray()


def test_a_cell_without_counts_and_a_full_cell():
    counts = sp.csr_matrix(np.array([[0.0, 0, 0], [5, 4, 3]]))
    for case in (hide_entries(log_cp10k(counts), counts=counts, total_n=totals(counts)), thin_molecules(counts)):
        assert np.isfinite(case.visible.data).all() and np.isfinite(case.truth_m).all()


@pytest.mark.parametrize("arm, metric", [(arm, metric) for arm, metrics in ADMITTED.items() for metric in metrics])
def test_propriety(arm, metric):
    """The oracle beats zeros, what was read, the gene mean and the oracle scaled up or down."""
    counts, rate = counts_of(0, n=300, g=60, depth=300.0)
    mean = np.tile(np.log1p(1e4 * rate.mean(0)), (len(rate), 1))
    if arm == "molecules":
        case, oracle = thin_molecules(counts, seed=1), np.log1p(1e4 * rate)
    else:  # what the assay read is the truth of a hidden entry
        case = hide_entries(log_cp10k(counts), seed=1, counts=counts, total_n=totals(counts))
        oracle = log_cp10k(counts).toarray()
    at = case.row_m, case.hidden.indices

    def score(values):
        answer = values[at]
        if metric == "rmse":
            return rmse(case.truth_m, answer)
        expected = np.expm1(answer) * case.exposure_m
        return (rmse if metric == "rmse_counts" else poisson_deviance)(case.counts_m, expected)

    best = score(oracle)
    worse = {
        "zeros": np.zeros_like(oracle),
        "no-op": case.visible.toarray(),
        "mean": mean,
        "half": np.log1p(0.5 * np.expm1(oracle)),
        "double": np.log1p(2 * np.expm1(oracle)),
    }
    assert {name: score(values) > best for name, values in worse.items()} == dict.fromkeys(worse, True)


def test_log_error_of_held_out_molecules_is_not_admitted_for_a_reason():
    counts, rate = counts_of(0, n=300, g=60, depth=300.0)
    case = thin_molecules(counts, seed=1)
    oracle = np.log1p(1e4 * rate)[case.row_m, case.hidden.indices]
    assert rmse(case.truth_m, 0.5 * oracle) < rmse(case.truth_m, oracle)
    assert "rmse" not in ADMITTED["molecules"]
