"""softImpute: its objective, its optimum, and the row that a new sample gets."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.lowrank.gaussian import conditional
from exval.methods.completion.softimpute import SoftImpute, soft_impute


def low_rank(n, g, r, noise, missing, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, r)) @ rng.normal(size=(r, g)) + noise * rng.normal(size=(n, g))
    return np.where(rng.random(x.shape) < missing, np.nan, x), x


def test_without_gaps_singular_values_are_lowered():
    x = low_rank(20, 8, 3, 0.5, 0.0)[1]
    u, d, vt = np.linalg.svd(x, full_matrices=False)
    fit = soft_impute(x, 3.0)
    want = (u * np.maximum(d - 3.0, 0)) @ vt
    np.testing.assert_allclose(conditional(fit.model, x), want, atol=1e-9)
    assert fit.objectives[-1] == pytest.approx(0.5 * ((x - want) ** 2).sum() + 3.0 * np.maximum(d - 3.0, 0).sum())


@pytest.mark.parametrize("max_rank", [None, 3])
def test_the_objective_never_rises(max_rank):
    x, _ = low_rank(40, 30, 3, 0.3, 0.5)
    values = soft_impute(x, 2.0, max_rank, iterations=60, tolerance=0.0).objectives
    assert len(values) == 60 and (np.diff(values) <= 1e-9 * values[0]).all() and values[-1] < 0.9 * values[0]


def test_the_optimum_is_stationary():
    """The residual at the measured values is a subgradient of the nuclear norm: lambda (U V' + rest), |rest| <= 1."""
    x, _ = low_rank(25, 15, 2, 0.3, 0.4)
    fit = soft_impute(x, 1.5, iterations=20_000, tolerance=1e-24)
    z = conditional(fit.model, x)
    residual = np.where(np.isnan(x), 0.0, x - z) / 1.5
    u, d, vt = np.linalg.svd(z, full_matrices=False)
    r = int((d > 1e-6).sum())
    u, v = u[:, :r], vt[:r].T
    np.testing.assert_allclose(u.T @ residual @ v, np.eye(r), atol=1e-5)
    rest = residual - u @ v.T
    np.testing.assert_allclose(u.T @ rest, 0, atol=1e-5)
    assert np.linalg.norm(rest, 2) < 1 + 1e-5


def test_a_training_sample_gets_its_own_row():
    x, _ = low_rank(25, 15, 2, 0.3, 0.4)
    fit = soft_impute(x, 1.5, iterations=20_000, tolerance=1e-24)
    got = np.where(np.isnan(x), conditional(fit.model, x), x)
    np.testing.assert_allclose(got, fit.filled_ng, atol=1e-5)


def test_low_rank_data_are_recovered():
    x, truth = low_rank(200, 60, 3, 0.0, 0.4)
    method = SoftImpute(seed=1)
    method.learn(x[:150])
    gap = np.isnan(x[150:])
    error = (method.fill(x[150:]) - truth[150:])[gap]
    assert np.sqrt((error**2).mean()) < 0.1 * truth.std()
    assert method.share_ == min(method.losses_, key=method.losses_.get)


def test_noise_is_shrunk_and_structure_is_not():
    noise = SoftImpute()
    noise.learn(np.random.default_rng(0).normal(size=(100, 40)))
    clear = SoftImpute()
    clear.learn(low_rank(100, 40, 2, 0.05, 0.0)[1])
    assert clear.share_ < noise.share_


@pytest.mark.parametrize("settings", [{"share": 0.0}, {"share": 1.0}, {"shares": ()}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError, match="between 0 and 1"):
        SoftImpute(**settings).learn(np.zeros((6, 3)))
