"""Metrics against scikit-learn and scipy, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from exval.metrics import METRICS, accuracy, ari, balanced_accuracy, macro_f1, nmi, pearson, poisson_deviance, r2, rmse
from exval.metrics.classification import auroc, confusion_matrix, expected_calibration_error, per_class, reliability
from exval.metrics.regression import spearman

NAMES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(NAMES)
def test_classification_equals_scikit_learn(pairs):
    truth, said = (np.array(side) for side in zip(*pairs))
    present = sorted(set(truth))
    assert accuracy(truth, said) == pytest.approx(sk.accuracy_score(truth, said))
    expected = sk.f1_score(truth, said, labels=present, average="macro", zero_division=0)
    assert macro_f1(truth, said) == pytest.approx(expected)
    assert balanced_accuracy(truth, said) == pytest.approx(
        sk.recall_score(truth, said, labels=present, average="macro")
    )


def test_per_class_by_hand():
    table = per_class(np.array(list("aaab")), np.array(list("aabc"))).set_index("label")
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", ["precision", "recall", "f1", "support"]].tolist() == pytest.approx([1, 2 / 3, 0.8, 3])
    assert table.loc["b", "f1"] == 0


def test_confusion_refuses_a_name_that_is_no_class():
    with pytest.raises(ValueError, match="not one of the classes"):
        confusion_matrix(np.array(["a"], dtype=object), np.array(["z"], dtype=object), np.array(["a"], dtype=object))


def test_calibration_by_hand():
    correct, score = np.array([1, 1, 0, 0]), np.array([0.95, 0.95, 0.95, 0.15])
    bins = reliability(correct, score)
    assert bins.n.tolist() == [1, 3] and bins.accuracy.tolist() == pytest.approx([0, 2 / 3])
    assert expected_calibration_error(correct, score) == pytest.approx(0.25 * 0.15 + 0.75 * (0.95 - 2 / 3))
    assert reliability(np.array([1]), np.array([1.0])).bin_hi.tolist() == [1.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_auroc_equals_scikit_learn(pairs):
    positive, score = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs], float)
    if positive.all() or not positive.any():
        assert np.isnan(auroc(positive, score))
    else:
        assert auroc(positive, score) == pytest.approx(sk.roc_auc_score(positive, score))


# Zero or well above the smallest number: scikit-learn's quotient of the two rounds to zero below.
VALUES = st.lists(st.tuples(st.just(0.0) | st.floats(1e-6, 50), st.floats(0.01, 50)), min_size=3, max_size=30)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_regression_equals_other_implementations(pairs):
    from scipy import stats

    truth, said = (np.array(side) for side in zip(*pairs))
    assert rmse(truth, said) == pytest.approx(np.sqrt(sk.mean_squared_error(truth, said)))
    assert poisson_deviance(truth, said) == pytest.approx(sk.mean_poisson_deviance(truth, said), abs=1e-9)
    if np.ptp(truth) > 1e-3 and np.ptp(said) > 1e-3:
        assert r2(truth, said) == pytest.approx(sk.r2_score(truth, said))
        assert pearson(truth, said) == pytest.approx(np.corrcoef(truth, said)[0, 1], abs=1e-7)
        assert spearman(truth, said) == pytest.approx(stats.spearmanr(truth, said).statistic, abs=1e-7)


def test_poisson_deviance_takes_counts_first():
    counts = np.array([0.0, 3.0])
    assert poisson_deviance(counts, np.array([1.0, 3.0])) == pytest.approx(1.0)
    assert poisson_deviance(counts, np.zeros(2)) > 20


@pytest.mark.parametrize("count", [5e-324, 1e-300, 1e-9])
def test_poisson_deviance_of_almost_nothing(count):
    assert poisson_deviance(np.array([count]), np.array([2.0])) == pytest.approx(4.0)


def test_constant_sides_have_no_correlation():
    assert np.isnan(pearson(np.ones(4), np.arange(4.0))) and np.isnan(r2(np.ones(3), np.arange(3.0)))


def test_clustering_is_blind_to_names():
    a, b = np.array([0, 0, 1, 1, 2]), np.array(list("xxyyz"))
    assert ari(a, b) == 1 and nmi(a, b) == pytest.approx(1)
    assert ari(a, np.zeros(5)) == pytest.approx(0)


@pytest.mark.parametrize("name", [name for name, (function, _) in METRICS.items() if function is not None])
def test_the_truth_itself_is_best(name):
    function, higher = METRICS[name]
    truth = np.array([0.0, 1.0, 2.0, 3.0, 3.0])
    other = np.array([3.0, 0.0, 2.0, 1.0, 0.0])
    best, worse = function(truth, truth), function(truth, other)
    assert best > worse if higher else best < worse
