"""Ridge Cox on a block: the same as the plain ridge, however the columns are turned."""

from __future__ import annotations

import numpy as np
import pytest

from exval.methods.survival.cox import CoxPH
from exval.methods.survival.ridge import CLINICAL_RIDGE, RIDGES, leading_components, ridge_cox


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((90, 30)) @ rng.standard_normal((30, 30)) / 5
    c = rng.standard_normal((90, 2))
    death, leaves = rng.exponential(np.exp(-z[:, 0] - c[:, 0])), rng.exponential(2, 90)
    return z, c, np.minimum(death, leaves), death <= leaves


def test_components_are_those_of_the_svd(data):
    z = data[0]
    for x in (z, z[:20]):
        directions, variance = leading_components(x, 7)
        _, singular, right = np.linalg.svd(x - x.mean(0), full_matrices=False)
        np.testing.assert_allclose(variance, singular[:7] ** 2 / len(x))
        np.testing.assert_allclose(np.abs(directions), np.abs(right[:7].T), atol=1e-8)
        assert (directions[np.abs(directions).argmax(0), range(7)] > 0).all()


def test_empty_directions_are_left_out():
    x = np.outer(np.arange(6.0), [1.0, 2, 0])
    directions, variance = leading_components(x, 3)
    assert directions.shape == (3, 1) and variance[0] == pytest.approx(np.var(np.arange(6)) * 5)


@pytest.mark.parametrize("rows", [90, 25])
def test_all_components_are_the_ridge_on_the_columns(data, rows):
    z, c, time, event = (part[:rows] for part in data)
    fit = ridge_cox(z, c, time, event, ridges=(2.0,))
    total = ((z - z.mean(0)) ** 2).sum() / rows
    plain = CoxPH(np.r_[[CLINICAL_RIDGE] * 2, [2.0 * total] * 30]).fit(np.hstack([c, z]), time, event)
    np.testing.assert_allclose(fit.weights_p, plain.coef_[2:], atol=1e-5)
    np.testing.assert_allclose(fit.weights_q, plain.coef_[:2], atol=1e-5)
    np.testing.assert_allclose(fit.se_q, plain.se_[:2], atol=1e-5)


def test_what_is_chosen_has_the_best_score(data):
    fit = ridge_cox(*data, components=(2, 10, 500))
    assert (fit.n_components, fit.ridge) == max(fit.scores, key=fit.scores.get)
    assert {r for r, _ in fit.scores} == {2, 10, 30} and {ridge for _, ridge in fit.scores} == set(RIDGES)
    again = ridge_cox(*data, components=(500, 10, 2))
    np.testing.assert_array_equal(fit.weights_p, again.weights_p)


def test_noise_is_shrunk_to_nothing(data):
    z, c, _, event = data
    fit = ridge_cox(z, c, np.random.default_rng(5).exponential(1, 90), event)
    signal = ridge_cox(*data)
    assert np.std(z @ fit.weights_p) < 0.3 * np.std(z @ signal.weights_p)


def test_the_scale_of_the_block_does_not_matter(data):
    z, c, time, event = data
    a, b = (ridge_cox(factor * z, c, time, event) for factor in (1.0, 1000.0))
    np.testing.assert_allclose(z @ a.weights_p, 1000 * z @ b.weights_p, atol=1e-6)
