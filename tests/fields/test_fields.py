"""What every field keeps: it is found in the registry and tested by being there."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.fields import FIELDS
from exval.fields.places import Places

fields = pytest.mark.parametrize("name", list(FIELDS))


def made(name: str):
    kind = FIELDS[name]
    return kind(**kind.presets.get("tiny", {}))


@pytest.fixture(scope="module")
def world():
    """Smooth genes, a step between two regions, donors that are a little apart."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (240, 3))
    fine = np.array([f"{'ab'[int(z > 0)]}{int(y > 0)}" for _, y, z in xyz], dtype=object)
    coarse = np.array([one[0] for one in fine], dtype=object)
    donor = np.array(list("pqrs") * 60, dtype=object)
    x, y, z = np.abs(xyz[:, 0]), xyz[:, 1], xyz[:, 2]
    truth = np.column_stack([np.sin(x / 15), np.sin(y / 20), (coarse == "a") + 0.0, np.cos(z / 15)])
    values = 5 + truth + 0.2 * rng.normal(size=truth.shape) + 0.1 * (donor == "p")[:, None]
    return Places.of(xyz, donor, np.column_stack([coarse, fine])), values, 5 + truth


@pytest.fixture(scope="module")
def fitted(world):
    places, values, _ = world
    train = np.arange(240) % 4 != 3
    return {name: made(name).fit(places.take(train), values[train], list("ABCD")) for name in FIELDS}, train


@fields
def test_an_answer_does_not_depend_on_its_company_or_order(name, world, fitted):
    field, train = fitted[0][name], fitted[1]
    asked = world[0].take(~train)
    told = field.predict(asked, sd=True)
    order = np.random.default_rng(0).permutation(len(asked))
    part = field.predict(asked.take(order[:7]), sd=True)
    np.testing.assert_allclose(part.mean_mg, told.mean_mg[order[:7]], rtol=1e-4, atol=1e-4)
    if field.bars:
        np.testing.assert_allclose(part.sd_mg, told.sd_mg[order[:7]], rtol=1e-4, atol=1e-4)
    else:
        assert part.sd_mg is None


@fields
def test_units_are_those_of_the_values(name, world, fitted):
    places, values, _ = world
    field, train = fitted[0][name], fitted[1]
    other = made(name).fit(places.take(train), 100 * values[train] - 7, list("ABCD"))
    a, b = (one.predict(places.take(~train), sd=True) for one in (field, other))
    np.testing.assert_allclose(b.mean_mg, 100 * a.mean_mg - 7, rtol=2e-3, atol=0.5)
    if field.bars:
        np.testing.assert_allclose(b.sd_mg, 100 * a.sd_mg, rtol=0.02)


@fields
def test_it_is_the_same_again_and_in_both_hemispheres(name, world, fitted):
    places, values, _ = world
    field, train = fitted[0][name], fitted[1]
    again = made(name).fit(places.take(train), values[train])
    mirrored = Places.of(places.xyz_n3 * [-1, 1, 1], places.donor_n, places.regions_nk).take(~train)
    told = field.predict(places.take(~train)).mean_mg
    np.testing.assert_allclose(again.predict(places.take(~train)).mean_mg, told, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(field.predict(mirrored).mean_mg, told, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in FIELDS if FIELDS[name].bars])
@pytest.mark.parametrize("told", ["regions", "position"])
def test_intervals_hold_what_they_say(name, world, fitted, told):
    places, values, _ = world
    field, train = fitted[0][name], fitted[1]
    asked = places.take(~train).without_donor()
    answer = field.predict(asked if told == "regions" else asked.without_regions(), sd=True)
    inside = np.abs(values[~train] - answer.mean_mg) <= 1.96 * answer.sd_mg
    assert 0.86 <= inside.mean() <= 1.0
    assert (answer.sd_mg > 0).all()


@fields
def test_the_truth_is_nearer_than_the_mean(name, world, fitted):
    places, _, truth = world
    field, train = fitted[0][name], fitted[1]
    if name == "mean":
        return
    told = field.predict(places.take(~train)).mean_mg
    off = ((told - truth[~train]) ** 2).mean(0) / truth[~train].var(0)
    smooth = off[[2]] if name == "structure-mean" else off
    assert smooth.mean() < 0.85


@fields
@pytest.mark.parametrize(
    ("n", "values", "words"),
    [
        (12, np.zeros((12, 2)), "at least 20 samples"),
        (30, np.zeros((29, 2)), "30 places, but values of the shape"),
        (30, np.full((30, 2), np.nan), "2 genes have values that are missing"),
    ],
)
def test_what_cannot_be_fitted_is_refused(name, n, values, words):
    places = Places.of(np.random.default_rng(0).uniform(-40, 40, (n, 3)))
    with pytest.raises(InputError, match=words):
        made(name).fit(places, values)


@fields
def test_nothing_is_told_before_it_was_fitted(name):
    with pytest.raises(InputError, match="fitted"):
        made(name).predict(Places.of([[0.0, 0.0, 0.0]]))


@fields
def test_no_region_and_no_donor_need_be_known(name, world):
    places, values, _ = world
    bare = Places.of(places.xyz_n3)
    told = made(name).fit(bare, values).predict(bare, sd=True)
    assert told.mean_mg.shape == values.shape
    assert (told.sd_mg is None) != FIELDS[name].bars and np.isfinite(told.mean_mg).all()


@pytest.mark.parametrize(
    ("xyz", "words"),
    [
        ([[0.0, np.nan, 0.0]], "have no position"),
        ([[0.0, 0.0, 200.0]], "along z, outside of every MNI template"),
        (np.random.default_rng(0).integers(1, 120, (40, 3)), "voxel indices"),
        ([[0.0, 0.0]], "three columns"),
    ],
)
def test_positions_that_cannot_be_are_refused(xyz, words):
    with pytest.raises(InputError, match=words):
        Places.of(xyz)


@fields
def test_a_level_of_which_no_name_is_known_is_no_fault(name, world):
    places, values, _ = world
    half = Places.of(places.xyz_n3, places.donor_n, np.column_stack([places.regions_nk[:, 0], np.full(240, None)]))
    assert np.isfinite(made(name).fit(half, values).predict(half).mean_mg).all()


def test_a_copy_that_passes_through_its_samples_does_not_blow_up_the_sds():
    """Nearly as many columns of the trend as samples."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (25, 3))
    places, values = Places.of(xyz, list("ab") * 12 + ["a"]), np.sin(xyz / 20) + 0.1 * rng.normal(size=(25, 3))
    told = FIELDS["regression-kriging"]().fit(places, values).predict(places, sd=True)
    assert (told.sd_mg < 10 * values.std(0)).all()
