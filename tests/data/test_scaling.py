"""Means and SDs of measured values, entries held out, and the factor that makes intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import packs  # noqa: F401  (the settings of hypothesis)
from exval.data.scaling import fit_scaling
from exval.methods.completion.held_out import LEVELS, coverage_scale, hold_out


@given(st.integers(0, 10**6), st.integers(2, 60), st.sampled_from([0.0, 0.5]))
def test_values_in_proportion_have_their_ordinary_mean_and_sd(seed, n, missing):
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 3, (n, 6))
    x[rng.random(x.shape) < missing] = np.nan
    scaling = fit_scaling(x)
    for j in range(6):
        known = x[~np.isnan(x[:, j]), j]
        if len(known) == 0:
            assert np.isnan(scaling.mean_g[j]) and scaling.sd_g[j] == 0
        elif len(known) == 1:
            assert scaling.mean_g[j] == known[0] and scaling.sd_g[j] == 0
        else:
            assert scaling.mean_g[j] == pytest.approx(known.mean())
            assert scaling.sd_g[j] == pytest.approx(known.std(ddof=1))


def test_one_huge_value_does_not_set_the_scale():
    x = np.random.default_rng(0).normal(size=(400, 2))
    plain = fit_scaling(x)
    x[7, 0] = 36_893.0
    got = fit_scaling(x)
    assert got.sd_g[0] == pytest.approx(plain.sd_g[0], rel=0.2)
    assert got.mean_g[0] == pytest.approx(plain.mean_g[0], abs=0.05)
    assert got.standardised(x)[7, 0] == 10.0


def test_a_gene_at_its_floor_in_nearly_all_samples_keeps_its_few_high_values():
    x = np.full((100, 1), -9.9658)
    x[:3, 0] = 4.0
    assert fit_scaling(x).sd_g[0] == pytest.approx(x.std(ddof=1))


def test_constant_values_have_no_sd_though_their_sum_is_rounded():
    x = np.full((679, 1), -9.9658, np.float32).astype(float)
    scaling = fit_scaling(x)
    assert scaling.sd_g[0] == 0 and scaling.mean_g[0] == x[0, 0] and not scaling.varies_g[0]


def test_samples_set_aside_are_not_among_those_to_fit_on():
    z = np.random.default_rng(0).normal(size=(60, 20))
    z[np.random.default_rng(1).random(z.shape) < 0.1] = np.nan
    held = hold_out(z, seed=3)
    assert held.fit_ng.shape == (48, 20) and held.seen_mg.shape == (36, 20)
    whole = np.where(np.isnan(held.truth_mg), held.seen_mg, held.truth_mg)
    rows = {row.tobytes() for row in np.nan_to_num(z)}
    fitted = {row.tobytes() for row in np.nan_to_num(held.fit_ng)}
    checked = {row.tobytes() for row in np.nan_to_num(whole)}
    assert fitted | checked == rows and not fitted & checked
    assert not (~np.isnan(held.truth_mg) & ~np.isnan(held.seen_mg)).any()
    for share in (0.1, 0.5, 0.9):
        part = held.share_m == share
        assert (~np.isnan(held.truth_mg[part])).sum() / (~np.isnan(whole[part])).sum() == pytest.approx(share, abs=0.08)


def test_loss_by_hand_and_too_few_samples():
    held = hold_out(np.random.default_rng(0).normal(size=(20, 9)))
    filled = np.nan_to_num(held.truth_mg) + held.share_m[:, None]
    assert held.loss(filled) == pytest.approx(np.mean([0.1**2, 0.5**2, 0.9**2]))
    assert held.ratios(filled, np.full(filled.shape, 0.5)).max() == pytest.approx(1.8)
    assert hold_out(np.zeros((9, 5))) is None
    assert hold_out(np.full((30, 5), np.nan)) is None


def test_genes_that_only_samples_set_aside_measured_are_left_out():
    z = np.random.default_rng(0).normal(size=(50, 6))
    held = hold_out(z)
    kept = {row.tobytes() for row in held.fit_ng}
    aside = np.array([row.tobytes() not in kept for row in z])
    z[~aside, 4] = np.nan
    assert hold_out(z).genes.tolist() == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("tail", ["normal", "laplace"])
def test_no_other_factor_covers_better(tail):
    ratio = np.abs(getattr(np.random.default_rng(0), tail)(size=20_000))

    def worst(factor):
        return max(abs((ratio <= factor * reach).mean() - level) for level, reach in LEVELS.items())

    assert worst(coverage_scale(ratio)) <= min(worst(f) for f in np.geomspace(0.5, 2, 50)) + 1e-3
