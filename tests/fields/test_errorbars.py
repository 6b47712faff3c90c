"""The inner hold-out, and what is made of its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.spatial.distance import cdist

from exval.fields.errorbars import ErrorBars, HoldOut, _two_parts, bands, hold_outs
from exval.fields.fading import Fading
from exval.fields.knn import KNearest
from exval.fields.places import Places


def brain(n: int, donors: str | None, seed: int = 0) -> Places:
    rng = np.random.default_rng(seed)
    who = None if donors is None else rng.permutation(list((donors * n)[:n]))
    return Places.of(rng.uniform(-60, 60, (n, 3)), donor_n=who)


@pytest.mark.parametrize("donors", ["abcdef", "abc", "ab", "a", None])
def test_everyone_is_asked_once_and_never_taught_by_itself(donors):
    places = brain(240, donors)
    folds = hold_outs(places)
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(240))
    for fold in folds:
        assert not set(fold.test) & set(fold.train)
        if donors in ("abcdef", "abc"):
            assert not set(places.donor_n[fold.test]) & set(places.donor_n[fold.train])
        near = cdist(places.folded()[fold.test], places.folded()[fold.train]).min(1)
        np.testing.assert_allclose(fold.apart_m, near, atol=1e-9)


def test_with_every_donor_another_part_of_the_brain_is_emptied():
    places = brain(600, "abcdef")
    emptied = []
    for fold in hold_outs(places):
        gone = np.setdiff1d(np.arange(600), np.concatenate([fold.test, fold.train]))
        assert len(gone) == len(fold.train)
        centre = places.folded()[gone].mean(0)
        inside, left = (np.linalg.norm(places.folded()[rows] - centre, axis=1) for rows in (gone, fold.train))
        assert np.median(inside) < np.median(left)
        assert np.quantile(fold.apart_m, 0.95) > 3 * np.quantile(fold.apart_m, 0.25)
        emptied.append(frozenset(gone))
    assert len(set(emptied)) == 6


def test_few_samples_are_not_emptied_of_all():
    for fold in hold_outs(brain(36, "abc")):
        assert len(fold.train) >= 20


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_near_and_far_are_non_negative_least_squares(seed, n_bands, genes):
    rng = np.random.default_rng(seed)
    square, weight = rng.exponential(size=(n_bands, genes)), rng.uniform(0.2, 2, n_bands)
    shape = np.sort(rng.uniform(size=n_bands))
    shape = (shape - shape[0]) / (shape[-1] - shape[0])
    a, b = _two_parts(square, shape, weight)
    design = np.column_stack([weight, shape * weight])
    for gene in range(genes):
        np.testing.assert_allclose((a[gene], b[gene]), nnls(design, square[:, gene] * weight)[0], atol=1e-8)


def simulated_errors(n: int = 4000, genes: int = 6, own: bool = False):
    """Errors whose sd rises from near to far samples, in two genes twice as far as in the others."""
    rng = np.random.default_rng(1)
    places, apart = brain(n, None), rng.uniform(0, 40, n)
    near, far = np.linspace(0.3, 0.6, genes), np.linspace(0.6, 1.2, genes)
    far[:2] *= 2
    sd = np.sqrt(near**2 + (far**2 - near**2) * np.clip((apart[:, None] - 5) / 20, 0, 1))
    claimed = np.full((n, genes), 0.5) if own else None
    fold = HoldOut(np.arange(0), np.arange(n), apart)
    more = [HoldOut(np.arange(0), np.arange(0), np.empty(0))] * 4  # five parts in all
    return places, sd * rng.normal(size=(n, genes)), claimed, [fold, *more], near, far


@pytest.mark.parametrize("own", [False, True])
def test_sds_are_those_of_the_errors_near_and_far(own):
    places, error, claimed, folds, near, far = simulated_errors(own=own)
    bars = ErrorBars().fit(places, error, claimed, folds)
    scale = 0.5 if own else 1.0
    np.testing.assert_allclose(bars.near_g * scale, near, rtol=0.12)
    np.testing.assert_allclose(bars.far_g * scale, far, rtol=0.12)
    assert bars.unsure_1.tolist() == [5 / 3]
    here = Places(places.xyz_n3[:1], places.donor_n[:1], places.regions_nk[:1])  # a sample itself: 0 mm
    far_off = Places(np.array([[400.0, 0.0, 0.0]]), here.donor_n, here.regions_nk)
    spread = np.full((1, len(near)), 0.5) if own else None
    np.testing.assert_allclose(bars.at(here, spread)[0], near, rtol=0.12)
    np.testing.assert_allclose(bars.at(far_off, spread)[0], np.sqrt(near**2 + 5 / 3 * (far**2 - near**2)), rtol=0.12)


def test_where_distance_does_not_matter_near_is_far():
    rng = np.random.default_rng(0)
    places, apart = brain(800, None), np.linspace(40, 0, 800)
    error = rng.normal(size=(800, 5)) * np.linspace(1.5, 0.5, 800)[::-1][:, None]  # smaller, the further
    bars = ErrorBars().fit(places, error, None, [HoldOut(np.arange(0), np.arange(800), apart)])
    np.testing.assert_allclose(bars.far_g, bars.near_g)
    np.testing.assert_allclose(bars.near_g, np.sqrt((error**2).mean(0)), rtol=0.05)


def test_intervals_hold_where_a_part_of_the_brain_was_never_sampled():
    """Waves of 100 mm: a nearest neighbour is right within millimetres and wrong at centimetres."""
    rng = np.random.default_rng(3)
    places = brain(1500, "abcdef", 3)
    direction = rng.normal(size=(3, 40))
    direction /= np.linalg.norm(direction, axis=0)
    waves = np.sin(places.folded() @ direction * (2 * np.pi / 100) + rng.uniform(0, 6, 40))
    values = waves + 0.3 * rng.normal(size=waves.shape)
    test = np.linalg.norm(places.folded() - places.folded()[7], axis=1) < 45
    field = KNearest().fit(places.take(~test), values[~test])
    told = field.predict(places.take(test).without_donor(), sd=True)
    held = np.abs(told.mean_mg - values[test]) < 1.96 * told.sd_mg
    assert 0.9 < held.mean() < 0.995
    near = np.quantile(np.linalg.norm(places.folded()[test] - places.folded()[7], axis=1), 0.5)
    middle = np.linalg.norm(places.folded()[test] - places.folded()[7], axis=1) < near
    assert told.sd_mg[middle].mean() > told.sd_mg[~middle].mean()


def test_slopes_are_those_of_least_squares_in_the_bands():
    rng = np.random.default_rng(0)
    places, apart = brain(400, None), rng.uniform(0, 40, 400)
    told = rng.normal(size=(400, 30))
    truth = np.exp(-apart / 15)
    fading = Fading().fit(places, truth[:, None] * told, told, apart)
    expected = [truth[rows].mean() for rows in bands(apart)]
    np.testing.assert_allclose(fading.slope_b, expected, rtol=0.05)
    assert (np.diff(fading.slope_b) <= 1e-12).all() and fading.of(np.array([1e6]))[0, 0] == fading.slope_b[-1]


def test_what_is_worse_than_nothing_is_left_out_and_what_is_too_timid_is_kept_as_it_is():
    rng = np.random.default_rng(0)
    places, apart = brain(400, None), np.linspace(0, 40, 400)
    told = rng.normal(size=(400, 5))
    assert (Fading().fit(places, -told, told, apart).slope_b == 0).all()
    assert (Fading().fit(places, 3 * told, told, apart).slope_b == 1).all()
