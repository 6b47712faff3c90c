"""Cox regression against scikit-survival, by hand, and in the corners."""

from __future__ import annotations

import time

import numpy as np
import pytest

from exval.errors import DivergedError
from exval.methods.survival.cox import CoxPH, survival_at, univariate_cox
from exval.methods.survival.risksets import RiskSets


@pytest.fixture(scope="module")
def data():
    """400 patients, 20 features, 60 % events: distinct times, and the same rounded to a handful."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 20)) * rng.uniform(0.5, 3, 20) + rng.normal(0, 5, 20)
    death = rng.exponential(np.exp(-(x - x.mean(0)) @ rng.normal(0, 0.2, 20)))
    leaves = rng.exponential(1.5, 400)
    times = np.minimum(death, leaves)
    return x, {"distinct": times, "tied": np.ceil(times * 4)}, death <= leaves


@pytest.mark.parametrize("ties", ["distinct", "tied"])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 50.0, "each"])
def test_as_in_scikit_survival(data, ties, penalty):
    linear = pytest.importorskip("sksurv.linear_model")
    from sksurv.util import Surv

    x, times, event = data
    penalty = np.linspace(0, 20, 20) if penalty == "each" else penalty
    want = linear.CoxPHSurvivalAnalysis(alpha=penalty, ties="efron", tol=1e-13).fit(
        x, Surv.from_arrays(event, times[ties])
    )
    got = CoxPH(penalty).fit(x, times[ties], event)
    np.testing.assert_allclose(got.coef_, want.coef_, atol=1e-6)
    curve = want.predict_survival_function(x[:9], return_array=True)
    np.testing.assert_allclose(got.survival(x[:9], want.unique_times_), curve, atol=1e-6)


def test_by_hand():
    """1 and 3 have the feature, 2 and 4 do not: 2 / (1 + h) = h / (2 + h), so h = (1 + sqrt 17) / 2."""
    x = np.array([[0.0], [1.0], [0.0], [1.0]])
    cox = CoxPH().fit(x, np.array([4.0, 1.0, 2.0, 3.0]), np.ones(4, dtype=bool))
    assert cox.coef_[0] == pytest.approx(np.log((1 + 17**0.5) / 2))
    h = np.exp(cox.coef_[0])
    variance = 1 / (h / (2 + 2 * h) ** 2 * 4 + 2 * h / (2 + h) ** 2 + h / (1 + h) ** 2)
    assert cox.se_[0] == pytest.approx(variance**0.5, rel=1e-6)


def test_curve_of_a_null_model_is_nelson_aalen():
    times, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, True])
    cox = CoxPH().fit(np.zeros((4, 1)), times, event)
    curve = cox.survival(np.zeros((1, 1)), np.array([0.5, 1, 2.5, 3, 9]))[0]
    assert -np.log(curve) == pytest.approx([0, 1 / 4, 1 / 4, 1 / 4 + 1 / 2, 1 / 4 + 1 / 2 + 1])
    assert cox.coef_[0] == 0 and np.isnan(cox.se_[0])


@pytest.mark.parametrize("penalty", [0.0, 1e-4, 1.0])
def test_a_separating_feature_stays_finite(penalty):
    times = np.arange(1.0, 61)
    x = np.column_stack([-times / 60, np.random.default_rng(0).standard_normal(60)])
    cox = CoxPH(penalty).fit(x, times, np.ones(60, dtype=bool))
    assert np.isfinite(cox.coef_).all() and cox.coef_[0] > 1
    curve = cox.survival(x, times)
    assert np.isfinite(curve).all() and (np.diff(curve, axis=1) <= 0).all()


def test_collinear_features_share_the_weight(data):
    x, times, event = data
    one = CoxPH(1e-6).fit(x[:, :1], times["distinct"], event)
    two = CoxPH(1e-6).fit(x[:, [0, 0]], times["distinct"], event)
    assert two.coef_.tolist() == pytest.approx([one.coef_[0] / 2] * 2, abs=1e-4)


def test_more_features_than_patients(data):
    x, times, event = data
    cox = CoxPH(5.0).fit(x[:15], times["distinct"][:15], event[:15])
    sets = RiskSets(times["distinct"][:15], event[:15])
    gradient, _ = sets.derivatives((x[:15] - cox.mean_)[sets.order_n], cox.predict(x[:15])[sets.order_n])
    np.testing.assert_allclose(gradient, 5.0 * cox.coef_, atol=1e-6)


def test_nan_is_refused(data):
    x, times, event = data
    with pytest.raises(DivergedError, match="NaN or inf"):
        CoxPH().fit(np.where(x > 0, np.nan, x), times["distinct"], event)


def test_a_start_does_not_change_the_end(data):
    x, times, event = data
    a = CoxPH(1.0).fit(x, times["tied"], event)
    b = CoxPH(1.0).fit(x, times["tied"], event, start=np.full(20, 0.5), sets=RiskSets(times["tied"], event))
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-7)


def test_extreme_predictors_give_probabilities():
    curve = survival_at(np.array([-1e6, 0, 1e6]), np.array([1.0]), np.array([0.5]), np.array([0.0, 1.0]))
    assert curve[:, 0].tolist() == [1, 1, 1] and curve[:, 1].tolist() == pytest.approx([1, np.exp(-0.5), 0])


@pytest.mark.parametrize("ties", ["distinct", "tied"])
def test_all_genes_at_once_as_one_by_one(data, ties):
    x, times, event = data
    x = x.copy()
    x[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    x[:, 5] = 3.0
    found = univariate_cox(times[ties], event, x)
    for j in (0, 1, 7, 19):
        there = ~np.isnan(x[:, j])
        alone = CoxPH().fit(x[there][:, [j]], times[ties][there], event[there])
        assert found.coef[j] == pytest.approx(alone.coef_[0], abs=1e-7)
        assert found.se[j] == pytest.approx(alone.se_[0], abs=1e-7)
        assert (found.n[j], found.events[j]) == (there.sum(), event[there].sum())
    assert found.loc[5, ["coef", "z", "p"]].tolist() == [0, 0, 1] and np.isnan(found.se[5])


def test_all_genes_at_once_in_the_corners():
    times, event = np.arange(1.0, 31), np.ones(30, dtype=bool)
    x = np.column_stack([-times * 1e6, np.full(30, np.nan), np.ones(30), np.where(times < 3, 1.0, np.nan)])
    found = univariate_cox(times, event, x)
    assert np.isfinite(found[["coef", "z", "p"]]).all().all()
    assert found.coef[0] > 0 and found.coef[1:].tolist() == [0, 0, 0]


def test_p_values_of_nothing_are_uniform():
    rng = np.random.default_rng(3)
    found = univariate_cox(rng.exponential(1, 300), rng.random(300) < 0.6, rng.standard_normal((300, 2000)))
    for level in (0.05, 0.5):
        assert (found.p < level).mean() == pytest.approx(level, abs=4 * (level * (1 - level) / 2000) ** 0.5)


def test_fast_enough_for_a_null_of_random_panels(data):
    """Generous: a fit takes 2 ms and 1,500 genes 0.15 s on a free core."""
    x, times, event = data
    start = time.process_time()
    for _ in range(20):
        CoxPH(1.0).fit(x, times["distinct"], event)
    assert (time.process_time() - start) / 20 < 0.02
    genes = np.random.default_rng(0).standard_normal((400, 1500))
    start = time.process_time()
    univariate_cox(times["distinct"], event, genes)
    assert time.process_time() - start < 2
