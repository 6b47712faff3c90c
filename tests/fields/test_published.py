"""The published recipe as a field: its input by hand, what is kept, and what it learns."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from exval.errors import InputError
from exval.fields.places import Places
from exval.fields.published import PublishedField
from exval.fields.saved import open_field, save_field

TINY = PublishedField.presets["tiny"]


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (60, 3))
    return Places.of(xyz, list("pq") * 30), 7 + np.sin(xyz / 20) + 0.1 * rng.normal(size=(60, 3))


@pytest.fixture(scope="module")
def fitted(samples):
    return PublishedField(**TINY).fit(*samples, ["A", "B", "C"])


class Patched(PublishedField):
    """Tissue from the sign of z."""

    def tissue(self, xyz_n3):
        return np.sign(xyz_n3[:, 2])


def test_a_row_is_place_tissue_and_gene():
    field = Patched(octaves=2)
    field._span, field.kept_, field.code_g_ = np.array([-50.0, 30.0]), {"tissue": True}, np.array([0.0, 0.5, 1.0])
    field.width, field.layers, field.device = 4, 1, "cpu"
    field._make()
    inputs = field._inputs(Places.of([[-30.0, 10.0, 20.0], [10.0, -50.0, -30.0]]))
    row = field._rows(inputs, 1, 6).numpy()
    assert row.shape == (5, 3 + 1 + 1 + 2 * 2)
    place = [[1.0, 0.5, 0.75, 1.0], [0.5, -1.0, -0.5, -1.0]]
    gene = [[e, np.sin(e), np.cos(e), np.sin(2 * e), np.cos(2 * e)] for e in (0.0, 0.5, 1.0)]
    by_hand = [[*place[r // 3], *gene[r % 3]] for r in range(1, 6)]
    np.testing.assert_allclose(row, by_hand, atol=1e-6)


def test_the_full_size():
    field = PublishedField(device="cpu")
    field._make()
    assert field.model_.sines[0].in_features == 27 and len(field.model_.sines) == 13
    assert field.n_parameters() == 3_166_721


def test_it_reproduces_its_samples_and_says_how_well(samples, fitted):
    places, values = samples
    told = fitted.predict(places, sd=True)
    assert told.sd_mg is None
    scaled = (values - told.mean_mg) / np.ptp(values, axis=0)
    assert fitted.kept_["loss"] == pytest.approx((scaled**2).mean(), rel=1e-3)
    short = PublishedField(**{**TINY, "steps": 1}).fit(places, values)
    assert fitted.kept_["loss"] < 0.5 * short.kept_["loss"] and short.kept_["step"] == 0
    assert fitted.kept_["step"] > 100


def test_training_sees_the_samples_alone_and_pieces_do_not_matter(samples, fitted):
    places, values = samples
    again = PublishedField(**{**TINY, "batch_rows": 50}).fit(places, values)
    told = [one.predict(places).mean_mg for one in (fitted, again)]
    np.testing.assert_allclose(told[1], told[0], atol=0.02)
    seen = []
    watched = PublishedField(**{**TINY, "steps": 3})
    watched.watch = lambda training: seen.append((training.step, training.n))
    watched.fit(places, values)
    assert seen == [(1, 180), (2, 180), (3, 180)]


@pytest.mark.parametrize("values_of", [lambda x: x[:, :1], lambda x: np.column_stack([x, np.full(60, 3.0)])])
def test_one_gene_and_a_gene_that_does_not_vary(samples, values_of):
    places, values = samples[0], values_of(samples[1])
    told = PublishedField(**TINY).fit(places, values).predict(places).mean_mg
    assert told.shape == values.shape and np.isfinite(told).all()
    if values.shape[1] == 4:
        np.testing.assert_allclose(told[:, 3], 3.0)


def test_hemispheres_are_one_or_two(samples):
    places, values = samples
    mirrored = Places.of(places.xyz_n3 * [-1, 1, 1])
    two = PublishedField(**{**TINY, "fold": False}).fit(places, values)
    assert np.abs(two.predict(mirrored).mean_mg - two.predict(places).mean_mg).max() > 0.1


def test_it_is_kept(samples, fitted, tmp_path):
    places, values = samples
    save_field(tmp_path, fitted, places, values, {"data": "made", "space": "mni", "unit": "log2"})
    again = open_field(tmp_path)
    np.testing.assert_allclose(again.field.predict(places).mean_mg, fitted.predict(places).mean_mg, rtol=1e-5)
    assert again.field.kept_ == fitted.kept_ and again.field.predict(places, sd=True).sd_mg is None


def test_without_nilearn_it_says_so_and_is_consistent(samples, fitted, monkeypatch, caplog):
    places, values = samples
    monkeypatch.setattr("exval.fields.tissue.tissue_at", lambda xyz: None)
    with caplog.at_level(logging.WARNING, logger="exval"):
        blind = PublishedField(**{**TINY, "steps": 5}).fit(places, values)
    assert blind.kept_["tissue"] is False
    told = blind.predict(places).mean_mg
    with pytest.raises(InputError, match="install nilearn"):
        fitted.predict(places)
    monkeypatch.undo()
    np.testing.assert_array_equal(blind.predict(places).mean_mg, told)  # nilearn came later: still without


def test_no_gpu_is_told_in_a_line(samples, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU"):
        PublishedField(**{**TINY, "device": "cuda"}).fit(*samples)
