"""Rank-sum tests, rankings with ties, orders, correlations and intervals, against scipy, scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from exval.metrics.clustering import h_acc, h_pur
from exval.metrics.correlation import correlation_p, gene_correlations
from exval.metrics.coverage import counts_pit, coverage, gamma_interval, interval_score
from exval.metrics.diffexp import (
    auprc,
    benjamini_hochberg,
    expected_hits,
    ordered,
    precision_area,
    rank_sum,
    top_k_overlap,
)
from exval.metrics.trajectory import kendall, pos


@pytest.mark.parametrize("n1, n2, ties", [(7, 9, True), (40, 25, True), (30, 31, False), (1, 3, True)])
def test_rank_sum_equals_scipy(n1, n2, ties):
    rng = np.random.default_rng(n1)
    x = rng.normal(size=(n1 + n2, 700)).astype(np.float32)
    if ties:
        x = np.round(np.maximum(x, 0), 1)
    x[:, 5] = 2.0
    first = rng.permutation(n1 + n2) < n1
    got = rank_sum(x, first, block=256)
    wide = x.astype(float)  # scipy would count in float32
    want = stats.mannwhitneyu(wide[first], wide[~first], axis=0, method="asymptotic")
    flat = np.ptp(x, axis=0) == 0
    np.testing.assert_allclose(got.auroc_g, want.statistic / (n1 * n2), rtol=1e-12)
    np.testing.assert_allclose(got.p_g[~flat], want.pvalue[~flat], rtol=1e-9)
    assert (got.p_g[flat] == 1).all() and (got.z_g[flat] == 0).all()
    np.testing.assert_allclose(got.shift_g, x[first].mean(0) - x[~first].mean(0), atol=1e-5)


def test_rank_sum_of_two_groups_among_others_and_negative_values():
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(60, 8)), 1).astype(np.float32)
    x[x == 0] *= np.where(rng.random(int((x == 0).sum())) < 0.5, -1, 1)  # both zeros
    label = rng.integers(0, 3, 60)
    got = rank_sum(x, label == 0, label == 2)
    wide = x.astype(float)
    want = stats.mannwhitneyu(wide[label == 0], wide[label == 2], axis=0, method="asymptotic")
    np.testing.assert_allclose(got.p_g, want.pvalue, rtol=1e-9)
    with pytest.raises(ValueError, match="without cells"):
        rank_sum(x, label == 9)


def test_benjamini_hochberg_equals_scipy():
    p = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12)
    assert len(benjamini_hochberg(np.array([]))) == 0


RANKED = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(RANKED)
def test_tied_rankings_are_means_over_all_orders(pairs):
    """Precision at k with ties equals the mean over many random orders of the ties; row order never matters."""
    positive, score = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs], float)
    cuts = (1, 2, 5, 10)
    got = precision_area(positive, score, cuts)
    rng = np.random.default_rng(0)
    ks = [k for k in cuts if k <= len(score)]
    draws = []
    for _ in range(400):
        order = np.lexsort((rng.random(len(score)), -score))
        draws.append(np.mean([positive[order[:k]].mean() for k in ks]))
    assert got == pytest.approx(np.mean(draws), abs=0.12)
    shuffled = rng.permutation(len(score))
    assert precision_area(positive[shuffled], score[shuffled], cuts) == pytest.approx(got)
    assert precision_area(positive, score, cuts, credit=True).sum() == pytest.approx(got)
    assert expected_hits(positive, score).sum() == pytest.approx(positive.sum())


@settings(max_examples=60, deadline=None)
@given(RANKED)
def test_auprc_equals_scikit_learn(pairs):
    positive, score = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs], float)
    if not positive.any():
        assert np.isnan(auprc(positive, score))
        return
    assert auprc(positive, score) == pytest.approx(sk.average_precision_score(positive, score))
    assert auprc(positive, score, credit=True).sum() == pytest.approx(auprc(positive, score))


def test_overlap_and_order_by_hand():
    assert top_k_overlap(np.array([9.0, 8, 1, 0]), np.array([1.0, 1, 1, 1]), k=2) == pytest.approx(0.5)
    assert top_k_overlap(np.array([9.0, 8, 1, 0]), np.array([7.0, 6, 1, 1]), k=2) == 1
    assert ordered(np.array([2.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.0])).tolist() == [0, 1, 2]


def test_orders():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, 40), rng.random(40)
    assert kendall(truth, said) == pytest.approx(stats.kendalltau(truth, said).statistic)
    right = wrong = 0
    for i in range(40):
        for j in range(i):
            if truth[i] != truth[j]:
                if (truth[i] > truth[j]) == (said[i] > said[j]):
                    right += 1
                else:
                    wrong += 1
    assert pos(truth, said) == pytest.approx(right / (right + wrong))
    assert (
        np.isnan(kendall(truth, np.ones(40))) and pos(truth, np.ones(40)) == 0.5 and np.isnan(pos(np.ones(3), said[:3]))
    )


def test_entropies_by_hand():
    truth, said = np.array(list("aabb")), np.array([0, 0, 0, 1])
    inside = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert h_acc(truth, said) == pytest.approx((inside + 0) / 2)
    assert h_pur(truth, said) == pytest.approx((0 + np.log(2)) / 2)


def test_correlations_equal_numpy_and_scipy():
    x = np.random.default_rng(0).normal(size=(30, 5))
    np.testing.assert_allclose(gene_correlations(x), np.corrcoef(x.T)[np.triu_indices(5, 1)])
    want = stats.pearsonr(x[:, 0], x[:, 1])
    assert correlation_p(np.array([want.statistic]), 30)[0] == pytest.approx(want.pvalue)
    assert (correlation_p(np.array([1.0]), 3) == 1).all()


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_hold_what_they_promise(level):
    rng = np.random.default_rng(0)
    mean, sd = rng.uniform(0.5, 5, 20000), rng.uniform(0.1, 2, 20000)
    truth = rng.gamma((mean / sd) ** 2, sd**2 / mean)
    lo, hi = gamma_interval(mean, sd, level)
    assert coverage(truth, lo, hi) == pytest.approx(level, abs=0.01)
    best = interval_score(truth, lo, hi, level)
    for factor in (0.4, 3.0):  # too sure, and too cautious: both lose
        assert interval_score(truth, *gamma_interval(mean, sd * factor, level), level) > best
    counts = rng.poisson(truth)
    u = counts_pit(counts, mean, sd)
    assert np.mean((u > (1 - level) / 2) & (u < (1 + level) / 2)) == pytest.approx(level, abs=0.01)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
