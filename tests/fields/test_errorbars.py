"""The inner hold-out, and what is made of its errors."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.spatial.distance import cdist

from exval.errors import InputError
from exval.fields.errorbars import ErrorBars, _two_parts
from exval.fields.fading import Fading
from exval.fields.holdout import bands, by_donor, hold_outs
from exval.fields.knn import KNearest
from exval.fields.kriging import OrdinaryKriging
from exval.fields.mean import MeanField
from exval.fields.network import Siren
from exval.fields.newgene import Extended
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


def test_a_donor_with_nearly_all_samples_is_not_held_out():
    who = ["a"] * 200 + ["b", "c"]
    places = Places.of(np.random.default_rng(0).uniform(-60, 60, (202, 3)), donor_n=who)
    assert not by_donor(places) and min(len(fold.train) for fold in hold_outs(places)) >= 80
    field = OrdinaryKriging().fit(places, np.sin(places.xyz_n3 / 30))
    assert np.isfinite(field.predict(places, sd=True).sd_mg).all()


def test_samples_at_one_place_are_refused():
    mirrored = np.array([[20.0, 5, 5], [-20, 5, 5]] * 15)
    with pytest.raises(InputError, match="at one place"):
        KNearest().fit(Places.of(mirrored), np.random.default_rng(0).normal(size=(30, 2)))


def test_few_samples_are_not_emptied_of_all():
    assert [len(fold.train) for fold in hold_outs(brain(36, "abc"))] == [24] * 3
    assert all(len(fold.train) >= 20 for fold in hold_outs(brain(90, "aabc")))


def test_samples_of_one_donor_are_asked_near_to_and_far_from_others():
    places = brain(900, "a")
    apart = np.concatenate([fold.apart_m for fold in hold_outs(places)])
    usual = np.sort(cdist(places.folded(), places.folded()), axis=1)[:, 1]
    assert np.quantile(apart, 0.2) < 1.5 * np.median(usual) and np.quantile(apart, 0.9) > 4 * np.median(usual)


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
    return places, sd * rng.normal(size=(n, genes)), claimed, apart, near, far


@pytest.mark.parametrize("own", [False, True])
def test_sds_are_those_of_the_errors_near_and_far(own):
    places, error, claimed, apart, near, far = simulated_errors(own=own)
    bars = ErrorBars().fit(places, np.ones_like(error), error, claimed, apart, 5)
    here = Places(places.xyz_n3[:1], places.donor_n[:1], places.regions_nk[:1])  # a sample itself: 0 mm
    far_off = Places(np.array([[400.0, 0.0, 0.0]]), here.donor_n, here.regions_nk)
    spread = np.full((1, len(near)), 0.5) if own else None
    np.testing.assert_allclose(bars.at(here, spread)[0], near, rtol=0.12)
    np.testing.assert_allclose(bars.at(far_off, spread)[0], np.sqrt(near**2 + 5 / 3 * (far**2 - near**2)), rtol=0.12)
    np.testing.assert_allclose(bars.halves_2, [10, 30], atol=1)
    np.testing.assert_allclose(bars.r2_2g[1], 1 - (error[apart > 20] ** 2).mean(0), rtol=0.05)


def test_the_fewer_parts_were_emptied_the_more_counts_what_comes_with_distance():
    places, error, _, apart, _, _ = simulated_errors()
    rise = [ErrorBars().fit(places, error, error, None, apart, folds).b_g[0] for folds in (1, 2, 3, 4, 5, 6, 100)]
    np.testing.assert_allclose(np.divide(rise, rise[-1]) * 100 / 98, [3, 3, 3, 2, 5 / 3, 1.5, 100 / 98], rtol=1e-6)


def test_where_distance_does_not_matter_near_is_far():
    rng = np.random.default_rng(0)
    places, apart = brain(800, None), np.linspace(40, 0, 800)
    error = rng.normal(size=(800, 5)) * np.linspace(1.5, 0.5, 800)[::-1][:, None]  # smaller, the further
    bars = ErrorBars().fit(places, error, error, None, apart, 5)
    np.testing.assert_allclose(*bars.times(np.array([0.0, 40.0])))
    np.testing.assert_allclose(bars.times(np.zeros(1))[0], np.sqrt((error**2).mean(0)), rtol=0.05)


def test_own_sds_that_grow_too_fast_are_drawn_in_far_and_left_alone_near():
    rng = np.random.default_rng(0)
    places, apart = brain(4000, None), rng.uniform(0, 40, 4000)
    claimed = np.repeat(0.4 + 0.02 * apart[:, None], 5, axis=1)
    error = np.where(apart[:, None] < 10, claimed, 0.6 * claimed) * rng.normal(size=claimed.shape)
    times = ErrorBars().fit(places, error, error, claimed, apart, 5).times(np.array([0.0, 40.0]))
    np.testing.assert_allclose(times[0], 1.0, rtol=0.08)
    np.testing.assert_allclose(times[1], 0.6, rtol=0.08)


def test_the_mean_has_no_r2_near_nor_far():
    places = brain(600, "abcdef")
    values = np.where(np.abs(places.xyz_n3) > 40, 3.0, 0.3) * np.random.default_rng(0).normal(size=(600, 3))
    field = MeanField().fit(places, values)
    assert (np.abs(field._errors[False].r2_2g) < 0.05).all()


def test_equal_distances_are_one_band_and_order_does_not_matter():
    """Parcels: all donors were sampled at the same places, and the last ones are the noisiest."""
    rng = np.random.default_rng(0)
    xyz, who = np.tile(rng.uniform(-60, 60, (80, 3)), (6, 1)), np.repeat(list("abcdef"), 80)
    places = Places.of(xyz, donor_n=who)
    apart = hold_outs(places)
    apart = np.concatenate([fold.apart_m for fold in apart])
    assert (apart == 0).mean() > 0.3
    assert len(bands(apart)[0]) == (apart == 0).sum()
    error = np.where(who == "f", 2.0, 0.5)[:, None] * rng.normal(size=(480, 4))
    flat = ErrorBars().fit(places, error, error, None, np.zeros(480), 6)
    np.testing.assert_allclose(flat.times(np.zeros(1))[0], np.sqrt((error**2).mean(0)), rtol=1e-6)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, 7.0]) | st.floats(0, 50), min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_bands_are_all_rows_near_to_far_and_never_divide_what_is_equal(distances):
    apart = np.array(distances)
    made = bands(apart)
    assert np.array_equal(np.sort(np.concatenate(made)), np.arange(len(apart)))
    assert len(made) <= 8 and all(len(part) >= min(40, len(apart)) for part in made)
    for near, far in zip(made, made[1:]):
        assert apart[near].max() < apart[far].min()


def waves_with_a_hole(n_waves: int):
    """Waves of 100 mm at samples of six donors, and which of these lie in a ball of 45 mm."""
    rng, places = np.random.default_rng(3), brain(1500, "abcdef", 3)
    direction = rng.normal(size=(3, n_waves))
    direction /= np.linalg.norm(direction, axis=0)
    waves = np.sin(places.folded() @ direction * (2 * np.pi / 100) + rng.uniform(0, 6, n_waves))
    return rng, places, waves, np.linalg.norm(places.folded() - places.folded()[7], axis=1) < 45


def test_intervals_hold_where_a_part_of_the_brain_was_never_sampled():
    """Waves of 100 mm: a nearest neighbour is right within millimetres and wrong at centimetres."""
    rng, places, waves, test = waves_with_a_hole(40)
    values = waves + 0.3 * rng.normal(size=waves.shape)
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


TINY = {"omegas": (4.0,), "width": 16, "members": 2, "steps": 30}


def with_regions(n: int = 240, share: float = 0.5, seed: int = 0) -> Places:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-60, 60, (n, 3))
    names = np.where(rng.random((n, 1)) < share, np.where(xyz[:, 2:] > 0, "up", "down"), None)
    return Places.of(xyz, (list("abcd") * n)[:n], names.astype(object))


def test_a_network_fades_and_errors_are_those_of_faded_copies_with_their_offsets():
    """Two donors far apart, told in half of the places: parts of both are held out, and donors are known there."""
    rng = np.random.default_rng(0)
    places = with_regions()
    places = Places(places.xyz_n3, np.array(list("ab") * 120, dtype=object), places.regions_nk)
    z = np.sin(places.folded() / 20) + np.where(places.donor_n == "a", 1.0, -1.0)[:, None] + rng.normal(size=(240, 3))
    field, folds = Siren(**TINY), hold_outs(places)
    field.learn(places, z)
    asked = [places.without_regions(), places]
    made = field.inner(places, z, folds, asked)
    assert set(field._fading) == {False, True}
    for fold in folds:
        one = field.frozen()
        one.learn(places.take(fold.train), z[fold.train])
        for as_told, (error, _) in zip(asked, made):
            here = as_told.take(fold.test)
            slope = np.empty((len(here), 1))
            for told in (False, True):
                slope[here.told() == told] = field._fading[told].of(fold.apart_m[here.told() == told])
            told_mg = slope * one.network(here) + one.offsets_.at(here)[0]
            np.testing.assert_allclose(error[fold.test], z[fold.test] - told_mg, atol=1e-5)


def test_far_from_samples_a_network_tells_what_is_left_of_it():
    places = with_regions(share=1.0)
    field = Siren(**TINY).fit(places, np.sin(places.folded() / 20))
    for fading in field._fading.values():
        fading.slope_b = np.where(np.arange(len(fading.slope_b)) == 0, 1.0, 0.0)
    far = Places.of([[128.0, 0, 0], [128, 10, 0]], ["a", None], [["up"], [None]])
    np.testing.assert_allclose(field.tell(far), field.offsets_.at(far)[0], atol=1e-6)
    near = places.take(np.arange(5))
    np.testing.assert_allclose(field.tell(near), field.network(near) + field.offsets_.at(near)[0], atol=1e-6)


def test_regions_that_a_field_is_not_to_look_at_are_not_asked_with():
    places = with_regions(share=1.0)
    assert set(Siren(**TINY, regions=False).fit(places, np.sin(places.folded() / 20))._errors) == {False}


def test_genes_that_were_added_are_as_unsure_far_off_as_the_others():
    """A ball without samples: 95 % intervals of added genes hold there as near to samples."""
    rng, places, waves, hole = waves_with_a_hole(6)
    values = waves @ rng.normal(size=(6, 60)) / 2 + 0.3 * rng.normal(size=(1500, 60))
    train, test = places.take(~hole), places.take(hole).without_donor()
    field = KNearest().fit(train, values[~hole, :40])
    z, some = field.standardised(values[~hole, :40]), np.arange(0, (~hole).sum(), 5)
    added = Extended.fitted(field, train, z, train.take(some), values[~hole][some, 40:], list("abcdefghijklmnopqrst"))
    told = added.predict(test, sd=True)
    held = np.abs(told.mean_mg - values[hole]) < 1.96 * told.sd_mg
    assert 0.9 < held[:, 40:].mean() < 0.995 and abs(held[:, 40:].mean() - held[:, :40].mean()) < 0.05
    again = Extended.regained(field, copy.deepcopy(added.keep()), list("abcdefghijklmnopqrst"))
    np.testing.assert_allclose(again.predict(test, sd=True).sd_mg, told.sd_mg, rtol=1e-6)
